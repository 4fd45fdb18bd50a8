"""Frames: the bytes that carry samples. Pure functions; any bytes become a frame or a `Rejection`.

Frame (types LIVE and BACKFILL), little-endian, 16 + 12 n bytes:

    0      version << 4 | type      4..7   index u32, of the first sample        12  n, 1-19
    1      flags                    8..11  ticks u32, of the first sample        13  config id
    2..3   boot u16                 14..   n x {ax ay az gx gy gz} i16, then CRC-16/CCITT-FALSE of all before it

Mini frame (for an ATT MTU of 23), 18 bytes:

    0  version << 4 | 2     1  flags     2  config id     3..5  index u24, low bits     6..17  {ax ay az gx gy gz} i16

Samples are raw counts; the scale is declared by the configuration in Info, never implied. PROTOCOL.md section 3 is the reference.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from firmware_protocol.rejection import Rejection

VERSION = 1
"""Major version of the protocol, in the upper half of byte 0."""
TICK_HZ = 32768
"""Ticks of the sensor's clock per second; u32 ticks wrap after 36.4 h."""
SAMPLES_MAX = 19
"""Samples of the longest frame: 244 bytes, what an ATT MTU of 247 carries."""
HEADER_B = 14
SAMPLE_B = 12
CRC_B = 2
FRAME_MIN_B = HEADER_B + SAMPLE_B + CRC_B
FRAME_MAX_B = HEADER_B + SAMPLES_MAX * SAMPLE_B + CRC_B
MINI_B = 18
CHANNELS = 6
"""Values of a sample: ax ay az gx gy gz."""

_HEADER = struct.Struct("<BBHIIBB")
_MINI = struct.Struct("<BBBHB6h")
_HEADER_ROW = np.dtype(
    [
        ("head", "u1"),
        ("flags", "u1"),
        ("boot", "<u2"),
        ("index", "<u4"),
        ("ticks", "<u4"),
        ("n", "u1"),
        ("config", "u1"),
    ]
)

Samples = NDArray[np.int16]


class FrameType(IntEnum):
    """Lower half of byte 0."""

    LIVE = 0
    BACKFILL = 1
    MINI = 2


class FrameFlag(IntFlag):
    """Byte 1, about the whole frame. Bit 7 is reserved: sent as 0, ignored when read."""

    TIME_SYNCED = 1 << 0
    """SET_EPOCH has been received in this boot."""
    ACC_CLIPPED = 1 << 1
    GYR_CLIPPED = 1 << 2
    GAP_BEFORE = 1 << 3
    """The sensor itself has no sample with the index before this frame's first."""
    WORN = 1 << 4
    MOVING = 1 << 5
    LOW_BATTERY = 1 << 6


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Consecutive samples of one boot and one configuration.

    kind : LIVE or BACKFILL. boot : u16, random per boot. index : u32, of the first sample, counted from the boot in samples at the
    full rate. ticks : u32, low bits of the sensor's clock at the first sample, 32768 Hz. config : id of a configuration in Info;
    one with decimation d means that row k is the average of samples index + d k ... + d - 1. samples : (n, 6) int16 counts, n 1-19.
    """

    kind: FrameType
    flags: FrameFlag
    boot: int
    index: int
    ticks: int
    config: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class MiniFrame:
    """One averaged sample. index : u24, low bits of the index of the first sample averaged (`unwrap`); the boot is in Status."""

    flags: FrameFlag
    config: int
    index: int
    sample: tuple[int, int, int, int, int, int]


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame. ValueError for a field that does not fit, or n outside of 1-19."""
    samples = np.asarray(frame.samples)
    if samples.dtype != np.int16 or samples.ndim != 2 or samples.shape[1] != CHANNELS:
        raise ValueError(f"samples are {samples.dtype} {samples.shape}; they must be int16 (n, {CHANNELS})")
    n = len(samples)
    if not 1 <= n <= SAMPLES_MAX or frame.kind is FrameType.MINI:
        raise ValueError(
            f"a frame holds 1-{SAMPLES_MAX} samples and is LIVE or BACKFILL, not {n} and {frame.kind.name}"
        )
    head = (VERSION << 4 | frame.kind, frame.flags, frame.boot, frame.index, frame.ticks, n, frame.config)
    try:
        body = _HEADER.pack(*head) + samples.astype("<i2", copy=False).tobytes()
    except struct.error as error:
        raise ValueError(f"a field does not fit its bytes: {error}") from error
    return body + crc_hqx(body, 0xFFFF).to_bytes(CRC_B, "little")


