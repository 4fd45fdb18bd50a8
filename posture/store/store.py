"""`Store`: what a run puts down and takes up again. Each write is one whole transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from math import isinf
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

from posture.alerts import Act, AlertState, UserAction
from posture.signal import calibration as cal
from posture.store.database import connect, transaction
from posture.store.days import DayBook
from posture.store.diary import Diary
from posture.store.differences import Difference, difference
from posture.store.mailbox import Mailbox
from posture.store.moments import as_moment, as_text
from posture.store.rows import (
    ALERT_COLUMNS,
    Record,
    StoredSession,
    append_epochs,
    append_events,
    as_json,
    insert,
    one_changed,
    read_epochs,
    read_events,
)
from posture.types import EpochBlock, JsonValue, Placement, PostureError


@dataclass(frozen=True, slots=True)
class KnownSensor:
    """An enrolled sensor. handle : its address, or what the system calls it."""

    serial: str
    placement: Placement
    name: str
    handle: str
    bonded: bool
    driver: str


@dataclass(frozen=True, slots=True)
class PolicyMemory:
    """The alert policy's memory as last put down. Its times count from the start of that session."""

    state: AlertState
    session_id: int
    saved_utc: datetime


class Store:
    """One person's database. Belongs to the thread that made it; a second process may have one of its own.

    Events and alerts go in and come out as in events.json and alerts.json.
    diary : what the wearer says. days : as they were summed up. mailbox : requests to the running monitor.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = connect(path)
        self.diary = Diary(self._database)
        self.days = DayBook(self._database)
        self.mailbox = Mailbox(self._database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if type(error) in (sqlite3.DatabaseError, sqlite3.OperationalError):
            raise PostureError(f"the store {self.path} cannot be read ({error}): restore a copy of it") from error

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    # Sessions and their results

    def put_session(
        self, *, folder: str, start_utc: datetime, zone: str, about: Record, code_version: str, made_utc: datetime
    ) -> int:
        """A session that begins, with an empty live result; gives its id. folder : name of its record, used once."""
        ZoneInfo(zone)
        with self._writing() as db:
            row = (folder, as_text(start_utc), zone, as_json(about))
            session = db.execute(
                "INSERT INTO session (folder, start_utc, zone, revision, about) VALUES (?, ?, ?, 1, ?)", row
            ).lastrowid
            db.execute(
                "INSERT INTO revision VALUES (?, 1, 'live', ?, ?, NULL)", (session, as_text(made_utc), code_version)
            )
        return int(session or 0)

    def end_session(self, session_id: int, end_utc: datetime) -> None:
        """It has ended, or was found cut off and ended here."""
        with self._writing() as db:
            one_changed(
                db.execute("UPDATE session SET end_utc = ? WHERE id = ?", (as_text(end_utc), session_id)), session_id
            )

    def put_epochs(self, session_id: int, epochs: EpochBlock) -> None:
        """Append seconds that follow on those there are. The open hour is packed anew each time: about once a minute is right."""
        with self._writing() as db:
            append_epochs(db, session_id, epochs)

    def put_events(self, session_id: int, events: Iterable[Record]) -> None:
        """Append events."""
        with self._writing() as db:
            append_events(db, session_id, events)

    def put_final(
        self,
        session_id: int,
        *,
        epochs: EpochBlock,
        events: Sequence[Record],
        about: Record,
        code_version: str,
        made_utc: datetime,
    ) -> Difference:
        """The result of the completed record takes the place of epochs and events as the next revision.

        Alerts stay as live raised them. The difference is kept, and given back.
        """
        with self._writing() as db:
            found = difference((read_epochs(db, session_id), read_events(db, session_id)), (epochs, events))
            db.execute("DELETE FROM epochs WHERE session_id = ?", (session_id,))
            db.execute("DELETE FROM event WHERE session_id = ?", (session_id,))
            append_epochs(db, session_id, epochs)
            append_events(db, session_id, events)
            changed = db.execute(
                "UPDATE session SET revision = revision + 1, about = ? WHERE id = ?", (as_json(about), session_id)
            )
            one_changed(changed, session_id)
            row = (as_text(made_utc), code_version, json.dumps(asdict(found)), session_id)
            db.execute("INSERT INTO revision SELECT id, revision, 'final', ?, ?, ? FROM session WHERE id = ?", row)
        return found

    def sessions(self, from_utc: datetime | None = None, to_utc: datetime | None = None) -> tuple[StoredSession, ...]:
        """Sessions that touch [from, to), by start; one that has not ended reaches to now."""
        rows = self._database.execute(
            "SELECT s.id, folder, start_utc, end_utc, zone, s.revision, r.result, about FROM session s "
            "JOIN revision r ON r.session_id = s.id AND r.number = s.revision "
            "WHERE (?1 IS NULL OR end_utc IS NULL OR end_utc > ?1) AND (?2 IS NULL OR start_utc < ?2) ORDER BY start_utc, s.id",
            (from_utc and as_text(from_utc), to_utc and as_text(to_utc)),
        )
        return tuple(
            StoredSession(
                id_, folder, as_moment(start), end and as_moment(end), zone, revision, result, json.loads(about)
            )
            for id_, folder, start, end, zone, revision, result, about in rows
        )

    def epochs(self, session_id: int) -> EpochBlock:
        """All seconds of the present result, rounded as in `posture.store.packing`."""
        return read_epochs(self._database, session_id)

    def seconds(self, session_id: int) -> tuple[float, float] | None:
        """First second and the one behind the last of the present result; None where there is none yet."""
        row = self._database.execute(
            "SELECT min(first_s), max(first_s + count) FROM epochs WHERE session_id = ?", (session_id,)
        ).fetchone()
        return None if row[0] is None else (float(row[0]), float(row[1]))

    def events(self, session_id: int) -> list[dict[str, JsonValue]]:
        """The present result's events by start."""
        return read_events(self._database, session_id)

    def differences(self, session_id: int) -> tuple[Difference, ...]:
        """What each later result changed, oldest first."""
        rows = self._database.execute(
            "SELECT difference FROM revision WHERE session_id = ? AND difference IS NOT NULL ORDER BY number",
            (session_id,),
        )
        return tuple(Difference(**json.loads(text)) for (text,) in rows)

    # Alerts and their answers

    def put_alerts(self, session_id: int, alerts: Iterable[Record]) -> tuple[int, ...]:
        """Alerts as they are raised; gives their ids, for the answers."""
        with self._writing() as db:
            return tuple(insert(db, "alert", ALERT_COLUMNS, session_id, alert) for alert in alerts)

    def alert_id(self, session_id: int, kind: str, about_s: float) -> int | None:
        """The alert on that second or event; None where there is none."""
        row = self._database.execute(
            "SELECT id FROM alert WHERE session_id = ? AND kind = ? AND abs(about_s - ?) < 0.001 ORDER BY id DESC",
            (session_id, kind, about_s),
        ).fetchone()
        return None if row is None else int(row[0])

    def put_answer(self, alert_id: int, said: str, at_utc: datetime) -> None:
        """What the wearer said to an alert; a later answer stands beside the earlier ones."""
        with self._writing() as db:
            db.execute(
                "INSERT INTO answer (alert_id, at_utc, said) VALUES (?, ?, ?)", (alert_id, as_text(at_utc), said)
            )

    def alerts(self, session_id: int) -> list[dict[str, JsonValue]]:
        """As raised, in order, each with its `answers`: [{"at_utc", "said"}]."""
        columns = ", ".join(ALERT_COLUMNS)
        rows = self._database.execute(
            f"SELECT id, evidence, {columns} FROM alert WHERE session_id = ? ORDER BY raised_s, id",  # noqa: S608 - constants
            (session_id,),
        ).fetchall()
        found: list[dict[str, JsonValue]] = []
        for id_, evidence, *values in rows:
            said = self._database.execute("SELECT at_utc, said FROM answer WHERE alert_id = ? ORDER BY id", (id_,))
            answers: list[JsonValue] = [{"at_utc": at, "said": word} for at, word in said]
            found.append({**dict(zip(ALERT_COLUMNS, values, strict=True)), **json.loads(evidence), "answers": answers})
        return found

    def put_action(self, session_id: int, action: UserAction) -> None:
        """What the wearer asked of the alerts, as the policy takes it."""
        until_s = action.until_s if action.act is Act.SNOOZE else None
        with self._writing() as db:
            row = (session_id, str(action.act), action.at_s, until_s)
            db.execute("INSERT INTO action (session_id, act, at_s, until_s) VALUES (?, ?, ?, ?)", row)

    def actions(self, session_id: int) -> tuple[UserAction, ...]:
        """All of a session, in order; what went on from the one before is the first, at 0 s."""
        rows = self._database.execute(
            "SELECT at_s, act, until_s FROM action WHERE session_id = ? ORDER BY id", (session_id,)
        )
        return tuple(
            UserAction(at_s, Act(act), *([until_s] if until_s is not None else [])) for at_s, act, until_s in rows
        )

    # What is known of sensors and wearer

    def put_calibration(
        self, calibration: cal.Calibration, made_utc: datetime, *, raw_poses: Record | None = None
    ) -> None:
        """Keep a calibration; earlier ones stay. raw_poses : the samples that it was made from (`posture.signal.raw_poses`)."""
        raw = None if raw_poses is None else as_json(raw_poses)
        row = (as_text(made_utc), calibration.source, calibration.grade, as_json(cal.to_json(calibration)), raw)
        with self._writing() as db:
            db.execute("INSERT INTO calibration (made_utc, source, grade, tree, raw_poses) VALUES (?, ?, ?, ?, ?)", row)

    def latest_calibration(self, sensors: Collection[Placement] = (), *, full: bool = False) -> cal.Calibration | None:
        """The newest that was made with these sensors (it may know more). full : from poses, neither quick nor self-made."""
        found = self._latest(sensors, full=full)
        return None if found is None else found[0]

    def latest_raw_poses(self, sensors: Collection[Placement] = ()) -> dict[str, JsonValue] | None:
        """What `latest_calibration` was made from; None where that was not kept."""
        found = self._latest(sensors, full=False)
        return None if found is None or found[1] is None else dict(json.loads(found[1]))

    def _latest(self, sensors: Collection[Placement], *, full: bool) -> tuple[cal.Calibration, str | None] | None:
        rows = self._database.execute("SELECT source, tree, raw_poses FROM calibration ORDER BY made_utc DESC, id DESC")
        for source, tree, raw in rows:
            found = cal.from_json(json.loads(tree), source=str(self.path))
            if set(sensors) <= set(found.sensors) and (source == "poses" or not full):
                return found, raw
        return None

    def put_sensor(self, sensor: KnownSensor) -> None:
        """Enrol a sensor, or change what is known of one."""
        row = (sensor.serial, str(sensor.placement), sensor.name, sensor.handle, int(sensor.bonded), sensor.driver)
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO sensor VALUES (?, ?, ?, ?, ?, ?)", row)

    def forget_sensor(self, serial: str) -> bool:
        """Whether there was one of that serial; it is enrolled no more."""
        with self._writing() as db:
            return db.execute("DELETE FROM sensor WHERE serial = ?", (serial,)).rowcount > 0

    def sensors(self) -> tuple[KnownSensor, ...]:
        """All that are enrolled, the lowest on the body first."""
        rows = self._database.execute("SELECT * FROM sensor ORDER BY placement, serial")
        return tuple(KnownSensor(s, Placement(p), n, h, bool(b), d) for s, p, n, h, b, d in rows)

    def set_profile(self, key: str, value: JsonValue, changed_utc: datetime) -> None:
        """Remember something of the wearer; the key names its unit."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO profile VALUES (?, ?, ?)", (key, as_json(value), as_text(changed_utc)))

    def profile(self) -> dict[str, JsonValue]:
        """All that is remembered of the wearer."""
        return {
            key: json.loads(value)
            for key, value in self._database.execute("SELECT key, value FROM profile ORDER BY key")
        }

    def put_policy_state(self, state: AlertState, *, session_id: int, saved_utc: datetime) -> None:
        """The alert policy's memory, for the next start."""
        with self._writing() as db:
            tree = as_json({name: _finite(value) for name, value in asdict(state).items()})
            db.execute(
                "INSERT OR REPLACE INTO policy_state VALUES (1, ?, ?, ?)", (session_id, as_text(saved_utc), tree)
            )

    def policy_state(self) -> PolicyMemory | None:
        """What was last put down; None before that. What this version's policy does not know is left out."""
        row = self._database.execute("SELECT session_id, saved_utc, state FROM policy_state").fetchone()
        if row is None:
            return None
        known = {f.name for f in fields(AlertState)}
        values: dict[str, Any] = {name: _infinite(value) for name, value in json.loads(row[2]).items() if name in known}
        return PolicyMemory(AlertState(**values), row[0], as_moment(row[1]))

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is there all at once, or none of it."""
        with transaction(self._database):
            yield

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with transaction(self._database):
            yield self._database


def _finite(value: object) -> object:
    """JSON has no infinity, and NULL already means "not known"."""
    return ("inf" if value > 0 else "-inf") if isinstance(value, float) and isinf(value) else value


def _infinite(value: object) -> object:
    return float(value) if value in ("inf", "-inf") else value
