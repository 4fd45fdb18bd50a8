"""Figures over people: a value, its bootstrap interval over people, and the person it is worst for.

People, not samples, are what an interval is drawn over: a thousand seconds of one person say nothing about the next one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from posture.types import Float

RESAMPLES, SEED = 10_000, 20261122
LEAST_PEOPLE = 5
"""Fewer people than this give no interval; ours."""
BIN_EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Bins of confidence, half-open but for the last, which includes 1."""


class Measure(Protocol):
    """One row of an accuracy table."""

    @property
    def name(self) -> str:
        """What was measured."""

    @property
    def unit(self) -> str:
        """Unit of the value; empty for a share from 0 to 1."""

    @property
    def counts(self) -> str:
        """What `n` counts."""

    @property
    def digits(self) -> int:
        """Decimals shown."""

    @property
    def at_most(self) -> bool:
        """Whether smaller is better."""

    @property
    def people(self) -> tuple[str, ...]:
        """Those with something to score."""

    @property
    def n(self) -> float:
        """How much was scored, all people together."""

    def at(self, weights: Float) -> Float:
        """The value where person k counts weights[:, k] times; weights (b, people), result (b,), NaN where undefined."""


@dataclass(slots=True)
class Ratio:
    """Sum over people of a numerator over the sum of a denominator: a share, a rate, a mean, an F1; a root of it is an RMSE.

    parts : person -> (numerator, denominator). counts : what the denominators count.
    """

    name: str
    counts: str
    unit: str = ""
    at_most: bool = False
    root: bool = False
    digits: int = 2
    parts: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, person: str, numerator: float, denominator: float = 1.0) -> None:
        """Count more of a person."""
        a, b = self.parts.get(person, (0.0, 0.0))
        self.parts[person] = a + numerator, b + denominator

    @property
    def people(self) -> tuple[str, ...]:
        """As the protocol."""
        return tuple(sorted(p for p, (_, b) in self.parts.items() if b > 0))

    @property
    def n(self) -> float:
        """As the protocol."""
        return sum(b for _, b in self.parts.values())

    def at(self, weights: Float) -> Float:
        """As the protocol."""
        top, below = (np.array([self.parts[p][k] for p in self.people]) for k in (0, 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            value = (weights @ top) / (weights @ below)
        return np.sqrt(value) if self.root else np.asarray(value)


@dataclass(slots=True)
class Auc:
    """Chance that a true event scores above a false one of anybody (Mann-Whitney); ties count half.

    scores : person -> [(score, is it true), ...].
    """

    name: str
    counts: str
    unit: str = ""
    at_most: bool = False
    digits: int = 2
    scores: dict[str, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, person: str, score: float, *, true: bool) -> None:
        """One more event; one without a score is left out."""
        if not np.isnan(score):
            self.scores[person].append((score, true))

    @property
    def people(self) -> tuple[str, ...]:
        """As the protocol."""
        return tuple(sorted(self.scores))

    @property
    def n(self) -> float:
        """As the protocol."""
        return sum(len(s) for s in self.scores.values())

    def at(self, weights: Float) -> Float:
        """As the protocol."""
        m = len(self.people)
        above, pairs = np.zeros((m, m)), np.zeros((m, m))
        for i, p in enumerate(self.people):
            true = np.array([s for s, t in self.scores[p] if t])
            for k, q in enumerate(self.people):
                false = np.array([s for s, t in self.scores[q] if not t])
                apart = true[:, None] - false[None, :]
                above[i, k] = (apart > 0).sum() + 0.5 * (apart == 0).sum()
                pairs[i, k] = apart.size
        with np.errstate(invalid="ignore", divide="ignore"):
            won = np.einsum("bi,ik,bk->b", weights, above, weights)
            return np.asarray(won / np.einsum("bi,ik,bk->b", weights, pairs, weights))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure's value; low, high: 95 % interval over people, NaN for too few; the worst person and their value."""

    value: float
    low: float
    high: float
    worst: str
    worst_value: float


def estimate(measure: Measure) -> Estimate:
    """Value, percentile bootstrap over people (10,000 resamples, fixed seed), and the worst person."""
    nan = float("nan")
    people = measure.people
    if not people:
        return Estimate(nan, nan, nan, "", nan)
    m = len(people)
    value = float(measure.at(np.ones((1, m)))[0])
    own = measure.at(np.eye(m))
    low = high = nan
    if m >= LEAST_PEOPLE:
        drawn = np.random.default_rng(SEED).multinomial(m, np.full(m, 1 / m), size=RESAMPLES).astype(np.float64)
        known = measure.at(drawn)
        known = known[~np.isnan(known)]
        low, high = (float(v) for v in np.percentile(known, [2.5, 97.5])) if len(known) else (nan, nan)
    worst, worst_value = "", nan
    if not np.isnan(own).all():
        at = int(np.nanargmax(own) if measure.at_most else np.nanargmin(own))
        worst, worst_value = people[at], float(own[at])
    return Estimate(value, low, high, worst, worst_value)


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that was said with a confidence, and whether it was right."""

    kind: str
    confidence: float
    right: bool


@dataclass(frozen=True, slots=True)
class Reliability:
    """Said against right, for one kind. Arrays per bin of `BIN_EDGES`: number, mean confidence, share right (NaN if none)."""

    kind: str
    n: Float
    said: Float
    right: Float

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean distance of said from right, every claim counting alike."""
        full = self.n > 0
        return float((self.n[full] * np.abs(self.said[full] - self.right[full])).sum() / self.n.sum())


def reliability(claims: Iterable[Claim]) -> tuple[Reliability, ...]:
    """One table row per kind, in order of first mention."""
    by_kind: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_kind[claim.kind].append(claim)
    return tuple(_binned(kind, mine) for kind, mine in by_kind.items())


def _binned(kind: str, claims: Sequence[Claim]) -> Reliability:
    said = np.array([c.confidence for c in claims])
    right = np.array([c.right for c in claims], dtype=np.float64)
    bins = len(BIN_EDGES) - 1
    at = np.clip(np.searchsorted(BIN_EDGES, said, side="right") - 1, 0, bins - 1)
    n = np.bincount(at, minlength=bins).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return Reliability(
            kind, n, np.bincount(at, said, minlength=bins) / n, np.bincount(at, right, minlength=bins) / n
        )


def per_person(measure: Measure) -> Mapping[str, float]:
    """Every person's own value."""
    return dict(zip(measure.people, measure.at(np.eye(len(measure.people))).tolist(), strict=True))
