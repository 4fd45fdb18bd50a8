"""One sensor's samples on its own uniform clock, and from there onto the session's 50 Hz grid.

Fusion runs at the sensor's own rate, so the samples are first given whole-number indices there (`Timebase`) and gaps become
explicit: short ones are filled, long ones start a new run. After fusion `Grid` reads the runs at the session's ticks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posture.config import TimebaseConfig
from posture.types import GRID_HZ, Bool, Float, ImuBlock, InputError, Int


@dataclass(frozen=True, slots=True)
class Run:
    """Samples with consecutive indices; sample i is at `origin_s + (first_index + i) / rate_hz`.

    first_index : index of the first sample. restart : a long gap (or nothing) lies before it.
    acc_mps2 : (n, 3). gyr_radps : (n, 3) or None. measured : (n,) False where filled in. arrived_s : (n,).
    """

    first_index: int
    restart: bool
    acc_mps2: Float
    gyr_radps: Float | None
    measured: Bool
    arrived_s: Float


@dataclass(slots=True)
class TimebaseState:
    """The clock's origin, the last real sample, how often the last reading (the sum of its values) came in a row, and counts."""

    origin_s: float | None = None
    last_index: int = -1
    last: Float = field(default_factory=lambda: np.empty(0))
    dropped_n: int = 0
    reading: float = float("nan")
    repeats_n: int = 0
    frozen_n: int = 0


class Timebase:
    """Samples with times -> runs of consecutive indices.

    A sample belongs to the nearest index of the nominal rate; a second sample for an index, or one from the past, is dropped
    and counted. Rows with a NaN are no samples, nor are those of a part that is stuck on one reading. A gap is missing samples
    / nominal rate: under `restart_min_s` filled linearly, marked as not measured; longer ones start a new run.
    """

    def __init__(self, rate_hz: float, params: TimebaseConfig, state: TimebaseState | None = None) -> None:
        self.rate_hz = rate_hz
        self.params = params
        self.state = state or TimebaseState()

    def push(self, block: ImuBlock) -> tuple[Run, ...]:
        """Whole runs of the block's samples; filled samples come with the real one that ends their gap."""
        has_gyro = block.gyr_radps is not None
        # A sum is finite only if all its terms are, and repeats for long only if all of them do: cheaper than tests per value.
        reading = _row_sum(block.acc_mps2)
        if block.gyr_radps is not None:
            reading = reading + _row_sum(block.gyr_radps)
        ok = np.isfinite(block.time_s + reading) & ~self._frozen(reading)
        if not ok.any():
            return ()
        state = self.state
        if state.origin_s is None:
            state.origin_s = float(block.time_s[ok][0])
        index = np.full(len(ok), -1, dtype=np.int64)
        index[ok] = np.rint((block.time_s[ok] - state.origin_s) * self.rate_hz).astype(np.int64)
        newest = np.maximum.accumulate(np.concatenate([[state.last_index], index]))[:-1]
        keep = index > newest
        if keep.all() and state.last_index >= 0 and index[-1] - state.last_index == len(index):
            return (self._unbroken(block, index),)
        values = np.hstack([block.acc_mps2, block.gyr_radps]) if block.gyr_radps is not None else block.acc_mps2
        time_s, arrived_s = block.time_s, block.arrived_s
        if not keep.all():
            state.dropped_n += int(np.count_nonzero(ok & ~keep))
            if not keep.any():
                return ()
            index, values, time_s, arrived_s = index[keep], values[keep], time_s[keep], arrived_s[keep]
        first_ever = state.last_index < 0
        step = np.diff(index, prepend=index[0] - 1 if first_ever else state.last_index)
        self._refuse_broken_clock(step, time_s)
        last = values[:1] if first_ever else state.last
        state.last_index, state.last = int(index[-1]), values[-1:].copy()
        return self._runs(index, values, last, step, arrived_s, first_ever=first_ever, has_gyro=has_gyro)

    def flush(self) -> tuple[Run, ...]:
        """Nothing is held back."""
        return ()

    def _frozen(self, reading: Float) -> Bool:
        """(n,) True from the `frozen_min_s`-th second on in which nothing changed: a stuck part, not a still one."""
        state = self.state
        if not len(reading):
            return np.empty(0, dtype=np.bool_)
        place = np.arange(len(reading))
        changed = np.concatenate([[reading[0] != state.reading], reading[1:] != reading[:-1]])  # NaN: changed
        since = place - np.maximum.accumulate(np.where(changed, place, -1 - state.repeats_n))
        state.reading, state.repeats_n = float(reading[-1]), int(since[-1])
        frozen = since >= self.params.frozen_min_s * self.rate_hz
        state.frozen_n += int(np.count_nonzero(frozen))
        return np.asarray(frozen)

    def _unbroken(self, block: ImuBlock, index: Int) -> Run:
        """The common case: every sample follows the one before; the block's arrays go on as they are."""
        rows = [block.acc_mps2[-1:]] if block.gyr_radps is None else [block.acc_mps2[-1:], block.gyr_radps[-1:]]
        self.state.last_index, self.state.last = int(index[-1]), np.hstack(rows)
        measured = np.ones(len(index), dtype=np.bool_)
        return Run(int(index[0]), False, block.acc_mps2, block.gyr_radps, measured, block.arrived_s)

    def _refuse_broken_clock(self, step: Int, time_s: Float) -> None:
        worst = int(np.argmax(step))
        if step[worst] / self.rate_hz > self.params.gap_max_s:
            raise InputError(
                f"the time jumps forwards by {step[worst] / self.rate_hz / 3600:.0f} h to {time_s[worst]:.1f} s; "
                f"check the time column (longest gap accepted: {self.params.gap_max_s / 3600:.0f} h)"
            )

    def _runs(
        self, index: Int, values: Float, last: Float, step: Int, arrived_s: Float, *, first_ever: bool, has_gyro: bool
    ) -> tuple[Run, ...]:
        missing = step - 1
        restart = missing > self.params.restart_min_s * self.rate_hz - 0.5
        restart[0] |= first_ever
        measured = np.ones(len(index), dtype=np.bool_)
        rows = np.where(restart, 1, step)
        ends = np.cumsum(rows)
        if len(index) < ends[-1]:
            values, measured = _filled(values, last, rows, ends)
            arrived_s = np.repeat(arrived_s, rows)
        heads = np.flatnonzero(restart)
        cuts = sorted({0, *(int(ends[k] - rows[k]) for k in heads)})
        head_rows = {int(ends[k] - rows[k]) for k in heads}
        runs = []
        for a, b in zip(cuts, [*cuts[1:], len(values)], strict=True):
            part = values[a:b]
            runs.append(
                Run(
                    first_index=_index_of_row(a, index, ends),
                    restart=a in head_rows,
                    acc_mps2=np.ascontiguousarray(part[:, :3]),
                    gyr_radps=np.ascontiguousarray(part[:, 3:]) if has_gyro else None,
                    measured=measured[a:b],
                    arrived_s=arrived_s[a:b],
                )
            )
        return tuple(runs)


