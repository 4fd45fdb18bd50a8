"""F2, F6, F7 and F9, in the colours and settings of `analysis.figures`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis.exposure_data import (
    DURATION_NAMES,
    LEVEL_NAMES,
    SHARES_PCT,
    Distribution,
    ExerciseCard,
    Variation,
    WayRow,
)
from analysis.figures import FILL, GRID, INK, styled
from analysis.words import span
from posture.types import Verdict

LINES = {"sitting": (FILL["flexed"], "-"), "standing and walking": (FILL["standing"], "--")}
PATH_NAMES = {Verdict.ROUNDED: "straight way", Verdict.NEUTRAL: "with a turn or over one knee"}
VERDICT_FILL = {
    Verdict.ROUNDED: (FILL["flexed"], "\\\\\\\\"),
    Verdict.MIXED: (FILL["floor"], "...."),
    Verdict.NEUTRAL: (FILL["not_flexed"], ""),
    Verdict.UNKNOWN: (FILL["unknown"], "////"),
}


@styled
def draw_distribution(data: Distribution) -> Figure:
    """F2: for how much of its time each activity was at most so flexed; marks at 10, 50 and 90 %."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for name, levels in data.curves.items():
        colour, line = LINES[name]
        axes.plot(
            levels, SHARES_PCT, line, color=colour, linewidth=1.8, label=f"{name} ({span(data.measured_min[name])})"
        )
        for share in (10, 50, 90):
            axes.plot(levels[share], share, "o", color=colour, markersize=5)
            axes.annotate(f"{levels[share]:.0f}", (levels[share], share), xytext=(6, -9 if name == "sitting" else 4),
                          textcoords="offset points", fontsize=8.5)  # fmt: skip
    axes.axvline(data.flexed_pct, color=INK, linewidth=0.8, linestyle=":")
    axes.text(data.flexed_pct, 1.0, f" sitting is flexed from {data.flexed_pct:.0f}", fontsize=8.5, va="bottom",
              transform=axes.get_xaxis_transform())  # fmt: skip
    # The outermost 1 % of each is a few seconds of a stoop or a doubtful angle, and would leave the rest a tenth of the width.
    reach = [levels[share] for levels in data.curves.values() for share in (1, 99)]
    margin = 0.05 * (max(*reach, data.flexed_pct) - min(reach))
    axes.set_xlim(min(reach) - margin, max(*reach, data.flexed_pct) + margin)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 10, 50, 90, 100])
    axes.set_ylabel("% of the time at or below")
    axes.set_xlabel(data.axis)
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncol=2)
    return figure


