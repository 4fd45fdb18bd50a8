"""`posture doctor`: what this system lacks for a live sensor, and the next step for each. Pure words over probed facts."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PROBE_TIMEOUT_S = 10.0
"""A Bluetooth service that has not answered by then is said to hang; macOS asks the user for permission meanwhile."""
FREE_MIN_GB = 1.0
"""A recorded day of two sensors is about 0.1 GB; below this there is not room for a week of them. Ours."""
_BUS = Path("/run/dbus/system_bus_socket"), Path("/var/run/dbus/system_bus_socket")
_NO_OWNER = ("ServiceUnknown", "NameHasNoOwner", "Spawn", "UnknownObject", "UnknownMethod")
"""Parts of the D-Bus errors with which a bus answers for a service that does not run and cannot be started."""


class Radio(StrEnum):
    """What stands between this program and Bluetooth; READY: nothing."""

    READY = "ready"
    NO_BACKEND = "no_backend"
    NO_BUS = "no_bus"
    NO_SERVICE = "no_service"
    NO_ADAPTER = "no_adapter"
    NO_LOW_ENERGY = "no_low_energy"
    OFF = "off"
    BLOCKED = "blocked"
    SWITCH = "switch"
    DENIED_BY_USER = "denied_by_user"
    DENIED_BY_SYSTEM = "denied_by_system"
    HANGS = "hangs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on this system.

    system : Linux, Darwin, Windows. terminal : the program that runs the terminal, where it says (macOS permission is its).
    detail : the radio's own words where it is not ready. wsl, container : Linux without a radio of its own, usually.
    folder_problem : why the data folder cannot be written, None where it can. sensors_n : enrolled. calibrated : a calibration
    of these sensors is there. desktop : desktop-notifier is installed. missing_virtual : what the virtual sensor lacks, if it does.
    """

    system: str
    radio: Radio
    detail: str = ""
    terminal: str = ""
    wsl: bool = False
    container: bool = False
    folder: str = ""
    folder_problem: str | None = None
    free_gb: float = float("inf")
    sensors_n: int = 0
    calibrated: bool = False
    desktop: bool = True
    missing_virtual: str | None = None


