"""What a kind of sensor must offer to the link, and how kinds are found: entry points of the group `posture.sensors`.

A package that is installed beside this one adds its sensor with

    [project.entry-points."posture.sensors"]
    mine = "my_package:DRIVER"

where DRIVER is a `Driver`. Everything that is the same for all sensors (scan, connect, watch, connect again) is done by `ble.Link`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from bleak import BleakClient
from bleak.backends.device import BLEDevice

from posture.sensors.timers import LinkTimers
from posture.types import InputError, PacketKind, Placement, PostureError, RawPacket

GROUP = "posture.sensors"
NAME_MAX = 40
"""Characters of a name that are kept; an advertisement carries at most 29."""


class LinkError(PostureError):
    """Something about a sensor that the user should know; the link goes on trying unless it was asked for once."""


class RefusedError(LinkError):
    """Not the sensor that was enrolled, or one that cannot be trusted: nothing is taken from it."""


class LinkState(StrEnum):
    """What the link to a sensor is doing."""

    CONNECTING = "connecting"
    STREAMING = "streaming"
    SILENT = "silent"
    LOST = "lost"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A sensor that the user has chosen. serial : its identity. handle : how this computer reaches it (address; UUID on macOS).

    bonded : data may come over an encrypted link only. driver : name of its kind.
    """

    serial: str
    placement: Placement
    name: str
    handle: str
    bonded: bool
    driver: str = "lps"


@dataclass(frozen=True, slots=True)
class Found:
    """A sensor that advertises. name : `clean`. serial : None where the advertisement does not tell it. rssi : dBm."""

    name: str
    handle: str
    rssi: int
    driver: str
    serial: str | None = None
    device: BLEDevice | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How a link does, at a moment. Counts are since the session began.

    since_ns : when `state` began, session axis. reason : one sentence for the user. battery_pct : None: not known.
    fault : a sentence when the sensor sends samples that cannot be measured ones; None: none seen.
    received : samples, each counted once. duplicates : samples that came again. rejected : frames, spoilt or not plausible.
    backfilled : of `received`, those from the sensor's memory. overwritten : samples that the memory had lost before they could
    be fetched. not_stored : samples that the sensor never had. dropped : notifications that this computer had no room for; their
    samples are asked for again.
    """

    state: LinkState
    since_ns: int
    reason: str
    battery_pct: int | None = None
    charging: bool = False
    fault: str | None = None
    received: int = 0
    duplicates: int = 0
    rejected: int = 0
    backfilled: int = 0
    overwritten: int = 0
    not_stored: int = 0
    dropped: int = 0
    connections: int = 0


@dataclass(slots=True)
class Counts:
    """The counts of `LinkStatus` while they grow; same names."""

    received: int = 0
    duplicates: int = 0
    rejected: int = 0
    backfilled: int = 0
    overwritten: int = 0
    not_stored: int = 0


@dataclass(frozen=True, slots=True)
class Hub:
    """What a `Sensor` is given by its link.

    emit : hand on what came, from a notification callback or a task; returns at once and stamps it with the time.
    now_ns : monotonic, since the session began. unix_us : UTC.
    """

    enrolled: Enrolled
    timers: LinkTimers
    emit: Callable[[PacketKind, bytes], None]
    now_ns: Callable[[], int]
    unix_us: Callable[[], int]


class Sensor(Protocol):
    """One enrolled sensor for one session, over as many connections as it takes. Errors of bleak may pass through."""

    counts: Counts
    battery_pct: int | None
    charging: bool
    fault: str | None

    async def begin(self, client: BleakClient) -> None:
        """On a new connection: verify, subscribe, start. RefusedError when it is not what was enrolled."""
        ...

    @property
    def period_s(self) -> float:
        """Between two frames, s of the sensor's clock; known after `begin`."""
        ...

    async def tend(self) -> None:
        """What is due while it streams: exchanges of times, readings, what is missing. Ends with the task, or RefusedError."""
        ...

    async def probe(self) -> None:
        """Ask for a sign of life; raises when none comes."""
        ...

    def took(self, packet: RawPacket) -> bool:
        """Judge what came, before it is handed on. False: it is not plausible and not handed on. RefusedError: no more of this."""
        ...

    async def haptic(self, pattern: int, strength_pct: int, repeats: int) -> bool:
        """A pulse; whether the sensor does it."""
        ...

    async def end(self) -> None:
        """Stop streaming and fetch what is missing; the connection is closed afterwards."""
        ...


class Driver(Protocol):
    """A kind of sensor."""

    name: str
    uuids: Sequence[str]
    """Services that it advertises."""
    bonds: bool
    """Whether it can be bonded with, and so must be."""

    def recognises(self, name: str | None, uuids: Sequence[str]) -> bool:
        """Whether an advertisement is of this kind. The text is untrusted."""
        ...

    async def serial(self, client: BleakClient) -> str:
        """Identity of a connected sensor. RefusedError when it contradicts itself."""
        ...

    async def prove_bond(self, client: BleakClient) -> None:
        """Read something that only a bonded host may read. RefusedError when that is refused."""
        ...

    def sensor(self, hub: Hub) -> Sensor:
        """For a session."""
        ...


@cache
def drivers() -> Mapping[str, Driver]:
    """All kinds of sensor that are installed, by name. PostureError names a plug-in that cannot be loaded."""
    from posture.sensors.lps import DRIVER  # it is made of what is above

    # Our own kind is registered like any other, but an editable installation may be older than its registration.
    found: dict[str, Driver] = {DRIVER.name: DRIVER}
    for point in entry_points(group=GROUP):
        try:
            driver: Driver = point.load()
        except Exception as error:
            raise PostureError(
                f"the sensor driver {point.name!r} ({point.value}) does not load: {error}; repair or uninstall it"
            ) from error
        found[driver.name] = driver
    return found


def driver_named(name: str) -> Driver:
    """InputError for a kind that is not installed."""
    try:
        return drivers()[name]
    except KeyError:
        raise InputError(
            f"no sensor driver {name!r} is installed; there are: {', '.join(sorted(drivers())) or 'none'}"
        ) from None


def clean(text: str | None) -> str:
    """Untrusted text for a terminal, a page or a log: no control, format or private characters, at most `NAME_MAX` long."""
    kept = "".join(c for c in text or "" if unicodedata.category(c)[0] != "C")
    return " ".join(kept.split())[:NAME_MAX].rstrip()
