"""A quick calibration after the sensors were put on again: a stand and a walk on the full calibration of the same person.

Up and the walking anchor are new. What belongs to the person is carried over: range, seated poses and, made orthogonal to the new
up, the medio-lateral axis: taking a sensor off and on tilts it more than it turns it about the spine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from posture.config import CalibrationConfig, Config
from posture.signal import pose_checks
from posture.signal.calibrate import upright, walk_anchor
from posture.signal.calibration import MISFIT, QUICK, Calibration, Poses, SensorCalibration, graded
from posture.signal.mounting import CORRECTED, angle_deg, described, frame, unit_across
from posture.signal.startbias import gyro_bias
from posture.signal.track import Track, track_of
from posture.types import ImuBlock, InputError, Placement

_DAY_S = 86400.0
_ANEW = ("`stand`", "`walk`", "`stand_end`")
"""What the base says of these poses does not hold for the new ones."""


def quick(
    blocks: Sequence[ImuBlock],
    rate_hz: Mapping[Placement, float],
    poses: Poses,
    base: Calibration,
    config: Config,
    *,
    made_utc: datetime | None = None,
) -> Calibration:
    """Calibration of a new wear from `stand` and `walk`, on a full calibration with the same sensors.

    Parameters
    ----------
    blocks : one per sensor, covering the pose windows. poses : `stand` and `walk`; `stand_end` is used where it is there.
    base : made from poses by the same person. made_utc : when this one is made, for the age of the base; None: unknown.

    Raises
    ------
    InputError
        The base is itself quick, self-made, poor or of other sensors; no stand or walk, or not one that can be used; a sensor
        sits so differently that its axis cannot be carried over.
    """
    params = config.calibration
    base = _usable(base).for_sensors([b.placement for b in blocks], config)
    for name in ("stand", "walk"):
        if not poses.get(name):
            raise InputError(f"the poses name no `{name}`; for a quick calibration stand 5 s and walk 10 steps")
    reasons = [_stated(base, made_utc, params), *pose_checks.times(poses)]
    sensors = {
        b.placement: _sensor(
            b.placement, track_of(b, rate_hz[b.placement], config), poses, base.sensors[b.placement], params, reasons
        )
        for b in blocks
    }
    reasons += [r for r in base.reasons if not r.endswith(CORRECTED) and not any(name in r for name in _ANEW)]
    biases = {b.placement: gyro_bias(b, poses, params) for b in blocks}
    sensors = {p: replace(s, gyro_bias_radps=biases[p]) for p, s in sensors.items()}
    rom = base.rom_deg if base.rom_measured else None
    used = {name: poses[name] for name in ("stand", "walk", "stand_end") if poses.get(name)}
    made = graded(sensors, rom, reasons, source="quick", poses=used, config=config)
    return replace(made, made_utc=made_utc, base_utc=base.made_utc)


def _usable(base: Calibration) -> Calibration:
    if base.source == "self":
        raise InputError("the base calibration was made without poses; record the full calibration first")
    if base.source == "quick":
        raise InputError("the base calibration is itself a quick one; give the full one that it was made on")
    if base.grade == "poor":
        raise InputError(f"the base calibration is poor ({base.reasons[0]}); repeat the full calibration")
    return base


def _stated(base: Calibration, made_utc: datetime | None, params: CalibrationConfig) -> str:
    """That it is a quick one, on what, and whether that is too old."""
    if base.made_utc is None:
        return f"{QUICK} from a stand and a walk, on a full one of unknown date"
    said = f"{QUICK} from a stand and a walk, on the full one of {base.made_utc:%Y-%m-%d}"
    if made_utc is None:
        return said
    age_days = (made_utc - base.made_utc).total_seconds() / _DAY_S
    if age_days < 0:
        return f"{said}, which is later than this recording; check the dates"
    if age_days > params.quick_age_max_days:
        return f"{said}, which is {age_days:.0f} days old; record a full one this week"
    return said


def _sensor(
    placement: Placement,
    track: Track,
    poses: Poses,
    before: SensorCalibration,
    params: CalibrationConfig,
    reasons: list[str],
) -> SensorCalibration:
    up, gravity = upright(placement, track, poses, params, reasons)
    _, left, up_before = before.body_from_sensor
    moved_deg = angle_deg(up, up_before)
    if moved_deg > params.quick_mount_max_deg:
        raise InputError(
            f"{placement.words} sits {moved_deg:.0f} deg otherwise than in the base calibration, "
            f"whose bending axis then says nothing; put it on as before, or {MISFIT}"
        )
    body = frame(up, unit_across(left, up))
    walk_deg, gait_mps2, why = walk_anchor(placement, track, body, poses, params)
    if why:
        raise InputError(why)
    if moved_deg > params.axis_off_max_deg:
        reasons.append(
            f"{placement.words}: the sensor sits {moved_deg:.0f} deg otherwise than in the full calibration; "
            "its bending axis is less sure"
        )
    if sits := described(body, params.axis_off_max_deg):
        reasons.append(f"{placement.words}: the sensor sits {sits}; {CORRECTED}")
    change_deg = walk_deg - before.walk_deg
    if np.isnan(change_deg):
        reasons.append(f"{placement.words}: the full calibration has no walk; whether it still fits is not known")
    elif abs(change_deg) > params.quick_walk_max_deg:
        reasons.append(
            f"{placement.words}: walking leans {change_deg:+.0f} deg against standing, compared with the full calibration; {MISFIT}"
        )
    return replace(before, body_from_sensor=body, gravity_mps2=gravity, walk_deg=walk_deg, gait_mps2=gait_mps2)
