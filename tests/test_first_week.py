"""What a person's first week changes in the weeks after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from seconds import Day
from sessions import Bench, Boot, meta, noise, recorded

from analysis.inputs import Clock
from posture.app.first_week import FirstWeek, adapted, first_week, week_words
from posture.config import Config
from posture.replay import ReplayRequest, prepare
from posture.store import Store
from posture.types import Context, EpochBlock, Placement, Preset

CONFIG = Config()
BOTH = tuple(Placement)
ZONE = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite3") as opened:
        yield opened


def seated(hours: float, pct: float, *, two: bool = True) -> EpochBlock:
    """Hours of sitting at a level, half of it 10 points above and half 10 points under, then an hour on the feet at 90."""
    n, m = round(3600 * hours), 3600
    epochs = Day().sit((n + m) / 60, 50).run()[0]
    level = np.concatenate([np.repeat([pct - 10.0, pct + 10.0], n // 2), np.full(m, 90.0)])
    none = np.full(n + m, np.nan)
    return replace(
        epochs,
        start_s=np.arange(float(n + m)),
        context=np.repeat(np.array([Context.SITTING, Context.STANDING], np.int8), [n, m]),
        flexed=np.repeat(np.array([0, -1], np.int8), [n, m]),
        flexion_pct_rom=level if two else none,
        slump_index_pct=none if two else level,
    )


def keep(store: Store, day: int, epochs: EpochBlock, sensors: tuple[Placement, ...] = BOTH) -> None:
    start = MONDAY + timedelta(days=day)
    session = store.put_session(
        folder=f"day{day}{len(sensors)}",
        start_utc=start,
        zone="Europe/Berlin",
        about={"sensors": [str(p) for p in sensors]},
        code_version="1",
        made_utc=start,
    )
    store.put_epochs(session, epochs)


def found(store: Store, day: int, sensors: tuple[Placement, ...] = BOTH) -> FirstWeek:
    return first_week(store, Clock(MONDAY + timedelta(days=day), ZONE), sensors, CONFIG.sitting)


@pytest.mark.parametrize(
    ("days", "level_pct", "two", "raised"),
    [
        (6, 67.0, True, 0.0),
        (7, 67.0, True, 7.0),
        (13, 67.0, True, 7.0),
        (14, 67.0, True, 2.0),
        (21, 67.0, True, 0.0),
        (7, 55.0, True, 0.0),
        (7, 95.0, True, 15.0),
        (27, 95.0, True, 5.0),
        (28, 95.0, True, 0.0),
        (7, 67.0, False, 5.0),
        (7, np.nan, True, 0.0),
        (400, np.nan, True, 0.0),
    ],
)
def test_the_start_is_the_first_weeks_level_and_falls_by_five_points_a_week(
    days: int, level_pct: float, two: bool, raised: float
) -> None:
    made = adapted(CONFIG, FirstWeek(days, level_pct), two=two, silent=False)
    assert made.sitting.start_raised_pct == raised
    assert made.sitting.flexed_on_pct == 60.0, "what counts as flexed is the same in every week"
    assert made.alerts.sitting_per_day == (4 if days < 7 else 8)


def test_a_silent_first_week_has_no_alert_of_any_preset_and_ends() -> None:
    for preset in Preset:
        mine = CONFIG.model_copy(update={"alerts": CONFIG.alerts.model_copy(update={"preset": preset})})
        alerts = adapted(mine, FirstWeek(6), two=True, silent=True).alerts
        assert (alerts.sitting_per_day, alerts.lean_per_day) == (0, 0)
        assert alerts.preset is not Preset.COACH
        assert adapted(mine, FirstWeek(7), two=True, silent=True) == mine


def test_the_level_is_of_seated_seconds_of_the_first_week_with_the_same_sensors(store: Store) -> None:
    assert found(store, 0) == FirstWeek(0)
    keep(store, 0, seated(1.5, 65.0))
    keep(store, 6, seated(1.5, 65.0))
    keep(store, 6, seated(3.0, 40.0, two=False), (Placement.SACRUM,))
    keep(store, 7, seated(9.0, 20.0))
    assert np.isnan(found(store, 6).level_pct), "the week is not over"
    assert (found(store, 7).days, found(store, 7).level_pct) == (7, pytest.approx(75.0, abs=0.1))
    assert found(store, 7, (Placement.SACRUM,)).level_pct == pytest.approx(50.0, abs=0.1)
    assert np.isnan(found(store, 7, (Placement.UPPER_LUMBAR,)).level_pct)
    assert np.isnan(found(store, 28).level_pct), "by then nothing is raised, so nothing is read"


def test_two_hours_of_sitting_are_needed(store: Store) -> None:
    keep(store, 0, seated(1.9, 70.0))
    assert np.isnan(found(store, 8).level_pct)


def test_a_day_begins_at_four(store: Store) -> None:
    """A session from 03:00 local on belongs to the day before, and so does the week that it begins."""
    start = datetime(2026, 3, 2, 2, tzinfo=UTC)
    store.put_session(
        folder="night", start_utc=start, zone="Europe/Berlin", about={"sensors": []}, code_version="1", made_utc=start
    )
    monday = Clock(datetime(2026, 3, 2, 8, tzinfo=UTC), ZONE)
    assert first_week(store, monday, BOTH, CONFIG.sitting).days == 1


def test_a_raised_start_delays_the_meter_and_leaves_flexed_alone() -> None:
    """At 65 % of range the meter is driven in full; with a start of 75 only by half."""
    raised = adapted(CONFIG, FirstWeek(7, 95.0), two=True, silent=False)
    usual, later = Day().sit(60, 65).run()[0], Day().sit(60, 65).run(raised)[0]
    assert np.array_equal(usual.flexed, later.flexed)
    assert usual.creep[-1] > 0.95
    assert later.creep[-1] == pytest.approx(0.5 * usual.creep[-1], abs=0.02)


def test_the_session_keeps_it_for_every_replay(tmp_path: Path) -> None:
    """What a session's folder is replayed with is what live ran with, and the result says so."""
    raised = adapted(CONFIG, FirstWeek(7, 70.0), two=True, silent=False)
    boot = Boot(7, 2.0, noise(3000, 1), 52.3)
    about = replace(meta([Placement.SACRUM]), config=raised.as_json())
    folder = recorded(tmp_path / "s", Bench(Placement.SACRUM, [boot], 52.0).made(), about)
    for as_live in (True, False):
        made = prepare(ReplayRequest(folder, as_live=as_live))
        assert made.config == raised
        assert raised.sitting.start_words() in made.notes


def test_it_is_said_at_the_start_of_a_session() -> None:
    first = adapted(CONFIG, FirstWeek(2), two=True, silent=False)
    assert week_words(FirstWeek(2), first, silent=False) == "First week, day 3 of 7: at most 4 alerts on sitting a day."
    assert "no alerts" in str(week_words(FirstWeek(2), first, silent=True))
    raised = adapted(CONFIG, FirstWeek(7, 70.0), two=True, silent=False)
    assert week_words(FirstWeek(7, 70.0), raised, silent=False) == (
        "The time-in-flexion meter fills at 10 points over its usual level. It comes from your first week and falls by 5 "
        "points a week."
    )
    assert week_words(FirstWeek(70), CONFIG, silent=False) is None
