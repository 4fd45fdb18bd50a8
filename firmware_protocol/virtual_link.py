"""The air between virtual sensors and a host that is another process: Bumble's controllers on one link, the host's over TCP.

What a radio does and Bumble 0.0.236 leaves out is put right here, once:

* LE Create Connection Cancel does nothing in it: a connect that timed out blocks every later one. `CentralController` ends it.
* A reset of the host, or its death, leaves its connections standing. Here the sensor loses them, as by the supervision timeout.
* A peripheral is told made-up connection parameters. Here they are those that the central asked for.
* Scan responses are never delivered, so everything must be in the advertisement; the sensor's 31 bytes are (`gatt.advertisement`).
* Nothing is ever lost. `Air` can take a sensor out of range: what is sent waits, and after the supervision timeout both ends
  lose the link with error 0x08, neither being told by the other.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSource

ACL_B, ACL_BUFFERS = 251, 8
"""Longest link-layer payload (Core 5.4, vol 6 part B 4.5.10), bytes, and how many wait before the controller takes no more."""


class AirController(Controller):
    """A controller whose connections can end without a word from the other side, and which tells its host the real parameters."""

    le_acl_data_packet_length = ACL_B
    total_num_le_acl_data_packets = ACL_BUFFERS
    _asked: ll.ConnectInd | None = None

    def on_le_connect_ind(self, packet: ll.ConnectInd) -> None:
        """As Bumble; remembers what the central asked for."""
        self._asked = packet
        super().on_le_connect_ind(packet)

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """As Bumble, with the parameters of the connection in place of its constants."""
        asked = self._asked
        if isinstance(packet, hci.HCI_LE_Connection_Complete_Event) and packet.role == hci.Role.PERIPHERAL and asked:
            packet.connection_interval, packet.peripheral_latency = asked.interval, asked.latency
            packet.supervision_timeout = asked.timeout
        super().send_hci_packet(packet)

    def lose_connections(self) -> None:
        """End every connection here with error 0x08, connection timeout."""
        for connection in list(self.le_connections.values()):
            self.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)


class CentralController(AirController):
    """The controller of a host that may come and go."""

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """End the connect that waits; the host hears of it as LE Connection Complete with error 0x02 (Core 5.4, vol 4 E 7.8.13)."""
        if self.pending_le_connection is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.pending_le_connection = None
        ended = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=hci.Address.RANDOM_DEVICE_ADDRESS,
            peer_address=hci.Address.ANY_RANDOM,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        # After the answer to the command itself.
        asyncio.get_running_loop().call_soon(self.send_hci_packet, ended)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_reset_command(self, _command: hci.HCI_Reset_Command) -> hci.HCI_StatusReturnParameters:
        """Forget everything; the sensors find their links dead."""
        self.forget_host()
        return super().on_hci_reset_command(_command)

    def forget_host(self) -> None:
        """The host is gone: no scan, no connect that waits, no connection."""
        self.le_scan_enable = False
        self.pending_le_connection = None
        for connection in list(self.le_connections.values()):
            peer = self.link.find_le_controller(connection.peer_address)
            if isinstance(peer, AirController):
                peer.lose_connections()
        self.le_connections.clear()


@dataclass(slots=True)
class _Silence:
    """A sensor that nobody hears: what waits to be carried, and the end of its links if it lasts."""

    waiting: list[Callable[[], None]] = field(default_factory=list)
    timeout: asyncio.TimerHandle | None = None


class Air(LocalLink):
    """Carries what controllers send, unless one end is out of range."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Bumble's
        self._silent: dict[Controller, _Silence] = {}

    def leave(self, sensor: AirController, supervision_s: float) -> None:
        """Take a sensor out of range; its links are lost after `supervision_s` (s of this clock) unless it is back by then."""
        silence = _Silence()
        silence.timeout = asyncio.get_running_loop().call_later(supervision_s, self._lose, sensor)
        self._silent[sensor] = silence

    def come_back(self, sensor: AirController) -> None:
        """Back in range: what waited is carried, as the link layer repeats what was not acknowledged."""
        silence = self._silent.pop(sensor, None)
        if silence is not None:
            if silence.timeout is not None:
                silence.timeout.cancel()
            for carry in silence.waiting:
                carry()

    def lose(self, sensor: AirController) -> None:
        """The links of a sensor end now, on both sides, as by the supervision timeout."""
        for connection in list(sensor.le_connections.values()):
            peer = self.find_le_controller(connection.peer_address)
            here = peer.le_connections.get(connection.self_address) if peer is not None else None
            if peer is not None and here is not None:
                peer.on_le_disconnected(here, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
        sensor.lose_connections()

    def waiting(self, sensor: AirController) -> int:
        """How many packets from or to a sensor wait for it to be in range."""
        silence = self._silent.get(sensor)
        return len(silence.waiting) if silence is not None else 0

    def _lose(self, sensor: AirController) -> None:
        self._silent[sensor].waiting.clear()
        self.lose(sensor)

    def _silence(self, *ends: Controller | None) -> _Silence | None:
        return next((self._silent[c] for c in ends if c in self._silent), None)

    def send_acl_data(
        self, sender_controller: Controller, destination_address: hci.Address, transport: PhysicalTransport, data: bytes
    ) -> None:
        """As LocalLink; waits while one end is out of range."""
        carry = super().send_acl_data
        silence = self._silence(sender_controller, self.find_le_controller(destination_address))
        if silence is None:
            carry(sender_controller, destination_address, transport, data)
        else:
            silence.waiting.append(lambda: carry(sender_controller, destination_address, transport, data))

    def send_advertising_pdu(self, sender_controller: Controller, packet: ll.AdvertisingPdu) -> None:
        """As LocalLink; nobody hears it from out of range, and nobody there hears anything."""
        for other in self.controllers - {sender_controller}:
            if self._silence(sender_controller, other) is None:
                asyncio.get_running_loop().call_soon(other.on_ll_advertising_pdu, packet)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """As LocalLink; waits while one end is out of range."""
        carry = super().send_ll_control_pdu
        silence = self._silence(self.find_le_controller(sender_address), self.find_le_controller(receiver_address))
        if silence is None:
            carry(sender_address, receiver_address, packet)
        else:
            silence.waiting.append(lambda: carry(sender_address, receiver_address, packet))


class _HostDoor(StreamPacketSource):
    """A host over TCP. There is one at a time, and the newest is the one: an older one may have died unnoticed."""

    def __init__(self, controller: CentralController) -> None:
        super().__init__()
        self._controller = controller
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """The host's bytes go to the controller and the controller's to the host."""
        self._transport = transport
        before = self._controller.host
        self._controller.forget_host()
        self._controller.host = self
        self.set_packet_sink(self._controller)
        if isinstance(before, _HostDoor):
            before.set_packet_sink(_Nowhere())
            before.close()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """The host has ended or died: so have its links."""
        if self._controller.host is self:
            self._controller.host = None
            self._controller.forget_host()

    def on_packet(self, packet: bytes) -> None:
        """A packet of the controller for the host."""
        if not self._transport.is_closing():
            self._transport.write(packet)

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()


class _Nowhere:
    """Where the packets of a host go that has been replaced."""

    def on_packet(self, packet: bytes) -> None:
        """Nothing."""


async def serve_central(air: Air, listener: socket.socket) -> asyncio.Server:
    """Let a Bumble host be the central: `tcp-client:HOST:PORT` of the listener's address. Closing the server ends it."""
    controller = CentralController("central", link=air)
    return await asyncio.get_running_loop().create_server(lambda: _HostDoor(controller), sock=listener)
