"""Whether the sensor is on a body: a body breathes and sways, a table does not; a lying body is not shaken, a bag is.

Two sensors in a bag or on a seat soon lie as no spine can bend. Non-wear is known only after ten minutes of it, so it is not a
label of the stream but an event that `finalise` lays over the epochs afterwards. Until then a sitting alert waits: see `Wear.push`.
A bag or a car seat that happens to hold the sensors as a back would cannot be told from a body this way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from posture.config import WearConfig
from posture.detect.context import ContextBlock
from posture.detect.said import Said
from posture.signal.calibration import Calibration
from posture.types import Bool, Context, EventKind, Float, Int, Placement, PostureEvent, Verdict


@dataclass(frozen=True, slots=True)
class Worn:
    """(m,) seconds: `motionless`, the last minute had no movement at all; `off`, that, or shaken for longer than any exercise."""

    motionless: Bool
    off: Bool


@dataclass(slots=True)
class WearState:
    """The last seconds, (5, < window): inclination of both segments, lateral lean, angular rate, shaken; and the open stretch.

    end_s : end of its last second that was off. off_n, shaken_n : its seconds that were off, and shaken.
    """

    recent: Float = field(default_factory=lambda: np.empty((5, 0)))
    start_s: float | None = None
    end_s: float = 0.0
    off_n: int = 0
    shaken_n: int = 0


class Wear:
    """Labelled seconds -> `non_wear` events, when the sensor is worn again, and which seconds may turn out to be one."""

    def __init__(
        self, params: WearConfig, lying_tilt_deg: float, calibration: Calibration, state: WearState | None = None
    ) -> None:
        self.params, self.lying_tilt_deg, self.calibration = params, lying_tilt_deg, calibration
        self.window = round(params.window_s)
        self.state = state or WearState()

    def push(self, block: ContextBlock, ups: Mapping[Placement, Float]) -> tuple[Worn, list[Said]]:
        """What these seconds look like, and the stretches that ended.

        ups : placement -> (m, 3) mean up vector of each second, sensor axes.
        """
        said: list[Said] = []
        state = self.state
        motionless, shaken, before = self._seen(block, ups)
        off = motionless.copy()
        rows = zip(block.start_s.tolist(), motionless.tolist(), shaken.tolist(), before.tolist(), strict=True)
        for k, (second, still, shook, seconds) in enumerate(rows):
            if not (still or shook):
                if state.start_s is not None and second + 1.0 - state.end_s > self.params.bridge_s:
                    said += self._closed(second)
                continue
            if state.start_s is None:
                state.start_s, state.off_n, state.shaken_n = second - seconds, seconds, 0
            state.end_s = second + 1.0
            state.off_n += 1
            state.shaken_n += shook
            off[k] |= shook and state.shaken_n >= self.params.shaken_min_s
        return Worn(motionless, off), said

    def flush(self) -> list[Said]:
        """The session ends while the sensor is off the body."""
        return self._closed(self.state.end_s)

    def _seen(self, block: ContextBlock, ups: Mapping[Placement, Float]) -> tuple[Bool, Bool, Int]:
        """(m,) nothing moved in the window that ends here; shaken here and in most of it; seconds ago that either began in it."""
        f, p, m = block.features, self.params, len(block.start_s)
        tilt = np.where(block.context == Context.GAP, np.nan, f.tilt_deg)
        # Both segments: the upper one breathes more. Lying on a side has a tilt only.
        segments = (np.where(np.isnan(a), tilt, a) for a in (f.sacrum_inclination_deg, f.upper_lumbar_inclination_deg))
        shaken = ((tilt > self.lying_tilt_deg) | self._as_nobody_moves(ups)) & (f.gait_mps2 > p.shaken_mps2)
        rows = np.concatenate([self.state.recent, np.stack([*segments, f.lateral_deg, f.rate_dps, shaken])], axis=1)
        self.state.recent = rows[:, max(0, rows.shape[1] - self.window + 1) :].copy()
        still, shook = np.zeros((2, m), dtype=np.bool_)
        before = np.full(m, self.window - 1)
        n = rows.shape[1] - self.window + 1
        if n > 0:
            least, most = (windows_over(extreme, rows[:4], self.window) for extreme in (np.minimum, np.maximum))
            shook_in = sliding_window_view(rows[4], self.window)
            turned = (most[:3] - least[:3]).max(axis=0) < p.spread_max_deg  # NaN: no
            # Noise keeps its level; breathing comes and goes, also about the vertical, where gravity does not show it.
            still[m - n :] = turned & (most[3] - least[3] <= p.rate_spread_max * least[3])
            shook[m - n :] = shaken[m - n :] & (shook_in.sum(axis=1) >= p.shaken_share * self.window)
            before[m - n :] -= np.where(still[m - n :], 0, shook_in.argmax(axis=1))
        return still, shook, before

    def _as_nobody_moves(self, ups: Mapping[Placement, Float]) -> Bool:
        """(m,) Laid back or over to a side by so much, or bent as no spine can. Bent forwards people work and bounce.

        No where it is not known: NaN, or a second in which the sensor turned over and over, whose mean is no direction.
        """
        up = [np.einsum("ij,nj->ni", self.calibration.sensors[p].body_from_sensor, rows) for p, rows in ups.items()]
        size = [np.sqrt((v * v).sum(axis=1, keepdims=True)) for v in up]
        unit = [v / np.where(n > 0.0, n, np.nan) for v, n in zip(up, size, strict=True)]
        limit = np.radians(self.params.shaken_off_deg)
        off = [(np.arctan2(v[:, 0], v[:, 2]) > limit) | (np.abs(v[:, 1]) > np.sin(limit)) for v in unit]
        if len(unit) > 1:
            off.append((unit[0] * unit[1]).sum(axis=1) < np.cos(np.radians(self.params.apart_max_deg)))
        return np.asarray(np.any(off, axis=0))

    def _sure(self, seconds: float) -> float:
        """Chance that nobody wore it: even odds at the first minute, growing with every further one. Provisional, ours."""
        return round(1.0 - 0.5 * float(np.exp(-(seconds - self.params.window_s) / self.params.non_wear_min_s)), 3)

    def _closed(self, epoch_s: float) -> list[Said]:
        start_s, end_s = self.state.start_s, self.state.end_s
        self.state.start_s = None
        if start_s is None or end_s - start_s < self.params.non_wear_min_s:
            return []
        if self.state.off_n < self.params.off_share * (end_s - start_s):
            return []  # single still minutes of somebody who sits very still
        event = PostureEvent(
            EventKind.NON_WEAR,
            start_s,
            end_s,
            start_s,
            0.0,
            Verdict.UNKNOWN,
            self.calibration.basis,
            self._sure(end_s - start_s),
            evidence={"shaken_s": self.state.shaken_n},
        )
        return [Said(epoch_s, event)]


def windows_over(extreme: np.ufunc, rows: Float, window: int) -> Float:
    """(k, n) -> (k, n - window + 1) extreme of each window, from those of half its length and so on."""
    if window == 1:
        return rows
    half = windows_over(extreme, rows, (window + 1) // 2)
    shift = window // 2
    return np.asarray(extreme(half[:, : half.shape[1] - shift], half[:, shift:]))
