"""Packets in order of arrival -> what the pipeline is fed with: the live stream, and a replay of it, bit for bit the same.

A sensor's stream is cut into segments: a new one begins where the boot or the configuration changes, or the counter jumps
against the arrivals. The samples of a new segment wait until the sensor's own dates of them have told their rate
(`ClockConfig.rate_span_s`): a declared rate may be off by per cents, and 2 % cost 2.8 deg. A stretch too short for that,
between frames of the segment before it, is a stray frame whose check sum happened to fit, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from firmware_protocol.control import Reply, TimeSyncReply, decode_reply
from firmware_protocol.frames import TICK_HZ
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import Config, Info, StatusReport, decode_info
from posture.config import ClockConfig
from posture.recording.session import packets as kinds
from posture.recording.session.frames import (
    EXCHANGE_NEAR_S,
    NO_TICKS,
    Frames,
    Rejected,
    full_frames,
    full_rate_hz,
    in_units,
    measured_rate_hz,
    mini_frames,
    ticks_since,
)
from posture.recording.session.packets import FRAMES, MINIS, NS, PacketBlock, stretches
from posture.signal.clock import ClockEstimator, ClockState, Exchange, Packets
from posture.types import ClockFit, Float, ImuBatch, ImuBlock, Int, Placement, RawPacket, Segment

_RELEASE_MIN = 0.2
"""Share of `rate_span_s` that the last stretch of a segment needs to be used, if the segment ends before that; ours."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A frame: its configuration, when it came, and the index and ticks of its first sample."""

    boot: int
    config: int
    host_time_ns: int
    index: int
    ticks: int


@dataclass(slots=True)
class Line:
    """An open segment: the device time of its first row, the rows since, and the newest frame.

    decimation : samples per row. first_row, newest_row : row numbers (index / decimation). origin_s : device time of the first.
    released_ns : no row of it has arrived before this moment, as it waited for its rate.
    """

    segment: Segment
    config: Config
    origin_s: float
    first_row: int
    newest_row: int
    released_ns: int
    last: Mark

    @property
    def half_s(self) -> float:
        """From the device time of a row to that of the last sample in it: 0 unless rows are averages."""
        return 0.5 * (self.config.decimation - 1) / (self.segment.rate_hz * self.config.decimation)

    def device_s(self, row: Int | float) -> Float:
        """Device time of rows; a row of averages is that of the middle of its samples."""
        return np.asarray(self.origin_s + (np.asarray(row) - self.first_row) / self.segment.rate_hz)


@dataclass(slots=True)
class Counts:
    """What became of the packets of one sensor.

    frames : live frames used. duplicates : that came twice. stray : of a stretch too short to be a segment. unplaced : exchanges of
    times without a frame near. rejected : payloads that were none, by reason; CONFIG also where Info was not known yet.
    """

    frames: int = 0
    duplicates: int = 0
    stray: int = 0
    unplaced: int = 0
    rejected: Rejected = field(default_factory=Rejected)


@dataclass(slots=True)
class SensorState:
    """All memory of one sensor's decoding.

    info_raw, configs : the last Info. boot : from Status, for mini frames. segments_n : opened so far. line : the open
    segment. waiting : frames of a segment to come whose rate is not known yet. clock : of the estimator. newest_ns : of all
    packets. near : when Status came, and the index that it named.
    """

    info_raw: bytes = b""
    configs: dict[int, Config] = field(default_factory=dict)
    boot: int | None = None
    near: tuple[int, int] | None = None
    segments_n: int = 0
    line: Line | None = None
    waiting: list[Frames] = field(default_factory=list)
    clock: ClockState = field(default_factory=ClockState)
    newest_ns: int = 0
    counts: Counts = field(default_factory=Counts)


