"""How strongly the body bounces: the 0.8-4 Hz part of the specific force, where steps are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt

from posture.types import G_MPS2, Float

BAND_HZ = (0.8, 4.0)
"""Hz; steps of slow to brisk walking are 1.4-2.4 a second, with room for the stride and a first harmonic."""


def gait_band(rate_hz: float) -> Float:
    """Second-order sections of the band-pass at a rate; the upper edge gives way at low rates."""
    return np.asarray(butter(2, (BAND_HZ[0], min(BAND_HZ[1], 0.45 * rate_hz)), btype="band", fs=rate_hz, output="sos"))


@dataclass(slots=True)
class GaitState:
    """Memory of the band-pass."""

    memory: Float


class GaitBand:
    """(n,) force magnitude at a fixed rate -> (n,) its gait band, m/s^2. NaN counts as rest, so that a gap does not ring."""

    def __init__(self, rate_hz: float, state: GaitState | None = None) -> None:
        self._sos = gait_band(rate_hz)
        self.state = state or GaitState(np.zeros((len(self._sos), 2)))

    def push(self, force_mps2: Float) -> Float:
        if not len(force_mps2):
            return np.empty(0)
        moving = np.where(np.isnan(force_mps2), 0.0, force_mps2 - G_MPS2)
        out, self.state.memory = sosfilt(self._sos, moving, zi=self.state.memory)
        return np.asarray(out)


def gait_rms_mps2(force_mps2: Float, rate_hz: float) -> float:
    """RMS of the gait band over a piece of walking, its first second (the filter's start) left out."""
    band = GaitBand(rate_hz).push(force_mps2 - force_mps2.mean() + G_MPS2)
    settled = band[int(0.7 * rate_hz) :]
    return float(np.sqrt((settled**2).mean()))
