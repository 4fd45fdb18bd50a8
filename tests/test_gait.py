"""Bounce of walking: what it keeps, what it leaves out, and that rate and length do not change it; and its regularity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posture.signal.gait import BEFORE, PARTS, bounce_mps2, parts_mps2, regularity, walking_bounce_mps2
from posture.types import G_MPS2, Float


def seconds(force: Float, rate: int = 50) -> Float:
    """Tenths of a second, one row a second."""
    return parts_mps2(force.reshape(-1, rate))


def sine(frequency_hz: float, amplitude: float, *, length_s: float = 30.0, rate_hz: float = 50.0) -> Float:
    time_s = np.arange(round(length_s * rate_hz)) / rate_hz
    return np.asarray(G_MPS2 + amplitude * np.sin(2 * np.pi * frequency_hz * time_s))


def test_quiet_standing_has_no_bounce_however_strong_gravity_reads() -> None:
    for level in (G_MPS2, 1.03 * G_MPS2, 0.0):
        np.testing.assert_allclose(bounce_mps2(parts_mps2(np.full((3, 50), level))), 0.0, atol=1e-12)


@pytest.mark.parametrize("steps_hz", [2.0, 3.0, 4.0])
def test_a_sinusoid_of_walking_shows_its_rms_less_what_means_over_a_tenth_of_a_second_take(steps_hz: float) -> None:
    """A mean over T passes sin(pi f T) / (pi f T) of a sinusoid, for samples a little more; its RMS is amplitude / sqrt 2."""
    passed = np.sin(np.pi * steps_hz / PARTS) / (5 * np.sin(np.pi * steps_hz / 50))
    found = bounce_mps2(seconds(sine(steps_hz, 3.0)))
    np.testing.assert_allclose(found, 3.0 / np.sqrt(2.0) * passed, rtol=1e-9)


@given(steps_hz=st.floats(1.4, 2.4))
def test_any_cadence_of_walking_keeps_at_least_four_fifths_of_its_rms(steps_hz: float) -> None:
    found = np.median(bounce_mps2(seconds(sine(steps_hz, 3.0))))
    assert 0.8 * 3.0 / np.sqrt(2.0) <= found <= 1.05 * 3.0 / np.sqrt(2.0)


def test_a_slow_lean_and_a_drifting_gain_hardly_count() -> None:
    assert bounce_mps2(seconds(sine(0.1, 3.0))).max() < 0.15 * 3.0 * np.pi
    drift = G_MPS2 * (1.0 + 0.01 * np.arange(1500) / 1500)
    assert bounce_mps2(seconds(drift)).max() < 0.01


def test_vibration_well_above_the_steps_hardly_counts() -> None:
    assert bounce_mps2(seconds(sine(20.0, 3.0))).max() < 0.05 * 3.0


def test_a_second_with_a_tick_missing_counts_as_no_bounce() -> None:
    force = sine(2.0, 3.0, length_s=3.0)
    force[50 + 17] = np.nan
    found = bounce_mps2(seconds(force))
    assert found[1] == 0.0
    assert (found[[0, 2]] > 1.0).all()


def test_no_second_gives_no_bounce() -> None:
    assert bounce_mps2(np.empty((0, 50))).shape == (0,)


@pytest.mark.parametrize("rate_hz", [20.0, 52.0, 95.238, 100.0, 128.008, 200.0])
def test_a_walk_shows_the_same_bounce_at_every_sampling_rate(rate_hz: float) -> None:
    """Within 5 % of the 50 Hz figure, so that a walk calibrated at a sensor's own rate fits the grid that is judged."""
    on_grid = walking_bounce_mps2(sine(1.8, 3.0, length_s=20.0), 50.0)
    assert walking_bounce_mps2(sine(1.8, 3.0, length_s=20.0, rate_hz=rate_hz), rate_hz) == pytest.approx(
        on_grid, rel=0.05
    )


def test_at_50_hz_the_walk_is_measured_as_the_seconds_are() -> None:
    force = sine(1.9, 2.5, length_s=12.0)
    assert walking_bounce_mps2(force, 50.0) == pytest.approx(np.median(bounce_mps2(seconds(force))), rel=1e-12)


def test_the_unfinished_last_second_of_a_walk_does_not_count() -> None:
    force = sine(2.0, 3.0, length_s=4.0)
    longer = np.concatenate([force, np.full(49, 100.0)])
    assert walking_bounce_mps2(longer, 50.0) == walking_bounce_mps2(force, 50.0)


def test_less_than_a_second_of_walking_is_not_known() -> None:
    assert np.isnan(walking_bounce_mps2(sine(2.0, 3.0)[:49], 50.0))
    assert np.isnan(walking_bounce_mps2(np.empty(0), 50.0))


@pytest.mark.parametrize("rate_hz", [4.0, 5.5, 9.9])
def test_a_sensor_slower_than_the_tenths_of_a_second_has_the_bounce_that_the_grid_makes_of_it(rate_hz: float) -> None:
    """At 4 Hz this was an index out of bounds."""
    force = sine(1.3, 3.0, rate_hz=rate_hz)
    grid = np.interp(np.arange(30 * 50) / 50.0, np.arange(len(force)) / rate_hz, force)
    assert walking_bounce_mps2(force, rate_hz) == pytest.approx(float(np.median(bounce_mps2(seconds(grid)))), abs=1e-9)


@pytest.mark.parametrize("amplitude", [0.1, 0.3, 3.0])
@pytest.mark.parametrize("steps_hz", [1.0, 1.4, 2.0, 2.4])
def test_steps_of_any_size_and_cadence_are_regular(steps_hz: float, amplitude: float) -> None:
    assert regularity(seconds(sine(steps_hz, amplitude))).min() > 0.8


def test_stillness_noise_and_a_single_push_are_not_regular() -> None:
    assert regularity(seconds(np.full(500, G_MPS2))).max() < 1e-6
    noise = np.random.default_rng(5).normal(G_MPS2, 1.0, 15000)
    assert np.median(regularity(seconds(noise))) < 0.3
    push = np.full(500, G_MPS2)
    push[250:265] += 2.0
    assert regularity(seconds(push)).max() < 0.3


def test_regularity_needs_three_whole_seconds() -> None:
    force = sine(2.0, 3.0, length_s=10.0)
    force[4 * 50 + 17] = np.nan
    found = regularity(seconds(force))
    assert len(found) == 10 - BEFORE
    assert (found == 0.0).tolist() == [False, False, True, True, True, False, False, False]
