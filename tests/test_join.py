"""Two sensors on one grid: with whom a tick is closed, decided by recorded arrival times alone."""

from __future__ import annotations

import numpy as np
import pytest

from posture.config import JoinConfig
from posture.signal.join import BLOCK_S, Join, JoinedBlock
from posture.signal.timebase import CHANNELS, TickRun
from posture.types import GRID_HZ, Float, Placement

SACRUM, UPPER = Placement.SACRUM, Placement.UPPER_LUMBAR
BOTH = (SACRUM, UPPER)


def ticks(first: int, stop: int, *, late_s: float = 0.0, arrived_s: Float | None = None) -> TickRun:
    """Ticks whose channels all hold their own number; each arrives `late_s` after its moment."""
    number = np.arange(first, stop)
    if arrived_s is None:
        arrived_s = number / GRID_HZ + late_s
    channels = np.repeat(number[:, None].astype(np.float64), CHANNELS, axis=1)
    return TickRun(first, channels, np.ones(len(number), dtype=np.bool_), arrived_s)


def seen(blocks: list[JoinedBlock], placement: Placement) -> dict[int, bool]:
    """Tick -> whether this sensor is in it; checks that every value is that tick's own and that no tick is left out."""
    out: dict[int, bool] = {}
    for block in blocks:
        channels, trusted = block.channels[placement], block.trusted[placement]
        number = block.first_tick + np.arange(len(trusted))
        assert not out or int(number[0]) == max(out) + 1
        here = ~np.isnan(channels[:, 0])
        np.testing.assert_array_equal(channels[here], np.repeat(number[here, None], CHANNELS, axis=1))
        assert np.isnan(channels[~here]).all()
        np.testing.assert_array_equal(trusted, here)
        out.update(zip(number.tolist(), here.tolist(), strict=True))
    return out


def closed(
    runs: dict[Placement, list[TickRun]], until_s: float, *, flush: bool = False, config: JoinConfig | None = None
) -> list[JoinedBlock]:
    join = Join(tuple(runs), config or JoinConfig())
    out = list(join.push(runs, until_s))
    return out + list(join.flush()) if flush else out


@pytest.mark.parametrize("late", BOTH)
@pytest.mark.parametrize(("late_s", "both"), [(0.0, True), (0.4, True), (0.499, True), (0.501, False), (0.6, False)])
def test_a_sensor_more_than_0_5_s_late_leaves_its_ticks_to_the_other(
    late: Placement, late_s: float, both: bool
) -> None:
    on_time = UPPER if late is SACRUM else SACRUM
    out = closed({on_time: [ticks(0, 500)], late: [ticks(0, 500, late_s=late_s)]}, 60.0)
    assert seen(out, on_time) == dict.fromkeys(range(500), True)
    assert seen(out, late) == dict.fromkeys(range(500), both)


def test_how_late_is_too_late_is_configured() -> None:
    runs = {SACRUM: [ticks(0, 500)], UPPER: [ticks(0, 500, late_s=0.6)]}
    assert all(seen(closed(runs, 60.0, config=JoinConfig(late_max_s=0.7)), UPPER).values())


def test_a_tick_stays_open_until_both_passed_it_or_one_is_too_late() -> None:
    """The upper sensor stops after tick 99 (1.98 s)."""
    join = Join(BOTH, JoinConfig())
    out = list(join.push({SACRUM: [ticks(0, 150)], UPPER: [ticks(0, 100)]}, 2.98))
    # Tick 124 came at 2.48 s: at 2.98 s it has waited for 0.5 s.
    assert seen(out, UPPER) == {k: k < 100 for k in range(125)}
    assert not list(join.push({}, 2.99))
    assert seen(list(join.push({}, 3.0)), SACRUM) == {125: True}


def test_the_moment_of_pushing_does_not_count_only_the_arrival_times() -> None:
    """The late sensor's samples are pushed first, or all together, or long afterwards: what arrived when is in them."""
    sacrum, upper = ticks(0, 500), ticks(0, 500, late_s=0.6)
    together = seen(closed({SACRUM: [sacrum], UPPER: [upper]}, 60.0), UPPER)
    join = Join(BOTH, JoinConfig())
    afterwards = [
        *join.push({UPPER: [upper], SACRUM: []}, 0.0),
        *join.push({SACRUM: [sacrum]}, 0.0),
        *join.push({}, 3600.0),
    ]
    assert seen(afterwards, UPPER) == together == dict.fromkeys(range(500), False)


