"""The adapters of the labelled data sets, on slices where they are found, and `posture validate` itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.validation.catalogue import refuse_tuned
from analysis.validation.datasets import DATASETS, hapt, mobgap, motion, sisfall, skdh, umafall
from analysis.validation.evaluation import WEARS
from analysis.validation.measures import estimate
from analysis.validation.trials import (
    Trial,
    after,
    block,
    context_of,
    first_run,
    mounting,
    outside,
    per_second,
    replay,
    runs,
)
from posture.app.cli import app
from posture.app.exits import run
from posture.types import Context, Float, InputError, Placement

G = 9.81


@pytest.fixture
def posture(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in this process: exit code, standard output, standard error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(app, [str(a) for a in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def real(shared: Path, name: str) -> list[Path]:
    return DATASETS[name].files(shared / "data")


# The command


@pytest.mark.parametrize("name", DATASETS)
def test_absent_data_is_one_line_and_exit_2(
    name: str, posture: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, err = posture("validate", name, "--data", tmp_path)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert f"the data of {name} is not there" in err


def test_list_says_of_each_what_its_truth_is_worth_and_where_it_is_looked_for(
    posture: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, _ = posture("validate", "--list", "--data", tmp_path)
    assert code == 0
    for name, dataset in DATASETS.items():
        assert f"{name}: {dataset.what}" in out
        assert dataset.truth in out
        assert dataset.licence in out
    assert out.count("(not there)") == len(DATASETS)


@pytest.mark.parametrize("arguments", [(), ("nothing",), ("--docs", "x.md")])
def test_what_is_no_data_set_is_refused(
    arguments: tuple[str, ...], posture: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = posture("validate", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_the_shipped_excerpt_is_a_labelled_day_and_the_short_trials_beside_it_are_not(repository: Path) -> None:
    assert [p.name for p in DATASETS["days"].files(repository / "recordings")] == ["day_excerpt.poses.json"]


def test_the_shipped_excerpt_goes_through_the_command(
    repository: Path, posture: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- days: begin -->\nold\n<!-- days: end -->\nbelow\n")
    code, out, _ = posture(
        "validate", "days", "--data", repository / "recordings", "--docs", page, "--out", tmp_path / "o"
    )
    assert code == 0
    written = page.read_text()
    assert written.startswith("above\n<!-- days: begin -->\n*Simulated signals.*")
    assert written.endswith("\n<!-- days: end -->\nbelow\n")
    assert "| sitting alerts expected: raised within 3 min | 1.00 | – | 1 expected | 1 | – |" in written
    assert "| bend | " in written
    assert "old" not in written
    pictures = ["accuracy_days_alerts.png", "accuracy_days_reliability.png"]
    assert sorted(p.name for p in (tmp_path / "img").iterdir()) == pictures
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [*pictures, "days.md"]
    assert "day_excerpt" in out


def test_a_page_without_markers_is_refused_before_anything_runs(
    repository: Path, posture: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing marked\n")
    code, out, err = posture("validate", "days", "--data", repository / "recordings", "--docs", page)
    assert (code, out) == (2, "")
    assert "has no place for days" in err
    assert page.read_text() == "nothing marked\n"


@pytest.mark.parametrize(
    ("name", "more", "why"), [("skdh", (), "not offered"), ("days", ("--docs", "x.md"), "later samples")]
)
def test_smoothing_is_refused_where_it_has_no_place(
    name: str, more: tuple[str, ...], why: str, posture: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = posture("validate", name, "--smooth", *more)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert why in err


def test_days_that_thresholds_were_chosen_on_are_not_reported(tmp_path: Path) -> None:
    days = DATASETS["days"]
    refuse_tuned(days, [tmp_path / "day_31.poses.json"])
    with pytest.raises(InputError, match="day_21, day_28: thresholds were chosen on these"):
        refuse_tuned(days, [tmp_path / f"day_{k}.poses.json" for k in (28, 31, 21)])


def test_the_accuracy_page_has_a_place_for_every_data_set(repository: Path) -> None:
    page = (repository / "docs" / "accuracy.md").read_text(encoding="utf-8")
    for name, dataset in DATASETS.items():
        content = page.partition(f"<!-- {name}: begin -->")[2].partition(f"<!-- {name}: end -->")[0]
        assert content.startswith("\n*Simulated signals.*" if dataset.simulated else "\n*Real recordings.*"), name
        assert f"posture validate {name}" in page


# What the adapters share


def test_a_mounting_turns_a_device_into_nominal_axes() -> None:
    turn = mounting((0.0, -2.0, 0.0), (0.0, 0.5, 3.0))  # SisFall: up is -y, forward +z
    np.testing.assert_allclose(turn @ np.array([0.0, -1.0, 0.0]), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(turn @ np.array([0.0, 0.0, 1.0]), [1, 0, 0], atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)


def test_two_recordings_are_joined_with_a_gap_of_whole_seconds() -> None:
    time_s = np.arange(100) / 50.0
    one = block(Placement.SACRUM, time_s, np.ones((100, 3)), np.zeros((100, 3)))
    joined, shift_s = after(one, one)
    assert shift_s == 5.0
    assert joined.time_s[100] - joined.time_s[99] >= 3.0
    assert len(joined.time_s) == len(joined.acc_mps2) == 200


def test_labels_per_second_runs_and_poses() -> None:
    time_s = np.arange(600) / 50.0
    label = np.array(["standing"] * 400 + ["walking"] * 200)
    spans = runs(time_s, label)
    assert spans == [("standing", 0.0, 8.0), ("walking", 8.0, pytest.approx(12.0))]
    assert first_run(spans, "standing", trim_s=1.0, most_s=5.0) == [(1.0, 6.0)]
    assert first_run(spans, "walking", trim_s=1.0, most_s=5.0) == []
    label[425:450] = "standing"
    seconds = per_second(time_s, label)
    assert seconds.label.tolist() == ["standing"] * 8 + ["standing"] + ["walking"] * 3
    assert seconds.pure.tolist() == [True] * 8 + [False] + [True] * 3
    assert outside(12, {"stand": [(1.5, 3.0)]}).tolist() == [True, False, False] + [True] * 9


def still(n: int, rng: np.random.Generator) -> tuple[Float, Float]:
    return np.array([0.0, 0.0, G]) + 0.02 * rng.standard_normal((n, 3)), 0.002 * rng.standard_normal((n, 3))


def test_a_refused_pose_falls_back_to_a_session_without_poses() -> None:
    rng = np.random.default_rng(1)
    acc, gyr = still(1000, rng)
    acc[:200, 0] += 4.0 * np.sin(np.arange(200) / 5.0)  # the wearer sways in the pose
    trial = Trial(
        "p", "t", (block(Placement.SACRUM, np.arange(1000) / 50.0, acc, gyr),), 50.0, {"stand": [(0.0, 4.0)]}, None
    )
    said = replay(trial)
    assert said is not None
    assert said.calibration.source == "self"


def test_a_recording_that_the_product_refuses_is_none() -> None:
    acc, gyr = still(500, np.random.default_rng(1))
    lying = block(Placement.SACRUM, np.arange(500) / 50.0, acc[:, [2, 1, 0]], gyr)
    assert replay(Trial("p", "t", (lying,), 50.0, {}, None)) is None


# Each adapter on a slice


@pytest.mark.shared
def test_hapt_upright_and_lying_are_where_its_labels_say(shared: Path) -> None:
    (trial,) = hapt.trials(real(shared, "hapt")[:1])
    for spans in trial.poses.values():
        for a, b in spans:
            assert set(trial.truth.seconds.label[int(a) + 1 : int(b)]) <= {"standing", "walking"}
    said = replay(trial)
    assert said is not None
    code, _, _ = context_of(said, trial.truth.seconds)
    lying = trial.truth.seconds.pure & (trial.truth.seconds.label == "lying")
    assert (code[lying] == Context.LYING).mean() > 0.95


@pytest.mark.shared
@pytest.mark.parametrize("walked", [False, True])
def test_sisfall_is_calibrated_from_each_trials_own_standing_start(walked: bool, shared: Path) -> None:
    made = {t.name: t for t in sisfall.trials(real(shared, "sisfall")[1], after_walk=walked)}
    assert len(made) == 63
    for name in ("D16_R01", "D12_R01"):
        trial = made[name]
        (sensor,) = trial.blocks
        ((a, b),) = trial.poses["stand"]
        stood = sensor.acc_mps2[(sensor.time_s >= a) & (sensor.time_s < b)].mean(axis=0)
        assert stood[2] / np.linalg.norm(stood) > 0.97
    stoop = replay(made["D16_R01"], angles=True)
    assert stoop is not None
    assert stoop.calibration.source == "poses"
    lean = stoop.angles["sacrum_inclination_deg"][stoop.angles["time_s"] >= made["D16_R01"].from_s + 1]
    assert 60 < np.nanmax(lean) < 90  # a stoop leans forward


@pytest.mark.shared
def test_umafall_is_twenty_hertz(shared: Path) -> None:
    trial = next(umafall.trials(real(shared, "umafall")[0]))
    assert trial.rate_hz == pytest.approx(20.0, rel=0.03)
    said = replay(trial)
    assert said is not None
    assert len(said.epochs) >= 14


@pytest.mark.shared
def test_motion_signals_and_truth_are_one_another(shared: Path) -> None:
    """Six scoops, all rounded: judged, and the angles within 2 deg of the truth after the routine and the gap.

    The first begins right after the gap, where no orientation is trusted yet; the others are found.
    """
    path = shared / "data" / "motion" / "02_06.npz"
    made = motion.evaluate([path], lambda _: None)
    rows = {m.name: estimate(m).value for m in made.tables["Both sensors"]}
    assert rows["flexion, RMSE"] < 2.0
    assert rows["bends found"] == rows["rounded bends said rounded"] == pytest.approx(5 / 6)
    assert list(made.tables) == [w.capitalize() for w in WEARS]
    trial = motion.trial(path)
    assert trial.truth.offset_s == trial.from_s == 29.0


@pytest.mark.shared
def test_mobgap_is_scored_with_and_without_the_calibration_walk(shared: Path) -> None:
    (test,) = [f for f in real(shared, "mobgap") if "MS001_Test11" in f.name]
    with_walk = mobgap.accepted(mobgap.trials(test, calibrated=True))
    without = mobgap.accepted(mobgap.trials(test, calibrated=False))
    assert with_walk is not None
    assert without is not None
    assert with_walk[1].calibration.sensors[Placement.SACRUM].gait_mps2 > 0
    assert np.isnan(without[1].calibration.sensors[Placement.SACRUM].gait_mps2)
    np.testing.assert_array_equal(with_walk[0].truth.seconds.label, without[0].truth.seconds.label)


@pytest.mark.shared
def test_skdh_up_is_up(shared: Path) -> None:
    for path in real(shared, "skdh"):
        acc = skdh.trial(path).blocks[0].acc_mps2.mean(axis=0)
        assert acc[2] > 0.8 * np.linalg.norm(acc)


def test_an_adapter_without_its_manifest_says_so(tmp_path: Path) -> None:
    path = tmp_path / "umafall_s01.parquet"
    pq.write_table(pa.table({"time": [0.0]}), path)
    with pytest.raises(InputError, match=r"there is no manifest\.csv"):
        next(umafall.trials(path))
