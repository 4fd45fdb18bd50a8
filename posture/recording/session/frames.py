"""Notifications of a sensor -> frames as columns: LPS frames and mini frames alike, decoded in batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.frames import CHANNELS, MINI_B, TICK_HZ, VERSION, FrameType, decode_buffer
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import Config
from posture.recording.session.packets import PacketBlock
from posture.types import G_MPS2, Float, Int

NO_TICKS = -1
"""In place of the ticks of a mini frame."""
EXCHANGE_NEAR_S = 60.0
"""s; an exchange of times further than this from the newest frame is not of the same boot."""
_MINI_HEAD = VERSION << 4 | FrameType.MINI
_MINI_SPAN = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Frames in the order in which they came.

    host_time_ns : (m,) arrival. boot : (m,). index : (m,) full-rate index of the first sample. ticks : (m,) u32 of the sensor's
    clock at that sample, or NO_TICKS. config : (m,) its id. start : (m + 1,) frame k has the rows [start[k], start[k + 1]) of
    samples, (rows, 6) int16 counts.
    """

    host_time_ns: Int
    boot: Int
    index: Int
    ticks: Int
    config: Int
    start: Int
    samples: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def n(self) -> Int:
        """(m,) rows of each frame."""
        return np.diff(self.start)

    def rows(self, a: int, b: int) -> Frames:
        """Frames a to b."""
        start = self.start[a : b + 1]
        columns = {f.name: getattr(self, f.name)[a:b] for f in fields(self)[:5]}
        return Frames(**columns, start=start - start[0], samples=self.samples[start[0] : start[-1]])

    @staticmethod
    def none() -> Frames:
        """No frames."""
        empty = np.empty(0, np.int64)
        return Frames(empty, empty, empty, empty, empty, np.zeros(1, np.int64), np.empty((0, CHANNELS), np.int16))

    @staticmethod
    def joined(parts: list[Frames]) -> Frames:
        """All frames of the parts, at least one, in order."""
        if len(parts) == 1:
            return parts[0]
        columns = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Frames)[:5]}
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([p.n for p in parts]))])
        return Frames(**columns, start=start, samples=np.concatenate([p.samples for p in parts]))


@dataclass(slots=True)
class Rejected:
    """How many payloads were no frames, by `Rejection` name."""

    by_reason: dict[str, int] = field(default_factory=dict)

    def count(self, reasons: NDArray[np.uint8]) -> None:
        """Add some."""
        for code, n in zip(*np.unique(reasons, return_counts=True), strict=True):
            name = Rejection(int(code)).name
            self.by_reason[name] = self.by_reason.get(name, 0) + int(n)


def full_frames(block: PacketBlock, configs: Mapping[int, Config], rejected: Rejected) -> Frames:
    """Frames of type 0 and 1 out of their payloads; what is none is counted."""
    found = decode_buffer(block.data, block.offsets, configs=configs.keys())
    rejected.count(found.reason)
    columns = {name: getattr(found, name).astype(np.int64) for name in ("boot", "index", "ticks", "config")}
    return Frames(host_time_ns=block.host_time_ns[found.position], **columns, start=found.start, samples=found.samples)


def mini_frames(
    block: PacketBlock,
    configs: Mapping[int, Config],
    rejected: Rejected,
    *,
    boot: int | None,
    near: tuple[int, int] | None,
) -> Frames:
    """Mini frames out of their payloads; what is none is counted, and all are while the boot is not known.

    near : a time, ns, and the index that was sampled about then, from which the high bits of the indices follow.
    """
    length, first = np.diff(block.offsets), block.offsets[:-1]
    reason = np.zeros(len(block), np.uint8)
    reason[length != MINI_B] = Rejection.LENGTH
    rows = np.flatnonzero(reason == 0)
    octets = block.data[first[rows][:, None] + np.arange(MINI_B)].reshape(-1, MINI_B)
    # Of several reasons a payload has the first, as in `decode_mini`.
    config = octets[:, 2].astype(np.int64)
    bad = np.zeros(len(rows), np.uint8)
    bad[~np.isin(config, list(configs))] = Rejection.CONFIG
    if boot is None:
        bad[:] = Rejection.CONFIG
    bad[octets[:, 0] != _MINI_HEAD] = Rejection.VERSION
    reason[rows] = bad
    rejected.count(reason[reason > 0])
    rows, octets, config = rows[bad == 0], octets[bad == 0], config[bad == 0]
    low = octets[:, 3].astype(np.int64) | octets[:, 4].astype(np.int64) << 8 | octets[:, 5].astype(np.int64) << 16
    host_time_ns = block.host_time_ns[rows]
    index = low
    if near is not None and len(rows):
        at_ns, at_index = near
        rates = np.array([full_rate_hz(configs[int(c)]) for c in config])
        expected = at_index + np.rint((host_time_ns - at_ns) / 1e9 * rates).astype(np.int64)
        index = low + ((expected - low + _MINI_SPAN // 2) // _MINI_SPAN) * _MINI_SPAN
        index = np.where(index < 0, low, index)
    samples = np.ascontiguousarray(octets[:, 6:]).view("<i2").astype(np.int16).reshape(-1, CHANNELS)
    return Frames(
        host_time_ns,
        np.full(len(rows), boot or 0, np.int64),
        index,
        np.full(len(rows), NO_TICKS, np.int64),
        config,
        np.arange(len(rows) + 1, dtype=np.int64),
        samples,
    )


def full_rate_hz(config: Config) -> float:
    """Samples a second that the index counts, as declared."""
    return config.rate_mhz * 1e-3 * config.decimation


def in_units(samples: NDArray[np.int16], config: Config) -> tuple[Float, Float]:
    """(n, 6) counts -> specific force (n, 3) m/s^2 and angular rate (n, 3) rad/s."""
    scales = (G_MPS2 / config.acc_lsb_per_g, float(np.radians(1.0 / config.gyr_lsb_per_dps)))
    acc, gyr = samples[:, :3].astype(np.float64), samples[:, 3:].astype(np.float64)
    acc *= scales[0]
    gyr *= scales[1]
    return acc, gyr


def ticks_since(ticks: Int | int, origin: int) -> Int:
    """Ticks from `origin` to each of `ticks`, both with their low 32 bits: within 18 h either way."""
    return np.asarray((np.asarray(ticks, dtype=np.int64) - origin + (1 << 31)) % (1 << 32) - (1 << 31))


def measured_rate_hz(index: Int, ticks: Int) -> float:
    """Full-rate samples per second of the sensor's clock, by least squares. NaN where it cannot be told.

    index, ticks : (m,) of frames in order of arrival; one that comes twice counts once, one without ticks not at all.
    """
    newest = np.maximum.accumulate(np.concatenate([[-1], index]))[:-1]
    once = (index > newest) & (ticks != NO_TICKS)
    index, ticks = index[once], ticks[once]
    if len(index) < 2:
        return float("nan")
    elapsed = np.cumsum(ticks_since(np.diff(ticks), 0))  # the 32 bits wrap after 36 h, from frame to frame never
    x, y = (index - index[0]).astype(np.float64), np.concatenate([np.zeros(1), elapsed])
    x, y = x - x.mean(), y - y.mean()
    spread, product = float((x * x).sum()), float((x * y).sum())
    return spread / product * TICK_HZ if product > 0 else float("nan")
