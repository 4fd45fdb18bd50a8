"""Days begin at 04:00 in the zone of the start: sessions over that line, both nights in which the clocks change, and a flight."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from test_daily import bend, table, wear

from analysis.days import chosen, split, summarised
from analysis.inputs import Clock, DayAlert, DayEvent, ReportInput, Session
from analysis.report import advice_on, render_html
from analysis.schema import DailySummary
from analysis.tables import summary_csv
from posture.types import EpochBlock, InputError

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
EVENING = ["22:00", "23:00", "00:00"]
NIGHTS = {
    (BERLIN, "2026-03-29"): (23, [*EVENING, "01:00", "03:00"]),
    (BERLIN, "2026-10-25"): (25, [*EVENING, "01:00", "02:00 CEST"]),
    (NEW_YORK, "2026-03-08"): (23, [*EVENING, "01:00", "03:00"]),
    (NEW_YORK, "2026-11-01"): (25, [*EVENING, "01:00 EDT", "01:00 EST"]),
}
"""Zone and date of the change -> hours of the day before, which ends at 04:00 after it; five hours from 22:00 on."""


def session(start: str, zone: str) -> Session:
    """start : local time of `zone`."""
    moment = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return wear().model_copy(update={"start_utc": moment, "zone": zone})


def worn(start: str, zone: str, hours: float, *events: DayEvent, alerts: Sequence[DayAlert] = ()) -> ReportInput:
    return ReportInput(table(("standing", -1, round(hours * 3600))), events, tuple(alerts), session(start, zone))


def days(parts: tuple[ReportInput, ...]) -> list[DailySummary]:
    return [summarised((part,), part) for part in parts]


def eve(date: str) -> str:
    """The day before."""
    return (datetime.fromisoformat(date) - timedelta(days=1)).date().isoformat()


@pytest.mark.parametrize("night", NIGHTS)
def test_the_day_of_a_night_in_which_the_clocks_change_has_23_or_25_hours(night: tuple[str, str]) -> None:
    """Three days from 20:00 on: the second one runs from 04:00 on the eve to 04:00 after the change."""
    (zone, date), hours = night, NIGHTS[night][0]
    found = days(split(worn(f"{eve(eve(date))}T20:00", zone, 72)))
    assert [d.period.day for d in found][:3] == [eve(eve(date)), eve(date), date]
    assert [d.wear.recorded_min / 60 for d in found] == [8.0, hours, 24.0, 72.0 - 32.0 - hours]
    assert sum(d.wear.worn_min for d in found) == 72 * 60
    assert all(d.period.start_local is not None and "T04:00:00" in d.period.start_local for d in found[1:])


@pytest.mark.parametrize("night", NIGHTS)
def test_the_hours_of_that_night_are_whole_and_named_as_clocks_show_them(night: tuple[str, str]) -> None:
    zone, date = night
    (day,) = days(split(worn(f"{eve(date)}T22:00", zone, 5)))
    assert [h.worn_min for h in day.bends.by_hour] == [60.0] * 5
    assert [h.label.removesuffix(" +1 d") for h in day.bends.by_hour] == NIGHTS[night][1]


@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize("step_s", [60, 900, 3600, 7200, 10800, 14400])
def test_ticks_of_a_time_axis_are_on_whole_steps_of_the_clock_on_both_sides_of_the_change(
    night: tuple[str, str], step_s: int
) -> None:
    zone, date = night
    clock = session(f"{eve(date)}T21:40:30", zone).clock
    due = []
    for minute_s in np.arange(30.0, 9 * 3600.0, 60.0).tolist():
        local = clock.at(minute_s)
        assert local is not None
        due += [minute_s] if (local.hour * 3600 + local.minute * 60) % step_s == 0 else []
    assert clock.steps(0.0, 9 * 3600.0, step_s) == due


@pytest.mark.parametrize("start_s", [0.0, 1800.0, 4000.0, 7199.5])
def test_steps_begin_anywhere_also_inside_the_hour_that_comes_twice(start_s: float) -> None:
    clock = session("2026-10-25T01:30", BERLIN).clock
    labels = [clock.text(t, seconds=False) for t in clock.steps(start_s, 12600.0, 1800)]
    whole = ["01:30", "02:00 CEST", "02:30 CEST", "02:00 CET", "02:30 CET", "03:00", "03:30", "04:00"]
    assert labels == whole[int(-(-start_s // 1800)) :]


def test_a_flight_keeps_the_zone_of_the_start() -> None:
    """Berlin 15:00 to New York, 20 h: the line is at 04:00 in Berlin, where the recording began, wherever it ends."""
    found = days(split(worn("2026-03-02T15:00", BERLIN, 20)))
    assert [(d.period.day, d.wear.recorded_min / 60) for d in found] == [("2026-03-02", 13.0), ("2026-03-03", 7.0)]
    assert {d.period.zone for d in found} == {BERLIN}
    assert found[1].period.end_local == "2026-03-03T11:00:00+01:00"


def test_events_go_to_the_day_in_which_they_begin_alerts_to_that_in_which_they_were_raised_and_bouts_are_cut() -> None:
    line_s = 6 * 3600.0
    epochs = table(("standing", -1, 6 * 3600 - 600), ("sitting", 0, 1200), ("standing", -1, 3000))
    events = (bend(10.0), bend(line_s - 1.0, length_s=5.0), bend(line_s), bend(line_s + 99.0))
    alerts = tuple(
        DayAlert(about_s=line_s - 30.0, raised_s=line_s + late_s, kind="bend") for late_s in (-20.0, 0.0, 5.0)
    )
    whole = ReportInput(epochs, events, alerts, session("2026-03-02T22:00", BERLIN))
    first, second = split(whole)
    assert ([len(p.events) for p in (first, second)], [len(p.alerts) for p in (first, second)]) == ([2, 2], [1, 2])
    assert [[(b.start_s, b.end_s) for b in d.sitting.bouts] for d in days((first, second))] == [
        [(line_s - 600.0, line_s)],
        [(line_s, line_s + 600.0)],
    ]


def test_the_summary_is_of_the_day_worn_longest_and_holds_the_others() -> None:
    parts = split(worn("2026-03-02T21:00", BERLIN, 40))
    made = summarised(parts, chosen(parts))
    assert made.period.day == "2026-03-03"
    assert made.period.session_days == ("2026-03-02", "2026-03-03", "2026-03-04")
    written: dict[str, Any] = json.loads(made.to_json())
    assert [d["period"]["day"] for d in written["other_days"]] == ["2026-03-02", "2026-03-04"]
    assert sum(d["wear"]["recorded_min"] for d in (written, *written["other_days"])) == 40 * 60
    assert "other_days" not in summary_csv(made)


def test_a_day_is_chosen_by_its_date_and_a_wrong_one_is_refused_with_those_there_are() -> None:
    parts = split(worn("2026-03-02T21:00", BERLIN, 20))
    assert chosen(parts, "2026-03-02") is parts[0]
    with pytest.raises(InputError, match=r"no day '2026-03-05'.*2026-03-02, 2026-03-03"):
        chosen(parts, "2026-03-05")
    without = split(replace(parts[0], session=wear(clock=False)))
    with pytest.raises(InputError, match="for want of a clock"):
        chosen(without, "2026-03-02")


@pytest.mark.parametrize(
    ("start", "hours"), [("2026-03-02T04:00", 24), ("2026-03-02T09:00", 8), ("2026-03-02T01:00", 3)]
)
def test_a_session_within_a_day_is_not_split(start: str, hours: float) -> None:
    whole = worn(start, BERLIN, hours)
    assert split(whole) == (whole,)
    assert len(days((whole,))[0].period.session_days) == 1


def test_a_session_without_a_clock_or_without_an_epoch_is_not_split() -> None:
    whole = replace(worn("2026-03-02T09:00", BERLIN, 30), session=wear(clock=False))
    assert split(whole) == (whole,)
    none = replace(whole, epochs=EpochBlock.joined([]), session=wear())
    assert split(none) == (none,)


def test_the_page_of_one_day_says_that_there_are_others_and_marks_no_time_as_of_another_day() -> None:
    parts, short = split(worn("2026-03-02T22:00", BERLIN, 20, bend(8 * 3600.0))), worn("2026-03-02T09:00", BERLIN, 1)
    of_one_day = render_html(short, advice_on((short,), short))
    page = render_html(chosen(parts), advice_on(parts, chosen(parts)))
    assert "Tuesday 3 March 2026" in page
    assert "has a part in 2026-03-02, 2026-03-03; this page is of 2026-03-03 alone, 14 h" in " ".join(page.split())
    assert "04:00 to 18:00, Europe/Berlin" in page
    assert "06:00:00" in page
    assert "+1 d" not in page
    assert "One day of a longer recording" not in of_one_day


def test_a_zone_that_changes_by_half_an_hour_keeps_its_hours() -> None:
    clock = session("2026-04-05T00:00", "Australia/Lord_Howe").clock
    labels = [clock.text(t, seconds=False) for t in clock.steps(0.0, 4 * 3600.0, 3600)]
    assert labels == ["00:00", "01:00", "02:00", "03:00"]
    assert isinstance(clock, Clock)


def test_epochs_of_a_part_are_those_of_the_session() -> None:
    whole = worn("2026-03-02T22:00", BERLIN, 20)
    joined = EpochBlock.joined([part.epochs for part in split(whole)])
    for name in EpochBlock.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole.epochs, name))
