"""Detectors on a planar body of known motion: what was done is what is said, and nothing else."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from body import FLOOR, SEAT, STAND, Body
from kinematics import posture_of
from seconds import Day, wear
from streams import angle_rows

from analysis.validation.memory import replayed
from analysis.validation.synth import Script, make, person
from posture.config import Config
from posture.detect.bends import Bends, Lean, Leans, bend_verdict, changes_seat, one_sensor_verdict, pelvis_bends
from posture.detect.chair import Chair
from posture.detect.climbs import Climb
from posture.detect.context import ContextBlock, ContextModel, seat_chance, seated_log_ratio
from posture.detect.epochs import EpochFeatures
from posture.detect.movement import Movement, Movements
from posture.signal.calibration import Calibration
from posture.types import AngleBlock, Basis, Context, Placement, Verdict

SACRUM, UPPER = wear(Placement.SACRUM), wear(Placement.UPPER_LUMBAR)
BOTH = wear()
CHAIRS = ("sit_to_stand", "stand_to_sit")


def standing() -> Body:
    return Body().hold(12)


def a_lean(**other: float) -> Lean:
    """A quiet bend of 2 s that ends where it began, but for what is given."""
    fields = {"start_s": 0.0, "end_s": 2.0, "peak_s": 1.0, "peak_deg": 70.0, "held_s": 1.0, "flexion_peak_deg": 10.0}
    fields |= {"pelvis_share": 0.7, "trusted": 1.0, "before_deg": 0.0, "after_deg": 0.0, "rate_dps": 60.0}
    return Lean(**{**fields, "sideways_deg": 3.0, "shake_mps2": 0.5, "height_m": 0.02, **other})


# -- bends ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sacrum", "flexion", "verdict"),
    [
        ("hip hinge", 42, 8, Verdict.NEUTRAL),
        ("rounded lean at the sink", 18, 32, Verdict.ROUNDED),
        ("full stoop", 59, 48, Verdict.ROUNDED),
        ("between the two", 20, 22, Verdict.MIXED),
    ],
)
def test_a_bend_is_found_with_its_depth_and_verdict(name: str, sacrum: float, flexion: float, verdict: Verdict) -> None:
    body = standing()
    start_s = body.now_s
    (bend,) = body.bend(sacrum, flexion).hold(15).run(BOTH).of("bend")
    assert bend.verdict is verdict, name
    assert bend.peak_deg == pytest.approx(sacrum + flexion, abs=2.0)
    assert bend.evidence["flexion_peak_deg"] == pytest.approx(flexion, abs=2.0)
    assert start_s <= bend.start_s < bend.peak_s < bend.end_s <= start_s + 4.0
    assert bend.basis is Basis.TWO


@pytest.mark.parametrize("calibration", [SACRUM, UPPER], ids=["sacrum", "upper lumbar"])
def test_one_sensor_finds_a_rounded_bend_and_does_not_judge_it(calibration: object) -> None:
    (bend,) = standing().bend(36, 26).hold(15).run(calibration).of("bend")  # type: ignore[arg-type]
    assert bend.verdict is Verdict.UNKNOWN
    assert bend.basis is Basis.ONE
    assert "flexion_peak_deg" not in bend.evidence
    assert bend.evidence["deep"] is True


@pytest.mark.parametrize(("peak_deg", "said"), [(45.0, False), (62.0, False), (66.0, True), (90.0, True)])
def test_the_upper_lumbar_alone_says_rounded_of_the_deepest_leans_only(peak_deg: float, said: bool) -> None:
    verdict, sure = one_sensor_verdict(a_lean(peak_deg=peak_deg), Config().bends, judges=True, here=1.0)
    assert (verdict is Verdict.ROUNDED) == said
    assert sure >= 0.7


def test_a_lean_that_may_be_one_of_the_own_hinges_is_not_said_rounded() -> None:
    say = lambda deg: one_sensor_verdict(  # noqa: E731
        a_lean(peak_deg=deg), Config().bends, judges=True, here=1.0, hinge_deg=60.0
    )[0]
    assert (say(74.0), say(76.0)) == (Verdict.UNKNOWN, Verdict.ROUNDED)


def test_a_verdict_of_one_sensor_needs_a_likely_bend_as_well() -> None:
    say = lambda here: one_sensor_verdict(a_lean(peak_deg=75.0), Config().bends, judges=True, here=here)[0]  # noqa: E731
    assert (say(0.99), say(0.8)) == (Verdict.ROUNDED, Verdict.UNKNOWN)


@pytest.mark.parametrize(
    ("calibration", "trust", "verdict"),
    [
        (UPPER, 1.0, Verdict.ROUNDED),
        (UPPER, 0.6, Verdict.UNKNOWN),
        (replace(UPPER, source="self"), 1.0, Verdict.UNKNOWN),
        (SACRUM, 1.0, Verdict.UNKNOWN),
    ],
    ids=["upper lumbar", "upper lumbar, hardly trusted", "upper lumbar, without poses", "sacrum"],
)
def test_only_a_calibrated_upper_lumbar_sensor_judges_bends(
    calibration: Calibration, trust: float, verdict: Verdict
) -> None:
    """A pelvis that leans far is a rounded pick-up in recorded people and a taught hinge in the programme."""
    stage = Bends(Config().bends, calibration, trust=trust)
    seconds = ContextBlock(
        np.arange(5.0), np.full(5, Context.STANDING, np.int8), np.full(5, 0.9), np.full(5, 0.01), EpochFeatures.empty()
    )
    (said,) = stage.push(seconds, (a_lean(start_s=1.0, end_s=3.0, peak_deg=85.0),))
    assert said.event.verdict is verdict


@pytest.mark.parametrize(
    ("moved", "height_m", "before_deg", "after_deg", "lasted_s"),
    [
        ("sat down", -0.45, 0.0, -4.0, 2.0),
        ("stood up", 0.45, -4.0, 0.0, 2.0),
        ("rose from a recline", 0.22, -28.0, -2.0, 1.4),
        ("got into a car", -0.15, 2.0, -20.0, 2.0),
    ],
)
def test_a_lean_between_two_heights_is_a_seat_and_no_bend(
    moved: str, height_m: float, before_deg: float, after_deg: float, lasted_s: float
) -> None:
    lean = a_lean(end_s=lasted_s, height_m=height_m, before_deg=before_deg, after_deg=after_deg)
    assert changes_seat(lean, Config().bends), moved
    assert not changes_seat(replace(lean, height_m=0.05, before_deg=0.0, after_deg=1.0), Config().bends)


def test_a_height_over_many_seconds_proves_no_seat() -> None:
    assert not changes_seat(a_lean(end_s=8.0, height_m=0.6), Config().bends)


@pytest.mark.parametrize(
    ("moved", "lean"),
    [
        ("squatted", {"peak_deg": 18.0, "rate_dps": 25.0}),
        ("leapt", {"shake_mps2": 6.0}),
        ("turned", {"sideways_deg": 40.0}),
        ("climbed stairs", {"end_s": 6.0, "shake_mps2": 1.6}),
    ],
)
def test_a_pelvis_leans_in_other_movements_too(moved: str, lean: dict[str, float]) -> None:
    assert pelvis_bends(a_lean(), Config().bends)
    assert not pelvis_bends(a_lean(**lean), Config().bends), moved


def test_a_quiet_stoop_of_six_seconds_is_a_bend() -> None:
    assert pelvis_bends(a_lean(end_s=6.0, shake_mps2=0.3), Config().bends)


@pytest.mark.parametrize("sensors", [tuple(Placement), (Placement.SACRUM,)], ids=["two", "sacrum"])
def test_rising_from_a_recline_is_no_bend(sensors: tuple[Placement, ...]) -> None:
    """A simulated person whose rises from a recline the context hears of too late."""
    script = Script(person(6)).calibrate().walk(20).stand(8)
    said = replayed(make(script.sit_down().sit(3, "recline").stand_up().stand(12)), sensors=sensors)
    assert [e for e in said.events if e["kind"] == "bend" and e["set_id"] is None] == []


@pytest.mark.parametrize(
    ("trusted", "lost", "shaken", "said"),
    [(True, True, True, 1), (False, False, False, 1), (False, True, False, 0), (False, False, True, 0)],
)
def test_an_orientation_that_restarted_or_was_shaken_out_of_trust_is_no_lean(
    trusted: bool, lost: bool, shaken: bool, said: int
) -> None:
    """After a gap tilt is the accelerometer's alone for a second; in a push forward that leans by 45 deg."""
    ticks = np.arange(400)
    flat, nan = np.zeros(400), np.full(400, np.nan)
    lean = np.where((ticks >= 200) & (ticks < 225), 50.0, 0.0)
    trunk = np.where(lost & (ticks >= 100) & (ticks < 190), np.nan, lean)
    vertical = np.where(shaken, 6.0 * (-1.0) ** ticks, 0.0)
    block = AngleBlock(0, flat, trunk, lean, flat, flat, nan, vertical, nan, (lean < 30) | trusted)
    assert len(Leans(Config().bends, BOTH).push(block)) == said


