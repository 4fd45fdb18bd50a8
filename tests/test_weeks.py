"""What is measured on simulated weeks of wear: slips found in time, non-wear, neutral after a re-don, and the page of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from seconds import wear as calibration

from analysis.validation.faults import Said, main, page, targets
from analysis.validation.memory import replayed
from analysis.validation.score import Labels
from analysis.validation.synth import Script, Track, make, person
from analysis.validation.weeks import (
    SLIPS_DEG,
    Faulty,
    SlipSaid,
    Steady,
    Wear,
    bouts,
    changing,
    everyday,
    faulty,
    neutral_errors,
    seed_of,
    slip_said,
    truth_of,
    wear_said,
)
from posture.replay import Records
from posture.types import Context, EpochBlock, Float


def told(labels: Labels, events: list[dict[str, Any]], *, off_deg: float = 0.0, called: Float | None = None) -> Records:
    """A program that knows the truth, but for angles that are off, and seconds that it calls non-wear."""
    m = len(labels.pure)
    context = np.where(labels.context < 0, int(Context.TRANSITION), labels.context).astype(np.int8)
    if called is not None:
        context[called.astype(int)] = Context.NON_WEAR
    one, none = np.ones(m), np.full(m, np.nan)
    epochs = EpochBlock(
        np.arange(m, dtype=np.float64),
        context,
        one,
        labels.sacrum_deg + off_deg,
        labels.upper_deg - 2.0 * off_deg,
        labels.flexion_deg,
        none,
        none,
        none,
        np.full(m, -1, dtype=np.int8),
        one,
        one,
    )
    return Records(epochs, events, [], {}, calibration())


def moved(end_s: float, shift_deg: float, state: str = "ask", placement: str = "sacrum") -> dict[str, Any]:
    return {
        "kind": "sensor_moved",
        "start_s": end_s - 60.0,
        "end_s": end_s,
        "state": state,
        "placement": placement,
        "shift_deg": shift_deg,
    }


@pytest.fixture(scope="module")
def slipped() -> Track:
    script = Script(person(7)).calibrate().walk(30).stand(5).slip(10.0)
    for _ in range(3):
        script.stand(10).walk(30).stand(20)
    return Track.of(script.stairs(30).stand(5))


def test_a_slip_counts_as_found_by_the_end_of_the_second_bout_on_the_level_and_not_later(slipped: Track) -> None:
    (slip,) = slipped.slips
    after = [b for a, b in bouts(slipped) if a > slip.to_s]
    assert len(after) == 3, "stairs are no walking on the level"
    labels = truth_of(slipped)
    in_time, late = moved(after[1] + 5.0, 9.0), moved(after[2], 9.0)
    assert slip_said(told(labels, [in_time]), slipped, slip) == SlipSaid(10.0, found=True, error_deg=1.0)
    assert not slip_said(told(labels, [late]), slipped, slip).found
    assert not slip_said(told(labels, [moved(slip.from_s - 5.0, 9.0)]), slipped, slip).found
    assert not slip_said(told(labels, [moved(after[0], 0.0, "ok")]), slipped, slip).found


def test_a_slip_that_is_put_on_the_other_sensor_is_found_without_an_error_to_give(slipped: Track) -> None:
    (slip,) = slipped.slips
    said = slip_said(told(truth_of(slipped), [moved(slip.to_s + 60.0, -9.0, placement="upper_lumbar")]), slipped, slip)
    assert said.found
    assert np.isnan(said.error_deg)


def test_the_product_finds_a_slip_of_15_deg_on_a_simulated_back() -> None:
    script = Script(person(7)).calibrate().walk(30).stand(20).slip(15.0)
    for _ in range(2):
        script.stand(10).walk(40).stand(20)
    day = make(script.stand(10))
    (slip,) = day.track.slips
    said = slip_said(replayed(day), day.track, slip)
    assert said.found
    assert said.error_deg < 2.0


@pytest.fixture(scope="module")
def off_twice() -> Track:
    script = Script(person(7)).calibrate()
    script.take_off().table(2).put_on().walk(30).stand(180)
    script.take_off().table(1, "bag_standing").table(1, "bag").put_on(settle_s=0).walk(30).stand(180)
    return Track.of(script.sit_down().sit(3, "still_reader").stand_up().stand(5))


def test_seconds_off_the_body_and_worn_ones_are_counted_apart_and_the_way_of_the_hand_is_neither(
    off_twice: Track,
) -> None:
    first, second = off_twice.offs
    (reader,) = (e for e in off_twice.events if e["type"] == "desk")
    called = np.concatenate(
        [
            np.arange(first.from_s, first.to_s),
            np.arange(second.away_s, second.away_s + 60),
            reader["t0"] + np.array([5.0, 6.0]),
        ]
    )
    said = wear_said(told(truth_of(off_twice), [], called=np.floor(called)), off_twice)
    assert said.away_s == {"table": pytest.approx(119, abs=2), "bag_standing+bag": pytest.approx(119, abs=2)}
    assert said.called_s["table"] == said.away_s["table"]
    assert said.called_s["bag_standing+bag"] == pytest.approx(60, abs=2)
    assert said.worn_called_s == 2.0
    assert said.still_called_s == {"desk": 2.0}
    assert said.worn_s == pytest.approx(off_twice.time_s[-1] - 2 * 124, abs=4)


def test_neutral_after_a_re_don_is_said_minus_true_once_its_first_bout_is_in_force(off_twice: Track) -> None:
    labels = truth_of(off_twice)
    errors = neutral_errors(told(labels, [], off_deg=4.0), off_twice, labels)
    assert errors == pytest.approx([4.0, 8.0, 4.0, 8.0], abs=1e-9)


def test_a_day_with_a_wrong_unit_is_refused_and_one_without_a_fault_is_scored() -> None:
    script = everyday(3, 0.3)
    assert faulty(make(script, faults=["in_g"])).score is None
    plain = faulty(make(script))
    assert plain.score is not None
    assert plain.score.flexion_rmse_deg < 1.0
    assert plain.valid > 0.99


def test_no_two_days_of_any_weeks_share_a_wearer_and_a_day_lasts_as_long_as_was_asked() -> None:
    seeds = [seed_of(week, day) for week in (1, 20, 101, 102) for day in range(7)]
    assert len(set(seeds)) == len(seeds)
    script = changing(seed_of(101, 0), 6.0, [["table"], ["bag_standing", "bag"], ["car"]])
    assert script.now_s / 3600.0 == pytest.approx(6.0, abs=0.3)
    assert [o.where for o in script.offs] == ["table", "bag_standing+bag", "car"]


def a_week(*, found: bool, neutral_deg: float, called: float) -> Said:
    wear = Wear({"table": 1000.0}, {"table": called}, 5000.0, 0.0, {"desk": 0.0, "sleep": 0.0}, (neutral_deg,) * 3)
    slips = [SlipSaid(deg, found, 0.5 if found else np.nan) for deg in SLIPS_DEG]
    return Said(slips, [Steady(60.0, 0)], [wear], [{"in_g": Faulty(None, np.nan, ("no",))}])


def test_targets_are_met_or_named_and_every_table_is_marked_simulated() -> None:
    good, bad = a_week(found=True, neutral_deg=2.0, called=990.0), a_week(found=False, neutral_deg=4.0, called=600.0)
    assert all(t.met for t in targets(good))
    assert [t.met for t in targets(bad)] == [False, True, False, True, True, False]
    heads = [line for line in page(bad).splitlines() if line.startswith("#")]
    assert len(heads) == 5
    assert all(h.endswith("(simulated)") for h in heads)
    assert page(bad).count("**no**") == 3
    assert "| in_g | refused |" in page(good)


def test_claims_without_a_slip_or_too_few_hours_miss_their_target() -> None:
    week = a_week(found=True, neutral_deg=2.0, called=990.0)
    for steady in ([Steady(60.0, 1)], [Steady(40.0, 0)]):
        week.steady = steady
        assert [t.met for t in targets(week)] == [True, False, True, True, True, True]


def test_a_day_that_is_too_short_for_all_of_it_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--hours", "3"])
    assert "at least 6 hours" in capsys.readouterr().err
