"""Height gained or lost between two stops: how a kneel is told from a stand, which have the same tilt.

Unlike a lean movement a climb needs no lean. It is the double integral of the vertical acceleration with the velocity set to
zero at both stops, so it is only taken over a few seconds and between stops that are near upright.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posture.config import ClimbConfig
from posture.types import GRID_HZ, AngleBlock, Bool, Float, Int


@dataclass(frozen=True, slots=True)
class Climb:
    """From the end of one stop to the start of the next, s; height m, up positive. known_s : when the second stop had been seen."""

    start_s: float
    end_s: float
    height_m: float
    known_s: float


_RATE, _VERTICAL, _TILT = range(3)
_CHANNELS = 3
_STOP_N = 2  # steps that make a stop


@dataclass(slots=True)
class ClimbsState:
    """Means of the last steps, (channels, <= reach), the step after them, and the ticks of the open one, (channels, < a step)."""

    next_step: int | None = None
    steps: Float = field(default_factory=lambda: np.empty((_CHANNELS, 0)))
    open: Float = field(default_factory=lambda: np.empty((_CHANNELS, 0)))


class Climbs:
    """Angle blocks (ticks in order, no holes) -> climbs, each said once its second stop is there. Steps lie at absolute ticks."""

    def __init__(self, params: ClimbConfig, state: ClimbsState | None = None) -> None:
        self.params = params
        self.state = state or ClimbsState()
        self.step_n = round(params.step_s * GRID_HZ)
        self.reach = round(params.longest_s / params.step_s) + 2 * _STOP_N

    def push(self, block: AngleBlock) -> tuple[Climb, ...]:
        """Climbs whose second stop is complete with these ticks."""
        state, n = self.state, self.step_n
        rows = np.stack([block.rate_dps, block.vertical_mps2, block.tilt_deg])
        if state.next_step is None:
            state.next_step = -(-block.first_tick // n)
            rows = rows[:, state.next_step * n - block.first_tick :]
        rows = np.concatenate([state.open, rows], axis=1)
        whole = rows.shape[1] // n
        state.open = rows[:, whole * n :].copy()
        new = rows[:, : whole * n].reshape(_CHANNELS, whole, n).mean(axis=2)
        steps = np.concatenate([state.steps, new], axis=1)
        first = state.next_step - state.steps.shape[1]
        found = self._found(steps, first, state.steps.shape[1])
        state.next_step += whole
        state.steps = steps[:, -self.reach :].copy()
        return found

    def flush(self) -> tuple[Climb, ...]:
        """A climb without its second stop proves nothing."""
        return ()

    def _found(self, steps: Float, first: int, new_from: int) -> tuple[Climb, ...]:
        """Climbs that end in a stop which is complete at a step from `new_from` on."""
        before, after = _stops(self._still(steps))
        least = round(self.params.shortest_s / self.params.step_s)
        lasts = after - before - 1  # steps between the stops
        taken = (lasts >= least) & (lasts <= self.reach - 2 * _STOP_N) & (after + _STOP_N - 1 >= new_from)
        out = []
        for a, b in zip((before[taken] + 1).tolist(), after[taken].tolist(), strict=True):
            height = _height_m(steps[_VERTICAL, a:b], self.params.step_s)
            if abs(height) >= self.params.height_min_m:
                s = self.params.step_s
                out.append(Climb((first + a) * s, (first + b) * s, height, (first + b + _STOP_N) * s))
        return tuple(out)

    def _still(self, steps: Float) -> Bool:
        """Which steps stand still near upright; NaN: no."""
        p = self.params
        unrest = steps[_RATE] + 10.0 * np.abs(steps[_VERTICAL])  # the scale of `Movements`: 1 m/s^2 is a brisk start
        with np.errstate(invalid="ignore"):
            still: Bool = (unrest <= p.still_dps) & (steps[_TILT] <= p.upright_deg)
        return still


def _stops(still: Bool) -> tuple[Int, Int]:
    """Last step of each stop and first step of the next one; a stop is at least `_STOP_N` still steps in a row."""
    edge = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(np.int8)))
    starts, ends = edge[::2], edge[1::2]
    long = ends - starts >= _STOP_N
    starts, ends = starts[long], ends[long]
    return ends[:-1] - 1, starts[1:]


def _height_m(vertical_mps2: Float, step_s: float) -> float:
    """Double integral between two stops. NaN where the acceleration is not known: such a climb is none."""
    if not np.isfinite(vertical_mps2).all():
        return 0.0
    velocity = np.concatenate([[0.0], np.cumsum(vertical_mps2) * step_s])
    velocity = velocity - velocity[-1] * np.arange(len(velocity)) / (len(velocity) - 1)
    return float(np.sum(velocity[1:] + velocity[:-1]) / 2.0 * step_s)
