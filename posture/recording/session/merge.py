"""The completed record of one sensor: live and backfilled samples merged by (boot, index), each at its time as known at the end.

An *era* is a stretch of one boot in which the counter goes on with the arrivals; it has one rate, by the sensor's dates of all its
live samples, and one clock, fitted to all its arrivals. A sample of the full rate replaces an averaged row that covers it, never
the reverse. Where averages are all there is, they are a segment of their own rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.frames import SAMPLES_MAX, TICK_HZ
from firmware_protocol.status import Config
from posture.config import ClockConfig
from posture.recording.session.frames import (
    EXCHANGE_NEAR_S,
    NO_TICKS,
    full_rate_hz,
    in_units,
    measured_rate_hz,
    ticks_since,
)
from posture.recording.session.gather import Gathered, gather
from posture.recording.session.packets import NS, PacketBlock
from posture.signal.clock import ClockEstimator, Exchange, Packets
from posture.types import GRID_HZ, Bool, ClockFit, Float, ImuBlock, Int, Placement, Segment

_ERA_MIN_S = 1.0
"""s of samples that make an era; a shorter one is a stray frame whose check sum happened to fit; ours, as in the live decoder."""
_THIN_MIN_S = 2.0
"""s; a shorter stretch of averages between full-rate samples costs more trust (a second at each end) than it brings; ours."""
_FRAME_MAX_N = SAMPLES_MAX * 16
"""Full-rate samples of the longest frame that a configuration can declare."""
_WINDOW_N = 240 * _FRAME_MAX_N
"""Samples that are put in order at once, about 20 min: bounds what sorting takes."""
_LATE_JOIN_S = 1.0
"""s; late samples that are no further apart are one stretch."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Rows of one segment of the final result.

    row : (n,) rising counter of the segment's rate. samples : (n, 6) counts. session_s : (n,) not falling. late : (n,) not live.
    origin_s : device time of row 0 of the counter. fits : in force in it.
    """

    segment: Segment
    config: Config
    row: Int
    samples: NDArray[np.int16]
    session_s: Float
    late: Bool
    origin_s: float
    fits: tuple[ClockFit, ...]

    def block(self, placement: Placement, a: int, b: int) -> ImuBlock:
        """Rows a to b as the pipeline takes them; they arrive when they were sampled."""
        acc, gyr = in_units(self.samples[a:b], self.config)
        row, at_s = self.row[a:b], self.session_s[a:b]
        device_s = self.origin_s + row / self.segment.rate_hz
        return ImuBlock(placement, device_s, acc, gyr, at_s, self.segment, row)


@dataclass(frozen=True, slots=True)
class Merged:
    """One sensor's completed record.

    late : (from_s, to_s) of what came by backfill only. undated_n : full-rate samples of boots that were never live, whose time
    nobody knows. thin_s : seconds that are averages.
    """

    placement: Placement
    stretches: tuple[Stretch, ...]
    late: tuple[tuple[float, float], ...]
    undated_n: int
    thin_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Era:
    """live : (m,) places of its live frames, in order of arrival. rate_hz : full rate by the sensor's clock."""

    boot: int
    live: Int
    declared_hz: float
    rate_hz: float
    origin_s: float

    def device_s(self, index: Int | float) -> Float:
        return np.asarray(self.origin_s + np.asarray(index) / self.rate_hz)


def merge(blocks: Iterable[PacketBlock], placement: Placement, params: ClockConfig, *, end_s: float) -> Merged:
    """All packets of one sensor, in order of arrival -> its completed record up to `end_s` of the session."""
    found = gather(blocks)
    eras = _eras(found, params)
    stretches: list[Stretch] = []
    before_s = -0.5 / GRID_HZ
    floor: dict[int, int] = {}
    for number, era in enumerate(eras):
        fits = final_fits(_fits(found, era, number, placement, params), params)
        low, high = _reach(found, era)
        low = max(low, floor.get(era.boot, 0))
        floor[era.boot] = high
        for made in _stretches(found, era, low, high):
            placed = _placed(made, fits, len(stretches), after_s=before_s, end_s=end_s)
            if placed is not None:
                stretches.append(placed)
                before_s = float(placed.session_s[-1]) + 0.5 / placed.segment.rate_hz
    boots = {era.boot for era in eras}
    strange = found.late & ~np.isin(found.frames.boot, list(boots))
    decimation = np.array([c.decimation for c in found.configs] or [1])
    undated_n = int((found.frames.n * decimation[found.frames.config])[strange].sum()) if strange.any() else 0
    thin_s = sum(len(s.row) / s.segment.rate_hz for s in stretches if s.config.decimation > 1)
    return Merged(placement, tuple(stretches), _late(stretches), undated_n, thin_s)


