"""The link to live sensors, against the firmware in another process: nothing that a sensor still holds is lost or comes twice."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bumble", reason="bumble is not installed: there is no virtual sensor")
pytest.importorskip("cffi", reason="cffi is not installed: the C core is not driven")
if not any(shutil.which(c) for c in ("cc", "gcc", "clang")):
    pytest.skip("no C compiler: the C core is not built", allow_module_level=True)

from bleak.exc import BleakError
from impostor import impostor_near
from link_bench import SPEED, TIMERS, Session, enrolled_by, found_by, radio, session
from motion_file import RATE_HZ, counts_of, write_motion
from raw_central import run, virtual_sensor

from firmware_protocol import gatt
from firmware_protocol.control import Reply, TimeSyncReply, decode_reply
from firmware_protocol.core import build
from firmware_protocol.frames import FrameFlag
from posture.sensors import ble
from posture.sensors.driver import Enrolled, LinkError, LinkState, RefusedError
from posture.sensors.lps import DRIVER
from posture.sensors.scanning import enrol
from posture.types import PacketKind, Placement


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the core is built once for all processes."""
    folder = tmp_path_factory.mktemp("home")
    build(folder / "cache")
    return folder


@pytest.fixture(scope="module")
def sacrum(home: Path) -> Path:
    return write_motion(home, sacrum=1)


def assert_is_the_recording(rows: dict[int, np.ndarray], seed: int) -> None:
    """Every sample from the first to the last, as it was recorded."""
    index = np.array(sorted(rows))
    np.testing.assert_array_equal(index, np.arange(index[0], index[-1] + 1))
    np.testing.assert_array_equal(np.array([rows[int(i)] for i in index]), counts_of(seed)[index])


def faults(*names: str) -> list[str]:
    return [word for name in names for word in ("--fault", name)]


def test_two_sensors_are_found_paired_lost_found_again_and_nothing_is_missing(home: Path) -> None:
    both = write_motion(home, sacrum=1, upper_lumbar=2)

    async def scene() -> None:
        out = faults("out-of-range=6@4")
        async with (
            virtual_sensor(home, "--recording", both, "--speed", SPEED, *out) as sensors,
            radio(sensors) as ether,
        ):
            one, two = await enrolled_by(ether, 2)
            assert (one.serial, two.serial) == ("5649525455414C01", "5649525455414C02")
            assert (one.bonded, one.driver, one.name) == (True, "lps", "LPS-4C01")
            lock = asyncio.Lock()
            async with session(one, ether, lock) as first, session(two, ether, lock) as second:
                for seed, s in enumerate((first, second), 1):
                    link = s.link

                    def again(s: Session = s, link: ble.Link = link) -> bool:
                        return link.status.connections > 1 and link.status.backfilled > 4 * RATE_HZ and s.whole()

                    await s.until(again)
                    (rows,) = s.rows.values()
                    assert_is_the_recording(rows, seed)
            for s, enrolled in ((first, one), (second, two)):
                status = s.link.status
                (rows,) = s.rows.values()
                assert status.received == len(rows)
                assert (status.overwritten, status.not_stored, status.rejected, status.dropped) == (0, 0, 0, 0)
                assert status.battery_pct == 75
                assert {p.placement for p in s.packets} == {enrolled.placement}
                states = [state for state, _ in s.said()]
                assert states[:2] == ["connecting", "streaming"]
                assert "lost" in states
                assert len(s.of(PacketKind.INFO)) == 2
                assert s.of(PacketKind.DONE)
            assert [line for line in sensors.lines if "remote_user_terminated" in line], "the sensors were told"

    run(scene())


