"""Poses -> where the body is in each sensor's axes, where neutral is, and how far this person bends.

Mounting: up is the mean *accelerometer* over the standing poses (not the fused orientation, whose bias has not converged yet:
1.5-3.4 deg off when measured); the medio-lateral axis is the direction that the up vector never takes while bending, the
smallest eigenvector of sum(u u^T), made orthogonal to up, its sign from cross(bent, upright).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from posture.config import CalibrationConfig, Config
from posture.signal.fusion import Fusion
from posture.signal.gait import walking_bounce_mps2
from posture.signal.timebase import FORCE, RATE, UP, Timebase
from posture.types import G_MPS2, Basis, Bool, Float, ImuBlock, InputError, JsonValue, Placement

FORMAT = 1
Poses = Mapping[str, Sequence[tuple[float, float]]]
STANDING, BENDS, SEATED = ("stand", "stand_end"), ("bend_max", "hinge", "rounded"), ("sit_tall", "sit_usual", "slump")
POSE_NAMES = (*STANDING, "walk", *SEATED, *BENDS, "table", "recline")
_MOVED_TWICE = 2.0
"""A stand that sways more than this many times `pose_sd_max_deg` is refused: neutral rests on it alone; ours."""
_UPRIGHT_DEG = 40.0
"""Without poses: a mean force this close to the nominal z axis may be upright; ours."""
_WALKING_MIN_S = 20
_RUNNING_MPS2 = 6.0
"""Without poses: SD of the force within a second of walking, at most; and how many such seconds make a neutral; ours."""
_SLIPPED = "the sensor may have slipped"
_NO_POSES = "no calibration poses: upright was taken from walking or standing and the sensor's nominal axes"


@dataclass(frozen=True, slots=True)
class SensorCalibration:
    """One sensor on this body, in this wear.

    body_from_sensor : (3, 3) rotation, rows are body x (forward), y (left), z (up) in sensor axes.
    gravity_mps2 : magnitude of the force while standing still. Inclinations deg; NaN where the pose was not recorded.
    gait_mps2 : bounce of the calibration walk (`posture.signal.gait`); NaN without one.
    """

    body_from_sensor: Float
    gravity_mps2: float
    sit_tall_deg: float = np.nan
    sit_usual_deg: float = np.nan
    slump_deg: float = np.nan
    walk_deg: float = np.nan
    gait_mps2: float = np.nan


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns signals into this person's angles.

    source : "poses" or "self". rom_deg : largest lumbar flexion; rom_measured False means the population value.
    *_flexion_deg : lumbar flexion of the seated poses (two sensors), NaN otherwise.
    judges_sitting : whether flexed sitting can be judged in this wear. grade : "good", "fair" or "poor", with plain reasons.
    poses : the windows that it was made from, kept for replay.
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

    @property
    def basis(self) -> Basis:
        """One or two sensors."""
        return Basis.TWO if len(self.sensors) == 2 else Basis.ONE

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
                had = " and ".join(self.sensors)
                raise InputError(
                    f"this calibration was made with {had}, not with {placement}; calibrate with the sensors you wear"
                )
        if len(placements) == len(self.sensors):
            return self
        kept = {p: self.sensors[p] for p in placements}
        mine = [r for r in self.reasons if r == _NO_POSES or r.startswith(tuple(f"{p}:" for p in kept))]
        return _graded(kept, None, mine, source=self.source, poses=self.poses, config=config or Config())

    def judges(self) -> str:
        """One sentence: what this wear can and cannot judge."""
        sitting = "sitting in flexion" if self.judges_sitting else None
        if self.basis is Basis.TWO:
            if sitting:
                return "Two sensors: sitting in flexion, bends and floor transitions are measured and judged."
            return "Two sensors, not calibrated: bends and floor transitions are judged roughly, sitting in flexion is not."
        where = "at the sacrum" if Placement.SACRUM in self.sensors else "at the upper lumbar spine"
        rest = "bends and floor transitions are counted and timed; how the lower back was held in them is unknown."
        if sitting:
            return f"One sensor {where}: {sitting} is judged; {rest}"
        return f"One sensor {where}: sitting in flexion is not judged and its alert is off; {rest}"


@dataclass(frozen=True, slots=True)
class _Track:
    """One sensor over the calibration: time s (n,); force m/s^2, up vector and angular rate rad/s, each (n, 3), sensor axes."""

    time_s: Float
    acc: Float
    up: Float
    rate: Float
    rate_hz: float

    def rows(self, windows: Sequence[tuple[float, float]]) -> Bool:
        """Which samples lie in any of the windows, (n,)."""
        inside = np.zeros(len(self.time_s), dtype=np.bool_)
        for a, b in windows:
            inside |= (self.time_s >= a) & (self.time_s < b)
        return inside


def calibrate(
    blocks: Sequence[ImuBlock], rate_hz: Mapping[Placement, float], poses: Poses, config: Config
) -> Calibration:
    """Calibration from recorded poses.

    Parameters
    ----------
    blocks : one per sensor, covering all pose windows.
    poses : name -> [(from_s, to_s), ...]; `stand` is required, everything else makes it better.

    Raises
    ------
    InputError
        `stand` is missing or holds no samples, or the wearer did not stand still in it; the sentence says which pose and why.
    """
    if not poses.get("stand"):
        raise InputError(
            "the poses name no `stand`; record 10 s of standing tall, or leave --poses away to calibrate from walking"
        )
    reasons: list[str] = []
    tracks = {b.placement: _track(b, rate_hz[b.placement], config) for b in blocks}
    sensors = {p: _sensor(p, t, poses, config, reasons) for p, t in tracks.items()}
    rom = _range(tracks, sensors, poses, config, reasons) if len(sensors) == 2 else None
    return _graded(sensors, rom, reasons, source="poses", poses=poses, config=config)


def self_calibrate(blocks: Sequence[ImuBlock], rate_hz: Mapping[Placement, float], config: Config) -> Calibration:
    """Calibration with no poses: upright from walking, else from the stillest upright moments; nominal axes for the rest.

    Graded "poor": neutral may be several degrees off and nothing is known of the person's range.

    Raises
    ------
    InputError
        No upright walking or standing was found.
    """
    sensors = {}
    for block in blocks:
        track = _track(block, rate_hz[block.placement], config)
        sensors[block.placement] = _self_sensor(track, block.placement, config)
    return _graded(sensors, None, [_NO_POSES], source="self", poses={}, config=config)


def _track(block: ImuBlock, rate_hz: float, config: Config) -> _Track:
    base = Timebase(rate_hz, config.timebase)
    fusion = Fusion(rate_hz, config.fusion, config.timebase, has_gyro=block.gyr_radps is not None)
    oriented = fusion.push(base.push(block))
    if not oriented or base.state.origin_s is None:
        raise InputError(
            f"{block.placement} has no usable samples in the calibration; check the sensor and record the poses again"
        )
    origin_s = base.state.origin_s
    time_s = np.concatenate([origin_s + (r.first_index + np.arange(len(r.trusted))) / rate_hz for r in oriented])
    channels = np.concatenate([r.channels for r in oriented])
    return _Track(time_s, channels[:, FORCE], channels[:, UP], channels[:, RATE], rate_hz)


def _sensor(placement: Placement, track: _Track, poses: Poses, config: Config, reasons: list[str]) -> SensorCalibration:
    params = config.calibration
    stand = _still_force(track, poses["stand"], "stand", placement, config)
    forces = [stand]
    if poses.get("stand_end"):
        end = _still_force(track, poses["stand_end"], "stand_end", placement, config)
        closure_deg = _angle_deg(stand.mean(axis=0), end.mean(axis=0))
        if closure_deg > params.closure_max_deg:
            reasons.append(
                f"{placement}: upright moved {closure_deg:.1f} deg from the first to the last stand; {_SLIPPED}"
            )
        forces.append(end)
    # Each pose counts by its length: a longer stand averages more sway.
    mean = np.concatenate(forces).mean(axis=0)
    gravity = float(np.sqrt((mean**2).sum()))
    up = mean / gravity
    bends = [window for name in BENDS for window in poses.get(name, ())]
    left = _bend_axis(track, up, bends, params.bend_min_deg) if bends else None
    if left is None:
        reasons.append(
            f"{placement}: no bend of {params.bend_min_deg:.0f} deg was recorded; forward is the sensor's nominal x axis"
        )
        left = _nominal_left(up)
    body = _frame(up, left)
    nominal = _nominal_left(up)
    off_deg = _angle_deg(left, nominal)
    if off_deg > params.axis_off_max_deg:
        side = "left" if left @ np.cross(nominal, up) > 0 else "right"
        reasons.append(f"{placement}: the sensor sits turned by {off_deg:.0f} deg to the {side}; this is corrected")
    held = {}
    for name in SEATED:
        inside = track.rows(poses.get(name, ()))
        held[name] = _mean_inclination(track.acc[inside], body) if inside.any() else np.nan
        if inside.any() and (sway_deg := _sway_deg(track.acc[inside])) > params.pose_sd_max_deg:
            reasons.append(f"{placement}: the wearer moved in the pose `{name}` (swayed {sway_deg:.1f} deg)")
    _check_order(placement, held, reasons)
    walk = track.rows(poses.get("walk", ()))
    return SensorCalibration(
        body_from_sensor=body,
        gravity_mps2=gravity,
        sit_tall_deg=held["sit_tall"],
        sit_usual_deg=held["sit_usual"],
        slump_deg=held["slump"],
        walk_deg=_mean_inclination(track.up[walk], body) if walk.any() else np.nan,
        gait_mps2=_gait(track, poses.get("walk", ())),
    )


def _still_force(
    track: _Track, windows: Sequence[tuple[float, float]], name: str, placement: Placement, config: Config
) -> Float:
    """Force samples of a standing pose, (n, 3) m/s^2; InputError where there are too few or the wearer moved."""
    inside = track.rows(windows)
    force = track.acc[inside]
    if len(force) < track.rate_hz:
        raise InputError(
            f"the pose `{name}` holds less than a second of {placement} samples; check its times or record it again"
        )
    sway_deg, rate_dps = _sway_deg(force), _turning_dps(track.rate[inside])
    if sway_deg > _MOVED_TWICE * config.calibration.pose_sd_max_deg:
        raise InputError(
            f"the wearer moved in the pose `{name}` ({placement} swayed {sway_deg:.1f} deg); stand still and record it again"
        )
    if rate_dps > config.calibration.still_rate_max_dps:
        raise InputError(
            f"the wearer moved in the pose `{name}` ({placement} turned at {rate_dps:.0f} deg/s); "
            "stand still and record it again"
        )
    return np.asarray(force)


def _sway_deg(force: Float) -> float:
    """Largest SD of the three axes of a still pose's force, as an angle: what a tilt of so much would do."""
    mean = force.mean(axis=0)
    return float(np.degrees(np.std(force - mean, axis=0).max() / np.sqrt((mean**2).sum())))


