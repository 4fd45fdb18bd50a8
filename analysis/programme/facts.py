"""What the rules may ask about a day: numbers from the wear (`DailySummary`) and from the log. None is not known.

A fact that this version does not measure yet (reps of sets, stairs) stays None unless the log tells it; a rule that asks for it
does not fire and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from math import sqrt
from statistics import median, stdev

from pydantic import BaseModel, ConfigDict, Field

from analysis.inputs import DAY_BEGINS_H
from analysis.programme.diary import Entry, PracticeEntry
from analysis.schema import DailySummary
from analysis.words import MOSTLY_JUDGED

SURE_SPREAD = 1.96 * sqrt(2)
"""Times the SD of the person's own days: the smallest detectable change (95 %)."""
DAYS_MIN = 7
"""Valid earlier days from which a change is judged (domain.md section 5)."""
SHARE_FLOOR_PCT = 5.0
"""Of judged sitting; a smaller change is not called one, however alike the days were. Provisional: ours."""
CHAIR_JUDGED_MIN = 6
"""Judged moves from which a share in daily life is said (rule R04)."""


class Facts(BaseModel):
    """Of one day. Names end in their unit; without one they are counts. None: not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sensors: int | None = Field(None, description="number of sensors worn")
    confidence: dict[str, float] = Field({}, description="mean confidence: `sitting`, and by kind of event")

    worn_min: float | None = Field(None, description="min worn")
    calibration_age_days: float | None = Field(None, description="days since the full calibration; not filled yet")
    meter_high_count: float | None = Field(None, description="times the time-in-flexion meter rose to its alert level")
    flexed_sitting_min: float | None = Field(None, description="min of sitting in flexion")
    flexed_share_pct: float | None = Field(
        None, description="% of judged sitting that was flexed, where at least 80 % of it was judged"
    )
    hidden_share_pct: float | None = Field(None, description="% of the recording in gaps or unknown activity")
    longest_flexed_bout_min: float | None = Field(None, description="min, the most flexed sitting within one bout")
    sitting_min: float | None = Field(None, description="min of sitting")
    sitting_share_pct: float | None = Field(None, description="% of worn time")
    long_bouts: float | None = Field(None, description="sitting bouts of 20 min and more")
    chair_rises_judged: float | None = Field(None, description="chair rises with a verdict")
    chair_rises_rounded_pct: float | None = Field(None, description="% of the judged chair rises that were rounded")
    plunges: float | None = Field(None, description="drops onto a chair that ended flexed")
    leans_rounded: float | None = Field(None, description="forward leans of 10-180 s judged rounded")
    deep_bends_rounded: float | None = Field(None, description="deep bends judged rounded")
    end_range_holds_morning: float | None = Field(
        None, description="holds of 5-60 s at 80 % of range and more, from 04:00 to 10:00; two sensors and a clock"
    )
    sit_ups_rounded: float | None = Field(None, description="straight ways up from lying judged rounded")
    sit_up_after_towel_min: float | None = Field(
        None, description="min from the end of the towel (log, `ended`) to the first of those; needs a clock"
    )
    rounded_in_exercise_pct: float | None = Field(
        None, description="% of today's reps that were not clean (log); sets are not detected yet"
    )
    rounded_in_life_pct: float | None = Field(
        None, description="% of judged bends and chair rises that were rounded, from 6 judged on; two sensors"
    )
    improved_by: float | None = Field(
        None,
        description="share of judged sitting in flexion under the median of 7 valid days, less the detectable change, %",
    )

    towels_two_days: float | None = Field(None, description="towels in the log, yesterday and today")
    flights: float | None = Field(None, description="flights of stairs (log)")
    flights_uneven: float | None = Field(None, description="1 where one side was harder (log)")
    first_failed_rep: float | None = Field(None, description="of today's last exercise whose form changed (log)")
    target_reps: float | None = Field(None, description="reps of the next set of that exercise")
    pain_rise: float | None = Field(None, description="of 10, the largest rise of pain in a set today")
    pain_free_days: float | None = Field(None, description="days from the first to the last 0 since the last pain")
    plan_done_pct: float | None = Field(None, description="% of the plan's workouts done in its window")
    last_stage_offered: float | None = Field(None, description="1 while the last stage is open and nothing of it done")
    avoided_count: float | None = Field(None, description="entries today of what the programme leaves out")
    logged_today: float | None = Field(None, description="exercises and practices in the log today")
    red_flags: float | None = Field(None, description="red flags noted and not cleared")

    exercise: str = Field("exercise", description="text: name of the exercise of pain_rise, else of first_failed_rep")
    moved: str = Field("no number moved", description="text: the metric that moved with the pain")
    avoided: str = Field("", description="text: what was logged")
    swap: str = Field("", description="text: its swap")
    red_flag: str = Field("", description="text: what was noted")
    improved: str = Field("", description="text: what improved, with numbers")


TEXT_FACTS = frozenset({"exercise", "moved", "avoided", "swap", "red_flag", "improved"})
NUMBER_FACTS = frozenset(Facts.model_fields) - TEXT_FACTS - {"confidence"}


def wear_facts(summary: DailySummary, entries: Sequence[Entry] = ()) -> Facts:
    """What a day's summary knows. A count of rounded ones is None where there were some and none could be judged."""
    sitting, habits, basis = summary.sitting, summary.habits, summary.basis
    rises = summary.chair_transitions["sit_to_stand"]
    judged = _judged(rises)
    confidence = {k: c for k, c in basis.event_confidence.items() if c is not None}
    if basis.context_confidence is not None:
        confidence["sitting"] = basis.context_confidence
    flexion = sitting.judged_min > 0 or sitting.total_min == 0
    mostly = sitting.judged_min >= MOSTLY_JUDGED * sitting.total_min
    hidden_min = summary.wear.gap_min + summary.context_min["unknown"]
    two = len(basis.sensors) == 2
    life = {v: n + summary.bends.by_verdict[v] for v, n in rises.items()}
    return Facts(
        sensors=len(basis.sensors),
        confidence=confidence,
        worn_min=summary.wear.worn_min,
        meter_high_count=habits.meter_high_count,
        flexed_sitting_min=sitting.flexed_min if flexion else None,
        flexed_share_pct=sitting.flexed_share_of_judged_pct if mostly else None,
        hidden_share_pct=100 * hidden_min / summary.wear.recorded_min if summary.wear.recorded_min else None,
        longest_flexed_bout_min=habits.longest_flexed_bout_min if flexion else None,
        sitting_min=sitting.total_min,
        sitting_share_pct=sitting.share_of_worn_pct,
        long_bouts=sitting.long_bouts,
        chair_rises_judged=judged if judged or not sum(rises.values()) else None,
        chair_rises_rounded_pct=100 * rises["rounded"] / judged if judged else None,
        plunges=_rounded(habits.plunges),
        leans_rounded=_rounded(habits.held_leans),
        deep_bends_rounded=_rounded(habits.deep_bends),
        end_range_holds_morning=habits.end_range_holds_morning,
        sit_ups_rounded=_rounded(habits.straight_sit_ups),
        sit_up_after_towel_min=_after_towel_min(summary, entries),
        # One sensor says rounded of the deepest bends and never neutral: a share of its verdicts would mean nothing.
        rounded_in_life_pct=100 * life["rounded"] / _judged(life)
        if two and _judged(life) >= CHAIR_JUDGED_MIN
        else None,
    )