def encode_mini(mini: MiniFrame) -> bytes:
    """The 18 bytes of a mini frame. ValueError for a field that does not fit."""
    try:
        return _MINI.pack(
            VERSION << 4 | FrameType.MINI, mini.flags, mini.config, mini.index & 0xFFFF, mini.index >> 16, *mini.sample
        )
    except struct.error as error:
        raise ValueError(f"a field does not fit its bytes: {error}") from error


def decode_frame(payload: bytes, *, configs: Collection[int] | None = None) -> Frame | Rejection:
    """One frame. `configs`: the ids that Info declares; another id is rejected (None: not checked)."""
    reason = _reject(payload)
    if reason is not None:
        return reason
    head, flags, boot, index, ticks, n, config = _HEADER.unpack_from(payload)
    if configs is not None and config not in configs:
        return Rejection.CONFIG
    samples = np.frombuffer(payload, "<i2", n * CHANNELS, HEADER_B).astype(np.int16).reshape(n, CHANNELS)
    return Frame(FrameType(head & 0x0F), FrameFlag(flags), boot, index, ticks, config, samples)


def _reject(payload: bytes) -> Rejection | None:
    """Why these bytes are no frame; `_reject_rows` is the same for many."""
    if not payload:
        return Rejection.LENGTH
    if payload[0] >> 4 != VERSION:
        return Rejection.VERSION
    if payload[0] & 0x0F not in (FrameType.LIVE, FrameType.BACKFILL):
        return Rejection.TYPE
    if len(payload) < HEADER_B + CRC_B:
        return Rejection.LENGTH
    n = payload[12]
    if not 1 <= n <= SAMPLES_MAX:
        return Rejection.COUNT
    if len(payload) != HEADER_B + SAMPLE_B * n + CRC_B:
        return Rejection.LENGTH
    if crc_hqx(payload[:-CRC_B], 0xFFFF) != int.from_bytes(payload[-CRC_B:], "little"):
        return Rejection.CRC
    return None


def decode_mini(payload: bytes, *, configs: Collection[int] | None = None) -> MiniFrame | Rejection:
    """One mini frame; as `decode_frame`."""
    if not payload:
        return Rejection.LENGTH
    if payload[0] >> 4 != VERSION:
        return Rejection.VERSION
    if payload[0] & 0x0F != FrameType.MINI:
        return Rejection.TYPE
    if len(payload) != MINI_B:
        return Rejection.LENGTH
    _, flags, config, low, high, *sample = _MINI.unpack(payload)
    if configs is not None and config not in configs:
        return Rejection.CONFIG
    ax, ay, az, gx, gy, gz = sample
    return MiniFrame(FrameFlag(flags), config, low | high << 16, (ax, ay, az, gx, gy, gz))


def decode(payload: bytes, *, configs: Collection[int] | None = None) -> Frame | MiniFrame | Rejection:
    """Whatever the Stream characteristic carries: a frame or a mini frame."""
    if payload and payload[0] & 0x0F == FrameType.MINI:
        return decode_mini(payload, configs=configs)
    return decode_frame(payload, configs=configs)


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """Many frames decoded at once, in the order of the input.

    position : (m,) int64, which payload each frame was. kind, flags, n, config : (m,) uint8. boot : (m,) uint16. index, ticks :
    (m,) uint32. start : (m + 1,) int64, frame k has the rows [start[k], start[k + 1]) of `samples`. samples : (rows, 6) int16.
    rejected : (r,) int64, which payloads were not accepted. reason : (r,) uint8, their `Rejection`.
    """

    position: NDArray[np.int64]
    kind: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    boot: NDArray[np.uint16]
    index: NDArray[np.uint32]
    ticks: NDArray[np.uint32]
    n: NDArray[np.uint8]
    config: NDArray[np.uint8]
    start: NDArray[np.int64]
    samples: Samples
    rejected: NDArray[np.int64]
    reason: NDArray[np.uint8]


def decode_frames(payloads: Sequence[bytes], *, configs: Collection[int] | None = None) -> FrameBatch:
    """As `decode_frame` for each payload, with arrays out: for a replay, a 9 h day has 370,000 frames."""
    ends = np.cumsum([len(p) for p in payloads], dtype=np.int64)
    return decode_buffer(b"".join(payloads), np.concatenate([np.zeros(1, np.int64), ends]), configs=configs)