def _filled(values: Float, last: Float, rows: Int, ends: Int) -> tuple[Float, Bool]:
    """Values with the missing rows put in before the sample that ends each gap."""
    out = np.repeat(values, rows, axis=0)
    measured = np.zeros(len(out), dtype=np.bool_)
    measured[ends - 1] = True
    filled = np.flatnonzero(~measured)
    owner = np.searchsorted(ends, filled, side="right")
    before = np.where((owner == 0)[:, None], last, values[owner - 1])
    share = (filled - (ends - rows)[owner] + 1) / rows[owner]
    out[filled] = before + (values[owner] - before) * share[:, None]
    return out, measured


def _row_sum(values: Float) -> Float:
    """(n, 3) -> (n,)."""
    return np.asarray(values[:, 0] + values[:, 1] + values[:, 2])


def _index_of_row(row: int, index: Int, ends: Int) -> int:
    """Sensor index of an output row: sample k owns the rows that end at ends[k], and its own index is the last of them."""
    k = int(np.searchsorted(ends, row, side="right"))
    return int(index[k] - (ends[k] - 1 - row))


@dataclass(frozen=True, slots=True)
class OrientedRun:
    """A run with its orientation, still at the sensor's rate.

    channels : (n, 9): up vector in the sensor frame, angular rate rad/s (bias removed), specific force m/s^2.
    trusted : (n,) measured, and not just after a restart. The rest as in `Run`.
    """

    first_index: int
    restart: bool
    channels: Float
    trusted: Bool
    arrived_s: Float


