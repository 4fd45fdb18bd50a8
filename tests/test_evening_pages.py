"""What a page says of days that are not like the others, of alerts, practice and pain; and the marks on the ribbon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import (
    Page,
    epochs_of,
    event_json,
    page,
    quiet_folder,
    realistic_folder,
    said,
    session_json,
    write_folder,
)
from programme_people import PACK, entries
from test_daily import bend, summary, table, wear

from analysis import report
from analysis.exposure import were_answered
from analysis.exposure_data import distribution, variation
from analysis.exposure_figures import PATH_NAMES
from analysis.figure_data import ribbon_data
from analysis.inputs import DayAlert, DayEvent, load
from analysis.report import Background, drawings
from analysis.schema import PainSaid
from analysis.sheet import LogOfDay, log_of
from analysis.words import pain_text, why_text, words
from posture.types import Verdict

PAIN = PainSaid(morning=2, evening=4, other=None, leg=False, in_exercise=3, activity="brace")


def folder_of(tmp_path: Path, *stretches: tuple[str, int], **changes: Any) -> Path:
    """A folder of (context, s); sitting is judged, not flexed."""
    context = [name for name, seconds in stretches for _ in range(seconds)]
    columns = {"context": context, "flexed": [False if c == "sitting" else None for c in context]}
    return write_folder(tmp_path / "d", columns=columns, session=session_json(**changes))


# Days that are not like the others


def test_a_day_of_four_to_six_hours_says_that_it_does_not_count(tmp_path: Path) -> None:
    made = page(folder_of(tmp_path, ("sitting", 4 * 3600), ("standing", 3600)))
    assert "A short day. 5 h worn; from 6 h a day counts in your weeks, and habits are drawn from it." in made.text
    text = said(tmp_path / "d")
    assert "Worn for under 6 h: the day does not count in your weeks, and no habit is drawn from it." in text
    assert "A short recording" not in made.text


def test_a_day_of_six_hours_is_a_day_without_a_word_on_its_length(tmp_path: Path) -> None:
    text = page(folder_of(tmp_path, ("sitting", 4 * 3600), ("standing", 2 * 3600))).text
    assert "A short day" not in text
    assert "does not count in your weeks" not in text


def test_of_a_day_that_was_not_worn_nothing_is_said_to_have_been_looked_for(tmp_path: Path) -> None:
    made = page(folder_of(tmp_path, ("non_wear", 3600), ("gap", 3600)))
    assert "Nothing was worn in 2 h recorded: nothing to judge." in made.text
    assert made.pictures == 1, "the ribbon alone"
    for claim in ("No bends", "No alert was raised", "No sitting bout", "No way to"):
        assert claim not in made.text


def test_a_red_flag_is_heard_on_a_day_on_which_nothing_was_worn(tmp_path: Path) -> None:
    folder, log = folder_of(tmp_path, ("non_wear", 3600)), tmp_path / "log.jsonl"
    rows = [{"kind": "red_flag", "what": "fever"}, {"kind": "pain", "level": 6, "when": "evening"}]
    log.write_text("\n".join(json.dumps({"day": "2026-03-02", **row}) for row in rows))
    (path,) = report.write(folder, "html", tmp_path / "r.html", log=log)
    text = Page(path.read_text(encoding="utf-8")).text
    assert "Nothing was worn in 1 h recorded: nothing to judge." in text
    assert "You noted: fever. Your programme stops here today." in text
    assert "Pain that you noted (0-10): evening 6." in text


def test_an_empty_recording_has_no_table_of_nothing(tmp_path: Path) -> None:
    made = page(folder_of(tmp_path))
    assert "The recording is empty: there is nothing to draw." in made.text
    assert "Time in each activity" not in made.text


def test_a_sensor_that_was_silent_for_a_part_of_the_day_is_in_the_words() -> None:
    silent = np.where(np.arange(5 * 3600) < 7200, np.nan, 0.0)
    day = summary(table(("standing", -1, 5 * 3600), upper_lumbar_inclination_deg=silent))
    assert "Basis: two sensors, one of them alone for 2 h; calibration good." in [s.text for s in words(day)]
    whole = summary(table(("standing", -1, 5 * 3600)))
    assert "Basis: two sensors; calibration good." in [s.text for s in words(whole)]


# What one sensor does not know


def test_what_one_sensor_cannot_judge_is_a_dash_in_the_table_and_not_a_nought(tmp_path: Path) -> None:
    rounded = event_json("bend", 30.0, verdict="rounded", basis="one")
    others = [event_json(k, 60.0, basis="one") for k in ("bend", "sit_to_stand", "stand_to_sit")]
    text = page(quiet_folder(tmp_path / "d", [rounded, *others], two=False, sensors=["upper_lumbar"])).text
    assert "Forward leans 2 1 1 Standing up from a seat 1 – 1 Sitting down 1 – 1" in text


def test_one_sensor_names_the_way_from_the_floor_and_gives_no_verdict_on_the_back(tmp_path: Path) -> None:
    up = event_json("floor_transition", 30.0, verdict="rounded", basis="one", direction="up", path="straight_sit_up")
    one, two = (page(quiet_folder(tmp_path / str(n), [up], two=n == 2)).text for n in (1, 2))
    assert "by the way taken, which is all that one sensor can judge" in one
    assert "rounded" not in one.split("Getting down and up")[1].split("Events")[0].lower()
    assert "rounded" in two.split("Getting down and up")[1].split("Events")[0].lower()
    assert set(PATH_NAMES) == {Verdict.ROUNDED, Verdict.NEUTRAL}


@pytest.mark.parametrize(("source", "name"), [("measured", "own range"), ("population", "a population's range")])
def test_a_range_that_was_not_measured_is_nowhere_called_ones_own(tmp_path: Path, source: str, name: str) -> None:
    session = wear(rom_source=source)
    epochs = table(("sitting", 1, 600), flexion_pct_rom=np.full(600, 85.0))
    for data in (distribution(epochs, session), variation(epochs, session)):
        assert data is not None
        assert data.axis == f"lumbar flexion, % of {name}"
    folder = realistic_folder(tmp_path / "d", hours=2.0)
    about = json.loads((folder / "session.json").read_text())
    about["calibration"]["rom_source"] = source
    (folder / "session.json").write_text(json.dumps(about))
    text = page(folder).text
    assert f"Near end of range: 80 % or more of {name}." in text
    assert f"Lumbar flexion, % of {name}" in text
    assert ("own range" in text) == (source == "measured")


def test_no_confidence_is_shown_as_certain(tmp_path: Path) -> None:
    text = page(quiet_folder(tmp_path / "d", [event_json("bend", 30.0, confidence=0.999)])).text
    assert "over 0.99" in text
    assert "1.00" not in text


# Alerts


def test_each_alert_says_what_became_of_it(tmp_path: Path) -> None:
    """Stood up after the first; the second was called wrong."""
    folder = folder_of(tmp_path, ("sitting", 1200), ("standing", 600), ("sitting", 2000), ("standing", 60))
    fixed = {"preset": "balanced", "reason": "Flexed for a while."}
    alerts = [{"about_s": s - 6, "raised_s": s, "kind": k} | fixed
              for s, k in ((1100.0, "flexed_sitting"), (2000.0, "flexed_sitting"), (2100.0, "bend"))]  # fmt: skip
    alerts[1] |= {"answers": [{"said": "snooze"}, {"said": "wrong"}]}
    (folder / "alerts.json").write_text(json.dumps(alerts))
    day = load(folder)
    # Sitting at 0 % of range is a stay under the level: only one that was flexed till the end would not be answered.
    assert were_answered(day.epochs, day.alerts, day.session) == (True, False, None)
    text = page(folder).text
    assert "flexed sitting Flexed for a while. answered" in text
    assert "flexed sitting Flexed for a while. not answered; you called it wrong" in text
    assert "bend Flexed for a while. –" in text
    assert "You called 1 of 3 wrong." in text
    assert "3 alerts: 2 on sitting (1 answered), 1 on bends, and you called 1 wrong" in said(folder)


def test_where_nobody_said_wrong_that_is_not_taken_for_right(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ("sitting", 3600))
    alert = {"about_s": 94.0, "raised_s": 100.0, "kind": "bend", "preset": "balanced", "reason": "Deep."}
    (folder / "alerts.json").write_text(json.dumps([alert]))
    assert "what nobody answered for is not known to be right" in page(folder).text
    assert "1 alert on bends." in said(folder)


def test_no_alert_is_not_left_alone_where_the_wearer_wanted_none(tmp_path: Path) -> None:
    silences = [{"act": "pause", "from_s": 0.0, "to_s": 1800.0}, {"act": "snooze", "from_s": 1800.0, "to_s": 2700.0}]
    folder = folder_of(tmp_path, ("sitting", 3600), silences=silences)
    text = page(folder).text
    assert "No alert was raised." in text
    assert "You wanted no alerts for 45 min of the worn time: paused 30 min, snoozed 15 min." in text
    day = load(folder)
    rows = dict(row for _, part in report.sheet(day, Background())[1] for row in part)
    assert rows["paused; snoozed"] == "30 min; 15 min"
    (folder / "session.json").write_text(json.dumps(session_json()))
    assert "You wanted no alerts" not in page(folder).text


# Practice and pain


def html_with(folder: Path, log: LogOfDay | None) -> str:
    day = load(folder)
    return Page(report.render_html(day, report.advice_on((day,), day), Background(log))).text


def test_practice_and_pain_are_those_of_the_log_and_of_the_sensors(tmp_path: Path) -> None:
    hold = event_json("practice_hold", 60.0, end_s=240.0, practice="towel", hold_s=180.0, verdict=None)
    folder = quiet_folder(tmp_path / "d", [hold])
    rows = ({"kind": "pain", "level": 2, "when": "morning"}, {"kind": "practice", "practice": "towel", "minutes": 3})
    text = html_with(folder, log_of(PACK, entries(*rows), entries(*rows)[0].day))
    assert "towel, perhaps 3 min" in text
    assert f"Done, by your log: towel 3 min (dose: {PACK.practice('towel').dose.text()})." in text
    assert "Pain, of 10: morning 2." in text
    assert "Pain that you noted (0-10): morning 2." in text
    assert "The log has no entry: what else was done, and pain, are not known." in html_with(folder, None)


@pytest.mark.parametrize(
    ("pain", "text"),
    [
        (PAIN, "morning 2, evening 4, in your brace 3"),
        (PainSaid(None, None, 0, False, None, None), "0"),
        (PainSaid(None, 5, 7, True, None, None), "evening 5, at another time 7, into a leg"),
    ],
)
def test_pain_reads_as_it_was_noted(pain: PainSaid, text: str) -> None:
    assert pain_text(pain) == text


def test_the_numbers_of_a_rule_read_like_words() -> None:
    assert why_text("sitting_share_pct at least 75: 88.2092") == "sitting share, %, at least 75: 88.2"
    assert (
        why_text("sit_ups_rounded at least 1: 2; worn 5 h; needs 6 h")
        == "sit ups rounded at least 1: 2; worn 5 h; needs 6 h"
    )
    assert why_text("confidence of sit_to_stand 0.65, needs 0.70") == "confidence of sit to stand 0.65, needs 0.70"


# The marks on the ribbon


def test_the_ribbon_has_sets_but_not_the_calibration_routine_and_pain_without_a_minute() -> None:
    events = [
        DayEvent.model_validate({"kind": "exercise_set", "start_s": s, "end_s": s + 20, "set_id": k})
        for k, s in enumerate((10.0, 40.0, 70.0))
    ]
    data = ribbon_data(epochs_of(("standing", -1, 100)), events, [DayAlert(about_s=1, raised_s=2, kind="bend")], PAIN)
    assert data.sets.tolist() == [[40.0, 60.0], [70.0, 90.0]], "set 0 is the calibration routine"
    assert data.pain == (("morning", 2), ("evening", 4))
    assert ribbon_data(epochs_of(("standing", -1, 100)), [], []).pain == ()


def test_the_lanes_of_the_ribbon_are_what_there_was() -> None:
    events = [
        DayEvent.model_validate({"kind": "floor_transition", "start_s": s, "end_s": s + 3, "direction": way})
        for s, way in ((5.0, "down"), (9.0, "up"))
    ]
    from analysis.figures import draw_ribbon

    data = ribbon_data(epochs_of(("standing", -1, 100), ("floor", -1, 20)), [*events, bend(30.0)], [], PAIN)
    (axes,) = draw_ribbon(data, wear().clock, leans="bends").axes
    lanes = [t.get_text() for t in axes.get_yticklabels()]
    assert lanes == [
        *("Walking", "Standing", "Sitting", "On the floor", "Alerts", "Bends, neutral"),
        *("Down to floor or bed", "Up from floor or bed", "Pain, of 10"),
    ]
    assert [t.get_text() for t in axes.texts] == ["morning 2", "evening 4"]


def test_the_share_of_the_lumbar_spine_is_the_median_of_the_days_bends() -> None:
    bends = [bend(20.0 * k, pelvis_share=share) for k, share in enumerate((0.9, 0.6, 0.5))]
    inside = bend(90.0, pelvis_share=0.1, set_id=1)
    assert summary(table(("standing", -1, 600)), *bends, inside).bends.lumbar_share_pct == 40.0
    assert summary(table(("standing", -1, 600)), bend(3.0)).bends.lumbar_share_pct is None


def test_a_caption_has_the_numbers_of_its_curve(tmp_path: Path) -> None:
    day = load(realistic_folder(tmp_path / "d", hours=2.0))
    found = distribution(day.epochs, day.session)
    assert found is not None
    (drawn,) = [d for d in drawings(day, summary(day.epochs, session=day.session)) if d.name == "f2"]
    curve = found.curves["sitting"]
    assert drawn.caption.startswith(
        f"Half of sitting was at {curve[50]:.0f} or less, nine tenths at {curve[90]:.0f} or less"
    )
