"""The frame codec, the control point and Status and Info: any bytes become a message or a reason; vectors.json is what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from binascii import crc_hqx
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocol import vectors
from firmware_protocol.control import (
    Done,
    Haptic,
    Nothing,
    Op,
    Reply,
    Start,
    Status,
    TaggedRequest,
    decode_reply,
    decode_request,
    encode_done,
    encode_reply,
    encode_request,
)
from firmware_protocol.frames import (
    Frame,
    FrameFlag,
    FrameType,
    MiniFrame,
    decode,
    decode_buffer,
    decode_frame,
    decode_frames,
    encode_frame,
    encode_mini,
    unwrap,
)
from firmware_protocol.gatt import (
    ADVERTISEMENT_MAX_B,
    BACKFILL,
    CONTROL,
    INFO,
    SERVICES,
    STATUS,
    STREAM,
    Property,
    Security,
    advertisement,
    name_in_advertisement,
)
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import Info, StatusReport, decode_info, decode_status, encode_info, encode_status

VECTORS: list[dict[str, Any]] = vectors.vectors()


def encoded(message: Any) -> bytes:
    """The bytes of anything that a decoder gives."""
    match message:
        case Frame():
            return encode_frame(message)
        case MiniFrame():
            return encode_mini(message)
        case TaggedRequest():
            return encode_request(message.args, message.tag)
        case Reply():
            return encode_reply(message)
        case Done():
            return encode_done(message)
        case StatusReport():
            return encode_status(message)
        case Info():
            return encode_info(message)
    raise TypeError(type(message))


def test_the_committed_vectors_are_what_the_script_prints(repository: Path) -> None:
    command = [sys.executable, "-m", "firmware_protocol.vectors"]
    printed = subprocess.run(command, cwd=repository, capture_output=True, check=True, timeout=30).stdout
    assert (repository / "firmware_protocol" / "vectors.json").read_bytes() == printed
    assert json.loads(printed) == VECTORS


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['kind']}: {v['name']}")
def test_every_vector_decodes_to_its_fields_or_its_reason_and_back(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["hex"])
    message = vectors.DECODERS[vector["kind"]](payload)
    if vector["valid"]:
        assert vectors.as_fields(message) == vector["fields"]
        assert encoded(message) == payload
    else:
        assert message is Rejection[vector["reason"].upper()]


def test_the_vectors_hold_every_op_status_frame_kind_and_reason() -> None:
    requests = {v["fields"]["op"] for v in VECTORS if v["kind"] == "control_request" and v["valid"]}
    replies = {v["fields"]["status"] for v in VECTORS if v["kind"] == "control_reply" and "status" in v["fields"]}
    kinds = {v["fields"]["type"] for v in VECTORS if v["kind"] == "frame" and v["valid"]}
    reasons = {v["reason"] for v in VECTORS if not v["valid"]}
    assert requests == {int(op) for op in Op}
    assert replies == {int(status) for status in Status}
    assert kinds == {int(FrameType.LIVE), int(FrameType.BACKFILL)}
    assert reasons == {r.name.lower() for r in Rejection} - {"config"}  # that one needs Info


def test_a_frame_has_the_bytes_of_the_table() -> None:
    """Written out by hand from the protocol's table, not by the encoder."""
    samples = np.array([[1, -2, 3, -4, 5, -6]], np.int16)
    body = bytes.fromhex("1011341278563412f0debc9a01070100feff0300fcff0500faff")
    flags = FrameFlag.WORN | FrameFlag.TIME_SYNCED
    frame = Frame(FrameType.LIVE, flags, 0x1234, 0x12345678, 0x9ABCDEF0, 7, samples)
    assert encode_frame(frame) == body + crc_hqx(body, 0xFFFF).to_bytes(2, "little")
    mini = MiniFrame(flags, 7, 0x123456, (1, -2, 3, -4, 5, -6))
    assert encode_mini(mini) == bytes.fromhex("1211075634120100feff0300fcff0500faff")


@given(payload=st.binary(max_size=300) | st.binary(max_size=300).map(lambda b: b"\x10" + b))
def test_any_bytes_are_a_message_or_a_reason_and_what_decodes_encodes_back(payload: bytes) -> None:
    for decoder in vectors.DECODERS.values():
        message = decoder(payload)
        assert isinstance(message, Rejection) or encoded(message) == payload


