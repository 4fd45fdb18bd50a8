"""The programme's rules: people's days through the shipped pack, each rule at its edge, and what a day's facts are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from programme_people import PACK, PEOPLE, SURE, TODAY, entries
from test_daily import bend, summary, table, wear

from analysis.inputs import DayEvent
from analysis.programme.advice import Advice, Memory, State, evaluate, judge
from analysis.programme.diary import parse
from analysis.programme.facts import Facts, improvement, wear_facts
from analysis.programme.pack import BANNED, Pack
from analysis.programme.progress import progress


@dataclass(frozen=True)
class Person:
    """A persona's days with what was said on them."""

    days: tuple[tuple[dict[str, Any], Advice], ...]


def lived(person: Mapping[str, Any], pack: Pack = PACK) -> Person:
    memory, said = Memory(), []
    log = list(person.get("before", []))
    history = [Facts.model_validate(h) for h in person.get("history", [])]
    for day in person["day"]:
        log += [{"day": day["day"], **row} for row in day.get("log", [])]
        found = Facts.model_validate({"confidence": SURE, **person["base"], **day.get("wear", {})})
        advice, memory = judge(pack, found, parse(log, "log"), day["day"], memory=memory, history=history)
        history.append(found)
        said.append((day, advice))
    return Person(tuple(said))


# People


@pytest.mark.parametrize("person", PEOPLE, ids=[p["name"] for p in PEOPLE])
def test_the_rules_say_of_each_person_what_they_must_and_nothing_that_they_must_not(person: dict[str, Any]) -> None:
    for day, advice in lived(person).days:
        said = {o.rule for o in advice.outcomes if o.state in (State.SAID, State.READY)}
        assert set(day["fires"]) <= said, (day["day"], advice.outcomes)
        assert not set(day["silent"]) & said, day["day"]
        assert (advice.win.rule if advice.win else "") == day["win"], day["day"]
        assert (advice.practice or "") == day["practice"], day["day"]
        assert (advice.focus_rule or "") == day["focus"], day["day"]


@pytest.mark.parametrize("person", PEOPLE, ids=[p["name"] for p in PEOPLE])
def test_a_day_shows_one_win_two_habits_one_practice_one_focus_and_no_banned_word(person: dict[str, Any]) -> None:
    for _, advice in lived(person).days:
        assert len(advice.habits) <= 2
        assert len(advice.texts()) <= 1 + 2 + 1 + 1 + 1
        for text in (*advice.texts(), *(o.text + o.why for o in advice.outcomes)):
            assert not [w for w in BANNED if w in text.lower()]
            assert not re.search(r"[{}]|None|nan", text), text


def test_one_sensor_is_never_told_rounded() -> None:
    (person,) = [p for p in PEOPLE if p["name"] == "one sensor only"]
    for _, advice in lived(person).days:
        assert not [t for t in advice.texts() if "rounded" in t]
        assert advice.outcome("R08").state is State.UNKNOWN
        assert advice.outcome("R08").why == "not known: deep_bends_rounded"


def test_the_two_personas_that_are_withheld_hear_no_advice_at_all() -> None:
    for name, text in (("broken wear", PACK.texts.no_data), ("red flag", PACK.texts.stop)):
        (person,) = [p for p in PEOPLE if p["name"] == name]
        _, advice = lived(person).days[0]
        assert advice.notice.endswith(text)
        assert advice.texts() == (advice.notice,)


# Each rule at its edge: facts that fire it, and the same with one fact just short of it

