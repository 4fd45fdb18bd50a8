"""The day's report from a replay folder: one self-contained HTML, the summary as JSON, tables as CSV, figures as PNG.

The same folder gives the same bytes: nothing in a report depends on when or where it was made.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.daily import TREND_FROM_MIN, summarise
from analysis.days import chosen, split, summarised
from analysis.exposure import were_answered
from analysis.exposure_data import distribution, exercise_card, range_name, set_name, variation, way_rows
from analysis.figure_data import END_RANGE_PCT, bend_points, bout_data, meter_data, ribbon_data
from analysis.inputs import NOT_MEDICAL, RED_FLAGS, ReportInput, load, period_of
from analysis.programme.days import advised, advised_alone
from analysis.programme.diary import Entry, read_log
from analysis.programme.pack import load_pack
from analysis.schema import DailySummary, DayAdvice
from analysis.sheet import LogOfDay, Sections, log_of, sheet_rows
from analysis.tables import events_csv, summary_csv
from analysis.trends import Trend, words_of
from analysis.words import (
    SENSOR_NAMES,
    detail,
    leans,
    origin_of,
    pain_text,
    plain,
    span,
    verdict_of,
    way,
    why_text,
    words,
)
from posture.atomic import write_whole
from posture.types import EventKind, InputError
from posture.vocabulary import confidence_text

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "advice_on", "load", "render_html", "write", "write_day"]

FORMATS = ("html", "pdf", "json", "csv", "png")
EVENTS_SHOWN = 200
NOT_MEASURED = "How far the lower back was flexed is not measured in this wear."
SOURCES = {
    "poses": "from the recorded poses",
    "quick": "quick: a stand and a walk on an earlier full calibration",
    "file": "from a saved calibration",
    "self": "self-calibrated from walking, standing and leans, which is less sure",
}


@dataclass(frozen=True, slots=True)
class Background:
    """What a report knows besides its day: the log up to it, and the weeks. None: not there."""

    log: LogOfDay | None = None
    trend: Trend | None = None


NO_BACKGROUND = Background()


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure of the report; `figure` is None where there is nothing to draw, and `caption` then says why."""

    name: str
    title: str
    caption: str
    figure: Figure | None


def drawings(day: ReportInput, summary: DailySummary, trend: Trend | None = None) -> list[Drawing]:
    """F1 to F9, in that order; F7 where there was exercise, F8 where there are weeks. Of a day not worn, F1 and F8."""
    weeks = [_trend_drawing(trend)] if trend is not None else []
    if not len(day.epochs):
        return [Drawing("f1", "The day", "The recording is empty: there is nothing to draw.", None), *weeks]
    if summary.wear.validity == "empty":  # "no bends were seen" would read as if somebody had looked
        return [_ribbon_drawing(day, summary), *weeks]
    parts = (
        _ribbon_drawing,
        _distribution_drawing,
        _bout_drawing,
        _meter_drawing,
        _bend_drawing,
        _way_drawing,
        _exercise_drawing,
    )
    found = [drawn for part in parts if (drawn := part(day, summary)) is not None]
    return [*found, *weeks, _variation_drawing(day)]


def _distribution_drawing(day: ReportInput, _: DailySummary) -> Drawing:
    from analysis import exposure_figures

    title, data = "How far flexed, for how much of the time", distribution(day.epochs, day.session)
    if data is None:
        return Drawing("f2", title, NOT_MEASURED, None)
    halves = [
        f"half of {name} was at {c[50]:.0f} or less, nine tenths at {c[90]:.0f} or less"
        for name, c in data.curves.items()
    ]
    text = "; ".join(halves)
    text = f"{text[:1].upper()}{text[1:]}. Marks at 10, 50 and 90 % of the time; the outermost 1 % is not drawn."
    return Drawing("f2", title, text, exposure_figures.draw_distribution(data))