@pytest.mark.parametrize(("lost", "deg"), [(True, 50.0), (False, 120.0)])
def test_after_a_restart_a_lean_is_as_deep_as_it_was_on_trusted_ticks(lost: bool, deg: float) -> None:
    """A push at the end of a gap was taken for tilt: 120 deg, until the orientation had settled 0.4 s later."""
    ticks = np.arange(600)
    flat, nan = np.zeros(600), np.full(600, np.nan)
    lean = np.where((ticks >= 300) & (ticks < 400), 50.0, 0.0) + np.where((ticks >= 300) & (ticks < 320), 70.0, 0.0)
    trunk = np.where(lost & (ticks >= 190) & (ticks < 200), np.nan, lean)
    block = AngleBlock(0, flat, trunk, lean, flat, flat, nan, flat, nan, (ticks < 190) | (ticks >= 320))
    (said,) = Leans(Config().bends, BOTH).push(block)
    assert said.peak_deg == deg


@pytest.mark.parametrize("cut", [1, 7, 50, 400])
def test_a_lean_knows_the_second_before_and_after_it_however_the_samples_come(cut: int) -> None:
    ticks = 400
    sacrum, nan = np.full(ticks, -14.0), np.full(ticks, np.nan)
    sacrum[200:240], sacrum[240:] = 40.0, -2.0
    none = np.zeros(ticks)
    whole = AngleBlock(0, sacrum, nan, nan, none, none, nan, none, nan, none < 1)
    stage = Leans(Config().bends, SACRUM)
    (lean,) = [x for a in range(0, ticks, cut) for x in stage.push(angle_rows(whole, a, a + cut))]
    assert (lean.before_deg, lean.after_deg) == (-14.0, -2.0)
    assert lean.rate_dps == pytest.approx(540.0)


