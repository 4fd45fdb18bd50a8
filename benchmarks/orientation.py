"""Inclination against the optical truth of BROAD trials (recorded), through the product's own time base and filters.

The figures are RMSE in degrees over the samples in motion, averaged over the trials. Lost frames: whole frames of 5 samples, each
lost with a chance of 5 %, for ten fixed seeds (which spread by 0.3 deg); what the time base fills in is scored like every other
sample.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from posture.config import FusionConfig, TimebaseConfig
from posture.signal.fusion import Fusion, FusionState
from posture.signal.smoothing import NAME as OFFLINE
from posture.signal.smoothing import SmoothedFilter
from posture.signal.timebase import UP, Timebase
from posture.types import Bool, Float, ImuBlock, Placement

REPOSITORY = Path(__file__).parents[1]
SHIPPED = REPOSITORY / "recordings" / "broad_11.npz"
BIAS_DPS = 10.0
FRAME_N, LOST_SHARE, SEEDS = 5, 0.05, range(10)


@dataclass(frozen=True, slots=True)
class Trial:
    """A sensor's samples, the true up vector in its frame at each index of its clock (n, 3), and which of them count (n,)."""

    block: ImuBlock
    rate_hz: float
    up: Float
    scored: Bool

    def biased(self, bias_dps: float) -> Trial:
        """With this much on every axis of the gyroscope."""
        assert self.block.gyr_radps is not None
        return replace(self, block=replace(self.block, gyr_radps=self.block.gyr_radps + np.radians(bias_dps)))

    def with_loss(self, seed: int) -> Trial:
        """Without the lost frames; the first sample, which sets the clock, is there."""
        block = self.block
        assert block.gyr_radps is not None
        n = len(block.time_s)
        lost = np.random.default_rng(seed).random(-(-n // FRAME_N)) < LOST_SHARE
        lost[0] = False
        keep = ~np.repeat(lost, FRAME_N)[:n]
        kept = (a[keep] for a in (block.time_s, block.acc_mps2, block.gyr_radps, block.arrived_s))
        return replace(self, block=ImuBlock(block.placement, *kept))


def load(path: Path) -> Trial:
    """A trial as it was recorded."""
    with np.load(path) as data:
        acc, gyr, quat = (data[name].astype(np.float64) for name in ("acc", "gyr", "quat"))
        rate_hz, moves = float(data["fs"]), data["movement"].astype(bool)
    w, x, y, z = quat.T
    up = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=1)
    time_s = np.arange(len(acc)) / rate_hz
    return Trial(ImuBlock(Placement.SACRUM, time_s, acc, gyr, time_s), rate_hz, up, moves & np.isfinite(w))


def rmse_deg(trial: Trial, name: str) -> float:
    """Inclination error of a filter, by its name in `fusion.filter`, or of the smoothing (`vqf-offline`)."""
    gaps = TimebaseConfig()
    params = FusionConfig() if name == OFFLINE else FusionConfig(filter=name)
    state = FusionState(SmoothedFilter([trial.block], trial.rate_hz, params, gaps)) if name == OFFLINE else None
    fusion = Fusion(trial.rate_hz, params, gaps, has_gyro=True, state=state)
    runs = fusion.push(Timebase(trial.rate_hz, gaps).push(trial.block))
    up = np.concatenate([run.channels[:, UP] for run in runs])
    at = np.concatenate([run.first_index + np.arange(len(run.trusted)) for run in runs])
    counts = trial.scored[at]
    angle = np.degrees(np.arccos(np.clip((up * trial.up[at]).sum(axis=1)[counts], -1.0, 1.0)))
    return float(np.sqrt((angle**2).mean()))


def plain(trials: Sequence[Trial], name: str) -> float:
    """Mean over the trials as they were recorded."""
    return float(np.mean([rmse_deg(trial, name) for trial in trials]))


def biased(trials: Sequence[Trial], name: str) -> float:
    """With `BIAS_DPS` on every axis."""
    return float(np.mean([rmse_deg(trial.biased(BIAS_DPS), name) for trial in trials]))


def lossy(trials: Sequence[Trial], name: str) -> float:
    """With lost frames, mean over trials and seeds."""
    return float(np.mean([rmse_deg(trial.with_loss(seed), name) for trial in trials for seed in SEEDS]))


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the table. target_deg : for the ten shared trials; None where there is none."""

    label: str
    name: str
    measure: Callable[[Sequence[Trial], str], float]
    target_deg: float | None = None


ROWS = (
    Row("vqf (default)", "vqf", plain, 0.76),
    Row("builtin", "builtin", plain, 0.80),
    Row("vqf-offline (--smooth)", OFFLINE, plain, 0.49),
    Row("ahrs-madgwick", "ahrs-madgwick", plain),
    Row("ahrs-mahony", "ahrs-mahony", plain),
    Row("ahrs-ekf", "ahrs-ekf", plain),
    Row("vqf, 10 deg/s bias", "vqf", biased, 0.80),
    Row("builtin, 10 deg/s bias", "builtin", biased, 0.80),
    Row("vqf, 5 % of frames lost", "vqf", lossy, 3.1),
    Row("builtin, 5 % of frames lost", "builtin", lossy, 3.1),
    Row("vqf-offline, 5 % of frames lost", OFFLINE, lossy),
)


def report() -> bool:
    """Print every row beside its target, over the shared trials or else the shipped one; whether all targets are met."""
    shared = Path(os.environ.get("POSTURE_SHARED", REPOSITORY.parent / "shared")) / "data" / "fusion"
    paths = sorted(shared.glob("broad_*.npz")) or [SHIPPED]
    trials = [load(path) for path in paths]
    print(
        f"inclination RMSE against optical truth, mean of {len(trials)} BROAD trial{'s' * (len(trials) > 1)} (recorded)"
    )
    met = True
    for row in ROWS:
        value = row.measure(trials, row.name)
        target = "" if row.target_deg is None else f"target <= {row.target_deg:.2f}"
        missed = row.target_deg is not None and value > row.target_deg
        met &= not missed
        print(f"  {row.label:34s} {value:6.3f} deg {target} {'MISSED' if missed else ''}".rstrip(), flush=True)
    return met
