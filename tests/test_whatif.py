"""The same recording under other thresholds: each number is that of a replay so configured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from streams import EXCERPT, RECORDINGS

from analysis.figure_data import Ribbon
from analysis.figures import draw_whatif, image
from analysis.inputs import Clock
from analysis.whatif import Row, changed_config
from posture.app.cli import app
from posture.app.exits import run
from posture.config import Config
from posture.types import InputError, Verdict

POSES = RECORDINGS / "day_excerpt.poses.json"
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def posture(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Said:
    monkeypatch.setenv("POSTURE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(app, [str(a) for a in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_both_columns_are_those_of_a_replay_with_that_configuration(posture: Said, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[sitting]\nflexed_on_pct = 45.0\n[bends]\nrounded_share = 0.7\n")
    code, out, _ = posture(
        *("whatif", EXCERPT, "--poses", POSES),
        *("--set", "sitting.flexed_on_pct=45", "--set", "bends.rounded_share=0.7", "-o", "two.png"),
    )
    assert code == 0
    rows = {r["name"]: (r["before"], r["after"]) for r in json.loads((tmp_path / "two.json").read_text())["numbers"]}
    assert posture("replay", EXCERPT, "--poses", POSES, "-o", "a")[0] == 0
    assert posture("replay", EXCERPT, "--poses", POSES, "-o", "b", "--config", "other.toml")[0] == 0
    days = [json.loads((tmp_path / d / "summary.json").read_text()) for d in "ab"]
    assert rows["flexed sitting"] == tuple(d["sitting"]["flexed_min"] for d in days)
    assert rows["bends, rounded"] == tuple(d["bends"]["by_verdict"]["rounded"] for d in days)
    assert rows["alerts, flexed sitting"] == tuple(d["alerts"]["flexed_sitting"] for d in days)
    assert rows["flexed sitting"][0] < rows["flexed sitting"][1]
    assert rows["bends, rounded"][0] > rows["bends, rounded"][1]
    assert "sitting.flexed_on_pct: 60.0 -> 45.0 (% of own range" in out
    was, now = (round(minutes) for minutes in rows["flexed sitting"])
    assert re.search(rf"flexed sitting +{was} min -> {now} min", out)
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")


def test_a_recording_without_alerts_fills_its_picture() -> None:
    """matplotlib warns, and leaves the axes where they were, when something outside of them takes their room."""
    bends: dict[Verdict, tuple[float, ...]] = dict.fromkeys(Verdict, ())
    day = Ribbon(1, 0.0, 200.0, {"flexed": np.array([[50.0, 60.0]])}, (), bends, {}, np.empty((0, 2)), ())
    figure = draw_whatif(
        [day, day], [None, None], Clock(None, ZoneInfo("UTC")), names=["before", "after"], highs=[0.8, 0.8]
    )
    assert image(figure).startswith(b"\x89PNG")
    assert min(axes.get_position().height for axes in figure.axes) > 0.25


def test_settings_that_move_nothing_say_so(posture: Said) -> None:
    code, out, _ = posture("whatif", EXCERPT, "--poses", POSES, "--set", "alerts.lean_per_day=50")
    assert code == 0
    assert "None of the" in out


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("flexed_on_pct=55", "section.name=value"),
        ("sitting.flexed_on_pct", "section.name=value"),
        ("sitting.flexed_on_pct=", "section.name=value"),
        ("sitting.flexed_onpct=55", "sitting.flexed_on_pct"),
        ("sittin.flexed_on_pct=55", "sittin"),
        ("sitting.flexed_on_pct=much", "got 'much'"),
        ("sitting.flexed_on_pct=-3", "got -3"),
    ],
)
def test_a_setting_that_does_not_fit_is_named_and_nothing_is_written(
    posture: Said, tmp_path: Path, setting: str, words: str
) -> None:
    code, out, err = posture("whatif", EXCERPT, "--poses", POSES, "--set", setting)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("whatif*"))


def test_nothing_to_compare_and_a_name_that_is_no_picture_are_usage_errors(posture: Said) -> None:
    assert posture("whatif", EXCERPT)[0] == 2
    assert posture("whatif", EXCERPT, "--preset", "quiet", "-o", "day.pdf")[0] == 2


def test_a_setting_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        changed_config(Config(), ["sitting.flexed_on_pct=55", "sitting.flexed_on_pct=50"])


def test_what_is_not_known_is_never_shown_as_nothing() -> None:
    row = Row("flexed sitting", "min", None, 12.0)
    assert row.differs
    assert row.text(row.before) == "not known"