def test_a_burst_after_a_stall_is_used_only_where_it_came_in_time() -> None:
    """The upper sensor's samples from 2 s to 4 s all arrive at 4 s."""
    number = np.arange(500)
    arrived_s = np.where((number >= 100) & (number < 200), 4.0, number / GRID_HZ)
    out = closed({SACRUM: [ticks(0, 500)], UPPER: [ticks(0, 500, arrived_s=arrived_s)]}, 60.0)
    assert seen(out, SACRUM) == dict.fromkeys(range(500), True)
    assert seen(out, UPPER) == {k: not 100 <= k < 175 for k in range(500)}  # tick 175, 3.5 s, waits just until 4.0 s


def test_a_sensor_that_lost_samples_passes_their_ticks_with_the_next_one() -> None:
    """A hole of 0.3 s is known as one when the next sample is there, and the ticks close then, without its share."""
    join = Join(BOTH, JoinConfig())
    out = list(join.push({SACRUM: [ticks(0, 116)], UPPER: [ticks(0, 100), ticks(115, 116)]}, 2.3))
    assert seen(out, SACRUM) == dict.fromkeys(range(116), True)
    assert seen(out, UPPER) == {k: not 100 <= k < 115 for k in range(116)}


def test_a_sensor_that_dies_half_way_leaves_one_sensor_ticks_and_may_come_back() -> None:
    out = closed({SACRUM: [ticks(0, 3000)], UPPER: [ticks(0, 1000), ticks(2000, 3000)]}, 60.0)
    assert seen(out, SACRUM) == dict.fromkeys(range(3000), True)
    assert seen(out, UPPER) == {k: not 1000 <= k < 2000 for k in range(3000)}


def test_both_sensors_away_leave_empty_ticks() -> None:
    runs = [ticks(0, 100), ticks(300, 400)]
    out = closed({SACRUM: runs, UPPER: runs}, 60.0)
    for placement in BOTH:
        assert seen(out, placement) == {k: not 100 <= k < 300 for k in range(400)}


def test_a_long_gap_is_handed_on_in_chunks() -> None:
    stop = 10 * BLOCK_S * GRID_HZ + 77
    out = closed({SACRUM: [ticks(0, 100), ticks(stop - 50, stop)]}, stop / GRID_HZ)
    assert [len(b.trusted[SACRUM]) for b in out] == [BLOCK_S * GRID_HZ] * 10 + [77]
    assert seen(out, SACRUM) == {k: k < 100 or k >= stop - 50 for k in range(stop)}


def test_flush_closes_everything_that_waits() -> None:
    runs = {SACRUM: [ticks(0, 150)], UPPER: [ticks(0, 120)]}
    waiting = closed(runs, -0.001)
    assert waiting == []
    out = closed(runs, -0.001, flush=True)
    assert seen(out, SACRUM) == dict.fromkeys(range(150), True)
    assert seen(out, UPPER) == {k: k < 120 for k in range(150)}


def test_flush_without_a_sample_says_nothing() -> None:
    assert closed({SACRUM: [], UPPER: []}, 10.0, flush=True) == []


@pytest.mark.parametrize("first", [0, 1, 49, 50, 51, 6_789])
def test_the_first_tick_is_the_start_of_the_second_of_the_first_sample(first: int) -> None:
    out = closed({SACRUM: [ticks(first, first + 200)]}, 1e6)
    start = first // GRID_HZ * GRID_HZ
    assert out[0].first_tick == start
    assert seen(out, SACRUM) == {k: k >= first for k in range(start, first + 200)}


def test_the_sensor_that_arrived_first_starts_the_session() -> None:
    """The upper sensor's oldest sample lies before, but came later: the session does not wait for the past."""
    out = closed({SACRUM: [ticks(130, 300)], UPPER: [ticks(90, 300, late_s=0.45, arrived_s=None)]}, 60.0)
    assert out[0].first_tick == 50  # 1.80 s + 0.45 s came before 2.60 s
    late = ticks(90, 300, late_s=0.9)
    assert closed({SACRUM: [ticks(130, 300)], UPPER: [late]}, 60.0)[0].first_tick == 100


def test_one_sensor_alone_waits_for_nobody() -> None:
    out = closed({SACRUM: [ticks(0, 100)]}, 99 / GRID_HZ)
    assert seen(out, SACRUM) == dict.fromkeys(range(100), True)


def test_samples_that_come_after_their_tick_was_closed_are_left_out() -> None:
    join = Join(BOTH, JoinConfig())
    first = list(join.push({SACRUM: [ticks(0, 300)]}, 5.98))
    assert seen(first, UPPER) == dict.fromkeys(range(275), False)
    late = ticks(0, 400, arrived_s=np.maximum(np.arange(400) / GRID_HZ, 5.985))
    rest = list(join.push({UPPER: [late], SACRUM: [ticks(300, 400)]}, 60.0))
    assert seen(first + rest, UPPER) == {k: k >= 275 for k in range(400)}