def test_a_lean_of_less_than_28_deg_is_no_bend() -> None:
    assert standing().bend(15, 10).hold(15).run(BOTH).of("bend") == []


def test_a_lean_that_lasts_ten_seconds_is_sustained() -> None:
    bends = standing().bend(20, 25, hold_s=11).bend(20, 25, hold_s=3).hold(15).run(BOTH).of("bend")
    assert [b.evidence["sustained"] for b in bends] == [True, False]


def test_a_short_pause_that_stays_bent_joins_two_bends() -> None:
    body = standing().to(30, 8).to(10, 3, move_s=0.8, hold_s=0.2).to(30, 8, move_s=0.8).to(0, 0, hold_s=20)
    assert len(body.run(BOTH).of("bend")) == 1


@pytest.mark.parametrize("pause_deg", [0, 8])
def test_coming_up_far_enough_between_makes_two_bends(pause_deg: float) -> None:
    body = standing().to(45, 10).to(pause_deg, 0, move_s=0.8, hold_s=0.4).to(45, 10, move_s=0.8).to(0, 0, hold_s=20)
    assert len(body.run(BOTH).of("bend")) == 2


def test_squats_with_a_pause_at_the_bottom_are_not_sitting_down() -> None:
    """The pelvis sinks by a chair's height and stops there for a second, but the trunk does not come back from its lean."""
    body = standing().hold(10)
    for _ in range(5):
        body.to(25, 10, 0.50, move_s=1.2, hold_s=0.9).to(0, 0, 0.90, move_s=1.2, hold_s=0.9)
    said = body.hold(15).run(BOTH)
    assert said.of("stand_to_sit") == []
    assert len(said.of("bend")) == 5


def test_a_rise_from_the_floor_that_ends_with_the_session_is_said() -> None:
    body = standing().to(30, 45, 0.4, hold_s=0.0).to(-88, 0, FLOOR, move_s=1.5, hold_s=20)
    said = body.to(35, 45, 0.4, move_s=1.5, hold_s=0.0).to(0, 0, STAND, move_s=1.5, hold_s=0.5).run(BOTH)
    assert [e.evidence["direction"] for e in said.of("floor_transition")] == ["down", "up"]


def test_leaning_forward_while_seated_is_no_bend() -> None:
    body = standing().sit_down().to(20, 35, hold_s=4).to(-12, 20, hold_s=15)
    assert body.run(BOTH).of("bend") == []


def test_sitting_down_and_rising_are_no_bends() -> None:
    assert standing().sit_down(lean=45, hold_s=20).stand_up(lean=45, hold_s=20).run(BOTH).of("bend") == []


def test_the_closer_to_the_cut_the_less_sure_the_verdict() -> None:
    params = Config().bends
    lean = lambda flexion: a_lean(flexion_peak_deg=flexion)  # noqa: E731
    sure = [bend_verdict(lean(f), params, rom_deg=50.0)[1] for f in (24.5, 27.0, 30.0, 40.0)]
    assert sure == sorted(sure)
    assert sure[0] < 0.6
    assert sure[-1] > 0.99


def test_without_a_measured_range_a_fixed_difference_decides() -> None:
    params = Config().bends
    lean = lambda flexion: a_lean(flexion_peak_deg=flexion)  # noqa: E731
    assert bend_verdict(lean(23.0), params, rom_deg=None)[0] is Verdict.ROUNDED
    assert bend_verdict(lean(10.0), params, rom_deg=None)[0] is Verdict.NEUTRAL


@pytest.mark.parametrize(("regularity", "said"), [(0.8, Context.WALKING), (0.1, Context.STANDING)])
def test_a_small_bounce_is_walking_where_it_is_regular(regularity: float, said: Context) -> None:
    """A fifth of the wearer's own bounce of walking, for 20 s after 20 s of standing still."""
    config = Config()
    m = 40
    start, zero, one, nan = np.arange(float(m)), np.zeros(m), np.ones(m), np.full(m, np.nan)
    steps = start >= 20
    bounce = np.where(steps, 0.2 * config.context.gait_default_mps2, 0.01)
    regular = np.where(steps, regularity, 0.0)
    calibration = replace(SACRUM, sensors={p: replace(s, gait_mps2=np.nan) for p, s in SACRUM.sensors.items()})
    model = ContextModel(config, calibration, stood=[(0.0, 10.0)])
    features = EpochFeatures(start, zero, nan, nan, zero, zero, zero, bounce, regular, one, one)
    context = np.concatenate([model.push(features, ()).context, model.flush().context])
    assert set(context[24:36].tolist()) == {int(said)}


