"""Every confident word of a labelled day with whether it was right: what the reliability table counts.

An event is right if a label is paired with it and, where it has a verdict, the verdict is the label's class; `mixed` on a bend
that is clearly one or the other is wrong. What lies on unlabelled or excused motion is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from analysis.validation.measures import Claim
from analysis.validation.score import LABELS, LabelledDay, Matched, match, match_bends, match_floor
from posture.types import Context, Verdict

FLEXED_PCT = 50.0
"""% of range at which a bout of flexed sitting ends (design): truth over it, seated, is inside a bout."""


def claims(day: LabelledDay) -> Iterator[Claim]:
    """Of the seconds and the events after the calibration."""
    yield from _context(day)
    yield from _judged("bend", match_bends(day.truth, day.said))
    yield from _judged("floor transition", match_floor(day.truth, day.said))
    for kind in ("sit_to_stand", "stand_to_sit"):
        want = [e for e in day.truth if e["type"] == kind]
        got = [e for e in day.said if e["kind"] == kind]
        taken = set(match(want, got).values())
        for k, e in enumerate(got):
            yield Claim("chair rise or sit-down", e["confidence"], k in taken)
    yield from _bouts(day)


def _context(day: LabelledDay) -> Iterator[Claim]:
    """Seconds that are one label; a said transition, floor or unknown names none of the four and is not counted."""
    said, sure = day.at(day.epochs.context), day.at(day.epochs.context_confidence)
    codes = list(LABELS.values())
    scored = day.labels.pure[day.rows] & (day.at(day.epochs.valid_fraction) >= 0.5)
    scored &= np.isin(day.labels.context[day.rows], codes) & np.isin(said, codes)
    right = said == day.labels.context[day.rows]
    for p, ok in zip(sure[scored].tolist(), right[scored].tolist(), strict=True):
        yield Claim("context", p, ok)


def _judged(kind: str, m: Matched) -> Iterator[Claim]:
    for i, k in m.pairs.items():
        verdict = m.got[k]["verdict"]
        yield Claim(kind, m.got[k]["confidence"], verdict in (Verdict.UNKNOWN, m.want[i]["cls"]))
    for e in m.false:
        yield Claim(kind, e["confidence"], right=False)


def _bouts(day: LabelledDay) -> Iterator[Claim]:
    """A flexed bout is right if the truth is seated and flexed in at least half of its seconds."""
    pct = 100.0 * day.labels.flexion_deg / day.rom_deg
    inside = (day.labels.context == Context.SITTING) & (pct >= FLEXED_PCT)
    for e in _of(day.said, "flexed_sitting"):
        seconds = inside[int(e["start_s"]) : max(int(e["start_s"]) + 1, int(e["end_s"]))]
        if len(seconds):
            yield Claim("flexed sitting", e["confidence"], bool(seconds.mean() >= 0.5))


def _of(said: Sequence[Any], kind: str) -> list[Any]:
    return [e for e in said if e["kind"] == kind]
