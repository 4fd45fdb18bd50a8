"""The link under test: the real client, bleak over a Bumble host, against `posture virtual-sensor` in a process of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from raw_central import PATIENCE_S, Sensors

from firmware_protocol.frames import Frame, MiniFrame, decode
from posture.sensors.backend import Backend
from posture.sensors.ble import Link
from posture.sensors.bumble_backend import open_bumble
from posture.sensors.driver import Enrolled, Found
from posture.sensors.scanning import enrol, scan
from posture.sensors.timers import LinkTimers
from posture.types import PacketKind, Placement, RawPacket

SPEED = 10
TIMERS = LinkTimers().scaled(1 / SPEED, least_s=1.0)
"""Ten times as fast as life, but patient enough for a machine that has other work."""
PLACEMENT_OF = {"LPS-4C01": Placement.SACRUM, "LPS-4C02": Placement.UPPER_LUMBAR}


@asynccontextmanager
async def radio(sensors: Sensors, bonds: Path | None = None) -> AsyncIterator[Backend]:
    """Bluetooth with these sensors near."""
    address = (await sensors.said("HCI tcp-client:")).removeprefix("HCI ")
    async with open_bumble(address, bonds=bonds) as backend:
        yield backend


async def found_by(backend: Backend, count: int = 1) -> list[Found]:
    """So many sensors, by name."""
    async with asyncio.timeout(PATIENCE_S):
        while len(found := await scan(0.2, backend)) < count:
            pass
    return sorted(found, key=lambda f: f.name)


async def enrolled_by(backend: Backend, count: int = 1) -> list[Enrolled]:
    """Scan and pair."""
    return [
        await enrol(f, PLACEMENT_OF[f.name], backend=backend, timers=TIMERS) for f in await found_by(backend, count)
    ]


@dataclass
class Session:
    """Everything that a link handed on.

    frames, minis : sound ones, live and from the ring, duplicates included. rows : full-rate samples by boot, in the order in which
    boots were first seen, and index.
    """

    link: Link
    packets: list[RawPacket] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    minis: list[MiniFrame] = field(default_factory=list)
    rows: dict[int, dict[int, np.ndarray]] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, packet: RawPacket) -> None:
        self.packets.append(packet)
        if packet.kind in (PacketKind.LIVE, PacketKind.BACKFILL):
            frame = decode(packet.payload)
            if isinstance(frame, MiniFrame):
                self.minis.append(frame)
            elif isinstance(frame, Frame):
                self._take(frame)
        self.news.set()

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        of_boot = self.rows.setdefault(frame.boot, {})
        for k, row in enumerate(frame.samples):
            before = of_boot.setdefault(frame.index + k, row)
            assert (before == row).all(), "a sample that came twice must be the same"
        self.newest[frame.boot] = max(self.newest.get(frame.boot, 0), frame.index + len(frame.samples) - 1)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until what has come makes it true."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not true():
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise AssertionError(f"it did not come true: {self.link.status}, {self.said()}") from None

    def of(self, *kinds: PacketKind) -> list[bytes]:
        return [p.payload for p in self.packets if p.kind in kinds]

    def said(self) -> list[tuple[str, str]]:
        """States and reasons, in order."""
        return [(m["state"], m["reason"]) for m in map(json.loads, self.of(PacketKind.LINK))]

    def whole(self, count: int = 1) -> bool:
        """Whether nothing is missing between the first sample of each of `count` boots and its newest."""
        return len(self.rows) == count and all(
            self.newest[boot] + 1 - min(rows) == len(rows) for boot, rows in self.rows.items()
        )


@asynccontextmanager
async def session(enrolled: Enrolled, backend: Backend, lock: asyncio.Lock | None = None) -> AsyncIterator[Session]:
    """A link that runs meanwhile, and is stopped cleanly."""
    began_ns = time.monotonic_ns()
    link = Link(enrolled, backend=backend, timers=TIMERS, lock=lock, now_ns=lambda: time.monotonic_ns() - began_ns)
    made = Session(link)
    running = asyncio.create_task(link.run(made.put))
    try:
        yield made
        async with asyncio.timeout(PATIENCE_S):
            await link.stop()
            await running
        times = [p.host_time_ns for p in made.packets]
        assert times == sorted(times), "time never falls"
    finally:
        running.cancel()
        await asyncio.wait((running,))
