"""What the wall says in a session, in the zone in which it began: when its days end (at 04:00), and whether an hour is a quiet one.

From the session's own start alone: no clock is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY_BEGINS_H = 4
"""o'clock on the wall (architecture.md): what is done after midnight belongs to the evening."""


@dataclass(frozen=True, slots=True)
class Days:
    """The days of a session. start_utc : its second 0, aware. zone : the one in which it began."""

    start_utc: datetime
    zone: ZoneInfo

    def ends_s(self, second_s: float) -> float:
        """Second of the session at which the day of a second ends, not included; right in days of 23 and 25 h too."""
        local = self._local(second_s)
        following = local.date() + timedelta(days=local.hour >= DAY_BEGINS_H)
        end = datetime.combine(following, time(DAY_BEGINS_H), tzinfo=self.zone)
        return (end.astimezone(UTC) - self.start_utc).total_seconds()

    def within(self, second_s: float, *, from_: str, to: str) -> bool:
        """Whether the wall says a time of [from_, to) at a second, each HH:MM; over midnight where `to` is the earlier."""
        now, begin, end = self._local(second_s).time(), time.fromisoformat(from_), time.fromisoformat(to)
        return begin <= now < end if begin <= end else now >= begin or now < end

    def _local(self, second_s: float) -> datetime:
        return (self.start_utc + timedelta(seconds=second_s)).astimezone(self.zone)
