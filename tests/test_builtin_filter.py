"""The built-in filter: equal to BasicVQF, whatever the chunks; against optical truth; what it takes for bias and what not."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from broad import BROAD_11, Trial, angle_deg, trial, up_of
from contract import Case, check_stage, cuts_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinematics import ANY_ROTATION, lean, rotation, segment_signals, times

from posture.config import FusionConfig
from posture.signal import builtin_filter
from posture.signal.builtin_filter import BLOCK_N, BuiltinFilter, rotated, rotations
from posture.types import G_MPS2, Float, PostureError

PARAMS = FusionConfig()
TEN_DPS = np.radians(10.0)


def broad_trials(shared: Path) -> list[Trial]:
    found = [trial(path) for path in sorted((shared / "data" / "fusion").glob("broad_*.npz"))]
    assert len(found) == 10
    return found


def rmse_deg(up: Float, of: Trial) -> float:
    return float(np.sqrt((angle_deg(up, of.up)[of.scored] ** 2).mean()))


def built_in_rmse_deg(of: Trial, bias_radps: float = 0.0) -> float:
    return rmse_deg(BuiltinFilter(of.rate_hz, PARAMS).update(of.acc, of.gyr + bias_radps)[0], of)


def basic_vqf(acc: Float, gyr: Float, rate_hz: float, tau_acc_s: float = PARAMS.tau_acc_s) -> Float:
    vqf = pytest.importorskip("vqf")
    made = vqf.BasicVQF(1.0 / rate_hz, tauAcc=tau_acc_s)
    return up_of(made.updateBatch(np.ascontiguousarray(gyr), np.ascontiguousarray(acc))["quat6D"])


def assert_equals_basic_vqf(acc: Float, gyr: Float, rate_hz: float, tau_acc_s: float = PARAMS.tau_acc_s) -> None:
    params = FusionConfig(tau_acc_s=tau_acc_s)
    up, rate = BuiltinFilter(rate_hz, params, rest_bias=False).update(acc, gyr)
    np.testing.assert_array_equal(rate, gyr)
    assert angle_deg(up, basic_vqf(acc, gyr, rate_hz, tau_acc_s)).max() <= 1e-9


def test_without_rest_bias_it_is_basic_vqf_within_1e_9_deg() -> None:
    """BROAD 11: 2e-11 deg at most when this was written."""
    broad = trial(BROAD_11)
    assert_equals_basic_vqf(broad.acc, broad.gyr, broad.rate_hz)


@pytest.mark.shared
def test_without_rest_bias_it_is_basic_vqf_within_1e_9_deg_on_ten_broad_trials(shared: Path) -> None:
    """4e-11 deg at most when this was written."""
    for broad in broad_trials(shared):
        assert_equals_basic_vqf(broad.acc, broad.gyr, broad.rate_hz)


@pytest.mark.parametrize(("rate_hz", "tau_acc_s"), [(20.0, 3.0), (50.0, 1.0), (100.0, 0.3), (128.008, 3.0)])
def test_it_is_basic_vqf_at_other_rates_and_time_constants(rate_hz: float, tau_acc_s: float) -> None:
    broad = trial(BROAD_11)
    some = slice(3000, 6000)
    assert_equals_basic_vqf(broad.acc[some], broad.gyr[some] * rate_hz / broad.rate_hz, rate_hz, tau_acc_s)


def test_it_is_basic_vqf_where_force_or_rate_are_exactly_zero() -> None:
    broad = trial(BROAD_11)
    acc, gyr = broad.acc[3000:6000].copy(), broad.gyr[3000:6000].copy()
    for hole in (slice(0, 3), slice(100, 101), slice(1000, 1200)):
        acc[hole] = 0.0
    gyr[500:600] = 0.0
    gyr[1100:1101] = 0.0
    assert_equals_basic_vqf(acc, gyr, broad.rate_hz)


def test_inclination_of_a_real_recording_is_within_0_47_deg_of_the_optical_truth() -> None:
    """BROAD 11: 0.443 deg when this was written, also with 10 deg/s of bias; VQF 0.413; without rest bias 1.10."""
    broad = trial(BROAD_11)
    assert built_in_rmse_deg(broad) <= 0.47
    assert built_in_rmse_deg(broad, TEN_DPS) <= 0.47
    bare = BuiltinFilter(broad.rate_hz, PARAMS, rest_bias=False).update(broad.acc, broad.gyr)[0]
    assert rmse_deg(bare, broad) > 1.0


@pytest.mark.shared
def test_mean_inclination_error_over_ten_broad_trials_is_within_0_77_deg(shared: Path) -> None:
    """0.759 deg when this was written, with 10 deg/s of bias too; VQF 0.754 and 0.755; 0.80 was asked for."""
    trials = broad_trials(shared)
    assert np.mean([built_in_rmse_deg(t) for t in trials]) <= 0.77
    assert np.mean([built_in_rmse_deg(t, TEN_DPS) for t in trials]) <= 0.77


@dataclass
class Stage:
    """A filter as a stage of the contract."""

    state: BuiltinFilter

    def push(self, piece: tuple[Float, Float]) -> tuple[Float, Float]:
        return self.state.update(*piece)


def case(acc: Float, gyr: Float, rate_hz: float) -> Case:
    return Case(
        make=lambda state: Stage(state or BuiltinFilter(rate_hz, PARAMS)),
        size=len(acc),
        piece=lambda a, b: (acc[a:b].copy(), gyr[a:b].copy()),
        push=lambda stage, piece: stage.push(piece),
        flush=lambda stage: (np.empty((0, 3)), np.empty((0, 3))),
        whole=lambda outs: tuple(np.concatenate(part) for part in zip(*outs, strict=True)),
    )


@cache
def damaged() -> tuple[Float, Float]:
    """Rest and motion with a bias; stretches of NaN, of no force, of no rate, of nothing at all, and a spike."""
    broad = trial(BROAD_11)
    rows = slice(2800, 4000)
    acc, gyr = broad.acc[rows].copy(), broad.gyr[rows] + TEN_DPS
    acc[[0, 63, 64, 640]] = np.nan
    gyr[200:210, 1] = np.inf
    acc[300:340] = 0.0
    gyr[400:420] = 0.0
    acc[500:505], gyr[500:505] = 0.0, 0.0
    acc[700] *= 40.0
    return acc, gyr


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(st.data())
def test_any_split_and_pickling_anywhere_change_no_bit(data: st.DataObject) -> None:
    acc, gyr = damaged()
    cuts = data.draw(cuts_of(len(acc)))
    pickle_at = data.draw(st.one_of(st.none(), st.integers(0, len(cuts))))
    check_stage(case(acc, gyr, 50.0), cuts, pickle_at=pickle_at)


@pytest.mark.parametrize("step", [1, 63, 64, 65])
def test_steps_of_and_around_a_block_change_no_bit(step: int) -> None:
    acc, gyr = damaged()
    check_stage(case(acc, gyr, 95.238), list(range(step, len(acc), step)))


def test_a_whole_trial_in_one_call_or_in_seconds_is_the_same_bit_for_bit() -> None:
    """Longer than a slab; the bias is learnt on the way."""
    broad = trial(BROAD_11)
    assert len(broad.acc) > 2 * builtin_filter.SLAB_N
    check_stage(case(broad.acc, broad.gyr + TEN_DPS, broad.rate_hz), list(range(95, len(broad.acc), 95)))


def test_how_much_is_worked_on_at_once_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    acc, gyr = damaged()
    expected = BuiltinFilter(50.0, PARAMS).update(acc, gyr)
    monkeypatch.setattr(builtin_filter, "SLAB_N", 100)
    got = BuiltinFilter(50.0, PARAMS).update(acc, gyr)
    np.testing.assert_array_equal(np.hstack(got), np.hstack(expected))


@given(ANY_ROTATION)
@settings(max_examples=30, deadline=None)
def test_up_at_rest_is_the_direction_of_the_force(body_from_sensor: Float) -> None:
    true_up = np.array([0.0, 0.0, 1.0]) @ body_from_sensor
    up, rate = BuiltinFilter(50.0, PARAMS).update(np.tile(G_MPS2 * true_up, (200, 1)), np.zeros((200, 3)))
    np.testing.assert_allclose(up, np.tile(true_up, (200, 1)), atol=1e-12)
    np.testing.assert_allclose(rate, 0.0, atol=1e-9)


def test_forward_bending_turns_up_backwards_in_the_sensor_frame() -> None:
    """60 deg forward in 2 s, with the force hidden by lever and shake: the gyroscope must carry it."""
    time_s = times(20.0, 100.0)
    angle = lean(time_s, [(10.0, 12.0, 60.0)])
    force, rate = segment_signals(time_s, angle)
    force[1000:] += 3.0 * np.sin(2 * np.pi * 2.0 * time_s[1000:, None])
    up, _ = BuiltinFilter(100.0, PARAMS).update(force, rate)
    true_up = np.stack([-np.sin(np.radians(angle)), np.zeros(len(angle)), np.cos(np.radians(angle))], axis=1)
    assert angle_deg(up, true_up).max() <= 1.5


def test_up_vectors_have_unit_length() -> None:
    broad = trial(BROAD_11)
    up, _ = BuiltinFilter(broad.rate_hz, PARAMS).update(broad.acc, broad.gyr)
    np.testing.assert_allclose(np.linalg.norm(up, axis=1), 1.0, atol=1e-13)


def test_a_turn_within_a_block_is_the_product_of_its_rotations() -> None:
    """63 turns of 30 deg about changing axes, one matrix at a time."""
    rng = np.random.default_rng(5)
    axes = rng.normal(size=(BLOCK_N, 3))
    rate = np.radians(30.0) * 50.0 * axes / np.linalg.norm(axes, axis=1)[:, None]
    got = rotations(np.ascontiguousarray(rate.T).reshape(3, 1, BLOCK_N), 1.0 / 50.0)
    one_by_one = np.eye(3)
    for k, (x, y, z) in enumerate(rate / 50.0):
        angle = np.sqrt(x * x + y * y + z * z)
        s = np.sin(angle / 2) / angle
        one_by_one = one_by_one @ rotation([np.cos(angle / 2), s * x, s * y, s * z])
        for axis in np.eye(3):
            np.testing.assert_allclose(rotated(got[:, 0, k], axis), one_by_one @ axis, atol=1e-12)


def still(seconds: float, lean_deg: float = 0.0, *, bias_dps: float = 0.0, seed: int = 0) -> tuple[Float, Float]:
    """A sensor at rest at 50 Hz, with the noise of a consumer part."""
    rng = np.random.default_rng(seed)
    time_s = times(seconds, 50.0)
    force, rate = segment_signals(time_s, np.full(len(time_s), lean_deg))
    return force + rng.normal(0, 0.02, force.shape), rate + rng.normal(0, np.radians(0.1), rate.shape) + np.radians(
        bias_dps
    )


def bias_dps(filter_: BuiltinFilter) -> Float:
    return np.degrees(filter_.state.bias_radps)


def test_a_bias_of_10_deg_per_s_is_known_after_three_seconds_of_rest() -> None:
    filter_ = BuiltinFilter(50.0, PARAMS)
    filter_.update(*still(3.0, bias_dps=10.0))
    np.testing.assert_allclose(bias_dps(filter_), 10.0, atol=0.2)
    filter_.update(*still(57.0, bias_dps=10.0, seed=1))
    np.testing.assert_allclose(bias_dps(filter_), 10.0, atol=0.05)


def test_a_slow_slump_is_not_taken_for_bias() -> None:
    """0.5 deg/s for a minute: never more than a rest's deviations, so the mean rate at 'rest' is 0.5 deg/s."""
    time_s = times(100.0, 50.0)
    angle = np.clip((time_s - 20.0) * 0.5, 0.0, 30.0)
    force, rate = segment_signals(time_s, angle)
    filter_ = BuiltinFilter(50.0, PARAMS)
    up, shown = filter_.update(force, rate)
    assert filter_.state.last_moved == -1  # all of it was rest
    assert np.degrees(np.abs(shown - rate)).max() <= 0.02
    true_up = np.stack([-np.sin(np.radians(angle)), np.zeros(len(angle)), np.cos(np.radians(angle))], axis=1)
    assert angle_deg(up, true_up).max() <= 0.05


