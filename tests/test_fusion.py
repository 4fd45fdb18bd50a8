"""Orientation: against optical truth, against another filter, through restarts, NaN and pickling."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from broad import BROAD_11, Trial, angle_deg, trial, up_of
from kinematics import about, mounted, segment_signals, times

from posture.config import FusionConfig, TimebaseConfig
from posture.signal.fusion import Fusion, FusionState, OrientationFilter, TiltFilter, VqfFilter, make_filter
from posture.signal.timebase import FORCE, RATE, UP, OrientedRun, Timebase
from posture.types import G_MPS2, Float, ImuBlock, Placement, PostureError, Segment

PARAMS = FusionConfig()
GAPS = TimebaseConfig()
BIAS_RADPS = np.radians(10.0)


def oriented(block: ImuBlock, rate_hz: float, params: FusionConfig = PARAMS) -> tuple[OrientedRun, ...]:
    """A block through time base and fusion."""
    fusion = Fusion(rate_hz, params, GAPS, has_gyro=block.gyr_radps is not None)
    return fusion.push(Timebase(rate_hz, GAPS).push(block))


def up_through(block: ImuBlock, rate_hz: float, params: FusionConfig = PARAMS) -> Float:
    return np.concatenate([r.channels[:, UP] for r in oriented(block, rate_hz, params)])


def rmse_deg(up: Float, of: Trial) -> float:
    return float(np.sqrt((angle_deg(up, of.up)[of.scored] ** 2).mean()))


def biased(block: ImuBlock, bias_radps: float = BIAS_RADPS) -> ImuBlock:
    assert block.gyr_radps is not None
    return replace(block, gyr_radps=block.gyr_radps + bias_radps)


def still(seconds: float, lean_deg: float = 0.0, *, first_s: float = 0.0, bias_radps: float = 0.0) -> ImuBlock:
    time_s = times(seconds, 50.0, first_s)
    return mounted(
        Placement.SACRUM, time_s, segment_signals(time_s, np.full(len(time_s), lean_deg)), bias_radps=bias_radps
    )


def test_inclination_of_a_real_recording_is_within_0_45_deg_of_the_optical_truth() -> None:
    """BROAD 11: 0.413 deg RMSE over 11,575 scored samples when this was written."""
    broad = trial(BROAD_11)
    assert np.count_nonzero(broad.scored) == 11_575
    assert rmse_deg(up_through(broad.block, broad.rate_hz), broad) <= 0.45


def test_a_gyroscope_bias_of_10_deg_per_s_costs_under_a_tenth_of_a_degree() -> None:
    """BROAD 11: 0.418 deg with the bias on all three axes, 0.413 without, when this was written; 0.80 was asked for."""
    broad = trial(BROAD_11)
    assert rmse_deg(up_through(biased(broad.block), broad.rate_hz), broad) <= 0.5


def test_the_filters_own_bias_limit_of_2_deg_per_s_would_cost_several_degrees() -> None:
    """Why `bias_clip_dps` is not the default of the filter."""
    broad = trial(BROAD_11)
    clipped = up_through(biased(broad.block), broad.rate_hz, FusionConfig(bias_clip_dps=2.0))
    assert rmse_deg(clipped, broad) > 5.0


@pytest.mark.shared
def test_mean_inclination_error_over_ten_broad_trials_is_within_0_76_deg(shared: Path) -> None:
    """0.754 deg when this was written, 0.754 with 10 deg/s of bias."""
    trials = [trial(path) for path in sorted((shared / "data" / "fusion").glob("broad_*.npz"))]
    assert len(trials) == 10
    assert np.mean([rmse_deg(up_through(t.block, t.rate_hz), t) for t in trials]) <= 0.76
    assert np.mean([rmse_deg(up_through(biased(t.block), t.rate_hz), t) for t in trials]) <= 0.80


def test_an_independent_filter_agrees_within_1_5_deg() -> None:
    """Madgwick's filter of the package ahrs, default gain, on BROAD 11, after its first 10 s: 1.17 deg RMS apart, at most 3.7;
    its own error against the optical truth is 1.59 deg."""
    from ahrs.filters import Madgwick

    broad = trial(BROAD_11)
    gyr = broad.block.gyr_radps
    assert gyr is not None
    assert gyr.any(axis=1).all()  # a rate of exactly 0, 0, 0 would freeze Madgwick
    theirs = up_of(Madgwick(gyr=gyr, acc=broad.block.acc_mps2, frequency=broad.rate_hz).Q)
    apart_deg = angle_deg(up_through(broad.block, broad.rate_hz), theirs)[round(10 * broad.rate_hz) :]
    assert np.sqrt((apart_deg**2).mean()) <= 1.5
    assert apart_deg.max() <= 5.0


@dataclass
class Spy:
    """A filter that only keeps what it was given."""

    rows: list[Float] = field(default_factory=list)
    restarts_at: list[int] = field(default_factory=list)

    def update(self, acc_mps2: Float, gyr_radps: Float | None) -> tuple[Float, Float]:
        assert gyr_radps is not None
        self.rows.append(np.hstack([acc_mps2, gyr_radps]))
        return acc_mps2 / G_MPS2, gyr_radps

    def restart(self) -> None:
        self.restarts_at.append(sum(map(len, self.rows)))


def rows(block: ImuBlock, a: int, b: int) -> ImuBlock:
    assert block.gyr_radps is not None
    return replace(
        block,
        time_s=block.time_s[a:b],
        acc_mps2=block.acc_mps2[a:b],
        gyr_radps=block.gyr_radps[a:b],
        arrived_s=block.arrived_s[a:b],
    )


def holed(block: ImuBlock, *holes: slice) -> ImuBlock:
    """The block with NaN in one channel of the rows of each hole, a gyroscope channel in every second one."""
    assert block.gyr_radps is not None
    values = np.hstack([block.acc_mps2, block.gyr_radps])
    for k, hole in enumerate(holes):
        values[hole, 1 + 3 * (k % 2)] = np.nan
    return replace(block, acc_mps2=values[:, :3].copy(), gyr_radps=values[:, 3:].copy())


def test_nan_never_reaches_the_filter() -> None:
    spy = Spy()
    block = holed(still(10.0), slice(0, 1), slice(40, 41), slice(100, 108), slice(200, 230), slice(499, 500))
    fusion = Fusion(50.0, PARAMS, GAPS, has_gyro=True, state=FusionState(spy))
    fusion.push(Timebase(50.0, GAPS).push(block))
    seen = np.concatenate(spy.rows)
    assert len(seen) == 500 - 2 - 30  # the ends are cut off, 30 rows are a long gap, the short holes are filled
    assert np.isfinite(seen).all()
    assert spy.restarts_at == [0, 199]


def test_rows_of_nan_do_not_poison_what_comes_after() -> None:
    """Given to VQF itself, the same rows leave an error of 5 deg."""
    broad = trial(BROAD_11)
    spoiled = holed(broad.block, slice(2000, 2001), slice(5000, 5003), slice(9000, 9001))
    assert rmse_deg(up_through(spoiled, broad.rate_hz), broad) <= 0.45
    direct, _ = VqfFilter(broad.rate_hz, PARAMS).update(spoiled.acc_mps2, spoiled.gyr_radps)
    assert rmse_deg(np.nan_to_num(direct), broad) > 2.0


def test_a_restart_forgets_the_orientation_and_keeps_the_bias() -> None:
    """A minute still with a bias of 10 deg/s; then 2 s without samples, in which the wearer has leant 40 deg."""
    first, second = still(60.0, bias_radps=BIAS_RADPS), still(10.0, 40.0, first_s=62.0, bias_radps=BIAS_RADPS)
    base, fusion = Timebase(50.0, GAPS), Fusion(50.0, PARAMS, GAPS, has_gyro=True)
    (before,) = fusion.push(base.push(first))
    (after,) = fusion.push(base.push(second))
    (fresh,) = oriented(second, 50.0)
    assert (before.restart, after.restart) == (True, True)
    true_up = np.array([-np.sin(np.radians(40.0)), 0.0, np.cos(np.radians(40.0))])
    assert angle_deg(after.channels[:1, UP], true_up)[0] <= 0.05  # from its own tilt at once, no trace of upright
    assert angle_deg(after.channels[:, UP], true_up).max() <= 0.05  # and it stays there
    assert np.degrees(np.abs(after.channels[:, RATE])).max() <= 0.01
    # The same samples without the memory: the bias turns the orientation until it is learnt.
    assert np.degrees(fresh.channels[0, RATE]) == pytest.approx(np.full(3, 10.0), abs=0.5)
    assert angle_deg(fresh.channels[:, UP], true_up).max() > 10.0


def test_the_first_second_after_a_start_or_restart_is_not_trusted() -> None:
    whole = still(10.0)
    keep = np.ones(500, dtype=bool)
    keep[200:240] = False
    keep[400:404] = False
    assert whole.gyr_radps is not None
    block = replace(
        whole,
        time_s=whole.time_s[keep],
        acc_mps2=whole.acc_mps2[keep],
        gyr_radps=whole.gyr_radps[keep],
        arrived_s=whole.arrived_s[keep],
    )
    runs = oriented(block, 50.0)
    index = np.concatenate([r.first_index + np.arange(len(r.trusted)) for r in runs])
    doubted = index[~np.concatenate([r.trusted for r in runs])]
    assert doubted.tolist() == [*range(50), *range(240, 290), *range(400, 404)]


@pytest.mark.parametrize("cut", [1, 7, 400])
@pytest.mark.parametrize(("shaken_s", "trusted_s"), [(0.0, 1.0), (0.4, 1.0), (1.0, 1.5), (2.0, 2.5), (8.0, 3.0)])
def test_a_start_in_a_push_is_trusted_after_half_a_second_of_calm_or_three_seconds(
    shaken_s: float, trusted_s: float, cut: int
) -> None:
    """The force is 3 m/s^2 too large or too small until `shaken_s`; samples come in pieces of `cut`."""
    block = still(8.0)
    push = np.where(block.time_s < shaken_s - 1e-6, 3.0 * (-1.0) ** np.arange(400), 0.0)
    block = replace(block, acc_mps2=block.acc_mps2 + push[:, None] * np.array([0.0, 0.0, 1.0]))
    base, fusion = Timebase(50.0, GAPS), Fusion(50.0, PARAMS, GAPS, has_gyro=True)
    runs = [r for a in range(0, 400, cut) for r in fusion.push(base.push(rows(block, a, a + cut)))]
    trusted = np.concatenate([r.trusted for r in runs])
    wait_n = round(trusted_s * 50)
    assert trusted.all() == (wait_n == 0)
    assert abs(int(np.argmax(trusted)) - wait_n) <= 1
    assert trusted[int(np.argmax(trusted)) :].all()


@pytest.mark.shared
def test_after_a_gap_in_motion_a_trusted_orientation_is_hardly_ever_10_deg_off(shared: Path) -> None:
    """Ten BROAD trials, cut into 5 s pieces of motion that each start anew. Of what is trusted in the first 3 s 0.03 % was over
    10 deg off when this was written, 3.1 % by the first second alone."""
    off: dict[float, list[Float]] = {GAPS.calm_min_s: [], 0.0: []}
    for one in (trial(path) for path in sorted((shared / "data" / "fusion").glob("broad_*.npz"))):
        n = round(5 * one.rate_hz)
        for a in range(2000, len(one.acc) - n, 500):
            if not one.scored[a : a + n].all():
                continue
            early = np.arange(n) < 3 * one.rate_hz
            for calm_s, found in off.items():
                gaps = TimebaseConfig(calm_min_s=calm_s)
                fusion = Fusion(one.rate_hz, PARAMS, gaps, has_gyro=True)
                (run,) = fusion.push(Timebase(one.rate_hz, gaps).push(rows(one.block, a, a + n)))
                error = angle_deg(run.channels[:, UP], one.up[a : a + n])
                found.append(error[run.trusted & early])
    with_calm, without = (np.concatenate(found) for found in off.values())
    assert (with_calm > 10.0).mean() <= 0.005
    assert (without > 10.0).mean() >= 0.02


def test_force_goes_through_unchanged_and_a_run_keeps_its_place() -> None:
    block = still(2.0, 20.0)
    (run,) = oriented(block, 50.0)
    np.testing.assert_array_equal(run.channels[:, FORCE], block.acc_mps2)
    np.testing.assert_array_equal(run.arrived_s, block.arrived_s)
    assert (run.first_index, run.restart) == (0, True)


@pytest.mark.parametrize("kind", ["vqf", "builtin", "tilt", "ahrs-mahony"])
@pytest.mark.parametrize("rates", [(104.0, 26.0), (26.0, 200.0), (50.0, 4.0)])
def test_a_new_rate_gives_a_filter_the_coefficients_of_that_rate(kind: str, rates: tuple[float, float]) -> None:
    """After `set_rate` it does what one that was made for the rate does, bit for bit, where there is no bias to keep."""
    old_hz, new_hz = rates
    time_s = times(20.0, new_hz)
    force, rate = segment_signals(time_s, 20.0 * np.sin(time_s))
    changed = make_filter(old_hz, FusionConfig(filter=kind), has_gyro=True)
    changed.set_rate(new_hz)
    made = make_filter(new_hz, FusionConfig(filter=kind), has_gyro=True)
    for a, b in zip(changed.update(force, rate), made.update(force, rate), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["vqf", "builtin"])
def test_a_new_rate_keeps_the_bias_and_doubts_a_second(kind: str) -> None:
    params = FusionConfig(filter=kind)
    first = still(60.0, bias_radps=np.radians(5.0))
    time_s = times(10.0, 104.0, 60.0)
    second = mounted(
        Placement.SACRUM, time_s, segment_signals(time_s, np.full(len(time_s), 30.0)), bias_radps=np.radians(5.0)
    )
    base, fusion = Timebase(50.0, GAPS), Fusion(50.0, params, GAPS, has_gyro=True)
    fusion.push(base.push(replace(first, segment=Segment(0, 50.0))))
    (run,) = fusion.push(base.push(replace(second, segment=Segment(1, 104.0))))
    true_up = np.array([-np.sin(np.radians(30.0)), 0.0, np.cos(np.radians(30.0))])
    assert angle_deg(run.channels[:, UP], true_up).max() < 0.1
    assert np.degrees(np.abs(run.channels[:, RATE])).max() < 0.1
    np.testing.assert_array_equal(np.flatnonzero(~run.trusted), np.arange(104))


@pytest.mark.parametrize("kind", ["vqf", "builtin", "tilt"])
@pytest.mark.parametrize("cut", [1, 777, 9_000])
def test_a_filter_pickled_mid_stream_goes_on_bit_for_bit(kind: str, cut: int) -> None:
    broad = trial(BROAD_11)
    acc, gyr = broad.block.acc_mps2[:10_000], broad.block.gyr_radps
    assert gyr is not None
    whole = make_filter(broad.rate_hz, FusionConfig(filter=kind), has_gyro=True)
    up, rate = whole.update(acc, gyr[:10_000])
    first = make_filter(broad.rate_hz, FusionConfig(filter=kind), has_gyro=True)
    a = first.update(acc[:cut], gyr[:cut])
    second: OrientationFilter = pickle.loads(pickle.dumps(first))
    b = second.update(acc[cut:], gyr[cut:10_000])
    np.testing.assert_array_equal(np.concatenate([a[0], b[0]]), up)
    np.testing.assert_array_equal(np.concatenate([a[1], b[1]]), rate)


def test_up_vectors_have_unit_length() -> None:
    broad = trial(BROAD_11)
    for params in (PARAMS, FusionConfig(filter="tilt")):
        length = np.linalg.norm(up_through(broad.block, broad.rate_hz, params), axis=1)
        np.testing.assert_allclose(length, 1.0, atol=1e-12)


@pytest.mark.parametrize("mounting", [about("x", 0.0), about("x", 180.0), about("y", 90.0), about("z", 37.0)])
def test_an_accelerometer_alone_is_exact_at_rest(mounting: Float) -> None:
    time_s = times(10.0, 50.0)
    lean = np.full(len(time_s), 33.0)
    block = mounted(Placement.SACRUM, time_s, segment_signals(time_s, lean), mounting, gyro=False)
    (run,) = oriented(block, 50.0)
    true_up = np.array([-np.sin(np.radians(33.0)), 0.0, np.cos(np.radians(33.0))]) @ mounting
    np.testing.assert_allclose(run.channels[:, UP], np.tile(true_up, (500, 1)), atol=1e-9)
    np.testing.assert_allclose(run.channels[:, RATE], 0.0, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 128.008])
def test_an_accelerometer_alone_follows_a_slow_lean_with_the_delay_of_its_low_pass(rate_hz: float) -> None:
    """30 deg to and fro in 20 s; a second-order Butterworth low-pass of 0.6 Hz lags by sqrt(2) / (2 pi 0.6) = 0.375 s."""
    time_s = times(60.0, rate_hz)
    omega = 2 * np.pi / 20.0
    lean = 30.0 * np.sin(omega * time_s)
    block = mounted(Placement.SACRUM, time_s, segment_signals(time_s, lean), gyro=False)
    (run,) = oriented(block, rate_hz)
    up, rate = run.channels[:, UP], run.channels[:, RATE]
    settled = time_s > 5.0
    shown = np.degrees(np.arctan2(-up[:, 0], up[:, 2]))
    delay_s = np.sqrt(2.0) / (2 * np.pi * PARAMS.tilt_cutoff_hz)
    assert np.abs(shown - lean)[settled].max() <= 30.0 * omega * delay_s + 0.5  # 4.0 deg
    assert np.abs(shown - 30.0 * np.sin(omega * (time_s - delay_s)))[settled].max() <= 0.5
    true_dps = 30.0 * omega * np.cos(omega * (time_s - delay_s))
    assert np.abs(np.degrees(rate[:, 1]) - true_dps)[settled].max() <= 0.5  # forward turning is positive about y
    assert np.abs(np.degrees(rate[:, [0, 2]])).max() <= 1e-6


def test_an_accelerometer_alone_restarts_from_its_own_tilt() -> None:
    first, second = still(5.0), still(5.0, 60.0, first_s=8.0)
    filter_ = TiltFilter(50.0, PARAMS)
    filter_.update(first.acc_mps2, None)
    filter_.restart()
    up, rate = filter_.update(second.acc_mps2, None)
    np.testing.assert_allclose(up[:, 0], -np.sin(np.radians(60.0)), atol=1e-9)
    np.testing.assert_allclose(rate, 0.0, atol=1e-6)


def test_an_accelerometer_alone_starts_as_if_it_had_rested_in_its_first_sample() -> None:
    time_s = times(10.0, 50.0)
    force, _ = segment_signals(time_s, 20.0 + 15.0 * np.sin(2.0 * time_s))
    rested = np.concatenate([np.tile(force[:1], (3000, 1)), force])
    long, _ = TiltFilter(50.0, PARAMS).update(rested, None)
    short, _ = TiltFilter(50.0, PARAMS).update(force, None)
    np.testing.assert_allclose(short, long[3000:], atol=1e-9)


def test_the_filter_is_vqf_with_a_gyroscope_and_tilt_without_or_on_request() -> None:
    assert isinstance(make_filter(50.0, PARAMS, has_gyro=True), VqfFilter)
    assert isinstance(make_filter(50.0, PARAMS, has_gyro=False), TiltFilter)
    assert isinstance(make_filter(50.0, FusionConfig(filter="tilt"), has_gyro=True), TiltFilter)


def test_vqf_without_a_gyroscope_says_what_to_use() -> None:
    with pytest.raises(PostureError, match="needs a gyroscope; use filter = 'tilt'"):
        VqfFilter(50.0, PARAMS).update(still(1.0).acc_mps2, None)


def test_fusion_gives_its_filter_the_rate_of_the_segment() -> None:
    """A tilt filter has no bias to keep: after the change it does what one that was made for the new rate does."""
    params = FusionConfig(filter="tilt")
    time_s = times(10.0, 104.0, 10.0)
    block = mounted(Placement.SACRUM, time_s, segment_signals(time_s, 20.0 * np.sin(time_s)))
    block = replace(block, segment=Segment(1, 104.0))
    base, fusion = Timebase(50.0, GAPS), Fusion(50.0, params, GAPS, has_gyro=True)
    fusion.push(base.push(replace(still(10.0), segment=Segment(0, 50.0))))
    (changed,) = fusion.push(base.push(block))
    (made,) = Fusion(104.0, params, GAPS, has_gyro=True).push(Timebase(104.0, GAPS).push(block))
    np.testing.assert_array_equal(changed.channels, made.channels)
