"""A sensor on the bench: the C core on a board made of Python, the host's end of the link, samples that say where they are from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_protocol import core as sensor_core
from firmware_protocol.control import Done, Reply, Request, SetConn, decode_reply, encode_request
from firmware_protocol.core import BLOCK_B, Core, Settings
from firmware_protocol.frames import TICK_HZ, Frame, MiniFrame, Samples, decode
from firmware_protocol.status import Config, Feature, StatusReport, decode_status
from firmware_protocol.vectors import CONFIGS

ALL_FEATURES = Feature(0x3F)
STREAM, STATUS, BACKFILL = 1, 3, 5


def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The core, built once for all workers of a run."""
    pytest.importorskip("cffi", reason="cffi is not installed: the C core is not driven")
    if not any(shutil.which(c) for c in ("cc", "gcc", "clang")):
        pytest.skip("no C compiler: the C core is not built")
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return sensor_core.library(sensor_core.build(folder / "lps"))


def samples_at(index: NDArray[np.int64] | Iterable[int], boot: int) -> Samples:
    """(n, 6) counts that differ from index to index and boot to boot, over the whole range of int16."""
    at = np.asarray(index, np.int64)[:, None] * np.array([7919, 104729, 1299709, 15485863, 32452843, 49979687])
    return ((at + boot * 2654435761) % 65536 - 32768).astype(np.int16)


def averages_at(index: NDArray[np.int64] | Iterable[int], boot: int) -> Samples:
    """(n, 6) the average of the four samples from each index on, halves rounded up."""
    at = np.asarray(index, np.int64)
    total = sum(samples_at(at + k, boot).astype(np.int64) for k in range(4))
    return np.floor_divide(np.asarray(total) + 2, 4).astype(np.int16)


