"""Sensors put on again: a stand and a walk on an earlier full calibration. Simulated people, ordinary parts, known mountings."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from kinematics import CONFIG

from analysis.validation.synth import Mounting, Script, make, person, quat
from posture.config import CalibrationConfig, Config
from posture.recording import write_sample_file
from posture.replay import calibration_json, read_calibration
from posture.signal.calibrate import calibrate
from posture.signal.calibration import Calibration, Poses, from_json, to_json
from posture.signal.mounting import angle_deg
from posture.signal.redon import quick
from posture.signal.self_calibrate import self_calibrate
from posture.types import Float, ImuBlock, InputError, Placement

SACRUM, UPPER = Placement.SACRUM, Placement.UPPER_LUMBAR
RATES = dict.fromkeys(Placement, 50.0)
DAY_0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def turned(y_deg: float, x_deg: float, z_deg: float = 0.0) -> Mounting:
    """Sits turned about the body's z, then y, then x."""
    q = [quat.about(axis, np.array([deg])) for axis, deg in (("z", z_deg), ("y", y_deg), ("x", x_deg))]
    return Mounting(quat.times(quat.times(q[0], q[1]), q[2])[0])


@dataclass(frozen=True)
class Wears:
    """A full calibration, then the samples and poses of the second wear and its true up per placement, sensor axes."""

    base: Calibration
    blocks: tuple[ImuBlock, ...]
    poses: Poses
    up: dict[Placement, Float]


@cache
def wears(second: tuple[float, float, float] = (-9.0, 5.0, 0.0), slouch_deg: float = 0.0) -> Wears:
    """Full routine; off and on again, turned by about y, x, z deg; a stand (leaning by `slouch_deg`) and 10 steps upright."""
    script = Script(person(3)).calibrate()
    full_s = script.now_s
    script.take_off().table(0.5).put_on().move(1.0, pitch=slouch_deg)
    from_s = script.now_s
    script.stand(7.0).move(1.0, pitch=0.0)
    walk_s = script.now_s
    script.walk(8.0).stand(2.0)
    mounting = turned(*second)
    made = make(script, mountings={p: [turned(8.0, -4.0), mounting] for p in Placement})
    base = calibrate(cut(made.blocks(), 0.0, full_s), RATES, made.track.poses, CONFIG)
    poses = {"stand": [(from_s + 1.0, from_s + 6.0)], "walk": [(walk_s + 1.0, walk_s + 7.0)]}
    up = dict.fromkeys(Placement, quat.rotate(quat.inverse(mounting.turn), np.array([[0.0, 0.0, 1.0]]))[0])
    return Wears(replace(base, made_utc=DAY_0), cut(made.blocks(), from_s, np.inf), poses, up)


def cut(blocks: Sequence[ImuBlock], from_s: float, to_s: float) -> tuple[ImuBlock, ...]:
    out = []
    for b in blocks:
        keep = (b.time_s >= from_s) & (b.time_s < to_s)
        gyr = None if b.gyr_radps is None else b.gyr_radps[keep]
        out.append(ImuBlock(b.placement, b.time_s[keep], b.acc_mps2[keep], gyr, b.time_s[keep]))
    return tuple(out)


def again(
    worn: Wears,
    *,
    base: Calibration | None = None,
    days: float = 1.0,
    config: Config = CONFIG,
    **poses: list[tuple[float, float]],
) -> Calibration:
    used = {name: windows for name, windows in {**worn.poses, **poses}.items() if windows}
    return quick(worn.blocks, RATES, used, base or worn.base, config, made_utc=DAY_0 + timedelta(days=days))


def test_up_is_that_of_the_new_stand_as_well_as_the_part_shows_it() -> None:
    """Two axes of the accelerometer are off by 0.15 m/s^2 (1 SD), 0.9 deg each."""
    worn = wears()
    for placement, sensor in again(worn).sensors.items():
        assert angle_deg(sensor.body_from_sensor[2], worn.up[placement]) < 2.5
        assert angle_deg(sensor.body_from_sensor[2], worn.base.sensors[placement].body_from_sensor[2]) > 10.0


