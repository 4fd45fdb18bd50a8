"""Without poses: upright from walking and standing, forward from leans, and what cannot be known is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from kinematics import CONFIG, about, bends, lean, mounted, segment_signals, times
from wearing import BOTH, EXCERPT, SACRUM, UPPER, excerpt, wearer

from posture.config import Config, SelfCalibrationConfig
from posture.recording import open_recording
from posture.signal.calibration import Calibration
from posture.signal.mounting import angle_deg
from posture.signal.self_calibrate import self_calibrate, self_calibrated
from posture.types import Float, ImuBlock, InputError, Placement


@pytest.mark.parametrize("only", [None, SACRUM, UPPER])
def test_without_poses_the_grade_is_poor_and_no_sitting_is_judged(only: Placement | None) -> None:
    blocks = [b for b in wearer() if only in (None, b.placement)]
    found = self_calibrate(blocks, dict.fromkeys(BOTH, 50.0), CONFIG)
    assert (found.grade, found.source, found.judges_sitting, found.rom_measured) == ("poor", "self", False, False)
    assert found.reasons[0] == "no calibration poses: upright was taken from walking and standing, forward from leans"
    assert any("flexed sitting is not judged" in r for r in found.reasons)
    assert found.for_sensors((blocks[0].placement,)).grade == "poor"
    assert found.for_sensors((blocks[0].placement,)).reasons[0] == found.reasons[0]


def test_without_poses_upright_is_that_of_the_still_moments() -> None:
    time_s = times(60.0, 50.0)
    tilted = about("y", 12.0)
    block = mounted(SACRUM, time_s, segment_signals(time_s, np.zeros(len(time_s))), tilted)
    found = self_calibrate([block], {SACRUM: 50.0}, CONFIG)
    np.testing.assert_allclose(found.sensors[SACRUM].body_from_sensor, tilted, atol=1e-6)


def test_without_poses_walking_decides_upright_where_there_is_enough_of_it() -> None:
    """Two minutes reclined by 25 deg and half a minute of walking upright: neutral is the walk's."""
    time_s = times(150.0, 50.0)
    walks = time_s >= 120.0
    force, rate = segment_signals(time_s, np.where(walks, 0.0, -25.0))
    force[:, 2] += np.where(walks, 2.5 * np.sin(2 * np.pi * 1.8 * time_s), 0.0)
    found = self_calibrate([mounted(SACRUM, time_s, (force, np.zeros_like(rate)))], {SACRUM: 50.0}, CONFIG)
    np.testing.assert_allclose(found.sensors[SACRUM].body_from_sensor, np.eye(3), atol=0.01)


def test_without_poses_the_excerpt_finds_upright_within_2_deg() -> None:
    """Sacrum 0.3 and upper lumbar 0.3 deg from the calibrated upright when this was written."""
    found = self_calibrate(open_recording(EXCERPT).window(0.0, 1800.0), dict.fromkeys(BOTH, 50.0), CONFIG)
    for placement in BOTH:
        up, calibrated = (c.sensors[placement].body_from_sensor[2] for c in (found, excerpt()))
        assert np.degrees(np.arccos(up @ calibrated)) <= 2.0


def test_without_poses_a_sensor_that_is_never_upright_is_refused_in_words() -> None:
    time_s = times(30.0, 50.0)
    block = mounted(UPPER, time_s, segment_signals(time_s, np.full(len(time_s), 90.0)))
    with pytest.raises(InputError, match=r"^upper lumbar: no upright moment was found .*; give --poses"):
        self_calibrate([block], {UPPER: 50.0}, CONFIG)
    with pytest.raises(InputError, match=r"^upper lumbar: under 2 s of samples are too few"):
        self_calibrate([mounted(UPPER, time_s[:80], (block.acc_mps2[:80], np.zeros((80, 3))))], {UPPER: 50.0}, CONFIG)


