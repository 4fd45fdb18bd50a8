"""A sensor without hardware: the C core on a board made of Bumble, with real advertising, GATT, pairing and encryption.

It is fed with counts (`Block`s), takes them at the pace of its clock, which may be faster than life, and misbehaves when asked to
(`Fault`). The ticks and the index of a sample depend on its place in the recording alone, never on when this process got round to
it. Whatever the protocol says of the sensor is done by the core; here is only what a board does: a clock, a store, a radio.

Two choices of this board. The store is memory that survives a reboot, not the end of the process. A finger is on the button when a
central connects and when it asks to pair, unless the fault `no-button` takes it away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bumble import gatt as bumble_gatt
from bumble import hci, smp
from bumble.att import ATT_Error, ATT_Handle_Value_Notification, Attribute, AttributeValue
from bumble.core import UUID, BaseBumbleError
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.host import Host
from bumble.keys import MemoryKeyStore, PairingKeys
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import AsyncPipeSink

from firmware_protocol import gatt
from firmware_protocol.control import SelfTest, SetConn
from firmware_protocol.core import Core, IdleBoard, Settings
from firmware_protocol.frames import TICK_HZ, Samples
from firmware_protocol.status import Config, Feature, ResetReason
from firmware_protocol.virtual_faults import FAULTS, Fault, FaultKind
from firmware_protocol.virtual_link import ACL_BUFFERS, Air, AirController

logger = logging.getLogger(__name__)

ATT_MTU = 247
"""What this sensor agrees to; 19 samples fill a frame of it."""
ADVERTISING_MS = 20.0
"""The shortest interval (Core 5.4, vol 6 part B 4.4.2.2); Bumble's own is 1 s."""
STEP_S = 0.01
"""Between two looks at the clock, s of the host. The core wants to be polled every 20 ms."""
FULL, SCARCE = (3870, 31, 75), (3480, 31, 9)
"""mV, deg C, % of a good and of a low battery."""
RING_BLOCKS = 512
"""2 MB, as the reference board has."""
_BY_NUMBER = {1: gatt.STREAM, 2: gatt.CONTROL, 3: gatt.STATUS, 5: gatt.BACKFILL}
_END_OF_I16 = np.iinfo(np.int16).max


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples, (n, 6) int16 counts, after `lost` samples that the sensor never had."""

    samples: Samples
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Make:
    """What sensor it is. config : the full-rate one; its average of four is made from it."""

    device_id: bytes
    config: Config
    model: str = "LPS virtual sensor"
    firmware: str = "1.0 on Bumble"
    ring_blocks: int = RING_BLOCKS

    @property
    def configs(self) -> tuple[Config, Config]:
        """The full rate and its quarter."""
        full = self.config
        scale = (full.acc_lsb_per_g, full.gyr_lsb_per_dps, full.acc_range_g, full.gyr_range_dps)
        return full, Config(full.id + 1, full.rate_mhz // 4, 4, *scale)


@dataclass(slots=True)
class ScaledClock:
    """s since it was made, `speed` times as fast as `monotonic`."""

    speed: float
    monotonic: Callable[[], float] = time.monotonic
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.monotonic()

    def now_s(self) -> float:
        """Sensor time, s."""
        return (self.monotonic() - self.began) * self.speed


class Rows:
    """Blocks, taken as many samples at a time as are due."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._lost = 0
        self._samples: Samples = np.empty((0, 6), np.int16)

    def take(self, count: int) -> Block | None:
        """At most `count` > 0 samples: either some that were lost, or some that are there. None: there are no more."""
        while not self._lost and not len(self._samples):
            block = next(self._blocks, None)
            if block is None:
                return None
            self._lost, self._samples = block.lost, block.samples
        if self._lost:
            lost = min(count, self._lost)
            self._lost -= lost
            return Block(self._samples[:0], lost)
        taken, self._samples = self._samples[:count], self._samples[count:]
        return Block(taken)


class _OneBond(MemoryKeyStore):
    """A new bond replaces the old one."""

    async def update(self, name: str, keys: PairingKeys) -> None:
        self.all_keys.clear()
        await super().update(name, keys)


