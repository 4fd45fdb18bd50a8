"""A calibration: the body in each sensor's axes, neutral, the person's range; what it can judge, its grade, its file.

It is made by `posture.signal.calibrate` from poses, by `redon` from an earlier one, by `self_calibrate` without poses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from posture.config import CalibrationConfig, Config
from posture.types import Basis, Float, InputError, JsonValue, Placement

FORMAT = 1
Poses = Mapping[str, Sequence[tuple[float, float]]]
SLIPPED = "the sensor may have slipped"
MISFIT = "repeat the full calibration"
NO_POSES = "no calibration poses: upright was taken from walking and standing, forward from leans"
NO_WALKING = "too little walking was found"
QUICK = "quick calibration"
_OF_ALL = (NO_POSES, QUICK)
"""How reasons begin that hold for every sensor and both."""


@dataclass(frozen=True, slots=True)
class SensorCalibration:
    """One sensor on this body, in this wear.

    body_from_sensor : (3, 3) rotation, rows are body x (forward), y (left), z (up) in sensor axes.
    gravity_mps2 : magnitude of the force while standing still. Inclinations deg; NaN where the pose was not recorded.
    recline_deg : leaning back in the chair, where that is behind the slump. gait_mps2 : bounce of the calibration walk
    (`posture.signal.gait`); NaN without one.
    hinge_deg : the deepest of the hinges.
    gyro_bias_radps : what the gyroscope showed at rest (`posture.signal.startbias`), sensor axes; None where that was not measured.
    """

    body_from_sensor: Float
    gravity_mps2: float
    sit_tall_deg: float = np.nan
    sit_usual_deg: float = np.nan
    slump_deg: float = np.nan
    walk_deg: float = np.nan
    gait_mps2: float = np.nan
    recline_deg: float = np.nan
    hinge_deg: float = np.nan
    gyro_bias_radps: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns signals into this person's angles.

    source : "poses", "quick" (a stand and a walk on a full one) or "self".
    rom_deg : largest lumbar flexion; rom_measured False means the population value.
    *_flexion_deg : lumbar flexion of the seated poses (two sensors), NaN otherwise.
    judges_sitting : whether flexed sitting can be judged in this wear. grade : "good", "fair" or "poor", with plain reasons.
    poses : the windows that it was made from, kept for replay. made_utc : when, None where the clock was not known.
    base_utc : when the full calibration under a quick one was made; None otherwise or unknown.
    """

    source: str
    sensors: Mapping[Placement, SensorCalibration]
    rom_deg: float
    rom_measured: bool
    judges_sitting: bool
    grade: str
    reasons: tuple[str, ...] = ()
    sit_tall_flexion_deg: float = np.nan
    sit_usual_flexion_deg: float = np.nan
    slump_flexion_deg: float = np.nan
    poses: Poses = field(default_factory=dict)
    made_utc: datetime | None = None
    base_utc: datetime | None = None

    @property
    def basis(self) -> Basis:
        """One or two sensors."""
        return Basis.TWO if len(self.sensors) == 2 else Basis.ONE

    def start_bias(self, placement: Placement) -> Float | None:
        """(3,) gyroscope bias of that sensor, rad/s, where it was measured."""
        bias = self.sensors[placement].gyro_bias_radps
        return None if bias is None else np.array(bias)

    def for_sensors(self, placements: Sequence[Placement], config: Config | None = None) -> Calibration:
        """The same calibration for fewer sensors; what only the others or both could say is dropped, range included.

        config : decides whether the sensor that is left can judge sitting; None means the defaults.

        Raises
        ------
        InputError
            It was not made with one of them.
        """
        for placement in placements:
            if placement not in self.sensors:
                had = " and ".join(p.words for p in self.sensors)
                raise InputError(
                    f"this calibration was made with {had}, not with {placement.words}; calibrate with the sensors you wear"
                )
        if len(placements) == len(self.sensors):
            return self
        kept = {p: self.sensors[p] for p in placements}
        # Earlier versions wrote the name of the files, `upper_lumbar:`; a stored calibration may hold it.
        named = [f"{name}:" for p in kept for name in (p.words, p.value)]
        mine = [r for r in self.reasons if r.startswith((*_OF_ALL, *named))]
        fewer = graded(kept, None, mine, source=self.source, poses=self.poses, config=config or Config())
        return replace(fewer, made_utc=self.made_utc, base_utc=self.base_utc)

    def judges(self) -> str:
        """One sentence: what this wear can and cannot judge."""
        sitting = "sitting in flexion" if self.judges_sitting else None
        if self.basis is Basis.TWO:
            if sitting:
                return "Two sensors: sitting in flexion, bends and floor transitions are measured and judged."
            return "Two sensors, not calibrated: bends and floor transitions are judged roughly, sitting in flexion is not."
        where = "at the sacrum" if Placement.SACRUM in self.sensors else "at the upper lumbar spine"
        silent = Placement.SACRUM in self.sensors or self.source == "self"
        unless = "" if silent else " but for the deepest, which count as rounded"
        rest = (
            f"bends are counted and timed, how the lower back was held in them is unknown{unless}; floor transitions are judged "
            "by their path alone."
        )
        if sitting:
            return f"One sensor {where}: {sitting} is judged; {rest}"
        return f"One sensor {where}: sitting in flexion is not judged and its alert is off; {rest}"


