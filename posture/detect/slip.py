"""Whether the sensors still sit where they were calibrated, and what puts them right: walking is the anchor.

People walk alike from bout to bout, so the mean upright of a walk shows how a sensor sits. On stairs they lean: a bout may hold
several ways of walking. While worn: ok -> ask (two bouts in a row agree on a shift) -> paused (further off: nothing is scored) ->
ok again when two bouts agree with the calibration. After the sensors may have been off the body: unsettled (nothing is scored) till
the first walk, which turns their frames so that it looks like the calibration walk (re-zeroed). That is provisional until a second
walk agrees: a bag can be walked about upright as well. Never silent: every change is a `sensor_moved` event.
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


Shifts = dict[Placement, float]
"""How far walking is off its anchor, deg, per placement."""


@dataclass(slots=True)
class SlipState:
    """The open walking bout, the bout before, the trust, since when nothing is scored, and how the sensors sit.

    spoken : it was long enough and has been judged. walked : its seconds, placement -> (k, 3) up vectors. before : start of the
    last finished bout and the shifts of its ways of walking per placement, deg. anchors : inclination of walking per placement,
    deg. provisional : the frames rest on one walk since. pauses : [from_s, to_s) stretches, the last one open (inf) while nothing
    is scored. off_s : first second in which the sensors may have been off. worn_s : end of the seconds so far, where the last one
    was on the body. gap_s : length of the gap so far. remounts : in order; the last one may be ahead.
    """

    start_s: float | None = None
    spoken: bool = False
    walked: dict[Placement, list[Float]] = field(default_factory=dict)
    before: tuple[float, list[Shifts]] | None = None
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
        """More seconds of a bout. A shift is said as soon as a piece shows it; the rest waits for its end, or until it was long."""
        state, said = self.state, []
        if state.start_s is None:
            state.start_s, state.walked, state.spoken = now_s, {p: [] for p in ups}, False
        if state.spoken:
            return []
        start_s, seconds = state.start_s, len(next(iter(ups.values())))
        last_s = min(now_s + seconds, start_s + self.params.bout_max_s)
        done = (
            int(now_s - start_s) // _PIECE_S
        )  # whole pieces so far: the bout is looked at where one ends, however it is cut
        ends = [start_s + _PIECE_S * k for k in range(done + 1, int(last_s - start_s) // _PIECE_S + 1)]
        for from_s, to_s in pairwise([now_s, *(e for e in ends if e < last_s), last_s]):
            for placement, rows in ups.items():
                state.walked[placement].append(rows[round(from_s - now_s) : round(to_s - now_s)])
            if to_s in ends and to_s - start_s >= self.params.bout_min_s:
                said += self._moved(self._shifts(_ways(state.walked)), to_s)
        if last_s - start_s >= self.params.bout_max_s:
            state.spoken = True
            said += self._bout(start_s, last_s)
        return said

    def _bout_ended(self, now_s: float) -> list[Said]:
        state, start_s = self.state, self.state.start_s
        state.start_s = None
        return [] if start_s is None or state.spoken else self._bout(start_s, now_s)

    def _bout(self, start_s: float, now_s: float) -> list[Said]:
        """What a whole bout says."""
        state = self.state
        walked, state.walked = state.walked, {}
        ways = _ways(walked)
        if state.trust is Trust.UNSETTLED:
            return self._settled(ways, start_s, now_s)
        if now_s - start_s < self.params.bout_min_s or not ways:
            return []
        for placement, angle_deg in self._level(ways[0]).items():
            state.anchors.setdefault(placement, angle_deg)
        shifts = self._shifts(ways)
        if state.provisional and max(map(abs, shifts[0].values())) > self.params.ask_deg:
            self._came_off(now_s, off_s=start_s)
            return self._settled(ways, start_s, now_s)
        state.provisional = False
        said = self._moved(shifts, now_s) or self._back(shifts, now_s)
        state.before = start_s, shifts
        return said

    def _level(self, way: Mapping[Placement, Float]) -> dict[Placement, float]:
        """Inclination of a way of walking, deg, with the sensors as they are known to sit."""
        frames = self._frames(np.inf) or {p: s.body_from_sensor for p, s in self.calibration.sensors.items()}
        return {p: _inclination_deg(frames[p] @ up) for p, up in way.items()}

    def _shifts(self, ways: list[dict[Placement, Float]]) -> list[Shifts]:
        anchors = self.state.anchors
        return [{p: deg - anchors[p] for p, deg in self._level(way).items() if p in anchors} for way in ways]

    def _moved(self, shifts: list[Shifts], now_s: float) -> list[Said]:
        """A shift that this bout and the one before agree on, where it makes matters worse.

        A way of walking of either that is as it was at calibration, within what happens by chance, speaks against it: then the
        others were stairs or a slope.
        """
        state, ask_deg = self.state, self.params.ask_deg
        if state.before is None or state.provisional or state.trust in (Trust.UNSETTLED, Trust.PAUSED):
            return []
        since_s, before = state.before
        worst: tuple[float, Placement] | None = None
        for placement in state.anchors:
            old, new = ([way[placement] for way in ways if placement in way] for ways in (before, shifts))
            if any(abs(shift) <= self.params.error_deg for shift in old + new):
                continue
            agreed = [min(a, b, key=abs) for a in old for b in new if a * b > 0]
            for shift in agreed:
                if abs(shift) > ask_deg and (worst is None or abs(shift) > abs(worst[0])):
                    worst = shift, placement
        if worst is None:
            return []
        shift, placement = worst
        trust = Trust.PAUSED if abs(shift) > self.params.pause_deg else Trust.ASK
        if trust is state.trust:
            return []
        if trust is Trust.PAUSED:
            self._pause(now_s)
        state.trust = trust
        return [self._said(trust, shift, self._sure(trust, shift), since_s, now_s, _evidence(placement, shift))]

    def _back(self, shifts: list[Shifts], now_s: float) -> list[Said]:
        """Back where the sensors were, where this bout and the one before agree on that; until then ask and paused go on."""
        state = self.state
        if state.before is None or state.trust not in (Trust.ASK, Trust.PAUSED):
            return []
        since_s, before = state.before
        off = [_most(ways[0]) for ways in (before, shifts)]
        placement, shift = max(off, key=lambda item: abs(item[1]))
        if abs(shift) > self.params.ask_deg:
            return []
        self._resume(now_s)
        state.trust = Trust.OK
        return [self._said(Trust.OK, shift, self._sure(Trust.OK, shift), since_s, now_s, _evidence(placement, shift))]

    def _settled(self, ways: list[dict[Placement, Float]], start_s: float, now_s: float) -> list[Said]:
        """The first walk after the sensors may have been off: their frames are turned so that it looks as the anchor walk did."""
        state, sensors = self.state, self.calibration.sensors
        ups = ways[0] if ways else {}
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
"""A bout is looked at in pieces of so many seconds; those alike within so much are one way of walking. Ours."""


def _ways(walked: Mapping[Placement, list[Float]]) -> list[dict[Placement, Float]]:
    """A bout's up vectors, placement -> parts of (k, 3) -> its ways of walking, the most usual first; none where nothing is known.

    Each is a unit vector per placement: the middle of pieces that are alike on every sensor. A way of one piece counts only where
    no two are alike. Seconds with a NaN are left out, and so is a sensor that has nothing else.
    """
    ups = {p: np.concatenate(parts) for p, parts in walked.items() if parts}
    ups = {p: rows for p, rows in ups.items() if not np.isnan(rows[:, 0]).all()}
    known = ~np.any([np.isnan(rows[:, 0]) for rows in ups.values()], axis=0)
    if not known.any():
        return []
    each = {p: _pieces(rows[known]) for p, rows in ups.items()}
    alike = np.all([up @ up.T > np.cos(np.radians(_ALIKE_DEG)) for up in each.values()], axis=0)
    count = alike.sum(axis=1)
    firsts = [k for k in np.argsort(-count, kind="stable").tolist() if count[k] > 1] or [0]
    return [{p: _middle(up[alike[k]]) for p, up in each.items()} for k in firsts]


def _most(shifts: Shifts) -> tuple[Placement, float]:
    return max(shifts.items(), key=lambda item: abs(item[1]))


def _evidence(placement: Placement, shift: float) -> dict[str, JsonValue]:
    return {"placement": str(placement), "shift_deg": round(shift, 1)}


def _pieces(ups: Float) -> Float:
    """(n, 3) -> (k, 3) middles of pieces of `_PIECE_S` seconds; the last one takes what is left over."""
    whole_n = max(0, len(ups) // _PIECE_S - 1)
    cut = whole_n * _PIECE_S
    whole = _median(ups[:cut].reshape(whole_n, _PIECE_S, 3))
    return np.stack([_unit(up) for up in (*whole, _median(ups[cut:]))])


def _middle(ups: Float) -> Float:
    return _unit(_median(ups))


def _median(ups: Float) -> Float:
    """(..., k, 3) without NaN -> (..., 3). For a few rows numpy's median takes ten times as long."""
    ordered, k = np.sort(ups, axis=-2), ups.shape[-2]
    return np.asarray((ordered[..., (k - 1) // 2, :] + ordered[..., k // 2, :]) / 2)


def _unit(up: Float) -> Float:
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