class SessionDecoder:
    """Raw packets of a session's sensors -> `ImuBatch`: segments with counters, and clock fits.

    `push` takes packets in order of arrival; any split gives the same samples, arrival times and fits. Backfill is not used here:
    it is late by nature, and comes into the final result (`posture.recording.session.final`).
    """

    def __init__(
        self,
        placements: Sequence[Placement],
        params: ClockConfig,
        state: Mapping[Placement, SensorState] | None = None,
    ) -> None:
        self.params = params
        self.state: dict[Placement, SensorState] = (
            dict(state) if state is not None else {p: SensorState() for p in placements}
        )

    def push(self, packets: Iterable[RawPacket], until_ns: int) -> ImuBatch:
        """What these packets decide. until_ns : every packet to come is later than this; at least the time of the last one."""
        mine: dict[Placement, list[RawPacket]] = {}
        for packet in packets:
            mine.setdefault(packet.placement, []).append(packet)
        return self.push_blocks({p: PacketBlock.of(found) for p, found in mine.items()}, until_ns)

    def push_blocks(self, found: Mapping[Placement, PacketBlock], until_ns: int) -> ImuBatch:
        """The same for packets that are columns already; those of other placements are left out."""
        blocks: list[ImuBlock] = []
        fits: list[ClockFit] = []
        for placement, state in self.state.items():
            if placement in found and len(found[placement]):
                decoder = _Sensor(placement, self.params, state)
                decoder.push(found[placement])
                blocks += decoder.blocks
                fits += decoder.fits
        return ImuBatch(tuple(blocks), until_ns / NS, tuple(fits))

    def flush(self, until_ns: int) -> ImuBatch:
        """End of session: the stretch that still waits for its rate, where it is long enough. until_ns : as in `push`."""
        blocks: list[ImuBlock] = []
        fits: list[ClockFit] = []
        for placement, state in self.state.items():
            decoder = _Sensor(placement, self.params, state)
            decoder.end_waiting(until_ns)
            blocks += decoder.blocks
            fits += decoder.fits
        return ImuBatch(tuple(blocks), until_ns / NS, tuple(fits))

    def counts(self) -> dict[Placement, Counts]:
        """Per sensor, so far."""
        return {p: s.counts for p, s in self.state.items()}


