"""What the wearer says: log entries and declared workouts.

The store knows an entry's day and kind; what its other keys mean, and which are allowed, is the programme's matter
(`analysis.programme.diary`), so that a new kind of entry needs no migration.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from posture.store.database import transaction
from posture.store.moments import as_moment, as_text
from posture.store.rows import as_json
from posture.types import InputError, JsonValue

_ENTRIES = (
    "SELECT id, day, kind, body, logged_utc, at_utc FROM entry LEFT JOIN undone ON entry_id = id "
    "WHERE ?1 OR at_utc IS NULL ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """One entry of the log, as it was given. undone_utc : None while it counts."""

    id: int
    day: date
    kind: str
    body: Mapping[str, JsonValue]
    logged_utc: datetime
    undone_utc: datetime | None

    def record(self) -> dict[str, JsonValue]:
        """One row of a log file (docs/programme.md)."""
        return {"day": self.day.isoformat(), "kind": self.kind, **self.body}


@dataclass(frozen=True, slots=True)
class DeclaredWorkout:
    """[started, ended) declared as exercise. exercise : None: whatever is found. ended_utc : None while it goes on."""

    id: int
    exercise: str | None
    side: str | None
    started_utc: datetime
    ended_utc: datetime | None


class Diary:
    """The wearer's part of a store (`Store.diary`). Entries are only ever added."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def put(self, *, day: date, kind: str, body: Mapping[str, JsonValue], logged_utc: datetime) -> int:
        """Add an entry; gives its id."""
        row = (day.isoformat(), kind, as_json(body), as_text(logged_utc))
        with transaction(self._database):
            cursor = self._database.execute("INSERT INTO entry (day, kind, body, logged_utc) VALUES (?, ?, ?, ?)", row)
        return int(cursor.lastrowid or 0)

    def entries(self, *, undone: bool = False) -> tuple[LoggedEntry, ...]:
        """All that count, in the order in which they were given. undone : those that were taken back too."""
        rows = self._database.execute(_ENTRIES, (undone,))
        return tuple(
            LoggedEntry(id_, date.fromisoformat(day), kind, json.loads(body), as_moment(at), gone and as_moment(gone))
            for id_, day, kind, body, at, gone in rows
        )

    def undo(self, at_utc: datetime, *, kind: str | None = None) -> LoggedEntry | None:
        """Take back the entry that was given last (of a kind) and still counts; it stays on record. None where there is none."""
        with transaction(self._database):
            counting = [e for e in self.entries() if kind in (None, e.kind)]
            if not counting:
                return None
            self._database.execute("INSERT INTO undone VALUES (?, ?)", (counting[-1].id, as_text(at_utc)))
        return counting[-1]

    def start_workout(self, exercise: str | None, *, side: str | None = None, at_utc: datetime) -> None:
        """From now on what is done is exercise. InputError while another goes on."""
        with transaction(self._database):
            going = self._database.execute(
                "SELECT exercise, started_utc FROM workout WHERE ended_utc IS NULL"
            ).fetchone()
            if going is not None:
                name = f"of {going[0]} " if going[0] else ""
                raise InputError(f"a workout {name}goes on since {going[1]}: end it with posture workout stop")
            row = (exercise, side, as_text(at_utc))
            self._database.execute("INSERT INTO workout (exercise, side, started_utc) VALUES (?, ?, ?)", row)

    def stop_workout(self, at_utc: datetime) -> DeclaredWorkout:
        """The one that went on. InputError where none does."""
        with transaction(self._database):
            going = [w for w in self.workouts() if w.ended_utc is None]
            if not going:
                raise InputError("no workout goes on: begin one with posture workout start")
            self._database.execute("UPDATE workout SET ended_utc = ? WHERE id = ?", (as_text(at_utc), going[0].id))
        return going[0]

    def workouts(self, from_utc: datetime | None = None) -> tuple[DeclaredWorkout, ...]:
        """Those that go on or ended after a moment, by start: what a running monitor asks for, from its session's start on."""
        rows = self._database.execute(
            "SELECT id, exercise, side, started_utc, ended_utc FROM workout "
            "WHERE ?1 IS NULL OR ended_utc IS NULL OR ended_utc > ?1 ORDER BY started_utc, id",
            (from_utc and as_text(from_utc),),
        )
        return tuple(
            DeclaredWorkout(id_, exercise, side, as_moment(start), end and as_moment(end))
            for id_, exercise, side, start, end in rows
        )