class Level(StrEnum):
    """FAULT: nothing live works until it is mended. NOTE: something is less than it could be."""

    FINE = "fine"
    NOTE = "note"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact in words; next_step : what to do, empty where it is fine."""

    level: Level
    what: str
    next_step: str = ""


def findings(facts: Facts) -> list[Finding]:
    """Everything that matters, in the order in which to mend it."""
    found = [_radio(facts), _folder(facts)]
    if facts.radio is not Radio.READY and facts.missing_virtual is None:
        found.append(
            Finding(Level.NOTE, "Without a radio the virtual sensor works here", "see it all with: posture demo")
        )
    elif facts.radio is not Radio.READY:
        found.append(
            Finding(
                Level.NOTE,
                f"The virtual sensor lacks {facts.missing_virtual}",
                "install posture-monitor[virtual] and a C compiler, or play the recording alone with: posture demo",
            )
        )
    if facts.sensors_n == 0:
        found.append(Finding(Level.NOTE, "No sensor is paired yet", "run: posture setup"))
    elif facts.calibrated:
        found.append(Finding(Level.FINE, f"{_sensors(facts.sensors_n)} paired, with a calibration"))
    else:
        found.append(
            Finding(Level.NOTE, f"{_sensors(facts.sensors_n)} paired, not calibrated", "run: posture calibrate")
        )
    if not facts.desktop:
        found.append(
            Finding(
                Level.NOTE,
                "Alerts do not appear on the desktop",
                "install posture-monitor[desktop]; until then they are in the terminal, and the sensor buzzes",
            )
        )
    return found


def works(found: list[Finding]) -> bool:
    """Whether a live session can run."""
    return all(f.level is not Level.FAULT for f in found)


def lines(found: list[Finding]) -> list[str]:
    """For the terminal, the next step under its finding."""
    return [
        line
        for f in found
        for line in (f"{f.level:<6}{f.what}.", *([f"      -> {f.next_step}"] if f.next_step else []))
    ]


def _sensors(n: int) -> str:
    return f"{n} sensor{'s' * (n != 1)}"


def _folder(facts: Facts) -> Finding:
    if facts.folder_problem is not None:
        return Finding(
            Level.FAULT,
            f"Nothing can be recorded in {facts.folder}: {facts.folder_problem}",
            "make it writable, or name another folder in the environment variable POSTURE_HOME",
        )
    if facts.free_gb < FREE_MIN_GB:
        return Finding(
            Level.NOTE,
            f"Only {facts.free_gb:.1f} GB are free at {facts.folder}",
            "a recorded day takes about 0.1 GB; make room",
        )
    return Finding(Level.FINE, f"Recordings go to {facts.folder}")


def _radio(facts: Facts) -> Finding:
    """Bluetooth, with the next step on this system."""
    if facts.radio is Radio.READY:
        return Finding(Level.FINE, "Bluetooth works")
    steps = {"Linux": _linux, "Darwin": _mac, "Windows": _windows}.get(facts.system, _other)
    what, step = steps(facts)
    detail = f" ({facts.detail})" if facts.detail and facts.radio in (Radio.UNKNOWN, Radio.NO_SERVICE) else ""
    return Finding(Level.FAULT, f"{what}{detail}", step)


def _linux(facts: Facts) -> tuple[str, str]:
    if facts.wsl:
        return (
            "Linux inside Windows (WSL) has no Bluetooth radio",
            "install posture-monitor in Windows itself and run it there",
        )
    container = "; a container sees none of the computer's: run outside of it" if facts.container else ""
    return {
        Radio.NO_BUS: (
            "There is no D-Bus system bus, over which Linux offers Bluetooth",
            f"start the service dbus (systemctl start dbus){container}",
        ),
        Radio.NO_SERVICE: (
            "BlueZ, the Bluetooth service of Linux, does not run",
            "install it (Debian, Ubuntu: apt install bluez) and start it: systemctl enable --now bluetooth" + container,
        ),
        Radio.NO_ADAPTER: (
            "BlueZ knows no Bluetooth adapter",
            "plug one in, or switch it on in the computer's firmware settings; `bluetoothctl list` shows what there is"
            + container,
        ),
        Radio.NO_LOW_ENERGY: (
            "The Bluetooth adapter cannot be a Low Energy central",
            "use an adapter of Bluetooth 4.0 or newer",
        ),
        Radio.OFF: ("Bluetooth is off", "switch it on: bluetoothctl power on, or in the settings of the desktop"),
        Radio.BLOCKED: ("Bluetooth is blocked by software (airplane mode?)", "run: rfkill unblock bluetooth"),
        Radio.SWITCH: (
            "Bluetooth is off at a switch of the computer",
            "move the switch or press its key; `rfkill list` shows it as hard blocked",
        ),
        Radio.DENIED_BY_SYSTEM: (
            "D-Bus does not let this user use Bluetooth",
            "add yourself to the group bluetooth (sudo usermod -aG bluetooth $USER), then log in anew; do not run as root",
        ),
        Radio.HANGS: ("BlueZ does not answer", "restart it: sudo systemctl restart bluetooth"),
    }.get(facts.radio) or _other(facts)


def _mac(facts: Facts) -> tuple[str, str]:
    terminal = facts.terminal or "your terminal program"
    grant = (
        f"open System Settings > Privacy & Security > Bluetooth, allow {terminal}, quit it with Cmd-Q and open it again"
    )
    return {
        Radio.OFF: ("Bluetooth is off", "switch it on in the menu bar or in System Settings > Bluetooth"),
        Radio.NO_ADAPTER: (
            "This Mac shows no Bluetooth radio",
            "restart it; a virtual machine has none: run outside of it",
        ),
        Radio.DENIED_BY_USER: (f"macOS does not let {terminal} use Bluetooth", grant),
        Radio.DENIED_BY_SYSTEM: (
            f"A rule of this Mac keeps {terminal} from Bluetooth",
            "ask who manages it to allow Bluetooth for that program",
        ),
        Radio.HANGS: (f"macOS waits for an answer: may {terminal} use Bluetooth?", f"answer its question, or {grant}"),
        Radio.UNKNOWN: ("Bluetooth cannot be used, and macOS does not say why", grant),
    }.get(facts.radio) or _other(facts)


def _windows(facts: Facts) -> tuple[str, str]:
    return {
        Radio.OFF: ("Bluetooth is off", "switch it on in Settings > Bluetooth & devices"),
        Radio.NO_ADAPTER: (
            "Windows shows no Bluetooth radio",
            "plug one in or install its driver; Device Manager > Bluetooth shows what there is",
        ),
        Radio.NO_LOW_ENERGY: (
            "The Bluetooth radio cannot be a Low Energy central",
            "use one of Bluetooth 4.0 or newer, with Windows 10 version 1703 or newer",
        ),
        Radio.DENIED_BY_USER: (
            "Windows does not let desktop programs use radios",
            "allow it in Settings > Privacy & security > Radios, then open the terminal again",
        ),
    }.get(facts.radio) or _other(facts)


def _other(facts: Facts) -> tuple[str, str]:
    if facts.radio is Radio.NO_BACKEND:
        return "The package bleak cannot be used here", "install posture-monitor again; it brings bleak with it"
    if facts.radio is Radio.HANGS:
        return "The Bluetooth service does not answer", "switch Bluetooth off and on again"
    return (
        "Bluetooth cannot be used here",
        "switch it off and on again; if that does not help, restart the computer and run posture doctor again",
    )


# ---- what there is


async def probe_radio(
    system: str = platform.system(), environment: Mapping[str, str] = os.environ
) -> tuple[Radio, str]:
    """A short scan with bleak: what came of it, and the system's own words."""
    if system == "Linux":
        if blocked := rfkill():
            return blocked, ""
        if "DBUS_SYSTEM_BUS_ADDRESS" not in environment and not any(path.exists() for path in _BUS):
            return Radio.NO_BUS, ""
    try:
        from bleak import BleakScanner
    except ImportError as error:
        return Radio.NO_BACKEND, str(error)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            async with BleakScanner():
                return Radio.READY, ""
    except TimeoutError:
        return Radio.HANGS, ""
    except Exception as error:  # each system fails in its own ways; all are answers to the question
        return radio_of(error), " ".join(str(error).split())[:200]


