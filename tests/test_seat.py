"""What of a seated pelvis's tilt is the back's, with the sacrum alone: shifts, leans, slumps and the beginning of a stay."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from contract import Case, check_stage, cuts_of
from hypothesis import given
from hypothesis import strategies as st
from seconds import SLUMP_DEG, TALL_DEG, wear

from posture.config import Config, SeatConfig
from posture.detect.context import ContextBlock
from posture.detect.epochs import EpochFeatures
from posture.detect.seat import Seat, start_off_pct
from posture.detect.sitting import Sitting
from posture.types import Bool, Context, EpochBlock, Float, Placement

SEAT = SeatConfig()
STILL_DPS, QUICK_DPS = 1.2, 15.0
MIDDLE = 40.0
"""Slump index at which a stay begins so that its beginning says next to nothing of the seat."""


@dataclass
class Stay:
    """Seconds on a seat. deg : tilt of the pelvis beyond sitting tall, backwards positive; sideways deg."""

    rows: list[tuple[int, float, float, float]] = field(default_factory=list)
    deg: float = 0.0
    sideways: float = 0.0

    def rest(self, seconds: int) -> Stay:
        self.rows += [(Context.SITTING, self.deg, self.sideways, STILL_DPS)] * seconds
        return self

    def creep(self, by_deg: float, seconds: int) -> Stay:
        for deg in np.linspace(self.deg, self.deg + by_deg, seconds):
            self.rows.append((Context.SITTING, float(deg), self.sideways, STILL_DPS))
        self.deg += by_deg
        return self

    def move(self, by_deg: float, sideways: float = 0.0, seconds: int = 2) -> Stay:
        """In one go, moving for so many seconds."""
        self.deg, self.sideways = self.deg + by_deg, self.sideways + sideways
        self.rows += [(Context.SITTING, self.deg, self.sideways, QUICK_DPS)] * seconds
        return self

    def off(self, seconds: int) -> Stay:
        self.rows += [(Context.STANDING, 0.0, 0.0, STILL_DPS)] * seconds
        return self

    def block(self) -> ContextBlock:
        context, deg, sideways, rate = (np.array(c, dtype=float) for c in zip(*self.rows, strict=True))
        none, one = np.full(len(deg), np.nan), np.ones(len(deg))
        start = np.arange(len(deg), dtype=float)
        features = EpochFeatures(start, TALL_DEG - deg, none, none, sideways, 0 * one, rate, 0 * one, 0 * one, one, one)
        return ContextBlock(start, context.astype(np.int8), one, one, features)

    def levels(self) -> tuple[Float, Bool]:
        return Seat(SEAT, wear(Placement.SACRUM).sensors[Placement.SACRUM]).push(self.block())

    def level(self) -> float:
        """Slump index of the last second."""
        return float(self.levels()[0][-1])

    def epochs(self) -> EpochBlock:
        return Sitting(Config(), wear(Placement.SACRUM)).push(self.block())[0]


def index(deg: float) -> float:
    return 100.0 * deg / (TALL_DEG - SLUMP_DEG)


def sat(pct: float = MIDDLE) -> Stay:
    """A stay that has been at rest for a minute and a half."""
    return Stay(deg=pct * (TALL_DEG - SLUMP_DEG) / 100.0).rest(90)


def begun() -> float:
    return sat().level()


def test_a_shift_on_the_seat_is_not_the_back() -> None:
    """Seven degrees backwards and three to the side within 2 s are a third of the way to a slump, and no slump."""
    assert sat().move(7.0, 3.0).rest(60).level() == pytest.approx(begun(), abs=0.5)
    assert sat().move(-5.0, -3.0).rest(60).level() == pytest.approx(begun(), abs=0.5)
    assert sat().move(1.0, 3.0).rest(60).level() == pytest.approx(begun(), abs=0.5)


def test_a_second_stays_flexed_until_the_level_is_under_off() -> None:
    off, on = Config().sitting.slump_off_pct, Config().sitting.slump_on_pct
    stay = sat().creep(7.0, 600).rest(200)
    assert on < stay.level()
    stay.creep(-3.0, 300).rest(200)
    assert off < stay.level() < on
    assert stay.epochs().flexed[-1] == 1
    stay.creep(-3.0, 300).rest(200)
    assert stay.level() < off
    assert stay.epochs().flexed[-1] == 0


def test_a_small_quick_change_is_the_seat_and_a_smaller_one_is_sway() -> None:
    assert sat().move(4.0).rest(120).level() == pytest.approx(begun(), abs=0.5)
    assert sat(10.0).move(4.0).rest(120).level() == pytest.approx(sat(10.0).level(), abs=0.5)
    assert sat().move(1.0).rest(300).level() == pytest.approx(begun() + index(1.0), abs=0.5)


def test_who_goes_straight_forward_until_he_is_tall_has_sat_up() -> None:
    """Five degrees from half way down to tall, within 2 s; a shift on the seat would have gone sideways too."""
    stay = sat(60.0)
    before = stay.level()
    assert stay.move(-5.5, 1.0).rest(SEAT.still_s).level() == pytest.approx(before - index(5.5), abs=0.5)
    assert sat(60.0).move(-5.5, 1.5).rest(60).level() == pytest.approx(before, abs=0.5)


def test_a_small_way_straight_forward_that_leaves_him_slumped_is_the_seat() -> None:
    stay = sat(90.0)
    before = stay.level()
    assert stay.move(-4.0).rest(120).level() == pytest.approx(before, abs=0.5)


def test_a_back_that_gives_way_slowly_is_flexed() -> None:
    assert sat().creep(6.0, 600).rest(300).level() == pytest.approx(begun() + index(6.0), abs=1.0)


def test_a_straight_slump_is_the_back_as_soon_as_it_rests() -> None:
    assert sat().move(8.0).rest(SEAT.still_s).level() == pytest.approx(begun() + index(8.0), abs=0.5)


def test_a_lean_leaves_the_back_as_it_was_and_what_is_left_over_is_the_seat() -> None:
    stay = sat().move(-15.0).rest(30)
    levels, held = stay.levels()
    assert levels[-30:] == pytest.approx(np.full(30, begun()), abs=0.5)
    assert held[-32:].all()
    back = stay.move(17.0).rest(60)
    assert back.level() == pytest.approx(begun(), abs=0.5)
    assert not back.levels()[1][-1]


def test_who_stays_forward_has_sat_up() -> None:
    """From a slump to tall sitting: a lean for 45 s, then no longer flexed."""
    stay = sat(90.0).move(-16.0).rest(120)
    flexed = stay.epochs().flexed
    assert set(flexed[92 : 92 + 45].tolist()) == {1}
    assert set(flexed[-60:].tolist()) == {0}


def test_who_goes_back_after_minutes_is_where_he_was() -> None:
    """Reading for ten minutes over the desk and back: no slump, and the shift in between is the seat's."""
    assert sat().move(-15.0).rest(300).move(2.0, 3.0).rest(300).move(14.0).rest(60).level() == pytest.approx(
        begun(), abs=0.5
    )


