"""An opened session: what it says of itself, and its packets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posture.config import ClockConfig
from posture.recording.session.decode import SessionDecoder
from posture.recording.session.meta import META, RECORDS, RecordKind, SessionMeta, read_meta, whole_records
from posture.recording.session.stream import STREAM, TABLE, windows
from posture.types import ImuBatch, InputError, Placement

WINDOW_NS = 300 * 1_000_000_000
"""ns; packets that are read and decoded at once: 5 min, 0.5 MB of two sensors."""


def is_session(path: Path) -> bool:
    """Whether a path is the folder of a session: its session.json with a sensor's file beside it."""
    return (path / META).is_file() and any(
        (path / f"{p}{suffix}").exists() for p in Placement for suffix in (STREAM, TABLE)
    )


@dataclass(frozen=True, slots=True)
class Session:
    """A session folder, read. records : whole lines of records.jsonl, in order."""

    folder: Path
    meta: SessionMeta
    records: tuple[dict[str, Any], ...]

    @classmethod
    def open(cls, folder: Path) -> Session:
        """InputError in one sentence where it is none. Nothing in the folder is changed."""
        meta = read_meta(folder)
        try:
            text = (folder / RECORDS).read_bytes()
        except FileNotFoundError:
            text = b""
        except OSError as error:
            raise InputError(f"{folder / RECORDS} cannot be read ({error.strerror}); check its permissions") from error
        return cls(folder, meta, tuple(whole_records(text)[0]))

    @property
    def end_ns(self) -> int | None:
        """When it was ended, or, where that was found out afterwards, its last packet; None: neither is written down."""
        ends = [r["end_ns"] for r in self.records if r["kind"] in (RecordKind.END, RecordKind.RECOVERED)]
        return int(ends[0]) if ends else None

    @property
    def cut_off(self) -> bool:
        """Whether it has no clean end."""
        return not any(r["kind"] == RecordKind.END for r in self.records)

    def as_live(self, params: ClockConfig, placements: tuple[Placement, ...] | None = None) -> Iterator[ImuBatch]:
        """The batches of a live run, in order of arrival, in windows of `WINDOW_NS`; the last is the flush."""
        wanted = placements or self.meta.placements
        decoder = SessionDecoder(wanted, params)
        until_ns = 0
        for found, stop_ns in windows(self.folder, wanted, WINDOW_NS):
            last_ns = max(int(block.host_time_ns[-1]) for block in found.values())
            until_ns = stop_ns - 1 if self.end_ns is None else max(last_ns, min(stop_ns - 1, self.end_ns))
            yield decoder.push_blocks(found, until_ns)
        yield decoder.flush(max(until_ns, self.end_ns or 0))