def graded(
    sensors: Mapping[Placement, SensorCalibration],
    rom: float | None,
    reasons: list[str],
    *,
    source: str,
    poses: Poses,
    config: Config,
) -> Calibration:
    """Put together, decide what can be judged, and grade: every shortfall is a sentence."""
    params = config.calibration
    reasons = list(reasons)
    two = len(sensors) == 2
    if two:
        judges = source != "self"
        if not judges:
            reasons.append("flexed sitting is not judged and its alert is off until the wear is calibrated")
        if rom is None:
            reasons.append(
                f"there is no measured range; the population value {params.rom_fallback_deg:.0f} deg stands in"
            )
    else:
        judges = _slump_judges(*next(iter(sensors.items())), params, reasons)
    severe = source == "self" or any(r.endswith((SLIPPED, MISFIT)) for r in reasons)
    grade = "poor" if severe else "fair" if reasons else "good"
    return Calibration(
        source=source,
        sensors=dict(sensors),
        rom_deg=rom if rom is not None else params.rom_fallback_deg,
        rom_measured=rom is not None,
        judges_sitting=judges,
        grade=grade,
        reasons=tuple(dict.fromkeys(reasons)),
        sit_tall_flexion_deg=_flexion(sensors, "sit_tall_deg"),
        sit_usual_flexion_deg=_flexion(sensors, "sit_usual_deg"),
        slump_flexion_deg=_flexion(sensors, "slump_deg"),
        poses={k: [(a, b) for a, b in v] for k, v in poses.items()},
    )


def _flexion(sensors: Mapping[Placement, SensorCalibration], name: str) -> float:
    """Lumbar flexion of a seated pose, deg: upper lumbar minus sacrum; NaN unless both were there."""
    if len(sensors) < 2:
        return np.nan
    return float(getattr(sensors[Placement.UPPER_LUMBAR], name) - getattr(sensors[Placement.SACRUM], name))


def _slump_judges(
    placement: Placement, sensor: SensorCalibration, params: CalibrationConfig, reasons: list[str]
) -> bool:
    """Whether one sensor can tell a slump: the span from tall to slumped is wide enough and goes the way it must."""
    least_deg = params.slump_span_min_deg if placement is Placement.SACRUM else params.upper_span_min_deg
    span_deg = sensor.sit_tall_deg - sensor.slump_deg
    if np.isnan(span_deg):
        reasons.append("sitting tall and slumped were not recorded; flexed sitting is not judged and its alert is off")
        return False
    if placement is Placement.SACRUM and span_deg < 0:
        reasons.append(
            "the sacrum tilted forward from tall to slumped sitting; flexed sitting is not judged; repeat the seated poses"
        )
        return False
    if abs(span_deg) < least_deg:
        reasons.append(
            f"tall and slumped sitting are only {abs(span_deg):.0f} deg apart at the {placement.words}; "
            "flexed sitting is not judged and its alert is off"
        )
        return False
    return True


