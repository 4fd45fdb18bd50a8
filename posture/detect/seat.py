"""What of the pelvis's tilt is the back's and what is the seat's, with the sacrum alone, second by second of a stay on a seat.

A pelvis sits down a few degrees differently each time and shifts on the seat a few times in a quarter of an hour, which moves
its tilt by half of what a slump does and leaves the back as it was. Four things tell them apart: the back gives way slowly,
the seat changes in quick movements, mostly with a sideways part; who sits up goes straight forward and is tall then; a lean
comes forward by more and goes back again; and a stay begins about as tall or as slumped as most do. Each second is said once,
from that second and the ones before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posture.config import SeatConfig
from posture.detect.context import ContextBlock
from posture.signal.calibration import SensorCalibration
from posture.types import Bool, Context, Float

Tilt = tuple[float, float]
"""Forward and sideways, deg."""


@dataclass(slots=True)
class Lean:
    """A quick way forward that may go back: the tilt before it and the seat's part of that, how far sideways it went, deg, the
    second that it was seen, and whether it has lasted too long to be one. Who goes back later still is where he was.
    """

    before_deg: float
    seat_deg: float
    sideways_deg: float
    since_s: float
    stays: bool = False


@dataclass(slots=True)
class SeatState:
    """One stay on a seat: its last second, the tilt that is the seat's, the still seconds before a movement and after it (newest
    last), seconds that the movement has taken, the open lean, the first levels (None: looked at), and the level as last said, %.
    """

    last_s: float = float("-inf")
    seat_deg: float = 0.0
    before: list[Tilt] = field(default_factory=list)
    after: list[Tilt] = field(default_factory=list)
    moving_s: int = 0
    lean: Lean | None = None
    first_pct: list[float] | None = field(default_factory=list)
    level_pct: float = float("nan")


class Seat:
    """Labelled seconds -> slump index of the back; of a sacrum that was calibrated sitting tall and slumped."""

    def __init__(self, params: SeatConfig, sensor: SensorCalibration, state: SeatState | None = None) -> None:
        self.params, self.tall_deg = params, sensor.sit_tall_deg
        self.span_deg = sensor.sit_tall_deg - sensor.slump_deg
        self.state = state or SeatState()

    def push(self, block: ContextBlock, paused: Bool | None = None) -> tuple[Float, Bool]:
        """(m,) slump index, 0 tall and 100 full slump, and whether it is only held over while something moves or leans.

        NaN off the seat, in `paused` seconds, and until a stay is first at rest.
        """
        f = block.features
        sits = (block.context == Context.SITTING) & ~np.isnan(f.sacrum_inclination_deg)
        if paused is not None:
            sits &= ~paused
        level, held = np.full(len(sits), np.nan), np.zeros(len(sits), dtype=np.bool_)
        rows = np.flatnonzero(sits)
        columns = (block.start_s, f.sacrum_inclination_deg, f.lateral_deg, f.rate_dps)
        seconds = zip(*(c[rows].tolist() for c in columns), strict=True)
        for row, (second, forward, sideways, rate) in zip(rows.tolist(), seconds, strict=True):
            held[row] = self._second(second, (forward, sideways), rate)
            level[row] = self.state.level_pct
        return level, held

    def _second(self, second: float, tilt: Tilt, rate_dps: float) -> bool:
        """One more second; whether the level stays what it was."""
        p = self.params
        if second - self.state.last_s > p.stay_apart_s:
            self.state = SeatState()
        state = self.state
        state.last_s = second
        if rate_dps > p.moves_dps:
            state.moving_s += 1 + len(state.after)
            state.after = []
            if state.moving_s > p.movement_max_s:  # too much has happened to say what of it was the seat
                state.before = []
        elif state.moving_s:
            state.after.append(tilt)
            if len(state.after) >= p.still_s:
                self._moved(second)
        else:
            state.before = [*state.before, tilt][-p.before_s :]
        lean = state.lean
        if lean is not None and not lean.stays and second - lean.since_s > p.lean_max_s:
            self._stays_forward(lean)
        held = (lean is not None and not lean.stays) or 0 < state.moving_s <= p.movement_max_s
        if not held:
            self._follow(100.0 * (self.tall_deg - tilt[0] + state.seat_deg) / self.span_deg)
        return held

    def _moved(self, second: float) -> None:
        """A movement is over: what it changed is the seat's, the back's, or a lean."""
        state, p = self.state, self.params
        before, after = state.before, state.after
        state.before, state.after, state.moving_s = after, [], 0
        if not before:
            state.level_pct = float("nan")
            return
        forward_deg, sideways_deg = (_mean(after, k) - _mean(before, k) for k in (0, 1))
        shifted = abs(sideways_deg) >= p.sideways_deg
        lean = state.lean
        back = lean is not None and (not lean.stays or forward_deg <= -p.lean_deg)
        if lean is not None and back and (beyond_deg := _mean(after, 0) - lean.before_deg) < p.lean_deg:
            state.seat_deg = lean.seat_deg + beyond_deg  # what is left between before and after it is the seat's
            state.lean, state.level_pct = None, float("nan")
        elif lean is not None and not lean.stays:
            if p.least_deg <= abs(forward_deg) < p.lean_deg:
                lean.before_deg += forward_deg
                lean.seat_deg += forward_deg
                state.seat_deg += forward_deg
        elif forward_deg >= p.lean_deg:
            state.lean = Lean(_mean(before, 0), state.seat_deg, sideways_deg, second)
        elif shifted or (p.least_deg <= abs(forward_deg) < p.lean_deg and not self._sits_up(forward_deg)):
            state.seat_deg += forward_deg
            if lean is not None:
                lean.before_deg += forward_deg
                lean.seat_deg += forward_deg
        elif abs(forward_deg) >= p.least_deg:
            state.level_pct = float("nan")  # straight forward until he was tall, or straight back and far: the back's

    def _sits_up(self, forward_deg: float) -> bool:
        """Whether a way forward, taken for the back's, ends nearer to where stays begin tall than to where they begin slumped."""
        p = self.params
        ends_pct = self.state.level_pct - 100.0 * forward_deg / self.span_deg
        return forward_deg > 0.0 and ends_pct < (p.start_tall_pct + p.start_slumped_pct) / 2.0

    def _stays_forward(self, lean: Lean) -> None:
        """Nobody leans that long: it was a shift on the seat if it went sideways, else sitting up."""
        state = self.state
        lean.stays, state.level_pct = True, float("nan")
        if abs(lean.sideways_deg) >= self.params.sideways_deg and state.before:
            state.seat_deg += _mean(state.before, 0) - lean.before_deg
            state.lean = None

    def _follow(self, raw_pct: float) -> None:
        """One more second at rest: the level is a running mean, begun anew where it is far off or the back moved at once."""
        state, p = self.state, self.params
        off = raw_pct - state.level_pct  # NaN: the back moved at once
        state.level_pct = state.level_pct + off / p.smooth_s if abs(off) <= p.anew_pct else raw_pct
        if state.first_pct is None:
            return
        state.first_pct.append(raw_pct)
        if len(state.first_pct) >= p.start_s:
            off_pct = start_off_pct(float(np.median(state.first_pct)), p)
            state.seat_deg -= off_pct * self.span_deg / 100.0
            state.level_pct -= off_pct
            state.first_pct = None


def start_off_pct(level_pct: float, params: SeatConfig) -> float:
    """What of the level at the beginning of a stay is probably the seat's: the expected offset, %, given how people begin.

    They begin tall, slumped, or anyhow. About the first two levels the seat scatters by `start_seat_sd_pct` and they themselves by
    `start_sd_pct` (normal); the rest is even over `_ANYHOW_PCT` and says nothing of the seat.
    """
    variance = params.start_seat_sd_pct**2 + params.start_sd_pct**2
    offs = [level_pct - mean for mean in (params.start_tall_pct, params.start_slumped_pct)]
    known = (1.0 - params.start_anyhow) / 2.0 / np.sqrt(2.0 * np.pi * variance)
    likely = [float(known * np.exp(-0.5 * off**2 / variance)) for off in offs]
    total = sum(likely) + params.start_anyhow / _ANYHOW_PCT
    return sum(w * off for w, off in zip(likely, offs, strict=True)) / total * params.start_seat_sd_pct**2 / variance


_ANYHOW_PCT = 150.0
"""%; over which a stay that begins neither tall nor slumped may begin, from -25 to 125; ours."""


def _mean(tilts: list[Tilt], k: int) -> float:
    return sum(t[k] for t in tilts) / len(tilts)
