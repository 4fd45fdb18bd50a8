"""Chair rises and sit-downs: a change between sitting and standing together with the lean that made it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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
    """The settled posture (sitting or upright; None unknown) and its confidence, movements not yet too old to belong to a
    change, and a change that must still last: its event (None where no movement explains it), its seconds so far and the sum of
    their confidences.
    """

    seated: bool | None = None
    confidence: float = 0.0
    movements: list[Movement] = field(default_factory=list)
    change: PostureEvent | None = None
    changing_s: float = 0.0
    sure_s: float = 0.0


class Chair:
    """Labelled seconds and movements -> `sit_to_stand` and `stand_to_sit`. A change that no movement explains is no event."""

    def __init__(self, config: Config, calibration: Calibration, state: ChairState | None = None) -> None:
        self.config, self.calibration = config, calibration
        self.state = state or ChairState()

    def push(self, block: ContextBlock, movements: tuple[Movement, ...]) -> list[Said]:
        """Transitions whose new posture has lasted by the end of these seconds."""
        state = self.state
        state.movements.extend(movements)
        said: list[Said] = []
        for second, label, seated in zip(
            block.start_s.tolist(), block.context.tolist(), block.seated.tolist(), strict=True
        ):
            if label == Context.SITTING or label in _UPRIGHT:
                said += self._step(second, label == Context.SITTING, max(seated, 1.0 - seated))
            elif label in (Context.GAP, Context.LYING):
                state.seated, state.change, state.changing_s, state.sure_s = None, None, 0.0, 0.0
        if len(block.start_s):
            oldest = float(block.start_s[-1]) - 30.0
            state.movements = [m for m in state.movements if m.peak_s > oldest]
        return said

    def _step(self, second: float, seated: bool, confidence: float) -> list[Said]:
        """One settled second. A change is said once it has lasted; what goes back before was a squat or a reach."""
        state = self.state
        if state.seated is None or seated == state.seated:
            state.seated, state.confidence = seated, confidence
            state.change, state.changing_s, state.sure_s = None, 0.0, 0.0
            return []
        if state.changing_s == 0.0:
            state.change = self._event(second, down=seated)
        state.changing_s += 1.0
        state.sure_s += confidence
        if state.changing_s < self.config.chair.lasts_min_s:
            return []
        event, sure = state.change, min(state.confidence, state.sure_s / state.changing_s)
        state.seated, state.confidence = seated, confidence
        state.change, state.changing_s, state.sure_s = None, 0.0, 0.0
        if event is None or sure < self.config.chair.confidence_min:
            return []
        return [Said(second, replace(event, confidence=round(sure, 3)))]

    def flush(self) -> list[Said]:
        """Nothing is held back."""
        return []

    def _event(self, second: float, *, down: bool) -> PostureEvent | None:
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
            confidence=0.0,  # said when the change has lasted
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
