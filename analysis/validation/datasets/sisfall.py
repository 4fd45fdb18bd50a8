"""SisFall: one device at the belt buckle, scripted trials of 12 s and more; the label is the trial's script.

Mounting: the buckle's axes are those of the data's reference frame (up is -y, forward +z). Trials of one person do not share a
neutral, so each is calibrated from its own standing start; a trial that does not begin upright (rise from a chair, lying) is
preceded by the standing start of one of the person's bends, with a gap between. Worn for a day, the product knows what came
before: so each trial is also replayed after 20 s of that person's walking, with a gap between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis.validation.evaluation import Dataset, Evaluation, Progress, each, part_of
from analysis.validation.figures import draw_people
from analysis.validation.measures import Auc, Measure, Ratio
from analysis.validation.trials import (
    SHORT_STAND,
    Said,
    Trial,
    after,
    block,
    columns,
    frame,
    manifest,
    replay,
    signals,
)
from posture.types import Context, ImuBlock, InputError, Placement

RATE_HZ = 50.0
EDGE_S = 0.3
"""s at the start of each trial that hold the ringing of the filter which brought the data to 50 Hz; left out."""
STAND_S = 1.2
"""s of standing at a trial's start that calibrate it: most people move 1.5 to 2 s in; ours."""
DONOR = "bend_stoop"
NOT_UPRIGHT = ("try_rise_collapse", "sit_lie_sit_slow", "sit_lie_sit_fast", "lie_back_side_back")
CHAIRS = ("chair_half_slow", "chair_half_fast", "chair_low_slow", "chair_low_fast")
STARTS = {"After 20 s of walking": True, "The trial alone": False}
LYING = ("sit_lie_sit_slow", "sit_lie_sit_fast", "lie_back_side_back")
WALK, WALK_S = "walk_slow", 20.0
"""The trial whose end is put before the others, and how much of it, s."""
GAIT = ("walk_slow", "jog_slow", "stairs_slow")
FAR = {"bend_stoop": "stoop", "bend_knees_squat": "knee bend", "chair": "chair", "car_in_out": "car in and out"}
FAR_DEG = 45.0


@dataclass(frozen=True, slots=True)
class Truth:
    """The trial's script."""

    label: str


def trials(path: Path, *, after_walk: bool = False) -> Iterator[Trial[Truth]]:
    """All trials of one person's file; after_walk : preceded by walking, where the person has such a trial."""
    row = manifest(path.parent)[path.name]
    turn = frame(row)
    if turn is None:
        raise InputError(f"the manifest has no reference frame for {path.name}")
    data = columns(path)
    made: list[tuple[str, str, ImuBlock]] = []
    for name in sorted(set(data["trial"].tolist())):
        rows = np.flatnonzero(data["trial"] == name)
        rows = rows[round(EDGE_S * RATE_HZ) :]
        acc, gyr = signals(data, turn, rows)
        time_s = np.arange(len(rows)) / RATE_HZ
        made.append((name, str(data["label"][rows[0]]), block(Placement.SACRUM, time_s, acc, gyr)))
    walk = next((_part(b, -WALK_S, None) for _, label, b in made if label == WALK), None)
    stand = next((_part(b, 0.0, STAND_S) for _, label, b in made if label == DONOR), None)
    for name, label, sensor in made:
        before = [walk] if after_walk and walk is not None and label not in GAIT else []
        if label in NOT_UPRIGHT:
            before += [stand] if stand is not None else []
        whole, stood_s, from_s = sensor, 0.0, 0.0
        for part in reversed(before):
            whole, shift_s = after(part, whole)
            from_s += shift_s
            stood_s = 0.0 if part is stand else stood_s + shift_s
        poses = {"stand": [(stood_s, stood_s + STAND_S)]}
        yield Trial(row["subject"], name, (whole,), RATE_HZ, poses, Truth(label), from_s, SHORT_STAND)


def is_even(person: str) -> bool:
    """Whether a person's number is even: what bends are told from was chosen on the odd-numbered ones."""
    return int(person[-2:]) % 2 == 0


def _part(sensor: ImuBlock, from_s: float, to_s: float | None) -> ImuBlock:
    """Samples of a time window, counted from the end if negative, as a recording that begins at 0."""
    a, b = (None if t is None else round(t * RATE_HZ) for t in (from_s, to_s))
    gyr = None if sensor.gyr_radps is None else sensor.gyr_radps[a:b]
    acc = sensor.acc_mps2[a:b]
    return block(sensor.placement, np.arange(len(acc)) / RATE_HZ, acc, gyr)


def evaluate(files: Sequence[Path], progress: Progress) -> Evaluation:
    """Bends, chairs, lying and walking, one sensor worn as the sacrum one."""
    tables: dict[str, list[Measure]] = {}
    figures: dict[str, Figure] = {}
    for k, (name, walked) in enumerate(STARTS.items()):
        rows = _Rows()
        for path in each(files, part_of(progress, k, len(STARTS))):
            for trial in trials(path, after_walk=walked):
                rows.add(trial)
        tables[name] = rows.all()
        if walked:
            figures["sisfall"] = draw_people(rows.shown())
    return Evaluation(tables=tables, figures=figures)


