"""What sensors go through off the body: a table, a bag that stands or is carried, a car seat. The same for every sensor in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.validation.synth import quat
from analysis.validation.synth.motion import smooth
from posture.types import Float

PLACES = ("table", "bag", "bag_standing", "car")
_EASE_S = 1.5
"""s in which carrying begins and ends."""
_STEP_HZ, _BOUNCE_M, _SWING_DEG = 1.8, 0.02, 6.0
_SPEED_MPS, _LATERAL_MPS2 = (6.0, 16.0), (1.0, 3.0)
_START_MPS2, _BRAKE_MPS2 = (0.8, 1.3), (0.9, 1.5)
"""Mean over the manoeuvre; a minimum-jerk one peaks at 1.9 times that: 1.5-2.4 and 1.7-2.8 m/s^2."""
_CRUISE_S, _STOP_S = (15.0, 60.0), (3.0, 30.0)
_ROAD_MPS2, _ROAD_HZ, _ROAD_SINES = 0.25, (1.0, 20.0), 12
"""Amplitude of each sine at `_FAST_MPS`: together 0.7 m/s^2 RMS, most of it up and down; half of that over a ride."""
_FAST_MPS = 15.0
_IDLE_MPS2, _IDLE_HZ = 0.04, 24.0


@dataclass(frozen=True, slots=True)
class Ride:
    """How the place moves: turn (n, 4) and way (n, 3) m, world, from a start at rest to an end at rest."""

    turn: Float
    way: Float


def ride(where: str, n: int, rate_hz: float, rng: np.random.Generator) -> Ride:
    """A stretch of n samples in one of `PLACES`."""
    t = np.arange(n) / rate_hz
    if where == "bag":
        return _carried(t)
    if where == "car":
        return _driven(t, rate_hz, rng)
    still = np.zeros((n, 3))
    return Ride(quat.from_vector(still), still)


def _carried(t: Float) -> Ride:
    """Steps that come a little early or late, the bag swinging once in two of them."""
    on = smooth(t / _EASE_S) * smooth((t[-1] - t) / _EASE_S)
    step = 2 * np.pi * _STEP_HZ * (t + 0.08 * np.sin(2 * np.pi * t / 13.0))
    swing = np.stack(
        [_SWING_DEG * np.sin(step / 2 + k) + 0.5 * _SWING_DEG * np.sin(2 * np.pi * 0.13 * t + k) for k in range(3)],
        axis=1,
    )
    way = np.stack(
        [0.3 * np.sin(step + 0.7), 0.5 * np.sin(step / 2), np.sin(step) + 0.2 * np.sin(2 * step + 1)], axis=1
    )
    return Ride(quat.from_vector(np.radians(on[:, None] * swing)), _BOUNCE_M * on[:, None] * way)


def _driven(t: Float, rate_hz: float, rng: np.random.Generator) -> Ride:
    """Legs of starting, cruising with turns, braking and waiting; the road shakes with the speed, the engine idles."""
    speed, yaw_rate, now_s = np.zeros_like(t), np.zeros_like(t), 2.0
    while True:
        top = rng.uniform(*_SPEED_MPS)
        up_s, down_s = top / rng.uniform(*_START_MPS2), top / rng.uniform(*_BRAKE_MPS2)
        cruise_s, wait_s = rng.uniform(*_CRUISE_S), rng.uniform(*_STOP_S)
        end_s = now_s + up_s + cruise_s + down_s
        if not len(t) or end_s > t[-1] - 2.0:
            break
        speed += top * (smooth((t - now_s) / up_s) - smooth((t - end_s + down_s) / down_s))
        corner_s = now_s + up_s + 2.0
        while corner_s + 7.0 < end_s - down_s:
            lasts_s = rng.uniform(2.0, 5.0)
            share = smooth((t - corner_s) / 1.0) * smooth((corner_s + lasts_s - t) / 1.0)
            yaw_rate += rng.choice([-1.0, 1.0]) * rng.uniform(*_LATERAL_MPS2) / top * share
            corner_s += lasts_s + rng.exponential(10.0)
        now_s = end_s + wait_s
    heading = np.cumsum(yaw_rate) / rate_hz
    moving = np.stack([speed * np.cos(heading), speed * np.sin(heading), np.zeros_like(t)], axis=1)
    way = np.cumsum(moving, axis=0) / rate_hz
    ends = smooth(t / _EASE_S) * smooth((t[-1] - t) / _EASE_S) if len(t) else t
    for hz in rng.uniform(_ROAD_HZ[0], min(_ROAD_HZ[1], 0.4 * rate_hz), _ROAD_SINES):
        road = np.sin(2 * np.pi * hz * t + rng.uniform(0, 2 * np.pi)) / (2 * np.pi * hz) ** 2
        way += _ROAD_MPS2 * (speed / _FAST_MPS * road)[:, None] * rng.normal([0.4, 0.4, 1.1], 0.2)
    idle_hz = min(_IDLE_HZ, 0.4 * rate_hz)
    way[:, 2] += _IDLE_MPS2 / (2 * np.pi * idle_hz) ** 2 * ends * np.sin(2 * np.pi * idle_hz * t)
    # The nose dips when braking and the body leans out of a corner, about half a degree per m/s^2.
    dip, lean = 0.5 * np.gradient(speed, 1.0 / rate_hz) if len(t) > 1 else 0.0 * t, 0.5 * speed * yaw_rate
    seat = quat.times(
        quat.about("y", -dip + 0.3 * speed / _FAST_MPS * np.sin(2 * np.pi * 1.3 * t)), quat.about("x", lean)
    )
    return Ride(quat.times(quat.about("z", np.degrees(heading)), seat), way)