def test_motion_teaches_no_bias() -> None:
    """Leaning to and fro by 20 deg every 4 s, with a bias that is there to be learnt."""
    time_s = times(60.0, 50.0)
    filter_ = BuiltinFilter(50.0, PARAMS)
    force, rate = segment_signals(time_s, 20.0 * np.sin(2 * np.pi * time_s / 4.0))
    filter_.update(force, rate + np.radians(1.0))
    assert filter_.state.bias_radps == (0.0, 0.0, 0.0)


def test_a_pause_of_a_second_teaches_no_bias() -> None:
    """Shorter than the shortest rest, thirty times."""
    time_s = times(80.0, 50.0)
    moves = [(2.5 * k, 2.5 * k + 1.5, 20.0 * (k % 2 == 0)) for k in range(32)]
    force, rate = segment_signals(time_s, lean(time_s, moves))
    filter_ = BuiltinFilter(50.0, PARAMS)
    filter_.update(force, rate + np.radians(1.0))
    assert filter_.state.bias_radps == (0.0, 0.0, 0.0)


def test_a_turn_beyond_the_bias_limit_is_not_a_bias() -> None:
    filter_ = BuiltinFilter(50.0, PARAMS)
    filter_.update(*still(30.0, bias_dps=PARAMS.bias_clip_dps + 1.0))
    assert filter_.state.bias_radps == (0.0, 0.0, 0.0)


