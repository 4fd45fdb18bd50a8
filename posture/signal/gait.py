"""How strongly and how regularly the body bounces, from the size of the specific force on means over a tenth of a second.

Strength is the spread within a second, regularity how much three seconds repeat themselves a step later.

The means keep what is slower than about 5 Hz (steps, 1.4-2.4 a second, and their first harmonic); taking the spread within a
second leaves out what is slower than about 0.5 Hz (leaning, drift of the gain). Windows lie at absolute seconds, so no filter
memory is needed and chunking cannot matter.
"""

from __future__ import annotations

import numpy as np

from posture.signal.steps import step_means
from posture.types import GRID_HZ, Float

PARTS = 10
"""Means per second."""
BEFORE = 2
"""Seconds before a second that its regularity looks back on: slow steps come once a second, and three show a rhythm."""
_STEP_PARTS = range(4, 11)
"""Tenths of a second between two steps: 1 to 2.5 a second."""
_NO_BOUNCE = 1e-4
"""(m/s^2)^2; added to the variance, so that the noise of a still sensor has no rhythm."""


def parts_mps2(force_mps2: Float) -> Float:
    """(m, k) force magnitudes, one row a second and k a multiple of 10 -> (m, 10) means, m/s^2; NaN where a part has one."""
    m, k = force_mps2.shape
    return step_means(force_mps2.reshape(1, m * k), k // PARTS).reshape(m, PARTS)


def regularity(parts: Float) -> Float:
    """(BEFORE + m, 10) means of consecutive seconds -> (m,) largest autocorrelation at the time of a step, for all but the first.

    About 1 for steps that repeat themselves, 0 for none; 0 where one of the three seconds is not whole.
    """
    m = len(parts) - BEFORE
    three = np.concatenate([parts[k : k + m] for k in range(BEFORE + 1)], axis=1)
    off = three - three.mean(axis=1)[:, None]
    variance = (off**2).mean(axis=1) + _NO_BOUNCE
    again = np.stack([(off[:, lag:] * off[:, :-lag]).mean(axis=1) for lag in _STEP_PARTS])
    found = again.max(axis=0) / variance
    return np.where(np.isnan(found), 0.0, found)


def bounce_mps2(parts: Float) -> Float:
    """(m, 10) means, one row a second -> (m,) spread, m/s^2; NaN counts as no bounce."""
    spread = np.sqrt(((parts - parts.mean(axis=1)[:, None]) ** 2).mean(axis=1))
    return np.where(np.isnan(spread), 0.0, spread)


def walking_bounce_mps2(force_mps2: Float, rate_hz: float) -> float:
    """Median bounce of the whole seconds of a piece of walking sampled at `rate_hz`; NaN where it is shorter than one."""
    seconds = int(len(force_mps2) / rate_hz)
    if seconds < 1:
        return float("nan")
    if rate_hz < PARTS:  # a tenth of a second without a sample: as the grid has it, a line between its neighbours
        at = np.arange(seconds * GRID_HZ) * rate_hz / GRID_HZ
        force = np.interp(at, np.arange(len(force_mps2)), force_mps2)
        return float(np.median(bounce_mps2(parts_mps2(force.reshape(seconds, GRID_HZ)))))
    edges = np.rint(np.arange(seconds * PARTS) * rate_hz / PARTS).astype(np.int64)
    counts = np.diff(np.append(edges, round(seconds * rate_hz)))
    sums = np.add.reduceat(force_mps2[: round(seconds * rate_hz)], edges)
    return float(np.median(bounce_mps2((sums / counts).reshape(seconds, PARTS))))
