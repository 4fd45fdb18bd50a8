"""The C core of the sensor, built once with the system's compiler and driven from Python: for the virtual sensor and the tests.

A `Board` is what a real board is to the core: the clock, the link, the store and the motor. `Core` passes samples and link events
in; what comes out arrives in the board's methods, called from inside `samples`, `poll` and the link events, on the same thread.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.control import SetConn
from firmware_protocol.frames import CHANNELS, Samples
from firmware_protocol.status import CHARGE_UNKNOWN, TEMPERATURE_UNKNOWN, Config, Feature, ResetReason

SOURCES = Path(__file__).parent / "c"
HEADERS = ("codec", "hal", "average", "ring", "backfill", "motion", "haptic", "core")
BLOCK_B = 4096
"""Bytes of a block of the store (c/lps_ring.h)."""
FLAGS = ("-std=c99", "-O2")
_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


class CoreError(Exception):
    """The core cannot be built, loaded or started; the sentence says what to do next."""


class Board(Protocol):
    """What the core needs from a board; c/lps_hal.h says more of each."""

    def ticks(self) -> int:
        """The clock, 32768 Hz since the boot."""

    def random(self) -> int:
        """32 random bits."""

    def notify(self, characteristic: int, payload: bytes) -> bool:
        """Queue a notification (1 Stream, 3 Status, 5 Backfill); False: not now."""

    def indicate(self, payload: bytes) -> bool:
        """Queue an indication on Control; `Core.confirmed` follows."""

    def store_read(self, block: int, offset: int, length: int) -> bytes | None:
        """Bytes of the store, None if that fails."""

    def store_write(self, block: int, offset: int, data: bytes) -> bool:
        """Clear bits of erased bytes."""

    def store_erase(self, block: int) -> bool:
        """Set a whole block to 0xFF."""

    def configure(self, config: Config) -> bool:
        """Make samples with this configuration from now on."""

    def motor(self, strength_pct: int, on_ms: int) -> None:
        """Switch the motor on for this long."""

    def led(self, on_ms: int) -> None:
        """Blink for this long."""

    def power(self) -> tuple[int, int, int]:
        """mV, deg C, charge, as in Status."""

    def self_test(self) -> tuple[int, int]:
        """`SelfTest` bits: tested, failed."""

    def set_connection(self, asked: SetConn) -> bool:
        """Ask the central for connection parameters."""

    def forget_bonds(self) -> None:
        """Forget the host."""

    def reboot(self) -> None:
        """Start anew: when the call that led here has returned, make a new `Core` over the same store."""


@dataclass(slots=True)
class RamStore:
    """The store of a ring in memory: erased bytes are 0xFF and a write can only clear bits, as in flash."""

    blocks: int
    memory: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self.memory = bytearray(b"\xff" * (self.blocks * BLOCK_B))

    def store_read(self, block: int, offset: int, length: int) -> bytes | None:
        """As `Board.store_read`."""
        start = block * BLOCK_B + offset
        return bytes(self.memory[start : start + length])

    def store_write(self, block: int, offset: int, data: bytes) -> bool:
        """As `Board.store_write`."""
        start = block * BLOCK_B + offset
        for place, value in enumerate(data, start):
            self.memory[place] &= value
        return True

    def store_erase(self, block: int) -> bool:
        """As `Board.store_erase`."""
        self.memory[block * BLOCK_B : (block + 1) * BLOCK_B] = b"\xff" * BLOCK_B
        return True


@dataclass(slots=True)
class IdleBoard(RamStore):
    """A board on which nothing happens; subclasses say what does."""

    def ticks(self) -> int:
        """As `Board.ticks`."""
        return 0

    def random(self) -> int:
        """As `Board.random`."""
        return int.from_bytes(os.urandom(4), "little")

    def notify(self, characteristic: int, payload: bytes) -> bool:  # noqa: ARG002
        """As `Board.notify`: nobody has subscribed."""
        return False

    def indicate(self, payload: bytes) -> bool:  # noqa: ARG002
        """As `Board.indicate`."""
        return False

    def configure(self, config: Config) -> bool:  # noqa: ARG002
        """As `Board.configure`."""
        return True

    def motor(self, strength_pct: int, on_ms: int) -> None:
        """As `Board.motor`."""

    def led(self, on_ms: int) -> None:
        """As `Board.led`."""

    def power(self) -> tuple[int, int, int]:
        """As `Board.power`: unknown."""
        return 0, TEMPERATURE_UNKNOWN, CHARGE_UNKNOWN

    def self_test(self) -> tuple[int, int]:
        """As `Board.self_test`: nothing to test."""
        return 0, 0

    def set_connection(self, asked: SetConn) -> bool:  # noqa: ARG002
        """As `Board.set_connection`."""
        return True

    def forget_bonds(self) -> None:
        """As `Board.forget_bonds`."""

    def reboot(self) -> None:
        """As `Board.reboot`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What Info says, and the size of the ring in blocks of 4096 bytes, at least 8."""

    device_id: bytes
    configs: Sequence[Config]
    blocks: int
    features: Feature = Feature.HAPTIC | Feature.LED | Feature.BUTTON | Feature.LOCAL_ALERT
    imu: int = 1
    reset_reason: ResetReason = ResetReason.POWER_ON


def cache_dir() -> Path:
    """Where the built library is kept: the user's cache folder, moved by POSTURE_HOME like all that the program writes."""
    home = os.environ.get("POSTURE_HOME")
    if home:
        return Path(home) / "cache"
    import platformdirs

    return Path(platformdirs.user_cache_dir("posture-monitor", appauthor=False))


