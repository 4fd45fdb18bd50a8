"""On a mat or in a bed: turning over, and the back curled up while lying (two sensors)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from posture.config import MatConfig
from posture.detect.context import ContextBlock
from posture.detect.said import Said
from posture.signal.calibration import Calibration
from posture.types import Basis, Bool, Context, EventKind, Float, PostureEvent, Verdict

KNEE_HUG = "was that a knee hug?"
_STAYS_N = 2  # still seconds that are a stay; ours


class Rest(NamedTuple):
    """A still second of lying: which way up, deg (0 on the back, 90 on the right side, 180 face down), and how sure lying is."""

    start_s: float
    turn_deg: float
    confidence: float


class Curl(NamedTuple):
    """A second of lying curled up."""

    start_s: float
    flexion_deg: float
    confidence: float


@dataclass(slots=True)
class MatState:
    """The last still second as the wearer lay, how many there have been (2: enough), the seconds around a turn that must still last
    (last before, first after), and the open curl: its seconds, its highest one, and the lowest confidence in it.
    """

    rest: Rest | None = None
    rested_n: int = 0
    turn: tuple[Rest, Rest] | None = None
    curl_from_s: float = 0.0
    curl_s: float = 0.0
    curl_peak: Curl | None = None
    curl_confidence: float = 1.0


class Mat:
    """Labelled seconds -> `roll` and `supine_curl`. Rolls need one sensor; a curl is the difference of two."""

    def __init__(self, params: MatConfig, calibration: Calibration, state: MatState | None = None) -> None:
        self.params, self.calibration = params, calibration
        self.state = state or MatState()

    def push(self, block: ContextBlock) -> list[Said]:
        """Rolls that came to rest and curls that ended with these seconds."""
        f = block.features
        curled = self._curled(block)
        lying = block.context == Context.LYING
        busy = lying | curled
        if not busy.any() and self.state.rest is None and self.state.curl_peak is None:
            return []
        said: list[Said] = []
        columns = (block.start_s, lying, curled, turned_deg(block), f.rate_dps, f.flexion_deg, block.confidence)
        for start_s, lies, curls, turn, rate, flexion, sure in zip(*(c.tolist() for c in columns), strict=True):
            if curls:
                self._curl(Curl(start_s, flexion, sure))
            else:
                said += self._uncurled(start_s)
            if not (lies or curls):
                self.state.rest = self.state.turn = None
            elif lies and rate <= self.params.still_dps and not np.isnan(turn):
                said += self._rests(Rest(start_s, turn, sure))
        return said

    def flush(self) -> list[Said]:
        """A curl that the session cuts off has been one."""
        peak = self.state.curl_peak
        return [] if peak is None else self._uncurled(self.state.curl_from_s + self.state.curl_s)

    def _rests(self, now: Rest) -> list[Said]:
        """A roll from where the wearer had stayed to where the wearer stays: on the way down and up the side is only passed."""
        state, lay = self.state, self.state.rest
        if lay is None or (state.rested_n < _STAYS_N and self._turned(lay, now)):
            state.rest, state.rested_n, state.turn = now, 1, None
            return []
        if not self._turned(lay, now):
            # Small shifts add up: what counts is which way up the wearer lay after the last roll.
            state.rest = Rest(now.start_s, lay.turn_deg, now.confidence)
            state.rested_n, state.turn = min(state.rested_n + 1, _STAYS_N), None
            return []
        if state.turn is None:
            state.turn = lay, now
            return []
        before, after = state.turn
        state.rest, state.turn = now, None
        event = PostureEvent(
            kind=EventKind.ROLL,
            start_s=before.start_s + 1.0,
            end_s=max(after.start_s, before.start_s + 2.0),
            peak_s=after.start_s,
            peak_deg=round(_apart_deg(before, now), 1),
            verdict=Verdict.UNKNOWN,
            basis=self.calibration.basis,
            confidence=round(min(before.confidence, after.confidence, now.confidence), 3),
            evidence={"from": side(before.turn_deg), "to": side(now.turn_deg)},
        )
        return [Said(now.start_s, event)]

    def _turned(self, lay: Rest, now: Rest) -> bool:
        return _apart_deg(lay, now) >= self.params.roll_min_deg

    def _curled(self, block: ContextBlock) -> Bool:
        """(m,) seconds on the back, slow, in flexion. The pelvis of a curl tips up: less tilt than lying, more than sitting."""
        f, p = block.features, self.params
        if self.calibration.basis is not Basis.TWO:
            return np.zeros(len(block.start_s), dtype=np.bool_)
        low = np.isin(block.context, (Context.LYING, Context.FLOOR))
        on_back = (f.sacrum_inclination_deg < 0.0) & (f.tilt_deg >= p.curl_tilt_min_deg)
        flexed = f.flexion_deg >= p.curl_pct / 100.0 * self.calibration.rom_deg
        return np.asarray(low & on_back & flexed & (f.rate_dps <= p.curl_max_dps))

    def _curl(self, now: Curl) -> None:
        state = self.state
        if state.curl_peak is None:
            state.curl_from_s, state.curl_s, state.curl_confidence = now.start_s, 0.0, 1.0
        if state.curl_peak is None or now.flexion_deg > state.curl_peak.flexion_deg:
            state.curl_peak = now
        state.curl_s += 1.0
        state.curl_confidence = min(state.curl_confidence, now.confidence)

    def _uncurled(self, now_s: float) -> list[Said]:
        state, p = self.state, self.params
        peak, state.curl_peak = state.curl_peak, None
        if peak is None or state.curl_s < p.curl_min_s:
            return []
        over_deg = peak.flexion_deg - p.curl_pct / 100.0 * self.calibration.rom_deg
        event = PostureEvent(
            kind=EventKind.SUPINE_CURL,
            start_s=state.curl_from_s,
            end_s=state.curl_from_s + state.curl_s,
            peak_s=peak.start_s,
            peak_deg=round(peak.flexion_deg, 1),
            verdict=Verdict.ROUNDED,
            basis=self.calibration.basis,
            confidence=round(min(state.curl_confidence, float(1.0 - 0.5 * np.exp(-over_deg / p.error_deg))), 3),
            evidence={
                "flexion_peak_pct_rom": round(100.0 * peak.flexion_deg / self.calibration.rom_deg, 1),
                "asks": KNEE_HUG,
            },
        )
        return [Said(now_s, event)]


def _apart_deg(a: Rest, b: Rest) -> float:
    return abs((b.turn_deg - a.turn_deg + 180.0) % 360.0 - 180.0)


def turned_deg(block: ContextBlock) -> Float:
    """(m,) which way up the lowest sensor lies, deg about the long axis: 0 on the back, 90 on the right side; NaN: not known."""
    f = block.features
    inclination = np.where(np.isnan(f.sacrum_inclination_deg), f.upper_lumbar_inclination_deg, f.sacrum_inclination_deg)
    lateral = np.radians(f.lateral_deg)
    # On a side the inclination is not a number, and the part of it that is left is none.
    back = np.where(np.isnan(inclination), 0.0, -np.sin(np.radians(inclination))) * np.cos(lateral)
    return np.asarray(np.degrees(np.arctan2(np.sin(lateral), back)))


def side(turn_deg: float) -> str:
    """Which way up, in a word."""
    quarter = round(turn_deg / 90.0) % 4
    return ("back", "right_side", "face_down", "left_side")[quarter]
