"""Which samples of a session have come from a sensor, which are missing, and which are known to be gone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware_protocol.control import Done
from posture.sensors.ranges import Range, Ranges

TRIES_MAX = 5
"""Requests for a range of which nothing new arrives any more; then it is given up. Ours."""


@dataclass(slots=True)
class BootLedger:
    """Samples of one boot. floor : the first that belongs to the session. settled : came, or known to be gone."""

    floor: int
    came: Ranges = field(default_factory=Ranges)
    settled: Ranges = field(default_factory=Ranges)
    start_index: int = 0
    """That the newest START announced: everything before is missed if it has not come."""

    def take(self, start: int, end: int) -> int:
        """[start, end) came; how many of it are new."""
        self.settled.add(start, end)
        return self.came.add(start, end)

    @property
    def newest(self) -> int:
        """Everything before should have come."""
        return max(self.came.end, self.start_index)

    def wanted(self, held_to: int) -> list[Range]:
        """What is missing and stored: before `held_to`."""
        return self.settled.missing(self.floor, held_to)

    def give_up(self, start: int, end: int) -> int:
        """Of [start, end) nothing more will come; how many had not come."""
        return self.settled.add(start, end)


@dataclass(slots=True)
class Asked:
    """A BACKFILL that runs. seen : what of the range it has sent so far, new or not. held_from : the oldest stored."""

    boot: int
    start: int
    end: int
    held_from: int = 0
    new_n: int = 0
    seen: Ranges = field(default_factory=Ranges)

    def take(self, start: int, end: int, new_n: int) -> None:
        """A frame came."""
        self.seen.add(max(start, self.start), min(end, self.end))
        self.new_n += new_n

    def whole(self, done: Done) -> bool:
        """Whether everything arrived that the sensor says it sent; else it must be asked again."""
        return len(self.seen) >= done.sent


@dataclass(slots=True)
class Ledger:
    """All boots of a session. before : boots in the ring that ended before it began; None: not asked yet."""

    boots: dict[int, BootLedger] = field(default_factory=dict)
    before: frozenset[int] | None = None
    tries: int = 0

    def begins(self, boot: int, index: int) -> BootLedger:
        """Streaming starts at `index`. The session's first boot belongs to it from here on, later boots from their first sample."""
        own = self.boots.get(boot)
        if own is None:
            own = self.boots[boot] = BootLedger(floor=0 if self.boots else index)
        own.start_index = index
        return own

    def listed(self, boots: dict[int, Range], now: int) -> None:
        """What the ring holds. Boots that came and went while nobody was near belong to the session, from their first sample."""
        if self.before is None:
            self.before = frozenset(boots) - {now}
        for boot in boots:
            if boot not in self.before and boot not in self.boots:
                self.boots[boot] = BootLedger(floor=0)

    def settle(self, asked: Asked, done: Done, oldest: int) -> tuple[int, int]:
        """A backfill has ended: (overwritten, never stored) among what it did not bring.

        oldest : of that boot in the ring now. (0, 0) while it is worth asking again, because frames were lost on the way.
        """
        if not asked.whole(done):
            self.tries = 0 if asked.new_n else self.tries + 1
            if self.tries < TRIES_MAX:
                return 0, 0
        self.tries = 0
        return self.gone(asked.boot, asked.start, asked.end, oldest)

    def gone(self, boot: int, start: int, end: int, oldest: int) -> tuple[int, int]:
        """Nothing more of [start, end) will come: (before `oldest`, and so overwritten; the rest, which was never stored)."""
        own = self.boots[boot]
        border = min(max(oldest, start), end)
        return own.give_up(start, border), own.give_up(border, end)
