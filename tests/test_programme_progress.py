"""Where someone stands in the programme: gates, steps, loads, pain, streaks and stops over a log."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from programme_people import PACK, TODAY, entries, sets

from analysis.programme.diary import parse
from analysis.programme.progress import Progress, Workout, next_exercise, passes, progress

# Progress


def after(*rows: dict[str, Any], day: date | None = None) -> Progress:
    log = parse(rows, "log")
    return progress(PACK, log, day or max(e.day for e in log))


def opened(at: Progress) -> set[str]:
    return {s.practice.id for s in at.standings if s.open}


def test_gates_open_2_1_then_2_2_and_2_3_then_2_4_then_stage_3() -> None:
    log = [*sets("brace", 6)]
    assert opened(after(*log[:5])) == {"brace"}
    assert opened(after(*log)) == {"brace", "offload_control"}
    log += sets("offload_control", 6, first=10)
    assert after(*log).stage == "2.3"
    assert opened(after(*log)) - {"brace", "offload_control"} == {"squat", "hip_hinge"}
    log += sets("squat", 6, first=20)
    assert "reverse_lunge" not in opened(after(*log))
    log += sets("hip_hinge", 6, first=30)
    assert "reverse_lunge" in opened(after(*log))
    log += sets("reverse_lunge", 6, first=40)
    at = after(*log)
    assert (at.stage, opened(at)) == ("3", {p.id for p in PACK.exercises})
    assert [d.exercise for d in at.decisions if d.kind == "gate"] == [
        "brace", "offload_control", "squat", "hip_hinge", "reverse_lunge"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("good", "bad", "passes"), [(6, 2, True), (5, 3, False)], ids=["6 of the last 8", "5 of the last 8"]
)
@pytest.mark.parametrize(
    "how", [{"clean_reps": 7}, {"clean_reps": None}, {"pain": None, "pain_before": None}], ids=lambda h: str(h)
)
def test_a_gate_wants_six_of_the_last_eight(good: int, bad: int, passes: bool, how: dict[str, Any]) -> None:
    rows = [*sets("squat", bad, **how), *sets("squat", good, first=bad)]
    standing = after(*rows).standing("squat")
    assert standing is not None
    assert (standing.passed, standing.counted, standing.gate_passed) == (good, 8, passes)


def test_a_workout_with_more_pain_or_pain_that_nobody_asked_for_does_not_pass() -> None:
    squat = PACK.practice("squat")
    for rise, passed in ((-1, True), (0, True), (1, False), (None, False)):
        done = Workout(TODAY, "squat", 10, clean_reps=8, first_failed_rep=None, pain=1, pain_rise=rise)
        assert passes(done, PACK.gate, squat) is passed


def test_only_the_last_eight_count() -> None:
    rows = [*sets("squat", 5), *sets("squat", 4, first=5, clean_reps=7), *sets("squat", 5, first=9)]
    standing = after(*rows).standing("squat")
    assert standing is not None
    assert (standing.passed, standing.gate_passed) == (5, False)


def test_the_worse_side_counts() -> None:
    left, right = sets("reverse_lunge", 8, side="left"), sets("reverse_lunge", 8, side="right", clean_reps=7)
    both = [row for pair in zip(left, right, strict=True) for row in pair]
    standing = after(*both).standing("reverse_lunge")
    assert standing is not None
    assert (standing.passed, standing.counted) == (0, 8)


def test_three_good_workouts_go_one_step_up_from_the_easiest() -> None:
    rows = sets("brace", 3, step=None)
    at = after(*rows[:2])
    assert at.standing("brace").step == 1  # type: ignore[union-attr]
    at = after(*rows)
    assert at.standing("brace").step == 2  # type: ignore[union-attr]
    assert (
        at.decisions[-1].text
        == 'The abdominal brace goes one step up, to "on all fours": 3 of the last 3 workouts passed.'
    )


def test_pain_goes_one_step_down_and_names_the_metric_that_moved_most() -> None:
    rows = sets("squat", 4, tempo_s=3.0, depth_deg=80.0)
    at = after(*rows, *sets("squat", 1, first=4, pain=3, clean_reps=6, tempo_s=2.7, depth_deg=78.0))
    assert at.standing("squat").step == 2  # type: ignore[union-attr]
    assert at.decisions[-1].text == (
        'The squat goes one step down, to "chair touch without hands", because pain rose by 2 of 10; '
        "clean reps went from 9 to 6."
    )
    at = after(*rows, *sets("squat", 1, first=4, pain=3, tempo_s=3.0, depth_deg=80.0))
    assert at.decisions[-1].text.endswith("; no measured number moved.")


def test_pain_at_the_easiest_step_goes_back_to_what_opens_the_exercise() -> None:
    rows = [*sets("brace", 6), *sets("offload_control", 6, first=10)]
    hurt = sets("squat", 1, first=20, step=1, pain=4)
    at = after(*rows, *hurt)
    assert "squat" not in opened(at)
    assert next_exercise(at, "squat").practice.id == "offload_control"  # type: ignore[union-attr]
    assert "squat" in opened(after(*rows, *hurt, *sets("offload_control", 6, first=30)))
    assert "squat" not in opened(after(*rows, *hurt, *sets("offload_control", 5, first=30)))


def test_pain_that_was_there_before_the_set_is_no_rise() -> None:
    row = {"kind": "exercise", "exercise": "brace", "reps": 10, "pain": 3}
    asked = {"kind": "pain", "level": 3, "when": "morning"}
    assert progress(PACK, entries(asked, row), TODAY).workouts[0].pain_rise == 0
    assert progress(PACK, entries({**asked, "level": 1}, row), TODAY).workouts[0].pain_rise == 2
    assert progress(PACK, entries(row), TODAY).workouts[0].pain_rise is None
    assert progress(PACK, entries({**row, "pain": 0}), TODAY).workouts[0].pain_rise == 0


def test_the_next_set_stops_one_before_the_first_failed_rep() -> None:
    for failed, target in ((7, 6), (1, 1), (10, 9)):
        assert after(*sets("squat", 1, first_failed_rep=failed)).standing("squat").target_reps == target  # type: ignore[union-attr]
    better = [*sets("squat", 1, first_failed_rep=6), *sets("squat", 1, first=1, reps=5, clean_reps=5)]
    assert after(*better).standing("squat").target_reps == 6  # type: ignore[union-attr]
    unseen = [*sets("squat", 1, first_failed_rep=6), *sets("squat", 1, first=1, clean_reps=None)]
    assert after(*unseen).standing("squat").target_reps == 5, "form that nobody judged adds no rep"  # type: ignore[union-attr]


def test_load_goes_up_slowly_and_down_at_once_with_pain() -> None:
    def load(at: Progress) -> float | None:
        return at.standing("loaded_squat").load_kg  # type: ignore[union-attr]

    assert load(after(*sets("loaded_squat", 14))) == 2.0, "the gate is passed, but 14 days are not over"
    assert load(after(*sets("loaded_squat", 15))) == 3.0
    assert load(after(*sets("loaded_squat", 20))) == 3.0
    at = after(*sets("loaded_squat", 15), *sets("loaded_squat", 1, first=15, pain=2))
    assert load(at) == 2.0
    assert at.decisions[-1].kind == "load_down"


def test_an_exercise_before_its_gate_is_kept_and_said() -> None:
    at = after(*sets("reverse_lunge", 1))
    assert at.decisions[0].text == (
        "The reverse lunge was done before its gate; your programme suggests first: squat, hip hinge."
    )


def test_pain_days_freeze_the_streak_and_empty_days_break_it() -> None:
    def streak(*marks: str) -> tuple[int, int]:
        """p: practised, x: pain day, -: nothing; the last is today."""
        rows = {"p": {"kind": "practice", "practice": "towel"}, "x": {"kind": "pain", "level": 5}, "-": None}
        first = TODAY - timedelta(days=len(marks) - 1)
        log = [{"day": first + timedelta(days=k), **row} for k, m in enumerate(marks) if (row := rows[m])]
        at = progress(PACK, parse(log, "log"), TODAY)
        return at.streak_days, at.frozen_days

    assert streak(*"ppp") == (3, 0)
    assert streak(*"ppxxp") == (3, 2)
    assert streak(*"pp-p") == (1, 0)
    assert streak(*"pp-") == (2, 0), "today is not over"
    assert streak(*"ppx") == (2, 1)
    assert streak(*"p--") == (0, 0)


def test_a_red_flag_stops_until_a_clearance_and_strong_pain_until_it_has_eased() -> None:
    def stop(*rows: dict[str, Any]) -> str | None:
        at = progress(PACK, entries(*rows), TODAY)
        assert (next_exercise(at) is None) == (at.stop is not None)
        return at.stop.kind if at.stop else None

    flag, strong = {"kind": "red_flag", "what": "fever"}, {"kind": "pain", "level": 7}
    assert stop(flag) == "red_flag"
    assert stop(flag, {"kind": "pain", "level": 0}) == "red_flag"
    assert stop(flag, {"kind": "clearance"}) is None
    assert stop(strong) == "pain"
    assert stop({**strong, "level": 6}) is None
    assert stop(strong, {"kind": "pain", "level": 6}) is None
    assert stop({"kind": "pain", "level": 1, "leg": True}) == "pain"
    assert stop({"kind": "exercise", "exercise": "squat", "reps": 5, "pain": 7}) == "pain"


def test_the_exercises_that_one_gate_opened_take_turns() -> None:
    log = [*sets("brace", 6), *sets("offload_control", 6, first=10), *sets("squat", 1, first=20)]
    assert next_exercise(after(*log)).practice.id == "hip_hinge"  # type: ignore[union-attr]
    assert next_exercise(after(*log, *sets("hip_hinge", 1, first=21))).practice.id == "squat"  # type: ignore[union-attr]
