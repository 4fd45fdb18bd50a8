"""A belt that shifts, and a belt that was taken off: found by walking, said, and nothing scored until it is put right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from body import Body
from seconds import Day, wear
from streams import context_rows

from posture.config import Config
from posture.detect.slip import REMOUNT_S, Slip
from posture.signal.calibration import Calibration
from posture.signal.join import BLOCK_S
from posture.types import AlertKind, Bool, Context, EventKind, Float, Placement, PostureEvent, Verdict

WALKED = replace(wear(), sensors={p: replace(s, walk_deg=0.0) for p, s in wear().sensors.items()})


def up(inclination_deg: Float, lateral_deg: float = 0.0) -> Float:
    """(m,) inclinations -> (m, 3) up vectors of a sensor whose axes are the body's."""
    pitch, roll = np.radians(inclination_deg), np.radians(lateral_deg) + 0 * inclination_deg
    return np.stack([-np.sin(pitch) * np.cos(roll), np.sin(roll), np.cos(pitch) * np.cos(roll)], axis=1)


def day(
    *bouts: tuple[float, float],
    minutes: float = 1.0,
    off: tuple[int, int] = (0, 0),
    calibration: Calibration = WALKED,
    lateral_deg: float = 0.0,
) -> tuple[list[PostureEvent], Slip]:
    """Walking bouts of (sacrum, upper lumbar) deg with a minute of standing after each, through the stage."""
    made = Day()
    for _ in bouts:
        made.add(minutes, Context.WALKING).stand(1)
    block = made.block()
    each = round(60 * (minutes + 1))
    angle = np.repeat(np.array(bouts, dtype=np.float64), each, axis=0)
    ups = {p: up(angle[:, k], lateral_deg) for k, p in enumerate(Placement)}
    away: Bool = (block.start_s >= off[0]) & (block.start_s < off[1])
    stage = Slip(Config().slip, calibration)
    said = stage.push(block, ups, away) + stage.flush()
    return [s.event for s in said], stage


def states(events: list[PostureEvent]) -> list[object]:
    return [e.evidence["state"] for e in events]


def test_a_belt_shifted_by_12_deg_pauses_after_two_bouts() -> None:
    events, stage = day((0, 0), (12, 0), (12, 0), (12, 0))
    assert states(events) == ["paused"]
    assert events[0].evidence["placement"] == "sacrum"
    assert events[0].start_s == 120.0
    paused = stage.paused(np.arange(480.0))
    assert not paused[:260].any()  # said 20 s into the second bout, not at its end
    assert paused[260:].all()


def test_9_deg_ask_and_7_say_nothing() -> None:
    assert states(day((0, 0), (0, 9), (0, 9))[0]) == ["ask"]
    assert states(day((0, 0), (7, 7), (7, 7))[0]) == []


def test_one_walk_up_a_slope_is_no_slip() -> None:
    assert states(day((0, 0), (15, 15), (0, 0), (15, 15))[0]) == []
    assert states(day((0, 0), (12, 0), (-12, 0))[0]) == []


def test_putting_it_back_is_said_and_ends_the_pause() -> None:
    events, stage = day((12, 0), (12, 0), (0, 0), (0, 0))
    assert states(events) == ["paused", "ok"]
    paused = stage.paused(np.arange(480.0))
    assert paused[180:300].all()
    assert not paused[420:].any()


def test_a_short_walk_is_no_bout() -> None:
    assert states(day((12, 0), (12, 0), (12, 0), minutes=0.2)[0]) == []


def test_without_a_calibration_walk_the_first_walk_is_the_anchor() -> None:
    assert states(day((5, 0), (5, 0), (5, 0), calibration=wear())[0]) == []
    assert states(day((5, 0), (17, 0), (17, 0), calibration=wear())[0]) == ["paused"]