def test_a_sensor_that_falls_silent_while_connected_is_connected_anew(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with (
            virtual_sensor(home, "--recording", sacrum, "--speed", SPEED, *faults("silent@4")) as sensors,
            radio(sensors) as ether,
        ):
            (enrolled,) = await enrolled_by(ether)
            async with session(enrolled, ether) as s:
                await s.until(lambda: s.link.status.connections > 1 and s.link.status.backfilled > 0 and s.whole())
            (rows,) = s.rows.values()
            assert_is_the_recording(rows, 1)
            assert [state for state, _ in s.said()] == ["connecting", "streaming", "silent", "lost", "streaming"]
            assert "though it answers" in s.said()[3][1]

    run(scene())


def test_spoilt_and_doubled_frames_leave_no_hole_and_no_double(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        bad = faults("corrupt=7", "duplicate=3")
        async with (
            virtual_sensor(home, "--recording", sacrum, "--speed", SPEED, *bad) as sensors,
            radio(sensors) as ether,
        ):
            (enrolled,) = await enrolled_by(ether)
            async with session(enrolled, ether) as s:
                await s.until(lambda: s.link.status.received > 20 * RATE_HZ)
            (rows,) = s.rows.values()
            assert_is_the_recording(rows, 1)
            status = s.link.status
            assert status.received == len(rows)
            assert status.duplicates > 0
            assert status.rejected > 0
            assert (status.not_stored, status.overwritten) == (0, 0)

    run(scene())


def test_a_reboot_is_a_new_boot_from_its_first_sample_and_the_old_one_is_fetched_to_its_end(
    home: Path, sacrum: Path
) -> None:
    async def scene() -> None:
        # Away, and rebooted before anybody is near again: its last seconds and the new boot's first are in the ring only.
        strikes = faults("silent@4", "reboot@6")
        async with (
            virtual_sensor(home, "--recording", sacrum, "--speed", SPEED, *strikes) as sensors,
            radio(sensors) as ether,
        ):
            (enrolled,) = await enrolled_by(ether)
            async with session(enrolled, ether) as s:
                await s.until(lambda: len(s.rows) == 2 and len(list(s.rows.values())[1]) > 5 * RATE_HZ and s.whole(2))
            old, new = s.rows.values()
            assert_is_the_recording(old, 1)
            assert sorted(new) == list(range(len(new)))
            first = int(np.flatnonzero((counts_of(1) == new[0]).all(axis=1))[0])
            np.testing.assert_array_equal(
                np.array(list(dict(sorted(new.items())).values())), counts_of(1)[first : first + len(new)]
            )
            assert 0 <= first - (max(old) + 1) < 19 + 5, "a frame of the ring that was being filled, at most"

    run(scene())


def test_what_this_computer_had_no_room_for_is_counted_and_asked_for_again(
    home: Path, sacrum: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ble, "QUEUE_MAX", 8)

    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum, "--speed", SPEED) as sensors, radio(sensors) as ether:
            (enrolled,) = await enrolled_by(ether)
            async with session(enrolled, ether) as s:
                await s.until(lambda: s.link.status.received > 50)
                time.sleep(0.4)  # the whole program stalls, and forty frames come at once
                await s.until(lambda: s.link.status.dropped > 0 and s.link.status.backfilled > 0 and s.whole())
            (rows,) = s.rows.values()
            assert_is_the_recording(rows, 1)

    run(scene())


def test_times_are_exchanged_and_the_sensor_is_told_the_time(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum, "--speed", SPEED) as sensors, radio(sensors) as ether:
            (enrolled,) = await enrolled_by(ether)
            timers = replace(TIMERS, sync_s=0.3)
            async with session(enrolled, ether) as s:
                s.link.sensor._hub = replace(s.link.sensor._hub, timers=timers)  # type: ignore[attr-defined]
                await s.until(lambda: len(s.of(PacketKind.SYNC)) >= 3)
            for packet in s.packets:
                if packet.kind is PacketKind.SYNC:
                    reply = decode_reply(packet.payload)
                    assert isinstance(reply, Reply)
                    assert isinstance(reply.args, TimeSyncReply)
                    assert 0 < reply.args.t1 < packet.host_time_ns
            assert s.frames[-1].flags & FrameFlag.TIME_SYNCED

    run(scene())


def test_the_sensor_buzzes_once_and_not_again_at_once(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum, "--speed", SPEED) as sensors, radio(sensors) as ether:
            (enrolled,) = await enrolled_by(ether)
            async with session(enrolled, ether) as s:
                assert not await s.link.haptic(1, 60, 1), "not connected yet"
                await s.until(lambda: s.link.status.state is LinkState.STREAMING)
                assert await s.link.haptic(1, 60, 1)
                assert not await s.link.haptic(1, 60, 1)
                assert "60 % 100 ms" in await sensors.said("buzz")

    run(scene())


def test_a_narrow_link_carries_averages_and_no_backfill_is_tried(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with (
            virtual_sensor(home, "--recording", sacrum, "--speed", SPEED, *faults("mtu-23")) as sensors,
            radio(sensors) as ether,
        ):
            (enrolled,) = await enrolled_by(ether)
            async with session(enrolled, ether) as s:
                await s.until(lambda: len(s.minis) > 20)
            assert s.link.status.received >= 80
            assert not s.of(PacketKind.SYNC, PacketKind.BACKFILL)
            assert s.link.status.rejected == 0

    run(scene())


def test_a_low_battery_and_an_imu_that_repeats_itself_are_told(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with (
            virtual_sensor(
                home, "--recording", sacrum, "--speed", SPEED, *faults("low-battery@2", "frozen@3")
            ) as sensors,
            radio(sensors) as ether,
        ):
            (enrolled,) = await enrolled_by(ether)
            async with session(enrolled, ether) as s:
                await s.until(lambda: s.link.status.fault is not None and s.link.status.battery_pct == 9)
                assert "repeats the same sample" in (s.link.status.fault or "")

    run(scene())


def test_a_cancelled_link_hangs_up_and_what_the_recorder_raises_comes_out(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum, "--speed", SPEED) as sensors, radio(sensors) as ether:
            (enrolled,) = await enrolled_by(ether)
            made = ble.Link(enrolled, backend=ether, timers=TIMERS, now_ns=time.monotonic_ns)
            came = asyncio.Event()
            running = asyncio.create_task(made.run(lambda _: came.set() if made.status.received else None))
            await came.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            seen = len(sensors.lines)
            await sensors.said("disconnected: remote_user_terminated")

            def full(_: object) -> None:
                raise OSError("no space left")

            with pytest.raises(OSError, match="no space left"):
                await ble.Link(enrolled, backend=ether, timers=TIMERS, now_ns=time.monotonic_ns).run(full)
            assert len(sensors.lines) >= seen

    run(scene())


def test_a_lost_link_ends_every_call_that_waits(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum, ready=False) as sensors, radio(sensors) as ether:
            (found,) = await found_by(ether)
            assert found.device is not None
            gone = asyncio.Event()
            client = ether.make_client(found.device, gone.set, timeout_s=5.0)
            await client.connect()
            sensors.process.kill()
            reads = [asyncio.ensure_future(client.read_gatt_char(str(gatt.INFO.uuid))) for _ in range(3)]
            async with asyncio.timeout(10.0):
                results = await asyncio.gather(*reads, return_exceptions=True)
                await gone.wait()
            assert all(isinstance(r, BleakError) for r in results), results
            assert not client.is_connected

    run(scene())


# ---- who is not let in


async def refused(enrolled: Enrolled, ether: object) -> tuple[Session, str]:
    """A link that must come to `refused` with no data: the line that it says."""
    async with session(enrolled, ether) as s:  # type: ignore[arg-type]
        await s.until(lambda: s.link.status.state is LinkState.REFUSED)
        reason = s.link.status.reason
    assert not s.of(PacketKind.LIVE, PacketKind.BACKFILL)
    assert s.link.status.received == 0
    assert "\n" not in reason
    assert [state for state, _ in s.said()].count("refused") == 1
    return s, reason


def test_without_the_bond_nothing_is_taken(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum, "--speed", SPEED) as sensors:
            async with radio(sensors) as ether:
                (enrolled,) = await enrolled_by(ether)
            async with radio(sensors) as forgetful:
                await found_by(forgetful)
                _, reason = await refused(enrolled, forgetful)
                assert reason == (
                    "this computer is not paired with LPS-4C01 any more; press its button and pair it again"
                )

    run(scene())


def test_the_bond_outlives_this_program_and_a_sensor_that_lost_its_half_is_refused(
    home: Path, sacrum: Path, tmp_path: Path
) -> None:
    bonds = tmp_path / "bonds.json"

    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum, "--speed", SPEED) as sensors:
            async with radio(sensors, bonds) as ether:
                (enrolled,) = await enrolled_by(ether)
            async with radio(sensors, bonds) as again, session(enrolled, again) as s:
                await s.until(lambda: s.link.status.received > 0)
        # The next process has the same address and serial, and not the bond: as an impostor would.
        async with virtual_sensor(home, "--recording", sacrum, "--speed", SPEED) as other, radio(other, bonds) as ether:
            _, reason = await refused(enrolled, ether)
            assert "does not know this computer any more" in reason
            # A person who presses the button makes it right.
            (enrolled,) = await enrolled_by(ether)
            async with session(enrolled, ether) as s:
                await s.until(lambda: s.link.status.received > 0)

    run(scene())


def test_another_serial_is_refused(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum, "--speed", SPEED) as sensors, radio(sensors) as ether:
            (enrolled,) = await enrolled_by(ether)
            _, reason = await refused(replace(enrolled, serial="0123456789ABCDEF"), ether)
            assert "another sensor answers" in reason
            assert "5649525455414C01, not 0123456789ABCDEF" in reason

    run(scene())


def test_a_sensor_that_contradicts_itself_cannot_be_enrolled(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with (
            virtual_sensor(home, "--recording", sacrum, *faults("wrong-serial")) as sensors,
            radio(sensors) as ether,
        ):
            (found,) = await found_by(ether)
            with pytest.raises(LinkError, match="two different serials"):
                await enrol(found, Placement.SACRUM, backend=ether, timers=TIMERS)

    run(scene())


def test_without_the_button_there_is_one_sentence(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with (
            virtual_sensor(home, "--recording", sacrum, *faults("no-button")) as sensors,
            radio(sensors) as ether,
        ):
            (found,) = await found_by(ether)
            with pytest.raises(LinkError, match="press its button and try again"):
                await enrol(found, Placement.SACRUM, backend=ether, timers=TIMERS)

    run(scene())


ADDRESS, DEVICE_ID = "D2:54:55:41:4C:01", bytes.fromhex("5649525455414C01")
"""Of the first virtual sensor."""


def test_a_stranger_with_our_name_and_service_is_never_connected_to(home: Path) -> None:
    enrolled = Enrolled(DEVICE_ID.hex().upper(), Placement.SACRUM, "LPS-4C01", ADDRESS, bonded=True)

    async def scene() -> None:
        async with impostor_near("E2:00:00:00:00:07", DEVICE_ID) as (stranger, ether):
            async with session(enrolled, ether) as s:
                await s.until(lambda: "not heard" in s.link.status.reason)
            assert stranger.connected == 0
            assert not s.of(PacketKind.LIVE, PacketKind.INFO)
            (found,) = await found_by(ether)
            assert (found.name, found.handle) == ("LPS-4C01", "E2:00:00:00:00:07")
            # Enrolled by its name it would be; by the serial that is printed on the sensor it is not.
            with pytest.raises(LinkError, match=r"has the serial 5649525455414C01, not 5649525455414C99"):
                await enrol(found, Placement.SACRUM, serial="5649525455414C99", backend=ether, timers=TIMERS)

    run(scene())


def test_a_copy_of_the_sensor_at_its_address_without_the_bond_is_refused(
    home: Path, sacrum: Path, tmp_path: Path
) -> None:
    bonds = tmp_path / "bonds.json"

    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum) as sensors, radio(sensors, bonds) as ether:
            (enrolled,) = await enrolled_by(ether)
        assert enrolled.handle == ADDRESS
        async with impostor_near(ADDRESS, DEVICE_ID, bonds) as (copy, ether):
            s, reason = await refused(enrolled, ether)
            assert copy.connected > 0
            assert "does not know this computer any more" in reason
            assert not s.of(PacketKind.INFO, PacketKind.STATUS)

    run(scene())


def test_an_unencrypted_link_does_not_prove_a_bond(home: Path, sacrum: Path) -> None:
    """As where the system does not tell whether it has one: the gated characteristic is what shows it."""

    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum) as sensors, radio(sensors) as ether:
            (found,) = await found_by(ether)
            assert found.device is not None
            found.device.details["props"] = {}
            client = ether.make_client(found.device, None, timeout_s=5.0)
            await client.connect()
            assert await DRIVER.serial(client) == DEVICE_ID.hex().upper()
            with pytest.raises(RefusedError, match="the link is not encrypted"):
                await DRIVER.prove_bond(client)
            await client.disconnect()

    run(scene())