class _Sensor:
    """One push of one sensor: works on its state, collects what comes out."""

    def __init__(self, placement: Placement, params: ClockConfig, state: SensorState) -> None:
        self.placement, self.params, self.state = placement, params, state
        self.blocks: list[ImuBlock] = []
        self.fits: list[ClockFit] = []

    def push(self, block: PacketBlock) -> None:
        times = np.maximum.accumulate(np.maximum(block.host_time_ns, self.state.newest_ns))
        self.state.newest_ns = int(times[-1])
        block = PacketBlock(times, block.kind, block.data, block.offsets)
        for kind, _, part in stretches(block, backfill=False):
            if kind == FRAMES:
                self._frames(full_frames(part, self.state.configs, self.state.counts.rejected))
            elif kind == MINIS:
                state = self.state
                found = mini_frames(part, state.configs, state.counts.rejected, boot=state.boot, near=self._near())
                self._frames(found)
            else:
                for k in range(len(part)):
                    self._told(kind, int(part.host_time_ns[k]), part.payload(k))

    def _near(self) -> tuple[int, int] | None:
        """A time and the index about then: of the newest frame of the boot that Status names, or what Status said."""
        line = self.state.line
        if line is not None and line.last.boot == self.state.boot:
            return line.last.host_time_ns, line.last.index
        return self.state.near

    def _told(self, kind: int, host_time_ns: int, payload: bytes) -> None:
        """Info, Status or the reply to TIME_SYNC."""
        state = self.state
        said: Info | StatusReport | Reply | object
        if kind == kinds.INFO:
            said = decode_info(payload)
            if isinstance(said, Info) and payload != state.info_raw:
                self._learn(said, payload, host_time_ns)
        elif kind == kinds.STATUS:
            said = StatusReport.unpack(payload)
            if isinstance(said, StatusReport):
                state.boot, state.near = said.boot, (host_time_ns, said.end_index)
        else:
            said = decode_reply(payload)
            if isinstance(said, Reply) and isinstance(said.args, TimeSyncReply):
                self._exchange(said.args, host_time_ns)
        if isinstance(said, Rejection):
            state.counts.rejected.count(np.array([said], np.uint8))

    def _learn(self, info: Info, payload: bytes, now_ns: int) -> None:
        """Another Info. A configuration keeps its meaning for good; where one does not, its segment is over."""
        self.end_waiting(now_ns)
        state = self.state
        state.info_raw, state.configs = payload, {c.id: c for c in info.configs}
        if state.line is not None and state.configs.get(state.line.config.id) != state.line.config:
            state.line = None

    def _exchange(self, said: TimeSyncReply, returned_ns: int) -> None:
        """An exchange of times, put on the axis of the open segment by the newest frame before it."""
        line = self.state.line
        if line is None or self.state.waiting or line.last.ticks == NO_TICKS or said.t1 > returned_ns:
            self.state.counts.unplaced += 1
            return
        got, answered = (int(ticks_since(t % (1 << 32), line.last.ticks)) / TICK_HZ for t in (said.t2, said.t3))
        if max(abs(got), abs(answered)) > EXCHANGE_NEAR_S:
            self.state.counts.unplaced += 1
            return
        at_s = float(line.device_s(line.last.index / line.config.decimation)) - line.half_s
        exchange = Exchange(said.t1 / NS, at_s + got, at_s + answered, returned_ns / NS)
        self._clock(Packets(line.segment.number, np.empty(0), np.empty(0), (exchange,)))

    def _frames(self, frames: Frames) -> None:
        """Frames in order of arrival, stretch by stretch of those that belong together."""
        if not len(frames):
            return
        rate_hz = self._rates(frames)
        passed_s = np.diff(frames.host_time_ns / NS)
        jump_s = np.abs(passed_s - np.diff(frames.index) / rate_hz[1:])
        broken = (np.diff(frames.boot) != 0) | (np.diff(frames.config) != 0)
        broken |= jump_s > self.params.jump_max_s + self.params.rate_off_max * passed_s
        for a, b in pairwise([0, *(np.flatnonzero(broken) + 1).tolist(), len(frames)]):
            self._stretch(frames.rows(a, b))

    def _rates(self, frames: Frames) -> Float:
        """(m,) declared full rate of each frame's configuration, Hz."""
        table = np.ones(256)
        for number, config in self.state.configs.items():
            table[number] = full_rate_hz(config)
        return np.asarray(table[frames.config])

    def _stretch(self, frames: Frames) -> None:
        """Frames that go on as one: they continue what waits, or the open segment, or begin to wait for one of their own."""
        state = self.state
        first = _mark(frames, 0)
        if state.waiting and self._continues(_mark(state.waiting[-1], -1), first):
            state.waiting.append(frames)
        elif state.line is not None and self._continues(state.line.last, first):
            state.counts.stray += sum(map(len, state.waiting))
            state.waiting = []
            self._go_on(frames)
            return
        else:
            self.end_waiting(first.host_time_ns)
            state.waiting = [frames]
        self._open()

    def _continues(self, before: Mark, now: Mark) -> bool:
        if (before.boot, before.config) != (now.boot, now.config):
            return False
        rate_hz = full_rate_hz(self.state.configs[now.config])
        passed_s = now.host_time_ns / NS - before.host_time_ns / NS
        jump_s = abs(passed_s - (now.index - before.index) / rate_hz)
        return jump_s <= self.params.jump_max_s + self.params.rate_off_max * passed_s

    def end_waiting(self, now_ns: int) -> None:
        """What waits will get no more frames: it is used if there is enough of it to tell its rate, else left out.

        now_ns : when that is known; the samples arrive then, since others may have been handed on meanwhile.
        """
        state = self.state
        if not state.waiting:
            return
        frames = Frames.joined(state.waiting)
        state.waiting = []
        if frames.ticks[0] == NO_TICKS:
            return
        dated = frames.ticks[frames.ticks != NO_TICKS]
        span_s = float(ticks_since(dated, int(dated[0])).max()) / TICK_HZ
        if span_s < _RELEASE_MIN * self.params.rate_span_s:
            state.counts.stray += len(frames)
            return
        self._begin(frames, len(frames) - 1, now_ns)

    def _open(self) -> None:
        """Begin the waiting segment once its rate can be told."""
        frames = Frames.joined(self.state.waiting)
        if frames.ticks[0] == NO_TICKS:  # no dates to wait for: by its declared rate
            self._begin(frames, 0, int(frames.host_time_ns[0]))
            return
        declared_hz = full_rate_hz(self.state.configs[int(frames.config[0])])
        known = ticks_since(frames.ticks, int(frames.ticks[0])) >= self.params.rate_span_s * TICK_HZ
        known &= frames.ticks != NO_TICKS
        # Ticks that stand still tell no rate: the samples do not wait for them for ever.
        known |= frames.index - frames.index[0] >= 2.0 * self.params.rate_span_s * declared_hz
        if known.any():
            told = int(np.argmax(known))
            self._begin(frames, told, int(frames.host_time_ns[told]))
        else:
            self.state.waiting = [frames]

    def _begin(self, frames: Frames, known: int, released_ns: int) -> None:
        """A new segment, of which frame number `known` told the rate; no sample of it arrives before `released_ns`."""
        state = self.state
        config = state.configs[int(frames.config[0])]
        declared_hz = full_rate_hz(config)
        rate_hz = measured_rate_hz(frames.index[: known + 1], frames.ticks[: known + 1])
        if not abs(rate_hz / declared_hz - 1.0) <= self.params.rate_off_max:
            rate_hz = declared_hz
        first = _mark(frames, 0)
        ticks = first.ticks if first.ticks != NO_TICKS else 0
        middle_s = 0.5 * (config.decimation - 1) / rate_hz
        row = first.index // config.decimation
        state.line = Line(
            segment=Segment(state.segments_n, rate_hz / config.decimation),
            config=config,
            origin_s=ticks / TICK_HZ + middle_s,
            first_row=row,
            newest_row=row - 1,
            released_ns=released_ns,
            last=first,
        )
        state.segments_n += 1
        state.waiting = []
        self._go_on(frames)

    def _go_on(self, frames: Frames) -> None:
        """Frames of the open segment: rows that are new go on, with their packets' arrivals for the clock."""
        line = self.state.line
        if line is None:
            return
        line.last = _mark(frames, -1)
        n = frames.n
        first_row = frames.index // line.config.decimation
        row = np.repeat(first_row - frames.start[:-1], n) + np.arange(int(frames.start[-1]))
        newest = np.maximum.accumulate(np.concatenate([[line.newest_row], row]))
        new = row > newest[:-1]
        line.newest_row = int(newest[-1])
        fresh = np.logical_or.reduceat(new, frames.start[:-1])
        self.state.counts.frames += int(np.count_nonzero(fresh))
        self.state.counts.duplicates += int(np.count_nonzero(~fresh))
        if not fresh.any():
            return
        acc, gyr = in_units(frames.samples[new] if not new.all() else frames.samples, line.config)
        row = row[new]
        arrived = np.repeat(np.maximum(frames.host_time_ns, line.released_ns) / NS, n)[new]
        self.blocks.append(ImuBlock(self.placement, line.device_s(row), acc, gyr, arrived, line.segment, row))
        last_s = line.device_s((first_row + n - 1)[fresh]) + line.half_s
        self._clock(Packets(line.segment.number, last_s, frames.host_time_ns[fresh] / NS))

    def _clock(self, found: Packets) -> None:
        estimator = ClockEstimator(self.placement, self.params, self.state.clock)
        self.fits += estimator.push(found)
        self.state.clock = estimator.state


def _mark(frames: Frames, k: int) -> Mark:
    names = ("boot", "config", "host_time_ns", "index", "ticks")
    return Mark(*(int(getattr(frames, name)[k]) for name in names))
