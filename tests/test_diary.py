"""What the wearer says, with a real file and the real command: kept, taken back, refused in a sentence, heard by the programme."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from test_store import START, begun

from analysis.programme.diary import Entry, parse
from analysis.programme.pack import load_pack
from analysis.stored import entries_of
from posture.app.cli import app
from posture.app.exits import run
from posture.app.options import today
from posture.app.places import store_path
from posture.store import Store
from posture.types import InputError

PACK = load_pack()
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite3") as opened:
        yield opened


def put(store: Store, level: int, day: date = date(2026, 3, 2)) -> int:
    return store.diary.put(day=day, kind="pain", body={"level": level}, logged_utc=START)


# The store


def test_every_kind_of_entry_comes_back_as_it_was_given(store: Store) -> None:
    rows = [
        {
            "kind": "exercise",
            "exercise": "squat",
            "reps": 10,
            "clean_reps": 8,
            "load_kg": 2.5,
            "side": "left",
            "pain": 1,
        },
        {"kind": "practice", "practice": "towel", "minutes": 3.0, "ended": "21:10:00"},
        {"kind": "pain", "level": 2, "leg": True, "when": "morning"},
        {"kind": "avoid", "tag": "heat"},
        {"kind": "stairs", "flights": 5, "uneven": True},
        {"kind": "red_flag", "what": "fever"},
        {"kind": "clearance"},
    ]
    entries = parse([{"day": "2026-03-02", **row} for row in rows], "here")
    assert {type(e) for e in entries} == set(Entry.__args__)
    for entry in entries:
        tree = entry.model_dump(mode="json", exclude_defaults=True, exclude={"day", "kind"})
        store.diary.put(day=entry.day, kind=entry.kind, body=tree, logged_utc=START)
    assert entries_of(store) == entries


def test_entries_of_a_day_keep_the_order_in_which_they_were_given(store: Store) -> None:
    later, earlier = date(2026, 3, 3), date(2026, 3, 2)
    for level, day in ((5, later), (1, earlier), (2, later), (0, earlier)):
        put(store, level, day)
    assert [e.level for e in entries_of(store)] == [1, 0, 5, 2]  # type: ignore[union-attr]


def test_undo_takes_back_the_last_that_counts_and_keeps_it_on_record(store: Store) -> None:
    assert store.diary.undo(START) is None
    for level in (1, 2, 3):
        put(store, level)
    gone = [store.diary.undo(START), store.diary.undo(START)]
    assert [g and g.body["level"] for g in gone] == [3, 2]
    put(store, 4)
    assert [e.body["level"] for e in store.diary.entries()] == [1, 4]
    assert [(e.body["level"], e.undone_utc) for e in store.diary.entries(undone=True)] == [
        (1, None),
        (2, START),
        (3, START),
        (4, None),
    ]


def test_a_declared_workout_goes_on_until_it_is_ended_and_only_one_does(store: Store) -> None:
    with pytest.raises(InputError, match="no workout goes on"):
        store.diary.stop_workout(START)
    store.diary.start_workout("reverse_lunge", side="left", at_utc=START)
    with pytest.raises(
        InputError, match=r"a workout of reverse_lunge goes on since .*: end it with posture workout stop"
    ):
        store.diary.start_workout(None, at_utc=START)
    assert store.diary.stop_workout(START + timedelta(minutes=4)).exercise == "reverse_lunge"
    store.diary.start_workout(None, at_utc=START + timedelta(minutes=5))
    first, second = store.diary.workouts()
    assert (first.side, first.started_utc, first.ended_utc) == ("left", START, START + timedelta(minutes=4))
    assert (second.exercise, second.ended_utc) == (None, None)
    assert store.diary.workouts(START + timedelta(minutes=4)) == (second,), (
        "what ended before the session began is not its"
    )


# The command


@pytest.fixture
def posture(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Said:
    monkeypatch.setenv("POSTURE_HOME", str(tmp_path / "home"))

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(app, [str(a) for a in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def kept(person: str | None = None) -> tuple[Entry, ...]:
    with Store(store_path(person)) as store:
        return entries_of(store)


@pytest.mark.parametrize(
    ("arguments", "row", "said"),
    [
        (
            ("exercise", "squat", "--reps", "10", "--clean", "8", "--first-failed", "9", "--pain", "1", "--pain-before", "1"),
            {"kind": "exercise", "exercise": "squat", "reps": 10, "clean_reps": 8, "first_failed_rep": 9}
            | {"pain": 1, "pain_before": 1},
            "exercise squat, 10 reps, 8 clean, form changed at rep 9, pain 1, pain 1 before",
        ),
        (
            ("exercise", "Hip-Hinge", "--reps", "5", "--load", "2.5", "--side", "left", "--step", "1"),
            {"kind": "exercise", "exercise": "hip_hinge", "reps": 5, "load_kg": 2.5, "side": "left", "step": 1},
            "exercise hip_hinge, 5 reps, left side, step 1, 2.5 kg",
        ),
        (
            ("practice", "towel", "--minutes", "3", "--ended", "21:10"),
            {"kind": "practice", "practice": "towel", "minutes": 3.0, "ended": "21:10:00"},
            "practice towel, 3 min, until 21:10",
        ),
        (("pain", "0", "--when", "morning"), {"kind": "pain", "level": 0, "when": "morning"}, "pain 0, morning"),
        (("avoid", "knee-hug"), {"kind": "avoid", "tag": "knee_hug"}, "Your programme suggests instead: the towel"),
        (("stairs", "6", "--uneven"), {"kind": "stairs", "flights": 6, "uneven": True}, "stairs 6 flights, one side harder"),
        (("clearance",), {"kind": "clearance"}, "clearance"),
    ],
    ids=lambda v: v[0] if isinstance(v, tuple) else "",
)  # fmt: skip
def test_an_entry_is_kept_for_its_day_and_said_back(
    posture: Said, arguments: tuple[str, ...], row: dict[str, object], said: str
) -> None:
    code, out, err = posture("log", *arguments, "--day", "2026-03-02")
    assert (code, err) == (0, "")
    assert f"Logged: 2026-03-02  {arguments[0]}" in out
    assert said in out
    assert kept() == parse([{"day": "2026-03-02", **row}], "here")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("exercise", "sqat", "--reps", "10"), "the programme has no exercise 'sqat'; did you mean 'squat'?"),
        (("exercise", "towel", "--reps", "2"), "towel is logged as a practice: posture log practice towel"),
        (("practice", "squat"), "squat is logged as an exercise: posture log exercise squat"),
        (("practice", "towels"), "the programme has no practice 'towels'; did you mean 'towel'?"),
        (("avoid", "kneehug"), "has no 'kneehug'; did you mean 'knee_hug'?"),
        (("exercise", "squat"), "missing option '--reps'"),
        (("exercise", "squat", "--reps", "0"), "greater than or equal to 1|not in the range"),
        (("exercise", "squat", "--reps", "10", "--clean", "11"), "are of the reps that were done, 10"),
        (("exercise", "squat", "--reps", "10", "--first-failed", "11"), "are of the reps that were done, 10"),
        (
            ("exercise", "squat", "--reps", "10", "--step", "9"),
            "squat has 3 steps, not 9: posture programme list squat",
        ),
        (("exercise", "squat", "--reps", "10", "--load", "nan"), "less than or equal to 500|not in the range"),
        (("pain", "11"), "less than or equal to 10|not in the range"),
        (("practice", "towel", "--minutes", "0"), "greater than or equal to 0.1|not in the range"),
        (("practice", "towel", "--ended", "25:10"), "--ended '25:10' is no time of day; write it as 21:10"),
        (("pain", "2", "--day", "monday"), "--day 'monday' is no day; write it as 2026-03-02"),
        (("pain", "2", "--day", "2999-01-01"), "--day 2999-01-01 is not here yet"),
        (("pain", "2", "--day", "1800-01-01"), "--day 1800-01-01 lies before 1900"),
        (("pain", "2", "--person", "../else"), "--person '../else' is no name for a folder"),
        (("redflag", ""), "what"),
        (("undo",), "there is no entry to take back"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_nothing_is_kept(
    posture: Said, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = posture("log", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(message.replace("?", r"\?") if "|" not in message else message, err), err
    assert not store_path().exists()


def test_a_red_flag_and_strong_pain_show_the_care_text_at_once_until_they_are_over(posture: Said) -> None:
    assert PACK.texts.stop not in posture("log", "pain", "6")[1]
    for entry, text in (
        (("redflag", "numbness", "in", "the", "saddle", "area"), PACK.texts.stop),
        (("clearance",), ""),
        (("pain", "7"), "Pain of 7/10 or more"),
        (("pain", "1", "--leg"), "You noted: pain that spreads into a leg."),
        (("pain", "1"), ""),
        (("exercise", "brace", "--reps", "5", "--pain", "8"), "You noted: pain of 8/10."),
    ):
        out = posture("log", *entry)[1]
        assert (text or "You noted") in out if text else "You noted" not in out
        assert (PACK.notice in out) == bool(text)
    assert kept()[1].what == "numbness in the saddle area"  # type: ignore[union-attr]
    posture("log", "pain", "1")
    assert PACK.texts.stop in posture("log", "redflag", "fever", "--day", "2026-03-02")[1], (
        "cleared since, and answered"
    )


def test_the_answer_to_an_entry_is_of_its_own_day(posture: Said) -> None:
    assert "You noted: pain that spreads into a leg." in posture("log", "pain", "3", "--leg")[1]
    assert "You noted" not in posture("log", "pain", "2", "--day", "2026-03-02")[1]
    assert "You noted: pain of 8/10." in posture("log", "pain", "8", "--day", "2026-03-01")[1]
    assert "You noted: pain of 8/10." in posture("log", "stairs", "3", "--day", "2026-03-01")[1], "it still held"
    assert "You noted" not in posture("log", "stairs", "3", "--day", "2026-03-03")[1]


def test_a_red_flag_is_taken_back_only_by_its_name(posture: Said) -> None:
    posture("log", "redflag", "fever")
    code, out, err = posture("log", "undo")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "the last entry is a red flag (fever): posture log clearance" in err
    assert [e.kind for e in kept()] == ["red_flag"], "coaching still stops"
    posture("log", "pain", "1")
    assert posture("log", "undo", "--redflag")[1].splitlines()[0].endswith("red flag fever"), "also under a later entry"
    assert [e.kind for e in kept()] == ["pain"]
    assert "You noted" not in posture("log", "pain", "1")[1]
    assert "there is no red flag to take back" in posture("log", "undo", "--redflag")[2]
    posture("log", "redflag", "fever")
    posture("log", "clearance")
    assert posture("log", "undo")[1].endswith("clearance\n"), "the flag holds again"
    assert PACK.texts.stop in posture("log", "pain", "1")[1]


def test_undo_and_list_on_the_command_line(posture: Said) -> None:
    assert "Nothing in the log yet" in posture("log", "list")[1]
    for level in ("1", "2", "3"):
        posture("log", "pain", level)
    assert posture("log", "undo")[1].endswith("pain 3\n")
    assert [line.split("  ")[1] for line in posture("log", "list")[1].splitlines()] == ["pain 1", "pain 2"]
    assert posture("log", "list", "--last", "1")[1].endswith("pain 2\n")
    assert posture("log", "list", "--all")[1].endswith("pain 3  (taken back)\n")


def test_a_second_person_is_kept_apart(posture: Said) -> None:
    posture("log", "pain", "3")
    posture("log", "pain", "5", "--person", "eva")
    assert [e.level for e in kept()] == [3]  # type: ignore[union-attr]
    assert [e.level for e in kept("eva")] == [5]  # type: ignore[union-attr]
    assert "pain 3" in posture("log", "list")[1]
    assert "pain 5" in posture("log", "list", "--person", "eva")[1]


def test_what_is_logged_after_midnight_belongs_to_the_evening_before() -> None:
    assert today(datetime(2026, 3, 3, 3, 59, tzinfo=UTC)) == date(2026, 3, 2)
    assert today(datetime(2026, 3, 3, 4, 0, tzinfo=UTC)) == date(2026, 3, 3)


def test_longer_ice_than_the_dose_is_kept_and_said_and_no_text_promises_a_timer_of_ours(posture: Said) -> None:
    ice = PACK.practice("ice")
    assert ice.one_sensor == ice.two_sensors == "Nothing; log it with its minutes: more than five are said."
    assert "ice, 6 min" in posture("log", "practice", "ice", "--minutes", "6")[1]
    assert "timer" not in " ".join((*ice.limits, *ice.errors, ice.one_sensor, ice.two_sensors)).lower()
    assert any("Set a timer" in cue for cue in ice.cues), "the wearer's own"
    assert "longer than the 3-5 min of your programme" in posture("log", "practice", "ice", "--minutes", "6")[1]
    assert "longer" not in posture("log", "practice", "ice", "--minutes", "5")[1]


def test_the_programme_goes_by_the_store_and_by_a_file_where_one_is_given(posture: Said, tmp_path: Path) -> None:
    assert "abdominal brace: 10 reps; step 1 of 2" in posture("programme", "plan")[1]
    assert not store_path().exists(), "looking makes no store"
    for day in ("2026-03-02", "2026-03-03", "2026-03-04"):
        posture("log", "exercise", "brace", "--reps", "10", "--pain", "0", "--day", day)
    code, out, _ = posture("programme", "plan")
    assert code == 0
    assert "As of 2026-03-04" in out
    assert "step 2 of 2, on all fours" in out
    assert "goes one step up" in posture("programme", "why")[1]
    assert "step 1 of 2" in posture("programme", "plan", "--person", "eva")[1]
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({"day": "2026-03-02", "kind": "pain", "level": 1}), encoding="utf-8")
    assert "step 1 of 2" in posture("programme", "plan", "--log", log)[1]
    posture("log", "undo")
    assert "step 1 of 2" in posture("programme", "plan")[1]


def test_a_workout_is_declared_to_a_monitor_that_runs(posture: Said) -> None:
    assert posture("workout", "start")[2] == "posture: no monitor has run yet: start posture run first\n"
    with Store(store_path()) as store:
        session = begun(store)
    assert "has no practice 'sqat'; did you mean 'squat'?" in posture("workout", "start", "sqat")[2]
    assert posture("workout", "start", "squat")[:2] == (0, "Workout of squat begun. Next: posture workout stop\n")
    assert "a workout of squat goes on since" in posture("workout", "start")[2]
    assert posture("workout", "stop")[1].startswith("Workout of squat ended after 0 min.")
    assert "no workout goes on" in posture("workout", "stop")[2]
    with Store(store_path()) as store:
        (workout,) = store.diary.workouts(START)
        assert workout.exercise == "squat"
        store.end_session(session, START)
    assert "no monitor is running to hear of a workout" in posture("workout", "start")[2]
