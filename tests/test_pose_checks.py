"""A pose that was not what its name says is named with the reason; the labelled routines pass without a word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kinematics import CONFIG, bends, lean, mounted, segment_signals, times
from wearing import BEND_WINDOWS, FULL, SACRUM, SIT_USUAL, SLUMP, UPPER, made, sentence

from analysis.validation.synth import Script, make, person
from posture.signal.calibrate import calibrate
from posture.signal.calibration import Calibration, Poses
from posture.types import InputError, Placement


def with_poses(**changed: Any) -> Calibration:
    return made({**FULL, **changed})


@pytest.mark.parametrize("name", ["stand", "stand_end"])
def test_a_stand_of_under_2_5_s_is_refused_by_name(name: str) -> None:
    from_s = FULL[name][0][0]
    with pytest.raises(
        InputError, match=rf"^the pose `{name}` holds 2\.0 s of sacrum samples, fewer than 2\.5 s; check its"
    ):
        with_poses(**{name: [(from_s, from_s + 2.0)]})
    assert with_poses(**{name: [(from_s, from_s + 2.6)]}).grade == "good"


@pytest.mark.parametrize("name", ["sit_tall", "sit_usual", "slump"])
def test_a_seated_pose_of_under_3_s_is_said_by_name(name: str) -> None:
    from_s = FULL[name][0][0]
    found = with_poses(**{name: [(from_s, from_s + 2.0)]})
    assert f"sacrum: the pose `{name}` was held for 2.0 s only; hold it for 8 s" in found.reasons
    assert found.grade == "fair"
    assert f"sacrum: the pose `{name}` holds no samples; check its times" in with_poses(**{name: [(900, 908)]}).reasons


@pytest.mark.parametrize(
    ("name", "window"), [("sit_tall", (11.0, 19.0)), ("slump", (36.0, 46.0)), ("recline", (50.0, 60.0))]
)
def test_moving_in_a_seated_pose_is_said_by_name(name: str, window: tuple[float, float]) -> None:
    assert any(f"moved in the pose `{name}`" in r for r in with_poses(**{name: [window]}).reasons)


@pytest.mark.parametrize("name", ["sit_tall", "sit_usual", "slump"])
def test_a_seated_pose_that_was_stood_is_said_by_name(name: str) -> None:
    """The sacrum rolls back in sitting; here both sensors stay within 2 deg of the stand."""
    found = with_poses(**{name: [(3.0, 11.0)]})
    said = f"in the pose `{name}` every sensor was within 2 deg of standing; sit down and record it again"
    assert said in found.reasons
    alone = made({**FULL, name: [(3.0, 11.0)]}, only=SACRUM)
    assert said in alone.reasons
    assert not any("of standing" in r for r in made({**FULL, name: [(3.0, 11.0)]}, only=UPPER).reasons)


def test_poses_at_the_same_time_are_said_with_both_names() -> None:
    found = with_poses(sit_usual=[(20.0, 38.0)])
    assert sentence(found, "overlap") == "the times of `sit_tall` and `sit_usual` overlap; check them"


def test_a_last_stand_that_was_not_the_last_proves_nothing_of_a_slip() -> None:
    assert not any("`stand_end`" in r for r in made().reasons)
    said = "`stand_end` was not the last pose; whether a sensor slipped meanwhile is not known"
    for changed in ({"stand": [(78.0, 84.0)], "stand_end": [(1.0, 11.0)]}, {"stand_end": [(57.5, 61.5)]}):
        assert sentence(with_poses(**changed), "`stand_end`") == said


@pytest.mark.parametrize("name", ["bend_max", "hinge", "rounded"])
def test_bends_in_which_nobody_bent_are_counted_by_name(name: str) -> None:
    """Two of them lie in the stand."""
    standing = [(1.0, 4.0), (5.0, 9.0)]
    found = made({**FULL, name: [*standing, BEND_WINDOWS[0]]})
    assert f"in 2 of 3 `{name}` the wearer leaned less than 12 deg; check their times" in found.reasons


def test_a_rounded_bend_that_only_the_upper_sensor_shows_is_a_bend() -> None:
    found = made({**FULL, "rounded": BEND_WINDOWS}, bend_deg=(11.0, 50.0))
    assert not any("leaned less" in r for r in found.reasons)


def walked(step_mps2: float, seconds: float) -> Calibration:
    """Stand, a walk that bounces by so much, three bends."""
    time_s = times(60.0, 50.0)
    force, rate = segment_signals(time_s, lean(time_s, bends(40.0, [50.0] * 3)))
    walks = (time_s >= 15.0) & (time_s < 35.0)
    force[:, 2] += np.where(walks, step_mps2 * np.sin(2 * np.pi * 1.8 * time_s), 0.0)
    poses: Poses = {"stand": [(1.0, 11.0)], "walk": [(16.0, 16.0 + seconds)], "hinge": [(40.0, 53.0)]}
    return calibrate([mounted(SACRUM, time_s, (force, rate))], {SACRUM: 50.0}, poses, CONFIG)


def test_a_walk_without_steps_or_too_short_is_said_and_not_used() -> None:
    sensor = walked(2.0, 15.0).sensors[SACRUM]
    assert sensor.gait_mps2 == pytest.approx(2.0 / np.sqrt(2.0), rel=0.1)
    assert abs(sensor.walk_deg) < 0.1
    stood, short = walked(0.1, 15.0), walked(2.0, 2.0)
    assert sentence(stood, "`walk`") == "sacrum: the pose `walk` shows no steps (bounce 0.1 m/s^2); check its times"
    assert sentence(short, "`walk`") == "sacrum: the pose `walk` holds 2.0 s, fewer than 3 s; walk at least 10 steps"
    for found in (stood, short):
        assert np.isnan([found.sensors[SACRUM].walk_deg, found.sensors[SACRUM].gait_mps2]).all()


@pytest.mark.parametrize(
    ("seated", "said"),
    [
        ([SLUMP, SIT_USUAL, (-5.0, 4.0)], "as tall as `sit_tall` or taller"),
        ([(-5.0, 4.0), SLUMP, SIT_USUAL], "deeper than `slump`"),
    ],
)
def test_seated_poses_in_the_wrong_order_are_said(seated: list[tuple[float, float]], said: str) -> None:
    assert said in sentence(made(seated=seated), "sit_usual")


@pytest.mark.parametrize("limited_rom", [False, True])
def test_the_routine_of_simulated_people_passes_every_check(*, limited_rom: bool) -> None:
    for seed in (201, 202, 203):
        day = make(Script(person(seed, limited_rom=limited_rom)).calibrate())
        found = calibrate(day.blocks(), dict.fromkeys(Placement, 50.0), day.track.poses, CONFIG)
        assert [r for r in found.reasons if "this is corrected" not in r] == []
