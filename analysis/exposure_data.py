"""The data of F2, F6, F7 and F9: how flexed for how much of the time, ways up and down, exercise, and level by duration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.inputs import Session, runs
from analysis.programme.facts import NAMED_FROM, wear_facts
from analysis.schema import DailySummary, FloorGroup, WorkoutSet
from analysis.words import plain, way
from posture.types import Bool, Context, EpochBlock, Float, Verdict

SHARES_PCT = np.arange(0.0, 101.0)
LEVELS = (20.0, 40.0, 60.0, 80.0)  # edges of the levels, in % of range or slump index (domain.md sections 3 and 5)
DURATIONS_S = (10, 60, 300, 1200)  # edges of the durations. Provisional: ours, the last is that of a long bout
LEVEL_NAMES = ("under 20", "20-40", "40-60", "60-80", "80 and more")
DURATION_NAMES = ("under 10 s", "10 s-1 min", "1-5 min", "5-20 min", "20 min and more")


@dataclass(frozen=True, slots=True)
class Distribution:
    """F2, the amplitude distribution (APDF). curves : activity -> (101,) level under which 0, 1 ... 100 % of its time lies.

    measured_min : by activity. flexed_pct : level from which sitting is flexed. axis : what the level is, for reading.
    """

    measure: str
    axis: str
    curves: dict[str, Float]
    measured_min: dict[str, float]
    flexed_pct: float


@dataclass(frozen=True, slots=True)
class WayRow:
    """F6. One way up or down, and how often by verdict."""

    label: str
    by_verdict: dict[Verdict, int]


@dataclass(frozen=True, slots=True)
class SetBar:
    """F7. One set; clean, first_failed : None where form was not measured; first_failed also where none failed."""

    label: str
    reps: int
    clean: int | None
    first_failed: int | None


@dataclass(frozen=True, slots=True)
class ExerciseCard:
    """F7. in_exercise_pct, in_life_pct : rounded share of reps, and of judged bends and chair rises; None not known.

    gap_pct : the second minus the first, the carry-over gap.
    """

    sets: tuple[SetBar, ...]
    in_exercise_pct: float | None
    in_life_pct: float | None

    @property
    def gap_pct(self) -> float | None:
        """How much more was rounded in daily life than in exercise, in points of %."""
        if self.in_exercise_pct is None or self.in_life_pct is None:
            return None
        return self.in_life_pct - self.in_exercise_pct


@dataclass(frozen=True, slots=True)
class Variation:
    """F9, exposure variation (EVA). minutes : (5 levels, 5 durations), spent at a level in stays of that length.

    axis : what the level is, for reading.
    """

    measure: str
    axis: str
    minutes: Float


def distribution(epochs: EpochBlock, session: Session) -> Distribution | None:
    """Sitting, and with two sensors standing and walking; None where the measure is never known."""
    two = len(session.sensors) == 2
    measure = "flexion_pct_rom" if two else "slump_index_pct"
    values = getattr(epochs, measure)
    where = {"sitting": (Context.SITTING,)} | (
        {"standing and walking": (Context.STANDING, Context.WALKING)} if two else {}
    )
    curves, minutes = {}, {}
    for name, contexts in where.items():
        known = values[np.isin(epochs.context, contexts) & np.isfinite(values)]
        if len(known):
            curves[name] = np.percentile(known, SHARES_PCT)
            minutes[name] = len(known) / 60
    if not curves:
        return None
    key, default = ("sitting.flexed_on_pct", 60.0) if two else ("sitting.slump_on_pct", 62.0)
    return Distribution(measure, level_name(measure, session), curves, minutes, session.setting(key, default))


def level_name(measure: str, session: Session) -> str:
    """What a level of flexion is, for reading: % of a range that was not measured on the wearer is not called their own."""
    if measure == "slump_index_pct":
        return "slump index (0 tall, 100 full slump)"
    return f"lumbar flexion, % of {range_name(session.calibration.rom_source)}"


def range_name(rom_source: str | None) -> str:
    """`own range`, or that it is not the wearer's."""
    return "own range" if rom_source == "measured" else "a population's range"


def variation(epochs: EpochBlock, session: Session) -> Variation | None:
    """Stays at one level without a break: worn time out of lying with two sensors, sitting with one; None where never known."""
    two = len(session.sensors) == 2
    measure = "flexion_pct_rom" if two else "slump_index_pct"
    values = getattr(epochs, measure)
    away = (Context.GAP, Context.NON_WEAR, Context.LYING)
    inside: Bool = ~np.isin(epochs.context, away) if two else epochs.context == Context.SITTING
    known = inside & np.isfinite(values)
    if not known.any():
        return None
    level = np.where(known, np.digitize(np.nan_to_num(values), LEVELS), -1)
    start, end, code = runs(level)
    start, end, code = start[code >= 0], end[code >= 0], code[code >= 0]
    minutes = np.zeros((len(LEVELS) + 1, len(DURATIONS_S) + 1))
    np.add.at(minutes, (code, np.digitize(end - start, DURATIONS_S)), (end - start) / 60)
    return Variation(measure, level_name(measure, session), minutes)


def way_rows(summary: DailySummary) -> tuple[WayRow, ...]:
    """Rows of F6 that happened: from and to a seat, then floor and bed by direction and path."""
    rows = [
        WayRow(label, {Verdict(v): n for v, n in summary.chair_transitions[kind].items()})
        for kind, label in (("sit_to_stand", "up from a seat"), ("stand_to_sit", "down to a seat"))
    ]
    for groups, bed in ((summary.floor_transitions.groups, False), (summary.bed_transitions, True)):
        found: dict[str, dict[Verdict, int]] = {}
        for group in groups:
            counts = found.setdefault(_way_label(group, bed=bed), dict.fromkeys(Verdict, 0))
            counts[Verdict(group.verdict)] += group.count
        rows += [WayRow(label, counts) for label, counts in found.items()]
    return tuple(r for r in rows if any(r.by_verdict.values()))


def _way_label(group: FloorGroup, *, bed: bool) -> str:
    place = "from or to a bed's edge" if bed else {"floor": "floor", "bed": "bed"}.get(group.surface, "floor or bed")
    path = way(group)
    return f"{plain(group.direction)}, {place}: {'way not known' if path == 'not known' else path}"


def exercise_card(summary: DailySummary) -> ExerciseCard | None:
    """Sets that the sensors saw, in order; None where there was none."""
    if not summary.workouts:
        return None
    facts = wear_facts(summary)
    bars = tuple(SetBar(set_name(s), s.reps, s.clean_reps, s.first_failed_rep) for s in summary.workouts)
    return ExerciseCard(bars, facts.rounded_in_exercise_pct, facts.rounded_in_life_pct)


def set_name(found: WorkoutSet) -> str:
    """What a set is called: its exercise where that is sure or was declared."""
    sure = found.declared or (found.confidence or 0.0) >= NAMED_FROM
    name = plain(found.exercise) if found.exercise != "unknown" and sure else "exercise"
    return f"{name}, {found.side}" if found.side else name
