"""Getting down to and up from the floor or a bed: seconds of lying, and the way there and back.

Whether it was a bed is not seen by a sensor on the back alone, so the surface is `floor_or_bed`. Between the way down and the
way up, seconds that are neither lying nor upright are `floor`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from posture.config import ContextConfig, FloorConfig
from posture.detect.climbs import Climb
from posture.detect.context import ContextBlock, seated_log_ratio
from posture.detect.said import Said
from posture.signal.calibration import Calibration
from posture.types import Basis, Context, EventKind, Int8, Placement, PostureEvent, Verdict


class Second(NamedTuple):
    """What a transition is judged on: one decided second. seat : log likelihood ratio of a sitting against a standing posture."""

    start_s: float
    label: int
    confidence: float
    tilt_deg: float
    rate_dps: float
    flexion_deg: float
    lateral_deg: float
    inclination_deg: float
    seat: float


@dataclass(slots=True)
class FloorState:
    """The last seconds (at most `longest_s` + 2), the climbs that may belong to them, how long lying has lasted and its
    last stretch face down, whether the wearer is down, since when rising, and a `sit_to_lie` that waits for lying to last.
    """

    recent: list[Second] = field(default_factory=list)
    climbs: list[Climb] = field(default_factory=list)
    lying_s: float = 0.0
    prone_s: float = 0.0
    down: bool = False
    rising_from_s: float | None = None
    waiting: list[Said] = field(default_factory=list)


class Floor:
    """Labelled seconds -> `floor_transition`, `sit_to_lie`, `lie_to_sit`, and which seconds were spent on the floor."""

    def __init__(
        self, params: FloorConfig, context: ContextConfig, calibration: Calibration, state: FloorState | None = None
    ) -> None:
        self.params, self.context, self.calibration, self.lag_s = params, context, calibration, context.lag_s
        self.reach_n = int(params.longest_s) + 2
        self.state = state or FloorState()

    def push(self, block: ContextBlock, climbs: tuple[Climb, ...]) -> tuple[Int8, list[Said]]:
        """Context codes with `floor` filled in, and the events. climbs : those known by now; a second looks `lag_s` ahead."""
        f = block.features
        self.state.climbs.extend(c for c in climbs if not c.from_lying)
        said: list[Said] = []
        context = block.context.copy()
        quiet = not self.state.down and not (block.context == Context.LYING).any()
        # Where nobody lies down only the last seconds matter, as the start of a way down that may come.
        skip = max(0, len(context) - self.reach_n) if quiet else 0
        columns = (
            block.start_s,
            block.context,
            block.confidence,
            f.tilt_deg,
            f.rate_dps,
            f.flexion_deg,
            f.lateral_deg,
            np.where(np.isnan(f.sacrum_inclination_deg), f.upper_lumbar_inclination_deg, f.sacrum_inclination_deg),
            seated_log_ratio(
                f.sacrum_inclination_deg, f.upper_lumbar_inclination_deg, f.lateral_deg, self.calibration, self.context
            ),
        )
        for k, row in enumerate(zip(*(c[skip:].tolist() for c in columns), strict=True), start=skip):
            second = Second(*row)
            said += self._step(second)
            if self.state.down and (second.label == Context.TRANSITION or self._kneeling(second)):
                context[k] = Context.FLOOR
        if len(context):
            oldest_s = float(block.start_s[-1]) - self.reach_n
            self.state.climbs = [c for c in self.state.climbs if c.end_s > oldest_s]
        return context, said

    def flush(self) -> list[Said]:
        """A rise that got upright before the session ended is one, though nobody saw it settle."""
        state = self.state
        if not state.down or state.rising_from_s is None:
            return []
        last = state.recent[-1]
        up_s = last.start_s - state.rising_from_s
        upright = last.label in (Context.STANDING, Context.WALKING, Context.SITTING)
        return self._up(last) if upright and up_s >= self.params.shortest_s else []

    def _step(self, second: Second) -> list[Said]:
        state, p = self.state, self.params
        state.recent.append(second)
        del state.recent[: -self.reach_n]
        said: list[Said] = []
        if second.label == Context.LYING:
            state.lying_s += 1.0
            state.prone_s = state.prone_s + 1.0 if self._face_down(second) else 0.0
            bent = 0.0 < state.prone_s < p.prone_min_s
            if not bent:
                state.rising_from_s = None
            elif state.down and state.rising_from_s is None:
                state.rising_from_s = second.start_s  # a trunk that comes up over bent hips looks like lying face down
            if state.lying_s >= p.lying_min_s and not bent and not state.down:
                said = self._down(second)
                state.down = True
                state.waiting = [s for s in said if s.event.kind is EventKind.SIT_TO_LIE]
                said = [s for s in said if s.event.kind is not EventKind.SIT_TO_LIE]
            if state.lying_s >= p.lying_settled_s:
                said += [Said(second.start_s, s.event) for s in state.waiting]
                state.waiting = []
            return said
        state.waiting = []
        if state.down and state.rising_from_s is None:
            state.rising_from_s = second.start_s
        state.lying_s = state.prone_s = 0.0
        if state.down and state.rising_from_s is not None:
            # A pause on the way, kneeling for one, settles nothing: a rise is not over before the shortest one would be.
            long_enough = second.start_s - state.rising_from_s >= p.shortest_s
            settled = long_enough and self._settled(len(state.recent) - 1, p.paused_dps)
            if settled and not self._rises(second):
                said = self._up(second)
                state.down, state.rising_from_s = False, None
            elif second.label == Context.GAP or second.start_s - state.rising_from_s > 60.0:
                state.down, state.rising_from_s = False, None  # lost sight of it
        return said

    def _face_down(self, second: Second) -> bool:
        return 0.0 < second.inclination_deg < 180.0 - self.params.upright_deg

    def _settled(self, k: int, rate_max_dps: float) -> bool:
        """Whether recent second k is outside the way down or up: upright and slow, or the second one of walking."""
        now, before = self.state.recent[k], self.state.recent[max(k - 1, 0)]
        # Who is believed to sit may recline.
        most_deg = self.context.low_tilt_deg if now.label == Context.SITTING else self.params.upright_deg
        if now.tilt_deg > most_deg:
            return False
        if now.label == before.label == Context.WALKING:
            return before.tilt_deg <= self.params.upright_deg
        return now.rate_dps <= rate_max_dps and now.label in (Context.STANDING, Context.SITTING)

    def _kneels(self, from_s: float, to_s: float, known_s: float, sign: float) -> list[Climb]:
        """Climbs within [from_s, to_s) by the height between a stand and one knee, known by `known_s`. sign : 1 up, -1 down."""
        p = self.params
        return [
            c
            for c in self.state.climbs
            if from_s <= c.start_s
            and c.end_s < to_s
            and c.known_s <= known_s
            and p.kneel_min_m <= sign * c.height_m <= p.kneel_max_m
        ]

    def _rises(self, now: Second) -> bool:
        """Whether this stop is one on the way: within the lag the wearer rises from it by the height of a knee; not from a seat."""
        state = self.state
        if now.label == Context.SITTING:
            return False
        ahead_s = now.start_s + 1.0 + self.lag_s
        from_s = state.rising_from_s if state.rising_from_s is not None else now.start_s
        return any(c.end_s > now.start_s + 0.5 for c in self._kneels(from_s, ahead_s, ahead_s, 1.0))

    def _kneeling(self, now: Second) -> bool:
        """Whether an upright second of the way up lies below standing height."""
        return self.state.rising_from_s is not None and now.label == Context.STANDING and self._rises(now)

    def _down(self, now: Second) -> list[Said]:
        before = [s for s in self.state.recent if s.start_s < now.start_s - self.state.lying_s + 1.0]
        settled = [k for k in range(len(before)) if self._settled(k, self.params.quiet_dps)]
        settled = settled or [k for k in range(len(before)) if self._settled(k, self.params.paused_dps)]
        if not settled:
            return []  # nothing upright within reach: no evidence of a way down
        left = settled[-1]
        # A stop on one knee is no stand: the way began where the height was lost.
        stop_s = before[left].start_s + 1.0
        kneels = self._kneels(before[0].start_s, now.start_s, now.start_s + 1.0, -1.0)
        kneel = next((c for c in reversed(kneels) if stop_s - c.end_s <= self.params.kneel_pause_s), None)
        if kneel is not None:
            left = min(left, max(int(np.floor(kneel.start_s) - before[0].start_s) - 1, 0))
        way = before[left + 1 :]
        seat = before[max(0, left - 4) : left + 1]
        from_sitting = len(seat) == 5 and all(s.label == Context.SITTING for s in seat)
        lay = [s for s in self.state.recent if s.start_s >= now.start_s - self.state.lying_s + 1.0][:_LAY_N]
        return self._said(way, lay, now, "down", from_sitting, knelt=kneel is not None, end_s=now.start_s + 1.0)

    def _up(self, now: Second) -> list[Said]:
        from_s = self.state.rising_from_s
        if from_s is None:
            return []
        way = [s for s in self.state.recent if from_s <= s.start_s < now.start_s]
        lay = [s for s in self.state.recent if from_s - _LAY_N <= s.start_s < from_s]
        kneels = self._kneels(from_s, now.start_s + 1.0, now.start_s + 1.0 + self.lag_s, 1.0)
        # The context model takes seconds to believe a sit-down without a lean; the pelvis alone says it at once. A trunk does not,
        # and with both sensors the model has it already: there this only lost rises on labelled days.
        pelvis_alone = tuple(self.calibration.sensors) == (Placement.SACRUM,)
        seated = now.label == Context.SITTING or (pelvis_alone and now.seat >= self.params.seat_log_ratio)
        return self._said(way, lay, now, "up", seated, knelt=bool(kneels), end_s=now.start_s)

    def _said(
        self,
        way: list[Second],
        lay: list[Second],
        now: Second,
        direction: str,
        chair: bool,
        *,
        knelt: bool,
        end_s: float,
    ) -> list[Said]:
        """The event. lay : seconds of lying next to the way, a roll in them belongs to it; knelt : it had a stop on one knee."""
        p = self.params
        if not way or not p.shortest_s <= end_s - way[0].start_s <= p.longest_s:
            return []
        kind = EventKind.FLOOR_TRANSITION
        if chair:
            kind = EventKind.SIT_TO_LIE if direction == "down" else EventKind.LIE_TO_SIT
        flexion = np.array([s.flexion_deg for s in way])
        pct = 100.0 * float(np.max(flexion[~np.isnan(flexion)], initial=-np.inf)) / self.calibration.rom_deg
        # On the way only: lying on a side is a lateral lean as well.
        rolls = [abs(s.lateral_deg) for s in way if s.label != Context.LYING and not np.isnan(s.lateral_deg)]
        roll_deg = max(rolls, default=0.0)
        forward_deg = max((s.inclination_deg for s in way if s.inclination_deg > 0.0), default=0.0)
        path, verdict = self._judged(way, lay, pct, roll_deg, forward_deg, knelt=knelt)
        deepest = way[int(np.argmax(np.where(np.isnan(flexion), -np.inf, flexion)))]
        event = PostureEvent(
            kind=kind,
            start_s=way[0].start_s,
            end_s=end_s,
            peak_s=deepest.start_s,
            peak_deg=round(max((abs(s.tilt_deg) for s in way if not np.isnan(s.tilt_deg)), default=0.0), 1),
            verdict=verdict,
            basis=self.calibration.basis,
            confidence=round(min(now.confidence, self._sure(pct, roll_deg, verdict)), 3),
            evidence={
                "direction": direction,
                "path": path,
                "surface": "floor_or_bed",
                "flexion_peak_pct_rom": round(pct, 1) if np.isfinite(pct) else None,
                "roll_deg": round(roll_deg, 1),
            },
        )
        return [Said(now.start_s, event)]

    def _judged(
        self, way: list[Second], lay: list[Second], pct: float, roll_deg: float, forward_deg: float, *, knelt: bool
    ) -> tuple[str, Verdict]:
        """Path and verdict. Two sensors measure how the back was held; one sensor knows the path only, and what goes with it.

        forward_deg : furthest lean forward of the lowest sensor on the way.
        """
        p = self.params
        pitched = [s for s in way if s.tilt_deg < 60.0]
        rolled = [s for s in way if abs(s.lateral_deg) >= p.roll_min_deg]
        measured = self.calibration.basis is Basis.TWO and np.isfinite(pct)
        on_side = any(s.label == Context.LYING and abs(s.lateral_deg) >= p.roll_min_deg for s in lay)
        if on_side or (rolled and (not pitched or rolled[0].start_s <= pitched[0].start_s)):
            return "log_roll", Verdict.NEUTRAL if not measured or pct < p.rounded_pct else Verdict.UNKNOWN
        paused = knelt or any(s.tilt_deg < p.upright_deg for s in way[1:-1])
        if not measured:
            straight, trunk = roll_deg <= p.straight_deg, tuple(self.calibration.sensors) == (Placement.UPPER_LUMBAR,)
            # Over the knees: on one knee a trunk stays higher. On hands and knees it does not, but nobody comes there from the
            # back without a turn.
            if trunk and straight and forward_deg >= p.deep_trunk_deg and not any(map(self._face_down, lay)):
                return "straight_sit_up", Verdict.ROUNDED
            if knelt:
                return "half_kneel", Verdict.NEUTRAL
            if roll_deg >= p.turned_deg:
                return "half_kneel" if paused else "unknown", Verdict.NEUTRAL
            if straight and not self._stops(way):
                return "straight_sit_up", Verdict.ROUNDED
            return "unknown", Verdict.UNKNOWN
        if pct >= p.rounded_pct:
            return "straight_sit_up", Verdict.ROUNDED
        if pct < p.half_kneel_pct:
            return "half_kneel" if paused else "unknown", Verdict.NEUTRAL
        return "unknown", Verdict.MIXED

    @staticmethod
    def _stops(way: list[Second]) -> bool:
        """Whether the way has a second that is upright and slow, between two that are neither: a pause at mid height."""
        return any(s.tilt_deg < _KNEELING_DEG and s.rate_dps < _KNEELING_DPS for s in way[1:-1])

    def _sure(self, pct: float, roll_deg: float, verdict: Verdict) -> float:
        """Chance that the verdict is on the right side of its cut, the nearer the less."""
        p = self.params
        if np.isfinite(pct):
            distance_deg = abs(pct - p.rounded_pct) / 100.0 * self.calibration.rom_deg
            return float(1.0 - 0.5 * np.exp(-distance_deg / p.error_deg))
        if verdict is Verdict.UNKNOWN:
            return 1.0
        distance_deg = abs(roll_deg - (p.turned_deg + p.straight_deg) / 2.0)
        return _PATH_SURE * float(1.0 - 0.5 * np.exp(-distance_deg / p.roll_error_deg))


_LAY_N = 2  # seconds of lying next to the way in which a roll belongs to it: on the side there, not on the back
_KNEELING_DEG, _KNEELING_DPS = 15.0, 30.0  # tilt, and mean rate of a second that holds a short stop, on one knee; ours
_PATH_SURE = 0.97
"""How often the path stands for the verdict at best, one sensor. Provisional: on labelled days 21-28 and simulated people 1-20 it
did in all but 3 of 992; less than that, because all of that motion is parametric and a path is not the back itself."""