def _turning_dps(rate: Float) -> float:
    """Median size of the angular rate around its mean: a gyroscope bias that is not known yet does not count."""
    off = rate - rate.mean(axis=0)
    return float(np.degrees(np.median(np.sqrt((off**2).sum(axis=1)))))


def _check_order(placement: Placement, held: Mapping[str, float], reasons: list[str]) -> None:
    """Usual sitting lies between tall and slumped at the sacrum, whose inclination falls on the way; NaN is not judged."""
    if placement is not Placement.SACRUM:
        return
    if held["sit_usual"] >= held["sit_tall"]:
        reasons.append(f"{placement}: `sit_usual` was as tall as `sit_tall` or taller; repeat the seated poses")
    elif held["sit_usual"] < held["slump"]:
        reasons.append(f"{placement}: `sit_usual` was deeper than `slump`; slump fully and repeat the seated poses")


def _bend_axis(track: _Track, up: Float, windows: Sequence[tuple[float, float]], least_deg: float) -> Float | None:
    """Body left in sensor axes from the plane in which the up vector moves while bending; None where nobody bent."""
    inside = track.rows(windows)
    moved = track.up[inside]
    lean_deg = np.degrees(np.arccos(np.clip(moved @ up, -1.0, 1.0)))
    if not len(moved) or lean_deg.max() < least_deg:
        return None
    _, vectors = np.linalg.eigh(moved.T @ moved)
    left = vectors[:, 0] - (vectors[:, 0] @ up) * up
    left /= np.linalg.norm(left)
    bent = moved[lean_deg >= 0.7 * lean_deg.max()].mean(axis=0)
    return np.asarray(left if left @ np.cross(bent, up) > 0 else -left)


