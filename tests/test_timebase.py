"""Time base and grid: gap rules at their edges, clocks that are off, and where the 50 Hz ticks land."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posture.config import TimebaseConfig
from posture.signal.timebase import CHANNELS, Grid, OrientedRun, Run, TickRun, Timebase
from posture.types import GRID_HZ, Bool, Float, ImuBlock, InputError, Int, Placement

PARAMS = TimebaseConfig()
LONGEST = {50.0: 12, 52.0: 12, 95.238: 23, 100.0: 24, 200.0: 49}
"""Rate, Hz -> most missing samples that are filled in: under 0.25 s, to half a sample."""


def block_at(time_s: Float, *, gyro: bool = True) -> ImuBlock:
    """Samples whose every channel is a line over time, so that a filled sample can be told from a repeated one."""
    acc = np.stack([time_s, 1.0 - 2.0 * time_s, 9.81 + 0.5 * time_s], axis=1)
    gyr = np.stack([3.0 + time_s, 4.0 - time_s, 5.0 + 2.0 * time_s], axis=1) if gyro else None
    return ImuBlock(Placement.SACRUM, time_s, acc, gyr, time_s)


def with_gap(rate_hz: float, missing_n: int, *, gyro: bool = True) -> tuple[tuple[Run, ...], ImuBlock]:
    """Three seconds with `missing_n` samples left out after the first; with what the whole would have been."""
    whole = block_at(np.arange(round(3 * rate_hz)) / rate_hz, gyro=gyro)
    first_n = round(rate_hz)
    keep = np.ones(len(whole.time_s), dtype=bool)
    keep[first_n : first_n + missing_n] = False
    return Timebase(rate_hz, PARAMS).push(rows(whole, keep)), whole


def rows(block: ImuBlock, keep: Bool) -> ImuBlock:
    gyr = None if block.gyr_radps is None else block.gyr_radps[keep]
    return replace(
        block,
        time_s=block.time_s[keep],
        acc_mps2=block.acc_mps2[keep],
        gyr_radps=gyr,
        arrived_s=block.arrived_s[keep],
    )


def indices(runs: tuple[Run, ...]) -> Int:
    return np.concatenate([r.first_index + np.arange(len(r.measured)) for r in runs])


@pytest.mark.parametrize("rate_hz", LONGEST)
def test_the_edge_is_0_25_s_to_half_a_sample(rate_hz: float) -> None:
    longest_n, half_s = LONGEST[rate_hz], 0.5 / rate_hz
    assert longest_n / rate_hz <= 0.25 - half_s < (longest_n + 1) / rate_hz


@pytest.mark.parametrize("rate_hz", LONGEST)
@pytest.mark.parametrize("missing", ["one", "half", "longest"])
def test_a_gap_under_0_25_s_is_interpolated_in_force_and_rate(rate_hz: float, missing: str) -> None:
    missing_n = {"one": 1, "half": LONGEST[rate_hz] // 2, "longest": LONGEST[rate_hz]}[missing]
    (run,), whole = with_gap(rate_hz, missing_n)
    assert run.restart  # only because it is the first
    np.testing.assert_allclose(run.acc_mps2, whole.acc_mps2, rtol=1e-12)
    assert run.gyr_radps is not None
    assert whole.gyr_radps is not None
    np.testing.assert_allclose(run.gyr_radps, whole.gyr_radps, rtol=1e-12)
    assert np.flatnonzero(~run.measured).tolist() == [round(rate_hz) + k for k in range(missing_n)]


@pytest.mark.parametrize("rate_hz", LONGEST)
@pytest.mark.parametrize("more", [1, 2, 40])
def test_a_gap_of_0_25_s_or_more_starts_a_new_run_and_fills_nothing(rate_hz: float, more: int) -> None:
    missing_n = LONGEST[rate_hz] + more
    runs, whole = with_gap(rate_hz, missing_n)
    assert [r.restart for r in runs] == [True, True]
    assert runs[1].first_index - len(runs[0].measured) == missing_n
    assert all(r.measured.all() for r in runs)
    np.testing.assert_array_equal(np.concatenate([r.acc_mps2 for r in runs]), whole.acc_mps2[indices(runs)])


def test_gaps_before_the_first_sample_of_a_block_follow_the_same_rules() -> None:
    for missing_n, filled_n, restarts in ((5, 5, 0), (12, 12, 0), (13, 0, 1)):
        base = Timebase(50.0, PARAMS)
        whole = block_at(np.arange(100) / 50.0)
        base.push(rows(whole, np.arange(100) < 50))
        runs = base.push(rows(whole, np.arange(100) >= 50 + missing_n))
        assert [r.restart for r in runs] == [bool(restarts)]
        assert np.count_nonzero(~runs[0].measured) == filled_n
        assert runs[0].first_index == 50 + missing_n - filled_n
        np.testing.assert_allclose(runs[0].acc_mps2, whole.acc_mps2[runs[0].first_index :], rtol=1e-12)


def test_filled_samples_arrive_with_the_sample_that_ends_their_gap() -> None:
    (run,), _ = with_gap(50.0, 5)
    np.testing.assert_array_equal(run.arrived_s[50:56], np.full(6, 55 / 50.0))


def test_an_accelerometer_alone_has_the_same_gaps_and_no_rate() -> None:
    for missing_n, runs_n in ((5, 1), (12, 1), (13, 2)):
        runs, whole = with_gap(50.0, missing_n, gyro=False)
        assert len(runs) == runs_n
        assert all(r.gyr_radps is None for r in runs)
        np.testing.assert_allclose(
            np.concatenate([r.acc_mps2 for r in runs]), whole.acc_mps2[indices(runs)], rtol=1e-12
        )


@given(seed=st.integers(0, 2**32 - 1), rate_hz=st.sampled_from(sorted(LONGEST)))
def test_jitter_under_half_a_sample_moves_no_sample_to_another_index(seed: int, rate_hz: float) -> None:
    exact = np.arange(200) / rate_hz
    late = np.random.default_rng(seed).uniform(-0.499, 0.499, 200) / rate_hz
    late[0] = 0.0  # the first sample sets the clock
    base = Timebase(rate_hz, PARAMS)
    (run,) = base.push(replace(block_at(exact), time_s=exact + late))
    assert run.measured.all()
    np.testing.assert_array_equal(run.acc_mps2, block_at(exact).acc_mps2)
    assert base.state.dropped_n == 0


def test_a_second_sample_for_an_index_and_one_from_the_past_are_dropped_and_counted() -> None:
    time_s = np.arange(100) / 50.0
    order = [*range(40), 39, 39, *range(40, 60), 10, 59, *range(60, 100)]
    base = Timebase(50.0, PARAMS)
    (run,) = base.push(block_at(time_s[order]))
    np.testing.assert_array_equal(run.acc_mps2, block_at(time_s).acc_mps2)
    assert run.measured.all()
    assert base.state.dropped_n == 4
    assert base.push(block_at(time_s[[3, 99]])) == ()
    assert base.state.dropped_n == 6


def test_a_sample_from_before_the_first_one_is_from_the_past() -> None:
    base = Timebase(50.0, PARAMS)
    base.push(block_at(np.array([10.0])))
    assert base.push(block_at(np.array([9.0]))) == ()
    assert base.state.dropped_n == 1


@pytest.mark.parametrize("channel", range(6))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_with_a_value_that_is_no_number_is_no_sample(channel: int, bad: float) -> None:
    whole = block_at(np.arange(100) / 50.0)
    assert whole.gyr_radps is not None
    values = np.hstack([whole.acc_mps2, whole.gyr_radps])
    values[30:33, channel] = bad
    base = Timebase(50.0, PARAMS)
    (run,) = base.push(replace(whole, acc_mps2=values[:, :3].copy(), gyr_radps=values[:, 3:].copy()))
    assert np.flatnonzero(~run.measured).tolist() == [30, 31, 32]
    np.testing.assert_allclose(run.acc_mps2, whole.acc_mps2, rtol=1e-12)
    assert base.state.dropped_n == 0  # it was not a sample that could be dropped


def test_rows_without_samples_say_nothing() -> None:
    base = Timebase(50.0, PARAMS)
    whole = block_at(np.arange(20) / 50.0)
    assert base.push(rows(whole, np.zeros(20, dtype=bool))) == ()
    assert base.push(replace(whole, acc_mps2=np.full((20, 3), np.nan))) == ()
    assert base.state.origin_s is None


@pytest.mark.parametrize("error_ppm", [-100, 100])
@pytest.mark.parametrize("rate_hz", [50.0, 95.238])
def test_a_clock_100_ppm_off_over_8_h_misplaces_no_sample_by_more_than_half_a_period(
    rate_hz: float, error_ppm: int
) -> None:
    """The force carries the true time, so every sample says itself how far it is from where it was put."""
    hours_n = round(3600 * rate_hz)
    base = Timebase(rate_hz, PARAMS)
    worst_s, filled_n, restarts_n = 0.0, 0, 0
    for hour in range(8):
        time_s = np.arange(hour * hours_n, (hour + 1) * hours_n) / (rate_hz * (1 + error_ppm * 1e-6))
        acc = np.stack([time_s, np.zeros(hours_n), np.full(hours_n, 9.81)], axis=1)
        for run in base.push(ImuBlock(Placement.SACRUM, time_s, acc, None, time_s)):
            at = (run.first_index + np.arange(len(run.measured))) / rate_hz
            worst_s = max(worst_s, float(np.abs(run.acc_mps2[:, 0] - at).max()))
            filled_n += int(np.count_nonzero(~run.measured))
            restarts_n += run.restart
    drifted_n = round(8 * hours_n * 1e-4)
    assert worst_s <= 0.5 / rate_hz + 1e-9
    assert restarts_n == 1
    # A fast sensor has a sample too many every 10,000, a slow one lacks one: each is dropped or filled, one at a time.
    assert (base.state.dropped_n, filled_n) == pytest.approx((drifted_n, 0) if error_ppm > 0 else (0, drifted_n), abs=1)


def test_a_jump_over_48_h_is_refused_in_words_and_48_h_is_a_gap() -> None:
    two_days_s = 48 * 3600.0
    ok = Timebase(50.0, PARAMS).push(block_at(np.array([0.0, two_days_s])))
    assert [r.first_index for r in ok] == [0, round(two_days_s * 50)]
    with pytest.raises(InputError, match=r"jumps forwards by 49 h to 176400\.0 s; check the time column.*48 h"):
        Timebase(50.0, PARAMS).push(block_at(np.array([0.0, 0.02, 49 * 3600.0])))


@pytest.mark.parametrize("first_s", [0.0, 0.0137, 7.5, 86_399.99, 172_800.0])
def test_the_first_sample_may_come_at_any_time_and_has_index_0(first_s: float) -> None:
    base = Timebase(50.0, PARAMS)
    (run,) = base.push(block_at(first_s + np.arange(10) / 50.0))
    assert (run.first_index, run.restart, base.state.origin_s) == (0, True, first_s)
    assert run.measured.all()


def oriented(channels: Float, *, first_index: int = 0, restart: bool = True, rate_hz: float = 50.0) -> OrientedRun:
    n = len(channels)
    arrived_s = (first_index + np.arange(n)) / rate_hz
    return OrientedRun(first_index, restart, channels, np.ones(n, dtype=np.bool_), arrived_s)


def tick_numbers(ticks: TickRun | None) -> list[int]:
    return [] if ticks is None else [ticks.first_tick + k for k in range(len(ticks.trusted))]


@pytest.mark.parametrize("rate_hz", [50.0, 100.0, 200.0])
@pytest.mark.parametrize("origin_s", [0.0, 0.02, 3600.04, 86_400.0])
def test_a_tick_on_a_sample_is_that_sample_bit_for_bit(rate_hz: float, origin_s: float) -> None:
    channels = np.random.default_rng(5).normal(size=(600, CHANNELS))
    ticks = Grid(rate_hz).push(oriented(channels, rate_hz=rate_hz), origin_s=origin_s)
    assert ticks is not None
    step = round(rate_hz / GRID_HZ)
    np.testing.assert_array_equal(ticks.channels, channels[::step])
    assert ticks.first_tick == round(origin_s * GRID_HZ)


@given(
    rate_hz=st.sampled_from([25.0, 50.0, 52.0, 95.238, 100.0, 128.008, 200.0]),
    origin_s=st.floats(0.0, 4000.0),
    n=st.integers(2, 300),
)
def test_ticks_are_all_those_inside_the_run_and_exact_on_a_linear_signal(
    rate_hz: float, origin_s: float, n: int
) -> None:
    slope = np.arange(1.0, CHANNELS + 1)
    index = np.arange(n)
    ticks = Grid(rate_hz).push(oriented(index[:, None] / rate_hz * slope, rate_hz=rate_hz), origin_s=origin_s)
    due = np.arange(np.ceil(origin_s * GRID_HZ - 2e-6), np.floor((origin_s + (n - 1) / rate_hz) * GRID_HZ + 2e-6) + 1)
    got = np.array(tick_numbers(ticks))
    # A tick within rounding of the run's first or last sample may count as on it or not.
    assert set(got) <= set(due)
    assert len(due) - len(got) <= sum(
        abs(edge - round(edge)) < 2e-6 for edge in (origin_s * GRID_HZ, (origin_s + (n - 1) / rate_hz) * GRID_HZ)
    )
    if ticks is not None:
        np.testing.assert_allclose(ticks.channels, (got / GRID_HZ - origin_s)[:, None] * slope, atol=1e-6)


def test_ticks_of_a_95_238_hz_sensor_land_on_their_own_moment() -> None:
    """A sine sampled at 95.238 Hz from 0.0137 s and read at the ticks is the sine at the ticks, to interpolation's error."""
    rate_hz, origin_s = 95.238, 0.0137
    time_s = origin_s + np.arange(9524) / rate_hz
    channels = np.tile(np.sin(2 * np.pi * time_s)[:, None], CHANNELS)
    ticks = Grid(rate_hz).push(oriented(channels, rate_hz=rate_hz), origin_s=origin_s)
    assert ticks is not None
    assert tick_numbers(ticks) == list(range(1, 5001))  # 0.02 s to 100.00 s
    bound = (2 * np.pi / rate_hz) ** 2 / 8  # of linear interpolation: second derivative times step squared over 8
    at = np.arange(1, 5001) / GRID_HZ
    error = np.abs(ticks.channels[:, 0] - np.sin(2 * np.pi * at))
    assert error.max() <= bound * 1.001
    assert error.max() > bound / 2  # the bound is tight: a misplaced tick would pass a loose one


