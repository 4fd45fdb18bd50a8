"""Test vectors that every implementation of the protocol must satisfy: `python -m firmware_protocol.vectors` prints vectors.json.

A list of {"name", "kind", "hex", "fields", "valid"}, and "reason" where valid is false. Kinds: frame, mini, control_request,
control_reply (DONE included), status, info. `fields` is empty where valid is false.
"""

from __future__ import annotations

import json
import sys
from binascii import crc_hqx
from collections.abc import Callable, Iterator
from dataclasses import fields as fields_of_record
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.control import (
    NO_CONFIG,
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
    ListBootsReply,
    LocalAlert,
    Nothing,
    Op,
    RangeReply,
    Reboot,
    Reply,
    Request,
    SelfTest,
    SelfTestReply,
    SelfTestRun,
    SetConn,
    SetEpoch,
    Start,
    StartReply,
    Status,
    Stop,
    TaggedRequest,
    TimeSync,
    TimeSyncReply,
    decode_reply,
    decode_request,
    encode_done,
    encode_reply,
    encode_request,
)
from firmware_protocol.frames import (
    SAMPLES_MAX,
    Frame,
    FrameFlag,
    FrameType,
    MiniFrame,
    Samples,
    decode_frame,
    decode_mini,
    encode_frame,
    encode_mini,
)
from firmware_protocol.records import Record
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import (
    CHARGING,
    TEMPERATURE_UNKNOWN,
    Config,
    Feature,
    Info,
    ResetReason,
    State,
    StatusReport,
    decode_info,
    decode_status,
    encode_info,
    encode_status,
)

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "frame": decode_frame,
    "mini": decode_mini,
    "control_request": decode_request,
    "control_reply": decode_reply,
    "status": decode_status,
    "info": decode_info,
}

CONFIGS = (
    Config(1, 52_000, 1, 8196.75, 57.125, 4, 500),
    Config(2, 13_000, 4, 8196.75, 57.125, 4, 500),
    Config(3, 104_000, 1, 8196.75, 28.5625, 4, 1000),
    Config(4, 26_000, 4, 8196.75, 28.5625, 4, 1000),
)
INFO = Info(
    samples_max=SAMPLES_MAX,
    tick_hz=32768,
    features=Feature.FLASH_RING
    | Feature.HAPTIC
    | Feature.LED
    | Feature.BUTTON
    | Feature.LOCAL_ALERT
    | Feature.BATTERY_GAUGE,
    device_id=bytes.fromhex("0123456789abcdef"),
    ring_capacity=155_040,
    imu=2,
    configs=CONFIGS,
)


def samples(n: int) -> Samples:
    """(n, 6) counts of a sensor that is upright and turns slowly; each value differs, so that a swap shows."""
    k = np.arange(n)[:, None]
    counts: NDArray[np.int64] = np.array([120, -340, 8190, 25, -610, 7]) + k * np.array([3, -5, -2, 11, 40, -1])
    return np.asarray(counts, np.int16)


def frame(n: int, kind: FrameType = FrameType.LIVE, **changes: Any) -> Frame:
    """A frame with different values in all its fields."""
    values: dict[str, Any] = {
        "kind": kind,
        "flags": FrameFlag.TIME_SYNCED | FrameFlag.WORN,
        "boot": 0xB007,
        "index": 123_456,
        "ticks": 77_797_632,
        "config": 1,
        "samples": samples(n),
    }
    return Frame(**values | changes)


def as_fields(message: Any) -> dict[str, Any]:
    """What a decoder gave, as the `fields` of a vector."""
    if isinstance(message, Frame):
        return {
            "type": int(message.kind),
            "flags": int(message.flags),
            "boot": message.boot,
            "index": message.index,
            "ticks": message.ticks,
            "n": len(message.samples),
            "config": message.config,
            "samples": message.samples.tolist(),
        }
    if isinstance(message, MiniFrame):
        return {
            "flags": int(message.flags),
            "config": message.config,
            "index": message.index,
            "sample": list(message.sample),
        }
    if isinstance(message, TaggedRequest):
        return {"op": int(message.op), "tag": message.tag, "args": as_fields(message.args)}
    if isinstance(message, Info):
        own = {f.name: _plain(getattr(message, f.name)) for f in fields_of_record(message) if f.name != "configs"}
        return own | {"configs": [as_fields(c) for c in message.configs]}
    return {f.name: _plain(getattr(message, f.name)) for f in fields_of_record(message)}


