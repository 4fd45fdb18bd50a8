"""Days as they were summed up: kept, so that a month of them is read and not worked out. The store does not look inside."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from posture.store.database import transaction
from posture.store.moments import as_moment, as_text
from posture.types import JsonValue


@dataclass(frozen=True, slots=True)
class KeptDay:
    """A day's summary, JSON text. made_of : what it was made of; another text means that it is out of date."""

    day: date
    made_of: str
    summary: str


@dataclass(frozen=True, slots=True)
class DayChange:
    """What became of a day when it was summed up again; changes : {"name", "before", "after"} each."""

    day: date
    made_utc: datetime
    made_of: str
    changes: tuple[dict[str, JsonValue], ...]


class DayBook:
    """The summed-up days of one store."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def marks(self, session_id: int) -> str:
        """What a session's part of a day rests on besides its revision, counted: seconds, events, alerts, what was said."""
        counts = self._database.execute(
            "SELECT (SELECT coalesce(sum(count), 0) FROM epochs WHERE session_id = ?1),"
            " (SELECT count(*) FROM event WHERE session_id = ?1), (SELECT count(*) FROM alert WHERE session_id = ?1),"
            " (SELECT count(*) FROM answer a JOIN alert b ON a.alert_id = b.id WHERE b.session_id = ?1),"
            " (SELECT count(*) FROM action WHERE session_id = ?1)",
            (session_id,),
        ).fetchone()
        return ".".join(str(n) for n in counts)

    def kept(self, first: date, last: date) -> dict[date, KeptDay]:
        """Those of [first, last] that were summed up."""
        rows = self._database.execute(
            "SELECT day, made_of, summary FROM day WHERE day BETWEEN ? AND ? ORDER BY day",
            (first.isoformat(), last.isoformat()),
        )
        return {date.fromisoformat(day): KeptDay(date.fromisoformat(day), made_of, text) for day, made_of, text in rows}

    def put(self, days: Sequence[KeptDay], changed: Sequence[DayChange] = ()) -> None:
        """Keep days in place of what there was of them, and what that changed."""
        with transaction(self._database):
            self._database.executemany(
                "INSERT OR REPLACE INTO day VALUES (?, ?, ?)", [(d.day.isoformat(), d.made_of, d.summary) for d in days]
            )
            self._database.executemany(
                "INSERT INTO day_change (day, made_utc, made_of, changes) VALUES (?, ?, ?, ?)",
                [(c.day.isoformat(), as_text(c.made_utc), c.made_of, json.dumps(c.changes)) for c in changed],
            )

    def drop(self, days: Sequence[date]) -> None:
        """Forget days whose sessions are gone."""
        with transaction(self._database):
            self._database.executemany("DELETE FROM day WHERE day = ?", [(d.isoformat(),) for d in days])

    def changes(self, day: date | None = None) -> tuple[DayChange, ...]:
        """Of one day or of all, oldest first."""
        rows = self._database.execute(
            "SELECT day, made_utc, made_of, changes FROM day_change WHERE ?1 IS NULL OR day = ?1 ORDER BY id",
            (day and day.isoformat(),),
        )
        return tuple(
            DayChange(date.fromisoformat(d), as_moment(at), made_of, tuple(json.loads(text)))
            for d, at, made_of, text in rows
        )
