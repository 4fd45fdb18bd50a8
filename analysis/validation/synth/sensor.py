"""Two IMUs on the moving body: ideal signals from its positions and orientations, then the errors of a real part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from analysis.validation.synth import quat
from analysis.validation.synth.motion import Off, smooth
from analysis.validation.synth.ride import ride
from analysis.validation.synth.track import Track
from posture.types import G_MPS2, Float, ImuBlock, Placement

_LEVER_M = {Placement.SACRUM: (-0.10, 0.0, 0.09), Placement.UPPER_LUMBAR: (-0.09, 0.0, 0.14)}
"""m; from the hips to the sacrum sensor in pelvis axes; from the lumbosacral joint to the upper one in trunk axes; ours."""
_JOINT_M = (-0.05, 0.0, 0.11)
"""m; lumbosacral joint from the hips, pelvis axes; ours."""
_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
NO_TURN: Float = np.array([1.0, 0.0, 0.0, 0.0])
SPREAD_DEG, SHIFT_M = 12.0, 0.015
"""SD of the angle between sensor and body axes at each wear, and of the shift on the skin; ours."""

_MOVED_S = 2.0
"""s in which sensors off the body are put from one place to another."""


@dataclass(frozen=True, slots=True)
class Mounting:
    """How a sensor sits. turn : (4,) quaternion, sensor axes to segment axes. shift_m : (3,) from its nominal place."""

    turn: Float = field(default_factory=lambda: NO_TURN.copy())
    shift_m: Float = field(default_factory=lambda: np.zeros(3))

    @staticmethod
    def drawn(rng: np.random.Generator, spread_deg: float = SPREAD_DEG) -> Mounting:
        """At random: about any axis, by an angle of this spread."""
        axis = rng.normal(size=3)
        angle = np.radians(rng.normal(0.0, spread_deg))
        return Mounting(quat.from_vector(axis / np.sqrt((axis**2).sum()) * angle), rng.normal(0.0, SHIFT_M, 3))


@dataclass(frozen=True, slots=True)
class Part:
    """Errors of a 6-axis part. Spreads are SD over parts and axes; each sensor draws its own.

    *_noise : white, per root Hz. *_bias, *_scale : constant offset and gain. *_walk : bias random walk, per root s.
    misalignment_deg : of the axes to one another. *_range, *_step : clipping and resolution, 0 for none.
    """

    acc_noise_mps2: float = 1.0e-3
    gyr_noise_dps: float = 0.007
    acc_bias_mps2: float = 0.15
    gyr_bias_dps: float = 0.8
    acc_walk_mps2: float = 5e-5
    gyr_walk_dps: float = 1e-3
    acc_scale: float = 0.005
    gyr_scale: float = 0.005
    misalignment_deg: float = 0.3
    acc_range_mps2: float = 4 * G_MPS2
    gyr_range_dps: float = 500.0
    acc_step_mps2: float = 4 * G_MPS2 / 2**15
    gyr_step_dps: float = 500.0 / 2**15


IDEAL = Part(*[0.0] * 13)
"""A part without any error."""


@dataclass(frozen=True, slots=True)
class Signals:
    """One sensor's samples in its own axes. time_s (n,) s; acc_mps2, gyr_radps (n, 3); a NaN row is no sample."""

    placement: Placement
    time_s: Float
    acc_mps2: Float
    gyr_radps: Float

    def block(self) -> ImuBlock:
        """As the pipeline takes it; they arrive when they are measured."""
        return ImuBlock(self.placement, self.time_s, self.acc_mps2, self.gyr_radps, self.time_s)


def sensors(
    track: Track,
    *,
    seed: int,
    part: Part | None = None,
    mountings: Mapping[Placement, Sequence[Mounting]] | None = None,
    placements: Sequence[Placement] = tuple(Placement),
) -> dict[Placement, Signals]:
    """What the sensors show. mountings : one per wear (first, then each re-don); drawn from the seed where not given."""
    out = {}
    part = part or Part()
    for placement in placements:
        rng = np.random.default_rng([seed, 4, list(Placement).index(placement)])
        drawn = [Mounting.drawn(rng) for _ in range(len(track.offs) + 1)]
        given = (mountings or {}).get(placement, ())
        q, p = sensor_pose(track, placement, [*given, *drawn[len(given) :]], rng)
        acc, gyr = ideal_signals(q, p, track.rate_hz)
        out[placement] = Signals(placement, track.time_s.copy(), *measured(acc, gyr, track.rate_hz, part, rng))
    return out


def sensor_pose(
    track: Track, placement: Placement, wears: Sequence[Mounting], rng: np.random.Generator
) -> tuple[Float, Float]:
    """Orientation (n, 4), sensor to world, and position (n, 3) m, world."""
    q_body, n = track.segment(placement), len(track)
    starts = [0, *(round(o.away_s * track.rate_hz) for o in track.offs), n]
    turn, shift = np.empty((n, 4)), np.empty((n, 3))
    for k, (a, b) in enumerate(pairwise(starts)):
        turn[a:b], shift[a:b] = wears[k].turn, wears[k].shift_m
        for slip in track.slips:
            row = round(slip.from_s * track.rate_hz)
            if a <= row < b and slip.placement == placement:
                share = smooth((track.time_s[row:b] - slip.from_s) / (slip.to_s - slip.from_s))
                slid = np.radians(slip.deg) * share[:, None] * np.array(_AXES[slip.axis])
                turn[row:b] = quat.times(quat.from_vector(slid), turn[row:b])
    lever = shift + np.array(_LEVER_M[placement])
    if placement is Placement.SACRUM:
        p = track.hip_m + quat.rotate(track.pelvis, lever)
    else:
        p = track.hip_m + quat.rotate(track.pelvis, np.array(_JOINT_M)) + quat.rotate(track.trunk, lever)
    q = quat.times(q_body, turn)
    for off in track.offs:
        _take_off(q, p, off, track, rng)
    return q, p