def final_fits(fits: Sequence[ClockFit], params: ClockConfig) -> tuple[ClockFit, ...]:
    """The fits of one era, as they are best used when all are known: each from the middle of the arrivals that it rests on.

    Until a slope was known, live had to make do; afterwards the first fit that has one holds from the start. Where none ever
    had, the last one holds throughout.
    """
    sloped = [f for f in fits if f.drift_ppm != 0.0]
    if not sloped:
        return tuple(replace(f, from_tick=0) for f in fits[-1:])
    starts = [math.ceil((f.session_s(f.at_s) - 0.5 * params.reach_s) * GRID_HZ) for f in sloped]
    kept: list[ClockFit] = []
    for fit, start in zip(sloped, starts, strict=True):
        if not kept or start > kept[-1].from_tick:
            kept.append(replace(fit, from_tick=max(start, 0)))
        else:
            kept[-1] = replace(fit, from_tick=kept[-1].from_tick)
    return (replace(kept[0], from_tick=0), *kept[1:])


def session_times(fits: Sequence[ClockFit], device_s: Float) -> Float:
    """(n,) session times of rising device times, each by the fit that is in force there; not falling."""
    starts = [float(f.device_s(np.array(f.from_tick / GRID_HZ))) for f in fits[1:]]
    edges = [0, *np.searchsorted(device_s, starts).tolist(), len(device_s)]
    out = device_s.copy()
    for fit, a, b in zip(fits, edges, edges[1:], strict=False):
        out[a:b] += fit.offset_s + fit.drift_ppm * 1e-6 * (device_s[a:b] - fit.at_s)
    return np.maximum.accumulate(out) if len(out) else out


def _eras(found: Gathered, params: ClockConfig) -> list[_Era]:
    """Stretches of live frames that go on with their arrivals; strays between two parts of one are left out."""
    frames, live = found.frames, np.flatnonzero(~found.late)
    if not len(live):
        return []
    rates = np.array([full_rate_hz(c) for c in found.configs])[frames.config]

    def goes_on(a: Int, b: Int) -> Bool:
        """Whether frames b continue frames a, pair by pair."""
        passed_s = (frames.host_time_ns[b] - frames.host_time_ns[a]) / NS
        jump_s = np.abs(passed_s - (frames.index[b] - frames.index[a]) / rates[b])
        same = (frames.boot[a] == frames.boot[b]) & (rates[a] == rates[b])
        return np.asarray(same & (jump_s <= params.jump_max_s + params.rate_off_max * passed_s))

    cuts = np.flatnonzero(~goes_on(live[:-1], live[1:])) + 1
    runs = [live[a:b] for a, b in pairwise([0, *cuts.tolist(), len(live)])]
    long = [r for r in runs if np.ptp(frames.index[r]) >= _ERA_MIN_S * rates[r[0]]]
    joined: list[Int] = []
    for run in long:
        if joined and goes_on(joined[-1][-1:], run[:1])[0]:
            joined[-1] = np.concatenate([joined[-1], run])
        else:
            joined.append(run)
    return [_era(found, run, float(rates[run[0]]), params) for run in joined]


def _era(found: Gathered, live: Int, declared_hz: float, params: ClockConfig) -> _Era:
    frames = found.frames
    rate_hz, origin_s = measured_rate_hz(frames.index[live], frames.ticks[live]), 0.0
    if not abs(rate_hz / declared_hz - 1.0) <= params.rate_off_max:
        rate_hz = declared_hz
    dated = live[frames.ticks[live] != NO_TICKS]
    if len(dated):
        origin_s = int(frames.ticks[dated[0]]) / TICK_HZ - int(frames.index[dated[0]]) / rate_hz
    return _Era(int(frames.boot[live[0]]), live, declared_hz, rate_hz, origin_s)


