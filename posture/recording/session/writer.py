"""The recorder: raw packets to disk before anything else is done with them, at most a second behind.

One file per sensor, an Arrow IPC stream: what is whole in it can be read whatever happened after. Each `sync` appends one record
batch to each file in one write and forces it to the disk, so a killed process loses what came since, and a lost
power supply no more than that.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from posture.recording.session.meta import META, RECORDS, RecordKind, SessionMeta, Tree, record_line, tick_of
from posture.recording.session.packets import PacketBlock, record_batch, schema
from posture.recording.session.stream import STREAM
from posture.types import InputError, JsonValue, Placement, PostureError, RawPacket

PENDING_MAX = 100_000
"""Packets that wait for a full disk to get room: hours, some 10 MB; ours. Then the oldest are dropped, and counted."""
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
"""Recordings are health-like data: for their owner alone."""


@dataclass(slots=True)
class _File:
    """A file that only grows, in whole pieces: a piece that could not be written whole is taken back."""

    path: Path
    descriptor: int
    size: int = 0
    on_disk: int = 0

    @classmethod
    def create(cls, path: Path) -> _File:
        """A new file; never one that is there."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        return cls(path, os.open(path, flags, _FILE_MODE))

    def append(self, piece: bytes | memoryview) -> None:
        """OSError where it does not fit; the file then ends where it ended before."""
        left = memoryview(piece)
        try:
            while left:
                left = left[os.write(self.descriptor, left) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self.descriptor, self.size)
                os.lseek(self.descriptor, self.size, os.SEEK_SET)
            raise
        self.size += len(piece)

    def to_disk(self) -> None:
        """Force what was appended to the disk."""
        if self.on_disk < self.size:
            os.fsync(self.descriptor)
            self.on_disk = self.size

    def close(self) -> None:
        os.close(self.descriptor)


@dataclass(slots=True)
class _Pending:
    """What came since the last sync, and how many packets had to be dropped before they were written."""

    packets: dict[Placement, list[RawPacket]]
    lines: list[bytes] = field(default_factory=list)
    dropped_n: int = 0


class SessionWriter:
    """Writes one session. `put` and `append` are quick and touch no disk; `sync`, called twice a second, does.

    `sync` may run in a thread of its own while `put` and `append` are called in another. Close it, or use it as a context
    manager; leaving by an exception closes the files without a clean end.
    """

    def __init__(self, folder: Path, streams: Mapping[Placement, _File], records: _File) -> None:
        self.folder = folder
        self.newest_ns = 0
        self._streams, self._records = streams, records
        self._pending = _Pending({p: [] for p in streams})
        self._lock = threading.Lock()
        self._disk = threading.Lock()
        self._open = True

    @classmethod
    def create(cls, folder: Path, meta: SessionMeta) -> SessionWriter:
        """Start a session in a folder of its own, with session.json first.

        InputError: the folder is there and not empty, or it cannot be written.
        """
        made: list[_File] = []
        try:
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise InputError(f"{folder} is not empty, and a recording is never overwritten; choose another folder")
            folder.chmod(_FOLDER_MODE)
            about = _File.create(folder / META)
            made.append(about)
            about.append(meta.to_json().encode())
            about.to_disk()
            records = _File.create(folder / RECORDS)
            made.append(records)
            streams = {}
            for placement in meta.placements:
                streams[placement] = _File.create(folder / f"{placement}{STREAM}")
                made.append(streams[placement])
                streams[placement].append(memoryview(schema(placement).serialize()))
                streams[placement].to_disk()
            _folder_to_disk(folder)
        except OSError as error:
            for file in made:
                file.close()
            raise InputError(f"nothing can be recorded in {folder}: {_why(error)}") from error
        about.close()
        return cls(folder, streams, records)

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._open and kind is None:
            self.close(self.newest_ns)
        elif self._open:
            try:
                self.sync(self.newest_ns)
            finally:
                self._shut()

    def put(self, packet: RawPacket) -> None:
        """Record a packet of one of the session's sensors; KeyError for another one."""
        with self._lock:
            waiting = self._pending.packets[packet.placement]
            self.newest_ns = max(self.newest_ns, packet.host_time_ns)
            waiting.append(packet)
            if len(waiting) > PENDING_MAX:
                del waiting[0]
                self._pending.dropped_n += 1

    def append(self, record: Tree) -> None:
        """Record what happened beside the packets: a line of records.jsonl (`RecordKind`), with its tick."""
        line = record_line(record)
        with self._lock:
            self._pending.lines.append(line)

    def sync(self, now_ns: int) -> None:
        """Bring to disk what came so far. now_ns : session time, for a record of what was dropped.

        PostureError, one sentence, where the disk does not take it: what was written stays, what was not waits for the
        next call, up to `PENDING_MAX` packets a sensor.
        """
        with self._disk:
            taken = self._take(now_ns)
            try:
                for placement, packets in taken.packets.items():
                    if packets:
                        batch = record_batch(PacketBlock.of(packets), placement)
                        self._streams[placement].append(memoryview(batch.serialize()))
                        packets.clear()
                if taken.lines:
                    self._records.append(b"".join(taken.lines))
                    taken.lines.clear()
                for file in (*self._streams.values(), self._records):
                    file.to_disk()
            except OSError as error:
                self._give_back(taken)
                raise PostureError(
                    f"the recording in {self.folder} does not go on: {_why(error)} What was recorded so far is kept"
                ) from error

    def close(self, end_ns: int) -> None:
        """A clean end: all to disk, and a record that says so. PostureError as `sync`; the files are closed all the same."""
        try:
            self.append({"kind": RecordKind.END, "tick": tick_of(end_ns), "end_ns": end_ns})
            self.sync(end_ns)
            for stream in self._streams.values():
                stream.append(_END_OF_STREAM)
                stream.to_disk()
        except OSError as error:
            raise PostureError(
                f"the recording in {self.folder} has no clean end: {_why(error)} What was recorded is kept"
            ) from error
        finally:
            self._shut()

    def _take(self, now_ns: int) -> _Pending:
        with self._lock:
            taken, self._pending = self._pending, _Pending({p: [] for p in self._streams})
        if taken.dropped_n:
            lost: dict[str, JsonValue] = {
                "kind": RecordKind.LOST,
                "tick": tick_of(now_ns),
                "packets": taken.dropped_n,
                "reason": "the disk took nothing for too long",
            }
            taken.lines.append(record_line(lost))
            taken.dropped_n = 0
        return taken

    def _give_back(self, taken: _Pending) -> None:
        with self._lock:
            for placement, packets in self._pending.packets.items():
                packets[:0] = taken.packets[placement]
            self._pending.lines[:0] = taken.lines

    def _shut(self) -> None:
        self._open = False
        for file in (*self._streams.values(), self._records):
            file.close()


def _why(error: OSError) -> str:
    """Why the disk refused, and what to do."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return "the disk is full; make room."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "it may not be written there; choose another folder."
    return f"{error.strerror or error}; choose another folder or disk."


def _folder_to_disk(folder: Path) -> None:
    """The names of new files, where the system can do that for a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def last_tick(records: Sequence[Tree]) -> int:
    """The newest tick of some records; 0 without any."""
    return max((tick for r in records if isinstance(tick := r.get("tick"), int)), default=0)
