"""The data of the report's figures: pure functions of epochs, events and alerts, each at most MAX_STEPS steps long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.inputs import DayAlert, DayEvent, Session, runs
from analysis.schema import PainSaid, SittingBout
from posture.types import (
    CALIBRATION_SET,
    CONTEXT_NAMES,
    Basis,
    Bool,
    Context,
    EpochBlock,
    EventKind,
    Float,
    Int,
    Verdict,
)

MAX_STEPS = 1440  # a step is a minute of a whole day, about one pixel of the drawn width
GAP_SHOWN_S = 10  # a step of the meter trace with at least this much gap, or half of it, is drawn as gap
END_RANGE_PCT = 80.0  # of own range; end range (domain.md section 3)
MAX_BOUTS = 16  # sitting bouts drawn, the longest; the table holds all
SITTING_ROLES = ("not_flexed", "flexed", "end_range", "unjudged")
ROLES = (*(n for n in CONTEXT_NAMES if n != "sitting"), *SITTING_ROLES)


@dataclass(frozen=True, slots=True)
class Ribbon:
    """F1. spans : role -> (k, 2) s, half-open, in steps of step_s by what filled most of each. Marks are in s.

    sets : (k, 2) s, exercise that the sensors saw. pain : (when, of 10) as the log has it; the log knows no time of day.
    """

    step_s: int
    first_s: float
    last_s: float
    spans: dict[str, Float]
    alerts_s: tuple[float, ...]
    bends_s: dict[Verdict, tuple[float, ...]]
    floor_s: dict[str, tuple[float, ...]]
    sets: Float
    pain: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class BoutBar:
    """F3. One sitting bout; segments : (from, to, role) in min from its start, role in `not_flexed`, `flexed`,
    `unjudged` or `gap` (a bridged hole).
    """

    bout: SittingBout
    segments: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class MeterTrace:
    """F4. creep : highest of each step, 0-1, NaN in gaps (the line breaks). gaps : (k, 2) s. alerts : (s, level)."""

    step_s: int
    time_s: Float
    creep: Float
    gaps: Float
    unknown: Float
    alerts: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class BendPoints:
    """F5, two sensors. points : verdict -> (k, 2) deg, trunk lean and lumbar flexion at the peak."""

    points: dict[Verdict, Float]
    left_out: int
    rounded_deg: float


def majority(codes: Int, *, step: int, kinds: int) -> Int:
    """What fills most of each `step` consecutive entries (the last may be shorter); ties go to the lower code."""
    bins = -(-len(codes) // step)
    flat = np.bincount(np.arange(len(codes)) // step * kinds + codes, minlength=bins * kinds)
    return np.asarray(flat.reshape(bins, kinds).argmax(axis=1), dtype=np.int64)


def roles(epochs: EpochBlock) -> Int:
    """Each second as an index into ROLES: its context and, while sitting, how that was judged."""
    place = np.array([ROLES.index(n) if n != "sitting" else ROLES.index("unjudged") for n in CONTEXT_NAMES])
    code = place[epochs.context]
    sits = epochs.context == Context.SITTING
    code[sits & (epochs.flexed == 0)] = ROLES.index("not_flexed")
    flexed = sits & (epochs.flexed == 1)
    code[flexed] = ROLES.index("flexed")
    code[flexed & (epochs.flexion_pct_rom >= END_RANGE_PCT)] = ROLES.index("end_range")
    return np.asarray(code, dtype=np.int64)


def ribbon_data(
    epochs: EpochBlock, events: Sequence[DayEvent], alerts: Sequence[DayAlert], pain: PainSaid | None = None
) -> Ribbon:
    """Data of F1 (at least one epoch). Events inside exercise sets are not marked; the sets are."""
    step = -(-len(epochs) // MAX_STEPS)
    first_s = float(epochs.start_s[0])
    start, end, code = runs(majority(roles(epochs), step=step, kinds=len(ROLES)))
    edges_s = first_s + np.column_stack([start * step, np.minimum(end * step, len(epochs))]).astype(float)
    daily = [e for e in events if e.set_id is None]
    bends = [e for e in daily if e.kind == EventKind.BEND]
    floor = [e for e in daily if e.kind == EventKind.FLOOR_TRANSITION]
    ways = sorted({e.word("direction") for e in floor})
    sets = [(e.start_s, e.end_s) for e in events if e.kind == EventKind.EXERCISE_SET and e.set_id != CALIBRATION_SET]
    said = [] if pain is None else [(when, getattr(pain, when)) for when in ("morning", "other", "evening")]
    return Ribbon(
        step_s=step,
        first_s=first_s,
        last_s=first_s + len(epochs),
        spans={ROLES[k]: edges_s[code == k] for k in np.unique(code)},
        alerts_s=tuple(a.raised_s for a in alerts),
        bends_s={v: tuple(e.start_s for e in bends if e.verdict == v) for v in Verdict},
        floor_s={w: tuple(e.start_s for e in floor if e.word("direction") == w) for w in ways},
        sets=np.array(sets, dtype=float).reshape(-1, 2),
        pain=tuple((when, level) for when, level in said if level is not None),
    )


def bout_data(epochs: EpochBlock, bouts: Sequence[SittingBout]) -> tuple[BoutBar, ...]:
    """Data of F3: the MAX_BOUTS longest, in the order of the day, each in at most 240 steps."""
    longest = sorted(sorted(bouts, key=lambda b: -b.sitting_min)[:MAX_BOUTS], key=lambda b: b.start_s)
    names = ("not_flexed", "flexed", "unjudged", "gap")
    judged = np.where(epochs.flexed < 0, 2, epochs.flexed)
    code = np.where(epochs.context == Context.SITTING, judged, 3).astype(np.int64)
    bars = []
    for bout in longest:
        low, high = (round(t - float(epochs.start_s[0])) for t in (bout.start_s, bout.end_s))
        step = -(-(high - low) // 240)
        start, end, kind = runs(majority(code[low:high], step=step, kinds=4))
        edge = np.minimum(np.column_stack([start, end]) * step, high - low) / 60
        bars.append(BoutBar(bout, tuple((float(a), float(b), names[k]) for (a, b), k in zip(edge, kind, strict=True))))
    return tuple(bars)


def meter_data(epochs: EpochBlock, alerts: Sequence[DayAlert]) -> MeterTrace:
    """Data of F4 (at least one epoch). Steps with no number, or mostly without data, are NaN."""
    step = -(-len(epochs) // MAX_STEPS)
    bins = -(-len(epochs) // step)
    pad = bins * step - len(epochs)
    gap = np.pad(epochs.context == Context.GAP, (0, pad)).reshape(bins, step).sum(axis=1)
    lost = gap >= min(GAP_SHOWN_S, step / 2)
    creep = np.pad(np.where(np.isfinite(epochs.creep), epochs.creep, -1.0), (0, pad), constant_values=-1.0)
    top = creep.reshape(bins, step).max(axis=1)
    top = np.where(lost | (top < 0), np.nan, top)
    unknown = majority(np.asarray(epochs.context, dtype=np.int64), step=step, kinds=len(Context)) == Context.UNKNOWN
    first_s = float(epochs.start_s[0])

    def spans(mask: Bool) -> Float:
        start, end, code = runs(mask)
        return np.asarray(first_s + np.column_stack([start, end])[code == 1] * float(step))

    sitting = [a for a in alerts if a.kind == "flexed_sitting"]
    at = [min(max(int((a.raised_s - first_s) // step), 0), bins - 1) for a in sitting]
    level = [0.0 if np.isnan(top[k]) else float(top[k]) for k in at]
    marks = tuple((a.raised_s, y) for a, y in zip(sitting, level, strict=True))
    time_s = np.asarray(first_s + np.arange(bins) * step, dtype=float)
    return MeterTrace(step, time_s, top, spans(lost), spans(unknown & ~lost), marks)


def bend_points(epochs: EpochBlock, events: Sequence[DayEvent], session: Session) -> BendPoints:
    """Data of F5 for two sensors. Lumbar: the event's `flexion_peak_deg`, else the highest median of its seconds."""
    pairs: dict[Verdict, list[tuple[float, float]]] = {v: [] for v in Verdict}
    left_out = 0
    for event in events:
        if event.kind != EventKind.BEND or event.set_id is not None:
            continue
        trunk, lumbar = event.peak_deg, event.number("flexion_peak_deg")
        if lumbar is None and len(epochs):
            low, high = (int(t - epochs.start_s[0]) for t in (event.start_s, event.end_s))
            seen = epochs.flexion_deg[max(0, low) : high + 1]
            lumbar = float(np.nanmax(seen)) if np.isfinite(seen).any() else None
        if trunk is None or lumbar is None or event.basis is Basis.ONE:
            left_out += 1
        else:
            pairs[event.verdict].append((trunk, lumbar))
    points = {v: np.array(p, dtype=float).reshape(-1, 2) for v, p in pairs.items()}
    rom_deg = session.calibration.rom_deg
    if rom_deg is not None and session.calibration.rom_source == "measured":
        return BendPoints(points, left_out, session.setting("bends.rounded_share", 0.48) * rom_deg)
    return BendPoints(points, left_out, session.setting("bends.rounded_uncalibrated_deg", 22.0))
