"""Non-wear: a table is not a person, however still the person sits; and what it leaves of the epochs and events."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from body import RATE_HZ, Body
from seconds import Day, wear

from analysis.validation.synth import Day as SynthDay
from analysis.validation.synth import Mounting, Script, make, person
from analysis.validation.synth.quat import about
from posture.alerts import AlertPolicy, Epoch
from posture.config import Config
from posture.detect.finalise import finalised
from posture.detect.wear import Wear
from posture.pipeline import Output, Pipeline, SensorSpec
from posture.signal.calibrate import calibrate
from posture.types import (
    AlertKind,
    Basis,
    Context,
    EpochBlock,
    EventKind,
    ImuBatch,
    ImuBlock,
    Placement,
    PostureEvent,
    Verdict,
)

BOTH = wear()


def put_down(body: Body, tilt_deg: float, minutes: float, seed: int = 2) -> tuple[ImuBlock, ...]:
    """The body's samples, then the sensors lying on a table: gravity and the noise of the part, nothing else."""
    rng = np.random.default_rng(seed)
    blocks = []
    for block in body.samples(tuple(Placement)):
        n = round(60 * minutes * RATE_HZ)
        radians = np.radians(tilt_deg)
        force = np.array([-9.81 * np.sin(radians), 0.0, 9.81 * np.cos(radians)])
        time_s = len(block.time_s) / RATE_HZ + np.arange(n) / RATE_HZ
        blocks.append(
            ImuBlock(
                block.placement,
                np.concatenate([block.time_s, time_s]),
                np.concatenate([block.acc_mps2, force + rng.normal(0, 0.01, (n, 3))]),
                np.concatenate([block.gyr_radps, rng.normal(0.005, 0.002, (n, 3))]),  # type: ignore[list-item]
                np.concatenate([block.arrived_s, time_s]),
            )
        )
    return tuple(blocks)


def session(blocks: tuple[ImuBlock, ...]) -> tuple[EpochBlock, list[PostureEvent], list[object]]:
    pipeline = Pipeline({b.placement: SensorSpec(RATE_HZ) for b in blocks}, BOTH, Config())
    outs = [pipeline.push(ImuBatch(blocks, float(blocks[0].time_s[-1]))), pipeline.flush()]
    epochs, events = finalised(
        EpochBlock.joined([e for o in outs for e in o.epochs]), [e for o in outs for e in o.events]
    )
    return epochs, events, [a for o in outs for a in o.alerts]


@pytest.mark.parametrize("tilt_deg", [88.0, 0.0, -20.0], ids=["flat", "upright on a shelf", "leant back"])
def test_a_sensor_on_the_table_is_not_lying_and_raises_nothing(tilt_deg: float) -> None:
    worn = Body().hold(30).sit_down(hold_s=30)
    epochs, events, alerts = session(put_down(worn, tilt_deg, 40))
    assert alerts == []
    (away,) = [e for e in events if e.kind is EventKind.NON_WEAR]
    assert away.start_s == pytest.approx(worn.now_s, abs=30)
    assert set(epochs.context[int(away.start_s) + 1 : -1].tolist()) == {int(Context.NON_WEAR)}
    assert set(epochs.flexed[int(away.start_s) + 1 :].tolist()) == {-1}
    assert not [e for e in events if e.kind in (EventKind.SIT_TO_LIE, EventKind.FLEXED_SITTING)]


def test_a_still_reader_of_40_minutes_is_worn() -> None:
    """Breathing of a quarter of a degree is all that moves."""
    body = Body().hold(20).sit_down(-15, 25, hold_s=40 * 60)
    epochs, events, _ = session(body.samples(tuple(Placement)))
    assert [e for e in events if e.kind is EventKind.NON_WEAR] == []
    assert int(Context.NON_WEAR) not in epochs.context


def test_nine_minutes_on_the_table_are_not_yet_non_wear() -> None:
    _, events, _ = session(put_down(Body().hold(30), 88.0, 9))
    assert [e for e in events if e.kind is EventKind.NON_WEAR] == []


