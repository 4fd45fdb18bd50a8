"""What the sensor does: the control point, live frames and backfill, and what it does by itself, each as PROTOCOL.md says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_bench import Sensor, averages_at, library, samples_at

from firmware_protocol import core as sensor_core
from firmware_protocol.control import (
    Backfill,
    BackfillCancel,
    Done,
    ForgetBonds,
    GetConfigs,
    GetConfigsReply,
    GyroCal,
    GyroCalReply,
    Haptic,
    HapticReply,
    Identify,
    ListBoots,
    LocalAlert,
    Nothing,
    Op,
    RangeReply,
    Reboot,
    Reply,
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
from firmware_protocol.core import Core, CoreError, IdleBoard, Settings
from firmware_protocol.frames import TICK_HZ, Frame, FrameFlag, FrameType, MiniFrame
from firmware_protocol.status import Feature, Info, ResetReason, State, decode_info
from firmware_protocol.vectors import CONFIGS

IN_PROGRESS, INSUFFICIENT_ENCRYPTION, INVALID_LENGTH = 254, 15, 13


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return library(tmp_path_factory)


@pytest.fixture
def sensor(lib: Any) -> Sensor:
    """Connected at an ATT MTU of 247."""
    made = Sensor(lib)
    made.connect()
    return made


def frames(sensor: Sensor) -> list[Frame]:
    assert all(isinstance(f, Frame) for f in sensor.bench.stream)
    return [f for f in sensor.bench.stream if isinstance(f, Frame)]


def test_the_usual_stream_is_frames_of_five_that_follow_each_other(sensor: Sensor) -> None:
    sensor.run(3)  # before the host asks
    assert sensor.ask(Start(1)).args == StartReply(1, 5, 3)
    sensor.run(52)
    sent = frames(sensor)
    assert [len(f.samples) for f in sent] == [5] * 10
    assert [f.index for f in sent] == list(range(3, 53, 5))
    for f in sent:
        assert (f.kind, f.boot, f.config, f.flags) == (FrameType.LIVE, sensor.boot, 1, FrameFlag(0))
        assert abs(f.ticks - (f.index + 1) * sensor.period) <= 1
        np.testing.assert_array_equal(f.samples, samples_at(range(f.index, f.index + 5), f.boot))


@pytest.mark.parametrize(("mtu", "config", "n"), [(247, 3, 10), (185, 3, 10), (64, 1, 3), (31, 1, 1), (247, 2, 1)])
def test_a_live_frame_spans_about_a_tenth_of_a_second_where_the_link_is_wide_enough(
    lib: Any, mtu: int, config: int, n: int
) -> None:
    sensor = Sensor(lib)
    sensor.connect(mtu)
    reply = sensor.ask(Start(config))
    assert isinstance(reply.args, StartReply)
    assert reply.args.n == n
    sensor.run(100)
    assert {len(f.samples) for f in frames(sensor)} == {n}


def test_an_att_mtu_of_23_carries_mini_frames_and_nothing_faster(lib: Any) -> None:
    sensor = Sensor(lib)
    sensor.connect(mtu=23)
    sensor.run(6)
    assert sensor.ask(Start(1)) == Reply(Op.START, sensor.tag, Status.MTU, Nothing())
    assert sensor.ask(Start(4)).status is Status.MTU
    assert sensor.ask(TimeSync(1)).status is Status.MTU
    assert sensor.ask(Backfill(sensor.boot, 0, 5)).status is Status.MTU
    assert sensor.ask(Start(2)).args == StartReply(2, 0, 6)
    sensor.run(43)
    minis = [m for m in sensor.bench.stream if isinstance(m, MiniFrame)]
    assert [m.index for m in minis] == list(range(8, 48, 4))
    np.testing.assert_array_equal([m.sample for m in minis], averages_at([m.index for m in minis], sensor.boot))
    assert {m.flags for m in minis} == {FrameFlag(0)}, "an unbroken stream has no gap, wherever it begins"
    assert len(sensor.core.status()) <= 20


def test_start_of_another_rate_sets_the_imu_and_the_ring_and_a_thinned_one_only_the_stream(sensor: Sensor) -> None:
    sensor.run(10)
    assert sensor.ask(Start(2)).status is Status.OK
    assert sensor.status().config == 1
    assert sensor.ask(Start(3)).status is Status.OK
    assert sensor.bench.calls == ["configure 1", "configure 3"]
    assert sensor.status().config == 3
    sensor.run(10)
    assert sensor.ask(Start(99)).status is Status.BAD_ARG
    sensor.bench.configurable = False
    assert sensor.ask(Start(1)).status is Status.STATE
    assert sensor.status().config == 3


def test_stop_ends_the_stream_and_the_ring_goes_on(sensor: Sensor) -> None:
    sensor.ask(Start(1))
    sensor.run(20)
    assert sensor.ask(Stop()).status is Status.OK
    assert sensor.ask(Stop()).status is Status.OK, "stopping twice is no error"
    sensor.run(20)
    assert len(frames(sensor)) == 4
    assert sensor.status().end_index == 40


def test_a_disconnect_ends_stream_backfill_and_calibration_but_not_ring_epoch_or_boot(sensor: Sensor) -> None:
    boot = sensor.boot
    sensor.run(400)
    sensor.ask(SetEpoch(1, 0))
    sensor.ask(Start(1))
    sensor.bench.room = 1
    sensor.write(encode_request(Backfill(boot, 0, 400), 1))
    sensor.write(encode_request(GyroCal(1), 2))
    assert sensor.status().state == State.STREAMING | State.BACKFILLING | State.CALIBRATING
    sensor.core.disconnected()
    sensor.bench.room = 1 << 30
    assert sensor.status().state == State(0)
    sent = len(sensor.bench.indications)
    sensor.run(100)
    sensor.core.poll()
    assert (len(sensor.bench.stream), len(sensor.bench.backfill), len(sensor.bench.indications)) == (0, 0, sent)
    sensor.connect()
    sensor.ask(Start(1))
    sensor.run(5)
    assert (sensor.boot, frames(sensor)[0].index, frames(sensor)[0].flags) == (boot, 500, FrameFlag.TIME_SYNCED)
    sensor.core.disconnected()
    sensor.core.connected()
    sensor.core.encrypted(encrypted=True)
    assert sensor.ask(Start(1)).status is Status.MTU, "a link begins narrow"


def test_samples_lost_in_the_imu_leave_a_gap_that_is_flagged_live_and_in_the_ring(sensor: Sensor) -> None:
    sensor.ask(Start(1))
    sensor.run(7)
    sensor.lose(30)
    sensor.run(10)
    assert [(f.index, len(f.samples), int(f.flags)) for f in frames(sensor)] == [
        (0, 5, 0),
        (5, 2, 0),
        (37, 5, 8),
        (42, 5, 0),
    ]
    sensor.ask(Backfill(sensor.boot, 0, 47))
    assert [(f.index, len(f.samples), int(f.flags)) for f in sensor.bench.backfill] == [
        (0, 7, 0),
        (37, 1, 8),
        (38, 9, 0),
    ]
    assert sensor.bench.indications[-1] == Done(sensor.boot, 0, 47, 17, 30)
    assert sensor.status().dropped == 30


def test_a_live_frame_that_the_link_refuses_can_be_fetched_from_the_ring(sensor: Sensor) -> None:
    sensor.ask(Start(1))
    sensor.run(5)
    sensor.bench.room = 0
    sensor.run(5)
    sensor.bench.room = 1 << 30
    sensor.run(5)
    assert [(f.index, f.flags) for f in frames(sensor)] == [(0, FrameFlag(0)), (10, FrameFlag(0))]
    sensor.ask(Backfill(sensor.boot, 5, 10))
    (frame,) = sensor.bench.backfill
    np.testing.assert_array_equal(frame.samples, samples_at(range(5, 10), sensor.boot))
    assert frame.kind is FrameType.BACKFILL


def test_live_frames_do_not_wait_for_a_backfill_and_done_comes_after_its_frames(sensor: Sensor) -> None:
    sensor.run(2000)
    sensor.ask(Start(1))
    assert sensor.write(encode_request(Backfill(sensor.boot, 0, 2000), sensor.next_tag())) == 0
    sensor.core.confirmed()
    for _ in range(70):
        sensor.bench.room = 3  # one live frame and two others for each five samples
        sensor.run(5)
        sensor.core.poll()
    assert [f.index for f in frames(sensor)] == list(range(2000, 2350, 5))
    order = "".join(word[0] for word in sensor.bench.order)
    assert order.startswith("RRlb" + "lbb" * 50), "live first, the backfill in what is left"
    assert order.count("D") == 1
    assert "b" not in order[order.index("D") :]
    assert sum(len(f.samples) for f in sensor.bench.backfill) == 2000


def test_a_backfill_ends_with_what_was_held_when_it_was_asked_for(sensor: Sensor) -> None:
    sensor.run(190)
    sensor.bench.room = 1
    assert sensor.write(encode_request(Backfill(sensor.boot, 0, 1000), sensor.next_tag())) == 0
    sensor.run(500)
    sensor.bench.room = 1 << 30
    sensor.settle()
    assert sensor.bench.indications[-1] == Done(sensor.boot, 0, 1000, 190, 810)


def test_the_part_of_a_frame_after_its_gap_is_sent_without_the_flag(sensor: Sensor) -> None:
    sensor.run(5)
    sensor.lose(20)
    sensor.run(30)
    sensor.ask(Backfill(sensor.boot, 25, 30))
    sensor.ask(Backfill(sensor.boot, 30, 38))
    assert [(f.index, f.flags) for f in sensor.bench.backfill] == [(25, FrameFlag.GAP_BEFORE), (30, FrameFlag(0))]


def test_asking_again_gives_the_same_frames_again(sensor: Sensor) -> None:
    sensor.run(500)
    sensor.ask(Backfill(sensor.boot, 33, 321))
    first = [(f.index, f.ticks, f.samples.tolist()) for f in sensor.bench.backfill]
    sensor.bench.backfill.clear()
    sensor.ask(Backfill(sensor.boot, 33, 321))
    assert [(f.index, f.ticks, f.samples.tolist()) for f in sensor.bench.backfill] == first
    assert (first[0][0], len(first[0][2])) == (33, 5)
    assert sensor.bench.indications[-1] == Done(sensor.boot, 33, 321, 288, 0)


def test_a_backfill_that_is_not_stored_names_what_is_and_a_second_one_waits(sensor: Sensor) -> None:
    sensor.run(100)
    assert sensor.ask(Backfill(sensor.boot, 100, 200)).args == RangeReply(0, 100)
    refused = sensor.ask(Backfill(sensor.boot ^ 1, 0, 200))
    assert (refused.status, refused.args) == (Status.NOT_STORED, RangeReply(0, 0))
    assert sensor.ask(BackfillCancel()).status is Status.STATE
    sensor.bench.room = 1
    sensor.write(encode_request(Backfill(sensor.boot, 0, 1 << 31), sensor.next_tag()))
    sensor.core.poll()
    sensor.bench.room = 1
    sensor.core.confirmed()
    assert sensor.write(encode_request(Backfill(sensor.boot, 0, 50), sensor.next_tag())) == 0
    assert sensor.bench.indications[-1].status is Status.BUSY  # type: ignore[union-attr]
    sensor.core.confirmed()
    sensor.bench.room = 1
    assert sensor.write(encode_request(BackfillCancel(), sensor.next_tag())) == 0
    assert sensor.bench.indications[-1] == Done(sensor.boot, 0, 1 << 31, 0, 1 << 31)
    sensor.bench.room = 1 << 30
    sensor.settle()
    assert sensor.bench.indications[-1] == Reply(Op.BACKFILL_CANCEL, sensor.tag, Status.OK, Nothing())


def test_time_sync_says_when_it_came_and_when_the_answer_left(sensor: Sensor) -> None:
    sensor.bench.now = 5_000_000_000  # the clock has 64 bits, frames the low 32
    sensor.bench.room = 0
    sensor.write(encode_request(TimeSync(0xFFFF_FFFF_FFFF_FFFF), sensor.next_tag()))
    sensor.bench.now += 700
    sensor.bench.room = 1
    assert sensor.answer(0).args == TimeSyncReply(0xFFFF_FFFF_FFFF_FFFF, 5_000_000_000, 5_000_000_700)
    sensor.bench.room = 1 << 30
    assert sensor.ask(SetEpoch(1_790_000_000_000_000, sensor.bench.now + 1)).status is Status.BAD_ARG
    sensor.ask(Start(1))
    sensor.run(5)
    assert sensor.ask(SetEpoch(1_790_000_000_000_000, sensor.bench.now)).status is Status.OK
    sensor.run(5)
    assert [f.flags for f in frames(sensor)] == [FrameFlag(0), FrameFlag.TIME_SYNCED]
    assert frames(sensor)[0].ticks == round(5_000_000_700 + sensor.period) % (1 << 32)


def test_the_bias_of_a_still_gyroscope_is_its_mean_and_a_moving_one_is_not_still(sensor: Sensor) -> None:
    def calibrate(gyro: tuple[int, int, int], jolt: tuple[int, int, int] | None = None) -> Reply:
        before = len(sensor.bench.indications)
        sensor.write(encode_request(GyroCal(1), sensor.next_tag()))
        assert sensor.status().state == State.CALIBRATING
        sensor.hold((0, 0, 8192, *gyro), 0.5)
        sensor.hold((0, 0, 8192, *(jolt or gyro)), 0.5)
        return sensor.answer(before)

    assert calibrate((-31, 12, 40)).args == GyroCalReply(-31, 12, 40, 1)
    assert calibrate((-31, 12, 40), jolt=(-33, 13, 41)).args == GyroCalReply(-32, 13, 41, 1)  # halves go away from zero
    assert calibrate((0, 0, 0), jolt=(0, 0, 200)).args == GyroCalReply(0, 0, 100, 0)
    sensor.write(encode_request(GyroCal(10), sensor.next_tag()))
    assert sensor.ask(GyroCal(1)).status is Status.BUSY
    assert sensor.ask(Start(3)).status is Status.BUSY, "the rate does not change under a calibration"
    sensor.core.disconnected()
    sensor.connect()
    before = len(sensor.bench.indications)
    sensor.hold((0, 0, 8192, 0, 0, 0), 11)
    assert len(sensor.bench.indications) == before
    sensor.write(encode_request(GyroCal(1), sensor.next_tag()))
    sensor.lose(5)
    sensor.hold((0, 0, 8192, 0, 0, 0), 1)
    assert sensor.answer(before).args == GyroCalReply(0, 0, 0, 0), "lost samples may have been a movement"


def test_the_motor_plays_its_pattern_and_is_limited_whoever_asks(sensor: Sensor) -> None:
    assert sensor.ask(Haptic(3, 60, 2)).args == HapticReply(1600)
    sensor.wait(2)
    start = sensor.bench.pulses[0][0]
    at_ms = [round((t - start) * 1000 / TICK_HZ, -1) for t, _, _ in sensor.bench.pulses]
    assert [(s, ms) for _, s, ms in sensor.bench.pulses] == [(60, 100)] * 4
    np.testing.assert_allclose(at_ms, [0, 200, 700, 900], atol=80)  # polls are 20 ms apart
    assert sensor.ask(Haptic(2, 100, 5)).status is Status.BUSY, "2 s are not in the budget after 0.4 s"
    sensor.wait(30)
    assert sensor.ask(Haptic(2, 100, 5)).args == HapticReply(0)
    assert sensor.ask(Haptic(1, 100, 1)).status is Status.BUSY, "one at a time"
    sensor.wait(0.5)
    assert sensor.ask(Haptic(0, 1, 1)).status is Status.OK
    assert sensor.bench.pulses[-1][1:] == (0, 0), "stopped at once"
    played = len(sensor.bench.pulses)
    sensor.wait(3)
    assert len(sensor.bench.pulses) == played


def test_over_an_hour_the_motor_is_on_for_a_tenth_at_most(sensor: Sensor) -> None:
    for _ in range(3600):
        sensor.ask(Haptic(2, 100, 1))
        sensor.wait(1)
    on_s = sum(ms for _, _, ms in sensor.bench.pulses) / 1000
    assert 350 < on_s <= 362


@pytest.mark.parametrize(("tilt_deg", "buzzes"), [(38.5, 0), (41.5, 2), (120, 2)])
def test_away_from_the_host_the_sensor_buzzes_by_itself_when_the_tilt_lasts(
    lib: Any, tilt_deg: float, buzzes: int
) -> None:
    sensor = Sensor(lib)
    sensor.connect()
    tilted = (
        round(8192 * math.sin(math.radians(tilt_deg))),
        0,
        round(8192 * math.cos(math.radians(tilt_deg))),
        0,
        0,
        0,
    )
    assert sensor.ask(LocalAlert(40, 30, 0, 0, 8192)).status is Status.OK
    sensor.hold(tilted, 40)
    assert sensor.bench.pulses == [], "the host is near and alerts are its business"
    sensor.core.disconnected()
    sensor.hold((0, 0, 8192, 0, 0, 0), 5)
    sensor.hold(tilted, 65)
    assert len(sensor.bench.pulses) == buzzes
    sensor.hold((0, 0, 8192, 0, 0, 0), 2)
    sensor.hold(tilted, 29)
    sensor.lose(10)
    sensor.hold(tilted, 29)
    assert len(sensor.bench.pulses) == buzzes, "upright in between, or not known: the time begins anew"
    sensor.connect()
    sensor.ask(LocalAlert(0, 1, 0, 0, 0))
    sensor.core.disconnected()
    sensor.hold(tilted, 60)
    assert len(sensor.bench.pulses) == buzzes


def test_bonds_are_forgotten_only_with_the_button_and_after_the_reply(sensor: Sensor) -> None:
    assert sensor.ask(ForgetBonds()).status is Status.AUTH
    assert not sensor.core.may_pair()
    sensor.core.button()
    assert sensor.core.may_pair()
    assert sensor.status().state == State.BONDING
    sensor.wait(59.9)
    assert sensor.core.may_pair()
    assert sensor.write(encode_request(ForgetBonds(), sensor.next_tag())) == 0
    assert "forget bonds" not in sensor.bench.calls
    assert sensor.write(encode_request(Stop(), 0)) == IN_PROGRESS
    sensor.core.confirmed()
    assert sensor.bench.calls[-1] == "forget bonds"
    sensor.wait(0.2)
    assert not sensor.core.may_pair()
    assert sensor.ask(ForgetBonds()).status is Status.AUTH


def test_a_reboot_waits_for_its_reply_or_the_end_of_the_link_and_keeps_the_open_frame(sensor: Sensor) -> None:
    sensor.run(30)
    boot = sensor.boot
    sensor.bench.room = 0
    assert sensor.write(encode_request(Reboot(), 1)) == 0
    sensor.core.poll()
    assert "reboot" not in sensor.bench.calls
    sensor.core.disconnected()
    assert sensor.bench.calls[-1] == "reboot"
    sensor.bench.room = 1 << 30
    sensor.boot_up()
    sensor.connect()
    assert sensor.boot != boot
    sensor.ask(Backfill(boot, 0, 30))
    assert sum(len(f.samples) for f in sensor.bench.backfill) == 30


def test_the_other_ops_reach_the_board(sensor: Sensor) -> None:
    assert sensor.ask(GetConfigs()).args == GetConfigsReply(1, 4, bytes([1, 2, 3, 4, 255, 255, 255, 255]))
    assert sensor.ask(Identify()).status is Status.OK
    assert sensor.ask(SetConn(12, 40, 4, 500)).status is Status.OK
    assert sensor.bench.calls[-2:] == ["led 5000", "connection 12 40 4 500"]
    assert sensor.ask(SelfTestRun()).args == SelfTestReply(15, 2)
    sensor.ask(Start(1))
    assert sensor.ask(SelfTestRun()).status is Status.STATE


@pytest.mark.parametrize(
    ("args", "feature"),
    [
        (Haptic(1, 50, 1), Feature.HAPTIC),
        (Identify(), Feature.LED),
        (LocalAlert(40, 30, 0, 0, 8192), Feature.LOCAL_ALERT),
        (ForgetBonds(), Feature.BUTTON),
    ],
)
def test_an_op_without_its_part_does_not_exist(lib: Any, args: Any, feature: Feature) -> None:
    sensor = Sensor(lib, features=Feature(0x3F) & ~feature)
    sensor.connect()
    assert sensor.ask(args).status is Status.UNKNOWN_OP


def test_what_is_no_request_is_answered_and_what_is_not_allowed_is_not_taken(sensor: Sensor) -> None:
    for payload, status in (
        (b"\x7f\x01", Status.UNKNOWN_OP),
        (b"\x02\x01", Status.BAD_ARG),
        (b"\x06\x01\x00", Status.BAD_ARG),
    ):
        assert sensor.write(payload) == 0
        assert sensor.bench.indications[-1] == Reply(payload[0], 1, status, Nothing())
        sensor.core.confirmed()
    assert sensor.write(b"\x03") == INVALID_LENGTH
    sensor.core.encrypted(encrypted=False)
    assert sensor.write(encode_request(Stop(), 1)) == INSUFFICIENT_ENCRYPTION
    sensor.core.encrypted(encrypted=True)
    sensor.bench.room = 0
    assert [sensor.write(encode_request(ListBoots(0), k)) for k in range(4)] == [0, 0, IN_PROGRESS, IN_PROGRESS]
    sensor.core.disconnected()
    sensor.core.encrypted(encrypted=True)
    assert sensor.write(encode_request(Stop(), 1)) == INSUFFICIENT_ENCRYPTION, "no link, no encryption"
    sensor.connect()
    sensor.core.disconnected()
    sensor.core.connected()
    assert sensor.write(encode_request(Stop(), 1)) == INSUFFICIENT_ENCRYPTION, "the next link begins without"


def test_status_is_told_when_the_state_changes_and_each_minute(sensor: Sensor) -> None:
    sensor.wait(1)
    told = len(sensor.bench.statuses)
    sensor.ask(Start(1))
    assert len(sensor.bench.statuses) == told + 1
    assert sensor.bench.statuses[-1].state == State.STREAMING
    sensor.wait(121)
    assert len(sensor.bench.statuses) == told + 3
    report = sensor.bench.statuses[-1]
    assert (report.battery_mv, report.temperature_degc, report.charge) == (3870, 31, 75)
    assert report.reset_reason is ResetReason.POWER_ON


def test_clipping_wear_motion_and_a_low_battery_are_flags_of_the_frame(sensor: Sensor) -> None:
    sensor.ask(Start(1))
    still = (0, 0, 8192, 0, 0, 0)
    for sample in (still, (-32768, 0, 0, 0, 0, 0), (0, 0, 0, 0, 32767, 0), (0, 32766, 0, -32767, 0, 0)):
        sensor.hold(sample, 5 / 52)
    sensor.core.condition(worn=True, moving=True)
    sensor.hold(still, 5 / 52)
    sensor.core.condition(worn=True, moving=False)
    sensor.bench.reading = (3400, 31, 14)
    sensor.wait(10)
    sensor.hold(still, 5 / 52)
    assert [f.flags for f in frames(sensor)] == [
        FrameFlag(0),
        FrameFlag.ACC_CLIPPED,
        FrameFlag.GYR_CLIPPED,
        FrameFlag(0),
        FrameFlag.WORN | FrameFlag.MOVING,
        FrameFlag.WORN | FrameFlag.LOW_BATTERY,
    ]


def test_info_tells_what_the_sensor_is(sensor: Sensor) -> None:
    info = decode_info(sensor.core.info())
    assert isinstance(info, Info)
    assert (info.configs, info.device_id, info.samples_max) == (CONFIGS, bytes(range(8)), 19)
    assert info.ring_capacity == (sensor.bench.blocks - 2) * 16 * 19


def test_settings_that_cannot_work_are_refused_in_a_sentence(lib: Any) -> None:
    for configs, blocks in ((CONFIGS, 7), (CONFIGS[:1], 8), (CONFIGS[1:2], 8), ((), 8), (CONFIGS * 3, 8)):
        with pytest.raises(CoreError, match="8 or more blocks"):
            Core(IdleBoard(blocks), Settings(bytes(8), configs, blocks), lib)
    with pytest.raises(ValueError, match="samples are"):
        Core(IdleBoard(8), Settings(bytes(8), CONFIGS, 8), lib).samples(
            np.zeros((3, 5), np.int16), np.zeros(3, np.uint64)
        )


def test_an_idle_board_is_enough_to_run_the_core(lib: Any) -> None:
    board = IdleBoard(8)
    core = Core(board, Settings(bytes(8), CONFIGS, 8), lib)
    core.samples(samples_at(range(4000), 0), np.arange(4000, dtype=np.uint64) * 630)
    core.poll()
    assert bytes(board.memory) != b"\xff" * len(board.memory)
    again = Core(board, Settings(bytes(8), CONFIGS, 8), lib)
    again.connected()
    again.encrypted(encrypted=True)
    assert again.write(encode_request(ListBoots(0), 1)) == 0
    assert not board.set_connection(SetConn(12, 40, 4, 500)) or board.self_test() == (0, 0)


def test_without_a_compiler_or_cache_folder_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSTURE_HOME", str(tmp_path))
    assert sensor_core.cache_dir() == tmp_path / "cache"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(CoreError, match="no C compiler was found") as caught:
        sensor_core.build()
    assert "\n" not in str(caught.value)
    fake = tmp_path / "cc"
    fake.write_text("#!/bin/sh\necho 'lps_core.c:1: error: no such thing' >&2\nexit 1\n")
    fake.chmod(0o755)
    with pytest.raises(CoreError, match="error: no such thing") as caught:
        sensor_core.build()
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == [], "nothing half-made stays"
    (tmp_path / "file").write_text("")
    with pytest.raises(CoreError, match="cannot be built in"):
        sensor_core.build(tmp_path / "file")
