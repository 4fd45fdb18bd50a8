"""The one composition of the stages, for a live sensor and for a recording alike.

Samples that arrived -> angles on the 50 Hz grid -> seconds with their context -> events -> alerts. Each stage keeps its memory in
its `state`; `Pipeline.state` is all of it. Any split of the same arrivals gives the same results, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from posture.alerts import AlertPolicy, AlertState, Epoch, UserAction
from posture.answers import off_pct, rests
from posture.config import Config
from posture.days import Days
from posture.detect.bends import Bends, BendsState, Lean, Leans, LeansState
from posture.detect.chair import Chair, ChairState
from posture.detect.climbs import Climb, Climbs, ClimbsState
from posture.detect.context import ContextBlock, ContextModel, ContextState
from posture.detect.declared import Declared
from posture.detect.epochs import Epochs, EpochsState
from posture.detect.exercise import Sets, SetsState
from posture.detect.floor import Floor, FloorState
from posture.detect.gaps import Gaps, GapsState
from posture.detect.mat import Mat, MatState
from posture.detect.movement import Movement, Movements, MovementsState
from posture.detect.practice import Holds, HoldsState
from posture.detect.reps import Rep, Reps, RepsState
from posture.detect.said import Said
from posture.detect.sets import IN_SETS, unjudged
from posture.detect.sitting import Sitting, SittingState, carried
from posture.detect.slip import REMOUNT_S, Slip, SlipState
from posture.detect.uprights import Uprights, UprightsState
from posture.detect.wear import Wear, WearState
from posture.signal.calibration import Calibration
from posture.signal.clipping import Clipped, Clipping, ClippingState
from posture.signal.fusion import Fusion, FusionState, OrientationFilter
from posture.signal.join import BLOCK_S, Join, JoinedBlock, JoinState
from posture.signal.lumbar import angles
from posture.signal.startbias import STANDS
from posture.signal.timebase import Grid, GridState, TickRun, Timebase, TimebaseState
from posture.types import (
    CALIBRATION_SET,
    GRID_HZ,
    Alert,
    AngleBlock,
    Bool,
    Context,
    EpochBlock,
    EventKind,
    Float,
    ImuBatch,
    ImuBlock,
    Placement,
    PostureEvent,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """What must be known of a sensor before its first sample."""

    rate_hz: float
    has_gyro: bool = True


@dataclass(slots=True)
class Output:
    """What became known in one push, in the order in which it did. `angles` is filled only on request."""

    epochs: list[EpochBlock] = field(default_factory=list)
    events: list[PostureEvent] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    angles: list[AngleBlock] = field(default_factory=list)


@dataclass(slots=True)
class SensorState:
    """Memory of one sensor's chain, at its own rate. slow : where its rate came to allow no verdict or to allow one again."""

    timebase: TimebaseState
    clipping: ClippingState
    fusion: FusionState
    grid: GridState
    slow: list[tuple[float, bool]]


@dataclass(slots=True)
class PipelineState:
    """All memory of a running session; pickled at any point it resumes with the same results.

    held : angles of the open second: everything that follows is decided by the second, so that it is fed by the second.
    """

    sensors: dict[Placement, SensorState]
    join: JoinState
    held: list[AngleBlock]
    epochs: EpochsState
    movements: MovementsState
    leans: LeansState
    climbs: ClimbsState
    context: ContextState
    floor: FloorState
    mat: MatState
    chair: ChairState
    bends: BendsState
    sitting: SittingState
    gaps: GapsState
    wear: WearState
    feet: RepsState
    mat_reps: RepsState
    sets: SetsState
    holds: HoldsState
    workouts: list[Declared]
    actions: list[UserAction]
    uprights: UprightsState
    slip: SlipState
    alerts: AlertState


class _Found(NamedTuple):
    """What the fast detectors found in the ticks of one block."""

    movements: tuple[Movement, ...] = ()
    leans: tuple[Lean, ...] = ()
    climbs: tuple[Climb, ...] = ()
    feet: tuple[Rep, ...] = ()
    mat: tuple[Rep, ...] = ()


