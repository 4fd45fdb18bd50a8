"""Non-wear: a table is not a person, however still the person sits; and what it leaves of the epochs and events."""

from __future__ import annotations

import numpy as np
import pytest
from body import RATE_HZ, Body
from seconds import Day, wear

from posture.alerts import AlertPolicy, Epoch
from posture.config import Config
from posture.detect.finalise import finalised
from posture.pipeline import Pipeline, SensorSpec
from posture.types import Basis, Context, EpochBlock, EventKind, ImuBatch, ImuBlock, Placement, PostureEvent, Verdict

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