# -- chairs and context --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calibration", [BOTH, SACRUM, UPPER], ids=["two", "sacrum", "upper lumbar"])
def test_sitting_down_and_standing_up_are_found_with_any_wear(calibration: object) -> None:
    body = standing()
    down_s = body.now_s
    body.sit_down(hold_s=30)
    up_s = body.now_s
    said = body.stand_up(hold_s=30).run(calibration)  # type: ignore[arg-type]
    down, up = said.of(*CHAIRS)
    assert (down.kind, up.kind) == ("stand_to_sit", "sit_to_stand")
    assert abs(down.peak_s - (down_s + 0.9)) < 0.7
    assert abs(up.peak_s - (up_s + 0.9)) < 0.7
    assert said.context(2, down_s - 1) == {"standing"}
    assert said.context(down_s + 3, up_s - 1) == {"sitting"}
    assert said.context(up_s + 3, body.now_s - 1) == {"standing"}


def test_sitting_nearly_as_upright_as_standing_is_seen_by_the_height() -> None:
    """Seated straighter than in the calibrated tall pose, nearer to standing: the tilt fails, the transition does not."""
    said = standing().sit_down(sacrum=-3.0, flexion=4.0, hold_s=60).run(BOTH)
    assert said.context(16, 70) == {"sitting"}


@pytest.mark.parametrize("offset_mps2", [-0.4, 0.4])
def test_an_offset_of_the_part_does_not_take_the_height_of_a_chair(offset_mps2: float) -> None:
    """40 mg, what a consumer part may have: as the pelvis turns by 35 deg it adds 0.2 m/s^2 to the vertical acceleration."""
    body = standing().sit_down(sacrum=-28.0, hold_s=30).stand_up(hold_s=30)
    heights = [e.evidence["height_m"] for e in body.run(SACRUM, offset_mps2=offset_mps2).of(*CHAIRS)]
    assert heights == pytest.approx([SEAT - STAND, STAND - SEAT], abs=0.05)


def test_who_sits_leaning_far_back_has_risen_from_a_chair() -> None:
    said = standing().sit_down(sacrum=-42.0, flexion=5.0, hold_s=30).stand_up(hold_s=30).run(SACRUM)
    assert [e.kind for e in said.of(*CHAIRS)] == ["stand_to_sit", "sit_to_stand"]


@pytest.mark.parametrize("pose", ["stand", "stand_end"])
def test_the_stand_poses_of_this_session_are_standing_whatever_they_look_like(pose: str) -> None:
    """A wearer whose stand looks like the slump: what the calibration asked for is known."""
    slouching = Body().to(-20, 25, STAND).hold(20)
    calibration = replace(BOTH, poses={pose: [(4.0, 14.0)]})
    assert slouching.run(calibration, routine=(4.0, 14.0)).context(4, 20) == {"standing"}
    assert "sitting" in slouching.run(calibration).context(4, 20)


def test_quick_sits_in_a_row_are_said_with_their_rises() -> None:
    """Three seconds on a seat are less than a posture must last, but it looks like one and is left by a rise."""
    body = standing()
    for _ in range(3):
        body.sit_down(hold_s=2.5).stand_up(hold_s=8)
    said = body.hold(10).run(BOTH)
    assert [e.kind for e in said.of(*CHAIRS)] == ["stand_to_sit", "sit_to_stand"] * 3


def test_squats_are_no_chairs() -> None:
    body = standing()
    for _ in range(8):
        body.to(30, 10, 0.55, move_s=1.1, hold_s=0.2).to(0, 0, STAND, move_s=1.1, hold_s=1.0)
    assert body.hold(20).run(BOTH).of(*CHAIRS) == []


@pytest.mark.parametrize(("flexion", "verdict"), [(20, Verdict.NEUTRAL), (35, Verdict.MIXED), (42, Verdict.ROUNDED)])
def test_a_rise_is_judged_by_its_share_of_the_range(flexion: float, verdict: Verdict) -> None:
    said = standing().sit_down(hold_s=20).stand_up(flexion=flexion, hold_s=20).run(BOTH)
    assert [e.verdict for e in said.of("sit_to_stand")] == [verdict]


def test_slumping_before_a_neutral_rise_does_not_make_it_rounded() -> None:
    body = (
        standing().sit_down().to(-26, 44, hold_s=20).to(0, 15, move_s=1.0, hold_s=0.6).stand_up(flexion=15, hold_s=20)
    )
    assert [e.verdict for e in body.run(BOTH).of("sit_to_stand")] == [Verdict.NEUTRAL]


def test_one_sensor_does_not_judge_a_rise() -> None:
    said = standing().sit_down(hold_s=20).stand_up(flexion=45, hold_s=20).run(SACRUM)
    assert [e.verdict for e in said.of("sit_to_stand")] == [Verdict.UNKNOWN]


def test_walking_is_walking_and_standing_is_not() -> None:
    said = standing().walk(30).hold(30).run(BOTH)
    assert said.context(14, 40) == {"walking"}
    assert said.context(45, 70) == {"standing"}


def test_a_sit_down_is_said_though_the_second_of_the_change_is_half_the_one_and_half_the_other() -> None:
    """Seen on simulated people: the model gave the last second on the feet half of it, and the sit-down was dropped for it."""
    drop = Movement(
        start_s=28.0,
        peak_s=29.2,
        end_s=30.6,
        lean_before_deg=0.0,
        lean_peak_deg=20.0,
        lean_after_deg=-9.0,
        sacrum_after_deg=-9.0,
        upper_after_deg=np.nan,
        lateral_after_deg=0.0,
        flexion_peak_deg=np.nan,
        rate_before_dps=2.0,
        rate_after_dps=2.0,
        height_m=-0.42,
        sink_mps=1.0,
        sink_s=0.5,
        impact_mps2=16.0,
    )
    for before, said in ((0.99, ["stand_to_sit", "plunge"]), (0.55, [])):
        day = Day(two=False).add(29 / 60, Context.STANDING, 0.0, before).add(1 / 60, Context.STANDING, 0.0, 0.52)
        found = Chair(Config(), SACRUM).push(day.sit(0.5, 20.0).block(), (drop,))
        assert [s.event.kind for s in found] == said


