"""The control point as seen by the host: one request at a time, its reply by its tag."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bleak import BleakClient

from firmware_protocol import gatt
from firmware_protocol.control import Done, Reply, Request, decode_reply, encode_request
from firmware_protocol.rejection import Rejection


@dataclass(slots=True)
class ControlPoint:
    """Requests over one connection. heard : told of every indication the moment it comes, with its bytes."""

    client: BleakClient
    request_s: float
    heard: Callable[[Reply | Done | Rejection, bytes], None]
    _tag: int = 0
    _waiting: dict[int, asyncio.Future[Reply]] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def subscribe(self) -> None:
        """Before the first request: without a subscription a reply waits in the sensor."""
        await self.client.start_notify(str(gatt.CONTROL.uuid), lambda _, payload: self._indicated(bytes(payload)))

    async def ask(self, args: Request) -> Reply:
        """The reply; TimeoutError without one, errors of bleak when the link is lost."""
        async with self._turn, asyncio.timeout(self.request_s):
            self._tag = tag = (self._tag + 1) % 256
            answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            self._waiting[tag] = answer
            try:
                await self.client.write_gatt_char(str(gatt.CONTROL.uuid), encode_request(args, tag), response=True)
                return await answer
            finally:
                del self._waiting[tag]

    def _indicated(self, payload: bytes) -> None:
        message = decode_reply(payload)
        self.heard(message, payload)
        if isinstance(message, Reply):
            answer = self._waiting.get(message.tag)
            if answer is not None and not answer.done():
                answer.set_result(message)
