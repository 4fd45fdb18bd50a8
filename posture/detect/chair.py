"""Chair rises and sit-downs: a change between sitting and standing together with the lean that made it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posture.config import ChairConfig, Config
from posture.detect.context import ContextBlock, chair_chances
from posture.detect.movement import Movement
from posture.detect.said import Said
from posture.signal.calibration import Calibration
from posture.types import Context, EventKind, PostureEvent, Verdict

_UPRIGHT = (Context.STANDING, Context.WALKING)
_NEAR_S = 1.5  # s between the second of the change and the peak of its lean; the model changes in the peak's second


@dataclass(slots=True)
class ChairState:
    """The last posture that was sitting or upright, its confidence, and movements not yet too old to belong to a change."""

    seated: bool | None = None
    confidence: float = 0.0
    movements: list[Movement] = field(default_factory=list)


class Chair:
    """Labelled seconds and movements -> `sit_to_stand` and `stand_to_sit`. A change that no movement explains is no event."""

    def __init__(self, config: Config, calibration: Calibration, state: ChairState | None = None) -> None:
        self.config, self.calibration = config, calibration
        self.state = state or ChairState()

    def push(self, block: ContextBlock, movements: tuple[Movement, ...]) -> list[Said]:
        state = self.state
        state.movements.extend(movements)
        said: list[Said] = []
        for second, label, confidence in zip(block.start_s.tolist(), block.context.tolist(), block.confidence.tolist(), strict=True):
            if label == Context.SITTING or label in _UPRIGHT:
                seated = label == Context.SITTING
                if state.seated is not None and seated != state.seated:
                    event = self._event(second, seated, min(confidence, state.confidence))
                    if event is not None:
                        said.append(Said(second, event))
                state.seated, state.confidence = seated, confidence
            elif label in (Context.GAP, Context.LYING):
                state.seated = None
        if len(block.start_s):
            oldest = float(block.start_s[-1]) - 30.0
            state.movements = [m for m in state.movements if m.peak_s > oldest]
        return said

    def flush(self) -> list[Said]:
        """Nothing is held back."""
        return []

    def _event(self, second: float, down: bool, confidence: float) -> PostureEvent | None:
        config = self.config
        best: tuple[float, Movement] | None = None
        for movement in self.state.movements:
            if second - _NEAR_S <= movement.peak_s <= second + 1.0 + _NEAR_S:
                chance = chair_chances(movement, config.movement, config.context, self.calibration)[0 if down else 1]
                if best is None or chance > best[0]:
                    best = chance, movement
        if best is None or best[0] < 0.05:
            return None
        movement = best[1]
        pct = 100.0 * movement.flexion_peak_deg / self.calibration.rom_deg
        return PostureEvent(
            kind=EventKind.STAND_TO_SIT if down else EventKind.SIT_TO_STAND,
            start_s=movement.start_s,
            end_s=movement.end_s,
            peak_s=movement.peak_s,
            peak_deg=movement.lean_peak_deg,
            verdict=chair_verdict(pct, config.chair),
            basis=self.calibration.basis,
            confidence=round(confidence, 3),
            evidence={
                "height_m": round(movement.height_m, 3),
                "lean_deg": round(movement.lean_peak_deg - movement.lean_before_deg, 1),
                "flexion_peak_pct_rom": None if np.isnan(pct) else round(pct, 1),
            },
        )


def chair_verdict(flexion_peak_pct_rom: float, params: ChairConfig) -> Verdict:
    """Rounded or neutral by the share of the own range; NaN (one sensor) is unknown."""
    if np.isnan(flexion_peak_pct_rom):
        return Verdict.UNKNOWN
    if flexion_peak_pct_rom >= params.rounded_pct:
        return Verdict.ROUNDED
    return Verdict.NEUTRAL if flexion_peak_pct_rom <= params.neutral_pct else Verdict.MIXED
