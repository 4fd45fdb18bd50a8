"""What the wearer was doing, second by second: a small hidden Markov model with a fixed lag.

States are standing, walking, sitting, lying and low (neither upright nor lying: crouched, kneeling, on the way). Tilt and gait
are the evidence of a second; the change between sitting and standing is carried by lean movements and their height, because
tilt alone fails on chairs. Forward over all seconds, backward over the lag; each second is said once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from posture.config import ClimbConfig, Config, ContextConfig, MovementConfig
from posture.detect.climbs import PRONE_LATERAL_DEG, Climb
from posture.detect.epochs import EpochFeatures
from posture.detect.movement import Movement
from posture.signal.calibration import Calibration
from posture.types import Bool, Context, Float, Int8, Placement

STAND, WALK, SIT, LIE, LOW = range(5)
_LABEL = np.array(
    [Context.STANDING, Context.WALKING, Context.SITTING, Context.LYING, Context.TRANSITION], dtype=np.int8
)

_ONES = np.ones(5)
_WALKS_AWAY = 0.2  # share of rises that go straight into walking; ours

# Chances per second of a change that needs no chair. Provisional: chosen on labelled days 21-28, order of magnitude only.
_BASE = np.array(
    [
        # to   stand   walk    sit     lie     low
        [0.0, 0.06, 0.0, 1e-5, 4e-3],  # stand
        [0.10, 0.0, 0.0, 1e-6, 1e-3],  # walk
        [0.0, 1e-6, 0.0, 1e-5, 1e-4],  # sit
        [1e-4, 1e-5, 1e-4, 0.0, 0.05],  # lie
        [0.05, 0.02, 0.01, 0.10, 0.0],  # low
    ]
)


# What a cue adds to or takes from the log likelihood of a state, natural log per second; each is reached over the ramp named.
# Provisional: chosen on labelled days 21-28 so that a cue outweighs the chances above within the seconds that it should take.
_LIES = 5.0  # tilt beyond lying, over 3 deg: decides at once
_LYING_RAMP_DEG = 3.0
_DECLARED = 5.0  # a calibration pose is what the wearer was asked to do
_SETTLED_S = 4  # s upright until the posture after lying is looked at
_GETS_UP_S = 10  # and at most this long after lying; ours
_LOW_HELD, _LOW_UPRIGHT, _LOW_LYING = (
    0.7,
    -1.5,
    -2.0,
)  # a tilt between upright and lying is a bend first, a low posture later
_RAMP_DEG = 10.0  # over which every other tilt cue comes in
_LEANT_BACK = -3.0  # nobody stands or walks leant back by low_tilt_deg
_STANDS_BACK = -1.0  # hardly anybody stands leant back by stand_back_max_deg
_WALKS_TILTED = -2.0  # or walks on a pelvis tilted by low_tilt_deg
_WALKS_BENT = -3.0  # or bent by walking_trunk_max_deg
_SITS_TILTED = -1.0  # or sits on a pelvis tilted forward by seated_pelvis_max_deg
_GAIT_SLOPE, _GAIT_MOST = 2.5, 4.0  # per e-fold of the bounce over the cut, and at most
_GAIT_LIFTED = (
    0.4  # e-folds over the cut, at most, that a small bounce counts for being regular: a seat is met in two pushes too
)
_BOUNCES_SEATED, _BOUNCES_LOW = -0.35, -0.25  # share of the gait cue that speaks against sitting; lying and low
_TURNS_SEATED = -0.7  # a seated trunk rarely turns on for three seconds: from 10 to 25 deg/s on average in each
_TURNS_DPS, _TURNS_RAMP_DPS = 10.0, 15.0


@dataclass(frozen=True, slots=True)
class ContextBlock:
    """(m,) seconds: `Context` code, its posterior probability, that of sitting, and the features that it was decided on."""

    start_s: Float
    context: Int8
    confidence: Float
    seated: Float
    features: EpochFeatures


_Chances = Sequence[tuple[Movement, float, float]]
"""Leans, and the chances of each to be a sit-down and a rise."""
_NOTHING = ContextBlock(np.empty(0), np.empty(0, dtype=np.int8), np.empty(0), np.empty(0), EpochFeatures.empty())


@dataclass(slots=True)
class ContextState:
    """Belief after the last forward step, whether that second had no data, angular rate of the last two seconds, deg/s, how long by
    then, s: the tilt beyond lying and how much of that forward, the tilt upright, and since it was beyond lying (inf: never
    yet); the seconds that wait for their lag, and the movements that may still count.
    """

    belief: Float = field(default_factory=lambda: np.array([0.4, 0.2, 0.38, 0.01, 0.01]))
    absent: bool = True
    turned_dps: Float = field(default_factory=lambda: np.zeros(2))
    beyond_s: tuple[float, float] = (0.0, 0.0)
    upright_s: float = 0.0
    since_lying_s: float = np.inf
    waiting: list[EpochFeatures] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    got_up: list[Climb] = field(default_factory=list)


class ContextModel:
    """Features and movements -> labelled seconds, `lag_s` later.

    stood : (from_s, to_s) of this session in which the wearer is known to have stood: the poses of its calibration.
    The movements of a second must have been pushed with the features of the seconds up to its lag at the latest.
    """

    def __init__(
        self,
        config: Config,
        calibration: Calibration,
        state: ContextState | None = None,
        *,
        stood: Sequence[tuple[float, float]] = (),
    ) -> None:
        self.params, self.movement, self.climb = config.context, config.movement, config.climb
        self.calibration, self.stood = calibration, stood
        self.state = state or ContextState()
        self.base = _with_stay(
            _BASE
            + np.array([[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0] * 5, [0] * 5]) * self.params.change_per_s
        )
        self.gap = _with_stay(_BASE + 2e-3 * (1 - np.eye(5)))

    def push(
        self, features: EpochFeatures, movements: tuple[Movement, ...], climbs: tuple[Climb, ...] = ()
    ) -> ContextBlock:
        """Seconds whose lag is complete with these features."""
        state = self.state
        state.movements.extend(movements)
        # What a trunk does on the way up says little of the height of the pelvis.
        pelvis = Placement.SACRUM in self.calibration.sensors
        state.got_up.extend(c for c in climbs if c.from_lying and (pelvis or np.isnan(c.surge_mps)))
        if not len(features):
            return _NOTHING
        state.waiting.append(features)
        rows = EpochFeatures.joined(state.waiting)
        ready = max(0, len(rows) - self.params.lag_s)
        state.waiting = [rows]
        return self._decide(rows, ready)

    def flush(self) -> ContextBlock:
        """End of session: the last seconds are decided with the lag that is left."""
        rows = EpochFeatures.joined(self.state.waiting) if self.state.waiting else EpochFeatures.empty()
        return self._decide(rows, len(rows))

    def _decide(self, rows: EpochFeatures, ready: int) -> ContextBlock:
        state = self.state
        state.waiting = [rows[ready:]]
        if not ready:
            return _NOTHING
        chances = [(lean, *self._chances(lean)) for lean in state.movements]
        likely, steady = self._likelihood(rows, np.stack([np.zeros(len(rows)), self._shaken(rows, chances)]))
        change = self._changes(rows, chances)
        beliefs, belief = [], state.belief
        scaled = (rows.start_s[:ready] % 8 == 0).tolist()  # often enough not to underflow, at absolute seconds
        for step, scale in zip(change[:ready] * steady[:ready, None, :], scaled, strict=True):
            belief = belief.dot(step)
            if scale:
                belief = belief / belief.dot(_ONES)
            beliefs.append(belief)
        forward = np.array(beliefs)
        state.belief = belief
        posterior = self._smoothed(forward, likely, change, ready)
        best = posterior.argmax(axis=1)
        confidence = posterior[np.arange(ready), best]
        label = _LABEL[best].copy()
        label[confidence < 0.5] = Context.UNKNOWN
        absent = rows.present_fraction[:ready] < 0.5
        state.absent = bool(absent[-1])
        upright_s, since_s = self._upright_s(rows), self._since_lying_s(rows)
        state.upright_s, state.since_lying_s = float(upright_s[ready - 1]), float(since_s[ready - 1])
        down_s, forward_s = self._beyond_s(rows)
        state.beyond_s = float(down_s[ready - 1]), float(forward_s[ready - 1])
        state.turned_dps = np.concatenate([state.turned_dps, rows.rate_dps[:ready]])[-2:]
        label[absent] = Context.GAP
        confidence = np.where(absent, 1.0, confidence)
        before_s = float(rows.start_s[ready - 1]) + 1.0 - _CROWD_S - self.movement.reach_s - self.movement.step_s
        state.movements = [m for m in state.movements if m.peak_s >= before_s]
        state.got_up = [c for c in state.got_up if c.end_s + _GETS_UP_S >= float(rows.start_s[ready - 1])]
        return ContextBlock(rows.start_s[:ready], label, confidence, posterior[:, SIT].copy(), rows[:ready])

    def _smoothed(self, forward: Float, likely: Float, change: Float, ready: int) -> Float:
        """Posterior given the lag's seconds after each one. Written as single products: bit-stable for any number of rows."""
        future, likely_of = np.ones((5, ready)), np.ascontiguousarray(likely.T)
        for ahead in range(self.params.lag_s, 0, -1):
            n = min(ready, len(likely) - ahead)  # the seconds that have one so far ahead
            if n <= 0:
                continue
            weighted = likely_of[:, ahead : ahead + n] * future[:, :n]
            # Of the movements only those of the very next second are all decided at this point of the stream.
            step = change[1 : 1 + n].transpose(1, 2, 0) if ahead == 1 else self.base[:, :, None]
            ways = [step[:, to] * weighted[to] for to in range(5)]
            future[:, :n] = ways[0] + ways[1] + ways[2] + ways[3] + ways[4]
        posterior = forward * future.T
        total = posterior[:, 0] + posterior[:, 1] + posterior[:, 2] + posterior[:, 3] + posterior[:, 4]
        return np.asarray(posterior / total[:, None])

    def _shaken(self, rows: EpochFeatures, chances: _Chances) -> Float:
        """(m,) 0-1: how likely a second is part of a sit-down or a rise. Those shake and turn like steps and are none.

        Only the leans that are known when a second is decided: those that peak up to a second after it.
        """
        out = np.zeros(len(rows))
        first = float(rows.start_s[0])
        for movement, down, up in chances:
            if movement.lean_peak_deg - movement.lean_before_deg < _RETURN_DEG:
                continue
            start, peak, end = (int(np.floor(t - first)) for t in (movement.start_s, movement.peak_s, movement.end_s))
            for chance, a, b in ((down, peak, end), (up, max(start, peak - 1), peak)):
                seconds = slice(max(a, 0), max(b + 1, 0))
                out[seconds] = np.maximum(out[seconds], max(0.0, 2.0 * chance - 1.0))
        return out

    def _chances(self, movement: Movement) -> tuple[float, float]:
        """Chances of a lean to be a sit-down and a rise, in view of the leans before it."""
        down, up = chair_chances(movement, self.movement, self.params, self.calibration)
        fewer_down, fewer_up = _crowded(movement, self.state.movements)
        return down * fewer_down, up * fewer_up

    def _likelihood(self, rows: EpochFeatures, shaken: Float) -> Float:
        """(k, m, 5) likelihood of each second's features, up to a factor. shaken : (k, m) share of gait and turns not to count."""
        p = self.params
        sacrum, upper = rows.sacrum_inclination_deg, rows.upper_lumbar_inclination_deg
        tilt, lowest = _known(rows.tilt_deg), _known(_lowest_deg(rows))
        trunk = np.where(np.isnan(upper), lowest, upper)
        lying = np.clip((tilt - p.lying_tilt_deg) / _LYING_RAMP_DEG, -1.0, 1.0)
        # A trunk that has gone straight forward is a stoop until it has lasted: only then is it somebody lying face down.
        down_s, forward_s = self._beyond_s(rows)
        stoop = (forward_s > 0) & (forward_s == down_s) & (forward_s < p.prone_min_s)
        lies = np.where(stoop, 0.0, lying)
        low, behind = _ramp(tilt, p.low_tilt_deg), _ramp(-lowest, p.low_tilt_deg)
        gait = self._gait(rows)
        bounce = np.maximum(gait, 0.0) * (1.0 - shaken)
        gait = np.minimum(gait, bounce)
        absent = rows.present_fraction < 0.5
        # The first look at a posture is worth more than the seconds that repeat it.
        first_look = ~absent & np.concatenate([[self.state.absent], absent[:-1]])
        first_look |= self._got_up(rows)
        look = np.where(first_look, self.movement.posture_weight, p.tilt_weight)

        log = np.zeros((*shaken.shape, 5))
        upright = -_LIES * np.maximum(lying, 0.0)
        log[..., STAND] = upright + _LEANT_BACK * behind + _STANDS_BACK * _ramp(-lowest, p.stand_back_max_deg)
        log[..., WALK] = upright + _LEANT_BACK * behind + _WALKS_TILTED * low
        log[..., WALK] += gait + _WALKS_BENT * _ramp(trunk, p.walking_trunk_max_deg)
        log[..., SIT] = (
            upright + _BOUNCES_SEATED * bounce + _SITS_TILTED * _ramp(_known(sacrum), p.seated_pelvis_max_deg)
        )
        log[..., SIT] += _TURNS_SEATED * self._turns_on(rows) * (1.0 - shaken)
        log[..., SIT] += look * seated_log_ratio(sacrum, upper, rows.lateral_deg, self.calibration, p)
        log[..., LIE] = _LIES * lies + _BOUNCES_LOW * bounce
        log[..., LOW] = (
            np.where(lies > 0, _LOW_LYING, _LOW_HELD * low + _LOW_UPRIGHT * (1 - low)) + _BOUNCES_LOW * bounce
        )
        for from_s, to_s in self.stood:
            inside = (rows.start_s >= from_s) & (rows.start_s + 1.0 <= to_s)
            log[:, inside] -= _DECLARED
            log[:, inside, STAND] += _DECLARED
        log[:, absent] = 0.0
        return np.exp(log)

    def _beyond_s(self, rows: EpochFeatures) -> tuple[Float, Float]:
        """(m,) s: how long, up to and with this second, the tilt has been beyond lying; and the same, forward and not on a side."""
        beyond = _known(rows.tilt_deg) > self.params.lying_tilt_deg
        forward = beyond & (_known(_lowest_deg(rows)) > 0.0) & (np.abs(_known(rows.lateral_deg)) < PRONE_LATERAL_DEG)
        down_s, forward_s = self.state.beyond_s
        return _run_lengths(beyond, down_s), _run_lengths(forward, forward_s)

    def _got_up(self, rows: EpochFeatures) -> Bool:
        """(m,) whether the tilt has been under `low_tilt_deg` for `_SETTLED_S`, soon after it was beyond lying.

        Not where the height of the way up is known by then: a bed is sat on as straight as one stands.
        """
        settled = (self._upright_s(rows) == _SETTLED_S) & (self._since_lying_s(rows) <= _GETS_UP_S)
        for climb in self.state.got_up:
            settled &= (rows.start_s + 1.0 < climb.known_s) | (rows.start_s > climb.end_s + _GETS_UP_S)
        return np.asarray(settled)

    def _upright_s(self, rows: EpochFeatures) -> Float:
        """(m,) s: how long, up to and with this second, the tilt has been under `low_tilt_deg`."""
        return _run_lengths(_known(rows.tilt_deg) < self.params.low_tilt_deg, self.state.upright_s)

    def _since_lying_s(self, rows: EpochFeatures) -> Float:
        """(m,) s since the tilt was last beyond lying, inf where it never was."""
        return _run_lengths(_known(rows.tilt_deg) <= self.params.lying_tilt_deg, self.state.since_lying_s)

    def _turns_on(self, rows: EpochFeatures) -> Float:
        """(m,) 0-1: how much the trunk turned in this second and in each of the two before."""
        rate = np.concatenate([self.state.turned_dps, rows.rate_dps])
        least = np.minimum(np.minimum(rate[2:], rate[1:-1]), rate[:-2])
        return np.asarray(np.clip((least - _TURNS_DPS) / _TURNS_RAMP_DPS, 0.0, 1.0))

    def _gait(self, rows: EpochFeatures) -> Float:
        """Log likelihood ratio of walking against not, (m,), from the bounce in the wearer's own measure.

        A small bounce that is regular counts as a larger one, as slow and short steps are; a large one stays what it is.
        """
        p = self.params
        own = [s.gait_mps2 for s in self.calibration.sensors.values() if not np.isnan(s.gait_mps2)]
        level = own[0] if own else p.gait_default_mps2
        regular = np.clip((rows.gait_regularity - p.regular_from) / (p.regular_full - p.regular_from), 0.0, 1.0)
        over = np.log(np.maximum(rows.gait_mps2, 1e-3) / (p.gait_cut * level))
        lifted = over + regular * np.log(p.gait_cut / p.gait_cut_regular)
        over = np.maximum(over, np.minimum(lifted, _GAIT_LIFTED))
        return np.asarray(np.clip(_GAIT_SLOPE * over, -_GAIT_MOST, _GAIT_MOST))

    def _changes(self, rows: EpochFeatures, chances: _Chances) -> Float:
        """(m, 5, 5) transition matrices: the base, opened by chair movements in their second and by gaps."""
        m = len(rows)
        change = np.broadcast_to(self.base, (m, 5, 5)).copy()
        change[rows.valid_fraction < 0.5] = self.gap  # what happened meanwhile was not seen
        first = float(rows.start_s[0]) if m else 0.0
        for movement, down, up in chances:
            e = int(np.floor(movement.peak_s - first))
            if not 0 <= e < m:
                continue
            opened = change[e].copy()
            np.fill_diagonal(opened, 0.0)
            opened[STAND, SIT] = max(opened[STAND, SIT], down)
            opened[WALK, SIT] = max(opened[WALK, SIT], down)
            opened[SIT, STAND] = max(opened[SIT, STAND], (1.0 - _WALKS_AWAY) * up)
            opened[SIT, WALK] = max(opened[SIT, WALK], _WALKS_AWAY * up)
            change[e] = _with_stay(opened)
        for climb in self.state.got_up:
            e = int(np.floor(climb.end_s - first))
            if 0 <= e < m:
                pelvis = Placement.SACRUM in self.calibration.sensors
                change[e] = _settled(change[e], seat_chance(climb, self.climb, pelvis=pelvis))
        return change


