"""How far, how long and how still: percentiles of angles, time at a large part of the range, shifts in sitting, answers to alerts.

Pure functions of the seconds of a day. Time in gaps, not worn or lying is in none of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.inputs import DayAlert, Session, runs
from analysis.schema import AlertCount, AngleSpread, RangeTime, Shifts, SilenceTime
from posture.alerts import Act
from posture.answers import STAY_S, WITHIN_S, Rest, rests
from posture.types import AlertKind, Basis, Bool, Context, EpochBlock, Float

ANGLES = ("flexion_deg", "sacrum_inclination_deg", "upper_lumbar_inclination_deg")
HIGH_PCT, END_RANGE_PCT = 60.0, 80.0  # of the own range (domain.md sections 3 and 5)
SHIFT_DEG = 5.0  # a smaller change within a wear is not reported as one (domain.md section 1)
SHIFT_BLOCK_S = 10  # s whose median is the level; a shorter movement is none. Provisional: ours
FULL_RATE_HZ = 20.0  # a sensor that sends less gives inclination and context alone (contract.md)


def angle_spreads(epochs: EpochBlock, sits: Bool) -> tuple[AngleSpread, ...]:
    """10th, 50th and 90th percentile of each angle over the sitting seconds in which it is known."""
    found = []
    for name in ANGLES:
        known = getattr(epochs, name)[sits]
        known = known[np.isfinite(known)]
        if len(known):
            p10, p50, p90 = (_round(v) for v in np.percentile(known, (10, 50, 90)))
            found.append(AngleSpread(name, _round(len(known) / 60), p10, p50, p90))
    return tuple(found)


def range_time(epochs: EpochBlock, worn: Bool, session: Session) -> RangeTime | None:
    """Minutes at 60 and 80 % of the range and more, out of lying; None with one sensor, which has no range."""
    if len(session.sensors) < 2:
        return None
    seen = worn & (epochs.context != Context.LYING) & np.isfinite(epochs.flexion_pct_rom)
    pct = np.where(seen, epochs.flexion_pct_rom, -np.inf)
    sits = epochs.context == Context.SITTING
    own = session.calibration.rom_source == "measured"
    counts = (seen, pct >= HIGH_PCT, pct >= END_RANGE_PCT, sits & (pct >= HIGH_PCT), sits & (pct >= END_RANGE_PCT))
    return RangeTime(own, *(_round(np.count_nonzero(mask) / 60) for mask in counts))


def shifts_of(epochs: EpochBlock, sits: Bool) -> Shifts | None:
    """Changes of level while sitting, per 15 min of sitting in which the angle is known; None where it never is.

    Each unbroken stretch of sitting is cut into blocks of SHIFT_BLOCK_S (the rest of it is left out). A shift is a block whose
    median lies SHIFT_DEG or more from the level; it is then the level. Two sensors: of lumbar flexion; one: of its inclination.
    """
    name = next((n for n in ANGLES if np.isfinite(getattr(epochs, n)[sits]).any()), None)
    if name is None:
        return None
    angle = getattr(epochs, name)
    start, end, inside = runs(sits & np.isfinite(angle))
    count, blocks = 0, 0
    for first, last in zip(start[inside == 1], end[inside == 1], strict=True):
        levels = _blocks(angle[first:last])
        blocks += len(levels)
        count += _crossings(levels)
    measured_min = blocks * SHIFT_BLOCK_S / 60
    return Shifts(name, count, _round(measured_min), _round(15 * count / measured_min)) if blocks else None


def _blocks(angle: Float) -> Float:
    whole = len(angle) // SHIFT_BLOCK_S
    return np.asarray(np.median(angle[: whole * SHIFT_BLOCK_S].reshape(whole, SHIFT_BLOCK_S), axis=1))


def _crossings(levels: Float) -> int:
    count, at = 0, None
    for level in levels.tolist():
        if at is None:
            at = level
        elif abs(level - at) >= SHIFT_DEG:
            count, at = count + 1, level
    return count


def reduced_rate_min(epochs: EpochBlock, worn: Bool, session: Session) -> float | None:
    """Worn minutes in which the sensors sent less than FULL_RATE_HZ; None where the recording does not tell its rates."""
    if not session.segments or not len(epochs):
        return None
    ordered = sorted(session.segments, key=lambda s: s.first_s)
    at = np.searchsorted([s.first_s for s in ordered], epochs.start_s, side="right") - 1
    slow = np.array([s.rate_hz < FULL_RATE_HZ for s in ordered])[np.maximum(at, 0)]
    return _round(np.count_nonzero(worn & slow) / 60)


def silence_time(epochs: EpochBlock, worn: Bool, session: Session) -> SilenceTime:
    """Worn minutes of pauses and of snoozes."""
    paused, snoozed = (np.zeros(len(epochs), dtype=bool) for _ in range(2))
    for silence in session.silences:
        mask = paused if silence.act is Act.PAUSE else snoozed
        mask |= (epochs.start_s >= silence.from_s) & (epochs.start_s < silence.to_s)
    minutes = (_round(np.count_nonzero(mask & worn) / 60) for mask in (paused, snoozed & ~paused))
    return SilenceTime(*minutes)


def alert_counts(epochs: EpochBlock, alerts: Sequence[DayAlert], session: Session) -> tuple[AlertCount, ...]:
    """By kind: raised, answered, called wrong and not. Whether one was answered is only asked of alerts on sitting."""
    kinds = [k.value for k in AlertKind]
    kinds += sorted({a.kind for a in alerts} - set(kinds))
    answers = were_answered(epochs, alerts, session)
    counts = []
    for kind in kinds:
        here = [a for a in alerts if a.kind == kind]
        answered = sum(a is True for a in answers) if kind == AlertKind.FLEXED_SITTING else None
        wrong = sum(a.was_wrong for a in here)
        not_wrong_pct = _round(100.0 * (len(here) - wrong) / len(here)) if here else None
        counts.append(AlertCount(kind, len(here), answered, wrong, not_wrong_pct))
    return tuple(counts)


def were_answered(epochs: EpochBlock, alerts: Sequence[DayAlert], session: Session) -> tuple[bool | None, ...]:
    """Of each alert whether it was answered (`posture.answers`); None for one that is not on sitting, where it is not asked."""
    basis = Basis.TWO if len(session.sensors) == 2 else Basis.ONE
    two = basis is Basis.TWO
    off = session.setting("sitting.flexed_off_pct", 50.0) if two else session.setting("sitting.slump_off_pct", 52.0)
    upright, under = rests(epochs, off, basis)
    return tuple(
        _answered(a.raised_s, epochs.start_s, upright, under) if a.kind == AlertKind.FLEXED_SITTING else None
        for a in alerts
    )


def _answered(raised_s: float, start_s: Float, upright: Bool, under: Bool) -> bool:
    """Whether a rest answers the alert. A stay that began long before it has lasted STAY_S by then, wherever one begins to look."""
    first, last = np.searchsorted(start_s, (raised_s - STAY_S - 1.0, raised_s + WITHIN_S + STAY_S + 1.0))
    rest = Rest()
    for second_s, up, low in zip(*(c[first:last].tolist() for c in (start_s, upright, under)), strict=True):
        rest = rest.after(second_s, upright=up, under=low)
        if rest.answers(raised_s, second_s + 1.0):
            return True
    return False


def _round(value: float) -> float:
    return round(float(value), 4)
