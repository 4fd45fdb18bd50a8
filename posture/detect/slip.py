"""Whether the sensors still sit where they were calibrated, and what puts them right: walking is the anchor.

People walk alike from bout to bout, so the mean upright of a walk shows how a sensor sits. While worn: ok -> ask (two bouts in
a row agree on a shift) -> paused (further off: nothing is scored) -> ok again when two bouts agree with the calibration. After the
sensors may have been off the body: unsettled (nothing is scored) until the first walk, which turns their frames so that it looks
like the calibration walk (re-zeroed). That is provisional until a second walk agrees: a bag can be walked about upright as well.
Never silent: every change is a `sensor_moved` event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np

from posture.config import SlipConfig
from posture.detect.chance import normal
from posture.detect.context import ContextBlock
from posture.detect.said import Said
from posture.signal.calibration import Calibration
from posture.signal.join import BLOCK_S
from posture.types import Bool, Context, EventKind, Float, JsonValue, Placement, PostureEvent, Verdict

REMOUNT_S = 60
"""s; frames change at whole multiples of this, two of them after the decision at the latest: then no cut of the input matters."""
DECIDED_S = 32
"""s; a second is decided before this much of what follows it is there: the longest lag, and the open second."""

_ELSE, _WALKS, _OFF, _GAP = range(4)


class Trust(StrEnum):
    """What is known of the mounting."""

    OK = "ok"
    ASK = "ask"
    PAUSED = "paused"
    UNSETTLED = "unsettled"
    REZEROED = "re_zeroed"


@dataclass(frozen=True, slots=True)
class Remount:
    """From this second on the sensors sit so: body_from_sensor per placement, (3, 3)."""

    from_s: int
    body_from_sensor: Mapping[Placement, Float]


@dataclass(slots=True)
class SlipState:
    """The open walking bout, the bout before, the trust, since when nothing is scored, and how the sensors sit.

    spoken : it was long enough and has been judged. walked : its seconds, placement -> (k, 3) up vectors. before : start of the
    last finished bout and its shift per placement, deg. anchors : inclination of walking per placement, deg. provisional : the
    frames rest on one walk since. pauses : [from_s, to_s) stretches, the last one open (inf) while nothing is scored. off_s :
    first second in which the sensors may have been off. worn_s : end of the seconds so far, where the last one was on the body.
    gap_s : length of the gap so far. remounts : in order; the last one may be ahead.
    """

    start_s: float | None = None
    spoken: bool = False
    walked: dict[Placement, list[Float]] = field(default_factory=dict)
    before: tuple[float, dict[Placement, float]] | None = None
    anchors: dict[Placement, float] = field(default_factory=dict)
    trust: Trust = Trust.OK
    provisional: bool = False
    pauses: list[tuple[float, float]] = field(default_factory=list)
    off_s: float | None = None
    worn_s: float | None = None
    gap_s: float = 0.0
    remounts: list[Remount] = field(default_factory=list)


class Slip:
    """Labelled seconds -> `sensor_moved` events, when nothing may be scored, and the frames in force.

    Where the calibration holds no walk, the first bout of the session is the anchor.
    """

    def __init__(self, params: SlipConfig, calibration: Calibration, state: SlipState | None = None) -> None:
        self.params, self.calibration = params, calibration
        known = {p: s.walk_deg for p, s in calibration.sensors.items() if not np.isnan(s.walk_deg)}
        self.state = state or SlipState(anchors=known)

    def push(self, block: ContextBlock, ups: Mapping[Placement, Float], off: Bool) -> list[Said]:
        """Changes of trust in these seconds.

        ups : placement -> (m, 3) mean up vector of each second, sensor axes. off : (m,) the sensors may be off the body.
        """
        said: list[Said] = []
        walking = block.context == Context.WALKING
        gap = block.context == Context.GAP
        # Only seconds in which something begins or ends matter; between them a bout is taken over in slices.
        kind = np.select([off, gap, walking], [_OFF, _GAP, _WALKS], _ELSE)
        starts = np.flatnonzero(np.diff(kind, prepend=-1)).tolist()
        for a, b in pairwise([*starts, len(kind)]):
            now_s, end_s, what = float(block.start_s[a]), float(block.start_s[b - 1]) + 1.0, kind[a]
            if what != _GAP:
                self._gap_ended(now_s)
            if what != _WALKS:
                said += self._bout_ended(now_s)
            if what == _OFF:
                self._came_off(now_s, off_s=now_s)
            elif what == _GAP:
                self.state.gap_s += end_s - now_s
            elif what == _WALKS:
                said += self._walk(now_s, {p: rows[a:b] for p, rows in ups.items()})
            self.state.worn_s = end_s if what in (_WALKS, _ELSE) else None
        return said

    def flush(self) -> list[Said]:
        """An unfinished bout proves nothing; a wear whose upright nobody knows is said."""
        state = self.state
        if state.trust is not Trust.UNSETTLED or state.off_s is None or state.worn_s is None:
            return []
        return [self._said(Trust.UNSETTLED, 0.0, 0.5, state.off_s, state.worn_s, {})]

    def paused(self, seconds: Float) -> Bool:
        """(m,) True where nothing may be scored, for seconds that were pushed."""
        out = np.zeros(len(seconds), dtype=np.bool_)
        for from_s, to_s in self.state.pauses:
            out |= (seconds >= from_s) & (seconds < to_s)
        return out

    def worn(self, second: float) -> Calibration:
        """The calibration with the frames in force at a second."""
        frames = self._frames(second)
        if frames is None:
            return self.calibration
        turned = {p: replace(s, body_from_sensor=frames[p]) for p, s in self.calibration.sensors.items()}
        return replace(self.calibration, sensors=turned)

    def settled(self, second: float) -> bool:
        """Whether the frames in force at a second stay until the next multiple of `BLOCK_S`. All that was decidable by then must
        have been pushed.
        """
        state = self.state
        ahead = bool(state.remounts) and state.remounts[-1].from_s > second
        return not (ahead or state.provisional or state.trust is Trust.UNSETTLED)

    def _frames(self, second: float) -> Mapping[Placement, Float] | None:
        in_force = [r for r in self.state.remounts if r.from_s <= second]
        return in_force[-1].body_from_sensor if in_force else None

    def _came_off(self, now_s: float, off_s: float) -> None:
        """Nothing is scored from now on: what lies before has been said."""
        state = self.state
        if state.trust is not Trust.UNSETTLED:
            self._pause(now_s)
            state.trust, state.off_s, state.before = Trust.UNSETTLED, off_s, None

    def _gap_ended(self, now_s: float) -> None:
        gap_s, self.state.gap_s = self.state.gap_s, 0.0
        if gap_s >= self.params.off_gap_s:
            self._came_off(now_s, off_s=now_s)

    def _walk(self, now_s: float, ups: Mapping[Placement, Float]) -> list[Said]:
        """More seconds of a bout; one that goes on for long speaks before its end."""
        state = self.state
        if state.start_s is None:
            state.start_s, state.walked, state.spoken = now_s, {p: [] for p in ups}, False
        if state.spoken:
            return []
        spare = round(state.start_s + self.params.bout_max_s - now_s)
        for placement, rows in ups.items():
            state.walked[placement].append(rows[:spare])
        if len(next(iter(ups.values()))) < spare:
            return []
        state.spoken = True
        return self._bout(state.start_s, state.start_s + self.params.bout_max_s)

    def _bout_ended(self, now_s: float) -> list[Said]:
        state, start_s = self.state, self.state.start_s
        state.start_s = None
        return [] if start_s is None or state.spoken else self._bout(start_s, now_s)

    def _bout(self, start_s: float, now_s: float) -> list[Said]:
        """What the seconds that were walked say."""
        state = self.state
        walked, state.walked = state.walked, {}
        ups = {p: up for p, parts in walked.items() if (up := _usual(np.concatenate(parts))) is not None}
        if state.trust is Trust.UNSETTLED:
            return self._settled(ups, start_s, now_s)
        if now_s - start_s < self.params.bout_min_s:
            return []
        frames = self._frames(np.inf) or {p: s.body_from_sensor for p, s in self.calibration.sensors.items()}
        level = {p: _inclination_deg(frames[p] @ up) for p, up in ups.items()}
        for placement, angle_deg in level.items():
            state.anchors.setdefault(placement, angle_deg)
        shifts = {p: angle_deg - state.anchors[p] for p, angle_deg in level.items()}
        if state.provisional and max(map(abs, shifts.values())) > self.params.ask_deg:
            self._came_off(now_s, off_s=start_s)
            return self._settled(ups, start_s, now_s)
        state.provisional = False
        before, state.before = state.before, (start_s, shifts)
        if before is None:
            return []
        # Both bouts must say the same: one walk up a slope is no slip.
        both = {p: min(before[1][p], s, key=abs) for p, s in shifts.items() if p in before[1] and before[1][p] * s > 0}
        placement, shift = max(both.items(), key=lambda item: abs(item[1]), default=(next(iter(state.anchors)), 0.0))
        trust = Trust.OK
        if abs(shift) > self.params.ask_deg:
            trust = Trust.PAUSED if abs(shift) > self.params.pause_deg else Trust.ASK
        if trust is state.trust:
            return []
        self._resume(now_s)
        if trust is Trust.PAUSED:
            self._pause(now_s)
        state.trust = trust
        evidence: dict[str, JsonValue] = {"placement": str(placement), "shift_deg": round(shift, 1)}
        return [self._said(trust, shift, self._sure(trust, shift), before[0], now_s, evidence)]

    def _settled(self, ups: Mapping[Placement, Float], start_s: float, now_s: float) -> list[Said]:
        """The first walk after the sensors may have been off: their frames are turned so that it looks as the anchor walk did."""
        state, sensors = self.state, self.calibration.sensors
        if now_s - start_s < self.params.settle_min_s or set(ups) != set(sensors):
            return []
        frames, shifts = {}, {}
        for placement, up in ups.items():
            seen = sensors[placement].body_from_sensor @ up
            frames[placement] = _turned(seen, state.anchors.get(placement, 0.0)) @ sensors[placement].body_from_sensor
            shifts[placement] = _inclination_deg(seen) - state.anchors.get(placement, 0.0)
            if abs(shifts[placement]) > self.params.put_on_max_deg or abs(seen[1]) > _SIDEWAYS:
                return []  # put on in another way altogether: that needs a calibration
        from_s = _in_force_s(state.off_s or 0.0, now_s)
        state.remounts.append(Remount(from_s, frames))
        self._resume(float(from_s))
        state.trust, state.provisional = Trust.OK, True
        off_s, state.off_s = state.off_s, None
        shift = max(shifts.values(), key=abs)
        evidence: dict[str, JsonValue] = {f"{p}_shift_deg": round(s, 1) for p, s in shifts.items()}
        evidence |= {"off_s": off_s, "from_s": from_s}
        # A walk's mean is off by error_deg; the odds that this brings every sensor within the prompt's limit.
        sure = 2.0 * normal(self.params.ask_deg / self.params.error_deg) - 1.0
        return [self._said(Trust.REZEROED, shift, sure, start_s, now_s, evidence)]

    def _pause(self, now_s: float) -> None:
        pauses = self.state.pauses
        goes_on = bool(pauses) and pauses[-1][1] >= now_s
        from_s = pauses.pop()[0] if goes_on else now_s
        pauses.append((from_s, float("inf")))

    def _resume(self, now_s: float) -> None:
        if self.state.pauses and self.state.pauses[-1][1] > now_s:
            self.state.pauses[-1] = (self.state.pauses[-1][0], now_s)

    def _sure(self, trust: Trust, shift: float) -> float:
        """Chance that the shift is on its side of the prompt's limit, for a walking mean that is off by `error_deg`."""
        beyond = (abs(shift) - self.params.ask_deg) / self.params.error_deg
        return normal(-beyond if trust is Trust.OK else beyond)

    def _said(
        self, trust: Trust, shift: float, sure: float, since_s: float, now_s: float, evidence: dict[str, JsonValue]
    ) -> Said:
        event = PostureEvent(
            kind=EventKind.SENSOR_MOVED,
            start_s=since_s,
            end_s=now_s,
            peak_s=now_s,
            peak_deg=round(shift, 1),
            verdict=Verdict.UNKNOWN,
            basis=self.calibration.basis,
            confidence=round(sure, 3),
            evidence={**evidence, "state": str(trust)},
        )
        return Said(now_s, event)


