"""Epochs, events and alerts of one recording -> the day's numbers (`DailySummary`, docs/daily-summary.md).

Pure and cheap: numpy only, a day of 86,400 epochs in well under 0.2 s. Three rules hold everywhere: gap and non-wear
time leaves every denominator; what is unknown is counted as unknown, never as good; what is left out is a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple

import numpy as np

from analysis.exposure import alert_counts, angle_spreads, range_time, reduced_rate_min, shifts_of, silence_time
from analysis.habits import habits_of
from analysis.inputs import NOTICE, DayAlert, DayEvent, Session, check_epochs, period_of, runs
from analysis.schema import (
    SCHEMA_VERSION,
    BasisInfo,
    Bends,
    DailySummary,
    Floor,
    FloorGroup,
    HourBends,
    LeftOut,
    Meter,
    Sitting,
    SittingBout,
    Spread,
    Wear,
)
from analysis.workouts import holds_of, sets_of
from posture.types import CALIBRATION_SET, AlertKind, Bool, Context, EpochBlock, EventKind, Float, Verdict

REPORT_FROM_MIN = 240.0  # worn; from here a recording is reported as a day (domain.md section 3)
TREND_FROM_MIN = 360.0  # worn; from here habit rules and trends may use it (domain.md section 3)
METER_HIGH = 0.80  # level of the meter at which the sitting alert may come, where the session names none
LONG_BOUT_MIN = 20.0  # a sitting bout of at least this is a long one (domain.md, rule R01)
BOUT_MIN_S = 60  # shorter sitting is counted apart. Provisional: the usual resolution of activity diaries
BOUT_HOLE_MAX_S = 30  # a gap, unknown or transition up to this long does not end a bout. Provisional: ours
BED_KINDS = (EventKind.SIT_TO_LIE, EventKind.LIE_TO_SIT)
CHAIR_KINDS = (EventKind.SIT_TO_STAND, EventKind.STAND_TO_SIT)


def summarise(
    epochs: EpochBlock, events: Sequence[DayEvent], alerts: Sequence[DayAlert], session: Session
) -> DailySummary:
    """All these epochs as one summary (`analysis.days.split` cuts a session at 04:00).

    epochs : one row per second, gaps included (InputError otherwise). Events with a `set_id` leave the daily counts; set 0 is
    the calibration routine.
    """
    check_epochs(epochs)
    worn = ~np.isin(epochs.context, (Context.GAP, Context.NON_WEAR))
    daily = [e for e in events if e.set_id is None]
    routine = [e for e in events if e.set_id == CALIBRATION_SET]
    in_sets = [e for e in events if e.set_id not in (None, CALIBRATION_SET)]
    wear = _wear(epochs, worn, session)
    sitting, short_count, short_min = _sitting(epochs, worn)
    meter = _meter(epochs, worn, sitting=sitting, session=session)
    done = {c.name.lower(): epochs.context == c for c in Context}
    shares = {n: None if n in ("gap", "non_wear") else _share_pct(mask.sum(), worn.sum()) for n, mask in done.items()}
    return DailySummary(
        schema_version=SCHEMA_VERSION,
        code_version=session.code_version,
        source=session.source,
        period=period_of(epochs, session),
        wear=wear,
        basis=_basis(epochs, worn, daily, session),
        context_min={name: _minutes(mask) for name, mask in done.items()},
        context_share_of_worn_pct=shares,
        sitting=sitting,
        meter=meter,
        sitting_alert_on=session.calibration.flexed_sitting,
        alerts={k.value: 0 for k in AlertKind} | _by_kind(a.kind for a in alerts),
        bends=_bends(epochs, worn, daily, session),
        chair_transitions={k.value: _verdicts(e for e in daily if e.kind == k) for k in CHAIR_KINDS},
        floor_transitions=_floor([e for e in daily if e.kind == EventKind.FLOOR_TRANSITION]),
        events_by_kind=_by_kind(e.kind for e in daily),
        left_out=LeftOut(
            _by_kind(e.kind for e in in_sets if e.kind != EventKind.EXERCISE_SET),
            _by_kind(e.kind for e in routine),
            short_count,
            short_min,
        ),
        notes=session.notes,
        notice=NOTICE,
        habits=habits_of(epochs, daily, session, sitting=sitting, meter=meter),
        workouts=sets_of(in_sets),
        practices=holds_of(daily),
        range_time=range_time(epochs, worn, session),
        alert_counts=alert_counts(epochs, alerts, session),
        bed_transitions=_floor([e for e in daily if e.kind in BED_KINDS]).groups,
        silence=silence_time(epochs, worn, session),
    )


def _round(value: float) -> float:
    return round(float(value), 4)


def _minutes(mask: Bool) -> float:
    return _round(np.count_nonzero(mask) / 60)


def _share_pct(part: float | np.number, whole: float | np.number) -> float | None:
    return _round(100 * float(part) / float(whole)) if whole > 0 else None


def _mean(values: Float) -> float | None:
    known = values[np.isfinite(values)]
    return _round(known.mean()) if len(known) else None


def _by_kind(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _verdicts(events: Iterable[DayEvent]) -> dict[str, int]:
    count = Counter(e.verdict for e in events)
    return {verdict.value: count[verdict] for verdict in Verdict}


def _wear(epochs: EpochBlock, worn: Bool, session: Session) -> Wear:
    gap = epochs.context == Context.GAP
    start, end, code = runs(gap)
    gap_s = (end - start)[code == 1]
    angles = np.isfinite(epochs.sacrum_inclination_deg) * 1 + np.isfinite(epochs.upper_lumbar_inclination_deg)
    worn_min = _minutes(worn)
    return Wear(
        validity="empty" if not worn_min else "day" if worn_min >= REPORT_FROM_MIN else "short_recording",
        report_from_min=REPORT_FROM_MIN,
        counts_for_trend=worn_min >= TREND_FROM_MIN,
        recorded_min=_round(len(epochs) / 60),
        worn_min=worn_min,
        gap_min=_minutes(gap),
        gap_count=len(gap_s),
        longest_gap_min=_round(gap_s.max(initial=0) / 60),
        non_wear_min=_minutes(epochs.context == Context.NON_WEAR),
        valid_share_pct=_share_pct(np.nansum(epochs.valid_fraction[worn]), worn.sum()),
        both_angles_min=_minutes(worn & (angles == 2)),
        one_angle_min=_minutes(worn & (angles == 1)),
        no_angle_min=_minutes(worn & (angles == 0)),
        reduced_rate_min=reduced_rate_min(epochs, worn, session),
    )


def _basis(epochs: EpochBlock, worn: Bool, daily: Sequence[DayEvent], session: Session) -> BasisInfo:
    said = {kind: [e.confidence for e in daily if e.kind == kind] for kind in sorted({e.kind for e in daily})}
    return BasisInfo(
        sensors=tuple(s.value for s in session.sensors),
        judges=session.judges,
        calibration_source=session.calibration.source,
        calibration_grade=session.calibration.grade,
        rom_deg=session.calibration.rom_deg,
        rom_source=session.calibration.rom_source,
        context_confidence=_mean(epochs.context_confidence[worn]),
        event_confidence={kind: _mean(np.array(values, dtype=float)) for kind, values in said.items()},
        events_by_basis=_by_kind(e.basis.value for e in daily if e.basis),
        calibration_age_days=_calibration_age_days(epochs, session),
    )


def _calibration_age_days(epochs: EpochBlock, session: Session) -> int | None:
    start_utc, full_utc = session.start_utc, session.calibration.full_utc
    if start_utc is None or full_utc is None or not len(epochs):
        return None
    made, day = (session.clock.day_of(s) for s in ((full_utc - start_utc).total_seconds(), float(epochs.start_s[0])))
    return max(0, (day - made).days) if made is not None and day is not None else None


def _sitting(epochs: EpochBlock, worn: Bool) -> tuple[Sitting, int, float]:
    """Sitting time and bouts; then how many runs were too short for a bout, and their minutes."""
    sits = epochs.context == Context.SITTING
    judged, flexed = sits & (epochs.flexed >= 0), sits & (epochs.flexed == 1)
    bouts = _bouts(epochs, sits)
    kept = tuple(b for b in bouts if b.end_s - b.start_s >= BOUT_MIN_S)
    short_min = _round(sum(b.sitting_min for b in bouts) - sum(b.sitting_min for b in kept))
    spreads = [_spread(name, getattr(epochs, name)[sits]) for name in ("flexion_pct_rom", "slump_index_pct")]
    sitting = Sitting(
        total_min=_minutes(sits),
        share_of_worn_pct=_share_pct(sits.sum(), worn.sum()),
        judged_min=_minutes(judged),
        unjudged_min=_minutes(sits & ~judged),
        flexed_min=_minutes(flexed),
        flexed_share_of_judged_pct=_share_pct(flexed.sum(), judged.sum()),
        longest_bout_min=max((b.sitting_min for b in kept), default=None),
        long_bouts=sum(b.sitting_min >= LONG_BOUT_MIN for b in kept),
        bouts=kept,
        spreads=tuple(s for s in spreads if s),
        angles=angle_spreads(epochs, sits),
        shifts=shifts_of(epochs, sits),
    )
    return sitting, len(bouts) - len(kept), short_min


def _bouts(epochs: EpochBlock, sits: Bool) -> list[SittingBout]:
    """All pieces of sitting, with holes of up to BOUT_HOLE_MAX_S between two sitting seconds bridged."""
    hole = np.isin(epochs.context, (Context.GAP, Context.UNKNOWN, Context.TRANSITION))
    start, end, code = runs(np.where(sits, 1, np.where(hole, 2, 0)))
    beside = np.concatenate([[0], code, [0]])
    bridged = (code == 2) & (end - start <= BOUT_HOLE_MAX_S) & (beside[:-2] == 1) & (beside[2:] == 1)
    first, last, whole = runs(np.repeat((code == 1) | bridged, end - start))
    first, last = first[whole == 1], last[whole == 1]

    def count(mask: Bool) -> Float:
        total = np.concatenate([[0], np.cumsum(mask)])
        return np.asarray((total[last] - total[first]) / 60)

    counts = [count(m) for m in (sits, sits & (epochs.flexed == 1), sits & (epochs.flexed < 0), ~sits)]
    columns = (epochs.start_s[first], epochs.start_s[last - 1] + 1.0, *counts)
    return [SittingBout(*(_round(value) for value in row)) for row in zip(*columns, strict=True)]


def _spread(measure: str, values: Float) -> Spread | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    p10, p50, p90 = (_round(v) for v in np.percentile(known, (10, 50, 90)))
    return Spread(measure, _round(len(known) / 60), p10, p50, p90)


def _meter(epochs: EpochBlock, worn: Bool, *, sitting: Sitting, session: Session) -> Meter:
    high = session.setting("alerts.creep_min", METER_HIGH)
    creep = np.where(worn & np.isfinite(epochs.creep), epochs.creep, -1.0)
    # A meter that stood at 0 because no sitting could be judged is not known.
    judged = session.calibration.flexed_sitting and (sitting.judged_min > 0 or sitting.total_min == 0)
    if not judged or not np.any(creep >= 0):
        return Meter(False, high, None, None, None)
    top = int(np.argmax(creep))
    return Meter(True, high, _round(creep[top]), float(epochs.start_s[top]), _minutes(creep >= high))


def _bends(epochs: EpochBlock, worn: Bool, daily: Sequence[DayEvent], session: Session) -> Bends:
    bends = [e for e in daily if e.kind == EventKind.BEND]
    deep = [e.is_deep(session) for e in bends]
    held = [e.is_sustained(session) for e in bends]
    worn_h = np.count_nonzero(worn) / 3600
    return Bends(
        total=len(bends),
        by_verdict=_verdicts(bends),
        per_worn_hour=_round(len(bends) / worn_h) if worn_h else None,
        deep=sum(deep),
        sustained=sum(held),
        deep_or_sustained=sum(a or b for a, b in zip(deep, held, strict=True)),
        longest_s=max((_round(e.duration_s) for e in bends), default=None),
        by_hour=_by_hour(epochs, worn, bends, session),
    )


def _by_hour(epochs: EpochBlock, worn: Bool, bends: Sequence[DayEvent], session: Session) -> tuple[HourBends, ...]:
    if not len(epochs):
        return ()
    first_s, last_s, clock = float(epochs.start_s[0]), float(epochs.start_s[-1]) + 1.0, session.clock
    cuts = np.array([first_s, *(s for s in clock.steps(first_s, last_s, 3600) if first_s < s < last_s), last_s])
    hour = np.clip(np.searchsorted(cuts, [e.start_s for e in bends], side="right") - 1, 0, len(cuts) - 2)
    hours = []
    for k, worn_s in enumerate(np.histogram(epochs.start_s[worn], cuts)[0]):
        inside = [e for e, h in zip(bends, hour, strict=True) if h == k]
        marked = sum(e.is_deep(session) or e.is_sustained(session) for e in inside)
        start_s, end_s = float(cuts[k]), float(cuts[k + 1])
        label = clock.text(start_s, seconds=False)
        hours.append(HourBends(label, start_s, end_s, _round(worn_s / 60), len(inside), _verdicts(inside), marked))
    return tuple(hours)


def _floor(events: Sequence[DayEvent]) -> Floor:
    count = Counter((e.verdict.value, *(e.word(k) for k in ("direction", "path", "surface"))) for e in events)
    groups = tuple(FloorGroup(way, path, surface, verdict, n) for (verdict, way, path, surface), n in count.items())
    return Floor(len(events), _verdicts(events), tuple(sorted(groups, key=astuple)))