def compiler() -> str:
    """The C compiler: CC, or the first of cc, gcc and clang that is there."""
    for name in filter(None, (os.environ.get("CC"), "cc", "gcc", "clang")):
        found = shutil.which(name)
        if found:
            return found
    raise CoreError(
        "no C compiler was found (cc, gcc, clang); install one for the virtual sensor, or play the recording directly"
    )


def build(folder: Path | None = None, flags: Sequence[str] = FLAGS) -> Path:
    """The shared library of the core, compiled if the sources, the compiler or the flags are new. Whole or absent, never half."""
    cc = compiler()
    files = sorted(SOURCES.glob("lps_*.[ch]"))
    identity = "\0".join([cc, *flags, *(f"{f.name}\0{f.read_text(encoding='utf-8')}" for f in files)])
    folder = folder or cache_dir()
    target = folder / f"lps-core-{hashlib.sha256(identity.encode()).hexdigest()[:16]}{_SUFFIX}"
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".lps-core-", dir=folder) as scratch:
            made = Path(scratch) / target.name
            position = () if sys.platform == "win32" else ("-fPIC",)
            command = [cc, *flags, *position, "-shared", "-o", str(made), *(str(f) for f in files if f.suffix == ".c")]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)  # noqa: S603  # our sources
            made.replace(target)
    except subprocess.CalledProcessError as error:
        first = next((line for line in error.stderr.splitlines() if "error" in line), error.stderr.strip())
        raise CoreError(f"{cc} could not build the sensor core ({first}); set CC to a C99 compiler") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CoreError(
            f"the sensor core cannot be built in {folder} ({error}); check that the folder can be written"
        ) from error
    return target


def declarations() -> str:
    """The headers as cffi reads them: without the preprocessor's lines, but with the constants."""
    text = "\n".join((SOURCES / f"lps_{name}.h").read_text(encoding="utf-8") for name in HEADERS)
    constant = re.compile(r"#define \w+ \d+$")
    return "\n".join(line for line in text.splitlines() if not line.startswith("#") or constant.match(line))


@cache
def interface() -> Any:
    """The cffi object that knows the declarations."""
    try:
        from cffi import FFI
    except ImportError as error:
        raise CoreError("the sensor core needs cffi; install posture-monitor[virtual]") from error
    ffi = FFI()
    ffi.cdef(declarations())
    return ffi


@cache
def library(path: Path | None = None) -> Any:
    """The loaded library; built in the user's cache folder unless a path is given."""
    ffi = interface()
    path = path or build()
    try:
        return ffi.dlopen(str(path))
    except OSError as error:
        raise CoreError(f"{path} cannot be loaded ({error}); delete it, and it will be built again") from error


def c_configs(configs: Sequence[Config]) -> Any:
    """`lps_config[]` with these values."""
    ffi = interface()
    array = ffi.new("lps_config[]", len(configs))
    for target, config in zip(array, configs, strict=True):
        for name in (f.name for f in fields(config)):
            setattr(target, name, getattr(config, name))
    return array


