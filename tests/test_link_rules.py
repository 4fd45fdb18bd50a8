"""The decisions of the link, each against what it must hold for any input; no Bluetooth here."""

from __future__ import annotations

import random
import sys
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocol.control import Done
from firmware_protocol.frames import Frame, FrameFlag, FrameType
from posture.sensors.backfill import REQUESTS_MAX, requests
from posture.sensors.battery import battery_warning, hours_left
from posture.sensors.driver import NAME_MAX, clean, driver_named, drivers
from posture.sensors.guard import BAD_MAX, BadRate, Frozen, LiveWindow
from posture.sensors.ledger import Asked, Ledger
from posture.sensors.ranges import Ranges, joined
from posture.sensors.timers import LinkTimers, retry_after_s, silent_after_s
from posture.types import InputError, PostureError

RATE_HZ, TICK_HZ = 52.0, 32768
LATE_S = LinkTimers().late_s
spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda t: (t[0], t[0] + t[1])), max_size=30)


# ---- what is missing


@given(spans, st.integers(0, 70), st.integers(0, 70))
def test_ranges_are_the_set_of_their_indices(added: list[tuple[int, int]], start: int, end: int) -> None:
    ranges, model = Ranges(), set[int]()
    for a, b in added:
        new = set(range(a, b)) - model
        assert ranges.add(a, b) == len(new)
        model |= new
    pairs = list(ranges)
    assert [i for a, b in pairs for i in range(a, b)] == sorted(model)
    assert all(b < c for (_, b), (c, _) in pairwise(pairs)), "ranges that touch are one"
    holes = ranges.missing(start, end)
    assert [i for a, b in holes for i in range(a, b)] == [i for i in range(start, end) if i not in model]
    assert len(ranges) == len(model)
    assert ranges.end == max(model, default=-1) + 1


@given(spans, st.integers(0, 20))
def test_requests_hold_everything_that_is_missing_and_are_few(added: list[tuple[int, int]], within: int) -> None:
    ranges = Ranges()
    for a, b in added:
        ranges.add(a * 40, b * 40)
    missing = ranges.missing(0, 4000)
    for few in (joined(missing, within), requests(missing)):
        asked = Ranges()
        for a, b in few:
            asked.add(a, b)
        assert all(not asked.missing(a, b) for a, b in missing)
        assert set(few) <= {(a, b) for a, _ in missing for _, b in missing}, "no more than from hole to hole"
    assert len(requests(missing)) <= REQUESTS_MAX


@given(st.data())
def test_every_sample_is_settled_once_whatever_gets_lost(data: st.DataObject) -> None:
    """A sensor that holds [oldest, end) without some holes; frames of 19 are lost on the way at random."""
    end = data.draw(st.integers(50, 400))
    oldest = data.draw(st.integers(0, end - 1))
    never = data.draw(st.sets(st.integers(0, end - 1), max_size=20))
    live = data.draw(st.sets(st.integers(0, end - 1)))
    rng = random.Random(data.draw(st.integers(0, 1000)))
    held = set(range(oldest, end)) - never
    ledger = Ledger()
    own = ledger.begins(7, 0)
    own.start_index = end
    received = sum(own.take(i, i + 1) for i in live - never)
    overwritten = not_stored = 0
    gave_up = False
    for _ in range(400):
        wanted = requests(own.wanted(own.newest))
        if not wanted:
            break
        start, to = wanted[0]
        asked = Asked(7, start, to, held_from=oldest)
        sent = sorted(held & set(range(start, to)))
        for k in range(0, len(sent), 19):
            if rng.random() < 0.3:
                continue
            for i in sent[k : k + 19]:
                new = own.take(i, i + 1)
                received += new
                asked.take(i, i + 1, new)
        done = Done(7, start, to, len(sent), to - start - len(sent))
        lost = ledger.settle(asked, done, oldest)
        gave_up = gave_up or (not asked.whole(done) and ledger.tries == 0 and not asked.new_n)
        overwritten, not_stored = overwritten + lost[0], not_stored + lost[1]
    assert not own.wanted(end), "it ends"
    assert received + overwritten + not_stored == end
    assert overwritten == len(set(range(oldest)) - (live - never))
    if not gave_up:
        assert received == len(held | (live - never))
        assert not_stored == len(never - set(range(oldest)))


