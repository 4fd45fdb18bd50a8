"""Whether a sensor has slipped on the back: walking looks the same all day, unless the sensor moved.

One state machine per session: ok -> ask (two walking bouts in a row lie off the calibration walk: a prompt) -> paused (further off:
nothing is scored) -> ok again when two bouts agree with the calibration. Never silent: every change is a `sensor_moved` event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from posture.config import SlipConfig
from posture.detect.chance import normal
from posture.detect.context import ContextBlock
from posture.detect.said import Said
from posture.signal.calibration import Calibration
from posture.types import Bool, Context, EventKind, Float, Placement, PostureEvent, Verdict


class Trust(StrEnum):
    """What the last two walking bouts say of the mounting."""

    OK = "ok"
    ASK = "ask"
    PAUSED = "paused"


@dataclass(slots=True)
class SlipState:
    """The open walking bout (seconds, inclinations per placement), the bout before, the trust, and since when it is paused.

    before : start of the last finished bout and its shift per placement, deg. pauses : [from_s, to_s) stretches, the last one
    open (inf) while paused.
    """

    start_s: float | None = None
    walked: dict[Placement, list[float]] = field(default_factory=dict)
    before: tuple[float, dict[Placement, float]] | None = None
    trust: Trust = Trust.OK
    pauses: list[tuple[float, float]] = field(default_factory=list)


class Slip:
    """Labelled seconds -> `sensor_moved` events, and when nothing may be scored. Without a calibration walk it says nothing."""

    def __init__(self, params: SlipConfig, calibration: Calibration, state: SlipState | None = None) -> None:
        self.params, self.basis = params, calibration.basis
        self.anchors = {p: s.walk_deg for p, s in calibration.sensors.items() if not np.isnan(s.walk_deg)}
        self.state = state or SlipState()

    def push(self, block: ContextBlock) -> list[Said]:
        """Changes of trust in these seconds."""
        said: list[Said] = []
        if not self.anchors:
            return said
        state = self.state
        inclination = {
            Placement.SACRUM: block.features.sacrum_inclination_deg,
            Placement.UPPER_LUMBAR: block.features.upper_lumbar_inclination_deg,
        }
        walking = block.context == Context.WALKING
        # Only the edges of walking matter: a bout is taken over in slices.
        edges = np.flatnonzero(np.diff(walking, prepend=state.start_s is not None, append=False))
        starts = [0, *edges] if state.start_s is not None else list(edges)
        for a, b in zip(starts[::2], starts[1::2], strict=True):
            if state.start_s is None:
                state.start_s, state.walked = float(block.start_s[a]), {p: [] for p in self.anchors}
            for placement, values in state.walked.items():
                values += inclination[placement][a:b].tolist()
            if b < len(walking):
                said += self._bout(float(block.start_s[b]))
        return said

    def flush(self) -> list[Said]:
        """An unfinished bout proves nothing."""
        return []

    def paused(self, seconds: Float) -> Bool:
        """(m,) True where nothing may be scored, for seconds that were pushed."""
        out = np.zeros(len(seconds), dtype=np.bool_)
        for from_s, to_s in self.state.pauses:
            out |= (seconds >= from_s) & (seconds < to_s)
        return out

    def _bout(self, now_s: float) -> list[Said]:
        state, start_s = self.state, self.state.start_s
        walked, state.start_s, state.walked = state.walked, None, {}
        if start_s is None or now_s - start_s < self.params.bout_min_s:
            return []
        shifts = {p: float(np.nanmedian(v)) - self.anchors[p] for p, v in walked.items() if not np.isnan(v).all()}
        before, state.before = state.before, (start_s, shifts)
        if before is None:
            return []
        # Both bouts must say the same: one walk up a slope is no slip.
        both = {p: min(before[1][p], s, key=abs) for p, s in shifts.items() if p in before[1] and before[1][p] * s > 0}
        placement, shift = max(both.items(), key=lambda item: abs(item[1]), default=(next(iter(self.anchors)), 0.0))
        trust = Trust.OK
        if abs(shift) > self.params.ask_deg:
            trust = Trust.PAUSED if abs(shift) > self.params.pause_deg else Trust.ASK
        if trust is state.trust:
            return []
        return [self._changed(trust, placement, shift, before[0], now_s)]

    def _sure(self, trust: Trust, shift: float) -> float:
        """Chance that the shift is on its side of the prompt's limit, for a walking mean that is off by `error_deg`."""
        beyond = (abs(shift) - self.params.ask_deg) / self.params.error_deg
        return normal(-beyond if trust is Trust.OK else beyond)

    def _changed(self, trust: Trust, placement: Placement, shift: float, since_s: float, now_s: float) -> Said:
        state = self.state
        if state.trust is Trust.PAUSED:
            state.pauses[-1] = (state.pauses[-1][0], now_s)
        if trust is Trust.PAUSED:
            state.pauses.append((now_s, float("inf")))
        state.trust = trust
        event = PostureEvent(
            kind=EventKind.SENSOR_MOVED,
            start_s=since_s,
            end_s=now_s,
            peak_s=now_s,
            peak_deg=round(shift, 1),
            verdict=Verdict.UNKNOWN,
            basis=self.basis,
            confidence=round(self._sure(trust, shift), 3),
            evidence={"placement": str(placement), "shift_deg": round(shift, 1), "state": str(trust)},
        )
        return Said(now_s, event)