def _way_drawing(_: ReportInput, summary: DailySummary) -> Drawing:
    from analysis import exposure_figures

    title, rows = "Ways up and down", way_rows(summary)
    if not rows:
        return Drawing("f6", title, "No way to or from a seat, the floor or a bed was seen.", None)
    if len(summary.basis.sensors) == 2:
        text = "Chair, floor and bed, by how the lower back was held."
        return Drawing("f6", title, text, exposure_figures.draw_ways(rows, by_path=False))
    text = "Chair, floor and bed. One sensor knows the way taken to or from the floor, not how the lower back was held."
    return Drawing("f6", title, text, exposure_figures.draw_ways(rows, by_path=True))


def _exercise_drawing(_: ReportInput, summary: DailySummary) -> Drawing | None:
    from analysis import exposure_figures

    card = exercise_card(summary)
    if card is None:
        return None
    text = "Sets that the sensors saw"
    text += "; the thick mark is the first repetition that failed." if any(b.first_failed for b in card.sets) else "."
    if card.gap_pct is not None:
        text += f" Rounded: {card.in_exercise_pct:.0f} % of repetitions, {card.in_life_pct:.0f} % of judged bends and chair rises."
    else:
        text += " Carry-over into daily life: not known, too little was judged."
    return Drawing("f7", "Exercise", text, exposure_figures.draw_exercise(card))


def _trend_drawing(trend: Trend) -> Drawing:
    from analysis.trend_figure import CAPTION, draw_trend, panels_of

    title, panels = "Your last weeks", panels_of(trend)
    if not panels:
        return Drawing("f8", title, "Nothing was measured in these weeks.", None)
    said = " ".join(words_of(trend)[1:])
    return Drawing("f8", title, f"{said} {CAPTION}", draw_trend(panels, date.fromisoformat(trend.days[0].day)))


def _variation_drawing(day: ReportInput) -> Drawing:
    from analysis import exposure_figures

    title, data = "How long at a level", variation(day.epochs, day.session)
    if data is None:
        return Drawing("f9", title, NOT_MEASURED, None)
    what = "sitting" if data.measure == "slump_index_pct" else "worn time out of lying"
    text = f"Minutes of {what} at each level, by how long it was kept without a break. Up and to the right: far flexed, and long."
    return Drawing("f9", title, text, exposure_figures.draw_variation(data))


def _ribbon_drawing(day: ReportInput, summary: DailySummary) -> Drawing:
    from analysis import figures

    data = ribbon_data(day.epochs, day.events, day.alerts, summary.pain)
    unit = "second" if data.step_s == 1 else f"{data.step_s} s"
    text = (
        f"What was done when; sitting by how it was judged. Each {unit} shows what filled most of it. "
        f"Marks: alerts, {leans(summary)} and floor or bed transitions, without those of exercise sets and the calibration routine."
    )
    if "end_range" in data.spans:
        text += f" Near end of range: {END_RANGE_PCT:.0f} % or more of {range_name(summary.basis.rom_source)}."
    if data.pain:
        text += " Pain is from your log, which knows the part of the day."
    return Drawing("f1", "The day", text, figures.draw_ribbon(data, day.session.clock, leans=leans(summary)))


def _bout_drawing(day: ReportInput, summary: DailySummary) -> Drawing:
    from analysis import figures

    bars = bout_data(day.epochs, summary.sitting.bouts)
    if not bars:
        return Drawing("f3", "Sitting bouts", "No sitting bout of a minute or more was seen.", None)
    more = len(summary.sitting.bouts) - len(bars)
    text = "Each bar is one sitting bout of at least a minute. The dotted line is at 20 minutes."
    text += f" The {len(bars)} longest are drawn; {more} shorter one{'s' * (more != 1)} not." if more else ""
    return Drawing("f3", "Sitting bouts", text, figures.draw_bouts(bars, day.session.clock))