def test_a_gap_is_not_non_wear() -> None:
    _, events, _ = session(Body().hold(20).lose(900).hold(20).samples(tuple(Placement)))
    assert [e.kind for e in events] == [EventKind.GAP]


def worn_day(script: Script) -> tuple[EpochBlock, list[PostureEvent], SynthDay]:
    """A simulated session through calibration and pipeline, with what is known afterwards laid over it."""
    made = make(script)
    result = whole(made, [])
    epochs, events = finalised(EpochBlock.joined(result.epochs), result.events)
    return epochs, events, made


def whole(made: SynthDay, cuts_s: list[float], *, start_s: float = 0.0) -> Output:
    """Everything that the pipeline says of the day, which starts at `start_s`, pushed in pieces that end at `cuts_s`."""
    blocks, last_s = made.blocks(), start_s + float(made.track.time_s[-1])
    routine = [_piece(b, 0.0, made.track.calibration_end_s) for b in blocks]
    blocks = tuple(replace(b, time_s=b.time_s + start_s, arrived_s=b.arrived_s + start_s) for b in blocks)
    calibration = calibrate(routine, dict.fromkeys(Placement, 50.0), made.track.poses, Config())
    pipeline = Pipeline(dict.fromkeys(Placement, SensorSpec(50.0)), calibration, Config(), want_angles=True)
    out = Output()
    ends = [*cuts_s, last_s + 1.0]
    pieces = [
        pipeline.push(ImuBatch(tuple(_piece(b, from_s, to_s) for b in blocks), min(to_s, last_s)))
        for from_s, to_s in pairwise([-1.0, *ends])
    ]
    for piece in [*pieces, pipeline.flush(last_s)]:
        out.epochs += piece.epochs
        out.events += piece.events
        out.alerts += piece.alerts
        out.angles += piece.angles
    return out


def _piece(block: ImuBlock, from_s: float, to_s: float) -> ImuBlock:
    rows = slice(*np.searchsorted(block.time_s, [from_s, to_s]))
    gyr = block.gyr_radps[rows] if block.gyr_radps is not None else None
    return ImuBlock(block.placement, block.time_s[rows], block.acc_mps2[rows], gyr, block.arrived_s[rows])


@pytest.mark.parametrize(("where", "shaken_min_s"), [("bag", 600), ("car", 400)])  # a car stops at lights
def test_a_sensor_carried_in_a_bag_or_riding_on_a_car_seat_is_not_worn(where: str, shaken_min_s: float) -> None:
    script = Script(person(3)).calibrate().walk(40).stand(20).take_off().table(15, where).put_on().stand(30).walk(30)
    _, events, made = worn_day(script.stand(30))
    (truth,) = [e for e in made.track.events if e["type"] == "non_wear"]
    (away,) = [e for e in events if e.kind is EventKind.NON_WEAR]
    assert away.start_s == pytest.approx(truth["t0"], abs=15)
    assert away.end_s == pytest.approx(truth["t1"], abs=15)
    assert away.evidence["shaken_s"] > shaken_min_s  # type: ignore[operator]
    assert not {EventKind.FLOOR_TRANSITION, EventKind.LIE_TO_SIT, EventKind.SIT_TO_LIE} & {e.kind for e in events}


def test_lying_for_half_an_hour_with_an_exercise_is_worn() -> None:
    script = Script(person(4)).calibrate().stand(10).floor_down().lie(15).set_of("offload_control", 10).brace(10)
    _, events, _ = worn_day(script.lie(10, "side").floor_up().stand(20))
    assert [e.kind for e in events if e.kind in (EventKind.NON_WEAR, EventKind.SENSOR_MOVED)] == []


RE_DONNED = Script(person(5)).calibrate().walk(40).stand(20).take_off().table(2.5).put_on().stand(4)