DAY = {"worn_min": 480.0, "confidence": SURE}
QUIET = dict.fromkeys(
    ("meter_high_count", "flexed_sitting_min", "longest_flexed_bout_min", "sitting_min", "sitting_share_pct"), 0.0
)
QUIET |= {"calibration_age_days": 1.0}
"""The other alternatives of a rule, known and low."""
QUIET_SITTING = {"long_bouts": 0, "sitting_min": 120, "longest_flexed_bout_min": 19, "hidden_share_pct": 10}
EDGES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("R01", {"meter_high_count": 3}, {"meter_high_count": 2}),
    ("R01", {"flexed_sitting_min": 120}, {"flexed_sitting_min": 119.9}),
    ("R01", {"longest_flexed_bout_min": 20}, {"longest_flexed_bout_min": 19.9}),
    ("R02", {"sitting_min": 540}, {"sitting_min": 539.9}),
    ("R02", {"sitting_share_pct": 75}, {"sitting_share_pct": 74.9}),
    ("R04", {"chair_rises_judged": 6, "chair_rises_rounded_pct": 30}, {"chair_rises_judged": 5}),
    ("R04", {"chair_rises_judged": 6, "chair_rises_rounded_pct": 30}, {"chair_rises_rounded_pct": 29.9}),
    ("R05", {"plunges": 3}, {"plunges": 2}),
    ("R06", {"rounded_in_exercise_pct": 10, "rounded_in_life_pct": 30}, {"rounded_in_exercise_pct": 10.1}),
    ("R06", {"rounded_in_exercise_pct": 10, "rounded_in_life_pct": 30}, {"rounded_in_life_pct": 29.9}),
    ("R07", {"leans_rounded": 5}, {"leans_rounded": 4}),
    ("R08", {"deep_bends_rounded": 3}, {"deep_bends_rounded": 2}),
    ("R09", {"end_range_holds_morning": 1}, {"end_range_holds_morning": 0}),
    ("R10", {"flights": 5, "flights_uneven": 1}, {"flights": 4}),
    ("R10", {"flights": 5, "flights_uneven": 1}, {"flights_uneven": 0}),
    ("R11", {"sit_ups_rounded": 1}, {"sit_ups_rounded": 0}),
    ("R12", {"sit_up_after_towel_min": 15}, {"sit_up_after_towel_min": 15.1}),
    ("R13", {"first_failed_rep": 10, "target_reps": 9}, {"first_failed_rep": 11}),
    ("R14", {"pain_rise": 1}, {"pain_rise": 0}),
    ("R15", {"pain_free_days": 14, "plan_done_pct": 49.9}, {"pain_free_days": 13}),
    ("R15", {"pain_free_days": 14, "plan_done_pct": 49.9}, {"plan_done_pct": 50}),
    ("R16", {"last_stage_offered": 1}, {"last_stage_offered": 0}),
    ("R17", {"avoided_count": 1, "avoided": "heat", "swap": "ice"}, {"avoided_count": 0}),
    ("R18", {"improved_by": 0.1, "improved": "less"}, {"improved_by": 0.0}),
    ("R19", {"worn_min": 239.9}, {"worn_min": 240}),
    ("R19", {"calibration_age_days": 8}, {"calibration_age_days": 7}),
    ("R20", {"red_flags": 1, "red_flag": "fever"}, {"red_flags": 0}),
    ("W01", QUIET_SITTING, {"sitting_min": 119}),
    ("W01", QUIET_SITTING, {"long_bouts": 1}),
    ("W01", QUIET_SITTING, {"hidden_share_pct": 10.1}),
    ("W02", {"logged_today": 1}, {"logged_today": 0}),
)


def outcome(rule: str, facts: Mapping[str, Any], pack: Pack = PACK, memory: Memory | None = None) -> tuple[State, str]:
    at = progress(pack, (), TODAY)
    advice, _ = evaluate(pack, Facts.model_validate({**DAY, **facts}), at, TODAY, memory or Memory())
    found = advice.outcome(rule)
    return found.state, found.text or found.why


@pytest.mark.parametrize(("rule", "fires", "short"), EDGES, ids=[f"{r}-{n}" for n, (r, _, _) in enumerate(EDGES)])
def test_a_rule_fires_at_its_number_and_not_just_below(rule: str, fires: dict[str, Any], short: dict[str, Any]) -> None:
    state, text = outcome(rule, fires)
    assert state is State.SAID
    assert not [w for w in BANNED if w in text.lower()]
    assert outcome(rule, {**QUIET, **fires, **short})[0] is State.BELOW


@pytest.mark.parametrize(("rule", "fires", "short"), EDGES, ids=[f"{r}-{n}" for n, (r, _, _) in enumerate(EDGES)])
def test_a_rule_whose_fact_is_not_known_stays_silent_and_names_it(
    rule: str, fires: dict[str, Any], short: dict[str, Any]
) -> None:
    (gone,) = short
    state, why = outcome(rule, {k: v for k, v in {**DAY, **QUIET, **fires}.items() if k != gone} | {gone: None})
    assert state is State.UNKNOWN
    assert gone in why


def test_r03_needs_two_days_running_and_no_towel() -> None:
    before = Memory({"R01": frozenset({TODAY - timedelta(days=1)})})
    long = {"flexed_sitting_min": 130, "towels_two_days": 0}
    assert outcome("R03", long, memory=before)[0] is State.SAID
    assert outcome("R03", long)[0] is State.BELOW
    assert outcome("R03", long, memory=Memory({"R01": frozenset({TODAY - timedelta(days=2)})}))[0] is State.BELOW
    assert outcome("R03", {**long, "towels_two_days": 1}, memory=before)[0] is State.BELOW


