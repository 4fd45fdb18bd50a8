"""Days out of the store: put together from sessions, summed up, and told with the log and the days before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import Page, session_json
from test_daily import table

from analysis.daily import summarise
from analysis.schema import SilenceTime
from analysis.stored import days_of, kept_summaries, last_day, summaries_of
from posture.alerts import Act, UserAction
from posture.app.cli import app
from posture.app.exits import run
from posture.app.options import today
from posture.app.places import store_path
from posture.store import Store
from posture.store.days import KeptDay
from posture.types import Context

MONDAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)  # 09:00 in Berlin
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("POSTURE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store(store_path()) as opened:
        yield opened


@pytest.fixture
def posture(capsys: pytest.CaptureFixture[str], home: Path) -> Said:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(app, [str(a) for a in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def worn(
    store: Store,
    start_utc: datetime,
    *stretches: tuple[str, int, int],
    zone: str = "Europe/Berlin",
    events: tuple[dict[str, Any], ...] = (),
    calibrated: datetime | None = None,
) -> int:
    """A session of (context, flexed, seconds), ended."""
    about = session_json()
    about["calibration"]["made_utc"] = (calibrated or start_utc).isoformat()
    session = store.put_session(
        folder=f"{start_utc:%Y%m%dT%H%M}",
        start_utc=start_utc,
        zone=zone,
        about=about,
        code_version="1",
        made_utc=start_utc,
    )
    epochs = table(*stretches)
    store.put_epochs(session, epochs)
    store.put_events(session, events)
    store.end_session(session, start_utc + timedelta(seconds=len(epochs)))
    return session


def lean(start_s: float) -> dict[str, Any]:
    fixed = {"kind": "bend", "start_s": start_s, "end_s": start_s + 20, "peak_s": start_s + 9, "peak_deg": 40.0}
    return fixed | {
        "verdict": "rounded",
        "basis": "two",
        "confidence": 0.9,
        "set_id": None,
        "held_s": 18.0,
        "rep_start_s": [start_s + 1],
    }


def test_two_sessions_of_one_day_are_one_day_and_what_lies_between_is_a_gap(store: Store) -> None:
    worn(store, MONDAY, ("sitting", 1, 3600), events=(lean(100.0),))
    worn(store, MONDAY + timedelta(hours=3), ("standing", -1, 7200), events=(lean(50.0),))
    (day,) = days_of(store, date(2026, 3, 1), date(2026, 3, 3)).values()
    summary = summarise(day.epochs, day.events, day.alerts, day.session)
    assert (summary.wear.worn_min, summary.wear.gap_min, summary.wear.gap_count) == (180.0, 120.0, 1)
    assert (summary.period.start_local, summary.period.end_local) == (
        "2026-03-02T09:00:00+01:00",
        "2026-03-02T14:00:00+01:00",
    )
    assert [e.start_s for e in day.events] == [100.0, 3 * 3600 + 50.0]
    assert day.events[1].peak_s == 3 * 3600 + 59.0
    assert day.events[1].number("held_s") == 18.0, "a length does not move"
    assert day.events[1].evidence["rep_start_s"] == [3 * 3600 + 51.0], "a moment does"
    assert "Put together from 2 sessions" in summary.notes[-1]


def test_a_session_over_four_in_the_morning_is_two_days_and_joins_the_next(store: Store) -> None:
    night = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)  # midnight in Berlin
    worn(store, night, ("lying", -1, 5 * 3600))
    worn(store, night + timedelta(hours=6), ("standing", -1, 3600))
    days = days_of(store, date(2026, 3, 1), date(2026, 3, 4))
    assert {str(day): len(part.epochs) for day, part in days.items()} == {
        "2026-03-02": 4 * 3600,
        "2026-03-03": 3 * 3600,
    }
    assert list(days_of(store, date(2026, 3, 3), date(2026, 3, 3))) == [date(2026, 3, 3)]
    assert last_day(store) == date(2026, 3, 3)


def test_the_day_in_which_the_clocks_change_has_23_hours(store: Store) -> None:
    """In Berlin 28 March 2026 begins at 03:00 UTC and ends at 02:00 UTC of the 29th."""
    worn(store, datetime(2026, 3, 28, 3, 0, tzinfo=UTC), ("standing", -1, 25 * 3600))
    days = days_of(store, date(2026, 3, 28), date(2026, 3, 29))
    assert [len(part.epochs) / 3600 for part in days.values()] == [23.0, 2.0]


def test_a_day_keeps_the_zone_in_which_it_began_after_a_flight(store: Store) -> None:
    worn(store, MONDAY, ("sitting", 1, 3600))
    worn(store, MONDAY + timedelta(hours=8), ("standing", -1, 3600), zone="America/New_York")
    (day,) = days_of(store, date(2026, 3, 2), date(2026, 3, 2)).values()
    assert day.session.zone == "Europe/Berlin"
    assert day.session.clock.text(8 * 3600.0, seconds=False) == "17:00"


def test_clocks_that_were_set_back_do_not_make_a_second_twice(store: Store) -> None:
    worn(store, MONDAY, ("sitting", 1, 3600))
    worn(store, MONDAY + timedelta(minutes=50), ("standing", -1, 1800))
    (day,) = days_of(store, date(2026, 3, 2), date(2026, 3, 2)).values()
    assert np.array_equal(day.epochs.start_s, np.arange(4800.0))
    assert np.count_nonzero(day.epochs.context == Context.STANDING) == 1200


def test_a_session_that_has_just_begun_is_no_day(store: Store) -> None:
    store.put_session(folder="a", start_utc=MONDAY, zone="UTC", about={}, code_version="1", made_utc=MONDAY)
    assert days_of(store, date(2026, 3, 1), date(2026, 3, 3)) == {}
    assert last_day(store) is None


def desk_day(store: Store, day: int, *, calibrated: datetime | None = None) -> None:
    """Seven hours, half an hour of each sitting flexed."""
    worn(
        store, MONDAY + timedelta(days=day), *[("sitting", 1, 1800), ("standing", -1, 1800)] * 7, calibrated=calibrated
    )


def test_the_report_of_a_kept_day_hears_the_log_and_the_days_before(store: Store, posture: Said, home: Path) -> None:
    desk_day(store, 0)
    desk_day(store, 1)
    code, out, err = posture("report", "-f", "json")
    path = home / "data" / "reports" / "2026-03-03.json"
    assert (code, out, err) == (0, f"Written to {path}\n", "")
    advice = json.loads(path.read_text())["advice"]
    assert [h["rule"] for h in advice["habits"]] == ["R03"], "R01 cools down; no towel in two days"
    assert advice["habits"][0]["numbers"] == "R01 on 2 days running: yes; towels_two_days at most 0: 0"
    posture("log", "practice", "towel", "--minutes", "3", "--day", "2026-03-02")
    posture("report", "2026-03-03", "-f", "json")
    advice = json.loads(path.read_text())["advice"]
    assert [h["rule"] for h in advice["habits"]] == []
    assert "R03" not in str(advice["habits"])
    posture("report", "2026-03-02", "-o", home / "mon.html")
    text = Page((home / "mon.html").read_text()).text
    assert "You sat flexed for 3 h 30 min; your programme suggests the towel tonight. R01" in text
    assert "Tonight: towel decompression, 2-5 min." in text
    assert "Tomorrow: stand for two minutes at each nudge. R01" in text
    assert "What went well: you practised today (1 in the log). W02" in text
    assert "Programme stage 1 back-health-masterclass 1" in text


def test_a_summed_up_day_is_read_again_and_made_anew_only_when_something_of_it_changed(store: Store) -> None:
    session = worn(store, MONDAY, ("sitting", 1, 7200), ("standing", -1, 3600), events=(lean(100.0),))
    ((on, first),) = kept_summaries(store, date(2026, 3, 1), date(2026, 3, 3)).items()
    (kept,) = store.days.kept(on, on).values()
    assert json.loads(kept.summary)["sitting"]["total_min"] == 120.0
    store.days.put([KeptDay(on, kept.made_of, kept.summary.replace('"source": "day.parquet"', '"source": "kept"'))])
    assert kept_summaries(store, on, on)[on].source == "kept", "read, not made"
    assert store.days.changes() == ()

    late = table(("sitting", 1, 3600), ("sitting", 0, 3600), ("standing", -1, 3600))
    made = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
    store.put_final(session, epochs=late, events=[], about=store.sessions()[0].about, code_version="1", made_utc=made)
    second = kept_summaries(store, on, on, now=made)[on]
    assert (first.sitting.flexed_min, second.sitting.flexed_min) == (120.0, 60.0)
    (change,) = store.days.changes(on)
    assert (change.day, change.made_utc) == (on, made)
    moved = {str(c["name"]): (c["before"], c["after"]) for c in change.changes}
    assert moved["flexed sitting"] == (120.0, 60.0)
    assert moved["bends"] == (1, 0)
    assert kept_summaries(store, on, on)[on] == second
    assert len(store.days.changes()) == 1, "what is up to date is not logged again"


def test_later_seconds_and_an_answer_make_a_day_anew(store: Store) -> None:
    session = worn(store, MONDAY, ("sitting", 1, 3600))
    alert = {"about_s": 900.0, "raised_s": 906.0, "kind": "flexed_sitting", "preset": "balanced", "reason": "long"}
    (alert_id,) = store.put_alerts(session, [alert])
    on = date(2026, 3, 2)

    def counted() -> tuple[float, int]:
        found = kept_summaries(store, on, on)[on]
        return found.wear.worn_min, next(c.wrong for c in found.alert_counts if c.kind == "flexed_sitting")

    assert counted() == (60.0, 0)
    store.put_epochs(session, table(("standing", -1, 600), start_s=3600.0))
    assert counted() == (70.0, 0)
    store.put_answer(alert_id, "wrong", MONDAY)
    assert counted() == (70.0, 1)
    store.put_answer(alert_id, "wrong", MONDAY)
    assert counted() == (70.0, 1), "said twice of one alert is one"
    store.put_answer(alert_id, "right", MONDAY)
    assert counted() == (70.0, 0), "the last answer counts"


def test_an_alert_that_was_called_wrong_is_so_in_words_page_and_csv(store: Store, posture: Said, home: Path) -> None:
    session = worn(store, MONDAY, ("sitting", 1, 3600), ("standing", -1, 600))
    fixed = {"kind": "flexed_sitting", "preset": "balanced", "reason": "long"}
    first, _ = store.put_alerts(session, [{"about_s": s, "raised_s": s + 6, **fixed} for s in (900.0, 3590.0)])
    store.put_answer(first, "wrong", MONDAY)
    out = home / "r"
    assert posture("report", "2026-03-02", "-o", out.with_suffix(".html"))[0] == 0
    assert posture("report", "2026-03-02", "-f", "csv", "-o", out.with_suffix(".csv"))[0] == 0
    text = Page(out.with_suffix(".html").read_text()).text
    assert "2 alerts on sitting (2 answered), and you called 1 wrong" in text
    assert "long answered; you called it wrong" in text
    rows = (home / "r-summary.csv").read_text().splitlines()
    counts = ("kind,flexed_sitting", "raised,2", "answered,2", "wrong,1")
    assert {f"alert_counts.0.{count}," for count in counts} <= set(rows)
    posture("report", "2026-03-02", "--physio", "-o", out.with_suffix(".html"))
    assert "2 raised, 2 answered, 1 called wrong" in Page(out.with_suffix(".html").read_text()).text


def test_pauses_and_snoozes_of_all_sessions_of_a_day_are_in_its_summary(store: Store) -> None:
    first = worn(store, MONDAY, ("sitting", 1, 3600))
    second = worn(store, MONDAY + timedelta(hours=3), ("sitting", 1, 3600))
    on = date(2026, 3, 2)
    assert kept_summaries(store, on, on)[on].silence == SilenceTime(0.0, 0.0)
    store.put_action(first, UserAction(1800.0, Act.SNOOZE, 1800.0 + 15 * 60.0))
    store.put_action(first, UserAction(3300.0, Act.PAUSE))
    store.put_action(second, UserAction(0.0, Act.PAUSE))
    store.put_action(second, UserAction(600.0, Act.RESUME))
    assert kept_summaries(store, on, on)[on].silence == SilenceTime(paused_min=15.0, snoozed_min=15.0)


def test_yesterday_and_today_are_days_that_begin_at_four(store: Store, posture: Said) -> None:
    at = datetime.combine(today() - timedelta(days=1), datetime.min.time(), tzinfo=UTC) + timedelta(hours=9)
    worn(store, at, ("standing", -1, 3600), zone="UTC")
    code, said, _ = posture("report", "yesterday", "--format", "json")
    assert code == 0
    assert json.loads(Path(said.split()[-1]).read_text())["period"]["day"] == str(today() - timedelta(days=1))
    code, _, error = posture("report", "today")
    assert (code, f"nothing was recorded on {today()}" in error) == (2, True)


def test_a_trend_of_the_store_is_of_its_days(store: Store, posture: Said, home: Path) -> None:
    for k in range(3):
        worn(store, MONDAY + timedelta(days=k), ("sitting", 1, 7 * 3600))
    code, said, _ = posture("trend", "--until", "2026-03-08")
    assert code == 0
    assert "3 of 28 days count" in said
    assert "no usual yet" in said
    (alert,) = store.put_alerts(
        store.sessions()[0].id,
        [{"about_s": 900.0, "raised_s": 906.0, "kind": "flexed_sitting", "preset": "balanced", "reason": "long"}],
    )
    store.put_answer(alert, "wrong", MONDAY)
    posture("log", "practice", "towel", "--minutes", "3", "--day", "2026-03-05")
    posture("log", "pain", "4", "--when", "evening", "--day", "2026-03-05")
    assert posture("trend", "--until", "2026-03-08", "--week")[0] == 0
    page = Page((home / "data" / "reports" / "week-2026-03-08.html").read_text()).text
    lived = page.split("Alerts, practice and pain")[1]
    assert "Mon 2 Mar 1 1 1 1 0 – not noted" in lived, "alerts, wrong, on sitting, answered, sets"
    assert "Thu 5 Mar – – – – – towel evening 4" in lived, "the log is heard where nothing was worn"
    assert "in all 1 1 1 1 0" in lived
    code, _, _ = posture("trend", "--until", "2026-03-08", "--week", "--format", "json")
    tree = json.loads((home / "data" / "reports" / "week-2026-03-08.json").read_text())
    assert [d["state"] for d in tree["days"][-7:]] == ["valid"] * 3 + ["missing"] * 4


def test_the_programme_reads_the_days_of_the_store(store: Store, posture: Said) -> None:
    desk_day(store, 0)
    desk_day(store, 1)
    out = posture("programme", "next", "--date", "2026-03-03")[1]
    assert "Two days of long flexed sitting, and no towel in the log; it is due tonight" in out
    out = posture("programme", "why", "--date", "2026-03-02")[1]
    assert "R01  said      flexed_sitting_min at least 120: 210" in out


def test_a_stale_calibration_withholds_a_kept_days_advice(store: Store, posture: Said) -> None:
    desk_day(store, 0, calibrated=MONDAY - timedelta(days=8))
    out = posture("programme", "next", "--date", "2026-03-02")[1]
    assert "The calibration is 8 days old; make a new one. Not enough data for advice today." in out
    assert "flexed for" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("2026-03-09",), "nothing was recorded on 2026-03-09; the last day that was is 2026-03-02"),
        (("monday",), "DATE 'monday' is no day; write it as 2026-03-02"),
        (("--person", "eva"), "the monitor has kept no day yet: start posture run"),
        (("--day", "2026-03-02"), "--day and --log belong to --from"),
        (("2026-03-02", "--from", "x"), "--from is a report of that folder"),
        (("-f", "odt"), "there is no report format 'odt'"),
    ],
)
def test_a_report_that_cannot_be_made_is_one_sentence(
    store: Store, posture: Said, home: Path, arguments: tuple[str, ...], message: str
) -> None:
    worn(store, MONDAY, ("sitting", 1, 3600))
    code, out, err = posture("report", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (home / "data" / "reports").exists()


def test_a_month_of_days_is_summed_up_in_a_moment(store: Store) -> None:
    for day in range(28):
        desk_day(store, day)
    found = summaries_of(store, date(2026, 3, 29), 28)
    assert len(found) == 28
    assert {s.sitting.flexed_min for s in found.values()} == {210.0}
