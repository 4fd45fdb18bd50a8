"""A session by days: a day begins at 04:00 in the zone in which the session began, and a session over that line is split.

The split is for the summary and the report only: detection and alerts run on. An event belongs to the day in which it begins, an
alert to the day in which it was raised; a stretch of sitting over the line is two bouts. Days are as long as they last: 23 or 25
hours in the two nights in which the clocks change. A flight changes nothing: the zone stays that of the start.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from analysis.daily import summarise
from analysis.inputs import Part, ReportInput, period_of
from analysis.schema import DailySummary
from posture.types import Context, EpochBlock, InputError


def split(whole: ReportInput) -> tuple[ReportInput, ...]:
    """One part a day, in order; the input itself where it has no clock, no epoch or only one day."""
    clock, start_s = whole.session.clock, whole.epochs.start_s
    if not clock.known or not len(start_s):
        return (whole,)
    days = clock.days(float(start_s[0]), float(start_s[-1]))
    if len(days) == 1:
        return (whole,)
    edges_s = [-np.inf, *(begin_s for _, begin_s in days[1:]), np.inf]
    rows = [0, *np.searchsorted(start_s, edges_s[1:-1]).tolist(), len(start_s)]
    parts = []
    for k in range(len(days)):
        epochs = EpochBlock(*(getattr(whole.epochs, f.name)[rows[k] : rows[k + 1]] for f in fields(EpochBlock)))
        part = Part(float(epochs.start_s[0]), tuple(day for day, _ in days))
        parts.append(
            ReportInput(
                epochs,
                tuple(e for e in whole.events if edges_s[k] <= e.start_s < edges_s[k + 1]),
                tuple(a for a in whole.alerts if edges_s[k] <= a.raised_s < edges_s[k + 1]),
                whole.session.model_copy(update={"part": part}),
            )
        )
    return tuple(parts)


def chosen(parts: tuple[ReportInput, ...], day: str | None = None) -> ReportInput:
    """The part of a day (ISO date), or the one worn longest; InputError where the session has no such day."""
    if day is None:
        return max(parts, key=_worn_s)  # the first of equals
    days = [period_of(part.epochs, part.session).day for part in parts]
    if day not in days:
        known = ", ".join(d for d in days if d) or "none, for want of a clock"
        raise InputError(f"this recording has no day {day!r}; its days, each from 04:00 to 04:00, are: {known}")
    return parts[days.index(day)]


def summarised(parts: tuple[ReportInput, ...], day: ReportInput) -> DailySummary:
    """The summary of one of the parts, with those of the others in `other_days`."""
    return replace(_summary(day), other_days=tuple(_summary(part) for part in parts if part is not day))


def _summary(part: ReportInput) -> DailySummary:
    return summarise(part.epochs, part.events, part.alerts, part.session)


def _worn_s(part: ReportInput) -> int:
    return int(np.count_nonzero(~np.isin(part.epochs.context, (Context.GAP, Context.NON_WEAR))))
