"""Wearers whose calibration poses are known exactly, and the shipped day excerpt, calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from kinematics import CONFIG, NOMINAL, bends, lean, mounted, segment_signals, times

from posture.config import Config
from posture.recording import open_recording, read_poses
from posture.signal.calibrate import calibrate
from posture.signal.calibration import Calibration, Poses
from posture.types import Float, ImuBlock, Placement

SACRUM, UPPER = Placement.SACRUM, Placement.UPPER_LUMBAR
BOTH = (SACRUM, UPPER)
RECORDINGS = Path(__file__).parents[1] / "recordings"
EXCERPT, EXCERPT_POSES = RECORDINGS / "day_excerpt.parquet", RECORDINGS / "day_excerpt.poses.json"


@cache
def excerpt(sensors: tuple[Placement, ...] = BOTH) -> Calibration:
    """The calibration of the shipped day excerpt."""
    recording = open_recording(EXCERPT, sensors=sensors)
    poses = read_poses(EXCERPT_POSES, recording.info)
    blocks = recording.window(0.0, max(end for windows in poses.values() for _, end in windows))
    return calibrate(blocks, dict.fromkeys(sensors, recording.info.rate_hz), poses, CONFIG)


# One wearer whose poses are known exactly: moves (from_s, to_s, sacrum deg, upper lumbar deg), held in between.
SIT_TALL, SIT_USUAL, SLUMP = (-5.0, 4.0), (-18.0, 8.0), (-28.0, 12.0)
BEND_WINDOWS = [(62.0, 66.5), (66.5, 71.0), (71.0, 75.5)]
FULL: Poses = {
    "stand": [(1.0, 11.0)],
    "sit_tall": [(16.0, 24.0)],
    "sit_usual": [(30.0, 38.0)],
    "slump": [(44.0, 52.0)],
    "bend_max": BEND_WINDOWS,
    "stand_end": [(78.0, 84.0)],
}


def wearer(
    rate_hz: float = 50.0,
    *,
    sacrum_mounting: Float = NOMINAL,
    upper_mounting: Float = NOMINAL,
    seated: Sequence[tuple[float, float]] = (SIT_TALL, SIT_USUAL, SLUMP),
    bend_deg: tuple[float, float] = (60.0, 110.0),
    end_deg: float = 0.0,
) -> tuple[ImuBlock, ImuBlock]:
    """Both sensors over 86 s: stand, sit tall, as usual, slumped, three bends, stand (leaning by `end_deg` in the sacrum)."""
    time_s = times(86.0, rate_hz)
    blocks = []
    for k, (placement, mounting) in enumerate(((SACRUM, sacrum_mounting), (UPPER, upper_mounting))):
        moves = [(12.0, 15.0, seated[0][k]), (25.0, 28.0, seated[1][k]), (39.0, 42.0, seated[2][k]), (54.0, 57.0, 0.0)]
        moves += [*bends(62.0, [bend_deg[k]] * 3), (75.5, 77.5, end_deg if placement is SACRUM else 0.0)]
        blocks.append(mounted(placement, time_s, segment_signals(time_s, lean(time_s, moves), lever_m=0.1), mounting))
    return blocks[0], blocks[1]


def made(poses: Poses = FULL, *, only: Placement | None = None, config: Config = CONFIG, **wear: Any) -> Calibration:
    blocks = [b for b in wearer(**wear) if only in (None, b.placement)]
    return calibrate(blocks, dict.fromkeys(BOTH, wear.get("rate_hz", 50.0)), poses, config)


def without(*names: str) -> Poses:
    return {k: v for k, v in FULL.items() if k not in names}


def sentence(found: Calibration, part: str) -> str:
    """The one reason that holds this part."""
    (reason,) = [r for r in found.reasons if part in r]
    return reason
