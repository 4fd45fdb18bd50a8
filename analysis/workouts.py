"""Sets of exercise and practice holds of a day, as the summary shows them: what was not measured stays None."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.inputs import DayEvent
from analysis.schema import PracticeHold, WorkoutSet
from posture.types import EventKind


def sets_of(events: Iterable[DayEvent]) -> tuple[WorkoutSet, ...]:
    """The sets among these events, in their order."""
    return tuple(
        WorkoutSet(
            exercise=e.word("exercise"),
            start_s=e.start_s,
            end_s=e.end_s,
            reps=_count(e, "reps") or 0,
            clean_reps=_count(e, "clean_reps"),
            first_failed_rep=_count(e, "first_failed_rep"),
            form_measured=e.evidence.get("form_measured") is True,
            side=_word(e, "side"),
            declared=e.evidence.get("declared") is True,
            tempo_s=e.number("tempo_s"),
            basis=e.basis.value if e.basis else None,
            confidence=e.confidence,
        )
        for e in events
        if e.kind == EventKind.EXERCISE_SET
    )


def holds_of(events: Iterable[DayEvent]) -> tuple[PracticeHold, ...]:
    """The practice holds among these events, in their order."""
    return tuple(
        PracticeHold(
            practice=e.word("practice"),
            start_s=e.start_s,
            hold_s=e.number("hold_s"),
            drift_deg=e.number("drift_deg"),
            drifted=drifted if isinstance(drifted := e.evidence.get("drifted"), bool) else None,
            side=_word(e, "side"),
            declared=e.evidence.get("declared") is True,
            confidence=e.confidence,
        )
        for e in events
        if e.kind == EventKind.PRACTICE_HOLD
    )


def _count(event: DayEvent, name: str) -> int | None:
    value = event.number(name)
    return None if value is None else int(value)


def _word(event: DayEvent, name: str) -> str | None:
    word = event.evidence.get(name)
    return word if isinstance(word, str) else None
