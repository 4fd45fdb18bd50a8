"""Sets of sample indices as half-open ranges: what has come, and so what is missing. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Range = tuple[int, int]
"""[from, to)."""


@dataclass(slots=True)
class Ranges:
    """Disjoint ranges in rising order, none touching the next. Adding at the end, as a stream does, takes constant time."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[Range]:
        return zip(self.starts, self.ends, strict=True)

    def __len__(self) -> int:
        """Samples, not ranges."""
        return sum(self.ends) - sum(self.starts)

    def add(self, start: int, end: int) -> int:
        """Put [start, end) in; how many of it were new."""
        if start >= end:
            return 0
        a = bisect_left(self.ends, start)  # the first that reaches start
        b = bisect_right(self.starts, end)  # the first that begins behind end
        held = sum(self.ends[a:b]) - sum(self.starts[a:b])
        if a < b:
            start, end = min(start, self.starts[a]), max(end, self.ends[b - 1])
        self.starts[a:b], self.ends[a:b] = [start], [end]
        return end - start - held

    def missing(self, start: int, end: int) -> list[Range]:
        """What of [start, end) is not in, in rising order."""
        holes = []
        for k in range(bisect_right(self.ends, start), len(self.starts)):
            if start >= end or self.starts[k] >= end:
                break
            if self.starts[k] > start:
                holes.append((start, self.starts[k]))
            start = self.ends[k]
        if start < end:
            holes.append((start, end))
        return holes

    @property
    def end(self) -> int:
        """One past the newest; 0 if empty."""
        return self.ends[-1] if self.ends else 0


def joined(ranges: Iterable[Range], within: int) -> list[Range]:
    """Rising ranges with holes of at most `within` closed: one request instead of many, for a few samples that come twice."""
    out: list[Range] = []
    for start, end in ranges:
        if out and start - out[-1][1] <= within:
            out[-1] = out[-1][0], end
        else:
            out.append((start, end))
    return out
