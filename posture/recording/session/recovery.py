"""A session that was cut off: every whole batch comes back, a torn tail is put aside, and what happened is recorded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from posture.recording.session.meta import (
    META,
    RECORDS,
    RecordKind,
    SessionMeta,
    read_meta,
    record_line,
    tick_of,
    whole_records,
)
from posture.recording.session.stream import STREAM, Tail, packet_blocks, sensor_file
from posture.recording.session.writer import last_tick
from posture.types import InputError, JsonValue, Placement

TORN = ".torn"
"""Suffix of the bytes that followed the last whole batch of a stream, or the last whole line."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a session holds. clean : it was ended, not cut off. packets, torn_b : per sensor. end_ns : time of the last packet, or
    of the clean end. lines_torn_b : bytes of a half-written record.
    """

    meta: SessionMeta
    clean: bool
    packets: dict[Placement, int]
    torn_b: dict[Placement, int]
    lines_torn_b: int
    end_ns: int

    def sentence(self) -> str:
        """What to tell the user."""
        length_s = self.end_ns // 1_000_000_000
        span = f"{length_s // 3600}:{length_s // 60 % 60:02d}:{length_s % 60:02d}"
        if self.clean:
            return f"Session {self.meta.session_id} is whole: {span}, {sum(self.packets.values())} packets."
        torn = sum(self.torn_b.values())
        cut = f" The last {torn} bytes were half written and are put aside." if torn else ""
        return (
            f"Session {self.meta.session_id} was cut off: {span} with {sum(self.packets.values())} packets came back, "
            f"at most the last second is lost.{cut}"
        )


def answer_late(folder: Path, kind: str, about_s: float, said: str) -> bool:
    """What the wearer says to an alert of a session that has ended; False where that raised no such alert.

    InputError where it cannot be written.
    """
    text = _read(folder / RECORDS)
    records, whole_b = whole_records(text)
    ids = [
        r["id"]
        for r in records
        if r["kind"] == RecordKind.ALERT and (r["alert"]["kind"], r["alert"]["about_s"]) == (kind, about_s)
    ]
    if not ids or whole_b < len(text):
        return False
    answer: dict[str, JsonValue] = {
        "kind": RecordKind.ANSWER,
        "tick": last_tick(records),
        "id": ids[-1],
        "answer": said,
    }
    _append(folder / RECORDS, record_line(answer))
    return True


def recover(folder: Path) -> Recovered:
    """Read a session whole and mend its ends; nothing is done to one that needs nothing. Safe to repeat.

    InputError where it is no session, or cannot be written. Not for a session that is being written.
    """
    meta = read_meta(folder)
    packets, torn, end_ns = {}, {}, 0
    for placement in meta.placements:
        tail, n = Tail(), 0
        for block in packet_blocks(folder, placement, tail):
            n += len(block)
            end_ns = max(end_ns, int(block.host_time_ns[-1]))
            del block  # lets go of the file before it is cut
        packets[placement], torn[placement] = n, tail.torn_b
        path = sensor_file(folder, placement)
        if path is not None and path.suffix == STREAM and tail.torn_b:
            put_aside(path, tail.whole_b)
    text = _read(folder / RECORDS)
    records, whole_b = whole_records(text)
    if whole_b < len(text):
        put_aside(folder / RECORDS, whole_b)
    ends = [r for r in records if r["kind"] == RecordKind.END]
    found = Recovered(
        meta=meta,
        clean=bool(ends),
        packets=packets,
        torn_b=torn,
        lines_torn_b=len(text) - whole_b,
        end_ns=max([end_ns, *(int(r["end_ns"]) for r in ends)]),
    )
    if not found.clean and not any(r["kind"] == RecordKind.RECOVERED for r in records):
        said: dict[str, JsonValue] = {
            "kind": RecordKind.RECOVERED,
            "tick": max(tick_of(end_ns), last_tick(records)),
            "end_ns": end_ns,
            "packets": {p.value: n for p, n in packets.items()},
            "torn_b": {p.value: n for p, n in torn.items()},
        }
        _append(folder / RECORDS, record_line(said))
    return found


def put_aside(path: Path, whole_b: int) -> None:
    """Cut a file after its whole part; the rest is kept beside it, in a file of its own."""
    try:
        with path.open("r+b") as file:
            file.seek(whole_b)
            rest = file.read()
            if rest.strip(b"\0"):
                aside = path.with_name(f"{path.name}{TORN}")
                with aside.open("ab") as kept:
                    os.fchmod(kept.fileno(), 0o600) if hasattr(os, "fchmod") else None
                    kept.write(rest)
                    kept.flush()
                    os.fsync(kept.fileno())
            file.truncate(whole_b)
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{path} cannot be mended ({error.strerror or error}); make its folder writable") from error


def sessions(home: Path) -> list[Path]:
    """The session folders in a folder, oldest name first."""
    return sorted(p.parent for p in home.glob(f"*/{META}")) if home.is_dir() else []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check its permissions") from error


def _append(path: Path, line: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); make its folder writable") from error
