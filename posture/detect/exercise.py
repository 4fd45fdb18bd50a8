"""Sets of exercise: repetitions that follow one another and are alike; declared, or found by their repetition.

A set is open from its third repetition (in a declared workout from the first). From then on its seconds are not sitting, its bends
have its `set_id`, and no cue is given. What belongs to it before that is laid over by `finalise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np

from posture.config import ExerciseConfig
from posture.detect import form
from posture.detect.context import ContextBlock
from posture.detect.declared import BRACE, REVERSE_LUNGE, Declared, declared_at
from posture.detect.practice import hold_evidence
from posture.detect.reps import Rep
from posture.detect.said import Said
from posture.signal.calibration import Calibration
from posture.types import Basis, Bool, Context, EventKind, Float, Int8, JsonValue, Placement, PostureEvent, Verdict

CALIBRATION_SET = 0
"""`set_id` of what was done in a calibration routine."""
CHAIR = (EventKind.SIT_TO_STAND, EventKind.STAND_TO_SIT, EventKind.PLUNGE)
IN_SETS = (EventKind.BEND, *CHAIR, EventKind.ROLL, EventKind.SUPINE_CURL)
"""Kinds that a repetition, or what is done between two of them, may look like."""


class Ground(StrEnum):
    """What the wearer is on."""

    FEET = "feet"
    MAT = "mat"


@dataclass(slots=True)
class Run:
    """Repetitions that follow one another. set_id : None until it is a set."""

    reps: list[Rep]
    set_id: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A set as it was known: open in the decisions of seconds [opened_s, closed_s). ends_s : of its repetitions, each taken in the
    second in which it ended.
    """

    set_id: int
    start_s: float
    ends_s: list[float]
    opened_s: float
    closed_s: float = float("inf")


@dataclass(slots=True)
class SetsState:
    """Repetitions whose last second is not decided yet, the open run per ground, label and lowest inclination (deg) of the last
    seconds and the second after them, the sets of the last minute, and the newest id.
    """

    waiting: list[tuple[Ground, Rep]] = field(default_factory=list)
    runs: dict[Ground, Run] = field(default_factory=dict)
    labels: Int8 = field(default_factory=lambda: np.empty(0, dtype=np.int8))
    lowest_deg: Float = field(default_factory=lambda: np.empty(0))
    next_s: int = 0
    spans: list[Span] = field(default_factory=list)
    newest_id: int = CALIBRATION_SET