def test_who_sits_up_and_sinks_again_has_sunk() -> None:
    """A fidget on the way down is no return from a lean of twenty minutes before."""
    stay = sat(80.0).move(-14.0).rest(120).creep(10.0, 900).rest(120)
    sunk = stay.level()
    assert stay.move(2.0).rest(60).level() == pytest.approx(sunk, abs=2.0)


def test_who_stays_forward_after_going_sideways_too_has_shifted() -> None:
    assert sat().move(-7.0, 4.0).rest(120).level() == pytest.approx(begun(), abs=0.5)


def test_who_never_rests_is_judged_by_the_tilt_alone() -> None:
    """More movement than can be taken apart: what it changed is believed, never left out."""
    stay = sat()
    for _ in range(20):
        stay.move(0.4, 4.0)
    assert stay.rest(300).level() == pytest.approx(begun() + index(stay.deg - sat().deg), abs=0.5)


def test_a_stay_is_not_known_before_its_first_rest() -> None:
    flexed = Stay(deg=16.0).move(0.0, seconds=6).rest(30).epochs().flexed
    assert set(flexed[:8].tolist()) == {-1}
    assert set(flexed[8:].tolist()) == {1}


def test_getting_up_begins_another_stay() -> None:
    """What was learnt of one seat says nothing of the next; a second off it does."""
    shifted = sat().move(5.0, 3.0).rest(60)
    assert shifted.off(2).rest(60).level() == pytest.approx(begun(), abs=0.5)
    assert sat().move(5.0, 3.0).rest(60).off(60).rest(90).level() > begun() + index(4.0)