def test_the_upright_of_a_re_donned_sensor_is_right_again_two_minutes_after_the_first_walk() -> None:
    turned = {p: [Mounting(), Mounting(about("y", np.array([12.0]))[0])] for p in Placement}
    script = deepcopy(RE_DONNED).walk(30).stand(150)
    made = make(script, mountings=turned)
    result = whole(made, [])
    epochs = EpochBlock.joined(result.epochs)
    (moved,) = [e for e in result.events if e.kind is EventKind.SENSOR_MOVED]
    assert moved.evidence["state"] == "re_zeroed"
    walked, settled = int(moved.start_s), int(moved.evidence["from_s"])  # type: ignore[arg-type]
    for said in (epochs.sacrum_inclination_deg, epochs.upper_lumbar_inclination_deg):
        assert abs(np.median(said[walked - 4 : walked])) > 9.0, "the sensor was not turned"
        assert abs(np.median(said[settled:-5])) < 2.0
    assert AlertKind.RECALIBRATE not in {a.kind for a in result.alerts}


@cache
def quickly_re_donned() -> SynthDay:
    """Off for just over a minute: it can come off, and its new frames be found, within one joined block."""
    script = Script(person(5)).calibrate().walk(40).stand(20).take_off().table(1.3).put_on().stand(4)
    return make(script.walk(30).stand(8).walk(20).stand(300))


@pytest.mark.parametrize("start_s", [0.0, 60.0, 120.0, 180.0, 240.0])
def test_new_frames_come_into_force_at_the_same_tick_however_the_samples_are_cut(start_s: float) -> None:
    made = quickly_re_donned()
    end_s = start_s + float(made.track.time_s[-1])
    one = whole(made, [], start_s=start_s)
    (moved,) = [e for e in one.events if e.kind is EventKind.SENSOR_MOVED]
    assert float(moved.evidence["from_s"]) < end_s - 5.0  # type: ignore[arg-type]
    for every_s in (1.0, 61.7):
        other = whole(made, np.arange(start_s + every_s, end_s, every_s).tolist(), start_s=start_s)
        for name in ("sacrum_inclination_deg", "upper_lumbar_inclination_deg", "flexion_deg", "tilt_deg"):
            ours, theirs = (np.concatenate([getattr(a, name) for a in r.angles]) for r in (one, other))
            np.testing.assert_array_equal(ours, theirs)
        assert other.events == one.events


def test_a_sitting_alert_waits_while_nothing_moves() -> None:
    policy = AlertPolicy(Config().alerts, lag_s=5, judges_sitting=True)
    said = [
        policy.push(Epoch(float(s), int(Context.SITTING), 0.95, 0.9, 1, motionless=400 <= s < 1000))
        for s in range(300, 1500)
    ]
    assert [a.about_s for a in said if a] == [1000.0]


def event(kind: EventKind, start_s: float, end_s: float) -> PostureEvent:
    return PostureEvent(kind, start_s, end_s, start_s, 0.0, Verdict.UNKNOWN, Basis.TWO, 0.9)


def test_events_inside_leave_the_list_and_are_counted() -> None:
    epochs, _ = Day().sit(30, 75).run()
    said = [
        event(EventKind.NON_WEAR, 600, 1300),
        event(EventKind.SIT_TO_LIE, 605, 615),
        event(EventKind.BEND, 100, 104),
    ]
    done, events = finalised(epochs, said)
    assert [e.kind for e in events] == [EventKind.BEND, EventKind.NON_WEAR]
    assert events[1].evidence["events_left_out"] == 1
    assert (done.context == Context.NON_WEAR).sum() == 700
    assert (epochs.context == Context.NON_WEAR).sum() == 0, "the input was written to"


@pytest.mark.parametrize(
    ("kind", "start_s", "end_s", "left_out"),
    [
        (EventKind.SIT_TO_LIE, 525, 540, False),
        (EventKind.SIT_TO_LIE, 530, 545, True),
        (EventKind.SIT_TO_LIE, 590, 603, True),
        (EventKind.LIE_TO_SIT, 590, 603, False),
        (EventKind.LIE_TO_SIT, 1297, 1310, True),
        (EventKind.LIE_TO_SIT, 1355, 1370, True),
        (EventKind.LIE_TO_SIT, 1360, 1375, False),
        (EventKind.SIT_TO_LIE, 1297, 1310, False),
    ],
)
def test_putting_the_sensor_down_and_on_again_is_not_lying_down_and_getting_up(
    kind: EventKind, start_s: float, end_s: float, left_out: bool
) -> None:
    """Up to a minute before and after; most of it may lie outside, across the edge of the interval as well."""
    epochs, _ = Day().sit(30, 75).run()
    _, events = finalised(epochs, [event(EventKind.NON_WEAR, 600, 1300), event(kind, start_s, end_s)])
    assert (kind not in {e.kind for e in events}) == left_out


