"""Reading a sensor's file: every whole record batch of a stream, however it ends, or of the Parquet file made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posture.arrow_files import mapped, reading
from posture.recording.session.packets import PacketBlock, of_record_batch, schema
from posture.types import InputError, Int, Placement

STREAM, TABLE = ".arrows", ".parquet"
"""Suffixes of an Arrow IPC stream, as its media type has it, and of what compaction makes of it."""
_ROWS = 8192
"""Packets read at once from Parquet: 13 min of one sensor."""
_JOIN_PACKETS = 4096
"""Packets of the small batches of a stream that are handed on as one block."""


@dataclass(slots=True)
class Tail:
    """Where the whole batches of a stream end, and how many bytes follow that are none. clean : closed as it should be."""

    whole_b: int = 0
    torn_b: int = 0
    clean: bool = False


def sensor_file(folder: Path, placement: Placement) -> Path | None:
    """The file that holds a sensor's packets: the stream as long as there is one, since only then Parquet is known to be whole."""
    for suffix in (STREAM, TABLE):
        path = folder / f"{placement}{suffix}"
        if path.exists():
            return path
    return None


def packet_blocks(folder: Path, placement: Placement, tail: Tail | None = None) -> Iterator[PacketBlock]:
    """All packets of a sensor in the order in which they came; none where it has no file.

    tail : told where a stream ends. InputError where the file is not one of a session, or cannot be read.
    """
    path = sensor_file(folder, placement)
    if path is None:
        return
    blocks = _of_stream(path, placement, tail or Tail()) if path.suffix == STREAM else table_blocks(path, placement)
    last_ns = 0
    held: list[PacketBlock] = []
    for block in blocks:
        held.append(_rising(block, last_ns))
        last_ns = int(held[-1].host_time_ns[-1])
        if sum(map(len, held)) >= _JOIN_PACKETS:
            yield PacketBlock.joined(held)
            held = []
    if held:
        yield PacketBlock.joined(held)


def _of_stream(path: Path, placement: Placement, tail: Tail) -> Iterator[PacketBlock]:
    """Whole batches; ends at the first that is torn, at the end of the stream or of the file."""
    import pyarrow as pa

    size = path.stat().st_size
    if not size:
        return
    with mapped(path) as file:
        try:
            kinds = pa.ipc.read_schema(pa.ipc.read_message(file))
            if not _is_of(kinds, path, placement):
                raise EOFError
        except (pa.ArrowException, OSError, EOFError):  # torn before the first packet could come
            tail.torn_b = size
            return
        tail.whole_b = file.tell()
        while tail.whole_b < size:
            batch = _next_batch(file, kinds)
            if batch is None:
                break
            tail.whole_b = file.tell()
            if batch.num_rows:
                yield of_record_batch(batch)
        rest = memoryview(file.read_at(min(size - tail.whole_b, 8), tail.whole_b)) if tail.whole_b < size else b""
        tail.clean = bytes(rest) == b"\xff\xff\xff\xff\0\0\0\0" and size - tail.whole_b == len(rest)
        tail.torn_b = 0 if tail.clean else size - tail.whole_b


def _is_of(found: Any, path: Path, placement: Placement) -> bool:
    """Whether a schema is that of a session; InputError where it is of another sensor. Kinds that a later version adds are fine."""
    stated = (found.metadata or {}).get(b"placement", b"")
    if stated != placement.value.encode() and stated in {p.value.encode() for p in Placement}:
        raise InputError(f"{path} holds the packets of {stated.decode()}, not of {placement}; copy the session again")
    return bool(found.equals(schema(placement)) and stated)


def _next_batch(file: Any, kinds: Any) -> Any:
    """The next batch of an open stream; None where none is whole."""
    import pyarrow as pa

    try:
        message = pa.ipc.read_message(file)
        batch = pa.ipc.read_record_batch(message, kinds)
        batch.validate(full=True)
    except (pa.ArrowException, OSError, EOFError):
        return None
    return batch


def table_blocks(path: Path, placement: Placement) -> Iterator[PacketBlock]:
    """The packets of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with reading(path) as opened, pq.ParquetFile(opened) as file:
            if not _is_of(file.schema_arrow, path, placement):
                raise InputError(f"{path} is not a file of a session; copy the session again")
            for batch in file.iter_batches(batch_size=_ROWS):
                if batch.num_rows:
                    yield of_record_batch(batch)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is damaged or cut off; copy the session again") from error


def _rising(block: PacketBlock, last_ns: int) -> PacketBlock:
    """Times that never fall: what a damaged bit did to one is not handed on."""
    if len(block) and block.host_time_ns[0] >= last_ns and (np.diff(block.host_time_ns) >= 0).all():
        return block
    times: Int = np.maximum.accumulate(np.maximum(block.host_time_ns, last_ns))
    return PacketBlock(times, block.kind, block.data, block.offsets)


def windows(
    folder: Path, placements: tuple[Placement, ...], length_ns: int
) -> Iterator[tuple[dict[Placement, PacketBlock], int]]:
    """The packets of all sensors in windows of `length_ns`, each with its end (exclusive), ns; empty windows are skipped."""
    sources = {p: packet_blocks(folder, p) for p in placements}
    held: dict[Placement, PacketBlock | None] = {p: next(source, None) for p, source in sources.items()}
    while any(block is not None for block in held.values()):
        first_ns = min(int(b.host_time_ns[0]) for b in held.values() if b is not None)
        end_ns = (first_ns // length_ns + 1) * length_ns
        found: dict[Placement, PacketBlock] = {}
        for placement, source in sources.items():
            parts = []
            block = held[placement]
            while block is not None:
                cut = int(np.searchsorted(block.host_time_ns, end_ns))
                parts.append(block.rows(0, cut))
                if cut < len(block):
                    held[placement] = block.rows(cut, len(block))
                    break
                block = held[placement] = next(source, None)
            if parts := [p for p in parts if len(p)]:
                found[placement] = PacketBlock.joined(parts)
        yield found, end_ns
