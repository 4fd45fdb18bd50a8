"""Lean movements: a forward lean that comes up and goes, between two quiet moments, and how much height it gained.

The chair shows itself here: standing up and sitting down are leans whose two quiet ends lie a chair's height apart, while a
bend ends where it began. Height is the double integral of the vertical acceleration with the velocity set to zero at both
ends (sign right in 93-95 %, sd 0.085 m on recorded motion), so it is only taken over a few seconds and upright ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from posture.config import MovementConfig
from posture.signal.steps import appended, step_means
from posture.types import GRID_HZ, AngleBlock, Bool, Float, Int


@dataclass(frozen=True, slots=True)
class Movement:
    """One lean and its two quiet ends (before, after). Times s, angles deg, height m (up positive, NaN if not measurable).

    lean : upper lumbar inclination where worn, else the sacrum's; NaN-free by construction. sacrum_*, upper_*, lateral_* : at the
    last quiet moment within reach, once settled; NaN where not worn. rate : mean angular rate at the quiet ends, deg/s.
    sink_mps : fastest speed downwards, m/s; impact_mps2 : strongest upward acceleration after it; sink_s : how long it went down at
    more than a fifth of that speed. one_way : fastest speed up less that down over their sum, -1 to 1: near 0 for a way there
    and back. All NaN with the height.
    """

    start_s: float
    peak_s: float
    end_s: float
    lean_before_deg: float
    lean_peak_deg: float
    lean_after_deg: float
    sacrum_after_deg: float
    upper_after_deg: float
    lateral_after_deg: float
    flexion_peak_deg: float
    rate_before_dps: float
    rate_after_dps: float
    height_m: float
    sink_mps: float = float("nan")
    sink_s: float = float("nan")
    impact_mps2: float = float("nan")
    one_way: float = float("nan")


_LEAN, _SACRUM, _UPPER, _FLEXION, _RATE, _VERTICAL, _TILT, _LATERAL = range(8)
_CHANNELS = 8


@dataclass(slots=True)
class MovementsState:
    """The last seconds of ticks, (channels, < a few hundred), and the step at which the next peak may lie."""

    first_tick: int | None = None
    ticks: Float = field(default_factory=lambda: np.empty((_CHANNELS, 0)))
    next_step: int = 0


class Movements:
    """Angle blocks -> movements, each said once its reach after the peak is complete.

    Peaks are sought on means over `step_s` at absolute step boundaries, so that chunking cannot matter.
    takes_height : False for a wear without a gyroscope, whose tilt in motion is too wrong for an integral.
    """

    def __init__(
        self, params: MovementConfig, state: MovementsState | None = None, *, takes_height: bool = True
    ) -> None:
        self.params, self.takes_height = params, takes_height
        self.state = state or MovementsState()
        self.step_n = round(params.step_s * GRID_HZ)
        self.reach = round(params.reach_s / params.step_s)
        self.inner = round(params.inner_s / params.step_s)
        # Without a height the posture before the lean counts, and that is the one just before it.
        self.far = round(params.far_s / params.step_s) if takes_height else self.reach
        self.around = round(1.0 / params.step_s)

    def push(self, block: AngleBlock) -> tuple[Movement, ...]:
        """Movements whose reach is complete with these ticks."""
        state = self.state
        if state.first_tick is None:
            state.first_tick = block.first_tick
            state.next_step = block.first_tick // self.step_n + self.reach
        lean = np.where(
            np.isnan(block.upper_lumbar_inclination_deg),
            block.sacrum_inclination_deg,
            block.upper_lumbar_inclination_deg,
        )
        own = (block.sacrum_inclination_deg, block.upper_lumbar_inclination_deg, block.flexion_deg)
        state.ticks = appended(
            state.ticks, (lean, *own, block.rate_dps, block.vertical_mps2, block.tilt_deg, block.lateral_deg)
        )
        first_step = state.first_tick // self.step_n
        steps_n = state.ticks.shape[1] // self.step_n
        stop = first_step + steps_n - self.reach
        found: list[Movement] = []
        if stop > state.next_step:
            means = step_means(state.ticks[:, : steps_n * self.step_n], self.step_n)
            candidates = np.arange(state.next_step, stop)
            peaks = candidates[self._peaks(means[_LEAN], candidates - first_step)]
            found = [self._movement(means, int(step), first_step) for step in peaks]
            state.next_step = stop
        keep_from = (state.next_step - self.far) * self.step_n
        spare = keep_from - state.first_tick
        if spare > 0:
            state.ticks = state.ticks[:, spare:].copy()
            state.first_tick += spare
        return tuple(found)

    def flush(self) -> tuple[Movement, ...]:
        """A lean that the session cuts off proves nothing."""
        return ()

    def _peaks(self, lean: Float, at: Int) -> Bool:
        """Which steps are the highest within a second and stand out over one of their sides. NaN anywhere near: no."""
        near = sliding_window_view(lean, 2 * self.around + 1)[at - self.around]
        wide = sliding_window_view(lean, 2 * self.reach + 1)
        peak = lean[at]
        with np.errstate(invalid="ignore"):
            tall: Bool = (peak > near[:, : self.around].max(axis=1)) & (peak >= near[:, self.around + 1 :].max(axis=1))
            tops = np.flatnonzero(tall)
            sides = wide[at[tops] - self.reach]
            low = np.minimum(sides[:, : self.reach].min(axis=1), sides[:, self.reach + 1 :].min(axis=1))
            tall[tops] = peak[tops] - low >= self.params.rise_min_deg
        return tall

    def _movement(self, means: Float, step: int, first_step: int) -> Movement:
        k = step - first_step
        unrest = means[_RATE] + 10.0 * np.abs(
            means[_VERTICAL]
        )  # deg/s and m/s^2 on one scale: 1 m/s^2 is a brisk start
        before = unrest[max(0, k - self.far) : k - self.inner + 1][::-1]
        a = k - self.inner - _nearest_quiet(before, self.params.quiet_dps, self.reach - self.inner + 1)
        after = unrest[k + self.inner : k + self.reach + 1]
        b = k + self.inner + _nearest_quiet(after, self.params.quiet_dps, len(after))
        quiet = np.flatnonzero(after <= self.params.quiet_dps)
        settled = k + self.inner + int(quiet[-1]) if len(quiet) else b
        n = self.step_n
        ticks = self.state.ticks[:, a * n : (b + 1) * n]
        height, sinking = _travel(ticks[_VERTICAL] - self._offset_mps2(means, a, b))
        upright = self.takes_height and max(means[_TILT, a], means[_TILT, b]) < self.params.height_tilt_max_deg
        # Around the peak only: slumped sitting before a rise is not how the rise was done.
        flexion = self.state.ticks[_FLEXION, max(a, k - self.inner * 2) * n : (min(b, k + self.inner * 2) + 1) * n]
        return Movement(
            start_s=(first_step + a) * self.params.step_s,
            peak_s=step * self.params.step_s,
            end_s=(first_step + b + 1) * self.params.step_s,
            lean_before_deg=float(means[_LEAN, a]),
            lean_peak_deg=float(means[_LEAN, k]),
            lean_after_deg=float(means[_LEAN, b]),
            sacrum_after_deg=float(means[_SACRUM, settled]),
            upper_after_deg=float(means[_UPPER, settled]),
            lateral_after_deg=float(means[_LATERAL, settled]),
            flexion_peak_deg=float(np.max(flexion)),
            rate_before_dps=float(means[_RATE, a]),
            rate_after_dps=float(means[_RATE, b]),
            **({"height_m": height, **sinking} if upright else {"height_m": float("nan")}),
        )

    def _offset_mps2(self, means: Float, a: int, b: int) -> Float | float:
        """What an offset of the sacral part adds to the vertical acceleration of each tick of steps [a, b] as the pelvis turns.

        0 without the sacrum, or where it is turned to a side: the upper lumbar spine hardly turns between standing and sitting,
        so its rest cannot tell.
        """
        sacrum_deg = self.state.ticks[_SACRUM, a * self.step_n : (b + 1) * self.step_n]
        if np.isnan(sacrum_deg).any():
            return 0.0
        ends = [float(means[row, step]) for row in (_VERTICAL, _SACRUM) for step in (a, b)]
        return _per_deg(*ends) * (sacrum_deg - ends[2])


def _nearest_quiet(unrest: Float, quiet_dps: float, near_n: int) -> int:
    """Steps outwards to the first quiet one with no hole before it, else to the least unquiet of the first `near_n`.

    A short integral is the better one; those first ones are known.
    """
    with np.errstate(invalid="ignore"):
        found = np.flatnonzero((unrest <= quiet_dps) | np.isnan(unrest))
    quiet = len(found) > 0 and not np.isnan(unrest[found[0]])
    return int(found[0]) if quiet else int(np.argmin(unrest[:near_n]))


def _per_deg(before_mps2: float, after_mps2: float, before_deg: float, after_deg: float) -> float:
    """m/s^2 per deg: what an offset of the part adds to the vertical acceleration as it leans, from two moments at rest.

    At rest that acceleration is zero, so the difference is the part's: as far as a part has one, and shrunk where the moments
    lie within about `_LEVEL_DEG` of each other.
    """
    turned_deg = after_deg - before_deg
    per_deg = (after_mps2 - before_mps2) * turned_deg / (turned_deg**2 + _LEVEL_DEG**2)
    most = math.radians(_OFFSET_MOST_MPS2)
    return min(max(per_deg, -most), most)


_LEVEL_DEG, _OFFSET_MOST_MPS2 = 10.0, 0.5
"""Ours (the offset: 50 mg). On 70 labelled chair transitions of a phone all heights then have the right sign, before 56."""


def _travel(vertical_mps2: Float) -> tuple[float, dict[str, float]]:
    """Height gained between two quiet ends, m, and how it sank between them (fields of `Movement`)."""
    dt = 1.0 / GRID_HZ
    velocity = np.cumsum(vertical_mps2) * dt
    velocity = velocity - velocity[-1] * np.arange(1, len(velocity) + 1) / len(velocity)
    fastest = int(np.argmin(velocity))
    sink_mps, rise_mps = max(0.0, -float(velocity[fastest])), max(0.0, float(velocity.max()))
    slow = np.flatnonzero(
        velocity >= -_SINKING_SHARE * sink_mps
    )  # the last sample is at rest, so there is one after the fastest
    before, after = slow[slow < fastest], slow[slow > fastest]
    end = int(after[0]) if len(after) else len(velocity)
    sinking = {
        "sink_mps": sink_mps,
        "sink_s": (end - (int(before[-1]) + 1 if len(before) else 0)) * dt,
        "impact_mps2": float(vertical_mps2[fastest:].max()),
        "one_way": (rise_mps - sink_mps) / (rise_mps + sink_mps + _SLOW_MPS),
    }
    return float(np.cumsum(velocity)[-1] * dt), sinking


_SINKING_SHARE = 0.2
"""Share of the fastest speed downwards over which it counts as going down; ours."""
_SLOW_MPS = 0.1
"""Speed under which a way up or down is hardly one, and its direction says little; ours."""
