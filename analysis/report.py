"""The day's report from a replay folder: one self-contained HTML, the summary as JSON, tables as CSV, figures as PNG.

The same folder gives the same bytes: nothing in a report depends on when or where it was made.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.daily import CHAIR_KINDS, LONG_BOUT_MIN, DailySummary, summarise
from analysis.inputs import NOT_MEDICAL, RED_FLAGS, DayEvent, ReportInput, load
from posture.atomic import write_whole
from posture.types import EventKind, InputError, JsonValue

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "ReportInput", "Sentence", "load", "render_html", "words", "write"]

FORMATS = ("html", "json", "csv", "png")
WORDS_MAX = 120
EVENTS_SHOWN = 200
MOSTLY_JUDGED = 0.8  # share that must be judged before something may be called well done; ours
SENSOR_NAMES = {"sacrum": "sacrum (belt line)", "upper_lumbar": "upper lumbar spine (T12-L1)"}
SOURCES = {
    "poses": "from the recorded poses",
    "file": "from a saved calibration",
    "self": "self-calibrated from standing and walking, which is less sure",
}
EVENT_COLUMNS = ("kind", "start_s", "end_s", "peak_s", "peak_deg", "verdict", "basis", "confidence", "set_id")
UNITS = {"_min": "min", "_s": "s", "_deg": "deg", "_pct": "%", "_hour": "1/h"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the report's words. kind : `seen`, `win`, `habit`, `basis`, `not_judged`."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure of the report; `figure` is None where there is nothing to draw, and `caption` then says why."""

    name: str
    title: str
    caption: str
    figure: Figure | None


def span(minutes: float) -> str:
    """Minutes for reading: `5 h 10 min`, `34 min`, `under 1 min`."""
    if 0 < minutes < 0.5:
        return "under 1 min"
    whole = int(f"{minutes:.0f}")
    return f"{whole // 60} h {whole % 60} min" if whole >= 60 else f"{whole} min"


def words(summary: DailySummary) -> tuple[Sentence, ...]:
    """What the numbers say in at most WORDS_MAX words: seen, one thing that went well, two habits, basis, not judged.

    Later steps add the practice and the focus (rules R01-R20) as kinds of their own.
    """
    wear, minutes = summary.wear, summary.context_min
    if wear.validity == "empty":
        return (Sentence("seen", f"Nothing was worn in {span(wear.recorded_min)} recorded: nothing to judge."),)
    did = [("sat", "sitting"), ("stood", "standing"), ("walked", "walking")]
    did += [("lay", "lying")] if minutes["lying"] >= 1 else []
    told = [f"{verb} {span(minutes[name])}" for verb, name in did]
    text = f"In {span(wear.worn_min)} of wear you {', '.join(told[:-1])} and {told[-1]}."
    seen = [Sentence("seen", text)]
    habits = [Sentence("habit", habit) for habit in _habits(summary)[:2]]
    wins = [Sentence("win", f"What went well: {win}") for win in _wins(summary)[:1]]
    if wear.validity == "short_recording":
        seen = [Sentence("seen", f"This is a short recording, not a day; nothing here is a habit yet. {text}")]
        habits, wins = [Sentence("seen", habit.text) for habit in habits], []
    rest = [Sentence("basis", _basis(summary)), *(Sentence("not_judged", t) for t in _not_judged(summary))]
    while habits and sum(len(s.text.split()) for s in (*seen, *wins, *habits, *rest)) > WORDS_MAX:
        habits.pop()
    return (*seen, *wins, *habits, *rest)


def _leans(summary: DailySummary, count: int = 2) -> str:
    """What bends are called: with one sensor a forward lean, because how the spine was held is not measured."""
    name = "bend" if len(summary.basis.sensors) == 2 else "forward lean"
    return name if count == 1 else name + "s"


def _judged(verdicts: dict[str, int]) -> int:
    return sum(verdicts.values()) - verdicts["unknown"]


def _chairs(summary: DailySummary) -> dict[str, int]:
    first, second = (summary.chair_transitions[kind] for kind in CHAIR_KINDS)
    return {verdict: first[verdict] + second[verdict] for verdict in first}


