"""Chair rises and sit-downs: a change between sitting and standing together with the lean that made it; and plunges among them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from posture.config import ChairConfig, Config
from posture.detect.context import ContextBlock, chair_chances, seated_log_ratio
from posture.detect.movement import Movement
from posture.detect.said import Said
from posture.detect.sitting import flexed_from_pct, flexion_levels
from posture.signal.calibration import Calibration
from posture.types import Context, EventKind, PostureEvent, Verdict

_UPRIGHT = (Context.STANDING, Context.WALKING)
_SHARED_S = 0.5  # of two leans in a row the end of one is about the start of the other; ours
_NEAR_S = 1.5  # s between the second of the change and the peak of its lean; the model changes in the peak's second


@dataclass(slots=True)
class ChairState:
    """The settled posture (sitting or upright; None unknown), the confidence of its last second and of the one before, movements
    not yet too old to belong to a change, and a change that must still last: its event (None where no movement explains it) and
    movement, its seconds so far, the sum of their confidences, the highest level of flexion in them (% as
    `flexion_levels`; NaN: not known), and by how much the one of them that looks most like the new posture does (nat).
    """

    seated: bool | None = None
    confidence: float = 0.0
    earlier: float = 0.0
    movements: list[Movement] = field(default_factory=list)
    change: tuple[PostureEvent, Movement] | None = None
    changing_s: float = 0.0
    sure_s: float = 0.0
    flexed_pct: float = float("nan")
    looks_nat: float = float("-inf")


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
        level = np.fmax(*flexion_levels(block, self.calibration))
        f = block.features
        looks = seated_log_ratio(
            f.sacrum_inclination_deg,
            f.upper_lumbar_inclination_deg,
            f.lateral_deg,
            self.calibration,
            self.config.context,
        )
        columns = (block.start_s, block.context, block.seated, level, looks)
        for second, label, seated, pct, nat in zip(*(c.tolist() for c in columns), strict=True):
            if label == Context.SITTING or label in _UPRIGHT:
                down = label == Context.SITTING
                said += self._step(second, down, max(seated, 1.0 - seated), pct, nat if down else -nat)
            elif label in (Context.GAP, Context.LYING):
                state.seated = None
                self._settle()
        if len(block.start_s):
            oldest = float(block.start_s[-1]) - 30.0
            state.movements = [m for m in state.movements if m.peak_s > oldest]
        return said

    def _step(self, second: float, seated: bool, confidence: float, pct: float, looks_nat: float) -> list[Said]:
        """One settled second. A change is said once it has lasted, or with the way back where it was short and plain."""
        state = self.state
        if state.seated is None or seated == state.seated:
            said = self._short(second, seated) if state.changing_s > 0.0 else []
            state.earlier = state.confidence if state.seated is not None else 0.0
            state.seated, state.confidence = seated, confidence
            self._settle()
            return said
        if state.changing_s == 0.0:
            state.change = self._event(second, down=seated)
        state.changing_s += 1.0
        state.sure_s += confidence
        state.flexed_pct = float(np.fmax(state.flexed_pct, pct))
        state.looks_nat = max(state.looks_nat, looks_nat)
        if state.changing_s < self.config.chair.lasts_min_s:
            return []
        said = self._said(second, state.change, self._sure())
        state.seated, state.confidence, state.earlier = seated, confidence, 0.0
        self._settle()
        return said

    def _sure(self) -> float:
        """Confidence of the postures before and after the open change.

        The second of the change is half the one and half the other: the one before it says where the wearer was.
        """
        state = self.state
        return min(max(state.confidence, state.earlier), state.sure_s / state.changing_s)

    def _short(self, second: float, seated: bool) -> list[Said]:
        """There and back before it has lasted: a quick sit or stand where it looked like one, else a squat or a reach."""
        state, p = self.state, self.config.chair
        if state.changing_s < p.short_min_s or state.looks_nat < p.short_looks_nat or state.change is None:
            return []
        back = self._event(second, down=seated)
        if back is None or back[1] is state.change[1]:
            return []
        sure = self._sure()
        there = self._said(second, state.change, sure)
        return there + self._said(second, back, sure) if there else []

    def _said(self, second: float, change: tuple[PostureEvent, Movement] | None, sure: float) -> list[Said]:
        """A change that its movement explains and its postures carry."""
        if change is None or sure < self.config.chair.confidence_min:
            return []
        event, movement = replace(change[0], confidence=round(sure, 3)), change[1]
        if event.kind is EventKind.STAND_TO_SIT and self._goes_on_down(movement, second):
            return []
        said = [Said(second, event)]
        if event.kind is EventKind.STAND_TO_SIT and plunged(movement, self.config.chair):
            said.append(Said(second, self._plunge(event, movement, self.state.flexed_pct)))
        return said

    def _goes_on_down(self, movement: Movement, second: float) -> bool:
        """Whether the body went down once more since: a knee, on the way to the floor, and no seat."""
        further_m = self.config.chair.further_down_m
        return any(
            movement.end_s < m.start_s + _SHARED_S and m.peak_s <= second and m.height_m <= -further_m
            for m in self.state.movements
        )

    def _settle(self) -> None:
        state = self.state
        state.change, state.changing_s, state.sure_s = None, 0.0, 0.0
        state.flexed_pct, state.looks_nat = float("nan"), float("-inf")

    def _plunge(self, event: PostureEvent, movement: Movement, flexed_pct: float) -> PostureEvent:
        """The sit-down as a plunge; rounded where it ended in flexion within the seconds that it had to last."""
        flexed = (
            None if np.isnan(flexed_pct) else bool(flexed_pct >= flexed_from_pct(self.config.sitting, self.calibration))
        )
        verdict = {None: Verdict.UNKNOWN, True: Verdict.ROUNDED, False: Verdict.NEUTRAL}[flexed]
        evidence = {
            "sink_mps": round(movement.sink_mps, 2),
            "sink_s": round(movement.sink_s, 2),
            "impact_mps2": round(movement.impact_mps2, 1),
            "flexed_after": flexed,
        }
        return replace(event, kind=EventKind.PLUNGE, verdict=verdict, evidence=evidence)

    def flush(self) -> list[Said]:
        """Nothing is held back."""
        return []

    def _event(self, second: float, *, down: bool) -> tuple[PostureEvent, Movement] | None:
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
        event = PostureEvent(
            kind=EventKind.STAND_TO_SIT if down else EventKind.SIT_TO_STAND,
            start_s=movement.start_s,
            end_s=movement.end_s,
            peak_s=movement.peak_s,
            peak_deg=movement.lean_peak_deg,
            verdict=chair_verdict(pct, config.chair),
            basis=self.calibration.basis,
            confidence=0.0,  # said when the change has lasted
            evidence={
                "height_m": None if np.isnan(movement.height_m) else round(movement.height_m, 3),
                "lean_deg": round(movement.lean_peak_deg - movement.lean_before_deg, 1),
                "flexion_peak_pct_rom": None if np.isnan(pct) else round(pct, 1),
            },
        )
        return event, movement


def chair_verdict(flexion_peak_pct_rom: float, params: ChairConfig) -> Verdict:
    """Rounded or neutral by the share of the own range; NaN (one sensor) is unknown."""
    if np.isnan(flexion_peak_pct_rom):
        return Verdict.UNKNOWN
    if flexion_peak_pct_rom >= params.rounded_pct:
        return Verdict.ROUNDED
    return Verdict.NEUTRAL if flexion_peak_pct_rom <= params.neutral_pct else Verdict.MIXED


def plunged(movement: Movement, params: ChairConfig) -> bool:
    """Whether a way down onto a chair was a fall: short or fast, and stopped hard. NaN (no height): no."""
    quick = movement.sink_s < params.plunge_s or movement.sink_mps > params.plunge_mps
    return quick and movement.impact_mps2 >= params.plunge_impact_mps2