class _SensorChain:
    """Time base, clipping, fusion and grid of one sensor."""

    def __init__(
        self,
        spec: SensorSpec,
        config: Config,
        bias_radps: Float | None,
        orientation: OrientationFilter | None,
        state: SensorState | None,
    ) -> None:
        self.timebase = Timebase(spec.rate_hz, config.timebase, state.timebase if state else None)
        self.clipping = Clipping(spec.rate_hz, config.clipping, state.clipping if state else None)
        given = FusionState(orientation) if orientation else None
        self.fusion = Fusion(
            spec.rate_hz,
            config.fusion,
            config.timebase,
            has_gyro=spec.has_gyro,
            bias_radps=bias_radps,
            state=state.fusion if state else given,
        )
        self.grid = Grid(spec.rate_hz, state.grid if state else None, history_s=config.clock.history_s)
        self._verdict_rate_min_hz = config.trust.verdict_rate_min_hz
        self.slow = state.slow if state else [(-np.inf, spec.rate_hz < self._verdict_rate_min_hz)]

    def push(self, block: ImuBlock) -> list[TickRun]:
        """Ticks of a block, all of one segment."""
        oriented = self.fusion.push(self.clipping.push(self.timebase.push(block)))
        origin_s = self.timebase.state.origin_s or 0.0
        runs = [ticks for run in oriented if (ticks := self.grid.push(run, origin_s=origin_s)) is not None]
        slow = self.timebase.rate_hz < self._verdict_rate_min_hz
        if runs and slow != self.slow[-1][1]:
            self.slow.append((runs[0].first_tick / GRID_HZ, slow))
        return runs

    def is_slow(self, start_s: float, end_s: float) -> bool:
        """Whether the sensor ran too slow for a verdict at any moment of [start_s, end_s]."""
        ends = [from_s for from_s, _ in self.slow[1:]] + [np.inf]
        return any(slow and a <= end_s and b > start_s for (a, slow), b in zip(self.slow, ends, strict=True))

    @property
    def state(self) -> SensorState:
        return SensorState(self.timebase.state, self.clipping.state, self.fusion.state, self.grid.state, self.slow)