def radio_of(error: Exception) -> Radio:
    """What an error of bleak's scanner means."""
    from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError
    from bleak.exc import BleakBluetoothNotAvailableReason as Reason

    if isinstance(error, BleakBluetoothNotAvailableError):
        return {
            Reason.NO_BLUETOOTH: Radio.NO_ADAPTER,
            Reason.NO_BLE_CENTRAL_ROLE: Radio.NO_LOW_ENERGY,
            Reason.POWERED_OFF: Radio.OFF,
            Reason.DENIED_BY_USER: Radio.DENIED_BY_USER,
            Reason.DENIED_BY_SYSTEM: Radio.DENIED_BY_SYSTEM,
            Reason.DENIED_BY_UNKNOWN: Radio.DENIED_BY_USER,
        }.get(error.reason, Radio.UNKNOWN)
    if isinstance(error, BleakDBusError):
        if "AccessDenied" in error.dbus_error:
            return Radio.DENIED_BY_SYSTEM
        if any(part in error.dbus_error for part in _NO_OWNER):
            return Radio.NO_SERVICE
        if "NotReady" in error.dbus_error:
            return Radio.OFF
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return Radio.NO_BUS
    if isinstance(error, TimeoutError):
        return Radio.HANGS
    return Radio.DENIED_BY_SYSTEM if isinstance(error, PermissionError) else Radio.UNKNOWN


def rfkill(folder: Path = Path("/sys/class/rfkill")) -> Radio | None:
    """Whether every Bluetooth radio of this Linux is blocked, and by what; None where one is not or none is listed."""
    states = []
    for entry in sorted(folder.glob("rfkill*")):
        with suppress(OSError):
            if (entry / "type").read_text().strip() == "bluetooth":
                states.append(tuple((entry / name).read_text().strip() == "1" for name in ("hard", "soft")))
    if not states or not all(hard or soft for hard, soft in states):
        return None
    return Radio.SWITCH if all(hard for hard, _ in states) else Radio.BLOCKED


def writable(folder: Path) -> str | None:
    """Why nothing can be written there, None where it can. The folder need not be there, and is not made."""
    there = next(p for p in (folder, *folder.parents) if p.exists())
    if not there.is_dir():
        return f"{there} is not a folder"
    return None if os.access(there, os.W_OK | os.X_OK) else f"{there} may not be written"


def missing_virtual() -> str | None:
    """What the virtual sensor lacks here."""
    for package in ("bumble", "cffi"):
        if find_spec(package) is None:
            return f"the package {package}"
    return None if any(shutil.which(c) for c in ("cc", "gcc", "clang")) else "a C compiler"


def surroundings(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """System, terminal and whether this Linux is one inside of something else; fields of `Facts`."""
    release = platform.release().lower()
    return {
        "system": platform.system(),
        "terminal": {"Apple_Terminal": "Terminal", "iTerm.app": "iTerm", "vscode": "Visual Studio Code"}.get(
            environment.get("TERM_PROGRAM", ""), environment.get("TERM_PROGRAM", "")
        ),
        "wsl": sys.platform == "linux" and "microsoft" in release,
        "container": any(Path(p).exists() for p in ("/.dockerenv", "/run/.containerenv")),
        "desktop": find_spec("desktop_notifier") is not None,
        "missing_virtual": missing_virtual(),
    }


async def probe(folder: Path, *, sensors_n: int, calibrated: bool) -> Facts:
    """The facts of this system. folder : where recordings go."""
    around = surroundings()
    radio, detail = await probe_radio()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    return Facts(
        radio=radio,
        detail=detail,
        folder=str(folder),
        folder_problem=writable(folder),
        free_gb=shutil.disk_usage(there).free / 1e9,
        sensors_n=sensors_n,
        calibrated=calibrated,
        **around,
    )
