"""`python -m analysis.validation.exercise [--seeds 201] [--people 30] [--docs docs/exercise.md]`: sets and practice holds.

Each simulated person does every exercise once or twice among everyday movements; what the product said of it with both sensors and
with each alone, undeclared and in a declared workout. Seeds 1-20 are for choosing thresholds: those that are reported begin at 201.
With --docs the tables are put between the markers of that page. Fails (exit 1) where a target is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from analysis.validation.exercise_labels import days_table, heard_days, trials_table
from analysis.validation.memory import replayed
from analysis.validation.page import read_page, replaced
from analysis.validation.synth import Script, make, person
from posture.atomic import write_whole
from posture.detect.declared import BRACE, EXERCISES, OFFLOAD_CONTROL, PRACTICES, TOWEL, Declared
from posture.types import InputError, Placement

REPORTED_FROM = 201
EXACT_MIN, NEAR_MIN, NAMED_MIN, FAILED_MIN = 0.85, 0.97, 0.90, 0.80
"""Targets, two sensors: shares of the sets."""
WEARS: Mapping[str, tuple[Placement, ...]] = {
    "both sensors": tuple(Placement),
    "sacrum alone": (Placement.SACRUM,),
    "upper lumbar alone": (Placement.UPPER_LUMBAR,),
}
UPRIGHT = tuple(e for e in EXERCISES if e != OFFLOAD_CONTROL)
EARLY_S, LATE_S = 6.0, 8.0
"""s by which a declared workout begins before its set and ends after it; ours."""
CHAIR = ("sit_to_stand", "stand_to_sit", "plunge")


@dataclass(frozen=True, slots=True)
class Set:
    """One set as it was (name, reps, first rep whose form broke, side) and as it was said; said_* are None where it was not."""

    name: str
    reps: int
    failed: int | None
    side: str | None
    said_name: str | None
    said_reps: int | None
    said_failed: int | None
    said_side: str | None
    measured: bool
    confidence: float
    chairs_n: int


@dataclass(frozen=True, slots=True)
class Practice:
    """One hold: practice, whether it was done with a tilt or a drift, and what was said (None: nothing)."""

    name: str
    tilted: bool
    said: bool
    said_drifted: bool | None


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said of one person in one wear. spare_n : sets that were said and were none."""

    sets: tuple[Set, ...]
    practices: tuple[Practice, ...]
    spare_n: int


def workout(seed: int) -> Script:
    """Every exercise with everyday movements in between, then the mat."""
    script, rng = Script(person(seed)).calibrate().walk(20).stand(8), np.random.default_rng([seed, 21])
    tasks = [*UPRIGHT, "reverse_lunge", str(rng.choice(UPRIGHT))]
    rng.shuffle(tasks)
    sides = iter(rng.permutation(["left", "right"] * 2).tolist())
    for exercise in tasks:
        _life(script, rng)
        reps = int(rng.integers(5, 13))
        breaks_at = int(rng.integers(1, reps + 1)) if rng.random() < 0.6 else None
        side = next(sides) if exercise == "reverse_lunge" else "left"
        pause_s = float(rng.choice([0.4, 0.4, 1.5]))
        script.set_of(exercise, reps, breaks_at=breaks_at, side=side, pause_s=pause_s).stand(float(rng.uniform(5, 20)))
    script.floor_down("half_kneel").lie(float(rng.uniform(0.2, 0.5)))
    reps = int(rng.integers(6, 13))
    script.set_of(OFFLOAD_CONTROL, reps, breaks_at=int(rng.integers(3, reps + 1)) if rng.random() < 0.6 else None)
    script.lie(float(rng.uniform(0.3, 0.6))).brace(10, tilt_deg=float(rng.choice([0.0, 1.0, 6.0, 8.0])))
    script.lie(0.4).towel(float(rng.uniform(2.2, 4.5))).lie(0.1).floor_up("half_kneel").stand(10)
    return script


def _life(script: Script, rng: np.random.Generator) -> None:
    """What comes between two sets."""
    what = rng.random()
    if what < 0.35:
        script.walk(float(rng.uniform(6, 25))).stand(float(rng.uniform(3, 8)))
    elif what < 0.6:
        for _ in range(int(rng.integers(1, 3))):
            script.bend("rounded", float(rng.uniform(55, 95))).stand(float(rng.uniform(3, 10)))
    elif what < 0.8:
        script.sit_down(style="usual").sit(float(rng.uniform(0.3, 1.0))).stand_up().stand(float(rng.uniform(4, 10)))
    else:
        script.stand(float(rng.uniform(10, 25)))


