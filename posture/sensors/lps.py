"""Our own sensor (firmware_protocol/PROTOCOL.md): how it is recognised, verified, and streamed from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakError

from firmware_protocol import gatt
from firmware_protocol.control import (
    Done,
    Haptic,
    Reply,
    SetConn,
    SetEpoch,
    Start,
    StartReply,
    Status,
    Stop,
    TimeSync,
    TimeSyncReply,
)
from firmware_protocol.frames import Frame, FrameType, MiniFrame, decode, unwrap
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import CHARGE_UNKNOWN, CHARGING, Config, Info, StatusReport, decode_info, decode_status
from posture.sensors.backend import is_unencrypted
from posture.sensors.backfill import Backfiller
from posture.sensors.control import ControlPoint
from posture.sensors.driver import Counts, Hub, LinkError, RefusedError
from posture.sensors.guard import BadRate, Frozen, LiveWindow
from posture.types import PacketKind, RawPacket

CONNECTION = SetConn(interval_min=12, interval_max=40, latency=0, timeout=500)
"""15-50 ms, 5 s (PROTOCOL.md section 9). Under 500 ms data was lost on Windows; the default of Linux is 420 ms."""


class LpsDriver:
    """The kind `lps`."""

    name = "lps"
    uuids: Sequence[str] = (str(gatt.SERVICE),)
    bonds = True

    def recognises(self, name: str | None, uuids: Sequence[str]) -> bool:  # noqa: ARG002  # the name is a hint for people
        """By the service: systems may cut or cache the name."""
        return str(gatt.SERVICE) in uuids

    async def serial(self, client: BleakClient) -> str:
        """The device id of Info, which Device Information must repeat."""
        info = await read_info(client)
        serial = info.device_id.hex().upper()
        said = bytes(await client.read_gatt_char(str(gatt.SERIAL_NUMBER.uuid))).decode("ascii", "replace")
        if said != serial:
            raise RefusedError("the sensor gives two different serials; it is not one of ours, or it is broken")
        return serial

    async def prove_bond(self, client: BleakClient) -> None:
        """Read Status, which is readable over an encrypted link only."""
        try:
            await client.read_gatt_char(str(gatt.STATUS.uuid))
        except BleakError as error:
            if is_unencrypted(error):
                raise RefusedError("the link is not encrypted; press the sensor's button and pair it again") from error
            raise

    def sensor(self, hub: Hub) -> LpsSensor:
        """For a session."""
        return LpsSensor(self, hub)


DRIVER = LpsDriver()


async def read_info(client: BleakClient) -> Info:
    """What the sensor says it is. RefusedError for another protocol."""
    info = decode_info(bytes(await client.read_gatt_char(str(gatt.INFO.uuid))))
    if info is Rejection.VERSION:
        raise RefusedError(
            "the sensor speaks another version of the protocol than 1; update this program or its firmware"
        )
    if isinstance(info, Rejection):
        raise RefusedError(f"the sensor's description of itself is wrong ({info.name.lower()}); update its firmware")
    return info


class LpsSensor:
    """One sensor for one session. What outlives a connection is the ledger and the counts."""

    def __init__(self, driver: LpsDriver, hub: Hub) -> None:
        self._driver, self._hub = driver, hub
        self.counts = Counts()
        self.battery_pct: int | None = None
        self.charging = False
        self.fault: str | None = None
        self._epoch_set: int | None = None
        self._client: BleakClient | None = None
        self._control: ControlPoint | None = None
        self._configs: dict[int, Config] = {}
        self._window: LiveWindow | None = None
        self._bad, self._frozen = BadRate(), Frozen()
        self._started: Callable[[StartReply], None] | None = None
        self._narrow = False
        self._period_s = 1.0
        self._haptic_s = -float("inf")
        self.status: StatusReport | None = None
        self.fill = Backfiller(self.counts, hub.timers)

    # ---- a connection

    async def begin(self, client: BleakClient) -> None:
        """As `Sensor.begin`."""
        enrolled = self._hub.enrolled
        serial = await self._driver.serial(client)
        if serial != enrolled.serial:
            raise RefusedError(
                f"another sensor answers at the address of {enrolled.name} (serial {serial}, not {enrolled.serial}); "
                "pair again if you have changed it"
            )
        if enrolled.bonded:
            await self._driver.prove_bond(client)
        self._client = client
        self._bad, self._window, self._started = BadRate(), None, None
        info_payload = bytes(await client.read_gatt_char(str(gatt.INFO.uuid)))
        info = await read_info(client)
        self._hub.emit(PacketKind.INFO, info_payload)
        self._configs = {c.id: c for c in info.configs}
        self._control = control = ControlPoint(client, self._hub.timers.request_s, self._indicated)
        await control.subscribe()
        for row, kind in ((gatt.BACKFILL, PacketKind.BACKFILL), (gatt.STATUS, PacketKind.STATUS)):
            await client.start_notify(str(row.uuid), self._emitter(kind))
        if client.services.get_characteristic(str(gatt.BATTERY_LEVEL.uuid)) is not None:  # BlueZ keeps it to itself
            await client.start_notify(str(gatt.BATTERY_LEVEL.uuid), lambda _, payload: self._battery(bytes(payload)))
        status = await self.read_status()
        await client.start_notify(str(gatt.STREAM.uuid), self._emitter(PacketKind.LIVE))
        await self._start(control, status, info)

    async def _start(self, control: ControlPoint, status: StatusReport, info: Info) -> None:
        """Full rate where the link carries it, else its average."""
        full = next((c for c in info.configs if c.decimation == 1), info.configs[0])
        averaged = next((c for c in info.configs if c.decimation > 1), full)
        rate_hz = full.rate_mhz / 1000.0

        def started(reply: StartReply) -> None:
            """Before the first frame is looked at, which may come with the reply and before anybody who waits for it wakes up."""
            if reply.config not in self._configs:
                return
            self._narrow = reply.n == 0
            self._period_s = max(reply.n, 1) * self._configs[reply.config].decimation / rate_hz
            late_s = self._hub.timers.late_s / self._hub.timers.scale
            self._window = LiveWindow(status.boot, reply.index, rate_hz, self._now_s(), late_s)
            self.fill.begin(control, status.boot, reply.index, capacity=info.ring_capacity, possible=not self._narrow)

        self._started = started
        reply = await control.ask(Start(full.id))
        if reply.status is Status.MTU:
            reply = await control.ask(Start(averaged.id))
        if reply.status is not Status.OK:
            raise LinkError(f"the sensor does not start ({reply.status.name.lower()}); it is tried again")
        await control.ask(CONNECTION)

    @property
    def period_s(self) -> float:
        """As `Sensor.period_s`."""
        return self._period_s

    async def tend(self) -> None:
        """As `Sensor.tend`."""
        timers, loop = self._hub.timers, asyncio.get_running_loop()
        sync_due = loop.time()
        status_due = loop.time() + timers.status_s
        while True:
            if loop.time() >= sync_due and not self._narrow:
                await self._sync()
                sync_due = loop.time() + timers.sync_s
            if loop.time() >= status_due:
                await self.read_status()
                status_due = loop.time() + timers.status_s
            await self.fill.step(self.read_status)
            await self.fill.wait(timers.fill_s)

    async def probe(self) -> None:
        """As `Sensor.probe`: read Status."""
        await self.read_status()

    async def end(self) -> None:
        """As `Sensor.end`."""
        if self._control is None:
            return
        await self._control.ask(Stop())
        async with asyncio.timeout(self._hub.timers.drain_s):
            while await self.fill.step(self.read_status):
                await self.fill.wait(self._hub.timers.fill_s / 4)

    async def haptic(self, pattern: int, strength_pct: int, repeats: int) -> bool:
        """As `Sensor.haptic`; at most one in `haptic_s`, and the sensor has a budget of its own."""
        now_s = self._hub.now_ns() / 1e9
        if self._control is None or (pattern and now_s - self._haptic_s < self._hub.timers.haptic_s):
            return False
        self._haptic_s = now_s
        try:
            return (await self._control.ask(Haptic(pattern, strength_pct, repeats))).status is Status.OK
        except (BleakError, TimeoutError, OSError):
            return False

    async def read_status(self) -> StatusReport:
        """Ask for it, record it."""
        if self._client is None:
            raise LinkError("the sensor is not connected")
        async with asyncio.timeout(self._hub.timers.request_s):
            payload = bytes(await self._client.read_gatt_char(str(gatt.STATUS.uuid)))
        report = decode_status(payload)
        if isinstance(report, Rejection):
            raise RefusedError("the sensor's status is not readable; update its firmware")
        self._hub.emit(PacketKind.STATUS, payload)
        self._note_status(report)
        return report

    async def _sync(self) -> None:
        """One exchange of times. The first in a boot also tells the sensor what time it is."""
        if self._control is None or self.status is None:
            return
        sent_ns = self._hub.now_ns()
        reply = await self._control.ask(TimeSync(sent_ns))
        if not isinstance(reply.args, TimeSyncReply) or self._epoch_set == self.status.boot:
            return
        half_us = (self._hub.now_ns() - sent_ns) // 2000
        middle_ticks = (reply.args.t2 + reply.args.t3) // 2
        told = await self._control.ask(SetEpoch(self._hub.unix_us() - half_us, middle_ticks))
        if told.status is Status.OK:
            self._epoch_set = self.status.boot

    # ---- what comes

    def _emitter(self, kind: PacketKind) -> Callable[[BleakGATTCharacteristic, bytearray], None]:
        return lambda _, payload: self._hub.emit(kind, bytes(payload))

    def _indicated(self, message: Reply | Done | Rejection, payload: bytes) -> None:
        if isinstance(message, Done):
            self._hub.emit(PacketKind.DONE, payload)
        elif isinstance(message, Reply) and isinstance(message.args, TimeSyncReply):
            self._hub.emit(PacketKind.SYNC, payload)
        elif isinstance(message, Reply) and isinstance(message.args, StartReply) and self._started is not None:
            self._started(message.args)

    def took(self, packet: RawPacket) -> bool:
        """As `Sensor.took`."""
        match packet.kind:
            case PacketKind.LIVE | PacketKind.BACKFILL:
                return self._took_frame(packet)
            case PacketKind.STATUS:
                report = decode_status(packet.payload)
                if isinstance(report, StatusReport):
                    self._note_status(report)
            case PacketKind.DONE:
                self.fill.ended(Done.unpack(packet.payload[1:]))
        return True

    def _took_frame(self, packet: RawPacket) -> bool:
        live = packet.kind is PacketKind.LIVE
        now_s = packet.host_time_ns / 1e9 / self._hub.timers.scale
        frame = decode(packet.payload, configs=self._configs)
        refused = frame if isinstance(frame, Rejection) else None
        if isinstance(frame, MiniFrame):
            frame = self._widened(frame)
        implausible = None
        if isinstance(frame, Frame):
            implausible = self._live_refuses(frame, now_s) if live else self.fill.refuses(frame)
        bad = refused is not None or implausible is not None
        self.counts.rejected += bad
        if self._bad.note(now_s, good=not bad):
            raise RefusedError(
                f"most of what the sensor sends is spoilt ({implausible or refused!r}); it is tried again"
            )
        if isinstance(frame, Frame) and not bad:
            self._count(frame, live=live)
        return implausible is None

    def _live_refuses(self, frame: Frame, now_s: float) -> str | None:
        if self._window is None:
            return "a frame before START was answered"
        return self._window.refuses(frame, now_s)

    def _widened(self, mini: MiniFrame) -> Frame:
        """A mini frame with all its index bits and its boot, which it leaves out."""
        boot = self._window.boot if self._window is not None else 0
        index = unwrap(mini.index, 24, self.fill.newest)
        return Frame(FrameType.MINI, mini.flags, boot, index, 0, mini.config, np.array([mini.sample], np.int16))

    def _count(self, frame: Frame, *, live: bool) -> None:
        config = self._configs[frame.config]
        covered = len(frame.samples) * config.decimation
        new = self.fill.take(frame.boot, frame.index, frame.index + covered, live=live)
        self.counts.received += new
        self.counts.backfilled += 0 if live else new
        if config.decimation == 1:  # averages reach into what came at the full rate
            self.counts.duplicates += covered - new
        if live and new:
            self.fault = self._frozen.note(frame.samples, config.rate_mhz / 1000.0)

    def _note_status(self, report: StatusReport) -> None:
        self.status = report
        self._charge(report.charge)

    def _battery(self, payload: bytes) -> None:
        """Battery Level says percent alone; whether it charges is in Status."""
        if len(payload) == 1:
            self.battery_pct = min(payload[0], 100)

    def _charge(self, charge: int) -> None:
        known = charge != CHARGE_UNKNOWN
        self.battery_pct = min(charge & ~CHARGING, 100) if known else None
        self.charging = known and bool(charge & CHARGING)

    def _now_s(self) -> float:
        return self._hub.now_ns() / 1e9 / self._hub.timers.scale