def excerpt_worn(turn: Float) -> Calibration:
    """The excerpt without its poses, as a sensor that sits turned by this would have recorded it."""
    blocks = []
    for block in open_recording(EXCERPT).window(170.0, 1970.0):
        assert block.gyr_radps is not None
        blocks.append(replace(block, acc_mps2=block.acc_mps2 @ turn, gyr_radps=block.gyr_radps @ turn))
    return self_calibrate(blocks, dict.fromkeys(BOTH, 50.0), CONFIG)


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (about("x", 180.0), "upside down"),
        (about("y", 180.0), "upside down and the wrong way round (facing backwards)"),
        (about("z", 180.0), "the wrong way round (facing backwards)"),
        (about("x", 90.0), "on its side (its y axis points up)"),
        (about("x", -90.0), "on its side (its y axis points down)"),
    ],
)
def test_without_poses_a_wrong_mounting_is_found_from_gravity_and_leans(turn: Float, words: str) -> None:
    """The excerpt's own mounting is up to 15 deg off, which adds to what is said of the heading."""
    found = excerpt_worn(turn)
    for placement in BOTH:
        assert any(
            r.startswith(f"{placement.words}: the sensor sits {words.partition(' and ')[0]}") for r in found.reasons
        )
        up, calibrated = found.sensors[placement].body_from_sensor[2], excerpt().sensors[placement].body_from_sensor[2]
        assert angle_deg(turn @ up, calibrated) <= 2.0
        left = found.sensors[placement].body_from_sensor[1]
        assert angle_deg(turn @ left, excerpt().sensors[placement].body_from_sensor[1]) <= 10.0
    assert any(words in r for r in found.reasons)


def stood_and_leant(leans_deg: list[float], turn: Float, walk_s: float = 30.0) -> ImuBlock:
    """Ten seconds of standing, a walk, ten seconds of standing, then a lean of each depth."""
    from_s = 20.0 + walk_s
    time_s = times(from_s + 5.0 * len(leans_deg) + 5.0, 50.0)
    force, rate = segment_signals(time_s, lean(time_s, bends(from_s, leans_deg)))
    walks = (time_s >= 10.0) & (time_s < 10.0 + walk_s)
    force[:, 2] += np.where(walks, 2.5 * np.sin(2 * np.pi * 1.8 * time_s), 0.0)
    return mounted(SACRUM, time_s, (force, rate), turn)


def found_in(block: ImuBlock, config: Config = CONFIG) -> Calibration:
    return self_calibrate([block], {block.placement: 50.0}, config)


def test_without_poses_forward_is_where_most_leans_go() -> None:
    turn = about("z", 130.0)
    found = found_in(stood_and_leant([40.0, -25.0, 50.0, 40.0, 60.0, 45.0], turn))
    np.testing.assert_allclose(found.sensors[SACRUM].body_from_sensor, turn, atol=0.01)
    assert "sacrum: forward was taken from leans, 5 of 6 of them to this side" in found.reasons


@pytest.mark.parametrize(
    ("leans_deg", "said"),
    [
        ([40.0, 50.0, 40.0, 45.0], "only 4 leans from upright and back were seen"),
        ([40.0, -40.0, 40.0, -40.0, 40.0, -40.0], "3 of 6 leans went one way and the others back"),
    ],
)
def test_without_poses_a_sensor_the_wrong_way_round_that_cannot_be_known_is_said_to_be_unknown(
    leans_deg: list[float], said: str
) -> None:
    found = found_in(stood_and_leant(leans_deg, about("z", 180.0)))
    unknown = "forward is the sensor's nominal x axis, and whether it is worn the wrong way round cannot be known"
    assert f"sacrum: {said}; {unknown}" in found.reasons
    assert found.grade == "poor"
    np.testing.assert_allclose(found.sensors[SACRUM].body_from_sensor, np.eye(3), atol=0.01)


def test_without_poses_sitting_rolled_back_is_no_lean_backward() -> None:
    """Five leans forward, then eight times half a minute rolled back by 25 deg, as the sacrum is in a slump."""
    sits = [
        move
        for k in range(8)
        for move in ((85.0 + 40 * k, 87.0 + 40 * k, -25.0), (117.0 + 40 * k, 119.0 + 40 * k, 0.0))
    ]
    time_s = times(420.0, 50.0)
    force, rate = segment_signals(time_s, lean(time_s, [*bends(50.0, [40.0] * 5), *sits]))
    walks = (time_s >= 10.0) & (time_s < 40.0)
    force[:, 2] += np.where(walks, 2.5 * np.sin(2 * np.pi * 1.8 * time_s), 0.0)
    found = found_in(mounted(SACRUM, time_s, (force, rate)))
    assert "sacrum: forward was taken from leans, 5 of 5 of them to this side" in found.reasons
    np.testing.assert_allclose(found.sensors[SACRUM].body_from_sensor, np.eye(3), atol=0.01)


def test_without_poses_leans_in_all_directions_show_no_forward() -> None:
    blocks = [stood_and_leant([40.0, 40.0], about("z", turn)) for turn in (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)]
    n = len(blocks[0].time_s)
    time_s = times(n * 6 / 50.0, 50.0)
    acc = np.concatenate([b.acc_mps2 for b in blocks])
    gyr = np.concatenate([b.gyr_radps for b in blocks if b.gyr_radps is not None])
    found = found_in(ImuBlock(SACRUM, time_s, acc, gyr, time_s))
    assert any("12 leans went in many directions" in r for r in found.reasons)