# -- floor ---------------------------------------------------------------------------------------------------------------


def half_kneel(body: Body, *, rest_s: float = 20.0) -> Body:
    body.to(12, 6, 0.55, move_s=1.3).to(5, 3, 0.45, move_s=1.0, hold_s=0.8).to(45, 6, 0.40)
    body.to(-40, 8, 0.15, move_s=1.5, hold_s=0).to(-88, 0, FLOOR, hold_s=rest_s)
    body.to(-50, 8, 0.15, hold_s=0).to(40, 6, 0.40, move_s=1.6).to(5, 3, 0.45, move_s=1.0, hold_s=1.5)
    return body.to(0, 0, STAND, move_s=1.4, hold_s=20)


def sit_up_rounded(body: Body, *, rest_s: float = 20.0) -> Body:
    body.to(40, 45, 0.45).to(-25, 44, FLOOR, move_s=0.9).to(-88, 2, FLOOR, move_s=1.6, hold_s=rest_s)
    body.to(-25, 46, FLOOR, move_s=1.4, hold_s=0.1).to(40, 46, 0.45, move_s=1.2, hold_s=0)
    return body.to(0, 0, STAND, move_s=1.4, hold_s=20)


def test_down_and_up_by_half_kneel_is_neutral() -> None:
    said = half_kneel(standing().hold(5)).run(BOTH)
    down, up = said.of("floor_transition")
    assert [e.evidence["direction"] for e in (down, up)] == ["down", "up"]
    assert [e.verdict for e in (down, up)] == [Verdict.NEUTRAL] * 2
    assert {e.evidence["surface"] for e in (down, up)} == {"floor_or_bed"}
    assert "lying" in said.context(down.end_s, up.start_s)


def test_a_rise_that_pauses_right_after_lying_is_not_lost() -> None:
    """Seen on generated days: the pause settled the rise after one second, which was too short to be one."""
    body = standing().hold(5).to(12, 6, 0.55).to(45, 6, 0.40).to(-40, 8, 0.15, move_s=1.5, hold_s=0)
    body.to(-88, 0, FLOOR, hold_s=20).to(8, 6, 0.45, move_s=1.3, hold_s=1.6).to(0, 0, STAND, move_s=1.4, hold_s=20)
    assert [e.evidence["direction"] for e in body.run(BOTH).of("floor_transition")] == ["down", "up"]


def test_a_straight_sit_up_is_rounded() -> None:
    said = sit_up_rounded(standing().hold(5)).run(BOTH)
    assert [(e.evidence["direction"], e.verdict) for e in said.of("floor_transition")] == [
        ("down", Verdict.ROUNDED),
        ("up", Verdict.ROUNDED),
    ]
    assert said.of(*CHAIRS) == []


@pytest.mark.parametrize("calibration", [SACRUM, UPPER], ids=["sacrum", "upper lumbar"])
def test_one_sensor_judges_a_straight_way_by_its_path_and_is_never_wholly_sure(calibration: object) -> None:
    said = sit_up_rounded(standing().hold(5)).run(calibration).of("floor_transition")  # type: ignore[arg-type]
    assert [(e.verdict, e.evidence["path"]) for e in said] == [(Verdict.ROUNDED, "straight_sit_up")] * 2
    assert all(0.9 < e.confidence <= 0.97 for e in said)


def test_a_trunk_that_hangs_over_the_knees_is_a_rounded_way_though_it_stops_upright_on_the_floor() -> None:
    """Seat reached, the trunk is upright for a moment: to the upper lumbar sensor alone that looks like a stop on one knee."""
    body = standing().hold(5).to(40, 45, 0.45).to(-35, 44, FLOOR, move_s=1.2, hold_s=0.8)
    body.to(-88, 2, FLOOR, move_s=1.6, hold_s=20)
    deep = body.run(UPPER).of("floor_transition")
    body = standing().hold(5).to(20, 30, 0.45).to(-35, 44, FLOOR, move_s=1.2, hold_s=0.8)
    body.to(-88, 2, FLOOR, move_s=1.6, hold_s=20)
    shallow = body.run(UPPER).of("floor_transition")
    assert [(e.verdict, e.evidence["path"]) for e in deep] == [(Verdict.ROUNDED, "straight_sit_up")]
    assert [e.verdict for e in shallow] == [Verdict.UNKNOWN]


def test_who_lies_down_face_down_over_the_hands_is_not_said_to_be_rounded_for_the_depth() -> None:
    body = standing().hold(5).to(10, 5, 0.5, move_s=1.5, hold_s=1.2).to(60, 10, 0.4, hold_s=1.0)
    body.to(86, 4, FLOOR, move_s=1.5, hold_s=40)
    assert [e.verdict for e in body.run(UPPER).of("floor_transition")] == [Verdict.NEUTRAL]


