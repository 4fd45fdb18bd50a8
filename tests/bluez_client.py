"""The link over bleak's own BlueZ backend, in a process of its own: bleak looks for its bus once.

`python bluez_client.py [ADAPTER]`: says each state as it comes, and at a line on stdin stops and says what it has.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from fake_bluez import ADDRESS, DEVICE_ID

from firmware_protocol.frames import Frame, decode
from posture.app.bluetooth import missing
from posture.sensors.backend import Backend
from posture.sensors.ble import Link
from posture.sensors.driver import Enrolled
from posture.sensors.timers import LinkTimers
from posture.types import PacketKind, Placement, RawPacket


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def main() -> None:
    adapter = sys.argv[1] if len(sys.argv) > 1 else None
    enrolled = Enrolled(DEVICE_ID.hex().upper(), Placement.SACRUM, "LPS-4C01", ADDRESS, bonded=True)
    began_ns = time.monotonic_ns()
    link = Link(
        enrolled,
        backend=Backend(adapter=adapter),
        timers=LinkTimers().scaled(0.1, least_s=1.0),
        now_ns=lambda: time.monotonic_ns() - began_ns,
        missing=missing,
    )
    rows: dict[int, dict[int, list[int]]] = {}
    told = 0

    def put(packet: RawPacket) -> None:
        nonlocal told
        if packet.kind is PacketKind.LINK:
            say(**json.loads(packet.payload))
        if packet.kind in (PacketKind.LIVE, PacketKind.BACKFILL) and isinstance(frame := decode(packet.payload), Frame):
            rows.setdefault(frame.boot, {}).update(
                {frame.index + k: row.tolist() for k, row in enumerate(frame.samples)}
            )
            whole = all(max(r) + 1 - min(r) == len(r) for r in rows.values())
            if len(rows[frame.boot]) // 100 > told and whole:
                told = len(rows[frame.boot]) // 100
                say(whole=told * 100, connections=link.status.connections)

    running = asyncio.create_task(link.run(put))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await link.stop()
    await running
    status = link.status
    say(
        received=status.received,
        duplicates=status.duplicates,
        rejected=status.rejected,
        connections=status.connections,
        rows=[sorted(r.items()) for r in rows.values()],
    )


if __name__ == "__main__":
    asyncio.run(main())