def decode_buffer(
    data: bytes | memoryview | NDArray[np.uint8], offsets: NDArray[np.int64], *, configs: Collection[int] | None = None
) -> FrameBatch:
    """As `decode_frames` over one buffer, payload k at [offsets[k], offsets[k + 1]) as in an Arrow binary column.

    ValueError for offsets that fall or leave the buffer.
    """
    octets = np.frombuffer(data, np.uint8)
    offsets = np.asarray(offsets, dtype=np.int64)
    if len(offsets) == 0 or offsets[0] < 0 or offsets[-1] > len(octets) or (np.diff(offsets) < 0).any():
        raise ValueError("offsets must rise from 0 or more and stay inside the buffer")
    first, length = offsets[:-1], np.diff(offsets)
    reason = _reject_rows(octets, first, length, configs)
    good = np.flatnonzero(reason == 0)
    head = _headers(octets, first[good])
    n = head["n"].astype(np.int64)
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(n)])
    samples = np.empty((int(start[-1]), CHANNELS), np.int16)
    for count in np.unique(n):
        rows = np.flatnonzero(n == count)
        body = sliding_window_view(octets, SAMPLE_B * int(count))[first[good][rows] + HEADER_B]
        samples[start[rows][:, None] + np.arange(count)] = body.view("<i2").reshape(len(rows), int(count), CHANNELS)
    rejected = np.flatnonzero(reason)
    return FrameBatch(
        position=good,
        kind=(head["head"] & 0x0F).astype(np.uint8),
        flags=head["flags"].copy(),
        boot=head["boot"].astype(np.uint16),
        index=head["index"].astype(np.uint32),
        ticks=head["ticks"].astype(np.uint32),
        n=head["n"].copy(),
        config=head["config"].copy(),
        start=start,
        samples=samples,
        rejected=rejected,
        reason=reason[rejected],
    )


def _headers(octets: NDArray[np.uint8], first: NDArray[np.int64]) -> NDArray[np.void]:
    """(m,) header records of the frames that begin at `first`; each has its 14 bytes."""
    if len(first) == 0:
        return np.empty(0, _HEADER_ROW)
    return sliding_window_view(octets, HEADER_B)[first].view(_HEADER_ROW)[:, 0]


def _reject_rows(
    octets: NDArray[np.uint8], first: NDArray[np.int64], length: NDArray[np.int64], configs: Collection[int] | None
) -> NDArray[np.uint8]:
    """(m,) 0 or a `Rejection` per payload: the tests of `_reject`, later ones written first so that the earliest stays."""
    reason = np.zeros(len(first), np.uint8)
    whole = np.flatnonzero(length >= HEADER_B + CRC_B)
    head = _headers(octets, first[whole])
    n = head["n"].astype(np.int64)
    fits = length[whole] == HEADER_B + SAMPLE_B * n + CRC_B
    counted = (n >= 1) & (n <= SAMPLES_MAX)
    if configs is not None:
        reason[whole[~np.isin(head["config"], list(configs))]] = Rejection.CONFIG
    sound = whole[fits & counted]
    reason[sound[~_crc_fits(octets, first[sound], length[sound])]] = Rejection.CRC
    reason[whole[~fits]] = Rejection.LENGTH
    reason[whole[~counted]] = Rejection.COUNT
    reason[length < HEADER_B + CRC_B] = Rejection.LENGTH
    some = np.flatnonzero(length > 0)
    head0 = octets[first[some]]
    reason[some[(head0 & 0x0F) > FrameType.BACKFILL]] = Rejection.TYPE
    reason[some[head0 >> 4 != VERSION]] = Rejection.VERSION
    return reason


def _crc_fits(octets: NDArray[np.uint8], first: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(m,) whether the last two bytes are the CRC of those before: one call per frame, which is faster than look-ups in NumPy."""
    view = octets.data
    ends = (first + length - CRC_B).tolist()
    found = np.array([crc_hqx(view[a:b], 0xFFFF) for a, b in zip(first.tolist(), ends, strict=True)], np.uint16)
    low = octets[first + length - 2].astype(np.uint16)
    high = octets[first + length - 1].astype(np.uint16)
    fits: NDArray[np.bool_] = found == (low | high << 8)
    return fits


def unwrap(low: int, bits: int, near: int) -> int:
    """The number whose `bits` low bits are `low` and which is nearest to `near`; never negative.

    For the index of mini frames (24 bits; near: the newest index known) and ticks (32 bits; near: ticks expected at arrival).
    """
    span = 1 << bits
    value = low + ((near - low + span // 2) // span) * span
    return value if value >= 0 else low