@pytest.mark.parametrize("calibration", [BOTH, SACRUM, UPPER], ids=["two", "sacrum", "upper lumbar"])
def test_a_stop_on_one_knee_belongs_to_the_way_and_names_it(calibration: object) -> None:
    body = standing().hold(5)
    from_s = body.now_s
    body.to(12, 6, 0.45, move_s=1.5, hold_s=1.5).to(-10, 8, 0.2, move_s=1.5, hold_s=0).to(-88, 0, FLOOR, hold_s=20)
    body.to(-10, 8, 0.2, move_s=1.8, hold_s=0).to(12, 6, 0.45, move_s=1.5, hold_s=1.5).to(0, 0, STAND, move_s=1.5)
    to_s = body.now_s
    down, up = body.hold(20).run(calibration).of("floor_transition")  # type: ignore[arg-type]
    assert [(e.evidence["path"], e.verdict) for e in (down, up)] == [("half_kneel", Verdict.NEUTRAL)] * 2
    assert down.start_s == pytest.approx(from_s, abs=1.5)
    assert up.end_s == pytest.approx(to_s, abs=1.5)


def test_seconds_on_one_knee_on_the_way_up_are_floor() -> None:
    body = standing().hold(5).to(40, 45, 0.45).to(-25, 44, FLOOR, move_s=0.9).to(-88, 2, FLOOR, move_s=1.6, hold_s=20)
    body.to(-10, 8, 0.2, move_s=1.8, hold_s=0).to(12, 6, 0.45, move_s=1.5)
    from_s = body.now_s
    body.hold(2.5)
    to_s = body.now_s
    said = body.to(0, 0, STAND, move_s=1.5, hold_s=20).run(BOTH)
    assert said.context(from_s, to_s - 1) == {"floor"}


def test_upper_lumbar_alone_a_deep_bend_of_four_seconds_is_not_lying_down() -> None:
    said = standing().hold(5).bend(50, 40, hold_s=4).hold(20).run(UPPER)
    assert "lying" not in said.context(18, 26)
    assert said.of("floor_transition") == []
    assert len(said.of("bend")) == 1


def test_lying_down_from_sitting_is_no_floor_transition() -> None:
    body = standing().sit_down(hold_s=15).to(-88, 5, SEAT, move_s=2.5, hold_s=30)
    said = body.run(BOTH)
    assert said.of("floor_transition") == []
    assert len(said.of("sit_to_lie")) == 1


def test_who_hangs_forward_past_lying_stoops_and_does_not_lie() -> None:
    """Belts lean past 65 deg in half of the recorded stoops, for up to 6 s."""
    body = standing()
    start_s = body.now_s
    said = body.bend(85, 10, hold_s=4).hold(15).run(SACRUM)
    (bend,) = said.of("bend")
    assert bend.evidence["deep"] is True
    assert "lying" not in said.context(start_s, body.now_s)


def test_who_lies_face_down_is_said_to_lie_once_it_has_lasted() -> None:
    body = standing().to(60, 5, 0.4, move_s=2.0)
    body.to(88, 0, FLOOR, hold_s=30)
    said = body.run(SACRUM)
    assert said.context(body.now_s - 18, body.now_s - 1) == {"lying"}


@pytest.mark.parametrize("calibration", [BOTH, SACRUM, UPPER], ids=["two", "sacrum", "upper lumbar"])
@pytest.mark.parametrize("offset_mps2", [-0.3, 0.0, 0.3])
def test_who_sits_up_as_straight_as_a_stand_sits_by_the_height_gained(calibration: object, offset_mps2: float) -> None:
    """An offset of the part shows other amounts upright and lying: both rests are at rest, so it is known."""
    bed = standing().to(35, 10, 0.6, move_s=1.2, hold_s=0).to(-88, 0, SEAT, move_s=2.0, hold_s=20)
    sits = deepcopy(bed).to(-2, 2, SEAT + 0.05, move_s=3.0, hold_s=20)
    stands = bed.to(-10, 8, SEAT + 0.05, move_s=1.8, hold_s=0).to(40, 20, 0.7, move_s=1.2, hold_s=0)
    stands.to(-2, 2, STAND, move_s=1.2, hold_s=20)
    for body, said in ((sits, "sitting"), (stands, "standing")):
        got = body.run(calibration, offset_mps2=offset_mps2)  # type: ignore[arg-type]
        assert got.context(body.now_s - 16, body.now_s - 2) == {said}


@pytest.mark.parametrize(
    ("height_m", "lean_deg", "seconds", "least", "most"),
    [(0.34, 13.0, 5.8, 0.0, 0.3), (0.0, -4.0, 3.0, 0.95, 1.0), (0.0, 13.0, 3.0, 0.8, 1.0), (0.6, 45.0, 5.0, 0.0, 0.1)],
    ids=["onto one knee", "sitting up", "sitting up leant forward", "onto the feet"],
)
def test_who_stops_on_one_knee_after_lying_is_not_seated(
    height_m: float, lean_deg: float, seconds: float, least: float, most: float
) -> None:
    climb = Climb(0.0, seconds, height_m, seconds, from_lying=True, lean_deg=lean_deg)
    assert least <= seat_chance(climb, Config().climb, pelvis=True) <= most


