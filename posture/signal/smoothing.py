"""Orientation smoothed with later samples, for the final result of a recording; never live.

This is the offline form of VQF (D. Laidig and T. Seel, Information Fusion 91, 2023, 187-204), which filters forwards and
backwards. Measured on the ten shared BROAD trials: 0.48 deg mean inclination RMSE, 0.75 causal.

Each stretch of samples between two restarts is smoothed by itself, in windows of `WINDOW_S` counted from its start, with
`MARGIN_S` of the samples on both sides, so that memory is bounded and nothing depends on how the samples came. What goes from one
window or stretch to the next is the gyroscope's bias, as in the causal filter: without that, stretches of 10 s with a bias of
3 deg/s cost 2.4 deg instead of 0.65 (BROAD, cut by gaps of 0.5 s).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from posture.config import FusionConfig, TimebaseConfig
from posture.signal.fusion import up_of, vqf_settings
from posture.signal.timebase import Run, Timebase
from posture.types import Float, ImuBlock, InputError, PostureError

NAME = "vqf-offline"
"""What a session calls this filter."""
NO_GYROSCOPE = "smoothing needs a gyroscope; use filter = 'tilt' for an accelerometer alone"
WINDOW_S = 600.0
"""s; 30,000 samples at 50 Hz; a fifth of the work is done twice, in the margins."""
MARGIN_S = 60.0
"""s; BROAD in windows of 60 s: at most 0.013 deg from the whole trial at once; windows of 30 s, margins of 10 s: 0.14."""
SIGMA_LEAST_DPS = 0.1
"""deg/s; a bias is never handed on as better known: vqf never lets its uncertainty rise above the one it starts with, and this is
what the paper has for motion, and for the drift in 100 s."""


@dataclass(frozen=True, slots=True)
class _Bias:
    """(3,) rad/s and its standard deviation, deg/s; None is the filter's own for an unknown one."""

    radps: Float
    sigma_dps: float | None


class SmoothedFilter:
    """An `OrientationFilter` that hands out what its own reader of the same recording has smoothed ahead.

    blocks : all samples of one sensor, in order, as the pipeline gets them; how they are cut does not matter. bias_radps : the
    first estimate, as for `make_filter`. It is not pickled: a smoothed replay is run as a whole.
    """

    def __init__(
        self,
        blocks: Iterable[ImuBlock],
        rate_hz: float,
        params: FusionConfig,
        gaps: TimebaseConfig,
        *,
        bias_radps: Float | None = None,
    ) -> None:
        base = Timebase(rate_hz, gaps)
        start = _Bias(np.zeros(3), None) if bias_radps is None else _Bias(bias_radps, params.start_bias_sigma_dps)
        runs = (run for block in blocks for run in base.push(block))
        self._ahead = _smoothed(runs, rate_hz, params, start)
        self._ready: Float = np.empty((0, 6))

    def update(self, acc_mps2: Float, gyr_radps: Float | None) -> tuple[Float, Float]:
        """See `OrientationFilter`; raises InputError where the recording holds fewer samples than are asked for."""
        if gyr_radps is None:
            raise PostureError(NO_GYROSCOPE)
        n = len(acc_mps2)
        while len(self._ready) < n:
            more = next(self._ahead, None)
            if more is None:
                raise InputError("the recording changed while it was read; run it again when it is complete")
            self._ready = np.vstack([self._ready, more])
        rows, self._ready = self._ready[:n], self._ready[n:]
        return rows[:, :3].copy(), gyr_radps - rows[:, 3:]

    def restart(self) -> None:
        """Nothing to do: the reader meets the same restarts."""

    def set_rate(self, rate_hz: float) -> None:
        """Nothing to do: the reader meets the same changes."""


def check_smoothing(params: FusionConfig) -> None:
    """Raise InputError where this configuration or this machine cannot smooth."""
    if params.filter not in ("auto", "vqf"):
        raise InputError(
            f"--smooth is a form of vqf, but fusion.filter is {params.filter!r}; set it to 'auto' or leave --smooth away"
        )
    if find_spec("vqf") is None:
        raise InputError("--smooth needs the package vqf, which has no wheel for this system; leave --smooth away")


def _smoothed(runs: Iterator[Run], rate_hz: float, params: FusionConfig, bias: _Bias) -> Iterator[Float]:
    """(n, 6) up vector and bias rad/s for every sample of the runs, in order, a window or the rest of a stretch at a time."""
    samples, lead_n = np.empty((0, 6)), 0  # of the open stretch; the first lead_n have been handed out already
    for run in runs:
        if run.restart and len(samples) > lead_n:
            rows, bias = _offline(samples, -1, bias, rate_hz, params)
            yield rows[lead_n:]
        if run.restart:
            samples, lead_n = np.empty((0, 6)), 0
            rate_hz = rate_hz if run.segment is None else run.segment.rate_hz  # a segment begins with a restart
        if run.gyr_radps is None:
            raise PostureError(NO_GYROSCOPE)
        samples = np.vstack([samples, np.hstack([run.acc_mps2, run.gyr_radps])])
        window_n, margin_n = round(WINDOW_S * rate_hz), round(MARGIN_S * rate_hz)
        while len(samples) >= lead_n + window_n + margin_n:
            end = lead_n + window_n
            rows, bias = _offline(samples[: end + margin_n], end - margin_n, bias, rate_hz, params)
            yield rows[lead_n:end]
            samples, lead_n = samples[end - margin_n :], margin_n
    if len(samples) > lead_n:
        yield _offline(samples, -1, bias, rate_hz, params)[0][lead_n:]


def _offline(samples: Float, handed_on: int, bias: _Bias, rate_hz: float, params: FusionConfig) -> tuple[Float, _Bias]:
    """Samples (n, 6) force and rate -> (n, 6) up vector and bias, and the bias at the sample `handed_on`.

    vqf takes no first estimate here, so it is taken off the rate. That the estimate is as unsure as at the start counts once
    forwards and once backwards; the root of two takes one of them back, so that short stretches do not pretend to teach anything.
    """
    from vqf import offlineVQF

    settings = vqf_settings(params)
    if bias.sigma_dps is not None:
        settings["biasSigmaInit"] = bias.sigma_dps
    acc, gyr = np.ascontiguousarray(samples[:, :3]), samples[:, 3:] - bias.radps
    out = offlineVQF(gyr, acc, None, 1.0 / rate_hz, settings)
    found = out["bias"] + bias.radps
    sigma_dps = max(np.sqrt(2.0) * float(np.degrees(out["biasSigma"][handed_on])), SIGMA_LEAST_DPS)
    return np.hstack([up_of(out["quat6D"]), found]), _Bias(found[handed_on].copy(), sigma_dps)
