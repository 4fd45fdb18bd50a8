"""One sensor over a calibration: its oriented samples, and what is asked of a stretch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posture.config import Config
from posture.signal.fusion import Fusion
from posture.signal.timebase import FORCE, RATE, UP, Timebase
from posture.types import Bool, Float, ImuBlock, InputError

Windows = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Track:
    """Time s (n,); force m/s^2, up vector and angular rate rad/s, each (n, 3), sensor axes. has_gyro: the rate was measured."""

    time_s: Float
    acc: Float
    up: Float
    rate: Float
    rate_hz: float
    has_gyro: bool

    def rows(self, windows: Windows) -> Bool:
        """Which samples lie in any of the windows, (n,)."""
        inside = np.zeros(len(self.time_s), dtype=np.bool_)
        for a, b in windows:
            inside |= (self.time_s >= a) & (self.time_s < b)
        return inside

    def seconds(self, windows: Windows) -> float:
        """How long these windows hold samples, s."""
        return float(np.count_nonzero(self.rows(windows))) / self.rate_hz


def track_of(block: ImuBlock, rate_hz: float, config: Config) -> Track:
    """Samples through time base and fusion, as the pipeline does it; InputError where none can be used."""
    base = Timebase(rate_hz, config.timebase)
    fusion = Fusion(rate_hz, config.fusion, config.timebase, has_gyro=block.gyr_radps is not None)
    oriented = fusion.push(base.push(block))
    if not oriented or base.state.origin_s is None:
        raise InputError(
            f"{block.placement.words} has no usable samples in the calibration; check the sensor and record the poses again"
        )
    origin_s = base.state.origin_s
    time_s = np.concatenate([origin_s + (r.first_index + np.arange(len(r.trusted))) / rate_hz for r in oriented])
    channels = np.ascontiguousarray(np.concatenate([r.channels for r in oriented]))
    return Track(time_s, channels[:, FORCE], channels[:, UP], channels[:, RATE], rate_hz, block.gyr_radps is not None)


def sway_deg(force: Float) -> float:
    """Largest SD of the three axes of a still pose's force, as an angle: what a tilt of so much would do."""
    mean = force.mean(axis=0)
    return float(np.degrees(np.std(force - mean, axis=0).max() / np.sqrt((mean**2).sum())))


def turning_dps(rate: Float) -> float:
    """Median size of the angular rate around its mean: a gyroscope bias that is not known yet does not count."""
    off = rate - rate.mean(axis=0)
    return float(np.degrees(np.median(np.sqrt((off**2).sum(axis=1)))))


def mean_inclination_deg(vectors: Float, body: Float) -> float:
    """Inclination of the mean vector, deg. Of a held pose's force it is exact, and free of the filter's start-up bias."""
    x, _, z = body @ vectors.mean(axis=0)
    return float(np.degrees(np.arctan2(-x, z)))
