"""How strongly the body bounces: the spread of the specific force within a second, on means over a tenth of a second.

The means keep what is slower than about 5 Hz (steps, 1.4-2.4 a second, and their first harmonic); taking the spread within a
second leaves out what is slower than about 0.5 Hz (leaning, drift of the gain). Windows lie at absolute seconds, so no filter
memory is needed and chunking cannot matter.
"""

from __future__ import annotations

import numpy as np

from posture.types import GRID_HZ, Float

PARTS = 10
"""Means per second."""


def bounce_mps2(force_mps2: Float) -> Float:
    """(m, k) force magnitudes, one row a second and k a multiple of 10 -> (m,) spread, m/s^2; NaN counts as no bounce."""
    m, k = force_mps2.shape
    parts = force_mps2.reshape(m, PARTS, k // PARTS).mean(axis=2)
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
        return float(np.median(bounce_mps2(force.reshape(seconds, GRID_HZ))))
    edges = np.rint(np.arange(seconds * PARTS) * rate_hz / PARTS).astype(np.int64)
    counts = np.diff(np.append(edges, round(seconds * rate_hz)))
    sums = np.add.reduceat(force_mps2[: round(seconds * rate_hz)], edges)
    return float(np.median(bounce_mps2((sums / counts).reshape(seconds, PARTS))))