class _SecureSession(smp.Session):
    """Pairs by LE Secure Connections with a bond, or not at all; Bumble itself would fall back to legacy pairing."""

    async def on_smp_pairing_request_command_async(self, command: smp.SMP_Pairing_Request_Command) -> None:
        """Refuse what asks for less."""
        needed = smp.AuthReq.SC | smp.AuthReq.BONDING
        if command.auth_req & needed != needed:
            self.send_pairing_failed(smp.ErrorCode.AUTHENTICATION_REQUIREMENTS)
        else:
            await super().on_smp_pairing_request_command_async(command)


class _Button(PairingDelegate):
    """Pairing is accepted while the core says so."""

    def __init__(self, allowed: Callable[[], bool]) -> None:
        super().__init__(PairingDelegate.NO_OUTPUT_NO_INPUT)
        self._allowed = allowed

    async def accept(self) -> bool:
        return self._allowed()


class VirtualSensor(IdleBoard):
    """One sensor on the air. `run` advertises, samples and serves until it is cancelled.

    say : told in a few words what a person would see or feel: connected, buzz, blink, a fault that strikes.
    """

    def __init__(
        self,
        make: Make,
        blocks: Iterator[Block],
        air: Air,
        *,
        speed: float = 1.0,
        faults: Sequence[Fault] = (),
        say: Callable[[str], None] = logger.info,
    ) -> None:
        super().__init__(make.ring_blocks)
        self.make = make
        self.name = gatt.advertised_name(make.device_id)
        self._say = say
        self._air = air
        self._rows = Rows(blocks)
        self._faults = {f.kind: f for f in faults}
        self._waiting = sorted((f for f in faults if FAULTS[f.kind].timed), key=lambda f: f.at_s)
        self._speed = speed * (1.0 + 1e-6 * self._value(FaultKind.CLOCK_PPM))
        self._clock = ScaledClock(self._speed)
        self._rate_hz = make.config.rate_mhz / 1000.0
        self._piece = max(1, int(self._rate_hz / 10.4))
        self._power = FULL
        self._frozen = False
        self._silent = False
        self._knock_left = 0
        self._last: Samples = np.zeros((1, 6), np.int16)
        self._frames = 0
        self._streamed_n = 0
        self._ended = False
        self._connection: Connection | None = None
        self._indicating: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._characteristics: dict[gatt.Characteristic, bumble_gatt.Characteristic[bytes]] = {}
        self._controller = AirController(self.name, link=air)
        self.device = self._make_device()
        self._boot(ResetReason.POWER_ON)

    # ---- its life

    async def start(self) -> None:
        """Advertise: from here on it can be found."""
        await self.device.power_on()
        await self.device.start_advertising(
            auto_restart=True,
            advertising_data=gatt.advertisement(self.make.device_id),
            advertising_interval_min=ADVERTISING_MS,
            advertising_interval_max=ADVERTISING_MS,
        )

    async def run(self) -> None:
        """Sample and serve, after `start`, until cancelled."""
        try:
            while True:
                self._sample()
                self.core.poll()
                await asyncio.sleep(STEP_S)
        finally:
            # What is on its way to the host comes first, and nothing after it: it would begin tasks that nobody ends.
            self._controller.set_packet_sink(None)
            await asyncio.sleep(0)
            for task in self._tasks:
                task.cancel()

    def _boot(self, reason: ResetReason) -> None:
        self._boot_s = self._clock.now_s()
        self._index = 0
        features = (
            Feature.FLASH_RING
            | Feature.HAPTIC
            | Feature.LED
            | Feature.BUTTON
            | Feature.LOCAL_ALERT
            | Feature.BATTERY_GAUGE
        )
        settings = Settings(self.make.device_id, self.make.configs, self.blocks, features, 1, reason)
        self.core = Core(self, settings)

    def _restart(self, reason: ResetReason) -> None:
        self._say(f"reboot: {reason.name.lower().replace('_', ' ')}")
        self._air.lose(self._controller)
        self._forget_connection()
        self._boot(reason)

    def _sample(self) -> None:
        while (due := self._due() - self._index) > 0 and not self._ended:
            block = self._rows.take(min(self._piece, due))
            if block is None:
                self._ended = True
                self._say("the recording has ended; what is in the ring can still be asked for")
                return
            if block.lost:
                self.core.lost(block.lost)
                self._index += block.lost
                continue
            rows = self._worn_out(block.samples)
            nth = np.arange(self._index + 1, self._index + 1 + len(rows), dtype=np.uint64)
            self._index += len(rows)
            # In whole numbers, so that a tick does not hang on how a float is rounded.
            self.core.samples(rows, nth * np.uint64(1000 * TICK_HZ) // np.uint64(self.make.config.rate_mhz))
            self.core.poll()
            self._streamed_n += len(rows) if self.core.core.stream.active else 0
            self._strike()  # counted in samples: a late look at the clock changes nothing

    def _due(self) -> int:
        """Samples that this boot must have made by now."""
        return int((self._clock.now_s() - self._boot_s) * self._rate_hz)

    def _worn_out(self, rows: Samples) -> Samples:
        """The samples as a failing IMU gives them."""
        if self._frozen:
            return np.repeat(self._last, len(rows), axis=0)
        self._last = rows[-1:]
        if self._knock_left:
            hit = min(self._knock_left, len(rows))
            self._knock_left -= hit
            rows = rows.copy()
            rows[:hit] = _END_OF_I16
        return rows

    # ---- faults

    def _value(self, kind: FaultKind) -> float:
        fault = self._faults.get(kind)
        return fault.value if fault is not None else 0.0

    def _strike(self) -> None:
        streamed_s = self._streamed_n / self._rate_hz
        while self._waiting and streamed_s >= self._waiting[0].at_s and self.core.core.stream.active:
            fault = self._waiting.pop(0)
            self._say(f"fault: {fault.kind.value}")
            match fault.kind:
                case FaultKind.DISCONNECT:
                    if self._connection is not None:
                        self._spawn(self._connection.disconnect())
                case FaultKind.TIMEOUT:
                    self._air.lose(self._controller)
                case FaultKind.OUT_OF_RANGE:
                    self._spawn(self._wander(fault.value))
                case FaultKind.SILENT:
                    self._silent = True
                case FaultKind.REBOOT:
                    self._restart(ResetReason.WATCHDOG)
                case FaultKind.LOW_BATTERY:
                    self._power = SCARCE
                    self._notify_battery()
                case FaultKind.FROZEN:
                    self._frozen = True
                case FaultKind.CLIPPING:
                    self._knock_left = max(1, round(fault.value * self._rate_hz))

    async def _wander(self, away_s: float) -> None:
        parameters = self._connection.parameters if self._connection is not None else None
        supervision_s = parameters.supervision_timeout / 1000.0 if parameters is not None else away_s
        self._air.leave(self._controller, supervision_s / self._speed)
        await asyncio.sleep(away_s / self._speed)
        self._air.come_back(self._controller)
        self._say("back in range")

    # ---- the board

    def ticks(self) -> int:
        """As `Board.ticks`."""
        return int((self._clock.now_s() - self._boot_s) * TICK_HZ)

    def notify(self, characteristic: int, payload: bytes) -> bool:
        """As `Board.notify`; every n-th frame twice or spoilt where that was asked for."""
        of = _BY_NUMBER[characteristic]
        spare = 2 if of is gatt.BACKFILL else 1
        if self._silent or not self._subscribed(of, 1) or self._air.waiting(self._controller) + spare > ACL_BUFFERS:
            return False
        copies = 1
        if of is not gatt.STATUS:
            self._frames += 1
            if (n := int(self._value(FaultKind.CORRUPT))) and self._frames % n == 0:
                payload = payload[:-3] + bytes((payload[-3] ^ 0x10,)) + payload[-2:]
            if (n := int(self._value(FaultKind.DUPLICATE))) and self._frames % n == 0:
                copies = 2
        for _ in range(copies):
            self._send(of, payload)
        return True

    def indicate(self, payload: bytes) -> bool:
        """As `Board.indicate`."""
        if self._connection is None or not self._subscribed(gatt.CONTROL, 2):
            return False
        self._indicating = self._spawn(self._indicate(self._connection, payload))
        return True

    def motor(self, strength_pct: int, on_ms: int) -> None:
        """As `Board.motor`."""
        self._say(f"buzz {strength_pct} % {on_ms} ms" if on_ms else "buzz ends")

    def led(self, on_ms: int) -> None:
        """As `Board.led`."""
        self._say(f"blink {on_ms} ms")

    def power(self) -> tuple[int, int, int]:
        """As `Board.power`."""
        return self._power

    def self_test(self) -> tuple[int, int]:
        """As `Board.self_test`: all parts, and a frozen IMU fails."""
        return 15, int(SelfTest.IMU) if self._frozen else 0

    def set_connection(self, asked: SetConn) -> bool:
        """As `Board.set_connection`, by the request of L2CAP, which every central understands."""
        if self._connection is None:
            return False
        interval_ms = (asked.interval_min * 1.25, asked.interval_max * 1.25)
        self._spawn(
            self.device.update_connection_parameters(
                self._connection, *interval_ms, asked.latency, asked.timeout * 10.0, use_l2cap=True
            )
        )
        return True

    def forget_bonds(self) -> None:
        """As `Board.forget_bonds`; the link ends with it."""
        self._spawn(self._forget_bonds())

    def reboot(self) -> None:
        """As `Board.reboot`; when the core has returned from the call that led here."""
        asyncio.get_running_loop().call_soon(self._restart, ResetReason.REQUESTED)

    # ---- the link

    def _make_device(self) -> Device:
        address = (
            bytes((self.make.device_id[-6] | 0xC0,)) + self.make.device_id[-5:]
        )  # a static one: its top bits are set
        config = DeviceConfiguration(
            name=self.name,
            address=hci.Address(address[::-1], hci.Address.RANDOM_DEVICE_ADDRESS),
            irk=_irk(self.make.device_id),
        )
        device = Device(config=config, host=Host(self._controller, AsyncPipeSink(self._controller)))
        device.keystore = _OneBond()
        device.smp_session_proxy = _SecureSession
        device.pairing_config_factory = lambda _: PairingConfig(mitm=False, delegate=_Button(self._may_pair))
        device.gatt_server.max_mtu = gatt.MTU_MIN if FaultKind.MTU_23 in self._faults else ATT_MTU
        for uuid, characteristics in gatt.SERVICES.items():
            device.add_service(
                bumble_gatt.Service(UUID(str(uuid)), [self._make_characteristic(device, c) for c in characteristics])
            )
        device.on(device.EVENT_CONNECTION, self._on_connection)
        return device

    def _make_characteristic(self, device: Device, row: gatt.Characteristic) -> bumble_gatt.Characteristic[bytes]:
        own = bumble_gatt.Characteristic.Properties
        properties = own(0)
        for mine, theirs in (
            (gatt.Property.READ, own.READ),
            (gatt.Property.WRITE, own.WRITE),
            (gatt.Property.NOTIFY, own.NOTIFY),
            (gatt.Property.INDICATE, own.INDICATE),
        ):
            if mine in row.properties:
                properties |= theirs
        permissions, configuration = Attribute.Permissions(0), Attribute.READABLE | Attribute.WRITEABLE
        if gatt.Property.READ in row.properties:
            permissions |= Attribute.READABLE
        if gatt.Property.WRITE in row.properties:
            permissions |= Attribute.WRITEABLE
        if row.security is gatt.Security.ENCRYPTED:
            permissions |= Attribute.READ_REQUIRES_ENCRYPTION | Attribute.WRITE_REQUIRES_ENCRYPTION
            configuration |= Attribute.WRITE_REQUIRES_ENCRYPTION
        value: AttributeValue[bytes] = AttributeValue(read=lambda _: self._read(row), write=self._write)
        made: bumble_gatt.Characteristic[bytes] = bumble_gatt.Characteristic(
            UUID(str(row.uuid)), properties, permissions, value
        )
        if row.properties & (gatt.Property.NOTIFY | gatt.Property.INDICATE):
            # Bumble's own descriptor would be open to everyone.
            made.descriptors = [
                bumble_gatt.Descriptor(
                    bumble_gatt.GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR,
                    configuration,
                    device.gatt_server.make_descriptor_value(made),
                )
            ]
        self._characteristics[row] = made
        return made

    def _read(self, row: gatt.Characteristic) -> bytes:
        if row is gatt.INFO:
            return self.core.info()
        if row is gatt.STATUS:
            return self.core.status()
        if row is gatt.BATTERY_LEVEL:
            return bytes((self._power[2],))
        if row is gatt.SERIAL_NUMBER:
            other = FaultKind.WRONG_SERIAL in self._faults
            return (self.make.device_id[::-1] if other else self.make.device_id).hex().upper().encode()
        return (self.make.model if row is gatt.MODEL_NUMBER else self.make.firmware).encode()

    def _write(self, _: Connection, value: bytes) -> None:
        error = self.core.write(value)
        if error:
            raise ATT_Error(error)

    def _send(self, row: gatt.Characteristic, payload: bytes) -> None:
        assert self._connection is not None  # noqa: S101  # the caller has asked whether somebody listens
        pdu = ATT_Handle_Value_Notification(self._characteristics[row].handle, payload)
        self.device.gatt_server.send_gatt_pdu(self._connection, bytes(pdu))

    def _notify_battery(self) -> None:
        if self._subscribed(gatt.BATTERY_LEVEL, 1):
            self._send(gatt.BATTERY_LEVEL, self._read(gatt.BATTERY_LEVEL))

    def _subscribed(self, row: gatt.Characteristic, bit: int) -> bool:
        if self._connection is None:
            return False
        configured = self.device.gatt_server.read_cccd(self._connection, self._characteristics[row])
        return bool(configured[0] & bit)

    async def _indicate(self, connection: Connection, payload: bytes) -> None:
        try:
            await self.device.gatt_server.indicate_subscriber(connection, self._characteristics[gatt.CONTROL], payload)
        except TimeoutError:  # a client that does not confirm has ended the use of ATT (Core 5.4, vol 3 part F 3.3.3)
            await connection.disconnect()
            return
        if connection is self._connection:
            self.core.confirmed()
            self.core.poll()

    def _may_pair(self) -> bool:
        self._press()
        return self.core.may_pair()

    def _press(self) -> None:
        if FaultKind.NO_BUTTON not in self._faults:
            self.core.button()

    def _on_connection(self, connection: Connection) -> None:
        def encryption() -> None:
            if connection is self._connection:
                self.core.encrypted(encrypted=bool(connection.encryption))

        def mtu() -> None:
            if connection is self._connection:
                self.core.mtu(connection.att_mtu)

        def ended(reason: int) -> None:
            self._say(f"disconnected: {hci.HCI_ErrorCode(reason).name.lower()}")
            if connection is self._connection:
                self._forget_connection()
                self.core.disconnected()

        self._say("connected")
        self._connection, self._silent = connection, False
        self.core.connected()
        self._press()
        connection.on(connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, encryption)
        connection.on(connection.EVENT_CONNECTION_ATT_MTU_UPDATE, mtu)
        connection.on(connection.EVENT_DISCONNECTION, ended)

    def _forget_connection(self) -> None:
        self._connection = None
        if self._indicating is not None:
            self._indicating.cancel()

    async def _forget_bonds(self) -> None:
        if self.device.keystore is not None:
            await self.device.keystore.delete_all()
        self._say("bonds forgotten")
        if self._connection is not None:
            await self._connection.disconnect()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something on the link beside; that the link ends meanwhile is no error."""

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                expected = isinstance(error, BaseBumbleError | asyncio.CancelledError)
                logger.log(logging.DEBUG if expected else logging.ERROR, "%s: %r", self.name, error)

        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(ended)
        return task


def _irk(device_id: bytes) -> bytes:
    """An identity key of 16 bytes; the address is not private, so that it only has to be there."""
    return device_id + device_id[::-1]