def test_what_a_sit_down_shakes_is_not_gait() -> None:
    """Two seconds of bounce and turning, as recorded people land on a chair, were said to be steps and the chair was missed."""
    body = standing().to(30, 15, 0.74, move_s=0.7, hold_s=0)
    for height in (0.56, 0.62, 0.52, 0.56, 0.5):
        body.to(body.at[0] - 8, 12, height, move_s=0.28, hold_s=0)
    body.to(-12, 12, SEAT, move_s=0.4, hold_s=20)
    said = body.run(SACRUM)
    assert len(said.of("stand_to_sit")) == 1
    assert said.context(body.now_s - 18, body.now_s - 2) == {"sitting"}


@pytest.mark.parametrize("calibration", [SACRUM, UPPER], ids=["sacrum", "upper lumbar"])
def test_without_gyroscope_and_seated_poses_a_chair_is_told_by_the_posture(calibration: Calibration) -> None:
    """A tilt without a gyroscope is too wrong in motion for a height; a reclined seat is not."""
    sensors = {p: replace(s, sit_tall_deg=np.nan, slump_deg=np.nan) for p, s in calibration.sensors.items()}
    body = standing().walk(10).hold(5).sit_down(-28, 2, hold_s=20)
    said = body.stand_up(hold_s=5).walk(10).run(replace(calibration, sensors=sensors), gyro=False)
    assert [e.kind for e in said.of(*CHAIRS)] == ["stand_to_sit", "sit_to_stand"]
    assert [e.evidence["height_m"] for e in said.of(*CHAIRS)] == [None, None]


def test_a_way_there_and_back_is_not_one_way() -> None:
    """A squat comes back as fast as it went; a sit-down does not, also where the height between the ends came out too small."""
    params = Config().movement
    seat, squat = standing().sit_down(hold_s=8), standing().to(30, 10, 0.55).to(0, 0, STAND, hold_s=8)
    one_way = []
    for body in (seat, squat):
        (movement,) = Movements(params).push(
            posture_of(body.samples((Placement.SACRUM,)), {Placement.SACRUM: 50.0}, SACRUM)
        )
        one_way.append(movement.one_way)
    assert one_way[0] < -0.7
    assert abs(one_way[1]) < 0.2


def test_a_pelvis_that_leans_to_a_side_sits_rather_than_stands() -> None:
    context, deg = Config().context, np.array([-4.0, -4.0, -4.0])
    straight, aside, unknown = seated_log_ratio(deg, deg, np.array([0.0, 12.0, np.nan]), SACRUM, context)
    assert straight < unknown < aside


def test_who_turns_to_the_chair_without_a_stop_has_sat_down_by_its_height() -> None:
    """The last quiet moment lies five seconds before the lean."""
    body = standing()
    turn_s = body.now_s
    for _ in range(6):
        body.to(6, 3, move_s=0.4, hold_s=0).to(-4, 0, move_s=0.4, hold_s=0)
    (down,) = body.sit_down(sacrum=-20, hold_s=20).run(SACRUM).of(*CHAIRS)
    assert down.kind == "stand_to_sit"
    assert down.start_s == pytest.approx(turn_s, abs=0.4)
    assert down.evidence["height_m"] == pytest.approx(SEAT - STAND, abs=0.12)


def test_a_knee_on_the_way_to_the_floor_is_no_seat() -> None:
    body = standing().to(15, 5, 0.72, move_s=0.8, hold_s=0).to(2, 2, 0.55, move_s=0.8, hold_s=0.8)
    body.to(40, 10, 0.4, move_s=0.9, hold_s=0).to(2, 5, 0.25, move_s=0.9, hold_s=8)
    assert body.to(-88, 0, FLOOR, move_s=1.5, hold_s=20).run(SACRUM).of("stand_to_sit") == []


def test_who_reclines_is_believed_to_sit_in_the_end() -> None:
    """No lean and no height was seen: nobody stands leant back by 32 deg for long."""
    m = 60
    start, zero, one, nan = np.arange(float(m)), np.zeros(m), np.ones(m), np.full(m, np.nan)
    lean = np.where(start < 20, 0.0, -32.0)
    model = ContextModel(Config(), SACRUM, stood=[(0.0, 10.0)])
    features = EpochFeatures(start, lean, nan, nan, zero, -lean, zero, 0.01 * one, zero, one, one)
    context = np.concatenate([model.push(features, ()).context, model.flush().context])
    assert set(context[:18].tolist()) == {int(Context.STANDING)}
    assert set(context[45:].tolist()) == {int(Context.SITTING)}


def test_lying_down_from_a_reclined_seat_and_back_is_said() -> None:
    """A seat of 29 deg behind standing is upright for who sits."""
    body = standing().sit_down(sacrum=-29, flexion=5, hold_s=20).to(-88, 5, SEAT, move_s=2.5, hold_s=30)
    said = body.to(-29, 5, SEAT, move_s=3.0, hold_s=30).run(SACRUM)
    assert [e.kind for e in said.of("sit_to_lie", "lie_to_sit", "floor_transition")] == ["sit_to_lie", "lie_to_sit"]