def _settled(change: Float, seated: float) -> Float:
    """The changes of the second in which somebody who got up comes to rest, on a seat by the chance given, else on the feet."""
    opened = np.array(change)
    for row in (STAND, WALK, LIE, LOW):
        opened[row, SIT] = max(opened[row, SIT], seated)
    for row in (SIT, LIE, LOW):
        opened[row, STAND] = max(opened[row, STAND], 1.0 - seated)
    return _with_stay(opened)


def seat_chance(climb: Climb, params: ClimbConfig, *, pelvis: bool) -> float:
    """Probability that a way up from lying ended on a seat: by its height, and by its lean. Nobody gets onto the feet unbent.

    pelvis : whether the lean is of the pelvis: then who stops on one knee on the way is not seated; a trunk that sits up leans as
    far. Where nothing tells, a seat is as likely as not. The error of the height grows with the square of the time. A way without
    a rest at its end has no height, but a push onto the feet stands out in the speed upwards.
    """
    if np.isnan(climb.height_m):
        lean_deg = min(climb.lean_deg, _PUSHES_UP_DEG[0])
        sits = (_normal(climb.surge_mps, *_SITS_UP_MPS) + _WILD_SURGE) * (_normal(lean_deg, *_SITS_UP_DEG) + _WILD_LEAN)
        stands = (_normal(climb.surge_mps, *_STANDS_UP_MPS) + _WILD_SURGE) * (
            _normal(lean_deg, *_PUSHES_UP_DEG) + _WILD_LEAN
        )
        return sits / (sits + stands)
    grown = max(1.0, ((climb.end_s - climb.start_s) / _SHORT_S) ** 2)
    error_m = params.seat_sd_m * grown
    lean_deg = min(climb.lean_deg, _STANDS_UP_DEG[0])
    sits = _normal(climb.height_m, 0.0, error_m) + _WILD_RISE
    sits *= _normal(lean_deg, *_SITS_UP_DEG) + _WILD_LEAN
    stands = _normal(climb.height_m, params.stand_height_m, float(np.hypot(params.stand_sd_m, error_m))) + _WILD_RISE
    stands *= _normal(lean_deg, *_STANDS_UP_DEG) + _WILD_LEAN
    if pelvis:
        knee_m, knee_sd_m = _KNEE_M
        kneels = _normal(climb.height_m, knee_m, float(np.hypot(knee_sd_m, error_m))) + _WILD_RISE
        kneels *= _normal(lean_deg, *_KNEELS_UP_DEG) + _WILD_LEAN
        stands += _KNEELS * (kneels - stands)
    return sits / (sits + stands)


