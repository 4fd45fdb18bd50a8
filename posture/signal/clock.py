"""A sensor's clock against the host's: from when packets arrive, and from exchanges of times where the sensor answers them.

The arrival of a packet is not the time of its samples: it is later by the wait for the radio and, now and then, by repeats of up
to half a second. It is never earlier, though, so the smallest (arrival - device time) of some seconds is nearly constant, and its
slow change is the drift of one clock against the other. What is common to all arrivals (the shortest way through the radio) does
not show in them; exchanges of times, there and back, take it out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from posture.config import ClockConfig
from posture.types import GRID_HZ, ClockFit, Float, Placement

__all__ = ["ClockEstimator", "ClockFit", "ClockState", "Exchange", "Packets"]

Points = list[tuple[float, float]]
"""(device time s, host time - device time s)."""
_POINTS_MIN = 3
"""Points that a line with a residual needs."""
_OUTLIER_SD = 3.0
"""Robust SD from the first line; points beyond do not count in the second. The usual rule of three."""
_SD_FLOOR_S = 1e-6
"""s; no point is surer than this: the resolution of the clocks that are read."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question for the time: s on the host's monotonic axis when it was sent and its answer came, s on the device's when the
    question came and the answer was sent (t1, t4, t2, t3 of NTP, RFC 5905).
    """

    sent_s: float
    device_got_s: float
    device_answered_s: float
    returned_s: float

    @property
    def round_trip_s(self) -> float:
        """Time on the way, there and back, s."""
        return (self.returned_s - self.sent_s) - (self.device_answered_s - self.device_got_s)

    @property
    def point(self) -> tuple[float, float]:
        """Device time, and host time less device time if both ways took as long, s."""
        there, back = self.sent_s - self.device_got_s, self.returned_s - self.device_answered_s
        return 0.5 * (self.device_got_s + self.device_answered_s), 0.5 * (there + back)


@dataclass(frozen=True, slots=True)
class Packets:
    """Live packets of one segment of one sensor in the order of arrival; what is sent again from its memory does not belong here.

    segment : its number. device_s : (n,) device time of each packet's last sample. arrived_s : (n,) s on the host's monotonic
    axis, which is the session's. exchanges : those whose answer came among these packets.
    """

    segment: int
    device_s: Float
    arrived_s: Float
    exchanges: tuple[Exchange, ...] = ()


@dataclass(slots=True)
class ClockState:
    """The open window (number on the host's axis, packets, the least delayed of them) and the points in reach.

    fitted_s, last : when the last fit was made, and that fit. newest_s : newest device time that came.
    """

    segment: int | None = None
    window: int = 0
    packets_n: int = 0
    best: tuple[float, float] = (0.0, math.inf)
    envelope: Points = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    fitted_s: float = -math.inf
    last: ClockFit | None = None
    newest_s: float = -math.inf


class ClockEstimator:
    """Packet arrivals and exchanges of one sensor -> clock fits, each in force from `lead_s` after it was made.

    The first packet of a segment gives a first fit at once. Then windows of `window_s` of the host's axis each give their least
    delayed packet, and every `refit_s` a line is laid through those in reach (least squares, outliers left out), together with
    the quarter of the exchanges with the shortest round trip. Until the slope is known the offset follows the newest points and
    the drift is 0: a slope from two minutes is off by 37-117 ppm, more than most crystals are.
    """

    def __init__(self, placement: Placement, params: ClockConfig, state: ClockState | None = None) -> None:
        self.placement, self.params = placement, params
        self.state = state or ClockState()

    def push(self, packets: Packets) -> tuple[ClockFit, ...]:
        """The fits that these packets decide, in their order."""
        fits: list[ClockFit] = []
        if not len(packets.arrived_s) and packets.segment != self.state.segment:
            return ()
        window = np.floor(packets.arrived_s / self.params.window_s).astype(np.int64)
        if packets.segment != self.state.segment:
            self.state = ClockState(packets.segment, int(window[0]))
            fits.append(self._first(float(packets.device_s[0]), float(packets.arrived_s[0])))
        self.state.exchanges += packets.exchanges
        edges = [0, *(np.flatnonzero(np.diff(window)) + 1).tolist(), len(window)] if len(window) else []
        for a, b in pairwise(edges):
            if window[a] > self.state.window:
                fits += self._closed((self.state.window + 1) * self.params.window_s)
                self.state.window = int(window[a])
            self._take(packets.device_s[a:b], packets.arrived_s[a:b])
        return tuple(fits)

    def flush(self) -> tuple[ClockFit, ...]:
        """Nothing is held back: there is nothing left that a fit could be for."""
        return ()

    def _first(self, device_s: float, arrived_s: float) -> ClockFit:
        """In force from the start of its segment: nothing of that has been given out."""
        segment = self.state.segment or 0
        fit = ClockFit(self.placement, segment, 0, device_s, arrived_s - device_s, 0.0, math.inf, math.inf)
        self.state.last = fit
        return fit

    def _take(self, device_s: Float, arrived_s: Float) -> None:
        state = self.state
        delay_s = arrived_s - device_s
        least = int(np.argmin(delay_s))
        state.newest_s = max(state.newest_s, float(device_s.max()))
        state.packets_n += len(delay_s)
        if delay_s[least] < state.best[1]:
            state.best = float(device_s[least]), float(delay_s[least])

    def _closed(self, end_s: float) -> list[ClockFit]:
        """The open window is over: its point, and a fit where one is due."""
        state, params = self.state, self.params
        if state.packets_n >= params.window_packets:
            state.envelope.append(state.best)
        known = state.packets_n >= params.window_packets
        state.packets_n, state.best = 0, (0.0, math.inf)
        if not known or end_s - state.fitted_s < params.refit_s:
            return []
        state.fitted_s = end_s
        oldest_s = state.envelope[-1][0] - params.reach_s
        state.envelope = [p for p in state.envelope if p[0] >= oldest_s]
        state.exchanges = [e for e in state.exchanges if e.point[0] >= oldest_s]
        return [self._fit(end_s)]

    def _fit(self, now_s: float) -> ClockFit:
        state, params = self.state, self.params
        envelope = Line.through(state.envelope)
        asked = [e for e in state.exchanges if e.returned_s < now_s]
        quickest = sorted(asked, key=lambda e: e.round_trip_s)[: -(-len(asked) // 4)]
        exchanged = Line.through([e.point for e in quickest])
        lines = [line for line in (envelope, exchanged) if line.points_n >= _POINTS_MIN]
        weight = sum(line.spread_s2 / line.sd_s**2 for line in lines)
        slope = sum(line.slope * line.spread_s2 / line.sd_s**2 for line in lines) / weight if weight else 0.0
        slope_se_ppm = 1e6 / math.sqrt(weight) if weight else math.inf
        at_s = state.envelope[-1][0]
        known = (
            at_s - state.envelope[0][0] >= params.slope_min_s - params.window_s
            and slope_se_ppm <= params.slope_se_max_ppm
        )
        if known:
            offset_s = envelope.mean_y_s + slope * (at_s - envelope.mean_x_s)
            variance = envelope.sd_s**2 / envelope.points_n + (slope_se_ppm * 1e-6 * (at_s - envelope.mean_x_s)) ** 2
        else:
            newest = [y for x, y in state.envelope if x > at_s - params.refit_s]
            offset_s = sum(newest) / len(newest)
            variance = envelope.sd_s**2 / len(newest)
        if exchanged.points_n >= _POINTS_MIN:  # the delay that all arrivals share
            offset_s -= envelope.at(exchanged.mean_x_s, slope) - exchanged.mean_y_s
            variance += exchanged.sd_s**2 / exchanged.points_n
        drift_ppm = slope * 1e6 if known else 0.0
        segment = state.segment or 0
        # A first packet that came late has put what followed too late, ahead of its own arrival: that has been given out too.
        given_s = state.last.session_s(state.newest_s) if state.last is not None else now_s
        from_tick = math.ceil((max(now_s, given_s) + params.lead_s) * GRID_HZ)
        state.last = ClockFit(
            self.placement, segment, from_tick, at_s, offset_s, drift_ppm, math.sqrt(variance), slope_se_ppm
        )
        return state.last


@dataclass(frozen=True, slots=True)
class Line:
    """Least squares through points, outliers left out: means, sum of squares about the mean of x, slope, residual SD.

    With fewer than three points nothing is known of the slope and the SD (0 and inf).
    """

    points_n: int
    mean_x_s: float
    mean_y_s: float
    spread_s2: float
    slope: float
    sd_s: float

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]]) -> Line:
        """The line without the points that are more than three robust SD off the line through all of them."""
        xy = np.array(points, dtype=np.float64).reshape(-1, 2)
        line = cls._plain(xy)
        if line.points_n < _POINTS_MIN:
            return line
        off = np.abs(xy[:, 1] - line.mean_y_s - line.slope * (xy[:, 0] - line.mean_x_s))
        near = off <= max(_OUTLIER_SD * 1.4826 * float(np.median(off)), _SD_FLOOR_S)
        return line if near.all() else cls._plain(xy[near])

    @classmethod
    def _plain(cls, xy: Float) -> Line:
        n = len(xy)
        if not n:
            return cls(0, math.nan, math.nan, 0.0, 0.0, math.inf)
        x, y = xy[:, 0] - xy[:, 0].mean(), xy[:, 1] - xy[:, 1].mean()
        spread = float((x * x).sum())
        slope = float((x * y).sum()) / spread if n >= _POINTS_MIN and spread > 0 else 0.0
        off = y - slope * x
        sd_s = max(math.sqrt(float((off * off).sum()) / (n - 2)), _SD_FLOOR_S) if n >= _POINTS_MIN else math.inf
        return cls(n, float(xy[:, 0].mean()), float(xy[:, 1].mean()), spread, slope, sd_s)

    def at(self, x_s: float, slope: float) -> float:
        """Height over `x_s` of the line of another slope through the same middle."""
        return self.mean_y_s + slope * (x_s - self.mean_x_s)
