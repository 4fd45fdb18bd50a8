"""Bleak without a radio: a backend over a Bumble host, which reaches a virtual sensor's controller by TCP.

`open_bumble` gives the classes that bleak takes as `backend=`, so that the very client code of a real session runs in tests and in
the demo. It does as an operating system does: it keeps bonds, encrypts a link to a bonded sensor before anybody uses it, and
ends every call that waits when the link is lost. Extra `virtual`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError

from posture.sensors.backend import Backend
from posture.types import PostureError

try:
    from bumble import hci
    from bumble.att import ATT_Error, ErrorCode
    from bumble.core import AdvertisingData, BaseBumbleError
    from bumble.core import TimeoutError as BumbleTimeout
    from bumble.device import Advertisement, Connection, ConnectionParametersPreferences, Device, Peer
    from bumble.gatt import Characteristic
    from bumble.keys import JsonKeyStore, KeyStore, MemoryKeyStore
    from bumble.pairing import PairingConfig
    from bumble.transport import open_transport
except ImportError as error:
    raise PostureError(
        f"a virtual sensor needs {error.name or 'bumble'}; install posture-monitor[virtual]; posture demo does without"
    ) from error

ATT_MTU = 247
"""Asked of every sensor, as BlueZ and others do by themselves; 19 samples fill a frame of it."""
HOST_ADDRESS = "F1:70:05:7C:4E:01"
"""A static random address; a sensor knows its host by it."""
SUPERVISION_MS = 5000
"""Silence after which a link is lost; what the sensors ask for (PROTOCOL.md section 9)."""
CANCEL_S = 1.0
"""For each step of taking a connection back that nobody waits for any more, s."""
_PROPERTIES = (
    (Characteristic.Properties.READ, "read"),
    (Characteristic.Properties.WRITE_WITHOUT_RESPONSE, "write-without-response"),
    (Characteristic.Properties.WRITE, "write"),
    (Characteristic.Properties.NOTIFY, "notify"),
    (Characteristic.Properties.INDICATE, "indicate"),
)
_T = TypeVar("_T")


@asynccontextmanager
async def open_bumble(spec: str, *, bonds: Path | None = None) -> AsyncIterator[Backend]:
    """A host on the controller at `spec` (`tcp-client:127.0.0.1:PORT`, as `posture virtual-sensor` says), closed at the end.

    bonds : file that keeps the bonds; None: they are forgotten at the end. PostureError where nobody listens there.
    """
    try:
        transport = await open_transport(spec)
    except (OSError, BaseBumbleError, ValueError) as error:
        raise PostureError(
            f"no virtual sensor answers at {spec}; start posture virtual-sensor and use its line"
        ) from error
    try:
        device = Device.with_hci("posture-monitor", hci.Address(HOST_ADDRESS), transport.source, transport.sink)
        keys: KeyStore = MemoryKeyStore() if bonds is None else JsonKeyStore(HOST_ADDRESS, str(bonds))
        device.keystore = keys
        device.pairing_config_factory = lambda _: PairingConfig(sc=True, mitm=False)
        await device.power_on()
        host = _Host(device, keys, {name for name, _ in await keys.get_all()})
        # Bleak makes the objects itself, from classes.
        scanner = type("BumbleScanner", (_Scanner,), {"host": host})
        client = type("BumbleClient", (_Client,), {"host": host})
        yield Backend(scanner=scanner, client=client)
        for connection in list(device.connections.values()):
            with suppress(BaseBumbleError, asyncio.CancelledError):
                await connection.disconnect()
    finally:
        await transport.close()


@dataclass(slots=True)
class _Host:
    device: Device
    keys: KeyStore
    bonded: set[str]
    scanners: set[_Scanner] = field(default_factory=set)


class _Scanner(BaseBleakScanner):
    """Hears what is advertised; several may listen at once, and the controller scans while one does."""

    host: _Host

    def __init__(
        self, detection_callback: Any, service_uuids: list[str] | None, _mode: str = "active", **_others: Any
    ) -> None:
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        self.seen_devices.clear()
        self.host.device.on("advertisement", self._heard)
        if not self.host.scanners:
            await self.host.device.start_scanning(filter_duplicates=False)
        self.host.scanners.add(self)

    async def stop(self) -> None:
        self.host.device.remove_listener("advertisement", self._heard)
        self.host.scanners.discard(self)
        if not self.host.scanners:
            await self.host.device.stop_scanning()

    def _heard(self, advertisement: Advertisement) -> None:
        data = advertisement.data
        kinds = AdvertisingData.Type
        name = data.get(kinds.COMPLETE_LOCAL_NAME) or data.get(kinds.SHORTENED_LOCAL_NAME)
        uuids = [
            _uuid(u)
            for kind in (
                kinds.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
                kinds.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
            )
            for u in data.get(kind) or ()
        ]
        if not self.is_allowed_uuid(uuids):
            return
        local_name = name if isinstance(name, str) else None
        found = AdvertisementData(local_name, {}, {}, uuids, None, advertisement.rssi, ())
        address = advertisement.address
        details = {"address": address, "props": {"Paired": str(address) in self.host.bonded}}  # as BlueZ does
        device = self.create_or_update_device(str(address), str(address), local_name, details, found)
        device.details["props"] = details["props"]
        self.call_detection_callbacks(device, found)


class _Client(BaseBleakClient):
    """One connection. A lost link raises BleakError in whatever waits for it."""

    host: _Host

    def __init__(self, address_or_ble_device: BLEDevice | str, **kwargs: Any) -> None:
        super().__init__(address_or_ble_device, **kwargs)
        details = address_or_ble_device.details if isinstance(address_or_ble_device, BLEDevice) else {}
        self._peer_address: hci.Address = details.get("address") or hci.Address(self.address)
        self._connection: Connection | None = None
        self._peer: Peer | None = None
        self._lost: asyncio.Future[None] | None = None
        self._asked_to_end = False
        self._takers: dict[int, Callable[[bytes], None]] = {}

    @property
    def name(self) -> str:
        return self.address

    @property
    def mtu_size(self) -> int:
        return self._connection.att_mtu if self._connection is not None else 23

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **_kwargs: Any) -> None:
        device = self.host.device
        prefs = {hci.HCI_LE_1M_PHY: ConnectionParametersPreferences(supervision_timeout=SUPERVISION_MS)}
        connecting = asyncio.ensure_future(
            device.connect(self._peer_address, connection_parameters_preferences=prefs, timeout=self._timeout)
        )
        try:
            connection = await asyncio.shield(connecting)
        except asyncio.CancelledError:
            if connecting.cancelled():
                raise BleakError("the virtual radio is gone") from None
            # The controller would go on connecting, and refuse the next one.
            await _within(CANCEL_S, device.cancel_connection())  # type: ignore[no-untyped-call]  # Bumble's
            await _within(CANCEL_S, connecting)
            connecting.cancel()
            if connecting.done() and not connecting.cancelled() and connecting.exception() is None:
                await _within(CANCEL_S, connecting.result().disconnect())
            raise
        except BumbleTimeout as error:
            raise BleakDeviceNotFoundError(self.address, f"{self.address} does not answer") from error
        except BaseBumbleError as error:
            raise BleakError(f"no connection to {self.address}: {error}") from error
        self._asked_to_end = False
        self._lost = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._peer = Peer(connection)
        connection.on(connection.EVENT_DISCONNECTION, self._ended)
        try:
            await self._on_link(self._prepare(connection, self._peer, pair=pair))
        except BaseException:
            await self.disconnect()
            raise

    async def _prepare(self, connection: Connection, peer: Peer, *, pair: bool) -> None:
        """What a system does before it says that it is connected: encrypt, or pair, then look what there is."""
        name = str(connection.peer_address)
        if pair:
            if name in self.host.bonded:  # a person asks for it: the sensor may have forgotten
                await self.host.keys.delete(name)
                self.host.bonded.discard(name)
            await connection.pair()
            self.host.bonded.add(name)
        elif name in self.host.bonded:
            try:
                await connection.encrypt()
            except (hci.HCI_Error, BaseBumbleError) as error:
                raise BleakGATTProtocolError(ErrorCode.INSUFFICIENT_ENCRYPTION) from error
        await peer.request_mtu(ATT_MTU)
        self.services = await _discover(peer)

    async def disconnect(self) -> None:
        self._asked_to_end = True
        connection = self._connection
        if connection is not None:
            with suppress(BaseBumbleError, hci.HCI_Error):
                await self._on_link(connection.disconnect(), until_lost=True)
        self._connection = None

    async def pair(self, *_args: Any, **_kwargs: Any) -> None:
        await self._on_link(self._live().pair())
        self.host.bonded.add(str(self._peer_address))

    async def unpair(self) -> None:
        if str(self._peer_address) in self.host.bonded:
            await self.host.keys.delete(str(self._peer_address))
            self.host.bonded.discard(str(self._peer_address))
        await self.disconnect()

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_kwargs: Any) -> bytearray:
        return bytearray(await self._on_link(self._gatt().read_value(characteristic.obj)))

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **_kwargs: Any) -> bytearray:
        return bytearray(await self._on_link(self._gatt().read_value(descriptor.obj)))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: Any, response: bool) -> None:
        await self._on_link(self._gatt().write_value(characteristic.obj, bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        await self._on_link(self._gatt().write_value(descriptor.obj, bytes(data), with_response=True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_kwargs: Any
    ) -> None:
        def take(payload: bytes) -> None:
            callback(bytearray(payload))

        self._takers[characteristic.handle] = take
        await self._on_link(self._gatt().subscribe(characteristic.obj, take))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        take = self._takers.pop(characteristic.handle, None)
        await self._on_link(self._gatt().unsubscribe(characteristic.obj, take))

    def _live(self) -> Connection:
        if self._connection is None:
            raise BleakError("Not connected")
        return self._connection

    def _gatt(self) -> Any:
        self._live()
        assert self._peer is not None  # noqa: S101  # made with the connection
        return self._peer.gatt_client

    def _ended(self, _reason: int) -> None:
        self._connection = None
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        if not self._asked_to_end and self._disconnected_callback is not None:
            self._disconnected_callback()

    async def _on_link(self, work: Coroutine[Any, Any, _T], *, until_lost: bool = False) -> _T:
        """Do it; BleakError when the link is lost meanwhile, BleakGATTProtocolError where the sensor refuses.

        Bumble itself cancels the request that was sent, which would look as if the caller had been cancelled, and lets those that
        wait behind it time out after half a minute. until_lost : the end of the link is what is waited for.
        """
        assert self._lost is not None  # noqa: S101  # made with the connection
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task, self._lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done() and not until_lost:
                task.cancel()
        if task.done() and not task.cancelled():
            try:
                return task.result()
            except ATT_Error as error:
                raise BleakGATTProtocolError(error.error_code) from error
            except BumbleTimeout as error:
                raise TimeoutError("the sensor does not answer") from error
            except BaseBumbleError as error:
                raise BleakError(str(error) or repr(error)) from error
        if until_lost:
            return await task
        raise BleakError("the link was lost")


async def _within(seconds: float, work: Awaitable[object]) -> None:
    """Give it so long, whatever becomes of it."""
    task = asyncio.ensure_future(work)
    await asyncio.wait((task,), timeout=seconds)
    if task.done() and not task.cancelled():
        task.exception()


def _uuid(uuid: Any) -> str:
    """As bleak writes it: 128 bits in small letters."""
    return str(UUID(bytes=bytes(reversed(uuid.to_bytes(force_128=True)))))


async def _discover(peer: Peer) -> BleakGATTServiceCollection:
    found = BleakGATTServiceCollection()
    for service in await peer.discover_services():
        made = BleakGATTService(service, service.handle, _uuid(service.uuid))
        found.add_service(made)
        for characteristic in await service.discover_characteristics():
            properties = [name for bit, name in _PROPERTIES if characteristic.properties & bit]
            own = BleakGATTCharacteristic(
                characteristic,
                characteristic.handle,
                _uuid(characteristic.uuid),
                properties,  # type: ignore[arg-type]  # a list of literals
                lambda: peer.connection.att_mtu - 3,
                made,
            )
            found.add_characteristic(own)
            for descriptor in await characteristic.discover_descriptors():
                found.add_descriptor(BleakGATTDescriptor(descriptor, descriptor.handle, _uuid(descriptor.type), own))
    return found
