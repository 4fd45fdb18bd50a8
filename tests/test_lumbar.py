"""Angles: signs from static poses, exact kinematics, any mounting, and what is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinematics import (
    ANY_ROTATION,
    CONFIG,
    NOMINAL,
    about,
    bends,
    lean,
    mounted,
    posture_of,
    segment_signals,
    tick_times,
    times,
)

from posture.signal.calibrate import calibrate
from posture.signal.calibration import Calibration, Poses, SensorCalibration
from posture.signal.join import JoinedBlock
from posture.signal.lumbar import LATERAL_LIMIT, angles, body_up, inclination_deg, wrapped_deg
from posture.types import G_MPS2, AngleBlock, Float, Placement

SACRUM, UPPER = Placement.SACRUM, Placement.UPPER_LUMBAR
UPRIGHT, FACE_DOWN, SUPINE, HEAD_DOWN = (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0)
TO_THE_RIGHT, TO_THE_LEFT = (0.0, 1.0, 0.0), (0.0, -1.0, 0.0)
"""Up in the body frame: lying on the right side, the left side of the body points up."""


def known(*placements: Placement, body_from_sensor: Float = NOMINAL) -> Calibration:
    """A calibration that is known, not made from poses."""
    sensors = {p: SensorCalibration(body_from_sensor, G_MPS2) for p in placements}
    return Calibration("poses", sensors, rom_deg=48.0, rom_measured=False, judges_sitting=True, grade="good")


def held(
    up: Mapping[Placement, Sequence[float] | Float | None],
    *,
    rate_radps: Sequence[float] = (0.0, 0.0, 0.0),
    extra_g: float = 0.0,
    trusted: Mapping[Placement, bool] | None = None,
    body_from_sensor: Float = NOMINAL,
) -> AngleBlock:
    """One tick with these up vectors in the body frame (None: that sensor has no sample), on sensors mounted alike."""
    channels = {}
    for placement, v in up.items():
        if v is None:
            channels[placement] = np.full((1, 9), np.nan)
        else:
            in_sensor = np.asarray(v) @ body_from_sensor
            channels[placement] = np.concatenate([in_sensor, rate_radps, in_sensor * G_MPS2 * (1 + extra_g)])[None, :]
    sure = {p: np.array([(trusted or {}).get(p, True) and v is not None]) for p, v in up.items()}
    return angles(JoinedBlock(7, channels, sure), known(*up, body_from_sensor=body_from_sensor))


@pytest.mark.parametrize(
    ("up", "inclination", "lateral", "tilt"),
    [
        (UPRIGHT, 0.0, 0.0, 0.0),
        (FACE_DOWN, 90.0, 0.0, 90.0),
        (SUPINE, -90.0, 0.0, 90.0),
        (TO_THE_RIGHT, np.nan, 90.0, 90.0),
        (TO_THE_LEFT, np.nan, -90.0, 90.0),
        (HEAD_DOWN, 180.0, 0.0, 180.0),
        ((-np.sin(0.5), 0.0, np.cos(0.5)), np.degrees(0.5), 0.0, np.degrees(0.5)),
        ((0.0, np.sin(0.3), np.cos(0.3)), 0.0, np.degrees(0.3), np.degrees(0.3)),
    ],
)
@pytest.mark.parametrize("placement", [SACRUM, UPPER])
def test_static_poses_pin_the_signs(
    placement: Placement, up: tuple[float, ...], inclination: float, lateral: float, tilt: float
) -> None:
    """Forward is positive, right is positive, and lying on a side has no inclination."""
    block = held({placement: up})
    mine, other = block.sacrum_inclination_deg, block.upper_lumbar_inclination_deg
    if placement is UPPER:
        mine, other = other, mine
    if np.isnan(inclination):
        assert np.isnan(mine[0])
    else:
        # Head down may be called +180 or -180.
        assert wrapped_deg(mine - inclination)[0] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(other[0])
    assert np.isnan(block.flexion_deg[0])
    assert (block.lateral_deg[0], block.tilt_deg[0]) == pytest.approx((lateral, tilt), abs=1e-12)


@given(vy=st.floats(-1.0, 1.0), turn=st.floats(-np.pi, np.pi))
def test_inclination_is_not_known_once_turned_about_60_deg_to_the_side(vy: float, turn: float) -> None:
    across = np.sqrt(1.0 - vy**2)
    found = inclination_deg(*(np.array([x]) for x in (-across * np.sin(turn), vy, across * np.cos(turn))))[0]
    if abs(vy) > LATERAL_LIMIT:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(np.degrees(turn), abs=1e-6)
    assert np.degrees(np.arcsin(LATERAL_LIMIT)) == pytest.approx(60.0, abs=1.0)


@given(upper=st.floats(-179.0, 179.0), sacrum=st.floats(-179.0, 179.0))
def test_flexion_is_upper_lumbar_minus_sacrum_wrapped(upper: float, sacrum: float) -> None:
    a, b = np.radians(upper), np.radians(sacrum)
    block = held({SACRUM: (-np.sin(b), 0.0, np.cos(b)), UPPER: (-np.sin(a), 0.0, np.cos(a))})
    assert block.upper_lumbar_inclination_deg[0] == pytest.approx(upper, abs=1e-9)
    assert block.sacrum_inclination_deg[0] == pytest.approx(sacrum, abs=1e-9)
    flexion = block.flexion_deg[0]
    assert -180.0 <= flexion < 180.0
    assert np.cos(np.radians(flexion - (upper - sacrum))) == pytest.approx(1.0, abs=1e-9)


def test_flexion_does_not_jump_where_an_inclination_goes_round() -> None:
    """Upper lumbar 170 to 190 deg with the sacrum 30 deg behind it: 30 deg all the way."""
    upper = np.radians(np.linspace(170.0, 190.0, 41))
    sacrum = upper - np.radians(30.0)
    for a, b in zip(upper, sacrum, strict=True):
        block = held({SACRUM: (-np.sin(b), 0.0, np.cos(b)), UPPER: (-np.sin(a), 0.0, np.cos(a))})
        assert block.flexion_deg[0] == pytest.approx(30.0, abs=1e-9)


@pytest.mark.parametrize(("angle", "wrapped"), [(0, 0), (180, -180), (-180, -180), (190, -170), (-350, 10), (360, 0)])
def test_wrapping_is_into_minus_180_to_180(angle: float, wrapped: float) -> None:
    assert wrapped_deg(np.array([float(angle)])).tolist() == [wrapped]


@given(turned=ANY_ROTATION, pose=ANY_ROTATION)
def test_a_known_mounting_is_taken_out_exactly(turned: Float, pose: Float) -> None:
    up = pose[2]
    straight, other = held({SACRUM: up}), held({SACRUM: up}, body_from_sensor=turned)
    for name in ("lateral_deg", "tilt_deg", "vertical_mps2", "force_mps2", "rate_dps"):
        np.testing.assert_allclose(getattr(other, name), getattr(straight, name), atol=1e-5)
    difference = other.sacrum_inclination_deg - straight.sacrum_inclination_deg
    if not np.isnan(difference[0]):
        assert wrapped_deg(difference)[0] == pytest.approx(0.0, abs=1e-9)


def test_the_body_components_are_the_rotated_up_vector() -> None:
    rng = np.random.default_rng(8)
    up, turned = rng.normal(size=(50, 3)), about("x", 20.0) @ about("z", 70.0)
    np.testing.assert_allclose(np.stack(body_up(up, turned), axis=1), up @ turned.T, atol=1e-12)


def test_vertical_acceleration_is_along_up_and_zero_at_rest_in_any_pose() -> None:
    for up in (UPRIGHT, FACE_DOWN, TO_THE_RIGHT, HEAD_DOWN):
        assert held({SACRUM: up}).vertical_mps2[0] == pytest.approx(0.0, abs=1e-9)
        lifted = held({SACRUM: up}, extra_g=0.1)
        assert lifted.vertical_mps2[0] == pytest.approx(0.1 * G_MPS2)
        assert lifted.force_mps2[0] == pytest.approx(1.1 * G_MPS2)


def test_rate_is_the_magnitude_in_deg_per_s() -> None:
    assert held({SACRUM: UPRIGHT}, rate_radps=(0.3, -0.4, 1.2)).rate_dps[0] == pytest.approx(np.degrees(1.3))


def test_lean_tilt_and_trust_come_from_the_lowest_sensor_that_is_there() -> None:
    upper_tilt = (-np.sin(0.6), 0.0, np.cos(0.6))
    both = held({SACRUM: UPRIGHT, UPPER: upper_tilt})
    assert both.tilt_deg[0] == pytest.approx(0.0)
    alone = held({SACRUM: None, UPPER: upper_tilt})
    assert alone.tilt_deg[0] == pytest.approx(np.degrees(0.6))
    assert np.isnan(alone.flexion_deg[0])
    nobody = held({SACRUM: None, UPPER: None})
    assert all(
        np.isnan(getattr(nobody, n)[0]) for n in AngleBlock.__dataclass_fields__ if n.endswith(("_deg", "_dps", "2"))
    )
    assert (both.trusted[0], alone.trusted[0], nobody.trusted[0]) == (True, True, False)


@pytest.mark.parametrize("doubted", [SACRUM, UPPER])
def test_a_tick_is_trusted_only_if_every_sensor_in_it_is(doubted: Placement) -> None:
    """Seen: the second after a restart of the upper sensor was trusted, though the flexion rests on it."""
    assert not held({SACRUM: UPRIGHT, UPPER: UPRIGHT}, trusted={doubted: False}).trusted[0]
    other = UPPER if doubted is SACRUM else SACRUM
    assert held({other: UPRIGHT, doubted: None}).trusted[0]
    assert not held({doubted: UPRIGHT, other: None}, trusted={doubted: False}).trusted[0]


def test_tilt_near_upright_does_not_suffer_from_interpolated_up_vectors() -> None:
    """Half way between two samples 4 deg apart the vector is 0.06 % short; its arc cosine would say 2 deg."""
    a = np.radians(2.0)
    chord = (np.array([-np.sin(a), 0.0, np.cos(a)]) + np.array([np.sin(a), 0.0, np.cos(a)])) / 2
    assert held({SACRUM: chord}).tilt_deg[0] == pytest.approx(0.0, abs=1e-9)


# A wearer who stands, bends three times for the calibration, stands, and then does what is to be measured.
CALIBRATION_BENDS = bends(12.0, [60.0, 60.0, 60.0])
BENT_S = CALIBRATION_BENDS[-1][1]
MEASURED_S = BENT_S + 8.0
POSES: Poses = {"stand": [(1.0, 11.0)], "bend_max": [(12.0, BENT_S)], "stand_end": [(BENT_S + 1.0, BENT_S + 6.0)]}
MOVES = CALIBRATION_BENDS + bends(MEASURED_S, [20.0, 45.0, 70.0, 35.0])
SHARE = {SACRUM: 0.6, UPPER: 1.0}
LEVER_M = {SACRUM: 0.10, UPPER: 0.25}


def measured(
    rate_hz: float,
    mounting: Mapping[Placement, Float],
    share: Mapping[Placement, float] = SHARE,
    *,
    mean_rate: bool = True,
) -> tuple[AngleBlock, dict[Placement, Float]]:
    """Angles from calibrated sensors on segments that lean by a share of MOVES each, and the true lean at the ticks, deg."""
    time_s = times(MOVES[-1][1] + 2.0, rate_hz)
    blocks, truth = [], {}
    for placement, body_from_sensor in mounting.items():
        moves = [(a, b, share[placement] * deg) for a, b, deg in MOVES]
        signals = segment_signals(time_s, lean(time_s, moves), lever_m=LEVER_M[placement], mean_rate=mean_rate)
        blocks.append(mounted(placement, time_s, signals, body_from_sensor))
        truth[placement] = moves
    rate = dict.fromkeys(mounting, rate_hz)
    found = posture_of(blocks, rate, calibrate(blocks, rate, POSES, CONFIG))
    return found, {p: lean(tick_times(found), moves) for p, moves in truth.items()}


def worst_deg(found: Float, truth: Float) -> float:
    assert not np.isnan(found).any()
    return float(np.abs(found - truth).max())


@pytest.mark.parametrize("rate_hz", [50.0, 52.0, 95.238, 100.0, 200.0])
def test_bends_of_a_rigid_segment_are_measured_within_0_3_deg(rate_hz: float) -> None:
    """To 70 deg at up to 88 deg/s, with the real acceleration of a sensor 0.25 m above the hip."""
    found, truth = measured(rate_hz, {SACRUM: about("z", 20.0), UPPER: about("x", -30.0)})
    assert worst_deg(found.upper_lumbar_inclination_deg, truth[UPPER]) <= 0.3
    assert worst_deg(found.sacrum_inclination_deg, truth[SACRUM]) <= 0.3
    assert worst_deg(found.flexion_deg, truth[UPPER] - truth[SACRUM]) <= 0.3
    assert worst_deg(found.lateral_deg, np.zeros(len(found))) <= 0.1
    assert truth[UPPER].max() == pytest.approx(70.0, abs=0.1)


def test_a_hinge_with_a_stiff_back_has_no_flexion() -> None:
    found, truth = measured(50.0, {SACRUM: NOMINAL, UPPER: NOMINAL}, {SACRUM: 1.0, UPPER: 1.0})
    assert worst_deg(found.flexion_deg, np.zeros(len(found))) <= 0.3
    assert worst_deg(found.sacrum_inclination_deg, truth[SACRUM]) <= 0.3


def test_a_gyroscope_without_an_output_filter_leads_by_at_most_half_a_sample() -> None:
    """A known limit: rates of the instant, not means since the sample before, are taken for the time in between."""
    found, truth = measured(50.0, {SACRUM: NOMINAL, UPPER: NOMINAL}, mean_rate=False)
    fastest_dps = np.abs(np.gradient(truth[UPPER])).max() * 50.0
    worst = worst_deg(found.upper_lumbar_inclination_deg, truth[UPPER])
    assert worst <= 0.3 + fastest_dps * 0.5 / 50.0
    assert worst > 0.3


SAID = {
    "nominal": NOMINAL,
    "upside down": about("x", 180.0),
    "the wrong way round": about("z", 180.0),
    "upside down and the wrong way round": about("y", 180.0),
    "on the left side": about("z", 90.0),
    "rolled by a quarter": about("x", 90.0),
    "lying flat": about("y", 90.0),
}


@pytest.mark.parametrize("how", SAID)
def test_any_mounting_gives_the_same_angles_after_calibration(how: str) -> None:
    found, truth = measured(50.0, {SACRUM: SAID[how], UPPER: SAID[how].T})
    assert worst_deg(found.upper_lumbar_inclination_deg, truth[UPPER]) <= 0.3
    assert worst_deg(found.sacrum_inclination_deg, truth[SACRUM]) <= 0.3
    assert worst_deg(found.flexion_deg, truth[UPPER] - truth[SACRUM]) <= 0.3


@settings(max_examples=40, deadline=None)
@given(sacrum=ANY_ROTATION, upper=ANY_ROTATION)
def test_any_random_mounting_gives_the_same_angles_after_calibration(sacrum: Float, upper: Float) -> None:
    found, truth = measured(50.0, {SACRUM: sacrum, UPPER: upper})
    assert worst_deg(found.upper_lumbar_inclination_deg, truth[UPPER]) <= 0.3
    assert worst_deg(found.sacrum_inclination_deg, truth[SACRUM]) <= 0.3
    assert worst_deg(found.lateral_deg, np.zeros(len(found))) <= 0.1


def test_an_accelerometer_alone_measures_held_poses_exactly() -> None:
    time_s = times(60.0, 50.0)
    moves = [*bends(12.0, [60.0]), (25.0, 28.0, 40.0), (45.0, 48.0, -20.0)]
    turned = about("z", 130.0) @ about("x", 40.0)
    signals = segment_signals(time_s, lean(time_s, moves))
    block = mounted(UPPER, time_s, signals, turned, gyro=False)
    poses: Poses = {"stand": [(1.0, 11.0)], "hinge": [(12.0, 17.0)]}
    found = posture_of([block], {UPPER: 50.0}, calibrate([block], {UPPER: 50.0}, poses, CONFIG))
    at = tick_times(found)
    assert worst_deg(found.upper_lumbar_inclination_deg[(at > 34.0) & (at < 45.0)], np.array(40.0)) <= 0.05
    assert worst_deg(found.upper_lumbar_inclination_deg[at > 54.0], np.array(-20.0)) <= 0.05