def _nominal_left(up: Float) -> Float:
    """Left as the nominal axes (x forward, y left, z up) have it, made orthogonal to up."""
    nominal = np.array([0.0, 1.0, 0.0])
    left = nominal - (nominal @ up) * up
    if np.linalg.norm(left) < 0.2:  # worn on its side: y points up or down, so x decides
        left = np.cross(up, np.array([1.0, 0.0, 0.0]))
    return np.asarray(left / np.linalg.norm(left))


def _frame(up: Float, left: Float) -> Float:
    return np.stack([np.cross(left, up), left, up])


def _angle_deg(a: Float, b: Float) -> float:
    cosine = (a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _mean_inclination(vectors: Float, body: Float) -> float:
    """Inclination of the mean vector, deg. Of a held pose's force it is exact, and free of the filter's start-up bias."""
    x, _, z = body @ vectors.mean(axis=0)
    return float(np.degrees(np.arctan2(-x, z)))


def _range(
    tracks: Mapping[Placement, _Track],
    sensors: Mapping[Placement, SensorCalibration],
    poses: Poses,
    config: Config,
    reasons: list[str],
) -> float | None:
    """Largest lumbar flexion, deg: the median over the `bend_max` windows of each one's 97th percentile; None if not believed.

    The percentile (ours) stands for the peak without its noise: 3 % of a 6 s bend is a fifth of a second.
    """
    peaks = []
    for window in poses.get("bend_max", ()):
        inclination = {}
        for placement, sensor in sensors.items():
            inside = tracks[placement].rows([window])
            v = tracks[placement].up[inside] @ sensor.body_from_sensor.T
            inclination[placement] = np.degrees(np.arctan2(-v[:, 0], v[:, 2])), tracks[placement].time_s[inside]
        (upper, at), (lower, lower_at) = inclination[Placement.UPPER_LUMBAR], inclination[Placement.SACRUM]
        if len(at) < 10 or len(lower_at) < 10:
            continue
        flexion = upper - np.interp(at, lower_at, lower)
        peaks.append(float(np.percentile(flexion, 97)))
    if not peaks:
        return None
    rom = float(np.median(peaks))
    if rom < config.calibration.rom_min_deg:
        reasons.append(f"`bend_max` showed only {rom:.0f} deg of lumbar flexion, too little to be the whole range")
        return None
    return rom


def _gait(track: _Track, windows: Sequence[tuple[float, float]]) -> float:
    levels = []
    for window in windows:
        force = track.acc[track.rows([window])]
        if len(force) >= 1.5 * track.rate_hz:
            size = np.sqrt((force**2).sum(axis=1))
            levels.append(walking_bounce_mps2(size, track.rate_hz))
    return float(np.median(levels)) if levels else np.nan


def _self_sensor(track: _Track, placement: Placement, config: Config) -> SensorCalibration:
    """Upright = mean force over the walking seconds, or over the stillest half of the seconds that are near nominal upright."""
    whole = int(track.rate_hz)
    seconds = len(track.acc) // whole
    if seconds < 2:
        raise InputError(
            f"{placement}: under 2 s of samples are too few to find upright; record longer or give --poses"
        )
    force = track.acc[: seconds * whole].reshape(seconds, whole, 3)
    mean = force.mean(axis=1)
    spread = force.std(axis=1).max(axis=1)
    size = np.linalg.norm(force, axis=2)
    gait = size.std(axis=1)
    upright = mean[:, 2] > np.cos(np.radians(_UPRIGHT_DEG)) * np.linalg.norm(mean, axis=1)
    if not upright.any():
        raise InputError(
            f"{placement}: no upright moment was found with its nominal axes (z up); give --poses so that the mounting can be found"
        )
    walking = upright & (gait > config.context.gait_cut * config.context.gait_default_mps2) & (gait < _RUNNING_MPS2)
    if walking.sum() < _WALKING_MIN_S:
        quiet = spread <= np.median(spread[upright])
        walking = upright & quiet
    up = mean[walking].mean(axis=0)
    size_mps2 = float(np.linalg.norm(up))
    up = up / size_mps2
    return SensorCalibration(
        _frame(up, _nominal_left(up)), gravity_mps2=size_mps2 if abs(size_mps2 - G_MPS2) < 1.0 else G_MPS2
    )


def _graded(
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
    severe = source == "self" or any(r.endswith(_SLIPPED) for r in reasons)
    grade = "poor" if severe else "fair" if reasons else "good"
    return Calibration(
        source=source,
        sensors=dict(sensors),
        rom_deg=rom if rom is not None else params.rom_fallback_deg,
        rom_measured=rom is not None,
        judges_sitting=judges,
        grade=grade,
        reasons=tuple(reasons),
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
            f"tall and slumped sitting are only {abs(span_deg):.0f} deg apart at the {placement}; "
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
            **{name: _or_null(getattr(s, name)) for name in _SENSOR_NUMBERS},
        }
    return {
        "format": FORMAT,
        "source": calibration.source,
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
_FLEXIONS = ("sit_tall_flexion_deg", "sit_usual_flexion_deg", "slump_flexion_deg")


def _or_null(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)


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
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{source} is not a calibration file of this program ({error}); make one with `posture calibrate`"
        ) from error
