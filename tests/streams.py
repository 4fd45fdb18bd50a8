"""Inputs for the streaming tests: the shipped day excerpt, every stage's input made by the stages before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from posture.config import Config
from posture.detect.bends import Lean, Leans
from posture.detect.climbs import Climb, Climbs
from posture.detect.context import ContextBlock, ContextModel
from posture.detect.epochs import EpochFeatures, Epochs
from posture.detect.movement import Movement, Movements
from posture.recording import open_recording, read_poses
from posture.replay import ReplayRequest, prepare
from posture.signal.calibration import Calibration
from posture.signal.fusion import Fusion
from posture.signal.join import Join, JoinedBlock
from posture.signal.lumbar import angles
from posture.signal.timebase import Grid, Run, TickRun, Timebase
from posture.types import AngleBlock, ImuBatch, ImuBlock, Placement

RECORDINGS = Path(__file__).parents[1] / "recordings"
EXCERPT = RECORDINGS / "day_excerpt.parquet"
POSES = RECORDINGS / "day_excerpt.poses.json"
RATE_HZ = 50.0
BOTH = (Placement.SACRUM, Placement.UPPER_LUMBAR)
CONFIG = Config()


@cache
def calibration(sensors: tuple[Placement, ...] = BOTH) -> Calibration:
    return prepare(ReplayRequest(EXCERPT, poses=POSES, sensors=sensors)).calibration


def window(from_s: float, to_s: float, sensors: tuple[Placement, ...] = BOTH) -> tuple[ImuBlock, ...]:
    return open_recording(EXCERPT, sensors=sensors).window(from_s, to_s)


def rows_of(block: ImuBlock, a: int, b: int) -> ImuBlock:
    """Rows a to b, copied: the caller may freeze them."""
    gyr = None if block.gyr_radps is None else block.gyr_radps[a:b].copy()
    return replace(
        block,
        time_s=block.time_s[a:b].copy(),
        acc_mps2=block.acc_mps2[a:b].copy(),
        gyr_radps=gyr,
        arrived_s=block.arrived_s[a:b].copy(),
    )


def damaged(block: ImuBlock, seed: int) -> ImuBlock:
    """The block with what life does to it: lost frames, gaps, NaN rows, repeated and old samples, spikes."""
    rng = np.random.default_rng(seed)
    n = len(block.time_s)
    keep = np.ones(n, dtype=bool)
    for length in (1, 3, 5, 6, 8, 12, 13, 14, 40, 400):
        at = int(rng.integers(0, n - 400))
        keep[at : at + length] = False
    order = np.flatnonzero(keep)
    twice = rng.choice(order[5:], 8, replace=False)
    order = np.sort(np.concatenate([order, twice]), kind="stable")
    swap = rng.integers(10, len(order) - 10, 4)
    order[swap], order[swap - 3] = order[swap - 3].copy(), order[swap].copy()
    out = rows_of(block, 0, n)
    out = ImuBlock(
        out.placement,
        out.time_s[order],
        out.acc_mps2[order],
        None if out.gyr_radps is None else out.gyr_radps[order],
        out.arrived_s[order],
    )
    out.acc_mps2[rng.integers(0, len(order), 6), rng.integers(0, 3, 6)] = np.nan
    if out.gyr_radps is not None:
        out.gyr_radps[rng.integers(0, len(order), 6), rng.integers(0, 3, 6)] = np.nan
    out.acc_mps2[rng.integers(0, len(order), 4)] *= 8.0  # saturation
    return replace(out, arrived_s=np.maximum.accumulate(out.time_s))


@dataclass(frozen=True)
class Stream:
    """What each stage of the pipeline gets over one stretch of the recording."""

    runs: dict[Placement, list[Run]]
    origin_s: dict[Placement, float]
    ticks: dict[Placement, list[TickRun]]
    joined: list[JoinedBlock]
    angle: AngleBlock
    features: EpochFeatures
    movements: list[Movement]
    leans: list[Lean]
    climbs: list[Climb]
    context: ContextBlock


@cache
def stream(from_s: float, to_s: float, sensors: tuple[Placement, ...] = BOTH) -> Stream:
    """Outputs of every stage over [from_s, to_s) of the excerpt."""
    made = calibration(sensors)
    runs, origin_s, ticks = {}, {}, {}
    for block in window(from_s, to_s, sensors):
        base = Timebase(RATE_HZ, CONFIG.timebase)
        grid = Grid(RATE_HZ)
        runs[block.placement] = list(base.push(block))
        origin_s[block.placement] = base.state.origin_s or 0.0
        oriented = Fusion(RATE_HZ, CONFIG.fusion, CONFIG.timebase, has_gyro=True).push(tuple(runs[block.placement]))
        found = [grid.push(run, origin_s=origin_s[block.placement]) for run in oriented]
        ticks[block.placement] = [t for t in found if t is not None]
    joined = list(Join(sensors, CONFIG.join).push(ticks, np.inf))
    angle = AngleBlock.joined([angles(j, made) for j in joined])
    epochs, moves, leans = Epochs(), Movements(CONFIG.movement), Leans(CONFIG.bends, made)
    features, movements, leaned = epochs.push(angle), moves.push(angle), leans.push(angle)
    climbs = Climbs(CONFIG.climb, CONFIG.context).push(angle)
    model = ContextModel(CONFIG, made)
    first = model.push(features, movements, climbs)
    last = model.flush()
    context = ContextBlock(
        *(
            np.concatenate([getattr(first, n), getattr(last, n)])
            for n in ("start_s", "context", "confidence", "seated")
        ),
        EpochFeatures.joined([first.features, last.features]),
    )
    return Stream(runs, origin_s, ticks, joined, angle, features, list(movements), list(leaned), list(climbs), context)


def angle_rows(block: AngleBlock, a: int, b: int) -> AngleBlock:
    names = [n for n in AngleBlock.__dataclass_fields__ if n != "first_tick"]
    return AngleBlock(block.first_tick + a, *(getattr(block, n)[a:b].copy() for n in names))


def context_rows(block: ContextBlock, a: int, b: int) -> ContextBlock:
    parts = (getattr(block, n)[a:b].copy() for n in ("start_s", "context", "confidence", "seated"))
    return ContextBlock(
        *parts, EpochFeatures(*(getattr(block.features, n)[a:b].copy() for n in EpochFeatures.__dataclass_fields__))
    )


def batch(blocks: tuple[ImuBlock, ...], a: int, b: int) -> ImuBatch:
    """Rows a to b of blocks that share their rows, as they arrive."""
    until = float(blocks[0].arrived_s[b - 1]) if b else float(blocks[0].arrived_s[0]) - 1.0
    return ImuBatch(tuple(rows_of(block, a, b) for block in blocks), until)


def poses() -> dict[str, list[tuple[float, float]]]:
    return read_poses(POSES, open_recording(EXCERPT).info)