def _normal(value: float, mean: float, sd: float) -> float:
    """Normal density without its constant."""
    return float(np.exp(-0.5 * ((value - mean) / sd) ** 2) / sd)


_SITS_UP_DEG, _STANDS_UP_DEG = (-5.0, 10.0), (45.0, 15.0)
"""Mean and SD of the furthest forward lean: sitting up on a bed -4 +- 11, at most 17 (HAPT, odd people); standing up from the floor
32 to 60 (labelled days 21-28)."""
_PUSHES_UP_DEG = (15.0, 15.0)
"""The same of standing up from a bed, where people lean 12 +- 7 (HAPT, odd people) and more is as good."""
_SITS_UP_MPS, _STANDS_UP_MPS = (0.04, 0.06), (0.25, 0.15)
"""Mean and SD of the surge: sitting up 0.0 to 0.16, standing up from a bed 0.0 to 0.45 (HAPT, odd people), from the floor 0.11 to
0.51 (labelled days 21-28)."""
_KNEE_M, _KNEELS_UP_DEG, _KNEELS = (0.35, 0.08), (13.0, 3.0), 0.05
"""Height gained from the floor to one knee and lean of the pelvis there, mean and SD, and the share of the ways up to the feet that
stop there. Provisional: chosen on simulated people, seeds 1-20; the share so that sitting up on a bed stays a seat (HAPT, odd
people: 0.15 made a knee of it in two of 22)."""
_WILD_SURGE = 0.3  # 1/(m/s); density of surges of another kind; ours
_WILD_LEAN = 1e-3  # 1/deg; density of leans of another kind; ours
_SHORT_S = 4.0  # s up to which the error of a height does not grow
_WILD_RISE = 0.05  # 1/m; density of heights that went wrong


