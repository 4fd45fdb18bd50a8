"""Signals of sensors on rigid segments whose motion is known exactly, and the signal chain to run them through.

World and body frames: x forward, y left, z up. A segment leaning forward by a turns by +a about y, so that the up vector in its
frame is (-sin a, 0, cos a). An accelerometer shows the specific force R^T (a + g); a gyroscope the true mean rate since the
sample before, as its output filter gives it, or the rate of that instant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import strategies as st

from posture.config import Config
from posture.signal.calibration import Calibration
from posture.signal.fusion import Fusion
from posture.signal.join import Join, JoinedBlock
from posture.signal.lumbar import angles
from posture.signal.timebase import Grid, TickRun, Timebase
from posture.types import G_MPS2, GRID_HZ, AngleBlock, Float, ImuBlock, Placement

CONFIG = Config()
NOMINAL: Float = np.eye(3)


def times(seconds: float, rate_hz: float, first_s: float = 0.0) -> Float:
    return np.asarray(first_s + np.arange(round(seconds * rate_hz)) / rate_hz)


def lean(time_s: Float, moves: Sequence[tuple[float, float, float]], start_deg: float = 0.0) -> Float:
    """Lean angle, (n,) deg: moves (from_s, to_s, to_deg) along minimum-jerk curves, held in between."""
    angle = np.full(len(time_s), start_deg)
    at_deg = start_deg
    for from_s, to_s, to_deg in moves:
        u = np.clip((time_s - from_s) / (to_s - from_s), 0.0, 1.0)
        angle += (to_deg - at_deg) * (10 * u**3 - 15 * u**4 + 6 * u**5)
        at_deg = to_deg
    return angle


def bends(from_s: float, depths_deg: Sequence[float], *, down_s: float = 1.5) -> list[tuple[float, float, float]]:
    """Moves of one bend after the other: down, half a second there, up, a second of standing."""
    moves = []
    for depth_deg in depths_deg:
        moves += [(from_s, from_s + down_s, depth_deg), (from_s + down_s + 0.5, from_s + 2 * down_s + 0.5, 0.0)]
        from_s += 2 * down_s + 1.5
    return moves


def segment_signals(
    time_s: Float, angle_deg: Float, *, lever_m: float = 0.0, mean_rate: bool = True
) -> tuple[Float, Float]:
    """Force m/s^2 and rate rad/s in the segment's axes, (n, 3) each, for a lean about y with the pivot `lever_m` below."""
    a = np.radians(angle_deg)
    rate = np.gradient(a, time_s)
    turn = np.gradient(rate, time_s)
    none = np.zeros(len(a))
    shown = np.diff(a, prepend=a[0]) / (time_s[1] - time_s[0]) if mean_rate else rate
    force = np.stack([lever_m * turn - G_MPS2 * np.sin(a), none, G_MPS2 * np.cos(a) - lever_m * rate**2], axis=1)
    return force, np.stack([none, shown, none], axis=1)


def mounted(
    placement: Placement,
    time_s: Float,
    signals: tuple[Float, Float],
    body_from_sensor: Float = NOMINAL,
    *,
    gyro: bool = True,
    bias_radps: float = 0.0,
) -> ImuBlock:
    """What a sensor shows that sits on the segment turned by `body_from_sensor`."""
    force, rate = signals
    gyr = np.ascontiguousarray(rate @ body_from_sensor + bias_radps) if gyro else None
    return ImuBlock(placement, time_s, np.ascontiguousarray(force @ body_from_sensor), gyr, time_s)


def rotation(quaternion: Sequence[float]) -> Float:
    """Rotation matrix of a quaternion w, x, y, z of any length but 0."""
    w, x, y, z = np.asarray(quaternion) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def about(axis: str, angle_deg: float) -> Float:
    """Rotation by an angle about x, y or z."""
    half = np.radians(angle_deg) / 2
    return rotation([np.cos(half), *(np.sin(half) * (axis == name) for name in "xyz")])


_part = st.floats(-1.0, 1.0)
ANY_ROTATION: st.SearchStrategy[Float] = (
    st.tuples(_part, _part, _part, _part).filter(lambda q: np.linalg.norm(q) > 0.1).map(rotation)
)


def ticks_of(block: ImuBlock, rate_hz: float, config: Config = CONFIG) -> list[TickRun]:
    """One sensor through time base, fusion and grid."""
    base, grid = Timebase(rate_hz, config.timebase), Grid(rate_hz)
    fusion = Fusion(rate_hz, config.fusion, config.timebase, has_gyro=block.gyr_radps is not None)
    runs = fusion.push(base.push(block))
    return [t for run in runs if (t := grid.push(run, origin_s=base.state.origin_s or 0.0)) is not None]


def joined_of(blocks: Sequence[ImuBlock], rate_hz: Mapping[Placement, float]) -> list[JoinedBlock]:
    join = Join(tuple(b.placement for b in blocks), CONFIG.join)
    ticks = {b.placement: ticks_of(b, rate_hz[b.placement]) for b in blocks}
    return [*join.push(ticks, max(float(b.arrived_s[-1]) for b in blocks)), *join.flush()]


def posture_of(blocks: Sequence[ImuBlock], rate_hz: Mapping[Placement, float], calibration: Calibration) -> AngleBlock:
    """Samples -> angles of all ticks, by the stages that the pipeline uses."""
    parts = [angles(j, calibration) for j in joined_of(blocks, rate_hz)]
    names = [n for n in AngleBlock.__dataclass_fields__ if n != "first_tick"]
    return AngleBlock(parts[0].first_tick, *(np.concatenate([getattr(p, n) for p in parts]) for n in names))


def tick_times(block: AngleBlock) -> Float:
    return np.asarray((block.first_tick + np.arange(len(block))) / GRID_HZ)