def test_no_tick_falls_between_two_runs() -> None:
    grid = Grid(50.0)
    before = grid.push(oriented(np.zeros((10, CHANNELS))), origin_s=0.007)
    after = grid.push(oriented(np.ones((10, CHANNELS)), first_index=30), origin_s=0.007)
    assert tick_numbers(before) == list(range(1, 10))  # 0.007 s to 0.187 s
    assert tick_numbers(after) == list(range(31, 40))  # 0.607 s to 0.787 s
    assert before is not None
    assert after is not None
    assert not before.channels.any()
    assert (after.channels == 1.0).all()


@pytest.mark.parametrize("rate_hz", [50.0, 95.238, 100.0, 200.0])
@pytest.mark.parametrize("off_s", [-2e-8, -1.5e-8, -1e-8, -6e-9, -3e-9, 0.0, 3e-9, 1e-8, 2e-8])
def test_a_tick_a_few_nanoseconds_after_a_sample_is_not_given_out_twice(rate_hz: float, off_s: float) -> None:
    """Seen at 200 Hz: a sample 10 ns before a tick gave it out, and the next piece gave it out again."""
    channels = np.random.default_rng(6).normal(size=(100, CHANNELS))
    origin_s = 0.02 + off_s
    whole = Grid(rate_hz).push(oriented(channels, rate_hz=rate_hz), origin_s=origin_s)
    grid = Grid(rate_hz)
    pieces = [
        grid.push(oriented(channels[k : k + 1], first_index=k, restart=k == 0, rate_hz=rate_hz), origin_s=origin_s)
        for k in range(100)
    ]
    assert [t for p in pieces for t in tick_numbers(p)] == tick_numbers(whole)
    assert whole is not None
    np.testing.assert_array_equal(np.concatenate([p.channels for p in pieces if p]), whole.channels)