class Core:
    """One boot of the sensor. CoreError where it cannot start: no compiler, fewer than 8 blocks, a configuration without partner.

    `core` is the C struct, for looking at; everything that it points to lives as long as this object.
    """

    def __init__(self, board: Board, settings: Settings, lib: Any = None) -> None:
        ffi = interface()
        self._ffi, self._lib = ffi, lib or library()
        self._board = board
        self._configs = c_configs(settings.configs)
        self._blocks = ffi.new("lps_block[]", settings.blocks)
        self._by_id = {c.id: c for c in settings.configs}
        self._kept: list[Any] = []
        self._hal = self._make_hal()
        own = ffi.new("lps_settings *")
        own.device_id = list(settings.device_id)
        own.features = int(settings.features)
        own.imu = settings.imu
        own.reset_reason = int(settings.reset_reason)
        own.configs, own.config_count = self._configs, len(settings.configs)
        own.blocks, own.block_count = self._blocks, settings.blocks
        self.core = ffi.new("lps_core *")
        if not self._lib.lps_init(self.core, self._hal, own):
            raise CoreError(
                "the sensor core refuses these settings: 8 or more blocks, each full rate with its average of four"
            )

    def _callback(self, result: str, arguments: str, function: Any) -> Any:
        """A C function pointer; an exception in it is printed by cffi and gives 0 or False."""
        made = self._ffi.callback(f"{result}(void *, {arguments})" if arguments else f"{result}(void *)", function)
        self._kept.append(made)
        return made

    def _make_hal(self) -> Any:
        ffi, board, own = self._ffi, self._board, self._callback

        def read(_: Any, block: int, offset: int, data: Any, length: int) -> bool:
            found = board.store_read(block, offset, length)
            if found is not None:
                ffi.memmove(data, found, length)
            return found is not None

        def power(_: Any, report: Any) -> None:
            report.battery_mv, report.temperature_degc, report.charge = board.power()

        def self_test(_: Any, tested: Any, failed: Any) -> None:
            tested[0], failed[0] = board.self_test()

        def connection(_: Any, asked: Any) -> bool:
            return board.set_connection(SetConn(asked.interval_min, asked.interval_max, asked.latency, asked.timeout))

        data = "const uint8_t *, size_t"
        hal = ffi.new("lps_hal *")
        hal.ticks = own("uint64_t", "", lambda _: board.ticks())
        hal.random = own("uint32_t", "", lambda _: board.random())
        hal.notify = own("bool", f"lps_characteristic, {data}", lambda _, c, d, n: board.notify(c, ffi.buffer(d, n)[:]))
        hal.indicate = own("bool", data, lambda _, d, n: board.indicate(ffi.buffer(d, n)[:]))
        hal.store_read = own("bool", "uint32_t, uint32_t, uint8_t *, size_t", read)
        hal.store_write = own(
            "bool", f"uint32_t, uint32_t, {data}", lambda _, b, o, d, n: board.store_write(b, o, ffi.buffer(d, n)[:])
        )
        hal.store_erase = own("bool", "uint32_t", lambda _, b: board.store_erase(b))
        hal.configure = own("bool", "const lps_config *", lambda _, c: board.configure(self._by_id[c.id]))
        hal.motor = own("void", "uint8_t, uint32_t", lambda _, s, t: board.motor(s, t))
        hal.led = own("void", "uint32_t", lambda _, t: board.led(t))
        hal.power = own("void", "lps_power *", power)
        hal.self_test = own("void", "uint16_t *, uint16_t *", self_test)
        hal.set_connection = own("bool", "const lps_connection *", connection)
        hal.forget_bonds = own("void", "", lambda _: board.forget_bonds())
        hal.reboot = own("void", "", lambda _: board.reboot())
        return hal

    def samples(self, samples: Samples, ticks: NDArray[np.uint64]) -> None:
        """(n, 6) int16 counts in the order in which they were read, and (n,) uint64 ticks of each."""
        rows = np.ascontiguousarray(samples, np.int16)
        times = np.ascontiguousarray(ticks, np.uint64)
        if rows.shape != (len(times), CHANNELS):
            raise ValueError(f"samples are {rows.shape}; they must be ({len(times)}, {CHANNELS})")
        cast = self._ffi.cast
        self._lib.lps_samples(
            self.core, cast("int16_t *", rows.ctypes.data), cast("uint64_t *", times.ctypes.data), len(times)
        )

    def lost(self, count: int) -> None:
        """Samples that never came."""
        self._lib.lps_lost(self.core, count)

    def condition(self, *, worn: bool, moving: bool) -> None:
        """Flags of the samples from now on."""
        self._lib.lps_condition(self.core, worn, moving)

    def poll(self) -> None:
        """Send what waits; at least every 20 ms."""
        self._lib.lps_poll(self.core)

    def connected(self) -> None:
        """A central has connected: ATT MTU 23, not encrypted."""
        self._lib.lps_connected(self.core)

    def mtu(self, mtu: int) -> None:
        """The ATT MTU has been exchanged."""
        self._lib.lps_mtu(self.core, mtu)

    def encrypted(self, *, encrypted: bool) -> None:
        """The link is encrypted with a bond."""
        self._lib.lps_encrypted(self.core, encrypted)

    def disconnected(self) -> None:
        """The link has ended."""
        self._lib.lps_disconnected(self.core)

    def write(self, payload: bytes) -> int:
        """A write to Control: 0, or the ATT error to answer."""
        return int(self._lib.lps_control_write(self.core, payload, len(payload)))

    def confirmed(self) -> None:
        """The client has confirmed the indication."""
        self._lib.lps_confirmed(self.core)

    def button(self) -> None:
        """The button was pressed."""
        self._lib.lps_button(self.core)

    def may_pair(self) -> bool:
        """Whether a pairing may begin now."""
        return bool(self._lib.lps_may_pair(self.core))

    def status(self) -> bytes:
        """Value of Status."""
        return self._read(self._lib.lps_read_status, 20)

    def info(self) -> bytes:
        """Value of Info."""
        return self._read(self._lib.lps_read_info, 170)

    def _read(self, function: Any, room: int) -> bytes:
        out = self._ffi.new("uint8_t[]", room)
        return bytes(self._ffi.buffer(out, function(self.core, out)))
