"""Rows of sessions, epochs, events and alerts, for use inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import pairwise

import numpy as np

from posture.store.packing import pack, unpack
from posture.types import EpochBlock, JsonValue, PostureError

Record = Mapping[str, JsonValue]
HOUR_S = 3600
EVENT_COLUMNS = ("kind", "start_s", "end_s", "peak_s", "peak_deg", "verdict", "basis", "confidence", "set_id")
ALERT_COLUMNS = ("about_s", "raised_s", "kind", "preset", "reason")


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session. end_utc : None until it has ended. result : `live` or `final`, of `revision`. about : as session.json."""

    id: int
    folder: str
    start_utc: datetime
    end_utc: datetime | None
    zone: str
    revision: int
    result: str
    about: Mapping[str, JsonValue]


def as_json(tree: object) -> str:
    """JSON without blanks; ValueError for a number that JSON has not."""
    return json.dumps(tree, allow_nan=False, separators=(",", ":"))


def one_changed(cursor: sqlite3.Cursor, session_id: int) -> None:
    """PostureError where there was no such session to change."""
    if cursor.rowcount != 1:
        raise PostureError(f"the store has no session {session_id}")


def insert(db: sqlite3.Connection, table: str, columns: tuple[str, ...], session_id: int, record: Record) -> int:
    """A record with columns of its own for what every one has, and JSON for the rest."""
    rest = {key: value for key, value in record.items() if key not in columns}
    names, marks = ", ".join(columns), ", ".join("?" * (len(columns) + 2))
    row = (session_id, *(record.get(name) for name in columns), as_json(rest))
    return int(db.execute(f"INSERT INTO {table} (session_id, {names}, evidence) VALUES ({marks})", row).lastrowid or 0)  # noqa: S608


def append_events(db: sqlite3.Connection, session_id: int, events: Iterable[Record]) -> None:
    """Events of the present result."""
    for event in events:
        insert(db, "event", EVENT_COLUMNS, session_id, event)


def read_events(db: sqlite3.Connection, session_id: int) -> list[dict[str, JsonValue]]:
    """As in events.json, by start."""
    rows = db.execute(
        f"SELECT evidence, {', '.join(EVENT_COLUMNS)} FROM event WHERE session_id = ? ORDER BY start_s, end_s, kind, id",  # noqa: S608
        (session_id,),
    )
    return [{**dict(zip(EVENT_COLUMNS, values, strict=True)), **json.loads(evidence)} for evidence, *values in rows]


def append_epochs(db: sqlite3.Connection, session_id: int, epochs: EpochBlock) -> None:
    """Seconds that follow on those there are; PostureError where they do not."""
    if not len(epochs):
        return
    last = db.execute(
        "SELECT hour, first_s, count, packed FROM epochs WHERE session_id = ? ORDER BY hour DESC LIMIT 1", (session_id,)
    ).fetchone()
    due_s = last[1] + last[2] if last else float(epochs.start_s[0])
    if epochs.start_s[0] != due_s or np.any(np.diff(epochs.start_s) != 1.0) or due_s % 1 or due_s < 0:
        raise PostureError(
            f"epochs from second {epochs.start_s[0]:g} on do not follow on what is stored (due: {due_s:g})"
        )
    if last and due_s % HOUR_S:  # the open hour
        epochs = EpochBlock.joined([unpack(last[3], first_s=last[1], count=last[2]), epochs])
    hours = epochs.start_s.astype(np.int64) // HOUR_S
    cuts = [0, *(np.flatnonzero(np.diff(hours)) + 1).tolist(), len(epochs)]
    for begin, end in pairwise(cuts):
        part = EpochBlock(*(getattr(epochs, f.name)[begin:end] for f in fields(EpochBlock)))
        row = (session_id, int(hours[begin]), int(part.start_s[0]), len(part), pack(part))
        db.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?)", row)


def read_epochs(db: sqlite3.Connection, session_id: int) -> EpochBlock:
    """All seconds of the present result."""
    rows = db.execute("SELECT first_s, count, packed FROM epochs WHERE session_id = ? ORDER BY hour", (session_id,))
    return EpochBlock.joined(unpack(packed, first_s=first_s, count=count) for first_s, count, packed in rows)
