"""The alert policy: the truth table of the design in minutes on `about_s`, and every reason that holds an alert back."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from seconds import Day, wear

from posture.alerts import Act, AlertPolicy, AlertState, Epoch, Quiet, Silence, UserAction, cue_reason, silences
from posture.config import Config, parse_config
from posture.days import Days
from posture.detect.sitting import Sitting, carried
from posture.types import AlertKind, Basis, Context, EventKind, InputError, Placement, PostureEvent, Preset, Verdict

TALL, FLEXED, FULL = 15.0, 75.0, 88.0
BERLIN = ZoneInfo("Europe/Berlin")
BOTH_WEARS = pytest.mark.parametrize("two", [True, False], ids=["two sensors", "slump index"])


def shifting(slump_s: float, tall_s: float, minutes: float, *, two: bool) -> Day:
    day = Day(two)
    while len(day.rows) < 60 * minutes:
        day.sit(slump_s / 60, FULL).sit(tall_s / 60, TALL)
    return day


@BOTH_WEARS
def test_an_hour_of_tall_sitting_raises_nothing(two: bool) -> None:
    assert Day(two).sit(60, TALL).minutes() == []


@BOTH_WEARS
def test_two_hours_of_slump_raise_after_15_35_and_75_minutes(two: bool) -> None:
    assert Day(two).sit(120, FULL).minutes() == pytest.approx([15.1, 35.1, 75.1], abs=0.1)


@BOTH_WEARS
def test_ten_seconds_upright_every_90_seconds_put_it_off_to_20_40_and_80_minutes(two: bool) -> None:
    assert shifting(90, 10, 90, two=two).minutes() == pytest.approx([20.6, 40.6, 80.6], abs=0.1)


@BOTH_WEARS
def test_two_minutes_standing_every_ten_minutes_of_slump_raise_nothing(two: bool) -> None:
    day = Day(two)
    for _ in range(8):
        day.sit(10, FULL).stand(2)
    assert day.minutes() == []


@BOTH_WEARS
def test_twenty_minutes_of_slump_between_breaks_raise_once_per_bout(two: bool) -> None:
    day = Day(two)
    for _ in range(4):
        day.sit(20, FULL).stand(2)
    said = day.minutes()
    assert [int(m // 22) for m in said] == [0, 1, 2, 3]


@BOTH_WEARS
def test_five_minutes_of_slump_and_five_half_upright_raise_nothing(two: bool) -> None:
    day = Day(two)
    for _ in range(12):
        day.sit(5, FULL).sit(5, 45)
    assert day.minutes() == []


def test_walking_a_short_sit_and_stairs_raise_nothing() -> None:
    assert Day().add(20, Context.WALKING, FULL).sit(2, FULL).add(20, Context.WALKING, FULL).minutes() == []


def test_an_hour_of_reclining_raises_nothing_with_one_sensor() -> None:
    """Far behind full slump the chair's back carries the wearer: flexion is then not known, and unknown does not nudge."""
    epochs, alerts = Day(two=False).sit(60, 150.0).run()
    assert alerts == []
    assert set(epochs.flexed.tolist()) == {-1}


def test_leaning_back_begins_half_way_from_slump_to_the_own_recline() -> None:
    """Sacrum -28 deg slumped. Recorded leaning back at -32 deg: from -30 on; without that pose: from -36 on."""
    sensor = wear(Placement.SACRUM).sensors[Placement.SACRUM]
    reclined = replace(wear(Placement.SACRUM), sensors={Placement.SACRUM: replace(sensor, recline_deg=-32.0)})
    for calibration, just_before, beyond in ((reclined, 109.0, 111.0), (wear(Placement.SACRUM), 139.0, 141.0)):
        for index, flexed in ((just_before, 1), (beyond, -1)):
            epochs, _ = Day(two=False).sit(1, index).run(calibration=calibration)
            assert set(epochs.flexed.tolist()) == {flexed}


def test_three_minutes_without_data_bring_no_burst_and_hold_the_meter() -> None:
    day = Day().sit(12, FULL).add(3, Context.GAP).sit(30, FULL)
    epochs, alerts = day.run()
    assert epochs.creep[12 * 60 + 100] == epochs.creep[12 * 60 - 1]
    assert [a.about_s / 60 for a in alerts] == pytest.approx([18.1, 38.1], abs=0.1)


