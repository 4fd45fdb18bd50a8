"""What is known only afterwards, laid over epochs and events when a session is complete: pure functions, no memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posture.types import Context, EpochBlock, EventKind, PostureEvent


def finalised(epochs: EpochBlock, events: Sequence[PostureEvent]) -> tuple[EpochBlock, list[PostureEvent]]:
    """Epochs and events with the non-wear intervals applied.

    A second in one is `non_wear`: its context is the event's word, `flexed` is unknown. What the sensor seemed to do there
    (lying, a sit-down) was not the wearer, so events that lie in it by half or more leave the list; the interval's event says
    how many in `events_left_out`. Angles and the meter stay as they were said.
    """
    intervals = [e for e in events if e.kind is EventKind.NON_WEAR]
    if not intervals:
        return epochs, list(events)
    context, confidence, flexed = epochs.context.copy(), epochs.context_confidence.copy(), epochs.flexed.copy()
    kept = [e for e in events if e.kind is not EventKind.NON_WEAR]
    for interval in intervals:
        rows = (epochs.start_s >= interval.start_s) & (epochs.start_s < interval.end_s) & (context != Context.GAP)
        context[rows], confidence[rows], flexed[rows] = Context.NON_WEAR, interval.confidence, -1
        inside = [e for e in kept if e.kind is not EventKind.GAP and _share_inside(e, interval) >= 0.5]
        kept = [e for e in kept if e not in inside]
        kept.append(replace(interval, evidence={**interval.evidence, "events_left_out": len(inside)}))
    done = replace(
        epochs, context=context.astype(np.int8), context_confidence=confidence, flexed=flexed.astype(np.int8)
    )
    return done, kept


def _share_inside(event: PostureEvent, interval: PostureEvent) -> float:
    shared = min(event.end_s, interval.end_s) - max(event.start_s, interval.start_s)
    return shared / max(event.end_s - event.start_s, 1e-9)