class Pipeline:
    """Batches of arrived samples -> epochs, events and alerts of one session.

    Parameters
    ----------
    sensors : the wear: one or two placements with rate and gyroscope.
    calibration : of the same placements; its gyroscope biases are where the filters start.
    routine : (from_s, to_s) of a calibration routine in this session: its movements are a declared exercise set (id 0), so
        that the counts and alerts of daily life leave them out, and in its poses `stand` and `stand_end` the wearer stands.
    workouts : declared ones; more come with `declare`.
    actions : what the wearer asked of the alerts, in order; more come with `tell`.
    start_s : time of the first row, where it is known: a recording that begins without samples begins with a gap.
    filters : orientation filters to use instead of the configured ones (`posture.signal.smoothing`).
    alerts : where the alert policy and the meter of an earlier session stopped.
    hears_answers : somebody hears the alerts of this session (`AlertPolicy`).
    days : when the days of this session end; None: no clock is known.
    state : of an earlier pipeline of the same session, to go on where it stopped.
    """

    def __init__(
        self,
        sensors: Mapping[Placement, SensorSpec],
        calibration: Calibration,
        config: Config,
        *,
        want_angles: bool = False,
        routine: tuple[float, float] | None = None,
        workouts: Sequence[Declared] = (),
        actions: Sequence[UserAction] = (),
        start_s: float | None = None,
        filters: Mapping[Placement, OrientationFilter] | None = None,
        alerts: AlertState | None = None,
        hears_answers: bool = False,
        days: Days | None = None,
        state: PipelineState | None = None,
    ) -> None:
        calibration = calibration.for_sensors(tuple(sensors), config)
        self.calibration, self.config, self.want_angles, self.routine = calibration, config, want_angles, routine
        self.hears_answers = hears_answers
        trust = config.trust
        self._trust = trust.self_calibrated if calibration.source == "self" else 1.0
        self._has_gyros = all(spec.has_gyro for spec in sensors.values())
        self._trust *= 1.0 if self._has_gyros else trust.accelerometer_only
        s = state
        self._chains = {
            p: _SensorChain(
                spec, config, calibration.start_bias(p), (filters or {}).get(p), s.sensors[p] if s else None
            )
            for p, spec in sensors.items()
        }
        self._join = Join(tuple(sensors), config.join, s.join if s else None)
        if s is None and start_s is not None:
            self._join.state.next_tick = int(np.floor(start_s)) * GRID_HZ
        self._held = list(s.held) if s else []
        self._epochs = Epochs(s.epochs if s else None)
        # With two sensors the change of posture is not looked at without one either: a poor height is all that there is.
        takes_height = self._has_gyros or len(sensors) > 1
        self._movements = Movements(config.movement, s.movements if s else None, takes_height=takes_height)
        self._leans = Leans(config.bends, calibration, s.leans if s else None)
        self._climbs = Climbs(config.climb, config.context, s.climbs if s else None)
        stood = [window for pose in STANDS for window in calibration.poses.get(pose, ())] if routine else []
        self._context = ContextModel(config, calibration, s.context if s else None, stood=stood)
        self._floor = Floor(config.floor, config.context, calibration, s.floor if s else None)
        self._mat = Mat(config.mat, calibration, s.mat if s else None)
        self._chair = Chair(config, calibration, s.chair if s else None)
        self._bends = Bends(
            config.bends, calibration, s.bends if s else None, trust=self._trust, has_gyro=self._has_gyros
        )
        # The meter goes on, as the policy does, where an earlier session stopped: at a negative time of this one.
        meter = carried(alerts.creep, -(alerts.seen_s + 1.0), config.sitting) if alerts else None
        self._sitting = Sitting(config, calibration, s.sitting if s else meter)
        self._gaps = Gaps(calibration.basis, s.gaps if s else None)
        self._wear = Wear(config.wear, config.context.lying_tilt_deg, calibration, s.wear if s else None)
        self._feet = Reps(config.reps, tuple(sensors), s.feet if s else None)
        self._mat_reps = Reps(config.reps, tuple(sensors), s.mat_reps if s else None, on_mat=True)
        self.workouts = s.workouts if s else list(workouts)
        self.actions = s.actions if s else list(actions)
        self._sets = Sets(config.exercise, calibration, s.sets if s else None, routine=routine, declared=self.workouts)
        self._holds = Holds(config.exercise, calibration, s.holds if s else None, declared=self.workouts)
        self._uprights = Uprights(tuple(sensors), s.uprights if s else None)
        self._slip = Slip(config.slip, calibration, s.slip if s else None)
        self._alerts = AlertPolicy(
            config.alerts,
            lag_s=config.context.lag_s,
            judges_sitting=calibration.judges_sitting,
            hears_answers=hears_answers,
            days=days,
            state=s.alerts if s else alerts,
        )

    @property
    def state(self) -> PipelineState:
        """The live memory, not a copy: pickle it before the next push."""
        return PipelineState(
            sensors={p: chain.state for p, chain in self._chains.items()},
            join=self._join.state,
            held=self._held,
            epochs=self._epochs.state,
            movements=self._movements.state,
            leans=self._leans.state,
            climbs=self._climbs.state,
            context=self._context.state,
            floor=self._floor.state,
            mat=self._mat.state,
            chair=self._chair.state,
            bends=self._bends.state,
            sitting=self._sitting.state,
            gaps=self._gaps.state,
            wear=self._wear.state,
            feet=self._feet.state,
            mat_reps=self._mat_reps.state,
            sets=self._sets.state,
            holds=self._holds.state,
            workouts=self.workouts,
            actions=self.actions,
            uprights=self._uprights.state,
            slip=self._slip.state,
            alerts=self._alerts.state,
        )

    @property
    def due_s(self) -> float:
        """Time of the last tick of the second that is open: no sample before it decides anything. -inf before the first sample."""
        tick = self._join.state.next_tick
        return float("-inf") if tick is None else (tick // GRID_HZ + 1) - 1.0 / GRID_HZ

    def frozen_s(self) -> dict[Placement, float]:
        """Seconds of each sensor that were left out because the part was stuck on one reading; without those that were not."""
        counts = {p: chain.timebase.frozen_s for p, chain in self._chains.items()}
        return {p: seconds for p, seconds in counts.items() if seconds}

    def dropped(self) -> dict[Placement, int]:
        """Samples of each sensor that came twice or too late and were left out; without those that had none."""
        return {p: n for p, chain in self._chains.items() if (n := chain.timebase.state.dropped_n)}

    def clipped(self) -> dict[Placement, list[Clipped]]:
        """What the parts of each sensor lost at the end of their range."""
        return {p: chain.clipping.found() for p, chain in self._chains.items()}

    def lost_s(self) -> dict[Placement, float]:
        """Seconds of each sensor without a value because its clock was corrected by more than can be followed; without zeros."""
        return {p: n / GRID_HZ for p, chain in self._chains.items() if (n := chain.grid.state.lost_n)}

    def declare(self, workout: Declared) -> None:
        """A workout begins, or, where one of this start is known, is as it is said now: it has ended.

        Neither moment may lie before a second that was decided already: `start_s` and `end_s` are now, or later.
        """
        self.workouts[:] = [w for w in self.workouts if w.start_s != workout.start_s] + [workout]

    def tell(self, action: UserAction) -> None:
        """The wearer asks something of the alerts. `at_s` is later than all that could have been raised by now, and never falls."""
        self.actions.append(action)

    def push(self, batch: ImuBatch) -> Output:
        """Everything that the samples up to `batch.arrived_until_s` decide."""
        for fit in batch.fits:
            if fit.placement in self._chains:
                self._chains[fit.placement].grid.learn(fit)
        ticks: dict[Placement, list[TickRun]] = {}
        for block in batch.blocks:
            if block.placement in self._chains:
                ticks.setdefault(block.placement, []).extend(self._chains[block.placement].push(block))
        return self._through(self._join.push(ticks, batch.arrived_until_s))

    def flush(self, end_s: float | None = None) -> Output:
        """End of session: what still waits is decided with what there is. It raises no alert: nobody is there to be told.

        end_s : time of the last row, where it is known: a recording that ends without samples ends in a gap.
        """
        end_tick = None if end_s is None else int(np.floor(end_s * GRID_HZ + 1e-6)) + 1
        out = self._through(self._join.flush(end_tick))
        if self._held:
            self._detect(out)
        leans = self._leans.flush()
        self._uprights.flush()
        context = self._context.push(self._epochs.flush(), (), ())
        self._seconds(context, _Found(leans=leans), out, alert=False)
        self._seconds(self._context.flush(), _Found(), out, alert=False)
        stages = (
            self._floor,
            self._mat,
            self._bends,
            self._sitting,
            self._gaps,
            self._wear,
            self._slip,
            self._sets,
            self._holds,
        )
        for stage in stages:
            out.events += [self._qualified(said) for said in stage.flush()]
        return out

    def _through(self, blocks: Iterator[JoinedBlock]) -> Output:
        out = Output()
        for joined in self._of_one_frame(blocks):
            angle = angles(joined, self._slip.worn(joined.first_tick / GRID_HZ))
            if self.want_angles:
                out.angles.append(angle)
            self._uprights.push(joined)
            self._held.append(angle)
            if (angle.first_tick + len(angle)) // GRID_HZ > self._held[0].first_tick // GRID_HZ:
                self._detect(out)
        return out

    def _detect(self, out: Output) -> None:
        """The angles of at least one whole second, or of the last one, through the detectors."""
        angle = AngleBlock.joined(self._held)
        self._held = []
        movements = self._movements.push(angle)
        climbs = self._climbs.push(angle)
        # Of a way up from lying the height would decide alone, and without a gyroscope it is wrong.
        got_up = climbs if self._has_gyros else ()
        context = self._context.push(self._epochs.push(angle), movements, got_up)
        found = _Found(
            movements,
            self._leans.push(angle),
            climbs,
            # Without a gyroscope there is neither a height nor a rest at the top that could tell repetitions.
            self._feet.push(angle) if self._has_gyros else (),
            self._mat_reps.push(angle) if self._has_gyros else (),
        )
        self._seconds(context, found, out)

    def _of_one_frame(self, blocks: Iterator[JoinedBlock]) -> Iterator[JoinedBlock]:
        """The same ticks in blocks within which no sensor's frame changes."""
        for block in blocks:
            settled = self._slip.settled(block.first_tick / GRID_HZ)  # known once what lies before has been judged
            yield from block.pieces(BLOCK_S if settled else REMOUNT_S)

    def _seconds(self, block: ContextBlock, found: _Found, out: Output, *, alert: bool = True) -> None:
        """Decided seconds through the slow detectors and the alert policy."""
        if not (len(block.start_s) or any(found)):
            return
        context, said = self._floor.push(block, found.climbs)
        block = replace(block, context=context, confidence=block.confidence * self._doubt(block))
        block, training, sets = self._sets.push(block, found.feet, found.mat)
        said += sets + self._holds.push(block, training)
        ups = self._uprights.take(len(block.start_s))
        worn, not_worn = self._wear.push(block, ups)
        said += self._slip.push(block, ups, worn.off)
        said += self._mat.push(block)
        said += self._chair.push(block, found.movements)
        said += self._bends.push(block, found.leans)
        epochs, bouts = self._sitting.push(block, self._slip.paused(block.start_s))
        said += bouts + self._gaps.push(block) + not_worn
        epochs = replace(epochs, context_confidence=epochs.context_confidence * self._trust)
        said = [Said(s.epoch_s, self._qualified(s)) for s in said]
        said.sort(key=_known)
        if len(epochs):
            out.epochs.append(epochs)
        out.events += [s.event for s in said]
        if alert:
            out.alerts += self._raised(epochs, worn.motionless, training, said)

    def _doubt(self, block: ContextBlock) -> Float:
        """(m,) factor on the confidence of seconds that are hardly measured; a gap is sure."""
        share = self.config.trust.valid_share
        hardly = (block.features.valid_fraction < share) & (block.context != Context.GAP)
        return np.where(hardly, share, 1.0)

    def _qualified(self, said: Said) -> PostureEvent:
        """The event with what this wear, a slipped sensor and the calibration routine make of it."""
        event = said.event
        if event.kind in (EventKind.GAP, EventKind.NON_WEAR, EventKind.SENSOR_MOVED):
            return event
        paused = bool(self._slip.paused(np.array([said.epoch_s]))[0])
        slow = any(chain.is_slow(event.start_s, event.end_s) for chain in self._chains.values())
        # A bout ends where a pause begins, so that what it says is of the time before.
        unsaid = slow or (paused and event.kind is not EventKind.FLEXED_SITTING)
        routine = self.routine
        set_id = event.set_id
        if routine is not None and routine[0] <= event.start_s < routine[1]:
            set_id = CALIBRATION_SET
        elif event.kind in IN_SETS:
            set_id = self._sets.set_of(said.epoch_s, event.start_s)
        if unsaid and event.kind is EventKind.EXERCISE_SET:
            event = unjudged(event)
        return replace(
            event,
            set_id=set_id,
            verdict=Verdict.UNKNOWN if unsaid else event.verdict,
            confidence=round(event.confidence * self._trust, 3),
        )

    def _raised(self, epochs: EpochBlock, motionless: Bool, training: Bool, said: list[Said]) -> list[Alert]:
        """Events and seconds to the policy in the order in which they became known."""
        alerts = []
        waiting = iter(said)
        event = next(waiting, None)
        judged = (epochs.start_s, epochs.context, epochs.context_confidence, epochs.creep, epochs.flexed)
        basis = self.calibration.basis
        _, under = rests(epochs, off_pct(self.config, basis), basis)
        columns = (*judged, motionless, training, under)
        for row in zip(*(c.tolist() for c in columns), strict=True):
            while event is not None and event.epoch_s <= row[0]:
                self._act(event.epoch_s)
                alerts.append(self._alerts.push(event.event, epoch_s=event.epoch_s))
                event = next(waiting, None)
            self._act(row[0])
            alerts.append(self._alerts.push(Epoch(*row)))
        return [a for a in alerts if a is not None]

    def _act(self, epoch_s: float) -> None:
        """What the wearer asked for by the moment at which that second is decided."""
        while self.actions and self.actions[0].at_s <= self._alerts.raised_s(epoch_s):
            self._alerts.push(self.actions.pop(0))


def _known(said: Said) -> tuple[float, float, str]:
    return said.epoch_s, said.event.start_s, said.event.kind
