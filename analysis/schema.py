"""The shape of the day's summary (`DailySummary`): what `summary.json` holds. docs/daily-summary.md explains every key.

Units are in the names; None is not known. A new key does not change `SCHEMA_VERSION`; one that goes or changes its meaning does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from analysis.inputs import Period

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Wear:
    """recorded = worn + gap + non_wear. validity : `day` from report_from_min worn, else `short_recording` or `empty`.

    valid_share_pct : share of worn time that rests on measured samples. both_angles_min, one_angle_min, no_angle_min :
    worn time by how many inclinations are known; they add up to worn_min. reduced_rate_min : worn time in which the sensors sent
    less than 20 samples a second; None where the recording does not tell its rates.
    """

    validity: str
    report_from_min: float
    counts_for_trend: bool
    recorded_min: float
    worn_min: float
    gap_min: float
    gap_count: int
    longest_gap_min: float
    non_wear_min: float
    valid_share_pct: float | None
    both_angles_min: float
    one_angle_min: float
    no_angle_min: float
    reduced_rate_min: float | None = None


@dataclass(frozen=True, slots=True)
class BasisInfo:
    """What the numbers rest on. context_confidence : mean over worn time. event_confidence : mean by kind.

    calibration_age_days : days (of the calendar, from 04:00) from the last full calibration to this day.
    """

    sensors: tuple[str, ...]
    judges: str
    calibration_source: str
    calibration_grade: str
    rom_deg: float | None
    rom_source: str | None
    context_confidence: float | None
    event_confidence: dict[str, float | None]
    events_by_basis: dict[str, int]
    calibration_age_days: int | None = None


@dataclass(frozen=True, slots=True)
class SittingBout:
    """Sitting in one piece, [start_s, end_s). bridged_min : short holes inside it, which are not sitting time."""

    start_s: float
    end_s: float
    sitting_min: float
    flexed_min: float
    unjudged_min: float
    bridged_min: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of a measure over the sitting seconds in which it is known; unit: % of it."""

    measure: str
    measured_min: float
    p10_pct: float
    p50_pct: float
    p90_pct: float


@dataclass(frozen=True, slots=True)
class AngleSpread:
    """Percentiles of an angle over the sitting seconds in which it is known, deg."""

    measure: str
    measured_min: float
    p10_deg: float
    p50_deg: float
    p90_deg: float


@dataclass(frozen=True, slots=True)
class Shifts:
    """Changes of level of an angle while sitting, by 5 deg and more (`analysis.exposure.shifts_of`)."""

    measure: str
    count: int
    measured_min: float
    per_15_min: float


@dataclass(frozen=True, slots=True)
class RangeTime:
    """Minutes at 60 and 80 % of the range and more, out of lying; of them sitting. own_range : measured, not a population's."""

    own_range: bool
    measured_min: float
    over_60_min: float
    over_80_min: float
    sitting_over_60_min: float
    sitting_over_80_min: float


@dataclass(frozen=True, slots=True)
class Sitting:
    """total = judged + unjudged; judged = flexed + not flexed. The flexed share is of judged time only.

    shifts : None where no angle was known.
    """

    total_min: float
    share_of_worn_pct: float | None
    judged_min: float
    unjudged_min: float
    flexed_min: float
    flexed_share_of_judged_pct: float | None
    longest_bout_min: float | None
    long_bouts: int
    bouts: tuple[SittingBout, ...]
    spreads: tuple[Spread, ...]
    angles: tuple[AngleSpread, ...] = ()
    shifts: Shifts | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """Time-in-flexion meter, 0-1, outside gaps; all None where sitting in flexion cannot be judged (known False)."""

    known: bool
    high_level: float
    peak: float | None
    peak_s: float | None
    high_min: float | None


@dataclass(frozen=True, slots=True)
class HourBends:
    """Bends of one clock hour (no clock: hour from the start) and how long the sensor was worn in it."""

    label: str
    start_s: float
    end_s: float
    worn_min: float
    total: int
    by_verdict: dict[str, int]
    deep_or_sustained: int


@dataclass(frozen=True, slots=True)
class Bends:
    """Forward leans of daily life. `unknown` in by_verdict is not judged, and not good."""

    total: int
    by_verdict: dict[str, int]
    per_worn_hour: float | None
    deep: int
    sustained: int
    deep_or_sustained: int
    longest_s: float | None
    by_hour: tuple[HourBends, ...]


@dataclass(frozen=True, slots=True)
class FloorGroup:
    """Floor transitions that share direction, path, surface and verdict."""

    direction: str
    path: str
    surface: str
    verdict: str
    count: int


@dataclass(frozen=True, slots=True)
class Floor:
    """Getting down to and up from the floor or bed."""

    total: int
    by_verdict: dict[str, int]
    groups: tuple[FloorGroup, ...]