def test_every_rule_of_the_shipped_pack_has_an_edge() -> None:
    assert {r.id for r in PACK.rules} == {rule for rule, _, _ in EDGES} | {"R03"}
    assert {f"R{n:02d}" for n in range(1, 21)} <= {r.id for r in PACK.rules}


def test_the_sentence_carries_the_numbers_that_fired() -> None:
    assert outcome("R01", {"flexed_sitting_min": 130.4})[1] == (
        "You sat flexed for 2 h 10 min; your programme suggests the towel tonight."
    )
    assert outcome("R11", {"sit_ups_rounded": 1})[1].startswith(
        "You came straight up from lying with the lower back rounded, once;"
    )
    assert "31 % of 13 judged" in outcome("R04", {"chair_rises_judged": 13, "chair_rises_rounded_pct": 30.8})[1]


@pytest.mark.parametrize(
    ("rule", "facts", "says"),
    [
        ("R07", {"leans_rounded": 6}, "6 forward leans of 10 s to 3 min were so deep that they count as rounded;"),
        ("R08", {"deep_bends_rounded": 4}, "4 forward leans were so deep that they count as rounded;"),
        ("R11", {"sit_ups_rounded": 2}, "You came straight up from lying twice;"),
        ("R12", {"sit_up_after_towel_min": 7}, "You came straight up 7 min after the towel;"),
    ],
)
def test_one_sensor_is_told_the_depth_and_the_way_and_not_how_the_back_was(
    rule: str, facts: dict[str, Any], says: str
) -> None:
    assert outcome(rule, {**facts, "sensors": 1})[1].startswith(says)
    assert outcome(rule, {**facts, "sensors": 2})[1] != outcome(rule, {**facts, "sensors": 1})[1]
    none = outcome(rule, {**dict.fromkeys(facts, 99 if rule == "R12" else 0), "sensors": 2})
    assert none[0] is State.BELOW
    assert "sensors" not in none[1], "the number of sensors is no reason"


def test_a_rule_rests_on_confidence_and_says_probably_when_it_is_middling() -> None:
    def sure(confidence: float) -> tuple[State, str]:
        return outcome("R08", {"deep_bends_rounded": 4, "confidence": {"bend": confidence}})

    assert sure(0.69)[0] is State.UNKNOWN
    assert sure(0.69)[1] == "confidence of bend 0.69, needs 0.70"
    assert sure(0.7)[1].startswith("Probably: 4 deep bends were rounded;")
    assert sure(0.8)[1].startswith("4 deep bends were rounded;")
    assert outcome("R08", {"deep_bends_rounded": 4, "confidence": {}})[0] is State.UNKNOWN


def test_habits_need_six_hours_of_wear_and_four_hours_are_needed_for_anything() -> None:
    assert outcome("R05", {"plunges": 9, "worn_min": 359.9})[0] is State.UNKNOWN
    assert outcome("R05", {"plunges": 9, "worn_min": 360})[0] is State.SAID
    assert outcome("R14", {"pain_rise": 2, "worn_min": 300})[0] is State.SAID
    assert outcome("R14", {"pain_rise": 2, "worn_min": 239})[0] is State.WITHHELD


def test_strong_pain_and_red_flags_silence_every_rule_even_where_the_pack_has_none_for_them() -> None:
    bare = PACK.model_copy(update={"rules": tuple(r for r in PACK.rules if r.group != "stop")})
    for pack, row, text in (
        (PACK, {"kind": "pain", "level": 8}, "You noted: pain of 8/10. Pain of 7/10 or more"),
        (bare, {"kind": "red_flag", "what": "fever"}, "You noted: fever. Your programme stops here"),
    ):
        for worn_min in (200, 480):
            day = Facts.model_validate({**DAY, "worn_min": worn_min, "plunges": 5})
            advice, _ = judge(pack, day, entries(row), TODAY, memory=Memory())
            assert advice.texts() == (advice.notice,)
            assert advice.notice.startswith(text)
            assert (advice.practice, advice.focus_rule) == (None, None)


def test_what_was_said_is_not_said_again_before_its_cooldown_is_over() -> None:
    days = {r.id: r.cooldown_days for r in PACK.rules}
    assert days["R05"] == 3
    for ago, state in ((2, State.COOLING), (3, State.SAID)):
        memory = Memory(said={"R05": TODAY - timedelta(days=ago)})
        assert outcome("R05", {"plunges": 3}, memory=memory)[0] is state