def test_a_lean_on_the_way_to_the_floor_is_not_a_bend_as_well() -> None:
    epochs, _ = Day().sit(1, 75).run()
    said = [
        event(EventKind.BEND, 10, 12),
        event(EventKind.FLOOR_TRANSITION, 9, 15),
        event(EventKind.BEND, 14, 18),
        event(EventKind.FLOOR_TRANSITION, 40, 46),
    ]
    _, events = finalised(epochs, said)
    assert [(e.kind, e.start_s) for e in events] == [
        (EventKind.FLOOR_TRANSITION, 9),
        (EventKind.BEND, 14),
        (EventKind.FLOOR_TRANSITION, 40),
    ]
    assert [e.evidence["bends_left_out"] for e in events if e.kind is EventKind.FLOOR_TRANSITION] == [1, 0]


def test_what_lies_mostly_outside_stays() -> None:
    epochs, _ = Day().sit(30, 75).run()
    _, events = finalised(epochs, [event(EventKind.NON_WEAR, 600, 1300), event(EventKind.FLEXED_SITTING, 100, 700)])
    assert EventKind.FLEXED_SITTING in {e.kind for e in events}


def test_without_non_wear_nothing_changes() -> None:
    epochs, _ = Day().sit(5, 75).run()
    said = [event(EventKind.BEND, 1, 3)]
    assert finalised(epochs, said) == (epochs, said)


def test_the_body_of_these_tests_breathes() -> None:
    sacrum, _ = Body().hold(60).samples(tuple(Placement))
    tilt = np.degrees(np.arctan2(-sacrum.acc_mps2[:, 0], sacrum.acc_mps2[:, 2])).reshape(60, 50).mean(axis=1)
    assert 0.3 < np.ptp(tilt) < 1.5


def test_two_sensors_that_lie_as_no_back_can_bend_are_not_worn_though_each_could_be() -> None:
    """A carried bag: one sensor nearly upright, the other on its head. The same ride with both upright could be a walk."""
    apart, together = (bagged(upper_z) for upper_z in (-1.0, 1.0))
    assert [(e.kind, e.start_s, e.end_s) for e in apart] == [(EventKind.NON_WEAR, 600.0, 1500.0)]
    assert together == []


def test_a_second_whose_ups_cancel_has_no_direction_and_says_nothing() -> None:
    wear = Wear(Config().wear, Config().context.lying_tilt_deg, BOTH)
    ups = {Placement.SACRUM: np.zeros((1, 3)), Placement.UPPER_LUMBAR: np.array([[0.0, 0.0, 1.0]])}
    assert not wear._as_nobody_moves(ups).any()


def bagged(upper_z: float) -> list[PostureEvent]:
    """Ten minutes of sitting and fifteen of shaking: the sacrum's upright stays, the upper lumbar's is turned."""
    block = Day().sit(25, 70).block()
    shaken = np.where(block.start_s >= 600, 0.3, 0.0)
    tilt = 10.0 + np.sin(block.start_s)
    block = replace(
        block, features=replace(block.features, tilt_deg=tilt, rate_dps=1 + 3 * (tilt % 1), gait_mps2=shaken)
    )
    ups = {p: np.tile([0.0, 0.0, 1.0], (len(shaken), 1)) for p in Placement}
    ups[Placement.UPPER_LUMBAR][600:, 2] = upper_z
    stage = Wear(Config().wear, 65.0, BOTH)
    _, said = stage.push(block, ups)
    return [s.event for s in said + stage.flush()]