@pytest.mark.parametrize("doubted", range(6))
def test_a_tick_between_samples_is_trusted_only_if_both_are(doubted: int) -> None:
    trusted = np.arange(6) != doubted
    run = replace(oriented(np.zeros((6, CHANNELS)), rate_hz=100.0), trusted=trusted)
    between = Grid(100.0).push(run, origin_s=0.005)
    assert between is not None
    assert between.trusted.tolist() == [doubted not in (1, 2), doubted not in (3, 4)]  # 0.02 s and 0.04 s
    on_samples = Grid(100.0).push(run, origin_s=0.0)
    assert on_samples is not None
    assert on_samples.trusted.tolist() == trusted[::2].tolist()  # the neighbours are not used


def still(seconds: float, rate_hz: float = 50.0, noise: float = 0.0) -> ImuBlock:
    """A sensor that does not move, with or without the noise that every working part has."""
    rng = np.random.default_rng(5)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    acc = np.array([0.0, 0.0, 9.81]) + noise * rng.normal(size=(len(time_s), 3))
    gyr = np.zeros((len(time_s), 3)) + 0.1 * noise * rng.normal(size=(len(time_s), 3))
    return ImuBlock(Placement.SACRUM, time_s, acc, gyr, time_s)


def test_a_part_stuck_on_one_reading_gives_samples_for_half_a_minute_and_no_more() -> None:
    base = Timebase(50.0, PARAMS)
    assert sum(len(r.measured) for r in base.push(still(100))) == 1500
    assert base.state.frozen_n == 3500


def test_a_still_part_that_works_is_not_stuck() -> None:
    base = Timebase(50.0, PARAMS)
    assert sum(len(r.measured) for r in base.push(still(100, noise=0.005))) == 5000
    assert base.state.frozen_n == 0
