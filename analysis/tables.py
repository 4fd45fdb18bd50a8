"""The report as CSV: one row per event, and one row per number of the summary."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from analysis.inputs import ReportInput
from analysis.schema import DailySummary
from posture.types import JsonValue

EVENT_COLUMNS = ("kind", "start_s", "end_s", "peak_s", "peak_deg", "verdict", "basis", "confidence", "set_id")
UNITS = {"_min": "min", "_s": "s", "_deg": "deg", "_pct": "%", "_hour": "1/h"}


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
    numbers = asdict(summary)
    del numbers["other_days"]  # a table is of one day
    for path, value in _leaves(numbers, ""):
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
