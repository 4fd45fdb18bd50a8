"""The other end of the virtual sensor's link: `posture virtual-sensor` in its own process, and a plain Bumble host as central."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bumble.att import ATT_Error
from bumble.core import UUID
from bumble.core import TimeoutError as ConnectTimeout
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.hci import Address
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig
from bumble.transport import open_transport

from firmware_protocol import gatt
from firmware_protocol.control import Done, Reply, Request, decode_reply, encode_request
from firmware_protocol.frames import Frame, MiniFrame, decode
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import StatusReport, decode_status

REPOSITORY = Path(__file__).resolve().parent.parent
PATIENCE_S = 20.0
"""A busy machine is slow; nothing waits this long on a free one."""


class Sensors:
    """The process: what it says, and a way to wait for that."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())
            self._news.set()
        self._news.set()

    async def said(self, words: str) -> str:
        """The first line with these words, waited for."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = next((line for line in self.lines if words in line), None)
                if found is not None:
                    return found
                assert not self._reader.done(), f"it ended without {words!r}: {self.lines}"
                self._news.clear()
                await self._news.wait()

    async def ended(self) -> tuple[int, str]:
        """Exit code and what it said on stderr, at the end."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            await self._reader
            error = (await self.process.stderr.read()).decode()
            return await self.process.wait(), error


