"""The day's numbers against sums done by hand on small tables of seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from pages import session_json

from analysis.daily import summarise
from analysis.inputs import DayAlert, DayEvent, ReportInput, Session
from analysis.schema import DailySummary
from posture.types import CALIBRATION_SET, CONTEXT_NAMES, EpochBlock, InputError, Placement


def table(*stretches: tuple[str, int, int], start_s: float = 0.0, **columns: Any) -> EpochBlock:
    """Epochs from (context, flexed, seconds); every angle 0, creep 0, fully measured unless a column says otherwise."""
    n = sum(seconds for _, _, seconds in stretches)
    context = [CONTEXT_NAMES.index(name) for name, _, seconds in stretches for _ in range(seconds)]
    zero = {f.name: np.zeros(n) for f in fields(EpochBlock)}
    given = {
        "start_s": start_s + np.arange(n, dtype=float),
        "context": np.array(context, dtype=np.int8),
        "context_confidence": np.full(n, 0.9),
        "flexed": np.array([f for _, f, seconds in stretches for _ in range(seconds)], dtype=np.int8),
        "valid_fraction": np.ones(n),
    }
    return EpochBlock(**(zero | given | columns))


def wear(*, sensors: Sequence[str] = ("sacrum", "upper_lumbar"), clock: bool = True, **calibration: Any) -> Session:
    """A session of 2 March 2026, 09:00 in Berlin."""
    good = {"source": "poses", "grade": "good", "rom_deg": 50.0, "rom_source": "measured", "flexed_sitting": True}
    start_utc = "2026-03-02T08:00:00+00:00" if clock else None
    return Session.model_validate(
        session_json(clock=clock, start_utc=start_utc, sensors=list(sensors), calibration=good | calibration)
    )


def bend(start_s: float, *, length_s: float = 2.0, **changes: Any) -> DayEvent:
    fixed = {"kind": "bend", "start_s": start_s, "end_s": start_s + length_s, "peak_deg": 40.0, "basis": "two"}
    return DayEvent.model_validate(fixed | {"verdict": "neutral", "confidence": 0.8} | changes)


def summary(epochs: EpochBlock, *events: DayEvent, session: Session | None = None) -> DailySummary:
    return summarise(epochs, events, [], session or wear())


def test_gap_and_non_wear_leave_every_denominator() -> None:
    day = summary(
        table(
            ("sitting", 1, 300), ("gap", -1, 600), ("standing", -1, 100), ("non_wear", -1, 1200), ("unknown", -1, 200)
        ),
        bend(1000.0),
        bend(1010.0),
    )
    assert (day.wear.recorded_min, day.wear.worn_min) == (40.0, 10.0)
    assert (day.wear.gap_min, day.wear.non_wear_min) == (10.0, 20.0)
    assert day.sitting.share_of_worn_pct == 50.0
    assert day.context_share_of_worn_pct["unknown"] == pytest.approx(33.3333)
    assert day.context_share_of_worn_pct["gap"] is None
    assert day.bends.per_worn_hour == 12.0
    assert sum(day.context_min.values()) == pytest.approx(day.wear.recorded_min, abs=1e-3)


def test_gaps_are_counted_and_the_longest_is_named() -> None:
    day = summary(table(("gap", -1, 30), ("standing", -1, 30), ("gap", -1, 90), ("walking", -1, 30), ("gap", -1, 6)))
    assert (day.wear.gap_count, day.wear.longest_gap_min, day.wear.gap_min) == (3, 1.5, 2.1)


def test_valid_share_is_of_worn_time_only() -> None:
    valid = np.concatenate([np.full(60, 1.0), np.full(60, 0.5), np.zeros(120)])
    day = summary(table(("standing", -1, 120), ("gap", -1, 120), valid_fraction=valid))
    assert day.wear.valid_share_pct == 75.0


def test_unjudged_sitting_is_neither_flexed_nor_not_flexed() -> None:
    day = summary(table(("sitting", 1, 120), ("sitting", 0, 60), ("sitting", -1, 420)))
    sitting = day.sitting
    assert (sitting.total_min, sitting.judged_min, sitting.unjudged_min, sitting.flexed_min) == (10.0, 3.0, 7.0, 2.0)
    assert sitting.flexed_share_of_judged_pct == pytest.approx(66.6667)


def test_sitting_that_was_never_judged_has_no_share_and_no_meter() -> None:
    day = summary(table(("sitting", -1, 600)))
    assert day.sitting.flexed_share_of_judged_pct is None
    assert not day.meter.known
    assert (day.meter.peak, day.meter.high_min) == (None, None)


def test_a_wear_without_slump_range_has_no_meter_and_says_that_the_alert_is_off() -> None:
    day = summary(table(("sitting", -1, 60), ("walking", -1, 60)), session=wear(flexed_sitting=False))
    assert not day.meter.known
    assert not day.sitting_alert_on


def test_flexed_outside_sitting_is_not_sitting() -> None:
    assert summary(table(("standing", 1, 60), ("sitting", 0, 60))).sitting.flexed_min == 0.0


def test_short_holes_do_not_end_a_bout_and_are_not_sitting_time() -> None:
    day = summary(
        table(("sitting", 1, 100), ("gap", -1, 20), ("unknown", -1, 10), ("sitting", 0, 200), ("walking", -1, 30))
    )
    (bout,) = day.sitting.bouts
    assert (bout.start_s, bout.end_s) == (0.0, 330.0)
    assert (bout.sitting_min, bout.flexed_min, bout.bridged_min) == (5.0, pytest.approx(1.6667), 0.5)


@pytest.mark.parametrize(("between", "seconds"), [("gap", 31), ("standing", 1), ("walking", 5), ("non_wear", 20)])
def test_a_longer_hole_or_any_other_activity_ends_a_bout(between: str, seconds: int) -> None:
    day = summary(table(("sitting", 1, 100), (between, -1, seconds), ("sitting", 1, 100)))
    assert len(day.sitting.bouts) == 2


def test_a_hole_at_the_edge_of_sitting_belongs_to_no_bout() -> None:
    day = summary(table(("gap", -1, 10), ("sitting", 0, 90), ("gap", -1, 10), ("standing", -1, 5), ("unknown", -1, 5)))
    (bout,) = day.sitting.bouts
    assert (bout.start_s, bout.end_s, bout.bridged_min) == (10.0, 100.0, 0.0)


def test_sitting_shorter_than_a_minute_is_counted_apart() -> None:
    day = summary(
        table(("sitting", 0, 59), ("walking", -1, 20), ("sitting", 0, 60), ("walking", -1, 9), ("sitting", 0, 1))
    )
    assert len(day.sitting.bouts) == 1
    assert (day.left_out.short_sitting_count, day.left_out.short_sitting_min) == (2, 1.0)
    assert day.sitting.total_min == 2.0


def test_long_bouts_count_from_twenty_minutes_of_sitting() -> None:
    day = summary(table(("sitting", 0, 1200), ("standing", -1, 60), ("sitting", 0, 1199)))
    assert day.sitting.long_bouts == 1
    assert day.sitting.longest_bout_min == 20.0


def test_percentiles_are_over_sitting_seconds_that_were_measured() -> None:
    pct = np.concatenate([np.arange(101.0), np.full(19, np.nan), np.full(60, 500.0)])
    day = summary(
        table(("sitting", 1, 120), ("standing", -1, 60), flexion_pct_rom=pct, slump_index_pct=np.full(180, np.nan))
    )
    (spread,) = day.sitting.spreads
    assert (spread.measure, spread.p10_pct, spread.p50_pct, spread.p90_pct) == ("flexion_pct_rom", 10.0, 50.0, 90.0)
    assert spread.measured_min == pytest.approx(101 / 60, abs=1e-4)


def test_meter_outside_gaps_only() -> None:
    creep = np.concatenate([np.full(60, 0.5), np.full(120, 0.85), np.full(60, 0.99)])
    day = summary(table(("sitting", 1, 180), ("gap", -1, 60), creep=creep))
    assert (day.meter.peak, day.meter.peak_s, day.meter.high_min) == (0.85, 60.0, 2.0)


def test_events_inside_a_set_are_left_out_and_counted() -> None:
    day = summary(table(("standing", -1, 60)), bend(1.0), bend(10.0, set_id=3), bend(20.0, set_id=3))
    assert day.bends.total == 1
    assert day.left_out.events_in_sets == {"bend": 2}


def test_movements_of_the_calibration_routine_are_left_out_under_their_own_name() -> None:
    events = [
        bend(1.0, set_id=CALIBRATION_SET),
        bend(5.0, set_id=0, kind="sit_to_stand"),
        bend(9.0, set_id=3),
        bend(20.0),
    ]
    day = summary(table(("standing", -1, 60)), *events)
    assert day.bends.total == 1
    assert day.left_out.calibration_movements == {"bend": 1, "sit_to_stand": 1}
    assert day.left_out.events_in_sets == {"bend": 1}
    assert day.events_by_kind == {"bend": 1}


def test_unknown_bends_keep_their_own_column() -> None:
    events = [bend(1.0, verdict=v) for v in ("rounded", "rounded", "neutral", "mixed", "unknown", None)]
    day = summary(table(("standing", -1, 60)), *events)
    assert day.bends.by_verdict == {"rounded": 2, "neutral": 1, "mixed": 1, "unknown": 2}


def test_deep_and_sustained_follow_the_event_and_else_the_threshold_of_the_wear() -> None:
    epochs = table(("standing", -1, 100))
    events = [bend(0.0, peak_deg=59.9), bend(10.0, peak_deg=60.0), bend(20.0, length_s=10.0), bend(40.0, deep=True)]
    two = summary(epochs, *events).bends
    assert (two.deep, two.sustained, two.deep_or_sustained, two.longest_s) == (2, 1, 3, 10.0)
    one = summary(epochs, *events, session=wear(sensors=("sacrum",))).bends
    assert one.deep == 4
    upper = summary(epochs, *events, session=wear(sensors=("upper_lumbar",))).bends
    assert upper.deep == 2


def test_one_sensor_with_flexion_unknown_says_so_in_minutes() -> None:
    absent = np.full(120, np.nan)
    epochs = table(("sitting", -1, 60), ("walking", -1, 60), sacrum_inclination_deg=absent, flexion_pct_rom=absent)
    day = summary(
        replace(epochs, slump_index_pct=absent), session=wear(sensors=("upper_lumbar",), flexed_sitting=False)
    )
    assert day.basis.sensors == (Placement.UPPER_LUMBAR.value,)
    assert (day.wear.both_angles_min, day.wear.one_angle_min, day.wear.no_angle_min) == (0.0, 2.0, 0.0)
    assert day.sitting.spreads == ()
    assert day.sitting.unjudged_min == 1.0


def test_bends_fall_into_hours_of_the_local_clock() -> None:
    # Second 0 is 09:00 in Berlin; 1800 s before the full hour of 10:00 the recording begins.
    epochs = table(("standing", -1, 3600), ("gap", -1, 1800), ("standing", -1, 60), start_s=1800.0)
    hours = summary(epochs, bend(1800.0), bend(3599.9), bend(3600.0, verdict="rounded"), bend(7200.0)).bends.by_hour
    assert [h.label for h in hours] == ["09:30", "10:00", "11:00"]
    assert [h.total for h in hours] == [2, 1, 1]
    assert [h.worn_min for h in hours] == [30.0, 30.0, 1.0]
    assert hours[1].by_verdict["rounded"] == 1


def test_without_a_clock_hours_run_from_the_start_and_no_time_of_day_is_claimed() -> None:
    day = summary(table(("standing", -1, 3700)), bend(3650.0), session=wear(clock=False))
    assert [(h.label, h.total) for h in day.bends.by_hour] == [("0:00", 0), ("1:00", 1)]
    assert (day.period.clock_known, day.period.start_local, day.period.day) == (False, None, None)


def test_hours_keep_their_length_over_the_night_in_which_the_clocks_change() -> None:
    session = wear().model_copy(update={"start_utc": wear().start_utc.replace(month=10, day=25, hour=0)})  # type: ignore[union-attr]
    hours = summary(table(("lying", -1, 3 * 3600)), session=session).bends.by_hour
    assert [h.label for h in hours] == ["02:00 CEST", "02:00 CET", "03:00"]
    assert {h.worn_min for h in hours} == {60.0}


def test_a_night_before_four_belongs_to_the_day_before() -> None:
    session = wear().model_copy(update={"start_utc": wear().start_utc.replace(hour=1)})  # type: ignore[union-attr]
    assert summary(table(("lying", -1, 60)), session=session).period.day == "2026-03-01"


def test_chair_and_floor_transitions_by_verdict_and_way() -> None:
    epochs = table(("standing", -1, 60))
    chairs = [bend(1.0, kind="sit_to_stand", verdict="rounded"), bend(2.0, kind="stand_to_sit", verdict="unknown")]
    floor = [
        bend(5.0, kind="floor_transition", direction="up", path="log_roll", surface="bed", verdict="neutral"),
        bend(9.0, kind="floor_transition", direction="up", path="log_roll", surface="bed", verdict="neutral"),
        bend(12.0, kind="floor_transition", direction="down", verdict="unknown"),
    ]
    day = summary(epochs, *chairs, *floor)
    assert day.chair_transitions["sit_to_stand"] == {"rounded": 1, "neutral": 0, "mixed": 0, "unknown": 0}
    assert day.chair_transitions["stand_to_sit"]["unknown"] == 1
    found = {(g.direction, g.path, g.surface, g.verdict): g.count for g in day.floor_transitions.groups}
    assert found == {("up", "log_roll", "bed", "neutral"): 2, ("down", "unknown", "unknown", "unknown"): 1}


def test_confidence_is_the_mean_of_what_is_known() -> None:
    day = summary(
        table(("standing", -1, 60)), bend(1.0, confidence=0.9), bend(2.0, confidence=0.7), bend(3.0, confidence=None)
    )
    assert day.basis.event_confidence == {"bend": 0.8}
    assert day.basis.context_confidence == 0.9
    assert day.basis.events_by_basis == {"two": 3}


def test_alerts_by_kind_keep_a_zero_for_each_detection() -> None:
    alerts = [DayAlert(about_s=1, raised_s=2, kind=kind) for kind in ("bend", "bend", "battery")]
    day = summarise(table(("standing", -1, 60)), [], alerts, wear())
    assert day.alerts == {"flexed_sitting": 0, "bend": 2, "floor_transition": 0, "recalibrate": 0, "battery": 1}


@pytest.mark.parametrize(
    ("worn_min", "validity", "trend"),
    [(0, "empty", False), (239, "short_recording", False), (240, "day", False), (360, "day", True)],
)
def test_a_day_begins_at_four_hours_worn(worn_min: int, validity: str, trend: bool) -> None:
    day = summary(table(("standing", -1, worn_min * 60), ("gap", -1, 6 * 3600)))
    assert (day.wear.validity, day.wear.counts_for_trend) == (validity, trend)


@pytest.mark.parametrize("epochs", [table(), table(("gap", -1, 90)), table(("non_wear", -1, 90))])
def test_nothing_worn_gives_no_rates_and_no_shares(epochs: EpochBlock) -> None:
    day = summary(epochs)
    assert day.wear.validity == "empty"
    assert day.bends.per_worn_hour is None
    assert day.wear.valid_share_pct is None
    assert day.sitting.share_of_worn_pct is None
    assert day.basis.context_confidence is None
    json.loads(day.to_json())


def test_json_is_strict_versioned_and_the_same_each_time() -> None:
    epochs = table(("sitting", 1, 90), flexion_pct_rom=np.full(90, np.nan), creep=np.full(90, np.nan))
    text = summary(epochs, bend(3.0)).to_json()
    tree = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert tree["schema_version"] == 1
    assert "does not diagnose" in tree["notice"]
    assert text == summary(epochs, bend(3.0)).to_json()


def test_epochs_that_skip_seconds_are_refused() -> None:
    epochs = table(("standing", -1, 3))
    with pytest.raises(InputError, match="one row per second"):
        summary(replace(epochs, start_s=np.array([0.0, 1.0, 3.0])))


def test_input_is_not_changed_and_memory_records_equal_files() -> None:
    epochs = table(("sitting", 1, 300))
    for item in fields(EpochBlock):
        getattr(epochs, item.name).flags.writeable = False
    record = {
        "kind": "bend",
        "start_s": 1.0,
        "end_s": 2.0,
        "peak_deg": float("nan"),
        "verdict": "rounded",
        "basis": "two",
    }
    day = ReportInput.from_records(epochs, events=[record], alerts=[], session=wear().model_dump(mode="json"))
    assert summarise(day.epochs, day.events, day.alerts, day.session).bends.by_verdict["rounded"] == 1
    assert day.events[0].peak_deg is None


def test_the_summary_needs_no_heavy_import() -> None:
    code = "import sys, analysis.daily; print({'pandas', 'matplotlib', 'pyarrow', 'jinja2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