def _in_force_s(off_s: float, now_s: float) -> int:
    """When new frames can begin: not in the block in which the sensors came off, which was taken as a whole (`Slip.settled`)."""
    return max((int(now_s) // REMOUNT_S + 2) * REMOUNT_S, ((int(off_s) + DECIDED_S) // BLOCK_S + 1) * BLOCK_S)


_SIDEWAYS = 0.87
"""|y| of the upright beyond which an inclination is not defined (sine of about 60 deg)."""


_PIECE_S, _ALIKE_DEG = 10, 3.0
"""A bout is looked at in pieces of so many seconds; most of them alike within so much are how the wearer walks. Ours."""


def _usual(ups: Float) -> Float | None:
    """(k, 3) up vectors of a bout -> unit vector of its usual walking, without the stairs in it; None where nothing is known.

    Of the pieces those count that are alike to most others; NaN rows are left out.
    """
    known = ups[~np.isnan(ups[:, 0])]
    pieces = [_middle(part) for part in np.array_split(known, max(1, len(known) // _PIECE_S)) if len(part)]
    if not pieces:
        return None
    each = np.stack(pieces)
    alike = each @ each.T > np.cos(np.radians(_ALIKE_DEG))
    return _middle(each[alike[int(np.argmax(alike.sum(axis=1)))]])


def _middle(ups: Float) -> Float:
    up = np.median(ups, axis=0)
    return np.asarray(up / np.sqrt(up @ up))


def _inclination_deg(v: Float) -> float:
    return float(np.degrees(np.arctan2(-v[0], v[2])))


def _turned(seen: Float, anchor_deg: float) -> Float:
    """(3, 3) the shortest turn, body axes, that takes a walk's upright as seen to that of the anchor walk."""
    angle = np.radians(anchor_deg)
    wanted = np.array([-np.sin(angle), 0.0, np.cos(angle)])
    axis = np.cross(seen, wanted)
    skew = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1.0 + seen @ wanted))
