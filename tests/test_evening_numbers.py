"""Every number of the words is one of the CSV: each sentence is made here a second time, from the rows of the CSV alone.

And the figures: what they draw is what the JSON counts. Days: two sensors and one, with alerts called wrong, pain and practice.
"""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import Page, realistic_folder

from analysis import report
from analysis.daily import summarise
from analysis.figure_data import bend_points, bout_data, meter_data, ribbon_data
from analysis.inputs import ReportInput, load
from analysis.schema import DailySummary
from analysis.words import WORDS_MAX, words
from posture.types import Verdict

LOG = (
    {"day": "2026-03-02", "kind": "pain", "level": 2, "when": "morning"},
    {"day": "2026-03-02", "kind": "pain", "level": 4, "when": "evening"},
)
SENSORS = {"sacrum": "sacrum (belt line)"}


class Table(dict[str, str]):
    """The rows of the CSV: metric -> value."""

    def number(self, name: str) -> float:
        return float(self[name])

    def span(self, name: str) -> str:
        """Minutes as a reader writes them."""
        minutes = self.number(name)
        if 0 < minutes < 0.5:
            return "under 1 min"
        hours, rest = divmod(round(minutes), 60)
        return (f"{hours} h {rest} min" if rest else f"{hours} h") if hours else f"{rest} min"

    def of(self, name: str) -> int:
        return int(self[name])

    def count(self, pattern: str) -> int:
        return sum(bool(re.fullmatch(pattern, name)) for name in self)

    def text(self, prefix: str) -> dict[str, int]:
        return {n.removeprefix(f"{prefix}."): int(v) for n, v in self.items() if n.startswith(f"{prefix}.")}


