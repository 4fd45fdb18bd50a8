"""How a sensor sits: found from the poses whatever it is, named in words, and checked by the gyroscope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import SHARED
from kinematics import CONFIG, about
from wearing import BEND_WINDOWS, BOTH, EXCERPT, EXCERPT_POSES, FULL, SACRUM, SIT_TALL, UPPER, made, sentence, wearer

from posture.recording import open_recording, read_poses
from posture.signal.calibrate import calibrate
from posture.signal.mounting import angle_deg, axes_apart_deg, force_axis, turning_axis
from posture.signal.track import track_of
from posture.types import Float


@pytest.mark.parametrize(
    ("mounting", "words"),
    [
        (about("x", 180.0), "upside down"),
        (about("z", 180.0), "the wrong way round (facing backwards)"),
        (about("z", 150.0), "the wrong way round (facing backwards)"),
        (about("z", 90.0), "turned by 90 deg to the left"),
        (about("z", -90.0), "turned by 90 deg to the right"),
        (about("y", 180.0), "upside down and the wrong way round (facing backwards)"),
        (about("x", 90.0), "on its side (its y axis points up)"),
        (about("x", -90.0), "on its side (its y axis points down)"),
        (about("z", 30.0) @ about("x", 180.0), "upside down and turned by 30 deg to the left"),
        (about("y", 90.0), "flat (its x axis points down)"),
        (about("y", -90.0), "flat (its x axis points up)"),
    ],
)
def test_a_wrong_mounting_is_named_and_its_angles_are_right_all_the_same(mounting: Float, words: str) -> None:
    found = made(sacrum_mounting=mounting)
    assert found.reasons == (f"sacrum: the sensor sits {words}; this is corrected",)
    np.testing.assert_allclose(found.sensors[SACRUM].body_from_sensor, mounting, atol=2e-3)
    assert found.sensors[SACRUM].sit_tall_deg == pytest.approx(SIT_TALL[0], abs=0.05)
    assert found.rom_deg == pytest.approx(50.0, abs=0.5)


@pytest.mark.parametrize("mounting", [about("x", 30.0), about("y", 40.0), about("z", 14.0), about("x", 40.0)])
def test_a_sensor_that_follows_the_slope_of_the_back_is_not_remarked_on(mounting: Float) -> None:
    assert made(sacrum_mounting=mounting).reasons == ()


def with_gyroscope_turned(deg: float) -> tuple[str, ...]:
    """What is said of a sacrum sensor whose gyroscope axes are turned by so much about its z axis against the accelerometer."""
    lower, upper = wearer()
    assert lower.gyr_radps is not None
    blocks = (replace(lower, gyr_radps=lower.gyr_radps @ about("z", deg)), upper)
    return calibrate(blocks, dict.fromkeys(BOTH, 50.0), FULL, CONFIG).reasons


def test_a_gyroscope_that_bends_about_another_axis_asks_to_repeat_the_bends() -> None:
    assert with_gyroscope_turned(5.0) == ()
    (said,) = [r for r in with_gyroscope_turned(25.0) if "gyroscope" in r]
    assert said.startswith("sacrum: the bending axis by the gyroscope lies ")
    assert said.endswith("; repeat the bends straight forward, without turning round in them")


def test_turning_round_in_the_bends_asks_to_repeat_them_and_lowers_the_grade() -> None:
    blocks = list(wearer())
    for k, block in enumerate(blocks):
        assert block.gyr_radps is not None
        gyr = block.gyr_radps.copy()
        # About the vertical of the room, to the left on the way down and back on the way up: the force does not see it.
        up = block.acc_mps2 / np.linalg.norm(block.acc_mps2, axis=1)[:, None]
        gyr += 0.4 * up * gyr[:, 1:2]
        blocks[k] = replace(block, gyr_radps=gyr)
    found = calibrate(blocks, dict.fromkeys(BOTH, 50.0), FULL, CONFIG)
    assert found.grade == "fair"
    assert "repeat the bends" in sentence(found, "sacrum: the bending axis")


def test_without_a_gyroscope_the_bends_are_not_checked_against_it() -> None:
    lower, _ = wearer()
    block = replace(lower, gyr_radps=None)
    assert turning_axis(track_of(block, 50.0, CONFIG), BEND_WINDOWS) is None
    found = calibrate([block], {SACRUM: 50.0}, FULL, CONFIG)
    assert not [r for r in found.reasons if "gyroscope" in r]


@pytest.mark.parametrize(("deg", "told"), [(13.0, True), (24.0, True), (26.0, False)])
def test_somebody_who_bends_little_still_gets_an_axis_and_is_told(deg: float, told: bool) -> None:
    mounting = about("z", 40.0)
    found = made(bend_deg=(deg, deg), sacrum_mounting=mounting, upper_mounting=about("z", -20.0))
    assert angle_deg(found.sensors[SACRUM].body_from_sensor[1], mounting[1]) < 0.5
    said = f"the deepest bend leaned {deg:.0f} deg, enough for the bending axis; it is surer from 25 deg on"
    assert (said in found.reasons) is told


def test_a_hinge_alone_gives_the_axis_and_the_population_range_stands_in() -> None:
    poses = {**{k: v for k, v in FULL.items() if k != "bend_max"}, "hinge": BEND_WINDOWS}
    found = made(poses, upper_mounting=about("z", -70.0))
    np.testing.assert_allclose(found.sensors[UPPER].body_from_sensor, about("z", -70.0), atol=2e-3)
    assert (found.rom_deg, found.rom_measured) == (48.0, False)
    assert sentence(found, "range") == "there is no measured range; the population value 48 deg stands in"


def test_lines_are_at_most_a_quarter_turn_apart() -> None:
    x = np.array([1.0, 0.0, 0.0])
    for deg, apart in ((0.0, 0.0), (80.0, 80.0), (100.0, 80.0), (180.0, 0.0)):
        assert axes_apart_deg(x, about("z", deg) @ x) == pytest.approx(apart, abs=1e-6)


@pytest.mark.shared
@pytest.mark.parametrize("day", ["day_11", "day_12", "day_13"])
def test_the_bends_of_the_labelled_days_agree_with_the_gyroscope(day: str) -> None:
    recording = open_recording(SHARED / "data" / "days" / f"{day}.parquet")
    poses = read_poses(SHARED / "data" / "days" / f"{day}.poses.json", recording.info)
    blocks = recording.window(0.0, max(end for windows in poses.values() for _, end in windows))
    found = calibrate(blocks, dict.fromkeys(BOTH, recording.info.rate_hz), poses, CONFIG)
    assert [r for r in found.reasons if "this is corrected" not in r] == []


def test_the_bends_of_the_excerpt_agree_with_the_gyroscope_within_5_deg() -> None:
    recording = open_recording(EXCERPT)
    poses = read_poses(EXCERPT_POSES, recording.info)
    windows = [w for name in ("bend_max", "hinge", "rounded") for w in poses[name]]
    for block in recording.window(0.0, 170.0):
        track = track_of(block, 50.0, CONFIG)
        turned = turning_axis(track, windows)
        up = calibrate([block], {block.placement: 50.0}, poses, CONFIG).sensors[block.placement].body_from_sensor[2]
        forced = force_axis(track, up, windows)
        assert turned is not None
        assert forced is not None
        assert axes_apart_deg(turned, forced) <= 5.0
