"""What the wearer was doing, second by second: a small hidden Markov model with a fixed lag.

States are standing, walking, sitting, lying and low (neither upright nor lying: crouched, kneeling, on the way). Tilt and gait
are the evidence of a second; the change between sitting and standing is carried by lean movements and their height, because
tilt alone fails on chairs. Forward over all seconds, backward over the lag; each second is said once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posture.config import ContextConfig, MovementConfig
from posture.detect.epochs import EpochFeatures
from posture.detect.movement import Movement
from posture.signal.calibration import Calibration
from posture.types import Context, Float, Int8, Placement

STAND, WALK, SIT, LIE, LOW = range(5)
_LABEL = np.array(
    [Context.STANDING, Context.WALKING, Context.SITTING, Context.LYING, Context.TRANSITION], dtype=np.int8
)

_ONES = np.ones(5)

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


@dataclass(frozen=True, slots=True)
class ContextBlock:
    """(m,) seconds: `Context` code, its posterior probability, that of sitting, and the features that it was decided on."""

    start_s: Float
    context: Int8
    confidence: Float
    seated: Float
    features: EpochFeatures


@dataclass(slots=True)
class ContextState:
    """Belief after the last forward step, whether that second had no data, and the seconds that wait for their lag."""

    belief: Float = field(default_factory=lambda: np.array([0.4, 0.2, 0.38, 0.01, 0.01]))
    absent: bool = True
    waiting: list[EpochFeatures] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)


class ContextModel:
    """Features and movements -> labelled seconds, `lag_s` later.

    The movements of a second must have been pushed with the features of the seconds up to its lag at the latest.
    """

    def __init__(
        self,
        params: ContextConfig,
        movement: MovementConfig,
        calibration: Calibration,
        state: ContextState | None = None,
    ) -> None:
        self.params, self.movement, self.calibration = params, movement, calibration
        self.state = state or ContextState()
        self.base = _with_stay(
            _BASE
            + np.array([[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0] * 5, [0] * 5]) * params.change_per_s
        )
        self.gap = _with_stay(_BASE + 2e-3 * (1 - np.eye(5)))

    def push(self, features: EpochFeatures, movements: tuple[Movement, ...]) -> ContextBlock:
        """Seconds whose lag is complete with these features."""
        state = self.state
        state.waiting.append(features)
        state.movements.extend(movements)
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
            return ContextBlock(np.empty(0), np.empty(0, dtype=np.int8), np.empty(0), np.empty(0), rows[:0])
        likely = self._likelihood(rows)
        change = self._changes(rows)
        forward = np.empty((ready, 5))
        belief = state.belief
        scaled = (rows.start_s[:ready] % 8 == 0).tolist()  # often enough not to underflow, at absolute seconds
        for e, step in enumerate(change[:ready] * likely[:ready, None, :]):
            belief = belief @ step
            if scaled[e]:
                belief = belief / (belief @ _ONES)
            forward[e] = belief
        state.belief = belief
        posterior = self._smoothed(forward, likely, change, ready)
        best = posterior.argmax(axis=1)
        confidence = posterior[np.arange(ready), best]
        label = _LABEL[best].copy()
        label[confidence < 0.5] = Context.UNKNOWN
        absent = rows.present_fraction[:ready] < 0.5
        state.absent = bool(absent[-1])
        label[absent] = Context.GAP
        confidence = np.where(absent, 1.0, confidence)
        before_s = float(rows.start_s[ready - 1]) + 1.0
        state.movements = [m for m in state.movements if m.peak_s >= before_s]
        return ContextBlock(rows.start_s[:ready], label, confidence, posterior[:, SIT].copy(), rows[:ready])

    def _smoothed(self, forward: Float, likely: Float, change: Float, ready: int) -> Float:
        """Posterior given the lag's seconds after each one. Written as single products: bit-stable for any number of rows."""
        future = np.ones((ready, 5))
        for ahead in range(self.params.lag_s, 0, -1):
            row = np.arange(ready) + ahead
            known = row < len(likely)
            at = np.minimum(row, len(likely) - 1)
            # Of the movements only those of the very next second are all decided at this point of the stream.
            step = change[at] if ahead == 1 else np.broadcast_to(self.base, (ready, 5, 5))
            weighted = likely[at] * future
            back = np.empty_like(future)
            for i in range(5):
                back[:, i] = sum(step[:, i, j] * weighted[:, j] for j in range(5))
            future = np.where(known[:, None], back, future)
        posterior = forward * future
        total = posterior[:, 0] + posterior[:, 1] + posterior[:, 2] + posterior[:, 3] + posterior[:, 4]
        return np.asarray(posterior / total[:, None])

    def _likelihood(self, rows: EpochFeatures) -> Float:
        """(m, 5) likelihood of each second's features, up to a factor."""
        p = self.params
        tilt = np.where(np.isnan(rows.tilt_deg), 0.0, rows.tilt_deg)
        log = np.zeros((len(rows), 5))
        lying = np.clip((tilt - p.lying_tilt_deg) / 3.0, -1.0, 1.0)  # certain 3 deg to either side of the cut
        log[:, LIE] += 5.0 * lying
        log[:, [STAND, WALK, SIT]] -= 5.0 * np.maximum(lying, 0.0)[:, None]
        low = np.clip((tilt - p.low_tilt_deg) / 10.0, 0.0, 1.0)
        log[:, LOW] += np.where(lying > 0, -2.0, 0.7 * low - 1.5 * (1 - low))
        lean = self._lean(rows)
        behind = np.clip((-lean - p.low_tilt_deg) / 10.0, 0.0, 1.0)
        log[:, STAND] -= 3.0 * behind
        log[:, WALK] -= 3.0 * behind + 2.0 * low
        walking = self._gait(rows)
        log[:, WALK] += walking
        log[:, [LIE, LOW]] -= 0.25 * np.maximum(walking, 0.0)[:, None]
        log[:, SIT] -= 0.35 * np.maximum(walking, 0.0)
        trunk = np.where(np.isnan(rows.upper_lumbar_inclination_deg), lean, rows.upper_lumbar_inclination_deg)
        log[:, WALK] -= 3.0 * np.clip((trunk - p.walking_trunk_max_deg) / 10.0, 0.0, 1.0)
        pelvis = np.where(np.isnan(rows.sacrum_inclination_deg), 0.0, rows.sacrum_inclination_deg)
        log[:, SIT] -= np.clip((pelvis - p.seated_pelvis_max_deg) / 10.0, 0.0, 1.0)
        absent = rows.present_fraction < 0.5
        # The first look at a posture is worth more than the seconds that repeat it.
        first_look = ~absent & np.concatenate([[self.state.absent], absent[:-1]])
        weight = np.where(first_look, self.movement.posture_weight, p.tilt_weight)
        log[:, SIT] += weight * seated_log_ratio(
            rows.sacrum_inclination_deg, rows.upper_lumbar_inclination_deg, self.calibration, p
        )
        log[absent] = 0.0
        return np.exp(log)

    def _lean(self, rows: EpochFeatures) -> Float:
        lean = np.where(
            np.isnan(rows.sacrum_inclination_deg), rows.upper_lumbar_inclination_deg, rows.sacrum_inclination_deg
        )
        return np.where(np.isnan(lean), 0.0, lean)

    def _gait(self, rows: EpochFeatures) -> Float:
        own = [s.gait_mps2 for s in self.calibration.sensors.values() if not np.isnan(s.gait_mps2)]
        level = own[0] if own else self.params.gait_default_mps2
        return np.clip(2.5 * np.log(np.maximum(rows.gait_mps2, 1e-3) / (self.params.gait_cut * level)), -4.0, 4.0)

    def _changes(self, rows: EpochFeatures) -> Float:
        """(m, 5, 5) transition matrices: the base, opened by chair movements in their second and by gaps."""
        m = len(rows)
        change = np.broadcast_to(self.base, (m, 5, 5)).copy()
        change[rows.present_fraction < 0.5] = self.gap
        first = float(rows.start_s[0]) if m else 0.0
        for movement in self.state.movements:
            e = int(movement.peak_s - first)
            if not 0 <= e < m:
                continue
            down, up = chair_chances(movement, self.movement, self.params, self.calibration)
            opened = change[e].copy()
            np.fill_diagonal(opened, 0.0)
            opened[STAND, SIT] = max(opened[STAND, SIT], down)
            opened[WALK, SIT] = max(opened[WALK, SIT], down)
            opened[SIT, STAND] = max(opened[SIT, STAND], 0.8 * up)
            opened[SIT, WALK] = max(opened[SIT, WALK], 0.2 * up)
            change[e] = _with_stay(opened)
        return change


