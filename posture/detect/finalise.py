"""What is known only afterwards, laid over epochs and events when a session is complete: pure functions, no memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posture.detect.sets import CHAIR, IN_SETS
from posture.types import CALIBRATION_SET, Context, EpochBlock, EventKind, PostureEvent

_STAY = (EventKind.GAP, EventKind.SENSOR_MOVED)
_LYING_DOWN = (EventKind.SIT_TO_LIE, EventKind.FLOOR_TRANSITION)
_GETTING_UP = (EventKind.LIE_TO_SIT, EventKind.FLOOR_TRANSITION)
_HANDLED_S = 60.0
"""s; a stretch off the body begins at the latest this long after the sensor was put down, and it is on again at the latest this
long after the stretch; ours."""


def finalised(epochs: EpochBlock, events: Sequence[PostureEvent]) -> tuple[EpochBlock, list[PostureEvent]]:
    """Epochs and events with exercise sets, non-wear intervals and the ways to and from the floor applied.

    A second in one is `non_wear`: its context is the event's word, `flexed` is unknown. What the sensor seemed to do there
    (lying, a sit-down) was not the wearer, so events that lie in it by half or more leave the list, as do the lying down that
    was a putting down and the getting up that was a putting on; the interval's event says how many in `events_left_out`. Angles
    and the meter stay as they were said. The lean of a way down or up is no bend of its own (`_without_leans`).
    """
    epochs, events = _with_sets(epochs, events)
    events = _without_leans(events)
    intervals = [e for e in events if e.kind is EventKind.NON_WEAR]
    if not intervals:
        return epochs, list(events)
    context, confidence, flexed = epochs.context.copy(), epochs.context_confidence.copy(), epochs.flexed.copy()
    kept = [e for e in events if e.kind is not EventKind.NON_WEAR]
    for interval in intervals:
        rows = (epochs.start_s >= interval.start_s) & (epochs.start_s < interval.end_s) & (context != Context.GAP)
        context[rows], confidence[rows], flexed[rows] = Context.NON_WEAR, interval.confidence, -1
        inside = [e for e in kept if e.kind not in _STAY and _not_the_wearer(e, interval)]
        kept = [e for e in kept if e not in inside]
        kept.append(replace(interval, evidence={**interval.evidence, "events_left_out": len(inside)}))
    done = replace(
        epochs, context=context.astype(np.int8), context_confidence=confidence, flexed=flexed.astype(np.int8)
    )
    return done, kept


def _with_sets(epochs: EpochBlock, events: Sequence[PostureEvent]) -> tuple[EpochBlock, list[PostureEvent]]:
    """What lies in a set by half or more has its `set_id`, from the first repetition on, when live it was not known, to the last.

    Nobody sits down between two repetitions: its seconds of sitting are standing, and chair transitions leave the list.
    """
    sets = [e for e in events if e.kind is EventKind.EXERCISE_SET]
    context, confidence, flexed = epochs.context.copy(), epochs.context_confidence.copy(), epochs.flexed.copy()
    for one in sets:
        rows = (epochs.start_s + 0.5 >= one.start_s) & (epochs.start_s + 0.5 < one.end_s) & (context == Context.SITTING)
        context[rows], confidence[rows], flexed[rows] = Context.STANDING, one.confidence, -1
    kept = []
    for event in events:
        if event.kind in IN_SETS and event.set_id != CALIBRATION_SET:
            holder = next((s for s in sets if _inside(event, s)), None)
            if holder is not None and event.kind in CHAIR:
                continue
            event = replace(event, set_id=None if holder is None else holder.set_id)
        kept.append(event)
    if sets:
        epochs = replace(epochs, context=context, context_confidence=confidence, flexed=flexed)
    return epochs, kept


def _without_leans(events: Sequence[PostureEvent]) -> list[PostureEvent]:
    """Bends that lie in a floor transition by half or more leave the list; its `bends_left_out` says how many. Alerts stay."""
    transitions = [e for e in events if e.kind is EventKind.FLOOR_TRANSITION]
    # By identity: two equal events are two. A bend belongs to the first transition that holds it.
    holder = {id(e): next((t for t in transitions if _inside(e, t)), None) for e in events if e.kind is EventKind.BEND}
    counts = Counter(id(t) for t in holder.values() if t is not None)
    return [
        replace(e, evidence={**e.evidence, "bends_left_out": counts[id(e)]})
        if e.kind is EventKind.FLOOR_TRANSITION
        else e
        for e in events
        if holder.get(id(e)) is None
    ]


def _inside(event: PostureEvent, other: PostureEvent) -> bool:
    """Half of it or more lies in the other."""
    shared_s = min(event.end_s, other.end_s) - max(event.start_s, other.start_s)
    return shared_s >= 0.5 * (event.end_s - event.start_s)


def _not_the_wearer(event: PostureEvent, interval: PostureEvent) -> bool:
    """Half of it or more lies in the interval, or it is the putting down that leads into it or the putting on that ends it."""
    direction, down, up = event.evidence.get("direction"), event.kind in _LYING_DOWN, event.kind in _GETTING_UP
    put_down = down and direction != "up" and event.start_s <= interval.start_s < event.end_s + _HANDLED_S
    put_on = up and direction != "down" and event.start_s - _HANDLED_S < interval.end_s <= event.end_s
    return put_down or put_on or _inside(event, interval)
