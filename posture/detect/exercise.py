"""Sets of exercise: repetitions that follow one another and are alike; declared, or found by their repetition.

A set is open from its third repetition (in a declared workout from the first). From then on its seconds are not sitting, its bends
have its `set_id`, and no cue is given. What belongs to it before that is laid over by `finalise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from posture.config import ExerciseConfig
from posture.detect import form
from posture.detect.chance import median
from posture.detect.context import ContextBlock
from posture.detect.declared import Declared, declared_at
from posture.detect.reps import Rep
from posture.detect.said import Said
from posture.detect.sets import longest_s, period_s, set_event, steady, strays
from posture.signal.calibration import Calibration
from posture.types import CALIBRATION_SET, Bool, Context, EventKind, Float, Int8, Placement


class Ground(StrEnum):
    """What the wearer is on."""

    FEET = "feet"
    MAT = "mat"


class Before(NamedTuple):
    """The seconds before a repetition: whether the wearer seemed seated, or lay, and the lowest inclination, deg (NaN: unknown)."""

    seated: bool
    lay: bool
    rest_deg: float


@dataclass(slots=True)
class Run:
    """Repetitions that follow one another, and what was before the first. set_id : None until it is a set."""

    reps: list[Rep]
    before: Before
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
        # Only seconds in which a repetition ends or a run is over matter; between them nothing changes.
        k = 0
        while k < n:
            second = float(block.start_s[k])
            for ground, rep in [w for w in state.waiting if w[1].end_s < second + 1.0]:
                said += self._take(second, ground, rep)
            state.waiting = [w for w in state.waiting if w[1].end_s >= second + 1.0]
            for ground, run in list(state.runs.items()):
                if second >= self._over_s(run):
                    said += self._close(second, ground)
            until = slice(k, max(k + 1, self._next_due(block.start_s)))
            training[until] |= any(run.set_id is not None for run in state.runs.values())
            stands[until] = block.start_s[until] < self._stands_until_s()
            k = until.stop
        # What is said with these seconds is still to be asked for, however many they are.
        state.spans = [s for s in state.spans if s.closed_s > float(block.start_s[0]) - _KEPT_S]
        return _upright(block, stands), training, said

    def _next_due(self, start_s: Float) -> int:
        """The first of these seconds in which a waiting repetition has ended or an open run is over."""
        ended = np.searchsorted(start_s + 1.0, [rep.end_s for _, rep in self.state.waiting], side="right")
        over = np.searchsorted(start_s, [self._over_s(run) for run in self.state.runs.values()])
        return int(min([len(start_s), *ended, *over]))

    def _over_s(self, run: Run) -> float:
        """When a run without another repetition is over."""
        return run.reps[-1].end_s + self._gap_s(run) + longest_s(run.reps)

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
        if ground is Ground.MAT and declared is None and rep.lean_deg > p.most_mat_deg:
            return []
        if run is not None and rep.start_s < run.reps[-1].peak_s:
            return []  # the same movement seen twice
        said: list[Said] = []
        if run is not None and not (self._follows(run, rep) and self._alike(ground, run.reps, rep)):
            said = self._close(second, ground)
            run = None
        if run is None:
            before = self._before(rep)
            if ground is Ground.MAT and declared is None and not before.lay:
                return said  # lying down, and the pelvis that settles
            run = state.runs[ground] = Run([], before)
        run.reps.append(rep)
        if run.set_id is None and strays(run.reps):
            del run.reps[0]
            run.before = self._before(run.reps[0])
        if run.set_id is None and self._is_set(ground, run):
            state.newest_id += 1
            run.set_id = state.newest_id
            ends_s = [r.end_s for r in run.reps]
            state.spans.append(Span(run.set_id, run.reps[0].start_s, ends_s, second))
        elif run.set_id is not None:
            next(s for s in state.spans if s.set_id == run.set_id).ends_s.append(rep.end_s)
        return said

    def _on_feet(self, rep: Rep) -> bool:
        """Deep enough for a repetition, upright at its ends and, where nobody said that it is one, at rest there for a moment.

        Steps neither lean nor go deep nor rest; who bends over and over at work does not rest between.
        """
        p = self.params
        declared = declared_at(self.declared, rep.peak_s) is not None
        if rep.tilt_deg > (p.declared_tilt_deg if declared else p.top_tilt_deg):
            return False
        leans, deep = rep.lean_deg >= p.least_deg, rep.drop_m >= p.no_step_m
        if declared and (leans or deep):
            return True
        top_dps = p.step_top_dps if self._walks(rep) and not leans else p.top_dps
        return (leans or rep.drop_m >= p.least_m) and rep.top_dps <= top_dps

    def _walks(self, rep: Rep) -> bool:
        labels = self.state.labels[max(self._row(rep.start_s), 0) : max(self._row(rep.end_s), 0)]
        return bool(2 * np.count_nonzero(labels == Context.WALKING) >= max(len(labels), 1))

    def _follows(self, run: Run, rep: Rep) -> bool:
        before, now = (declared_at(self.declared, r.peak_s) for r in (run.reps[0], rep))
        same = (before and before.start_s) == (now and now.start_s)
        return same and rep.start_s - run.reps[-1].end_s <= self._gap_s(run)

    def _gap_s(self, run: Run) -> float:
        declared = declared_at(self.declared, run.reps[-1].peak_s) is not None
        return self.params.declared_gap_s if declared else self.params.gap_s

    def _alike(self, ground: Ground, reps: Sequence[Rep], rep: Rep) -> bool:
        """About as deep and as far forward as the ones before: else it is another exercise, or none."""
        p = self.params
        declared = declared_at(self.declared, rep.peak_s)
        if ground is Ground.MAT or (declared is not None and declared.repeated is not None):
            return True
        drop_m, lean_deg = median(r.drop_m for r in reps), median(r.lean_deg for r in reps)
        trunk = Placement.UPPER_LUMBAR in self.calibration.sensors
        near_deg = max(p.alike_deg if trunk else p.alike_one_deg, p.alike_share * lean_deg)
        near_m = max(p.alike_m, p.alike_share * drop_m)
        return abs(rep.drop_m - drop_m) <= near_m and abs(rep.lean_deg - lean_deg) <= near_deg

    def _is_set(self, ground: Ground, run: Run) -> bool:
        """Declared, or: enough of them, of a known exercise, begun in its form, and not by somebody seated."""
        p, reps = self.params, run.reps
        if declared_at(self.declared, reps[-1].peak_s) is not None:
            return True
        if len(reps) < (p.least_reps if ground is Ground.FEET else p.least_mat_reps):
            return False
        if ground is Ground.MAT:
            sure = self._name(ground, run)[1]
            return run.before.lay and steady(reps, p.steady_spread) and sure >= p.confidence_min
        first = [abs(r.flexion_deg) for r in reps[: p.least_reps]]
        formed = np.isnan(first).any() or min(first) <= p.begun_pct / 100.0 * self.calibration.rom_deg
        formed |= len(reps) >= p.reps_sure and steady(reps, p.steady_spread)
        low = median(r.drop_m for r in reps) >= p.least_m  # nobody seated goes down
        return formed and (low or not run.before.seated) and self._name(ground, run)[1] >= p.confidence_min

    def _before(self, rep: Rep) -> Before:
        row = self._row(rep.start_s)
        labels = self.state.labels[max(row - _BEFORE_N, 0) : max(row, 0)]
        rest = self.state.lowest_deg[max(row - _REST_N, 0) : max(row, 0)]
        known = len(rest) == _REST_N and float(np.ptp(rest)) <= _REST_DEG  # NaN: no
        return Before(
            seated=bool(len(labels) and (labels == Context.SITTING).all()),
            lay=bool(len(labels) and (labels == Context.LYING).all()),
            rest_deg=float(np.median(rest)) if known else float("nan"),
        )

    def _row(self, time_s: float) -> int:
        """Where the second of this moment stands among those that are kept."""
        return int(np.floor(time_s)) - (self.state.next_s - len(self.state.labels))

    def _name(self, ground: Ground, run: Run) -> tuple[str, float]:
        """The exercise, and the probability of that."""
        reps = run.reps
        declared = declared_at(self.declared, reps[0].peak_s)
        if declared is not None and declared.repeated is not None:
            return declared.repeated, 1.0
        if ground is Ground.FEET:
            return form.named(reps, tuple(self.calibration.sensors))
        return form.named_on_mat(reps, run.before.rest_deg)

    def _stands_until_s(self) -> float:
        """Until when an open set on the feet goes on: its next repetition is due no later than the last ones were."""
        run = self.state.runs.get(Ground.FEET)
        return -np.inf if run is None or run.set_id is None else run.reps[-1].end_s + period_s(run.reps)

    def _close(self, second: float, ground: Ground) -> list[Said]:
        run = self.state.runs.pop(ground)
        if run.set_id is None:
            return []
        self.state.spans = [replace(s, closed_s=second) if s.set_id == run.set_id else s for s in self.state.spans]
        reps = run.reps[1:] if strays(run.reps) else run.reps
        reps = reps[:-1] if strays(reps[::-1]) else reps
        name, sure = self._name(ground, Run(reps, run.before))
        announced = declared_at(self.declared, reps[0].peak_s)
        made = set_event(
            reps, name, sure, self.params, self.calibration, on_mat=ground is Ground.MAT, declared=announced
        )
        return [Said(second, replace(made, set_id=run.set_id) if made.kind is EventKind.EXERCISE_SET else made)]


_BEFORE_N, _REST_N = 2, 4
"""s before the first repetition that say where the wearer was, and what it comes back to; ours."""
_REST_DEG = 1.0
"""deg by which the seconds before it may differ: more is a movement, not what it comes back to; ours."""
_KEPT_S = 90
"""s of labels and ended sets that are kept: the first three repetitions of the slowest set, and the latest event of one."""
_BEFORE_S = 1.0
"""s by which a bend may begin before its repetition; ours."""


def _upright(block: ContextBlock, stands: Bool) -> ContextBlock:
    """The seconds that stand and seemed seated, standing."""
    wrong = stands & (block.context == Context.SITTING)
    if not wrong.any():
        return block
    context = np.where(wrong, Context.STANDING, block.context).astype(np.int8)
    return replace(block, context=context, seated=np.where(wrong, 0.0, block.seated))