@asynccontextmanager
async def virtual_sensor(home: Path, *arguments: str | Path, ready: bool = True) -> AsyncIterator[Sensors]:
    """`posture virtual-sensor`, advertising, ended at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "posture.app.cli", "virtual-sensor", *(str(a) for a in arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "POSTURE_HOME": str(home), "PYTHONPATH": str(REPOSITORY), "COLUMNS": "100"},
    )
    sensors = Sensors(process)
    try:
        if ready:
            await sensors.said("READY")
        yield sensors
    finally:
        if process.returncode is None:
            process.terminate()
        code, error = await sensors.ended()
        assert not ready or (code, error) == (0, ""), f"{code}: {error}"


class Link:
    """A connection to one sensor, with everything that came over it."""

    def __init__(self, connection: Connection, peer: Peer) -> None:
        self.connection = connection
        self.peer = peer
        self.by_row: dict[gatt.Characteristic, Any] = {}
        self.stream: list[Frame | MiniFrame | Rejection] = []
        self.backfill: list[Frame | MiniFrame | Rejection] = []
        self.statuses: list[StatusReport] = []
        self.battery: list[int] = []
        self.indications: list[Reply | Done] = []
        self.lost_because: int | None = None
        self._news = asyncio.Event()
        self._tag = 0
        connection.on("disconnection", self._ended)

    def _ended(self, reason: int) -> None:
        self.lost_because = reason
        self._news.set()

    def _came(self, take: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def receive(payload: bytes) -> None:
            take(bytes(payload))
            self._news.set()

        return receive

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for what has come to make it true."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def lost(self) -> int:
        """Wait for the end of the link: the reason."""
        await self.until(lambda: self.lost_because is not None)
        assert self.lost_because is not None
        return self.lost_because

    async def discover(self) -> None:
        """Every characteristic of the protocol's table."""
        await self.peer.discover_services()
        for service, rows in gatt.SERVICES.items():
            (found,) = self.peer.get_services_by_uuid(UUID(str(service)))
            await found.discover_characteristics()
            for row in rows:
                (self.by_row[row],) = found.get_characteristics_by_uuid(UUID(str(row.uuid)))

    async def read(self, row: gatt.Characteristic) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return bytes(await self.peer.read_value(self.by_row[row]))

    async def write(self, payload: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.by_row[gatt.CONTROL].write_value(payload, with_response=True)

    async def pair(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.connection.pair()

    async def encrypt(self) -> None:
        """With the bond that there is."""
        async with asyncio.timeout(PATIENCE_S):
            await self.connection.encrypt()

    async def subscribe(self) -> None:
        """To everything."""

        def status(payload: bytes) -> None:
            report = decode_status(payload)
            assert isinstance(report, StatusReport)
            self.statuses.append(report)

        def indication(payload: bytes) -> None:
            message = decode_reply(payload)
            assert isinstance(message, Reply | Done)
            self.indications.append(message)

        takes: dict[gatt.Characteristic, Callable[[bytes], None]] = {
            gatt.CONTROL: indication,
            gatt.STREAM: lambda payload: self.stream.append(decode(payload)),
            gatt.BACKFILL: lambda payload: self.backfill.append(decode(payload)),
            gatt.STATUS: status,
            gatt.BATTERY_LEVEL: lambda payload: self.battery.append(payload[0]),
        }
        async with asyncio.timeout(PATIENCE_S):
            for row, take in takes.items():
                await self.by_row[row].subscribe(self._came(take), prefer_notify=row is not gatt.CONTROL)

    async def ask(self, args: Request | bytes) -> Reply:
        """A request and its reply. bytes: op and arguments as they are, right or wrong."""
        self._tag += 1
        tag = self._tag
        await self.write(args[:1] + bytes((tag,)) + args[1:] if isinstance(args, bytes) else encode_request(args, tag))
        return await self.reply(tag)

    async def reply(self, tag: int) -> Reply:
        def found() -> list[Reply]:
            return [i for i in self.indications if isinstance(i, Reply) and i.tag == tag]

        await self.until(lambda: bool(found()))
        return found()[0]

    async def done(self, count: int = 1) -> Done:
        """The count-th DONE."""

        def found() -> list[Done]:
            return [i for i in self.indications if isinstance(i, Done)]

        await self.until(lambda: len(found()) >= count)
        return found()[count - 1]

    def frames(self) -> list[Frame]:
        return [f for f in self.stream if isinstance(f, Frame)]

    def live_n(self) -> int:
        """Samples that have come live."""
        return sum(len(f.samples) for f in self.frames())


class Central:
    """A Bumble host over the TCP that the sensor's process opened."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._sensors: dict[str, Advertisement] = {}
        self._news = asyncio.Event()
        device.on("advertisement", self._heard)

    def _heard(self, advertisement: Advertisement) -> None:
        name = gatt.name_in_advertisement(advertisement.data_bytes)
        if name is not None:
            self._sensors[name] = advertisement
            self._news.set()

    async def find(self, name: str) -> Advertisement:
        """Scan until this sensor is heard."""
        self._sensors.clear()
        await self.device.start_scanning(filter_duplicates=False)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while name not in self._sensors:
                    self._news.clear()
                    await self._news.wait()
        finally:
            await self.device.stop_scanning()
        return self._sensors[name]

    async def connect(self, name: str, *, mtu: int = 247) -> Link:
        """Find, connect, exchange the MTU, discover."""
        found = await self.find(name)
        async with asyncio.timeout(PATIENCE_S):
            connection = await self.device.connect(found.address)
            peer = Peer(connection)
            link = Link(connection, peer)
            await peer.request_mtu(mtu)
            await link.discover()
        return link

    async def ready(self, name: str) -> Link:
        """Connected, paired or encrypted with the bond, and subscribed."""
        link = await self.connect(name)
        bonded = self.device.keystore is not None and await self.device.keystore.get_all()
        await (link.encrypt() if bonded else link.pair())
        await link.subscribe()
        return link


@asynccontextmanager
async def central(sensors: Sensors, *, secure: bool = True) -> AsyncIterator[Central]:
    """secure: False: a host that knows legacy pairing only."""
    address = (await sensors.said("HCI tcp-client:")).removeprefix("HCI ")
    transport = await open_transport(address)
    device = Device.with_hci("host", Address("F1:02:03:04:05:06"), transport.source, transport.sink)
    device.keystore = MemoryKeyStore()
    device.pairing_config_factory = lambda _: PairingConfig(sc=secure, mitm=False)
    try:
        await device.power_on()
        yield Central(device)
    finally:
        await transport.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


__all__ = ["ATT_Error", "Central", "ConnectTimeout", "Link", "central", "run", "virtual_sensor"]
