"""Exercise of a day as its events tell it, for the summary and the rules: what was not measured stays None."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.inputs import DayEvent
from analysis.schema import PracticeHold, Workouts, WorkoutSet
from posture.types import EventKind


def workouts_of(events: Iterable[DayEvent]) -> Workouts:
    """Sets and holds in order of start. A set whose repetitions nobody counted is left out."""
    ordered = sorted(events, key=lambda e: e.start_s)
    return Workouts(
        sets=tuple(_set(e, reps) for e in ordered if e.kind == EventKind.EXERCISE_SET and (reps := _count(e, "reps"))),
        holds=tuple(_hold(e) for e in ordered if e.kind == EventKind.PRACTICE_HOLD),
    )


def _set(event: DayEvent, reps: int) -> WorkoutSet:
    return WorkoutSet(
        exercise=event.word("exercise"),
        start_s=event.start_s,
        end_s=event.end_s,
        reps=reps,
        clean_reps=_count(event, "clean_reps"),
        first_failed_rep=_count(event, "first_failed_rep"),
        form_measured=event.evidence.get("form_measured") is True,
        side=_side(event),
        declared=event.evidence.get("declared") is True,
        tempo_s=event.number("tempo_s"),
        basis=event.basis.value if event.basis else None,
        confidence=event.confidence,
    )


def _hold(event: DayEvent) -> PracticeHold:
    drifted = event.evidence.get("drifted")
    return PracticeHold(
        practice=event.word("practice"),
        start_s=event.start_s,
        end_s=event.end_s,
        hold_s=event.number("hold_s"),
        drift_deg=event.number("drift_deg"),
        drifted=drifted if isinstance(drifted, bool) else None,
        side=_side(event),
        declared=event.evidence.get("declared") is True,
        confidence=event.confidence,
    )


def _count(event: DayEvent, name: str) -> int | None:
    value = event.number(name)
    return None if value is None else round(value)


def _side(event: DayEvent) -> str | None:
    side = event.word("side")
    return None if side == "unknown" else side
