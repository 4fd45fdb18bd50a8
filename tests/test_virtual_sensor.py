"""The virtual sensor from outside: two processes, a plain Bumble host as central, every op of the protocol over the air."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("bumble", reason="bumble is not installed: there is no virtual sensor")
pytest.importorskip("cffi", reason="cffi is not installed: the C core is not driven")
if not any(shutil.which(c) for c in ("cc", "gcc", "clang")):
    pytest.skip("no C compiler: the C core is not built", allow_module_level=True)

from motion_file import RATE_HZ, counts_of, write_motion
from raw_central import ATT_Error, ConnectTimeout, Link, central, run, virtual_sensor

from firmware_protocol import gatt
from firmware_protocol.control import (
    Backfill,
    BackfillCancel,
    ForgetBonds,
    GetConfigs,
    GetConfigsReply,
    GyroCal,
    GyroCalReply,
    Haptic,
    HapticReply,
    Identify,
    ListBoots,
    ListBootsReply,
    LocalAlert,
    RangeReply,
    Reboot,
    SelfTestReply,
    SelfTestRun,
    SetConn,
    SetEpoch,
    Start,
    StartReply,
    Status,
    Stop,
    TimeSync,
    TimeSyncReply,
    encode_request,
)
from firmware_protocol.core import build
from firmware_protocol.frames import Frame, FrameFlag, MiniFrame
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import Info, ResetReason, StatusReport, decode_info, decode_status
from firmware_protocol.virtual_faults import FaultKind

SACRUM, UPPER = "LPS-4C01", "LPS-4C02"
REFUSED, SHORT, IN_PROGRESS = 0x0F, 0x0D, 0xFE
"""ATT errors: insufficient encryption, invalid length, procedure already in progress."""
REMOTE_ENDED, TIMED_OUT = 0x13, 0x08
"""Why a link ended (Core 5.4, vol 1 part F)."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the core is built once for all processes."""
    folder = tmp_path_factory.mktemp("home")
    build(folder / "cache")
    return folder


@pytest.fixture(scope="module")
def recording(home: Path) -> Callable[..., Path]:
    """A sample file of one or two sensors, made of `motion`."""

    return partial(write_motion, home)


@pytest.fixture(scope="module")
def sacrum(recording: Callable[..., Path]) -> Path:
    return recording(sacrum=1)


def rows_of(frames: Iterable[object]) -> dict[int, np.ndarray]:
    """Full-rate samples by index; frames that were refused are left out."""
    return {f.index + k: f.samples[k] for f in frames if isinstance(f, Frame) for k in range(len(f.samples))}


def assert_from(rows: dict[int, np.ndarray], seed: int) -> None:
    index = np.array(sorted(rows))
    np.testing.assert_array_equal(np.array([rows[int(i)] for i in index]), counts_of(seed)[index])


async def status(link: Link) -> StatusReport:
    report = decode_status(await link.read(gatt.STATUS))
    assert isinstance(report, StatusReport)
    return report


def test_a_stranger_reads_info_and_is_refused_the_rest_until_it_pairs(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum) as sensors:
            async with central(sensors, secure=False) as old:
                with pytest.raises(ConnectTimeout):
                    await old.device.connect("F9:00:00:00:00:01", timeout=0.05)
                link = await old.connect(SACRUM)
                with pytest.raises(Exception, match="AUTHENTICATION_REQUIREMENTS"):
                    await link.pair()
            # That host died with its link up, and the sensor is free for another.
            async with central(sensors) as host:
                advertised = (await host.find(SACRUM)).data_bytes
                assert advertised == gatt.advertisement(bytes.fromhex("5649525455414C01"))
                assert len(advertised) == gatt.ADVERTISEMENT_MAX_B
                link = await host.connect(SACRUM)
                info = decode_info(await link.read(gatt.INFO))
                assert isinstance(info, Info)
                assert (info.device_id.hex().upper(), info.imu) == ("5649525455414C01", 1)
                assert [c.rate_mhz for c in info.configs] == [52_000, 13_000]
                assert await link.read(gatt.SERIAL_NUMBER) == b"5649525455414C01"
                assert await link.read(gatt.MODEL_NUMBER) == b"LPS virtual sensor"
                assert await link.read(gatt.FIRMWARE_REVISION)
                assert await link.read(gatt.BATTERY_LEVEL) == bytes((75,))
                for refused in (link.read(gatt.STATUS), link.write(encode_request(GetConfigs(), 1)), link.subscribe()):
                    with pytest.raises(ATT_Error) as error:
                        await refused
                    assert error.value.error_code == REFUSED
                await link.pair()
                await link.subscribe()
                assert (await status(link)).reset_reason is ResetReason.POWER_ON
                assert (await link.ask(GetConfigs())).args == GetConfigsReply(1, 2, bytes((1, 2, *[255] * 6)))

    run(scene())


