"""From joined sensor channels to posture angles in the body frame, given a calibration. Stateless: tick by tick.

Signs: with v the up vector in the body frame (x forward, y left, z up), inclination = atan2(-vx, vz) and lateral = asin(vy).
Upright v = (0, 0, 1) gives 0; face down v = (-1, 0, 0) gives +90; leaning fully to the right v = (0, 1, 0) gives lateral +90,
where the inclination is not defined (NaN from |vy| > 0.87, about 60 deg).
"""

from __future__ import annotations

import numpy as np

from posture.signal.calibration import Calibration, SensorCalibration
from posture.signal.join import JoinedBlock
from posture.signal.timebase import FORCE, RATE, UP
from posture.types import AngleBlock, Float, Placement

LATERAL_LIMIT = 0.87
"""|vy| above which the sagittal inclination is not defined (sine of about 60 deg)."""
_DEG = 180.0 / np.pi
"""deg per rad; `np.degrees` does the same in eight times the time."""


def body_up(up_sensor: Float, body_from_sensor: Float) -> tuple[Float, Float, Float]:
    """(n, 3) up vectors in sensor axes -> the three body components, each (n,) contiguous.

    Written out per component: a matrix product over a variable number of rows is not bit-stable across chunkings.
    """
    x, y, z = (np.ascontiguousarray(up_sensor[:, k]) for k in range(3))
    rows = body_from_sensor
    return tuple(rows[i, 0] * x + rows[i, 1] * y + rows[i, 2] * z for i in range(3))


def inclination_deg(vx: Float, vy: Float, vz: Float) -> Float:
    """Sagittal inclination, (n,) deg, forward positive; NaN where the segment is turned over to the side."""
    angle = np.arctan2(-vx, vz) * _DEG
    angle[np.abs(vy) > LATERAL_LIMIT] = np.nan
    return angle


def wrapped_deg(angle: Float) -> Float:
    """Into [-180, 180)."""
    turned = angle + 180.0
    return turned - 360.0 * np.floor(turned / 360.0) - 180.0  # numpy's remainder takes seven times as long


def angles(block: JoinedBlock, calibration: Calibration) -> AngleBlock:
    """Posture of every tick; what a sensor does not show is NaN.

    Lateral lean, tilt, rate and vertical acceleration come from the lowest sensor of the tick: the sacrum where it has a
    sample, else the upper lumbar. A tick is trusted if every sensor that has a sample in it is: the flexion needs both.
    """
    n = len(next(iter(block.trusted.values())))
    inclination = {p: np.full(n, np.nan) for p in Placement}
    lowest: list[Float] | None = None
    present, doubted = np.zeros((2, n), dtype=np.bool_)
    for placement in (Placement.SACRUM, Placement.UPPER_LUMBAR):
        if placement not in block.channels:
            continue
        channels, sensor = block.channels[placement], calibration.sensors[placement]
        v = body_up(channels[:, UP], sensor.body_from_sensor)
        inclination[placement] = inclination_deg(*v)
        if lowest is None:
            lowest = _whole_body(channels, v, sensor)
        elif not present.all():
            mine = _whole_body(channels, v, sensor)
            lowest = [np.where(present, low, other) for low, other in zip(lowest, mine, strict=True)]
        here = ~np.isnan(v[2])
        present |= here
        doubted |= here & ~block.trusted[placement]
    flexion = wrapped_deg(inclination[Placement.UPPER_LUMBAR] - inclination[Placement.SACRUM])
    lateral, tilt, rate, vertical, force = lowest or [np.full(n, np.nan)] * 5
    return AngleBlock(
        first_tick=block.first_tick,
        sacrum_inclination_deg=inclination[Placement.SACRUM],
        upper_lumbar_inclination_deg=inclination[Placement.UPPER_LUMBAR],
        flexion_deg=flexion,
        lateral_deg=lateral,
        tilt_deg=tilt,
        rate_dps=rate,
        vertical_mps2=vertical,
        force_mps2=force,
        trusted=present & ~doubted,
    )


def _whole_body(channels: Float, v: tuple[Float, Float, Float], sensor: SensorCalibration) -> list[Float]:
    """Lateral lean, tilt, rate, vertical acceleration and force of one sensor; each (n,)."""
    up, rate, force = channels[:, UP], channels[:, RATE], channels[:, FORCE]
    along = up[:, 0] * force[:, 0] + up[:, 1] * force[:, 1] + up[:, 2] * force[:, 2]
    size = np.sqrt(force[:, 0] ** 2 + force[:, 1] ** 2 + force[:, 2] ** 2)
    speed = np.sqrt(rate[:, 0] ** 2 + rate[:, 1] ** 2 + rate[:, 2] ** 2)
    lateral = np.arcsin(np.clip(v[1], -1.0, 1.0)) * _DEG
    # Not arccos(vz): between two samples the vector is a chord, a little short, and near upright arccos makes degrees of that.
    tilt = np.arctan2(np.sqrt(v[0] ** 2 + v[1] ** 2), v[2]) * _DEG
    return [lateral, tilt, speed * _DEG, along - sensor.gravity_mps2, size]
