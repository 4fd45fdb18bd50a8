"""Which Bluetooth the link speaks through: the system's own, by bleak, or another one that bleak is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bleak import BleakAdapter, BleakClient, BleakScanner
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakDBusError, BleakGATTProtocolError


@dataclass(frozen=True, slots=True)
class Backend:
    """scanner, client : classes for bleak's `backend=`; None: the system's. adapter : name of a BlueZ adapter, such as hci1."""

    scanner: type[BaseBleakScanner] | None = None
    client: type[BaseBleakClient] | None = None
    adapter: str | None = None

    def make_scanner(self, heard: Callable[[BLEDevice, AdvertisementData], None], uuids: list[str]) -> BleakScanner:
        """A scanner for what advertises one of these services."""
        return BleakScanner(heard, uuids, backend=self.scanner, **self._bluez())

    def make_client(
        self, device: BLEDevice, lost: Callable[[], None] | None, *, timeout_s: float, pair: bool = False
    ) -> BleakClient:
        """A client for one connection. lost : called when the link ends unasked."""
        callback = None if lost is None else (lambda _: lost())
        return BleakClient(device, callback, timeout=timeout_s, pair=pair, backend=self.client, **self._bluez())

    async def left_connected(self, handle: str, uuids: Sequence[str]) -> BLEDevice | None:
        """A device that the system still has a connection to, and which therefore does not advertise; None: it has not.

        BlueZ keeps the connections of a program that was killed. Not every system can tell.
        """
        if self.client is not None:
            return None
        with suppress(NotImplementedError):  # a system that cannot tell: then the sensor has to be heard
            adapter = await BleakAdapter.get(**self._bluez())
            for device in await adapter.get_connected_devices(list(uuids)):
                if device.address == handle:
                    return device
        return None

    def _bluez(self) -> dict[str, Any]:
        """Only where it was asked for: other systems have no such argument."""
        return {"bluez": {"adapter": self.adapter}} if self.adapter is not None else {}


def is_bonded(device: BLEDevice) -> bool | None:
    """Whether this computer has a bond with a device that it hears; None where the system does not tell (macOS, Windows).

    BlueZ gives the properties of `org.bluez.Device1` in `details`, and so does our own backend.
    """
    properties = device.details.get("props") if isinstance(device.details, dict) else None
    paired = properties.get("Paired") if isinstance(properties, dict) else None
    return paired if isinstance(paired, bool) else None


def is_unencrypted(error: BaseException) -> bool:
    """Whether a call failed because the link is not encrypted, or cannot be.

    ATT errors 0x05, 0x08 and 0x0F (Core 5.4, vol 3 part F 3.4.1.1); BlueZ has names of its own for some of them.
    """
    if isinstance(error, BleakGATTProtocolError):
        return int(error.code) in (0x05, 0x08, 0x0F)
    return isinstance(error, BleakDBusError) and error.dbus_error in (
        "org.bluez.Error.AuthenticationFailed",
        "org.bluez.Error.NotAuthorized",
        "org.bluez.Error.NotPermitted",
    )


SYSTEM = Backend()
"""The Bluetooth of this computer."""