def _wins(summary: DailySummary) -> list[str]:
    """Things that went well, strongest first; each needs nearly all of its time or events judged."""
    sitting, wear, bends = summary.sitting, summary.wear, summary.bends
    found = []
    share = sitting.flexed_share_of_judged_pct
    if share is not None and share <= 25 and sitting.judged_min >= max(60, MOSTLY_JUDGED * sitting.total_min):
        out_min = sitting.judged_min - sitting.flexed_min
        found.append(f"{span(out_min)} of {span(sitting.judged_min)} judged sitting was out of flexion.")
    hidden_min = wear.gap_min + summary.context_min["unknown"]
    if sitting.total_min >= 60 and not sitting.long_bouts and hidden_min <= 0.1 * wear.recorded_min:
        found.append(f"none of your {len(sitting.bouts)} sitting bouts reached {LONG_BOUT_MIN:.0f} min.")
    judged, neutral = _judged(bends.by_verdict), bends.by_verdict["neutral"]
    if judged >= max(5, MOSTLY_JUDGED * bends.total) and neutral >= 0.7 * judged:
        found.append(f"{neutral} of {judged} judged {_leans(summary)} were neutral.")
    if summary.context_min["walking"] >= 60:
        found.append(f"you walked {span(summary.context_min['walking'])}.")
    return found


def _habits(summary: DailySummary) -> list[str]:
    """What stood out, with its numbers, in order of weight (thresholds of rules R01, R02, R04, R08 of domain.md)."""
    sitting, bends, meter, chairs = summary.sitting, summary.bends, summary.meter, _chairs(summary)
    found = []
    if sitting.flexed_min >= 120 or (meter.high_min or 0) > 0 or any(b.flexed_min >= 20 for b in sitting.bouts):
        share = f"{span(sitting.flexed_min)} of {span(sitting.judged_min)} judged"
        top = f"; the time-in-flexion meter reached {meter.peak:.2f}" if meter.peak is not None else ""
        found.append(f"You sat flexed for {share} ({sitting.flexed_share_of_judged_pct or 0:.0f} %){top}.")
    if bends.by_verdict["rounded"] >= 3:
        of = f"{bends.by_verdict['rounded']} of {_judged(bends.by_verdict)}"
        found.append(f"{of} judged {_leans(summary)} were rounded.")
    elif bends.by_verdict["unknown"] == bends.total and bends.deep_or_sustained >= 5:
        found.append(f"There were {bends.deep_or_sustained} long or deep forward leans.")
    if sitting.long_bouts >= 3 or (sitting.share_of_worn_pct or 0) >= 75:
        longest = f"the longest held {span(sitting.longest_bout_min or 0)} of sitting"
        found.append(f"{sitting.long_bouts} sitting bouts lasted {LONG_BOUT_MIN:.0f} min or more; {longest}.")
    for counts, name in ((chairs, "chair"), (summary.floor_transitions.by_verdict, "floor")):
        if counts["rounded"] >= (0.3 * max(6, _judged(counts)) if name == "chair" else 1):
            found.append(f"{counts['rounded']} of {_judged(counts)} judged {name} transitions were rounded.")
    return found


def _basis(summary: DailySummary) -> str:
    sensors = summary.basis.sensors
    count = "two sensors" if len(sensors) == 2 else f"one sensor, {SENSOR_NAMES.get(sensors[0], sensors[0])}"
    return f"Basis: {count}; calibration {summary.basis.calibration_grade}."


def _not_judged(summary: DailySummary) -> list[str]:
    """What could not be judged, then what was left out; unknown is said, never counted as good."""
    sitting, wear = summary.sitting, summary.wear
    counted = (
        (summary.bends.by_verdict, _leans(summary)),
        (_chairs(summary), "chair transitions"),
        (summary.floor_transitions.by_verdict, "floor transitions"),
    )
    open_ = [f"{span(sitting.unjudged_min)} of sitting"] if sitting.unjudged_min else []
    open_ += [f"{v['unknown']} of {sum(v.values())} {name}" for v, name in counted if v["unknown"]]
    open_ += [f"{span(summary.context_min['unknown'])} of unknown activity"] if summary.context_min["unknown"] else []
    out = [f"{span(wear.gap_min)} of gaps"] if wear.gap_min else []
    out += [f"{span(wear.non_wear_min)} not worn"] if wear.non_wear_min else []
    return [f"{head}: {', '.join(items)}." for head, items in (("Not judged", open_), ("Left out", out)) if items]


