"""Whether the sensor is on a body: a body breathes and sways, a table does not.

Non-wear is known only after ten minutes of it, so it is not a label of the stream but an event that `finalise` lays over the
epochs afterwards. Until then a sitting alert waits: see `Wear.push`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from posture.config import WearConfig
from posture.detect.context import ContextBlock
from posture.detect.said import Said
from posture.types import Basis, Bool, Context, EventKind, Float, PostureEvent, Verdict


@dataclass(slots=True)
class WearState:
    """Tilt and lateral lean of the last seconds, (2, < window), and the stretch without any movement that is open."""

    recent: Float = field(default_factory=lambda: np.empty((2, 0)))
    start_s: float | None = None
    end_s: float = 0.0


class Wear:
    """Labelled seconds -> `non_wear` events, when the sensor moves again, and which seconds may turn out to be one."""

    def __init__(self, params: WearConfig, basis: Basis, state: WearState | None = None) -> None:
        self.params, self.basis = params, basis
        self.window = round(params.window_s)
        self.state = state or WearState()

    def push(self, block: ContextBlock) -> tuple[Bool, list[Said]]:
        """(m,) True where the last minute had no movement at all, and the stretches that ended."""
        said: list[Said] = []
        motionless = self._motionless(block)
        for second, still in zip(block.start_s.tolist(), motionless.tolist(), strict=True):
            if still:
                if self.state.start_s is None:
                    self.state.start_s = second - self.window + 1.0
                self.state.end_s = second + 1.0
            else:
                said += self._closed(second)
        return motionless, said

    def flush(self) -> list[Said]:
        """The session ends while the sensor lies still."""
        return self._closed(self.state.end_s)

    def _motionless(self, block: ContextBlock) -> Bool:
        f = block.features
        rows = np.stack([np.where(block.context == Context.GAP, np.nan, f.tilt_deg), f.lateral_deg])
        rows = np.concatenate([self.state.recent, rows], axis=1)
        self.state.recent = rows[:, max(0, rows.shape[1] - self.window + 1) :].copy()
        out = np.zeros(len(block.start_s), dtype=np.bool_)
        if rows.shape[1] >= self.window:
            windows = sliding_window_view(rows, self.window, axis=1)
            spread = (windows.max(axis=2) - windows.min(axis=2)).max(axis=0)
            out[len(out) - min(len(out), len(spread)) :] = (spread < self.params.spread_max_deg)[-len(out) :]  # NaN: no
        return out

    def _sure(self, seconds: float) -> float:
        """Chance that nobody wore it: even odds at the first minute, growing with every further one. Provisional, ours."""
        return round(1.0 - 0.5 * float(np.exp(-(seconds - self.params.window_s) / self.params.non_wear_min_s)), 3)

    def _closed(self, epoch_s: float) -> list[Said]:
        start_s, end_s = self.state.start_s, self.state.end_s
        self.state.start_s = None
        if start_s is None or end_s - start_s < self.params.non_wear_min_s:
            return []
        event = PostureEvent(
            EventKind.NON_WEAR, start_s, end_s, start_s, 0.0, Verdict.UNKNOWN, self.basis, self._sure(end_s - start_s)
        )
        return [Said(epoch_s, event)]
