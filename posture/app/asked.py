"""What the wearer asks of a running monitor: fewer alerts for a while, and "that was wrong".

`posture snooze`, `pause`, `resume`, `wrong` and `status` come by the store's mailbox, a button of a notification directly; both
end here. What changes something goes into the record first, from which a replay hears it again, then to the pipeline and the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

from analysis.inputs import Clock
from posture.alerts import Act, AlertState, Quiet, UserAction, in_quiet_hours
from posture.app.notify import title_of
from posture.app.tell import SNOOZE_MIN, WRONG, answer_words, clock_words
from posture.days import Days
from posture.pipeline import Pipeline
from posture.recording.session import RecordKind, SessionMeta, SessionWriter, action_record, user_action
from posture.store import Request, Store
from posture.types import GRID_HZ, Alert, InputError, JsonValue


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a request: a line for the wearer, and what the store keeps of it."""

    words: str
    keep: Callable[[Store, int], None] | None = None


@dataclass(slots=True)
class Asked:
    """One session's ear. raised : its alerts, in order. `hear` is given the tick from which what is asked may hold."""

    meta: SessionMeta
    pipeline: Pipeline
    writer: SessionWriter
    quiet: Quiet = field(init=False)
    raised: list[Alert] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        state = self.meta.alert_state
        self.quiet = Quiet() if state is None else AlertState.from_json(state, source="session.json").quiet

    def hear(self, request: Request, tick: int) -> Heard:
        """InputError where there is nothing to do, in a sentence."""
        now_s = tick / GRID_HZ
        if request.kind == "answer":
            return self._answer(request.body, tick)
        if request.kind not in frozenset(Act):
            raise InputError("this monitor is of an older version and does not know that; start it again")
        act = Act(request.kind)
        if act is not Act.RESUME and now_s >= self.quiet.paused_from_s:
            raise InputError(f"alerts are paused since {self._at(self.quiet.paused_from_s)}; posture resume ends it")
        if act is Act.RESUME and not self.quiet.covers(now_s):
            raise InputError("alerts are neither paused nor snoozed")
        record = action_record(act, tick, self._minutes(request.body, now_s) if act is Act.SNOOZE else None)
        action = user_action(record)
        self.writer.append(record)
        self.pipeline.tell(action)
        self.quiet = self.quiet.after(action)
        return Heard(self._words(action), lambda store, session_id: store.put_action(session_id, action))

    def notice(self, now_s: float) -> str:
        """What holds alerts back now; empty where nothing does."""
        if now_s >= self.quiet.paused_from_s:
            return f"alerts paused since {self._at(self.quiet.paused_from_s)}"
        if self.quiet.covers(now_s):
            return f"no alerts until {self._at(self.quiet.snoozed_until_s)}"
        alerts = self.pipeline.config.alerts
        return f"quiet hours until {alerts.quiet_to}" if in_quiet_hours(alerts, self._days, now_s) else ""

    def last(self) -> str:
        """The last alert, for `posture status`."""
        if not self.raised:
            return "no alert yet"
        wrong = ", called wrong" if self.answers.get(len(self.raised) - 1) == WRONG else ""
        count = f"{len(self.raised)} alert{'s' * (len(self.raised) != 1)}"
        return f"{count}, the last at {self._at(self.raised[-1].raised_s)} ({title_of(self.raised[-1]).lower()}{wrong})"

    def since(self) -> str:
        """When the session began, on the wall."""
        return self._at(0.0)

    def _answer(self, body: Mapping[str, JsonValue], tick: int) -> Heard:
        """On the alert that `kind` and `about_s` name."""
        said = str(body["said"])
        about = (body["kind"], body["about_s"])
        mine = [k for k, alert in enumerate(self.raised) if (str(alert.kind), alert.about_s) == about]
        if not mine:
            raise InputError("this session raised no such alert")
        k, alert = mine[-1], self.raised[mine[-1]]
        self.writer.append({"kind": RecordKind.ANSWER, "tick": tick, "id": k, "answer": said})
        self.answers[k] = said
        return Heard(answer_words(said, title_of(alert), self._at(alert.raised_s)), _keeper(alert, said))

    def _minutes(self, body: Mapping[str, JsonValue], now_s: float) -> float:
        """How long a snooze is: as said, or until the day ends, at 04:00 in the session's zone."""
        if body.get("rest_of_day"):
            return (self._days.ends_s(now_s) - now_s) / 60.0
        minutes = body.get("minutes")
        return float(minutes) if isinstance(minutes, int | float) else SNOOZE_MIN

    def _words(self, action: UserAction) -> str:
        if action.act is Act.SNOOZE:
            return f"No alerts until {self._at(action.until_s)}; posture resume ends it earlier."
        if action.act is Act.PAUSE:
            return "Alerts are paused, the recording goes on. Next: posture resume"
        return "Alerts are on again."

    @property
    def _days(self) -> Days:
        return Days(self.meta.start_utc, ZoneInfo(self.meta.zone))

    def _at(self, time_s: float) -> str:
        """A time of the session on the wall."""
        return clock_words(self.meta.start_utc + timedelta(seconds=time_s), self.meta.zone)


def _keeper(alert: Alert, said: str) -> Callable[[Store, int], None]:
    def keep(store: Store, session_id: int) -> None:
        found = store.alert_id(session_id, str(alert.kind), alert.about_s)
        if found is not None:
            store.put_answer(found, said, datetime.now(UTC))

    return keep


def going_on(quiet: Quiet, *, was: Clock | None, now: Clock) -> Quiet:
    """What an earlier session's silence is in one that begins now: a snooze to its end, a pause for the rest of its day."""
    if was is None or was.start_utc is None or now.start_utc is None:
        return Quiet()
    later_s = (now.start_utc - was.start_utc).total_seconds()
    paused = quiet.paused_from_s < inf and now.day_of(0.0) == was.day_of(quiet.paused_from_s)
    snoozed = quiet.snoozed_until_s > later_s
    return Quiet(
        quiet.snoozed_until_s - later_s if snoozed else -inf, min(0.0, quiet.paused_from_s - later_s) if paused else inf
    )


def went_on(quiet: Quiet) -> list[UserAction]:
    """The same as what was asked at the start of the session."""
    found = [UserAction(0.0, Act.PAUSE)] if quiet.paused_from_s < inf else []
    return found + ([UserAction(0.0, Act.SNOOZE, quiet.snoozed_until_s)] if quiet.snoozed_until_s > 0.0 else [])
