"""When an alert on sitting counts as answered: the wearer stands up, or sits out of flexion for a while.

One definition, for the alert policy, which hears the seconds as they are decided, and for the day's summary afterwards.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from posture.config import Config
from posture.types import Basis, Bool, Context, EpochBlock

WITHIN_S = 180.0
"""From the alert to standing, or to the start of a stay under the off level; design default (the design has it of standing)."""
STAY_S = 60.0
"""Least length of that stay; design default."""
_NEVER = float("inf")


class Rest(NamedTuple):
    """Stretches that go on, by their first second: upright, and under the off level (upright or seated); inf where none does."""

    upright_from_s: float = _NEVER
    under_from_s: float = _NEVER

    def after(self, start_s: float, *, upright: bool, under: bool) -> Rest:
        """The same once the next second is known, which begins at `start_s`."""
        return Rest(
            min(self.upright_from_s, start_s) if upright else _NEVER,
            min(self.under_from_s, start_s) if under else _NEVER,
        )

    def answers(self, raised_s: float, now_s: float) -> bool:
        """Whether it answers an alert raised at `raised_s`, seen at the end `now_s` of its last second.

        It does where it began before the alert or up to WITHIN_S after it, and went on past it.
        """
        stays = (
            self.upright_from_s if now_s - self.under_from_s < STAY_S else min(self.under_from_s, self.upright_from_s)
        )
        return now_s > raised_s and stays <= raised_s + WITHIN_S


def off_pct(config: Config, basis: Basis) -> float:
    """The level under which sitting is out of flexion: % of range (two sensors) or slump index (one)."""
    return config.sitting.flexed_off_pct if basis is Basis.TWO else config.sitting.slump_off_pct


def rests(epochs: EpochBlock, off_pct: float, basis: Basis) -> tuple[Bool, Bool]:
    """(m,) each: seconds upright, and seconds upright or seated under the off level. A level that is not known is not under it."""
    upright = np.isin(epochs.context, (Context.STANDING, Context.WALKING))
    pct = epochs.flexion_pct_rom if basis is Basis.TWO else epochs.slump_index_pct
    with np.errstate(invalid="ignore"):
        return upright, upright | ((epochs.context == Context.SITTING) & (pct < off_pct))