def test_the_bending_axis_is_carried_over_and_square_to_the_new_up() -> None:
    worn = wears()
    for placement, sensor in again(worn).sensors.items():
        body = sensor.body_from_sensor
        np.testing.assert_allclose(body @ body.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(body) == pytest.approx(1.0)
        before = worn.base.sensors[placement].body_from_sensor[1]
        assert angle_deg(np.cross(body[1], body[2]), np.cross(before, body[2])) < 1e-6


def test_range_and_seated_poses_are_the_persons_and_the_walk_is_new() -> None:
    worn = wears()
    made = again(worn)
    assert (made.rom_deg, made.rom_measured) == (worn.base.rom_deg, True)
    assert made.slump_flexion_deg == worn.base.slump_flexion_deg
    assert made.judges_sitting
    for placement, sensor in made.sensors.items():
        before = worn.base.sensors[placement]
        assert (sensor.sit_tall_deg, sensor.slump_deg) == (before.sit_tall_deg, before.slump_deg)
        assert sensor.walk_deg != before.walk_deg
        assert sensor.walk_deg == pytest.approx(before.walk_deg, abs=2.0)


def test_it_says_that_it_is_quick_on_what_and_is_fair_at_best() -> None:
    made = again(wears())
    assert (made.source, made.grade) == ("quick", "fair")
    assert made.reasons[0] == "quick calibration from a stand and a walk, on the full one of 2026-03-02"
    assert (made.base_utc, made.made_utc) == (DAY_0, DAY_0 + timedelta(days=1))
    assert set(made.poses) == {"stand", "walk"}
    undated = again(wears(), base=replace(wears().base, made_utc=None))
    assert undated.reasons[0].endswith("on a full one of unknown date")


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (6.9, "on the full one of 2026-03-02"),
        (7.6, "on the full one of 2026-03-02, which is 8 days old; record a full one this week"),
        (-1.0, "on the full one of 2026-03-02, which is later than this recording; check the dates"),
    ],
)
def test_a_base_of_over_a_week_is_said_to_be_old(days: float, said: str) -> None:
    assert again(wears(), days=days).reasons[0].endswith(said)


def test_a_stand_that_was_slouched_shows_in_the_walk_and_asks_for_the_full_one() -> None:
    """Standing 15 deg forward, then walking upright: the walk leans 15 deg back from the stand."""
    made = again(wears(slouch_deg=15.0))
    (said, _) = [r for r in made.reasons if "walking leans" in r]
    assert re.fullmatch(
        r"sacrum: walking leans -1[56] deg against standing, compared with the full calibration; repeat the full calibration",
        said,
    )
    assert made.grade == "poor"


def test_a_base_without_a_walk_cannot_be_compared_and_it_says_so() -> None:
    base = wears().base
    sensors = {p: replace(s, walk_deg=np.nan) for p, s in base.sensors.items()}
    made = again(wears(), base=replace(base, sensors=sensors))
    assert "sacrum: the full calibration has no walk; whether it still fits is not known" in made.reasons


def test_a_sensor_put_on_quite_differently_is_said_and_beyond_45_deg_refused() -> None:
    assert not any("otherwise" in r for r in again(wears((8.0, -4.0, 0.0))).reasons)
    said = [r for r in again(wears((30.0, -4.0, 0.0))).reasons if "otherwise" in r]
    assert len(said) == 2
    assert said[0].endswith("deg otherwise than in the full calibration; its bending axis is less sure")
    with pytest.raises(
        InputError, match=r"^sacrum sits 16\d deg otherwise than in the base .*; put it on as before, or repeat"
    ):
        again(wears((8.0, 176.0, 0.0)))


def test_what_the_full_one_lacked_is_still_said_but_not_what_is_anew() -> None:
    reasons = (
        "sacrum: the wearer moved in the pose `slump` (swayed 2.0 deg)",
        "sacrum: the pose `walk` shows no steps (bounce 0.1 m/s^2); check its times",
        "sacrum: the sensor sits turned by 90 deg to the left; this is corrected",
    )
    made = again(wears(), base=replace(wears().base, reasons=reasons, grade="fair"))
    assert [r for r in reasons if r in made.reasons] == [reasons[0]]


