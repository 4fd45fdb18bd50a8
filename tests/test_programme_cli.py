"""`posture programme` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from programme_people import PACK, copied, other_pack, replaced, sets
from test_daily import summary, table, wear

from analysis.inputs import NOT_MEDICAL
from posture.app.cli import app
from posture.app.exits import run

# The command

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def posture(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Said:
    monkeypatch.setenv("POSTURE_HOME", str(tmp_path / "home"))

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(app, ["programme", *(str(a) for a in arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """Two days of seven hours, half an hour of it flexed in every hour; and a recording without a clock."""
    for name, start in (("mon", "2026-03-02"), ("tue", "2026-03-03"), ("odd", "")):
        session = wear(clock=bool(start))
        if start:
            moment = datetime.fromisoformat(f"{start}T08:00:00+00:00")
            session = session.model_copy(update={"start_utc": moment})
        stretches = [("sitting", 1, 1800), ("standing", -1, 1800)] * 7
        (tmp_path / "days" / name).mkdir(parents=True)
        text = summary(table(*stretches), session=session).to_json()
        (tmp_path / "days" / name / "summary.json").write_text(text, encoding="utf-8")
    return tmp_path / "days"


def test_next_says_the_days_habit_the_practice_and_the_focus_from_replay_folders(posture: Said, days: Path) -> None:
    code, out, err = posture("next", "--days", days)
    assert (code, err) == (0, "")
    assert "2026-03-03:" in out
    assert "Two days of long flexed sitting, and no towel in the log; it is due tonight" in out
    assert "Tonight: towel decompression, 2-5 min." in out
    assert "Left out, no clock in it:" in out
    assert NOT_MEDICAL in out
    assert "You sat flexed for 3 h 30 min" in posture("next", "--days", days, "--date", "2026-03-02")[1]


def test_why_names_each_rule_with_what_made_it_speak_or_not(posture: Said, days: Path) -> None:
    code, out, _ = posture("why", "--days", days)
    assert code == 0
    assert all(f"  {rule.id}  " in out for rule in PACK.rules)
    assert "R03  said      R01 on 2 days running: yes; towels_two_days at most 0: 0" in out
    assert "R01  cooling   said on 2026-03-02; again from 2026-03-04" in out
    assert "R08  below     deep_bends_rounded at least 3, was 0" in out


def test_an_older_summary_without_the_habits_is_read_and_they_are_not_known(posture: Said, days: Path) -> None:
    path = days / "mon" / "summary.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    del tree["habits"]
    path.write_text(json.dumps(tree), encoding="utf-8")
    code, out, _ = posture("why", "--days", days, "--date", "2026-03-02")
    assert code == 0
    assert "R05  unknown   not known: plunges" in out


def test_the_plan_shows_steps_gates_and_stops_at_a_red_flag(posture: Said, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    rows = [json.dumps({**row, "day": str(row["day"])}) for row in sets("brace", 6)]
    log.write_text("\n".join(rows), encoding="utf-8")
    code, out, _ = posture("plan", "--log", log)
    assert code == 0
    assert "As of 2026-01-06: stage 2.1." in out
    assert "off-load control: 10 reps; step 1 of 3, heel slides;" in out
    assert "squat: not open. Opens when the gate of off-load control is passed." in out
    log.write_text("\n".join([*rows, '{"day": "2026-01-06", "kind": "red_flag", "what": "fever"}']), encoding="utf-8")
    for command in ("plan", "next"):
        code, out, _ = posture(command, "--log", log)
        assert "You noted: fever" in out
        assert "saddle numbness" in out
        assert "reps" not in out
    assert posture()[0] == 0, "bare, it is the plan"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return other_pack(tmp_path / "clinic")


def test_the_list_shows_all_practices_and_one_in_full(posture: Said, other: Path) -> None:
    _, out, _ = posture("list")
    assert all(p.id in out for p in PACK.practices)
    assert PACK.notice in out
    assert PACK.evidence[0] in out
    _, out, _ = posture("list", "squat")
    assert all(text in out for text in (*PACK.practice("squat").cues, PACK.practice("squat").one_sensor))
    assert "carry" in posture("list", "--pack", other)[1]


def test_every_command_runs_with_a_clinicians_own_pack(
    posture: Said, days: Path, other: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Other practices, rules, gates, texts and safety limits than the shipped one: a folder, and no change of code."""

    def whole(*arguments: str | Path) -> str:
        assert run(app, [str(a) for a in (*arguments, "--pack", other)]) == 0
        return " ".join(capsys.readouterr().out.split())

    assert "bridge" in whole("programme", "list")
    assert "lift the hips" in whole("programme", "list", "bridge")
    assert "carry: not open. Opens when the gate of bridge is passed." in whole("programme", "plan")
    for _ in range(2):
        assert "Logged" in whole("log", "exercise", "bridge", "--reps", "6", "--clean", "6", "--pain", "0")
    assert "the programme has no exercise 'squat'; there are bridge, carry" in (
        run(app, ["log", "exercise", "squat", "--reps", "3", "--pack", str(other)]) and capsys.readouterr().err
    )
    assert "Your programme suggests instead: a chair." in whole("log", "avoid", "sofa")
    out = whole("programme", "next", "--days", days, "--date", "2026-03-03")
    assert "3 h 30 min of sitting; walk and carry something." in out
    assert "Tonight: bridge, 6 reps; the carry opens after it." in out
    assert "sit said sitting_min above 30: 210" in whole("programme", "why", "--days", days, "--date", "2026-03-03")
    assert "You noted: pain of 5/10. Over 5: stop." in whole("log", "pain", "5"), "stops at 5, not at 7"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "sqat"), "has no practice 'sqat'; did you mean 'squat'?"),
        (("plan", "--date", "someday"), "--date 'someday' is no day; write it as 2026-03-02"),
        (("plan", "--log", "nowhere.toml"), "nowhere.toml cannot be read"),
        (("list", "--pack", "nowhere"), "pack.toml is missing: a pack is a folder with"),
        (("next", "--days", "nowhere"), "nowhere holds no summary.json"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(posture: Said, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = posture(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_a_broken_pack_is_one_line_and_exit_code_2(posture: Said, tmp_path: Path) -> None:
    copied(tmp_path, rules=replaced('practice = "squat"', 'practice = "sqat"'))
    code, out, err = posture("plan", "--pack", tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.endswith("rules.toml: rule R04: `practice`: no practice 'sqat'; did you mean 'squat'?\n")