def to_json(calibration: Calibration) -> dict[str, JsonValue]:
    """A JSON tree that `from_json` reads back to the same numbers; NaN is null."""
    sensors: dict[str, JsonValue] = {}
    for placement, s in calibration.sensors.items():
        sensors[str(placement)] = {
            "body_from_sensor": s.body_from_sensor.tolist(),
            "gravity_mps2": s.gravity_mps2,
            **{name: _or_null(getattr(s, name)) for name in (*_SENSOR_NUMBERS, *_NEWER_NUMBERS)},
            "gyro_bias_radps": None if s.gyro_bias_radps is None else list(s.gyro_bias_radps),
        }
    return {
        "format": FORMAT,
        "source": calibration.source,
        "made_utc": calibration.made_utc.isoformat() if calibration.made_utc else None,
        "base_utc": calibration.base_utc.isoformat() if calibration.base_utc else None,
        "grade": calibration.grade,
        "reasons": list(calibration.reasons),
        "flexed_sitting": calibration.judges_sitting,
        "rom_deg": calibration.rom_deg,
        "rom_source": "measured" if calibration.rom_measured else "population",
        **{name: _or_null(getattr(calibration, name)) for name in _FLEXIONS},
        "sensors": sensors,
        "poses": {k: [[float(a), float(b)] for a, b in v] for k, v in calibration.poses.items()},
    }


def _check_rotation(placement: Placement, matrix: Float) -> None:
    if not (np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-6) and np.linalg.det(matrix) > 0):
        raise ValueError(f"the body_from_sensor of {placement} is not a rotation")


_SENSOR_NUMBERS = ("sit_tall_deg", "sit_usual_deg", "slump_deg", "walk_deg", "gait_mps2")
_NEWER_NUMBERS = ("recline_deg", "hinge_deg")
"""Files from before these numbers were known lack them, as they lack `made_utc` and `base_utc`; they still load."""
_FLEXIONS = ("sit_tall_flexion_deg", "sit_usual_flexion_deg", "slump_flexion_deg")


def _or_null(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _bias(values: Sequence[float] | None) -> tuple[float, float, float] | None:
    if values is None:
        return None
    x, y, z = (float(v) for v in values)
    if not np.isfinite([x, y, z]).all():
        raise ValueError("a gyro_bias_radps is not finite")
    return x, y, z


def _or_none(text: str | None) -> datetime | None:
    """A time with its zone; ValueError for one without, which no other can be compared with."""
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time


def from_json(tree: Mapping[str, Any], *, source: str) -> Calibration:
    """Read a calibration; raises InputError that names `source` where it is not one of this format."""
    try:
        if tree["format"] != FORMAT:
            raise InputError(
                f"{source} has calibration format {tree['format']}, this version reads {FORMAT}; calibrate again"
            )
        sensors = {
            Placement(name): SensorCalibration(
                body_from_sensor=np.array(s["body_from_sensor"], dtype=np.float64).reshape(3, 3),
                gravity_mps2=float(s["gravity_mps2"]),
                **{k: _or_nan(s[k]) for k in _SENSOR_NUMBERS},
                **{k: _or_nan(s.get(k)) for k in _NEWER_NUMBERS},
                gyro_bias_radps=_bias(s.get("gyro_bias_radps")),  # absent in the first files of this format
            )
            for name, s in tree["sensors"].items()
        }
        if not sensors:
            raise ValueError("no sensor in it")
        for placement, sensor in sensors.items():
            _check_rotation(placement, sensor.body_from_sensor)
        return Calibration(
            source=str(tree["source"]),
            sensors=sensors,
            rom_deg=float(tree["rom_deg"]),
            rom_measured=tree["rom_source"] == "measured",
            judges_sitting=bool(tree["flexed_sitting"]),
            grade=str(tree["grade"]),
            reasons=tuple(str(r) for r in tree["reasons"]),
            **{k: _or_nan(tree[k]) for k in _FLEXIONS},
            poses={k: [(float(a), float(b)) for a, b in v] for k, v in tree["poses"].items()},
            made_utc=_or_none(tree.get("made_utc")),
            base_utc=_or_none(tree.get("base_utc")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{source} is not a calibration file of this program ({error}); make one with `posture calibrate`"
        ) from error
