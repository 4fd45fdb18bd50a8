"""One pass over a time column: its order, its holes, its rate and where that changes, in bounded memory."""

from __future__ import annotations

import numpy as np

from posture.recording.rates import RateScan, Stretch
from posture.types import Float, InputError

RATE_MIN_HZ = 4.0
"""Below this there is no posture to be had (contract, "Sample file")."""
RATE_MAX_HZ = 4000.0
"""Above this the time column cannot be in seconds: no body-worn IMU is read this fast."""
JUMP_MAX_S = 48 * 3600.0
"""A longer hole is a wrong clock, not a break: days are split at 04:00, no session spans two nights."""
REPEATED_MAX = 0.1
"""Share of rows that may repeat the time of the row before; more is the arrival time of packets, not of samples."""
_SPAN_ROWS = (8, 32, 128)
"""Each span sharpens the step enough for the next, four times longer, to be counted in whole steps."""
_ROUNDS_MAX, _SETTLED = 12, 1e-9
"""A step that is a little off miscounts a few jittered spans; each round halves that at a jitter of 0.2 steps."""
_HALF = 0.5 + 1e-6
"""With the slack of a rounded time: 60 Hz written to 10 ms has steps of 10 and 20 ms, and both must count."""


def step_s(time_s: Float) -> float:
    """The sampling step of one stretch, s; lost rows, rounding and jitter up to a fifth of a step do not bias it.

    time_s : (n,), not falling, n >= 2. NaN where no two rows differ.
    First the mean of the steps that are within half of the median one. Then longer and longer spans, each divided by
    the whole number of steps that it must hold: rounding and jitter shrink with the span, lost rows are counted, and
    spans with a hole of more than half their rows are left out (the clock may have been set in it).
    """
    steps = np.diff(time_s)
    steps = steps[steps > 0]
    if not len(steps):
        return float("nan")
    median = float(np.sort(steps)[(len(steps) - 1) // 2])  # one of them: between two that differ there may be none
    step = float(steps[np.abs(steps - median) <= _HALF * median].mean())
    for rows in _SPAN_ROWS:
        every = rows // _SPAN_ROWS[0]
        span_s = time_s[rows::every] - time_s[:-rows:every]
        for _ in range(_ROUNDS_MAX):
            held = np.rint(span_s / step)
            near = (held > 0) & (held <= 1.5 * rows)
            if not near.any():
                break
            before, step = step, float(span_s[near].sum() / held[near].sum())
            if abs(step - before) <= _SETTLED * step:
                break
    return step


class TimeScan:
    """Push the time column piece by piece, then read the fields; InputError as soon as the column cannot be used."""

    def __init__(self, where: str) -> None:
        self.rows = 0
        self.dropped = 0
        self.repeated = 0
        self.first_s = float("nan")
        self.last_s = float("nan")
        self._where = where
        self._seen = 0
        self._last_row = 0
        self._rates = RateScan(step_s, step_min_s=1.0 / RATE_MAX_HZ, step_max_s=1.0 / RATE_MIN_HZ)
        self._stretches: list[Stretch] | None = None

    def push(self, time_s: Float) -> None:
        """(n,) s, NaN or infinite where the row has no time."""
        known = np.isfinite(time_s)
        rows = np.flatnonzero(known) + self._seen + 1
        self._seen += len(time_s)
        self.dropped += len(time_s) - len(rows)
        if not len(rows):
            return
        times = time_s[known]
        if not self.rows:
            self._check_first(float(times[0]))
            self.first_s = float(times[0])
        else:
            times = np.concatenate([[self.last_s], times])
            rows = np.concatenate([[self._last_row], rows])
        self._check_steps(times, rows)
        self.rows += int(known.sum())
        self.last_s = float(times[-1])
        self._last_row = int(rows[-1])
        self._rates.push(time_s if len(rows) == len(time_s) else time_s[known])

    def stretches(self) -> list[tuple[float, float]]:
        """(first time s, rate Hz) of every stretch with a rate of its own, in order; to be asked after the last push."""
        found = self._finished()
        return [(s.first_s, _rate_hz(s)) for s in found]

    def rate_hz(self) -> float:
        """Rate of the stretch that covers most time: the median over its chunks of 65,536 rows, weighted by their rows."""
        if self.rows < 2:
            raise InputError(
                f"{self._where} has {self.rows or 'no'} row{'s' * (self.rows != 1)} with a time; at least two are "
                "needed: check that the recording was written to its end."
            )
        if self.repeated > REPEATED_MAX * self.rows:
            raise InputError(
                f"In {self._where} {self.repeated} of {self.rows} rows repeat the time of the row before; write the "
                "time of each sample to the millisecond, not the arrival of a packet."
            )
        rate = _rate_hz(max(self._finished(), key=lambda s: s.last_s - s.first_s))
        if rate < RATE_MIN_HZ:
            raise InputError(
                f"{self._where} has {rate:.3g} samples a second; at least {RATE_MIN_HZ:g} are needed: check that "
                "time_s is in seconds, or record faster."
            )
        if rate > RATE_MAX_HZ:
            raise InputError(f"{self._where} has {rate:.3g} samples a second; check that time_s is in seconds.")
        return rate

    def _check_first(self, first_s: float) -> None:
        if not 0 <= first_s <= JUMP_MAX_S:
            raise InputError(
                f"{self._where} begins at time_s {first_s:.15g}, which is not seconds from the start: subtract the "
                "first time and state it as start_utc."
            )

    def _check_steps(self, times: Float, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        steps = np.diff(times)
        self.repeated += int((steps == 0).sum())
        for bad, words in ((steps < 0, "goes back"), (steps > JUMP_MAX_S, "jumps more than 48 h")):
            if bad.any():
                i = int(np.argmax(bad))
                raise InputError(
                    f"The time of {self._where} {words} at row {rows[i + 1]}: {times[i]:.15g} s, then "
                    f"{times[i + 1]:.15g} s; check the time column."
                )

    def _finished(self) -> list[Stretch]:
        if self._stretches is None:
            self._stretches = self._rates.finish()
        return self._stretches


def _rate_hz(stretch: Stretch) -> float:
    return round(1.0 / stretch.step_s(), 6)  # so that 50 Hz is 50.0 on every machine