def test_a_push_onto_the_feet_after_lying_tells_them_from_a_seat() -> None:
    """A way up that nobody rested at the end of has no height."""
    climb = Climb(0.0, 3.0, float("nan"), 6.0, from_lying=True, lean_deg=8.0)
    chances = [seat_chance(replace(climb, surge_mps=mps), Config().climb, pelvis=True) for mps in (0.0, 0.1, 0.2, 0.4)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.6
    assert chances[-1] < 0.1


@pytest.mark.parametrize("feet", [True, False])
def test_who_gets_up_and_does_not_rest_is_known_to_sit_or_stand(feet: bool) -> None:
    """Fidgeting straight after the way up, as upright as a stand either way."""
    body = standing().to(35, 10, 0.6, move_s=1.2, hold_s=0).to(-88, 0, SEAT, move_s=2.0, hold_s=20)
    if feet:
        body.to(0, 5, SEAT, move_s=1.5, hold_s=0).to(20, 10, 0.7, move_s=0.5, hold_s=0).to(
            -2, 2, STAND, move_s=0.5, hold_s=0
        )
    else:
        body.to(-2, 2, SEAT + 0.03, move_s=3.0, hold_s=0)
    for _ in range(15):
        body.to(2, 2, move_s=0.4, hold_s=0).to(-3, 2, move_s=0.4, hold_s=0)
    said = body.hold(20).run(SACRUM)
    assert said.context(body.now_s - 18, body.now_s - 2) == {"standing" if feet else "sitting"}


def test_sitting_up_in_bed_is_seen_by_the_posture() -> None:
    """No way up of a chair's height: the pelvis alone says that it sits, and it is looked at once it has settled."""
    body = standing().to(-40, 8, 0.5, move_s=1.5).to(-88, 0, SEAT, move_s=1.5, hold_s=20).to(30, 10, move_s=2)
    up_s = body.now_s
    assert body.to(-10, 12, SEAT, move_s=1.5, hold_s=20).run(SACRUM).context(up_s + 4, up_s + 19) == {"sitting"}


# -- sitting in flexion --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calibration", "measure", "still_s"),
    [(BOTH, "flexion_pct_rom", 0), (SACRUM, "slump_index_pct", 3)],
    ids=["two", "sacrum"],
)
def test_a_slump_is_one_bout_with_its_times(calibration: object, measure: str, still_s: int) -> None:
    """still_s : at rest after a movement until the sacrum alone says what it was. Sitting up may be a lean first, which the
    seconds say and the bout does not."""
    body = standing().sit_down(TALL_SACRUM, 10.0, hold_s=60)
    from_s = body.now_s
    body.to(-26, 40, move_s=2, hold_s=300)
    to_s = body.now_s
    said = body.to(TALL_SACRUM, 10.0, move_s=2, hold_s=60).run(calibration)  # type: ignore[arg-type]
    (bout,) = said.of("flexed_sitting")
    assert bout.start_s == pytest.approx(from_s + 1 + still_s, abs=2)
    assert bout.end_s == pytest.approx(to_s + 1, abs=2)
    assert bout.evidence["measure"] == measure
    assert bout.confidence <= (1.0 if calibration is BOTH else Config().sitting.sacrum_share)
    flexed = said.epochs.flexed[int(from_s) + 3 + still_s : int(to_s) - 1]
    assert set(flexed.tolist()) == {1}
    assert set(said.epochs.flexed[20 + still_s : int(from_s) - 1].tolist()) == {0}


TALL_SACRUM = -8.0


def test_standing_is_neither_flexed_nor_not() -> None:
    """`flexed` is a word about sitting: elsewhere it is null."""
    assert set(standing().hold(60).run(BOTH).epochs.flexed.tolist()) == {-1}


def test_the_upper_lumbar_alone_is_not_asked_when_it_cannot_tell() -> None:
    from dataclasses import replace

    said = standing().sit_down(-26, 44, hold_s=120).run(replace(UPPER, judges_sitting=False))
    assert set(said.epochs.flexed.tolist()) == {-1}
    assert np.isnan(said.epochs.slump_index_pct).all()


# -- bad input -----------------------------------------------------------------------------------------------------------


def test_a_lost_link_is_a_gap_and_not_a_posture() -> None:
    said = standing().hold(20).lose(30).hold(30).run(BOTH)
    (gap,) = said.of("gap")
    assert gap.start_s == pytest.approx(32, abs=1.1)
    assert gap.end_s == pytest.approx(62, abs=1.1)
    assert said.context(34, 60) == {"gap"}
    assert np.isnan(said.epochs.flexion_deg[34:60]).all()
    assert len(said.epochs) == 92


def test_sitting_is_still_sitting_after_a_gap_of_half_a_minute() -> None:
    said = standing().sit_down(-20, 35, hold_s=60).lose(30).hold(60).run(BOTH)
    assert said.context(110, 160) == {"sitting"}


@pytest.mark.parametrize("dead", list(Placement))
def test_when_one_sensor_dies_the_other_goes_on_and_nothing_is_made_up(dead: Placement) -> None:
    said = standing().hold(120).run(BOTH, dead=dead)
    half = len(said.epochs) // 2
    assert np.isnan(said.epochs.flexion_deg[half + 2 :]).all()
    assert said.context(half + 3, len(said.epochs) - 1) == {"standing"}


def test_a_sensor_flat_on_the_table_raises_nothing() -> None:
    body = Body(at=(88.0, 0.0, SEAT)).hold(40 * 60)
    said = body.run(BOTH)
    assert said.alerts == []
    assert "sitting" not in said.context(60, 2300)