def _plain(value: Any) -> Any:
    """A field as JSON has it: numbers as they are, bytes in hexadecimal."""
    if isinstance(value, Record):
        return as_fields(value)
    if isinstance(value, bytes):
        return value.hex()
    return int(value) if isinstance(value, IntEnum | IntFlag) else value


def _frames() -> Iterator[tuple[str, bytes]]:
    yield "live, n = 5, the usual frame at 52 Hz", encode_frame(frame(5))
    yield (
        "live, n = 1, every field zero",
        encode_frame(Frame(FrameType.LIVE, FrameFlag(0), 0, 0, 0, 0, np.zeros((1, 6), np.int16))),
    )
    yield "live, n = 13, an ATT MTU of 185", encode_frame(frame(13))
    full: dict[str, Any] = {
        "flags": FrameFlag(0x7F),
        "boot": 0xFFFF,
        "index": 0xFFFF_FFFF,
        "ticks": 0xFFFF_FFFF,
        "config": 0xFE,
    }
    extremes = np.where(np.arange(114).reshape(19, 6) % 2 == 0, 32767, -32768).astype(np.int16)
    yield "live, n = 19, every field at its end", encode_frame(frame(19, samples=extremes, **full))
    yield "backfill, n = 19, from the ring", encode_frame(frame(19, FrameType.BACKFILL))
    thinned = frame(19, FrameType.BACKFILL, index=760, config=2, flags=FrameFlag.GAP_BEFORE | FrameFlag.ACC_CLIPPED)
    yield "backfill, n = 19, thinned: each row is the average of four", encode_frame(thinned)
    good = encode_frame(frame(5))
    yield "the reserved flag bit is ignored", _resealed(good, {1: 0x80 | good[1]})
    yield "one bit of a sample turned", bytes((*good[:20], good[20] ^ 1, *good[21:]))
    yield "the check sum in the other byte order", good[:-2] + good[:-3:-1]
    yield "check sum of another start value", good[:-2] + crc_hqx(good[:-2], 0).to_bytes(2, "little")
    yield "one byte short", good[:-1]
    yield "one byte long", good + b"\0"
    yield "empty", b""
    yield "only a header", good[:14]
    yield "n = 0", _resealed(good[:16], {12: 0})
    yield "n = 20", _resealed(encode_frame(frame(19))[:-2] + bytes(14), {12: 20})
    yield "n = 4 in a frame of five", _resealed(good, {12: 4})
    yield "version 0", _resealed(good, {0: 0x00})
    yield "version 2", _resealed(good, {0: 0x20})
    yield "type 3", _resealed(good, {0: 0x13})
    yield "a mini frame is no frame", encode_mini(_mini())


def _resealed(payload: bytes, changes: dict[int, int]) -> bytes:
    """A frame with some bytes changed and a check sum that fits, so that only the change can be the reason."""
    body = bytearray(payload[:-2])
    for place, value in changes.items():
        body[place] = value
    return bytes(body) + crc_hqx(bytes(body), 0xFFFF).to_bytes(2, "little")


def _mini(**changes: Any) -> MiniFrame:
    values: dict[str, Any] = {
        "flags": FrameFlag.WORN,
        "config": 2,
        "index": 0x0A0B0C,
        "sample": (120, -340, 8190, 25, -610, 7),
    }
    return MiniFrame(**values | changes)


def _minis() -> Iterator[tuple[str, bytes]]:
    good = encode_mini(_mini())
    yield "mini, worn", good
    yield "mini, index at its end", encode_mini(_mini(index=0xFFFFFF, flags=FrameFlag(0x7F), config=0xFE))
    yield (
        "mini, samples at their ends",
        encode_mini(_mini(sample=(32767, -32768, 32767, -32768, 32767, -32768), flags=FrameFlag.ACC_CLIPPED)),
    )
    yield "mini, one byte short", good[:-1]
    yield "mini, filled up to 20 bytes", good + bytes(2)
    yield "mini, empty", b""
    yield "mini, version 2", bytes((0x22,)) + good[1:]
    yield "a frame is no mini frame", encode_frame(frame(1))