def test_a_boot_of_an_earlier_session_is_not_fetched_and_one_that_nobody_met_is() -> None:
    ledger = Ledger()
    ledger.begins(5, 1000)
    ledger.listed({3: (0, 500), 4: (0, 700), 5: (0, 1010)}, now=5)
    assert set(ledger.boots) == {5}
    assert ledger.boots[5].wanted(1000) == [], "what was recorded before the session is not of it"
    ledger.begins(9, 40)
    ledger.listed({4: (0, 700), 5: (0, 2000), 6: (0, 300), 9: (0, 45)}, now=9)
    assert {boot: own.floor for boot, own in ledger.boots.items()} == {5: 1000, 6: 0, 9: 0}
    assert ledger.boots[9].wanted(40) == [(0, 40)]


# ---- times


@given(st.integers(0, 10_000), st.integers(0, 99), st.floats(0.01, 10.0))
def test_waits_double_from_half_a_second_to_thirty_and_scale(failures: int, seed: int, factor: float) -> None:
    timers = LinkTimers()
    wait_s = retry_after_s(failures, timers, random.Random(seed))
    least_s = min(0.5 * 2 ** min(max(failures - 1, 0), 20), 30.0)
    assert least_s <= wait_s <= least_s * 1.25
    scaled_s = retry_after_s(failures, timers.scaled(factor), random.Random(seed))
    assert scaled_s == pytest.approx(wait_s * factor)


def test_the_watchdog_waits_two_seconds_or_ten_frames() -> None:
    timers = LinkTimers()
    assert silent_after_s(5 / 52, timers) == 2.0
    assert silent_after_s(1.0, timers) == 10.0
    assert silent_after_s(1.0, timers.scaled(0.1)) == pytest.approx(1.0)
    patient = timers.scaled(0.001, least_s=0.3)
    assert (patient.silent_s, patient.connect_s, patient.scale) == (0.3, 0.3, 0.001)


def test_every_timer_is_in_the_documents_table_with_its_default(repository: Path) -> None:
    table = (repository / "docs" / "link.md").read_text(encoding="utf-8")
    rows = {
        cells[1].strip("` "): cells[2].removesuffix("s").strip()
        for line in table.splitlines()
        if line.startswith("| `") and len(cells := [c.strip() for c in line.split("|")]) == 5
    }
    assert rows == {f.name: f"{f.default:g}" for f in fields(LinkTimers) if f.name != "scale"}


# ---- the battery


@given(st.lists(st.integers(0, 100), min_size=1, max_size=40))
def test_a_battery_that_falls_is_warned_of_once_a_mark(levels: list[int]) -> None:
    falling = sorted(levels, reverse=True)
    said = [battery_warning(a, b, 0.0) for a, b in zip([None, *falling], falling, strict=False)]
    steps = sum(a > mark >= b for mark in (20, 10) for a, b in zip([101, *falling], falling, strict=False))
    assert len([s for s in said if s]) <= steps
    assert (said[-1] is not None or any(said)) == (falling[-1] <= 20)


def test_a_battery_that_does_not_last_the_day_is_said() -> None:
    assert hours_left(60, 61, 1.0) is None, "one step of a gauge is no forecast"
    assert hours_left(60, 70, 1.0) == 6.0
    assert "will not last the day" in (battery_warning(61, 60, 8.0, lasts_h=6.0) or "")
    assert battery_warning(61, 60, 5.0, lasts_h=6.0) is None
    assert battery_warning(21, None, 5.0) is None
    assert "20 %" in (battery_warning(21, 20, 5.0) or "")
    assert battery_warning(20, 19, 5.0) is None


# ---- what cannot be


def frame(index: int, ticks: int, boot: int = 7) -> Frame:
    return Frame(FrameType.LIVE, FrameFlag(0), boot, index, ticks % (1 << 32), 1, np.zeros((5, 6), np.int16))


