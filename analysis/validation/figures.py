"""Figures of the accuracy page: Okabe and Ito's colours, and position or shape that says the same without them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from analysis.figures import FILL, GRID, INK, styled
from analysis.validation.alerts import Expected
from analysis.validation.measures import Measure, Reliability, estimate, per_person
from analysis.validation.score import LabelledDay
from posture.types import Context, Float


@styled
def draw_people(measures: Sequence[Measure]) -> Figure:
    """One row per share: a dot per person, the value over all as a bar, its 95 % interval over people as a line."""
    rows = [m for m in measures if m.people]
    figure = Figure(figsize=(8.5, 0.9 + 0.42 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for level, measure in enumerate(reversed(rows)):
        own = np.array(list(per_person(measure).values()))
        own = own[~np.isnan(own)]
        axes.plot(own, level + 0.42 * _spread(own), "o", color=FILL["not_flexed"], markersize=4, alpha=0.8)
        made = estimate(measure)
        if not np.isnan(made.low):
            axes.plot([made.low, made.high], [level - 0.3] * 2, color=INK, linewidth=1.6, solid_capstyle="butt")
        axes.plot(made.value, level - 0.3, "|", color=FILL["flexed"], markersize=11, markeredgewidth=2.6)
    axes.set_yticks(range(len(rows)), [f"{m.name} ({len(m.people)})" for m in reversed(rows)])
    axes.set_ylim(-0.7, len(rows) - 0.4)
    axes.set_xlim(-0.02, 1.02)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share; dots: people, bar: all together, line: 95 % interval over people")
    return figure


def _spread(values: Float) -> Float:
    """Offsets that keep equal values apart: (n,) from 0 to 1."""
    out = np.zeros(len(values))
    for value in np.unique(values.round(2)):
        same = np.flatnonzero(values.round(2) == value)
        out[same] = np.arange(len(same)) / max(20, len(same) - 1)
    return out


@styled
def draw_reliability(rows: Sequence[Reliability]) -> Figure:
    """One panel per kind: how sure it said it was against how often it was right; the dot's area is the number of claims."""
    figure = Figure(figsize=(1.2 + 2.1 * len(rows), 2.7), layout="constrained")
    panels = figure.subplots(1, len(rows), sharex=True, sharey=True, squeeze=False)[0]
    for axes, row in zip(panels, rows, strict=True):
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--")
        full = row.n > 0
        area = 20 + 130 * row.n[full] / row.n.sum()
        axes.scatter(row.said[full], row.right[full], s=area, color=FILL["standing"], edgecolor=INK, linewidth=0.6)
        axes.set_title(f"{row.kind}\nn {int(row.n.sum())}, off by {row.calibration_error:.2f}", fontsize=9)
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xticks([0, 0.5, 1])
        axes.grid(color=GRID, linewidth=0.5)
        axes.set_xlabel("confidence")
    panels[0].set_ylabel("share right")
    return figure


@styled
def draw_alert_day(name: str, day: LabelledDay, truth: Expected) -> Figure:
    """The meter as the product had it and as the truth gives it, with the alerts of both, over what the truth was doing."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.add_subplot()
    hours = np.arange(len(truth.creep)) / 3600.0
    axes.plot(hours, truth.creep, color=INK, linewidth=1.0, linestyle="--", label="meter on the truth")
    axes.plot(day.epochs.start_s / 3600.0, day.epochs.creep, color=FILL["flexed"], linewidth=1.3, label="meter as said")
    axes.axhline(0.8, color=GRID, linewidth=0.8)
    raised = [a["about_s"] / 3600.0 for a in day.alerts if a["kind"] == "flexed_sitting"]
    axes.plot(raised, [1.16] * len(raised), "v", color=FILL["flexed"], markersize=7, label="alert raised")
    due = [s / 3600.0 for s in truth.alerts_s]
    axes.plot(due, [1.07] * len(due), "^", color="none", markeredgecolor=INK, markersize=7, label="alert expected")
    for role, code in (("sitting", Context.SITTING), ("upright", None)):
        mine = (
            np.isin(day.labels.context, (Context.STANDING, Context.WALKING))
            if code is None
            else day.labels.context == code
        )
        colour = FILL["not_flexed"] if code is not None else FILL["standing"]
        axes.fill_between(hours, -0.14, -0.05, where=mine, color=colour, step="post", linewidth=0, label=role)
    axes.set_ylim(-0.16, 1.24)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_xlabel(f"hours ({name}, simulated)")
    axes.set_ylabel("time-in-flexion meter")
    figure.legend(loc="outside upper center", ncol=6)
    return figure
