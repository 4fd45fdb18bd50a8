"""Trends: what is a change of the person, what is chance, and what was not comparable."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pages import BANNED, Page
from test_daily import summary, table, wear

from analysis.inputs import NOT_MEDICAL
from analysis.programme.facts import Facts, improvement
from analysis.schema import AngleSpread, DailySummary, Shifts
from analysis.trend_figure import panels_of
from analysis.trends import Compared, Trend, trend_of, words_of
from analysis.usual import usual_of
from analysis.weekly import FORMATS, render_trend, table_of, write_trend
from posture.app.cli import app
from posture.app.exits import run
from posture.types import InputError

UNTIL = date(2026, 3, 29)
OWN = (38.0, 42.0, 40.0, 37.0, 43.0, 41.0, 39.0)


def day(
    share: float | None = 40.0, *, worn_h: float = 8.0, sensors: int = 2, bends: int = 40, deg: float = 25.0
) -> DailySummary:
    """A day whose numbers are given; share : % of six hours of judged sitting in flexion."""
    base = _BASE[sensors]
    sitting = replace(
        base.sitting,
        total_min=360.0,
        judged_min=360.0 if share is not None else 0.0,
        flexed_share_of_judged_pct=share,
        share_of_worn_pct=75.0,
        angles=(AngleSpread("flexion_deg", 360.0, deg - 5, deg, deg + 5),) if sensors == 2 else (),
        shifts=Shifts("flexion_deg", 96, 360.0, 4.0),
        long_bouts=4,
    )
    wear_ = replace(base.wear, worn_min=60 * worn_h, counts_for_trend=worn_h >= 6)
    counts = replace(
        base.bends,
        total=bends,
        by_verdict={"rounded": bends // 2, "neutral": bends - bends // 2, "mixed": 0, "unknown": 0},
    )
    return replace(base, sitting=sitting, wear=wear_, bends=counts)  # fmt: skip


_BASE = {
    2: summary(table(("sitting", 1, 3600))),
    1: summary(table(("sitting", 1, 3600)), session=wear(sensors=("sacrum",))),
}


def weeks(*shares: float | None, until: date = UNTIL, **changes: Any) -> dict[date, DailySummary]:
    """One day each up to `until`, oldest first; None: nothing recorded."""
    first = until - timedelta(days=len(shares) - 1)
    return {first + timedelta(days=k): day(s, **changes) for k, s in enumerate(shares) if s is not None}


def of(trend: Trend, metric: str = "flexed_share_pct", window: int = 7) -> Compared:
    return next(c for c in trend.compared if c.metric == metric and c.window_days == window)


# The bound


def test_the_detectable_change_is_1_96_root_2_sd_of_the_own_days() -> None:
    days = [38.0, 42.0, 40.0, 37.0, 43.0, 41.0, 39.0]
    usual = usual_of(days)
    assert usual is not None
    assert usual.median == 40.0
    assert usual.change == pytest.approx(1.96 * 2**0.5 * (28 / 6) ** 0.5)
    assert usual_of(days[:6]) is None, "seven days are needed"


def test_the_bound_of_a_count_is_poissons_where_the_days_are_more_alike_than_chance() -> None:
    alike = usual_of([10.0] * 7, counted_over=1.0)
    assert alike is not None
    assert alike.change == pytest.approx(1.96 * (2 * 10.0) ** 0.5)
    none = usual_of([0.0] * 7, counted_over=1.0)
    assert none is not None
    assert none.change == pytest.approx(1.96 * 2**0.5), "nothing seen in a week is no rate of nothing"


def test_a_days_win_and_a_trend_rest_on_the_same_bound() -> None:
    """At the bound neither speaks, just beyond it both do."""
    bound = usual_of(OWN)
    assert bound is not None
    for beyond, real in ((-0.01, False), (0.01, True)):
        share = 40.0 - bound.change - beyond
        facts = [Facts(worn_min=480, flexed_share_pct=s) for s in OWN]
        told = improvement(facts, Facts(worn_min=480, flexed_share_pct=share), worn_min=360)
        assert ((told.improved_by or 0) > 0) is real
        trend = trend_of(weeks(*OWN, *[share] * 7), UNTIL)
        assert (of(trend).outcome == "change") is real


# What is said


def test_a_change_within_the_own_scatter_is_no_real_change() -> None:
    trend = trend_of(weeks(*OWN, *[36.0] * 7), UNTIL)
    found = of(trend)
    assert (found.outcome, found.median, found.usual, found.changed_by) == ("no_change", 36.0, 40.0, -4.0)
    assert "no real change: 36 % against your usual 40 %; a change is one from 6 % on" in found.text
    assert any("no real change in" in line for line in words_of(trend))


def test_a_change_beyond_it_is_said_with_its_numbers_and_without_a_grade() -> None:
    found = of(trend_of(weeks(*OWN, *[20.0] * 7), UNTIL))
    assert (found.outcome, found.changed_by) == ("change", -20.0)
    assert found.text.startswith("less than your usual: 20 % against your usual 40 %")


def test_an_angle_must_move_ten_degrees_between_days_however_alike_they_were() -> None:
    alike = weeks(*OWN, deg=25.0)
    for deg, outcome in ((34.0, "no_change"), (36.0, "change")):
        trend = trend_of({k - timedelta(days=7): v for k, v in alike.items()} | weeks(*OWN, deg=deg), UNTIL)
        assert of(trend, "flexion_deg").detectable == 10.0
        assert of(trend, "flexion_deg").outcome == outcome


def test_a_count_is_compared_for_the_same_wear() -> None:
    """40 bends in 8 h and 60 in 12 h are the same rate."""
    before = {k - timedelta(days=7): v for k, v in weeks(*OWN, bends=40, worn_h=8).items()}
    same = of(trend_of(before | weeks(*OWN, bends=60, worn_h=12), UNTIL), "bends")
    assert (same.outcome, same.changed_by, same.unit) == ("no_change", 0.0, "in 8 h")
    more = of(trend_of(before | weeks(*OWN, bends=120, worn_h=12), UNTIL), "bends")
    assert (more.outcome, more.changed_by) == ("change", 40.0)


def test_a_week_needs_three_valid_days_and_a_month_twelve() -> None:
    shares = [*OWN, None, None, None, None, 20.0, None, 20.0]
    found = of(trend_of(weeks(*shares), UNTIL))
    assert (found.outcome, found.days_n, found.changed_by) == ("few_days", 2, None)
    assert found.text == "2 days of 7 count, and a trend needs 3"
    shares[-5] = 20.0
    assert of(trend_of(weeks(*shares), UNTIL)).outcome == "change"
    eleven = trend_of(weeks(*[40.0] * 28, *[None] * 17, *[40.0] * 11), UNTIL)
    assert of(eleven, window=28).outcome == "few_days"
    assert of(trend_of(weeks(*[40.0] * 28, *[None] * 16, *[40.0] * 12), UNTIL), window=28).outcome == "no_change"


def test_without_seven_earlier_days_there_is_no_usual_and_none_is_made_up() -> None:
    found = of(trend_of(weeks(*[40.0] * 13), UNTIL))
    assert (found.outcome, found.usual, found.detectable) == ("no_usual", None, None)
    assert found.text == "no usual yet: 6 days before these 7 count, and it needs 7"


def test_days_worn_short_are_shown_and_not_compared() -> None:
    days = weeks(*OWN, *[40.0] * 7)
    days[UNTIL] = day(95.0, worn_h=4.0)
    trend = trend_of(days, UNTIL)
    assert (of(trend).outcome, of(trend).median, of(trend).days_n) == ("no_change", 40.0, 6)
    assert trend.days[-1].state == "short"
    assert trend.days[-1].values["flexed_share_pct"] == 95.0, "it is drawn hollow, not hidden"
    assert "1 day worn too short to count: not compared, and hollow where drawn." in trend.notes


def test_a_change_of_sensors_is_no_change_of_the_person() -> None:
    """Three weeks with two sensors, then a week with one: nothing of the two is held against it."""
    days = {k - timedelta(days=7): v for k, v in weeks(*[20.0] * 21).items()} | weeks(*[60.0] * 7, sensors=1)
    trend = trend_of(days, UNTIL)
    assert {d.state for d in trend.days[:21]} == {"other_sensors"}
    assert of(trend).outcome == "no_usual"
    assert not [c for c in trend.compared if c.outcome == "change"]
    assert any("another basis is not a change of yours" in n for n in trend.notes)
    assert "flexion_deg" not in {c.metric for c in trend.compared}, "one sensor measures no lumbar flexion"


def test_missing_days_are_days_without_a_value() -> None:
    trend = trend_of(weeks(40.0, None, None, 40.0), UNTIL, days=7)
    assert [d.state for d in trend.days] == ["missing"] * 3 + ["valid", "missing", "missing", "valid"]
    assert "5 days with nothing recorded: left empty." in trend.notes
    assert sum(len(p) for p in panels_of(trend)[0].points.values()) == 2


def test_nothing_at_all_says_so_in_every_form(tmp_path: Path) -> None:
    trend = trend_of({}, UNTIL)
    assert words_of(trend) == ("Nothing was recorded in these days.",)
    assert not trend.compared
    assert "there is nothing to draw" in render_trend(trend)
    with pytest.raises(InputError, match="nothing to draw"):
        write_trend(trend, "png", tmp_path / "t.png")
    assert not list(tmp_path.iterdir())


def test_sitting_that_was_mostly_not_judged_is_no_point_of_the_trend() -> None:
    trend = trend_of(weeks(*OWN) | {UNTIL: day(None)}, UNTIL)
    assert trend.days[-1].values["flexed_share_pct"] is None


# F8


def test_the_figure_has_the_days_the_usual_and_the_band_of_the_table() -> None:
    trend = trend_of(weeks(*OWN, *[36.0] * 7) | {UNTIL: day(95.0, worn_h=4)}, UNTIL)
    panel = panels_of(trend)[0]
    found = of(trend)
    assert (panel.week, panel.usual, panel.change, panel.outcome) == (
        found.median,
        found.usual,
        found.detectable,
        "no_change",
    )
    assert panel.points["short"] == ((27, 95.0),)
    assert panel.points["valid"][-1] == (26, 36.0)
    assert len(panel.points["valid"]) == 13, "14 days, one of them short"


# Files and the command


@pytest.fixture
def trend() -> Trend:
    return trend_of(weeks(*OWN, *OWN, *OWN, *[20.0] * 7), UNTIL)


def test_words_table_json_and_csv_carry_the_same_numbers(trend: Trend) -> None:
    tree = json.loads(trend.to_json())
    found = next(c for c in tree["compared"] if c["metric"] == "flexed_share_pct" and c["window_days"] == 7)
    assert (found["median"], found["usual"]) == (20.0, 40.0)
    assert any("20 % against your usual 40 %" in line for line in words_of(trend))
    assert table_of(trend, 7)[1][:3] == ("flexed share of judged sitting, %", "20", "40")
    rows = list(csv.DictReader(io.StringIO(trend.to_csv())))
    last = [r for r in rows if r["day"] == "2026-03-29" and r["metric"] == "flexed_share_pct"]
    assert [(r["value"], r["unit"], r["state"]) for r in last] == [("20.0", "%", "valid")]


def test_the_page_is_whole_and_uses_no_word_that_is_not_used(trend: Trend) -> None:
    html = render_trend(trend, week=True)
    text = " ".join(" ".join(Page(html).words).split())
    assert NOT_MEDICAL in text
    assert "less than usual" in text
    assert not [w for w in BANNED if w in html.lower()]
    assert "<script" not in html


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_same_days_give_the_same_bytes(trend: Trend, tmp_path: Path, fmt: str) -> None:
    one, two = (write_trend(trend, fmt, tmp_path / f"{k}.{fmt}").read_bytes() for k in "ab")
    assert one == two
    assert len(one) > 500


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    for on, found in weeks(*OWN, *[20.0] * 7).items():
        (tmp_path / on.isoformat()).mkdir()
        period = replace(found.period, day=on.isoformat(), clock_known=True)
        (tmp_path / on.isoformat() / "summary.json").write_text(
            replace(found, period=period).to_json(), encoding="utf-8"
        )
    return tmp_path


def test_the_command_reads_a_folder_of_results(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["trend", "--from", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "14 of 28 days count" in said
    assert "less than usual" in said
    assert run(app, ["trend", "--from", str(folder), "--week"]) == 0
    assert (folder / "week.html").read_text(encoding="utf-8").count("<svg") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "{}/nothing"], "holds no summary.json"),
        (["--from", "{}", "--format", "pdf"], "no trend format 'pdf'"),
        (["--from", "{}", "--until", "monday"], "--until 'monday' is no day"),
        (["--from", "{}", "--person", "anna"], "leave --person away"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    folder: Path, arguments: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, ["trend", *(a.format(folder) for a in arguments)]) == 2
    assert said in capsys.readouterr().err
