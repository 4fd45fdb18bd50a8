"""Channels of ticks that are kept until there are enough of them, and their means over short steps at absolute ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from posture.types import Bool, Float


@dataclass(slots=True)
class StepsState:
    """The step after the last whole one, and the ticks of the open one, (channels, < a step)."""

    next_step: int | None = None
    open: Float = field(default_factory=lambda: np.empty((0, 0)))


class Steps:
    """Channels tick by tick (in order, no holes) -> channels step by step; step k is of ticks [k * step_n, (k + 1) * step_n)."""

    def __init__(self, step_n: int, state: StepsState) -> None:
        self.step_n, self.state = step_n, state

    def push(self, first_tick: int, channels: Sequence[Float | Bool]) -> Float:
        """(channels, m) means of the steps that are complete with these ticks; NaN where a tick of the step has none.

        channels : each (n,), from tick `first_tick` on.
        """
        state, n = self.state, self.step_n
        if state.next_step is None:
            state.next_step = first_tick // n
            state.open = np.full((len(channels), first_tick % n), np.nan)
        ticks = appended(state.open, channels)
        whole = ticks.shape[1] // n
        state.open = ticks[:, whole * n :].copy()
        state.next_step += whole
        return step_means(ticks[:, : whole * n], n)


def appended(held: Float, channels: Sequence[Float | Bool]) -> Float:
    """(k, h) and k channels of (n,) each -> (k, h + n)."""
    k, h = held.shape
    out = np.empty((k, h + len(channels[0])))
    out[:, :h] = held
    for row, channel in zip(out, channels, strict=True):
        row[h:] = channel
    return out


def step_means(ticks: Float, step_n: int) -> Float:
    """(k, m * step_n) -> (k, m) means of each step.

    Added up for all steps at once: numpy's mean over so short an axis takes two to five times as long. The order of the sum is
    numpy's up to 15 ticks, so the mean is the same to the last bit.
    """
    if not ticks.shape[1]:
        return np.empty((len(ticks), 0))
    steps = ticks.reshape(len(ticks), -1, step_n)
    paired_n = 8 if step_n >= 8 else 1
    sums, rest = ([steps[:, :, k] for k in part] for part in (range(paired_n), range(paired_n, step_n)))
    while len(sums) > 1:
        sums = [a + b for a, b in zip(sums[::2], sums[1::2], strict=True)]
    return np.asarray(sum(rest, start=sums[0]) / step_n)