def test_two_habits_are_shown_by_priority_and_the_others_wait() -> None:
    facts = {"plunges": 5, "leans_rounded": 9, "deep_bends_rounded": 5, "sit_ups_rounded": 2}
    advice, memory = evaluate(PACK, Facts.model_validate(DAY | facts), progress(PACK, (), TODAY), TODAY, Memory())
    assert [h.rule for h in advice.habits] == ["R11", "R08"]
    assert advice.outcome("R05").state is State.READY
    assert set(memory.said) == {"R11", "R08"}, "what waits does not cool down"
    assert advice.focus_rule == "R11"


# Facts from a day


def lean(start_s: float, length_s: float, **changes: Any) -> DayEvent:
    return bend(start_s, length_s=length_s, **({"verdict": "rounded"} | changes))


def event(kind: str, start_s: float, verdict: str, **more: Any) -> DayEvent:
    fixed = {"kind": kind, "start_s": start_s, "end_s": start_s + 3.0, "confidence": 0.9, "basis": "two"}
    return DayEvent.model_validate(fixed | {"verdict": verdict} | more)


def test_held_leans_deep_bends_plunges_and_ways_up_are_counted_by_verdict() -> None:
    up = {"direction": "up", "path": "straight_sit_up"}
    day = summary(
        table(("standing", -1, 3600)),
        lean(10, 9.9), lean(30, 10.0), lean(60, 180.0), lean(300, 180.1), lean(500, 20.0, verdict="neutral"),
        lean(600, 2.0, peak_deg=61.0), lean(610, 2.0, peak_deg=59.0), lean(620, 30.0, peak_deg=70.0, set_id=3),
        event("plunge", 700, "rounded"), event("plunge", 710, "neutral"), event("plunge", 720, "unknown"),
        event("floor_transition", 800, "rounded", **up), event("floor_transition", 810, "neutral", **up),
        event("floor_transition", 820, "rounded", direction="down", path="straight_sit_up"),
        event("lie_to_sit", 830, "rounded", path="log_roll", direction="up"),
    )  # fmt: skip
    found = wear_facts(day)
    assert (found.leans_rounded, found.deep_bends_rounded, found.plunges, found.sit_ups_rounded) == (2, 1, 1, 1)
    assert day.habits.rounded_sit_ups_s == (800.0,)


def test_one_sensor_knows_sitting_and_leaves_every_rounded_count_open() -> None:
    one = wear(sensors=("sacrum",))
    events = [
        lean(10, 20.0, verdict="unknown", basis="one", peak_deg=50.0),
        event("floor_transition", 800, "unknown", direction="up", path="straight_sit_up"),
    ]
    found = wear_facts(summary(table(("sitting", 1, 1800), ("standing", -1, 60)), *events, session=one))
    assert (found.leans_rounded, found.deep_bends_rounded, found.sit_ups_rounded) == (None, None, None)
    assert (found.flexed_sitting_min, found.longest_flexed_bout_min) == (30.0, 30.0)
    assert found.end_range_holds_morning is None


def test_sitting_that_nobody_judged_is_not_known_to_be_out_of_flexion() -> None:
    found = wear_facts(summary(table(("sitting", -1, 1800))))
    assert (found.flexed_sitting_min, found.longest_flexed_bout_min, found.meter_high_count) == (None, None, None)


def test_a_share_of_sitting_that_is_mostly_not_judged_is_not_known_and_hidden_time_is_a_share() -> None:
    found = wear_facts(
        summary(table(("sitting", 0, 790), ("sitting", -1, 210), ("unknown", -1, 500), ("gap", -1, 500)))
    )
    assert (found.flexed_share_pct, found.hidden_share_pct) == (None, pytest.approx(50.0, abs=0.1))
    assert wear_facts(summary(table(("sitting", 0, 810), ("sitting", -1, 190)))).flexed_share_pct == 0.0


def test_the_meter_rises_anew_only_after_it_fell_well_under_its_level() -> None:
    creep = np.concatenate([np.full(60, v) for v in (0.5, 0.81, 0.78, 0.82, 0.71, 0.9, np.nan, 0.9, 0.2, 0.8)])
    assert summary(table(("sitting", 1, 600), creep=creep)).habits.meter_high_count == 3


