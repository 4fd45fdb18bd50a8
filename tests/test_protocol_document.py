"""PROTOCOL.md says what the code does: every worked dump is a vector, every number in its tables is the code's."""

from __future__ import annotations

import json
import re
from enum import IntEnum
from pathlib import Path
from typing import Any

from firmware_protocol import gatt
from firmware_protocol.control import HAPTIC_ON_MS, REPLIES, REQUESTS, Op, Status
from firmware_protocol.frames import CRC_B, FRAME_MAX_B, HEADER_B, MINI_B, SAMPLE_B, FrameFlag
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import Config, Feature, ResetReason, State, StatusReport
from firmware_protocol.vectors import DECODERS

FOLDER = Path(__file__).parents[1] / "firmware_protocol"
TEXT = (FOLDER / "PROTOCOL.md").read_text(encoding="utf-8")
VECTORS: list[dict[str, Any]] = json.loads((FOLDER / "vectors.json").read_text())


def dumps() -> list[tuple[str, bytes]]:
    """(kind, bytes) of each worked dump; every line begins with the place of its first byte."""
    found = []
    for kind, body in re.findall(r"```hex (\w+)\n(.*?)```", TEXT, re.DOTALL):
        payload = b""
        for line in body.splitlines():
            place, octets = line.split(";")[0].split(maxsplit=1)
            assert int(place) == len(payload), line
            payload += bytes.fromhex(octets)
        found.append((kind, payload))
    return found


def test_every_worked_dump_is_a_valid_vector_and_every_kind_is_shown() -> None:
    shown = dumps()
    assert {kind for kind, _ in shown} == set(DECODERS)
    for kind, payload in shown:
        (vector,) = [v for v in VECTORS if v["kind"] == kind and v["hex"] == payload.hex()]
        assert vector["valid"]
        assert not isinstance(DECODERS[kind](payload), Rejection)
    assert {payload[0] for kind, payload in shown if kind in ("frame", "mini")} == {0x10, 0x11, 0x12}


def rows(head: str) -> list[list[str]]:
    """The cells of the table whose heading row begins with `head`."""
    lines = TEXT[TEXT.index(f"| {head} ") :].split("\n\n")[0].splitlines()[2:]
    return [[c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line.strip())[1:-1]] for line in lines]


def numbered(enum: type[IntEnum]) -> dict[str, int]:
    return {member.name: int(member) for member in enum}


def test_ops_statuses_rejections_and_flags_have_the_numbers_of_the_code() -> None:
    assert {name: int(op, 16) for op, name, *_ in rows("op | name")} == numbered(Op)
    assert {name: int(code) for code, name, *_ in rows("status | name")} == numbered(Status)
    assert {name: int(code) for code, name, *_ in rows("number | reason")} == numbered(Rejection)
    flags = {int(bit, 16) for bit, name, _ in rows("flag | name") if name != "reserved"}
    assert flags == {int(flag) for flag in FrameFlag}
    for number, name in ((int(r), r.name) for r in ResetReason):
        assert (
            f"{number} {name.lower().replace('brown_out', 'brown-out').replace('_', ' ').replace('pin', 'reset pin')}"
            in TEXT
        )
    for state in State:
        assert f"{int(state)} {state.name.lower()}" in TEXT.replace("bonding window open", "bonding")  # type: ignore[union-attr]
    assert all(f"{int(f)} " in TEXT for f in Feature)


SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i16": 2}


def size_of(cell: str) -> int:
    """Bytes of the arguments that a cell of the op table names: `from u32, to u32`, `ids 8 x u8`."""
    cell = re.sub(r"\([^)]*\)", "", cell.split(";")[0])
    found = re.findall(r"(?:(\d) x )?\b(u8|u16|u32|u64|i16)\b", cell)
    return sum(int(times or 1) * SIZES[kind] for times, kind in found)


def test_the_arguments_of_every_op_and_reply_are_as_long_as_the_table_says() -> None:
    for op, _, arguments, reply, _ in rows("op | name"):
        assert size_of(arguments) == REQUESTS[Op(int(op, 16))].WIRE.size, op
        assert size_of(reply) == REPLIES[Op(int(op, 16))].WIRE.size, op


def test_characteristics_have_the_uuids_properties_and_security_of_the_code() -> None:
    own = {c.name: c for c in gatt.SERVICES[gatt.SERVICE]}
    table = rows("characteristic | UUID")
    assert [name for name, *_ in table] == list(own)
    for name, begins, properties, security, _ in table:
        characteristic = own[name]
        assert characteristic.uuid.hex.startswith(begins.strip("`"))
        assert security == characteristic.security.value
        words = {word.split(" ")[0].upper() for word in properties.split(", ")}
        assert words == {p.name for p in gatt.Property if p in characteristic.properties}
    assert str(gatt.SERVICE) in TEXT


def test_lengths_and_patterns_in_the_prose_are_the_code_s() -> None:
    assert f"{HEADER_B + CRC_B} + {SAMPLE_B} n bytes" in TEXT
    assert f"{FRAME_MAX_B} for 19" in TEXT
    assert f"in {MINI_B} bytes" in TEXT
    assert f"Status, {StatusReport.WIRE.size} bytes" in TEXT
    assert f"26 bytes and {Config.WIRE.size} for each" in TEXT
    spelled = re.search(r"\*\*HAPTIC\*\* patterns, on/off in ms: (.*?)\. The budget", TEXT, re.DOTALL)
    assert spelled is not None
    on_ms = [sum(int(on) for on in re.findall(r"(\d+)/\d+", part)) for part in spelled[1].split(";")]
    assert tuple(on_ms) == HAPTIC_ON_MS