def test_more_than_ten_minutes_without_data_recover_as_sitting_out_of_flexion() -> None:
    epochs, _ = Day().sit(20, FULL).add(20, Context.GAP).run()
    held, after = epochs.creep[20 * 60 + 590], epochs.creep[-1]
    assert held == epochs.creep[20 * 60 - 1]
    assert after == pytest.approx(held * 2.718281828 ** (-10 / 9.4), rel=0.01)


@pytest.mark.parametrize("away_min", [0.5, 9, 40])
def test_a_session_that_goes_on_after_a_restart_has_the_meter_of_one_with_a_gap_there(away_min: float) -> None:
    whole, _ = Day().sit(14, FULL).add(away_min, Context.GAP).add(2, Context.GAP).sit(5, FULL).run()
    before, _ = Day().sit(14, FULL).run()
    meter = carried(float(before.creep[-1]), 60.0 * away_min, Config().sitting)
    after, _ = Sitting(Config(), wear(), meter).push(Day().add(2, Context.GAP).sit(5, FULL).block())
    np.testing.assert_allclose(after.creep, whole.creep[-len(after.creep) :], rtol=1e-9)
    assert after.creep[0] > 0.01


def test_a_sensor_that_is_not_worn_raises_nothing() -> None:
    assert Day().add(60, Context.NON_WEAR, FULL).minutes() == []


def test_lying_raises_nothing() -> None:
    assert Day().add(60, Context.LYING, FULL).minutes() == []


@pytest.mark.parametrize("confidence", [0.69, 0.3])
def test_doubtful_sitting_raises_nothing(confidence: float) -> None:
    assert Day().add(60, Context.SITTING, FULL, confidence).minutes() == []


def test_a_wear_that_cannot_judge_sitting_raises_nothing() -> None:
    from dataclasses import replace

    day = Day().sit(60, FULL)
    epochs, alerts = day.run(calibration=replace(wear(), judges_sitting=False))
    assert alerts == []
    assert set(epochs.flexed.tolist()) == {-1}


def test_there_are_at_most_eight_a_day() -> None:
    day = Day()
    for _ in range(12):
        day.sit(25, FULL).stand(2.5)
    assert len(day.minutes()) == 8


@pytest.mark.parametrize(
    ("evening", "night_h"), [((2026, 3, 2, 23), 5), ((2026, 3, 28, 23), 4), ((2026, 10, 24, 23), 6)]
)
def test_after_four_in_the_morning_the_eight_of_the_new_day_begin(
    evening: tuple[int, int, int, int], night_h: int
) -> None:
    """From 23:00 to 06:00 at a desk, also in the nights in which the clocks change."""
    days = Days(datetime(*evening, tzinfo=BERLIN).astimezone(UTC), BERLIN)
    day = Day()
    while len(day.rows) < 3600 * (night_h + 4):
        day.sit(25, FULL).stand(2.5)
    raised_h = [a.raised_s / 3600.0 for a in day.run(days=days)[1]]
    before = [h for h in raised_h if h < night_h]
    assert len(before) == 8
    assert max(before) < night_h - 0.2, "the limit is reached before 04:00"
    assert night_h <= raised_h[8] < night_h + 0.5
    assert len(raised_h) - 8 == 8
    assert len(day.run()[1]) == 8, "without a clock all of it is one day"


def test_the_cues_of_a_day_begin_anew_too_and_the_spacing_goes_on() -> None:
    days = Days(datetime(2026, 3, 2, 23, tzinfo=BERLIN).astimezone(UTC), BERLIN)
    policy = AlertPolicy(Config().alerts, lag_s=5, judges_sitting=True, days=days)
    state = replace(policy.state, said_n={"bend": 6}, last_cue_s={"bend": 5 * 3600.0 - 300.0}, day_ends_s=5 * 3600.0)
    policy = AlertPolicy(Config().alerts, lag_s=5, judges_sitting=True, days=days, state=state)
    said = [policy.push(bend(5 * 3600.0 + minute * 60.0)) for minute in (-1, 3, 6)]
    assert [a is not None for a in said] == [False, False, True]
    assert policy.state.said_n == {"bend": 1}
    assert policy.state.day_ends_s == 29 * 3600.0