_CROWD_S = 8.0  # before a lean in which others are counted; what follows it is not all known when its second is decided
_REPEATS_DEG = 12.0  # a lean this far forward, and from this much further up, can be a repetition; ours
_CROWDED_DOWN, _CROWDED_UP = (1.0, 1.0, 1.0, 0.1), (1.0, 1.0, 0.2, 0.05)
"""Factors on the chance of a chair for 0, 1, 2, more leans before: repetitions are not chairs. Provisional: chosen on labelled days
21-28 (36, 33, 31, 0 % of sit-downs, 61, 35, 4, 0 % of rises and 33, 27, 21, 19 % of other leans)."""


def _crowded(movement: Movement, others: list[Movement]) -> tuple[float, float]:
    """Factors on the chances of a sit-down and of a rise from the leans before this one."""
    peaks = [m.peak_s for m in others if min(m.lean_peak_deg, m.lean_peak_deg - m.lean_before_deg) > _REPEATS_DEG]
    before = min(sum(0.0 < movement.peak_s - s <= _CROWD_S for s in peaks), 3)
    if sum(movement.start_s <= s < movement.peak_s for s in peaks) > 1:
        before = 3  # without a stop between them
    return _CROWDED_DOWN[before], _CROWDED_UP[before]


def _lowest_deg(rows: EpochFeatures) -> Float:
    """(m,) inclination of the sacrum where it is known, else of the upper lumbar."""
    sacrum = rows.sacrum_inclination_deg
    return np.where(np.isnan(sacrum), rows.upper_lumbar_inclination_deg, sacrum)