def test_without_poses_standing_beside_a_walk_is_neutral_rather_than_the_walk() -> None:
    """Who leans forward by 5 deg in walking is not taken to stand like that."""
    time_s = times(120.0, 50.0)
    walks = (time_s >= 40.0) & (time_s < 80.0)
    force, rate = segment_signals(time_s, lean(time_s, [(39.0, 40.0, 5.0), (80.0, 81.0, 0.0)]))
    force[:, 2] += np.where(walks, 2.5 * np.sin(2 * np.pi * 1.8 * time_s), 0.0)
    block = mounted(SACRUM, time_s, (force, rate))
    np.testing.assert_allclose(found_in(block).sensors[SACRUM].body_from_sensor, np.eye(3), atol=0.01)
    unwanted = Config(self_calibration=SelfCalibrationConfig(standing_min_s=60.0))
    walked = found_in(block, unwanted).sensors[SACRUM].body_from_sensor
    assert angle_deg(walked[2], np.array([0.0, 0.0, 1.0])) == pytest.approx(5.0, abs=0.5)


def test_without_poses_standing_before_a_walk_counts_as_much_as_after_it() -> None:
    """Who sits down from the walk has stood before it only: eight seconds of those count."""
    time_s = times(120.0, 50.0)
    walks = (time_s >= 40.0) & (time_s < 80.0)
    force, rate = segment_signals(time_s, lean(time_s, [(39.0, 40.0, 5.0), (80.0, 81.0, -20.0)]))
    force[:, 2] += np.where(walks, 2.5 * np.sin(2 * np.pi * 1.8 * time_s), 0.0)
    soon = Config(self_calibration=SelfCalibrationConfig(standing_min_s=5.0))
    found = found_in(mounted(SACRUM, time_s, (force, rate)), soon)
    np.testing.assert_allclose(found.sensors[SACRUM].body_from_sensor, np.eye(3), atol=0.01)


def test_without_poses_a_recording_shorter_than_the_reach_of_a_walk_is_no_problem() -> None:
    far = Config(self_calibration=SelfCalibrationConfig(near_walking_s=500.0))
    found = found_in(stood_and_leant([40.0], about("z", 0.0)), far)
    np.testing.assert_allclose(found.sensors[SACRUM].body_from_sensor, np.eye(3), atol=0.01)


def test_without_poses_and_without_walking_it_says_that_upright_may_be_sitting() -> None:
    found = found_in(stood_and_leant([40.0], about("z", 0.0), walk_s=0.0))
    said = "sacrum: too little walking was found; upright was taken from the stillest moments, which may be sitting"
    assert said in found.reasons


def test_without_poses_the_search_goes_on_until_somebody_walks() -> None:
    """Half a minute of sitting rolled back by 20 deg, then a stand and a walk: the first search sees only the sitting."""
    stood = stood_and_leant([40.0] * 6, about("z", 0.0))
    n = 30 * 50
    seat, rest = segment_signals(times(30.0, 50.0), np.full(n, -20.0))
    assert stood.gyr_radps is not None
    acc, gyr = np.concatenate([seat, stood.acc_mps2]), np.concatenate([rest, stood.gyr_radps])
    time_s = times(len(acc) / 50.0, 50.0)
    whole = ImuBlock(SACRUM, time_s, acc, gyr, time_s)

    def window(from_s: float, to_s: float) -> tuple[ImuBlock, ...]:
        keep = (time_s >= from_s) & (time_s < to_s)
        return (ImuBlock(SACRUM, time_s[keep], acc[keep], gyr[keep], time_s[keep]),)

    short = Config(self_calibration=SelfCalibrationConfig(search_s=30.0))
    last_s = float(whole.time_s[-1])
    found, end_s = self_calibrated(window, 0.0, last_s, {SACRUM: 50.0}, short)
    assert end_s == last_s
    assert not any("too little walking" in r for r in found.reasons)
    np.testing.assert_allclose(found.sensors[SACRUM].body_from_sensor, np.eye(3), atol=0.02)
    only, end_s = self_calibrated(lambda a, b: window(a, min(b, 30.0)), 0.0, last_s, {SACRUM: 50.0}, short)
    assert angle_deg(only.sensors[SACRUM].body_from_sensor[2], np.array([0.0, 0.0, 1.0])) == pytest.approx(
        20.0, abs=0.1
    )
