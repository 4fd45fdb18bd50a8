"""The sensor's GATT table: services, characteristics, what may be done with them, and its advertisement.

The table of PROTOCOL.md section 2, as data: the host looks its handles up here and the virtual sensor builds its table from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, Flag, auto
from uuid import UUID

SERVICE = UUID("6e521d7a-726b-4282-9a43-0f7c638e79e2")
"""Our service; its characteristics count up in the first group."""
BATTERY_SERVICE = UUID("0000180f-0000-1000-8000-00805f9b34fb")
DEVICE_INFORMATION_SERVICE = UUID("0000180a-0000-1000-8000-00805f9b34fb")

MTU_MIN = 23
"""ATT MTU without an exchange, bytes (Bluetooth Core 5.4, vol 3 part G 5.2.1)."""
NOTIFICATION_OVERHEAD_B = 3
"""Opcode and handle in front of every notification and indication, bytes."""
ADVERTISEMENT_MAX_B = 31
"""Legacy advertising payload, bytes."""


class Property(Flag):
    """What a client may do with a characteristic."""

    READ = auto()
    WRITE = auto()
    NOTIFY = auto()
    INDICATE = auto()


class Security(Enum):
    """What a link must be before the characteristic may be used; less than that is ATT error 0x05 or 0x0F."""

    OPEN = "open"
    ENCRYPTED = "encrypted"
    """LE Secure Connections with a bond made within 60 s of a press of the button."""


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One row of the table. `security` covers the value and the descriptor that switches notifications on."""

    name: str
    uuid: UUID
    properties: Property
    security: Security


def _own(name: str, step: int, properties: Property, security: Security) -> Characteristic:
    """A characteristic of our service, `step` above it in the first group of the UUID."""
    return Characteristic(name, UUID(int=SERVICE.int + (step << 96)), properties, security)


def _sig(name: str, number: int, properties: Property) -> Characteristic:
    """One that the Bluetooth SIG numbers."""
    return Characteristic(name, UUID(f"0000{number:04x}-0000-1000-8000-00805f9b34fb"), properties, Security.OPEN)


STREAM = _own("Stream", 1, Property.NOTIFY, Security.ENCRYPTED)
CONTROL = _own("Control", 2, Property.WRITE | Property.INDICATE, Security.ENCRYPTED)
STATUS = _own("Status", 3, Property.READ | Property.NOTIFY, Security.ENCRYPTED)
INFO = _own("Info", 4, Property.READ, Security.OPEN)
BACKFILL = _own("Backfill", 5, Property.NOTIFY, Security.ENCRYPTED)
BATTERY_LEVEL = _sig("Battery Level", 0x2A19, Property.READ | Property.NOTIFY)
MODEL_NUMBER = _sig("Model Number", 0x2A24, Property.READ)
SERIAL_NUMBER = _sig("Serial Number", 0x2A25, Property.READ)
FIRMWARE_REVISION = _sig("Firmware Revision", 0x2A26, Property.READ)

SERVICES: dict[UUID, tuple[Characteristic, ...]] = {
    SERVICE: (STREAM, CONTROL, STATUS, INFO, BACKFILL),
    BATTERY_SERVICE: (BATTERY_LEVEL,),
    DEVICE_INFORMATION_SERVICE: (MODEL_NUMBER, SERIAL_NUMBER, FIRMWARE_REVISION),
}

_FLAGS = bytes((2, 0x01, 0x06))
_UUID_128 = bytes((17, 0x07)) + SERVICE.bytes[::-1]
_NAME = re.compile(rb"LPS-[0-9A-F]{4}\Z")


def advertised_name(device_id: bytes) -> str:
    """`LPS-xxxx` with the last two of the eight bytes of the device id in capital hexadecimal."""
    return f"LPS-{device_id[-2:].hex().upper()}"


def advertisement(device_id: bytes) -> bytes:
    """The 31 bytes that the sensor advertises: flags (LE general, no BR/EDR), the 128-bit UUID, the short name."""
    name = advertised_name(device_id).encode()
    return _FLAGS + _UUID_128 + bytes((1 + len(name), 0x08)) + name


def name_in_advertisement(payload: bytes) -> str | None:
    """The name in an advertisement of ours, None in any other. Any bytes may be given; only `LPS-` and four hex digits come out."""
    head, name = payload[:23], payload[23:]
    if head != _FLAGS + _UUID_128 + bytes((9, 0x08)) or not _NAME.match(name):
        return None
    return name.decode()
