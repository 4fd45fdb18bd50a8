"""BROAD trials: a real IMU with optical orientation truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from posture.types import Bool, Float, ImuBlock, Placement

BROAD_11 = Path(__file__).parents[1] / "recordings" / "broad_11.npz"


@dataclass(frozen=True)
class Trial:
    """Force and rate (n, 3), optical up vector in the sensor frame (n, 3), which samples are scored (n,)."""

    acc: Float
    gyr: Float
    rate_hz: float
    up: Float
    scored: Bool

    @property
    def block(self) -> ImuBlock:
        """The trial as a sensor's samples."""
        time_s = np.arange(len(self.acc)) / self.rate_hz
        return ImuBlock(Placement.SACRUM, time_s, self.acc, self.gyr, time_s)


@cache
def trial(path: Path) -> Trial:
    with np.load(path) as data:
        acc, gyr, quat = (data[name].astype(np.float64) for name in ("acc", "gyr", "quat"))
        scored = data["movement"] & np.isfinite(quat).all(axis=1)
        return Trial(acc, gyr, float(data["fs"]), up_of(quat), scored)


def up_of(quat: Float) -> Float:
    """Third row of the rotation matrix of quaternions w, x, y, z (sensor to earth, z up): up in the sensor frame."""
    w, x, y, z = quat.T
    return np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=1)


def angle_deg(a: Float, b: Float) -> Float:
    """Angle between vectors, row by row; exact for small ones too."""
    return np.asarray(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(axis=-1))))