def test_a_bias_beyond_the_limit_that_a_slow_turn_hides_is_cut_to_it() -> None:
    """2.2 deg/s of bias under a slump of -0.5: the rate shown is within the limit of 2."""
    time_s = times(60.0, 50.0)
    force, rate = segment_signals(time_s, 15.0 - 0.5 * time_s)
    filter_ = BuiltinFilter(50.0, FusionConfig(bias_clip_dps=2.0))
    filter_.update(force, rate + np.radians([0.0, 2.2, 0.0]))
    np.testing.assert_allclose(bias_dps(filter_), [0.0, 2.0, 0.0], atol=0.01)


def test_a_restart_forgets_the_orientation_and_keeps_the_bias() -> None:
    filter_ = BuiltinFilter(50.0, PARAMS)
    filter_.update(*still(60.0, bias_dps=10.0))
    before = filter_.state.bias_radps, filter_.state.variance
    filter_.restart()
    assert (filter_.state.bias_radps, filter_.state.variance) == before
    up, rate = filter_.update(*still(10.0, 40.0, bias_dps=10.0, seed=1))
    true_up = np.array([-np.sin(np.radians(40.0)), 0.0, np.cos(np.radians(40.0))])
    assert angle_deg(up, true_up).max() <= 0.5  # the first sample's noise; no trace of upright
    assert angle_deg(up[150:], true_up).max() <= 0.1
    assert np.degrees(np.abs(rate.mean(axis=0))).max() <= 0.05
    fresh, _ = BuiltinFilter(50.0, PARAMS).update(*still(10.0, 40.0, bias_dps=10.0, seed=1))
    assert angle_deg(fresh, true_up).max() > 10.0


