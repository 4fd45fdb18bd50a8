"""Samples at the end of a sensor's range: they say "at least this much", which is no measurement.

A part at its limit repeats one extreme value exactly; a moving body never does (three in a row at such a size: not once in the
shipped recordings, the labelled days or BROAD; twice in a row: some fifty times). So three in a row name the limit of an axis in
its direction, and from then on every sample at it counts, until a larger one shows that it was none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from posture.config import ClippingConfig
from posture.signal.timebase import Run
from posture.types import G_MPS2, Bool, Float


class Part(StrEnum):
    """Which part of a sensor."""

    ACCELEROMETER = "accelerometer"
    GYROSCOPE = "gyroscope"


_COLUMNS = {Part.ACCELEROMETER: [0, 1, 2, 6, 7, 8], Part.GYROSCOPE: [3, 4, 5, 9, 10, 11]}
"""Of the 12 directions: six axes, then the same turned round. A limit may differ between the two by one step of the part."""


@dataclass(frozen=True, slots=True)
class Clipped:
    """What a part lost at its limit: s in which an axis was there, and the largest limit, m/s^2 or rad/s."""

    part: Part
    seconds: float
    limit: float


@dataclass(slots=True)
class ClippingState:
    """Per direction (12,): the last value, whether it repeated the one before, the known limit (inf: none).

    rate_hz : of the open segment. since_gyro_n : samples since the gyroscope was last at its limit. clipped_n, limit : per part,
    counted so far, the samples in this segment only; clipped_before_s : s of the segments before.
    """

    rate_hz: float

    last: Float = field(default_factory=lambda: np.zeros(12))
    again: Bool = field(default_factory=lambda: np.zeros(12, dtype=np.bool_))
    known: Float = field(default_factory=lambda: np.full(12, np.inf))
    since_gyro_n: int = 1 << 40
    clipped_n: dict[Part, int] = field(default_factory=lambda: dict.fromkeys(Part, 0))
    clipped_before_s: dict[Part, float] = field(default_factory=lambda: dict.fromkeys(Part, 0.0))
    limit: dict[Part, float] = field(default_factory=lambda: dict.fromkeys(Part, 0.0))


class Clipping:
    """Runs of one sensor -> the same runs, `measured` False at the limit and until the orientation has recovered from it."""

    def __init__(self, rate_hz: float, params: ClippingConfig, state: ClippingState | None = None) -> None:
        self.params, self.state = params, state or ClippingState(rate_hz)
        self.floor = np.repeat([params.acc_min_g * G_MPS2, np.radians(params.gyr_min_dps)] * 2, 3)

    @property
    def recover_n(self) -> int:
        """Samples of the open segment that the orientation needs after a gyroscope was at its limit."""
        return round(self.params.recover_s * self.state.rate_hz)

    def push(self, runs: tuple[Run, ...]) -> tuple[Run, ...]:
        """One run per run; values stay as they are."""
        return tuple(self._marked(run) for run in runs)

    def flush(self) -> tuple[Run, ...]:
        """Nothing is held back."""
        return ()

    def found(self) -> list[Clipped]:
        """What each part lost so far, parts without any left out."""
        state = self.state
        seconds = {p: state.clipped_before_s[p] + n / state.rate_hz for p, n in state.clipped_n.items()}
        return [Clipped(p, s, state.limit[p]) for p, s in seconds.items() if s]

    def _set_rate(self, rate_hz: float) -> None:
        state = self.state
        for part, n in state.clipped_n.items():
            state.clipped_before_s[part] += n / state.rate_hz
            state.clipped_n[part] = 0
        state.since_gyro_n = int(min(state.since_gyro_n, 1 << 40) * rate_hz / state.rate_hz)
        state.rate_hz = rate_hz

    def _marked(self, run: Run) -> Run:
        state, n = self.state, len(run.measured)
        if run.segment is not None and run.segment.rate_hz != state.rate_hz:
            self._set_rate(run.segment.rate_hz)
        gyr = np.zeros((n, 3)) if run.gyr_radps is None else run.gyr_radps
        if state.since_gyro_n >= self.recover_n and self._far_from_limits(run.acc_mps2, gyr):  # nearly always
            state.since_gyro_n += n
            return run
        axes = np.hstack([run.acc_mps2, gyr])
        clipped = self._at_limit(np.hstack([axes, -axes]))
        hit = {part: clipped[:, columns].any(axis=1) & run.measured for part, columns in _COLUMNS.items()}
        for part, rows in hit.items():
            state.clipped_n[part] += int(np.count_nonzero(rows))
        place = np.arange(n)
        since = place - np.maximum.accumulate(np.where(hit[Part.GYROSCOPE], place, -state.since_gyro_n - 1))
        state.since_gyro_n = int(since[-1])
        lost = hit[Part.ACCELEROMETER] | (since <= self.recover_n)
        return replace(run, measured=run.measured & ~lost) if lost.any() else run

    def _far_from_limits(self, acc: Float, gyr: Float) -> bool:
        """Whether no limit is known or gets known with these (n, 3) samples; if so they are taken over."""
        state = self.state
        if np.isfinite(state.known).any():
            return False
        before = state.again[:6] | state.again[6:]
        ends = []
        for values, axes in ((acc, slice(0, 3)), (gyr, slice(3, 6))):
            again = np.abs(values) >= self.floor[axes.start]  # the same for all axes of a part
            if again.any():
                again[0] &= values[0] == state.last[axes]
                again[1:] &= values[1:] == values[:-1]
                if (again[0] & before[axes]).any() or (again[1:] & again[:-1]).any():
                    return False
            ends.append((values[-1], again[-1]))
        last, again = (np.concatenate(both) for both in zip(*ends, strict=True))
        state.last = np.concatenate([last, -last])
        state.again = np.concatenate([again & (last > 0), again & (last < 0)])
        return True

    def _at_limit(self, values: Float) -> Bool:
        """(n, 12) -> whether each value is at the limit of its direction, as far as it is known by then."""
        state = self.state
        again = (values >= self.floor) & (values == np.vstack([state.last, values[:-1]]))
        third = again & np.vstack([state.again, again[:-1]])
        row = np.maximum.accumulate(np.where(third, np.arange(len(values))[:, None], -1), axis=0)
        named = row >= 0
        limit = np.where(named, np.take_along_axis(values, np.maximum(row, 0), axis=0), state.known)
        over = np.cumsum(values > limit, axis=0)
        disproved = over > np.where(named, np.take_along_axis(over, np.maximum(row, 0), axis=0), 0)
        clipped = (values == limit) & ~disproved
        state.last, state.again = values[-1].copy(), again[-1].copy()
        state.known = np.where(disproved[-1], np.inf, limit[-1])
        for part, columns in _COLUMNS.items():
            state.limit[part] = float(np.max(limit[:, columns], where=clipped[:, columns], initial=state.limit[part]))
        return np.asarray(clipped)
