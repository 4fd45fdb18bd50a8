"""An event together with the second whose decision brought it out."""

from __future__ import annotations

from typing import NamedTuple

from posture.types import PostureEvent


class Said(NamedTuple):
    """`event` became known when second `epoch_s` was decided: the order in which live and replay hear of it is the same."""

    epoch_s: float
    event: PostureEvent
