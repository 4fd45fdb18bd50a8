"""From a command to the running monitor and back: each request gets one reply. The monitor looks once a second."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from posture.store.database import transaction
from posture.store.moments import as_text
from posture.store.rows import Record, as_json
from posture.types import JsonValue


@dataclass(frozen=True, slots=True)
class Request:
    """Something that the wearer asks. kind : status, snooze, pause, resume or answer. body : what belongs to it."""

    id: int
    kind: str
    body: Mapping[str, JsonValue]


class Mailbox:
    """The requests of a store (`Store.mailbox`)."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def ask(self, kind: str, body: Record, asked_utc: datetime) -> int:
        """Put a request; gives its id, which no other one ever has."""
        row = (kind, as_json(body), as_text(asked_utc))
        with transaction(self._database):
            cursor = self._database.execute("INSERT INTO request (kind, body, asked_utc) VALUES (?, ?, ?)", row)
        return int(cursor.lastrowid or 0)

    def waiting(self) -> tuple[Request, ...]:
        """Those without a reply, in the order in which they came."""
        rows = self._database.execute("SELECT id, kind, body FROM request WHERE reply IS NULL ORDER BY id")
        return tuple(Request(id_, kind, json.loads(body)) for id_, kind, body in rows)

    def reply(self, request_id: int, reply: Record) -> None:
        """The monitor's answer. Nothing happens where nobody waits for it any more."""
        with transaction(self._database):
            self._database.execute("UPDATE request SET reply = ? WHERE id = ?", (as_json(reply), request_id))

    def replied(self, request_id: int) -> dict[str, JsonValue] | None:
        """The answer, None before there is one."""
        row = self._database.execute("SELECT reply FROM request WHERE id = ?", (request_id,)).fetchone()
        return None if row is None or row[0] is None else dict(json.loads(row[0]))

    def take(self, request_id: int) -> None:
        """Take a request away, heard or not."""
        with transaction(self._database):
            self._database.execute("DELETE FROM request WHERE id = ?", (request_id,))

    def clear(self) -> None:
        """For a monitor that begins: what was asked of an earlier one is not meant for it."""
        with transaction(self._database):
            self._database.execute("DELETE FROM request")
