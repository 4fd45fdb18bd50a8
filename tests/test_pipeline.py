"""What the composition itself decides: confidence and verdicts of lesser wears, the calibration routine, the end of a session."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from body import RATE_HZ, Body
from seconds import wear

from posture.config import Config
from posture.pipeline import CALIBRATION_SET, Output, Pipeline, SensorSpec
from posture.signal.calibration import Calibration
from posture.types import (
    ClockFit,
    EpochBlock,
    ImuBatch,
    ImuBlock,
    InputError,
    Placement,
    PostureEvent,
    Segment,
    Verdict,
)

BOTH = wear()


def rounded_bends() -> Body:
    return Body().hold(12).bend(40, 40).bend(40, 40).hold(15)


def said_by(
    body: Body,
    calibration: Calibration,
    *,
    every: int = 1,
    gyro: bool = True,
    routine: tuple[float, float] | None = None,
) -> tuple[EpochBlock, list[PostureEvent], list[Output]]:
    blocks = tuple(
        replace(
            b,
            time_s=b.time_s[::every],
            acc_mps2=b.acc_mps2[::every],
            gyr_radps=b.gyr_radps[::every] if gyro and b.gyr_radps is not None else None,
            arrived_s=b.arrived_s[::every],
        )
        for b in body.samples(tuple(calibration.sensors))
    )
    specs = {b.placement: SensorSpec(RATE_HZ / every, gyro) for b in blocks}
    pipeline = Pipeline(specs, calibration, Config(), routine=routine)
    outs = [pipeline.push(ImuBatch(blocks, body.now_s)), pipeline.flush()]
    return EpochBlock.joined([e for o in outs for e in o.epochs]), [e for o in outs for e in o.events], outs


def test_slow_sensors_count_bends_without_a_verdict() -> None:
    fast = [e.verdict for e in said_by(rounded_bends(), BOTH)[1] if e.kind == "bend"]
    slow = [e.verdict for e in said_by(rounded_bends(), BOTH, every=5)[1] if e.kind == "bend"]
    assert fast == [Verdict.ROUNDED] * 2
    assert slow == [Verdict.UNKNOWN] * 2


def thinned(block: ImuBlock, every: int, rows: slice, number: int) -> ImuBlock:
    """Every n-th sample of some rows, as a segment of its own."""
    rows = slice(rows.start, rows.stop, every)
    assert block.gyr_radps is not None
    columns = (block.time_s[rows], block.acc_mps2[rows], block.gyr_radps[rows], block.arrived_s[rows])
    return ImuBlock(block.placement, *columns, Segment(number, RATE_HZ / every))


@pytest.mark.parametrize("batch_s", [3.0, 1000.0])
def test_only_the_slow_part_of_a_session_counts_bends_without_a_verdict(batch_s: float) -> None:
    body = Body().hold(12)
    cuts = [0]
    for _ in range(3):
        body.bend(40, 40).bend(40, 40).hold(15)
        cuts.append(round(body.now_s * RATE_HZ))
    whole = body.samples(tuple(BOTH.sensors))
    parts = [
        tuple(thinned(b, every, slice(cuts[k], cuts[k + 1]), k) for b in whole) for k, every in enumerate((1, 5, 1))
    ]
    pipeline = Pipeline({b.placement: SensorSpec(RATE_HZ) for b in whole}, BOTH, Config())
    events = []
    edges = np.arange(0.0, body.now_s + batch_s, batch_s)
    for low_s, high_s in pairwise(edges):
        blocks = []
        for block in (b for part in parts for b in part):
            rows = (block.time_s >= low_s) & (block.time_s < high_s)
            if rows.any():
                columns = (block.time_s[rows], block.acc_mps2[rows], block.gyr_radps[rows], block.arrived_s[rows])
                blocks.append(ImuBlock(block.placement, *columns, block.segment))
        events += pipeline.push(ImuBatch(tuple(blocks), high_s)).events
    events += pipeline.flush().events
    verdicts = [e.verdict for e in events if e.kind == "bend"]
    assert verdicts == [Verdict.ROUNDED] * 2 + [Verdict.UNKNOWN] * 2 + [Verdict.ROUNDED] * 2


def test_a_clock_that_is_set_back_by_more_than_can_be_followed_is_a_gap_that_is_counted() -> None:
    body = Body().hold(60)
    blocks = body.samples(tuple(BOTH.sensors))
    back = ClockFit(Placement.SACRUM, 0, 1500, 0.0, 5.0, 0.0, 0.001, 1.0)
    pipeline = Pipeline({b.placement: SensorSpec(RATE_HZ) for b in blocks}, BOTH, Config())
    outs = [pipeline.push(ImuBatch(blocks, body.now_s, (back,))), pipeline.flush()]
    epochs = EpochBlock.joined([e for o in outs for e in o.epochs])
    assert pipeline.lost_s() == {Placement.SACRUM: pytest.approx(5.0 - Config().clock.history_s, abs=0.05)}
    lost = np.isnan(epochs.sacrum_inclination_deg)
    assert 4 <= np.count_nonzero(lost[30:36]) <= 5
    assert not lost[:30].any()


@pytest.mark.parametrize("lesser", ["self-calibrated", "accelerometer only"])
def test_a_lesser_wear_is_less_sure_of_everything(lesser: str) -> None:
    whole, _, _ = said_by(rounded_bends(), BOTH)
    if lesser == "self-calibrated":
        part, events, _ = said_by(rounded_bends(), replace(BOTH, source="self"))
    else:
        part, events, _ = said_by(rounded_bends(), BOTH, gyro=False)
    assert whole.context_confidence.max() > 0.9
    assert part.context_confidence.max() <= 0.8
    assert max(e.confidence for e in events) <= 0.8


def test_movements_of_the_routine_are_a_declared_set_and_raise_nothing() -> None:
    _, events, outs = said_by(rounded_bends(), BOTH, routine=(0.0, 16.0))
    bends = [e for e in events if e.kind == "bend"]
    assert [e.set_id for e in bends] == [CALIBRATION_SET, None]
    assert [a.about_s for o in outs for a in o.alerts] == [bends[1].start_s]


def test_the_end_of_a_session_raises_no_alert() -> None:
    body = Body().hold(12).to(40, 40).to(0, 0, hold_s=1.0)
    _, events, outs = said_by(body, BOTH)
    assert [e.verdict for e in events if e.kind == "bend"] == [Verdict.ROUNDED]
    assert [o.alerts for o in outs] == [[], []]


def test_a_calibration_of_another_placement_is_refused() -> None:
    with pytest.raises(InputError, match="not with upper lumbar"):
        Pipeline({Placement.UPPER_LUMBAR: SensorSpec(50.0)}, wear(Placement.SACRUM), Config())


def test_a_session_without_a_sample_says_nothing() -> None:
    pipeline = Pipeline({Placement.SACRUM: SensorSpec(50.0)}, wear(Placement.SACRUM), Config())
    outs = [pipeline.push(ImuBatch((), 5.0)), pipeline.flush()]
    assert all(o == Output() for o in outs)


@pytest.mark.parametrize("extra_s", [0.1, 0.28, 0.5, 0.9])
def test_a_last_second_that_is_not_full_is_no_gap(extra_s: float) -> None:
    """Seen on generated days: a recording of 153.28 s ended in a gap of one second."""
    epochs, events, _ = said_by(Body().hold(20 + extra_s), BOTH)
    assert len(epochs) == 21
    assert events == []
    assert epochs.valid_fraction[-1] == 1.0


def test_a_session_of_three_seconds_has_three_epochs() -> None:
    epochs, _, _ = said_by(Body().hold(3), BOTH)
    np.testing.assert_array_equal(epochs.start_s, [0.0, 1.0, 2.0])


def test_a_second_is_decided_by_the_push_that_ends_it() -> None:
    """Two samples a push: what follows the angles is fed by the second, and no later than that."""
    blocks = rounded_bends().samples(tuple(BOTH.sensors))
    pipeline = Pipeline({b.placement: SensorSpec(RATE_HZ) for b in blocks}, BOTH, Config())
    lag_s = Config().context.lag_s
    decided: list[tuple[int, float]] = []
    for k in range(0, len(blocks[0].time_s), 2):
        part = slice(k, k + 2)
        pushed = tuple(
            replace(
                b,
                time_s=b.time_s[part],
                acc_mps2=b.acc_mps2[part],
                gyr_radps=None if b.gyr_radps is None else b.gyr_radps[part],
                arrived_s=b.arrived_s[part],
            )
            for b in blocks
        )
        out = pipeline.push(ImuBatch(pushed, float(pushed[0].time_s[-1])))
        decided += [(k + 2, e.start_s[0]) for e in out.epochs]
        assert out.epochs or not out.events
    first_n = (lag_s + 1) * int(RATE_HZ)
    assert decided[:3] == [(first_n, 0.0), (first_n + int(RATE_HZ), 1.0), (first_n + 2 * int(RATE_HZ), 2.0)]
