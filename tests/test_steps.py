"""Means over short steps, against numpy's and against what a window by itself gives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from posture.detect.wear import windows_over
from posture.signal.steps import Steps, StepsState, step_means


@pytest.mark.parametrize("step_n", range(1, 16))
def test_step_means_are_those_of_numpy_to_the_last_bit(step_n: int) -> None:
    ticks = np.random.default_rng(step_n).normal(size=(3, 200 * step_n))
    ticks[1, 7] = np.nan
    expected = ticks.reshape(3, 200, step_n).mean(axis=2)
    assert step_means(ticks, step_n).tobytes() == expected.tobytes()


def test_step_of_a_stream_that_begins_inside_it_is_not_known_and_the_next_ones_lie_at_absolute_ticks() -> None:
    values = np.arange(3.0, 30.0)  # from tick 3 on each tick's value is its number
    whole = Steps(5, StepsState()).push(3, [values])
    cut = Steps(5, StepsState())
    parts = np.concatenate([cut.push(3 + k, [values[k : k + 1]]) for k in range(len(values))], axis=1)
    np.testing.assert_array_equal(whole[0], [np.nan, 7.0, 12.0, 17.0, 22.0, 27.0])
    np.testing.assert_array_equal(parts, whole)
    assert cut.state.next_step == 6


@pytest.mark.parametrize("window", [1, 2, 3, 7, 60, 61])
def test_extremes_of_a_window_are_those_of_its_values(window: int) -> None:
    rows = np.random.default_rng(window).normal(size=(2, 200))
    rows[1, 90] = np.nan
    for extreme, of in ((np.minimum, np.min), (np.maximum, np.max)):
        expected = of(sliding_window_view(rows, window, axis=1), axis=2)
        np.testing.assert_array_equal(windows_over(extreme, rows, window), expected)
