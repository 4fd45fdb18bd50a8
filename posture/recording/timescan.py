"""One pass over a time column: its order, its holes and its rate, in bounded memory."""

from __future__ import annotations

import numpy as np

from posture.types import Float, InputError

RATE_MIN_HZ = 4.0
"""Below this there is no posture to be had (contract, "Sample file")."""
RATE_MAX_HZ = 4000.0
"""Above this the time column cannot be in seconds: no body-worn IMU is read this fast."""
JUMP_MAX_S = 48 * 3600.0
"""A longer hole is a wrong clock, not a break: days are split at 04:00, no session spans two nights."""
REPEATED_MAX = 0.1
"""Share of rows that may repeat the time of the row before; more is the arrival time of packets, not of samples."""
_CHUNK_ROWS = 65_536
_LAG = 16
"""Rows over which a slope is taken: rounding and jitter shrink by 16, one lost row (1/16) still stands out."""


def step_s(time_s: Float) -> float:
    """The sampling step of one stretch, s; lost rows, rounding and jitter up to a fifth of a step do not bias it.

    time_s : (n,), not falling, n >= 2. NaN where no two rows differ.
    First the mean of the steps within half a step of the median one, then the mean of the 16-row slopes within half a
    row of that: a stretch that lacks a row is a whole row longer and falls out, and symmetric errors cancel.
    """
    steps = np.diff(time_s)
    steps = steps[steps > 0]
    if not len(steps):
        return float("nan")
    median = float(np.median(steps))
    first = float(steps[np.abs(steps - median) < 0.5 * median].mean())
    lag = min(_LAG, len(time_s) - 1)
    slopes = (time_s[lag:] - time_s[:-lag]) / lag
    near = slopes[np.abs(slopes - first) * lag < 0.5 * first]
    return float(near.mean()) if len(near) else first


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
        self._open: list[Float] = []
        self._steps: list[tuple[float, int]] = []

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
        self._open.append(time_s[known])
        if sum(map(len, self._open)) >= _CHUNK_ROWS:
            self._close_chunk()

    def rate_hz(self) -> float:
        """Rate of the whole column: the median over chunks of 65,536 rows, weighted by their rows."""
        self._close_chunk()
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
        steps = sorted(self._steps)
        half = sum(n for _, n in steps) / 2
        step = steps[int(np.searchsorted(np.cumsum([n for _, n in steps]), half))][0]
        rate = 1.0 / step
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

    def _close_chunk(self) -> None:
        if not self._open:
            return
        chunk = np.concatenate(self._open)
        self._open = []
        if len(chunk) >= 2 and np.isfinite(step := step_s(chunk)):
            self._steps.append((step, len(chunk)))
