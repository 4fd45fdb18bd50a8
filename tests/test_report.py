"""The report: what it says equals the numbers, what is unknown is said, and the page loads nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import (
    BANNED,
    Page,
    count_words,
    event_json,
    html_of,
    page,
    quiet_folder,
    realistic_folder,
    said,
    sentences,
    session_json,
    write_folder,
)

from analysis import report, words
from analysis.inputs import NOTICE, load
from posture.types import InputError


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Realistic folders: two sensors and one, with and without a clock."""
    base = tmp_path_factory.mktemp("days")
    return {
        "two": realistic_folder(base / "two"),
        "one": realistic_folder(base / "one", two=False),
        "two, no clock": realistic_folder(base / "two_nc", hours=1.0, clock=False),
        "one, no clock": realistic_folder(base / "one_nc", hours=5.0, two=False, clock=False),
    }


KINDS = ("two", "one", "two, no clock", "one, no clock")


@pytest.mark.parametrize("kind", KINDS)
def test_page_is_whole_loads_nothing_and_names_its_parts(days: dict[str, Path], kind: str) -> None:
    made = page(days[kind])
    assert all(r.startswith("#") for r in made.references)
    html = html_of(days[kind])
    assert not re.search(r"https?://|@import|<script|<link", html)
    assert not [u for u in re.findall(r"url\(([^)]*)\)", html) if not u.startswith("#")]
    assert len(made.ids) == len(set(made.ids))
    assert set(re.findall(r"url\(#([^)]*)\)|href=\"#([^\"]*)\"", html)) <= {(i, "") for i in made.ids} | {
        ("", i) for i in made.ids
    }
    assert made.headings.count("h1") == 1
    assert made.tables == made.captions > 3
    assert made.pictures == 7, "all but exercise, of which there was none, and the weeks"
    assert len(html) < 1_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_every_report_carries_the_text_of_a_thing_that_is_not_a_medical_device(
    days: dict[str, Path], kind: str
) -> None:
    text = page(days[kind]).text
    assert (
        "Not a medical device. For general wellness and personal record only; it does not diagnose, treat, cure or prevent "
        "any condition and does not replace a clinician. Angles are estimates. Stop if an exercise increases pain."
    ) in text
    for flag in ("saddle numbness", "bladder or bowel trouble", "weakness in both legs", "fever", "major trauma"):
        assert flag in text
    assert "history of cancer, weight loss" in text
    assert NOTICE.startswith("Not a medical device.")


@pytest.mark.parametrize("kind", KINDS)
def test_no_report_uses_the_words_that_are_not_used(days: dict[str, Path], kind: str, tmp_path: Path) -> None:
    report.write(days[kind], "csv", tmp_path / "a.csv")
    texts = [page(days[kind]).text, said(days[kind]), *(p.read_text() for p in tmp_path.iterdir())]
    assert not [w for w in BANNED for text in texts if w in text.lower()]


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_at_most_120(days: dict[str, Path], kind: str) -> None:
    assert 20 < count_words(days[kind]) <= words.WORDS_MAX


def test_words_stay_short_when_everything_happened(tmp_path: Path) -> None:
    n = 30_000
    context = np.array(
        ["sitting"] * 22_000
        + ["standing"] * 3000
        + ["walking"] * 3700
        + ["lying", "unknown"] * 400
        + ["gap"] * 300
        + ["non_wear"] * 200
    )
    flexed = [True] * 18_000 + [None] * 4000 + [None] * (n - 22_000)
    columns = {"context": context, "flexed": flexed, "creep": np.full(n, 0.95)}
    kinds = ("bend", "sit_to_stand", "stand_to_sit", "floor_transition")
    events = [event_json(k, 100.0 + i, verdict=v) for k in kinds for i in range(40) for v in ("rounded", "unknown")]
    folder = write_folder(tmp_path / "d", columns=columns, session=session_json(), events=events)
    assert count_words(folder) <= 120
    assert "Not judged" in said(folder)
    assert sum(s.kind == "habit" for s in sentences(folder)) == 2


