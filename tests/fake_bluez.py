"""`org.bluez` without a radio: a process that owns that name on a private bus, with one sensor near that runs the firmware's core.

Only what bleak's own BlueZ backend asks for. The sensor is bonded already, and near the last adapter. As BlueZ does, it keeps the
battery service to itself, leaves a device connected whose program has ended, which then does not advertise, and from the second
connection on gives every notification twice (bleak#2002).
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

import numpy as np
from dbus_fast import BusType, Message, MessageType, RequestNameReply, Variant
from dbus_fast.aio import MessageBus
from motion_file import counts_of

from firmware_protocol import gatt
from firmware_protocol.core import Core, IdleBoard, Settings
from firmware_protocol.status import Config

DEVICE_ID = bytes.fromhex("5649525455414C01")
ADDRESS = "D2:54:55:41:4C:01"
SPEED, RATE_HZ = 10, 52
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
    """The core on a board whose radio is D-Bus signals."""

    def __init__(self, bluez: FakeBluez) -> None:
        super().__init__(64)
        self.bluez, self.began_s, self.index = bluez, time.monotonic(), 0
        self.core = Core(self, Settings(DEVICE_ID, CONFIGS, 64))
        self.rows = counts_of(1)

    def ticks(self) -> int:
        return int((time.monotonic() - self.began_s) * SPEED * 32768)

    def notify(self, characteristic: int, payload: bytes) -> bool:
        return self.bluez.notify(_BY_NUMBER[characteristic], payload)

    def indicate(self, payload: bytes) -> bool:
        def confirmed() -> None:
            self.core.confirmed()
            self.core.poll()

        if not self.bluez.notify(gatt.CONTROL, payload):
            return False
        asyncio.get_running_loop().call_soon(confirmed)
        return True

    def power(self) -> tuple[int, int, int]:
        return 3870, 31, 75

    async def run(self) -> None:
        while True:
            due = min(int((time.monotonic() - self.began_s) * SPEED * RATE_HZ), len(self.rows))
            while self.index < due:
                rows = self.rows[self.index : min(self.index + 5, due)]
                nth = np.arange(self.index + 1, self.index + 1 + len(rows), dtype=np.uint64)
                self.index += len(rows)
                self.core.samples(rows, nth * np.uint64(32768) // np.uint64(RATE_HZ))
            self.core.poll()
            await asyncio.sleep(0.01)


class FakeBluez:
    """Objects, their properties and what their methods do."""

    def __init__(self, bus: MessageBus, adapters: list[str], drop_after_s: float) -> None:
        self.bus, self.drop_after_s = bus, drop_after_s
        self.connections, self.notifying, self.scanning = 0, set[str](), False
        self.adapter = f"/org/bluez/{adapters[-1]}"
        self.device = f"{self.adapter}/dev_{ADDRESS.replace(':', '_')}"
        self.objects: dict[str, dict[str, dict[str, Variant]]] = {}
        for name in adapters:
            self.objects[f"/org/bluez/{name}"] = {
                _ADAPTER: {
                    "Address": Variant("s", "00:00:00:00:00:01"),
                    "Powered": Variant("b", True),
                    "Roles": Variant("as", ["central"]),
                }
            }
        self.objects[self.device] = {
            _DEVICE: {
                "Address": Variant("s", ADDRESS),
                "Name": Variant("s", "LPS-4C01"),
                "Alias": Variant("s", "LPS-4C01"),
                "Adapter": Variant("o", self.adapter),
                "UUIDs": Variant("as", [str(gatt.SERVICE)]),
                "Paired": Variant("b", True),
                "Connected": Variant("b", False),
                "ServicesResolved": Variant("b", False),
                "RSSI": Variant("n", -50),
            }
        }
        self.row_at: dict[str, gatt.Characteristic] = {}
        self.path_of: dict[gatt.Characteristic, str] = {}
        for s, (uuid, rows) in enumerate(gatt.SERVICES.items()):
            if uuid == gatt.BATTERY_SERVICE:
                continue
            service = f"{self.device}/service{s:04x}"
            own = {"UUID": Variant("s", str(uuid)), "Primary": Variant("b", True), "Device": Variant("o", self.device)}
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
                self.row_at[path], self.path_of[row] = row, path
        self.sensor = Sensor(self)

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

    def notify(self, row: gatt.Characteristic, payload: bytes) -> bool:
        path = self.path_of[row]
        if path not in self.notifying:
            return False
        for _ in range(2 if self.connections > 1 else 1):
            self.changed(path, _CHARACTERISTIC, Value=Variant("ay", payload))
        return True

    async def advertise(self) -> None:
        """While somebody scans."""
        while True:
            if self.scanning and not self.objects[self.device][_DEVICE]["Connected"].value:
                self.changed(self.device, _DEVICE, RSSI=Variant("n", -50), UUIDs=Variant("as", [str(gatt.SERVICE)]))
            await asyncio.sleep(0.02)

    # ---- what it is asked

    def handle(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL or message.path is None:
            return None
        body = self.answer(message.path, message.member or "", message.body)
        if body is None:
            return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownMethod", str(message.member))
        return Message.new_method_return(message, *body)

    def answer(self, path: str, member: str, arguments: list[Any]) -> tuple[str, list[Any]] | tuple[()] | None:
        """Signature and body of the reply; () without, None for what is not known here."""
        row = self.row_at.get(path)
        match member:
            case "GetManagedObjects":
                return "a{oa{sa{sv}}}", [self.objects]
            case "SetDiscoveryFilter":
                return ()
            case "StartDiscovery" | "StopDiscovery":
                print(f"{member} {path}", flush=True)
                self.scanning = member == "StartDiscovery" and path == self.adapter
                return ()
            case "Connect":
                self.connect()
                return ()
            case "Disconnect":
                self.disconnect()
                return ()
            case "ReadValue" if row is not None:
                return "ay", [self.read(row)]
            case "WriteValue" if row is not None:
                self.sensor.core.write(bytes(arguments[0]))
                return ()
            case "StartNotify":
                self.notifying.add(path)
                return ()
            case "StopNotify":
                self.notifying.discard(path)
                return ()
        return None

    def read(self, row: gatt.Characteristic) -> bytes:
        known = {gatt.INFO: self.sensor.core.info, gatt.STATUS: self.sensor.core.status}
        if row in known:
            return known[row]()
        return DEVICE_ID.hex().upper().encode() if row is gatt.SERIAL_NUMBER else b"\x4b"

    def connect(self) -> None:
        self.connections += 1
        print(f"Connect {self.connections}", flush=True)
        self.sensor.core.connected()
        self.sensor.core.encrypted(encrypted=True)
        self.sensor.core.mtu(247)
        self.changed(self.device, _DEVICE, Connected=Variant("b", True))
        self.changed(self.device, _DEVICE, ServicesResolved=Variant("b", True))
        if self.drop_after_s and self.connections == 1:
            asyncio.get_running_loop().call_later(self.drop_after_s, self.disconnect)

    def disconnect(self) -> None:
        self.notifying.clear()
        self.sensor.core.disconnected()
        self.changed(self.device, _DEVICE, Connected=Variant("b", False), ServicesResolved=Variant("b", False))


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("adapters", nargs="+")
    parser.add_argument("--drop-after", type=float, default=0.0)
    asked = parser.parse_args()
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    fake = FakeBluez(bus, asked.adapters, asked.drop_after)
    bus.add_message_handler(fake.handle)
    assert await bus.request_name("org.bluez") is RequestNameReply.PRIMARY_OWNER
    print("READY", flush=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(fake.sensor.run())
        group.create_task(fake.advertise())


if __name__ == "__main__":
    asyncio.run(main())