def test_two_minutes_upright_clear_the_backoff() -> None:
    """After a break the next alert comes 10 min in, not 40 min after the one before."""
    said = Day().sit(36, FULL).stand(2).sit(12, FULL).minutes()
    assert said == pytest.approx([15.1, 35.1, 48.0], abs=0.1)


def test_a_shorter_break_does_not_clear_it() -> None:
    said = Day().sit(36, FULL).stand(1.5).sit(30, FULL).minutes()
    assert said == pytest.approx([15.1, 35.1], abs=0.1)


def heard_min(day: Day) -> list[float]:
    """When alerts are due where somebody hears them."""
    return [a.about_s / 60.0 for a in day.run(hears_answers=True)[1]]


ANSWERS = {
    "sits up for 60 s": (Day.sit, 0.5, 1.2),
    "sits up for 60 s, from before it on": (Day.sit, 0.0, 1.2),
    "sits up for 55 s": (Day.sit, 0.5, 55 / 60),
    "stands up": (Day.stand, 2.5, 0.2),
    "stands up, but after 4 min": (Day.stand, 4.0, 1.0),
}


@BOTH_WEARS
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answered_alert_brings_the_spacing_back_to_twenty_minutes(two: bool, answer: str) -> None:
    """15.1, then 20 min; that one is not answered: 20 more where the first was, else 40. Then doubled."""
    how, after_min, minutes = ANSWERS[answer]
    day = Day(two).sit(15.2 + after_min, FULL)
    day = (how(day, minutes, TALL) if how is Day.sit else how(day, minutes)).sit(100, FULL)
    answered = answer not in ("sits up for 55 s", "stands up, but after 4 min")
    first, second, *later = heard_min(day)
    assert second - first == pytest.approx(20.0, abs=0.1)
    assert np.diff([second, *later]) == pytest.approx([20.0, 40.0] if answered else [40.0], abs=0.1)
    assert np.diff(day.minutes()) == pytest.approx([20.0, 40.0], abs=0.1), "in a recording nobody answers"


NIGHT = parse_config({"alerts": {"quiet_from": "22:00", "quiet_to": "07:00"}}, source="test")


@BOTH_WEARS
def test_quiet_hours_hold_alerts_back_as_a_snooze_does(two: bool) -> None:
    """From 21:30 on in slump: alerts at 21:45 and 07:00, and the next by the usual spacing."""
    days = Days(datetime(2026, 3, 2, 21, 30, tzinfo=BERLIN).astimezone(UTC), BERLIN)
    day = Day(two).sit(11 * 60, FULL)
    said = [(a.raised_s / 60.0) for a in day.run(NIGHT, days=days)[1]]
    assert said[:3] == pytest.approx([15.2, 9.5 * 60.0, 9.5 * 60.0 + 40.0], abs=0.15)
    assert [a.raised_s for a in day.run(NIGHT)[1]] == [a.raised_s for a in day.run()[1]], (
        "without a clock nobody knows the hour"
    )


def test_quiet_hours_go_by_the_wall_in_a_night_in_which_the_clocks_change() -> None:
    days = Days(datetime(2026, 3, 28, 23, tzinfo=BERLIN).astimezone(UTC), BERLIN)
    quiet = [days.within(3600.0 * h, from_="22:00", to="07:00") for h in (0.0, 3.0, 6.99, 7.0)]
    assert quiet == [True, True, True, False], "07:00 of summer time is 7 h after 23:00 of the evening"
    assert [days.within(3600.0 * h, from_="23:30", to="23:45") for h in (0.4, 0.5, 0.74, 0.75)] == [
        False,
        True,
        True,
        False,
    ]


def test_cues_and_a_moved_sensor_wait_for_the_end_of_the_quiet_hours() -> None:
    days = Days(datetime(2026, 3, 2, 6, 50, tzinfo=BERLIN).astimezone(UTC), BERLIN)
    policy = AlertPolicy(NIGHT.alerts, lag_s=5, judges_sitting=True, days=days)
    assert policy.push(bend(60.0)) is None
    assert policy.push(moved(60.0, "ask"), epoch_s=60.0) is None
    said = [policy.push(Epoch(float(s), int(Context.STANDING), 0.9, 0.0, -1)) for s in range(61, 700)]
    assert [a.raised_s for a in said if a] == [600.0]
    assert policy.push(bend(710.0)) is not None


