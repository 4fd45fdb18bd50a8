"""Raw packets of one sensor as columns, and as Arrow record batches: the form in which a session keeps and reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.frames import FrameType
from posture.types import Bool, Int, PacketKind, Placement, RawPacket

KINDS = tuple(PacketKind)
"""The code of a kind in files is its place here; new kinds go to the end."""
CODES = {kind: code for code, kind in enumerate(KINDS)}
LIVE, BACKFILL, STATUS, INFO, SYNC = (
    CODES[k] for k in (PacketKind.LIVE, PacketKind.BACKFILL, PacketKind.STATUS, PacketKind.INFO, PacketKind.SYNC)
)
FRAMES, MINIS, _IGNORED = 100, 101, 102
"""Beside the codes of the kinds: what becomes of packets with samples, and of those without use."""
NS = 1e9
"""Nanoseconds in a second."""


@dataclass(frozen=True, slots=True, eq=False)
class PacketBlock:
    """Packets of one sensor in the order in which they came.

    host_time_ns : (m,) session time, never falling. kind : (m,) uint8, `KINDS`. data : (b,) uint8, all payloads.
    offsets : (m + 1,) int64, payload k is data[offsets[k] : offsets[k + 1]].
    """

    host_time_ns: Int
    kind: NDArray[np.uint8]
    data: NDArray[np.uint8]
    offsets: Int

    def __len__(self) -> int:
        return len(self.host_time_ns)

    @classmethod
    def of(cls, packets: Sequence[RawPacket]) -> PacketBlock:
        """Columns of packets, whatever their sensor."""
        ends = np.cumsum([len(p.payload) for p in packets], dtype=np.int64)
        return cls(
            np.array([p.host_time_ns for p in packets], dtype=np.int64),
            np.array([CODES[p.kind] for p in packets], dtype=np.uint8),
            np.frombuffer(b"".join(p.payload for p in packets), np.uint8),
            np.concatenate([np.zeros(1, np.int64), ends]),
        )

    def rows(self, a: int, b: int) -> PacketBlock:
        """Packets a to b; the payloads are shared."""
        return PacketBlock(self.host_time_ns[a:b], self.kind[a:b], self.data, self.offsets[a : b + 1])

    def payload(self, k: int) -> bytes:
        """The bytes of packet k."""
        return self.data[self.offsets[k] : self.offsets[k + 1]].tobytes()

    def select(self, rows: Int) -> PacketBlock:
        """The packets `rows` with a copy of their payloads."""
        length = np.diff(self.offsets)[rows]
        ends = np.cumsum(length)
        starts = ends - length
        at = np.repeat(self.offsets[:-1][rows] - starts, length) + np.arange(int(length.sum()))
        offsets = np.concatenate([np.zeros(1, np.int64), ends]).astype(np.int64)
        return PacketBlock(self.host_time_ns[rows], self.kind[rows], self.data[at], offsets)

    @staticmethod
    def joined(parts: Iterable[PacketBlock]) -> PacketBlock:
        """All packets of the parts, in order; no part gives an empty block."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return PacketBlock.of(())
        data = [p.data[p.offsets[0] : p.offsets[-1]] for p in parts]
        base = np.cumsum([0, *(len(d) for d in data)])
        moved = [p.offsets[:-1] - p.offsets[0] + b for p, b in zip(parts, base[:-1], strict=True)]
        return PacketBlock(
            np.concatenate([p.host_time_ns for p in parts]),
            np.concatenate([p.kind for p in parts]),
            np.concatenate(data),
            np.concatenate([*moved, base[-1:]]).astype(np.int64),
        )


def schema(placement: Placement) -> Any:
    """The Arrow schema of a sensor's file: what a program in any language needs to read it."""
    import pyarrow as pa

    stated = {
        "format": "posture packets 1",
        "placement": placement.value,
        "kinds": ",".join(f"{code}={kind.value}" for code, kind in enumerate(KINDS)),
    }
    columns = [("host_time_ns", pa.int64()), ("kind", pa.uint8()), ("payload", pa.binary())]
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns], metadata=stated)


def record_batch(block: PacketBlock, placement: Placement) -> Any:
    """An Arrow record batch of the packets.

    The columns are built from buffers, because `pa.array` imports pandas, which takes a quarter of a second.
    """
    import pyarrow as pa

    m, kinds = len(block), schema(placement)
    payload = block.data[block.offsets[0] : block.offsets[-1]]
    offsets = (block.offsets - block.offsets[0]).astype(np.int32)
    columns = [
        pa.Array.from_buffers(pa.int64(), m, [None, pa.py_buffer(np.ascontiguousarray(block.host_time_ns))]),
        pa.Array.from_buffers(pa.uint8(), m, [None, pa.py_buffer(np.ascontiguousarray(block.kind))]),
        pa.Array.from_buffers(
            pa.binary(), m, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(payload))]
        ),
    ]
    return pa.record_batch(columns, schema=kinds)


def of_record_batch(batch: Any) -> PacketBlock:
    """The packets of an Arrow record batch, without a copy of the payloads. ArrowInvalid where its buffers do not fit its rows."""
    import pyarrow as pa

    m = batch.num_rows
    payload = batch.column("payload")
    if m == 0:
        return PacketBlock.of(())
    _, offsets, data = payload.buffers()
    ends = np.frombuffer(offsets, np.int32, offsets.size // 4)[payload.offset : payload.offset + m + 1].astype(np.int64)
    if len(ends) != m + 1:
        raise pa.ArrowInvalid("the offsets of the payloads are cut short")
    octets = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    host_time_ns = batch.column("host_time_ns").to_numpy(zero_copy_only=False)
    return PacketBlock(host_time_ns, batch.column("kind").to_numpy(zero_copy_only=False), octets, ends)


def stretches(block: PacketBlock, *, backfill: bool) -> Iterable[tuple[int, bool, PacketBlock]]:
    """Consecutive packets that are handled alike, in order: a kind's code, FRAMES or MINIS; whether from the ring; the packets."""
    how = block.kind.astype(np.int64)
    late = block.kind == BACKFILL
    samples = (block.kind == LIVE) | (late if backfill else False)
    how[samples] = np.where(_is_mini(block)[samples], MINIS, FRAMES)
    how[~samples & ~np.isin(block.kind, (INFO, STATUS, SYNC))] = _IGNORED
    used = np.flatnonzero(how != _IGNORED)
    if len(used) < len(how):
        block, how, late = block.select(used), how[used], late[used]
    if not len(how):
        return
    changes = np.flatnonzero((np.diff(how) != 0) | (np.diff(late) != 0)) + 1
    for a, b in pairwise([0, *changes.tolist(), len(how)]):
        yield int(how[a]), bool(late[a]), block.rows(a, b)


def _is_mini(block: PacketBlock) -> Bool:
    """(m,) whether each payload claims to be a mini frame."""
    head = np.zeros(len(block), np.uint8)
    some = np.flatnonzero(np.diff(block.offsets) > 0)
    head[some] = block.data[block.offsets[:-1][some]]
    return np.asarray((head & 0x0F) == FrameType.MINI)