def declared(events: Iterable[Mapping[str, Any]], *, named: bool) -> list[Declared]:
    """Every set and hold announced a little before and ended a little after."""
    return [
        Declared(e["t0"] - EARLY_S, e["t1"] + LATE_S, e["name"] if named or e["name"] in PRACTICES else None)
        for e in events
        if e["type"] == "exercise"
    ]


def heard(seed: int, sensors: tuple[Placement, ...], *, announced: bool) -> Heard:
    """One person through the product."""
    day = make(workout(seed))
    truth = [e for e in day.track.events if e["type"] == "exercise"]
    said = replayed(day, sensors=sensors, workouts=declared(truth, named=True) if announced else ()).events
    sets = [e for e in said if e["kind"] == "exercise_set" and e["set_id"] != 0]
    holds = [e for e in said if e["kind"] == "practice_hold"]
    chairs = [e for e in said if e["kind"] in CHAIR]
    found = [(t, _most_shared(t, sets)) for t in truth if t["name"] in EXERCISES]
    spare = [s for s in sets if not any(s is mine for _, mine in found)]
    practices = [
        (t, _most_shared(t, [h for h in holds if h["practice"] == t["name"]])) for t in truth if t["name"] in PRACTICES
    ]
    return Heard(
        tuple(_set(t, mine, chairs) for t, mine in found),
        tuple(
            Practice(t["name"], bool(t.get("tilted", False)), mine is not None, mine["drifted"] if mine else None)
            for t, mine in practices
        ),
        len(spare),
    )


def _set(truth: Mapping[str, Any], mine: Mapping[str, Any] | None, chairs: Sequence[Mapping[str, Any]]) -> Set:
    said = mine or {}
    return Set(
        truth["name"],
        truth["reps"],
        truth["breaks_at"],
        truth.get("side"),
        said.get("exercise"),
        said.get("reps"),
        said.get("first_failed_rep"),
        said.get("side"),
        bool(said.get("form_measured", False)),
        float(said.get("confidence", np.nan)),
        sum(_shared_s(truth, e) > 0 for e in chairs),
    )


