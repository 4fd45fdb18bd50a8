"""The report's figures, drawn from the data that `analysis.figure_data` makes.

Colours are Okabe and Ito's (safe for colour-blind readers); position, marker shape and hatching say the same again, so
that a grey print can be read. Unknown is grey and hatched.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from analysis.figure_data import SITTING_ROLES, BendPoints, BoutBar, MeterTrace, Ribbon
from analysis.inputs import Clock
from analysis.schema import HourBends
from posture.types import Float, Verdict

P = ParamSpec("P")

INK, GRID, UNKNOWN_MARK = "#1b1f24", "#d3d7dc", "#7d8187"
FILL = {
    "walking": "#009e73",
    "standing": "#0072b2",
    "not_flexed": "#56b4e9",
    "flexed": "#d55e00",
    "end_range": "#6b2d00",
    "unjudged": "#c3c6ca",
    "lying": "#cc79a7",
    "floor": "#e69f00",
    "transition": "#8a6fbf",
    "unknown": "#c4c6cb",
    "non_wear": "#e4e6e9",
    "gap": "#f4f4f6",
    "exercise": "#f0e442",
}
"""One colour for each role; the page gives each a second value for dark screens (`--fig-ROLE`)."""
LABEL = {
    "not_flexed": "sitting, not flexed",
    "flexed": "sitting, flexed",
    "end_range": "sitting, near end of range",
    "unjudged": "sitting, not judged",
    "unknown": "unknown",
    "non_wear": "not worn",
    "gap": "no data (gap)",
}
LANES = {"floor": "on the floor", "transition": "between postures"}
FLOOR_LANES = {"down": "down to floor or bed", "up": "up from floor or bed"}
HATCH = {"unjudged": "////", "unknown": "////", "gap": "xxxx", "end_range": "...."}
VERDICT_STYLE = {
    Verdict.ROUNDED: ("o", FILL["flexed"], True),
    Verdict.MIXED: ("D", FILL["floor"], True),
    Verdict.NEUTRAL: ("s", FILL["standing"], False),
    Verdict.UNKNOWN: ("x", UNKNOWN_MARK, False),
}
"""Marker, colour, filled."""
VARIABLES = {INK: "ink", GRID: "grid", UNKNOWN_MARK: "unknown_mark"} | {colour: role for role, colour in FILL.items()}
"""Colour -> name of the style-sheet variable that may replace it in the page."""


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw under the report's own settings, whatever the user's matplotlib is set to."""
    ink = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    thin = {"axes.linewidth": 0.7, "hatch.linewidth": 0.5, "axes.spines.top": False, "axes.spines.right": False}
    settings = ink | thin | {"font.size": 9.0, "legend.frameon": False, "legend.fontsize": 8.5}

    @wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style.context(["default", settings]):
            return draw(*args, **kwargs)

    return inner


def image(figure: Figure, fmt: str = "png") -> bytes:
    """The figure as png or svg; the same figure gives the same bytes."""
    out = io.BytesIO()
    meta = {"Software": None} if fmt == "png" else dict.fromkeys(("Creator", "Date"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "figure"}):
        figure.savefig(out, format=fmt, dpi=150, facecolor="white", metadata=meta)
    return out.getvalue()


