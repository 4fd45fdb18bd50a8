"""Height gained or lost between two stops: how a kneel is told from a stand, and a seat from a stand after lying.

Unlike a lean movement a climb needs no lean. It is the double integral of the vertical acceleration with the velocity set to
zero at both stops, so it is only taken over a few seconds and between stops that are near upright, or from lying to upright.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from posture.config import ClimbConfig, ContextConfig
from posture.signal.steps import Steps, StepsState
from posture.types import GRID_HZ, AngleBlock, Bool, Float, Int


@dataclass(frozen=True, slots=True)
class Climb:
    """From the end of one stop to the start of the next, s; height m, up positive. known_s : when the second stop had been seen.

    from_lying : the first stop was lying, the second upright; else both were near upright. lean_deg : furthest forward
    inclination on the way up from lying, of the sacrum where worn; NaN elsewhere. surge_mps : of a way up from lying to being
    upright, at rest or not, by how much the fastest speed upwards stood out; its height is not known, NaN; NaN elsewhere.
    """

    start_s: float
    end_s: float
    height_m: float
    known_s: float
    from_lying: bool = False
    lean_deg: float = float("nan")
    surge_mps: float = float("nan")


_RATE, _VERTICAL, _TILT, _LEAN, _LATERAL = range(5)
_CHANNELS = 5
_STOP_N = 2  # steps that make a stop
_REST_N = 5  # steps of rest that a way up from lying begins and ends with: what is left of the movement would pass for its error
_UPRIGHT_N = 15  # upright steps that end a way up from lying, at rest or not; one more would be too late for its second
_SURGE_N = 4  # steps before and after a speed over which it stands out: a push onto the feet takes about a second; ours
_SURGE_TILT_DEG = 50.0  # the swing of a part on a trunk that comes up from lying is none; ours
PRONE_LATERAL_DEG = 45.0  # a trunk leaning this far to a side is not leant forward; ours


@dataclass(slots=True)
class ClimbsState:
    """Means of the last steps, (channels, <= reach), and what is open after them."""

    open: StepsState = field(default_factory=StepsState)
    steps: Float = field(default_factory=lambda: np.empty((_CHANNELS, 0)))


class Climbs:
    """Angle blocks (ticks in order, no holes) -> climbs, each said once its second stop is there. Steps lie at absolute ticks."""

    def __init__(self, params: ClimbConfig, context: ContextConfig, state: ClimbsState | None = None) -> None:
        self.params, self.context = params, context
        self.state = state or ClimbsState()
        self.step_n = round(params.step_s * GRID_HZ)
        lengths_s = (params.longest_s, params.get_up_s, params.get_up_min_s, params.upright_after_s)
        self.longest_n, self.get_up_n, self.get_up_least_n, self.after_n = (round(t / params.step_s) for t in lengths_s)
        self.reach = max(self.longest_n, self.get_up_n, self.after_n) + _UPRIGHT_N + _REST_N

    def push(self, block: AngleBlock) -> tuple[Climb, ...]:
        """Climbs whose second stop is complete with these ticks."""
        state = self.state
        sacrum = block.sacrum_inclination_deg
        lean = np.where(np.isnan(sacrum), block.upper_lumbar_inclination_deg, sacrum)
        new = Steps(self.step_n, state.open).push(
            block.first_tick, (block.rate_dps, block.vertical_mps2, block.tilt_deg, lean, block.lateral_deg)
        )
        if not new.shape[1]:
            return ()
        steps = np.concatenate([state.steps, new], axis=1)
        found = self._found(steps, (state.open.next_step or 0) - steps.shape[1], state.steps.shape[1])
        state.steps = steps[:, -self.reach :].copy()
        return found

    def flush(self) -> tuple[Climb, ...]:
        """A climb without its second stop proves nothing."""
        return ()

    def _found(self, steps: Float, first: int, new_from: int) -> tuple[Climb, ...]:
        """Climbs that end in a stop which is complete at a step from `new_from` on, in order of that stop."""
        p = self.params
        still = self._still(steps)
        with np.errstate(invalid="ignore"):
            starts, ends = _stops(still & (steps[_TILT] <= p.upright_deg), _STOP_N)
            rests, left = _stops(still & (steps[_TILT] <= self.context.low_tilt_deg), _REST_N)
            _, lay = _stops(self._lies(steps), _REST_N)
        least = round(p.shortest_s / p.step_s)
        out = []
        for a, b in zip(ends[:-1].tolist(), starts[1:].tolist(), strict=True):
            if least <= b - a <= self.longest_n and b + _STOP_N > new_from:
                height = _height_m(steps[_VERTICAL, a:b], p.step_s)
                if abs(height) >= p.height_min_m:
                    out.append(self._climb(first + a, first + b, height, _STOP_N))
        for k, b in enumerate(rests.tolist()):
            up_from = lay[lay <= b]
            if not len(up_from) or (k and left[k - 1] > up_from[-1]) or b + _REST_N <= new_from:
                continue
            a = int(up_from[-1])
            lean = steps[_LEAN, a:b]
            seen = np.isfinite(lean).any() and np.isfinite(steps[_VERTICAL, a - _REST_N : b + _REST_N]).all()
            if seen and self.get_up_least_n <= b - a <= self.get_up_n:
                way = self._climb(first + a, first + b, _risen_m(steps, a, b, p.step_s), _REST_N)
                out.append(replace(way, from_lying=True, lean_deg=float(np.nanmax(lean))))
        out += self._upright_again(steps, first, new_from)
        return tuple(sorted(out, key=lambda c: (c.known_s, c.from_lying)))

    def _upright_again(self, steps: Float, first: int, new_from: int) -> list[Climb]:
        """Ways from lying to being upright, which may go on without a rest."""
        with np.errstate(invalid="ignore"):
            upright, left = _stops(steps[_TILT] <= self.context.low_tilt_deg, _UPRIGHT_N)
            lay = np.flatnonzero((steps[_TILT] > self.context.lying_tilt_deg) & ~self._forward(steps)) + 1
        out = []
        for k, b in enumerate(upright.tolist()):
            up_from = lay[lay <= b]
            if not len(up_from) or (k and left[k - 1] > up_from[-1]) or b + _UPRIGHT_N <= new_from:
                continue
            a, end = int(up_from[-1]), b + _UPRIGHT_N
            lean = steps[_LEAN, a:end]
            if b - a <= self.after_n and np.isfinite(lean).any() and np.isfinite(steps[_VERTICAL, a:end]).all():
                way = self._climb(first + a, first + b, float("nan"), _UPRIGHT_N)
                surge = _surge_mps(steps[_VERTICAL, a:end], steps[_TILT, a:end], self.params.step_s)
                out.append(replace(way, from_lying=True, lean_deg=float(np.nanmax(lean)), surge_mps=surge))
        return out

    def _climb(self, from_step: int, to_step: int, height_m: float, stop_n: int) -> Climb:
        s = self.params.step_s
        return Climb(from_step * s, to_step * s, height_m, (to_step + stop_n) * s)

    def _still(self, steps: Float) -> Bool:
        """Which steps stand still; NaN: no."""
        unrest = steps[_RATE] + 10.0 * np.abs(steps[_VERTICAL])  # the scale of `Movements`: 1 m/s^2 is a brisk start
        with np.errstate(invalid="ignore"):
            still: Bool = unrest <= self.params.still_dps
        return still

    def _lies(self, steps: Float) -> Bool:
        """Which steps lie still, not face down: that may be a stoop. NaN: no.

        The vertical acceleration is not asked: tilted so far, the gain and offset of a part show in it.
        """
        with np.errstate(invalid="ignore"):
            down = steps[_TILT] > self.context.lying_tilt_deg
            lies: Bool = (steps[_RATE] <= self.params.still_dps) & down & ~self._forward(steps)
        return lies

    def _forward(self, steps: Float) -> Bool:
        """Which steps lean forward and not to a side. NaN: no."""
        with np.errstate(invalid="ignore"):
            return np.asarray((steps[_LEAN] > 0.0) & (np.abs(steps[_LATERAL]) < PRONE_LATERAL_DEG))


def _stops(still: Bool, least_n: int) -> tuple[Int, Int]:
    """First step of each stop, and the one after its last; a stop is at least `least_n` still steps in a row."""
    edge = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(np.int8)))
    starts, ends = edge[::2], edge[1::2]
    long = ends - starts >= least_n
    return starts[long], ends[long]


def _height_m(vertical_mps2: Float, step_s: float) -> float:
    """Double integral between two stops. NaN where the acceleration is not known: such a climb is none."""
    if not np.isfinite(vertical_mps2).all():
        return 0.0
    velocity = np.concatenate([[0.0], np.cumsum(vertical_mps2) * step_s])
    velocity = velocity - velocity[-1] * np.arange(len(velocity)) / (len(velocity) - 1)
    return float(np.sum(velocity[1:] + velocity[:-1]) / 2.0 * step_s)


def _surge_mps(vertical_mps2: Float, tilt_deg: Float, step_s: float) -> float:
    """By how much the fastest speed upwards near upright stands out from those `_SURGE_N` steps before and after; 0 at least.

    Differences over less than two seconds: neither a start from rest is needed nor the part's error known.
    """
    speed = np.cumsum(vertical_mps2) * step_s
    if len(speed) <= 2 * _SURGE_N:
        return 0.0
    over = speed[_SURGE_N:-_SURGE_N] - np.maximum(speed[: -2 * _SURGE_N], speed[2 * _SURGE_N :])
    return max(0.0, float(np.max(over, where=tilt_deg[_SURGE_N:-_SURGE_N] <= _SURGE_TILT_DEG, initial=0.0)))


def _risen_m(steps: Float, a: int, b: int, step_s: float) -> float:
    """Height gained from the rest that ends before step a to the one that begins at step b, cleared of the part's error.

    At rest the vertical acceleration is zero. What both rests show instead is the error of a part along its up axis; between
    them that is the combination of the two which one fixed error in the part's axes would show at each tilt.
    """
    a, b = a - _STOP_N, b + _STOP_N
    rest_n = _REST_N - _STOP_N
    rests = slice(a - rest_n, a), slice(b, b + rest_n)
    before, after = (float(steps[_VERTICAL, rest].mean()) for rest in rests)
    lay, up = (float(np.radians(steps[_TILT, rest].mean())) for rest in rests)
    tilt = np.radians(steps[_TILT, a:b])
    error = (after * np.sin(lay - tilt) + before * np.sin(tilt - up)) / np.sin(lay - up)
    return _height_m(steps[_VERTICAL, a:b] - error, step_s)
