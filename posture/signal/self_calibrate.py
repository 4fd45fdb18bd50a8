"""Calibration with no poses, from whatever the wearer did: upright from walking and standing, forward from leans.

Walking is found by its bounce, whose size does not depend on how the sensor sits, so up is known even upside down. Standing
still next to a walk is closer to neutral than the walk itself. A lean from upright and back within seconds shows the medio-lateral
axis, and most such leans of a day go forward: that tells forward from backward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from posture.config import Config, SelfCalibrationConfig
from posture.signal.calibration import NO_POSES, NO_WALKING, Calibration, SensorCalibration, graded
from posture.signal.mounting import CORRECTED, described, frame, nominal_left
from posture.signal.track import Track, track_of
from posture.types import G_MPS2, Bool, Float, ImuBlock, InputError, Placement

_SMOOTH_S = 0.1
"""Up vectors are averaged over this long before leans are looked for; ours."""
_ROUNDS = 4
"""Times that outliers are left out and a direction is taken anew; it settles after two."""


def self_calibrated(
    window: Callable[[float, float], Sequence[ImuBlock]],
    first_s: float,
    last_s: float,
    rate_hz: Mapping[Placement, float],
    config: Config,
) -> tuple[Calibration, float]:
    """Self-calibration on the start of a recording, on a longer one where nobody walks in it; and the end of what was used, s.

    window : gives the samples with from_s <= time < to_s, one block per sensor. InputError: as `self_calibrate`.
    """
    params = config.self_calibration
    end_s = first_s + params.search_s
    try:
        made = self_calibrate(window(first_s, end_s), rate_hz, config)
    except InputError:
        if end_s > last_s:
            raise
    else:
        if end_s > last_s or not any(NO_WALKING in r for r in made.reasons):
            return made, min(end_s, last_s)
    end_s = first_s + params.search_longer_s
    return self_calibrate(window(first_s, end_s), rate_hz, config), min(end_s, last_s)


def self_calibrate(blocks: Sequence[ImuBlock], rate_hz: Mapping[Placement, float], config: Config) -> Calibration:
    """Calibration with no poses. Graded "poor": nothing is known of the person's range, and each guess is said.

    Raises
    ------
    InputError
        Neither walking nor an upright moment was found.
    """
    reasons = [NO_POSES]
    sensors = {}
    for block in blocks:
        track = track_of(block, rate_hz[block.placement], config)
        sensors[block.placement] = _sensor(block.placement, track, config, reasons)
    return graded(sensors, None, reasons, source="self", poses={}, config=config)


def _sensor(placement: Placement, track: Track, config: Config, reasons: list[str]) -> SensorCalibration:
    up, gravity, why = _upright(placement, track, config)
    reasons += why
    forward = _forward(_leans(track, up, config.self_calibration), config.self_calibration)
    left = nominal_left(up) if forward.axis is None else np.cross(up, forward.axis)
    reasons.append(f"{placement.words}: {forward.said}")
    body = frame(up, left)
    if sits := described(body, config.calibration.axis_off_max_deg):
        reasons.append(f"{placement.words}: the sensor sits {sits}; {CORRECTED}")
    return SensorCalibration(body, gravity_mps2=gravity if abs(gravity - G_MPS2) < 1.0 else G_MPS2)


_TINY = 1e-9
"""A length to divide by where there is none."""


@dataclass(frozen=True, slots=True)
class _Seconds:
    """Per second: mean force (m, 3) m/s^2, direction of the mean up vector (m, 3), mean rate (m,) deg/s.

    bounce, spread : SD of the size of the force, and the largest SD of its axes, (m,) m/s^2.
    """

    force: Float
    up: Float
    bounce: Float
    spread: Float
    rate_dps: Float

    @property
    def on_earth(self) -> Bool:
        """(m,) whether the mean force may be gravity, within half of it: else it shows no upright."""
        return np.asarray(np.abs(np.linalg.norm(self.force, axis=1) - G_MPS2) < 0.5 * G_MPS2)

    @staticmethod
    def of(track: Track) -> _Seconds:
        n = int(track.rate_hz)
        m = len(track.acc) // n
        force, up, rate = (a[: m * n].reshape(m, n, 3) for a in (track.acc, track.up, track.rate))
        mean_up = up.mean(axis=1)
        return _Seconds(
            force.mean(axis=1),
            mean_up / np.maximum(np.linalg.norm(mean_up, axis=1), _TINY)[:, None],
            np.linalg.norm(force, axis=2).std(axis=1),
            force.std(axis=1).max(axis=1),
            np.degrees(np.linalg.norm(rate, axis=2).mean(axis=1)),
        )


def _upright(placement: Placement, track: Track, config: Config) -> tuple[Float, float, list[str]]:
    """Up (3,) in sensor axes, the size of gravity, m/s^2, from the best evidence that there is, and what is to be said of it."""
    params = config.self_calibration
    if len(track.acc) < 2 * int(track.rate_hz):
        raise InputError(
            f"{placement.words}: under 2 s of samples are too few to find upright; record longer or give --poses"
        )
    second = _Seconds.of(track)
    cut = config.context.gait_cut * config.context.gait_default_mps2
    walking = second.on_earth & (second.bounce > cut) & (second.bounce < params.walking_max_mps2)
    up = _common(second.up[walking], params.walking_agree_deg)
    agree = walking.copy() if up is None else walking & _within(second.up, up, params.walking_agree_deg)
    # Walking keeps one direction; a sensor that bounces in many is not on a walker.
    if up is None or agree.sum() < max(params.walking_min_s, 0.5 * walking.sum()):
        said = f"{placement.words}: {NO_WALKING}; upright was taken from the stillest moments, which may be sitting"
        return *_middle(_stillest(placement, second, params)), [said]
    reach = round(params.near_walking_s)
    near = np.convolve(agree, np.ones(2 * reach + 1))[reach : reach + len(agree)] > 0.5
    still = (second.rate_dps < config.calibration.still_rate_max_dps) & (second.spread < params.standing_sd_max_mps2)
    still &= second.on_earth
    standing = near & still & ~walking & _within(second.up, up, params.standing_off_deg)
    return *_middle(second.force[standing if standing.sum() >= params.standing_min_s else agree]), []


def _stillest(placement: Placement, second: _Seconds, params: SelfCalibrationConfig) -> Float:
    """With hardly any walking: force of the stillest half of the seconds that are near nominal upright, (k, 3) m/s^2."""
    size = np.linalg.norm(second.force, axis=1)
    upright = second.on_earth & (second.force[:, 2] > np.cos(np.radians(params.upright_max_deg)) * size)
    if not upright.any():
        raise InputError(
            f"{placement.words}: no upright moment was found with its nominal axes (z up) and no walking that would show others; "
            "give --poses so that the mounting can be found"
        )
    return np.asarray(second.force[upright & (second.spread <= np.median(second.spread[upright]))])


def _middle(force: Float) -> tuple[Float, float]:
    """Direction and size of the median of each axis: a second that does not belong moves it little."""
    middle = np.median(force, axis=0)
    size = float(np.linalg.norm(middle))
    return middle / size, size


def _within(directions: Float, centre: Float, most_deg: float) -> Bool:
    return np.asarray(directions @ centre > np.cos(np.radians(most_deg)))


def _common(directions: Float, most_deg: float) -> Float | None:
    """The direction that most of these (m, 3) have in common; None where there is none."""
    if not len(directions):
        return None
    centre = np.median(directions, axis=0)
    for _ in range(_ROUNDS):
        centre = centre / np.linalg.norm(centre)
        near = directions[_within(directions, centre, most_deg)]
        if not len(near):
            return None
        centre = near.mean(axis=0)
    return np.asarray(centre / np.linalg.norm(centre))


def _leans(track: Track, up: Float, params: SelfCalibrationConfig) -> Float:
    """Directions of the leans from upright and back, (k, 3) unit vectors across up, in sensor axes: where the head went."""
    n = max(1, round(_SMOOTH_S * track.rate_hz))
    m = len(track.up) // n
    u = track.up[: m * n].reshape(m, n, 3).mean(axis=1)
    time_s = track.time_s[: m * n : n]
    tilt_deg = np.degrees(np.arccos(np.clip(u @ up / np.linalg.norm(u, axis=1), -1.0, 1.0)))
    off = (tilt_deg > params.lean_end_deg).astype(np.int8)
    edges = np.flatnonzero(np.diff(off))  # the last sample before each change
    if len(edges) and off[0]:
        edges = edges[1:]
    found = []
    for a, b in zip(edges[::2], edges[1::2], strict=False):
        tilt = tilt_deg[a : b + 1]
        if tilt.max() < params.lean_min_deg or time_s[b] - time_s[a] > params.lean_max_s:
            continue
        deep = u[a : b + 1][tilt >= 0.7 * tilt.max()].mean(axis=0)
        # The up vector seen by a sensor that leans forward moves backward.
        level = (deep @ up) * up - deep
        if (size := np.linalg.norm(level)) > np.sin(np.radians(params.lean_end_deg)) / 2:
            found.append(level / size)
    return np.array(found).reshape(-1, 3)


@dataclass(frozen=True, slots=True)
class _Forward:
    """axis : body forward in sensor axes, (3,); None where the leans do not show it. said : what it rests on."""

    axis: Float | None
    said: str


_UNKNOWN = "forward is the sensor's nominal x axis, and whether it is worn the wrong way round cannot be known"


def _forward(leans: Float, params: SelfCalibrationConfig) -> _Forward:
    """The line along which most leans go, pointing to where most of those go."""
    agree = np.ones(len(leans), dtype=np.bool_)
    if len(leans) < params.leans_needed:
        return _Forward(None, f"only {len(leans)} leans from upright and back were seen; {_UNKNOWN}")
    for _ in range(_ROUNDS):
        _, vectors = np.linalg.eigh(leans[agree].T @ leans[agree])
        line = vectors[:, 2]
        agree = np.abs(leans @ line) > np.cos(np.radians(params.lean_agree_deg))
        if agree.sum() < max(params.leans_needed, 0.5 * len(leans)):
            return _Forward(None, f"{len(leans)} leans went in many directions; {_UNKNOWN}")
    ahead = int(np.count_nonzero(leans[agree] @ line > 0))
    kept = int(np.count_nonzero(agree))
    if ahead * 2 < kept:
        line, ahead = -line, kept - ahead
    if ahead < params.forward_share * kept:
        return _Forward(None, f"{ahead} of {kept} leans went one way and the others back; {_UNKNOWN}")
    return _Forward(line, f"forward was taken from leans, {ahead} of {kept} of them to this side")