def _judged(verdicts: dict[str, int]) -> int:
    return sum(verdicts.values()) - verdicts["unknown"]


def _rounded(verdicts: dict[str, int] | None) -> int | None:
    if verdicts is None or (any(verdicts.values()) and not _judged(verdicts)):
        return None
    return verdicts["rounded"]


def _after_towel_min(summary: DailySummary, entries: Sequence[Entry]) -> float | None:
    """Minutes from a towel's end to the first rounded straight sit-up after it, the shortest of the day."""
    if summary.period.start_local is None or summary.period.day is None:
        return None
    start, day = datetime.fromisoformat(summary.period.start_local), date.fromisoformat(summary.period.day)
    waits = []
    for entry in entries:
        if not isinstance(entry, PracticeEntry) or entry.practice != "towel" or entry.day != day or entry.ended is None:
            continue
        late = timedelta(days=entry.ended.hour < DAY_BEGINS_H)  # 01:00 belongs to the evening before
        ended_s = (datetime.combine(day + late, entry.ended, tzinfo=start.tzinfo) - start).total_seconds()
        ups = [s - summary.period.first_s - ended_s for s in summary.habits.rounded_sit_ups_s]
        waits += [wait_s / 60 for wait_s in ups if wait_s >= 0]
    return min(waits, default=None)


def improvement(history: Sequence[Facts], today: Facts, *, worn_min: float) -> Facts:
    """`today` with `improved_by` where flexed sitting is compared with at least seven valid earlier days (oldest first).

    Detectable change: 1.96 sqrt(2) SD of those days, at least SHARE_FLOOR_PCT.
    """
    valid = [f.flexed_share_pct for f in history if f.flexed_share_pct is not None and (f.worn_min or 0) >= worn_min]
    now = today.flexed_share_pct
    if now is None or len(valid) < DAYS_MIN or today.improved_by is not None:
        return today
    usual = median(valid[-DAYS_MIN:])
    by = usual - now - max(SHARE_FLOOR_PCT, SURE_SPREAD * stdev(valid))
    text = f"{now:.0f} % of your judged sitting was flexed, against {usual:.0f} % as your 7-day median"
    return today.model_copy(update={"improved_by": by, "improved": text})