def test_the_first_walk_after_a_table_makes_a_new_neutral_without_asking() -> None:
    """On again 9 deg further forward and 6 deg askew: the next walk looks like the calibration walk in the new frames."""
    events, stage = day((0, 0), (9, -4), (9, -4), off=(70, 110), lateral_deg=6.0)
    assert states(events) == ["re_zeroed"]
    assert events[0].evidence["sacrum_shift_deg"] == pytest.approx(9.0, abs=0.1)
    assert events[0].evidence["off_s"] == 70.0
    from_s = events[0].evidence["from_s"]
    assert from_s == (180 // REMOUNT_S + 2) * REMOUNT_S
    for k, deg in ((Placement.SACRUM, 9.0), (Placement.UPPER_LUMBAR, -4.0)):
        turned = stage.worn(300.0).sensors[k].body_from_sensor
        np.testing.assert_allclose(turned @ up(np.array([deg]), 6.0)[0], [0, 0, 1], atol=1e-12)
        np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
        assert stage.worn(299.0).sensors[k] is WALKED.sensors[k]


def test_nothing_is_scored_from_the_table_until_the_new_frames_are_in_force() -> None:
    _, stage = day((0, 0), (9, -4), (9, -4), off=(70, 110))
    paused = stage.paused(np.arange(360.0))
    assert not paused[:70].any()
    assert paused[70:300].all()
    assert not paused[300:].any()


def test_a_sensor_put_on_upside_down_gets_no_new_neutral_and_says_that_it_is_not_known() -> None:
    events, stage = day((0, 0), (170, 0), (170, 0), off=(70, 110))
    assert states(events) == ["unsettled"]
    assert stage.paused(np.arange(360.0))[70:].all()


def test_a_walk_that_was_a_bag_is_put_right_by_the_next_walk() -> None:
    """On from the table into a bag that is carried about, then on the body: the newer walk counts, and both are said."""
    events, stage = day((0, 0), (30, 30), (4, -2), (4, -2), off=(70, 110))
    assert states(events) == ["re_zeroed", "re_zeroed"]
    turned = stage.worn(600.0).sensors[Placement.SACRUM].body_from_sensor
    np.testing.assert_allclose(turned @ up(np.array([4.0]))[0], [0, 0, 1], atol=1e-12)
    assert states(day((0, 0), (9, 9), (10, 8), (22, 9), (22, 9), off=(70, 110))[0]) == ["re_zeroed", "paused"]


@pytest.mark.parametrize("start_s", range(0, BLOCK_S, 20))
def test_settled_frames_stay_until_the_block_ends(start_s: int) -> None:
    """From the table into a bag for ten minutes, then on the body, off again for 10 s and walked: three new frames."""
    made, angle = Day(), []
    for deg, stands in (((0, 0), 0.5), ((30, 30), 10), ((4, -2), 0.5), ((4, -2), 0.5), ((9, 9), 0.5), ((9, 9), 0.5)):
        made.add(1, Context.WALKING).stand(stands)
        angle += [deg] * (len(made.rows) - len(angle))
    block = made.block()
    ups = {p: up(np.array(angle, dtype=np.float64)[:, k]) for k, p in enumerate(Placement)}
    off = ((block.start_s >= 65) & (block.start_s < 80)) | ((block.start_s >= 950) & (block.start_s < 960))
    stage, settled = Slip(Config().slip, WALKED), []
    for k in range(len(off)):
        now_s = float(start_s + k)
        if stage.settled(now_s):
            settled.append(now_s)
        second = replace(context_rows(block, k, k + 1), start_s=np.array([now_s]))
        stage.push(second, {p: u[k : k + 1] for p, u in ups.items()}, off[k : k + 1])
    changes = [r.from_s for r in stage.state.remounts]
    assert len(changes) == 3
    for now_s in settled:
        assert not [c for c in changes if now_s < c < (now_s // BLOCK_S + 1) * BLOCK_S]


def test_a_gap_of_21_minutes_may_have_been_a_take_off_and_of_19_not() -> None:
    for minutes, wanted in ((21, ["re_zeroed"]), (19, [])):
        block = Day().stand(1).add(minutes, Context.GAP).add(1, Context.WALKING).stand(1).block()
        ups = {p: up(np.full(len(block.start_s), 6.0)) for p in Placement}
        said = Slip(Config().slip, WALKED).push(block, ups, np.zeros(len(block.start_s), dtype=bool))
        assert states([s.event for s in said]) == wanted


def slipped(deg: float) -> tuple[Body, float]:
    """Walks, then the sacrum sensor tips by `deg`, walks twice, sits in a slump and bends rounded."""
    body = Body().hold(12).walk(30).hold(10)
    moved_s = body.now_s
    body.at = (deg, -deg, body.at[2])  # the sacrum sensor alone turns; the upper one stays
    for _ in range(2):
        body.hold(8).walk(30)
    body.hold(10).to(deg + 40, 40 - deg).to(deg, -deg, hold_s=10)
    return body, moved_s


@pytest.mark.parametrize(("deg", "verdict"), [(0.0, Verdict.ROUNDED), (12.0, Verdict.UNKNOWN)])
def test_after_a_slip_bends_are_not_judged_and_the_wearer_is_told(deg: float, verdict: Verdict) -> None:
    body, moved_s = slipped(deg)
    said = body.run(WALKED)
    bends = [e for e in said.of("bend") if e.start_s > moved_s + 70]
    assert [e.verdict for e in bends] == [verdict]
    moved = [e for e in said.events if e.kind is EventKind.SENSOR_MOVED]
    assert len(moved) == (1 if deg else 0)
    told = [a for a in said.alerts if a.kind is AlertKind.RECALIBRATE]
    assert len(told) == len(moved)
    if moved:
        assert moved[0].evidence["placement"] == str(Placement.SACRUM)
        assert moved[0].peak_deg == pytest.approx(deg, abs=2.0)
        assert "nothing is scored" in told[0].reason


def test_while_paused_sitting_is_not_judged_and_raises_nothing() -> None:
    from posture.detect.sitting import Sitting

    block = Day().sit(60, 88).block()
    epochs, said = Sitting(Config(), wear()).push(block, np.ones(len(block.start_s), dtype=bool))
    assert set(epochs.flexed.tolist()) == {-1}
    assert epochs.creep.max() == 0.0
    assert said == []


def stairs(*walks: tuple[float, ...]) -> list[PostureEvent]:
    """Walks with a minute of standing after each; within a walk half a minute of each inclination of the sacrum, deg."""
    made, deg = Day(), []
    for ways in walks:
        made.add(0.5 * len(ways), Context.WALKING).stand(1)
        deg += [way for way in ways for _ in range(30)] + [0.0] * 60
    block = made.block()
    ups = {Placement.SACRUM: up(np.array(deg)), Placement.UPPER_LUMBAR: up(np.zeros(len(deg)))}
    stage = Slip(Config().slip, WALKED)
    said = stage.push(block, ups, np.zeros(len(deg), dtype=np.bool_))
    return [s.event for s in said + stage.flush()]


def test_the_level_part_between_two_flights_of_stairs_tells_a_slip() -> None:
    """Slipped by -10 deg; on the stairs the wearer leans forward by 6. Said while the walk goes on, 20 s into its level part."""
    events = stairs((0.0,), (-10.0,), (-4.0, -10.0, -4.0), (-10.0,))
    assert states(events) == ["ask"]
    assert events[0].end_s == 90 + 90 + 50
    assert events[0].evidence["shift_deg"] == pytest.approx(-10.0)


def test_stairs_in_every_walk_are_no_slip_while_the_level_parts_are_as_calibrated() -> None:
    assert stairs((0.0,), (12.0, 0.0), (12.0, 1.0, 12.0), (0.5, 12.0)) == []
