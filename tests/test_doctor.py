"""`posture doctor`: every way in which Bluetooth is missing has a next step, and the probe tells them apart where it can be run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason, BleakDBusError, BleakError

from posture.app.bluetooth import bluetooth, missing
from posture.app.doctor import Facts, Level, Radio, findings, lines, radio_of, rfkill, works, writable
from posture.types import PostureError

REPOSITORY = Path(__file__).resolve().parent.parent
SYSTEMS = ("Linux", "Darwin", "Windows", "Plan9")


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("radio", [r for r in Radio if r is not Radio.READY])
def test_every_way_to_have_no_bluetooth_is_a_fault_with_a_next_step(system: str, radio: Radio) -> None:
    found = findings(Facts(system, radio, terminal="iTerm", folder="/data"))
    assert not works(found)
    assert found[0].level is Level.FAULT
    assert len(found[0].next_step) > 15
    assert all("\n" not in line for line in lines(found))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (Facts("Linux", Radio.OFF), "bluetoothctl power on"),
        (Facts("Linux", Radio.BLOCKED), "rfkill unblock bluetooth"),
        (Facts("Linux", Radio.SWITCH), "switch"),
        (Facts("Linux", Radio.NO_SERVICE), "systemctl enable --now bluetooth"),
        (Facts("Linux", Radio.NO_BUS), "systemctl start dbus"),
        (Facts("Linux", Radio.NO_BUS, container=True), "run outside of it"),
        (Facts("Linux", Radio.DENIED_BY_SYSTEM), "usermod -aG bluetooth"),
        (Facts("Linux", Radio.NO_ADAPTER, wsl=True), "in Windows itself"),
        (Facts("Darwin", Radio.DENIED_BY_USER, terminal="iTerm"), "allow iTerm"),
        (Facts("Darwin", Radio.OFF), "menu bar"),
        (Facts("Windows", Radio.OFF), "Settings > Bluetooth & devices"),
        (Facts("Windows", Radio.DENIED_BY_USER), "Radios"),
    ],
)
def test_the_next_step_is_that_of_the_system(facts: Facts, words: str) -> None:
    assert words in findings(facts)[0].next_step


def test_a_system_with_all_of_it_has_nothing_to_mend() -> None:
    found = findings(Facts("Linux", Radio.READY, folder="/data", sensors_n=2, calibrated=True))
    assert works(found)
    assert {f.level for f in found} == {Level.FINE}
    assert "2 sensors paired, with a calibration" in " ".join(lines(found))


def test_what_is_less_than_it_could_be_is_a_note_and_no_fault() -> None:
    found = findings(Facts("Linux", Radio.READY, folder="/data", free_gb=0.3, sensors_n=1, desktop=False))
    assert works(found)
    text = " ".join(lines(found))
    for words in ("0.3 GB", "1 sensor paired, not calibrated", "posture calibrate", "posture-monitor[desktop]"):
        assert words in text


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert writable(tmp_path / "not" / "there") is None
    problem = writable(tmp_path / "file" / "data")
    assert problem is not None
    assert not works(findings(Facts("Linux", Radio.READY, folder="/x", folder_problem=problem)))


@pytest.mark.parametrize("reason", list(BleakBluetoothNotAvailableReason))
def test_each_reason_that_bleak_knows_is_told_apart_from_ready(reason: BleakBluetoothNotAvailableReason) -> None:
    radio = radio_of(BleakBluetoothNotAvailableError("words", reason))
    assert radio is not Radio.READY
    assert (radio is Radio.UNKNOWN) == (reason is BleakBluetoothNotAvailableReason.UNKNOWN)


def test_errors_of_the_bus_are_told_apart() -> None:
    errors = "org.freedesktop.DBus.Error."
    assert radio_of(BleakDBusError(errors + "ServiceUnknown", [])) is Radio.NO_SERVICE
    assert radio_of(BleakDBusError(errors + "AccessDenied", [])) is Radio.DENIED_BY_SYSTEM
    assert radio_of(BleakDBusError("org.bluez.Error.NotReady", [])) is Radio.OFF
    assert radio_of(FileNotFoundError("no socket")) is Radio.NO_BUS
    assert radio_of(PermissionError("no socket for you")) is Radio.DENIED_BY_SYSTEM
    assert radio_of(TimeoutError()) is Radio.HANGS
    assert radio_of(BleakError("whatever")) is Radio.UNKNOWN


@pytest.mark.parametrize("error", [TimeoutError(), FileNotFoundError("no socket"), BleakError("whatever")])
def test_a_command_that_gets_no_bluetooth_ends_with_the_next_step(error: Exception) -> None:
    with pytest.raises(PostureError, match=r".+: .+\. More: posture doctor"), bluetooth():
        raise error


def test_an_error_that_is_not_of_bluetooth_itself_stays_that_of_the_link() -> None:
    assert missing(BleakError("the remote device went away")) is None


@pytest.mark.parametrize(
    ("radios", "expected"),
    [
        ([], None),
        ([("wlan", "1", "1")], None),
        ([("bluetooth", "0", "0")], None),
        ([("bluetooth", "0", "1")], Radio.BLOCKED),
        ([("bluetooth", "1", "1")], Radio.SWITCH),
        ([("bluetooth", "0", "1"), ("bluetooth", "0", "0")], None),
    ],
)
def test_a_blocked_radio_is_read_where_linux_lists_it(
    tmp_path: Path, radios: list[tuple[str, str, str]], expected: Radio | None
) -> None:
    for k, values in enumerate(radios):
        (tmp_path / f"rfkill{k}").mkdir()
        for name, value in zip(("type", "hard", "soft"), values, strict=True):
            (tmp_path / f"rfkill{k}" / name).write_text(value + "\n")
    assert rfkill(tmp_path) is expected


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="D-Bus is Linux's")
@pytest.mark.parametrize("bus", ["none", "without BlueZ"])
def test_the_probe_says_what_of_linux_bluetooth_is_missing(tmp_path: Path, bus: str) -> None:
    address, daemon = f"unix:path={tmp_path / 'none'}", None
    if bus != "none":
        if not shutil.which("dbus-daemon"):
            pytest.skip("no dbus-daemon here")
        command = ["dbus-daemon", "--session", "--nofork", "--print-address", f"--address=unix:path={tmp_path / 'bus'}"]
        daemon = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert daemon.stdout is not None
        address = daemon.stdout.readline().strip()
    code = "import asyncio; from posture.app.doctor import probe_radio; print(asyncio.run(probe_radio())[0].value)"
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address, "PYTHONPATH": str(REPOSITORY)},
            timeout=30,
            check=False,
        )
    finally:
        if daemon is not None:
            daemon.terminate()
            daemon.communicate(timeout=10)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["no_bus" if bus == "none" else "no_service"]