def _meter_drawing(day: ReportInput, summary: DailySummary) -> Drawing:
    from analysis import figures

    title, high = "Time-in-flexion meter", summary.meter.high_level
    if not summary.meter.known:
        return Drawing("f4", title, "Sitting in flexion could not be judged in this wear, so there is no meter.", None)
    trace = meter_data(day.epochs, day.alerts)
    text = (
        "The meter fills while sitting flexed, empties while standing, walking or lying, and more slowly while sitting "
        "out of flexion. It holds while the activity is unknown; where nothing was measured the line is broken."
    )
    return Drawing("f4", title, text, figures.draw_meter(trace, day.session.clock, high_level=high))


def _bend_drawing(day: ReportInput, summary: DailySummary) -> Drawing:
    from analysis import figures

    title = f"{leans(summary).capitalize()} and transitions"
    if not summary.bends.total:
        return Drawing(
            "f5", title, f"No {leans(summary)} were seen outside exercise sets and the calibration routine.", None
        )
    if len(summary.basis.sensors) == 1:
        text = "Counted by hour. One sensor measures how far you leaned, not how the lower back was held."
        return Drawing("f5", title, text, figures.draw_bend_hours(summary.bends.by_hour))
    points = bend_points(day.epochs, day.events, day.session)
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


def render_html(
    day: ReportInput, advice: DayAdvice, background: Background = NO_BACKGROUND, *, printed: bool = False
) -> str:
    """The whole report as one page that loads nothing. printed : without long lists, which no paper wants."""
    from markupsafe import Markup

    summary = _summary(day, background)
    listed = [e for e in day.events if e.kind != EventKind.GAP]
    return template(
        "report.html"
    ).render(
        s=summary,
        session=day.session,
        clock=day.session.clock,
        printed=printed,
        title=_title(summary),
        words=words(summary, advice),
        advice=advice,
        # The SVG is our own; every text in it was escaped when it was drawn.
        figures=[(d, Markup(svg(d))) for d in drawings(day, summary, background.trend)],  # noqa: S704
        leans=leans(summary),
        origin=origin_of(summary),
        events=listed[:EVENTS_SHOWN],
        events_more=len(listed) - EVENTS_SHOWN,
        gap_events=len(day.events) - len(listed),
        alerts=list(zip(day.alerts, were_answered(day.epochs, day.alerts, day.session), strict=True)),
        log=background.log,
        trend_from_min=TREND_FROM_MIN,
        range_name=range_name(summary.basis.rom_source),
        settings=_settings(day.session.config),
        sensor_names=SENSOR_NAMES,
        sources=SOURCES,
        not_medical=NOT_MEDICAL,
        red_flags=RED_FLAGS,
    )


def template(name: str) -> Template:
    """One of the report's templates, with its filters."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page = Environment(loader=PackageLoader("analysis"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page.lstrip_blocks = True
    page.filters |= {
        "confidence": confidence_text,
        "span": span,
        "plain": plain,
        "detail": detail,
        "way": way,
        "verdict": verdict_of,
        "set_name": set_name,
        "pain": pain_text,
        "why": why_text,
    }
    return page.get_template(name)


def _summary(day: ReportInput, background: Background) -> DailySummary:
    """The day's summary, with the pain that the log knows of."""
    found = summarise(day.epochs, day.events, day.alerts, day.session)
    return replace(found, pain=background.log.pain if background.log else None)


SHEET_SETTINGS = (
    ("sitting.flexed_on_pct", "flexed sitting from, % of range", 2),
    ("sitting.slump_on_pct", "flexed sitting from, slump index", 1),
    ("bends.deep_trunk_deg", "deep bend from, deg", 2),
    ("bends.rounded_share", "rounded bend from, share of range", 2),
    ("alerts.creep_min", "alert on sitting from, meter", None),
)
"""Thresholds named on the physiotherapist's page, and for how many sensors; the report has all."""


