"""`python -m analysis.validation.faults [--seeds 101] [--days 7] [--hours 8] [--docs docs/faults.md]`: weeks of simulated wear.

Sensors slip, come off, are put back elsewhere, or fail; what the product said of it as tables, and which target is met.

Every day has a wearer of its own. Seeds 1-20 are for choosing thresholds: those that are reported begin at 101.
With --docs the tables are put between the markers of that page. Fails (exit 1) where a target is missed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis.validation import weeks
from analysis.validation.__main__ import BEGIN, END
from analysis.validation.weeks import Faulty, SlipSaid, Steady, Wear, seed_of
from posture.atomic import write_whole
from posture.types import InputError

REPORTED_FROM = 101
FOUND_FROM_DEG, FOUND_MIN, FALSE_PER_H, RECALL_MIN, NEUTRAL_DEG, NEUTRAL_P95_DEG = 10.0, 0.95, 0.0, 0.95, 3.0, 6.0
"""Targets: slips of at least so many deg found, claims without a slip, non-wear seconds found, neutral after a re-don."""


@dataclass(slots=True)
class Said:
    """What was said of all days, by kind of day."""

    slips: list[SlipSaid] = field(default_factory=list)
    steady: list[Steady] = field(default_factory=list)
    wear: list[Wear] = field(default_factory=list)
    faults: list[dict[str, Faulty]] = field(default_factory=list)


MADE: Mapping[str, Callable[[int, float], Any]] = {
    "slips": weeks.slips_on,
    "steady": weeks.steady,
    "wear": weeks.wear,
    "faults": weeks.faults,
}
"""Kind of day -> (seed, hours) -> what was said."""


def _made(kind: str, seed: int, hours: float) -> tuple[str, Any]:
    return kind, MADE[kind](seed, hours)


def gathered(seeds: Sequence[int], days: int, hours: float, *, jobs: int, on_done: Callable[[], None]) -> Said:
    """All days of all weeks, `jobs` at a time; in the order of the weeks, whichever is done first. on_done : after each day."""
    tasks = [(kind, seed_of(week, day), hours) for week in seeds for day in range(days) for kind in MADE]
    said = Said()
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(_made, *task) for task in tasks]
        for _ in as_completed(waiting):
            on_done()
    for done in waiting:
        kind, found = done.result()
        if isinstance(found, list):
            getattr(said, kind).extend(found)
        else:
            getattr(said, kind).append(found)
    return said


def page(said: Said) -> str:
    """The tables, every one marked simulated."""
    return "\n\n".join([_targets(said), _slips(said), _wear(said), _neutral(said), _faults(said.faults)])


@dataclass(frozen=True, slots=True)
class Target:
    """What must hold, what was measured, and whether it does."""

    words: str
    measured: str
    met: bool


def targets(said: Said) -> list[Target]:
    """The four that this page is about."""
    large = [s.found for s in said.slips if s.deg >= FOUND_FROM_DEG]
    hours, false_n = _steady(said)
    recall = _recall(said.wear)
    worn = _pooled(said.wear, lambda w: w.still_called_s)
    neutral = _errors(said)
    return [
        Target(
            f"slips of {FOUND_FROM_DEG:g} deg and more found within two walking bouts, share at least {FOUND_MIN:g}",
            f"{np.mean(large):.2f} of {len(large)}",
            bool(np.mean(large) >= FOUND_MIN),
        ),
        Target(
            "no slip claimed without one, 50 h and more", f"{false_n} in {hours:.0f} h", not false_n and hours >= 50
        ),
        Target(
            f"seconds off the body called non-wear, share at least {RECALL_MIN:g}",
            f"{recall:.3f}",
            recall >= RECALL_MIN,
        ),
        *(
            Target(
                f"no second of a {'sleeper' if kind == 'sleep' else 'still reader'} called non-wear",
                f"{s:.0f} s",
                not s,
            )
            for kind, s in worn.items()
        ),
        Target(
            f"inclination after a re-don, once walked: off by at most {NEUTRAL_DEG:g} deg (median) and {NEUTRAL_P95_DEG:g} (P95)",
            f"{np.median(neutral):.1f} and {np.percentile(neutral, 95):.1f} deg",
            bool(np.median(neutral) <= NEUTRAL_DEG and np.percentile(neutral, 95) <= NEUTRAL_P95_DEG),
        ),
    ]


def _pooled(days: Sequence[Wear], of: Callable[[Wear], Mapping[str, float]]) -> dict[str, float]:
    """Sums over the days, per name."""
    out: dict[str, float] = {}
    for day in days:
        for name, value in of(day).items():
            out[name] = out.get(name, 0.0) + value
    return out


def _recall(days: Sequence[Wear]) -> float:
    away, called = (_pooled(days, of) for of in (lambda w: w.away_s, lambda w: w.called_s))
    return sum(called.values()) / sum(away.values())


def _steady(said: Said) -> tuple[float, int]:
    return sum(s.hours for s in said.steady), sum(s.false_n for s in said.steady)


def _errors(said: Said) -> list[float]:
    return [e for w in said.wear for e in w.neutral_deg]


def _targets(said: Said) -> str:
    rows = [[t.words, t.measured, "yes" if t.met else "**no**"] for t in targets(said)]
    return "### Targets (simulated)\n\n" + _table(["target", "measured", "met"], rows)


def _slips(said: Said) -> str:
    rows = []
    for deg in sorted({s.deg for s in said.slips}):
        mine = [s for s in said.slips if s.deg == deg]
        error = [s.error_deg for s in mine if not np.isnan(s.error_deg)]
        spread = f"{np.median(error):.1f}, {np.percentile(error, 95):.1f}" if error else "–"
        rows.append([f"{deg:g}", str(len(mine)), f"{np.mean([s.found for s in mine]):.2f}", str(len(error)), spread])
    hours, false_n = _steady(said)
    head = ["slip, deg", "slips", "found", "with the right sensor", "error of the said shift, deg: median, P95"]
    return (
        "### Slips (simulated)\n\n"
        + _table(head, rows)
        + f"\n\n{false_n} claims in {hours:.0f} h without a slip, take-offs to the same place and stairs included."
    )


def _wear(said: Said) -> str:
    away, called = (_pooled(said.wear, of) for of in (lambda w: w.away_s, lambda w: w.called_s))
    still = _pooled(said.wear, lambda w: w.still_called_s)
    rows = [[name.replace("+", ", then "), f"{s / 3600:.1f}", f"{called[name] / s:.3f}"] for name, s in away.items()]
    worn_s, worn_called_s = (sum(v) for v in zip(*((w.worn_s, w.worn_called_s) for w in said.wear), strict=True))
    rows.append(["worn", f"{worn_s / 3600:.1f}", f"{worn_called_s / worn_s:.3f}"])
    for kind, name, minutes in (("desk", "a still reader", weeks.READER_MIN), ("sleep", "a sleeper", weeks.SLEEP_MIN)):
        hours = len(said.wear) * minutes / 60
        rows.append([f"of it {name}", f"{hours:.1f}", f"{still.get(kind, 0.0) / 3600 / hours:.3f}"])
    return "### Non-wear (simulated)\n\n" + _table(["where", "h", "share called non-wear"], rows)


def _neutral(said: Said) -> str:
    errors = _errors(said)
    row = [str(len(errors)), f"{np.median(errors):.1f}", f"{np.percentile(errors, 95):.1f}"]
    return "### Put on again elsewhere (simulated)\n\n" + _table(
        ["re-dons times sensors", "error of inclination, deg: median", "P95"], [row]
    )


def _faults(days: Sequence[Mapping[str, Faulty]]) -> str:
    figures = (
        ("flexion_rmse_deg", 2),
        ("context_balanced", 3),
        ("flexed_f1", 3),
        ("bend_recall", 2),
        ("rounded_f1", 2),
    )
    rows = []
    for name in days[0]:
        mine = [day[name] for day in days]
        scores = [f.score for f in mine if f.score is not None]
        if not scores:
            rows.append([name, *["refused"] * len(figures), "–"])
            continue
        cells = [f"{np.nanmean([getattr(s, figure) for s in scores]):.{digits}f}" for figure, digits in figures]
        rows.append([name, *cells, f"{np.mean([f.valid for f in mine]):.3f}"])
    head = ["fault", "flexion RMSE, deg", "context", "flexed sitting F1", "bend recall", "rounded F1", "valid share"]
    return "### Faults (simulated)\n\n" + _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def main(argv: list[str] | None = None) -> int:
    """Make the weeks, print the tables, say which target is missed."""
    parser = argparse.ArgumentParser(prog="python -m analysis.validation.faults", description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[REPORTED_FROM], help="one week each (default 101)")
    parser.add_argument("--days", type=int, default=7, help="days a week (default 7)")
    parser.add_argument(
        "--hours", type=float, default=8.0, help=f"of each day, at least {weeks.LEAST_HOURS:g} (default 8)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="days at a time; each takes 1.5 GB (default 2)")
    parser.add_argument("--docs", type=Path, help="page whose marked part is replaced")
    given = parser.parse_args(argv)
    if given.hours < weeks.LEAST_HOURS or given.days < 1 or given.jobs < 1:
        parser.error(f"give at least {weeks.LEAST_HOURS:g} hours, one day and one job")
    from rich.progress import Progress

    try:
        with Progress(transient=True) as progress:
            task = progress.add_task("simulated days", total=len(MADE) * given.days * len(given.seeds))
            said = gathered(
                given.seeds, given.days, given.hours, jobs=given.jobs, on_done=lambda: progress.advance(task)
            )
    except InputError as error:
        parser.error(str(error))
    text = page(said)
    print(text)  # noqa: T201
    if given.docs is not None:
        before, _, rest = given.docs.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        write_whole(given.docs, f"{before}{BEGIN}\n{text}\n{END}{after}")
    return 0 if all(t.met for t in targets(said)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
