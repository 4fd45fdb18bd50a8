"""Day summaries from a folder; and days, from there or from the store, with the log through the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from analysis.programme.advice import Advice, Memory, judge
from analysis.programme.diary import Entry
from analysis.programme.facts import Facts, wear_facts
from analysis.programme.pack import Pack
from analysis.schema import SCHEMA_VERSION, DailySummary
from posture.types import InputError

_SUMMARY: TypeAdapter[DailySummary] = TypeAdapter(DailySummary)
HISTORY_DAYS = 28
"""Earlier days with which a day is compared (domain.md section 5)."""


@dataclass(frozen=True, slots=True)
class Days:
    """Summaries by day, in order; without_clock : recordings whose day is not known, which are left out."""

    by_day: dict[date, DailySummary]
    without_clock: tuple[str, ...]


def read_days(folder: Path) -> Days:
    """Every `summary.json` of a folder and of the folders in it. Of two of one day the one worn longer counts."""
    paths = sorted([*folder.glob("summary.json"), *folder.glob("*/summary.json")])
    if not paths:
        raise InputError(
            f"{folder} holds no summary.json, nor does a folder in it: give a folder with results of posture replay"
        )
    found: dict[date, DailySummary] = {}
    without: list[str] = []
    for path in paths:
        whole = _read(path)
        for summary in (whole, *whole.other_days):
            if summary.period.day is None:
                without.append(str(path))
                continue
            day = date.fromisoformat(summary.period.day)
            if day not in found or summary.wear.worn_min > found[day].wear.worn_min:
                found[day] = summary
    return Days(dict(sorted(found.items())), tuple(without))


def _read(path: Path) -> DailySummary:
    try:
        summary = _SUMMARY.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {key}: {first['msg']}; write the folder again with posture replay") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give another folder") from error
    if summary.schema_version != SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {summary.schema_version}, this version reads {SCHEMA_VERSION}: "
            "write the folder again with posture replay"
        )
    return summary


def advised(pack: Pack, days: dict[date, DailySummary], entries: Sequence[Entry], today: date) -> Advice:
    """What `today` says, after the days before it went through the rules in order (cooldowns, days running, the usual)."""
    memory = Memory()
    history: list[Facts] = []
    for day in sorted({d for d in days if d < today}):
        found = wear_facts(days[day], entries)
        _, memory = judge(pack, found, entries, day, memory=memory, history=history[-HISTORY_DAYS:])
        history.append(found)
    found = wear_facts(days[today], entries) if today in days else Facts()
    return judge(pack, found, entries, today, memory=memory, history=history[-HISTORY_DAYS:])[0]


def advised_alone(pack: Pack, summary: DailySummary) -> Advice:
    """What one day says by itself: no log and no day before it, as of a recording that may have no clock."""
    return judge(pack, wear_facts(summary), (), _NO_DAY, memory=Memory())[0]


_NO_DAY = date(2000, 1, 1)
"""Of a day by itself: the rules reckon from a day, but with no log and no day before it none of them can tell which."""