def _most_shared(truth: Mapping[str, Any], said: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The event that shares most time with the truth; None where none does."""
    mine = [e for e in said if _shared_s(truth, e) > 0.0]
    return max(mine, key=lambda e: _shared_s(truth, e), default=None)


def _shared_s(truth: Mapping[str, Any], said: Mapping[str, Any]) -> float:
    return float(min(truth["t1"], said["end_s"]) - max(truth["t0"], said["start_s"]))


def shares(sets: Sequence[Set]) -> dict[str, float]:
    """Shares of the sets: a set that was not found counts as wrong in all but the last three."""
    broke, held = [s for s in sets if s.failed is not None], [s for s in sets if s.failed is None]
    unmeasured = not any(s.measured for s in sets)
    sided = [s for s in sets if s.side is not None]
    return {
        "found": _mean(s.said_reps is not None for s in sets),
        "reps exact": _mean(s.said_reps == s.reps for s in sets),
        "within one": _mean(s.said_reps is not None and abs(s.said_reps - s.reps) <= 1 for s in sets),
        "named": _mean(s.said_name == s.name for s in sets),
        "first failed rep within one": float("nan")
        if unmeasured
        else _mean(
            s.said_failed is not None and s.failed is not None and abs(s.said_failed - s.failed) <= 1 for s in broke
        ),
        "none said where form held": float("nan")
        if unmeasured
        else _mean(s.measured and s.said_failed is None for s in held),
        "side": _mean(s.said_side == s.side for s in sided),
    }


def _mean(values: Iterable[bool]) -> float:
    kept = list(values)
    return float(np.mean(kept)) if kept else float("nan")


def _cell(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"


People = Mapping[tuple[str, bool], Sequence[Heard]]
"""(wear, declared) -> what was said of each person."""


def gathered(seeds: Sequence[int], *, wears: Sequence[str] = tuple(WEARS)) -> People:
    """Everything that the tables hold."""
    return {
        (wear, announced): [heard(seed, WEARS[wear], announced=announced) for seed in seeds]
        for announced in (False, True)
        for wear in wears
    }


def targets(people: People) -> list[tuple[str, float, float]]:
    """(what, measured, least) of the sets that were not declared, both sensors."""
    found = shares([s for h in people["both sensors", False] for s in h.sets])
    return [
        ("reps exact", found["reps exact"], EXACT_MIN),
        ("reps within one", found["within one"], NEAR_MIN),
        ("exercise named right", found["named"], NAMED_MIN),
        ("first failed rep within one", found["first failed rep within one"], FAILED_MIN),
    ]


def page(people: People, seeds: Sequence[int]) -> str:
    """The tables, marked simulated."""
    lines = [
        f"*Simulated*: {len(seeds)} people (seeds {seeds[0]}-{seeds[-1]}), five sets on the feet and one on a mat each.",
        "",
        "| target, both sensors | measured | at least | met |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {what} | {v:.3f} | {least:.2f} | {'yes' if v >= least else '**no**'} |"
        for what, v, least in targets(people)
    ]
    columns = list(shares([]))
    lines += [
        "",
        "| sensors | declared | sets | n | " + " | ".join(columns) + " |",
        "| --- " * (4 + len(columns)) + "|",
    ]
    for (wear, announced), all_heard in people.items():
        sets = [s for h in all_heard for s in h.sets]
        rows = {"all": sets} | {e: [s for s in sets if s.name == e] for e in (EXERCISES if not announced else ())}
        for name, some in rows.items():
            cells = " | ".join(_cell(v) for v in shares(some).values())
            lines.append(f"| {wear} | {'yes' if announced else 'no'} | {name} | {len(some)} | {cells} |")
    lines += [
        "",
        "| sensors | declared | sets said that were none | chair events left in sets |",
        "| --- | --- | --- | --- |",
    ]
    for (wear, announced), all_heard in people.items():
        spare, chairs = sum(h.spare_n for h in all_heard), sum(s.chairs_n for h in all_heard for s in h.sets)
        lines.append(f"| {wear} | {'yes' if announced else 'no'} | {spare} | {chairs} |")
    lines += ["", *_practices(people), "", *_confidence(people)]
    return "\n".join(lines)


def _practices(people: People) -> list[str]:
    lines = [
        "| sensors | declared | brace, tilt of 6-8 deg: said as drifted | brace, 0-1 deg: said, and as drifted | towel said |",
        "| --- | --- | --- | --- | --- |",
    ]
    for (wear, announced), all_heard in people.items():
        all_p = [p for h in all_heard for p in h.practices]
        tilted = [p for p in all_p if p.name == BRACE and p.tilted]
        level = [p for p in all_p if p.name == BRACE and not p.tilted]
        towels = [p for p in all_p if p.name == TOWEL]
        lines.append(
            f"| {wear} | {'yes' if announced else 'no'} | {sum(p.said_drifted is True for p in tilted)} of {len(tilted)} | "
            f"{sum(p.said for p in level)} and {sum(p.said_drifted is True for p in level)} of {len(level)} | "
            f"{sum(p.said for p in towels)} of {len(towels)} |"
        )
    return lines


def _confidence(people: People) -> list[str]:
    """Share of the names that are right where the confidence was this high."""
    edges = (0.6, 0.8, 0.9, 0.95, 1.0)
    lines = [
        "| name right where its confidence was | " + " | ".join(f"{a:g}-{b:g}" for a, b in pairwise(edges)) + " |",
        "| --- " * len(edges) + "|",
    ]
    for (wear, announced), all_heard in people.items():
        if announced:
            continue
        said = [s for h in all_heard for s in h.sets if s.said_name is not None]
        cells = []
        for low, high in pairwise(edges):
            inside = [s for s in said if low <= s.confidence < high]
            cells.append(f"{_cell(_mean(s.said_name == s.name for s in inside))} ({len(inside)})")
        lines.append(f"| {wear} | " + " | ".join(cells) + " |")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """The command of the module."""
    parser = argparse.ArgumentParser(prog="python -m analysis.validation.exercise", description=__doc__)
    parser.add_argument("--seeds", type=int, default=REPORTED_FROM, help="first seed (default 201)")
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--days", type=Path, help="folder of labelled days to count sets on, too")
    parser.add_argument(
        "--motion", type=Path, help="folder of the recorded trials 14_14 and 14_20, to count repetitions in"
    )
    parser.add_argument("--docs", type=Path, help="page to write the tables into")
    args = parser.parse_args(argv)
    seeds = range(args.seeds, args.seeds + args.people)
    try:
        days = {wear: heard_days(args.days, sensors) for wear, sensors in WEARS.items()} if args.days else {}
        trials = trials_table(args.motion) if args.motion else []
    except (InputError, OSError) as error:
        parser.error(str(error))
    people = gathered(seeds)
    parts = [page(people, seeds)]
    if days:
        names = [d.name for d in next(iter(days.values()))]
        parts += [f"**On labelled days** ({', '.join(names)})", "\n".join(days_table(days))]
    if trials:
        parts += ["**On recorded motion**", "\n".join(trials)]
    text = "\n\n".join(parts)
    sys.stdout.write(text + "\n")
    if args.docs:
        write_whole(args.docs, replaced(read_page(args.docs), "exercise", text, where=str(args.docs)))
    return 0 if all(value >= least for _, value, least in targets(people)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
