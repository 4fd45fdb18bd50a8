"""Lying down: turning over and curling up are said, and what only looks like them is not."""

from __future__ import annotations

import numpy as np
import pytest
from body import FLOOR, STAND, Body
from seconds import wear

from analysis.validation.memory import replayed
from analysis.validation.synth import Script, make, person
from posture.types import Placement, Verdict

SACRUM = (Placement.SACRUM,)


def lying() -> Body:
    body = Body().hold(17).to(40, 45, 0.45).to(-25, 44, FLOOR, move_s=0.9)
    return body.to(-88, 2, FLOOR, move_s=1.6, hold_s=20)


def curl(body: Body, hold_s: float) -> Body:
    """Knees to the chest: the pelvis tips up, the trunk stays down."""
    return body.to(-65, 40, FLOOR, move_s=0.8, hold_s=hold_s).to(-88, 2, FLOOR, move_s=0.8, hold_s=20)


def test_curled_up_on_the_back_is_said_and_asked_about() -> None:
    body = lying()
    from_s = body.now_s
    said = curl(body, 5.0).to(0, 0, STAND, move_s=3.0, hold_s=10).run(wear())
    (event,) = said.of("supine_curl")
    assert event.start_s == pytest.approx(from_s + 0.8, abs=1.5)
    assert event.end_s - event.start_s == pytest.approx(5.0, abs=2.0)
    assert event.verdict is Verdict.ROUNDED
    assert event.evidence["asks"] == "was that a knee hug?"
    assert said.of("floor_transition")[0].end_s < from_s


def test_a_curl_of_one_second_is_none_and_one_sensor_never_says_one() -> None:
    assert curl(lying(), 0.8).run(wear()).of("supine_curl") == []
    assert curl(lying(), 6.0).run(wear(Placement.SACRUM)).of("supine_curl") == []


def test_sitting_up_rounded_is_no_curl() -> None:
    body = lying().to(-25, 46, FLOOR, move_s=1.4, hold_s=5).to(40, 46, 0.45, move_s=1.2, hold_s=0)
    assert body.to(0, 0, STAND, move_s=1.4, hold_s=10).run(wear()).of("supine_curl") == []


@pytest.mark.parametrize(
    "sensors", [tuple(Placement), SACRUM, (Placement.UPPER_LUMBAR,)], ids=["two", "sacrum", "upper"]
)
def test_turning_over_in_bed_is_a_roll_each_time(sensors: tuple[Placement, ...]) -> None:
    script = Script(person(205)).calibrate().stand(8).floor_down().lie(0.5).lie(0.3, "side").lie(0.4).floor_up()
    day = make(script.stand(10))
    truth = [e for e in day.track.events if e["type"] == "roll"]
    rolls = [e for e in replayed(day, sensors=sensors).events if e["kind"] == "roll"]
    assert [(e["from"], e["to"]) for e in rolls] == [("back", "right_side"), ("right_side", "back")]
    assert np.allclose([e["start_s"] for e in rolls], [e["t0"] for e in truth], atol=1.5)
    assert all(80 < e["peak_deg"] < 100 for e in rolls)


def test_rolling_on_the_way_down_and_up_belongs_to_the_way() -> None:
    day = make(Script(person(206)).calibrate().stand(8).floor_down("log_roll").lie(0.5).floor_up("log_roll").stand(10))
    events = replayed(day).events
    assert [e["kind"] for e in events if e["kind"] == "roll"] == []
    assert [e["path"] for e in events if e["kind"] == "floor_transition"] == ["log_roll", "log_roll"]


@pytest.mark.parametrize("sensors", [tuple(Placement), SACRUM], ids=["two", "sacrum"])
def test_an_hour_of_leaning_back_in_the_chair_raises_nothing(sensors: tuple[Placement, ...]) -> None:
    script = Script(person(207)).calibrate().stand(10).sit_down("normal", "recline").sit(60, "recline")
    end_s = script.now_s
    said = replayed(make(script.stand_up().stand(5)), sensors=sensors)
    assert [a for a in said.alerts if a["about_s"] < end_s] == []  # how the wearer then rises is another matter
    assert [e for e in said.events if e["kind"] in ("flexed_sitting", "sit_to_lie", "floor_transition")] == []