def test_numbers_in_the_words_are_the_numbers_in_the_json(days: dict[str, Path], tmp_path: Path) -> None:
    (path,) = report.write(days["two"], "json", tmp_path / "a.json")
    tree, text = json.loads(path.read_text()), said(days["two"])
    sitting, bends = tree["sitting"], tree["bends"]["by_verdict"]
    judged = sum(bends.values()) - bends["unknown"]
    assert f"sat {words.span(sitting['total_min'])}" in text
    flexed, judged_min = words.span(sitting["flexed_min"]), words.span(sitting["judged_min"])
    assert f"Of {judged_min} judged sitting {flexed} was flexed" in text
    assert f"({sitting['flexed_share_of_judged_pct']:.0f} %)" in text
    assert f"{bends['rounded']} of {judged} judged bends were rounded" in text
    assert f"{bends['unknown']} of {tree['bends']['total']} bends" in text
    assert f"{words.span(sitting['unjudged_min'])} of sitting" in text
    assert f"Left out: {words.span(tree['wear']['gap_min'])} of gaps" in text
    assert sum(s in text for s in ("What went well",)) <= 1


@pytest.mark.parametrize("kind", ["one", "one, no clock"])
def test_one_sensor_never_says_rounded_where_the_verdict_is_unknown(days: dict[str, Path], kind: str) -> None:
    text = page(days[kind]).text.lower()
    assert "rounded" not in text
    assert "neutral" not in text
    assert "long or deep forward lean" in text
    assert "one sensor, sacrum (belt line)" in text


def test_all_verdicts_unknown_is_never_a_good_thing(tmp_path: Path) -> None:
    n = 5 * 3600
    columns = {"context": ["sitting"] * n, "flexed": [None] * n}
    events = [event_json("bend", float(k), basis="one") for k in range(4)]
    calibration = session_json(two=False)["calibration"] | {"flexed_sitting": False, "grade": "poor"}
    session = session_json(two=False, sensors=["upper_lumbar"], calibration=calibration)
    folder = write_folder(tmp_path / "d", columns=columns, session=session, events=events)
    text = said(folder)
    assert "What went well" not in text
    assert "flexed" not in text
    assert "Not judged: 5 h of sitting, 4 of 4 forward leans." in text
    shown = page(folder).text
    assert "no sitting alert does not mean that none was due" in shown
    assert "there is no meter" in shown
    assert "flexed: not known" in shown


def test_what_one_sensor_calls_rounded_is_a_count_of_all_leans_and_no_share_of_the_judged(tmp_path: Path) -> None:
    columns = {"context": ["standing"] * 18_000, "flexed": [None] * 18_000}
    verdicts = ("rounded", "rounded", "unknown", "unknown", "unknown")
    events = [event_json("bend", 60.0 * k, verdict=v, basis="one") for k, v in enumerate(verdicts)]
    session = session_json(two=False, sensors=["upper_lumbar"])
    text = said(write_folder(tmp_path / "d", columns=columns, session=session, events=events))
    assert "2 of 5 forward leans were deep enough to count as rounded." in text
    assert "judged forward leans" not in text


def test_a_good_thing_is_said_only_where_it_was_measured(tmp_path: Path) -> None:
    def broken_up(flexed: bool | None, hole: str = "standing") -> dict[str, Any]:
        """24 times a quarter of an hour of sitting and three minutes of something else."""
        return {"context": (["sitting"] * 900 + [hole] * 180) * 24, "flexed": ([flexed] * 900 + [None] * 180) * 24}

    def text(name: str, columns: dict[str, Any]) -> str:
        return said(write_folder(tmp_path / name, columns=columns, session=session_json()))

    assert "What went well: you sat for 6 h, and no bout reached 20 min." in text("judged", broken_up(False))
    assert "What went well" not in text("not judged", broken_up(None))
    assert "What went well" not in text("hidden", broken_up(False, "unknown"))


def test_the_programme_says_one_win_two_habits_one_practice_one_focus_with_rule_and_numbers(
    days: dict[str, Path], tmp_path: Path
) -> None:
    (path,) = report.write(days["two"], "json", tmp_path / "a.json")
    tree = json.loads(path.read_text())
    advice = tree["advice"]
    shown = [(s.kind, s.text, s.rule) for s in sentences(days["two"]) if s.rule or s.kind == "practice"]
    assert [s for s in shown if s[0] == "habit"] == [("habit", h["text"], h["rule"]) for h in advice["habits"]]
    assert 1 <= len(advice["habits"]) <= 2
    assert ("practice", advice["practice_text"], "") in shown
    assert ("focus", advice["focus"], advice["focus_rule"]) in shown
    for habit in advice["habits"]:
        (why,) = [r["why"] for r in advice["rules"] if r["rule"] == habit["rule"]]
        assert habit["numbers"] == why
        assert re.search(r"at least [\d.]+: [\d.]+", why)
    text = page(days["two"]).text
    for habit in advice["habits"]:
        assert f"{habit['text']} {habit['rule']}" in text
        assert f"{habit['rule']} said {words.why_text(habit['numbers'])}" in text
    assert "What went well: " not in said(days["two"]) or advice["win"]
    assert advice["stage"] is None, "nobody's log was given"
    assert "Programme stage" not in text