def test_a_restart_leaves_nothing_of_the_samples_before() -> None:
    """With the same bias and variance, a restarted filter goes on as one that never saw anything."""
    acc, gyr = damaged()
    used, fresh = BuiltinFilter(50.0, PARAMS), BuiltinFilter(50.0, PARAMS)
    used.update(acc[:777], gyr[:777])
    used.restart()
    fresh.state.bias_radps, fresh.state.variance = used.state.bias_radps, used.state.variance
    np.testing.assert_array_equal(np.hstack(used.update(acc, gyr)), np.hstack(fresh.update(acc, gyr)))


def test_rows_of_nan_come_out_as_nan_and_leave_nothing_behind() -> None:
    broad = trial(BROAD_11)
    acc, gyr = broad.acc.copy(), broad.gyr.copy()
    lost = [2000, *range(5000, 5003), 9000]
    acc[lost[:2], 1] = np.nan
    gyr[lost[2:], 0] = np.nan
    up, rate = BuiltinFilter(broad.rate_hz, PARAMS).update(acc, gyr)
    assert np.flatnonzero(np.isnan(up).any(axis=1)).tolist() == lost
    np.testing.assert_array_equal(np.isnan(rate), np.isnan(up))
    assert rmse_deg(np.where(np.isnan(up), broad.up, up), broad) <= 0.47


def test_rows_of_nan_do_not_turn_by_the_bias() -> None:
    """A second of them with 10 deg/s of bias."""
    acc, gyr = still(20.0, bias_dps=10.0)
    gyr[800:850] = np.nan
    up, _ = BuiltinFilter(50.0, PARAMS).update(acc, gyr)
    assert angle_deg(up[850:], np.array([0.0, 0.0, 1.0])).max() <= 0.5  # 14 deg, did they turn


def test_a_sensor_that_shows_no_force_from_the_start_is_upright_until_it_does() -> None:
    """As BasicVQF has it."""
    acc = np.zeros((10, 3))
    acc[4:] = 0.0, G_MPS2, 0.0
    up, _ = BuiltinFilter(50.0, PARAMS).update(acc, np.zeros((10, 3)))
    np.testing.assert_array_equal(up, [[0.0, 0.0, 1.0]] * 4 + [[0.0, 1.0, 0.0]] * 6)


def test_a_mean_force_of_exactly_nothing_leaves_up_where_it_was() -> None:
    acc = G_MPS2 * np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    up, _ = BuiltinFilter(50.0, PARAMS).update(acc, np.zeros((3, 3)))
    np.testing.assert_array_equal(up, [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def test_without_a_gyroscope_it_says_what_to_use() -> None:
    with pytest.raises(PostureError, match="needs a gyroscope; use filter = 'tilt'"):
        BuiltinFilter(50.0, PARAMS).update(np.ones((5, 3)), None)


def test_a_pickled_filter_is_small() -> None:
    """It holds less than a block of samples, however long it ran."""
    broad = trial(BROAD_11)
    filter_ = BuiltinFilter(broad.rate_hz, PARAMS)
    filter_.update(broad.acc, broad.gyr)
    assert len(pickle.dumps(filter_)) < 8000


def test_importing_it_does_not_import_scipy_signal() -> None:
    """It costs half a second, which only a machine that runs this filter should pay."""
    code = "import posture.signal.builtin_filter, sys; sys.exit('scipy.signal' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