def _reach(found: Gathered, era: _Era) -> tuple[int, int]:
    """Full-rate indices that can be of this era: what the ring held at its first frame, to the end of its last."""
    frames = found.frames
    decimation = np.array([c.decimation for c in found.configs])[frames.config[era.live]]
    ends = frames.index[era.live] + frames.n[era.live] * decimation
    return int(frames.index[era.live].min()) - found.ring_n, int(ends.max())


def _fits(found: Gathered, era: _Era, number: int, placement: Placement, params: ClockConfig) -> Sequence[ClockFit]:
    """The clock of an era, as the estimator found it on the way, on the axis of the whole era."""
    frames, live = found.frames, era.live
    decimation = np.array([c.decimation for c in found.configs])[frames.config[live]]
    last = frames.index[live] + frames.n[live] * decimation - 1
    newest = np.maximum.accumulate(np.concatenate([[-1], last]))[:-1]
    new = live[last > newest]
    arrived_s = np.maximum.accumulate(frames.host_time_ns[new]) / NS
    exchanges = []
    for returned_ns, said in found.exchanges:
        k = int(np.searchsorted(frames.host_time_ns[live], returned_ns, side="right")) - 1
        if k < 0 or frames.ticks[live[k]] == NO_TICKS or said.t1 > returned_ns:
            continue
        got, answered = (
            int(ticks_since(t % (1 << 32), int(frames.ticks[live[k]]))) / TICK_HZ for t in (said.t2, said.t3)
        )
        if max(abs(got), abs(answered)) <= EXCHANGE_NEAR_S:
            at_s = float(era.device_s(int(frames.index[live[k]])))
            exchanges.append(Exchange(said.t1 / NS, at_s + got, at_s + answered, returned_ns / NS))
    estimator = ClockEstimator(placement, params)
    return estimator.push(Packets(number, era.device_s(last[last > newest]), arrived_s, tuple(exchanges)))


def _stretches(found: Gathered, era: _Era, low: int, high: int) -> Iterator[Stretch]:
    """The rows of an era with indices in [low, high), best copy of each, cut where full rate and averages alternate."""
    frames = found.frames
    decimation = np.array([c.decimation for c in found.configs])
    rates = np.array([full_rate_hz(c) for c in found.configs])
    mine = found.late.copy()
    mine[era.live] = True
    mine &= (frames.boot == era.boot) & (rates[frames.config] == era.declared_hz)
    mine &= (frames.index >= low) & (frames.index < high)
    own = np.flatnonzero(mine)
    own = own[np.argsort(frames.index[own], kind="stable")]
    if not len(own):
        return
    parts = list(best_rows(found, own, decimation))
    index, at, place = (np.concatenate(column) for column in zip(*parts, strict=True))
    del parts
    if (decimation[place] > 1).any():
        keep = _long_enough(place, decimation, era.rate_hz)
        index, at, place = index[keep], at[keep], place[keep]
    owner_late = np.repeat(found.late, frames.n)
    for a, b in _runs(place):
        config = found.configs[int(place[a])]
        d = config.decimation
        yield Stretch(
            Segment(0, era.rate_hz / d),
            config,
            index[a:b] // d,
            frames.samples[at[a:b]],
            np.empty(0),
            owner_late[at[a:b]],
            # A row of averages is that of the middle of its samples.
            era.origin_s + 0.5 * (d - 1) / era.rate_hz,
            (),
        )


