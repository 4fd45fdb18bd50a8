"""The physiotherapist's page: every line of it is a number of the summary or an entry of the log, or says that it is not known."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pages import BANNED, Page, realistic_folder
from programme_people import PACK, TODAY, entries
from test_daily import bend, summary, table, wear

from analysis import report
from analysis.daily import summarise
from analysis.inputs import NOT_MEDICAL, load
from analysis.schema import DailySummary
from analysis.sheet import log_of, pain_of, sheet_rows
from analysis.words import span
from posture.types import InputError

LOG = (
    {"kind": "pain", "level": 2, "when": "morning"},
    {"kind": "pain", "level": 3, "when": "evening"},
    {"kind": "pain", "level": 4, "when": "evening", "leg": True},
    {"kind": "exercise", "exercise": "brace", "reps": 10, "pain": 3, "pain_before": 2},
    {"kind": "exercise", "exercise": "brace", "reps": 8, "pain": 2},
    {"kind": "practice", "practice": "towel", "minutes": 3},
)


def lines(day: DailySummary, **known: Any) -> dict[str, str]:
    sections = sheet_rows(day, **({"log": None, "trend": None, "settings": ()} | known))
    return {label: value for _, rows in sections for label, value in rows}


def test_pain_is_the_highest_of_each_time_of_day_with_the_exercise_that_hurt_most() -> None:
    found = pain_of(entries(*LOG), TODAY)
    assert found is not None
    assert (found.morning, found.evening, found.other, found.leg) == (2, 4, None, True)
    assert (found.in_exercise, found.activity) == (3, "brace")
    assert pain_of(entries(*LOG), date(2026, 3, 3)) is None, "of another day"
    assert pain_of(entries({"kind": "practice", "practice": "towel"}), TODAY) is None, "not said is not 0"


def test_what_was_done_stands_beside_its_dose() -> None:
    log = log_of(PACK, entries(*LOG), TODAY)
    assert log is not None
    dose = PACK.practice("brace").dose.text()
    assert log.done == (f"brace 10+8 reps (dose: {dose})", f"towel 3 min (dose: {PACK.practice('towel').dose.text()})")
    rows = lines(summary(table(("sitting", 1, 60))), log=log)
    assert rows["pain AM / PM, of 10"] == "2 / 4; in brace 3; into a leg"
    assert rows["done, by the log"] == "; ".join(log.done)
    assert log_of(PACK, entries(*LOG), date(2026, 3, 1)) is None


def test_the_page_has_the_numbers_of_the_summary(tmp_path: Path) -> None:
    day = load(realistic_folder(tmp_path / "day"))
    found = summarise(day.epochs, day.events, day.alerts, day.session)
    rows = lines(found)
    (spread,) = found.sitting.spreads
    assert rows["% of range, P10/50/90"] == f"{spread.p10_pct:.0f} / {spread.p50_pct:.0f} / {spread.p90_pct:.0f}"
    assert found.range_time is not None
    assert rows["over 60 / 80 % of range"].startswith(
        f"{span(found.range_time.over_60_min)} / {span(found.range_time.over_80_min)} of "
    )
    assert rows["lumbar range"] == "50 deg (measured)"
    assert rows["bends"].startswith(f"{found.bends.total} (")
    hours = found.wear.worn_min / 60
    assert rows["bends an hour"].startswith(f"{found.bends.by_verdict['rounded'] / hours:.1f} rounded, ")
    assert rows["bends an hour"].count(",") == 3, "each type, the one that was not judged too"
    assert found.sitting.shifts is not None
    assert rows["shifts in 15 min of sitting"] == f"{found.sitting.shifts.per_15_min:.1f}"
    (sitting,) = (c for c in found.alert_counts if c.kind == "flexed_sitting")
    assert rows["flexed sitting"] == f"{sitting.raised} raised, {sitting.answered} answered, 0 called wrong"


def test_what_is_not_known_says_so() -> None:
    one = wear(sensors=("sacrum",), rom_deg=None, rom_source=None)
    rows = lines(summary(table(("sitting", -1, 600)), session=one))
    assert rows["flexed"] == "not known"
    assert rows["lumbar range"] == "not measured by one sensor"
    assert rows["over 60 / 80 % of range"] == "not measured by one sensor"
    assert rows["gaps; not worn; reduced rate"].endswith("not known")
    assert rows["log"] == "no entries: dose, pain, load and level are not known"
    assert rows["trend"] == "no earlier days"
    assert "rounded" not in " ".join(rows.values())
    assert rows["lumbar share"] == "not measured by one sensor"
    bends = [bend(10.0 * k, verdict="neutral", pelvis_share=s) for k, s in enumerate((0.9, 0.7, 0.6))]
    assert lines(summary(table(("standing", -1, 600)), *bends))["lumbar share"].startswith("30 % of the lean")
    borrowed = summary(table(("sitting", -1, 600)), session=wear(rom_source="population"))
    assert lines(borrowed)["lumbar range"] == "50 deg (a population value, not their own)"


@pytest.mark.parametrize("two", [True, False])
def test_the_page_is_one_sheet_that_loads_nothing_and_uses_no_banned_word(tmp_path: Path, two: bool) -> None:
    folder = realistic_folder(tmp_path / "day", hours=5.0, two=two)
    (path,) = report.write(folder, "html", for_physio=True)
    html = path.read_text(encoding="utf-8")
    assert path.name == "physio.html"
    assert NOT_MEDICAL in Page(html).text
    assert not [w for w in BANNED if w in html.lower()]
    assert "://" not in html
    with pytest.raises(InputError, match="html or pdf, not csv"):
        report.write(folder, "csv", for_physio=True)


def test_the_pain_of_the_log_is_in_the_json_of_the_report_and_not_in_a_bare_summary(tmp_path: Path) -> None:
    folder = realistic_folder(tmp_path / "day", hours=5.0)
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps({"day": "2026-03-02", **row}) for row in LOG), encoding="utf-8")
    (path,) = report.write(folder, "json", tmp_path / "r.json", log=log)
    assert json.loads(path.read_text())["pain"]["evening"] == 4
    day = load(folder)
    assert summarise(day.epochs, day.events, day.alerts, day.session).pain is None
