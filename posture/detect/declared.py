"""Workouts that the wearer declares: what is being practised, from when to when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SQUAT, HIP_HINGE, REVERSE_LUNGE, OFFLOAD_CONTROL = "squat", "hip_hinge", "reverse_lunge", "offload_control"
BRACE, HIP_MOBILITY, TOWEL = "brace", "hip_mobility", "towel"
EXERCISES = (SQUAT, HIP_HINGE, REVERSE_LUNGE, OFFLOAD_CONTROL)
PRACTICES = (BRACE, HIP_MOBILITY, TOWEL)
"""Ids of the programme that a sensor can see something of: repetitions, holds."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A workout that the wearer announced, [start_s, end_s) of the session; end_s inf while it runs.

    exercise : id of the exercise or practice; None, or one that is not known here: whatever is found. side : of it, as announced.
    """

    start_s: float
    end_s: float = float("inf")
    exercise: str | None = None
    side: str | None = None

    @property
    def practice(self) -> str | None:
        """The practice that is held; None where repetitions are done."""
        return self.exercise if self.exercise in PRACTICES else None

    @property
    def repeated(self) -> str | None:
        """The exercise that is repeated; None where that was not said."""
        return self.exercise if self.exercise in EXERCISES else None


def declared_at(workouts: Sequence[Declared], time_s: float) -> Declared | None:
    """The workout of this moment; of several the first."""
    return next((d for d in workouts if d.start_s <= time_s < d.end_s), None)
