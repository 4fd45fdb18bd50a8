"""A trend as files: one self-contained page, the figure as PNG or SVG, the days as CSV, all of it as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from analysis.figures import image
from analysis.inputs import NOT_MEDICAL, RED_FLAGS
from analysis.programme.diary import Entry, ExerciseEntry, PracticeEntry
from analysis.report import Drawing, svg, template
from analysis.schema import DailySummary
from analysis.sheet import pain_of
from analysis.trend_figure import CAPTION, draw_trend, panels_of
from analysis.trends import METRICS, OUTCOMES, STATES, WEEK_DAYS, Trend, shown, words_of
from analysis.words import SENSOR_NAMES, pain_text, plain
from posture import __version__
from posture.atomic import write_whole
from posture.types import InputError

FORMATS = ("html", "png", "svg", "csv", "json")
COLUMNS_MAX = 5  # numbers in the table of days; the CSV has all


@dataclass(frozen=True, slots=True)
class WeekDay:
    """A day of the weekly report beside its numbers; counts are None where nothing was recorded.

    raised, wrong : alerts, all and those called wrong. sitting, answered : those on sitting, and answered of them.
    sets : that the sensors saw. done, pain : from the log, empty where it has none.
    """

    day: str
    raised: int | None
    wrong: int | None
    sitting: int | None
    answered: int | None
    sets: int | None
    done: str
    pain: str


def week_days(trend: Trend, summaries: Mapping[date, DailySummary], log: Sequence[Entry] = ()) -> tuple[WeekDay, ...]:
    """The last seven days of a trend, with what became of alerts, what was practised and what hurt."""
    return tuple(_week_day(date.fromisoformat(d.day), summaries, log) for d in trend.last(WEEK_DAYS))


def _week_day(on: date, summaries: Mapping[date, DailySummary], log: Sequence[Entry]) -> WeekDay:
    names = [
        e.exercise if isinstance(e, ExerciseEntry) else e.practice
        for e in log
        if e.day == on and isinstance(e, ExerciseEntry | PracticeEntry)
    ]
    pain = pain_of(log, on)
    said = (", ".join(plain(name) for name in dict.fromkeys(names)), pain_text(pain) if pain else "")
    summary = summaries.get(on)
    if summary is None:
        return WeekDay(on.isoformat(), None, None, None, None, None, *said)
    counts = summary.alert_counts
    asked = [c for c in counts if c.answered is not None]
    totals = (sum(c.raised for c in counts), sum(c.wrong for c in counts))
    answers = (sum(c.raised for c in asked), sum(c.answered or 0 for c in asked))
    return WeekDay(on.isoformat(), *totals, *answers, len(summary.workouts), *said)


def write_trend(trend: Trend, fmt: str, path: Path, *, week: bool = False, lived: Sequence[WeekDay] = ()) -> Path:
    """Write it whole and give back the path. week : the table of days is of the last seven. lived : beside it, in the page.

    InputError for a format that there is not, or for a picture of nothing.
    """
    if fmt not in FORMATS:
        raise InputError(f"there is no trend format {fmt!r}; choose one of {', '.join(FORMATS)}")
    if fmt == "json":
        return write_whole(path, trend.to_json())
    if fmt == "csv":
        return write_whole(path, trend.to_csv())
    if fmt == "html":
        return write_whole(path, render_trend(trend, week=week, lived=lived))
    panels = panels_of(trend)
    if not panels:
        raise InputError("nothing was measured in these days, so there is nothing to draw; take --format html or json")
    return write_whole(path, image(draw_trend(panels, date.fromisoformat(trend.days[0].day)), fmt))


def render_trend(trend: Trend, *, week: bool = False, lived: Sequence[WeekDay] = ()) -> str:
    """The trend as one page that loads nothing."""
    from markupsafe import Markup

    panels = panels_of(trend)
    figure = draw_trend(panels, date.fromisoformat(trend.days[0].day)) if panels else None
    caption = CAPTION if panels else "No day of these was measured for long enough: there is nothing to draw."
    days = trend.last(WEEK_DAYS) if week else trend.days
    measured = {c.metric for c in trend.compared}
    return template(
        "trend.html"
    ).render(
        t=trend,
        title=_title(trend, week=week),
        words=words_of(trend),
        svg=Markup(svg(Drawing("f8", "Trend", caption, figure))),  # noqa: S704 - our own; its texts are escaped
        caption=caption,
        week=days,
        lived=lived,
        columns=[(m.key, m.name, m.unit) for m in METRICS if m.key in measured][:COLUMNS_MAX],
        named={d.day: day_name(d.day) for d in trend.days},
        states=STATES,
        shown=shown,
        sensor_names=SENSOR_NAMES,
        not_medical=NOT_MEDICAL,
        red_flags=RED_FLAGS,
        version=__version__,
    )


def day_name(day: str) -> str:
    """`Mon 2 Mar`."""
    at = date.fromisoformat(day)
    return f"{at:%a} {at.day} {at:%b}"


def _title(trend: Trend, *, week: bool) -> str:
    until = date.fromisoformat(trend.until)
    what = "Posture week" if week else f"Posture trend of {trend.window_days} days"
    return f"{what} to {until:%A} {until.day} {until:%B} {until.year}"


def table_of(trend: Trend, window_days: int) -> list[tuple[str, ...]]:
    """Rows for a terminal: number and unit, median, usual, what would be a change, outcome; the head first."""
    rows: list[tuple[str, ...]] = [(f"last {window_days} days", "median", "usual", "change from", "")]
    for c in (c for c in trend.compared if c.window_days == window_days):
        numbers = ["-" if v is None else shown(v, c.unit, with_unit=False) for v in (c.median, c.usual, c.detectable)]
        said = OUTCOMES.get(c.outcome) or f"{'more' if (c.changed_by or 0) > 0 else 'less'} than usual"
        rows.append((f"{c.name}{f', {c.unit}' * bool(c.unit)}", *numbers, said))
    return rows
