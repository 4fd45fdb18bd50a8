"""A D-Bus of one's own, in place of the system's: what a stand-in for bluetoothd needs, without root."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

PATIENCE_S = 30.0
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/>
<allow user="*"/>{denied}</policy></busconfig>"""


@asynccontextmanager
async def private_bus(folder: Path, *, denied: str = "") -> AsyncIterator[str]:
    """A bus with its socket in `folder`; its address. denied : further rules of its policy."""
    socket, config = folder / "bus", folder / "bus.conf"
    config.write_text(_CONFIG.format(socket=socket, denied=denied))
    daemon = await asyncio.create_subprocess_exec(
        "dbus-daemon", f"--config-file={config}", "--nofork", "--print-address", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert daemon.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert await daemon.stdout.readline()
        yield f"unix:path={socket}"
    finally:
        daemon.terminate()
        await daemon.wait()
