"""Sensors that are worn for hours: the shipped excerpt over and over, each sensor sampled at the moments of its own clock, its
packets brought by a radio. A session may have several segments: a reboot, another rate. The truth is the flexion that the excerpt
was made with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pyarrow.parquet as pq
from radio import PACKET_N, Device, arrivals
from streams import BOTH, CONFIG, EXCERPT, RECORDINGS, calibration

from posture.config import ClockConfig
from posture.signal.clock import ClockEstimator, Packets
from posture.signal.fusion import Fusion
from posture.signal.join import Join
from posture.signal.lumbar import angles
from posture.signal.timebase import Grid, TickRun, Timebase
from posture.types import GRID_HZ, Bool, ClockFit, Float, ImuBatch, ImuBlock, Placement, Segment

AXES = [f"{part}_{axis}_{unit}" for part, unit in (("acc", "mps2"), ("gyr", "radps")) for axis in "xyz"]


@dataclass(frozen=True)
class Motion:
    """The excerpt on a whole grid: signals per placement (n, 6), true flexion deg (n,), and which ticks are scored."""

    signals: Mapping[Placement, Float]
    flexion_deg: Float
    scored: Bool


@cache
def motion() -> Motion:
    """Lost rows are filled in; some seconds around long holes and around the seam of two repeats are not scored."""
    table, truth = pq.read_table(EXCERPT), pq.read_table(RECORDINGS / "day_excerpt.truth.parquet")
    time_s, grid_s = np.asarray(table["time_s"]), np.asarray(truth["time_s"])
    signals = {
        p: np.stack([np.interp(grid_s, time_s, np.asarray(table[f"{p}_{a}"])) for a in AXES], axis=1) for p in BOTH
    }
    scored = (grid_s > 5.0) & (grid_s < grid_s[-1] - 5.0)
    for k in np.flatnonzero(np.diff(time_s) > 0.15):
        scored &= (grid_s < time_s[k] - 1.0) | (grid_s > time_s[k + 1] + 5.0)
    flexion_deg = np.asarray(truth["flexion_deg"], dtype=np.float64)
    return Motion(signals, flexion_deg, scored & np.isfinite(flexion_deg))


@dataclass(frozen=True)
class Part:
    """One segment: worn [from_s, to_s), by a clock, its counter at the first sample, and a bias of the gyroscope."""

    segment: Segment
    device: Device
    from_s: float
    to_s: float
    first_index: int = 0
    bias_dps: float = 0.0

    @property
    def packets_n(self) -> int:
        return int((self.to_s - self.from_s) * self.segment.rate_hz) // PACKET_N

    def device_s(self, sample: Float) -> Float:
        return np.asarray(self.device.shows(self.from_s) + sample / self.segment.rate_hz)

    def packet_ends_s(self) -> Float:
        """True times of the packets' last samples."""
        return self.device.true_s(self.device_s(np.arange(self.packets_n) * PACKET_N + PACKET_N - 1.0))


@dataclass(frozen=True)
class Wearing:
    """One sensor's session; `arrived_s` per part."""

    placement: Placement
    parts: tuple[Part, ...]
    seed: int
    start_s: float = 0.0
    arrived_s: tuple[Float, ...] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        ends = [p.packet_ends_s() for p in self.parts]
        whole = arrivals(np.concatenate(ends), rng)
        object.__setattr__(self, "arrived_s", tuple(np.split(whole, np.cumsum([len(e) for e in ends])[:-1])))

    def block(self, part: Part, arrived_s: Float, a: int, b: int) -> ImuBlock:
        """Samples of the packets a to b of a part."""
        sample = np.arange(a * PACKET_N, b * PACKET_N)
        device_s = part.device_s(sample)
        signals = motion().signals[self.placement]
        at = np.mod((self.start_s + part.device.true_s(device_s)) * GRID_HZ, len(signals))
        low = np.floor(at).astype(np.int64)
        rows = signals[low % len(signals)]
        rows = rows + (signals[(low + 1) % len(signals)] - rows) * (at - low)[:, None]
        gyr = rows[:, 3:] + np.radians(part.bias_dps)
        index = part.first_index + sample
        arrived = np.repeat(arrived_s[a:b], PACKET_N)
        return ImuBlock(self.placement, device_s, rows[:, :3].copy(), gyr, arrived, part.segment, index)

    def between(self, low_s: float, high_s: float) -> Iterator[tuple[ImuBlock, Packets]]:
        """What arrives in (low_s, high_s], part by part."""
        for part, arrived_s in zip(self.parts, self.arrived_s, strict=True):
            a, b = (int(k) for k in np.searchsorted(arrived_s, (low_s, high_s), side="right"))
            if b > a:
                last_s = part.device_s(np.arange(a, b) * PACKET_N + PACKET_N - 1.0)
                yield self.block(part, arrived_s, a, b), Packets(part.segment.number, last_s, arrived_s[a:b])


