"""`org.bluez` without a radio: a process that owns that name on a private bus, with sensors near that run the firmware's core.

Only what bleak's own BlueZ backend asks for. The sensors are bonded already, and near the last adapter. As BlueZ does, it keeps the
battery service to itself, leaves a device connected whose program has ended, which then does not advertise, and from the second
connection on gives every notification twice (bleak#2002).

It says `BUS ADDRESS` where it made the bus itself, `SENSOR ADDRESS SERIAL MADE_NS` for each sensor (when its first sampling period
began, by the clock of `posture.app.source.monotonic_ns`), and READY.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from dbus_fast import BusType, Message, MessageType, RequestNameReply, Variant
from dbus_fast.aio import MessageBus
from motion_file import counts_of
from private_bus import private_bus

from firmware_protocol import gatt
from firmware_protocol.core import Core, IdleBoard, Settings
from firmware_protocol.frames import Samples
from firmware_protocol.status import Config
from posture.app.source import monotonic_ns

DEVICE_ID = bytes.fromhex("5649525455414C01")
ADDRESS = "D2:54:55:41:4C:01"
SPEED, RATE_HZ = 10.0, 52
_FLAG_OF = {
    gatt.Property.READ: "read",
    gatt.Property.WRITE: "write",
    gatt.Property.NOTIFY: "notify",
    gatt.Property.INDICATE: "indicate",
}
CONFIGS = (Config(1, 52_000, 1, 4096.0, 32.768, 8, 1000), Config(2, 13_000, 4, 4096.0, 32.768, 8, 1000))
_BY_NUMBER = {1: gatt.STREAM, 2: gatt.CONTROL, 3: gatt.STATUS, 5: gatt.BACKFILL}
_ADAPTER, _DEVICE, _CHARACTERISTIC = "org.bluez.Adapter1", "org.bluez.Device1", "org.bluez.GattCharacteristic1"


class Sensor(IdleBoard):
    """The core on a board whose radio is D-Bus signals. number : from 1. clock : its s per s of this computer."""

    def __init__(self, bluez: FakeBluez, number: int, rows: Samples, clock: float) -> None:
        super().__init__(64)
        self.bluez, self.rows, self.clock = bluez, rows, clock
        self.device_id = DEVICE_ID[:-1] + bytes([number])
        self.address, self.name = f"{ADDRESS[:-2]}{number:02X}", f"LPS-4C{number:02X}"
        self.path = f"{bluez.adapter}/dev_{self.address.replace(':', '_')}"
        self.path_of: dict[gatt.Characteristic, str] = {}
        self.notifying: set[str] = set()
        self.connections = 0
        self.began_ns, self.index = monotonic_ns(), 0
        self.core = Core(self, Settings(self.device_id, CONFIGS, 64))

    def now_s(self) -> float:
        """By its own clock, since it was switched on."""
        return (monotonic_ns() - self.began_ns) * 1e-9 * self.clock

    def ticks(self) -> int:
        return int(self.now_s() * 32768)

    def notify(self, characteristic: int, payload: bytes) -> bool:
        return self.bluez.notify(self, _BY_NUMBER[characteristic], payload)

    def indicate(self, payload: bytes) -> bool:
        def confirmed() -> None:
            self.core.confirmed()
            self.core.poll()

        if not self.bluez.notify(self, gatt.CONTROL, payload):
            return False
        asyncio.get_running_loop().call_soon(confirmed)
        return True

    def power(self) -> tuple[int, int, int]:
        return 3870, 31, 75

    async def run(self) -> None:
        while True:
            due = min(int(self.now_s() * RATE_HZ), len(self.rows))
            while self.index < due:
                rows = self.rows[self.index : min(self.index + 5, due)]
                nth = np.arange(self.index + 1, self.index + 1 + len(rows), dtype=np.uint64)
                self.index += len(rows)
                self.core.samples(rows, nth * np.uint64(32768) // np.uint64(RATE_HZ))
            self.core.poll()
            await asyncio.sleep(0.01)


@dataclass
class FakeBluez:
    """Objects, their properties and what their methods do. deaf : it answers nothing, as a service that hangs."""

    bus: MessageBus
    adapters: list[str]
    drop_after_s: float = 0.0
    powered: bool = True
    deaf: bool = False
    objects: dict[str, dict[str, dict[str, Variant]]] = field(default_factory=dict)
    sensors: list[Sensor] = field(default_factory=list)
    at: dict[str, tuple[Sensor, gatt.Characteristic | None]] = field(default_factory=dict)
    scanning: bool = False

    def __post_init__(self) -> None:
        for name in self.adapters:
            self.objects[f"/org/bluez/{name}"] = {
                _ADAPTER: {
                    "Address": Variant("s", "00:00:00:00:00:01"),
                    "Powered": Variant("b", self.powered),
                    "Roles": Variant("as", ["central"]),
                }
            }

    @property
    def adapter(self) -> str:
        """The one that the sensors are near."""
        return f"/org/bluez/{self.adapters[-1]}"

    def bring(self, sensor: Sensor) -> None:
        """A sensor is near from here on."""
        self.sensors.append(sensor)
        self.at[sensor.path] = sensor, None
        self.objects[sensor.path] = {
            _DEVICE: {
                "Address": Variant("s", sensor.address),
                "Name": Variant("s", sensor.name),
                "Alias": Variant("s", sensor.name),
                "Adapter": Variant("o", self.adapter),
                "UUIDs": Variant("as", [str(gatt.SERVICE)]),
                "Paired": Variant("b", True),
                "Connected": Variant("b", False),
                "ServicesResolved": Variant("b", False),
                "RSSI": Variant("n", -50),
            }
        }
        for s, (uuid, rows) in enumerate(gatt.SERVICES.items()):
            if uuid == gatt.BATTERY_SERVICE:
                continue
            service = f"{sensor.path}/service{s:04x}"
            own = {"UUID": Variant("s", str(uuid)), "Primary": Variant("b", True), "Device": Variant("o", sensor.path)}
            self.objects[service] = {"org.bluez.GattService1": own}
            for c, row in enumerate(rows):
                path = f"{service}/char{16 * s + c:04x}"
                flags = [flag for bit, flag in _FLAG_OF.items() if bit in row.properties]
                self.objects[path] = {
                    _CHARACTERISTIC: {
                        "UUID": Variant("s", str(row.uuid)),
                        "Service": Variant("o", service),
                        "Flags": Variant("as", flags),
                        "MTU": Variant("q", 247),
                    }
                }
                self.at[path], sensor.path_of[row] = (sensor, row), path

    # ---- what it tells

    def changed(self, path: str, interface: str, **properties: Variant) -> None:
        self.objects[path][interface].update(properties)
        self.bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path=path,
                interface="org.freedesktop.DBus.Properties",
                member="PropertiesChanged",
                signature="sa{sv}as",
                body=[interface, properties, []],
            )
        )

    def notify(self, sensor: Sensor, row: gatt.Characteristic, payload: bytes) -> bool:
        path = sensor.path_of[row]
        if path not in sensor.notifying:
            return False
        for _ in range(2 if sensor.connections > 1 else 1):
            self.changed(path, _CHARACTERISTIC, Value=Variant("ay", payload))
        return True

    async def advertise(self) -> None:
        """While somebody scans."""
        while True:
            for sensor in self.sensors if self.scanning else ():
                if not self.objects[sensor.path][_DEVICE]["Connected"].value:
                    self.changed(sensor.path, _DEVICE, RSSI=Variant("n", -50), UUIDs=Variant("as", [str(gatt.SERVICE)]))
            await asyncio.sleep(0.02)

    # ---- what it is asked

    def handle(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL or message.path is None:
            return None
        if self.deaf:
            return True
        body = self.answer(message.path, message.member or "", message.body)
        if body is None:
            return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownMethod", str(message.member))
        return Message.new_method_return(message, *body)

    def answer(self, path: str, member: str, arguments: list[Any]) -> tuple[str, list[Any]] | tuple[()] | None:
        """Signature and body of the reply; () without, None for what is not known here."""
        match member:
            case "GetManagedObjects":
                return "a{oa{sa{sv}}}", [self.objects]
            case "SetDiscoveryFilter":
                return ()
            case "StartDiscovery" | "StopDiscovery":
                print(f"{member} {path}", flush=True)
                self.scanning = member == "StartDiscovery" and path == self.adapter
                return ()
        sensor, row = self.at.get(path, (None, None))
        if sensor is None:
            return None
        match member:
            case "Connect":
                self.connect(sensor)
                return ()
            case "Disconnect":
                self.disconnect(sensor)
                return ()
            case "ReadValue" if row is not None:
                return "ay", [self.read(sensor, row)]
            case "WriteValue" if row is not None:
                sensor.core.write(bytes(arguments[0]))
                return ()
            case "StartNotify":
                sensor.notifying.add(path)
                return ()
            case "StopNotify":
                sensor.notifying.discard(path)
                return ()
        return None

    def read(self, sensor: Sensor, row: gatt.Characteristic) -> bytes:
        known = {gatt.INFO: sensor.core.info, gatt.STATUS: sensor.core.status}
        if row in known:
            return known[row]()
        return sensor.device_id.hex().upper().encode() if row is gatt.SERIAL_NUMBER else b"\x4b"

    def connect(self, sensor: Sensor) -> None:
        sensor.connections += 1
        print(f"Connect {sensor.connections}", flush=True)
        sensor.core.connected()
        sensor.core.encrypted(encrypted=True)
        sensor.core.mtu(247)
        self.changed(sensor.path, _DEVICE, Connected=Variant("b", True))
        self.changed(sensor.path, _DEVICE, ServicesResolved=Variant("b", True))
        if self.drop_after_s and sensor.connections == 1:
            asyncio.get_running_loop().call_later(self.drop_after_s, self.disconnect, sensor)

    def disconnect(self, sensor: Sensor) -> None:
        sensor.notifying.clear()
        sensor.core.disconnected()
        self.changed(sensor.path, _DEVICE, Connected=Variant("b", False), ServicesResolved=Variant("b", False))


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("adapters", nargs="*")
    parser.add_argument("--drop-after", type=float, default=0.0)
    parser.add_argument("--off", action="store_true", help="the adapters have no power")
    parser.add_argument("--deaf", action="store_true", help="answer nothing")
    parser.add_argument("--speed", type=float, default=SPEED)
    parser.add_argument("--ppm", type=float, action="append", help="how fast its clock is; one for each sensor")
    parser.add_argument("--rows", type=Path, action="append", help="(n, 6) int16 counts, .npy; one for each sensor")
    parser.add_argument("--bus", type=Path, help="make the bus too, with its socket in this folder")
    asked = parser.parse_args()
    rows = [np.load(path) for path in asked.rows or ()] or [counts_of(1)]
    ppm = asked.ppm or [0.0] * len(rows)
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # so that the bus ends too
    async with AsyncExitStack() as stack:
        if asked.bus is not None:
            address = await stack.enter_async_context(private_bus(asked.bus))
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = address
            print(f"BUS {address}", flush=True)
        bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        fake = FakeBluez(bus, asked.adapters, asked.drop_after, not asked.off, asked.deaf)
        for number, (own, off_ppm) in enumerate(zip(rows, ppm, strict=True), 1):
            if fake.adapters:
                sensor = Sensor(fake, number, own, asked.speed * (1.0 + off_ppm * 1e-6))
                fake.bring(sensor)
                print(f"SENSOR {sensor.address} {sensor.device_id.hex().upper()} {sensor.began_ns}", flush=True)
        bus.add_message_handler(fake.handle)
        assert await bus.request_name("org.bluez") is RequestNameReply.PRIMARY_OWNER
        print("READY", flush=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(fake.advertise())
            for sensor in fake.sensors:
                group.create_task(sensor.run())


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):
        asyncio.run(main())
