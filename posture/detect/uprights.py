"""Where up was in each sensor's own axes, second by second: what a mounting can be compared and corrected by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from posture.signal.join import JoinedBlock
from posture.signal.timebase import UP
from posture.types import GRID_HZ, Float, Placement


@dataclass(slots=True)
class UprightsState:
    """Up vectors of the open second, and means of the seconds that nobody took yet; per placement (ticks or seconds, 3)."""

    open: dict[Placement, Float] = field(default_factory=dict)
    waiting: dict[Placement, Float] = field(default_factory=dict)


class Uprights:
    """Joined ticks -> mean up vector of each second, sensor axes; NaN where a tick of the second is missing."""

    def __init__(self, placements: Sequence[Placement], state: UprightsState | None = None) -> None:
        none = {p: np.empty((0, 3)) for p in placements}
        self.state = state or UprightsState(dict(none), dict(none))

    def push(self, block: JoinedBlock) -> None:
        """Take over the ticks; the first one ever begins a second."""
        for placement, held in self.state.open.items():
            rows = np.concatenate([held, block.channels[placement][:, UP]])
            whole = len(rows) // GRID_HZ * GRID_HZ
            seconds = rows[:whole].reshape(-1, GRID_HZ, 3)
            # Whole rows added up, in the order of the ticks: a third of the time of a mean over the axis in the middle.
            self._keep(placement, np.ascontiguousarray(seconds.swapaxes(0, 1)).mean(axis=0), rows[whole:])

    def flush(self) -> None:
        """The unfinished last second counts as one."""
        for placement, held in self.state.open.items():
            if len(held):
                self._keep(placement, held.mean(axis=0, keepdims=True), held[:0])

    def take(self, seconds: int) -> dict[Placement, Float]:
        """The next seconds, placement -> (seconds, 3), in order; each is given once."""
        out = {p: rows[:seconds] for p, rows in self.state.waiting.items()}
        self.state.waiting = {p: rows[seconds:] for p, rows in self.state.waiting.items()}
        return out

    def _keep(self, placement: Placement, means: Float, left: Float) -> None:
        self.state.open[placement] = left.copy()
        self.state.waiting[placement] = np.concatenate([self.state.waiting[placement], means])