def _run_lengths(mask: Bool, before: float) -> Float:
    """(m,) how many in a row are true up to and with each one; `before` of them lie before the first."""
    at = np.arange(len(mask), dtype=np.float64)
    last_false = np.maximum.accumulate(np.where(mask, -1.0 - before, at))
    return np.where(mask, at - last_false, 0.0)


def _known(angle_deg: Float) -> Float:
    """NaN as upright: an angle that is not known speaks for nothing here."""
    return np.where(np.isnan(angle_deg), 0.0, angle_deg)


def _ramp(angle_deg: Float, from_deg: float) -> Float:
    """0 up to `from_deg`, 1 from `_RAMP_DEG` beyond it."""
    return np.clip((angle_deg - from_deg) / _RAMP_DEG, 0.0, 1.0)


def _with_stay(change: Float) -> Float:
    """Rows of changes -> stochastic matrix: what is left stays, at least one in a hundred."""
    out = np.array(change, dtype=np.float64)
    np.fill_diagonal(out, 0.0)
    out *= np.minimum(1.0, 0.99 / np.maximum(out.sum(axis=1), 1e-12))[:, None]
    np.fill_diagonal(out, 1.0 - out.sum(axis=1))
    return out


def seated_log_ratio(
    sacrum_deg: Float, upper_deg: Float, lateral_deg: Float, calibration: Calibration, params: ContextConfig
) -> Float:
    """Log likelihood ratio of sitting against standing from a held posture, (m,); NaN inputs say nothing.

    Standing is normal around neutral; sitting is flat over this person's range from tall to slumped, with normal edges; for one
    sensor also over that of people, and only over that without seated poses. To the side people stand straight and sit less so.
    A floor under both keeps a posture that neither describes (leaning on a desk) from deciding.
    """
    ratio = np.zeros(len(sacrum_deg))
    sensors = calibration.sensors
    terms = []
    if Placement.SACRUM in sensors:
        terms.append((sacrum_deg, sensors[Placement.SACRUM].sit_tall_deg, sensors[Placement.SACRUM].slump_deg))
    if len(sensors) == 2:
        terms.append((upper_deg - sacrum_deg, calibration.sit_tall_flexion_deg, calibration.slump_flexion_deg))
    elif Placement.UPPER_LUMBAR in sensors:
        terms.append(
            (upper_deg, sensors[Placement.UPPER_LUMBAR].sit_tall_deg, sensors[Placement.UPPER_LUMBAR].slump_deg)
        )
    for value, tall, slump in terms:
        if np.isnan(tall) or np.isnan(slump):
            if len(sensors) == 2:
                continue
            tall, slump = _PEOPLE_SIT_DEG[next(iter(sensors))]
        sit = _seated_density(value, tall, slump, params)
        if len(sensors) == 1:  # seats differ: a bed's edge is sat on otherwise than the chair of the pose
            other = _seated_density(value, *_PEOPLE_SIT_DEG[next(iter(sensors))], params)
            sit = (1.0 - _SITS_OTHERWISE) * sit + _SITS_OTHERWISE * other
        stand = _normal_each(value, params.stand_sd_deg)
        term = np.log((sit + _NEITHER) / (stand + _NEITHER))
        ratio += np.where(np.isnan(value), 0.0, term)
    sit, stand = (_normal_each(lateral_deg, sd) for sd in (params.sit_lateral_sd_deg, params.stand_lateral_sd_deg))
    ratio += np.where(np.isnan(lateral_deg), 0.0, np.log((sit + _NEITHER) / (stand + _NEITHER)))
    return ratio


