"""The samples of a calibration's poses, kept with it: a later version can make it anew, and a replay needs no store."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from posture.config import Config
from posture.signal import calibration as cal
from posture.signal.calibrate import calibrate
from posture.signal.calibration import Calibration, Poses
from posture.signal.redon import quick
from posture.types import Float, ImuBlock, InputError, JsonValue, Placement

FORMAT = 1
_COLUMNS = 8
"""time_s, arrived_s, three of the accelerometer, three of the gyroscope; 5 without a gyroscope."""


@dataclass(frozen=True, slots=True)
class RawPoses:
    """All that a calibration was made from, but the settings.

    blocks : one per sensor, from the first sample of the routine to the last: the orientation filter starts with the first.
    rate_hz : by each sensor's own clock. poses : windows, s, on the blocks' axis. base : the full calibration under a quick one.
    """

    blocks: tuple[ImuBlock, ...]
    rate_hz: Mapping[Placement, float]
    poses: Poses
    base: Calibration | None = None
    made_utc: datetime | None = None

    def calibrated(self, config: Config) -> Calibration:
        """The calibration; with the same settings the same one. InputError as `calibrate` and `quick`."""
        if self.base is not None:
            return quick(self.blocks, self.rate_hz, self.poses, self.base, config, made_utc=self.made_utc)
        return replace(calibrate(self.blocks, self.rate_hz, self.poses, config), made_utc=self.made_utc)

    def to_json(self) -> dict[str, JsonValue]:
        """A JSON tree that `from_json` reads back to the same numbers, bit for bit."""
        sensors: dict[str, JsonValue] = {
            str(b.placement): {
                "rate_hz": self.rate_hz[b.placement],
                "gyroscope": b.gyr_radps is not None,
                "rows": _packed(b),
            }
            for b in self.blocks
        }
        return {
            "format": FORMAT,
            "made_utc": self.made_utc.isoformat() if self.made_utc else None,
            "poses": {name: [[float(a), float(b)] for a, b in spans] for name, spans in self.poses.items()},
            "base": None if self.base is None else cal.to_json(self.base),
            "sensors": sensors,
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any], *, source: str) -> RawPoses:
        """InputError that names `source` where it is not such a tree."""
        try:
            if tree["format"] != FORMAT:
                raise ValueError(f"format {tree['format']}, this version reads {FORMAT}")
            blocks = tuple(
                _unpacked(Placement(name), s["rows"], has_gyro=bool(s["gyroscope"]))
                for name, s in tree["sensors"].items()
            )
            return cls(
                blocks,
                {Placement(name): float(s["rate_hz"]) for name, s in tree["sensors"].items()},
                {str(name): tuple((float(a), float(b)) for a, b in spans) for name, spans in tree["poses"].items()},
                None if tree["base"] is None else cal.from_json(tree["base"], source=source),
                None if tree["made_utc"] is None else datetime.fromisoformat(tree["made_utc"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error, binascii.Error) as error:
            raise InputError(f"the raw poses in {source} cannot be read ({error}); calibrate anew") from error


def _packed(block: ImuBlock) -> str:
    """(n, 5 or 8) columns as text: bytes of equal weight beside each other, which zlib makes a quarter of."""
    parts = [block.time_s[:, None], block.arrived_s[:, None], block.acc_mps2]
    rows = np.hstack(parts if block.gyr_radps is None else [*parts, block.gyr_radps]).astype("<f8")
    columns = np.ascontiguousarray(rows.T).view(np.uint8).reshape(-1, 8)
    return base64.b64encode(zlib.compress(np.ascontiguousarray(columns.T).tobytes(), 9)).decode()


def _unpacked(placement: Placement, text: str, *, has_gyro: bool) -> ImuBlock:
    raw = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), np.uint8).reshape(8, -1)
    count = _COLUMNS if has_gyro else _COLUMNS - 3
    columns: Float = np.ascontiguousarray(raw.T).view("<f8").reshape(count, -1).astype(np.float64)
    acc, gyr = np.ascontiguousarray(columns[2:5].T), np.ascontiguousarray(columns[5:8].T)
    return ImuBlock(placement, columns[0], acc, gyr if has_gyro else None, columns[1])