messages = st.sampled_from([bytes.fromhex(v["hex"]) for v in VECTORS if v["hex"]])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A vector with some bytes changed, cut off or added: nearer to the truth than random bytes."""
    payload = bytearray(draw(messages))
    for _ in range(draw(st.integers(0, 3))):
        payload[draw(st.integers(0, len(payload) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()) and payload[0] >> 4 == 1 and len(payload) > 16:  # so that damage gets past the check sum
        payload[-2:] = crc_hqx(bytes(payload[:-2]), 0xFFFF).to_bytes(2, "little")
    return bytes(payload[: draw(st.integers(len(payload) - 1, len(payload)))]) + draw(st.binary(max_size=1))


@given(payloads=st.lists(damaged() | st.binary(max_size=40), max_size=12), known=st.none() | st.just({1, 2}))
def test_many_frames_at_once_are_the_frames_one_by_one(payloads: list[bytes], known: set[int] | None) -> None:
    batch = decode_frames(payloads, configs=known)
    single = [decode_frame(p, configs=known) for p in payloads]
    assert {k: Rejection(r) for k, r in zip(batch.rejected, batch.reason, strict=True)} == {
        k: f for k, f in enumerate(single) if isinstance(f, Rejection)
    }
    frames = {k: f for k, f in enumerate(single) if isinstance(f, Frame)}
    assert batch.position.tolist() == list(frames)
    for row, frame in enumerate(frames.values()):
        of = slice(batch.start[row], batch.start[row + 1])
        again = Frame(
            FrameType(batch.kind[row]),
            FrameFlag(int(batch.flags[row])),
            int(batch.boot[row]),
            int(batch.index[row]),
            int(batch.ticks[row]),
            int(batch.config[row]),
            batch.samples[of],
        )
        assert batch.n[row] == len(frame.samples)
        assert encode_frame(again) == encode_frame(frame)


def test_frames_in_one_buffer_may_lie_anywhere_in_it() -> None:
    frames = [encode_frame(vectors.frame(n)) for n in (5, 19)]
    batch = decode_buffer(b"\0\0" + b"".join(frames) + b"\0", np.array([2, 78, 78 + 244]))
    assert batch.n.tolist() == [5, 19]
    assert len(batch.rejected) == 0
    for wrong in ([], [-1, 4], [0, 400], [50, 40]):
        with pytest.raises(ValueError, match="offsets must rise"):
            decode_buffer(frames[0], np.array(wrong, np.int64))


def test_a_configuration_that_info_does_not_declare_is_rejected() -> None:
    payload, mini = encode_frame(vectors.frame(5, config=9)), encode_mini(MiniFrame(FrameFlag(0), 9, 0, (0,) * 6))
    assert decode(payload, configs={1, 2}) is decode(mini, configs={1, 2}) is Rejection.CONFIG
    assert isinstance(decode(payload, configs={9}), Frame)
    assert isinstance(decode(mini), MiniFrame)


@pytest.mark.parametrize(
    "make",
    [
        lambda: encode_frame(vectors.frame(5, index=1 << 32)),
        lambda: encode_frame(vectors.frame(5, samples=np.zeros((0, 6), np.int16))),
        lambda: encode_frame(vectors.frame(5, samples=np.zeros((20, 6), np.int16))),
        lambda: encode_frame(vectors.frame(5, samples=np.zeros((5, 6)))),
        lambda: encode_frame(vectors.frame(5, FrameType.MINI)),
        lambda: encode_mini(MiniFrame(FrameFlag(0), 1, 1 << 24, (0,) * 6)),
        lambda: encode_request(Start(256), 0),
        lambda: encode_request(Haptic(2, 100, 6), 0),
        lambda: encode_reply(Reply(Op.START, 0, Status.OK, Nothing())),
    ],
)
def test_what_does_not_fit_is_not_encoded(make: Callable[[], bytes]) -> None:
    with pytest.raises(ValueError, match=r"fit|hold|must be|outside|has no"):
        make()


@given(value=st.integers(0, 1 << 40), bits=st.sampled_from([24, 32]), off=st.floats(-0.49, 0.49))
def test_low_bits_and_a_guess_within_half_a_turn_give_the_number_back(value: int, bits: int, off: float) -> None:
    assert unwrap(value & ((1 << bits) - 1), bits, value + int(off * (1 << bits))) == value


def test_a_day_of_nine_hours_decodes_within_seconds() -> None:
    """370,000 live frames of five; measured 0.7 s, one by one it takes 2."""
    frames = [encode_frame(vectors.frame(5, index=5 * k)) for k in range(1000)] * 37
    batch = decode_frames(frames)
    assert batch.samples.shape == (185_000, 6)
    assert len(batch.rejected) == 0


def test_only_info_can_be_used_on_an_open_link_and_control_wants_indications() -> None:
    own = [c for characteristics in SERVICES.values() for c in characteristics if c.uuid.hex.endswith("0f7c638e79e2")]
    assert [c.uuid.hex[:8] for c in own] == ["6e521d7b", "6e521d7c", "6e521d7d", "6e521d7e", "6e521d7f"]
    assert own == [STREAM, CONTROL, STATUS, INFO, BACKFILL]
    assert [c for c in own if c.security is Security.OPEN] == [INFO]
    assert CONTROL.properties == Property.WRITE | Property.INDICATE
    assert STREAM.properties == BACKFILL.properties == Property.NOTIFY


@given(device_id=st.binary(min_size=8, max_size=8))
def test_the_advertisement_fills_31_bytes_and_gives_its_name(device_id: bytes) -> None:
    payload = advertisement(device_id)
    assert len(payload) == ADVERTISEMENT_MAX_B
    assert name_in_advertisement(payload) == f"LPS-{device_id.hex()[-4:].upper()}"


@given(payload=st.binary(max_size=40) | st.binary(max_size=9).map(lambda name: advertisement(bytes(8))[:23] + name))
def test_no_other_advertisement_gives_a_name_that_could_carry_control_characters(payload: bytes) -> None:
    name = name_in_advertisement(payload)
    assert name is None or (len(name) == 8 and name[4:].isalnum())


def test_known_status_and_info_read_back() -> None:
    report = decode_status(encode_status(vectors.STATUS_EXAMPLE))
    assert isinstance(report, StatusReport)
    assert (int(report.state), int(report.reset_reason)) == (3, 1)
    assert decode_info(encode_info(vectors.INFO)) == vectors.INFO
    assert isinstance(decode_reply(b"\x81" + bytes(18)), Done)
    assert decode_request(b"\x11\0") is Rejection.TYPE
