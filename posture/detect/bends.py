"""Forward bends: where the trunk leaned, how deep and how long, and how the lumbar spine was held meanwhile.

`Leans` finds them on the 50 Hz angles, `Bends` keeps those that context and their own motion allow (not while seated or lying,
no way on or off a chair, no leap, no squat) and judges them. Rounded against hinged is the difference of two sensors in the
wearer's own range. With one sensor the bend is counted and graded by depth; only the upper lumbar can say `rounded`, of leans so
deep that recorded people did not hinge into them, and every other verdict is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posture.config import BendsConfig
from posture.detect.chance import logistic, normal
from posture.detect.context import ContextBlock
from posture.detect.said import Said
from posture.signal.calibration import Calibration
from posture.signal.steps import appended
from posture.types import (
    GRID_HZ,
    AngleBlock,
    Basis,
    Bool,
    Context,
    EventKind,
    Float,
    Int,
    JsonValue,
    Placement,
    PostureEvent,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Lean:
    """A lean on the angles alone. Times s, angles deg; flexion and pelvis share NaN with one sensor.

    held_s : longest stay over the on level. flexion_peak_deg : highest difference that lasted `rounded_min_s`.
    pelvis_share : sacrum / upper lumbar inclination at the deepest point. trusted : share of trusted ticks.
    The rest is of the lean and half a second on either side, of the lowest sensor; NaN where nothing was measured.
    before_deg, after_deg : median sacral inclination in the second before and after. rate_dps : fastest way down.
    sideways_deg : furthest lateral lean from its median. shake_mps2 : SD of the vertical acceleration.
    height_m : gained from end to end, as if both were at rest.
    """

    start_s: float
    end_s: float
    peak_s: float
    peak_deg: float
    held_s: float
    flexion_peak_deg: float
    pelvis_share: float
    trusted: float
    before_deg: float = float("nan")
    after_deg: float = float("nan")
    rate_dps: float = float("nan")
    sideways_deg: float = float("nan")
    shake_mps2: float = float("nan")
    height_m: float = float("nan")


_LEAN, _SACRUM, _FLEXION, _TRUSTED, _LATERAL, _VERTICAL = range(6)
_CHANNELS = 6
_SECOND_N, _EDGE_N, _RATE_N = GRID_HZ, GRID_HZ // 2, GRID_HZ // 10
"""Ticks of the looks before and after a lean, of its edges, and over which its rate is taken; ours."""
_LOOK_N = 3 * GRID_HZ
"""Ticks before a lean in which a restart is looked for: as long as an orientation may be doubted after one."""


@dataclass(slots=True)
class LeansState:
    """Ticks since the start of the oldest lean that may still grow: at most `longest_s` of them.

    first_tick : of `ticks`, (channels, n). looked : how many of them are the `_LOOK_N` before, in which nothing is sought any more.
    """

    first_tick: int | None = None
    looked: int = 0
    ticks: Float = field(default_factory=lambda: np.empty((_CHANNELS, 0)))


class Leans:
    """Angle blocks -> leans, each said when nothing that follows can still join it."""

    def __init__(self, params: BendsConfig, calibration: Calibration, state: LeansState | None = None) -> None:
        self.params = params
        trunk = Placement.UPPER_LUMBAR in calibration.sensors
        self.trunk = trunk
        self.on_deg = params.trunk_on_deg if trunk else params.sacrum_on_deg
        self.off_deg = params.trunk_off_deg if trunk else params.sacrum_off_deg
        self.hold_min_s = params.hold_min_s if trunk else params.sacrum_hold_min_s
        self.state = state or LeansState()

    def push(self, block: AngleBlock) -> tuple[Lean, ...]:
        """Leans that are complete with these ticks."""
        state = self.state
        if state.first_tick is None:
            state.first_tick = block.first_tick
        lean = block.upper_lumbar_inclination_deg if self.trunk else block.sacrum_inclination_deg
        own = (block.sacrum_inclination_deg, block.flexion_deg, block.trusted)
        state.ticks = appended(state.ticks, (lean, *own, block.lateral_deg, block.vertical_mps2))
        if state.ticks.shape[1] - len(lean) == state.looked and not (lean > self.off_deg).any():  # nobody leans
            self._forget(state.ticks.shape[1])
            return ()
        return self._closed(at_end=False)

    def flush(self) -> tuple[Lean, ...]:
        """A lean that the session cuts off is said as far as it went."""
        return self._closed(at_end=True)

    def _closed(self, *, at_end: bool) -> tuple[Lean, ...]:
        state, p = self.state, self.params
        n = state.ticks.shape[1]
        starts, ends = self._runs(state.ticks[_LEAN, state.looked :])
        starts, ends = starts + state.looked, ends + state.looked
        done = np.ones(len(ends), dtype=np.bool_) if at_end else n - ends > p.merge_s * GRID_HZ
        out = [
            lean
            for a, b in zip(starts[done], ends[done], strict=True)
            if (lean := self._lean(int(a), int(b))) is not None
        ]
        open_from = int(starts[~done][0]) if not done.all() else n
        if n - open_from > p.longest_s * GRID_HZ:  # a held posture: forget it up to now, it is no bend
            open_from = n
        self._forget(open_from)
        return tuple(out)

    def _forget(self, until: int) -> None:
        """Nothing is sought any more before that row; of what lies there `_LOOK_N` are kept, to be looked back at."""
        state = self.state
        spare = max(0, until - _LOOK_N)
        state.looked = until - spare
        if spare and state.first_tick is not None:
            state.ticks = state.ticks[:, spare:].copy()
            state.first_tick += spare

    def _runs(self, lean: Float) -> tuple[Int, Int]:
        """Half-open tick ranges over the off level, joined over short pauses that stay bent. NaN ends a run."""
        with np.errstate(invalid="ignore"):
            over = lean > self.off_deg
        edges = _edges(over)
        starts, ends = edges[::2], edges[1::2]
        if len(starts) < 2:
            return starts, ends
        pause = starts[1:] - ends[:-1]
        joins = pause <= self.params.merge_s * GRID_HZ
        for k in np.flatnonzero(joins):
            smaller = min(lean[starts[k] : ends[k]].max(), lean[starts[k + 1] : ends[k + 1]].max())
            # NaN in the pause compares False: a gap separates.
            joins[k] = bool(lean[ends[k] : starts[k + 1]].min() > self.params.pause_share * smaller)
        return starts[np.concatenate([[True], ~joins])], ends[np.concatenate([~joins, [True]])]

    def _lean(self, a: int, b: int) -> Lean | None:
        p, ticks = self.params, self.state.ticks[:, a:b]
        lean = np.where(np.isnan(ticks[_LEAN]), -np.inf, ticks[_LEAN])
        from_, to = _longest_run(lean >= self.on_deg)
        held = (to - from_) / GRID_HZ
        if held < self.hold_min_s or self.state.first_tick is None or len(lean) > p.longest_s * GRID_HZ:
            return None
        motion = self._motion(a, b)
        restarted, believed = self._restarted(a), ticks[_TRUSTED] > 0
        if (restarted or motion["shake_mps2"] > p.shake_max_mps2) and believed[from_:to].mean() < 0.5:
            return None
        if restarted:  # how deep it went is what was seen once the orientation had settled
            lean = np.where(believed, lean, -np.inf)
        peak = int(np.argmax(lean))
        first = self.state.first_tick + a
        return Lean(
            start_s=first / GRID_HZ,
            end_s=(first + b - a) / GRID_HZ,
            peak_s=(first + peak) / GRID_HZ,
            peak_deg=float(lean[peak]),
            held_s=held,
            flexion_peak_deg=_lasting_peak(ticks[_FLEXION], int(p.rounded_min_s * GRID_HZ)),
            pelvis_share=float(ticks[_SACRUM, peak] / lean[peak]) if self.trunk else np.nan,
            trusted=float(ticks[_TRUSTED].mean()),
            **motion,
        )

    def _restarted(self, a: int) -> bool:
        """Whether the orientation restarted shortly before row a: its first lean may be a push, taken for tilt."""
        before = self.state.ticks[_LEAN, max(0, a - _LOOK_N) : a]
        return len(before) < _LOOK_N or bool(np.isnan(before).any())

    def _motion(self, a: int, b: int) -> dict[str, float]:
        """How the body moved around the rows [a, b) of a lean: the last fields of `Lean`."""
        ticks = self.state.ticks
        around = ticks[:, max(0, a - _EDGE_N) : b + _EDGE_N]
        lean = around[_LEAN]
        lateral = _measured(around[_LATERAL])
        vertical = _measured(around[_VERTICAL])
        down = _measured(lean[_RATE_N:] - lean[:-_RATE_N])
        velocity = np.cumsum(np.nan_to_num(around[_VERTICAL])) / GRID_HZ
        velocity = velocity - velocity[-1] * np.arange(1, len(velocity) + 1) / len(velocity)
        return {
            "before_deg": _median(ticks[_SACRUM, max(0, a - _SECOND_N) : a]),
            "after_deg": _median(ticks[_SACRUM, b : b + _SECOND_N]),
            "rate_dps": float(down.max()) * GRID_HZ / _RATE_N if len(down) else np.nan,
            "sideways_deg": float(np.abs(lateral - _median(lateral)).max()) if len(lateral) else np.nan,
            "shake_mps2": float(vertical.std()) if len(vertical) else np.nan,
            "height_m": float(np.cumsum(velocity)[-1]) / GRID_HZ if len(vertical) else np.nan,
        }


def _measured(values: Float) -> Float:
    return values[~np.isnan(values)]


def _median(values: Float) -> float:
    ordered = np.sort(_measured(values))
    k = len(ordered)
    return float(ordered[(k - 1) // 2] + ordered[k // 2]) / 2 if k else float("nan")


def _edges(mask: Bool) -> Int:
    """The first of each run of True and the one after its last, in turn."""
    return np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))


def _longest_run(mask: Bool) -> tuple[int, int]:
    """[from, to) of the longest run of True, the first of several; (0, 0) where there is none."""
    edges = _edges(mask)
    if not len(edges):
        return 0, 0
    longest = int(np.argmax(edges[1::2] - edges[::2]))
    return int(edges[2 * longest]), int(edges[2 * longest + 1])


def _lasting_peak(values: Float, n: int) -> float:
    """Highest level that was held for n ticks in a row; NaN where there is no such stretch without NaN."""
    if len(values) < n:
        return float("nan")
    lows = np.lib.stride_tricks.sliding_window_view(values, n).min(axis=1)
    lows = lows[~np.isnan(lows)]
    return float(lows.max()) if len(lows) else float("nan")


@dataclass(slots=True)
class BendsState:
    """Leans that wait for their context, and the labels of the last seconds: second -> (context, probability of sitting)."""

    waiting: list[Lean] = field(default_factory=list)
    labels: dict[int, tuple[int, float]] = field(default_factory=dict)


class Bends:
    """Leans and labelled seconds -> `bend` events, said with the second in which the lean ended.

    trust : what the caller will take from every confidence (a lesser wear); a verdict of one sensor must hold with it.
    has_gyro : without one upright is where the force points, and there is no height.
    """

    def __init__(
        self,
        params: BendsConfig,
        calibration: Calibration,
        state: BendsState | None = None,
        *,
        trust: float = 1.0,
        has_gyro: bool = True,
    ) -> None:
        self.params, self.calibration, self.trust, self.has_gyro = params, calibration, trust, has_gyro
        self.state = state or BendsState()

    def push(self, block: ContextBlock, leans: tuple[Lean, ...]) -> list[Said]:
        """Bends whose last second is decided by now."""
        state = self.state
        state.waiting.extend(leans)
        state.labels.update(
            zip(
                block.start_s.astype(int).tolist(),
                zip(block.context.tolist(), block.seated.tolist(), strict=True),
                strict=True,
            )
        )
        newest = max(state.labels, default=-1)
        ready = [lean for lean in state.waiting if int(lean.end_s) <= newest]
        state.waiting = [lean for lean in state.waiting if int(lean.end_s) > newest]
        said = [Said(float(int(lean.end_s)), event) for lean in ready if (event := self._event(lean)) is not None]
        oldest = newest - int(self.params.longest_s) - 5
        for second in [s for s in state.labels if s < oldest]:
            del state.labels[second]
        return said

    def flush(self) -> list[Said]:
        """What ended after the last decided second is judged with the labels there are."""
        waiting, self.state.waiting = self.state.waiting, []
        newest = max(self.state.labels, default=-1)
        return [Said(float(newest), event) for lean in waiting if (event := self._event(lean)) is not None]

    def _event(self, lean: Lean) -> PostureEvent | None:
        p, c = self.params, self.calibration
        trunk = Placement.UPPER_LUMBAR in c.sensors
        here = self._on_feet(lean)
        if here is None or (self.has_gyro and changes_seat(lean, p)) or (not trunk and not pelvis_bends(lean, p)):
            return None
        here *= 1.0 if lean.trusted > p.trusted_share else p.trusted_share
        if c.basis is Basis.TWO:
            verdict, sure = bend_verdict(lean, p, rom_deg=c.rom_deg if c.rom_measured else None)
        else:  # without poses upright is a guess, and with it how deep a lean was
            judges = trunk and c.source != "self"
            hinge_deg = c.sensors[Placement.UPPER_LUMBAR].hinge_deg if judges else np.nan
            verdict, sure = one_sensor_verdict(lean, p, judges=judges, hinge_deg=hinge_deg, here=here * self.trust)
        deep = lean.peak_deg >= (p.deep_trunk_deg if trunk else p.deep_sacrum_deg)
        evidence: dict[str, JsonValue] = {
            "angle": "upper_lumbar_inclination_deg" if trunk else "sacrum_inclination_deg",
            "at_least": not trunk,
            "held_s": round(lean.held_s, 2),
            "deep": deep,
            "sustained": lean.held_s >= p.sustained_s,
        }
        if c.basis is Basis.TWO:
            evidence["flexion_peak_deg"] = _rounded(lean.flexion_peak_deg)
            evidence["flexion_peak_pct_rom"] = _rounded(100.0 * lean.flexion_peak_deg / c.rom_deg)
            evidence["pelvis_share"] = _rounded(lean.pelvis_share, 2)
        return PostureEvent(
            kind=EventKind.BEND,
            start_s=lean.start_s,
            end_s=lean.end_s,
            peak_s=lean.peak_s,
            peak_deg=round(lean.peak_deg, 1),
            verdict=verdict,
            basis=c.basis,
            confidence=round(here * sure, 3),
            evidence=evidence,
        )

    def _on_feet(self, lean: Lean) -> float | None:
        """Probability that the lean was made on the feet; None where context says seated or lying."""
        labels = self.state.labels
        missing = (int(Context.UNKNOWN), 0.5)
        before, seated = labels.get(int(lean.start_s) - 1, labels.get(int(lean.start_s), missing))
        after, seated_after = labels.get(int(lean.end_s), missing)
        inside = [labels.get(s, missing)[0] for s in range(int(lean.start_s), int(lean.end_s) + 1)]
        if Context.SITTING in (before, after) or Context.LYING in (before, after, *inside):
            return None
        return 1.0 - max(seated, seated_after)


def changes_seat(lean: Lean, params: BendsConfig) -> bool:
    """Whether a lean that context calls standing was a way on or off a chair: a bend ends at the height where it began.

    A seat also keeps the pelvis rolled back: lower and further back afterwards, or higher and further forward. Only over a few
    seconds, as a height is worth little after that.
    """
    p, lasted_s = params, lean.end_s - lean.start_s
    rolled_deg = (lean.after_deg - lean.before_deg) * np.sign(lean.height_m)
    travels = lasted_s < p.seat_longest_s and abs(lean.height_m) > p.seat_height_m
    return bool(travels or (lasted_s < p.roll_longest_s and rolled_deg > p.roll_deg))


def pelvis_bends(lean: Lean, params: BendsConfig) -> bool:
    """Whether a lean of the sacrum is a bend by its own motion: the pelvis leans in squats, steps and leaps too."""
    p = params
    leaps = lean.sideways_deg > p.sideways_max_deg or lean.shake_mps2 > p.shake_max_mps2
    shaken = lean.end_s - lean.start_s > p.long_from_s and lean.shake_mps2 > p.long_shake_max_mps2
    squats = lean.peak_deg < p.shallow_deg and lean.rate_dps < p.shallow_rate_dps
    return not (leaps or shaken or squats)


def one_sensor_verdict(
    lean: Lean, params: BendsConfig, *, judges: bool, here: float, hinge_deg: float = np.nan
) -> tuple[Verdict, float]:
    """Verdict and its probability from the depth of one sensor's lean.

    judges : whether this wear does: the upper lumbar, calibrated. here : probability that it was a bend at all. hinge_deg : the
    wearer's own deepest hinge of the calibration, NaN where there was none: a lean that is hardly deeper may be another one.

    Recorded people bend deepest with a rounded back, so the shipped model (`analysis.validation.bend_model`) says rounded of the
    deepest leans of the upper lumbar, where both probabilities together reach `one_sensor_from`. Never neutral, and nothing at
    the sacrum: a pelvis that leans far is a rounded pick-up or a taught hinge.
    """
    sure = logistic((lean.peak_deg - params.lean_even_deg) / params.lean_scale_deg)
    hinges = lean.peak_deg <= hinge_deg + params.own_hinge_deg  # NaN: no
    if judges and not hinges and here * sure >= params.one_sensor_from:
        return Verdict.ROUNDED, sure
    return Verdict.UNKNOWN, 1.0


def bend_verdict(lean: Lean, params: BendsConfig, *, rom_deg: float | None) -> tuple[Verdict, float]:
    """Verdict and the probability that it is right, from the lasting peak difference.

    Rounded from `rounded_share` of the own range on; neutral under `neutral_share` if the pelvis carried the lean; mixed between.
    rom_deg None: the range was not measured and a fixed difference decides. NaN (one sensor was lost): unknown, and how sure the
    bend itself is is left to the caller.
    """
    flexion = lean.flexion_peak_deg
    if np.isnan(flexion):
        return Verdict.UNKNOWN, 1.0
    rounded_deg = params.rounded_share * rom_deg if rom_deg else params.rounded_uncalibrated_deg
    neutral_deg = params.neutral_share / params.rounded_share * rounded_deg
    if flexion >= rounded_deg:
        return Verdict.ROUNDED, normal((flexion - rounded_deg) / params.error_sd_deg)
    if flexion < neutral_deg and lean.pelvis_share > params.neutral_pelvis_share:
        return Verdict.NEUTRAL, normal((rounded_deg - flexion) / params.error_sd_deg)
    return Verdict.MIXED, 0.5


def _rounded(value: float, digits: int = 1) -> float | None:
    return None if np.isnan(value) else round(value, digits)