def test_a_stay_begins_nearer_to_where_stays_begin() -> None:
    """A seat that adds 8 % to tall or slumped sitting is taken off by half or more; in the middle nothing is known of it."""
    for mean in (SEAT.start_tall_pct, SEAT.start_slumped_pct):
        assert start_off_pct(mean, SEAT) == pytest.approx(0.0, abs=0.5)
        for sign in (-1, 1):
            assert 0.5 < start_off_pct(mean + sign * 8.0, SEAT) / (sign * 8.0) < 0.7
    middle = (SEAT.start_tall_pct + SEAT.start_slumped_pct) / 2
    assert start_off_pct(middle, SEAT) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(-500, 500))
def test_the_beginning_never_moves_a_level_by_more_than_the_seat_can(level: float) -> None:
    assert abs(start_off_pct(level, SEAT)) < 1.5 * SEAT.start_seat_sd_pct


def test_a_pause_and_a_missing_tilt_have_no_level() -> None:
    block = sat().block()
    missing = block.features.sacrum_inclination_deg.copy()
    missing[30:40] = np.nan
    block = replace(block, features=replace(block.features, sacrum_inclination_deg=missing))
    paused = np.arange(90) >= 80
    level, _ = Seat(SEAT, wear(Placement.SACRUM).sensors[Placement.SACRUM]).push(block, paused)
    assert np.isnan(level[30:40]).all()
    assert np.isnan(level[80:]).all()
    assert not np.isnan(level[40:80]).any()


def busy() -> Stay:
    """Everything that a seat can show, some of it at the edge of a rule."""
    stay = (
        sat(20.0)
        .move(-5.0, 3.0)
        .rest(20)
        .creep(6.0, 40)
        .move(-15.0)
        .rest(10)
        .move(1.0, 5.0)
        .rest(4)
        .move(15.0)
        .rest(30)
    )
    stay.move(9.0).rest(30).move(-9.0).rest(60).off(30).move(3.0, seconds=4).rest(2).move(2.0, seconds=14).rest(40)
    return stay.off(5).move(-7.0, 4.0).rest(80).move(1.0).rest(20)


def pieces(whole: ContextBlock, a: int, b: int) -> ContextBlock:
    columns = (whole.start_s, whole.context, whole.confidence, whole.seated)
    return ContextBlock(*(c[a:b] for c in columns), whole.features[a:b])


@given(cuts_of(len(busy().rows)), st.integers(0, 8))
def test_any_cut_gives_the_same_levels_and_the_same_seconds(cuts: list[int], pickle_at: int) -> None:
    whole, made = busy().block(), wear(Placement.SACRUM)

    def columns(outs: list[Any]) -> dict[str, Any]:
        parts = [o for o in outs if isinstance(o, tuple)]
        return {"level": np.concatenate([p[0] for p in parts]), "held": np.concatenate([p[1] for p in parts])}

    def seconds(outs: list[Any]) -> dict[str, Any]:
        epochs = EpochBlock.joined(o[0] for o in outs if isinstance(o, tuple))
        said = [s for o in outs for s in (o[1] if isinstance(o, tuple) else o)]
        return {"index": epochs.slump_index_pct, "flexed": epochs.flexed, "creep": epochs.creep, "said": said}

    size, sensor = len(busy().rows), made.sensors[Placement.SACRUM]
    for make, joined in (
        (lambda state: Seat(SEAT, sensor, state), columns),
        (lambda state: Sitting(Config(), made, state), seconds),
    ):
        case = Case(
            make,
            size,
            lambda a, b: pieces(whole, a, b),
            lambda stage, p: stage.push(p),
            lambda stage: stage.flush() if isinstance(stage, Sitting) else [],
            joined,
        )
        check_stage(case, cuts, pickle_at=pickle_at)