def best_rows(found: Gathered, own: Int, decimation: Int) -> Iterator[tuple[Int, Int, NDArray[np.uint8]]]:
    """Of frames in order of index, window by window: index of the first sample of each row, rising, best copy of each; where its
    counts are, and its configuration. Windows begin where averages do, so that none is cut.
    """
    frames = found.frames
    first = frames.index[own]
    for start in range(int(first[0]) // _WINDOW_N * _WINDOW_N, int(first[-1]) + _FRAME_MAX_N, _WINDOW_N):
        a, b = (int(k) for k in np.searchsorted(first, (start - _FRAME_MAX_N, start + _WINDOW_N)))
        near = np.sort(own[a:b])  # in order of arrival: of equal copies the first counts
        index, at, place = [], [], []
        full = np.empty(0, np.int64)
        for k in sorted(np.unique(frames.config[near]).tolist(), key=lambda k: int(decimation[k])):
            d = int(decimation[k])
            row, where = _rows(found, near[frames.config[near] == k], d)
            inside = (row >= start) & (row < start + _WINDOW_N)
            inside &= np.searchsorted(full, row) == np.searchsorted(full, row + d)  # not where there is better
            index.append(row[inside])
            at.append(where[inside])
            place.append(np.full(len(index[-1]), k, np.uint8))
            if d == 1:
                full = np.sort(np.concatenate([full, index[-1]]))
        if index:
            order = np.argsort(np.concatenate(index), kind="stable")
            yield np.concatenate(index)[order], np.concatenate(at)[order], np.concatenate(place)[order]


def _rows(found: Gathered, own: Int, d: int) -> tuple[Int, Int]:
    """Full-rate index of the first sample of each row of some frames, rising, each once, and where its counts are."""
    frames = found.frames
    n = frames.n[own]
    within = np.arange(int(n.sum())) - np.repeat(np.cumsum(n) - n, n)
    index = np.repeat(frames.index[own], n) + d * within
    at = np.repeat(frames.start[:-1][own], n) + within
    if (np.diff(index) > 0).all():
        return index, at
    index, first = np.unique(index, return_index=True)  # the first that came
    return index, at[first]


def _runs(place: NDArray[np.uint8]) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(place)) + 1).tolist(), len(place)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def _long_enough(place: NDArray[np.uint8], decimation: Int, rate_hz: float) -> Bool:
    """(n,) False in stretches of averages that are too short to be of use beside full-rate samples."""
    keep = np.ones(len(place), np.bool_)
    runs = _runs(place)
    for a, b in runs:
        d = int(decimation[place[a]])
        if d > 1 and len(runs) > 1 and (b - a) * d < _THIN_MIN_S * rate_hz:
            keep[a:b] = False
    return keep


def _placed(made: Stretch, fits: tuple[ClockFit, ...], number: int, *, after_s: float, end_s: float) -> Stretch | None:
    """The stretch at its session times, without what lies before `after_s` or behind `end_s`; None where nothing is left."""
    session_s = session_times(fits, made.origin_s + made.row / made.segment.rate_hz)
    a, b = (int(k) for k in np.searchsorted(session_s, (after_s, end_s), side="right"))
    if a >= b:
        return None
    starts = [f.from_tick for f in fits] + [math.inf]
    span = session_s[a] * GRID_HZ, session_s[b - 1] * GRID_HZ + GRID_HZ
    own = [f for k, f in enumerate(fits) if starts[k] <= span[1] and starts[k + 1] > span[0]]
    own = [replace(f, segment=number, from_tick=f.from_tick if k else 0) for k, f in enumerate(own)]
    return replace(
        made,
        segment=replace(made.segment, number=number),
        row=made.row[a:b],
        samples=made.samples[a:b],
        session_s=session_s[a:b],
        late=made.late[a:b],
        fits=tuple(own),
    )


def _late(stretches: Sequence[Stretch]) -> tuple[tuple[float, float], ...]:
    """Session times of what came by backfill only."""
    found: list[tuple[float, float]] = []
    for stretch in stretches:
        late = np.flatnonzero(stretch.late)
        if not len(late):
            continue
        at_s = stretch.session_s[late]
        heads = np.flatnonzero(np.diff(at_s, prepend=-np.inf) > _LATE_JOIN_S)
        for a, b in pairwise([*heads.tolist(), len(at_s)]):
            span = float(at_s[a]), float(at_s[b - 1]) + 1.0 / stretch.segment.rate_hz
            if found and span[0] - found[-1][1] <= _LATE_JOIN_S:
                span = found.pop()[0], span[1]
            found.append(span)
    return tuple(found)