def _take_off(q: Float, p: Float, off: Off, track: Track, rng: np.random.Generator) -> None:
    """Write into q and p where the sensor is while it is off the body. p goes on from where a ride ended."""
    rate, n = track.rate_hz, len(track)
    a, away = round(off.from_s * rate), round(off.away_s * rate)
    back, b = (round(off.back_s * rate), round(off.to_s * rate)) if off.to_s > 0 else (n, n)
    t = track.time_s[a:b] - off.from_s
    share = smooth(t / (off.away_s - off.from_s))
    if off.to_s > 0:
        share *= smooth((off.to_s - track.time_s[a:b]) / (off.to_s - off.back_s))
    there, way = _away(off, away, back, rate, rng)
    hand_back = np.ones((b - back, 1))
    there = np.concatenate([np.tile(there[:1], (away - a, 1)), there, there[-1:] * hand_back])
    way = np.concatenate([np.zeros((away - a, 3)), way, way[-1:] * hand_back])
    p[back:] += way[-1]
    place = p[a] + np.array([0.4, 0.1, -0.15]) + way
    hand = np.concatenate([np.arange(away - a), np.arange(back - a, b - a)])
    q[a + hand] = quat.between(q[a + hand], there[hand], share[hand])
    q[away:back] = there[away - a : back - a]
    p[a:b] += share[:, None] * (place - p[a:b])


def _away(off: Off, away: int, back: int, rate: float, rng: np.random.Generator) -> tuple[Float, Float]:
    """Orientation (back - away, 4) and way (back - away, 3) m through the places of `off`."""
    starts = [away, *(round(s * rate) for s, _ in off.spells[1:]), back]
    rides = np.random.default_rng(off.seed)  # one bag for both sensors; only how each lies in it is its own
    there, way, at = np.empty((back - away, 4)), np.empty((back - away, 3)), np.zeros(3)
    lies = np.empty((0, 4))
    for (_, where), (c, d) in zip(off.spells or ((0.0, "table"),), pairwise(starts), strict=True):
        gone = ride(where, d - c, rate, rides)
        # The faces of a sensor are flat: on a table it lies on its back, give or take; loose in a bag or on a seat anyhow.
        lay = _on_its_back(rng) if where == "table" else quat.from_vector(np.radians(rng.uniform(-180, 180, 3)))
        rows = slice(c - away, d - away)
        there[rows], way[rows] = quat.times(gone.turn, lay), at + gone.way
        if len(lies):  # put from one place to the next by hand
            hand = slice(c - away, min(c - away + round(_MOVED_S * rate), d - away))
            share = smooth(np.arange(1, hand.stop - hand.start + 1) / (_MOVED_S * rate))
            there[hand] = quat.between(np.tile(lies, (len(share), 1)), there[hand], share)
        if d > c:
            lies, at = there[d - away - 1], way[d - away - 1].copy()
    return there, way


def _on_its_back(rng: np.random.Generator) -> Float:
    return np.asarray(
        quat.times(
            quat.about("z", rng.uniform(-180, 180, 1))[0],
            quat.times(quat.about("y", rng.normal(-90.0, 4.0, 1))[0], quat.about("x", rng.normal(0.0, 4.0, 1))[0]),
        )
    )


def ideal_signals(q: Float, p: Float, rate_hz: float) -> tuple[Float, Float]:
    """Specific force m/s^2 and mean rate since the sample before, rad/s, (n, 3) each, from sensor poses; the ends rest."""
    force = np.zeros_like(p)
    force[1:-1] = (p[2:] - 2 * p[1:-1] + p[:-2]) * rate_hz**2
    force[:, 2] += G_MPS2
    rate = np.zeros_like(p)
    rate[1:] = quat.rotation_vector(quat.times(quat.inverse(q[:-1]), q[1:])) * rate_hz
    return quat.rotate(quat.inverse(q), force), rate


def measured(acc: Float, gyr: Float, rate_hz: float, part: Part, rng: np.random.Generator) -> tuple[Float, Float]:
    """The same through a part: scale and misalignment, bias and its walk, noise, clipping, resolution."""
    d = np.radians(1.0)
    kinds = (
        (
            acc,
            part.acc_scale,
            part.acc_bias_mps2,
            part.acc_walk_mps2,
            part.acc_noise_mps2,
            part.acc_range_mps2,
            part.acc_step_mps2,
        ),
        (
            gyr,
            part.gyr_scale,
            part.gyr_bias_dps * d,
            part.gyr_walk_dps * d,
            part.gyr_noise_dps * d,
            part.gyr_range_dps * d,
            part.gyr_step_dps * d,
        ),
    )
    out = []
    for true, scale, bias, walk, noise, most, step in kinds:
        mix = np.diag(1.0 + scale * rng.normal(size=3)) + np.radians(part.misalignment_deg) * rng.normal(
            size=(3, 3)
        ) * (1 - np.eye(3))
        shown = true @ mix.T + bias * rng.normal(size=3)
        if walk:
            shown += np.cumsum(rng.standard_normal(true.shape), axis=0) * (walk / np.sqrt(rate_hz))
        if noise:
            shown += rng.standard_normal(true.shape) * (noise * np.sqrt(rate_hz / 2))
        if most:
            np.clip(shown, -most, most, out=shown)
        if step:
            np.round(shown / step, out=shown)
            shown *= step
        out.append(shown)
    return out[0], out[1]