class Sets:
    """Labelled seconds and repetitions -> the seconds with their sets applied, and `exercise_set` events when a set has ended.

    routine : (from_s, to_s) whose movements are no exercise. declared : workouts; another may be added before its first second is
    decided, and an end set before it is.
    """

    def __init__(
        self,
        params: ExerciseConfig,
        calibration: Calibration,
        state: SetsState | None = None,
        *,
        routine: tuple[float, float] | None = None,
        declared: Sequence[Declared] = (),
    ) -> None:
        self.params, self.calibration, self.routine = params, calibration, routine
        self.declared = declared
        self.state = state or SetsState()

    def push(
        self, block: ContextBlock, feet: Sequence[Rep] = (), mat: Sequence[Rep] = ()
    ) -> tuple[ContextBlock, Bool, list[Said]]:
        """The seconds, those of an open set upright where they seemed seated; (m,) in a workout; sets that ended in them."""
        state = self.state
        state.waiting += [(Ground.FEET, r) for r in feet if not self._in_routine(r)]
        state.waiting += [(Ground.MAT, r) for r in mat if not self._in_routine(r)]
        n = len(block.start_s)
        training = self._declared_seconds(block)
        if not n or not (state.waiting or state.runs):
            self._remember(block)
            return block, training, []
        self._remember(block)
        said: list[Said] = []
        stands = np.zeros(n, dtype=np.bool_)
        for k, second in enumerate(block.start_s.tolist()):
            for ground, rep in [w for w in state.waiting if w[1].end_s < second + 1.0]:
                said += self._take(second, ground, rep)
            state.waiting = [w for w in state.waiting if w[1].end_s >= second + 1.0]
            for ground, run in list(state.runs.items()):
                if second >= run.reps[-1].end_s + self._gap_s(run) + _longest_s(run.reps):
                    said += self._close(second, ground)
            training[k] |= any(run.set_id is not None for run in state.runs.values())
            stands[k] = self._stands(second)
        state.spans = [s for s in state.spans if s.closed_s > float(block.start_s[-1]) - _KEPT_S]
        return _upright(block, stands), training, said

    def flush(self) -> list[Said]:
        """A set that the session cuts off has been one."""
        return [s for ground in list(self.state.runs) for s in self._close(float(self.state.next_s - 1), ground)]

    def set_of(self, epoch_s: float, start_s: float) -> int | None:
        """The set of an event that begins at `start_s` and is said with second `epoch_s`, as known by then."""
        for span in self.state.spans:
            if span.opened_s <= epoch_s < span.closed_s:
                last_s = max(end_s for end_s in span.ends_s if end_s < epoch_s + 1.0)
                if span.start_s - _BEFORE_S <= start_s < last_s + self.params.gap_s:
                    return span.set_id
        return None

    def _remember(self, block: ContextBlock) -> None:
        if len(block.start_s):
            state, f, most = self.state, block.features, _KEPT_S + len(block.start_s)
            sacrum, upper = f.sacrum_inclination_deg, f.upper_lumbar_inclination_deg
            state.labels = np.concatenate([state.labels, block.context])[-most:]
            state.lowest_deg = np.concatenate([state.lowest_deg, np.where(np.isnan(sacrum), upper, sacrum)])[-most:]
            state.next_s = int(block.start_s[-1]) + 1

    def _in_routine(self, rep: Rep) -> bool:
        return self.routine is not None and self.routine[0] <= rep.peak_s < self.routine[1]

    def _declared_seconds(self, block: ContextBlock) -> Bool:
        inside = np.zeros(len(block.start_s), dtype=np.bool_)
        for d in self.declared:
            inside |= (block.start_s >= d.start_s) & (block.start_s < d.end_s)
        return inside

    def _take(self, second: float, ground: Ground, rep: Rep) -> list[Said]:
        """One more repetition of a run, or the first of another."""
        state, p = self.state, self.params
        run = state.runs.get(ground)
        declared = declared_at(self.declared, rep.peak_s)
        if declared is not None and declared.practice is not None:
            return []  # a hold, not repetitions
        if rep.end_s - rep.start_s < p.shortest_s:
            return []
        if ground is Ground.FEET and not self._on_feet(rep):
            return []
        if run is not None and rep.start_s < run.reps[-1].peak_s:
            return []  # the same movement seen twice
        said: list[Said] = []
        if run is not None and not (self._follows(run, rep) and self._alike(ground, run.reps, rep)):
            said = self._close(second, ground)
            run = None
        if run is None:
            run = state.runs[ground] = Run([])
        run.reps.append(rep)
        if run.set_id is None and _strays(run.reps):
            del run.reps[0]
        if run.set_id is None and self._is_set(ground, run.reps):
            state.newest_id += 1
            run.set_id = state.newest_id
            ends_s = [r.end_s for r in run.reps]
            state.spans.append(Span(run.set_id, run.reps[0].start_s, ends_s, second))
        elif run.set_id is not None:
            next(s for s in state.spans if s.set_id == run.set_id).ends_s.append(rep.end_s)
        return said

    def _on_feet(self, rep: Rep) -> bool:
        """Deep enough for a repetition, upright at its ends and at rest for a moment, and no step."""
        p = self.params
        leans = rep.lean_deg >= p.least_deg
        top_dps = p.step_top_dps if self._walks(rep) and not leans else p.top_dps
        return (leans or rep.drop_m >= p.least_m) and rep.tilt_deg <= p.top_tilt_deg and rep.top_dps <= top_dps

    def _walks(self, rep: Rep) -> bool:
        labels = self.state.labels[max(self._row(rep.start_s), 0) : max(self._row(rep.end_s), 0)]
        return bool(2 * np.count_nonzero(labels == Context.WALKING) >= max(len(labels), 1))

    def _follows(self, run: Run, rep: Rep) -> bool:
        return rep.start_s - run.reps[-1].end_s <= self._gap_s(run)

    def _gap_s(self, run: Run) -> float:
        declared = declared_at(self.declared, run.reps[-1].peak_s) is not None
        return self.params.declared_gap_s if declared else self.params.gap_s

    def _alike(self, ground: Ground, reps: Sequence[Rep], rep: Rep) -> bool:
        """About as deep and as far forward as the ones before: else it is another exercise, or none."""
        p = self.params
        if ground is Ground.MAT:
            return True
        drop_m, lean_deg = (float(np.median(v)) for v in ([r.drop_m for r in reps], [r.lean_deg for r in reps]))
        trunk = Placement.UPPER_LUMBAR in self.calibration.sensors
        return abs(rep.drop_m - drop_m) <= max(p.alike_m, p.alike_share * drop_m) and abs(
            rep.lean_deg - lean_deg
        ) <= max(p.alike_deg if trunk else p.alike_one_deg, p.alike_share * lean_deg)

    def _is_set(self, ground: Ground, reps: Sequence[Rep]) -> bool:
        """Declared, or: enough of them, of a known exercise, begun in its form, and not by somebody seated."""
        p = self.params
        if declared_at(self.declared, reps[-1].peak_s) is not None:
            return True
        if len(reps) < (p.reps_min if ground is Ground.FEET else p.mat_reps_min):
            return False
        labels = [self._label(reps[0].start_s - back_s) for back_s in (1.0, 2.0)]
        if ground is Ground.MAT:
            return all(label == Context.LYING for label in labels) and _steady(reps, p.steady_spread)
        first = [abs(r.flexion_deg) for r in reps[: p.reps_min]]
        formed = np.isnan(first).any() or min(first) <= p.begun_pct / 100.0 * self.calibration.rom_deg
        formed |= len(reps) >= p.reps_sure and _steady(reps, p.steady_spread)
        seated = all(label == Context.SITTING for label in labels)
        low = float(np.median([r.drop_m for r in reps])) >= p.least_m  # nobody seated goes down
        return formed and (low or not seated) and self._name(ground, reps)[1] >= p.confidence_min

    def _label(self, time_s: float) -> int:
        at = self._row(time_s)
        return int(self.state.labels[at]) if 0 <= at < len(self.state.labels) else int(Context.UNKNOWN)

    def _row(self, time_s: float) -> int:
        return int(np.floor(time_s)) - (self.state.next_s - len(self.state.labels))

    def _rest_deg(self, reps: Sequence[Rep]) -> float:
        """Lowest inclination in the seconds before the first repetition; NaN where it is not known."""
        row = self._row(reps[0].start_s)
        before = self.state.lowest_deg[max(row - _REST_S, 0) : max(row, 0)]
        return float(np.median(before)) if len(before) and not np.isnan(before).any() else float("nan")

    def _name(self, ground: Ground, reps: Sequence[Rep]) -> tuple[str, float]:
        declared = declared_at(self.declared, reps[0].peak_s)
        if declared is not None and declared.repeated is not None:
            return declared.repeated, 1.0
        if ground is Ground.FEET:
            return form.named(reps, tuple(self.calibration.sensors))
        return form.named_on_mat(reps, self._rest_deg(reps))

    def _stands(self, second: float) -> bool:
        """Whether an open set on the feet goes on in this second: its next repetition is due no later than the last ones were."""
        run = self.state.runs.get(Ground.FEET)
        return run is not None and run.set_id is not None and second < run.reps[-1].end_s + _period_s(run.reps)

    def _close(self, second: float, ground: Ground) -> list[Said]:
        run = self.state.runs.pop(ground)
        if run.set_id is None:
            return []
        self.state.spans = [
            replace(s, closed_s=second) if s.set_id == run.set_id else s for s in self.state.spans
        ]
        return [Said(second, self._event(ground, run))]

    def _event(self, ground: Ground, run: Run) -> PostureEvent:
        p, c, reps = self.params, self.calibration, run.reps
        if _strays(reps[::-1]):
            reps = reps[:-1]
        name, sure = self._name(ground, reps)
        if name == BRACE:
            return self._tilted_brace(run, sure)
        declared = declared_at(self.declared, reps[0].peak_s)
        deepest = max(reps, key=lambda r: r.lean_deg)
        if ground is Ground.FEET:
            clean_deg = max(p.clean_deg, p.clean_pct / 100.0 * c.rom_deg)
            change = [r.flexion_deg for r in reps]
        else:
            clean_deg, change = p.mat_clean_deg, [r.pelvis_deg for r in reps]
        held = form.form_of(change, [r.lateral_deg for r in reps], clean_deg, p.roll_deg, p)
        side = form.side_of(reps, p.side_min_deg) if name == REVERSE_LUNGE else None
        measured = held.clean is not None
        evidence: dict[str, JsonValue] = {
            "exercise": name if sure >= p.confidence_min else form.UNKNOWN,
            "reps": len(reps),
            "clean_reps": held.clean_n,
            "first_failed_rep": held.first_failed,
            "form_measured": measured,
            "side": declared.side if declared is not None and declared.side else side,
            "declared": declared is not None,
            "tempo_s": round(_period_s(reps), 1),
            "drop_m": round(float(np.median([r.drop_m for r in reps])), 2) if ground is Ground.FEET else None,
            "lean_deg": round(float(np.median([r.lean_deg for r in reps])), 1),
            "change_deg": [round(float(abs(v)), 1) for v in change] if measured else None,
            "rep_start_s": [round(r.start_s, 1) for r in reps],
        }
        return PostureEvent(
            kind=EventKind.EXERCISE_SET,
            start_s=round(reps[0].start_s, 3),
            end_s=round(reps[-1].end_s, 3),
            peak_s=round(deepest.peak_s, 3),
            peak_deg=round(deepest.lean_deg, 1),
            verdict=Verdict.UNKNOWN,
            basis=c.basis,
            confidence=round(min(sure, 0.99), 3),
            set_id=run.set_id,
            evidence=evidence,
        )


    def _tilted_brace(self, run: Run, sure: float) -> PostureEvent:
        """A pelvis that tips under a still trunk, over and over: a brace into which tilt has crept."""
        reps = run.reps
        drift_deg = float(np.median([abs(r.pelvis_deg) for r in reps]))
        return PostureEvent(
            kind=EventKind.PRACTICE_HOLD,
            start_s=round(reps[0].start_s, 3),
            end_s=round(reps[-1].end_s, 3),
            peak_s=round(reps[0].peak_s, 3),
            peak_deg=round(drift_deg, 1),
            verdict=Verdict.UNKNOWN,
            basis=self.calibration.basis,
            confidence=round(sure, 3),
            evidence=hold_evidence(BRACE, reps[-1].end_s - reps[0].start_s, drift_deg, self.params, declared=None),
        )


