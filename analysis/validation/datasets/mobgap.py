"""Mobilise-D example data: a lower-back IMU (L5) at 100 Hz with walking found by a reference system, two people.

Test 11 (simulated daily life) is scored twice: calibrated with the stand and the walk of a Test 5 trial (put before it with a
gap; the first trial whose stand is accepted), and without a calibration, where the gait threshold is the population's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.validation.evaluation import Dataset, Evaluation, Progress, each
from analysis.validation.measures import Measure, Ratio
from analysis.validation.trials import (
    Said,
    Seconds,
    Trial,
    after,
    block,
    columns,
    context_of,
    frame,
    manifest,
    per_second,
    replay,
    runs,
    signals,
)
from posture.types import Context, Float, ImuBlock, InputError, Placement

RATE_HZ = 100.0
STANDS_S, WALK_MIN_S = (1.0, 4.0), 2.0
"""s at the start of a Test 5 trial in which both people stand, and the shortest walk taken as a pose."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Labels per second of the trial itself; `offset_s` is where its second 0 lies in the samples."""

    seconds: Seconds
    offset_s: float


def read(path: Path) -> tuple[str, ImuBlock, Float]:
    """Person, samples in nominal axes, label per sample."""
    row = manifest(path.parent)[path.name]
    turn = frame(row)
    if turn is None:
        raise InputError(f"the manifest has no reference frame for {path.name}")
    data = columns(path)
    acc, gyr = signals(data, turn)
    return row["subject"].removeprefix("mobgap_"), block(Placement.SACRUM, data["time"], acc, gyr), data["label"]


def trials(path: Path, *, calibrated: bool) -> Iterator[Trial[Truth]]:
    """The Test 11 recording of a person: after each of the person's Test 5 trials in turn, or once without a calibration."""
    person, sensor, label = read(path)
    seconds = per_second(sensor.time_s, label)
    if not calibrated:
        yield Trial(person, path.stem, (sensor,), RATE_HZ, {}, Truth(seconds, 0.0))
        return
    for donor in sorted(path.parent.glob(path.name.split("_Test")[0] + "_Test5_*.parquet")):
        _, walk, labels = read(donor)
        walked = [(a, b) for name, a, b in runs(walk.time_s, labels) if name == "walking" and b - a >= WALK_MIN_S]
        joined, offset_s = after(walk, sensor)
        poses = {"stand": [STANDS_S], "walk": walked}
        yield Trial(person, path.stem, (joined,), RATE_HZ, poses, Truth(seconds, offset_s), offset_s)


def accepted(made: Iterator[Trial[Truth]]) -> tuple[Trial[Truth], Said] | None:
    """The first trial whose stand the product accepts, as a user repeats a calibration; else the last one; None: all refused."""
    best = None
    for trial in made:
        said = replay(trial)
        if said is not None:
            best = trial, said
            if said.calibration.source == "poses":
                break
    return best


def evaluate(files: Sequence[Path], progress: Progress) -> Evaluation:
    """Walking per second: found, and not said where there was none."""
    tables: dict[str, list[Measure]] = {}
    notes: list[str] = []
    for name, calibrated in (("With the calibration walk", True), ("Without a calibration", False)):
        sensitivity, specificity = Ratio("walking found", "s"), Ratio("not walking, and not said", "s")
        for path in each([f for f in files if "Test11" in f.name], progress):
            made = accepted(trials(path, calibrated=calibrated))
            if made is not None:
                _score(*made, sensitivity, specificity)
                if calibrated and made[1].calibration.source != "poses":
                    notes.append(f"{made[0].person} moved while standing and is not calibrated in the first table.")
        tables[name] = [sensitivity, specificity]
    return Evaluation(tables=tables, notes=notes)


def _score(trial: Trial[Truth], said: Said, sensitivity: Ratio, specificity: Ratio) -> None:
    seconds = trial.truth.seconds
    code, _, known = context_of(said, seconds, from_s=trial.truth.offset_s)
    walked = code == Context.WALKING
    for measure, label, right in ((sensitivity, "walking", walked), (specificity, "other", ~walked)):
        mine = seconds.pure & known & (seconds.label == label)
        measure.add(trial.person, float(right[mine].sum()), float(mine.sum()))


DATASET = Dataset(
    name="mobgap",
    what="two people (a healthy adult, a person with MS) with an IMU at L5: simulated daily life, walking labelled",
    truth="walking by a reference system (pressure insoles or stereophotogrammetry) per sample; two people only, no interval",
    licence="Mobilise-D mobgap (Apache-2.0 repository, no licence of the data itself), not shipped",
    simulated=False,
    place="real/mobgap",
    pattern="mobgap_*.parquet",
    evaluate=evaluate,
)