def snooze(at_min: float, minutes: float) -> UserAction:
    return UserAction(60.0 * at_min, Act.SNOOZE, 60.0 * (at_min + minutes))


def pause(at_min: float) -> UserAction:
    return UserAction(60.0 * at_min, Act.PAUSE)


def resume(at_min: float) -> UserAction:
    return UserAction(60.0 * at_min, Act.RESUME)


@BOTH_WEARS
def test_a_snooze_holds_back_what_is_due_and_one_alert_follows_it_not_three(two: bool) -> None:
    """Slump all along: due at 15.1, 35.1, 75.1. Snoozed from 10 to 70: one at 70, and the next by the usual spacing."""
    said = Day(two).sit(120, FULL).ask(snooze(10, 60)).minutes()
    assert said == pytest.approx([70.0, 90.0], abs=0.11)


def test_a_snooze_after_an_alert_keeps_its_spacing() -> None:
    """15.1; due again at 35.1, snoozed until 40; from that one on 40 min, as if it had been raised when it was due."""
    assert Day().sit(120, FULL).ask(snooze(16, 24)).minutes() == pytest.approx([15.1, 40.0, 80.0], abs=0.11)


def test_a_snooze_in_which_the_wearer_stands_up_is_followed_by_nothing() -> None:
    assert Day().sit(12, FULL).stand(3).sit(30, TALL).ask(snooze(10, 15)).minutes() == []


def test_a_snooze_takes_the_place_of_the_one_before_and_no_minutes_end_it() -> None:
    day = Day().sit(30, FULL).ask(snooze(5, 60), snooze(6, 14))
    assert day.minutes() == pytest.approx([20.0], abs=0.11)
    assert Day().sit(30, FULL).ask(snooze(5, 60), snooze(16, 0)).minutes() == pytest.approx([16.0], abs=0.11)


def test_a_silence_holds_from_the_second_that_would_be_raised_in_it() -> None:
    """The alert of second 907 is raised at 913.0: a snooze from then on holds it back, one from later does not."""
    _, (alert, *_) = Day().sit(20, FULL).run()
    at_s = alert.raised_s
    for from_s, until_s, first_s in ((at_s, at_s + 60.0, at_s + 60.0), (at_s + 0.02, at_s + 60.0, at_s)):
        _, said = Day().sit(20, FULL).ask(UserAction(from_s, Act.SNOOZE, until_s)).run()
        assert said[0].raised_s == first_s


def test_a_pause_holds_everything_back_until_it_is_over() -> None:
    assert Day().sit(200, FULL).ask(pause(10)).minutes() == []
    said = Day().sit(120, FULL).ask(pause(10), pause(20), resume(60)).minutes()
    assert said == pytest.approx([60.0, 80.0, 120.0], abs=0.11)


def test_resume_ends_a_snooze_too_and_a_pause_outlasts_a_snooze() -> None:
    assert Day().sit(30, FULL).ask(snooze(5, 60), resume(20)).minutes() == pytest.approx([20.0], abs=0.11)
    assert Day().sit(60, FULL).ask(pause(5), snooze(6, 10)).minutes() == []


def test_what_is_held_back_counts_as_none_of_the_eight_of_a_day() -> None:
    day = Day().ask(pause(0.01), resume(12 * 27))
    for _ in range(24):
        day.sit(25, FULL).stand(2)
    assert len(day.minutes()) == 8


def test_cues_in_a_silence_are_gone_and_one_after_it_needs_no_spacing_to_them() -> None:
    policy = fresh()
    policy.push(snooze(1, 5))
    assert [policy.push(bend(60.0 * k)) is None for k in (1, 3, 5)] == [True, True, True]
    assert policy.push(bend(400.0)) is not None


def moved(start_s: float, state: str) -> PostureEvent:
    return replace(bend(start_s, kind=EventKind.SENSOR_MOVED), evidence={"state": state})


