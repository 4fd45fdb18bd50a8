"""One sensor's samples on its own uniform clock, and from there onto the session's 50 Hz grid.

Fusion runs at the sensor's own rate, so the samples are first given whole-number indices there (`Timebase`) and gaps become
explicit: short ones are filled, long ones start a new run. After fusion `Grid` reads the runs at the session's ticks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from posture.config import TimebaseConfig
from posture.types import GRID_HZ, Bool, ClockFit, Float, ImuBlock, InputError, Int, Segment


@dataclass(frozen=True, slots=True)
class Run:
    """Samples with consecutive indices; sample i is at `origin_s + (first_index + i) / rate_hz` of the sensor's clock.

    first_index : index of the first sample. restart : a long gap, another segment (or nothing) lies before it.
    acc_mps2 : (n, 3). gyr_radps : (n, 3) or None. measured : (n,) False where filled in. arrived_s : (n,).
    segment : as in `ImuBlock`; its rate is that of the run.
    """

    first_index: int
    restart: bool
    acc_mps2: Float
    gyr_radps: Float | None
    measured: Bool
    arrived_s: Float
    segment: Segment | None = None


@dataclass(slots=True)
class TimebaseState:
    """The open segment and the clock's origin in it (the sensor's counter there, if it has one), the last real sample, how often
    the last reading (the sum of its values) came in a row, and counts; `frozen_n` is of the open segment.
    """

    segment: Segment | None = None
    origin_s: float | None = None
    origin_count: int = 0
    last_index: int = -1
    last: Float = field(default_factory=lambda: np.empty(0))
    dropped_n: int = 0
    reading: float = float("nan")
    repeats_n: int = 0
    frozen_n: int = 0
    frozen_before_s: float = 0.0


class Timebase:
    """Samples with times or counters -> runs of consecutive indices.

    A sample with a counter has its index from there. Without one it belongs to the nearest index of the nominal rate. A second
    sample for an index, or one from the past, is dropped and counted, and so is one of a segment that is over. Rows with a NaN
    are no samples, nor are those of a part that is stuck on one reading. A gap is missing samples / nominal rate: under
    `restart_min_s` filled linearly, marked as not measured; longer ones start a new run. A new segment starts a new run, a new
    origin and counts its samples from 0.
    """

    def __init__(self, rate_hz: float, params: TimebaseConfig, state: TimebaseState | None = None) -> None:
        self.params = params
        self.state = state or TimebaseState()
        segment = self.state.segment
        self.rate_hz = rate_hz if segment is None else segment.rate_hz

    @property
    def frozen_s(self) -> float:
        """Seconds in which the part was stuck on one reading, of all segments."""
        return self.state.frozen_before_s + self.state.frozen_n / self.rate_hz

    def push(self, block: ImuBlock) -> tuple[Run, ...]:
        """Whole runs of the block's samples; filled samples come with the real one that ends their gap."""
        if block.segment != self.state.segment and len(block.time_s) and not self._begin(block):
            return ()
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
            first = int(np.argmax(ok))
            state.origin_s = float(block.time_s[first])
            state.origin_count = 0 if block.index is None else int(block.index[first])
        index = np.full(len(ok), -1, dtype=np.int64)
        rows = slice(None) if ok.all() else ok
        if block.index is None:
            index[rows] = np.rint((block.time_s[rows] - state.origin_s) * self.rate_hz).astype(np.int64)
        else:
            index[rows] = block.index[rows] - state.origin_count
        if state.last_index >= 0 and index[0] == state.last_index + 1 and (index[1:] - index[:-1] == 1).all():
            return (self._unbroken(block, index),)
        newest = np.maximum.accumulate(np.concatenate([[state.last_index], index]))[:-1]
        keep = index > newest
        values = np.hstack([block.acc_mps2, block.gyr_radps]) if block.gyr_radps is not None else block.acc_mps2
        arrived_s = block.arrived_s
        if not keep.all():
            state.dropped_n += int(np.count_nonzero(ok & ~keep))
            if not keep.any():
                return ()
            index, values, arrived_s = index[keep], values[keep], arrived_s[keep]
        first_ever = state.last_index < 0
        step = np.diff(index, prepend=index[0] - 1 if first_ever else state.last_index)
        self._refuse_broken_clock(step, index)
        last = values[:1] if first_ever else state.last
        state.last_index, state.last = int(index[-1]), values[-1:].copy()
        return self._runs(index, values, last, step, arrived_s, first_ever=first_ever, has_gyro=has_gyro)

    def flush(self) -> tuple[Run, ...]:
        """Nothing is held back."""
        return ()

    def _begin(self, block: ImuBlock) -> bool:
        """Start the block's segment; False, and the samples are counted as dropped, where that segment is over."""
        old, new = self.state, block.segment
        if old.segment is not None and (new is None or new.number <= old.segment.number):
            old.dropped_n += len(block.time_s)
            return False
        if new is not None:
            self.state = TimebaseState(new, dropped_n=old.dropped_n, frozen_before_s=self.frozen_s)
            self.rate_hz = new.rate_hz
        return True

    def _frozen(self, reading: Float) -> Bool:
        """(n,) True from the `frozen_min_s`-th second on in which nothing changed: a stuck part, not a still one."""
        state = self.state
        if not len(reading):
            return np.empty(0, dtype=np.bool_)
        if reading[0] != state.reading and (reading[1:] != reading[:-1]).all():  # nearly always
            state.reading, state.repeats_n = float(reading[-1]), 0
            return np.zeros(len(reading), dtype=np.bool_)
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
        return Run(int(index[0]), False, block.acc_mps2, block.gyr_radps, measured, block.arrived_s, self.state.segment)

    def _refuse_broken_clock(self, step: Int, index: Int) -> None:
        worst = int(np.argmax(step))
        if step[worst] / self.rate_hz > self.params.gap_max_s:
            to_s = (self.state.origin_s or 0.0) + int(index[worst]) / self.rate_hz
            raise InputError(
                f"the time jumps forwards by {step[worst] / self.rate_hz / 3600:.0f} h to {to_s:.1f} s; "
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
                    segment=self.state.segment,
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
    segment: Segment | None = None


CHANNELS = 9
UP, RATE, FORCE = slice(0, 3), slice(3, 6), slice(6, 9)
_SAME_TICK = 1e-6
"""Ticks (0.02 us): a sample this close to a tick is on it; far above rounding, far below any clock."""
_NEVER = 1 << 62
"""Ticks; behind the end of every session."""


@dataclass(frozen=True, slots=True)
class TickRun:
    """Consecutive ticks of the session grid for one sensor; arrays as in `OrientedRun`."""

    first_tick: int
    channels: Float
    trusted: Bool
    arrived_s: Float


@dataclass(frozen=True, slots=True)
class _Line:
    """Sample index <-> tick, both fractional, of one segment by one clock fit (None: the sensor's clock is the session's)."""

    origin_s: float
    rate_hz: float
    fit: ClockFit | None

    def tick(self, index: int) -> float:
        """Tick of a sample; within `_SAME_TICK` of a tick it is that tick."""
        device_s = self.origin_s + index / self.rate_hz
        at = (device_s if self.fit is None else self.fit.session_s(device_s)) * GRID_HZ
        whole = round(at)
        return whole if abs(at - whole) < _SAME_TICK else at

    def index(self, tick: Int) -> Float:
        """Index of the sample at each tick; a tick that `tick` gives to a sample is at that sample."""
        seconds = tick / GRID_HZ
        device_s = seconds if self.fit is None else self.fit.device_s(seconds)
        at = (device_s - self.origin_s) * self.rate_hz
        whole = np.rint(at)
        return np.where(np.abs(at - whole) < 2.0 * _SAME_TICK * self.rate_hz / GRID_HZ, whole, at)


@dataclass(slots=True)
class GridState:
    """The last samples of the open run, from index `first_index` on: to interpolate from, and to step back to.

    used_index : the newest sample that a tick was read from. next_tick : none before it is given out any more.
    given_s : when the last tick given out had arrived. fits : those of this segment and later ones, in their order.
    lost_n : ticks without a value because a correction of the clock stepped back behind the samples that are kept.
    """

    segment: Segment | None = None
    first_index: int = -1
    used_index: int = -1
    channels: Float = field(default_factory=lambda: np.empty((0, CHANNELS)))
    trusted: Bool = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    arrived_s: Float = field(default_factory=lambda: np.empty(0))
    next_tick: int | None = None
    given_s: float = float("-inf")
    fits: tuple[ClockFit, ...] = ()
    lost_n: int = 0


class Grid:
    """Oriented runs at the sensor's rate -> 50 Hz ticks, by linear interpolation inside a run; none across runs.

    A tick that falls on a sample is that sample, unchanged. A tick counts as trusted if both its neighbours are. Samples are put
    on the session's axis by the clock fit that is in force at the tick. Where a new fit steps back, its ticks are read from
    samples that were read before, up to `history_s` of them; behind those they are NaN. Every tick of a run is given out once.
    """

    def __init__(self, rate_hz: float, state: GridState | None = None, *, history_s: float = 0.0) -> None:
        self.state = state or GridState()
        self._history_s = history_s
        segment = self.state.segment
        self.rate_hz = rate_hz if segment is None else segment.rate_hz

    def learn(self, fit: ClockFit) -> None:
        """A fit of this sensor, before the samples that it is for; one that it overtakes is forgotten."""
        kept = (f for f in self.state.fits if f.segment != fit.segment or f.from_tick < fit.from_tick)
        self.state.fits = (*kept, fit)

    def push(self, run: OrientedRun, *, origin_s: float) -> TickRun | None:
        """Ticks between those given out so far and the run's newest sample; None where no tick falls there."""
        state = self.state
        if run.segment != state.segment:
            self._begin(run.segment)
        fresh = run.restart or state.first_index < 0
        if fresh:
            state.first_index = state.used_index = run.first_index
            state.channels, state.trusted, state.arrived_s = run.channels[:0], run.trusted[:0], run.arrived_s[:0]
        last = run.first_index + len(run.channels) - 1
        parts: list[TickRun] = []
        for fit, start, stop in self._spans():
            if not fresh and state.next_tick is not None and state.next_tick >= stop:
                continue  # over; by this fit the newest sample may lie anywhere
            line = _Line(origin_s, self.rate_hz, fit)
            kept = max(state.first_index, state.used_index - self._history_n)
            first = max(math.ceil(line.tick(kept)), start)
            if fresh:
                first = first if state.next_tick is None else max(first, state.next_tick)
                if first >= stop:
                    continue
                state.next_tick, fresh = first, False
            elif state.next_tick is not None and first > state.next_tick:
                parts += self._lost(min(first, stop))
            begin = state.next_tick or 0
            end = min(stop, math.floor(line.tick(last)) + 1)
            if end > begin:
                parts.append(self._read(run, line, begin, end))
                state.next_tick = end
            if end < stop:
                break
        self._keep(run, last)
        return _joined(parts)

    @property
    def _history_n(self) -> int:
        """Samples before the newest one used that a tick may be read from; one, where nothing steps back."""
        return math.ceil(self._history_s * self.rate_hz) + 1

    def _begin(self, segment: Segment | None) -> None:
        state = self.state
        state.segment, state.first_index = segment, -1
        if segment is not None:
            self.rate_hz = segment.rate_hz
            state.fits = tuple(f for f in state.fits if f.segment >= segment.number)

    def _spans(self) -> Iterator[tuple[ClockFit | None, int, int]]:
        """The clock fits of this segment that are still needed, with their ticks [start, stop)."""
        state = self.state
        if not state.fits:
            yield None, -_NEVER, _NEVER
            return
        number = state.segment.number if state.segment else 0
        fits = [f for f in state.fits if f.segment == number]
        done = state.next_tick
        if done is not None:  # all but the one in force and those to come can go
            over = sum(f.from_tick <= done for f in fits) - 1
            if over > 0:
                fits = fits[over:]
                state.fits = tuple(f for f in state.fits if f.segment != number or f in fits)
        starts = [f.from_tick for f in fits] + [_NEVER]
        if starts[0] > 0:  # the session has no tick before 0, so from 0 on is from the start on
            yield None, -_NEVER, starts[0]
        for k, fit in enumerate(fits):
            yield fit, (starts[k] if k or starts[k] > 0 else -_NEVER), starts[k + 1]

    def _lost(self, end: int) -> list[TickRun]:
        """Ticks without a value up to `end`."""
        state = self.state
        begin = state.next_tick or 0
        n = end - begin
        if n <= 0:
            return []
        state.next_tick, state.lost_n = end, state.lost_n + n
        nothing = np.full((n, CHANNELS), np.nan)
        return [TickRun(begin, nothing, np.zeros(n, dtype=np.bool_), np.full(n, state.given_s))]

    def _read(self, run: OrientedRun, line: _Line, first_tick: int, end: int) -> TickRun:
        """The run, led by what is kept of it from before, at ticks [first_tick, end)."""
        state = self.state
        if self.rate_hz == GRID_HZ:
            at_first, at_last = line.index(np.array([first_tick, end - 1])).tolist()
            begin = at_first - run.first_index
            if begin >= 0 and begin.is_integer() and at_last - at_first == end - 1 - first_tick:  # on the grid itself
                rows = slice(int(begin), int(begin) + end - first_tick)
                state.used_index = max(state.used_index, int(at_last))
                return self._given(TickRun(first_tick, run.channels[rows], run.trusted[rows], run.arrived_s[rows]))
        at = line.index(np.arange(first_tick, end))
        channels, trusted, arrived_s, first = run.channels, run.trusted, run.arrived_s, run.first_index
        if len(state.channels):
            first = state.first_index
            channels = np.vstack([state.channels, channels])
            trusted = np.concatenate([state.trusted, trusted])
            arrived_s = np.concatenate([state.arrived_s, arrived_s])
        low = np.clip(np.floor(at - first).astype(np.int64), 0, len(channels) - 1)
        share = at - first - low
        exact = share == 0.0
        high = np.where(exact, low, np.minimum(low + 1, len(channels) - 1))
        state.used_index = max(state.used_index, first + int(high[-1]))
        values = channels[low] + (channels[high] - channels[low]) * share[:, None]
        return self._given(TickRun(first_tick, values, trusted[low] & trusted[high], arrived_s[high]))

    def _given(self, ticks: TickRun) -> TickRun:
        """The ticks as given out: none has arrived before the tick before it, also where the clock stepped back."""
        state = self.state
        if ticks.arrived_s[0] < state.given_s:
            ticks = replace(ticks, arrived_s=np.maximum(ticks.arrived_s, state.given_s))
        state.given_s = float(ticks.arrived_s[-1])
        return ticks

    def _keep(self, run: OrientedRun, last: int) -> None:
        """The samples that a step back may reach, at least the last one."""
        state = self.state
        first = min(max(state.first_index, state.used_index - self._history_n), last)
        rows = first - run.first_index
        if rows >= 0:
            state.channels, state.trusted = run.channels[rows:].copy(), run.trusted[rows:].copy()
            state.arrived_s = run.arrived_s[rows:].copy()
        else:
            old = first - state.first_index
            state.channels = np.vstack([state.channels[old:], run.channels])
            state.trusted = np.concatenate([state.trusted[old:], run.trusted])
            state.arrived_s = np.concatenate([state.arrived_s[old:], run.arrived_s])
        state.first_index = first


def _joined(parts: list[TickRun]) -> TickRun | None:
    """Consecutive pieces as one."""
    if len(parts) < 2:
        return parts[0] if parts else None
    columns = (np.concatenate([getattr(p, name) for p in parts]) for name in ("channels", "trusted", "arrived_s"))
    return TickRun(parts[0].first_tick, *columns)
