"""The person's own usual, and the smallest change against it that is one: the same rule for a day's win and for trends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median, stdev

SURE_SPREAD = 1.96 * sqrt(2)
"""Times the SD of the person's own days: the smallest detectable change (95 %; domain.md section 5)."""
DAYS_MIN = 7
"""Valid days from which there is a usual (domain.md section 5)."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Median of some days, and how far another value must lie from it to be called a change. Both in the unit of the days."""

    median: float
    change: float
    days_n: int


def usual_of(
    days: Sequence[float], *, floor: float = 0.0, counted_over: float | None = None, last: int | None = None
) -> Usual | None:
    """Of at least DAYS_MIN days, oldest first; else None. Change: 1.96 sqrt(2) SD of the days, at least `floor`.

    counted_over : the days are rates of counts, and the value they are held against was counted over so much exposure (min for
    rates per min). Two counts of one Poisson rate n differ by more than 1.96 sqrt(2 n) in one of 20; n is taken as 1 at least,
    because 0 counted is no rate of 0. last : the median is of so many last days, the spread of all.
    """
    if len(days) < DAYS_MIN:
        return None
    usual, spread = median(days[-(last or len(days)) :]), stdev(days)
    if counted_over is not None:
        spread = max(spread, sqrt(max(usual * counted_over, 1.0)) / counted_over if counted_over > 0 else float("inf"))
    return Usual(usual, max(floor, SURE_SPREAD * spread), len(days))