def drawings(day: ReportInput, summary: DailySummary) -> list[Drawing]:
    """F1, F3, F4 and F5, in that order; later figures are added here."""
    if not len(day.epochs):
        return [Drawing("f1", "The day", "The recording is empty: there is nothing to draw.", None)]
    parts = (_ribbon_drawing, _bout_drawing, _meter_drawing, _bend_drawing)
    return [part(day, summary) for part in parts]


def _ribbon_drawing(day: ReportInput, summary: DailySummary) -> Drawing:
    from analysis import figures

    data = figures.ribbon_data(day.epochs, day.events, day.alerts)
    unit = "second" if data.step_s == 1 else f"{data.step_s} s"
    text = (
        f"What was done when; sitting by how it was judged. Each {unit} shows what filled most of it. "
        f"Marks: alerts, {_leans(summary)} and floor or bed transitions outside exercise sets."
    )
    if "end_range" in data.spans:
        text += f" Near end of range: {figures.END_RANGE_PCT:.0f} % or more of your own."
    return Drawing("f1", "The day", text, figures.draw_ribbon(data, day.session.clock, leans=_leans(summary)))


def _bout_drawing(day: ReportInput, summary: DailySummary) -> Drawing:
    from analysis import figures

    bars = figures.bout_data(day.epochs, summary.sitting.bouts)
    if not bars:
        return Drawing("f3", "Sitting bouts", "No sitting bout of a minute or more was seen.", None)
    more = len(summary.sitting.bouts) - len(bars)
    text = "Each bar is one sitting bout of at least a minute. The dotted line is at 20 minutes."
    text += f" The {len(bars)} longest are drawn; {more} more are in the table." if more else ""
    return Drawing("f3", "Sitting bouts", text, figures.draw_bouts(bars, day.session.clock))


def _meter_drawing(day: ReportInput, summary: DailySummary) -> Drawing:
    from analysis import figures

    title, high = "Time-in-flexion meter", summary.meter.high_level
    if not summary.meter.known:
        return Drawing("f4", title, "Sitting in flexion could not be judged in this wear, so there is no meter.", None)
    trace = figures.meter_data(day.epochs, day.alerts)
    text = (
        "The meter fills while sitting flexed, empties while standing, walking or lying, and more slowly while sitting "
        "out of flexion. It holds while the activity is unknown; where nothing was measured the line is broken."
    )
    return Drawing("f4", title, text, figures.draw_meter(trace, day.session.clock, high_level=high))


def _bend_drawing(day: ReportInput, summary: DailySummary) -> Drawing:
    from analysis import figures

    title = f"{_leans(summary).capitalize()} and transitions"
    if not summary.bends.total:
        return Drawing("f5", title, f"No {_leans(summary)} were seen outside exercise sets.", None)
    if len(summary.basis.sensors) == 1:
        text = "Counted by hour. One sensor measures how far you leaned, not how the lower back was held."
        return Drawing("f5", title, text, figures.draw_bend_hours(summary.bends.by_hour))
    points = figures.bend_points(day.epochs, day.events, day.session)
    text = "Each mark is one bend at its deepest. Higher up, more of the lean came from the lower back."
    text += f" {points.left_out} without both angles are not drawn." if points.left_out else ""
    return Drawing("f5", title, text, figures.draw_bend_points(points))


