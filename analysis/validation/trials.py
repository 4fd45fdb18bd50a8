"""A labelled trial and its way through the product's own pipeline.

An adapter turns a data set into trials: the samples in nominal axes (x forward, y left, z up), the moments of the calibration
poses that the trial itself holds, and the truth. What happens then is what `posture replay --poses` does.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from posture.arrow_files import reading
from posture.config import CalibrationConfig, Config
from posture.detect.declared import Declared
from posture.detect.finalise import finalised
from posture.outputs import event_record
from posture.pipeline import Pipeline, SensorSpec
from posture.replay import Result
from posture.signal.calibrate import calibrate
from posture.signal.calibration import Calibration, Poses
from posture.signal.self_calibrate import self_calibrate
from posture.types import GRID_HZ, Bool, EpochBlock, Float, ImuBatch, ImuBlock, InputError, Int8, Placement

T = TypeVar("T")
GAP_S = 3.0
"""s without data between a routine and a trial that was recorded at another time: orientation starts anew, the gyroscope's
bias is kept."""
PURE_SHARE = 0.9
"""Share of a second that one label must fill to be scored."""
SHORT_STAND = Config(calibration=CalibrationConfig(stand_min_s=1.0))
"""For scripted trials that begin with 1 to 2 s of standing, less than the product asks of a calibration."""
_FEW_S = 5.0
"""s; a labelled run shorter than this is no calibration pose."""


@dataclass(frozen=True, slots=True)
class Trial(Generic[T]):
    """One recording of one person.

    blocks : one per sensor. poses : calibration poses in it; none: the product calibrates itself from the samples.
    from_s : where scoring begins, s. truth : what the adapter knows. config : the product's defaults, or `SHORT_STAND`.
    """

    person: str
    name: str
    blocks: tuple[ImuBlock, ...]
    rate_hz: float
    poses: Poses
    truth: T
    from_s: float = 0.0
    config: Config = field(default_factory=Config)


@dataclass(frozen=True, slots=True)
class Said:
    """What the product said of a trial: epochs, events as in events.json, angles on the 50 Hz grid by name (with `time_s`, and
    `trusted` 1 or 0), each (n,); none unless asked for.
    """

    epochs: EpochBlock
    events: list[dict[str, Any]]
    calibration: Calibration
    angles: Mapping[str, Float]

    def of(self, *kinds: str, from_s: float = 0.0) -> list[dict[str, Any]]:
        """Events of these kinds from a moment on."""
        return [e for e in self.events if e["kind"] in kinds and e["start_s"] >= from_s]


def replay(
    trial: Trial[Any],
    *,
    sensors: Sequence[Placement] | None = None,
    angles: bool = False,
    workouts: Sequence[Declared] = (),
) -> Said | None:
    """The trial through calibration and pipeline; None where the product refuses it.

    sensors : those worn; None: all. workouts : declared ones. A trial whose pose is refused (the wearer moved) is calibrated as
    one without poses.
    """
    config = trial.config
    blocks = tuple(b for b in trial.blocks if sensors is None or b.placement in sensors)
    calibration = _calibration(trial, blocks, config)
    if calibration is None:
        return None
    specs = {b.placement: SensorSpec(trial.rate_hz, b.gyr_radps is not None) for b in blocks}
    first_s, last_s = (float(blocks[0].time_s[k]) for k in (0, -1))
    posed = [window for windows in calibration.poses.values() for window in windows]
    routine = (min(a for a, _ in posed), max(b for _, b in posed)) if posed else None
    pipeline = Pipeline(
        specs, calibration, config, want_angles=angles, routine=routine, workouts=workouts, start_s=first_s
    )
    result = Result()
    outputs = pipeline.push(ImuBatch(blocks, last_s)), pipeline.flush(last_s)
    for output in outputs:
        result.add(output)
    epochs, events = finalised(EpochBlock.joined(result.epochs), result.events)
    made = [event_record(e) for e in sorted(events, key=lambda e: (e.start_s, e.end_s, e.kind))]
    ticks = [a for output in outputs for a in output.angles]
    names = ("sacrum_inclination_deg", "upper_lumbar_inclination_deg", "flexion_deg")
    grid = {n: np.concatenate([getattr(a, n) for a in ticks]) for n in names} if ticks else {}
    if ticks:
        grid["time_s"] = np.concatenate([(a.first_tick + np.arange(len(a))) / GRID_HZ for a in ticks])
        grid["trusted"] = np.concatenate([a.trusted.astype(np.float64) for a in ticks])
    return Said(epochs, made, calibration, grid)


def _calibration(trial: Trial[Any], blocks: Sequence[ImuBlock], config: Config) -> Calibration | None:
    rates = {b.placement: trial.rate_hz for b in blocks}
    if trial.poses:
        try:
            return calibrate(blocks, rates, trial.poses, config)
        except InputError:
            pass  # as a user would: go on without the pose
    try:
        return self_calibrate(blocks, rates, config)
    except InputError:
        return None


def block(placement: Placement, time_s: Float, acc_mps2: Float, gyr_radps: Float | None) -> ImuBlock:
    """Samples that arrive when they are measured."""
    return ImuBlock(placement, time_s, np.ascontiguousarray(acc_mps2), gyr_radps, time_s)


def after(first: ImuBlock, second: ImuBlock) -> tuple[ImuBlock, float]:
    """Two recordings of one sensor as one, `GAP_S` without data between them; also the time that was added to the second."""
    shift_s = float(np.ceil(first.time_s[-1] + GAP_S - second.time_s[0]))
    time_s = np.concatenate([first.time_s, second.time_s + shift_s])
    gyr = None
    if first.gyr_radps is not None and second.gyr_radps is not None:
        gyr = np.concatenate([first.gyr_radps, second.gyr_radps])
    return block(first.placement, time_s, np.concatenate([first.acc_mps2, second.acc_mps2]), gyr), shift_s


# Files


def columns(path: Path) -> dict[str, Any]:
    """A Parquet file's columns as arrays, text as an array of str."""
    import pyarrow.parquet as pq

    with reading(path) as file:
        table = pq.read_table(file)
    out: dict[str, Any] = {}
    for name in table.column_names:
        column = table[name]
        text = not (str(column.type) in ("float", "double") or str(column.type).startswith("int"))
        out[name] = np.array(column.to_pylist()) if text else np.asarray(column, dtype=np.float64)
    return out


