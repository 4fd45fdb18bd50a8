"""Days out of the store: put together from sessions, summed up, and told with the log and the days before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_daily import table
from test_report import Page, session_json

from analysis.daily import summarise
from analysis.stored import days_of, last_day, summaries_of
from posture.app.cli import app
from posture.app.exits import run
from posture.app.places import store_path
from posture.store import Store
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
    store.put_session(folder="a", start_utc=MONDAY, zone="UTC", about=session_json(), code_version="1", made_utc=MONDAY)
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
