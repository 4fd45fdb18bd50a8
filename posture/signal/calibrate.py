"""Poses -> calibration: where the body is in each sensor's axes, where neutral is, and how far this person bends.

Mounting: up is the mean *accelerometer* over the standing poses (not the fused orientation, whose bias has not converged yet:
1.5-3.4 deg off when measured); the medio-lateral axis is the direction that the up vector never takes while bending, the
smallest eigenvector of sum(u u^T), made orthogonal to up, its sign from cross(bent, upright).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from posture.config import Config
from posture.signal.calibration import NO_POSES, SLIPPED, Calibration, Poses, SensorCalibration, graded
from posture.signal.fusion import Fusion
from posture.signal.gait import walking_bounce_mps2
from posture.signal.startbias import gyro_bias
from posture.signal.timebase import FORCE, RATE, UP, Timebase
from posture.types import G_MPS2, Bool, Float, ImuBlock, InputError, Placement

STANDING, BENDS, SEATED = ("stand", "stand_end"), ("bend_max", "hinge", "rounded"), ("sit_tall", "sit_usual", "slump")
_MOVED_TWICE = 2.0
"""A stand that sways more than this many times `pose_sd_max_deg` is refused: neutral rests on it alone; ours."""
_UPRIGHT_DEG = 40.0
"""Without poses: a mean force this close to the nominal z axis may be upright; ours."""
_WALKING_MIN_S = 20
_RUNNING_MPS2 = 6.0
"""Without poses: SD of the force within a second of walking, at most; and how many such seconds make a neutral; ours."""


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
    biases = {b.placement: gyro_bias(b, poses, config.calibration) for b in blocks}
    tracks = {b.placement: _track(b, rate_hz[b.placement], config) for b in blocks}
    sensors = {p: replace(_sensor(p, t, poses, config, reasons), gyro_bias_radps=biases[p]) for p, t in tracks.items()}
    rom = _range(tracks, sensors, poses, config, reasons) if len(sensors) == 2 else None
    return graded(sensors, rom, reasons, source="poses", poses=poses, config=config)


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
    return graded(sensors, None, [NO_POSES], source="self", poses={}, config=config)


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
                f"{placement}: upright moved {closure_deg:.1f} deg from the first to the last stand; {SLIPPED}"
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
