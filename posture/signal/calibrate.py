"""Poses -> calibration: where the body is in each sensor's axes, where neutral is, and how far this person bends.

The full calibration is made here; `redon` carries one over to a new wear, `self_calibrate` does without poses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from posture.config import CalibrationConfig, Config
from posture.signal import pose_checks
from posture.signal.calibration import SLIPPED, Calibration, Poses, SensorCalibration, graded
from posture.signal.gait import walking_bounce_mps2
from posture.signal.mounting import (
    CORRECTED,
    angle_deg,
    axes_apart_deg,
    bend_axis,
    described,
    force_axis,
    frame,
    nominal_left,
    turning_axis,
)
from posture.signal.pose_checks import BENDS, SEATED
from posture.signal.startbias import gyro_bias
from posture.signal.track import Track, Windows, mean_inclination_deg, track_of
from posture.types import Float, ImuBlock, InputError, Placement


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
        `stand` is missing or too short, or the wearer did not stand still in it; the sentence says which pose and why.
    """
    if not poses.get("stand"):
        raise InputError(
            "the poses name no `stand`; record 10 s of standing tall, or leave --poses away to calibrate from walking"
        )
    params = config.calibration
    reasons = pose_checks.times(poses)
    tracks = {b.placement: track_of(b, rate_hz[b.placement], config) for b in blocks}
    biases = {b.placement: gyro_bias(b, poses, params) for b in blocks}
    sensors = {p: replace(_sensor(p, t, poses, params, reasons), gyro_bias_radps=biases[p]) for p, t in tracks.items()}
    reasons += pose_checks.seated({p: _seated_deg(s) for p, s in sensors.items()}, params)
    reasons += pose_checks.bends(tracks, {p: s.body_from_sensor[2] for p, s in sensors.items()}, poses, params)
    rom = _range(tracks, sensors, poses, params, reasons) if len(sensors) == 2 else None
    return graded(sensors, rom, reasons, source="poses", poses=poses, config=config)


def _sensor(
    placement: Placement, track: Track, poses: Poses, params: CalibrationConfig, reasons: list[str]
) -> SensorCalibration:
    up, gravity = upright(placement, track, poses, params, reasons)
    left = _left(placement, track, up, poses, params, reasons)
    body = frame(up, left)
    if sits := described(body, params.axis_off_max_deg):
        reasons.append(f"{placement.words}: the sensor sits {sits}; {CORRECTED}")
    held = {}
    for name in SEATED:
        inside = track.rows(poses.get(name, ()))
        shows = inside.any() and pose_checks.is_gravity(track.acc[inside])
        held[name] = mean_inclination_deg(track.acc[inside], body) if shows else np.nan
        reasons += pose_checks.held(placement, name, track, poses, params)
    reasons += pose_checks.order(placement, held)
    walk_deg, gait_mps2, why = walk_anchor(placement, track, body, poses, params)
    if why and poses.get("walk"):
        reasons.append(why)
    return SensorCalibration(
        body_from_sensor=body,
        gravity_mps2=gravity,
        sit_tall_deg=held["sit_tall"],
        sit_usual_deg=held["sit_usual"],
        slump_deg=held["slump"],
        recline_deg=held["recline"] if held["recline"] < held["slump"] else np.nan,
        walk_deg=walk_deg,
        gait_mps2=gait_mps2,
        hinge_deg=max((_deepest_deg(track, body, window) for window in poses.get("hinge", ())), default=np.nan),
    )


def _deepest_deg(track: Track, body: Float, window: tuple[float, float]) -> float:
    """Deepest forward inclination in a window, deg, as in `_range`; NaN where it holds hardly a sample."""
    v = track.up[track.rows([window])] @ body.T
    return float(np.percentile(np.degrees(np.arctan2(-v[:, 0], v[:, 2])), 97)) if len(v) >= 10 else np.nan


def upright(
    placement: Placement, track: Track, poses: Poses, params: CalibrationConfig, reasons: list[str]
) -> tuple[Float, float]:
    """Up (3,) in sensor axes and the size of gravity, m/s^2, over the standing poses; a stand that moved becomes a reason."""
    stand = pose_checks.standing_force(track, "stand", poses, placement, params)
    forces = [stand]
    if poses.get("stand_end") and not track.rows(poses["stand_end"]).any():
        reasons.append(
            f"{placement.words}: the pose `stand_end` holds no samples; whether the sensor slipped is not known"
        )
    elif poses.get("stand_end"):
        end = pose_checks.standing_force(track, "stand_end", poses, placement, params)
        closure_deg = angle_deg(stand.mean(axis=0), end.mean(axis=0))
        if closure_deg > params.closure_max_deg:
            reasons.append(
                f"{placement.words}: upright moved {closure_deg:.1f} deg from the first to the last stand; {SLIPPED}"
            )
        forces.append(end)
    # Each pose counts by its length: a longer stand averages more sway.
    mean = np.concatenate(forces).mean(axis=0)
    gravity = float(np.sqrt((mean**2).sum()))
    return mean / gravity, gravity


def walk_anchor(
    placement: Placement, track: Track, body: Float, poses: Poses, params: CalibrationConfig
) -> tuple[float, float, str | None]:
    """Inclination deg and bounce m/s^2 of the calibration walk, and why there are none (then NaN)."""
    windows = poses.get("walk", ())
    bounce = _bounce(track, windows)
    why = pose_checks.walking(placement, track, bounce, windows, params)
    if why:
        return np.nan, np.nan, why
    return mean_inclination_deg(track.up[track.rows(windows)], body), bounce, None


def _bounce(track: Track, windows: Windows) -> float:
    levels = []
    for window in windows:
        force = track.acc[track.rows([window])]
        if len(force) >= 1.5 * track.rate_hz:
            levels.append(walking_bounce_mps2(np.sqrt((force**2).sum(axis=1)), track.rate_hz))
    return float(np.median(levels)) if levels else np.nan


def _left(
    placement: Placement, track: Track, up: Float, poses: Poses, params: CalibrationConfig, reasons: list[str]
) -> Float:
    """Body left, (3,), from the bends, else nominal; both that and a gyroscope that says otherwise become reasons."""
    windows = [window for name in BENDS for window in poses.get(name, ())]
    left = bend_axis(track, up, windows, params.bend_min_deg) if windows else None
    if left is None:
        reasons.append(
            f"{placement.words}: no bend of {params.bend_min_deg:.0f} deg was recorded; forward is the sensor's nominal x axis"
        )
        return nominal_left(up)
    turned, forced = turning_axis(track, windows), force_axis(track, up, windows)
    if turned is None or forced is None:
        return left
    if (apart_deg := axes_apart_deg(turned, forced)) > params.axis_apart_max_deg:
        reasons.append(
            f"{placement.words}: the bending axis by the gyroscope lies {apart_deg:.0f} deg off the one by the accelerometer; "
            "repeat the bends straight forward, without turning round in them"
        )
    return left


def _seated_deg(sensor: SensorCalibration) -> dict[str, float]:
    return {name: getattr(sensor, f"{name}_deg") for name in SEATED}


def _range(
    tracks: Mapping[Placement, Track],
    sensors: Mapping[Placement, SensorCalibration],
    poses: Poses,
    params: CalibrationConfig,
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
    if rom < params.rom_min_deg:
        reasons.append(f"`bend_max` showed only {rom:.0f} deg of lumbar flexion, too little to be the whole range")
        return None
    return rom