CHANNELS = 9
UP, RATE, FORCE = slice(0, 3), slice(3, 6), slice(6, 9)
_SAME_TICK = 1e-6
"""Ticks (0.02 us): a sample this close to a tick is on it; far above rounding, far below any clock."""


@dataclass(frozen=True, slots=True)
class TickRun:
    """Consecutive ticks of the session grid for one sensor; arrays as in `OrientedRun`."""

    first_tick: int
    channels: Float
    trusted: Bool
    arrived_s: Float


@dataclass(slots=True)
class GridState:
    """The last sample of the open run, to interpolate from."""

    last_index: int = -1
    channels: Float = field(default_factory=lambda: np.empty((0, CHANNELS)))
    trusted: Bool = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    arrived_s: Float = field(default_factory=lambda: np.empty(0))


class Grid:
    """Oriented runs at the sensor's rate -> 50 Hz ticks, by linear interpolation inside a run; none across runs.

    A tick that falls on a sample is that sample, unchanged. A tick counts as trusted if both its neighbours are.
    """

    def __init__(self, rate_hz: float, state: GridState | None = None) -> None:
        self.rate_hz = rate_hz
        self.state = state or GridState()

    def push(self, run: OrientedRun, *, origin_s: float) -> TickRun | None:
        """Ticks between the last sample of the run so far and its newest; None where no tick falls there."""
        state = self.state
        goes_on = not run.restart and state.last_index >= 0
        first = state.last_index if goes_on else run.first_index
        last = run.first_index + len(run.channels) - 1
        start, end = self._tick_at(first, origin_s), self._tick_at(last, origin_s)
        # A tick on the last sample so far went out with it.
        tick_a, tick_b = int(np.floor(start)) + 1 if goes_on else int(np.ceil(start)), int(np.floor(end))
        ticks = None
        if tick_b >= tick_a:
            at = self._position(np.arange(tick_a, tick_b + 1), origin_s)
            ticks = self._read(run, at, tick_a, goes_on=goes_on)
        state.last_index, state.channels = last, run.channels[-1:].copy()
        state.trusted, state.arrived_s = run.trusted[-1:].copy(), run.arrived_s[-1:].copy()
        return ticks

    def _read(self, run: OrientedRun, at: Float, first_tick: int, *, goes_on: bool) -> TickRun:
        """The run, led by the last sample of the one before where it goes on, at fractional sample indices `at`."""
        begin = at[0] - run.first_index
        if (
            begin >= 0 and at[-1] - at[0] == len(at) - 1 and begin == np.floor(begin)
        ):  # the sensor runs on the grid itself
            rows = slice(int(begin), int(begin) + len(at))
            return TickRun(first_tick, run.channels[rows], run.trusted[rows], run.arrived_s[rows])
        channels, trusted, arrived_s, first = run.channels, run.trusted, run.arrived_s, run.first_index
        if goes_on:
            state = self.state
            first = state.last_index
            channels = np.vstack([state.channels, channels])
            trusted = np.concatenate([state.trusted, trusted])
            arrived_s = np.concatenate([state.arrived_s, arrived_s])
        low = np.clip(np.floor(at - first).astype(np.int64), 0, len(channels) - 1)
        share = at - first - low
        exact = share == 0.0
        high = np.where(exact, low, np.minimum(low + 1, len(channels) - 1))
        values = channels[low] + (channels[high] - channels[low]) * share[:, None]
        return TickRun(first_tick, values, trusted[low] & trusted[high], arrived_s[high])

    def _tick_at(self, index: int, origin_s: float) -> float:
        """Tick of a sample, fractional; within `_SAME_TICK` of a tick it is that tick."""
        at = (origin_s + index / self.rate_hz) * GRID_HZ
        whole = round(at)
        return whole if abs(at - whole) < _SAME_TICK else at

    def _position(self, tick: Int, origin_s: float) -> Float:
        """Index of the sample at each tick, fractional; a tick that `_tick_at` gives to a sample is at that sample."""
        at = (tick / GRID_HZ - origin_s) * self.rate_hz
        whole = np.rint(at)
        return np.where(np.abs(at - whole) < 2.0 * _SAME_TICK * self.rate_hz / GRID_HZ, whole, at)