def _seated_density(value: Float, tall: float, slump: float, params: ContextConfig) -> Float:
    """(m,) density of seated values, flat from tall to slumped with normal edges, without the normal's constant."""
    low, high = min(tall, slump), max(tall, slump)
    outside = np.maximum(np.maximum(low - value, value - high), 0.0)
    return np.asarray(np.exp(-0.5 * (outside / params.sit_sd_deg) ** 2) / (params.sit_sd_deg + 0.4 * (high - low)))


def _normal_each(value: Float, sd: float) -> Float:
    """(m,) normal density around 0 without its constant."""
    return np.asarray(np.exp(-0.5 * (value / sd) ** 2) / sd)


_SITS_OTHERWISE = 0.2
"""Share of sitting that is not as the one sensor's seated poses were, but as people's is; ours."""
_PEOPLE_SIT_DEG = {Placement.SACRUM: (-8.0, -35.0), Placement.UPPER_LUMBAR: (5.0, -35.0)}
"""Tall and slumped or reclined where no seated pose was recorded: -48 to -1 on chairs, half of them within -34 and -16 (HAPT, odd
people); the upper lumbar stays up and reclines with the back. Ours."""
_NEITHER = 1.25e-3
"""1/deg; density of postures that are neither quiet standing nor calibrated sitting: 5 % over 40 deg. Provisional, ours."""