def sheet(day: ReportInput, background: Background) -> tuple[str, Sections]:
    """Title and sections of the physiotherapist's page."""
    summary = _summary(day, background)
    unused = () if summary.sitting_alert_on else ("sitting.slump_on_pct", "alerts.creep_min")
    fits = (None, len(day.session.sensors))
    named = [(key, text) for key, text, sensors in SHEET_SETTINGS if sensors in fits and key not in unused]
    settings = [(text, f"{value:g}") for key, text in named if (value := day.session.setting(key, -1.0)) >= 0]
    rows = sheet_rows(
        summary, log=background.log, trend=background.trend, settings=settings or [("thresholds", "the defaults")]
    )
    return f"For the physiotherapist. {_title(summary)}", rows


def render_sheet(day: ReportInput, background: Background = NO_BACKGROUND) -> str:
    """The physiotherapist's page: one sheet of A4 that loads nothing."""
    title, sections = sheet(day, background)
    return template("sheet.html").render(
        title=title, sections=sections, judges=day.session.judges, not_medical=NOT_MEDICAL, red_flags=RED_FLAGS
    )


def write(
    folder: Path,
    fmt: str,
    out: Path | None = None,
    *,
    day: str | None = None,
    log: Path | None = None,
    pack: Path | None = None,
    for_physio: bool = False,
) -> list[Path]:
    """Write a report of a replay folder; gives back the files written, each of them whole.

    day : ISO date, for a session over 04:00, where days begin; None: the day that was worn longest. log, pack : for the
    programme's part; without a log it goes by the folder alone, so that the same folder gives the same bytes.
    """
    _check_format(fmt)
    parts = split(load(folder))
    part = chosen(parts, day)
    entries = () if log is None else read_log(log)
    on = period_of(part.epochs, part.session).day
    background = Background(log_of(load_pack(pack), entries, date.fromisoformat(on)) if on is not None else None)
    return write_day(
        part,
        fmt,
        out or folder / f"{'physio' if for_physio else 'report'}.{fmt}",
        advice=advice_on(parts, part, entries, pack),
        other_days=[p for p in parts if p is not part],
        background=background,
        for_physio=for_physio,
    )


def write_day(
    day: ReportInput,
    fmt: str,
    path: Path,
    *,
    advice: DayAdvice,
    other_days: Sequence[ReportInput] = (),
    background: Background = NO_BACKGROUND,
    for_physio: bool = False,
) -> list[Path]:
    """Write a day's report; gives back the files written, each of them whole.

    html, pdf, json : `path`; a pdf without the extra of that name is plainer. for_physio : their page, html or pdf.
    csv : one row per event in `path` and one per number of the
    summary beside it (`<stem>-summary.csv`). png : `<stem>-f1.png` and so on.
    """
    _check_format(fmt)
    if for_physio and fmt not in ("html", "pdf"):
        raise InputError(
            f"the physiotherapist's page is html or pdf, not {fmt}; the numbers are in --format json and csv"
        )
    if fmt == "html":
        page = render_sheet(day, background) if for_physio else render_html(day, advice, background)
        return [write_whole(path, page)]
    if fmt == "pdf":
        return [write_whole(path, _pdf(day, advice, background, for_physio=for_physio))]
    summary = _summary(day, background)
    if fmt == "json":
        whole = summarised((day, *other_days), day)
        return [write_whole(path, replace(whole, advice=advice, pain=summary.pain).to_json())]
    if fmt == "csv":
        beside = path.with_name(f"{path.stem}-summary{path.suffix}")
        return [write_whole(path, events_csv(day)), write_whole(beside, summary_csv(replace(summary, advice=advice)))]
    drawn = [(d.name, d.figure) for d in drawings(day, summary, background.trend) if d.figure is not None]
    from analysis.figures import image

    return [write_whole(path.with_name(f"{path.stem}-{name}{path.suffix}"), image(figure)) for name, figure in drawn]


