"""Weeks of days: the last 7 and 28 against the person's own days before them, and whether that is a change at all.

A day is compared only with days of the same sensors: another basis measures something else, and is no change of the person. What
is shorter than the detectable change (`analysis.usual`) is said to be no real change; too few days are said to be too few.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from statistics import median

from analysis.inputs import NOTICE
from analysis.schema import DailySummary
from analysis.usual import DAYS_MIN, usual_of
from analysis.words import MOSTLY_JUDGED, SENSOR_NAMES, span

SCHEMA_VERSION = 1
WEEK_DAYS = 7
WEEK_VALID_MIN = 3
"""Valid days in each week from which there is a trend (domain.md section 3)."""
BASE_DAYS = 28
"""Days before a stretch with which it is compared. Provisional: ours."""
BETWEEN_DAYS_DEG = 10.0
"""Putting the sensors on anew moves an angle by about as much (domain.md section 5)."""
SHARE_FLOOR_PCT = 5.0
"""Of a share of time; a smaller change is not called one, however alike the days were. Provisional: ours."""
SHIFTS_FLOOR = 1.0
"""In 15 min of sitting; a smaller change is not called one. Provisional: ours."""
SHIFT_MIN, PER_SHIFT = 480.0, "in 8 h"
"""Counts are told for so much wear, a working day."""
STATES = {
    "valid": "counts",
    "short": "worn too short to count",
    "other_sensors": "worn with other sensors: another basis, not compared",
    "missing": "nothing recorded",
}

OUTCOMES = {"no_change": "no real change", "few_days": "too few days", "no_usual": "no usual yet"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of a trend. floor : smallest change that is said, in `unit`. counted : a count, compared for 8 h of wear."""

    key: str
    name: str
    unit: str
    value: Callable[[DailySummary], float | None]
    floor: float = 0.0
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the calendar. state : a key of STATES. values : by metric; None where it was not measured on that day."""

    day: str
    state: str
    sensors: tuple[str, ...]
    worn_min: float
    values: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Compared:
    """A stretch of days against those before it. outcome : `change`, `no_change`, `few_days`, `no_usual` or `not_measured`.

    median, usual, detectable, changed_by : in `unit`; None where there is none. days_n, usual_days_n : valid days that have it.
    """

    metric: str
    name: str
    unit: str
    window_days: int
    outcome: str
    median: float | None
    usual: float | None
    detectable: float | None
    changed_by: float | None
    days_n: int
    usual_days_n: int
    text: str


@dataclass(frozen=True, slots=True)
class Trend:
    """`posture trend` as data. days : oldest first, without a hole. sensors : those of the last valid day, which is compared."""

    schema_version: int
    until: str
    window_days: int
    sensors: tuple[str, ...]
    days: tuple[Day, ...]
    compared: tuple[Compared, ...]
    notes: tuple[str, ...]
    notice: str

    def to_json(self) -> str:
        """UTF-8 JSON text; the same days give the same bytes."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """One row per day and metric: day, state, sensors, minutes worn, metric, value (empty: not known), unit."""
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\r\n")
        rows.writerow(("day", "state", "sensors", "worn_min", "metric", "value", "unit"))
        units = {m.key: m.unit for m in METRICS}
        for day in self.days:
            for key, value in day.values.items():
                sensors = "+".join(day.sensors)
                rows.writerow(
                    (day.day, day.state, sensors, day.worn_min, key, "" if value is None else value, units[key])
                )
        return out.getvalue()

    def last(self, days: int) -> tuple[Day, ...]:
        """The last days of it."""
        return self.days[-days:]


def _flexed_share(summary: DailySummary) -> float | None:
    sitting = summary.sitting
    return sitting.flexed_share_of_judged_pct if sitting.judged_min >= MOSTLY_JUDGED * sitting.total_min else None


def _angle(measure: str) -> Callable[[DailySummary], float | None]:
    return lambda s: next((a.p50_deg for a in s.sitting.angles if a.measure == measure), None)


def _rounded(verdicts: Mapping[str, int] | None) -> int | None:
    """Rounded ones, where most were judged."""
    if verdicts is None:
        return None
    total = sum(verdicts.values())
    return verdicts["rounded"] if total - verdicts["unknown"] >= MOSTLY_JUDGED * total else None


def _plunges(summary: DailySummary) -> int | None:
    counts = summary.habits.plunges
    return None if counts is None else sum(counts.values())


def _shifts(summary: DailySummary) -> float | None:
    return summary.sitting.shifts.per_15_min if summary.sitting.shifts else None


def _counted(key: str, name: str, count: Callable[[DailySummary], int | None]) -> Metric:
    def value(summary: DailySummary) -> float | None:
        found = count(summary)
        return found * SHIFT_MIN / summary.wear.worn_min if found is not None and summary.wear.worn_min else None

    return Metric(key, name, PER_SHIFT, value, counted=True)


METRICS = (
    Metric("flexed_share_pct", "flexed share of judged sitting", "%", _flexed_share, SHARE_FLOOR_PCT),
    Metric("sitting_share_pct", "sitting, of worn time", "%", lambda s: s.sitting.share_of_worn_pct, SHARE_FLOOR_PCT),
    Metric("flexion_deg", "lumbar flexion while sitting", "deg", _angle("flexion_deg"), BETWEEN_DAYS_DEG),
    Metric("pelvis_deg", "tilt of the pelvis while sitting", "deg", _angle("sacrum_inclination_deg"), BETWEEN_DAYS_DEG),
    Metric("shifts_per_15_min", "shifts in 15 min of sitting", "", _shifts, SHIFTS_FLOOR),
    _counted("long_bouts", "bouts of 20 min and more", lambda s: s.sitting.long_bouts),
    _counted("meter_high", "meter at its alert level", lambda s: s.habits.meter_high_count),
    _counted("bends", "bends and forward leans", lambda s: s.bends.total),
    _counted("bends_rounded", "rounded bends", lambda s: _rounded(s.bends.by_verdict)),
    _counted("plunges", "drops onto a chair", _plunges),
)
"""What a trend follows, in the order of the report."""


def trend_of(summaries: Mapping[date, DailySummary], until: date, *, days: int = BASE_DAYS) -> Trend:
    """The `days` days up to `until`, and the last 7 and `days` of them against the 28 before.

    summaries : of all days there are; those before the stretch are its usual.
    """
    known = {day: s for day, s in summaries.items() if day <= until}
    sensors = _sensors_now(known)
    first = until - timedelta(days=days - 1)
    calendar = [_day(first + timedelta(days=k), known, sensors) for k in range(days)]
    before = [_day(day, known, sensors) for day in sorted(known) if day < first]
    whole = (*before, *calendar)
    windows = sorted({min(WEEK_DAYS, days), days})
    compared = tuple(_compared(m, whole, until, window) for m in METRICS for window in windows)
    return Trend(
        schema_version=SCHEMA_VERSION,
        until=until.isoformat(),
        window_days=days,
        sensors=sensors,
        days=tuple(calendar),
        compared=tuple(c for c in compared if c.outcome != "not_measured"),
        notes=tuple(_notes(calendar, sensors)),
        notice=NOTICE,
    )


def _sensors_now(known: Mapping[date, DailySummary]) -> tuple[str, ...]:
    """Of the last valid day, else of the last day."""
    ordered = [known[day] for day in sorted(known)]
    worn = [s for s in ordered if s.wear.counts_for_trend] or ordered
    return worn[-1].basis.sensors if worn else ()


def _day(day: date, known: Mapping[date, DailySummary], sensors: tuple[str, ...]) -> Day:
    summary = known.get(day)
    if summary is None:
        return Day(day.isoformat(), "missing", (), 0.0, {m.key: None for m in METRICS})
    state = "short" if not summary.wear.counts_for_trend else "valid"
    state = "other_sensors" if state == "valid" and summary.basis.sensors != sensors else state
    values = {m.key: None if (v := m.value(summary)) is None else round(float(v), 4) for m in METRICS}
    return Day(day.isoformat(), state, summary.basis.sensors, summary.wear.worn_min, values)


def _compared(metric: Metric, days: Sequence[Day], until: date, window: int) -> Compared:
    first = until - timedelta(days=window - 1)
    base = first - timedelta(days=BASE_DAYS)
    seen = [(date.fromisoformat(d.day), d) for d in days if d.state == "valid" and d.values[metric.key] is not None]
    here = [d for day, d in seen if day >= first]
    usually = [float(d.values[metric.key] or 0.0) for day, d in seen if base <= day < first]
    needed = -(-WEEK_VALID_MIN * window // WEEK_DAYS)
    fixed = (metric.key, metric.name, metric.unit, window)
    found = (len(here), len(usually))
    if not seen:
        return Compared(*fixed, "not_measured", None, None, None, None, *found, "not measured on these days")
    now = median(float(d.values[metric.key] or 0.0) for d in here) if here else None
    now = None if now is None else round(now, 4)
    if now is None or len(here) < needed:
        text = f"{_days(len(here))} of {window} count, and a trend needs {needed}"
        return Compared(*fixed, "few_days", now, None, None, None, *found, text)
    exposure = median(d.worn_min for d in here) / SHIFT_MIN
    usual = usual_of(usually, floor=metric.floor, counted_over=exposure if metric.counted else None)
    if usual is None:
        text = f"no usual yet: {_days(len(usually))} before these {window} count, and it needs {DAYS_MIN}"
        return Compared(*fixed, "no_usual", now, None, None, None, *found, text)
    by = now - usual.median
    real = abs(by) > usual.change
    held = f"{shown(now, metric.unit)} against your usual {shown(usual.median, metric.unit)}"
    bound = f"a change is one from {shown(usual.change, metric.unit)} on"
    text = (
        f"{'more' if by > 0 else 'less'} than your usual: {held}; {bound}"
        if real
        else f"no real change: {held}; {bound}"
    )
    usual_, change, by = (round(v, 4) for v in (usual.median, usual.change, by))
    return Compared(*fixed, "change" if real else "no_change", now, usual_, change, by, *found, text)


def shown(value: float, unit: str, *, with_unit: bool = True) -> str:
    """A number of a trend for reading."""
    text = f"{value:.0f}" if unit in ("%", "deg") else f"{value:.1f}"
    return f"{text} {unit}".rstrip() if with_unit else text


def _days(count: int) -> str:
    return f"{count} day{'s' * (count != 1)}"


def _notes(days: Sequence[Day], sensors: tuple[str, ...]) -> list[str]:
    """What kind of days there are, and what was not compared."""
    by_state = {state: [d for d in days if d.state == state] for state in STATES}
    worn = span(sum(d.worn_min for d in days))
    notes = [f"{len(by_state['valid'])} of {_days(len(days))} count (6 h worn or more); {worn} worn in all."]
    if by_state["short"]:
        notes.append(f"{_days(len(by_state['short']))} worn too short to count: not compared, and hollow where drawn.")
    if by_state["other_sensors"]:
        names = " and ".join(SENSOR_NAMES.get(s, s) for s in sensors)
        notes.append(
            f"{_days(len(by_state['other_sensors']))} with other sensors than the last ({names}): another basis is not a change "
            "of yours, so not compared."
        )
    if by_state["missing"]:
        notes.append(f"{_days(len(by_state['missing']))} with nothing recorded: left empty.")
    return notes


def words_of(trend: Trend) -> tuple[str, ...]:
    """What a trend says: how many days count, then what changed over a week and over all of it, then that nothing else did."""
    if not trend.days or all(d.state == "missing" for d in trend.days):
        return ("Nothing was recorded in these days.",)
    told = [trend.notes[0]]
    for window in sorted({c.window_days for c in trend.compared}):
        of = [c for c in trend.compared if c.window_days == window]
        head = f"Last {window} days: "
        changed = [c for c in of if c.outcome == "change"]
        told += [f"{head}{c.name}: {c.text}." for c in changed]
        steady = sum(c.outcome == "no_change" for c in of)
        if steady:
            among = f"the other {steady}" if changed else f"{steady} of {len(of)}"
            told.append(f"{head}no real change in {among} numbers.")
        elif not changed and of:
            told.append(f"{head}{of[0].text}.")
    return tuple(told)
