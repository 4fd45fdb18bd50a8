"""Days and log out of the store: all sessions of a day as one input, of which summary, advice and report are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from analysis.daily import summarise
from analysis.days import split
from analysis.inputs import Clock, DayAlert, DayEvent, Part, ReportInput
from analysis.programme.days import HISTORY_DAYS, advised
from analysis.programme.diary import Entry, parse
from analysis.programme.pack import Pack
from analysis.schema import DailySummary, DayAdvice
from posture.store import Store
from posture.types import Context, EpochBlock


def entries_of(store: Store) -> tuple[Entry, ...]:
    """The log as it counts: what was taken back is left out."""
    return parse((entry.record() for entry in store.diary.entries()), f"the store {store.path}")


def days_of(store: Store, first: date, last: date) -> dict[date, ReportInput]:
    """The days of [first, last] on which something was recorded, in order."""
    day = timedelta(
        days=1
    )  # the zones of the earth lie less than a day apart from UTC, and a day ends at 04:00 of the next
    begin, end = (datetime.combine(d, time(), tzinfo=UTC) for d in (first - day, last + 2 * day))
    parts: dict[date, list[ReportInput]] = {}
    for session in store.sessions(begin, end):
        about = {**session.about, "start_utc": session.start_utc.isoformat(), "zone": session.zone}
        whole = ReportInput.from_records(
            store.epochs(session.id), events=store.events(session.id), alerts=store.alerts(session.id), session=about
        )
        for part in split(whole) if len(whole.epochs) else ():
            on = part.session.clock.day_of(float(part.epochs.start_s[0]))
            if on is not None and first <= on <= last:
                parts.setdefault(on, []).append(part)
    return {on: _alone(joined(parts[on]), on) for on in sorted(parts)}


def last_day(store: Store) -> date | None:
    """The last day on which something was recorded; None for an empty store."""
    for session in reversed(store.sessions()):
        epochs = store.epochs(session.id)
        if len(epochs):
            return Clock(session.start_utc, ZoneInfo(session.zone)).day_of(float(epochs.start_s[-1]))
    return None


def advice_of(store: Store, pack: Pack, on: date) -> DayAdvice:
    """What the programme says of a day, given the days before it and the log."""
    return advised(pack, summaries_of(store, on, HISTORY_DAYS), entries_of(store), on).record(pack)


def summaries_of(store: Store, until: date, days: int) -> dict[date, DailySummary]:
    """Of the `days` days before `until` and of that day, those on which something was recorded."""
    found = days_of(store, until - timedelta(days=days), until)
    return {on: summarise(day.epochs, day.events, day.alerts, day.session) for on, day in found.items()}


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
