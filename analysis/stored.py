"""Days and log out of the store: all sessions of a day as one input, of which summary, advice and report are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import TypeAdapter, ValidationError

from analysis.daily import summarise
from analysis.days import split
from analysis.inputs import Clock, DayAlert, DayEvent, Part, ReportInput
from analysis.programme.diary import Entry, parse
from analysis.schema import SCHEMA_VERSION, DailySummary
from analysis.whatif import Row, compared
from posture import __version__
from posture.alerts import Quiet, silences
from posture.store import Store
from posture.store.days import DayChange, KeptDay
from posture.types import Context, EpochBlock, JsonValue


def entries_of(store: Store) -> tuple[Entry, ...]:
    """The log as it counts: what was taken back is left out."""
    return parse((entry.record() for entry in store.diary.entries()), f"the store {store.path}")


def days_of(store: Store, first: date, last: date) -> dict[date, ReportInput]:
    """The days of [first, last] on which something was recorded, in order."""
    begin, end = _utc_span(first, last)
    parts: dict[date, list[ReportInput]] = {}
    for session in store.sessions(begin, end):
        if store.seconds(session.id) is None:
            continue  # it has just begun, or nothing was heard in it
        about = {**session.about, "start_utc": session.start_utc.isoformat(), "zone": session.zone}
        about["silences"] = _silences(store, session.id)
        whole = ReportInput.from_records(
            store.epochs(session.id), events=store.events(session.id), alerts=store.alerts(session.id), session=about
        )
        for part in split(whole):
            on = part.session.clock.day_of(float(part.epochs.start_s[0]))
            if on is not None and first <= on <= last:
                parts.setdefault(on, []).append(part)
    return {on: _alone(joined(parts[on]), on) for on in sorted(parts)}


def _silences(store: Store, session_id: int) -> list[JsonValue]:
    """As in session.json of a result; those that go on end with the last second there is."""
    count = store.seconds(session_id)
    found = silences(store.actions(session_id), begun=Quiet(), end_s=count[1] if count else 0.0)
    return [{"act": str(s.act), "from_s": s.from_s, "to_s": s.to_s} for s in found]


def _utc_span(first: date, last: date) -> tuple[datetime, datetime]:
    """Moments between which all of these days lie: zones are less than a day from UTC, and a day ends at 04:00 of the next."""
    day = timedelta(days=1)
    begin, end = (datetime.combine(d, time(), tzinfo=UTC) for d in (first - day, last + 2 * day))
    return begin, end


def last_day(store: Store) -> date | None:
    """The last day on which something was recorded; None for an empty store."""
    for session in reversed(store.sessions()):
        seconds = store.seconds(session.id)
        if seconds:
            return Clock(session.start_utc, ZoneInfo(session.zone)).day_of(seconds[1] - 1.0)
    return None


def summaries_of(store: Store, until: date, days: int) -> dict[date, DailySummary]:
    """Of the `days` days before `until` and of that day, those on which something was recorded."""
    return kept_summaries(store, until - timedelta(days=days), until)


def kept_summaries(store: Store, first: date, last: date, *, now: datetime | None = None) -> dict[date, DailySummary]:
    """The days of [first, last] on which something was recorded, summed up: read where they are up to date, else made and kept.

    A day is out of date after a later result of one of its sessions, later seconds, an answer or another version of the program;
    what is then different of its numbers goes to the store's day changes.
    """
    made_of = _made_of(store, first, last)
    kept = store.days.kept(first, last)
    found: dict[date, DailySummary] = {}
    stale: list[date] = []
    for on, key in made_of.items():
        summary = _read(kept[on].summary) if on in kept and kept[on].made_of == key else None
        if summary is None:
            stale.append(on)
        else:
            found[on] = summary
    fresh = _summed(store, stale)
    changed = []
    for on, summary in fresh.items():
        before = _read(kept[on].summary) if on in kept else None
        moved: list[dict[str, JsonValue]] = [
            {"name": r.name, "before": r.before, "after": r.after} for r in _moved_rows(before, summary)
        ]
        if moved:
            changed.append(DayChange(on, now or datetime.now(UTC), made_of[on], tuple(moved)))
    if fresh:
        store.days.put([KeptDay(on, made_of[on], s.to_json()) for on, s in fresh.items()], changed)
    gone = [on for on in kept if on not in made_of]
    if gone:
        store.days.drop(gone)
    return dict(sorted((found | fresh).items()))


def _summed(store: Store, days: Sequence[date]) -> dict[date, DailySummary]:
    """Summaries of single days, runs of them read together."""
    found: dict[date, DailySummary] = {}
    for on in days:
        if on not in found:
            last = on
            while last + timedelta(days=1) in days and (last - on).days < _AT_ONCE_DAYS:
                last += timedelta(days=1)
            read = days_of(store, on, last)
            found |= {d: summarise(p.epochs, p.events, p.alerts, p.session) for d, p in read.items() if d in days}
    return found


_AT_ONCE_DAYS = 7
"""Days whose seconds are in memory together."""


def _made_of(store: Store, first: date, last: date) -> dict[date, str]:
    """For each day on which there may be something: what its summary is made of."""
    begin, end = _utc_span(first, last)
    found: dict[date, list[str]] = {}
    for session in store.sessions(begin, end):
        count = store.seconds(session.id)
        if not count:
            continue
        clock = Clock(session.start_utc, ZoneInfo(session.zone))
        mark = f"{session.id}.{session.revision}.{store.days.marks(session.id)}"
        for day, _ in clock.days(count[0], count[1] - 1.0):
            on = date.fromisoformat(day)
            if first <= on <= last:
                found.setdefault(on, []).append(mark)
    return {on: f"{__version__} {SCHEMA_VERSION} {' '.join(marks)}" for on, marks in sorted(found.items())}


def _moved_rows(before: DailySummary | None, after: DailySummary) -> list[Row]:
    return [r for r in compared(before, after) if r.differs] if before is not None else []


def _read(text: str) -> DailySummary | None:
    """None for one of another version."""
    try:
        summary = _SUMMARY.validate_json(text)
    except ValidationError:
        return None
    return summary if summary.schema_version == SCHEMA_VERSION else None


_SUMMARY: TypeAdapter[DailySummary] = TypeAdapter(DailySummary)


def joined(parts: Sequence[ReportInput]) -> ReportInput:
    """Parts of one day as one, in the first one's seconds and zone. What lies between them is a gap.

    Calibration, settings and sensors are those of the part worn longest.
    """
    if len(parts) == 1:
        return parts[0]
    first, longest = parts[0], max(parts, key=lambda p: int(np.count_nonzero(~np.isin(p.epochs.context, _NOT_WORN))))
    epochs: list[EpochBlock] = []
    events: list[DayEvent] = []
    alerts: list[DayAlert] = []
    for part in parts:
        by_s = _between_s(first, part)
        due_s = float(epochs[-1].start_s[-1]) + 1.0 if epochs else float(part.epochs.start_s[0]) + by_s
        moved = _moved(part.epochs, by_s, from_s=due_s)
        if not len(moved):
            continue
        epochs += [_gap(due_s, float(moved.start_s[0])), moved]
        events += [_event(e, by_s) for e in part.events]
        alerts += [
            a.model_copy(update={"about_s": a.about_s + by_s, "raised_s": a.raised_s + by_s}) for a in part.alerts
        ]
    notes = dict.fromkeys(note for part in parts for note in part.session.notes)
    whole = longest.session.model_copy(
        update={
            "start_utc": first.session.start_utc,
            "zone": first.session.zone,
            "segments": tuple(
                s.model_copy(update={"first_s": s.first_s + _between_s(first, p)})
                for p in parts
                for s in p.session.segments
            ),
            "silences": tuple(
                s.model_copy(update={"from_s": s.from_s + _between_s(first, p), "to_s": s.to_s + _between_s(first, p)})
                for p in parts
                for s in p.session.silences
            ),
            "notes": (*notes, f"Put together from {len(parts)} sessions; what lies between them is a gap."),
        }
    )
    return ReportInput(EpochBlock.joined(epochs), tuple(events), tuple(alerts), whole)


def _alone(day: ReportInput, on: date) -> ReportInput:
    """A day that is looked at for itself: that a session of it went on over 04:00 is no matter."""
    part = Part(float(day.epochs.start_s[0]), (on.isoformat(),))
    return replace(day, session=day.session.model_copy(update={"part": part}))


_NOT_WORN = (Context.GAP, Context.NON_WEAR)


def _between_s(first: ReportInput, part: ReportInput) -> float:
    """Whole s from the start of one session to that of the other; both have a clock."""
    starts = [p.session.start_utc or datetime.min.replace(tzinfo=UTC) for p in (first, part)]
    return float(round((starts[1] - starts[0]).total_seconds()))


def _moved(epochs: EpochBlock, by_s: float, *, from_s: float) -> EpochBlock:
    """The seconds on the other axis; those before `from_s`, which an earlier session has, are left out."""
    columns = {f.name: getattr(epochs, f.name) for f in fields(EpochBlock)} | {"start_s": epochs.start_s + by_s}
    return EpochBlock(**{name: values[epochs.start_s + by_s >= from_s] for name, values in columns.items()})


def _event(event: DayEvent, by_s: float) -> DayEvent:
    """An event on the other axis, with those of its numbers that are moments too."""
    numbers = {name: event.evidence[name] for name in _MOMENTS if name in event.evidence}
    moved = {name: _later(value, by_s) for name, value in {**numbers, "peak_s": event.peak_s}.items()}
    return event.model_copy(update={"start_s": event.start_s + by_s, "end_s": event.end_s + by_s, **moved})


_MOMENTS = ("off_s", "from_s", "rep_start_s")
"""Evidence that counts from the start of the recording (docs/events.md); all other seconds are lengths."""


def _later(value: object, by_s: float) -> object:
    if isinstance(value, list):
        return [_later(v, by_s) for v in value]
    return value + by_s if isinstance(value, int | float) else value


def _gap(from_s: float, to_s: float) -> EpochBlock:
    """Seconds in which nothing was measured."""
    start_s = np.arange(from_s, to_s)
    unknown = {f.name: np.full(len(start_s), np.nan) for f in fields(EpochBlock)}
    known = {
        "start_s": start_s,
        "context": np.full(len(start_s), Context.GAP, dtype=np.int8),
        "context_confidence": np.ones(len(start_s)),
        "flexed": np.full(len(start_s), -1, dtype=np.int8),
        "valid_fraction": np.zeros(len(start_s)),
    }
    return EpochBlock(**(unknown | known))
