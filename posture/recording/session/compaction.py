"""A finished session made small: each sensor's stream becomes a Parquet file with the same packets, a third of the size."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from posture.arrow_files import writing
from posture.atomic import make_whole
from posture.recording.session.meta import read_meta
from posture.recording.session.packets import PacketBlock, record_batch, schema
from posture.recording.session.recovery import recover
from posture.recording.session.stream import STREAM, TABLE, packet_blocks, table_blocks
from posture.types import InputError, Placement, PostureError

_GROUP_PACKETS = 65_536
"""Packets of a row group: an hour and a half of one sensor."""
_LEVEL = 9
"""Of zstd: 19 gains 3 % more on a day of two sensors, and takes five times as long."""


def compact(folder: Path) -> None:
    """Streams to Parquet (zstd). Each table is read again and compared with its stream before that is removed.

    Whatever interrupts it, every packet stays in one of the two files; asked again, it goes on. InputError, PostureError where
    the session cannot be read or the table not be written; the streams are then as they were.
    """
    recover(folder)
    for placement in read_meta(folder).placements:
        stream, table = folder / f"{placement}{STREAM}", folder / f"{placement}{TABLE}"
        if not stream.exists():
            continue
        for left in folder.glob(f".{table.name}.*"):  # of a compaction that was cut off
            left.unlink()
        make_whole(table, lambda path, p=placement: _write(folder, p, path))  # type: ignore[misc]
        table.chmod(0o600)
        if not _same(folder, placement, table):
            table.unlink()
            raise PostureError(
                f"{table} did not read back as it was written, and {stream.name} is kept; check the disk and compact again"
            )
        try:
            stream.unlink()
        except OSError as error:
            raise InputError(f"{stream} cannot be removed ({error.strerror}); make its folder writable") from error


def _write(folder: Path, placement: Placement, path: Path) -> None:
    import pyarrow.parquet as pq

    options: dict[str, Any] = {"compression": "zstd", "compression_level": _LEVEL, "use_dictionary": ["kind"]}
    # Times rise in small steps, and payloads of one length share most of their first bytes.
    options["column_encoding"] = {"host_time_ns": "DELTA_BINARY_PACKED"}
    with writing(path) as sink, pq.ParquetWriter(sink, schema(placement), **options) as writer:
        for block in _groups(folder, placement):
            writer.write_batch(record_batch(block, placement))
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _groups(folder: Path, placement: Placement) -> Iterator[PacketBlock]:
    held: list[PacketBlock] = []
    for block in packet_blocks(folder, placement):
        held.append(block)
        if sum(map(len, held)) >= _GROUP_PACKETS:
            yield PacketBlock.joined(held)
            held = []
    if held:
        yield PacketBlock.joined(held)


def _same(folder: Path, placement: Placement, table: Path) -> bool:
    """Whether the table holds the packets of the stream, bit for bit."""
    return _digest(packet_blocks(folder, placement)) == _digest(table_blocks(table, placement))


def _digest(blocks: Iterable[PacketBlock]) -> tuple[int, ...]:
    """Number of packets and a hash of each column, however the blocks are cut."""
    hashes, n = [sha256() for _ in range(4)], 0
    for block in blocks:
        n += len(block)
        payload = block.data[block.offsets[0] : block.offsets[-1]]
        for made, column in zip(hashes, (block.host_time_ns, block.kind, np.diff(block.offsets), payload), strict=True):
            made.update(np.ascontiguousarray(column).data)
    return n, *(int.from_bytes(made.digest()) for made in hashes)