def advice_on(
    parts: Sequence[ReportInput], day: ReportInput, entries: Sequence[Entry] = (), pack: Path | None = None
) -> DayAdvice:
    """What the programme says of one of the days of a recording, given those before it and a log; without a clock of it alone."""
    loaded = load_pack(pack)
    on = period_of(day.epochs, day.session).day
    if on is None:
        return advised_alone(loaded, summarise(day.epochs, day.events, day.alerts, day.session)).record(loaded)
    days = {}
    for part in parts:
        summary = summarise(part.epochs, part.events, part.alerts, part.session)
        days[date.fromisoformat(str(summary.period.day))] = summary
    return advised(loaded, days, entries, date.fromisoformat(on)).record(loaded)


def _check_format(fmt: str) -> None:
    if fmt not in FORMATS:
        raise InputError(f"there is no report format {fmt!r}; choose one of {', '.join(FORMATS)}")


def fixed_colours(html: str) -> str:
    """The page with the figures' own colours in place of the variables that follow the screen: a PDF knows no dark mode."""
    return re.sub(r"var\(--fig-[a-z0-9-]+, (#[0-9a-fA-F]{3,8})\)", r"\1", html)


def _pdf(day: ReportInput, advice: DayAdvice, background: Background, *, for_physio: bool) -> bytes:
    """By weasyprint; by matplotlib where that, or the system's Pango, is missing."""
    try:
        import weasyprint
    except (ImportError, OSError):  # OSError: weasyprint is there, Pango is not
        return _plain_pdf(day, advice, background, for_physio=for_physio)
    page = render_sheet(day, background) if for_physio else render_html(day, advice, background, printed=True)
    return bytes(weasyprint.HTML(string=fixed_colours(page)).write_pdf())


def _plain_pdf(day: ReportInput, advice: DayAdvice, background: Background, *, for_physio: bool) -> bytes:
    from analysis.plain_pdf import plain_pdf

    end = [
        "# Not a medical device",
        NOT_MEDICAL,
        f"See a clinician without waiting for any of these red flags: {RED_FLAGS}.",
    ]
    if for_physio:
        title, sections = sheet(day, background)
        rows = [
            line for name, part in sections for line in (f"# {name}", *(f"{label}: {value}" for label, value in part))
        ]
        return plain_pdf(title, [*rows, *end])
    summary = _summary(day, background)
    said = [f"- {w.text}" for w in words(summary, advice)]
    drawn = drawings(day, summary, background.trend)
    lines = [
        *_facts(summary),
        day.session.judges,
        "# In words",
        *said,
        *(f"{d.title}: {d.caption}" for d in drawn if d.figure is None),
    ]
    notes = ["# Notes", *summary.notes] if summary.notes else []
    figures = [(d.title, d.caption, d.figure) for d in drawn if d.figure is not None]
    return plain_pdf(_title(summary), [*lines, *notes, *end], figures)


def _facts(summary: DailySummary) -> list[str]:
    """The head of the page as lines of text."""
    wear, basis = summary.wear, summary.basis
    names = " and ".join(SENSOR_NAMES.get(name, name) for name in basis.sensors)
    about = SOURCES.get(basis.calibration_source, basis.calibration_source)
    return [
        f"Worn {span(wear.worn_min)} of {span(wear.recorded_min)}; gaps {span(wear.gap_min)}; not worn {span(wear.non_wear_min)}.",
        f"Sensors: {names or 'none'}. Calibration: {basis.calibration_grade}, {about}.",
    ]


def _title(summary: DailySummary) -> str:
    if summary.period.day is None:
        return "Posture report: a recording without a clock"
    day = date.fromisoformat(summary.period.day)
    return f"Posture report: {day:%A} {day.day} {day:%B} {day.year}"


def _settings(config: dict[str, dict[str, Any]]) -> list[tuple[str, str, str]]:
    """The configuration in force: key, value, unit and source."""
    from posture.config import known_keys

    meaning = known_keys()
    pairs = [(f"{section}.{name}", value) for section, part in config.items() for name, value in part.items()]
    return [(key, str(value), meaning.get(key, "")) for key, value in pairs]