def svg(drawing: Drawing) -> str:
    """The figure as inline SVG: ids of its own, text as text, colours that the page's style sheet can replace."""
    import matplotlib as mpl

    from analysis.figures import VARIABLES

    if drawing.figure is None:
        return ""
    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": drawing.name}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        drawing.figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    text = out.getvalue()
    text = text[text.index("<svg") :].replace("xlink:href", "href")
    text = re.sub(r' (xmlns(:xlink)?|width|height)="[^"]*"', "", text, count=4)
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{drawing.name}-", text)
    for colour, name in VARIABLES.items():
        text = text.replace(colour, f"var(--fig-{name.replace('_', '-')}, {colour})")
    label = escape(f"{drawing.title}. {drawing.caption}")
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def render_html(day: ReportInput) -> str:
    """The whole report as one page that loads nothing."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    summary = summarise(day.epochs, day.events, day.alerts, day.session)
    listed = [e for e in day.events if e.kind != EventKind.GAP]
    page = Environment(loader=PackageLoader("analysis"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page.lstrip_blocks = True
    page.filters |= {"span": span, "plain": _plain, "detail": _detail}
    return page.get_template(
        "report.html"
    ).render(
        s=summary,
        session=day.session,
        clock=day.session.clock,
        title=_title(summary),
        words=words(summary),
        # The SVG is our own; every text in it was escaped when it was drawn.
        figures=[(d, Markup(svg(d))) for d in drawings(day, summary)],  # noqa: S704
        leans=_leans(summary),
        events=listed[:EVENTS_SHOWN],
        events_more=len(listed) - EVENTS_SHOWN,
        gap_events=len(day.events) - len(listed),
        alerts=day.alerts,
        settings=_settings(day.session.config),
        sensor_names=SENSOR_NAMES,
        sources=SOURCES,
        not_medical=NOT_MEDICAL,
        red_flags=RED_FLAGS,
    )


def write(folder: Path, fmt: str, out: Path | None = None) -> list[Path]:
    """Write a report of a replay folder; gives back the files written, each of them whole.

    html, json : `out`, or report.html, report.json in the folder. csv : one row per event in `out` (report.csv) and one
    per number of the summary beside it (`<stem>-summary.csv`). png : `<stem>-f1.png` and so on.
    """
    if fmt not in FORMATS:
        raise InputError(f"there is no report format {fmt!r}; choose one of {', '.join(FORMATS)}")
    path = out or folder / f"report.{fmt}"
    day = load(folder)
    if fmt == "html":
        return [write_whole(path, render_html(day))]
    summary = summarise(day.epochs, day.events, day.alerts, day.session)
    if fmt == "json":
        return [write_whole(path, summary.to_json())]
    if fmt == "csv":
        beside = path.with_name(f"{path.stem}-summary{path.suffix}")
        return [write_whole(path, events_csv(day)), write_whole(beside, summary_csv(summary))]
    drawn = [(d.name, d.figure) for d in drawings(day, summary) if d.figure is not None]
    return [write_whole(path.with_name(f"{path.stem}-{name}{path.suffix}"), _png(figure)) for name, figure in drawn]


def events_csv(day: ReportInput) -> str:
    """One row per event, gaps and exercise sets included; `local_time` empty without a clock."""
    extra = sorted({key for event in day.events for key in event.evidence})
    rows: list[Sequence[object]] = [("local_time", *EVENT_COLUMNS, *extra)]
    for event in day.events:
        at = day.session.clock.at(event.start_s)
        fixed = [getattr(event, name) for name in EVENT_COLUMNS]
        rows.append((at.isoformat(timespec="seconds") if at else "", *fixed, *(event.evidence.get(k) for k in extra)))
    return _csv(rows)


def summary_csv(summary: DailySummary) -> str:
    """One row per number of the summary: its path in the JSON, its value (empty: not known) and its unit."""
    rows: list[Sequence[object]] = [("metric", "value", "unit")]
    for path, value in _leaves(asdict(summary), ""):
        rows.append((path, value, next((u for end, u in UNITS.items() if path.endswith(end)), "")))
    return _csv(rows)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}.{index}")
    else:
        yield path, value


def _csv(rows: Sequence[Sequence[object]]) -> str:
    """RFC 4180. Text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    out = io.StringIO()
    safe = [[f"'{v}" if isinstance(v, str) and v[:1] in "=+-@\t\r" and v else v for v in row] for row in rows]
    csv.writer(out, lineterminator="\r\n").writerows(safe)
    return out.getvalue()


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def _title(summary: DailySummary) -> str:
    if summary.period.day is None:
        return "Posture report: a recording without a clock"
    day = date.fromisoformat(summary.period.day)
    return f"Posture report: {day:%A} {day.day} {day:%B} {day.year}"


def _plain(name: str) -> str:
    """A name from a file for reading: `sit_to_stand` -> `sit to stand`."""
    return name.replace("_", " ")


def _detail(event: DayEvent) -> str:
    """What an event says beyond the common columns, in a few words."""
    keys = ("direction", "path", "surface", "exercise", "reps", "practice")
    parts = [_plain(str(event.evidence[k])) for k in keys if event.evidence.get(k) not in (None, "unknown")]
    return ", ".join(parts + ([f"in set {event.set_id}"] if event.set_id is not None else []))


def _settings(config: dict[str, dict[str, Any]]) -> list[tuple[str, str, str]]:
    """The configuration in force: key, value, unit and source."""
    from posture.config import known_keys

    meaning = known_keys()
    pairs = [(f"{section}.{name}", value) for section, part in config.items() for name, value in part.items()]
    return [(key, str(value), meaning.get(key, "")) for key, value in pairs]