REQUEST_EXAMPLES: tuple[Request, ...] = (
    GetConfigs(),
    Start(1),
    Stop(),
    TimeSync(0x0123_4567_89AB_CDEF),
    SetEpoch(1_790_000_000_123_456, 98_304_000),
    GyroCal(5),
    Haptic(2, 60, 3),
    Backfill(0xB007, 1900, 5700),
    BackfillCancel(),
    SetConn(12, 40, 4, 500),
    Identify(),
    SelfTestRun(),
    LocalAlert(40, 30, -300, 150, 8100),
    ForgetBonds(),
    Reboot(),
    ListBoots(1),
)


def _requests() -> Iterator[tuple[str, bytes]]:
    for tag, args in enumerate(REQUEST_EXAMPLES, start=0x11):
        yield type(args).__name__, encode_request(args, tag)
    yield "LocalAlert off", encode_request(LocalAlert(0, 1, 0, 0, 0), 0xFF)
    yield "empty", b""
    yield "no tag", bytes((Op.STOP,))
    yield "op 0", bytes((0x00, 1))
    yield "op 17", bytes((0x11, 1))
    yield "Start without its argument", bytes((Op.START, 1))
    yield "Stop with an argument", bytes((Op.STOP, 1, 0))
    yield "GyroCal of 0 s", bytes((Op.GYRO_CAL, 1, 0))
    yield "GyroCal of 11 s", bytes((Op.GYRO_CAL, 1, 11))
    yield "Haptic of 2.4 s", bytes((Op.HAPTIC, 1, 2, 60, 6))
    yield "Haptic of an unknown pattern", bytes((Op.HAPTIC, 1, 5, 60, 1))
    yield "Haptic of strength 0", bytes((Op.HAPTIC, 1, 1, 0, 1))
    yield "Backfill of nothing", bytes((Op.BACKFILL, 1)) + Backfill(1, 500, 500).pack()
    yield "Backfill backwards", bytes((Op.BACKFILL, 1)) + Backfill(1, 501, 500).pack()
    yield "SetConn with a falling interval", bytes((Op.SET_CONN, 1)) + SetConn(40, 12, 4, 500).pack()
    yield "SetConn with a timeout below two silences", bytes((Op.SET_CONN, 1)) + SetConn(400, 400, 4, 500).pack()
    yield "LocalAlert of 5 deg", bytes((Op.LOCAL_ALERT, 1)) + LocalAlert(5, 30, 0, 0, 8192).pack()
    yield "LocalAlert without a direction", bytes((Op.LOCAL_ALERT, 1)) + LocalAlert(40, 30, 0, 0, 100).pack()


REPLY_EXAMPLES: tuple[Reply, ...] = (
    Reply(Op.GET_CONFIGS, 0x11, Status.OK, GetConfigsReply(1, 4, bytes((1, 2, 3, 4, *[NO_CONFIG] * 4)))),
    Reply(Op.START, 0x12, Status.OK, StartReply(1, 5, 123_456)),
    Reply(Op.START, 0x12, Status.MTU, Nothing()),
    Reply(Op.STOP, 0x13, Status.OK, Nothing()),
    Reply(Op.TIME_SYNC, 0x14, Status.OK, TimeSyncReply(0x0123_4567_89AB_CDEF, 5_000_000_000, 5_000_000_040)),
    Reply(Op.SET_EPOCH, 0x15, Status.BAD_ARG, Nothing()),
    Reply(Op.GYRO_CAL, 0x16, Status.OK, GyroCalReply(-31, 12, 4, 1)),
    Reply(Op.HAPTIC, 0x17, Status.OK, HapticReply(800)),
    Reply(Op.HAPTIC, 0x17, Status.BUSY, Nothing()),
    Reply(Op.BACKFILL, 0x18, Status.OK, RangeReply(0, 123_456)),
    Reply(Op.BACKFILL, 0x18, Status.NOT_STORED, RangeReply(9_880, 123_456)),
    Reply(Op.BACKFILL_CANCEL, 0x19, Status.STATE, Nothing()),
    Reply(Op.SELF_TEST, 0x1C, Status.OK, SelfTestReply(SelfTest(15), SelfTest.STORE)),
    Reply(Op.FORGET_BONDS, 0x1E, Status.AUTH, Nothing()),
    Reply(Op.LIST_BOOTS, 0x20, Status.OK, ListBootsReply(2, 0xB007, 9_880, 123_456)),
    Reply(0x7F, 0x21, Status.UNKNOWN_OP, Nothing()),
)
DONE_EXAMPLE = Done(0xB007, 1900, 5700, 3762, 38)


