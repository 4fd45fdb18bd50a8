"""Epochs as bytes, about 5 a second: whole numbers of a step, differences, zlib.

Angles and shares keep 0.1 (deg, %), values between 0 and 1 keep 0.001, the meter 0.0001. Sensors on a body are not that exact,
and from the session's record the epochs can be made again in full.
"""

from __future__ import annotations

import zlib
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posture.types import EpochBlock, Float, PostureError

Int16 = NDArray[np.int16]

FORMAT = 1
"""First byte of a blob."""
_STEP = {
    "context": 1.0,
    "context_confidence": 0.001,
    "sacrum_inclination_deg": 0.1,
    "upper_lumbar_inclination_deg": 0.1,
    "flexion_deg": 0.1,
    "lateral_deg": 0.1,
    "flexion_pct_rom": 0.1,
    "slump_index_pct": 0.1,
    "flexed": 1.0,
    "creep": 0.0001,
    "valid_fraction": 0.001,
}
_DOWN = ("creep", "flexion_pct_rom", "slump_index_pct")
_NAN = np.iinfo(np.int16).min
_MOST = np.iinfo(np.int16).max


def pack(epochs: EpochBlock) -> bytes:
    """All columns but `start_s`; NaN stays NaN, +-3276 deg is the most. What was unpacked packs to the same bytes."""
    whole = np.stack([_whole(getattr(epochs, name), name) for name in _STEP])
    steps = np.diff(whole, axis=1, prepend=np.int16(0))  # wraps around, and back
    return bytes([FORMAT]) + zlib.compress(steps.astype("<i2").view(np.uint8).reshape(-1, 2).T.tobytes())


def unpack(blob: bytes, *, first_s: int, count: int) -> EpochBlock:
    """The `count` epochs from second `first_s` on."""
    try:
        if blob[0] != FORMAT:
            raise PostureError(
                f"stored epochs have format {blob[0]}, this version reads {FORMAT}: use the version that wrote them"
            )
        planes = np.frombuffer(zlib.decompress(blob[1:]), np.uint8).reshape(2, -1)
        steps = np.ascontiguousarray(planes.T).view("<i2").reshape(len(_STEP), count)
    except (ValueError, IndexError, zlib.error) as error:
        raise PostureError("stored epochs are damaged: make them again from the session's record") from error
    whole = np.cumsum(steps, axis=1, dtype=np.int16)
    columns = {name: _value(row, name) for name, row in zip(_STEP, whole, strict=True)}
    columns["start_s"] = first_s + np.arange(count, dtype=float)
    return EpochBlock(*(columns[f.name] for f in fields(EpochBlock)))


def _whole(values: Float, name: str) -> Int16:
    scaled = np.asarray(values, dtype=float) / _STEP[name]
    # What is held against a level is rounded down: under an alert level, or under 60 % of the range, it stays under it.
    rounded = np.floor(scaled + 1e-6) if name in _DOWN else np.round(scaled)
    return np.where(np.isnan(scaled), _NAN, np.clip(rounded, -_MOST, _MOST)).astype(np.int16)


def _value(whole: Int16, name: str) -> Any:
    if _STEP[name] == 1.0:
        return whole.astype(np.int8)
    return np.where(whole == _NAN, np.nan, whole / round(1 / _STEP[name]))
