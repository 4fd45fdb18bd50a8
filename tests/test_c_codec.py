"""The C codec and the Python codec are the same: on the vectors field by field, and byte for byte on thousands of random frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_bench import library

from firmware_protocol.control import LocalAlert, Op, Request, SetConn, Status, TaggedRequest, decode_request
from firmware_protocol.core import c_configs, interface
from firmware_protocol.frames import (
    Frame,
    FrameFlag,
    FrameType,
    MiniFrame,
    decode_frame,
    decode_mini,
    encode_frame,
    encode_mini,
)
from firmware_protocol.gatt import advertisement
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import Config

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "firmware_protocol" / "vectors.json").read_text()
)


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return library(tmp_path_factory)


def new(kind: str, size: int | None = None) -> Any:
    return interface().new(kind, size) if size is not None else interface().new(kind)


def written(encode: Any, message: Any) -> bytes:
    out = new("uint8_t[]", 300)
    return bytes(interface().buffer(out, encode(message, out)))


def frame_fields(frame: Any) -> dict[str, Any]:
    own = {name: getattr(frame, name) for name in ("flags", "boot", "index", "ticks", "n", "config")}
    return {"type": frame.kind, **own, "samples": [list(frame.samples[k]) for k in range(frame.n)]}


def request_fields(request: Any) -> dict[str, Any]:
    """As `vectors.as_fields` of the same request."""
    args = request.args
    own: dict[int, dict[str, Any]] = {
        Op.START: {"config": args.config},
        Op.TIME_SYNC: {"t1": args.t1},
        Op.SET_EPOCH: {"unix_us": args.set_epoch.unix_us, "ticks": args.set_epoch.ticks},
        Op.GYRO_CAL: {"duration_s": args.duration_s},
        Op.HAPTIC: {name: getattr(args.haptic, name) for name in ("pattern", "strength_pct", "repeats")},
        Op.BACKFILL: {name: getattr(args.backfill, name) for name in ("boot", "from_index", "to_index")},
        Op.SET_CONN: {n: getattr(args.connection, n) for n in ("interval_min", "interval_max", "latency", "timeout")},
        Op.LOCAL_ALERT: {
            "angle_deg": args.local_alert.angle_deg,
            "hold_s": args.local_alert.hold_s,
            **dict(zip(("up_x", "up_y", "up_z"), args.local_alert.up, strict=True)),
        },
        Op.LIST_BOOTS: {"skip": args.skip},
    }
    return {"op": request.op, "tag": request.tag, "args": own.get(request.op, {})}


def c_reply(fields: dict[str, Any]) -> Any:
    """`lps_reply` with the fields of a vector."""
    reply = new("lps_reply *")
    reply.op, reply.tag, reply.status = fields["op"], fields["tag"], fields["status"]
    args = fields["args"]
    if fields["status"] == Status.NOT_STORED or fields["op"] == Op.BACKFILL:
        reply.args.range = args
        return reply
    match fields["op"] if args else None:
        case Op.GET_CONFIGS:
            reply.args.configs = {**args, "ids": list(bytes.fromhex(args["ids"]))}
        case Op.START:
            reply.args.start = args
        case Op.TIME_SYNC:
            reply.args.time = args
        case Op.GYRO_CAL:
            reply.args.gyro = {"bias": [args["bias_x"], args["bias_y"], args["bias_z"]], "still": args["still"]}
        case Op.HAPTIC:
            reply.args.budget_ms = args["budget_ms"]
        case Op.SELF_TEST:
            reply.args.self_test = args
        case Op.LIST_BOOTS:
            reply.args.boots.count, reply.args.boots.boot = args["count"], args["boot"]
            reply.args.boots.range = {"from_index": args["from_index"], "to_index": args["to_index"]}
    return reply


def of(kind: str, valid: bool) -> list[dict[str, Any]]:
    return [v for v in VECTORS if v["kind"] == kind and v["valid"] is valid]


@pytest.mark.parametrize(
    ("kind", "decoder", "struct"),
    [
        ("frame", "lps_frame_decode", "lps_frame *"),
        ("mini", "lps_mini_decode", "lps_mini *"),
        ("control_request", "lps_request_decode", "lps_request *"),
    ],
)
def test_c_decodes_the_vectors_to_their_fields_or_their_reason(lib: Any, kind: str, decoder: str, struct: str) -> None:
    for vector in of(kind, valid=True) + of(kind, valid=False):
        payload = bytes.fromhex(vector["hex"])
        message = new(struct)
        reason = getattr(lib, decoder)(payload, len(payload), message)
        if not vector["valid"]:
            assert reason == Rejection[vector["reason"].upper()], vector["name"]
            continue
        assert reason == 0, vector["name"]
        match kind:
            case "frame":
                assert frame_fields(message) == vector["fields"]
                assert written(lib.lps_frame_encode, message) == payload
            case "mini":
                own = {name: getattr(message, name) for name in ("flags", "config", "index")}
                assert own | {"sample": list(message.sample)} == vector["fields"]
                assert written(lib.lps_mini_encode, message) == payload
            case _:
                assert request_fields(message) == vector["fields"]


def test_c_encodes_replies_done_status_and_info_to_the_bytes_of_the_vectors(lib: Any) -> None:
    for vector in of("control_reply", valid=True):
        fields = vector["fields"]
        if "sent" in fields:
            assert written(lib.lps_done_encode, interface().new("lps_done *", fields)).hex() == vector["hex"]
        else:
            assert written(lib.lps_reply_encode, c_reply(fields)).hex() == vector["hex"], vector["name"]
    for vector in of("status", valid=True):
        fields = dict(vector["fields"])
        mode = fields.pop("mode")
        report = interface().new("lps_status_report *", fields | {"state": mode & 15, "reset_reason": mode >> 4})
        assert written(lib.lps_status_encode, report).hex() == vector["hex"]
    for vector in of("info", valid=True):
        fields = {k: v for k, v in vector["fields"].items() if k not in ("major", "minor")}
        configs = c_configs([Config(**c) for c in fields["configs"]])
        own = {"configs": configs, "config_count": len(configs), "device_id": list(bytes.fromhex(fields["device_id"]))}
        info = interface().new("lps_info *", fields | own)
        assert written(lib.lps_info_encode, info).hex() == vector["hex"]


def random_frame(rng: np.random.Generator) -> Frame:
    return Frame(
        FrameType(rng.integers(2)),
        FrameFlag(int(rng.integers(256))),
        *(int(rng.integers(1 << bits)) for bits in (16, 32, 32, 8)),
        rng.integers(-32768, 32768, (int(rng.integers(1, 20)), 6), dtype=np.int16),
    )


def test_c_and_python_agree_on_5000_random_frames_and_on_damaged_ones(lib: Any) -> None:
    rng = np.random.default_rng(19)
    ffi = interface()
    message, mini = new("lps_frame *"), new("lps_mini *")
    accepted = 0
    for k in range(5000):
        payload = bytearray(encode_frame(random_frame(rng)))
        for _ in range(k % 3):
            payload[rng.integers(min(len(payload), 15))] = rng.integers(256)
        if k % 2:
            ffi.memmove(ffi.from_buffer(payload)[len(payload) - 2 : len(payload)], lib_crc(lib, payload), 2)
        here = decode_frame(bytes(payload))
        reason = lib.lps_frame_decode(bytes(payload), len(payload), message)
        assert reason == (here if isinstance(here, Rejection) else 0)
        if isinstance(here, Frame):
            accepted += 1
            assert written(lib.lps_frame_encode, message) == payload
        sample = tuple(int(v) for v in rng.integers(-32768, 32768, 6))
        small = MiniFrame(FrameFlag(int(rng.integers(256))), 2, int(rng.integers(1 << 24)), sample)
        assert lib.lps_mini_decode(encode_mini(small), 18, mini) == 0
        assert written(lib.lps_mini_encode, mini) == encode_mini(small)
        assert decode_mini(encode_mini(small)) == small
    assert 2000 < accepted < 4000


def lib_crc(lib: Any, payload: bytearray) -> bytes:
    return int(lib.lps_crc16(bytes(payload[:-2]), len(payload) - 2)).to_bytes(2, "little")


def test_c_and_python_allow_the_same_arguments(lib: Any) -> None:
    """Random arguments, drawn near the edges of what is allowed."""
    rng = np.random.default_rng(7)
    request = new("lps_request *")
    seen: dict[int, set[str]] = {}
    for _ in range(20_000):
        op = int(rng.integers(0, 19))
        small = rng.integers(0, 25, 16, dtype=np.uint8)
        payload = bytes([op, 9]) + bytes(small[: rng.choice([0, 0, 1, 1, 3, 8, 8, 9, 10, 16])])
        here = decode_request(payload)
        reason = lib.lps_request_decode(payload, len(payload), request)
        assert reason == (here if isinstance(here, Rejection) else 0), payload.hex()
        seen.setdefault(op, set()).add(here.name if isinstance(here, Rejection) else "accepted")
    assert all("accepted" in seen[op] for op in Op if op not in (Op.SET_CONN, Op.LOCAL_ALERT))
    for args in edges():
        payload = bytes([TaggedRequest(0, args).op, 0]) + args.pack()
        reason = lib.lps_request_decode(payload, len(payload), request)
        assert reason == (0 if args.within_limits() else Rejection.VALUE), args


def edges() -> list[Request]:
    """Both sides of every limit of the two ops that random bytes do not reach."""
    connections = [
        SetConn(low, high, latency, timeout)
        for low in (5, 6, 800)
        for high in (5, 6, 800, 801)
        for latency in (0, 30, 31)
        for timeout in (99, 100, 3200, 3201, 200, 201, 6200, 6201)
    ]
    alerts = [
        LocalAlert(angle, hold, x, 0, z)
        for angle in (0, 9, 10, 80, 81)
        for hold in (0, 1, 600, 601)
        for x, z in ((0, 0), (0, 255), (256, 0), (-32768, -32768))
    ]
    return [*connections, *alerts]


def test_c_makes_the_advertisement_of_gatt_py(lib: Any) -> None:
    device_id = bytes.fromhex("0123456789abcdef")
    out = new("uint8_t[]", 31)
    assert lib.lps_advertisement_encode(device_id, out) == 31
    assert bytes(interface().buffer(out)) == advertisement(device_id)


def test_the_check_value_of_the_crc_is_the_catalogue_s(lib: Any) -> None:
    """CRC-16/CCITT-FALSE of "123456789" is 0x29B1 (reveng catalogue)."""
    assert lib.lps_crc16(b"123456789", 9) == 0x29B1
