"""What the rules may ask about a day: numbers from the wear (`DailySummary`) and from the log. None is not known.

A fact that nobody measured (stairs; a set whose form was not judged) stays None unless the log tells it; a rule that asks for it
does not fire and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from analysis.programme.diary import Entry, PracticeEntry
from analysis.schema import DailySummary, WorkoutSet
from analysis.usual import DAYS_MIN, usual_of
from analysis.words import MOSTLY_JUDGED, span
from posture.days import DAY_BEGINS_H

SHARE_FLOOR_PCT = 5.0
"""Of judged sitting; a smaller change is not called one, however alike the days were. Provisional: ours."""
NAMED_FROM = 0.7
"""Confidence from which a set that the sensors saw is called by its name (domain.md section 3)."""
COUNTS: dict[str, tuple[str, str]] = {
    "deep_bends_rounded": ("bend", "rounded deep bends"),
    "leans_rounded": ("bend", "rounded forward leans of 10 s to 3 min"),
    "plunges": ("plunge", "drops onto a chair that ended flexed"),
    "sit_ups_rounded": ("floor_transition", "straight, rounded ways up from lying"),
}
"""Counts in which fewer is a change worth saying: their kind of event, and their words."""
ONE_SENSOR = {
    "deep_bends_rounded": "forward leans so deep that they count as rounded",
    "leans_rounded": "forward leans of 10 s to 3 min so deep that they count as rounded",
    "sit_ups_rounded": "straight ways up from lying",
}
"""What those counts are called where one sensor made them: by the depth or the way, which is all that it knows."""
CHAIR_JUDGED_MIN = 6
"""Judged moves from which a share in daily life is said (rule R04)."""


class Facts(BaseModel):
    """Of one day. Names end in their unit; without one they are counts. None: not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sensors: int | None = Field(None, description="number of sensors worn")
    confidence: dict[str, float] = Field({}, description="mean confidence: `sitting`, and by kind of event")
    judged_pct: dict[str, float] = Field({}, description="% judged of what a count of rounded ones is of, by count")

    worn_min: float | None = Field(None, description="min worn")
    calibration_age_days: float | None = Field(
        None, description="days since the last full calibration; not known for one that made itself"
    )
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
        None, description="min from the end of the towel (sensors; or log, `ended`, with a clock) to the first of those"
    )
    rounded_in_exercise_pct: float | None = Field(
        None, description="% of today's reps that were not clean (log, else sets that the sensors judged)"
    )
    rounded_in_life_pct: float | None = Field(
        None, description="% of judged bends and chair rises that were rounded, from 6 judged on; two sensors"
    )
    improved_by: float | None = Field(
        None,
        description="by how much something lies under the median of 7 valid days beyond the detectable change, in % of that median",
    )

    towels_two_days: float | None = Field(None, description="towels in the log, yesterday and today")
    flights: float | None = Field(None, description="flights of stairs (log)")
    flights_uneven: float | None = Field(None, description="1 where one side was harder (log)")
    first_failed_rep: float | None = Field(
        None, description="of today's last exercise whose form changed (log, else sensors)"
    )
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
NUMBER_FACTS = frozenset(Facts.model_fields) - TEXT_FACTS - {"confidence", "judged_pct"}


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
    counts = dict(
        zip(COUNTS, (habits.deep_bends, habits.held_leans, habits.plunges, habits.straight_sit_ups), strict=True)
    )
    two = len(basis.sensors) == 2
    life = {v: n + summary.bends.by_verdict[v] for v, n in rises.items()}
    judged_sets = [s for s in summary.workouts if s.clean_reps is not None]
    failed = [s for s in summary.workouts if s.first_failed_rep is not None]
    clean, done = sum(s.clean_reps or 0 for s in judged_sets), sum(s.reps for s in judged_sets)
    return Facts(
        sensors=len(basis.sensors),
        confidence=confidence,
        judged_pct={
            name: 100 * _judged(v) / (sum(v.values()) or 1) for name, v in counts.items() if v and sum(v.values())
        },
        worn_min=summary.wear.worn_min,
        calibration_age_days=basis.calibration_age_days,
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
        rounded_in_exercise_pct=100 * (1 - clean / done) if done else None,
        first_failed_rep=failed[-1].first_failed_rep if failed else None,
        target_reps=max(1, (failed[-1].first_failed_rep or 1) - 1) if failed else None,
        exercise=_named(failed[-1]) if failed else "exercise",
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
    seen = [h.start_s + h.hold_s for h in summary.practices if h.practice == "towel" and h.hold_s is not None]
    ends_s = [*seen, *_logged_towels_s(summary, entries)]
    waits = [(up_s - end_s) / 60 for end_s in ends_s for up_s in summary.habits.rounded_sit_ups_s if up_s >= end_s]
    return min(waits, default=None)


def _logged_towels_s(summary: DailySummary, entries: Sequence[Entry]) -> list[float]:
    """Ends of the day's logged towels, s of the recording; none without a clock."""
    if summary.period.start_local is None or summary.period.day is None:
        return []
    start, day = datetime.fromisoformat(summary.period.start_local), date.fromisoformat(summary.period.day)
    ends_s = []
    for entry in entries:
        if not isinstance(entry, PracticeEntry) or entry.practice != "towel" or entry.day != day or entry.ended is None:
            continue
        late = timedelta(days=entry.ended.hour < DAY_BEGINS_H)  # 01:00 belongs to the evening before
        ended = datetime.combine(day + late, entry.ended, tzinfo=start.tzinfo)
        ends_s.append(summary.period.first_s + (ended - start).total_seconds())
    return ends_s


def _named(seen: WorkoutSet) -> str:
    """For reading; what the sensors could not name for sure is some exercise."""
    sure = seen.exercise != "unknown" and (seen.confidence or 0.0) >= NAMED_FROM
    return seen.exercise.replace("_", " ") if sure else "exercise"


def improvement(history: Sequence[Facts], today: Facts, *, worn_min: float, confidence_min: float = 0.0) -> Facts:
    """`today` with `improved_by` where it is compared with at least DAYS_MIN valid earlier days (oldest first).

    Valid: worn for `worn_min`, with as many sensors, and for what was judged, mostly judged. Of what improved beyond the detectable
    change the share of flexed sitting is named first, then the count that fell most.
    """
    alike = [f for f in history if f.sensors == today.sensors or None in (f.sensors, today.sensors)]
    valid = [f for f in alike if (f.worn_min or 0) >= worn_min]
    found = [_less_flexed(valid, today)]
    if (today.worn_min or 0) >= worn_min:
        found += [_fewer(name, valid, today, confidence_min) for name in COUNTS]
    known = [c for c in found if c is not None]
    if not known or today.improved_by is not None:
        return today
    first = next((c for c in found[:1] if c and c[0] > 0), None) or max(known)
    return today.model_copy(update={"improved_by": first[0], "improved": first[1]})


def _less_flexed(valid: Sequence[Facts], today: Facts) -> tuple[float, str] | None:
    """Share of judged sitting in flexion; a change of less than SHARE_FLOOR_PCT is none."""
    days = [f.flexed_share_pct for f in valid if f.flexed_share_pct is not None]
    now, usual = today.flexed_share_pct, usual_of(days, floor=SHARE_FLOOR_PCT, last=DAYS_MIN)
    if now is None or usual is None:
        return None
    by = usual.median - now - usual.change
    text = f"{now:.0f} % of your judged sitting was flexed, against {usual.median:.0f} % as your 7-day median"
    return 100 * by / usual.median if usual.median else by, text


def _fewer(name: str, valid: Sequence[Facts], today: Facts, confidence_min: float) -> tuple[float, str] | None:
    """A count, compared per minute of wear and told in a wear as long as today's."""
    kind, words = COUNTS[name]
    words = ONE_SENSOR.get(name, words) if today.sensors == 1 else words

    def rate(facts: Facts) -> float | None:
        count, judged = getattr(facts, name), facts.judged_pct.get(name, 100.0)
        sure = facts.confidence.get(kind, 1.0) >= confidence_min
        return count / facts.worn_min if count is not None and judged >= 100 * MOSTLY_JUDGED and sure else None

    worn_min = float(today.worn_min or 0)
    days = [r for f in valid if (r := rate(f)) is not None]
    usual = usual_of(days, counted_over=worn_min, last=DAYS_MIN)
    if rate(today) is None or usual is None:
        return None
    now, usually = float(getattr(today, name)), usual.median * worn_min
    by = usually - now - usual.change * worn_min
    text = f"{now:.0f} {words} in {span(worn_min)} of wear, against {usually:.0f} at your 7-day median"
    return 100 * by / usually if usually else by, text
