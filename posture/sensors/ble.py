"""The link to one sensor: find, connect, watch, connect again, for as long as the session lasts.

What is special to a kind of sensor is in its driver. Here is what no sensor does differently: one connects at a time; a new client
for every connection, closed in any case; a watchdog of our own, since a dead link may look connected for hours; waits that grow
while connecting fails; and a bounded queue between the callbacks, which only put things in, and everything that takes longer.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bleak import BleakClient
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError

from posture.sensors.backend import SYSTEM, Backend, is_bonded, is_unencrypted
from posture.sensors.driver import Enrolled, Hub, LinkError, LinkState, LinkStatus, RefusedError, Sensor, driver_named
from posture.sensors.scanning import heard
from posture.sensors.timers import LinkTimers, retry_after_s, silent_after_s
from posture.types import PacketKind, RawPacket

QUEUE_MAX = 4096
"""Notifications that wait for this computer: minutes of live data, seconds of backfill, and 1 MB. What does not fit is counted."""
CANCEL_AGAIN_S = 10.0
"""Longer than an orderly end takes: that waits for a disconnection."""
BURST_MAX = 64
"""Notifications taken from the queue before others get their turn: about 2 ms."""
RETRYABLE = (BleakError, EOFError, OSError, TimeoutError, LinkError)
"""What a bad link raises; BrokenPipeError is an OSError, BleakDBusError a BleakError."""


class Link:
    """One enrolled sensor, from `run` until it is cancelled or `stop`ped.

    now_ns : monotonic ns since the session began. lock : shared by all links of this computer. unix_us : UTC, us.
    missing : in words what of Bluetooth itself an error of listening says is missing; None: it says nothing of it.
    """

    def __init__(
        self,
        enrolled: Enrolled,
        *,
        now_ns: Callable[[], int],
        timers: LinkTimers | None = None,
        backend: Backend | None = None,
        lock: asyncio.Lock | None = None,
        rng: random.Random | None = None,
        unix_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        missing: Callable[[Exception], str | None] = lambda _: None,
    ) -> None:
        self.enrolled = enrolled
        self.timers = timers or LinkTimers()
        self._backend = backend or SYSTEM
        self._now_ns = now_ns
        self._missing = missing
        self._lock = lock or asyncio.Lock()
        self._rng = rng or random.Random()  # noqa: S311  # spreads retries, guards nothing
        self._driver = driver_named(enrolled.driver)
        self.sensor: Sensor = self._driver.sensor(Hub(enrolled, self.timers, self._emit, now_ns, unix_us))
        self._queue: asyncio.Queue[RawPacket] = asyncio.Queue(QUEUE_MAX)
        self._status = LinkStatus(LinkState.CONNECTING, now_ns(), "")
        self._dropped = 0
        self._connections = 0
        self._fresh_s = 0.0
        self._streamed = False
        self._ended: asyncio.Future[None] | None = None
        self._stopping = asyncio.Event()
        self._over = asyncio.Event()
        self._over.set()
        self._say(LinkState.CONNECTING, f"looking for {enrolled.name}")

    @property
    def status(self) -> LinkStatus:
        """How it does now."""
        sensor, counts = self.sensor, self.sensor.counts
        return replace(
            self._status,
            received=counts.received,
            duplicates=counts.duplicates,
            rejected=counts.rejected,
            backfilled=counts.backfilled,
            overwritten=counts.overwritten,
            not_stored=counts.not_stored,
            battery_pct=sensor.battery_pct,
            charging=sensor.charging,
            fault=sensor.fault,
            dropped=self._dropped,
            connections=self._connections,
        )

    async def run(self, put: Callable[[RawPacket], None]) -> None:
        """Hand on everything that comes until `stop`. Trouble with the link never raises; what `put` raises does."""
        self._over.clear()
        delivering = asyncio.create_task(self._deliver(put))
        supervising = asyncio.create_task(self._supervise())
        try:
            await asyncio.wait((delivering, supervising), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled(supervising)
            await _cancelled(delivering)
            self._over.set()
            if delivering.cancelled():  # put still takes what has come
                while not self._queue.empty():
                    self._hand_on(self._queue.get_nowait(), put)
        for task in (delivering, supervising):
            if not task.cancelled():
                task.result()

    async def stop(self) -> None:
        """Stop the sensor, fetch what is still missing (at most `drain_s`), disconnect; `run` returns."""
        self._stopping.set()
        await self._over.wait()

    async def haptic(self, pattern: int, strength_pct: int, repeats: int) -> bool:
        """A pulse of the sensor's motor; False if it is not connected, or has just pulsed."""
        return self._status.state is LinkState.STREAMING and await self.sensor.haptic(pattern, strength_pct, repeats)

    # ---- what comes

    def _emit(self, kind: PacketKind, payload: bytes) -> None:
        """From a callback: no more than this."""
        try:
            self._queue.put_nowait(RawPacket(self.enrolled.placement, self._now_ns(), kind, payload))
        except asyncio.QueueFull:
            self._dropped += 1
            if kind is PacketKind.LIVE:  # this computer is slow; the sensor is there
                self._fresh_s = asyncio.get_running_loop().time()

    async def _deliver(self, put: Callable[[RawPacket], None]) -> None:
        while True:
            for _ in range(BURST_MAX):
                self._hand_on(await self._queue.get(), put)
                self._queue.task_done()
            await asyncio.sleep(0)  # get() does not wait while there is something

    def _hand_on(self, packet: RawPacket, put: Callable[[RawPacket], None]) -> None:
        before_n = self.sensor.counts.received
        try:
            plausible = self.sensor.took(packet)
        except RefusedError as error:
            plausible = False
            self._end(error)
        if plausible:
            put(packet)
        if packet.kind is PacketKind.LIVE and self.sensor.counts.received > before_n:
            self._fresh_s = asyncio.get_running_loop().time()
            self._streamed = True

    def _say(self, state: LinkState, reason: str) -> None:
        if (state, reason) != (self._status.state, self._status.reason):
            self._status = replace(self._status, state=state, since_ns=self._now_ns(), reason=reason)
            self._emit(PacketKind.LINK, json.dumps({"state": state.value, "reason": reason}).encode())

    # ---- connecting

    async def _supervise(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._streamed = False
            try:
                await self._once()
                failures = 0  # not heard: the next advertisement is answered at once
                continue
            except RefusedError as error:
                self._say(LinkState.REFUSED, str(error))
                wait_s = self.timers.refused_s
            except RETRYABLE as error:
                failures = 1 if self._streamed else failures + 1
                wait_s = retry_after_s(failures, self.timers, self._rng)
                if self._status.state is not LinkState.REFUSED or self._streamed:
                    self._say(LinkState.LOST, _sentence(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stopping.wait()

    async def _once(self) -> None:
        """One connection, from looking for the sensor to the end of the link, which raises; returns when it is to stop."""
        client = await self._connected()
        if client is None:
            return
        try:
            await self._serve(client)
        finally:
            await self._close(client)

    async def _connected(self) -> BleakClient | None:
        """Connect to the sensor as soon as it advertises; None: it was not heard, or `stop`."""
        async with self._lock:
            device = await self._listened()
            if device is None:
                self._not_heard()
                return None
            if self.enrolled.bonded and is_bonded(device) is False:
                raise RefusedError(
                    f"this computer is not paired with {self.enrolled.name} any more; press its button and pair it again"
                )
            self._ended = asyncio.get_running_loop().create_future()
            client = self._backend.make_client(device, self._lost, timeout_s=self.timers.connect_s)
            try:
                async with asyncio.timeout(self.timers.connect_s):
                    await _first(client.connect())
            except BaseException as error:
                await self._close(client)
                if is_unencrypted(error):
                    raise RefusedError(
                        f"{self.enrolled.name} does not know this computer any more; press its button and pair it again"
                    ) from error
                raise
            return client

    async def _listened(self) -> BLEDevice | None:
        """The sensor, once it advertises or where it is still connected; None: neither."""
        handle = self.enrolled.handle
        try:
            device = await heard(self._backend, self._driver, handle, self.timers, self._stopping)
            if device is None and not self._stopping.is_set():
                async with asyncio.timeout(self.timers.request_s):
                    device = await self._backend.left_connected(handle, self._driver.uuids)
        except RETRYABLE as error:
            if words := self._missing(error):
                raise LinkError(words) from error
            raise
        return device

    def _not_heard(self) -> None:
        before = self._status.state
        if before is not LinkState.REFUSED and not self._stopping.is_set():
            state = LinkState.LOST if self._connections else LinkState.CONNECTING
            self._say(state, f"{self.enrolled.name} is not heard; is it charged, switched on and near?")

    async def _serve(self, client: BleakClient) -> None:
        sensor, ended = self.sensor, self._ended
        assert ended is not None  # noqa: S101  # made with the client
        await self._queue.join()  # what came before is judged by what held then
        await _first(self._begin(client), self._stopping.wait(), ended)
        if self._stopping.is_set():
            return
        self._connections += 1
        self._fresh_s = asyncio.get_running_loop().time()
        self._say(LinkState.STREAMING, f"{self.enrolled.name} is connected")
        await _first(self._watch(), sensor.tend(), self._stopping.wait(), ended)
        with suppress(*RETRYABLE):
            await _first(sensor.end(), ended)

    async def _begin(self, client: BleakClient) -> None:
        try:
            async with asyncio.timeout(self.timers.connect_s):
                await self.sensor.begin(client)
        except BleakError as error:
            if is_unencrypted(error):
                raise RefusedError(
                    f"the link to {self.enrolled.name} is not encrypted; press its button and pair it again"
                ) from error
            raise

    async def _watch(self) -> None:
        """Return never; raise when nothing has come for too long."""
        loop = asyncio.get_running_loop()
        limit_s = silent_after_s(self.sensor.period_s, self.timers)
        while (left_s := self._fresh_s + limit_s - loop.time()) > 0:
            await asyncio.sleep(left_s)
        self._say(LinkState.SILENT, f"{self.enrolled.name} is connected and sends nothing")
        answer = "and does not answer"
        with suppress(*RETRYABLE):
            async with asyncio.timeout(self.timers.probe_s):
                await self.sensor.probe()
            answer = "though it answers"
        raise LinkError(f"{self.enrolled.name} sent nothing for {limit_s:.3g} s {answer}; connecting anew")

    def _lost(self) -> None:
        self._end(LinkError(f"the link to {self.enrolled.name} was lost; it goes on measuring by itself"))

    def _end(self, error: LinkError) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)

    async def _close(self, client: BleakClient) -> None:
        """Whatever has happened. A cancelled link waits for it too: an open connection would keep the sensor from others."""
        closing = asyncio.ensure_future(client.disconnect())
        _, late = await asyncio.wait((closing,), timeout=self.timers.request_s)
        for task in late:
            await _cancelled(task)
        for future in (closing, self._ended):  # what they raised has been seen, or is of no interest
            if future is not None and future.done() and not future.cancelled():
                future.exception()


def _sentence(error: BaseException) -> str:
    if isinstance(error, LinkError):
        return str(error)
    return f"the link was lost ({str(error) or type(error).__name__}); connecting again"


async def _cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel them and wait for their end, whatever that is.

    Again and again: what a task waits for below us may swallow one, and the task would go on as if nothing had been.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=CANCEL_AGAIN_S)


async def _first(*works: Awaitable[object]) -> None:
    """Until the first has ended; the others are cancelled. Raises what it raised; LinkError where it was cancelled from below."""
    tasks = [asyncio.ensure_future(w) for w in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # A future that was given belongs to somebody else.
        await _cancelled(*(t for t, w in zip(tasks, works, strict=True) if t is not w))
    for error in [LinkError("the connection was given up") if t.cancelled() else t.exception() for t in done]:
        if error is not None:
            raise error