def test_live_samples_are_the_recordings_and_what_was_lost_is_backfilled(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        fault = "out-of-range=6@2"
        async with (
            virtual_sensor(home, "--recording", sacrum, "--speed", 10, "--fault", fault) as sensors,
            central(sensors) as host,
        ):
            link = await host.ready(SACRUM)
            synced = (await link.ask(TimeSync(77))).args
            assert isinstance(synced, TimeSyncReply)
            assert (synced.t1, synced.t2 <= synced.t3) == (77, True)
            assert (await link.ask(SetEpoch(1_700_000_000_000_000, synced.t2))).status is Status.OK
            begun = (await link.ask(Start(1))).args
            assert isinstance(begun, StartReply)
            assert (begun.config, begun.n) == (1, 5)
            assert await link.lost() == TIMED_OUT
            before = rows_of(link.stream)
            assert_from(before, seed=1)
            assert min(before) == begun.index
            frames = link.frames()
            assert all(f.flags & FrameFlag.TIME_SYNCED for f in frames[1:])
            assert [f.ticks for f in frames] == [(f.index + 1) * 32768 // 52 for f in frames]

            link = await host.ready(SACRUM)
            again = (await link.ask(Start(1))).args
            assert isinstance(again, StartReply)
            from_index, to_index = max(before) + 1, again.index
            assert to_index - from_index > 4 * RATE_HZ, "it was away for 6 s"
            boot = (await status(link)).boot
            accepted = await link.ask(Backfill(boot, from_index, to_index))
            assert isinstance(accepted.args, RangeReply)
            assert (accepted.status, accepted.args.from_index) == (Status.OK, 0)
            done = await link.done()
            # The newest samples may still wait for their frame of the ring to be full.
            assert (done.boot, done.from_index, done.to_index) == (boot, from_index, to_index)
            assert done.sent + done.missing == to_index - from_index
            filled = rows_of(link.backfill)
            assert len(filled) == done.sent > 4 * RATE_HZ
            assert sorted(filled) == list(range(from_index, from_index + done.sent))
            assert_from(filled, seed=1)
            await link.until(lambda: link.live_n() > 50)
            assert_from(rows_of(link.stream), seed=1)

    run(scene())


def test_every_op_is_answered_over_the_air(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum, "--speed", 2) as sensors, central(sensors) as host:
            link = await host.ready(SACRUM)
            for short in (b"", b"\x01"):
                with pytest.raises(ATT_Error) as error:
                    await link.write(short)
                assert error.value.error_code == SHORT
            assert (await link.ask(b"\x7f")).status is Status.UNKNOWN_OP
            assert (await link.ask(SelfTestRun())).args == SelfTestReply(15, 0)
            assert (await link.ask(Start(9))).status is Status.BAD_ARG
            assert (await link.ask(b"\x02\x01\x01")).status is Status.BAD_ARG
            assert (await link.ask(Start(1))).status is Status.OK
            assert (await link.ask(SelfTestRun())).status is Status.STATE
            assert (await link.ask(SetEpoch(0, 1 << 60))).status is Status.BAD_ARG
            await link.until(lambda: link.live_n() >= 20)

            # GYRO_CAL is answered late, and others meanwhile.
            await link.write(encode_request(GyroCal(1), 200))
            assert (await link.ask(GyroCal(1))).status is Status.BUSY
            assert (await link.ask(Haptic(1, 60, 2))).args == HapticReply(1800)
            assert "60 % 100 ms" in await sensors.said("buzz")
            assert (await link.ask(Haptic(1, 60, 1))).status is Status.BUSY
            assert (await link.ask(Haptic(0, 1, 1))).status is Status.OK
            assert (await link.ask(Identify())).status is Status.OK
            await sensors.said("blink 5000 ms")
            assert (await link.ask(LocalAlert(40, 30, 0, 0, 4096))).status is Status.OK
            assert (await link.ask(SetConn(24, 40, 2, 500))).status is Status.OK
            await link.until(lambda: link.connection.parameters.supervision_timeout == 5000)
            calibrated = await link.reply(200)
            assert isinstance(calibrated.args, GyroCalReply)
            assert (calibrated.status, calibrated.args.still) == (Status.OK, 0)

            boot = (await status(link)).boot
            listed = (await link.ask(ListBoots(0))).args
            assert isinstance(listed, ListBootsReply)
            assert (listed.count, listed.boot, listed.from_index) == (1, boot, 0)
            assert (await link.ask(ListBoots(1))).status is Status.BAD_ARG
            assert (await link.ask(BackfillCancel())).status is Status.STATE
            none = await link.ask(Backfill(boot ^ 1, 0, 10))
            assert (none.status, none.args) == (Status.NOT_STORED, RangeReply(0, 0))
            assert (await link.ask(Backfill(boot, 0, 1 << 31))).status is Status.OK
            assert (await link.done()).sent == len(rows_of(link.backfill))
            assert (await link.ask(Stop())).status is Status.OK
            stopped_n = len(link.stream)
            await status(link)
            assert len(link.stream) == stopped_n

            assert (await link.ask(Reboot())).status is Status.OK
            assert await link.lost() == TIMED_OUT
            link = await host.ready(SACRUM)
            after = await status(link)
            assert (after.boot != boot, after.reset_reason) == (True, ResetReason.REQUESTED)
            listed = (await link.ask(ListBoots(0))).args
            assert isinstance(listed, ListBootsReply)
            assert (listed.count, listed.boot) == (2, boot), "the ring survives"

            assert (await link.ask(ForgetBonds())).status is Status.OK
            await link.lost()
            await sensors.said("bonds forgotten")
            link = await host.connect(SACRUM)
            with pytest.raises(Exception, match="PIN_OR_KEY_MISSING"):
                await link.encrypt()

    run(scene())


def test_two_requests_at_once_are_refused_while_replies_wait(home: Path, sacrum: Path) -> None:
    """Without a subscription no reply leaves, so that the third request finds two waiting."""

    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum) as sensors, central(sensors) as host:
            link = await host.connect(SACRUM)
            await link.pair()
            await link.write(encode_request(GetConfigs(), 1))
            await link.write(encode_request(GetConfigs(), 2))
            with pytest.raises(ATT_Error) as error:
                await link.write(encode_request(GetConfigs(), 3))
            assert error.value.error_code == IN_PROGRESS
            await link.subscribe()
            assert [(await link.reply(tag)).op for tag in (1, 2)] == [1, 1]

    run(scene())


def test_a_narrow_link_carries_mini_frames_of_averages(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with (
            virtual_sensor(home, "--recording", sacrum, "--speed", 4, "--fault", "mtu-23") as sensors,
            central(sensors) as host,
        ):
            link = await host.ready(SACRUM)
            assert link.connection.att_mtu == gatt.MTU_MIN
            assert isinstance(decode_info(await link.read(gatt.INFO)), Info), "by the long read"
            assert (await link.ask(TimeSync(1))).status is Status.MTU
            assert (await link.ask(Backfill(1, 0, 9))).status is Status.MTU
            assert (await link.ask(Start(1))).status is Status.MTU
            begun = (await link.ask(Start(2))).args
            assert isinstance(begun, StartReply)
            assert (begun.config, begun.n) == (2, 0)
            await link.until(lambda: len(link.stream) >= 10)
            truth = counts_of(1).astype(np.int64)
            for mini in link.stream:
                assert isinstance(mini, MiniFrame)
                average = (truth[mini.index : mini.index + 4].sum(axis=0) + 2) // 4
                np.testing.assert_array_equal(mini.sample, average)

    run(scene())


def test_links_that_end_and_a_reboot_are_what_was_asked_for(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        faults = [word for f in ("reboot@6", "disconnect@2", "timeout@4") for word in ("--fault", f)]
        async with (
            virtual_sensor(home, "--recording", sacrum, "--speed", 10, *faults) as sensors,
            central(sensors) as host,
        ):
            boots = []
            for reason in (REMOTE_ENDED, TIMED_OUT, TIMED_OUT):
                link = await host.ready(SACRUM)
                boots.append((await status(link)).boot)
                assert (await link.ask(Start(1))).status is Status.OK
                assert await link.lost() == reason
            link = await host.ready(SACRUM)
            now = await status(link)
            assert len(set(boots)) == 1
            assert now.boot not in boots
            assert now.reset_reason is ResetReason.WATCHDOG

    run(scene())


def test_a_silent_sensor_stays_connected_and_speaks_on_the_next_link(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with (
            virtual_sensor(home, "--recording", sacrum, "--speed", 10, "--fault", "silent@1") as sensors,
            central(sensors) as host,
        ):
            link = await host.ready(SACRUM)
            await link.ask(Start(1))
            await sensors.said("fault: silent")
            held = (await status(link)).end_index
            while (await status(link)).end_index < held + 5 * RATE_HZ:
                pass  # it answers and measures
            came = max(rows_of(link.stream))
            assert came < held + RATE_HZ
            await link.connection.disconnect()
            link = await host.ready(SACRUM)
            await link.ask(Start(1))
            await link.until(lambda: link.live_n() > 10)
            assert min(rows_of(link.stream)) > came + 4 * RATE_HZ

    run(scene())


def test_duplicates_spoilt_frames_and_another_serial_arrive(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        faults = [word for f in ("duplicate=3", "corrupt=5", "wrong-serial") for word in ("--fault", f)]
        async with (
            virtual_sensor(home, "--recording", sacrum, "--speed", 5, *faults) as sensors,
            central(sensors) as host,
        ):
            link = await host.ready(SACRUM)
            info = decode_info(await link.read(gatt.INFO))
            assert isinstance(info, Info)
            assert (await link.read(gatt.SERIAL_NUMBER)).decode() != info.device_id.hex().upper()
            await link.ask(Start(1))
            # 15 frames made: 5 of them come twice, 3 are spoilt, one of those twice.
            await link.until(lambda: len(link.stream) >= 20)
            got = link.stream[:20]
            assert got.count(Rejection.CRC) == 4
            good = [f.index for f in got if isinstance(f, Frame)]
            assert len(good) - len(set(good)) == 4
            assert_from(rows_of(got), seed=1)

    run(scene())


def test_a_knock_clips_then_the_imu_freezes_and_the_battery_runs_low(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        faults = [w for f in ("clipping=0.5@1", "frozen@3", "low-battery@4") for w in ("--fault", f)]
        async with (
            virtual_sensor(home, "--recording", sacrum, "--speed", 5, *faults) as sensors,
            central(sensors) as host,
        ):
            link = await host.ready(SACRUM)
            await link.ask(Start(1))
            await link.until(lambda: any(f.flags & FrameFlag.LOW_BATTERY for f in link.frames()))
            rows = rows_of(link.stream)
            values = np.array([rows[i] for i in sorted(rows)])
            clipped = (values == 32767).all(axis=1)
            assert clipped.sum() == round(0.5 * RATE_HZ)
            assert all(
                bool(f.flags & FrameFlag.ACC_CLIPPED) == bool((f.samples[:, :3] == 32767).any()) for f in link.frames()
            )
            assert (values[-30:] == values[-1]).all(), "frozen"
            assert link.battery == [9]
            assert (await status(link)).charge == 9
            await link.ask(Stop())
            assert (await link.ask(SelfTestRun())).args == SelfTestReply(15, 1)

    run(scene())


def test_a_fast_clock_shows_in_time_sync(home: Path, sacrum: Path) -> None:
    """20,000 ppm over 0.6 s are 12 ms; of eight exchanges the quickest is good to about one."""

    async def scene() -> None:
        async with (
            virtual_sensor(home, "--recording", sacrum, "--fault", "clock-ppm=20000") as sensors,
            central(sensors) as host,
        ):
            link = await host.ready(SACRUM)
            loop = asyncio.get_running_loop()

            async def offset_s() -> tuple[float, float]:
                best = (np.inf, 0.0, 0.0)
                for _ in range(8):
                    t1 = loop.time()
                    reply = (await link.ask(TimeSync(0))).args
                    t4 = loop.time()
                    assert isinstance(reply, TimeSyncReply)
                    device_s = (reply.t2 + reply.t3) / 2 / 32768
                    best = min(best, (t4 - t1, (t1 + t4) / 2, device_s))
                return best[1], best[2]

            host_0, device_0 = await offset_s()
            await link.ask(Start(1))
            await link.until(lambda: link.live_n() >= 0.6 * RATE_HZ)
            host_1, device_1 = await offset_s()
            drift_ppm = ((device_1 - device_0) / (host_1 - host_0) - 1) * 1e6
            assert 12_000 < drift_ppm < 28_000

    run(scene())


def test_without_the_button_nobody_pairs(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        async with (
            virtual_sensor(home, "--recording", sacrum, "--fault", "no-button") as sensors,
            central(sensors) as host,
        ):
            link = await host.connect(SACRUM)
            with pytest.raises(Exception, match="PAIRING_NOT_SUPPORTED"):
                await link.pair()
            with pytest.raises(ATT_Error):
                await link.read(gatt.STATUS)

    run(scene())


def test_two_recordings_are_two_sensors_on_one_radio(home: Path, recording: Callable[..., Path]) -> None:
    async def scene() -> None:
        one, two = recording(sacrum=1), recording(upper_lumbar=2)
        async with (
            virtual_sensor(home, "--recording", one, "--recording2", two, "--speed", 4) as sensors,
            central(sensors) as host,
        ):
            links = [await host.connect(name) for name in (SACRUM, UPPER)]
            for seed, link in enumerate(links, 1):
                await link.pair()
                await link.subscribe()
                await link.ask(Start(1))
                await link.until(lambda link=link: link.live_n() >= 40)
                assert_from(rows_of(link.stream), seed)

    run(scene())


def test_it_ends_cleanly_on_ctrl_c(home: Path, sacrum: Path) -> None:
    """On SIGTERM every other test ends it, and sees the same."""

    async def scene() -> None:
        async with virtual_sensor(home, "--recording", sacrum) as sensors:
            sensors.process.send_signal(signal.SIGINT)
            assert await sensors.ended() == (0, "")

    run(scene())


def test_lost_and_unknown_rows_are_samples_that_the_sensor_lost(tmp_path: Path) -> None:
    """Against a plain loop: each row is at its place in time, and what is not there is counted, whatever the batches."""
    from posture.app.virtual import blocks_of, wearings

    n = 40_000
    rng = np.random.default_rng(3)
    values = rng.normal(0.0, 1.0, (n, 6)) + np.array([0.0, 0.0, 9.8, 0.0, 0.0, 0.0])
    unknown = rng.random(n) < 0.01
    values[unknown] = np.nan
    absent = rng.random(n) < 0.01
    absent[2000:2300] = True
    absent[[0, -1]] = unknown[[0, -1]] = False
    values[[0, -1]] = 1.0
    kept = ~absent
    names = [f"sacrum_{k}_{a}_{u}" for k, u in (("acc", "mps2"), ("gyr", "radps")) for a in "xyz"]
    columns = {"time_s": (np.arange(n) / RATE_HZ)[kept]} | {m: values[kept, i] for i, m in enumerate(names)}
    path = tmp_path / "holes.parquet"
    pq.write_table(pa.table(columns), path)

    (wearing,) = wearings(path, None)
    index, found = 0, {}
    for block in blocks_of(wearing):
        index += block.lost
        found |= {index + k: row for k, row in enumerate(block.samples)}
        index += len(block.samples)
    there = np.flatnonzero(kept & ~unknown)
    assert sorted(found) == there.tolist()
    acc, gyr = values[there, :3] / 9.80665 * 4096.0, np.degrees(values[there, 3:]) * 32.768
    expected = np.rint(np.hstack((acc, gyr))).astype(np.int16)
    np.testing.assert_array_equal(np.array([found[int(i)] for i in there]), expected)
    assert index == n


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--fault", "gremlins"), 2, "'gremlins' is no fault; choose from disconnect"),
        (("--fault", "mtu-23=4"), 2, "write mtu-23"),
        (("--fault", "duplicate@4"), 2, "write duplicate=3"),
        (("--fault", "out-of-range=soon"), 2, "write out-of-range=20@5"),
        (("--fault", "clock-ppm=1e9"), 2, "from -50000 to 50000 ppm"),
        (("--fault", "corrupt=3", "--fault", "corrupt=4"), 2, "given twice"),
        (("--hci", "tcp-server:0.0.0.0:0"), 2, "only this machine"),
        (("--hci", "tcp-server:somewhere"), 2, "tcp-server:127.0.0.1:PORT"),
        (("--speed", "1000"), 2, "from 0.1 to 100"),
        (("--recording2", "sacrum.parquet"), 2, "both hold sacrum alone"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_one_line(
    home: Path,
    sacrum: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from posture.app import cli, exits

    monkeypatch.chdir(sacrum.parent)
    assert exits.run(cli.app, ["virtual-sensor", "--recording", str(sacrum), *arguments]) == code
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_port_in_use_is_said(home: Path, sacrum: Path) -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            arguments = ("--recording", sacrum, "--hci", f"tcp-server:127.0.0.1:{port}")
            async with virtual_sensor(home, *arguments, ready=False) as sensors:
                code, error = await sensors.ended()
                assert code == 1
                assert f"port {port} cannot be used" in error

    run(scene())


@pytest.mark.parametrize(
    ("missing", "words"),
    [("bumble", "posture-monitor[virtual]"), ("cffi", "posture-monitor[virtual]"), (None, "C compiler")],
)
def test_what_is_missing_is_named(
    sacrum: Path,
    tmp_path: Path,
    missing: str | None,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from firmware_protocol import core
    from posture.app import cli, exits

    own = ("posture.app.virtual", "firmware_protocol.virtual_link", "firmware_protocol.virtual_sensor")
    if missing == "bumble":
        for name in own:
            monkeypatch.delitem(sys.modules, name, raising=False)
    if missing is not None:
        for name in [m for m in sys.modules if m.partition(".")[0] == missing] + [missing]:
            monkeypatch.setitem(sys.modules, name, None)
    core.interface.cache_clear()
    core.library.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("POSTURE_HOME", str(tmp_path))
    try:
        assert exits.run(cli.app, ["virtual-sensor", "--recording", str(sacrum)]) == 1
    finally:
        core.interface.cache_clear()
        core.library.cache_clear()
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_every_fault_is_seen_by_a_test_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    scenes = text[: text.index("def test_what_cannot_be_simulated")]
    assert [kind for kind in FaultKind if f'"{kind.value}' not in scenes and f"={kind.value}" not in scenes] == []