def worn(placement: Placement, ppm: float, hours: float, seed: int) -> Wearing:
    """One boot at 50 Hz."""
    return Wearing(placement, (Part(Segment(0, 50.0), Device(ppm), 0.0, hours * 3600.0, 1_000_000),), seed)


def batches(
    sensors: Sequence[Wearing], *, model: bool, step_s: float = 300.0, clock: ClockConfig = CONFIG.clock
) -> Iterator[ImuBatch]:
    """What arrives in each step, with the fits that it decides; without the model: none, or what the first packet says."""
    estimators = {s.placement: ClockEstimator(s.placement, clock) for s in sensors}
    until_s = max(float(a[-1]) for s in sensors for a in s.arrived_s)
    for low_s in np.arange(0.0, until_s, step_s):
        blocks: list[ImuBlock] = []
        fits: list[ClockFit] = []
        for s in sensors:
            for block, packets in s.between(low_s, low_s + step_s):
                blocks.append(block)
                fits += estimators[s.placement].push(packets) if model else ()
        yield ImuBatch(tuple(blocks), float(low_s + step_s), tuple(fits))


def flexion_of(found: Iterator[ImuBatch]) -> tuple[Float, Float]:
    """Batches through the real stages -> tick numbers and flexion, deg, each (n,)."""
    bases = {p: Timebase(50.0, CONFIG.timebase) for p in BOTH}
    fusions = {p: Fusion(50.0, CONFIG.fusion, CONFIG.timebase, has_gyro=True) for p in BOTH}
    grids = {p: Grid(50.0, history_s=CONFIG.clock.history_s) for p in BOTH}
    join, parts = Join(BOTH, CONFIG.join), []
    last: tuple[ImuBlock, ...] = ()
    for batch in found:
        last = batch.blocks or last
        for fit in batch.fits:
            grids[fit.placement].learn(fit)
        ticks: dict[Placement, list[TickRun]] = {p: [] for p in BOTH}
        for block in batch.blocks:
            p = block.placement
            runs = fusions[p].push(bases[p].push(block))
            origin_s = bases[p].state.origin_s or 0.0
            ticks[p] += [t for run in runs if (t := grids[p].push(run, origin_s=origin_s)) is not None]
        parts += [angles(j, calibration()) for j in join.push(ticks, batch.arrived_until_s)]
    assert not any(grid.state.lost_n for grid in grids.values())
    tick = np.concatenate([a.first_tick + np.arange(len(a)) for a in parts])
    np.testing.assert_array_equal(np.diff(tick), 1)
    # No sensor fell silent on the way: 5 s is what clocks may be apart without the model.
    assert tick[-1] / GRID_HZ > max(float(b.arrived_s[-1]) for b in last) - 5.0
    return tick, np.concatenate([np.where(a.trusted, a.flexion_deg, np.nan) for a in parts])


@dataclass(frozen=True)
class Score:
    """Over the scored ticks: RMSE deg, and the share of them that has a flexion to be trusted."""

    rmse_deg: float
    share: float


def score(tick: Float, flexion_deg: Float, from_s: float, to_s: float = np.inf, *, start_s: float = 0.0) -> Score:
    """Against the truth, over session times [from_s, to_s); start_s : where in the excerpt the session began."""
    at = (tick + round(start_s * GRID_HZ)) % len(motion().flexion_deg)
    due = motion().scored[at] & (tick >= from_s * GRID_HZ) & (tick < to_s * GRID_HZ)
    known = due & np.isfinite(flexion_deg)
    error = flexion_deg[known] - motion().flexion_deg[at[known]]
    return Score(float(np.sqrt(np.mean(error**2))), float(known.sum() / due.sum()))
