"""Asks a sensor, one range at a time, for the samples of this session that it still holds and that have not come.

Each sample counts once however often it comes, so asking again is harmless. The sensor sends live frames first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from firmware_protocol.control import Backfill, Done, ListBoots, ListBootsReply, RangeReply, Status
from firmware_protocol.frames import Frame
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import StatusReport
from posture.sensors.control import ControlPoint
from posture.sensors.driver import Counts
from posture.sensors.guard import AVERAGE_N
from posture.sensors.ledger import Asked, Ledger
from posture.sensors.ranges import Range, joined
from posture.sensors.timers import LinkTimers

JOIN_N = 19
"""Samples between two missing ranges that are asked for with them: a frame of the ring costs less than a request. Ours."""
REQUESTS_MAX = 8
"""Requests that a list of missing ranges is brought down to, by asking for more of what has come between them. Ours."""

SPAN_RINGS = 8
"""From the oldest to the newest sample of a boot, in full-rate rings: thinned they hold four, and holes take no room."""


def requests(missing: list[Range]) -> list[Range]:
    """Few ranges that hold all the missing ones: a link that loses every tenth frame must not wait for a reply for each."""
    within = JOIN_N
    while len(few := joined(missing, within)) > REQUESTS_MAX:
        within *= 2
    return few


@dataclass(slots=True)
class Backfiller:
    """What is missing of a session, over all connections, and the one request that runs."""

    counts: Counts
    timers: LinkTimers
    ledger: Ledger = field(default_factory=Ledger)
    _control: ControlPoint | None = None
    _boot: int = 0
    _possible: bool = False
    _listed: bool = False
    _span_max: int = 0
    _held: dict[int, Range] = field(default_factory=dict)
    _asked: Asked | None = None
    _heard_s: float = 0.0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, control: ControlPoint, boot: int, index: int, *, capacity: int, possible: bool) -> None:
        """A new connection streams from `index`. capacity : samples in the ring. possible : the link is wide enough for it."""
        self._control, self._boot, self._possible = control, boot, possible
        self._span_max = SPAN_RINGS * capacity
        self._asked = None
        if boot not in self.ledger.boots:
            self._listed = False
        self.ledger.begins(boot, index)

    @property
    def newest(self) -> int:
        """One past the newest sample of this boot that should have come."""
        return self.ledger.boots[self._boot].newest

    # ---- what comes

    def take(self, boot: int, start: int, end: int, *, live: bool) -> int:
        """Samples [start, end) came; how many are new."""
        new = self.ledger.boots[boot].take(start, end)
        if not live and self._asked is not None and boot == self._asked.boot:
            self._asked.take(start, end, new)
            self._heard_s = asyncio.get_running_loop().time()
        return new

    def refuses(self, frame: Frame) -> str | None:
        """Why a frame of the ring cannot be one of this session; None: it can."""
        own = self.ledger.boots.get(frame.boot)
        if own is None:
            return f"a backfilled frame of boot {frame.boot:04X}, which was not asked for"
        held_to = self._held.get(frame.boot, (0, 0))[1]
        if not own.floor - AVERAGE_N <= frame.index < max(held_to, own.newest):
            return f"a backfilled frame of index {frame.index}, which was not asked for"
        return None

    def ended(self, done: Done | Rejection) -> None:
        """DONE."""
        asked = self._asked
        if asked is None or isinstance(done, Rejection) or (done.boot, done.from_index) != (asked.boot, asked.start):
            return
        oldest = max(asked.held_from, self._held.get(asked.boot, (0, 0))[0])
        self._gone(*self.ledger.settle(asked, done, oldest))
        self._asked = None
        self._news.set()

    def _gone(self, overwritten: int, not_stored: int) -> None:
        self.counts.overwritten += overwritten
        self.counts.not_stored += not_stored

    # ---- what is asked

    async def wait(self, seconds: float) -> None:
        """For DONE, or so long. One that came before counts: it may be quicker than the reply that says that it will come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()

    async def step(self, read_status: Callable[[], Awaitable[StatusReport]]) -> bool:
        """Ask for what is missing, if anything is and no request runs; whether anything is still to come."""
        if not self._possible or self._control is None:
            return False
        now_s = asyncio.get_running_loop().time()
        if self._asked is not None:
            if now_s - self._heard_s > self.timers.fill_idle_s:
                self._asked = None  # its DONE was lost; what came counts
            return True
        if not self._listed:
            await self._list_boots(self._control)
        if not any(own.wanted(self._newest(boot)) for boot, own in self.ledger.boots.items()):
            return False
        status = await read_status()
        self._held[status.boot] = status.oldest_index, status.end_index
        for boot, own in self.ledger.boots.items():
            # In this boot what is not stored yet can be asked for later.
            until = self._newest(boot) if boot != self._boot else min(self._newest(boot), status.end_index)
            for start, end in requests(own.wanted(until)):
                if await self._ask(self._control, boot, start, end):
                    return True
        return self._possible

    def _newest(self, boot: int) -> int:
        """One past the newest sample of a boot that should have come: live, or also from the ring where the boot is over."""
        newest = self.ledger.boots[boot].newest
        return newest if boot == self._boot else max(newest, self._held.get(boot, (0, 0))[1])

    async def _ask(self, control: ControlPoint, boot: int, start: int, end: int) -> bool:
        """Whether the sensor sends it now."""
        asked = Asked(boot, start, end)
        self._asked, self._heard_s = asked, asyncio.get_running_loop().time()
        reply = await control.ask(Backfill(boot, start, end))
        if reply.status is Status.OK and isinstance(reply.args, RangeReply):
            asked.held_from = reply.args.from_index
            return True
        self._asked = None
        if reply.status is Status.NOT_STORED and isinstance(reply.args, RangeReply):
            held_from, held_to = reply.args.from_index, reply.args.to_index
            # Both 0: the boot has been overwritten whole.
            self._gone(*self.ledger.gone(boot, start, end, held_from if held_to else end))
        elif reply.status is not Status.BUSY:
            self._possible = False
        return False

    async def _list_boots(self, control: ControlPoint) -> None:
        """Learn what the ring holds of boots that are over."""
        held: dict[int, Range] = {}
        for skip in range(256):
            reply = await control.ask(ListBoots(skip))
            if not isinstance(reply.args, ListBootsReply):
                break
            if reply.args.to_index - reply.args.from_index <= self._span_max:  # no ring holds more
                held[reply.args.boot] = reply.args.from_index, reply.args.to_index
            if skip + 1 >= reply.args.count:
                break
        self.ledger.listed(held, self._boot)
        self._held = held
        self._listed = True