@styled
def draw_ribbon(data: Ribbon, clock: Clock, *, leans: str) -> Figure:
    """F1: one lane for each context, the sitting lane by how it was judged; then lanes of sets, marks and pain."""
    upper = _lanes(data)
    marked = {f"{leans}, {'not judged' if v == 'unknown' else v}": (v, t) for v, t in data.bends_s.items() if t}
    ways = {FLOOR_LANES.get(way, "to or from floor or bed"): (way, t) for way, t in data.floor_s.items() if t}
    exercise, pain = ["exercise"] * bool(len(data.sets)), ["pain, of 10"] * bool(data.pain)
    lanes = [*upper, *exercise, "alerts", *marked, *ways, *pain]
    figure = Figure(figsize=(10, 0.9 + 0.27 * len(lanes)), layout="constrained")
    axes = figure.add_subplot()
    level = {lane: len(lanes) - 1 - k for k, lane in enumerate(lanes)}
    for role, spans in data.spans.items():
        lane = "sitting" if role in SITTING_ROLES else LANES.get(role, role)
        _bars(axes, spans, level[lane if lane in level else "unknown or no data"], role)
    _bars(axes, data.sets, level.get("exercise", 0), "exercise")
    axes.plot(data.alerts_s, [level["alerts"]] * len(data.alerts_s), "v", color=INK, markersize=6)
    for lane, (verdict, times) in marked.items():
        _marks(axes, times, [level[lane]] * len(times), verdict, size=4.5)
    for lane, (way, times) in ways.items():
        sign = {"down": "v", "up": "^"}.get(way, "x")
        axes.plot(times, [level[lane]] * len(times), sign, color=INK, markerfacecolor="none", markersize=5.5)
    for line in axes.lines:  # a mark at the edge of the day is whole
        line.set_clip_on(False)
        line.set_in_layout(False)
    for when, score in data.pain:
        # The log tells which part of the day, not the minute: words at the ends of the lane, no mark at a time.
        x, side = {"morning": (0.004, "left"), "evening": (0.996, "right")}.get(when, (0.5, "center"))
        name = "at another time" if when == "other" else when
        axes.text(
            x, level["pain, of 10"], f"{name} {score}", transform=axes.get_yaxis_transform(), ha=side, va="center"
        )
    axes.axhline(len(lanes) - len(upper) - 0.5, color=INK, linewidth=0.5)
    axes.set_yticks(list(level.values()), [lane.capitalize() for lane in lanes])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, len(lanes) - 0.4)
    _time_axis(axes, clock, data.first_s, data.last_s)
    shown = [r for r in (*SITTING_ROLES, "unknown", "non_wear", "gap") if r in data.spans]
    if shown:
        figure.legend(handles=[_patch(role) for role in shown], loc="outside lower center", ncol=4)
    return figure


