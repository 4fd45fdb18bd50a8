"""POSES.json: when the wearer held which calibration pose."""

from __future__ import annotations

import json
import math
from pathlib import Path

from posture.recording.reader import RecordingInfo
from posture.types import InputError

POSE_NAMES = (
    "stand",
    "walk",
    "sit_tall",
    "sit_usual",
    "slump",
    "bend_max",
    "hinge",
    "rounded",
    "stand_end",
    "table",
    "recline",
)
"""Poses that calibration knows (contract, "Sample file"); others in the file are left out."""

Poses = dict[str, list[tuple[float, float]]]


def read_poses(path: Path, info: RecordingInfo) -> Poses:
    """Half-open intervals (from_s, to_s) per pose, in the file's order; poses without an interval are left out.

    InputError: not there, not JSON, not the documented shape, an interval that ends before it starts or lies outside
    of the recording. Other keys and unknown poses are ignored.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise InputError(f"There is no file {path}; check the path of the poses.") from e
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"{path} cannot be read as a text file; name the JSON file with the poses.") from e
    except (json.JSONDecodeError, RecursionError) as e:
        at = f" (line {e.lineno}: {e.msg})" if isinstance(e, json.JSONDecodeError) else ""
        raise InputError(f"{path} is not JSON{at}; mend it there.") from e
    poses = content.get("poses") if isinstance(content, dict) else None
    if not isinstance(poses, dict):
        raise InputError(f'{path} has no poses; write {{"poses": {{"stand": [[from_s, to_s]], ...}}}}.')
    found = {name: _intervals(name, poses[name], info, path) for name in poses if name in POSE_NAMES}
    return {name: spans for name, spans in found.items() if spans}


def _intervals(name: str, value: object, info: RecordingInfo, path: Path) -> list[tuple[float, float]]:
    if not isinstance(value, list):
        raise InputError(f"The pose {name} in {path} is {_short(value)}; write a list of [from_s, to_s].")
    return [_interval(name, pair, info, path) for pair in value]


def _interval(name: str, pair: object, info: RecordingInfo, path: Path) -> tuple[float, float]:
    if not isinstance(pair, list) or len(pair) != 2 or not all(_is_time(v) for v in pair):
        raise InputError(f"The pose {name} in {path} holds {_short(pair)}; each interval is [from_s, to_s] in seconds.")
    start_s, end_s = float(pair[0]), float(pair[1])
    words = f"The pose {name} in {path} is [{start_s:g}, {end_s:g}] s"
    if end_s <= start_s:
        raise InputError(f"{words}, which ends before it starts; swap or mend the two times.")
    edge_s = 1.0 / info.rate_hz  # the last sample stands for the step that follows it
    if start_s < info.first_s - edge_s or end_s > info.last_s + edge_s:
        raise InputError(
            f"{words}, outside of the recording ({info.first_s:g} to {info.last_s:g} s); check that the two belong "
            "together."
        )
    return start_s, end_s


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
