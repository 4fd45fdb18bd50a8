"""A planar body with two sensors on its back: key poses in, IMU samples out, by rigid-body kinematics alone.

Pose: sacrum inclination (deg, forward positive), lumbar flexion (deg), height of the hips (m). Both sensors move with the hips,
and turn with their segment. Sensor axes are the body's (x forward, y left, z up).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from posture.config import Config
from posture.pipeline import Pipeline, SensorSpec
from posture.signal.calibration import Calibration
from posture.types import CONTEXT_NAMES, Alert, EpochBlock, Float, ImuBatch, ImuBlock, Placement, PostureEvent

RATE_HZ = 50
G = 9.81
STAND, SEAT, FLOOR = 0.90, 0.50, 0.12
"""m; height of the hips."""


@dataclass
class Body:
    """Poses that follow one another; each call moves there in `move_s` (minimum jerk) and holds for `hold_s`."""

    sacrum_deg: list[float] = field(default_factory=list)
    flexion_deg: list[float] = field(default_factory=list)
    height_m: list[float] = field(default_factory=list)
    lost: list[bool] = field(default_factory=list)
    at: tuple[float, float, float] = (0.0, 0.0, STAND)

    @property
    def now_s(self) -> float:
        return len(self.height_m) / RATE_HZ

    def to(
        self, sacrum: float, flexion: float, height: float | None = None, *, move_s: float = 1.2, hold_s: float = 0.4
    ) -> Body:
        goal = (sacrum, flexion, self.at[2] if height is None else height)
        u = np.linspace(0.0, 1.0, round(move_s * RATE_HZ) + 1)[1:]
        share = np.concatenate([10 * u**3 - 15 * u**4 + 6 * u**5, np.ones(round(hold_s * RATE_HZ))])
        for values, a, b in zip((self.sacrum_deg, self.flexion_deg, self.height_m), self.at, goal, strict=True):
            values.extend((a + (b - a) * share).tolist())
        self.lost.extend([False] * len(share))
        self.at = goal
        return self

    def hold(self, seconds: float) -> Body:
        return self.to(*self.at, move_s=0.02, hold_s=seconds - 0.02)

    def lose(self, seconds: float) -> Body:
        """Still, with no samples arriving."""
        before = len(self.lost)
        self.hold(seconds)
        self.lost[before:] = [True] * (len(self.lost) - before)
        return self

    def walk(self, seconds: float, steps_hz: float = 1.8) -> Body:
        t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        rise = np.minimum(1.0, np.minimum(t, seconds - t))
        self.height_m.extend((self.at[2] + 0.02 * rise * np.sin(2 * np.pi * steps_hz * t)).tolist())
        self.sacrum_deg.extend((self.at[0] + 2.0 * rise * np.sin(np.pi * steps_hz * t)).tolist())
        self.flexion_deg.extend([self.at[1]] * len(t))
        self.lost.extend([False] * len(t))
        return self

    def bend(
        self, sacrum: float, flexion: float, *, hold_s: float = 0.6, move_s: float = 1.2, rest_s: float = 4.0
    ) -> Body:
        return self.to(sacrum, flexion, move_s=move_s, hold_s=hold_s).to(0, 0, move_s=move_s, hold_s=rest_s)

    def sit_down(
        self, sacrum: float = -12.0, flexion: float = 20.0, *, lean: float = 35.0, hold_s: float = 8.0
    ) -> Body:
        return self.to(lean, flexion, 0.74, move_s=0.9, hold_s=0.0).to(sacrum, flexion, SEAT, move_s=0.9, hold_s=hold_s)

    def stand_up(self, *, lean: float = 35.0, flexion: float = 20.0, hold_s: float = 8.0) -> Body:
        return self.to(lean, flexion, 0.70, move_s=0.9, hold_s=0.0).to(0, 0, STAND, move_s=0.9, hold_s=hold_s)

    def samples(self, placements: tuple[Placement, ...], seed: int = 1) -> tuple[ImuBlock, ...]:
        """Force and rate with a little noise, so that nothing is exactly still."""
        rng = np.random.default_rng(seed)
        time_s = np.arange(len(self.height_m)) / RATE_HZ
        up_mps2 = np.gradient(np.gradient(np.array(self.height_m), 1 / RATE_HZ), 1 / RATE_HZ) + G
        keep = ~np.array(self.lost)
        blocks = []
        for placement in placements:
            angle = np.array(self.sacrum_deg)
            if placement is Placement.UPPER_LUMBAR:
                angle = angle + np.array(self.flexion_deg)
            angle = angle + sway(rng, len(angle))
            radians = np.radians(angle)
            acc = np.stack([-up_mps2 * np.sin(radians), np.zeros_like(radians), up_mps2 * np.cos(radians)], axis=1)
            gyr = np.stack([np.zeros_like(radians), np.gradient(radians, 1 / RATE_HZ), np.zeros_like(radians)], axis=1)
            acc += rng.normal(0, 0.01, acc.shape)
            gyr += rng.normal(0, 0.002, gyr.shape)
            blocks.append(ImuBlock(placement, time_s[keep], acc[keep], gyr[keep], time_s[keep]))
        return tuple(blocks)

    def run(
        self,
        calibration: Calibration,
        config: Config = Config(),  # noqa: B008
        *,
        dead: Placement | None = None,
        offset_mps2: float = 0.0,
        routine: tuple[float, float] | None = None,
        gyro: bool = True,
    ) -> Said:
        """All of it through the real pipeline. dead : a sensor whose samples are NaN from the middle on. offset_mps2 : forward, of
        every accelerometer. routine : as in `Pipeline`. gyro : False for accelerometers alone.
        """
        blocks = list(self.samples(tuple(calibration.sensors)))
        if offset_mps2:
            blocks = [replace(b, acc_mps2=b.acc_mps2 + np.array([offset_mps2, 0.0, 0.0])) for b in blocks]
        if dead is not None:
            k = [b.placement for b in blocks].index(dead)
            acc = blocks[k].acc_mps2.copy()
            acc[len(acc) // 2 :] = np.nan
            blocks[k] = replace(blocks[k], acc_mps2=acc)
        if not gyro:
            blocks = [replace(b, gyr_radps=None) for b in blocks]
        specs = {b.placement: SensorSpec(RATE_HZ, gyro) for b in blocks}
        pipeline = Pipeline(specs, calibration, config, routine=routine)
        outs = [pipeline.push(ImuBatch(tuple(blocks), self.now_s)), pipeline.flush()]
        return Said(
            EpochBlock.joined([e for o in outs for e in o.epochs]),
            [e for o in outs for e in o.events],
            [a for o in outs for a in o.alerts],
        )


def sway(rng: np.random.Generator, n: int) -> Float:
    """Breathing and balance, deg: two slow sines of a quarter of a degree."""
    t = np.arange(n) / RATE_HZ
    return 0.25 * np.sin(2 * np.pi * 0.25 * t + rng.uniform(0, 6)) + 0.2 * np.sin(
        2 * np.pi * 0.11 * t + rng.uniform(0, 6)
    )


@dataclass(frozen=True)
class Said:
    """What the pipeline said of a body."""

    epochs: EpochBlock
    events: list[PostureEvent]
    alerts: list[Alert]

    def of(self, *kinds: str) -> list[PostureEvent]:
        return [e for e in self.events if e.kind in kinds]

    def context(self, from_s: float, to_s: float) -> set[str]:
        rows = (self.epochs.start_s >= from_s) & (self.epochs.start_s < to_s)
        return {CONTEXT_NAMES[k] for k in self.epochs.context[rows].tolist()}