def test_holds_at_the_end_of_the_range_count_in_the_morning_alone() -> None:
    pct = np.full(3 * 3600, 30.0)  # the day begins at 09:00 in Berlin
    for start, length in ((100, 4), (200, 5), (300, 60), (500, 61), (3600, 20)):
        pct[start : start + length] = 85.0
    day = table(("standing", -1, 3 * 3600), flexion_pct_rom=pct)
    assert summary(day).habits.end_range_holds_morning == 2
    assert summary(day, session=wear(clock=False)).habits.end_range_holds_morning is None


def test_a_straight_way_up_after_the_towel_is_timed_by_the_clock() -> None:
    ups = [event("floor_transition", s, "rounded", direction="up", path="straight_sit_up") for s in (600.0, 1500.0)]
    day = summary(table(("lying", -1, 1800)), *ups)  # 09:10 and 09:25
    log = entries({"kind": "practice", "practice": "towel", "ended": "09:13:00"})
    assert wear_facts(day, log).sit_up_after_towel_min == 12.0
    assert wear_facts(day).sit_up_after_towel_min is None


def test_an_improvement_must_exceed_what_the_days_differ_by_chance() -> None:
    days = [
        Facts(worn_min=400, flexed_share_pct=p) for p in (40, 42, 38, 41, 39, 40, 40)
    ]  # SD 1.3: 3.6, so the floor of 5
    assert (improvement(days, Facts(flexed_share_pct=34.9), worn_min=360).improved_by or 0) > 0
    assert (improvement(days, Facts(flexed_share_pct=35.1), worn_min=360).improved_by or 0) < 0
    wide = [Facts(worn_min=400, flexed_share_pct=p) for p in (20, 60, 25, 55, 40, 30, 50)]
    assert (improvement(wide, Facts(flexed_share_pct=10.0), worn_min=360).improved_by or 0) < 0
    assert improvement(days[1:], Facts(flexed_share_pct=1.0), worn_min=360).improved_by is None
    short = [f.model_copy(update={"worn_min": 300}) for f in days]
    assert improvement(short, Facts(flexed_share_pct=1.0), worn_min=360).improved_by is None


def leans(count: int | None, *, worn_min: float = 480.0, judged_pct: float = 100.0, confidence: float = 0.9) -> Facts:
    known = {"judged_pct": {"leans_rounded": judged_pct}, "confidence": {"bend": confidence}}
    return Facts.model_validate({"worn_min": worn_min, "leans_rounded": count, **known})


def improved(history: list[Facts], today: Facts) -> float:
    return improvement(history, today, worn_min=360, confidence_min=0.7).improved_by or 0.0


def test_a_count_that_fell_beyond_the_poisson_bound_is_an_improvement_and_one_just_short_is_not() -> None:
    days = [leans(n) for n in (20, 21, 19, 20, 20, 22, 18)]  # the bound: 1.96 sqrt(2 x 20) = 12.4
    assert improved(days, leans(7)) > 0
    assert improved(days, leans(8)) < 0
    text = improvement(days, leans(7), worn_min=360).improved
    assert text == "7 rounded forward leans of 10 s to 3 min in 8 h of wear, against 20 at your 7-day median"
    assert improved([leans(7)] * 7, leans(0)) < 0, "under eight a day not even none is beyond chance"
    assert improved(days[1:], leans(0)) == 0, "six days are too few"


def test_a_count_is_compared_by_the_hour_of_wear_and_only_where_it_was_judged() -> None:
    days = [leans(20)] * 7
    assert improved(days, leans(14, worn_min=960)) > 0, "40 are usual in so long a day"
    assert improved(days, leans(4, worn_min=359)) == 0, "too short a day"
    assert improved(days, leans(3, judged_pct=79)) == 0
    assert improved(days, leans(3, confidence=0.69)) == 0
    assert improved(days, leans(None)) == 0
    assert improved([leans(20, judged_pct=79)] * 7, leans(3)) == 0
    assert improved([leans(20, worn_min=300)] * 7, leans(3)) == 0


def test_days_with_another_number_of_sensors_are_not_compared_with() -> None:
    days = [leans(20).model_copy(update={"sensors": 2})] * 7
    assert improved(days, leans(3).model_copy(update={"sensors": 2})) > 0
    assert improved(days, leans(3).model_copy(update={"sensors": 1})) == 0


def test_days_that_differ_by_more_than_chance_need_a_larger_fall() -> None:
    days = [leans(n) for n in (5, 38, 12, 20, 33, 20, 22)]
    assert improved(days, leans(0)) < 0


