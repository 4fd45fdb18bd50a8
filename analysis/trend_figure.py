"""F8: the days of a trend, one panel for each number, with the usual and what would be a change against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import FILL, GRID, INK, UNKNOWN_MARK, styled
from analysis.trends import OUTCOMES, WEEK_DAYS, Trend

PANELS_MAX = 6
CAPTION = (
    "Each mark is a day; hollow ones were worn too short to count. The grey band is what your own days differ by without a real "
    "change, around your usual; the line is the median of the last week."
)
MARKS = {"valid": ("o", True), "short": ("o", False), "other_sensors": ("x", False)}
"""Marker and whether it is filled, by state of the day."""
LABELS = {"valid": "a day that counts", "short": "worn too short", "other_sensors": "other sensors, not compared"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One number over the days. points : state -> (day, value), day 0 the first drawn. outcome : of the last week.

    usual, change : of the days before the last week. week : median of that week. All in `unit`; None where there is none.
    """

    name: str
    unit: str
    points: dict[str, tuple[tuple[int, float], ...]]
    days_n: int
    outcome: str
    week: float | None
    usual: float | None
    change: float | None


def panels_of(trend: Trend) -> tuple[Panel, ...]:
    """The first PANELS_MAX numbers that have a value on any day."""
    found = []
    week = min(WEEK_DAYS, len(trend.days))
    for compared in (c for c in trend.compared if c.window_days == week):
        points = {
            state: tuple(
                (k, float(value))
                for k, d in enumerate(trend.days)
                if d.state == state and (value := d.values[compared.metric]) is not None
            )
            for state in MARKS
        }
        if any(points.values()):
            numbers = (compared.median, compared.usual, compared.detectable)
            found.append(Panel(compared.name, compared.unit, points, len(trend.days), compared.outcome, *numbers))
    return tuple(found[:PANELS_MAX])


@styled
def draw_trend(panels: Sequence[Panel], first: date) -> Figure:
    """Days as marks (hollow: worn too short; cross: other sensors), the last week's median, the usual and its band."""
    columns = 1 if len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(10, 2.1 * rows + 0.6), layout="constrained")
    for k, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, k + 1)
        _panel(axes, panel)
        ticks = list(range(panel.days_n - 1, -1, -7))[::-1]
        ticks = ticks[:: -(-len(ticks) // 6)]
        axes.set_xticks(ticks, [f"{(d := date.fromordinal(first.toordinal() + t)).day} {d:%b}" for t in ticks])
    figure.legend(handles=_handles(panels), loc="outside lower center", ncol=3)
    return figure


def _panel(axes: Axes, panel: Panel) -> None:
    last = panel.days_n - 0.5
    begin = last - min(WEEK_DAYS, panel.days_n)
    if panel.usual is not None and panel.change is not None:
        low, high = panel.usual - panel.change, panel.usual + panel.change
        axes.fill_between([begin, last], max(low, 0.0) if panel.unit != "deg" else low, high, color=FILL["unjudged"],
                          alpha=0.55, linewidth=0)  # fmt: skip
        axes.plot([-0.5, last], [panel.usual] * 2, color=INK, linewidth=0.8, linestyle=":")
    if panel.week is not None:
        axes.plot([begin, last], [panel.week] * 2, color=FILL["flexed"], linewidth=2.2)
    for state, points in panel.points.items():
        marker, filled = MARKS[state]
        colour = FILL["standing"] if state != "other_sensors" else UNKNOWN_MARK
        x, y = (np.array([p[k] for p in points]) for k in (0, 1))
        axes.plot(x, y, marker, color=colour, markerfacecolor=colour if filled else "none", markersize=4.5)
    said = OUTCOMES.get(panel.outcome)
    if said is None and panel.week is not None and panel.usual is not None:
        said = "more than usual" if panel.week > panel.usual else "less than usual"
    axes.set_title(f"{panel.name}\n{f'{panel.unit}; ' * bool(panel.unit)}last week: {said}", loc="left", fontsize=9)
    axes.set_xlim(-0.7, panel.days_n - 0.3)
    if panel.unit != "deg":
        axes.set_ylim(bottom=-0.04 * axes.get_ylim()[1])  # a mark at 0 is whole
    axes.margins(y=0.15)
    axes.grid(axis="y", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)


def _handles(panels: Sequence[Panel]) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    for state, (marker, filled) in MARKS.items():
        if any(p.points[state] for p in panels):
            colour = FILL["standing"] if state != "other_sensors" else UNKNOWN_MARK
            face = colour if filled else "none"
            handles.append(
                Line2D([], [], marker=marker, color=colour, markerfacecolor=face, linestyle="none", label=LABELS[state])
            )
    if any(p.week is not None for p in panels):
        handles.append(Line2D([], [], color=FILL["flexed"], linewidth=2.2, label="median of the last week"))
    if any(p.usual is not None for p in panels):
        handles.append(Line2D([], [], color=INK, linestyle=":", label="your usual, of the days before"))
        handles.append(Patch(facecolor=FILL["unjudged"], alpha=0.55, label="inside: no real change"))
    return handles