@styled
def draw_ways(rows: Sequence[WayRow], *, by_path: bool) -> Figure:
    """F6: one bar for each way up or down, split by verdict; unknown is grey and hatched.

    by_path : from one sensor, whose verdict is of the path: it is called by the path, not by the back.
    """
    figure = Figure(figsize=(10, 1.0 + 0.3 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    left = np.zeros(len(rows))
    at = np.arange(len(rows))
    for verdict, (colour, hatch) in VERDICT_FILL.items():
        counts = np.array([r.by_verdict[verdict] for r in rows], dtype=float)
        if counts.any():
            name = (PATH_NAMES if by_path else {}).get(verdict, verdict.value)
            name = "not judged" if verdict is Verdict.UNKNOWN else name
            axes.barh(at, counts, 0.7, left=left, color=colour, edgecolor=INK, linewidth=0.5, hatch=hatch, label=name)
            left += counts
    for row, total in enumerate(left):
        _beside(axes, total, row, f"{total:.0f}")
    axes.set_yticks(at, [r.label for r in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, max(5.0, left.max()) * 1.08)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("times")
    figure.legend(loc="outside lower center", ncol=4)
    return figure


@styled
def draw_exercise(card: ExerciseCard) -> Figure:
    """F7: one bar for each set, its reps by form, a mark at the first that failed; beside it exercise against daily life."""
    known = card.in_exercise_pct is not None and card.in_life_pct is not None
    figure = Figure(figsize=(10, max(2.2, 1.1 + 0.32 * len(card.sets))), layout="constrained")
    both = figure.add_gridspec(1, 2, width_ratios=(3, 1)) if known else figure.add_gridspec(1, 1)
    axes = figure.add_subplot(both[0, 0])
    for row, bar in enumerate(card.sets):
        clean = 0 if bar.clean is None else bar.clean
        rest = bar.reps - clean
        colour, hatch = (FILL["unknown"], "////") if bar.clean is None else (FILL["floor"], "....")
        axes.barh(row, clean, 0.65, color=FILL["walking"], edgecolor=INK, linewidth=0.5)
        axes.barh(row, rest, 0.65, left=clean, color=colour, edgecolor=INK, linewidth=0.5, hatch=hatch)
        said = f"{bar.reps} reps, form not measured" if bar.clean is None else f"{bar.clean} of {bar.reps} clean"
        said += f", first failed {bar.first_failed}" if bar.first_failed else ""
        _beside(axes, bar.reps, row, said)
        if bar.first_failed:
            axes.plot([bar.first_failed - 0.5] * 2, [row - 0.42, row + 0.42], color=INK, linewidth=2)
    axes.set_yticks(range(len(card.sets)), [b.label for b in card.sets])
    axes.set_ylim(len(card.sets) - 0.4, -0.6)
    axes.set_xlim(0, max(b.reps for b in card.sets) * 1.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("repetitions")
    if known:
        side = figure.add_subplot(both[0, 1])
        shares = (card.in_exercise_pct or 0.0, card.in_life_pct or 0.0)
        side.bar((0, 1), shares, 0.6, color=(FILL["walking"], FILL["flexed"]), edgecolor=INK, linewidth=0.5)
        for x, share in enumerate(shares):
            side.text(x, share, f"{share:.0f} %", ha="center", va="bottom", fontsize=8.5)
        side.set_xticks((0, 1), ("exercise", "daily life"))
        side.set_ylim(0, 115)
        side.set_yticks([0, 50, 100])
        side.set_ylabel("rounded, %")
        side.set_title("carry-over", loc="left", fontsize=9)
    roles: list[Patch | Line2D] = []
    if any(b.clean for b in card.sets):
        roles.append(Patch(facecolor=FILL["walking"], edgecolor=INK, label="clean"))
    if any(b.clean is not None and b.clean < b.reps for b in card.sets):
        roles.append(
            Patch(facecolor=FILL["floor"], edgecolor=INK, hatch="....", label="form changed (how many, not which)")
        )
    if any(b.clean is None for b in card.sets):
        roles.append(Patch(facecolor=FILL["unknown"], edgecolor=INK, hatch="////", label="form not measured"))
    if any(b.first_failed for b in card.sets):
        roles.append(Line2D([], [], color=INK, linewidth=2, label="first repetition that failed"))
    figure.legend(handles=roles, loc="outside lower center", ncol=4)
    return figure


@styled
def draw_variation(data: Variation) -> Figure:
    """F9: minutes at each level in stays of each length, as a table of shaded cells with their numbers."""
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    axes = figure.add_subplot()
    top = max(float(data.minutes.max()), 1e-9)
    rows, columns = data.minutes.shape
    for level in range(rows):
        for length in range(columns):
            minutes = float(data.minutes[level, length])
            # The ink stays readable on the darkest cell, on paper and on a dark screen: the colour is mixed, never solid.
            axes.barh(level, 1.0, 1.0, left=length, color=FILL["flexed"], alpha=0.75 * minutes / top, linewidth=0)
            text = span(minutes) if minutes else "–"
            axes.text(length + 0.5, level, text, ha="center", va="center", fontsize=8.5)
    axes.set_xlim(0, columns)
    axes.set_ylim(-0.5, rows - 0.5)
    axes.set_xticks(np.arange(columns) + 0.5, DURATION_NAMES)
    axes.set_yticks(range(rows), LEVEL_NAMES)
    axes.set_xticks(range(columns + 1), minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.7)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("length of the stay at a level")
    axes.set_ylabel(data.axis.removeprefix("lumbar flexion, ").partition(" (")[0])
    return figure


def _beside(axes: Axes, x: float, y: float, text: str) -> None:
    """Text a little to the right of a bar's end."""
    axes.annotate(text, (x, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5)
