"""The data of F2, F6, F7 and F9, against days made by hand and against the summary of the same day."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import Page, realistic_folder
from test_daily import summary, table, wear

from analysis import report
from analysis.daily import summarise
from analysis.exposure_data import Variation, distribution, exercise_card, variation, way_rows
from analysis.inputs import DayEvent, load
from posture.types import EpochBlock, Verdict


def of(kind: str, start_s: float, verdict: str = "unknown", **more: Any) -> DayEvent:
    fixed = {"kind": kind, "start_s": start_s, "end_s": start_s + 3.0, "verdict": verdict, "confidence": 0.9}
    return DayEvent.model_validate(fixed | more)


def sitting(*stays: tuple[float, int]) -> EpochBlock:
    """Sitting at (level in % of range, s)."""
    return table(("sitting", 0, sum(s for _, s in stays)), flexion_pct_rom=np.repeat(*zip(*stays, strict=True)))


# F2


def test_the_distribution_reads_as_the_percentiles_of_the_summary(tmp_path: Path) -> None:
    for two in (True, False):
        day = load(realistic_folder(tmp_path / str(two), hours=2.0, two=two))
        found = distribution(day.epochs, day.session)
        (spread,) = summarise(day.epochs, day.events, day.alerts, day.session).sitting.spreads
        assert found is not None
        assert found.measure == spread.measure
        at = [round(float(found.curves["sitting"][p]), 4) for p in (10, 50, 90)]
        assert at == [spread.p10_pct, spread.p50_pct, spread.p90_pct]
        assert found.flexed_pct == (60.0 if two else 62.0)


def test_standing_has_a_curve_of_its_own_and_what_was_not_measured_has_none() -> None:
    pct = np.repeat([50.0, 5.0, np.nan], 100)
    epochs = table(("sitting", 0, 100), ("standing", -1, 100), ("walking", -1, 100), flexion_pct_rom=pct)
    found = distribution(epochs, wear())
    assert found is not None
    assert {name: float(c[50]) for name, c in found.curves.items()} == {"sitting": 50.0, "standing and walking": 5.0}
    assert found.measured_min["standing and walking"] == pytest.approx(100 / 60)
    assert distribution(table(("sitting", 0, 60), flexion_pct_rom=np.full(60, np.nan)), wear()) is None


# F9


def cells(found: Variation | None) -> dict[tuple[int, int], float]:
    assert found is not None
    return {(int(a), int(b)): round(float(found.minutes[a, b]), 4) for a, b in np.argwhere(found.minutes > 0)}


def test_minutes_fall_by_level_and_by_how_long_it_was_kept() -> None:
    found = variation(sitting((10, 9), (30, 10), (50, 60), (70, 300), (90, 1200), (10, 5)), wear())
    assert cells(found) == {
        (0, 0): round(14 / 60, 4),
        (1, 1): round(10 / 60, 4),
        (2, 2): 1.0,
        (3, 3): 5.0,
        (4, 4): 20.0,
    }


def test_a_change_within_a_level_is_one_stay_and_a_second_without_measure_breaks_it() -> None:
    assert cells(variation(sitting((61, 200), (79, 200)), wear())) == {(3, 3): round(400 / 60, 4)}
    assert cells(variation(sitting((61, 200), (np.nan, 1), (61, 200)), wear())) == {(3, 2): round(400 / 60, 4)}


def test_lying_gaps_and_standing_with_one_sensor_are_in_no_cell() -> None:
    pct = np.full(240, 70.0)
    epochs = table(("sitting", 1, 60), ("lying", -1, 60), ("gap", -1, 60), ("standing", -1, 60), flexion_pct_rom=pct)
    assert cells(variation(epochs, wear())) == {(3, 2): 2.0}
    one = table(("sitting", 1, 60), ("standing", -1, 180), slump_index_pct=pct)
    assert cells(variation(one, wear(sensors=("sacrum",)))) == {(3, 2): 1.0}


# F6


def test_ways_up_and_down_are_the_transitions_of_the_summary() -> None:
    straight = {"direction": "up", "path": "straight_sit_up", "surface": "floor"}
    day = summary(
        table(("standing", -1, 600)),
        of("sit_to_stand", 1, "neutral"),
        of("sit_to_stand", 9, "rounded"),
        of("floor_transition", 20, "rounded", **straight),
        of("floor_transition", 30, **straight),
        of("lie_to_sit", 40, "neutral", direction="up", path="log_roll", surface="bed"),
        of("floor_transition", 50, "neutral", direction="down", path="unknown", surface="floor_or_bed"),
        of("sit_to_stand", 60, "rounded", set_id=1),
    )
    rows = {r.label: {v.value: n for v, n in r.by_verdict.items() if n} for r in way_rows(day)}
    assert rows == {
        "up from a seat": {"neutral": 1, "rounded": 1},
        "up, floor: straight up": {"rounded": 1, "unknown": 1},
        "up, from or to a bed's edge: rolled to the side first": {"neutral": 1},
        "down, floor or bed: way not known": {"neutral": 1},
    }
    assert sum(r.by_verdict[Verdict.UNKNOWN] for r in way_rows(day)) == day.floor_transitions.by_verdict["unknown"]


# F7


def worked(*sets: DayEvent, bends: tuple[str, ...] = ()) -> Any:
    life = [of("bend", 500 + 10 * k, verdict) for k, verdict in enumerate(bends)]
    return summary(table(("standing", -1, 900)), *sets, *life)


def set_of(reps: int, clean: int | None = None, **more: Any) -> DayEvent:
    seen = {"exercise": "squat", "reps": reps, "clean_reps": clean, "form_measured": clean is not None, "set_id": 1}
    return of("exercise_set", 10, **(seen | more))


def test_the_card_has_each_set_its_first_failed_rep_and_the_carry_over_gap() -> None:
    day = worked(
        set_of(10, 9, first_failed_rep=10, side="left"), set_of(10, 10), bends=("rounded",) * 3 + ("neutral",) * 3
    )
    card = exercise_card(day)
    assert card is not None
    assert [(b.label, b.reps, b.clean, b.first_failed) for b in card.sets] == [
        ("squat, left", 10, 9, 10),
        ("squat", 10, 10, None),
    ]
    assert (card.in_exercise_pct, card.in_life_pct, card.gap_pct) == (pytest.approx(5.0), 50.0, pytest.approx(45.0))


def test_a_gap_that_was_not_measured_is_not_nothing() -> None:
    assert exercise_card(worked()) is None, "no set, no card"
    unmeasured = exercise_card(worked(set_of(10), bends=("rounded",) * 6))
    assert unmeasured is not None
    assert (unmeasured.sets[0].clean, unmeasured.in_exercise_pct, unmeasured.gap_pct) == (None, None, None)
    few = exercise_card(worked(set_of(10, 9), bends=("rounded",) * 5))
    assert few is not None
    assert few.gap_pct is None


def test_a_set_that_is_not_sure_has_no_name_unless_it_was_declared() -> None:
    unsure, told = (exercise_card(worked(set_of(9, confidence=0.5, declared=d))) for d in (False, True))
    assert unsure is not None
    assert told is not None
    assert (unsure.sets[0].label, told.sets[0].label) == ("exercise", "squat")


# Together


def test_page_words_json_csv_and_figures_agree(tmp_path: Path) -> None:
    """One folder in every format: the numbers that a reader can hold against each other are the same."""
    folder = realistic_folder(tmp_path / "day", hours=8.5)
    events = json.loads((folder / "events.json").read_text())
    events.append(set_of(10, 8, first_failed_rep=9, set_id=2).model_dump(mode="json"))
    (folder / "events.json").write_text(json.dumps(sorted(events, key=lambda e: float(e["start_s"]))))
    (html,) = report.write(folder, "html", tmp_path / "r.html")
    (tree_path,) = report.write(folder, "json", tmp_path / "r.json")
    _, table_path = report.write(folder, "csv", tmp_path / "r.csv")
    pictures = report.write(folder, "png", tmp_path / "r.png")
    tree, text = json.loads(tree_path.read_text()), Page(html.read_text(encoding="utf-8")).text
    rows = {r["metric"]: r["value"] for r in csv.DictReader(io.StringIO(table_path.read_text(encoding="utf-8")))}
    day = load(folder)

    (spread,) = tree["sitting"]["spreads"]
    found = distribution(day.epochs, day.session)
    assert found is not None
    assert float(rows["sitting.spreads.0.p50_pct"]) == spread["p50_pct"] == round(float(found.curves["sitting"][50]), 4)
    assert f"{spread['p50_pct']:.0f} median; 10th to 90th percentile {spread['p10_pct']:.0f}" in text

    levels = variation(day.epochs, day.session)
    assert levels is not None
    assert levels.minutes.sum() == pytest.approx(tree["range_time"]["measured_min"], abs=0.01)
    assert levels.minutes[3:].sum() == pytest.approx(float(rows["range_time.over_60_min"]), abs=0.01)
    assert levels.minutes[4:].sum() == pytest.approx(tree["range_time"]["over_80_min"], abs=0.01)

    ways = sum(
        n for r in way_rows(summarise(day.epochs, day.events, day.alerts, day.session)) for n in r.by_verdict.values()
    )
    chairs = sum(n for counts in tree["chair_transitions"].values() for n in counts.values())
    assert ways == chairs + tree["floor_transitions"]["total"] + sum(g["count"] for g in tree["bed_transitions"])

    (done,) = (w for w in tree["workouts"] if w["exercise"] == "squat")
    assert (done["clean_reps"], done["first_failed_rep"]) == (8, 9)
    assert "squat 10 8 9 the sensors 0.90" in text
    assert {p.stem for p in pictures} == {f"r-f{k}" for k in (1, 2, 3, 4, 5, 6, 7, 9)}