def test_the_log_given_with_a_folder_is_heard(days: dict[str, Path], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({"day": "2026-03-02", "kind": "red_flag", "what": "fever"}), encoding="utf-8")
    (path,) = report.write(days["two"], "json", tmp_path / "a.json", log=log)
    advice = json.loads(path.read_text())["advice"]
    assert advice["notice"].startswith("You noted: fever")
    assert (advice["win"], advice["habits"], advice["practice"], advice["focus"]) == (None, [], None, "")
    (path,) = report.write(days["two"], "html", tmp_path / "a.html", log=log)
    assert "You noted: fever" in Page(path.read_text()).text


def test_a_calibration_older_than_a_week_withholds_advice_and_says_so(days: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "d"
    shutil.copytree(days["two"], folder)
    session = json.loads((folder / "session.json").read_text())
    for made, source, base, age in (
        ("2026-02-23T06:00:00+00:00", "poses", None, 7),
        ("2026-02-22T06:00:00+00:00", "poses", None, 8),
        ("2026-03-02T06:00:00+00:00", "quick", "2026-02-22T06:00:00+00:00", 8),
        ("2026-03-02T06:00:00+00:00", "quick", None, None),
        ("2026-02-22T06:00:00+00:00", "self", None, None),
    ):
        session["calibration"] |= {"made_utc": made, "base_utc": base, "source": source}
        (folder / "session.json").write_text(json.dumps(session))
        (path,) = report.write(folder, "json", tmp_path / "a.json")
        tree = json.loads(path.read_text())
        assert tree["basis"]["calibration_age_days"] == age
        stale = age is not None and age > 7
        assert ("The calibration is 8 days old; make a new one." in said(folder)) == stale
        assert bool(tree["advice"]["habits"]) != stale


def test_a_short_recording_is_shown_and_called_one(days: dict[str, Path]) -> None:
    made = page(days["two, no clock"])
    assert "A short recording, not a day." in made.text
    assert "The recording carries no clock" in made.text
    assert "nothing here is a habit yet" in made.text
    assert made.pictures == 7, "all but exercise, of which there was none, and the weeks"
    assert not re.search(r"\b\d\d:\d\d:\d\d\b", made.text)


@pytest.mark.parametrize(("context", "n"), [("gap", 90), ("non_wear", 90), ("gap", 0), ("unknown", 1)])
def test_a_recording_with_nothing_in_it_still_gives_every_format(tmp_path: Path, context: str, n: int) -> None:
    columns = {"context": [context] * n, "flexed": [None] * n, "creep": np.full(n, np.nan)}
    folder = write_folder(tmp_path / "d", columns=columns, session=session_json())
    for fmt in set(report.FORMATS) - {"pdf"}:  # which needs an extra
        report.write(folder, fmt)
    assert "Not a medical device" in page(folder).text
    assert ("Nothing was worn" in said(folder)) == (context != "unknown")


def test_the_calibration_routine_is_named_apart_from_exercise_sets(tmp_path: Path) -> None:
    events = [event_json("bend", 10.0 * k, set_id=0) for k in range(3)] + [event_json("bend", 90.0, set_id=4)]
    folder = quiet_folder(tmp_path / "d", [*events, event_json("bend", 200.0, verdict="neutral")])
    text = page(folder).text
    assert "3 movements of the calibration routine are left out of the counts above: bend × 3." in text
    assert "they belong to exercise sets: bend × 1." in text
    assert "Left out: 3 movements of the calibration routine." in said(folder)
    assert text.count("in set 4") == 1
    assert "in set 0" not in text
    one = page(quiet_folder(tmp_path / "one", events[:1])).text
    assert "1 movement of the calibration routine is left out of the counts above: bend × 1." in one


@pytest.mark.parametrize(
    ("direction", "path", "words_"),
    [
        ("down", "straight_sit_up", "straight down"),
        ("up", "straight_sit_up", "straight up"),
        ("up", "log_roll", "rolled to the side first"),
        ("up", "half_kneel", "over one knee"),
        ("down", "unknown", "not known"),
    ],
)
def test_the_way_to_the_floor_reads_like_words_and_stays_the_contracts_in_the_json(
    tmp_path: Path, direction: str, path: str, words_: str
) -> None:
    event = event_json(
        "floor_transition", 30.0, direction=direction, path=path, surface="floor_or_bed", verdict="rounded"
    )
    folder = quiet_folder(tmp_path / "d", [event])
    text = page(folder).text
    assert f"{direction} {words_} not told apart" in text
    assert "sit up" not in text
    tree = json.loads(report.write(folder, "json")[0].read_text())
    assert tree["floor_transitions"]["groups"][0]["path"] == path


def test_a_simulated_recording_is_called_one_at_the_top(tmp_path: Path) -> None:
    note = "Origin: simulated: computed sensor signals, invented clock."
    made = page(quiet_folder(tmp_path / "d", [], notes=[note])).text
    assert (
        "What this recording is: simulated: computed sensor signals, invented clock. Nobody wore these sensors" in made
    )
    assert made.index("Nobody wore") < made.index("In words")
    assert "Notes" not in made
    worn = page(
        quiet_folder(tmp_path / "e", [], notes=["Origin: worn at a desk.", "2 rows without a time left out."])
    ).text
    assert "What this recording is: worn at a desk." in worn
    assert "Nobody wore" not in worn
    assert "2 rows without a time left out." in worn


def test_flexed_sitting_of_one_sensor_is_flexed_and_never_rounded(tmp_path: Path) -> None:
    event = event_json("flexed_sitting", 30.0, end_s=330.0, verdict="rounded", basis="one", mean_pct=81.0)
    folder = quiet_folder(tmp_path / "d", [event | {"measure": "slump_index_pct"}], two=False)
    text = page(folder).text
    assert "flexed sitting 5.0 min 50° flexed one 0.90 mean slump index 81" in text
    assert "rounded" not in text.lower()


def test_a_bend_shows_how_much_of_it_was_the_lower_back(tmp_path: Path) -> None:
    event = event_json("bend", 30.0, verdict="rounded", flexion_peak_deg=39.4, flexion_peak_pct_rom=78.8, peak_deg=-0.3)
    text = page(quiet_folder(tmp_path / "d", [event])).text
    assert "lumbar 39°, 79 % of range" in text
    assert "deep (60° of trunk lean or more)" in text
    assert "-0°" not in text


def test_text_from_files_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    session = session_json(source=evil, judges=evil, notes=[evil]) | {"config": {"sitting": {"x": evil}}}
    alerts = [{"about_s": 1.0, "raised_s": 2.0, "kind": evil, "preset": "balanced", "reason": evil}]
    events = [event_json(evil, 3.0, path=evil), event_json("floor_transition", 4.0, direction=evil, path=evil)]
    columns = {"context": ["standing"] * 60, "flexed": [None] * 60}
    folder = write_folder(tmp_path / "d", columns=columns, session=session, events=events, alerts=alerts)
    html = html_of(folder)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 8


def test_long_event_lists_say_how_many_more_the_csv_holds(tmp_path: Path) -> None:
    events = [event_json("bend", float(k)) for k in range(231)] + [event_json("gap", 300.0, verdict=None)]
    columns = {"context": ["standing"] * 400, "flexed": [None] * 400}
    folder = write_folder(tmp_path / "d", columns=columns, session=session_json(), events=events)
    text = page(folder).text
    assert "31 more are in the CSV" in text
    assert "Gaps are not listed here; the CSV holds 1." in text
    rows = list(csv.DictReader(io.StringIO(report.write(folder, "csv")[0].read_text())))
    assert len(rows) == 232


def test_csv_holds_events_with_evidence_and_every_number_with_its_unit(days: dict[str, Path], tmp_path: Path) -> None:
    events_path, numbers_path = report.write(days["two"], "csv", tmp_path / "day.csv")
    assert (events_path.name, numbers_path.name) == ("day.csv", "day-summary.csv")
    rows = list(csv.DictReader(io.StringIO(events_path.read_text())))
    floor = next(r for r in rows if r["kind"] == "floor_transition")
    assert floor["path"] == "half_kneel"
    assert floor["local_time"].startswith("2026-03-02T")
    numbers = {r["metric"]: r for r in csv.DictReader(io.StringIO(numbers_path.read_text()))}
    tree = json.loads(report.write(days["two"], "json", tmp_path / "day.json")[0].read_text())
    assert float(numbers["sitting.flexed_min"]["value"]) == tree["sitting"]["flexed_min"]
    assert numbers["sitting.flexed_min"]["unit"] == "min"
    assert numbers["bends.per_worn_hour"]["unit"] == "1/h"


def test_csv_text_cannot_run_as_a_formula(tmp_path: Path) -> None:
    columns = {"context": ["standing"] * 9, "flexed": [None] * 9}
    events = [event_json("=1+1", 1.0, peak_deg=-3.5)]
    folder = write_folder(tmp_path / "d", columns=columns, session=session_json(), events=events)
    (row,) = csv.DictReader(io.StringIO(report.write(folder, "csv")[0].read_text()))
    assert (row["kind"], row["peak_deg"]) == ("'=1+1", "-3.5")


def test_the_same_folder_gives_the_same_bytes(days: dict[str, Path], tmp_path: Path) -> None:
    for fmt in ("html", "json", "png"):
        first = [p.read_bytes() for p in report.write(days["one"], fmt, tmp_path / f"a.{fmt}")]
        assert first == [p.read_bytes() for p in report.write(days["one"], fmt, tmp_path / f"b.{fmt}")]


@pytest.mark.parametrize("name", ["session.json", "epochs.parquet", "events.json", "alerts.json"])
def test_a_missing_or_cut_off_file_is_named_in_one_sentence(tmp_path: Path, name: str) -> None:
    columns = {"context": ["standing"] * 9, "flexed": [None] * 9}
    folder = write_folder(tmp_path / "d", columns=columns, session=session_json())
    path = folder / name
    path.write_bytes(path.read_bytes()[:1])
    with pytest.raises(InputError, match=re.escape(name)) as cut:
        load(folder)
    path.unlink()
    with pytest.raises(InputError, match=f"{re.escape(name)} is missing") as gone:
        load(folder)
    assert "\n" not in f"{cut.value}{gone.value}"
    assert not list(folder.glob("report*"))


@pytest.mark.parametrize(
    ("session", "about"),
    [
        (session_json(format=2), "format 2"),
        (session_json(zone="Mars/Olympus"), "time zone"),
        ({"format": 1}, "code_version"),
        ({}, "format None"),
    ],
)
def test_a_session_of_another_kind_is_refused_with_its_reason(
    tmp_path: Path, session: dict[str, Any], about: str
) -> None:
    columns = {"context": ["standing"] * 9, "flexed": [None] * 9}
    with pytest.raises(InputError, match=about):
        load(write_folder(tmp_path / "d", columns=columns, session=session))


def test_a_context_of_a_later_version_is_refused(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / "d", columns={"context": ["flying"] * 9, "flexed": [None] * 9}, session=session_json()
    )
    with pytest.raises(InputError, match="context"):
        load(folder)


def test_a_format_or_place_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    columns = {"context": ["standing"] * 9, "flexed": [None] * 9}
    folder = write_folder(tmp_path / "d", columns=columns, session=session_json())
    with pytest.raises(InputError, match="docx"):
        report.write(folder, "docx")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        report.write(folder, "json", blocked / "a.json")
    assert {p.name for p in folder.iterdir()} == {"session.json", "epochs.parquet", "events.json", "alerts.json"}


def test_a_whole_day_is_drawn_small_and_soon(tmp_path: Path) -> None:
    folder = realistic_folder(tmp_path / "d", hours=24)
    begun = time.perf_counter()
    (path,) = report.write(folder, "html")
    assert time.perf_counter() - begun < 15
    assert path.stat().st_size < 1_000_000


def test_a_pdf_has_the_colours_of_the_figures_and_none_that_follow_the_screen() -> None:
    """Seen: every bar of the PDF was black."""
    page = '<svg><path style="fill: var(--fig-sitting-flexed, #d55e00)"/></svg><p style="color: var(--ink)">text</p>'
    assert report.fixed_colours(page) == '<svg><path style="fill: #d55e00"/></svg><p style="color: var(--ink)">text</p>'


def test_without_weasyprint_a_pdf_has_the_words_and_a_page_for_each_figure(
    days: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)  # as if it were not installed
    one, two = (report.write(days["two"], "pdf", tmp_path / f"{k}.pdf")[0].read_bytes() for k in "ab")
    assert one == two
    assert one.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", one)) == 1 + 7
    (sheet,) = report.write(days["two"], "pdf", tmp_path / "sheet.pdf", for_physio=True)
    assert len(re.findall(rb"/Type /Page\b", sheet.read_bytes())) == 1


def test_a_printed_page_leaves_the_long_lists_to_the_html(days: dict[str, Path]) -> None:
    day = load(days["two"])
    advice = report.advice_on((day,), day)
    printed, whole = (report.render_html(day, advice, printed=p) for p in (True, False))
    assert len(printed) < len(whole)
    assert Page(printed).tables < Page(whole).tables
    assert f"{len([e for e in day.events if e.kind != 'gap'])} events; each is in the CSV" in Page(printed).text
