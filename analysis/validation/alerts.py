"""Sitting alerts against the sitting policy run on the truth: what a perfect sensor would have raised, nobody answering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.validation.score import LABELS, LabelledDay
from posture.types import Context, Float

TOLERANCE_S = 180.0
"""s; an alert this near to an expected one is that one."""
# The policy as the design states it, written out here a second time so that the product's own code is not its judge.
_TAU_SITTING_S, _TAU_UPRIGHT_S = 9.4 * 60, 2.9 * 60
_FULL_PCT, _NONE_PCT, _LEVEL = 60.0, 40.0, 0.8
_SITTING_S, _BREAK_S, _GRACE_S = 180, 120, 600
_SPACING_S, _SPACING_MAX_S, _A_DAY = 1200.0, 4800.0, 8


@dataclass(frozen=True, slots=True)
class Expected:
    """alerts_s : when the policy alerts, s. creep : (m,) its meter, 0-1, per second from 0."""

    alerts_s: tuple[float, ...]
    creep: Float


def expected(day: LabelledDay) -> Expected:
    """The policy on the labels: meter, three minutes of sitting, ten since the last break, spacing that doubles, eight a day.

    A second that no posture names (a stitch, a bend) cuts a break and a stay.
    """
    labels = day.labels
    push = np.clip((100.0 * labels.flexion_deg / day.rom_deg - _NONE_PCT) / (_FULL_PCT - _NONE_PCT), 0.0, 1.0)
    creep = np.zeros(len(labels.pure))
    alerts: list[float] = []
    c, seated_s, upright_s, since_break_s, last_s, spacing_s = 0.0, 0, 0, 10**9, -1e9, _SPACING_S
    for second, (context, u) in enumerate(zip(labels.context.tolist(), push.tolist(), strict=True)):
        upright = context in (Context.STANDING, Context.WALKING)
        if context == Context.SITTING:
            c += (u - c) / _TAU_SITTING_S
        elif upright or context == Context.LYING:
            c -= c / _TAU_UPRIGHT_S
        creep[second] = c
        seated_s = seated_s + 1 if context == Context.SITTING else 0
        upright_s = upright_s + 1 if upright else 0
        since_break_s += 1
        if upright_s >= _BREAK_S:
            since_break_s, spacing_s, last_s = 0, _SPACING_S, -1e9
        due = c >= _LEVEL and seated_s >= _SITTING_S and since_break_s >= _GRACE_S
        if due and second - last_s >= spacing_s and len(alerts) < _A_DAY:
            spacing_s = min(_SPACING_MAX_S, 2 * spacing_s) if last_s > 0 else spacing_s
            last_s = float(second)
            alerts.append(last_s)
    return Expected(tuple(a for a in alerts if a >= day.start_s), creep)


@dataclass(frozen=True, slots=True)
class AlertScore:
    """One day. found : expected alerts with a said one within the tolerance. hit : said ones near an expected one, each once.
    not_sitting : said about a second in which the truth is not sitting. off_s : said minus expected, of the pairs.
    """

    expected: int
    said: int
    found: int
    hit: int
    not_sitting: int
    off_s: tuple[float, ...]


def whole_breaks(day: LabelledDay) -> LabelledDay:
    """The day with every second that no posture names, between two upright ones, labelled standing: what such a wearer does."""
    context = day.labels.context
    named = np.isin(context, list(LABELS.values()))
    at, last = np.arange(len(context)), len(context) - 1
    before = np.maximum.accumulate(np.where(named, at, -1))
    after = np.minimum.accumulate(np.where(named, at, last + 1)[::-1])[::-1]
    upright = np.isin(context, (Context.STANDING, Context.WALKING))
    within = ~named & (before >= 0) & (after <= last) & upright[before] & upright[np.minimum(after, last)]
    filled = np.where(within, np.int8(Context.STANDING), context).astype(np.int8)
    return replace(day, labels=replace(day.labels, context=filled))


def score_alerts(day: LabelledDay) -> AlertScore:
    """Sitting alerts of one day, matched to the nearest."""
    return score_said(day, sorted(float(a["about_s"]) for a in day.alerts if a["kind"] == "flexed_sitting"))


def score_said(day: LabelledDay, said: Sequence[float]) -> AlertScore:
    """The same of alerts about these seconds, in order."""
    want = expected(day).alerts_s
    near = [min(said, key=lambda s, e=e: abs(s - e)) for e in want] if said else []  # type: ignore[misc]
    off = [s - e for s, e in zip(near, want, strict=True) if abs(s - e) <= TOLERANCE_S] if said else []
    hit = {s for s, e in zip(near, want, strict=True) if abs(s - e) <= TOLERANCE_S} if said else set()
    context = day.labels.context
    wrong = sum(int(s) >= len(context) or context[int(s)] != Context.SITTING for s in said)
    return AlertScore(len(want), len(said), len(off), len(hit), wrong, tuple(off))