def test_a_sensor_that_moved_in_a_silence_is_said_once_after_it_if_it_still_is_off() -> None:
    for event, said_n in ((moved(100.0, "ask"), 1), (moved(120.0, "ok"), 0)):
        policy = fresh()
        policy.push(snooze(1, 5))
        assert policy.push(moved(100.0, "ask"), epoch_s=100.0) is None
        assert policy.push(event, epoch_s=130.0) is None
        kept = AlertState.from_json(json.loads(json.dumps(policy.state.to_json(), allow_nan=False)), source="a test")
        policy = AlertPolicy(Config().alerts, lag_s=5, judges_sitting=True, state=kept)
        said = [policy.push(Epoch(float(s), int(Context.STANDING), 0.95, 0.0, -1)) for s in range(131, 600)]
        alerts = [a for a in said if a is not None]
        assert [(a.kind, a.about_s, a.raised_s) for a in alerts] == [(AlertKind.RECALIBRATE, 100.0, 360.0)] * said_n


def test_silences_are_the_pauses_and_snoozes_of_a_session_with_their_ends() -> None:
    asked = (snooze(10, 30), snooze(20, 60), pause(30), resume(50), snooze(60, 5), pause(70))
    assert silences(asked, begun=Quiet(), end_s=6000.0) == [
        Silence(Act.SNOOZE, 600.0, 1200.0),
        Silence(Act.SNOOZE, 1200.0, 3000.0),
        Silence(Act.PAUSE, 1800.0, 3000.0),
        Silence(Act.SNOOZE, 3600.0, 3900.0),
        Silence(Act.PAUSE, 4200.0, 6000.0),
    ]
    carried = Quiet(snoozed_until_s=90.0, paused_from_s=-300.0)
    assert silences((), begun=carried, end_s=600.0) == [Silence(Act.PAUSE, 0.0, 600.0), Silence(Act.SNOOZE, 0.0, 90.0)]
    assert silences((), begun=Quiet(), end_s=600.0) == []


def test_sitting_alerts_are_raised_within_six_seconds() -> None:
    _, alerts = Day().sit(60, FULL).run()
    assert alerts
    assert all(0 < a.raised_s - a.about_s <= 6 for a in alerts)


def test_the_policy_state_survives_a_restart() -> None:
    params = Config().alerts
    items = [Epoch(float(s), int(Context.SITTING), 0.95, 0.9, 1) for s in range(5000)]
    whole = [a for i in items if (a := AlertPolicy.push(policy, i))] if (policy := fresh(params)) else []
    policy = fresh(params)
    said = []
    for k, item in enumerate(items):
        if k % 700 == 0:
            policy = AlertPolicy(params, lag_s=5, judges_sitting=True, state=pickle.loads(pickle.dumps(policy.state)))
        said += [a] if (a := policy.push(item)) else []
    assert said == whole
    assert len(said) == 3


def fresh(params: object = None) -> AlertPolicy:
    return AlertPolicy(params or Config().alerts, lag_s=5, judges_sitting=True)  # type: ignore[arg-type]


def bend(
    start_s: float, *, verdict: Verdict = Verdict.ROUNDED, basis: Basis = Basis.TWO, **change: object
) -> PostureEvent:
    evidence = {k: change.pop(k) for k in ("deep", "sustained") if k in change}
    given = {"confidence": 0.9, "set_id": None, "kind": EventKind.BEND} | change
    return PostureEvent(
        start_s=start_s,
        end_s=start_s + 3,
        peak_s=start_s + 1,
        peak_deg=70,
        verdict=verdict,
        basis=basis,
        evidence=evidence,
        **given,
    )  # type: ignore[arg-type]


def test_rounded_bends_are_cued_at_most_every_ten_minutes_and_six_a_day() -> None:
    policy = fresh()
    said = [a for k in range(200) if (a := policy.push(bend(120.0 * k))) is not None]
    assert [a.about_s for a in said] == [0, 600, 1200, 1800, 2400, 3000]


def test_a_cue_comes_within_seven_seconds_of_the_end() -> None:
    event = bend(10.7)
    alert = fresh().push(event, epoch_s=float(int(event.end_s)))
    assert alert is not None
    assert 0 < alert.raised_s - event.end_s <= 7


@pytest.mark.parametrize("verdict", [Verdict.NEUTRAL, Verdict.MIXED, Verdict.UNKNOWN])
def test_only_rounded_bends_are_cued_with_two_sensors(verdict: Verdict) -> None:
    assert fresh().push(bend(0.0, verdict=verdict, deep=True)) is None


