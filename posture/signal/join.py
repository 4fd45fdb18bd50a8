"""Two sensors (or one) on one grid: when a tick is closed, and with whom.

A tick closes when both sensors have passed it, or when one is more than `late_max_s` behind the other in *arrival*; then it is
a one-sensor tick. The rule looks at recorded arrival times only, never at a wall clock, so replay closes every tick as live did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from posture.config import JoinConfig
from posture.signal.timebase import CHANNELS, TickRun
from posture.types import GRID_HZ, Bool, Float, Int, Placement

BLOCK_S = 300
"""s; a joined block ends at a multiple of this at the latest: bounds memory over a long gap, and gives what follows absolute
moments at which something may change."""


@dataclass(frozen=True, slots=True)
class JoinedBlock:
    """Consecutive ticks. channels : placement -> (n, 9), NaN where that sensor has no sample. trusted : placement -> (n,)."""

    first_tick: int
    channels: Mapping[Placement, Float]
    trusted: Mapping[Placement, Bool]

    def __len__(self) -> int:
        return len(next(iter(self.trusted.values())))

    def pieces(self, longest_s: int) -> Iterator[JoinedBlock]:
        """The same ticks, cut at multiples of `longest_s`."""
        first, end = self.first_tick, self.first_tick + len(self)
        while first < end:
            stop = min(end, _next_multiple(first, longest_s))
            rows = slice(first - self.first_tick, stop - self.first_tick)
            channels = {p: c[rows] for p, c in self.channels.items()}
            yield JoinedBlock(first, channels, {p: t[rows] for p, t in self.trusted.items()})
            first = stop


@dataclass(slots=True)
class Waiting:
    """Ticks of one sensor that are not closed yet."""

    tick: Int = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    channels: Float = field(default_factory=lambda: np.empty((0, CHANNELS)))
    trusted: Bool = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    arrived_s: Float = field(default_factory=lambda: np.empty(0))


@dataclass(slots=True)
class JoinState:
    """What waits per sensor, and the next tick to close (None before the first sample)."""

    waiting: dict[Placement, Waiting]
    next_tick: int | None = None


class Join:
    """Ticks per sensor -> joined blocks in tick order, without holes: a missing tick is NaN.

    The first tick is the start of the second in which the first sample lies.
    """

    def __init__(self, placements: tuple[Placement, ...], params: JoinConfig, state: JoinState | None = None) -> None:
        self.params = params
        self.state = state or JoinState({p: Waiting() for p in placements})

    def push(self, runs: Mapping[Placement, list[TickRun]], arrived_until_s: float) -> Iterator[JoinedBlock]:
        """Blocks within one `BLOCK_S` that are closed by what arrived up to `arrived_until_s`."""
        self._take(runs)
        yield from self._closed(arrived_until_s)
        for held in self.state.waiting.values():  # let go of what was closed
            held.tick, held.channels = held.tick.copy(), held.channels.copy()
            held.trusted, held.arrived_s = held.trusted.copy(), held.arrived_s.copy()

    def flush(self, end_tick: int | None = None) -> Iterator[JoinedBlock]:
        """End of session: everything that waits is closed; up to `end_tick` (exclusive), where it is known, nothing came."""
        yield from self._closed(np.inf)
        state = self.state
        while end_tick is not None and state.next_tick is not None and state.next_tick < end_tick:
            ticks = np.arange(state.next_tick, min(end_tick, _next_multiple(state.next_tick, BLOCK_S)))
            state.next_tick = int(ticks[-1]) + 1
            yield self._block(ticks, [np.zeros(len(ticks), dtype=np.bool_)] * len(state.waiting))

    def _take(self, runs: Mapping[Placement, list[TickRun]]) -> None:
        for placement, parts in runs.items():
            if not parts:
                continue
            held = self.state.waiting[placement]
            if not len(held.tick) and len(parts) == 1:  # the common case, without a copy
                (part,) = parts
                held.tick = np.arange(part.first_tick, part.first_tick + len(part.trusted))
                held.channels, held.trusted, held.arrived_s = part.channels, part.trusted, part.arrived_s
                continue
            held.tick = np.concatenate(
                [held.tick, *(np.arange(p.first_tick, p.first_tick + len(p.trusted)) for p in parts)]
            )
            held.channels = np.concatenate([held.channels, *(p.channels for p in parts)])
            held.trusted = np.concatenate([held.trusted, *(p.trusted for p in parts)])
            held.arrived_s = np.concatenate([held.arrived_s, *(p.arrived_s for p in parts)])

    def _closed(self, until_s: float) -> Iterator[JoinedBlock]:
        state = self.state
        sensors = list(state.waiting.values())
        if not any(len(s.tick) for s in sensors):
            return
        if state.next_tick is None:
            # The sample that arrived first starts the session, however the arrivals were cut into batches.
            _, first = min((float(s.arrived_s[0]), int(s.tick[0])) for s in sensors if len(s.tick))
            state.next_tick = first // GRID_HZ * GRID_HZ
        newest = max(int(s.tick[-1]) for s in sensors if len(s.tick))
        while state.next_tick <= newest:
            ticks = np.arange(state.next_tick, min(newest + 1, _next_multiple(state.next_tick, BLOCK_S)))
            passed = [_passed(s, ticks) for s in sensors]
            first_s, last_s = np.minimum.reduce(passed), np.maximum.reduce(passed)
            closes = np.minimum(last_s, first_s + self.params.late_max_s)
            closed_n = int(np.count_nonzero(closes <= until_s))
            if not closed_n:
                return
            ticks = ticks[:closed_n]
            late = [p[:closed_n] > first_s[:closed_n] + self.params.late_max_s for p in passed]
            yield self._block(ticks, late)
            state.next_tick = int(ticks[-1]) + 1
            if closed_n < len(closes):
                return

    def _block(self, ticks: Int, late: list[Bool]) -> JoinedBlock:
        channels, trusted = {}, {}
        stop = int(ticks[-1]) + 1
        for (placement, held), too_late in zip(self.state.waiting.items(), late, strict=True):
            b = int(np.searchsorted(held.tick, stop))
            a = int(np.searchsorted(held.tick, ticks[0]))
            full = b - a == len(ticks) and not too_late.any()
            if full:
                channels[placement], trusted[placement] = held.channels[a:b], held.trusted[a:b]
            else:
                at = held.tick[a:b] - ticks[0]
                wide = np.full((len(ticks), CHANNELS), np.nan)
                sure = np.zeros(len(ticks), dtype=np.bool_)
                wide[at], sure[at] = held.channels[a:b], held.trusted[a:b]
                wide[too_late], sure[too_late] = np.nan, False
                channels[placement], trusted[placement] = wide, sure
            held.tick, held.channels = held.tick[b:], held.channels[b:]
            held.trusted, held.arrived_s = held.trusted[b:], held.arrived_s[b:]
        return JoinedBlock(int(ticks[0]), channels, trusted)


def _next_multiple(tick: int, seconds: int) -> int:
    """The first tick after `tick` that is at a multiple of so many seconds."""
    return (tick // (seconds * GRID_HZ) + 1) * seconds * GRID_HZ


def _passed(held: Waiting, ticks: Int) -> Float:
    """When each tick was passed by this sensor: arrival of its first waiting sample at or after it; inf if not yet."""
    if len(held.tick) >= len(ticks) and held.tick[0] == ticks[0] and held.tick[len(ticks) - 1] == ticks[-1]:
        return held.arrived_s[: len(ticks)]  # the common case: nothing is missing
    at = np.searchsorted(held.tick, ticks)
    return np.append(held.arrived_s, np.inf)[at]
