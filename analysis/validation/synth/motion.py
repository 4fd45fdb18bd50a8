"""A body moving from pose to pose: channels over time, and what was going on. The activities are in `script`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from analysis.validation.synth.person import Person
from posture.types import Float, InputError

CHANNELS = ("heading", "tip", "pitch", "spin", "flexion", "height", "level", "sway", "breath")
"""Pelvis in the world = turn about z by heading, x by tip, y by pitch, z by spin (deg); then flexion about the pelvis' y gives the
upper lumbar segment. height of the hips over the ground (m), level of the ground (m), sway and breath 0-1 (how restless the
balance is, how much of breathing shows)."""
CONTEXTS = ("standing", "walking", "sitting", "lying", "floor", "other", "non_wear")
RATES_HZ = (20.0, 200.0)
Window = tuple[float, float]


def smooth(u: Float) -> Float:
    """Minimum-jerk way from 0 to 1 for u from 0 to 1 (Flash and Hogan 1985)."""
    u = np.clip(u, 0.0, 1.0)
    return np.asarray(u**3 * (10 - 15 * u + 6 * u**2))


def hump(u: Float) -> Float:
    """0 at both ends and 1 in the middle, smooth there too."""
    return np.asarray(64.0 * (np.clip(u, 0.0, 1.0) * (1 - np.clip(u, 0.0, 1.0))) ** 3)


@dataclass(frozen=True, slots=True)
class Off:
    """Sensors off the body, s: taken from `from_s`, they lie or ride from `away_s`, come back from `back_s`, worn at `to_s`.

    spells : (from_s, place) in order, the first at `away_s`; places are those of `ride.PLACES`. seed : of the ride.
    """

    from_s: float
    away_s: float
    back_s: float = -1.0
    to_s: float = -1.0
    spells: tuple[tuple[float, str], ...] = ()
    seed: int = 0

    @property
    def where(self) -> str:
        """The places, in order."""
        return "+".join(place for _, place in self.spells) or "table"


@dataclass(frozen=True, slots=True)
class Slip:
    """One sensor turns on the skin, about an axis of its segment: with +y its apparent inclination grows."""

    from_s: float
    to_s: float
    deg: float
    axis: str
    placement: str


class Motion:
    """Poses that follow one another at `rate_hz`; each call appends its samples. Random draws come from the person's seed."""

    def __init__(self, who: Person, *, rate_hz: float = 50.0) -> None:
        if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
            raise InputError(f"rate_hz is {rate_hz:g}; choose {RATES_HZ[0]:g} to {RATES_HZ[1]:g}")
        self.who, self.rate_hz = who, rate_hz
        self.rng = np.random.default_rng([who.seed, 2])
        self.stance = "standing"
        self.n = 0
        self.at = dict.fromkeys(CHANNELS, 0.0) | {"height": who.stand_m, "sway": 1.0, "breath": 1.0}
        self.rows: list[Float] = []
        self.speeds: list[Float] = []
        self.labels: list[tuple[int, str]] = []
        self.events: list[dict[str, Any]] = []
        self.poses: dict[str, list[Window]] = {}
        self.calibration_end_s = 0.0
        self.calibrating = False
        self.offs: list[Off] = []
        self.slips: list[Slip] = []

    @property
    def now_s(self) -> float:
        """End of what was scripted so far, s."""
        return self.n / self.rate_hz

    def move(
        self,
        seconds: float,
        label: str = "other",
        *,
        humps: dict[str, float] | None = None,
        when: dict[str, Window] | None = None,
        forward_m: float = 0.0,
        fall: Float | None = None,
        **goals: float,
    ) -> Self:
        """To a pose along minimum-jerk curves.

        goals : channel -> value at the end; others stay. humps : channel -> what is added halfway and gone at the end.
        when : channel -> part of the time (0-1) in which it moves. forward_m : the hips shift along the heading.
        fall : own way of the height, (samples,) 0-1, instead of minimum jerk.
        """
        n = max(1, round(seconds * self.rate_hz))
        u = np.arange(1, n + 1) / n
        block = np.empty((n, len(CHANNELS)))
        for k, name in enumerate(CHANNELS):
            start, goal = self.at[name], goals.get(name, self.at[name])
            a, b = (when or {}).get(name, (0.0, 1.0))
            way = smooth((u - a) / (b - a))
            if name == "height" and fall is not None:
                way = fall
            block[:, k] = start + (goal - start) * way + (humps or {}).get(name, 0.0) * hump((u - a) / (b - a))
        way = np.concatenate([[0.0], smooth(u)])
        speed = np.zeros((n, 2))
        speed[:, 0] = forward_m * np.diff(way) * self.rate_hz
        self.at |= goals
        return self._add(block, speed, label)

    def hold(self, seconds: float, label: str) -> Self:
        """The pose that is reached, for a while; breathing and sway go on."""
        n = max(1, round(seconds * self.rate_hz))
        return self._add(np.tile([self.at[c] for c in CHANNELS], (n, 1)), np.zeros((n, 2)), label)

    def ride(self, waves: dict[str, Float], speed_mps: Float, label: str, **goals: float) -> Self:
        """The pose with something added, (n,) per channel, ending at `goals`; speed (n, 2) forward and left of the heading."""
        block = np.tile([self.at[c] for c in CHANNELS], (len(speed_mps), 1))
        for name, added in waves.items():
            block[:, CHANNELS.index(name)] += added
        self.at |= goals
        return self._add(block, speed_mps, label)

    def same_as(self, **pose: float) -> Self:
        """The same orientation in other words (lying on a side is both a tip and a spin): nothing moves."""
        self.at |= pose
        return self

    def event(self, kind: str, from_s: float, **about: Any) -> Self:
        """Something that happened from then until now; the angles are filled in later. Nothing is noted in the routine."""
        if not self.calibrating:
            self.events.append({"type": kind, "t0": from_s, "t1": self.now_s, **about})
        return self

    def need(self, stance: str, what: str) -> None:
        """InputError unless the wearer is in this stance."""
        if self.stance != stance:
            raise InputError(f"{what} needs a wearer who is {stance}, who is {self.stance} here; script the way there")

    def varied(self, value: float, share: float = 0.06) -> float:
        """A value as it comes out this time."""
        return value * float(np.clip(self.rng.normal(1.0, share), 1 - 2.5 * share, 1 + 2.5 * share))

    def timed(self, seconds: float) -> float:
        """How long this person takes this time."""
        return self.varied(seconds * self.who.tempo)

    def _add(self, block: Float, speed: Float, label: str) -> Self:
        self.rows.append(block)
        self.speeds.append(speed)
        self.labels.append((len(block), label))
        self.n += len(block)
        return self