def test_one_sensor_cues_deep_or_sustained_leans_and_never_says_rounded() -> None:
    one = {"verdict": Verdict.UNKNOWN, "basis": Basis.ONE}
    for kind in ("deep", "sustained"):
        alert = fresh().push(bend(0.0, **one, **{kind: True}))  # type: ignore[arg-type]
        assert alert is not None
        assert "long or deep forward lean" in alert.reason
        assert "rounded" not in alert.reason
    assert fresh().push(bend(0.0, **one)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("why", "change"),
    [("doubtful", {"confidence": 0.69}), ("part of a set", {"set_id": 3}), ("calibration routine", {"set_id": 0})],
)
def test_a_bend_is_not_cued_when(why: str, change: dict[str, object]) -> None:
    assert fresh().push(bend(0.0, **change)) is None, why  # type: ignore[arg-type]


def test_a_bend_while_walking_is_not_cued() -> None:
    policy = fresh()
    for s in range(30):
        policy.push(Epoch(float(s), int(Context.WALKING), 0.95, 0.0, -1))
    assert policy.push(bend(27.0)) is None


def test_a_bend_right_after_a_chair_transition_is_not_cued() -> None:
    policy = fresh()
    policy.push(bend(10.0, kind=EventKind.SIT_TO_STAND))  # ends at 13
    assert policy.push(bend(15.0)) is None
    assert policy.push(bend(16.5)) is not None


def test_sitting_alerts_wait_ten_seconds_after_a_chair_transition() -> None:
    policy = fresh()
    policy.push(bend(997.0, kind=EventKind.STAND_TO_SIT))  # ends at 1000
    said = [policy.push(Epoch(float(s), int(Context.SITTING), 0.95, 0.9, 1)) for s in range(800, 1100)]
    assert min(a.about_s for a in said if a) == 1010


@pytest.mark.parametrize("verdict", [Verdict.ROUNDED, Verdict.NEUTRAL, Verdict.UNKNOWN])
def test_floor_transitions_are_cued_when_rounded(verdict: Verdict) -> None:
    alert = fresh().push(bend(0.0, kind=EventKind.FLOOR_TRANSITION, verdict=verdict))
    assert (alert is not None) == (verdict is Verdict.ROUNDED)
    assert alert is None or alert.kind is AlertKind.FLOOR_TRANSITION


def test_quiet_cues_no_bend_and_still_alerts_on_sitting() -> None:
    quiet = Config().with_preset(Preset.QUIET)
    assert fresh(quiet.alerts).push(bend(0.0)) is None
    assert len(Day().sit(20, FULL).run(quiet)[1]) == 1


def coach(state: AlertState | None = None) -> AlertPolicy:
    policy = AlertPolicy(Config().with_preset(Preset.COACH).alerts, lag_s=5, judges_sitting=True, state=state)
    policy.push(Epoch(0.0, int(Context.STANDING), 0.9, 0.0, -1))
    return policy


def test_coach_cues_every_bend_for_half_an_hour_and_then_as_balanced() -> None:
    policy = coach()
    said = [a.about_s for k in range(120) if (a := policy.push(bend(30.0 * k))) is not None]
    assert said[:60] == [30.0 * k for k in range(60)]
    assert said[60:] == [1800.0, 2400.0, 3000.0], "what was said in coaching is none of the six of a day"


@pytest.mark.parametrize("kind", [EventKind.BEND, EventKind.FLOOR_TRANSITION])
@pytest.mark.parametrize("verdict", [Verdict.ROUNDED, Verdict.NEUTRAL, Verdict.MIXED])
def test_coach_says_every_verdict_of_two_sensors_for_half_an_hour(kind: EventKind, verdict: Verdict) -> None:
    policy = coach()
    for k in range(8):
        alert = policy.push(bend(30.0 * k, kind=kind, verdict=verdict))
        assert alert is not None
        assert alert.kind == kind.value
        assert str(verdict) in alert.reason
    assert (policy.push(bend(1800.0, kind=kind, verdict=verdict)) is not None) == (verdict is Verdict.ROUNDED)


