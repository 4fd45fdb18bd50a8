"""Desktop notifications: a real notification service on a private bus, and what is said where there is none."""

# ruff: noqa: F722, F821, N802
# No `from __future__ import annotations`: the annotations of a D-Bus service are its signatures.
import asyncio
import builtins
import gc
import shutil
import subprocess
import sys
import warnings
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from posture.app.notify import Button, Desktop, Silent, desktop

Made = TypeVar("Made")
installed = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not shutil.which("dbus-daemon"), reason="no dbus-daemon here"
)


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A session bus of its own."""
    pytest.importorskip("desktop_notifier", reason="the extra desktop is not installed")
    command = ["dbus-daemon", "--session", "--nofork", "--print-address", f"--address=unix:path={tmp_path / 'bus'}"]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert daemon.stdout is not None
    address = daemon.stdout.readline().strip()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    yield address
    daemon.terminate()
    daemon.communicate(timeout=10)


def run(work: Coroutine[Any, Any, Made]) -> Made:
    """As asyncio.run; the D-Bus package leaves its sockets to the collector, which must not be taken for our fault."""
    try:
        return asyncio.run(work)
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@installed
def test_an_alert_reaches_the_notification_service_of_the_desktop(bus: str) -> None:
    from dbus_fast.aio import MessageBus
    from dbus_fast.service import ServiceInterface, method

    seen: list[tuple[str, str]] = []

    class Service(ServiceInterface):
        @method()
        def Notify(
            self, name: "s", replaces: "u", icon: "s", title: "s", body: "s", actions: "as", hints: "a{sv}", ms: "i"
        ) -> "u":
            seen.append((title, body))
            return 1

        @method()
        def GetServerInformation(self) -> "ssss":
            return ["tests", "posture-monitor", "1", "1.2"]

        @method()
        def GetCapabilities(self) -> "as":
            return ["body"]

    async def scene() -> None:
        server = await MessageBus(bus_address=bus).connect()
        server.export("/org/freedesktop/Notifications", Service("org.freedesktop.Notifications"))
        await server.request_name("org.freedesktop.Notifications")
        said: list[str] = []
        notifier = desktop(said.append)
        await notifier.notify("Time to move", "Two minutes standing let it recover.")
        assert said == []

    run(scene())
    assert seen == [("Time to move", "Two minutes standing let it recover.")]


@installed
@pytest.mark.parametrize("capabilities", [["body", "actions"], ["body"]])
def test_buttons_are_shown_where_the_desktop_has_them_and_a_press_is_heard(bus: str, capabilities: list[str]) -> None:
    from dbus_fast.aio import MessageBus
    from dbus_fast.service import ServiceInterface, method, signal

    offered: list[str] = []

    class Service(ServiceInterface):
        @method()
        def Notify(
            self, name: "s", replaces: "u", icon: "s", title: "s", body: "s", actions: "as", hints: "a{sv}", ms: "i"
        ) -> "u":
            offered[:] = actions
            return 7

        @method()
        def GetServerInformation(self) -> "ssss":
            return ["tests", "posture-monitor", "1", "1.2"]

        @method()
        def GetCapabilities(self) -> "as":
            return capabilities

        @signal()
        def ActionInvoked(self, number: "u", action: "s") -> "us":
            return [number, action]

    async def scene() -> list[str]:
        server, service = await MessageBus(bus_address=bus).connect(), Service("org.freedesktop.Notifications")
        server.export("/org/freedesktop/Notifications", service)
        await server.request_name("org.freedesktop.Notifications")
        pressed: list[str] = []
        done = asyncio.Event()

        def wrong() -> None:
            pressed.append("wrong")
            done.set()

        notifier = desktop(pressed.append)
        await notifier.notify("Bend", "words", (Button("Snooze", lambda: None), Button("That was wrong", wrong)))
        labels = offered[1::2]
        if "That was wrong" in labels:
            service.ActionInvoked(7, offered[2 * labels.index("That was wrong")])
            async with asyncio.timeout(10):
                await done.wait()
        return pressed

    pressed = run(scene())
    shown = "actions" in capabilities
    assert pressed == ["wrong"] * shown
    assert [label for label in offered[1::2] if label] == ["Snooze", "That was wrong"] * shown


@installed
def test_without_a_notification_service_one_line_is_said_and_no_more(bus: str) -> None:
    async def scene() -> list[str]:
        said: list[str] = []
        notifier = desktop(said.append)
        assert isinstance(notifier, Desktop)
        for _ in range(3):
            await notifier.notify("Bend", "words")
        return said

    (line,) = run(scene())
    assert line.startswith("No desktop notifications: ")
    assert "\n" not in line
    assert "Traceback" not in line


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *more: object, **others: object) -> object:
        if name.startswith("desktop_notifier"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *more, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)
    said: list[str] = []
    assert isinstance(desktop(said.append), Silent)
    (line,) = said
    assert "posture-monitor[desktop]" in line
