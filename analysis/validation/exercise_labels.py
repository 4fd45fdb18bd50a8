"""Sets of exercise on labelled recordings: what was said beside the labels. Used by `analysis.validation.exercise`.

The labelled days hold sets of squats, hinges and lunges, parametric and without a change of form; the recorded trials hold a few
repetitions that a person marked. Reps are too few there for a set of their own: each is replayed as a declared workout.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.validation.datasets.days import TUNED
from analysis.validation.datasets.motion import trial
from analysis.validation.trials import replay
from posture.detect.declared import HIP_HINGE, OFFLOAD_CONTROL, REVERSE_LUNGE, SQUAT, Declared
from posture.replay import ReplayRequest, prepare, records, run
from posture.types import InputError, Placement

SHAPES: Mapping[str, str] = {"squat": SQUAT, "hinge": HIP_HINGE, "rev_lunge": REVERSE_LUNGE}
NEAR_S = 3.0
"""s between labelled repetitions of one set; ours (1.2 in the days)."""
TRIALS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "14_14": (SQUAT, ("Squat",)),
    "14_20": (HIP_HINGE, ("UpDown", "ToeTouchTwoHands")),
}
"""Trial -> exercise that is declared, and the labels over which it is."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One set of a labelled day, and what was said: its sets (each a record) that share time with it."""

    day: str
    exercise: str
    reps: int
    start_s: float
    end_s: float
    said: tuple[Mapping[str, Any], ...]

    @property
    def found_reps(self) -> int | None:
        """Of the set, where one was said; None where none was, or two."""
        return int(self.said[0]["reps"]) if len(self.said) == 1 else None


@dataclass(frozen=True, slots=True)
class Day:
    """Sets of one day. spare : said ones that lie on none, those on the mat apart; on_mat_n : of these, how many lie on one of the
    true_mat_n labelled ones.
    """

    name: str
    sets: tuple[Labelled, ...]
    spare: tuple[Mapping[str, Any], ...]
    on_mat_n: int
    true_mat_n: int


def heard_days(folder: Path, sensors: tuple[Placement, ...]) -> list[Day]:
    """Every labelled day of a folder; InputError where there is none, or one that thresholds were chosen on."""
    poses = sorted(folder.glob("*.poses.json"))
    if not poses:
        raise InputError(f"{folder} holds no labelled day (*.poses.json); name the folder that does")
    tuned = sorted({p.name.split(".")[0] for p in poses} & TUNED)
    if tuned:
        raise InputError(f"{', '.join(tuned)}: thresholds were chosen on these; give a folder without them")
    return [_day(p, sensors) for p in poses]


def _day(poses: Path, sensors: tuple[Placement, ...]) -> Day:
    name = poses.name.removesuffix(".poses.json")
    prepared = prepare(ReplayRequest(poses.with_name(f"{name}.parquet"), poses=poses, sensors=sensors))
    said = records(prepared, run(prepared, prepared.recording.batches())).events
    truth = json.loads(poses.with_name(f"{name}.events.json").read_text(encoding="utf-8"))
    sets = [e for e in said if e["kind"] == "exercise_set" and e["set_id"] != 0]
    mat = [e for e in sets if e["exercise"] == OFFLOAD_CONTROL]
    feet = [e for e in sets if e not in mat]
    labelled = tuple(
        Labelled(name, SHAPES[t["shape"]], t["n"], t["t0"], t["t1"], tuple(e for e in feet if _meets(t, e)))
        for t in _labelled(truth)
    )
    spare = tuple(e for e in feet if not any(e in one.said for one in labelled))
    true_mat = [t for t in truth if t["type"] == "dead_bug"]
    return Day(name, labelled, spare, sum(any(_meets(t, e) for t in true_mat) for e in mat), len(true_mat))


def _labelled(truth: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Labelled repetitions joined to sets: shape, from, to, how many."""
    out: list[dict[str, Any]] = []
    for e in truth:
        if e["type"] != "bend" or e.get("set_of", 1) < 2:
            continue
        if out and out[-1]["shape"] == e["shape"] and e["t0"] - out[-1]["t1"] < NEAR_S:
            out[-1].update(t1=e["t1"], n=out[-1]["n"] + 1)
        else:
            out.append({"shape": e["shape"], "t0": e["t0"], "t1": e["t1"], "n": 1})
    return out


def _meets(truth: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    return bool(min(truth["t1"], said["end_s"]) > max(truth["t0"], said["start_s"]))


def days_table(days: Mapping[str, Sequence[Day]]) -> list[str]:
    """Rows per wear. days : wear -> its days."""
    lines = [
        "| sensors | sets | found | reps exact | within one | named | failed rep said | other sets said | mat sets |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for wear, heard in days.items():
        sets = [s for d in heard for s in d.sets]
        off = [None if s.found_reps is None else abs(s.found_reps - s.reps) for s in sets]
        named = sum(len(s.said) == 1 and s.said[0]["exercise"] == s.exercise for s in sets)
        failed = sum(any(e["first_failed_rep"] is not None for e in s.said) for s in sets)
        measured = sum(any(e["form_measured"] for e in s.said) for s in sets)
        lines.append(
            f"| {wear} | {len(sets)} | {sum(bool(s.said) for s in sets)} | {off.count(0)} | "
            f"{off.count(0) + off.count(1)} | {named} | {f'{failed} of {measured}' if measured else '–'} | "
            f"{sum(len(d.spare) for d in heard)} | {sum(d.on_mat_n for d in heard)} of {sum(d.true_mat_n for d in heard)} |"
        )
    return lines


def trials_table(folder: Path) -> list[str]:
    """Recorded repetitions beside their labels, both sensors, in a declared workout."""
    lines = [
        "| trial, recorded | labelled repetitions | said | times said, s | clean | lumbar change, deg |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, (exercise, labels) in TRIALS.items():
        one = trial(folder / f"{name}.npz")
        spans = [e for e in one.truth.events if e["type"] == "exercise" and e["name"] in labels]
        start_s, end_s = min(e["t0"] for e in spans), max(e["t1"] for e in spans)
        bends = [e for e in one.truth.events if e["type"] == "bend" and start_s <= e["tpk"] + one.from_s < end_s]
        made = replay(one, workouts=(Declared(start_s, end_s, exercise),))
        sets = [e for e in made.events if e["kind"] == "exercise_set" and e["set_id"] != 0] if made else []
        times = [round(t - one.from_s, 1) for e in sets for t in e["rep_start_s"]]
        change = [c for e in sets for c in e["change_deg"] or ()]
        lines.append(
            f"| {name}, {' and '.join(labels)} | {len(bends)} | {sum(e['reps'] for e in sets)} | "
            f"{', '.join(f'{t:g}' for t in times)} | {sum(e['clean_reps'] or 0 for e in sets)} | "
            f"{', '.join(f'{c:.0f}' for c in change)} |"
        )
    return lines
