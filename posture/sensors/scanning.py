"""Finding sensors: scan for all kinds, wait for one, enrol one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from posture.sensors.backend import SYSTEM, Backend, is_bonded
from posture.sensors.driver import Driver, Enrolled, Found, LinkError, clean, driver_named, drivers
from posture.sensors.timers import LinkTimers
from posture.types import Placement


async def scan(seconds: float, backend: Backend | None = None, timers: LinkTimers | None = None) -> list[Found]:
    """Sensors of all installed kinds that advertise within `seconds`, the nearest (strongest) first.

    Errors of bleak pass through: BleakBluetoothNotAvailableError says why there is no Bluetooth.
    """
    found: dict[str, Found] = {}

    def heard_one(device: BLEDevice, advertised: AdvertisementData) -> None:
        name = advertised.local_name or device.name
        for driver in drivers().values():
            if driver.recognises(name, advertised.service_uuids):
                shown = clean(name) or clean(device.address)
                found[device.address] = Found(shown, device.address, advertised.rssi, driver.name, device=device)

    uuids = sorted({u for d in drivers().values() for u in d.uuids})
    timers = timers or LinkTimers()
    async with _listening(backend or SYSTEM, heard_one, uuids, timers):
        await asyncio.sleep(seconds * timers.scale)
    return sorted(found.values(), key=lambda f: -f.rssi)


async def heard(
    backend: Backend, driver: Driver, handle: str, timers: LinkTimers, stopping: asyncio.Event
) -> BLEDevice | None:
    """Listen for one sensor; None when it does not advertise within `listen_s`, or `stopping` is set. The scan has ended then."""
    found: list[BLEDevice] = []
    news = asyncio.Event()

    def heard_one(device: BLEDevice, _: AdvertisementData) -> None:
        if device.address == handle:
            found.append(device)
            news.set()

    async with _listening(backend, heard_one, driver.uuids, timers):
        waits = [asyncio.ensure_future(w) for w in (news.wait(), stopping.wait())]
        try:
            await asyncio.wait(waits, timeout=timers.listen_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
    return found[0] if found and not stopping.is_set() else None


@asynccontextmanager
async def _listening(
    backend: Backend, take: Callable[[BLEDevice, AdvertisementData], None], uuids: Sequence[str], timers: LinkTimers
) -> AsyncIterator[None]:
    """Scan meanwhile. TimeoutError when Bluetooth itself does not answer."""
    scanner = backend.make_scanner(take, list(uuids))
    async with asyncio.timeout(timers.request_s):
        await scanner.start()
    try:
        yield
    finally:
        async with asyncio.timeout(timers.request_s):
            await scanner.stop()


async def enrol(
    found: Found,
    placement: Placement,
    *,
    name: str | None = None,
    serial: str | None = None,
    backend: Backend | None = None,
    timers: LinkTimers | None = None,
) -> Enrolled:
    """Connect, bond where the kind can, read the serial and close: what the user keeps as this sensor.

    serial : the one that is expected; None: whatever it says. LinkError in one sentence when it does not work.
    """
    timers, backend = timers or LinkTimers(), backend or SYSTEM
    driver = driver_named(found.driver)
    if found.device is None:
        raise LinkError(f"{found.name} is not in reach; scan for it first")
    client = backend.make_client(found.device, None, timeout_s=timers.connect_s, pair=driver.bonds)
    try:
        async with asyncio.timeout(timers.connect_s):
            await client.connect()
            said = await driver.serial(client)
            if serial is not None and said != serial:
                raise LinkError(f"{found.name} has the serial {said}, not {serial}; it is another sensor")
            if driver.bonds:
                await driver.prove_bond(client)
    except (BleakError, OSError, EOFError, TimeoutError) as error:
        raise LinkError(
            f"{found.name} could not be paired ({str(error) or 'it does not answer'}); press its button and try again"
            + ("" if is_bonded(found.device) is not True else ", after removing it in the system's Bluetooth settings")
        ) from error
    finally:
        with suppress(BleakError, OSError, EOFError, TimeoutError):
            async with asyncio.timeout(timers.request_s):
                await client.disconnect()
    return Enrolled(said, placement, clean(name) or found.name, found.handle, driver.bonds, driver.name)
