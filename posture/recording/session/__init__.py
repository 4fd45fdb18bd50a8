"""Sessions of live sensors on disk: raw packets as they came, and what is made of them. See docs/session.md."""

from __future__ import annotations

from posture.recording.session.compaction import compact
from posture.recording.session.decode import SessionDecoder
from posture.recording.session.meta import (
    RecordKind,
    SessionMeta,
    SessionSensor,
    action_record,
    declared_workouts,
    raised_alerts,
    read_meta,
    tick_of,
    user_action,
    user_actions,
    workout_record,
)
from posture.recording.session.reader import Session, is_session
from posture.recording.session.recording import NoSamplesError, SessionRecording, open_session
from posture.recording.session.recovery import Recovered, answer_late, recover, sessions
from posture.recording.session.writer import SessionWriter

__all__ = [
    "NoSamplesError",
    "RecordKind",
    "Recovered",
    "Session",
    "SessionDecoder",
    "SessionMeta",
    "SessionRecording",
    "SessionSensor",
    "SessionWriter",
    "action_record",
    "answer_late",
    "compact",
    "declared_workouts",
    "is_session",
    "open_session",
    "raised_alerts",
    "read_meta",
    "recover",
    "sessions",
    "tick_of",
    "user_action",
    "user_actions",
    "workout_record",
]