@given(st.floats(-900, 900), st.integers(0, (1 << 32) - 1), st.integers(0, 200))
def test_a_day_of_a_crystal_that_is_off_and_frames_that_are_late_pass(ppm: float, ticks0: int, seed: int) -> None:
    rng = random.Random(seed)
    window = LiveWindow(7, 1000, RATE_HZ, 0.0, LATE_S)
    for k in range(0, 33_000, 97):
        true_s = k * 1.0
        came_s = true_s + rng.uniform(0.0, 6.0)
        index = 1000 + int(true_s * RATE_HZ * (1 + ppm * 1e-6))
        assert window.refuses(frame(index, ticks0 + int(true_s * TICK_HZ * (1 + ppm * 1e-6))), came_s) is None


@given(st.integers(0, (1 << 32) - 1))
def test_an_index_that_the_ring_and_the_rate_do_not_explain_is_refused(index: int) -> None:
    window = LiveWindow(7, 100_000, RATE_HZ, 0.0, LATE_S)
    now_s = 60.0
    possible = 100_000 - 16 < index <= 100_000 + (now_s + LATE_S) * RATE_HZ * 1.1
    assert (window.refuses(frame(index, 0), now_s) is None) == possible


def test_another_boot_and_a_clock_that_jumps_or_runs_off_are_refused() -> None:
    window = LiveWindow(7, 0, RATE_HZ, 0.0, LATE_S)
    assert "boot 0008" in (window.refuses(frame(0, 0, boot=8), 0.0) or "")
    assert window.refuses(frame(0, 0), 0.0) is None
    assert "clock" in (window.refuses(frame(5, 60 * TICK_HZ), 1.0) or "")
    hours_s = 20_000.0
    fast = int(hours_s * TICK_HZ * 1.002)
    assert "clock" in (window.refuses(frame(int(hours_s * RATE_HZ), fast), hours_s) or "")


def test_five_bad_frames_in_a_second_end_it_unless_more_are_sound() -> None:
    rate = BadRate()
    assert [rate.note(k * 0.1, good=False) for k in range(BAD_MAX)] == [False] * (BAD_MAX - 1) + [True]
    mixed = BadRate()
    assert not any(mixed.note(k * 0.01, good=k % 5 != 0) for k in range(500)), "a backfill at speed with a fifth spoilt"
    slow = BadRate()
    assert not any(slow.note(k * 0.5, good=False) for k in range(100))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_frozen_is_a_second_of_the_same_sample(values: list[int]) -> None:
    frozen = Frozen()
    said = None
    flat: list[int] = []
    for value in values:
        flat += [value] * 5
        said = frozen.note(np.full((5, 6), value, np.int16), RATE_HZ)
    same = next((k for k, v in enumerate(reversed(flat)) if v != flat[-1]), len(flat))
    assert (said is not None) == (same >= RATE_HZ)
    if said is not None:
        assert ("only zeros" in said) == (flat[-1] == 0)


# ---- untrusted names, and kinds of sensor


@given(st.text())
def test_a_name_has_no_characters_that_act(text: str) -> None:
    name = clean(text)
    assert len(name) <= NAME_MAX
    assert name.isprintable()
    assert name == clean(name)


def test_an_escape_sequence_in_a_name_is_only_letters() -> None:
    assert clean("\x1b]0;owned\x07\u202eLPS\n-4C01\x00") == "]0;ownedLPS-4C01"
    assert clean(None) == ""


def plug_in(folder: Path, value: str) -> None:
    """An installed package that brings a kind of sensor."""
    (folder / "other_sensor.py").write_text(
        "class Other:\n    name, uuids, bonds = 'other', ('0000ffe5-0000-1000-8000-00805f9a34fb',), False\n\nDRIVER = Other()\n"
    )
    info = folder / "other_sensor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-sensor\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[posture.sensors]\nother = {value}\n")


def test_an_installed_package_adds_a_kind_of_sensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(tmp_path, "other_sensor:DRIVER")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    drivers.cache_clear()
    try:
        assert {"lps", "other"} <= set(drivers())
        assert driver_named("other").bonds is False
    finally:
        drivers.cache_clear()


def test_a_kind_that_does_not_load_or_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drivers.cache_clear()
    with pytest.raises(InputError, match=r"no sensor driver 'thermometer' is installed; there are: .*lps"):
        driver_named("thermometer")
    plug_in(tmp_path, "other_sensor:MISSING")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    drivers.cache_clear()
    try:
        with pytest.raises(PostureError, match=r"the sensor driver 'other' .* does not load: .*MISSING"):
            drivers()
    finally:
        drivers.cache_clear()