def test_coach_says_nothing_of_what_was_not_judged_and_one_sensor_never_says_rounded() -> None:
    floor = EventKind.FLOOR_TRANSITION
    for kind in (EventKind.BEND, floor):
        assert coach().push(bend(30.0, kind=kind, verdict=Verdict.UNKNOWN)) is None
    for verdict in Verdict:
        assert coach().push(bend(30.0, verdict=verdict, basis=Basis.ONE)) is None, (
            "a bend of one sensor: its depth alone"
        )
        lean = coach().push(bend(30.0, verdict=verdict, basis=Basis.ONE, deep=True))
        way = coach().push(bend(30.0, kind=floor, verdict=verdict, basis=Basis.ONE))
        assert not any("rounded" in alert.reason for alert in (lean, way) if alert is not None)
        assert (way is not None) == (verdict in (Verdict.ROUNDED, Verdict.NEUTRAL))


def test_a_later_session_of_the_day_has_a_half_hour_of_coaching_of_its_own() -> None:
    morning = coach()
    morning.push(Epoch(3600.0, int(Context.STANDING), 0.9, 0.0, -1))
    later = coach(morning.state.shifted(4000.0))
    assert all(later.push(bend(30.0 * k, verdict=Verdict.NEUTRAL)) is not None for k in range(3))


def test_the_spacing_is_a_setting() -> None:
    config = parse_config({"alerts": {"spacing_min": 30, "spacing_max_min": 30}}, source="test")
    said = [a.about_s / 60 for a in Day().sit(80, FULL).run(config)[1]]
    assert said == pytest.approx([15.1, 45.1, 75.1], abs=0.1)


def test_no_reason_uses_a_word_that_the_product_does_not_say() -> None:
    floor = {"kind": EventKind.FLOOR_TRANSITION}
    coached = [
        cue_reason(bend(0.0, verdict=v, basis=b, **k), every=True) for v in Verdict for b in Basis for k in ({}, floor)
    ]  # type: ignore[arg-type]
    assert coached.count(None) == 8
    for text in (*filter(None, coached), Day().sit(20, FULL).run()[1][0].reason):
        assert not any(w in text.lower() for w in ("bad posture", "damage", "dangerous", "correct spine", "injury"))


def test_the_wears_of_these_tests_are_what_they_say() -> None:
    assert wear().basis is Basis.TWO
    assert wear(Placement.SACRUM).basis is Basis.ONE


def test_the_state_of_the_policy_survives_json_also_before_anything_happened() -> None:
    used = AlertState(
        sitting_s=3.0,
        since_break_s=40.0,
        last_sitting_s=100.0,
        spacing_min=20.0,
        last_cue_s={"bend": 90.0},
        said_n={"bend": 2},
        day_ends_s=7200.0,
        walking_s=[80.0, 81.0],
        first_s=0.0,
        snoozed_until_s=1900.0,
        paused_from_s=95.0,
        held={"about_s": 96.0, "reason": "A sensor", "evidence": {"state": "ask"}},
        creep=0.4,
        seen_s=99.0,
        upright_from_s=97.0,
    )
    for state in (AlertState(), used):
        text = json.dumps(state.to_json(), allow_nan=False)
        assert AlertState.from_json(json.loads(text), source="a test") == state
    for wrong in ({"sitting_s": "much"}, {"unknown": 1}):
        with pytest.raises(InputError, match="state of the alerts in a test"):
            AlertState.from_json(wrong, source="a test")


def test_the_state_goes_on_in_a_later_session_at_its_own_times() -> None:
    state = AlertState(
        last_sitting_s=100.0,
        last_cue_s={"bend": 90.0},
        walking_s=[80.0],
        first_s=10.0,
        said_n={"bend": 1},
        day_ends_s=7200.0,
        creep=0.4,
        seen_s=55.0,
        last_training_s=70.0,
        snoozed_until_s=130.0,
        paused_from_s=50.0,
        under_from_s=40.0,
    )
    assert state.copy() == state
    later = state.shifted(60.0)
    assert (later.last_sitting_s, later.last_cue_s, later.walking_s) == (40.0, {"bend": 30.0}, [20.0])
    assert later.first_s is None, "coaching begins anew with it"
    assert (later.last_chair_s, later.last_training_s) == (float("-inf"), 10.0)
    assert later.quiet == Quiet(snoozed_until_s=70.0, paused_from_s=-10.0)
    assert (later.day_ends_s, later.creep, later.seen_s) == (7140.0, 0.4, -5.0)
    assert later.under_from_s == float("inf"), "a stay that nobody saw go on"
    later.said_n["bend"] = 9
    assert state.said_n == {"bend": 1}
