"""Repetitions on the feet: the body goes down or forward and comes back to where it was.

A squat shows in height, a hip hinge in lean, a lunge in both. Each is looked at as its second difference: how much lower, and how
much further forward, the body is than `half_s` before and after. Of the height this is a weighted mean of the vertical acceleration
(a triangle, exact by partial integration), so it needs no velocity to start from and no quiet moment. Between two repetitions it
changes sign, however short the stop at the top; during a stop at the bottom it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from posture.config import RepsConfig
from posture.signal.steps import Steps, StepsState
from posture.types import GRID_HZ, AngleBlock, Float, Int8, Placement

STEP_S = 0.1
"""s; means over this are looked at."""
KNOWN_AFTER_S = 4.8
"""s after its end a repetition is known: the reach of the second difference and the seconds in which its end is sought."""
_STEP_N = round(STEP_S * GRID_HZ)
_REACH_N = (
    30  # steps: the mean over this far before and after is taken off the acceleration, against an offset of the part
)
_EDGE_N = 15  # steps after the sign has changed in which the top between two repetitions lies
_BEFORE_N = 25  # and before it
_TOP_N, _NEAR_N = 5, 10  # steps of rest at an end, and how far from it they may lie
_STILL_DPS, _STILL_MPS2 = 3.0, 0.8
_UNSURE = 0.3
"""A still step turns slower and is accelerated by no more than an offset; sum of squared sines from which the offset is believed:
half a second at 45 deg. Ours."""
_LEAN, _SACRUM, _FLEXION, _LATERAL, _VERTICAL, _TILT, _RATE, _TRUSTED = range(8)
_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class Rep:
    """One repetition, from top to top. Times s; the angles are changes from the pose at its two ends, deg; NaN: not measured.

    drop_m : how far down the lowest sensor went, m, under two ends of the same height. lean_deg : of the trunk where it is worn,
    else of the pelvis. pelvis_deg : of the sacrum. flexion_deg, lateral_deg : the largest change, with its sign; right positive.
    level_deg : lean of the two ends, their mean. tilt_deg, top_dps : tilt of the ends, and angular rate of the quietest
    half second at each, the larger one. trusted : share of trusted ticks.
    """

    start_s: float
    peak_s: float
    end_s: float
    drop_m: float
    lean_deg: float
    pelvis_deg: float
    flexion_deg: float
    lateral_deg: float
    level_deg: float
    tilt_deg: float
    top_dps: float
    trusted: float

    @property
    def middle_s(self) -> float:
        """Half way between its ends: steadier than the deepest moment, which a pause leaves open."""
        return 0.5 * (self.start_s + self.end_s)


@dataclass(slots=True)
class RepsState:
    """The open step; the last steps, (channels, n); their excursion, (2, m) as in `Reps._excursion`, and its sign (1 out, -1 back),
    one per step up to `_REACH_N` before the last.
    tilted : sums over all still steps, of squared sine of the lowest inclination, and of that sine times the vertical acceleration.
    """

    open: StepsState = field(default_factory=StepsState)
    steps: Float = field(default_factory=lambda: np.empty((_CHANNELS, 0)))
    tilted: tuple[float, float] = (0.0, 0.0)
    excursion: Float = field(default_factory=lambda: np.empty((2, 0)))
    out: Int8 = field(default_factory=lambda: np.empty(0, dtype=np.int8))


class Reps:
    """Angle blocks (ticks in order, no holes) -> repetitions, each said `KNOWN_AFTER_S` after its end at the latest.

    on_mat : of somebody lying, in the inclination of the lowest sensor alone; then that is what `lean_deg` is of.
    """

    def __init__(
        self,
        params: RepsConfig,
        sensors: Sequence[Placement],
        state: RepsState | None = None,
        *,
        on_mat: bool = False,
    ) -> None:
        self.params = params
        if on_mat:
            self.full_deg = params.mat_deg if Placement.SACRUM in sensors else params.mat_trunk_deg
        else:
            self.full_deg = params.lean_deg if Placement.UPPER_LUMBAR in sensors else params.pelvis_deg
        self.state = state or RepsState()
        self.half_n = round(params.half_s / STEP_S), round(params.slow_half_s / STEP_S)
        self.longest_n = round(params.longest_s / STEP_S)
        self.kernels = [_kernel(n) for n in self.half_n]
        self.on_mat = on_mat
        self.lowest = _SACRUM if Placement.SACRUM in sensors else _LEAN

    def push(self, block: AngleBlock) -> tuple[Rep, ...]:
        """Repetitions that are known with these ticks."""
        state = self.state
        new = self._steps(block)
        if not new.shape[1]:
            return ()
        new[_VERTICAL] = self._levelled(new)
        state.steps = np.concatenate([state.steps, new], axis=1)
        first_new = len(state.out)
        excursion = self._excursion(state.steps, first_new)
        state.excursion = np.concatenate([state.excursion, excursion], axis=1)
        state.out = np.concatenate([state.out, self._signs(excursion, int(state.out[-1]) if first_new else -1)])
        found = self._found(first_new)
        spare = len(state.out) - (self.longest_n + _BEFORE_N + 2 * _EDGE_N)
        if spare > 0:
            state.steps, state.excursion, state.out = (
                state.steps[:, spare:].copy(),
                state.excursion[:, spare:].copy(),
                state.out[spare:].copy(),
            )
        return found

    def flush(self) -> tuple[Rep, ...]:
        """A repetition that the session cuts off proves nothing."""
        return ()

    def _steps(self, block: AngleBlock) -> Float:
        """(channels, m) means of the steps that are complete with these ticks; NaN where a tick of the step has none."""
        lean, other = block.upper_lumbar_inclination_deg, block.sacrum_inclination_deg
        if self.on_mat:
            lean, other = other, lean
        channels = (
            np.where(np.isnan(lean), other, lean),
            block.sacrum_inclination_deg,
            block.flexion_deg,
            block.lateral_deg,
            block.vertical_mps2,
            block.tilt_deg,
            block.rate_dps,
            block.trusted,
        )
        return Steps(_STEP_N, self.state.open).push(block.first_tick, channels)

    def _levelled(self, new: Float) -> Float:
        """Vertical acceleration without what an offset of the part adds to it as the sensor tilts: at rest it is zero.

        An offset of 0.2 m/s^2 along the body's x makes a hinge of 1.5 s into a way up of 0.3 m. It is learnt from still steps, a
        seated pelvis mostly, and used from the next step on.
        """
        sine = np.sin(np.radians(new[self.lowest]))
        with np.errstate(invalid="ignore"):
            still = (new[_RATE] <= _STILL_DPS) & (np.abs(new[_VERTICAL]) <= _STILL_MPS2)
        still &= ~np.isnan(sine)
        sums = []
        for before, added in zip(self.state.tilted, (sine * sine, sine * new[_VERTICAL]), strict=True):
            sums.append(np.cumsum(np.concatenate([[before], np.where(still, added, 0.0)])))
        self.state.tilted = float(sums[0][-1]), float(sums[1][-1])
        per_sine = sums[1][:-1] / (sums[0][:-1] + _UNSURE)
        return np.asarray(new[_VERTICAL] - per_sine * np.where(np.isnan(sine), 0.0, sine))

    def _excursion(self, steps: Float, first: int) -> Float:
        """(2, m) excursion of the steps from `first` on whose reach is there; 1: as far as `drop_m` or `lean_deg`; NaN near a gap.

        First against `half_s`, then the most of that and against `slow_half_s`.
        """
        known = max(0, steps.shape[1] - 2 * _REACH_N - first)
        if not known:
            return np.empty((2, 0))
        both: list[Float]
        lean, p = steps[_LEAN], self.params
        at = first + _REACH_N + np.arange(known)
        further = [lean[at] - 0.5 * (lean[at - n] + lean[at + n]) for n in self.half_n]
        if self.on_mat:
            lies = steps[_TILT, at] >= p.mat_tilt_deg
            both = [np.asarray(np.where(lies, deg / self.full_deg, np.nan)) for deg in further]
        else:
            window = slice(first, first + known + 2 * _REACH_N)
            around = sliding_window_view(steps[_VERTICAL, window], 2 * _REACH_N + 1)[:known]
            lower = [np.einsum("ij,j->i", around, kernel) for kernel in self.kernels]
            both = [m / p.drop_m + deg / self.full_deg for m, deg in zip(lower, further, strict=True)]
        return np.asarray(np.stack([both[0], np.maximum(both[0], both[1])]))

    def _signs(self, excursion: Float, before: int) -> Int8:
        """1 from where the body is out, -1 from where it is back; between them as before."""
        with np.errstate(invalid="ignore"):
            out, back = excursion[1] >= self.params.on_share, ~(excursion[0] > -self.params.off_share)
        said = np.where(out, 1, np.where(back, -1, 0))
        last = np.maximum.accumulate(np.where(said != 0, np.arange(len(said)), -1))
        return np.where(last >= 0, said[last], before).astype(np.int8)

    def _found(self, first_new: int) -> tuple[Rep, ...]:
        """Ways out and back whose end lies `_EDGE_N` before one of the new steps."""
        state = self.state
        edge = np.flatnonzero(np.diff(state.out)) + 1
        back = edge[state.out[edge] == -1]
        out = edge[state.out[edge] == 1]
        found = []
        rests_dps = _half_second_means(state.steps[_RATE])
        for b in back[(back + _EDGE_N >= first_new) & (back + _EDGE_N < len(state.out))].tolist():
            before = out[out < b]
            if len(before) and b - before[-1] <= self.longest_n and before[-1] >= _BEFORE_N:
                rep = self._rep(int(before[-1]), b, rests_dps)
                found += [rep] if rep is not None else []
        return tuple(found)

    def _rep(self, out: int, back: int, rests_dps: Float) -> Rep | None:
        """Ends at the tops around it: where the second difference is lowest. None where something was not measured.

        rests_dps : mean rate of the half second that begins at each step.
        """
        state = self.state
        excursion, most = state.excursion
        a = out - _BEFORE_N + int(np.argmin(excursion[out - _BEFORE_N : out]))
        b = back + int(np.argmin(excursion[back : back + _EDGE_N]))
        steps = state.steps[:, _REACH_N + a : _REACH_N + b + 1]
        needed = steps[[_LEAN, _LATERAL, _VERTICAL, _TILT]]
        if np.isnan(needed).any() or np.isnan(excursion[a : b + 1]).any():
            return None
        change = steps - 0.5 * (steps[:, :1] + steps[:, -1:])
        first = (state.open.next_step or 0) - state.steps.shape[1] + _REACH_N + a
        return Rep(
            start_s=first * STEP_S,
            peak_s=(first + out - a + int(np.argmax(most[out:back]))) * STEP_S,
            end_s=(first + b - a + 1) * STEP_S,
            drop_m=_drop_m(steps[_VERTICAL]),
            lean_deg=float(change[_LEAN].max()),
            pelvis_deg=_furthest(change[_SACRUM]),
            flexion_deg=_furthest(change[_FLEXION]),
            lateral_deg=_furthest(change[_LATERAL]),
            level_deg=float(0.5 * (steps[_LEAN, 0] + steps[_LEAN, -1])),
            tilt_deg=float(max(steps[_TILT, 0], steps[_TILT, -1])),
            top_dps=max(_quietest_dps(rests_dps, _REACH_N + k) for k in (a, b)),
            trusted=float(steps[_TRUSTED].mean()),
        )


def _half_second_means(rate_dps: Float) -> Float:
    """(n,) -> (n - _TOP_N + 1,), by their first step."""
    n = max(0, len(rate_dps) - _TOP_N + 1)
    return np.asarray(sum(rate_dps[k : k + n] for k in range(_TOP_N)) / _TOP_N)


def _quietest_dps(rests_dps: Float, at: int) -> float:
    """Least mean rate of half a second near this step."""
    return float(rests_dps[max(at - _NEAR_N, 0) : at + _NEAR_N - _TOP_N + 2].min())


def _kernel(half_n: int) -> Float:
    """(2 * reach + 1,) s^2: acceleration -> how much lower than the mean of `half_n` steps before and after, m."""
    away = np.abs(np.arange(-_REACH_N, _REACH_N + 1))
    triangle = 0.5 * np.maximum(half_n - away, 0) * STEP_S**2
    return np.asarray(triangle - triangle.sum() / len(triangle))


def _drop_m(vertical_mps2: Float) -> float:
    """Way down between two ends at rest and of the same height: what is left over at the end is an error that grew smoothly."""
    velocity = np.cumsum(vertical_mps2) * STEP_S
    u = np.arange(1, len(velocity) + 1) / len(velocity)
    height = np.cumsum(velocity - velocity[-1] * u) * STEP_S
    height = height - height[-1] * u * u * (3.0 - 2.0 * u)
    return float(-height.min())


def _furthest(change: Float) -> float:
    """The largest change, with its sign; NaN where one is not known."""
    return float("nan") if np.isnan(change).any() else float(change[np.argmax(np.abs(change))])
