"""Ticks -> one row of features per second: what every slower decision looks at."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from posture.signal.gait import BEFORE, PARTS, bounce_mps2, parts_mps2, regularity
from posture.signal.steps import appended
from posture.types import GRID_HZ, AngleBlock, Float

_MEDIANS = ("sacrum_inclination_deg", "upper_lumbar_inclination_deg", "flexion_deg", "lateral_deg", "tilt_deg")


@dataclass(frozen=True, slots=True)
class EpochFeatures:
    """Whole seconds, every array (m,). Medians in deg are NaN where no tick of the second had the value.

    gait_mps2 : bounce, gait_regularity : 0-1, of this second and the two before (`posture.signal.gait`). rate_dps : mean
    angular rate. valid_fraction : share of ticks on measured, trusted samples; present_fraction : share with any sample.
    """

    start_s: Float
    sacrum_inclination_deg: Float
    upper_lumbar_inclination_deg: Float
    flexion_deg: Float
    lateral_deg: Float
    tilt_deg: Float
    rate_dps: Float
    gait_mps2: Float
    gait_regularity: Float
    valid_fraction: Float
    present_fraction: Float

    def __len__(self) -> int:
        return len(self.start_s)

    def __getitem__(self, rows: slice) -> EpochFeatures:
        return EpochFeatures(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def empty() -> EpochFeatures:
        """No seconds."""
        return EpochFeatures(*(np.empty(0) for _ in fields(EpochFeatures)))

    @staticmethod
    def joined(parts: list[EpochFeatures]) -> EpochFeatures:
        """Rows of all parts, in order; at least one part."""
        return EpochFeatures(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(EpochFeatures)))


@dataclass(slots=True)
class EpochsState:
    """Ticks of the open second, (channels, < 50), and its start. before : size of the force in the seconds before, in tenths of
    a second, m/s^2.
    """

    next_epoch: int | None = None
    open: Float = field(default_factory=lambda: np.empty((8, 0)))
    before: Float = field(default_factory=lambda: np.full((BEFORE, PARTS), np.nan))


class Epochs:
    """Angle blocks (ticks in order, no holes) -> features of the seconds that are complete."""

    def __init__(self, state: EpochsState | None = None) -> None:
        self.state = state or EpochsState()

    def push(self, block: AngleBlock) -> EpochFeatures:
        """Seconds that are complete with these ticks."""
        state = self.state
        if state.next_epoch is None:
            state.next_epoch = block.first_tick // GRID_HZ
        medians: list[Float] = [getattr(block, name) for name in _MEDIANS]
        rows = appended(state.open, [*medians, block.rate_dps, block.force_mps2, block.trusted])
        whole = rows.shape[1] // GRID_HZ
        state.open = rows[:, whole * GRID_HZ :].copy()
        if not whole:
            return EpochFeatures.empty()
        return self._features(rows[:, : whole * GRID_HZ].reshape(len(rows), whole, GRID_HZ))

    def flush(self) -> EpochFeatures:
        """The unfinished last second, with what it holds."""
        left = self.state.open.shape[1]
        if not left:
            return self._features(np.empty((8, 0, GRID_HZ)))
        # Ticks after the last one are no part of the session: the second is filled up with itself, so that its shares and
        # medians are those of what there was.
        padded = np.resize(self.state.open.T, (GRID_HZ, 8)).T
        self.state.open = np.empty((8, 0))
        return self._features(padded.reshape(8, 1, GRID_HZ))

    def _features(self, windows: Float) -> EpochFeatures:
        """(8, m, 50) -> m rows."""
        state = self.state
        m = windows.shape[1]
        first = state.next_epoch or 0
        state.next_epoch = first + m if state.next_epoch is not None else None
        medians = [_median(windows[k]) for k in range(5)]
        present = ~np.isnan(windows[4])
        present_n = present.sum(axis=1)
        rate = np.where(present, windows[5], 0.0).sum(axis=1) / np.maximum(present_n, 1)
        sacrum, upper, flexion, lateral, tilt = medians
        parts = parts_mps2(windows[6])
        seen = np.concatenate([state.before, parts])
        state.before = seen[len(seen) - BEFORE :].copy()
        return EpochFeatures(
            start_s=np.arange(first, first + m, dtype=np.float64),
            sacrum_inclination_deg=sacrum,
            upper_lumbar_inclination_deg=upper,
            flexion_deg=flexion,
            lateral_deg=lateral,
            tilt_deg=tilt,
            rate_dps=rate,
            gait_mps2=bounce_mps2(parts),
            gait_regularity=regularity(seen),
            valid_fraction=windows[7].mean(axis=1),
            present_fraction=present_n / GRID_HZ,
        )


def _median(windows: Float) -> Float:
    """Row medians of (m, 50) that leave NaN out: NaN sorts to the end."""
    ordered = np.sort(windows, axis=1)
    middle = windows.shape[1] // 2
    if not np.isnan(ordered[:, -1]).any():  # nearly always
        return np.asarray((ordered[:, middle - 1] + ordered[:, middle]) / 2)
    count = windows.shape[1] - np.isnan(windows).sum(axis=1)
    row = np.arange(len(windows))
    low = ordered[row, np.maximum((count - 1) // 2, 0)]
    high = ordered[row, np.maximum(count // 2, 0).clip(max=windows.shape[1] - 1)]
    return np.where(count > 0, (low + high) / 2, np.nan)
