"""The numbers that the programme's habit rules ask of a day beyond its plain counts (`Habits`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from analysis.inputs import DayEvent, Session, runs
from analysis.schema import Habits, Meter, Sitting
from posture.days import DAY_BEGINS_H
from posture.types import Bool, Context, EpochBlock, EventKind, Float, Verdict

METER_REARM = (
    0.9  # of the alert level; the meter must fall under it before it can rise to the level again. Provisional: ours
)
LEAN_HELD_S = (10.0, 180.0)  # length of a held forward lean (domain.md, rule R07)
END_RANGE_S = (5, 60)  # length of a hold at the end of the range, both ends in (domain.md, rule R09)
END_RANGE_PCT = 80.0  # of the own range and more (domain.md section 3)
MORNING_ENDS_H = 10  # o'clock; from 04:00. Provisional: ours
WAYS_UP = (EventKind.FLOOR_TRANSITION, EventKind.LIE_TO_SIT)


def habits_of(
    epochs: EpochBlock, daily: Sequence[DayEvent], session: Session, *, sitting: Sitting, meter: Meter
) -> Habits:
    """From the seconds and the events of daily life (no sets, no calibration routine)."""
    bends = [e for e in daily if e.kind == EventKind.BEND]
    ups = [
        e
        for e in daily
        if e.kind in WAYS_UP and e.word("path") == "straight_sit_up" and e.word("direction") in ("up", "unknown")
    ]
    low_s, high_s = LEAN_HELD_S
    return Habits(
        meter_high_count=_rises(epochs.creep, meter.high_level) if meter.known else None,
        longest_flexed_bout_min=max((b.flexed_min for b in sitting.bouts), default=0.0),
        plunges=_verdicts(e for e in daily if e.kind == EventKind.PLUNGE),
        held_leans=_verdicts(e for e in bends if low_s <= e.duration_s <= high_s),
        deep_bends=_verdicts(e for e in bends if e.is_deep(session)),
        straight_sit_ups=_verdicts(ups),
        rounded_sit_ups_s=tuple(e.start_s for e in ups if e.verdict is Verdict.ROUNDED),
        end_range_holds_morning=_end_range_holds(epochs, session),
    )


def _verdicts(events: Iterable[DayEvent]) -> dict[str, int]:
    count = Counter(e.verdict for e in events)
    return {verdict.value: count[verdict] for verdict in Verdict}


def _rises(creep: Float, high: float) -> int:
    """How often the meter rose to its level, from below METER_REARM of it; a day that begins above counts as one."""
    state = np.where(creep >= high, 1, np.where(creep < METER_REARM * high, 0, -1))
    state = state[state >= 0]  # between the two, and not known, it stays what it was
    return int(np.count_nonzero(np.diff(state, prepend=0) == 1))


def _end_range_holds(epochs: EpochBlock, session: Session) -> int | None:
    """None without a clock, without flexion in % of range (one sensor), or where no second of the morning was measured."""
    if len(session.sensors) < 2:
        return None
    morning = _morning(epochs, session)
    seen = morning & np.isfinite(epochs.flexion_pct_rom)
    worn = ~np.isin(epochs.context, (Context.GAP, Context.NON_WEAR, Context.LYING))
    if not np.any(seen & worn):
        return None
    start, end, held = runs(seen & worn & (np.nan_to_num(epochs.flexion_pct_rom) >= END_RANGE_PCT))
    length = end - start
    return int(np.count_nonzero((held == 1) & (length >= END_RANGE_S[0]) & (length <= END_RANGE_S[1])))


def _morning(epochs: EpochBlock, session: Session) -> Bool:
    inside = np.zeros(len(epochs), dtype=bool)
    if not session.clock.known or not len(epochs):
        return inside
    first_s, last_s = float(epochs.start_s[0]), float(epochs.start_s[-1]) + 1.0
    edges = [first_s, *(s for s in session.clock.steps(first_s, last_s, 3600) if first_s < s < last_s), last_s]
    for begin_s, end_s in pairwise(edges):
        local = session.clock.at(begin_s)
        if local is not None and DAY_BEGINS_H <= local.hour < MORNING_ENDS_H:
            inside |= (epochs.start_s >= begin_s) & (epochs.start_s < end_s)
    return inside