@dataclass(frozen=True, slots=True)
class AlertCount:
    """Alerts of one kind. answered : of alerts on sitting alone; else None. wrong : called so by the wearer.

    not_wrong_pct : of those raised, None where none was. Who says nothing counts as content, so the precision is at most this.
    """

    kind: str
    raised: int
    answered: int | None
    wrong: int
    not_wrong_pct: float | None = None


@dataclass(frozen=True, slots=True)
class SilenceTime:
    """Worn minutes in which the wearer wanted no alerts; what was both is paused."""

    paused_min: float = 0.0
    snoozed_min: float = 0.0


@dataclass(frozen=True, slots=True)
class PainSaid:
    """Pain of the day as the log has it, of 10: the highest of each time of day; None not said. leg : it spread into a leg.

    activity : the exercise of the set with the most pain.
    """

    morning: int | None
    evening: int | None
    other: int | None
    leg: bool
    in_exercise: int | None
    activity: str | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the counts above do not hold: events inside exercise sets, movements of the calibration routine, and sitting
    too short to be a bout.
    """

    events_in_sets: dict[str, int]
    calibration_movements: dict[str, int]
    short_sitting_count: int
    short_sitting_min: float


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of a rule. numbers : what made it true, each condition with its number."""

    rule: str
    text: str
    numbers: str


@dataclass(frozen=True, slots=True)
class RuleState:
    """What became of a rule (docs/programme.md), and why."""

    rule: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class DayAdvice:
    """What the programme says of the day: one win, at most two habits, one practice, one focus; or a notice and nothing else.

    pack : its id and version. stage : the highest that is open; None without a log. practice : id. focus_rule : None where the
    focus is to go on.
    """

    pack: str
    stage: str | None
    win: Said | None
    habits: tuple[Said, ...]
    practice: str | None
    practice_text: str
    focus: str
    focus_rule: str | None
    notice: str
    rules: tuple[RuleState, ...]


@dataclass(frozen=True, slots=True)
class Habits:
    """What the habit rules of the programme ask beyond the counts above; None is not known, as in older files.

    Counts by verdict: drops onto a chair, forward leans of 10-180 s, deep bends, straight ways up from lying.
    rounded_sit_ups_s : s, starts of those ways up that were rounded. end_range_holds_morning : holds of 5-60 s at the end of the
    range, from 04:00 to 10:00.
    """

    meter_high_count: int | None = None
    longest_flexed_bout_min: float | None = None
    plunges: dict[str, int] | None = None
    held_leans: dict[str, int] | None = None
    deep_bends: dict[str, int] | None = None
    straight_sit_ups: dict[str, int] | None = None
    rounded_sit_ups_s: tuple[float, ...] = ()
    end_range_holds_morning: int | None = None


@dataclass(frozen=True, slots=True)
class WorkoutSet:
    """One set of exercise. clean_reps, first_failed_rep : None where not `form_measured`; the latter also where no form failed."""

    exercise: str
    start_s: float
    end_s: float
    reps: int
    clean_reps: int | None
    first_failed_rep: int | None
    form_measured: bool
    side: str | None
    declared: bool
    tempo_s: float | None
    basis: str | None
    confidence: float | None


@dataclass(frozen=True, slots=True)
class PracticeHold:
    """One hold. drifted : more than the practice allows; None not measured. declared : False where it was only seen."""

    practice: str
    start_s: float
    hold_s: float | None
    drift_deg: float | None
    drifted: bool | None
    side: str | None
    declared: bool
    confidence: float | None


@dataclass(frozen=True, slots=True)
class DailySummary:
    """The day's numbers. Units are in the names; None means not known; docs/daily-summary.md holds every definition.

    other_days : of a session over 04:00, the summaries of its other days, in order.
    range_time : None with one sensor. bed_transitions : getting into and out of bed or up from lying, by way.
    pain, advice : in a report; None in a summary, which knows neither log nor earlier days.
    """

    schema_version: int
    code_version: str
    source: str
    period: Period
    wear: Wear
    basis: BasisInfo
    context_min: dict[str, float]
    context_share_of_worn_pct: dict[str, float | None]
    sitting: Sitting
    meter: Meter
    sitting_alert_on: bool
    alerts: dict[str, int]
    bends: Bends
    chair_transitions: dict[str, dict[str, int]]
    floor_transitions: Floor
    events_by_kind: dict[str, int]
    left_out: LeftOut
    notes: tuple[str, ...]
    notice: str
    advice: DayAdvice | None = None
    other_days: tuple[DailySummary, ...] = ()
    habits: Habits = Habits()
    workouts: tuple[WorkoutSet, ...] = ()
    practices: tuple[PracticeHold, ...] = ()
    range_time: RangeTime | None = None
    alert_counts: tuple[AlertCount, ...] = ()
    bed_transitions: tuple[FloorGroup, ...] = ()
    pain: PainSaid | None = None
    silence: SilenceTime = SilenceTime()

    def to_json(self) -> str:
        """UTF-8 JSON text; the same input gives the same bytes."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