# Densities per metre, and a chance, provisional: chosen on labelled days 21-28.
_WILD_TAIL = 0.05  # of heights that went wrong, for a lean that changed nothing
_CHAIR_TAIL = 0.001  # of chairs far higher or lower than chairs are
_RETURN_DEG = 8.0  # who has sat down leans back from it: by 9 deg or more, all of 70
_STAYS_BENT_SAT, _STARTS_BENT_ROSE = (
    0.01,
    0.3,
)  # factors for a lean that does not come back, and for one that begins bent
_HEIGHT_SHARE, _ONE_WAY_SLOPE, _ONE_WAY_EVEN = 0.85, 5.0, 0.3
"""Exponent of the height's ratio, log likelihood ratio per unit of `one_way`, and where that is even. A logistic regression on the
leans of labelled days 21-28 (sacrum) and of HAPT's odd people gives 0.64 and 5.2 for sit-downs, 0.63 and 4.5 for rises; with 0.65
two of 200 quick sits of SisFall's odd people were lost."""
_NO_EVIDENCE = 0.01  # chance of a chair transition for a lean that neither its height nor its posture tells


def chair_chances(
    movement: Movement, params: MovementConfig, context: ContextConfig, calibration: Calibration
) -> tuple[float, float]:
    """Probability that a lean is a sit-down (given standing before) and a rise (given sitting before).

    Evidence is the height between its ends, weaker the less quiet they were and the longer it took, how far the speed went one way
    only, as in no bend, and the posture that it ended in. The error of the height is normal with a heavy tail for leans that
    change nothing: one wild integral cannot decide alone.
    """
    height = movement.height_m
    odds = params.chair_prior / (1.0 - params.chair_prior)
    if max(movement.lean_before_deg, movement.lean_after_deg) > params.end_lean_max_deg:
        return _NO_EVIDENCE, _NO_EVIDENCE
    if np.isnan(height):
        return _by_posture(movement, params, context, calibration, odds)
    seconds = movement.end_s - movement.start_s
    drift = (
        0.5
        * seconds
        * params.unquiet_m
        * np.radians(max(0.0, max(movement.rate_before_dps, movement.rate_after_dps) - params.quiet_dps))
    )
    error = float(np.hypot(params.height_sd_m * max(1.0, (seconds / _SHORT_S) ** 2), drift))

    def density(mean: float, sd: float, tail: float) -> float:
        return float(np.exp(-0.5 * ((height - mean) / sd) ** 2) / sd + tail)

    chair = float(np.hypot(error, params.chair_height_sd_m))
    level = density(0.0, error, _WILD_TAIL)
    sacrum, upper, lateral = (
        np.array([v]) for v in (movement.sacrum_after_deg, movement.upper_after_deg, movement.lateral_after_deg)
    )
    after = seated_log_ratio(sacrum, upper, lateral, calibration, context)[0]
    seated = float(np.exp(params.posture_weight * after))
    sit = _chair_ratio(density(-params.chair_height_m, chair, _CHAIR_TAIL) / level, -movement.one_way) * seated
    rise = _chair_ratio(density(params.chair_height_m, chair, _CHAIR_TAIL) / level, movement.one_way) / seated
    return _chances(odds, movement, sit, rise)


