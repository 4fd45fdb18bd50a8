"""The shipped recordings: catalogue and files agree, each can be played, and what the catalogue claims is in them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from posture.recording import open_recording, read_poses
from posture.types import CONTEXT_NAMES, G_MPS2, Placement

FOLDER = Path(__file__).resolve().parent.parent / "recordings"
CATALOGUE: dict[str, Any] = json.loads((FOLDER / "catalogue.json").read_text(encoding="utf-8"))
BY_NAME: dict[str, dict[str, Any]] = {r["name"]: r for r in CATALOGUE["recordings"]}
PLAYABLE = [name for name, r in BY_NAME.items() if r["placements"]]
WITH_TRUTH = [name for name in PLAYABLE if (FOLDER / f"{name}.truth.parquet").exists()]


def load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILD = load("recordings_build", FOLDER / "build.py")


def every_file() -> list[Path]:
    return [p for p in FOLDER.rglob("*") if p.is_file() and "__pycache__" not in p.parts and not p.name.startswith(".")]


def catalogued() -> list[dict[str, Any]]:
    return [f for r in CATALOGUE["recordings"] for f in r["files"]] + CATALOGUE["licences"]


def events_of(name: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.events.json").read_text(encoding="utf-8"))
    return events


def test_every_file_is_in_the_catalogue_once_and_the_other_way_round() -> None:
    names = [f["file"] for f in catalogued()]
    assert len(names) == len(set(names))
    assert {p.relative_to(FOLDER).as_posix() for p in every_file()} == {*names, *BUILD.NOT_CATALOGUED}


def test_size_and_sha256_of_every_file_are_those_of_the_catalogue() -> None:
    for entry in catalogued():
        content = (FOLDER / entry["file"]).read_bytes()
        assert (entry["file"], len(content)) == (entry["file"], entry["bytes"])
        assert (entry["file"], hashlib.sha256(content).hexdigest()) == (entry["file"], entry["sha256"])


def test_all_recordings_together_take_at_most_15_mb() -> None:
    assert sum(p.stat().st_size for p in every_file()) <= 15_000_000


def test_the_readme_says_what_the_catalogue_says() -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == BUILD.render(CATALOGUE)


def test_every_recording_states_source_licence_attribution_and_what_it_is_worth() -> None:
    for r in CATALOGUE["recordings"]:
        assert r["kind"] in ("recorded", "simulated", "simulated signals, recorded motion")
        for key in ("what", "how", "source", "licence", "attribution", "what_it_is_worth"):
            assert r[key], (r["name"], key)
        assert (FOLDER / r["licence_file"]).is_file()
    assert "funding from NSF EIA-0196217" in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "Changed: down-sampled, float32, subset" in BY_NAME["broad_11"]["attribution"]


@pytest.mark.parametrize("name", PLAYABLE)
def test_each_sample_file_opens_as_catalogued_and_says_where_it_comes_from(name: str) -> None:
    info = open_recording(FOLDER / f"{name}.parquet").info
    entry = BY_NAME[name]
    assert [p.value for p in info.present] == entry["placements"]
    assert info.rate_hz == entry["rate_hz"]
    assert info.last_s - info.first_s == pytest.approx(entry["duration_s"], abs=0.01)
    assert info.notes[0].startswith("Origin: ")
    assert ("simulated" in info.notes[0]) == entry["kind"].startswith("simulated")
    poses = FOLDER / f"{name}.poses.json"
    if poses.exists():
        read_poses(poses, info)


@pytest.mark.parametrize("name", PLAYABLE)
def test_each_recording_is_in_m_per_s2_with_up_where_the_nominal_axes_have_it(name: str) -> None:
    recording = open_recording(FOLDER / f"{name}.parquet")
    for block in recording.window(0, recording.info.last_s):
        assert np.median(np.linalg.norm(block.acc_mps2, axis=1)) == pytest.approx(G_MPS2, rel=0.08)
        assert np.median(block.acc_mps2[:, 2]) > 0.8 * G_MPS2


@pytest.mark.parametrize("name", WITH_TRUTH)
def test_truth_covers_the_recording_and_speaks_its_words(name: str) -> None:
    info = open_recording(FOLDER / f"{name}.parquet").info
    truth = pd.read_parquet(FOLDER / f"{name}.truth.parquet")
    assert list(truth.columns) == [
        "time_s",
        "context",
        "sacrum_inclination_deg",
        "upper_lumbar_inclination_deg",
        "flexion_deg",
    ]
    assert set(truth["context"].unique()) <= {*CONTEXT_NAMES, "other"}
    assert truth["time_s"].iloc[0] <= info.first_s
    assert truth["time_s"].iloc[-1] >= info.last_s
    assert np.isfinite(truth.iloc[:, 2:].to_numpy()).all()


@pytest.mark.parametrize("name", PLAYABLE)
def test_labelled_events_lie_in_the_recording_and_are_counted_in_the_catalogue(name: str) -> None:
    info = open_recording(FOLDER / f"{name}.parquet").info
    events = events_of(name)
    assert BY_NAME[name]["labels"]["events"] == BUILD._counts(events)
    for event in events:
        assert info.first_s - 0.1 <= event["t0"] < event["t1"] <= info.last_s + 0.1


def test_still_moments_of_a_trial_have_the_inclination_of_truth_plus_neutral() -> None:
    """The catalogue's rule for comparing without a calibration, and the sign of forward."""
    name = "mocap_14_14"
    recording = open_recording(FOLDER / f"{name}.parquet")
    truth = pd.read_parquet(FOLDER / f"{name}.truth.parquet")
    for block in recording.window(0, recording.info.last_s + 1):
        assert block.gyr_radps is not None
        still = np.linalg.norm(block.gyr_radps, axis=1) < 0.15
        still &= np.abs(np.linalg.norm(block.acc_mps2, axis=1) - G_MPS2) < 0.5
        said = np.degrees(np.arctan2(-block.acc_mps2[:, 0], block.acc_mps2[:, 2]))
        true = (
            truth[f"{block.placement.value}_inclination_deg"] + BY_NAME[name]["labels"]["neutral_deg"][block.placement]
        )
        assert still.sum() > 100
        assert np.median(np.abs(said - true)[still]) < 3.0