@pytest.fixture(scope="module", params=["two", "one", "two, nothing said"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, its log and each format of its report. Two of its alerts were called wrong and pain was noted, or neither."""
    base, spoken = tmp_path_factory.mktemp("evening"), "nothing said" not in request.param
    folder = realistic_folder(base / "day", two="two" in request.param)
    alerts = json.loads((folder / "alerts.json").read_text())
    if spoken:
        alerts[0] |= {"answer": "wrong"}
        alerts[1] |= {"answers": [{"said": "wrong"}]}
    lean = {"about_s": 900.0, "raised_s": 905.0, "kind": "bend", "preset": "balanced", "reason": "That was deep."}
    (folder / "alerts.json").write_text(json.dumps([*alerts, lean]))
    (base / "log.jsonl").write_text("\n".join(json.dumps(row) for row in LOG if spoken))
    for fmt in ("html", "json", "csv", "png"):
        report.write(folder, fmt, base / f"r.{fmt}", log=base / "log.jsonl")
    return base


@pytest.fixture(scope="module")
def rows(made: Path) -> Table:
    text = (made / "r-summary.csv").read_text(encoding="utf-8")
    return Table({r["metric"]: r["value"] for r in csv.DictReader(io.StringIO(text))})


@pytest.fixture(scope="module")
def shown(made: Path) -> list[tuple[str, str]]:
    """Kind and text of each sentence on the page."""
    html = (made / "r.html").read_text(encoding="utf-8")
    found = re.findall(r'<li class="(\w+)">(.*?)</li>', html)
    return [(kind, re.sub(r" <small>.*", "", text)) for kind, text in found]


def test_every_sentence_on_what_was_seen_is_made_of_the_rows_of_the_csv(
    rows: Table, shown: list[tuple[str, str]]
) -> None:
    t = rows
    two = t.count(r"basis\.sensors\.\d") == 2
    did = [f"{verb} {t.span(f'context_min.{name}')}" for verb, name in
           (("sat", "sitting"), ("stood", "standing"), ("walked", "walking"), ("lay", "lying"))]  # fmt: skip
    seen = [f"In {t.span('wear.worn_min')} of wear you {', '.join(did[:-1])} and {did[-1]}."]
    spoken = "pain.morning" in t
    seen += [f"Pain that you noted (0-10): morning {t['pain.morning']}, evening {t['pain.evening']}."] if spoken else []
    bends = t.text("bends.by_verdict")
    judged = sum(bends.values()) - bends["unknown"]
    sitting = (
        f"Of {t.span('sitting.judged_min')} judged sitting {t.span('sitting.flexed_min')} was flexed "
        f"({t.number('sitting.flexed_share_of_judged_pct'):.0f} %)"
    )
    leans = (
        f"{bends['rounded']} of {judged} judged bends were rounded"
        if two
        else f"{t['bends.deep_or_sustained']} of {t['bends.total']} forward leans were long or deep"
    )
    bouts = t.count(r"sitting\.bouts\.\d+\.start_s")
    sat = f"{t['sitting.long_bouts']} of {bouts} sitting bouts reached 20 min"
    raised = [t.of(f"alert_counts.{k}.raised") for k in range(3)]
    wrong = sum(t.of(f"alert_counts.{k}.wrong") for k in range(3))
    alerts = (
        f"{sum(raised)} alerts: {raised[0]} on sitting ({t['alert_counts.0.answered']} answered), "
        f"{raised[1]} on {'bends' if two else 'forward leans'}"
    )
    assert (raised[1], wrong) == (1, 2 if spoken else 0)
    assert [t[f"alert_counts.{k}.kind"] for k in range(3)] == ["flexed_sitting", "bend", "floor_transition"]
    clauses = (
        [sitting, f"{alerts}, and you called {wrong} wrong", leans, sat] if wrong else [sitting, leans, sat, alerts]
    )
    told = [text for kind, text in shown if kind == "seen"]
    kept = told[-1].count("; ") + 1
    assert told == [*seen, f"{'; '.join(clauses[:kept])}."]
    assert kept >= (2 if spoken else 3)
    # What is left away is what 120 words have no room for.
    rest = sum(len(text.split()) for kind, text in shown if kind not in ("basis", "not_judged"))
    assert rest <= WORDS_MAX
    assert kept == len(clauses) or rest + len(clauses[kept].split()) > WORDS_MAX


def test_every_sentence_on_the_basis_and_the_unknown_is_made_of_the_rows_of_the_csv(
    rows: Table, shown: list[tuple[str, str]]
) -> None:
    t = rows
    two = t.count(r"basis\.sensors\.\d") == 2
    count = "two sensors" if two else f"one sensor, {SENSORS[t['basis.sensors.0']]}"
    bends = t.text("bends.by_verdict")
    ways = [t.text(f"chair_transitions.{kind}") for kind in ("sit_to_stand", "stand_to_sit")]
    chairs = {v: sum(w[v] for w in ways) for v in ways[0]}
    floor = t.text("floor_transitions.by_verdict")
    parts = [f"{t.span('sitting.unjudged_min')} of sitting"]
    names = ("bends" if two else "forward leans", "chair transitions", "floor transitions")
    for counts, name in zip((bends, chairs, floor), names, strict=True):
        parts += [f"{counts['unknown']} of {sum(counts.values())} {name}"] if counts["unknown"] else []
    parts += [f"{t.span('context_min.unknown')} of unknown activity"]
    wanted = [
        ("basis", f"Basis: {count}; calibration {t['basis.calibration_grade']}."),
        ("not_judged", f"Not judged: {', '.join(parts)}."),
        ("not_judged", f"Left out: {t.span('wear.gap_min')} of gaps, {t.span('wear.non_wear_min')} not worn."),
    ]
    assert [s for s in shown if s[0] in ("basis", "not_judged")] == wanted


def test_every_number_of_a_habit_is_the_one_that_made_its_rule_true(
    made: Path, rows: Table, shown: list[tuple[str, str]]
) -> None:
    tree = json.loads((made / "r.json").read_text(encoding="utf-8"))
    habits = tree["advice"]["habits"]
    assert habits
    assert [text for kind, text in shown if kind == "habit"] == [h["text"] for h in habits]
    for k, habit in enumerate(habits):
        assert rows[f"advice.habits.{k}.text"] == habit["text"]
        assert rows[f"advice.habits.{k}.numbers"] == habit["numbers"]
        said = re.findall(r"(\w+) at (?:least|most) [\d.]+: ([\d.]+)", habit["numbers"])
        assert said
        for name, value in said:
            if name == "sensors":
                continue
            reads = Table({name: value}).span(name) if name.endswith("_min") else f"{float(value):.0f}"
            assert re.search(rf"\b{reads}\b", habit["text"]) or (reads, "once") == ("1", "once"), (habit["text"], reads)


def test_page_words_and_json_are_one_day(made: Path) -> None:
    day, summary = of(made)
    tree = json.loads((made / "r.json").read_text(encoding="utf-8"))
    page = Page((made / "r.html").read_text(encoding="utf-8")).text
    assert tree["pain"] is None or (tree["pain"]["morning"], tree["pain"]["evening"]) == (2, 4)
    for sentence in words(summary):
        if sentence.kind in ("basis", "not_judged"):
            assert sentence.text in page
    wrong = sum(a["wrong"] for a in tree["alert_counts"])
    assert (f"You called {wrong} of {len(day.alerts)} wrong." if wrong else "You called none of them wrong") in page
    assert page.count("you called it wrong") == wrong
    sitting = tree["alert_counts"][0]
    assert page.count("not answered") == sitting["raised"] - sitting["answered"]


def of(made: Path) -> tuple[ReportInput, DailySummary]:
    day = load(made / "day")
    return day, summarise(day.epochs, day.events, day.alerts, day.session)


def test_the_ribbon_draws_what_the_json_counts(made: Path) -> None:
    day, summary = of(made)
    data = ribbon_data(day.epochs, day.events, day.alerts)
    assert len(data.alerts_s) == sum(c.raised for c in summary.alert_counts)
    assert {v.value: len(t) for v, t in data.bends_s.items()} == summary.bends.by_verdict
    assert sum(len(t) for t in data.floor_s.values()) == summary.floor_transitions.total
    drawn_min = {role: float((s[:, 1] - s[:, 0]).sum()) / 60 for role, s in data.spans.items()}
    assert sum(drawn_min.values()) == pytest.approx(summary.wear.recorded_min)
    sitting = sum(drawn_min.get(r, 0.0) for r in ("not_flexed", "flexed", "end_range", "unjudged"))
    assert sitting == pytest.approx(summary.sitting.total_min, abs=3), "a step shows what filled most of it"


def test_the_bouts_and_the_meter_draw_what_the_json_counts(made: Path) -> None:
    day, summary = of(made)
    for bar in bout_data(day.epochs, summary.sitting.bouts):
        drawn = {
            r: sum(b - a for a, b, role in bar.segments if role == r) for r in ("flexed", "not_flexed", "unjudged")
        }
        assert sum(drawn.values()) == pytest.approx(bar.bout.sitting_min, abs=0.5)
        assert drawn["flexed"] == pytest.approx(bar.bout.flexed_min, abs=1.0)
    trace = meter_data(day.epochs, day.alerts)
    assert np.nanmax(trace.creep) == pytest.approx(summary.meter.peak, abs=1e-4)
    assert len(trace.alerts) == summary.alerts["flexed_sitting"]


def test_the_bends_draw_what_the_json_counts(made: Path) -> None:
    day, summary = of(made)
    if len(summary.basis.sensors) == 2:
        data = bend_points(day.epochs, day.events, day.session)
        drawn = {v: len(p) for v, p in data.points.items()}
        assert sum(drawn.values()) + data.left_out == summary.bends.total
        assert drawn[Verdict.ROUNDED] <= summary.bends.by_verdict["rounded"]
    hours: dict[str, Any] = {"total": sum(h.total for h in summary.bends.by_hour)}
    assert hours["total"] == summary.bends.total
    assert sum(h.deep_or_sustained for h in summary.bends.by_hour) == summary.bends.deep_or_sustained
    assert sum(h.worn_min for h in summary.bends.by_hour) == pytest.approx(summary.wear.worn_min, abs=0.01)
