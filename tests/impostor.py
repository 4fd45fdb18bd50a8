"""A device that claims to be one of our sensors: the same services, name and serial, everything readable by anyone, no bond."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bumble import hci
from bumble.core import UUID
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic, Service
from bumble.host import Host
from bumble.keys import MemoryKeyStore
from bumble.transport.common import AsyncPipeSink

from firmware_protocol import gatt
from firmware_protocol.status import Config, Feature, Info, StatusReport, encode_info, encode_status
from firmware_protocol.virtual_link import Air, AirController, serve_central
from posture.sensors.backend import Backend
from posture.sensors.bumble_backend import open_bumble


class Impostor:
    """One on the air; `connected` counts who fell for it."""

    def __init__(self, air: Air, address: str, device_id: bytes) -> None:
        self.device_id, self.connected = device_id, 0
        controller = AirController("impostor", link=air)
        config = DeviceConfiguration(
            name=gatt.advertised_name(device_id), address=hci.Address(address, hci.Address.RANDOM_DEVICE_ADDRESS)
        )
        self.device = Device(config=config, host=Host(controller, AsyncPipeSink(controller)))
        self.device.keystore = MemoryKeyStore()
        own = Characteristic.Properties
        configs = (Config(1, 52_000, 1, 4096.0, 32.768, 8, 1000), Config(2, 13_000, 4, 4096.0, 32.768, 8, 1000))
        values = {
            gatt.INFO: encode_info(Info(19, 32768, Feature(63), device_id, 1000, 1, configs)),
            gatt.STATUS: encode_status(StatusReport(7, 1, 0x10, 100, 0, 0, 3870, 31, 75)),
            gatt.SERIAL_NUMBER: device_id.hex().upper().encode(),
            gatt.BATTERY_LEVEL: b"\x4b",
        }
        for uuid, rows in gatt.SERVICES.items():
            made = [
                Characteristic(
                    UUID(str(row.uuid)),
                    own.READ | own.WRITE | own.NOTIFY | own.INDICATE,
                    Characteristic.READABLE | Characteristic.WRITEABLE,
                    values.get(row, b""),
                )
                for row in rows
            ]
            self.device.add_service(Service(UUID(str(uuid)), made))
        self.device.on("connection", self._count)

    def _count(self, _: Connection) -> None:
        self.connected += 1

    async def advertise(self) -> None:
        await self.device.power_on()
        await self.device.start_advertising(
            auto_restart=True,
            advertising_data=gatt.advertisement(self.device_id),
            advertising_interval_min=20.0,
            advertising_interval_max=20.0,
        )


@asynccontextmanager
async def impostor_near(
    address: str, device_id: bytes, bonds: object = None
) -> AsyncIterator[tuple[Impostor, Backend]]:
    """It, and a computer that hears it."""
    air = Air()
    made = Impostor(air, address, device_id)
    await made.advertise()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = await serve_central(air, listener)
        try:
            port = listener.getsockname()[1]
            async with open_bumble(f"tcp-client:127.0.0.1:{port}", bonds=bonds) as backend:  # type: ignore[arg-type]
                yield made, backend
        finally:
            server.close()