def test_the_day_excerpt_tells_the_whole_story_in_order() -> None:
    events = events_of("day_excerpt")
    info = open_recording(FOLDER / "day_excerpt.parquet").info
    poses = read_poses(FOLDER / "day_excerpt.poses.json", info)
    labels = BY_NAME["day_excerpt"]["labels"]
    assert {"stand", "walk", "sit_tall", "sit_usual", "slump", "bend_max", "hinge", "rounded", "stand_end"} == set(
        poses
    )
    assert info.start_utc is not None
    assert info.zone == "Europe/London"
    first = {e["type"]: e["t0"] for e in reversed(events)}
    (alert_s,) = labels["sitting_alert_due_s"]
    assert labels["calibration_end_s"] < first["desk"] < alert_s < first["sit_to_stand"] < first["bend"]
    assert first["bend"] < first["floor_down"] < first["floor_up"]
    assert {"rounded", "neutral"} <= {e.get("cls") for e in events if e["type"] == "bend"}
    assert labels["context_s"]["walking"] > 60
    assert alert_s - first["desk"] > 14 * 60


def test_the_day_excerpt_has_lost_samples_as_a_radio_link_has() -> None:
    (sacrum, _) = open_recording(FOLDER / "day_excerpt.parquet").window(0, np.inf)
    steps_s = np.diff(sacrum.time_s)
    assert 0.005 < 1 - len(steps_s) * 0.02 / (sacrum.time_s[-1] - sacrum.time_s[0]) < 0.03
    assert steps_s.max() > 2.0


def test_the_broad_trial_has_optical_truth_where_it_is_scored() -> None:
    with np.load(FOLDER / "broad_11.npz") as z:
        assert float(z["fs"]) == pytest.approx(95.238, abs=1e-3)
        assert z["acc"].shape == z["gyr"].shape == (len(z["quat"]), 3)
        scored = z["quat"][z["movement"] & ~np.isnan(z["quat"]).any(axis=1)]
        assert np.linalg.norm(scored, axis=1) == pytest.approx(1.0, abs=1e-3)


def test_the_real_lumbar_recording_leans_forward_in_each_rise() -> None:
    recording = open_recording(FOLDER / "skdh_sit_to_stand.parquet")
    assert recording.info.selected == (Placement.UPPER_LUMBAR,)
    assert recording.info.has_gyro == {Placement.UPPER_LUMBAR: False}
    for t0, t1 in BY_NAME["skdh_sit_to_stand"]["labels"]["rises_by_skdh_s"]["stillness"]:
        lean_deg = []
        for start_s, end_s in ((t0 - 2, t0 - 1), (t0, t1 + 0.5)):
            (block,) = recording.window(start_s, end_s)
            lean_deg.append(np.degrees(np.arctan2(-block.acc_mps2[:, 0], block.acc_mps2[:, 2])))
        assert np.median(lean_deg[0]) < -15
        assert np.max(lean_deg[1]) > 15


# Against the labelled data


@pytest.mark.shared
def test_the_day_excerpt_is_what_the_generator_makes_uncut(shared: Path, tmp_path: Path) -> None:
    tool, motion = shared / "tools" / "motion" / "labelled_day.py", shared / "data" / "motion"
    options = ["--seed", BUILD.DAY_SEED, "--hours", BUILD.DAY_HOURS, "--loss", BUILD.DAY_LOSS]
    command = [sys.executable, tool, motion, tmp_path / "day", *options]
    subprocess.run([str(c) for c in command], check=True, capture_output=True)
    made, kept = (pd.read_parquet(p) for p in (tmp_path / "day.parquet", FOLDER / "day_excerpt.parquet"))
    assert list(made.columns) == list(kept.columns)
    np.testing.assert_array_equal(made["time_s"], kept["time_s"])
    # Other versions of the libraries round differently; the steps of the 16-bit part are 0.0024 m/s^2 and 0.0005 rad/s.
    np.testing.assert_allclose(made, kept, atol=0.01)
    assert json.loads((tmp_path / "day.events.json").read_text()) == events_of("day_excerpt")


@pytest.mark.shared
def test_the_sitting_alert_of_the_catalogue_is_that_of_the_scorer(shared: Path) -> None:
    score = load("score", shared / "tools" / "score.py")
    truth = score.epoch_truth(pd.read_parquet(FOLDER / "day_excerpt.truth.parquet"))
    labels = BY_NAME["day_excerpt"]["labels"]
    assert score.expected_sitting_alerts(truth, labels["rom_deg"]) == labels["sitting_alert_due_s"]


@pytest.mark.shared
def test_the_broad_trial_and_its_licence_are_copies(shared: Path) -> None:
    fusion = shared / "data" / "fusion"
    assert (FOLDER / "broad_11.npz").read_bytes() == (fusion / BUILD.BROAD).read_bytes()
    licence = FOLDER / "licences" / "BROAD-CC-BY-4.0.txt"
    assert licence.read_bytes() == (fusion / "LICENSE.BROAD-CC-BY-4.0.txt").read_bytes()
