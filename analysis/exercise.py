"""Exercise of a day as its events tell it (kinds `exercise_set` and `practice_hold`), for the summary and the rules."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.inputs import DayEvent
from analysis.schema import HoldSeen, SetSeen, Workouts

SET, HOLD = "exercise_set", "practice_hold"


def workouts_of(events: Iterable[DayEvent]) -> Workouts:
    """Sets and holds in order of start. A set whose repetitions nobody counted is left out."""
    ordered = sorted(events, key=lambda e: e.start_s)
    return Workouts(
        sets=tuple(_set(e, reps) for e in ordered if e.kind == SET and (reps := _count(e, "reps"))),
        holds=tuple(
            HoldSeen(e.word("practice"), e.start_s, e.end_s, e.number("drift_deg"), e.confidence)
            for e in ordered
            if e.kind == HOLD
        ),
    )


def _set(event: DayEvent, reps: int) -> SetSeen:
    clean, failed, side = _count(event, "clean_reps"), _count(event, "first_failed_rep"), event.word("side")
    known_side = None if side == "unknown" else side
    return SetSeen(event.word("exercise"), event.start_s, reps, clean, failed, known_side, event.confidence)


def _count(event: DayEvent, name: str) -> int | None:
    value = event.number(name)
    return None if value is None else round(value)