def test_chance_alone_is_hardly_ever_called_an_improvement() -> None:
    """Days of one and the same rate: under 1 in 100 is said to be better (a two-sided bound of 95 % would allow 1 in 40)."""
    rng = np.random.default_rng(3)
    trials = rng.poisson(20, (2000, 8)).tolist()
    wrong = sum(improved([leans(n) for n in days[:7]], leans(days[7])) > 0 for days in trials)
    assert wrong / len(trials) < 0.01


def test_less_flexed_sitting_is_named_before_a_count() -> None:
    days = [leans(20).model_copy(update={"flexed_share_pct": 40.0 + k % 2}) for k in range(7)]
    better = improvement(days, leans(0).model_copy(update={"flexed_share_pct": 20.0}), worn_min=360)
    assert "judged sitting" in better.improved
    same = improvement(days, leans(0).model_copy(update={"flexed_share_pct": 40.0}), worn_min=360)
    assert "forward leans" in same.improved
    assert (same.improved_by or 0) > 0


def test_how_much_of_a_count_was_judged_comes_from_the_day() -> None:
    day = summary(table(("standing", -1, 3600)), lean(10, 20.0), lean(60, 20.0, verdict="unknown"), lean(99, 20.0))
    assert wear_facts(day).judged_pct["leans_rounded"] == pytest.approx(200 / 3)
    assert "plunges" not in wear_facts(day).judged_pct, "of none there is no share"


# What the sensors saw of exercise


def done(start_s: float, reps: int, **more: Any) -> DayEvent:
    return event(
        "exercise_set",
        start_s,
        "unknown",
        **{"exercise": "squat", "reps": reps, "clean_reps": None, "set_id": 1} | more,
    )


def test_sets_and_holds_of_the_day_are_in_its_summary_and_those_of_the_calibration_are_not() -> None:
    day = summary(
        table(("standing", -1, 3600)),
        done(300, 10, clean_reps=8, first_failed_rep=9, side="left"),
        done(100, 5, exercise="hip_hinge", set_id=0),
        event("practice_hold", 900, "unknown", practice="towel", hold_s=180.0, drift_deg=2.5),
        lean(310, 20.0, set_id=1),
    )
    (seen,) = day.workouts
    assert (seen.exercise, seen.reps, seen.clean_reps, seen.first_failed_rep, seen.side) == ("squat", 10, 8, 9, "left")
    (hold,) = day.practices
    assert (hold.practice, hold.start_s, hold.hold_s, hold.drift_deg) == ("towel", 900.0, 180.0, 2.5)
    assert wear_facts(day).leans_rounded == 0


def test_reps_that_the_sensors_judged_feed_the_rules_unless_the_log_knows_better() -> None:
    events = [done(100, 10, clean_reps=10), done(200, 10, clean_reps=8, first_failed_rep=9), done(300, 9)]
    seen = wear_facts(summary(table(("standing", -1, 3600)), *events))
    assert seen.rounded_in_exercise_pct == pytest.approx(10.0)
    assert (seen.first_failed_rep, seen.target_reps, seen.exercise) == (9, 8, "squat")
    told, _ = judge(PACK, seen.model_copy(update={"worn_min": 480}), (), TODAY, memory=Memory())
    assert told.outcome("R13").text == "Form changed at rep 9 of your squat; your next set stops at 8."
    log = entries({"kind": "exercise", "exercise": "brace", "reps": 10, "clean_reps": 6, "first_failed_rep": 7})
    told, _ = judge(PACK, seen.model_copy(update={"worn_min": 480}), log, TODAY, memory=Memory())
    assert told.outcome("R13").text == "Form changed at rep 7 of your abdominal brace; your next set stops at 6."
    assert wear_facts(summary(table(("standing", -1, 60)), done(9, 9))).rounded_in_exercise_pct is None
    unsure = summary(table(("standing", -1, 60)), done(9, 9, first_failed_rep=5, confidence=0.69))
    assert wear_facts(unsure).exercise == "exercise"


def test_a_straight_way_up_after_a_towel_that_was_seen_needs_no_clock() -> None:
    towel = event("practice_hold", 100, "unknown", practice="towel", hold_s=300.0)
    up = event("floor_transition", 1000.0, "rounded", direction="up", path="straight_sit_up")
    day = summary(table(("lying", -1, 1800)), towel, up, session=wear(clock=False))
    assert wear_facts(day).sit_up_after_towel_min == 10.0
