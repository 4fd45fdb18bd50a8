"""`python -m analysis.validation.ways [--seeds 101 ...] [--people 20] [--docs docs/faults.md]`: ways down and up, simulated.

Each person goes down to the floor and up again on every path, in and out of a bed, turns over, and drops onto chairs; what the
product said of it with both sensors and with each alone. Seeds 1-20 are for choosing thresholds: those that are reported begin
at 101.
With --docs the table is put between the markers of that page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.validation.memory import replayed
from analysis.validation.page import read_page, replaced
from analysis.validation.synth import Script, make, person
from posture.atomic import write_whole
from posture.types import Placement

REPORTED_FROM = 101
PATHS: Mapping[str, str] = {
    "half_kneel": "half_kneel",
    "straight_rounded": "straight_sit_up",
    "log_roll": "log_roll",
}
"""Path of the generator -> path that should be said."""
WEARS: Mapping[str, tuple[Placement, ...]] = {
    "both sensors": tuple(Placement),
    "sacrum alone": (Placement.SACRUM,),
    "upper lumbar alone": (Placement.UPPER_LUMBAR,),
}
KINDS: Mapping[str, tuple[str, str]] = {
    "floor_down": ("floor_transition", "down"),
    "floor_up": ("floor_transition", "up"),
    "sit_to_lie": ("sit_to_lie", "down"),
    "lie_to_sit": ("lie_to_sit", "up"),
}
"""Truth event -> kind and direction that should be said."""
STYLES = ("tall", "usual", "slump")
DROPS = 8
NEAR_S = 2.0
"""s by which a said event may lie off its truth; the events here are further apart."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way down or up: truth (its type, path, verdict) and what was said. found : as its kind; said_* are "" where not found."""

    kind: str
    path: str
    verdict: str
    found: bool
    said_path: str
    said_verdict: str


@dataclass(frozen=True, slots=True)
class Count:
    """Events found, events there were, and events said that were not there."""

    found: int
    there: int
    false: int

    @property
    def f1(self) -> float:
        """NaN where there was nothing to find and nothing said."""
        total = self.there + self.found + self.false
        return 2 * self.found / total if total else float("nan")


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said of one person in one wear. spare_n : ways that were said and were none."""

    ways: tuple[Way, ...]
    spare_n: int
    rolls: Count
    plunges: Count


def on_the_floor(seed: int) -> Script:
    """Every way down with every way up, turning over in between, then in and out of a bed on either path."""
    script, rng = Script(person(seed)).calibrate().walk(20).stand(8), np.random.default_rng([seed, 12])
    for down in PATHS:
        for up in PATHS:
            if rng.random() < 0.5:
                script.walk(float(rng.uniform(5, 15)))
            script.stand(float(rng.uniform(4, 12))).floor_down(down).lie(float(rng.uniform(0.1, 0.6)))
            if rng.random() < 0.3:
                script.lie(0.15, "side").lie(0.1)
            script.floor_up(up).stand(float(rng.uniform(4, 12)))
    for path in ("log_roll", "straight_rounded"):
        script.sit_down().sit(0.5).bed(float(rng.uniform(0.3, 1)), path).sit(0.3).stand_up().stand(5)
    return script


def onto_chairs(seed: int) -> Script:
    """Sitting down as people do and as a drop, in turn by chance."""
    script, rng = Script(person(seed)).calibrate().walk(20).stand(8), np.random.default_rng([seed, 13])
    for _ in range(DROPS):
        how, style = str(rng.choice(["normal", "plunge"])), str(rng.choice(STYLES))
        script.sit_down(how, style).sit(0.4, style).stand_up().stand(6)
    return script


def heard(seed: int, sensors: tuple[Placement, ...]) -> Heard:
    """One person through the product."""
    floor, chairs = make(on_the_floor(seed)), make(onto_chairs(seed))
    truth, drops = floor.track.events, [e for e in chairs.track.events if e["type"] == "plunge"]
    said = [e for e in replayed(floor, sensors=sensors).events if e["set_id"] is None]
    plunges = [e for e in replayed(chairs, sensors=sensors).events if e["kind"] == "plunge" and e["set_id"] is None]
    found = [(t, _said_of(t, said)) for t in truth if t["type"] in KINDS]
    kinds = {kind for kind, _ in KINDS.values()}
    spare = [e for e in said if e["kind"] in kinds and not any(e is mine for _, mine in found)]
    ways = tuple(
        Way(
            t["type"],
            PATHS[t["path"]],
            t["cls"],
            mine is not None,
            mine["path"] if mine else "",
            mine["verdict"] if mine else "",
        )
        for t, mine in found
    )
    rolls = _count([t for t in truth if t["type"] == "roll"], [e for e in said if e["kind"] == "roll"])
    return Heard(ways, len(spare), rolls, _count(drops, plunges))


def _said_of(truth: Mapping[str, Any], said: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The event of the right kind and direction that shares most with the truth."""
    mine = [e for e in said if (e["kind"], e.get("direction")) == KINDS[truth["type"]] and _shared_s(truth, e) > 0.0]
    return max(mine, key=lambda e: _shared_s(truth, e), default=None)