@styled
def draw_bouts(bars: Sequence[BoutBar], clock: Clock) -> Figure:
    """F3: one bar for each bout from sitting down, in the order of the day."""
    figure = Figure(figsize=(10, 1.1 + 0.26 * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    longest_min = max(b.segments[-1][1] for b in bars)
    for row, bar in enumerate(bars):
        for role in ("not_flexed", "flexed", "unjudged", "gap"):
            spans = np.array([s[:2] for s in bar.segments if s[2] == role]).reshape(-1, 2)
            _bars(axes, spans, row, role)
        judged_min = bar.bout.sitting_min - bar.bout.unjudged_min
        share = f"flexed {bar.bout.flexed_min:.0f} of {judged_min:.0f} judged" if judged_min > 0 else "not judged"
        note = f"{bar.bout.sitting_min:.0f} min, {share}"
        # In a column of their own, so that the line at 20 min runs through none of them.
        axes.text(1.02 * longest_min, row, note, va="center", fontsize=8.5)
    if longest_min > 20:
        axes.axvline(20, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(bars)), [clock.text(b.bout.start_s, seconds=False) for b in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, longest_min * 1.28)
    axes.set_xticks([t for t in MaxNLocator(8).tick_values(0, longest_min) if 0 <= t <= longest_min])
    axes.set_xlabel("minutes from sitting down")
    axes.set_ylabel("begun at" if clock.known else "begun at (h:mm)")
    shown = [r for r in ("not_flexed", "flexed", "unjudged", "gap") if any(r in s for b in bars for s in b.segments)]
    figure.legend(handles=[_patch(r) for r in shown], loc="outside lower center", ncol=4)
    return figure


@styled
def draw_meter(data: MeterTrace, clock: Clock, *, high_level: float) -> Figure:
    """F4: the meter, broken and hatched where there is no data, with the level of the alert and the alerts raised."""
    figure = Figure(figsize=(10, 2.5), layout="constrained")
    axes = figure.add_subplot()
    for spans, role in ((data.gaps, "gap"), (data.unknown, "unknown")):
        _bars(axes, spans, 0.525, role, half=0.525)
    axes.plot(data.time_s, data.creep, color=FILL["standing"], linewidth=1.4)
    axes.axhline(high_level, color=INK, linewidth=0.8, linestyle="--")
    for at_s, level in data.alerts:
        axes.plot([at_s], [min(1.0, level + 0.06)], "v", color=INK, markersize=7)
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_ylabel("time-in-flexion meter")
    _time_axis(axes, clock, float(data.time_s[0]), float(data.time_s[-1]) + data.step_s)
    handles: list[Patch | Line2D] = [
        Line2D([], [], color=FILL["standing"], label="meter"),
        Line2D([], [], color=INK, linestyle="--", linewidth=0.8, label=f"an alert may come from {high_level:.2f}"),
    ]
    if data.alerts:
        handles.append(Line2D([], [], color=INK, marker="v", linestyle="none", label="sitting alert"))
    handles += [_patch(role) for spans, role in ((data.gaps, "gap"), (data.unknown, "unknown")) if len(spans)]
    figure.legend(handles=handles, loc="outside lower center", ncol=5)
    return figure


@styled
def draw_bend_points(data: BendPoints) -> Figure:
    """F5, two sensors: lean of the trunk against flexion of the lumbar spine at the peak."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.add_subplot()
    for verdict, points in data.points.items():
        _marks(axes, points[:, 0], points[:, 1], verdict, size=6)
    axes.axhline(data.rounded_deg, color=INK, linewidth=0.8, linestyle="--")
    axes.text(1.0, data.rounded_deg, f"rounded from {data.rounded_deg:.0f}° ", transform=axes.get_yaxis_transform(),
              ha="right", va="bottom", fontsize=8.5)  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel("trunk lean at the peak, degrees")
    axes.set_ylabel("lumbar flexion at the peak, degrees")
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    handles = [_handle(v, count=len(p)) for v, p in data.points.items() if len(p)]
    figure.legend(handles=handles, loc="outside lower center", ncol=4)
    return figure


@styled
def draw_bend_hours(hours: Sequence[HourBends]) -> Figure:
    """F5, one sensor: forward leans by hour, the long or deep ones apart; `*` marks hours worn for under 30 min."""
    figure = Figure(figsize=(10, 2.6), layout="constrained")
    axes = figure.add_subplot()
    at = np.arange(len(hours))
    marked = np.array([h.deep_or_sustained for h in hours])
    other = np.array([h.total for h in hours]) - marked
    axes.bar(at, marked, 0.75, color=FILL["floor"], edgecolor=INK, linewidth=0.5, label="long or deep forward lean")
    axes.bar(at, other, 0.75, bottom=marked, color=FILL["unknown"], edgecolor=INK, linewidth=0.5, label="other lean")
    axes.set_xlim(-0.6, max(len(hours), 8) - 0.4)  # a single hour is a bar, not a wall
    every = -(-len(hours) // 12)
    axes.set_xticks(at[::every], [h.label + ("*" if h.worn_min < 30 else "") for h in hours][::every])
    axes.set_ylim(0, max(1, *(h.total for h in hours)) * 1.1)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("forward leans in the hour")
    axes.set_xlabel("hour from (* worn for less than 30 min of it)")
    figure.legend(loc="outside lower center", ncol=2)
    return figure


def _lanes(data: Ribbon) -> list[str]:
    """Context lanes of F1 from the top: the three of every day, and what else occurs."""
    lanes = [
        "walking",
        "standing",
        "sitting",
        *(LANES.get(r, r) for r in ("lying", "floor", "transition") if r in data.spans),
    ]
    return [*lanes, "unknown or no data"] if {"unknown", "non_wear", "gap"} & set(data.spans) else lanes


def _bars(axes: Axes, spans: Float, level: float, role: str, *, half: float = 0.4) -> None:
    """Rectangles of one role as a single path, so that thousands of them stay small."""
    if not len(spans):
        return
    corners = spans[:, [0, 1, 1, 0, 0]]
    heights = np.broadcast_to(level + half * np.array([-1, -1, 1, 1, -1]), corners.shape)
    kinds = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(spans)
    shape = Path(np.column_stack([corners.ravel(), heights.ravel()]), kinds)
    # An outline keeps a short one visible; the trace stays darker than it.
    width, edge = (0.6, UNKNOWN_MARK) if role in ("gap", "unknown", "non_wear") else (0.6 * (role == "exercise"), INK)
    axes.add_patch(PathPatch(shape, linewidth=width, facecolor=FILL[role], edgecolor=edge, hatch=HATCH.get(role)))


def _marks(axes: Axes, x: ArrayLike, y: ArrayLike, verdict: Verdict, *, size: float) -> None:
    marker, colour, filled = VERDICT_STYLE[verdict]
    face = colour if filled else "none"
    axes.plot(x, y, marker, markersize=size, markeredgecolor=colour, markerfacecolor=face, markeredgewidth=1.2)


def _handle(verdict: Verdict, *, count: int | None = None) -> Line2D:
    marker, colour, filled = VERDICT_STYLE[verdict]
    label = "lean, not judged" if verdict is Verdict.UNKNOWN else f"bend, {verdict.value}"
    label += "" if count is None else f" ({count})"
    face = colour if filled else "none"
    return Line2D([], [], linestyle="none", marker=marker, color=colour, markerfacecolor=face, label=label)


def _patch(role: str) -> Patch:
    return Patch(facecolor=FILL[role], edgecolor=INK, linewidth=0.5, hatch=HATCH.get(role), label=LABEL[role])


def _time_axis(axes: Axes, clock: Clock, first_s: float, last_s: float) -> None:
    """Ticks on whole steps of the clock, about ten of them."""
    wanted_s = (last_s - first_s) / 10
    steps_s = (1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400)
    ticks = clock.steps(first_s, last_s, next((s for s in steps_s if s >= wanted_s), 21600))
    fine = last_s - first_s < 600
    axes.set_xticks(ticks, [clock.text(t, seconds=fine) for t in ticks])
    axes.set_xlim(first_s, last_s)
    axes.set_xlabel(clock.axis)


@styled
def draw_whatif(
    days: Sequence[Ribbon],
    meters: Sequence[MeterTrace | None],
    clock: Clock,
    *,
    names: Sequence[str],
    highs: Sequence[float],
) -> Figure:
    """The same recording twice, one above the other: how sitting was judged, the meter where there is one, alerts and bends."""
    figure = Figure(figsize=(10, 2.3 * len(days) + 0.6), layout="constrained")
    shared: Axes | None = None
    for k, (day, meter, name, high) in enumerate(zip(days, meters, names, highs, strict=True)):
        axes = figure.add_subplot(len(days), 1, k + 1, sharex=shared)
        shared = shared or axes
        for role in ("not_flexed", "flexed", "end_range", "unjudged", "unknown", "gap", "non_wear"):
            _bars(axes, day.spans.get(role, np.empty((0, 2))), -0.12, role, half=0.07)
        if meter is not None:
            axes.plot(meter.time_s, meter.creep, color=FILL["standing"], linewidth=1.4)
            axes.axhline(high, color=INK, linewidth=0.8, linestyle="--")
        if len(
            day.alerts_s
        ):  # without a point an unclipped line lies at the figure's corner, and the layout makes room for it
            axes.plot(day.alerts_s, [1.04] * len(day.alerts_s), "v", color=INK, markersize=6, clip_on=False)
        for verdict, times in day.bends_s.items():
            _marks(axes, times, [-0.32] * len(times), verdict, size=4.5)
        axes.set_ylim(-0.42, 1.1)
        axes.set_yticks([-0.32, -0.12, 0, 0.5, 1.0], ["bends", "sitting", "0", "meter 0.5", "1"])
        axes.set_title(name, loc="left", fontsize=9.5)
        _time_axis(axes, clock, day.first_s, day.last_s)
        if k + 1 < len(days):
            axes.tick_params(axis="x", labelbottom=False)
            axes.set_xlabel("")
    roles = [
        r
        for r in ("not_flexed", "flexed", "end_range", "unjudged", "unknown", "gap")
        if any(r in d.spans for d in days)
    ]
    handles: list[Patch | Line2D] = [_patch(r) for r in roles]
    if any(meters):
        handles.append(Line2D([], [], color=FILL["standing"], label="time-in-flexion meter"))
        handles.append(Line2D([], [], color=INK, linestyle="--", linewidth=0.8, label="a sitting alert may come"))
    handles += [Line2D([], [], color=INK, marker="v", linestyle="none", label="alert")]
    handles += [_handle(v) for v in Verdict if any(d.bends_s[v] for d in days)]
    figure.legend(handles=handles, loc="outside lower center", ncol=4)
    return figure