def signals(data: Mapping[str, Any], nominal_from_device: Float, rows: Any = slice(None)) -> tuple[Float, Float | None]:
    """Acc (n, 3) m/s^2 and gyr (n, 3) rad/s in nominal axes; gyr None where the sensor has none."""
    acc, gyr = (np.stack([data[f"{kind}_{axis}"][rows] for axis in "xyz"], axis=1) for kind in ("acc", "gyr"))
    turned = [np.ascontiguousarray(v @ nominal_from_device.T) for v in (acc, gyr)]
    return turned[0], None if np.isnan(gyr).all() else turned[1]


def mounting(up: Sequence[float], forward: Sequence[float]) -> Float:
    """(3, 3) rotation from device axes to nominal ones (x forward, y left, z up) for a device whose up and forward are these."""
    z = np.asarray(up, dtype=np.float64)
    z = z / np.linalg.norm(z)
    x = np.asarray(forward, dtype=np.float64)
    x = x - (x @ z) * z
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def manifest(path: Path) -> dict[str, dict[str, str]]:
    """File name -> row of the manifest that lies beside a data set's folder, or in it.

    InputError where there is none: the mounting of the devices is in it.
    """
    for folder in (path, path.parent):
        if (folder / "manifest.csv").is_file():
            with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
                return {Path(row["file"]).name: row for row in csv.DictReader(file)}
    raise InputError(f"there is no manifest.csv in or above {path}; it holds how the devices were mounted")


def frame(row: Mapping[str, str]) -> Float | None:
    """The manifest's reference frame as a mounting; None where it has none."""
    try:
        up, forward = ([float(row[f"{kind}_{axis}"]) for axis in "xyz"] for kind in ("up", "fwd"))
    except ValueError:
        return None
    return None if np.isnan([*up, *forward]).any() else mounting(up, forward)


# Labels


@dataclass(frozen=True, slots=True)
class Seconds:
    """Labels per second, (m,), from second 0: the main one, and whether it fills the second."""

    label: Any
    pure: Bool


def per_second(time_s: Float, label: Any) -> Seconds:
    """Labels per sample -> per second; a second without samples has the label ''."""
    second = np.floor(time_s + 1e-6).astype(np.int64)
    names, code = np.unique(label, return_inverse=True)
    m = int(second.max()) + 1
    counts = np.zeros((m, len(names)))
    np.add.at(counts, (second, code), 1)
    total = counts.sum(axis=1)
    main = np.where(total > 0, names[counts.argmax(axis=1)], "")
    return Seconds(main, (total > 0) & (counts.max(axis=1) > PURE_SHARE * total))


def runs(time_s: Float, label: Any) -> list[tuple[str, float, float]]:
    """(label, from_s, to_s) of every run of equal labels; the last one ends one sample after its last."""
    edges = np.flatnonzero(label[1:] != label[:-1]) + 1
    starts = [0, *edges.tolist()]
    step_s = float(np.median(np.diff(time_s)))
    ends = [*(float(time_s[k]) for k in edges), float(time_s[-1]) + step_s]
    return [(str(label[a]), float(time_s[a]), b) for a, b in zip(starts, ends, strict=True)]


def first_run(
    spans: Sequence[tuple[str, float, float]], label: str, *, trim_s: float, most_s: float
) -> list[tuple[float, float]]:
    """The first run of a label that is long enough for a pose, without its ends; a list of one window or none."""
    for name, a, b in spans:
        if name == label and b - a - 2 * trim_s >= _FEW_S:
            return [(a + trim_s, min(b - trim_s, a + trim_s + most_s))]
    return []


def context_of(said: Said, seconds: Seconds, *, from_s: float = 0.0) -> tuple[Int8, Float, Bool]:
    """Said context, its confidence, and whether the second had data; each (m,) for the seconds of the truth.

    from_s : where second 0 of the truth lies in the samples, whole seconds.
    """
    m = len(seconds.pure)
    context, confidence, known = np.full(m, -1, np.int8), np.zeros(m), np.zeros(m, dtype=np.bool_)
    row = said.epochs.start_s.astype(np.int64) - round(from_s)
    inside = (row >= 0) & (row < m)
    context[row[inside]] = said.epochs.context[inside]
    confidence[row[inside]] = said.epochs.context_confidence[inside]
    known[row[inside]] = said.epochs.valid_fraction[inside] >= 0.5
    return context, confidence, known


def outside(seconds: int, poses: Poses) -> Bool:
    """Which seconds (m,) touch no calibration pose: what was calibrated on is not scored."""
    start_s = np.arange(seconds)
    free = np.ones(seconds, dtype=np.bool_)
    for spans in poses.values():
        for a, b in spans:
            free &= ~((start_s + 1 > a) & (start_s < b))
    return free
