"""A belt that shifts: found by walking, said, and nothing scored until it is put right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from body import Body
from seconds import Day, wear

from posture.config import Config
from posture.detect.slip import Slip
from posture.types import AlertKind, Context, EventKind, Placement, Verdict

WALKED = replace(wear(), sensors={p: replace(s, walk_deg=0.0) for p, s in wear().sensors.items()})


def day(*bouts: tuple[float, float], minutes: float = 1.0) -> tuple[list[object], Slip]:
    """Walking bouts of (sacrum, upper lumbar) deg with standing between, through the stage."""
    made = Day()
    for _ in bouts:
        made.add(minutes, Context.WALKING).stand(1)
    block = made.block()
    sacrum, upper = np.zeros(len(block.start_s)), np.zeros(len(block.start_s))
    for k, (s, u) in enumerate(bouts):
        rows = slice(round(60 * (minutes + 1) * k), round(60 * (minutes + 1) * k + 60 * minutes))
        sacrum[rows], upper[rows] = s, u
    features = replace(block.features, sacrum_inclination_deg=sacrum, upper_lumbar_inclination_deg=upper)
    stage = Slip(Config().slip, WALKED)
    return [s.event for s in stage.push(replace(block, features=features))], stage


def states(events: list[object]) -> list[str]:
    return [e.evidence["state"] for e in events]  # type: ignore[attr-defined]


def test_a_belt_shifted_by_12_deg_pauses_after_two_bouts() -> None:
    events, stage = day((0, 0), (12, 0), (12, 0), (12, 0))
    assert states(events) == ["paused"]
    assert events[0].evidence["placement"] == "sacrum"  # type: ignore[attr-defined]
    assert events[0].start_s == 120.0  # type: ignore[attr-defined]
    paused = stage.paused(np.arange(480.0))
    assert not paused[:300].any()
    assert paused[300:].all()


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


def test_without_a_calibration_walk_nothing_is_claimed() -> None:
    stage = Slip(Config().slip, wear())
    assert stage.push(Day().add(2, Context.WALKING).stand(1).block()) == []
    assert not stage.paused(np.arange(200.0)).any()


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
    epochs, said = Sitting(Config().sitting, wear()).push(block, np.ones(len(block.start_s), dtype=bool))
    assert set(epochs.flexed.tolist()) == {-1}
    assert epochs.creep.max() == 0.0
    assert said == []
