"""Shifts, time at a large part of the range, reduced rate and answers to alerts, against days made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_daily import summary, table, wear

from analysis.daily import summarise
from analysis.exposure import were_answered
from analysis.inputs import DayAlert, DayEvent, SegmentInfo, SilenceInfo
from analysis.schema import DailySummary, SilenceTime
from posture.alerts import AlertPolicy, AlertState, Epoch
from posture.answers import rests
from posture.config import Config
from posture.types import Basis, EpochBlock


def sat(*levels_deg: float, each_s: int = 60, **columns: Any) -> EpochBlock:
    """Sitting, each level of lumbar flexion held for `each_s`."""
    angle = np.repeat(np.array(levels_deg), each_s)
    return table(("sitting", 0, len(angle)), flexion_deg=angle, **columns)


def test_shifts_are_changes_of_level_by_five_degrees_and_more_of_a_ten_second_median() -> None:
    shifts = summary(sat(20, 26, 22, 10, *[10] * 11)).sitting.shifts
    assert shifts is not None
    assert (shifts.measure, shifts.count, shifts.measured_min, shifts.per_15_min) == ("flexion_deg", 2, 15.0, 2.0), (
        "to 26 and to 10; 22 lies within 5 deg of 26"
    )


def test_a_movement_shorter_than_half_a_block_and_noise_are_no_shift() -> None:
    angle = np.full(900, 20.0)
    angle[100:104] = 45.0
    shifts = summary(table(("sitting", 0, 900), flexion_deg=angle + np.sin(np.arange(900.0)))).sitting.shifts
    assert shifts is not None
    assert shifts.count == 0


def test_standing_up_between_two_levels_is_no_shift_and_unmeasured_sitting_is_not_still() -> None:
    angle = np.concatenate([np.full(300, 10.0), np.zeros(60), np.full(300, 30.0), np.full(300, np.nan)])
    epochs = table(("sitting", 0, 300), ("standing", -1, 60), ("sitting", 0, 600), flexion_deg=angle)
    shifts = summary(epochs).sitting.shifts
    assert shifts is not None
    assert (shifts.count, shifts.measured_min) == (0, 10.0)
    nan = np.full(60, np.nan)
    unknown = dict.fromkeys(("flexion_deg", "sacrum_inclination_deg", "upper_lumbar_inclination_deg"), nan)
    assert summary(table(("sitting", 0, 60), **unknown)).sitting.shifts is None, "not measured is not 0"


def test_one_sensor_counts_shifts_of_its_own_inclination() -> None:
    nan = np.full(120, np.nan)
    angle = np.repeat([-5.0, -15.0], 60)
    epochs = table(("sitting", 0, 120), flexion_deg=nan, upper_lumbar_inclination_deg=nan, sacrum_inclination_deg=angle)
    day = summary(epochs, session=wear(sensors=("sacrum",)))
    assert day.sitting.shifts is not None
    assert (day.sitting.shifts.measure, day.sitting.shifts.count) == ("sacrum_inclination_deg", 1)
    assert [(a.measure, a.p10_deg, a.p90_deg) for a in day.sitting.angles] == [("sacrum_inclination_deg", -15.0, -5.0)]
    assert day.range_time is None, "one sensor has no range"


def test_time_at_sixty_and_eighty_percent_is_of_measured_time_out_of_lying() -> None:
    pct = np.repeat([50.0, 60.0, 80.0, 95.0, 95.0, np.nan], 60)
    epochs = table(
        ("sitting", 0, 180), ("standing", -1, 60), ("lying", -1, 60), ("standing", -1, 60), flexion_pct_rom=pct
    )
    found = summary(epochs).range_time
    assert found is not None
    assert (found.measured_min, found.over_60_min, found.over_80_min) == (4.0, 3.0, 2.0)
    assert (found.sitting_over_60_min, found.sitting_over_80_min, found.own_range) == (2.0, 1.0, True)


def test_time_at_a_reduced_rate_is_of_worn_time_and_not_known_without_the_rates() -> None:
    epochs = table(("sitting", 0, 600), ("non_wear", -1, 600))
    assert summary(epochs).wear.reduced_rate_min is None
    rates = tuple(SegmentInfo(first_s=f, rate_hz=r) for f, r in ((0.0, 50.0), (300.0, 4.0), (900.0, 50.0)))
    assert summary(epochs, session=wear().model_copy(update={"segments": rates})).wear.reduced_rate_min == 5.0


def alerted(*stretches: tuple[str, int, int], pct: float = 70.0, **said: Any) -> DailySummary:
    """An alert on sitting at 600 s of 600 s of flexed sitting; then what follows, sitting at `pct` % of range."""
    epochs = table(("sitting", 1, 600), *stretches)
    flexion = np.where(np.arange(len(epochs)) < 600, 70.0, pct)
    epochs = table(("sitting", 1, 600), *stretches, flexion_pct_rom=flexion)
    alert = {"about_s": 594.0, "raised_s": 600.0, "kind": "flexed_sitting"} | said
    return summarise(epochs, [], [DayAlert.model_validate(alert)], wear())


@pytest.mark.parametrize(
    ("stretches", "pct", "answered"),
    [
        ((("sitting", 1, 600),), 70.0, 0),
        ((("sitting", 1, 179), ("standing", -1, 20)), 70.0, 1),
        ((("sitting", 1, 200), ("standing", -1, 20)), 70.0, 0),
        ((("sitting", 0, 60),), 49.0, 1),
        ((("sitting", 0, 59), ("lying", -1, 60)), 49.0, 0),
        ((("sitting", 0, 120),), 50.0, 0),
        ((("gap", -1, 600),), 0.0, 0),
    ],
)
def test_an_alert_is_answered_by_standing_within_three_minutes_or_a_minute_out_of_flexion(
    stretches: tuple[tuple[str, int, int], ...], pct: float, answered: int
) -> None:
    (count,) = (c for c in alerted(*stretches, pct=pct).alert_counts if c.kind == "flexed_sitting")
    assert (count.raised, count.answered, count.wrong) == (1, answered, 0)


def test_the_policy_and_the_summary_have_one_mind_on_what_is_answered() -> None:
    """Stretches at random around one alert; the summary looks back at them, the policy hears them second by second."""
    rng, seen = np.random.default_rng(3), []
    for _ in range(80):
        names = rng.choice(["sitting", "standing", "gap"], 12, p=[0.9, 0.05, 0.05])
        stretches = [(str(name), -1, int(rng.integers(1, 90))) for name in names]
        flexion = np.repeat(
            rng.choice([15.0, 45.0, 55.0, 88.0], 12, p=[0.15, 0.15, 0.3, 0.4]), [s for *_, s in stretches]
        )
        epochs = table(*stretches, flexion_pct_rom=flexion)
        alert = DayAlert.model_validate({"about_s": 114.0, "raised_s": 120.0, "kind": "flexed_sitting"})
        state = AlertState(last_sitting_s=114.0, spacing_min=20.0)
        policy = AlertPolicy(Config().alerts, lag_s=5, judges_sitting=True, hears_answers=True, state=state)
        _, under = rests(epochs, 50.0, Basis.TWO)
        rows = zip(epochs.start_s.tolist(), epochs.context.tolist(), under.tolist(), strict=True)
        for second_s, context, low in (row for row in rows if row[0] < 120.0 + 180.0 + 60.0):
            policy.push(Epoch(second_s, context, 0.9, 0.0, -1, under=low))
        (answered,) = were_answered(epochs, [alert], wear())
        assert (policy.state.spacing_min is None) == answered
        seen.append(answered)
    assert 10 < sum(seen) < 70


def test_alerts_called_wrong_are_counted_and_other_kinds_have_no_answer() -> None:
    (count,) = (
        c
        for c in alerted(("sitting", 1, 60), answers=[{"said": "wrong", "at_utc": "x"}]).alert_counts
        if c.kind == "flexed_sitting"
    )
    assert count.wrong == 1
    assert {c.kind: c.answered for c in alerted(("sitting", 1, 60)).alert_counts}["bend"] is None


def test_the_share_that_was_not_called_wrong_comes_with_the_number_raised_and_not_without_alerts() -> None:
    epochs = table(("sitting", 1, 3600))
    said: list[dict[str, Any]] = [{"answer": "wrong"}, {}, {"answers": [{"said": "wrong"}, {"said": "right"}]}, {}]
    alerts = [{"about_s": 600.0 * k, "raised_s": 600.0 * k + 6, "kind": "bend"} | s for k, s in enumerate(said, 1)]
    counts = summarise(epochs, [], [DayAlert.model_validate(a) for a in alerts], wear()).alert_counts
    assert {c.kind: (c.raised, c.wrong, c.not_wrong_pct) for c in counts} == {
        "flexed_sitting": (0, 0, None),
        "bend": (4, 1, 75.0),
        "floor_transition": (0, 0, None),
        "recalibrate": (0, 0, None),
    }


def test_worn_minutes_without_alerts_are_paused_or_snoozed_and_what_is_both_is_paused() -> None:
    epochs = table(("sitting", 0, 1800), ("non_wear", -1, 600), ("sitting", 0, 600))
    spans = (("snooze", 600.0, 1500.0), ("pause", 1200.0, 2100.0), ("snooze", 2700.0, 9000.0))
    silences = tuple(SilenceInfo(act=a, from_s=f, to_s=t) for a, f, t in spans)  # type: ignore[arg-type]
    assert summary(epochs).silence == SilenceTime(0.0, 0.0)
    found = summary(epochs, session=wear().model_copy(update={"silences": silences})).silence
    assert found == SilenceTime(paused_min=10.0, snoozed_min=15.0)


def test_ways_into_and_out_of_bed_are_kept_apart_from_the_floor() -> None:
    way = {"direction": "up", "path": "log_roll", "surface": "bed"}
    up = DayEvent.model_validate({"kind": "lie_to_sit", "start_s": 5, "end_s": 9, "verdict": "neutral"} | way)
    day = summary(table(("lying", -1, 60)), up)
    assert [(g.direction, g.path, g.count) for g in day.bed_transitions] == [("up", "log_roll", 1)]
    assert day.floor_transitions.total == 0