def _with_stay(change: Float) -> Float:
    """Rows of changes -> stochastic matrix: what is left stays, at least one in a hundred."""
    out = np.array(change, dtype=np.float64)
    np.fill_diagonal(out, 0.0)
    out *= np.minimum(1.0, 0.99 / np.maximum(out.sum(axis=1), 1e-12))[:, None]
    np.fill_diagonal(out, 1.0 - out.sum(axis=1))
    return out


def seated_log_ratio(sacrum_deg: Float, upper_deg: Float, calibration: Calibration, params: ContextConfig) -> Float:
    """Log likelihood ratio of sitting against standing from a held posture, (m,); NaN inputs say nothing.

    Standing is normal around neutral; sitting is flat over this person's range from tall to slumped, with normal edges. A floor
    under both keeps a posture that neither describes (leaning on a desk) from deciding.
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
            continue
        low, high = min(tall, slump), max(tall, slump)
        outside = np.maximum(np.maximum(low - value, value - high), 0.0)
        sit = np.exp(-0.5 * (outside / params.sit_sd_deg) ** 2) / (params.sit_sd_deg + 0.4 * (high - low))
        stand = np.exp(-0.5 * (value / params.stand_sd_deg) ** 2) / params.stand_sd_deg
        term = np.log((sit + _NEITHER) / (stand + _NEITHER))
        ratio += np.where(np.isnan(value), 0.0, term)
    return ratio


_NEITHER = 1.25e-3
"""1/deg; density of postures that are neither quiet standing nor calibrated sitting: 5 % over 40 deg. Provisional, ours."""


def chair_chances(
    movement: Movement, params: MovementConfig, context: ContextConfig, calibration: Calibration
) -> tuple[float, float]:
    """Probability that a lean is a sit-down (given standing before) and a rise (given sitting before).

    Evidence is the height between its ends, weaker the less quiet they were, and the posture that it ended in. The error of the
    height is normal with a heavy tail for leans that change nothing: one wild integral cannot decide alone.
    """
    height = movement.height_m
    if np.isnan(height) or abs(movement.lean_after_deg) > 35.0 or abs(movement.lean_before_deg) > 35.0:
        return 0.01, 0.01
    seconds = movement.end_s - movement.start_s
    drift = (
        0.5
        * seconds
        * params.unquiet_m
        * np.radians(max(0.0, max(movement.rate_before_dps, movement.rate_after_dps) - params.quiet_dps))
    )
    error = float(np.hypot(params.height_sd_m, drift))

    def density(mean: float, sd: float, tail: float) -> float:
        return float(np.exp(-0.5 * ((height - mean) / sd) ** 2) / sd + tail)

    chair = float(np.hypot(error, params.chair_height_sd_m))
    level = density(0.0, error, 0.05)
    after = seated_log_ratio(
        np.array([movement.sacrum_after_deg]), np.array([movement.upper_after_deg]), calibration, context
    )[0]
    seated = float(np.exp(params.posture_weight * after))
    sit = density(-params.chair_height_m, chair, 0.001) / level * seated
    rise = density(params.chair_height_m, chair, 0.001) / level / seated
    odds = params.chair_prior / (1.0 - params.chair_prior)
    return odds * sit / (1.0 + odds * sit), odds * rise / (1.0 + odds * rise)
