"""Where the final result of a session says something else than live did, and why: data that came late, or a clock known better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from posture.types import CONTEXT_NAMES, Bool, Context, EpochBlock, Float, JsonValue, Placement

ANGLE_MIN_DEG = 1.0
"""deg; medians of a second that differ by less say the same; ours: below what the sensors are good for."""
REACH_S = 10.0
"""s before and after late data in which it may change a verdict: the lag of the context and as much for what it settles; ours."""
_ANGLES = ("sacrum_inclination_deg", "upper_lumbar_inclination_deg", "flexion_deg", "lateral_deg")


class Why(StrEnum):
    """What made the difference."""

    LATE = "late"
    """Data that came from the sensor's memory after the moment was over."""
    FOLLOWED = "followed"
    """Near no late data, but after some: what was learnt from it, or how long something has lasted."""
    CLOCK = "clock"
    """No late data yet: the sensors' clocks and rates are known better at the end."""


@dataclass(frozen=True, slots=True)
class Change:
    """Consecutive seconds [from_s, to_s) that differ. what : of context, flexed, angle. was, became : the commonest context."""

    from_s: float
    to_s: float
    what: tuple[str, ...]
    why: Why
    was: str
    became: str

    def to_json(self) -> dict[str, JsonValue]:
        """For a file or a log."""
        return {
            "from_s": self.from_s,
            "to_s": self.to_s,
            "what": list(self.what),
            "why": str(self.why),
            "was": self.was,
            "became": self.became,
        }


def changes(
    live: EpochBlock, final: EpochBlock, late: Mapping[Placement, Iterable[tuple[float, float]]]
) -> tuple[Change, ...]:
    """Live seconds against final ones, in order. late : (from_s, to_s) of what came late, per sensor.

    A second that only one of the results has counts as a gap in the other.
    """
    first_s = min((float(e.start_s[0]) for e in (live, final) if len(e)), default=0.0)
    last_s = max((float(e.start_s[-1]) for e in (live, final) if len(e)), default=first_s - 1.0)
    seconds = np.arange(first_s, last_s + 1.0)
    differs = _differs(live, final, seconds)
    any_differs = np.logical_or.reduce(list(differs.values()))
    was, became = _column(live, "context", seconds, Context.GAP), _column(final, "context", seconds, Context.GAP)
    spans = sorted(span for own in late.values() for span in own)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], any_differs, [False]])))
    found = []
    for a, b in edges.reshape(-1, 2).tolist():
        from_s, to_s = float(seconds[a]), float(seconds[b - 1]) + 1.0
        what = tuple(name for name, rows in differs.items() if rows[a:b].any())
        found.append(
            Change(from_s, to_s, what, _why(from_s, to_s, spans), _commonest(was[a:b]), _commonest(became[a:b]))
        )
    return tuple(found)


def _differs(live: EpochBlock, final: EpochBlock, seconds: Float) -> dict[str, Bool]:
    angle = np.zeros(len(seconds), np.bool_)
    for name in _ANGLES:
        a, b = (_column(e, name, seconds, np.nan) for e in (live, final))
        angle |= (np.isnan(a) != np.isnan(b)) | (np.abs(a - b) > ANGLE_MIN_DEG)
    return {
        "context": _column(live, "context", seconds, Context.GAP) != _column(final, "context", seconds, Context.GAP),
        "flexed": _column(live, "flexed", seconds, -1) != _column(final, "flexed", seconds, -1),
        "angle": angle,
    }


def _column(epochs: EpochBlock, name: str, seconds: Float, absent: float) -> Float:
    """(n,) a column at the given seconds."""
    out = np.full(len(seconds), float(absent))
    if len(epochs):
        out[np.searchsorted(seconds, epochs.start_s)] = getattr(epochs, name)
    return out


def _why(from_s: float, to_s: float, spans: list[tuple[float, float]]) -> Why:
    if any(a - REACH_S < to_s and from_s < b + REACH_S for a, b in spans):
        return Why.LATE
    return Why.FOLLOWED if any(a < from_s for a, _ in spans) else Why.CLOCK


def _commonest(context: Float) -> str:
    codes, n = np.unique(context.astype(np.int64), return_counts=True)
    return CONTEXT_NAMES[int(codes[int(np.argmax(n))])]
