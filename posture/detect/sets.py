"""A set as an event, and what its repetitions say of its pace: pure functions of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from posture.config import ExerciseConfig
from posture.detect import form
from posture.detect.chance import median
from posture.detect.declared import BRACE, REVERSE_LUNGE, Declared
from posture.detect.practice import hold_evidence
from posture.detect.reps import Rep
from posture.signal.calibration import Calibration
from posture.types import EventKind, JsonValue, PostureEvent, Verdict

CHAIR = (EventKind.SIT_TO_STAND, EventKind.STAND_TO_SIT, EventKind.PLUNGE)
IN_SETS = (EventKind.BEND, *CHAIR, EventKind.ROLL, EventKind.SUPINE_CURL)
"""Kinds that a repetition, or what is done between two of them, may look like."""


def set_event(
    reps: Sequence[Rep],
    name: str,
    sure: float,
    params: ExerciseConfig,
    calibration: Calibration,
    *,
    on_mat: bool,
    declared: Declared | None,
) -> PostureEvent:
    """The set of these repetitions; a brace whose pelvis tips is a `practice_hold`.

    name, sure : the exercise and the probability of that. Nothing is judged that was not measured: then the counts are None.
    """
    if name == BRACE:
        return _tilted_brace(reps, sure, params, calibration)
    deepest = max(reps, key=lambda r: r.lean_deg)
    clean_deg = (
        params.mat_clean_deg if on_mat else max(params.clean_deg, params.clean_pct / 100.0 * calibration.rom_deg)
    )
    change_deg = [r.pelvis_deg if on_mat else r.flexion_deg for r in reps]
    held = form.form_of(change_deg, [r.lateral_deg for r in reps], clean_deg, params.roll_deg, params)
    measured = held.clean is not None
    announced = declared.side if declared is not None else None
    evidence: dict[str, JsonValue] = {
        "exercise": name if sure >= params.confidence_min else form.UNKNOWN,
        "reps": len(reps),
        "clean_reps": held.clean_n,
        "first_failed_rep": held.first_failed,
        "form_measured": measured,
        "side": announced or (form.side_of(reps, params.side_min_deg) if name == REVERSE_LUNGE else None),
        "declared": declared is not None,
        "tempo_s": round(period_s(reps), 1),
        "drop_m": None if on_mat else round(float(np.median([r.drop_m for r in reps])), 2),
        "lean_deg": round(float(np.median([r.lean_deg for r in reps])), 1),
        "change_deg": [round(abs(v), 1) for v in change_deg] if measured else None,
        "rep_start_s": [round(r.start_s, 1) for r in reps],
    }
    return PostureEvent(
        kind=EventKind.EXERCISE_SET,
        start_s=round(reps[0].start_s, 3),
        end_s=round(reps[-1].end_s, 3),
        peak_s=round(deepest.peak_s, 3),
        peak_deg=round(deepest.lean_deg, 1),
        verdict=Verdict.UNKNOWN,
        basis=calibration.basis,
        confidence=round(min(sure, _SUREST), 3),
        evidence=evidence,
    )


_SUREST = 0.99
"""No name is surer: there are exercises that this version does not know; ours."""


def _tilted_brace(reps: Sequence[Rep], sure: float, params: ExerciseConfig, calibration: Calibration) -> PostureEvent:
    """A pelvis that tips under a still trunk, over and over: a brace into which tilt has crept."""
    hold_s = reps[-1].end_s - reps[0].start_s
    drift_deg = float(np.median([abs(r.pelvis_deg) for r in reps]))
    return PostureEvent(
        kind=EventKind.PRACTICE_HOLD,
        start_s=round(reps[0].start_s, 3),
        end_s=round(reps[-1].end_s, 3),
        peak_s=round(reps[0].peak_s, 3),
        peak_deg=round(drift_deg, 1),
        verdict=Verdict.UNKNOWN,
        basis=calibration.basis,
        confidence=round(sure, 3),
        evidence=hold_evidence(BRACE, hold_s, drift_deg, params, declared=None),
    )


def unjudged(event: PostureEvent) -> PostureEvent:
    """The set of a wear that cannot judge now: counted, its form not measured."""
    unknown = {"clean_reps": None, "first_failed_rep": None, "form_measured": False, "change_deg": None}
    return replace(event, evidence={**event.evidence, **unknown})


def period_s(reps: Sequence[Rep]) -> float:
    """Median time from one repetition to the next; of a single one, its length."""
    if len(reps) < 2:
        return reps[0].end_s - reps[0].start_s
    return median(b.middle_s - a.middle_s for a, b in pairwise(reps))


def strays(reps: Sequence[Rep]) -> bool:
    """Whether the first lies so far from the second that it is no part of the set: a bend before it (reversed: after it)."""
    times = [abs(b.middle_s - a.middle_s) for a, b in pairwise(reps)]
    return len(times) > 1 and times[0] > _STRAY * median(times[1:])


_STRAY = 1.6
"""Times the usual distance; ours."""


def longest_s(reps: Sequence[Rep]) -> float:
    """How long the next repetition may last: it is known when it has ended."""
    return 1.5 * max(r.end_s - r.start_s for r in reps)


def steady(reps: Sequence[Rep], spread: float) -> bool:
    """Whether they come at an even pace: the spread of the times between them, as a share of their mean."""
    times = np.array([b.middle_s - a.middle_s for a, b in pairwise(reps)])
    return bool(times.std() <= spread * times.mean())