def _chair_ratio(by_height: float, one_way: float) -> float:
    """Likelihood ratio of a chair: that of its height, and how far the speed went that one way, which is partly the same."""
    return float(by_height**_HEIGHT_SHARE * np.exp(_ONE_WAY_SLOPE * (one_way - _ONE_WAY_EVEN)))


def _chances(odds: float, movement: Movement, sit: float, rise: float) -> tuple[float, float]:
    """Likelihood ratios of a sit-down and a rise -> their probabilities, in view of how the lean came and went."""
    if movement.lean_peak_deg - movement.lean_after_deg < _RETURN_DEG:
        sit *= _STAYS_BENT_SAT  # a stop on the way down: the bottom of a squat
    if movement.lean_peak_deg - movement.lean_before_deg < _RETURN_DEG:
        rise *= _STARTS_BENT_ROSE
    return odds * sit / (1.0 + odds * sit), odds * rise / (1.0 + odds * rise)


def _by_posture(
    movement: Movement, params: MovementConfig, context: ContextConfig, calibration: Calibration, odds: float
) -> tuple[float, float]:
    """The same without a height, by how far the posture went from a standing to a seated one or back. Of one sensor."""
    ends = np.array([movement.lean_before_deg, movement.lean_after_deg])
    if len(calibration.sensors) > 1 or np.abs(ends).max() > params.height_tilt_max_deg:
        return _NO_EVIDENCE, _NO_EVIDENCE
    before, after = seated_log_ratio(ends, ends, np.full(2, np.nan), calibration, context).tolist()
    return _chances(odds, movement, float(np.exp(after - before)), float(np.exp(before - after)))
