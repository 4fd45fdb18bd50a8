"""The link over bleak's own BlueZ backend, against a stand-in for bluetoothd on a private bus: without a radio and without root."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dbus_fast", reason="dbus-fast is not installed: this is not Linux")
pytest.importorskip("cffi", reason="cffi is not installed: the C core is not driven")
if shutil.which("dbus-daemon") is None:
    pytest.skip("dbus-daemon is not installed: there is no private bus", allow_module_level=True)
if not any(shutil.which(c) for c in ("cc", "gcc", "clang")):
    pytest.skip("no C compiler: the C core is not built", allow_module_level=True)

from motion_file import counts_of
from private_bus import private_bus
from raw_central import REPOSITORY, Sensors, run

from firmware_protocol.core import build


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    build(folder / "cache")
    return folder


class World:
    """A bus, and processes on it."""

    def __init__(self, home: Path, address: str) -> None:
        tests = Path(__file__).parent
        self.tests = tests
        self.environment = {
            **os.environ,
            "DBUS_SYSTEM_BUS_ADDRESS": address,
            "POSTURE_HOME": str(home),
            "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{tests}",
        }

    @asynccontextmanager
    async def process(self, script: str, *arguments: str) -> AsyncIterator[Sensors]:
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, str(self.tests / script), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment,
            limit=1 << 22,
        )
        process = Sensors(made)
        try:
            yield process
        finally:
            if made.returncode is None:
                made.kill()
            _, error = await process.ended()
            sys.stderr.write(error)
        assert "never retrieved" not in error

    @asynccontextmanager
    async def bluez(self, *arguments: str) -> AsyncIterator[Sensors]:
        async with self.process("fake_bluez.py", *arguments) as fake:
            await fake.said("READY")
            yield fake


@asynccontextmanager
async def world(home: Path, folder: Path, *, denied: str = "") -> AsyncIterator[World]:
    async with private_bus(folder, denied=denied) as address:
        yield World(home, address)


async def summary(client: Sensors) -> dict[str, Any]:
    """Stop it; what it has."""
    assert client.process.stdin is not None
    client.process.stdin.write(b"\n")
    line = await client.said('"received"')
    return dict(json.loads(line))


def assert_is_the_recording(rows: list[Any]) -> None:
    index = np.array([i for i, _ in rows])
    np.testing.assert_array_equal(index, np.arange(index[0], index[-1] + 1))
    np.testing.assert_array_equal(np.array([row for _, row in rows]), counts_of(1)[index])


def test_after_a_loss_notifications_that_come_twice_count_once_and_nothing_is_missing(
    home: Path, tmp_path: Path
) -> None:
    async def scene() -> None:
        async with (
            world(home, tmp_path) as bus,
            bus.bluez("hci0", "--drop-after", "1.5") as fake,
            bus.process("bluez_client.py") as client,
        ):
            await fake.said("Connect 2")
            await client.said('"whole": 1500, "connections": 2')
            got = await summary(client)
            (rows,) = got["rows"]
            assert_is_the_recording(rows)
            assert got["received"] == len(rows)
            assert got["duplicates"] > 100
            assert got["rejected"] == 0

    run(scene())


def test_the_link_outlives_bluetoothd(home: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(home, tmp_path) as bus, bus.process("bluez_client.py") as client:
            await client.said('"state": "lost"')  # no bluetoothd yet: said, and tried again
            async with bus.bluez("hci0"):
                await client.said('"whole": 300, "connections": 1')
            async with bus.bluez("hci0"):  # another boot of the sensor, for it ran in that process
                await client.said('"connections": 2')
                got = await summary(client)
            for rows in got["rows"]:
                assert_is_the_recording(rows)
            assert len(got["rows"]) == 2

    run(scene())


def test_a_program_that_was_killed_leaves_a_connection_that_the_next_one_takes_over(home: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(home, tmp_path) as bus, bus.bluez("hci0") as fake:
            async with bus.process("bluez_client.py") as killed:
                await killed.said('"whole": 100')
                killed.process.kill()
            async with bus.process("bluez_client.py") as client:
                await client.said('"whole": 300')
                got = await summary(client)
            (rows,) = got["rows"]
            assert_is_the_recording(rows)
            assert [line for line in fake.lines if line.startswith("Connect")] == ["Connect 1"]

    run(scene())


@pytest.mark.parametrize(("adapter", "heard"), [("hci1", True), ("hci0", False)])
def test_the_adapter_is_the_users_choice(adapter: str, heard: bool, home: Path, tmp_path: Path) -> None:
    """The sensor is near hci1 alone."""

    async def scene() -> None:
        async with (
            world(home, tmp_path) as bus,
            bus.bluez("hci0", "hci1") as fake,
            bus.process("bluez_client.py", adapter) as client,
        ):
            await client.said('"state": "streaming"' if heard else "is not heard")
            assert {line.split()[-1] for line in fake.lines if "StartDiscovery" in line} == {f"/org/bluez/{adapter}"}

    run(scene())


DENIED = '<deny send_destination="org.bluez"/>'


@pytest.mark.parametrize(
    ("service", "denied", "radio", "words"),
    [
        (None, "", "no_service", "does not run: install it"),
        (("--off", "hci0"), "", "off", "Bluetooth is off: switch it on"),
        ((), "", "no_adapter", "knows no Bluetooth adapter: plug one in"),
        (("hci0",), DENIED, "denied_by_system", "does not let this user use Bluetooth: add yourself to the group"),
        (("--deaf", "hci0"), "", "hangs", "does not answer: restart it"),
    ],
    ids=["no service", "off", "no adapter", "no permission", "hangs"],
)
def test_what_of_bluetooth_is_missing_is_said_with_the_next_step_by_link_and_doctor(
    service: tuple[str, ...] | None, denied: str, radio: str, words: str, home: Path, tmp_path: Path
) -> None:
    async def scene() -> None:
        async with AsyncExitStack() as stack:
            bus = await stack.enter_async_context(world(home, tmp_path, denied=denied))
            if service is not None:
                await stack.enter_async_context(bus.bluez(*service))
            client = await stack.enter_async_context(bus.process("bluez_client.py"))
            await client.said(words)
            asked = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PROBE), stdout=asyncio.subprocess.PIPE, env=bus.environment
            )
            said, _ = await asked.communicate()
            assert said.decode().split() == [radio]

    run(scene())


def test_without_a_bus_the_link_says_so_with_the_next_step(home: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with World(home, f"unix:path={tmp_path / 'none'}").process("bluez_client.py") as client:
            await client.said("There is no D-Bus system bus, over which Linux offers Bluetooth: start the service dbus")

    run(scene())


PROBE = """
import asyncio
from posture.app import doctor
doctor.PROBE_TIMEOUT_S = 2.0
print(asyncio.run(doctor.probe_radio())[0].value)
"""
