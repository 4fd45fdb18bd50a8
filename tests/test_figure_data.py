"""The data behind the figures of the report."""

from __future__ import annotations

import numpy as np
import pytest
from pages import epochs_of, session_json

from analysis import figure_data
from analysis.inputs import DayAlert, DayEvent, Session
from analysis.schema import SittingBout
from posture.types import Verdict


def test_majority_takes_what_fills_most_of_a_step() -> None:
    codes = np.array([0, 0, 1, 1, 1, 0, 2])
    np.testing.assert_array_equal(figure_data.majority(codes, step=3, kinds=3), [0, 1, 2])


def test_ribbon_shows_sitting_by_how_it_was_judged() -> None:
    pct = np.concatenate([np.full(20, 70.0), np.full(10, 85.0), np.zeros(60)])
    epochs = epochs_of(
        ("sitting", 1, 30), ("sitting", -1, 20), ("sitting", 0, 10), ("gap", -1, 30), flexion_pct_rom=pct
    )
    events = [DayEvent(kind="bend", start_s=3, end_s=4), DayEvent(kind="bend", start_s=5, end_s=6, set_id=1)]
    data = figure_data.ribbon_data(epochs, events, [DayAlert(about_s=1, raised_s=7, kind="bend")])
    assert {role: spans.tolist() for role, spans in data.spans.items()} == {
        "flexed": [[0, 20]],
        "end_range": [[20, 30]],
        "unjudged": [[30, 50]],
        "not_flexed": [[50, 60]],
        "gap": [[60, 90]],
    }
    assert data.bends_s[Verdict.UNKNOWN] == (3.0,)
    assert data.alerts_s == (7.0,)


def test_a_day_is_drawn_in_at_most_1440_steps() -> None:
    rng = np.random.default_rng(1)
    noisy = epochs_of(("standing", -1, 86_400), context=rng.integers(0, 9, 86_400).astype(np.int8))
    data = figure_data.ribbon_data(noisy, [], [])
    assert data.step_s == 60
    assert sum(len(s) for s in data.spans.values()) <= 1440
    assert len(figure_data.meter_data(noisy, []).time_s) <= 1440


def test_bout_bars_hold_flexed_unjudged_and_holes_in_their_place() -> None:
    epochs = epochs_of(
        ("standing", -1, 60), ("sitting", 1, 60), ("sitting", -1, 30), ("gap", -1, 30), ("sitting", 0, 60)
    )
    bout = SittingBout(60.0, 240.0, 2.5, 1.0, 0.5, 0.5)
    (bar,) = figure_data.bout_data(epochs, [bout])
    assert bar.segments == ((0.0, 1.0, "flexed"), (1.0, 1.5, "unjudged"), (1.5, 2.0, "gap"), (2.0, 3.0, "not_flexed"))


def test_only_the_longest_bouts_are_drawn_in_the_order_of_the_day() -> None:
    epochs = epochs_of(("sitting", 0, 3000))
    bouts = [SittingBout(k * 100.0, k * 100.0 + 90, 1.0 + (k % 7), 0.0, 0.0, 0.0) for k in range(30)]
    bars = figure_data.bout_data(epochs, bouts)
    assert len(bars) == figure_data.MAX_BOUTS
    assert [b.bout.start_s for b in bars] == sorted(b.bout.start_s for b in bars)
    assert min(b.bout.sitting_min for b in bars) >= 4.0


def test_meter_trace_breaks_in_a_gap_and_marks_alerts_at_its_level() -> None:
    epochs = epochs_of(("sitting", 1, 20), ("gap", -1, 10), ("sitting", 1, 20), creep=np.linspace(0, 0.98, 50))
    alerts = [DayAlert(about_s=40, raised_s=41, kind="flexed_sitting"), DayAlert(about_s=1, raised_s=2, kind="bend")]
    data = figure_data.meter_data(epochs, alerts)
    assert np.isnan(data.creep[20:30]).all()
    assert np.isfinite(np.delete(data.creep, np.s_[20:30])).all()
    assert data.gaps.tolist() == [[20.0, 30.0]]
    assert data.alerts == ((41.0, pytest.approx(0.82)),)


def test_bend_points_take_the_event_then_the_seconds_then_leave_out() -> None:
    flexion = np.full(60, np.nan)
    flexion[10:13] = (20.0, 31.0, 25.0)
    epochs = epochs_of(("standing", -1, 60), flexion_deg=flexion)
    events = [
        DayEvent(kind="bend", start_s=1, end_s=2, peak_deg=60, verdict=Verdict.ROUNDED, flexion_peak_deg=33.0),
        DayEvent(kind="bend", start_s=10.2, end_s=12.5, peak_deg=50, verdict=Verdict.NEUTRAL),
        DayEvent(kind="bend", start_s=30, end_s=32, peak_deg=50, verdict=Verdict.UNKNOWN),
        DayEvent(kind="bend", start_s=40, end_s=42, peak_deg=50, flexion_peak_deg=9.0, set_id=1),
    ]
    data = figure_data.bend_points(epochs, events, Session.model_validate(session_json()))
    assert data.points[Verdict.ROUNDED].tolist() == [[60.0, 33.0]]
    assert data.points[Verdict.NEUTRAL].tolist() == [[50.0, 31.0]]
    assert data.left_out == 1
    assert data.rounded_deg == 24.0


def test_the_cut_of_a_range_that_is_not_the_wearers_own_is_the_uncalibrated_one() -> None:
    session = session_json()
    session["calibration"] |= {"rom_source": "population"}
    epochs = epochs_of(("standing", -1, 9))
    assert figure_data.bend_points(epochs, [], Session.model_validate(session)).rounded_deg == 22.0
