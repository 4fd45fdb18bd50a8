"""Practice holds: the towel, a hip stretch, a brace. Stillness is what a sensor sees of them; what was meant, the wearer says.

Undeclared only lying still on the back for as long as a towel takes is said, and as no more than that; a brace whose pelvis tips is
found by its repetition (`posture.detect.exercise`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from posture.config import ExerciseConfig
from posture.detect.context import ContextBlock
from posture.detect.declared import BRACE, HIP_MOBILITY, TOWEL, Declared, declared_at
from posture.detect.mat import turned_deg
from posture.detect.said import Said
from posture.signal.calibration import Calibration
from posture.types import Bool, Context, EventKind, JsonValue, Placement, PostureEvent, Verdict


@dataclass(slots=True)
class Hold:
    """Seconds of a practice so far: its first, lowest inclination known and side lean of each, deg, and confidences of lying.

    last_still_s : the last one in which nothing moved.
    """

    practice: str
    declared: Declared | None
    from_s: float
    last_still_s: float
    inclination_deg: list[float] = field(default_factory=list)
    lateral_deg: list[float] = field(default_factory=list)
    sure: float = 0.0


@dataclass(slots=True)
class HoldsState:
    """The open hold; None where there is none."""

    hold: Hold | None = None


class Holds:
    """Labelled seconds -> `practice_hold` events. declared : as for `Sets`."""

    def __init__(
        self,
        params: ExerciseConfig,
        calibration: Calibration,
        state: HoldsState | None = None,
        *,
        declared: Sequence[Declared] = (),
    ) -> None:
        self.params, self.calibration, self.declared = params, calibration, declared
        self.state = state or HoldsState()

    def push(self, block: ContextBlock, training: Bool | None = None) -> list[Said]:
        """Holds that ended in these seconds. training : (m,) seconds of an open set or a declared workout: no rest."""
        on_back = self._on_back(block)
        resting = on_back if training is None else on_back & ~training
        if not on_back.any() and not self.declared and self.state.hold is None:
            return []
        f = block.features
        lowest = np.where(np.isnan(f.sacrum_inclination_deg), f.upper_lumbar_inclination_deg, f.sacrum_inclination_deg)
        columns = (block.start_s, on_back, resting, f.rate_dps, lowest, f.lateral_deg, block.confidence, block.context)
        said: list[Said] = []
        for second, back, rests, rate, inclination, lateral, sure, label in zip(
            *(c.tolist() for c in columns), strict=True
        ):
            declared = declared_at(self.declared, second)
            practice = declared.practice if declared is not None else TOWEL if rests else None
            if label == Context.GAP or (practice == TOWEL and not back):
                practice = None
            hold = self.state.hold
            if hold is not None and (practice, _start_s(declared)) != (hold.practice, _start_s(hold.declared)):
                said += self._ended(second)
            if practice is not None:
                still = rate <= self.params.still_dps or practice == BRACE
                said += self._step(second, still, Hold(practice, declared, second, second), inclination, lateral, sure)
        return said

    def _step(
        self, second: float, still: bool, begun: Hold, inclination_deg: float, lateral_deg: float, sure: float
    ) -> list[Said]:
        """One second of a practice; `begun` is the hold that it would begin."""
        if not still:
            hold = self.state.hold
            over = hold is not None and second - hold.last_still_s > self.params.unrest_s
            return self._ended(second) if over else []
        hold = self.state.hold = self.state.hold or begun
        hold.last_still_s = second
        if len(hold.inclination_deg) < _MOST_N:
            hold.inclination_deg.append(inclination_deg)
            hold.lateral_deg.append(lateral_deg)
            hold.sure += sure
        return []

    def flush(self) -> list[Said]:
        """A hold that the session cuts off has been one."""
        hold = self.state.hold
        return [] if hold is None else self._ended(hold.last_still_s)

    def _on_back(self, block: ContextBlock) -> Bool:
        return np.asarray((block.context == Context.LYING) & (np.abs(turned_deg(block)) <= self.params.on_back_deg))

    def _ended(self, second: float) -> list[Said]:
        """The hold as an event, if it was long enough for its practice."""
        hold, self.state.hold = self.state.hold, None
        p = self.params
        if hold is None or not hold.inclination_deg:
            return []
        hold_s = hold.last_still_s + 1.0 - hold.from_s
        least = {BRACE: p.brace_min_s, HIP_MOBILITY: p.hip_min_s, TOWEL: p.towel_min_s}[hold.practice]
        if hold_s < least or (hold.declared is None and hold_s > p.towel_max_s):
            return []
        drift_deg = self._drift_deg(hold)
        sure = hold.sure / len(hold.inclination_deg)
        event = PostureEvent(
            kind=EventKind.PRACTICE_HOLD,
            start_s=hold.from_s,
            end_s=hold.last_still_s + 1.0,
            peak_s=hold.from_s,
            peak_deg=0.0 if drift_deg is None else round(drift_deg, 1),
            verdict=Verdict.UNKNOWN,
            basis=self.calibration.basis,
            confidence=round(sure * (1.0 if hold.declared is not None else p.towel_share), 3),
            evidence=hold_evidence(hold.practice, hold_s, drift_deg, p, declared=hold.declared),
        )
        return [Said(second, event)]

    def _drift_deg(self, hold: Hold) -> float | None:
        """How far the pelvis, or what is measured of the body, went; None where that is not known."""
        drift_deg = _spread(hold.inclination_deg)
        if hold.practice != BRACE:
            drift_deg = float(np.fmax(drift_deg, _spread(hold.lateral_deg)))
        elif Placement.SACRUM not in self.calibration.sensors:  # the trunk stays while the pelvis of a brace tips
            return None
        return None if np.isnan(drift_deg) else drift_deg


def _start_s(declared: Declared | None) -> float | None:
    """Which workout it is: its end becomes known while it runs."""
    return None if declared is None else declared.start_s


_MOST_N = 3600
"""Seconds of a hold that are looked at: bounds memory, longer than any practice."""
_MOST, _LEAST = 95.0, 5.0
"""Percentiles that stand for the largest and the smallest: one second may be a cough."""


def _spread(values: Sequence[float]) -> float:
    """How far apart the largest and the smallest are; NaN where none is known."""
    known = np.array(values)[~np.isnan(values)]
    return float(np.percentile(known, _MOST) - np.percentile(known, _LEAST)) if len(known) else float("nan")


def hold_evidence(
    practice: str, hold_s: float, drift_deg: float | None, params: ExerciseConfig, *, declared: Declared | None
) -> dict[str, JsonValue]:
    """Fields of a `practice_hold`: how long, how far the pelvis moved (None: not measured), and whether that was too far."""
    most_deg = params.brace_tilt_deg if practice == BRACE else params.hold_drift_deg
    return {
        "practice": practice,
        "hold_s": round(hold_s, 1),
        "drift_deg": None if drift_deg is None else round(drift_deg, 1),
        "drifted": None if drift_deg is None else drift_deg > most_deg,
        "side": declared.side if declared is not None else None,
        "declared": declared is not None,
    }
