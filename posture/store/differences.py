"""What a later result of a session changed of the one before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from posture.types import EpochBlock, JsonValue

Record = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Difference:
    """seconds_added : beyond the earlier result. context_s, flexed_s : seconds of both whose label changed.

    events_added, events_removed : by kind; an event whose times or verdict changed is one of each.
    """

    seconds_added: int
    context_s: int
    flexed_s: int
    events_added: Mapping[str, int]
    events_removed: Mapping[str, int]

    @property
    def none(self) -> bool:
        """True where both results say the same."""
        return not (self.seconds_added or self.context_s or self.flexed_s or self.events_added or self.events_removed)


def difference(old: tuple[EpochBlock, Iterable[Record]], new: tuple[EpochBlock, Iterable[Record]]) -> Difference:
    """Between two results, each its epochs and its events as in events.json."""
    was, now = old[0], new[0]
    _, i, j = np.intersect1d(was.start_s, now.start_s, assume_unique=True, return_indices=True)
    before, after = (Counter(_identity(e) for e in events) for events in (old[1], new[1]))
    return Difference(
        seconds_added=len(now) - len(was),
        context_s=int(np.count_nonzero(was.context[i] != now.context[j])),
        flexed_s=int(np.count_nonzero(was.flexed[i] != now.flexed[j])),
        events_added=_by_kind(after - before),
        events_removed=_by_kind(before - after),
    )


def _identity(event: Record) -> tuple[str, ...]:
    return tuple(str(event[key]) for key in ("kind", "start_s", "end_s", "verdict"))


def _by_kind(events: Counter[tuple[str, ...]]) -> dict[str, int]:
    count: Counter[str] = Counter()
    for (kind, *_), n in events.items():
        count[kind] += n
    return dict(sorted(count.items()))
