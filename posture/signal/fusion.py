"""Orientation: where "up" is in the sensor's own frame, at the sensor's own rate.

Heading is never used. The default filter is VQF (D. Laidig and T. Seel, Information Fusion 91, 2023, 187-204), six axes; a
sensor without a gyroscope gets the direction of its low-passed specific force, which is only right while it moves slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from posture.config import FusionConfig, TimebaseConfig
from posture.signal.builtin_filter import BuiltinFilter
from posture.signal.timebase import CHANNELS, FORCE, RATE, UP, OrientedRun, Run
from posture.types import G_MPS2, Bool, Float, PostureError, Segment


class OrientationFilter(Protocol):
    """A causal filter over uniformly sampled, finite data; any split of the samples gives the same result, bit for bit."""

    def update(self, acc_mps2: Float, gyr_radps: Float | None) -> tuple[Float, Float]:
        """(n, 3) force and rate -> (n, 3) up vector (unit, sensor frame) and (n, 3) rate with the bias removed, rad/s."""

    def restart(self) -> None:
        """Forget the orientation (the next sample's tilt starts it), keep the gyroscope bias."""

    def set_rate(self, rate_hz: float) -> None:
        """Derive the coefficients anew for another rate, and restart."""


class VqfFilter:
    """VQF, six axes; where it differs from its authors' defaults is in `FusionConfig`."""

    def __init__(self, rate_hz: float, params: FusionConfig, *, bias_radps: Float | None = None) -> None:
        self._rate_hz, self._params = rate_hz, params
        self._vqf = _new_vqf(rate_hz, params)
        if bias_radps is not None:
            self._vqf.setBiasEstimate(np.array(bias_radps), np.radians(params.start_bias_sigma_dps))

    def update(self, acc_mps2: Float, gyr_radps: Float | None) -> tuple[Float, Float]:
        """See `OrientationFilter`; raises PostureError without a gyroscope."""
        if gyr_radps is None:
            raise PostureError("VQF needs a gyroscope; use filter = 'tilt' for an accelerometer alone")
        acc, gyr = np.ascontiguousarray(acc_mps2), np.ascontiguousarray(gyr_radps)
        out = self._vqf.updateBatch(gyr, acc)
        return up_of(out["quat6D"]), gyr - out["bias"]

    def restart(self) -> None:
        """See `OrientationFilter`."""
        bias, sigma = self._vqf.getBiasEstimate()
        self._vqf.resetState()
        self._vqf.setBiasEstimate(bias, sigma)

    def set_rate(self, rate_hz: float) -> None:
        """See `OrientationFilter`."""
        bias, sigma = self._vqf.getBiasEstimate()
        self._rate_hz, self._vqf = rate_hz, _new_vqf(rate_hz, self._params)
        self._vqf.setBiasEstimate(bias, sigma)

    def __getstate__(self) -> dict[str, Any]:
        return {"rate_hz": self._rate_hz, "params": self._params, "vqf": self._vqf.state}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self._rate_hz, self._params = saved["rate_hz"], saved["params"]
        self._vqf = _new_vqf(self._rate_hz, self._params)
        self._vqf.state = saved["vqf"]


def up_of(quat: Float) -> Float:
    """Quaternions w, x, y, z (n, 4), sensor to earth with z up -> up in the sensor frame (n, 3): the matrix' third row."""
    w, x, y, z = np.ascontiguousarray(quat.T)
    up = np.empty((len(quat), 3), order="F")
    up[:, 0] = 2 * (x * z - w * y)
    up[:, 1] = 2 * (y * z + w * x)
    up[:, 2] = 1 - 2 * (x * x + y * y)
    return up


def _new_vqf(rate_hz: float, params: FusionConfig) -> Any:
    try:
        from vqf import VQF
    except ImportError as error:
        raise PostureError(
            "the package vqf is missing and has no wheel for this system; set filter = 'builtin'"
        ) from error
    return VQF(1.0 / rate_hz, **vqf_settings(params))


def vqf_settings(params: FusionConfig) -> dict[str, float]:
    """What of VQF is not its default, under vqf's names."""
    return {"tauAcc": params.tau_acc_s, "biasClip": params.bias_clip_dps, "restThGyr": params.rest_gyr_dps}


class TiltFilter:
    """Direction of the low-passed specific force; for sensors without a gyroscope. Its rate is that of the up vector."""

    _memory: Float | None
    _last_up: Float | None

    def __init__(self, rate_hz: float, params: FusionConfig) -> None:
        self._params = params
        self.set_rate(rate_hz)

    def update(self, acc_mps2: Float, gyr_radps: Float | None) -> tuple[Float, Float]:  # noqa: ARG002
        """See `OrientationFilter`; a gyroscope is not looked at."""
        from scipy.signal import sosfilt, sosfilt_zi

        if self._memory is None:
            # Start settled on the first sample: a low-pass of a constant is that constant.
            self._memory = sosfilt_zi(self._sos)[:, :, None] * acc_mps2[0]
        low, self._memory = sosfilt(self._sos, acc_mps2, axis=0, zi=self._memory)
        norm = np.sqrt(low[:, 0] ** 2 + low[:, 1] ** 2 + low[:, 2] ** 2)
        up = low / np.maximum(norm, 1e-6)[:, None]
        before = np.vstack([up[:1] if self._last_up is None else self._last_up, up[:-1]])
        self._last_up = up[-1:].copy()
        # A fixed vector in a frame that turns at w changes by u x w per second; the turn about u itself stays unseen.
        change = (up - before) * self._rate_hz
        rate = np.stack(
            [
                change[:, 1] * up[:, 2] - change[:, 2] * up[:, 1],
                change[:, 2] * up[:, 0] - change[:, 0] * up[:, 2],
                change[:, 0] * up[:, 1] - change[:, 1] * up[:, 0],
            ],
            axis=1,
        )
        return up, rate

    def restart(self) -> None:
        """See `OrientationFilter`."""
        self._memory = self._last_up = None

    def set_rate(self, rate_hz: float) -> None:
        """See `OrientationFilter`."""
        from scipy.signal import butter  # slow to import, and only a sensor without a gyroscope needs it

        self._sos = butter(2, min(self._params.tilt_cutoff_hz, 0.4 * rate_hz), fs=rate_hz, output="sos")
        self._rate_hz = rate_hz
        self.restart()


def filter_name(params: FusionConfig, *, has_gyro: bool) -> str:
    """Which filter the configuration comes down to on this machine, for a sensor with or without a gyroscope."""
    if not has_gyro:
        return "tilt"
    if params.filter == "auto":
        return "vqf" if find_spec("vqf") else "builtin"
    return params.filter


def make_filter(
    rate_hz: float, params: FusionConfig, *, has_gyro: bool, bias_radps: Float | None = None
) -> OrientationFilter:
    """The filter of `filter_name`. bias_radps : (3,) first estimate of the gyroscope's bias, known to `start_bias_sigma_dps`."""
    name = filter_name(params, has_gyro=has_gyro)
    if name == "tilt":
        return TiltFilter(rate_hz, params)
    if name == "builtin":
        return BuiltinFilter(rate_hz, params, bias_radps=bias_radps)
    if name.startswith("ahrs-"):
        from posture.signal.ahrs_filters import AhrsFilter  # imports ahrs, which only these need

        return AhrsFilter(name.removeprefix("ahrs-"), rate_hz, params, bias_radps=bias_radps)
    return VqfFilter(rate_hz, params, bias_radps=bias_radps)


@dataclass(slots=True)
class FusionState:
    """The filter with its memory, the samples since its last restart, how many of them were calm, and the segment they are of."""

    filter: OrientationFilter
    since_restart_n: int = 0
    calm_n: int = 0
    segment: Segment | None = None


class Fusion:
    """Runs of one sensor -> oriented runs. NaN never reaches the filter: the time base lets only finite rows through.

    bias_radps : as in `make_filter`. state : of an earlier one, or with a filter of the caller's own.
    """

    def __init__(
        self,
        rate_hz: float,
        params: FusionConfig,
        gaps: TimebaseConfig,
        *,
        has_gyro: bool,
        bias_radps: Float | None = None,
        state: FusionState | None = None,
    ) -> None:
        self.state = state or FusionState(make_filter(rate_hz, params, has_gyro=has_gyro, bias_radps=bias_radps))
        self._gaps = gaps
        segment = self.state.segment
        self._rate_hz = rate_hz if segment is None else segment.rate_hz

    def push(self, runs: tuple[Run, ...]) -> tuple[OrientedRun, ...]:
        """One oriented run per run."""
        return tuple(self._oriented(run) for run in runs)

    def flush(self) -> tuple[OrientedRun, ...]:
        """Nothing is held back."""
        return ()

    def _oriented(self, run: Run) -> OrientedRun:
        state = self.state
        if run.segment != state.segment:
            self._begin(run.segment)
        if run.restart:
            state.filter.restart()
            state.since_restart_n = state.calm_n = 0
        up, rate = state.filter.update(run.acc_mps2, run.gyr_radps)
        n = len(up)
        trusted = self._trusted(run)
        channels = np.empty((n, CHANNELS), order="F")  # what follows reads column by column
        channels[:, UP], channels[:, RATE], channels[:, FORCE] = up, rate, run.acc_mps2
        return OrientedRun(run.first_index, run.restart, channels, trusted, run.arrived_s, run.segment)

    def _trusted(self, run: Run) -> Bool:
        """(n,) which samples are measured, and settled since the restart.

        A restart takes what the force points to for up, and a push is force as well. It is the mean of all samples since that
        gets better, so all of them count for the orientation; whether it may be trusted shows in how many were calm.
        """
        state, gaps = self.state, self._gaps
        n = len(run.measured)
        first_n, calm_n, last_n = (
            round(s * self._rate_hz) for s in (gaps.distrust_after_restart_s, gaps.calm_min_s, gaps.distrust_longest_s)
        )
        since, calm = state.since_restart_n, state.calm_n
        state.since_restart_n += n
        if since >= last_n or (since >= first_n and calm >= calm_n):
            return run.measured
        x, y, z = run.acc_mps2.T
        off = np.abs(np.sqrt(x * x + y * y + z * z) - G_MPS2)
        calm_so_far = calm + np.cumsum(off <= gaps.calm_share * G_MPS2)
        state.calm_n = int(calm_so_far[-1]) if n else calm
        index = np.arange(since, since + n)
        return run.measured & (index >= first_n) & ((calm_so_far >= calm_n) | (index >= last_n))

    def _begin(self, segment: Segment | None) -> None:
        self.state.segment = segment
        if segment is not None and segment.rate_hz != self._rate_hz:
            self._rate_hz = segment.rate_hz
            self.state.filter.set_rate(segment.rate_hz)