class _Rows:
    """The measures under one kind of start."""

    def __init__(self) -> None:
        self.bend = {
            "bend_stoop": Ratio("stoop: a bend is said", "trials"),
            "bend_knees_squat": Ratio("knee bend: a bend is said", "trials"),
        }
        self.lain = Ratio("stoop: lying is said", "trials", at_most=True)
        self.depth = {
            "bend_stoop": Ratio("stoop: its bend is said deep", "bends said"),
            "bend_knees_squat": Ratio("knee bend: its bend is said deep", "bends said", at_most=True),
        }
        self.apart = Auc("stoop against knee bend by depth of lean, AUC", "trials")
        self.taken = {
            "chair": Ratio("chair: a bend is said", "trials", at_most=True),
            "car_in_out": Ratio("car in and out: a bend is said", "trials", at_most=True),
            "other": Ratio("walk, jog, stairs, stumble, jump: a bend is said", "trials", at_most=True),
        }
        self.far = {
            kind: Ratio(
                f"{name}: a bend of 45 deg is said, even-numbered people", "trials", at_most=kind != "bend_stoop"
            )
            for kind, name in FAR.items()
        }
        self.sat = Ratio("chair: the sit-down is said", "trials")
        self.rose = Ratio("chair: the rise is said", "trials")
        self.collapse = Ratio("tried rise, fell back: no rise is said", "trials")
        self.lay = {label: Ratio(f"{label.replace('_', ' ')}: lying is said", "trials") for label in LYING}
        self.upright = Ratio("chair, car, gait: lying is said", "trials", at_most=True)
        self.gait = {label: Ratio(f"{label.replace('_', ' ')}: seconds said walking", "s") for label in GAIT}
        self.moved = Ratio("trials whose standing start was refused", "trials", at_most=True)

    def all(self) -> list[Measure]:
        """Rows in the order of the table."""
        bends: list[Measure] = [*self.bend.values(), self.lain, *self.depth.values(), self.apart, *self.taken.values()]
        bends += self.far.values()
        chairs = [self.sat, self.rose, self.collapse]
        return [*bends, *chairs, *self.lay.values(), self.upright, *self.gait.values(), self.moved]

    def shown(self) -> list[Measure]:
        """Rows of the figure."""
        bends = [*self.bend.values(), self.lain, self.taken["chair"], self.taken["car_in_out"]]
        return [*bends, self.sat, self.rose, *self.gait.values()]

    def add(self, trial: Trial[Truth]) -> None:
        """Replay and score one trial."""
        who, label = trial.person, trial.truth.label
        said = replay(trial, angles=label in self.bend)
        self.moved.add(who, float(said is None or said.calibration.source == "self"))
        if said is None:
            return
        bends = said.of("bend", from_s=trial.from_s)
        kind = "chair" if label in CHAIRS else label
        if kind in self.far and is_even(who):
            self.far[kind].add(who, float(any(e["peak_deg"] >= FAR_DEG for e in bends)))
        context = _context(said, trial.from_s)
        lying = float((context == Context.LYING).any())
        if label in self.bend:
            self.bend[label].add(who, float(bool(bends)))
            if bends:
                self.depth[label].add(who, float(any(e["deep"] for e in bends)))
            self.apart.add(who, _lean_deg(said, trial.from_s), true=label == "bend_stoop")
            if label == "bend_stoop":
                self.lain.add(who, lying)
        elif label == "try_rise_collapse":
            self.collapse.add(who, float(not said.of("sit_to_stand", from_s=trial.from_s)))
        elif label in LYING:
            self.lay[label].add(who, lying)
        else:
            kind = "chair" if label in CHAIRS else label if label in self.taken else "other"
            self.taken[kind].add(who, float(bool(bends)))
            self.upright.add(who, lying)
        if label in CHAIRS:
            self.sat.add(who, float(bool(said.of("stand_to_sit", from_s=trial.from_s))))
            self.rose.add(who, float(bool(said.of("sit_to_stand", from_s=trial.from_s))))
        if label in GAIT:
            self.gait[label].add(who, float((context == Context.WALKING).sum()), float(len(context)))


def _context(said: Said, from_s: float) -> Any:
    """Context codes of the seconds with data from a moment on."""
    epochs = said.epochs
    return epochs.context[(epochs.start_s >= from_s) & (epochs.valid_fraction >= 0.5)]


def _lean_deg(said: Said, from_s: float) -> float:
    """Largest inclination of the trial, deg, where the orientation is trusted: the change from its standing start."""
    known = (said.angles["trusted"] > 0) & (said.angles["time_s"] >= from_s)
    lean = said.angles["sacrum_inclination_deg"][known]
    return float(np.nanmax(lean)) if np.isfinite(lean).any() else float("nan")


DATASET = Dataset(
    name="sisfall",
    what="adults and elderly people with a device at the belt buckle: scripted bends, chairs, lying, walking",
    truth="only the script of each trial is known, not when what was done, nor any angle; not a spine sensor",
    licence="SisFall (Sucerquia et al. 2017): no licence of the data stated, not shipped",
    simulated=False,
    place="real/sisfall",
    pattern="sisfall_*.parquet",
    evaluate=evaluate,
)