@dataclass
class Bench:
    """The board. `room`: notifications and indications that the link still takes. store_left: store calls until the power fails."""

    blocks: int = 10
    now: int = 0
    room: int = 1 << 30
    seed: int = 1
    store_left: int = 1 << 60
    configurable: bool = True
    stream: list[Frame | MiniFrame] = field(default_factory=list)
    backfill: list[Frame] = field(default_factory=list)
    statuses: list[StatusReport] = field(default_factory=list)
    indications: list[Reply | Done] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    pulses: list[tuple[int, int, int]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    erases_n: int = 0
    reading: tuple[int, int, int] = (3870, 31, 75)
    memory: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self.memory = bytearray(b"\xff" * (self.blocks * BLOCK_B))

    def ticks(self) -> int:
        return self.now

    def random(self) -> int:
        return self.seed

    def notify(self, characteristic: int, payload: bytes) -> bool:
        if self.room == 0:
            return False
        self.room -= 1
        if characteristic == STATUS:
            report = decode_status(payload)
            assert isinstance(report, StatusReport)
            self.statuses.append(report)
            return True
        frame = decode(payload)
        assert isinstance(frame, Frame | MiniFrame)
        if characteristic == BACKFILL:
            assert isinstance(frame, Frame)
            self.backfill.append(frame)
        else:
            self.stream.append(frame)
        self.order.append("backfill" if characteristic == BACKFILL else "live")
        return True

    def indicate(self, payload: bytes) -> bool:
        if self.room == 0:
            return False
        message = decode_reply(payload)
        assert isinstance(message, Reply | Done)
        self.indications.append(message)
        self.order.append(type(message).__name__)
        return True

    def _powered(self) -> tuple[bool, bool]:
        """Whether a store call happens, and whether only half of it."""
        self.store_left = max(self.store_left - 1, -1)
        return self.store_left >= 0, self.store_left == 0

    def store_read(self, block: int, offset: int, length: int) -> bytes | None:
        start = block * BLOCK_B + offset
        return bytes(self.memory[start : start + length])

    def store_write(self, block: int, offset: int, data: bytes) -> bool:
        start = block * BLOCK_B + offset
        on, torn = self._powered()
        if on:
            assert set(self.memory[start : start + len(data)]) == {0xFF}, "only erased bytes are written"
            data = data[: len(data) // 2] if torn else data
            self.memory[start : start + len(data)] = data
        return True

    def store_erase(self, block: int) -> bool:
        on, torn = self._powered()
        if on:
            self.erases_n += 1
            size = BLOCK_B // 3 if torn else BLOCK_B
            self.memory[block * BLOCK_B : block * BLOCK_B + size] = b"\xff" * size
        return True

    def configure(self, config: Config) -> bool:
        self.calls.append(f"configure {config.id}")
        return self.configurable

    def motor(self, strength_pct: int, on_ms: int) -> None:
        self.pulses.append((self.now, strength_pct, on_ms))

    def led(self, on_ms: int) -> None:
        self.calls.append(f"led {on_ms}")

    def power(self) -> tuple[int, int, int]:
        return self.reading

    def self_test(self) -> tuple[int, int]:
        return 15, 2

    def set_connection(self, asked: SetConn) -> bool:
        self.calls.append(f"connection {asked.interval_min} {asked.interval_max} {asked.latency} {asked.timeout}")
        return True

    def forget_bonds(self) -> None:
        self.calls.append("forget bonds")

    def reboot(self) -> None:
        self.calls.append("reboot")


class Sensor:
    """A core on a bench, with a host that may be connected. `period` is ticks between samples at 52 Hz."""

    period = TICK_HZ / 52

    def __init__(self, lib: Any, bench: Bench | None = None, features: Feature = ALL_FEATURES) -> None:
        self.lib = lib
        self.bench = bench or Bench()
        self.features = features
        self.boot_up()

    def boot_up(self) -> None:
        """A new boot over the same store."""
        self.bench.seed += 1
        settings = Settings(bytes(range(8)), CONFIGS, self.bench.blocks, self.features)
        self.core = Core(self.bench, settings, self.lib)
        self.index = 0
        self.tag = 0

    @property
    def boot(self) -> int:
        return int(self.core.core.ring.boot)

    def connect(self, mtu: int = 247) -> None:
        self.core.connected()
        self.core.mtu(mtu)
        self.core.encrypted(encrypted=True)

    def run(self, count: int) -> None:
        """The next `count` samples."""
        index = np.arange(self.index, self.index + count)
        ticks = self.bench.now + np.rint((index - self.index + 1) * self.period).astype(np.uint64)
        self.core.samples(samples_at(index, self.boot), ticks)
        self.index += count
        self.bench.now = int(ticks[-1]) if count else self.bench.now

    def hold(self, sample: tuple[int, int, int, int, int, int], seconds: float) -> None:
        """The same sample for a while, polled as it should be."""
        for _ in range(round(seconds * 52)):
            self.bench.now += round(self.period)
            self.core.samples(np.array([sample], np.int16), np.array([self.bench.now], np.uint64))
            self.index += 1
            self.core.poll()

    def lose(self, count: int) -> None:
        self.core.lost(count)
        self.index += count

    def wait(self, seconds: float) -> None:
        """Time without samples, polled every 20 ms."""
        until = self.bench.now + round(seconds * TICK_HZ)
        while self.bench.now < until:
            self.bench.now = min(self.bench.now + TICK_HZ // 50, until)
            self.core.poll()

    def ask(self, args: Request) -> Reply:
        """Write to Control, confirm, and give the reply."""
        before = len(self.bench.indications)
        assert self.write(encode_request(args, self.next_tag())) == 0
        return self.answer(before)

    def next_tag(self) -> int:
        self.tag = (self.tag + 1) % 256
        return self.tag

    def write(self, payload: bytes) -> int:
        return self.core.write(payload)

    def answer(self, before: int) -> Reply:
        """The reply to the newest request, which must be among the indications from `before` on."""
        self.settle()
        replies = [i for i in self.bench.indications[before:] if isinstance(i, Reply)]
        assert replies, "no reply"
        assert replies[-1].tag == self.tag
        return replies[-1]

    def settle(self) -> None:
        """Let the link carry all that waits; the clock stands still."""
        for _ in range(8):
            self.core.poll()
            self.core.confirmed()

    def status(self) -> StatusReport:
        report = decode_status(self.core.status())
        assert isinstance(report, StatusReport)
        return report
