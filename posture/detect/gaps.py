"""Seconds without data, as events: a lost link is a gap, never a posture."""

from __future__ import annotations

from dataclasses import dataclass

from posture.detect.context import ContextBlock
from posture.detect.said import Said
from posture.types import Basis, Context, EventKind, PostureEvent, Verdict


@dataclass(slots=True)
class GapsState:
    """Start and end of the open gap; None where there is none."""

    start_s: float | None = None
    end_s: float = 0.0


class Gaps:
    """Labelled seconds -> `gap` events, when data is back."""

    def __init__(self, basis: Basis, state: GapsState | None = None) -> None:
        self.basis = basis
        self.state = state or GapsState()

    def push(self, block: ContextBlock) -> list[Said]:
        """Gaps that ended in these seconds."""
        said: list[Said] = []
        if self.state.start_s is None and not (block.context == Context.GAP).any():
            return said
        for second, label in zip(block.start_s.tolist(), block.context.tolist(), strict=True):
            if label == Context.GAP:
                if self.state.start_s is None:
                    self.state.start_s = second
                self.state.end_s = second + 1.0
            elif self.state.start_s is not None:
                said += self._event(second)
        return said

    def flush(self) -> list[Said]:
        """A gap that is open at the end of the session."""
        return self._event(self.state.end_s) if self.state.start_s is not None else []

    def _event(self, epoch_s: float) -> list[Said]:
        start_s, end_s = self.state.start_s or 0.0, self.state.end_s
        self.state.start_s = None
        event = PostureEvent(EventKind.GAP, start_s, end_s, start_s, 0.0, Verdict.UNKNOWN, self.basis, 1.0)
        return [Said(epoch_s, event)]