_REST_S = 4
"""s before the first repetition in which the pose is what it comes back to; ours."""
_KEPT_S = 90
"""s of labels and ended sets that are kept: the first three repetitions of the slowest set, and the latest event of one."""
_BEFORE_S = 1.0
"""s by which a bend may begin before its repetition; ours."""


def unjudged(event: PostureEvent) -> PostureEvent:
    """The set of a wear that cannot judge now: counted, its form not measured."""
    unknown = {"clean_reps": None, "first_failed_rep": None, "form_measured": False, "change_deg": None}
    return replace(event, evidence={**event.evidence, **unknown})


def _upright(block: ContextBlock, stands: Bool) -> ContextBlock:
    """The seconds that stand and seemed seated, standing."""
    wrong = stands & (block.context == Context.SITTING)
    if not wrong.any():
        return block
    context = np.where(wrong, Context.STANDING, block.context).astype(np.int8)
    return replace(block, context=context, seated=np.where(wrong, 0.0, block.seated))


def _period_s(reps: Sequence[Rep]) -> float:
    """Median time from one repetition to the next; of a single one, its length."""
    if len(reps) < 2:
        return reps[0].end_s - reps[0].start_s
    return float(np.median([b.peak_s - a.peak_s for a, b in pairwise(reps)]))


def _strays(reps: Sequence[Rep]) -> bool:
    """Whether the first lies so far from the second that it is no part of the set: a bend before it (reversed: after it)."""
    times = np.abs([b.peak_s - a.peak_s for a, b in pairwise(reps)])
    return len(times) > 1 and bool(times[0] > _STRAY * np.median(times[1:]))


_STRAY = 1.6
"""Times the usual distance; ours."""


def _longest_s(reps: Sequence[Rep]) -> float:
    """How long the next repetition may last: it is known when it has ended."""
    return 1.5 * max(r.end_s - r.start_s for r in reps)


def _steady(reps: Sequence[Rep], spread: float) -> bool:
    """Whether they come at an even pace: the spread of the times between them, as a share of their mean."""
    times = np.array([b.peak_s - a.peak_s for a, b in pairwise(reps)])
    return bool(times.std() <= spread * times.mean())
