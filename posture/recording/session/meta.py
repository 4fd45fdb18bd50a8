"""What a session says of itself: session.json, written once at the start, and the lines of records.jsonl that follow.

Configuration, calibration, profile and policy state are JSON trees here: who made them knows how to read them again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from posture.alerts import Act, UserAction
from posture.detect.declared import Declared
from posture.recording.clock import parse_clock
from posture.types import GRID_HZ, InputError, JsonValue, Placement

FORMAT = 1
META = "session.json"
RECORDS = "records.jsonl"
Tree = Mapping[str, JsonValue]


class RecordKind(StrEnum):
    """What happened, in records.jsonl; each line has `kind` and the `tick` of the session grid at which it took effect."""

    ALERT = "alert"
    """Raised live: `id` (counts up from 0), `alert` (as in alerts.json)."""
    ANSWER = "answer"
    """To the alert `id`: `answer`, a word."""
    SNOOZE = "snooze"
    """No alerts for `minutes`; 0 ends it."""
    PAUSE = "pause"
    """No alerts until `resume`."""
    RESUME = "resume"
    """Alerts again, whether they were paused or snoozed."""
    WORKOUT = "workout"
    """`state`: start or stop; `exercise` and `side`, as declared or null."""
    CONFIG = "config"
    """`config`, the whole of it."""
    CALIBRATION = "calibration"
    """`calibration`, the whole of it."""
    LOST = "lost"
    """Packets that could not be written: `packets`, `reason`."""
    RECOVERED = "recovered"
    """The session was cut off, and this is what came back: see `recover`."""
    END = "end"
    """A clean end: `end_ns`. A session without one was cut off."""


@dataclass(frozen=True, slots=True)
class SessionSensor:
    """A sensor of the session. id : a name for it that is not its serial, the same in all sessions of this host."""

    placement: Placement
    id: str
    name: str = ""
    driver: str = "lps"


@dataclass(frozen=True, slots=True)
class SessionMeta:
    """What is known when a session begins.

    session_id : of this folder, in the store and in file names. start_utc : aware, when `host_time_ns` was 0. zone : IANA.
    config, calibration, profile, alert_state : JSON trees; calibration None: not calibrated. raw_poses : the poses that the
    calibration was made from, with their samples (`posture.signal.raw_poses`), if they were kept.
    """

    session_id: str
    start_utc: datetime
    zone: str
    sensors: tuple[SessionSensor, ...]
    code_version: str
    config: Tree
    calibration: Tree | None = None
    raw_poses: Tree | None = None
    profile: Tree = field(default_factory=dict)
    alert_state: Tree | None = None

    @property
    def placements(self) -> tuple[Placement, ...]:
        """Where sensors sit, in the order of `Placement`."""
        return tuple(p for p in Placement if any(s.placement is p for s in self.sensors))

    def to_json(self) -> str:
        """The text of session.json."""
        tree = {
            "format": FORMAT,
            "session": self.session_id,
            "code_version": self.code_version,
            "start_utc": self.start_utc.astimezone(UTC).isoformat(),
            "zone": self.zone,
            "sensors": [
                {"placement": s.placement.value, "id": s.id, "name": s.name, "driver": s.driver} for s in self.sensors
            ],
            "config": self.config,
            "calibration": self.calibration,
            "raw_poses": self.raw_poses,
            "profile": self.profile,
            "alert_state": self.alert_state,
        }
        return json.dumps(tree, indent=1, allow_nan=False) + "\n"


def read_meta(folder: Path) -> SessionMeta:
    """session.json of a folder; InputError in one sentence where it is not one of a session."""
    path = folder / META
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder} is no session: it has no {META}; name the folder of a session") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); copy the session again") from error
    if not isinstance(tree, dict) or "session" not in tree:
        raise InputError(f"{path} is not that of a session but of a result; name the folder that was recorded")
    if tree.get("format") != FORMAT:
        raise InputError(
            f"{path} has session format {tree.get('format')}, this version reads {FORMAT}; use the version that wrote it"
        )
    try:
        return _of_tree(tree, where=str(path))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error!r}); copy the session again") from error


def _of_tree(tree: Mapping[str, Any], *, where: str) -> SessionMeta:
    start_utc, zone = parse_clock(tree["start_utc"], tree["zone"], where=where)
    if start_utc is None or zone is None:
        raise ValueError("no start or no zone")
    sensors = tuple(
        SessionSensor(Placement(s["placement"]), str(s["id"]), str(s["name"]), str(s["driver"]))
        for s in tree["sensors"]
    )
    if not sensors or len({s.placement for s in sensors}) < len(sensors):
        raise ValueError("no sensor, or two at one placement")
    return SessionMeta(
        session_id=str(tree["session"]),
        start_utc=start_utc,
        zone=zone,
        sensors=sensors,
        code_version=str(tree["code_version"]),
        config=dict(tree["config"]),
        calibration=None if tree["calibration"] is None else dict(tree["calibration"]),
        raw_poses=None if tree["raw_poses"] is None else dict(tree["raw_poses"]),
        profile=dict(tree["profile"]),
        alert_state=None if tree["alert_state"] is None else dict(tree["alert_state"]),
    )


def tick_of(host_time_ns: int) -> int:
    """The tick of the session grid that has begun at that time."""
    return host_time_ns * GRID_HZ // 1_000_000_000


def record_line(record: Tree) -> bytes:
    """One line of records.jsonl. ValueError for a record without a kind and a tick."""
    kind, tick = record.get("kind"), record.get("tick")
    if kind not in frozenset(RecordKind) or not isinstance(tick, int):
        raise ValueError(f"a record needs a known kind and the tick at which it took effect, not {kind!r} at {tick!r}")
    return json.dumps(record, allow_nan=False).encode() + b"\n"


def whole_records(text: bytes) -> tuple[list[dict[str, Any]], int]:
    """The records of whole lines, and how many bytes those are; what follows is torn."""
    found: list[dict[str, Any]] = []
    at = 0
    while (end := text.find(b"\n", at)) >= 0:
        try:
            record = json.loads(text[at:end])
        except ValueError:
            break
        if not isinstance(record, dict):
            break
        found.append(record)
        at = end + 1
    return found, at


def raised_alerts(records: Sequence[Mapping[str, Any]]) -> list[dict[str, JsonValue]]:
    """The alerts that live raised, as in alerts.json, each with its `answer` where there is one (the last counts)."""
    answers = {r.get("id"): r.get("answer") for r in records if r["kind"] == RecordKind.ANSWER}
    alerts: list[dict[str, JsonValue]] = []
    for record in records:
        if record["kind"] == RecordKind.ALERT and isinstance(record.get("alert"), dict):
            said = {"answer": answers[record.get("id")]} if record.get("id") in answers else {}
            alerts.append({**record["alert"], **said})
    return alerts


def action_record(act: Act, tick: int, minutes: float | None = None) -> Tree:
    """What the wearer asked of the alerts. minutes : of a snooze."""
    record: dict[str, JsonValue] = {"kind": RecordKind(act.value), "tick": tick}
    return record if act is not Act.SNOOZE else {**record, "minutes": minutes}


def user_action(record: Mapping[str, Any]) -> UserAction:
    """A record of the kind of an `Act` as the alert policy takes it, live and in a replay."""
    at_s, minutes = record["tick"] / GRID_HZ, record.get("minutes")
    until_s = at_s + 60.0 * minutes if isinstance(minutes, int | float) else -math.inf
    return UserAction(at_s, Act(record["kind"]), until_s)


def user_actions(records: Sequence[Mapping[str, Any]]) -> tuple[UserAction, ...]:
    """All that the wearer asked of the alerts, in order."""
    return tuple(user_action(record) for record in records if record["kind"] in frozenset(Act))


def workout_record(workout: Declared) -> Tree:
    """A declared workout that begins, or, where its end is known, ends."""
    running = workout.end_s == math.inf
    return {
        "kind": RecordKind.WORKOUT,
        "tick": round((workout.start_s if running else workout.end_s) * GRID_HZ),
        "state": "start" if running else "stop",
        "exercise": workout.exercise,
        "side": workout.side,
    }


def declared_workouts(records: Sequence[Mapping[str, Any]]) -> tuple[Declared, ...]:
    """The workouts that were declared to the running monitor; one that was not ended goes on."""
    found: list[Declared] = []
    for record in records:
        if record["kind"] != RecordKind.WORKOUT:
            continue
        at_s = record["tick"] / GRID_HZ
        exercise, side = (v if isinstance(v := record.get(k), str) else None for k in ("exercise", "side"))
        if record.get("state") == "start":
            found.append(Declared(at_s, exercise=exercise, side=side))
        elif found and found[-1].end_s == math.inf:
            found[-1] = replace(found[-1], end_s=at_s)
    return tuple(found)