def _shared_s(truth: Mapping[str, Any], said: Mapping[str, Any]) -> float:
    return float(min(truth["t1"], said["end_s"]) - max(truth["t0"], said["start_s"]))


def _count(truth: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, Any]]) -> Count:
    """One to one, in order of time."""
    left = list(said)
    for t in truth:
        mine = next((e for e in left if _shared_s(t, e) > -NEAR_S), None)
        if mine is not None:
            left.remove(mine)
    return Count(len(said) - len(left), len(truth), len(left))


def summed(counts: Iterable[Count]) -> Count:
    """Of all people."""
    return Count(*(sum(c) for c in zip(*((k.found, k.there, k.false) for k in counts), strict=True)))


def shares(ways: Sequence[Way]) -> dict[str, float]:
    """Shares of ways: found, path right (not found is wrong), verdict right where one is said, and verdict not said."""
    judged = [w for w in ways if w.said_verdict not in ("", "unknown")]
    return {
        "found": _mean(w.found for w in ways),
        "path right": _mean(w.said_path == w.path for w in ways),
        "verdict right when said": _mean(w.said_verdict == w.verdict for w in judged),
        "verdict not said": _mean(w.said_verdict == "unknown" for w in ways if w.found),
    }


def _mean(values: Iterable[bool]) -> float:
    kept = list(values)
    return float(np.mean(kept)) if kept else float("nan")


def page(people: Mapping[str, Sequence[Heard]], seeds: Sequence[int]) -> str:
    """The tables of all wears, marked simulated."""
    lines = [
        f"*Simulated*: {len(seeds)} people (seeds {seeds[0]}-{seeds[-1]}), down and up on every path, in and out of a bed.",
        "",
        "| sensors | way | n | found | path right | verdict right when said | verdict not said |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for wear, all_heard in people.items():
        ways = [w for h in all_heard for w in h.ways]
        rows = {"all": ways}
        rows |= {f"floor, {p}": [w for w in ways if w.path == p and w.kind.startswith("floor")] for p in PATHS.values()}
        rows |= {f"bed, {p}": [w for w in ways if w.path == p and not w.kind.startswith("floor")] for p in BED_PATHS}
        lines += [
            f"| {wear} | {name} | {len(some)} | " + " | ".join(f"{v:.2f}" for v in shares(some).values()) + " |"
            for name, some in rows.items()
        ]
    lines += [
        "",
        "| sensors | ways said that were none | rolls found | false rolls | plunges found | false plunges | plunge F1 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for wear, all_heard in people.items():
        rolls, plunges = summed(h.rolls for h in all_heard), summed(h.plunges for h in all_heard)
        spare = sum(h.spare_n for h in all_heard)
        lines.append(
            f"| {wear} | {spare} | {rolls.found} of {rolls.there} | {rolls.false} | {plunges.found} of {plunges.there} | "
            f"{plunges.false} | {plunges.f1:.2f} |"
        )
    return "\n".join(lines)


BED_PATHS = ("log_roll", "straight_sit_up")


def main(argv: Sequence[str] | None = None) -> int:
    """The command of the module."""
    parser = argparse.ArgumentParser(prog="python -m analysis.validation.ways", description=__doc__)
    parser.add_argument("--seeds", type=int, default=REPORTED_FROM, help="first seed (default 101)")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--docs", type=Path, help="page to write the tables into")
    args = parser.parse_args(argv)
    seeds = range(args.seeds, args.seeds + args.people)
    text = page({wear: [heard(seed, sensors) for seed in seeds] for wear, sensors in WEARS.items()}, seeds)
    sys.stdout.write(text + "\n")
    if args.docs:
        write_whole(args.docs, replaced(read_page(args.docs), "ways", text, where=str(args.docs)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