@pytest.mark.parametrize(
    ("name", "windows", "said"),
    [
        ("stand", [], "the poses name no `stand`; for a quick calibration stand 5 s and walk 10 steps"),
        ("walk", [], "the poses name no `walk`; for a quick calibration stand 5 s and walk 10 steps"),
    ],
)
def test_a_missing_pose_is_refused_by_name(name: str, windows: list[tuple[float, float]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        again(wears(), **{name: windows})


def test_a_walk_that_was_stood_is_refused() -> None:
    with pytest.raises(InputError, match=r"^sacrum: the pose `walk` shows no steps"):
        again(wears(), walk=list(wears().poses["stand"]))


def test_a_base_that_cannot_carry_is_refused_with_the_reason() -> None:
    worn = wears()
    own = self_calibrate(worn.blocks, RATES, CONFIG)
    with pytest.raises(
        InputError, match="the base calibration was made without poses; record the full calibration first"
    ):
        again(worn, base=own)
    with pytest.raises(InputError, match="is itself a quick one; give the full one that it was made on"):
        again(worn, base=again(worn))
    poor = replace(worn.base, grade="poor", reasons=("sacrum: upright moved 5.0 deg",))
    with pytest.raises(InputError, match=r"the base calibration is poor \(sacrum: upright moved 5.0 deg\); repeat"):
        again(worn, base=poor)
    with pytest.raises(InputError, match="was made with sacrum, not with upper lumbar"):
        again(worn, base=worn.base.for_sensors((SACRUM,)))


def test_what_base_and_quick_both_lack_is_said_once() -> None:
    said = "there is no measured range; the population value 48 deg stands in"
    base = replace(wears().base, rom_deg=48.0, rom_measured=False, reasons=(said,), grade="fair")
    made = again(wears(), base=base)
    assert (made.rom_deg, made.rom_measured) == (48.0, False)
    assert made.reasons.count(said) == 1


def test_one_sensor_of_a_two_sensor_base_is_enough_for_that_sensor() -> None:
    worn = wears()
    one = quick(worn.blocks[:1], RATES, worn.poses, worn.base, CONFIG)
    assert list(one.sensors) == [SACRUM]
    assert not one.rom_measured
    assert one.reasons[0].startswith("quick calibration")


def test_dropping_a_sensor_keeps_that_it_was_quick_and_its_dates() -> None:
    one = again(wears()).for_sensors((UPPER,))
    assert one.reasons[0].startswith("quick calibration")
    assert (one.made_utc, one.base_utc) == (DAY_0 + timedelta(days=1), DAY_0)


def test_the_limit_on_the_walk_is_the_setting() -> None:
    strict = Config(calibration=CalibrationConfig(quick_walk_max_deg=0.01))
    assert any("walking leans" in r for r in again(wears(), config=strict).reasons)


def test_it_reads_back_from_its_file(tmp_path: Path) -> None:
    made = again(wears())
    tree = json.loads(json.dumps(to_json(made), allow_nan=False))
    assert from_json(tree, source="it").reasons == made.reasons
    (tmp_path / "cal.json").write_text(calibration_json(made))
    assert read_calibration(tmp_path / "cal.json").base_utc == DAY_0


def recorded(worn: Wears, folder: Path) -> tuple[Path, Path, Path]:
    """The second wear as files: recording, poses, base."""
    recording, poses, base = (folder / n for n in ("tuesday.parquet", "tuesday.poses.json", "cal.json"))
    columns = {"time_s": worn.blocks[0].time_s}
    for b in worn.blocks:
        assert b.gyr_radps is not None
        for k, axis in enumerate("xyz"):
            columns[f"{b.placement}_acc_{axis}_mps2"] = b.acc_mps2[:, k]
        for k, axis in enumerate("xyz"):
            columns[f"{b.placement}_gyr_{axis}_radps"] = b.gyr_radps[:, k]
    write_sample_file(recording, columns, start_utc="2026-03-03T08:00:00+00:00", zone="Europe/London")
    poses.write_text(json.dumps({"poses": worn.poses}))
    base.write_text(calibration_json(worn.base))
    return recording, poses, base


def test_the_command_makes_a_quick_one_with_its_date_that_replay_takes(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from posture.app.cli import app

    recording, poses, base = recorded(wears(), tmp_path)
    out = tmp_path / "quick.json"
    run = CliRunner()
    begin = ["calibrate", "--from", str(recording), "--poses", str(poses), "--out", str(out)]
    done = run.invoke(app, [*begin, "--quick", "--base", str(base)])
    assert done.exit_code == 0, done.output
    assert "quick calibration from a stand and a walk" in " ".join(done.output.split())
    made = read_calibration(out)
    last_s = max(b for windows in wears().poses.values() for _, b in windows)
    assert made.made_utc == (datetime(2026, 3, 3, 8, 0, tzinfo=UTC) + timedelta(seconds=last_s)).replace(microsecond=0)
    done = run.invoke(app, ["replay", str(recording), "--calibration", str(out), "--out", str(tmp_path / "tuesday")])
    assert done.exit_code == 0, done.output
    stored = json.loads((tmp_path / "tuesday" / "calibration.json").read_text())
    assert (stored["source"], stored["base_utc"]) == ("quick", DAY_0.isoformat())
