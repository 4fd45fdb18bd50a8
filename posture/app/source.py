"""Live sensors as a source of batches: what comes is recorded first, then decoded, in the order in which it is given out.

Decisions fall once a second, and a push of many samples costs hardly more than one of a few. So what comes before the second that
is open can be complete waits for the next tick; from then on each packet is given out as it comes, so that the one that
completes the second decides it.

One rule makes a replay of the record equal to the live run: a batch says until when it holds all that arrived, and nothing that is
given out later may have arrived before. A packet that was stamped earlier, but handed on by its link after, is recorded
as arrived just after that moment, some ms late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from posture.recording.session import SessionDecoder, SessionWriter
from posture.sensors.ble import Link
from posture.types import ImuBatch, PostureError, RawPacket

TICK_S = 0.5
"""At least this often a batch is given out, samples or not, so that silence shows; the record is brought to disk as often."""
EARLY_S = 0.02
"""Samples may be taken for so much later than they were made: the error that the clock model is held to."""
_TICK_MIN_S = 0.05
_END_S = 30.0
"""The most that ending the links may take, s of the sensors; each of its steps has a shorter limit of its own (`LinkTimers`)."""
# CLOCK_BOOTTIME of Linux goes on while the computer sleeps, as CLOCK_MONOTONIC does elsewhere and Windows' only one.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def monotonic_ns() -> int:
    """Ns that never go back and go on while the computer sleeps."""
    return time.monotonic_ns() if _CLOCK is None else time.clock_gettime_ns(_CLOCK)


@dataclass(slots=True)
class SessionClock:
    """ns since the session began; `speed` times as fast as life, for a virtual sensor that is."""

    speed: float = 1.0
    began_ns: int = field(default_factory=monotonic_ns)

    def now_ns(self) -> int:
        """Session time."""
        return int((monotonic_ns() - self.began_ns) * self.speed)


class LiveSource:
    """Links -> recorder -> decoder -> batches. `begin` starts its tasks, `end` stops the sensors and lets `batches` finish.

    say : told in one sentence when the disk takes nothing, and when it does again.
    """

    def __init__(
        self,
        links: Sequence[Link],
        writer: SessionWriter,
        decoder: SessionDecoder,
        clock: SessionClock,
        *,
        say: Callable[[str], None],
    ) -> None:
        self.links, self.writer, self.decoder, self.clock = tuple(links), writer, decoder, clock
        self._say = say
        self._new: list[RawPacket] = []
        self._news = asyncio.Event()
        self._ended = False
        self._until_ns = -1
        self._asked_ns: int | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.due_s = float("-inf")
        """Session time before which no sample decides anything (`Pipeline.due_s`); -inf: everything is given out as it comes."""

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Connect and record from here on."""
        self._tasks = [group.create_task(link.run(self._put)) for link in self.links]
        self._tasks.append(group.create_task(self._to_disk()))

    async def batches(self) -> AsyncIterator[ImuBatch]:
        """What arrived, as soon as it may decide something and at least each `TICK_S`; after `end` the rest."""
        tick_s = max(_TICK_MIN_S, TICK_S / self.clock.speed)
        while not self._ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(tick_s):
                    await self._news.wait()
            yield self._batch()
        yield self._batch()
        yield self.decoder.flush(self._until_ns)

    async def end(self) -> None:
        """Stop the sensors, disconnect, take what still comes. Cancelled, it ends at once, without the sensors."""
        self._asked_ns = self._asked_ns or self.clock.now_ns()
        try:
            async with asyncio.timeout(_END_S / self.clock.speed + 1.0):
                await asyncio.gather(*(link.stop() for link in self.links))
        except TimeoutError:
            pass  # a link that hangs is let go of: the sensor ends its side by the supervision timeout
        finally:
            for task in self._tasks:
                task.cancel()
            self._ended = True
            self._news.set()

    @property
    def end_ns(self) -> int:
        """Session time at which it was asked to end; what comes after that is late data."""
        return self._until_ns if self._asked_ns is None else self._asked_ns

    def _put(self, packet: RawPacket) -> None:
        if packet.host_time_ns <= self._until_ns:
            packet = replace(packet, host_time_ns=self._until_ns + 1)
        self.writer.put(packet)
        self._new.append(packet)
        if packet.host_time_ns >= (self.due_s - EARLY_S) * 1e9:
            self._news.set()

    def _batch(self) -> ImuBatch:
        packets, self._new = self._new, []
        self._news.clear()
        newest_ns = max((p.host_time_ns for p in packets), default=0)
        self._until_ns = max(self.clock.now_ns(), newest_ns, self._until_ns)
        return self.decoder.push(packets, self._until_ns)

    async def _to_disk(self) -> None:
        """Twice a second, in a thread: a slow disk must not hold up what arrives."""
        refused = False
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await asyncio.to_thread(self.writer.sync, self.clock.now_ns())
            except PostureError as error:
                if not refused:
                    self._say(str(error))
                refused = True
            else:
                if refused:
                    self._say("The recording goes on.")
                refused = False
