"""Scores as Markdown tables, and the floors that the mean over the days must meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.validation.score import Score

LEAST_FLEXED_MIN = 5.0
"""min of labelled flexed sitting that a day must have for its F1 to count."""


class Floor(NamedTuple):
    """A bound on the mean over the days, both sensors. at_most: the figure must not exceed it."""

    figure: str
    bound: float
    at_most: bool = False


FLOORS = (
    Floor("flexion_rmse_deg", 1.6, at_most=True),
    Floor("context_balanced", 0.95),
    Floor("flexed_f1", 0.92),
    Floor("bend_recall", 0.85),
    Floor("bend_false_per_h", 1.0, at_most=True),
    Floor("rounded_f1", 0.80),
    Floor("floor_recall", 0.85),
    Floor("sit_to_stand", 0.85),
    Floor("stand_to_sit", 0.85),
)

COLUMNS = {
    "flexion_rmse_deg": ("flexion RMSE, deg", 2),
    "sacrum_rmse_deg": ("sacrum RMSE, deg", 2),
    "upper_rmse_deg": ("upper RMSE, deg", 2),
    "context_balanced": ("context", 3),
    "flexed_f1": ("flexed sitting F1", 3),
    "bend_recall": ("bend recall", 2),
    "bend_false_per_h": ("false bends/h", 1),
    "rounded_f1": ("rounded F1", 2),
    "right_when_said": ("right when said", 2),
    "floor_recall": ("floor recall", 2),
    "floor_verdict": ("floor verdict", 2),
    "floor_false_per_h": ("false floor/h", 1),
    "sit_to_stand": ("rises", 2),
    "stand_to_sit": ("sit-downs", 2),
    "chair_false_per_h": ("false chair/h", 1),
}


def mean(scores: Sequence[Score], figure: str) -> float:
    """Mean over the days that have something to score; NaN where none has. Short flexed sitting does not count."""
    counted = [s for s in scores if figure != "flexed_f1" or s.flexed_min >= LEAST_FLEXED_MIN]
    values = [v for s in counted if not np.isnan(v := getattr(s, figure))]
    return float(np.mean(values)) if values else float("nan")


def failures(scores: Sequence[Score]) -> list[str]:
    """One line per floor that the mean misses; a figure that cannot be computed misses it too."""
    lines = []
    for floor in FLOORS:
        value = mean(scores, floor.figure)
        if not (value <= floor.bound if floor.at_most else value >= floor.bound):
            lines.append(f"{floor.figure}: {value:.3f}, floor {'<=' if floor.at_most else '>='} {floor.bound}")
    return lines


def page(scores: Mapping[str, Mapping[str, Score]]) -> str:
    """One table per wear: a row a day, the mean below. A dash: nothing to score, or not measurable with this wear."""
    parts = []
    for wear, days in scores.items():
        head = ["day", "h", *(name for name, _ in COLUMNS.values())]
        rows = [
            [day, f"{s.hours:.1f}", *(_cell(getattr(s, f), d) for f, (_, d) in COLUMNS.items())]
            for day, s in days.items()
        ]
        rows.append(
            ["**mean**", "", *(f"**{_cell(mean(list(days.values()), f), d)}**" for f, (_, d) in COLUMNS.items())]
        )
        lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
        bends, floor = (sum(getattr(s, n) for s in days.values()) for n in ("bend_n", "floor_n"))
        parts.append(
            f"### {wear.capitalize()}\n\n"
            + "\n".join(lines)
            + f"\n\n{bends} labelled bends, {floor} floor transitions."
        )
    return "\n\n".join(parts)


def _cell(value: float, digits: int) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"
