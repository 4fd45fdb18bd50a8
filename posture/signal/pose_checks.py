"""Was each pose what its name says? Every check gives a sentence with the pose, the number and what to do, or refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from posture.config import CalibrationConfig
from posture.signal.calibration import Poses
from posture.signal.mounting import leans_deg
from posture.signal.track import Track, sway_deg, turning_dps
from posture.types import G_MPS2, Float, InputError, Placement

STANDING, BENDS = ("stand", "stand_end"), ("bend_max", "hinge", "rounded")
SEATED = ("sit_tall", "sit_usual", "slump", "recline")
_MOVED_TWICE = 2.0
"""A stand that sways more than this many times `pose_sd_max_deg` is refused: neutral rests on it alone; ours."""


def standing_force(track: Track, name: str, poses: Poses, placement: Placement, params: CalibrationConfig) -> Float:
    """Force samples of a standing pose, (n, 3) m/s^2; InputError where it is too short or the wearer moved."""
    inside = track.rows(poses[name])
    force = track.acc[inside]
    if len(force) < params.stand_min_s * track.rate_hz:
        raise InputError(
            f"the pose `{name}` holds {len(force) / track.rate_hz:.1f} s of {placement.words} samples, fewer than "
            f"{params.stand_min_s:g} s; check its times or record it again, or calibrate the other sensor alone with --sensors"
        )
    if not is_gravity(force):
        raise InputError(
            f"the pose `{name}` shows {_size_mps2(force):.3g} m/s^2 at the {placement.words} where a still sensor shows 9.8; "
            "check the sensor and its unit"
        )
    swayed_deg, turned_dps = sway_deg(force), turning_dps(track.rate[inside])
    if swayed_deg > _MOVED_TWICE * params.pose_sd_max_deg:
        raise InputError(
            f"the wearer moved in the pose `{name}` ({placement.words} swayed {swayed_deg:.1f} deg); "
            "stand still and record it again"
        )
    if turned_dps > params.still_rate_max_dps:
        raise InputError(
            f"the wearer moved in the pose `{name}` ({placement.words} turned at {turned_dps:.0f} deg/s); "
            "stand still and record it again"
        )
    return np.asarray(force)


def is_gravity(force: Float) -> bool:
    """Whether the mean force of a held pose, from (n, 3) m/s^2, may be gravity: within half of it."""
    return abs(_size_mps2(force) - G_MPS2) < 0.5 * G_MPS2


def _size_mps2(force: Float) -> float:
    return float(np.sqrt((force.mean(axis=0) ** 2).sum()))


def times(poses: Poses) -> list[str]:
    """Poses that overlap, or come in an order in which they cannot say what they should."""
    reasons = []
    spans = sorted((a, b, name) for name, windows in poses.items() for a, b in windows)
    clashes = [(x[2], y[2]) for x, y in pairwise(spans) if y[0] < x[1]]
    reasons += [f"the times of `{x}` and `{y}` overlap; check them" for x, y in dict.fromkeys(clashes)]
    if poses.get("stand") and poses.get("stand_end"):
        last = max((b for name in (*BENDS, *SEATED) for _, b in poses.get(name, ())), default=-np.inf)
        end_s = min(a for a, _ in poses["stand_end"])
        if end_s < max(b for _, b in poses["stand"]) or end_s < last:
            reasons.append("`stand_end` was not the last pose; whether a sensor slipped meanwhile is not known")
    return reasons


def held(placement: Placement, name: str, track: Track, poses: Poses, params: CalibrationConfig) -> list[str]:
    """A seated pose that was too short or moved."""
    inside = track.rows(poses.get(name, ()))
    if not inside.any():
        return [f"{placement.words}: the pose `{name}` holds no samples; check its times"] if poses.get(name) else []
    if not is_gravity(track.acc[inside]):
        return [f"{placement.words}: the pose `{name}` does not show gravity and is left out; record it again"]
    reasons = []
    if (seconds := track.seconds(poses[name])) < params.held_min_s:
        reasons.append(f"{placement.words}: the pose `{name}` was held for {seconds:.1f} s only; hold it for 8 s")
    if (swayed := sway_deg(track.acc[inside])) > params.pose_sd_max_deg:
        reasons.append(f"{placement.words}: the wearer moved in the pose `{name}` (swayed {swayed:.1f} deg)")
    return reasons


def order(placement: Placement, inclination_deg: Mapping[str, float]) -> list[str]:
    """Usual sitting lies between tall and slumped at the sacrum, whose inclination falls on the way; NaN is not judged."""
    if placement is not Placement.SACRUM:
        return []
    tall, usual, slump, recline = (inclination_deg[name] for name in SEATED)
    reasons = []
    if usual >= tall:
        reasons.append(f"{placement.words}: `sit_usual` was as tall as `sit_tall` or taller; repeat the seated poses")
    elif usual < slump:
        reasons.append(
            f"{placement.words}: `sit_usual` was deeper than `slump`; slump fully and repeat the seated poses"
        )
    if recline >= slump:
        reasons.append(
            f"{placement.words}: `recline` was not behind `slump`; a fixed angle stands in; lean back and repeat it"
        )
    return reasons


def seated(inclination_deg: Mapping[Placement, Mapping[str, float]], params: CalibrationConfig) -> list[str]:
    """Seated poses in which no sensor left upright. The upper lumbar alone hardly moves from standing to sitting: not judged."""
    if Placement.SACRUM not in inclination_deg:
        return []
    return [
        f"in the pose `{name}` every sensor was within {params.seated_off_deg:g} deg of standing; sit down and record it again"
        for name in SEATED
        if all(abs(found[name]) < params.seated_off_deg for found in inclination_deg.values())
    ]


def bends(
    tracks: Mapping[Placement, Track], ups: Mapping[Placement, Float], poses: Poses, params: CalibrationConfig
) -> list[str]:
    """Bend poses in which nobody bent, and bends that are all shallow. The sensor that leans most counts."""
    reasons, deepest = [], []
    for name in BENDS:
        windows = poses.get(name, ())
        if not windows:
            continue
        lean = np.fmax.reduce([leans_deg(track, ups[p], windows) for p, track in tracks.items()])
        flat = int(np.count_nonzero(~(lean >= params.bend_min_deg)))
        if flat:
            reasons.append(
                f"in {flat} of {len(windows)} `{name}` the wearer leaned less than {params.bend_min_deg:g} deg; check their times"
            )
        deepest += lean[lean >= params.bend_min_deg].tolist()
    if deepest and max(deepest) < params.bend_sure_deg:
        reasons.append(
            f"the deepest bend leaned {max(deepest):.0f} deg, enough for the bending axis; "
            f"it is surer from {params.bend_sure_deg:g} deg on"
        )
    return reasons


def walking(
    placement: Placement,
    track: Track,
    bounce_mps2: float,
    windows: Sequence[tuple[float, float]],
    params: CalibrationConfig,
) -> str | None:
    """Why a walk is none, or None where it is one."""
    seconds = track.seconds(windows)
    if seconds < params.walk_min_s:
        few = f"{seconds:.1f} s, fewer than {params.walk_min_s:g} s; walk at least 10 steps"
        return f"{placement.words}: the pose `walk` holds {few}"
    if not bounce_mps2 >= params.walk_bounce_min_mps2:
        return f"{placement.words}: the pose `walk` shows no steps (bounce {bounce_mps2:.1f} m/s^2); check its times"
    return None