def _replies() -> Iterator[tuple[str, bytes]]:
    for reply in REPLY_EXAMPLES:
        name = Op(reply.op).name if reply.op in set(Op) else f"op {reply.op}"
        yield f"{name}, {reply.status.name}", encode_reply(reply)
    yield "DONE", encode_done(DONE_EXAMPLE)
    stop = encode_reply(REPLY_EXAMPLES[3])
    yield "empty", b""
    yield "not a reply", bytes((0x82,)) + stop[1:]
    yield "cut after the tag", stop[:3]
    yield "status 8", stop[:3] + bytes((8,))
    yield "an op that nobody asked for", bytes((0x80, 0x7F, 1, 0))
    yield "STOP with an argument", stop + b"\0"
    yield "DONE, one byte short", encode_done(DONE_EXAMPLE)[:-1]
    yield "GYRO_CAL with still = 2", encode_reply(REPLY_EXAMPLES[6])[:-1] + bytes((2,))


STATUS_EXAMPLE = StatusReport(
    boot=0xB007,
    config=1,
    mode=ResetReason.POWER_ON << 4 | State.STREAMING | State.BACKFILLING,
    end_index=123_456,
    oldest_index=9_880,
    dropped=152,
    battery_mv=3_870,
    temperature_degc=31,
    charge=75,
)


def _statuses() -> Iterator[tuple[str, bytes]]:
    good = encode_status(STATUS_EXAMPLE)
    yield "streaming and backfilling", good
    idle = StatusReport(0xFFFF, 1, ResetReason.WATCHDOG << 4, 0, 0, 0, 0, TEMPERATURE_UNKNOWN, 0xFF)
    yield "idle after a reset by the watchdog, nothing known of the battery", encode_status(idle)
    charging = StatusReport(2, 3, State.BONDING, 0xFFFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFF, 4_180, -5, CHARGING | 100)
    yield "bonding window open, charging, counts at their ends", encode_status(charging)
    yield "one byte short", good[:-1]
    yield "one byte long", good + b"\0"
    yield "empty", b""


def _infos() -> Iterator[tuple[str, bytes]]:
    good = encode_info(INFO)
    yield "four configurations", good
    yield "one configuration", good[:25] + bytes((1,)) + good[26:44]
    yield "empty", b""
    yield "major version 2", bytes((2,)) + good[1:]
    yield "cut in the head", good[:20]
    yield "no configuration", good[:25] + bytes(1)
    yield "nine configurations announced", good[:25] + bytes((9,)) + good[26:]
    yield "three announced, four sent", good[:25] + bytes((3,)) + good[26:]
    yield "another clock", good[:3] + (1000).to_bytes(4, "little") + good[7:]
    yield "longest frame of 20 samples", good[:2] + bytes((20,)) + good[3:]
    yield "the same id twice", good[:44] + good[26:44] + good[62:]
    yield "a scale of zero", good[:32] + bytes(4) + good[36:]
    yield "a scale that is no number", good[:32] + bytes.fromhex("0000c07f") + good[36:]


def vectors() -> list[dict[str, Any]]:
    """All of them, valid and not, in a fixed order."""
    every = {
        "frame": _frames,
        "mini": _minis,
        "control_request": _requests,
        "control_reply": _replies,
        "status": _statuses,
        "info": _infos,
    }
    return [_vector(name, kind, payload) for kind, make in every.items() for name, payload in make()]


def _vector(name: str, kind: str, payload: bytes) -> dict[str, Any]:
    message = DECODERS[kind](payload)
    own = {"name": name, "kind": kind, "hex": payload.hex()}
    if isinstance(message, Rejection):
        return own | {"fields": {}, "valid": False, "reason": message.name.lower()}
    return own | {"fields": as_fields(message), "valid": True}


def main() -> None:
    """Print the vectors: one per line, so that a change shows as the lines that changed."""
    lines = ",\n".join(json.dumps(vector) for vector in vectors())
    sys.stdout.write(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
