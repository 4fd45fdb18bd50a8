"""The C core under other tools than the host's compiler: sanitizers, gcov, a Cortex-M4 compiler, an ARM emulator, fuzzers.

As a program it prints what they measured, or `NOT RUN: tool` where one is absent; `python tests/firmware_tools.py fuzz` (make fuzz)
feeds a million inputs to the Python decoders and as many to the C decoders.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
C = REPOSITORY / "firmware_protocol" / "c"
HARNESS = REPOSITORY / "tests" / "c"
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g")
CORTEX_M4 = ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4", "-Os")
MILLION = 1_000_000


class Absent(Exception):  # noqa: N818
    """A tool that is not installed; the message is its name."""


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Absent(name)
    return found


def package(name: str) -> str:
    if importlib.util.find_spec(name) is None:
        raise Absent(name)
    return name


def sources() -> list[str]:
    return [str(p) for p in sorted(C.glob("lps_*.c"))]


def vectors() -> list[dict[str, Any]]:
    return json.loads((REPOSITORY / "firmware_protocol" / "vectors.json").read_text())


def run(*command: str | Path, **options: Any) -> str:
    """Its standard output; what it said on standard error is in the exception if it fails."""
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=1800, check=False, **options
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


# ---- sanitizers and coverage


def build_player(folder: Path) -> Path:
    """tests/c/play.c with gcc's sanitizers, counting branches."""
    made = folder / "play"
    gcc = tool("gcc")
    run(gcc, *WARNINGS, *SANITIZED, "--coverage", f"-I{C}", "-o", made, HARNESS / "play.c", *sources(), cwd=folder)
    return made


def play(player: Path, mode: str, count: int, seed: int) -> str:
    seeds = "\n".join(v["hex"] for v in vectors())
    return run(player, mode, str(count), str(seed), input=seeds, cwd=player.parent)


@dataclass(frozen=True)
class Coverage:
    """Share of the branches of c/ that were taken, and of the lines that were run."""

    branches: int
    taken_pct: float
    lines_pct: float


def coverage(folder: Path) -> Coverage:
    """What gcov counted for the runs of the player in this folder."""
    said = run(tool("gcov"), "-b", "-n", *(p.name for p in folder.glob("*.gcda")), cwd=folder)
    lines = branches = 0
    lines_run = taken = 0.0
    for part in said.split("File ")[1:]:
        if "/c/lps_" not in part.splitlines()[0] or ".h'" in part.splitlines()[0]:
            continue
        for name, share, count in re.findall(r"(Lines executed|Taken at least once):([\d.]+)% of (\d+)", part):
            if name == "Lines executed":
                lines, lines_run = lines + int(count), lines_run + float(share) * int(count)
            else:
                branches, taken = branches + int(count), taken + float(share) * int(count)
    return Coverage(branches, taken / branches, lines_run / lines)


# ---- Cortex-M4


def zig_cc() -> tuple[str, ...]:
    return (sys.executable, "-m", package("ziglang"), "cc")


def zig_environment() -> dict[str, str]:
    """What zig builds once (its runtime for the part) stays in the virtual environment and is found again."""
    kept = str(Path(sys.prefix) / "zig-cache")
    return {**os.environ, "ZIG_LOCAL_CACHE_DIR": kept, "ZIG_GLOBAL_CACHE_DIR": kept}


def cortex_m4_text_b(folder: Path) -> int:
    """Bytes of code and constants of the core's objects, built for a Cortex-M4 with no operating system."""
    total = 0
    for source in sources():
        made = folder / (Path(source).stem + ".o")
        run(*zig_cc(), *CORTEX_M4, *WARNINGS, "-c", source, "-o", made, env=zig_environment())
        total += sum(section_sizes(made.read_bytes()))
    return total


def section_sizes(elf: bytes) -> Iterator[int]:
    """Sizes of the sections that take room in flash and hold code or constants (ELF32: SHF_ALLOC, PROGBITS)."""
    (at,) = struct.unpack_from("<I", elf, 0x20)
    size, count = struct.unpack_from("<HH", elf, 0x2E)
    for k in range(count):
        _, kind, flags, _, _, length = struct.unpack_from("<6I", elf, at + k * size)
        if kind == 1 and flags & 2:
            yield length


def build_arm(folder: Path) -> Path:
    """tests/c/session.c and the core as one Cortex-M4 program that begins at `lps_entry`."""
    made = folder / "session.elf"
    flags = ("-static", "-Wl,-e,lps_entry", f"-I{C}")
    run(
        *zig_cc(),
        *CORTEX_M4,
        *WARNINGS,
        *flags,
        "-o",
        made,
        HARNESS / "session.c",
        *sources(),
        env=zig_environment(),
    )
    return made


class ArmCore:
    """A Cortex-M4 program in the emulator; `call` runs its entry."""

    STACK, BUFFERS, RETURN = 0x2000_0000, 0x2010_0000, 0x0800_0000  # code may only run below 0x2000_0000
    SIZE = 0x10000

    def __init__(self, elf: bytes) -> None:
        package("unicorn")
        import unicorn

        self.cpu = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.cpu.ctl_set_cpu_model(unicorn.arm_const.UC_CPU_ARM_CORTEX_M4)
        (self.entry,) = struct.unpack_from("<I", elf, 0x18)
        (at,) = struct.unpack_from("<I", elf, 0x1C)
        size, count = struct.unpack_from("<HH", elf, 0x2A)
        pages: set[int] = set()
        for k in range(count):
            kind, offset, address, _, stored, length = struct.unpack_from("<6I", elf, at + k * size)
            if kind != 1 or length == 0:
                continue
            wanted = set(range(address >> 12, (address + length + 0xFFF) >> 12))
            for page in sorted(wanted - pages):
                self.cpu.mem_map(page << 12, 0x1000)
            pages |= wanted
            self.cpu.mem_write(address, elf[offset : offset + stored])
        for base in (self.STACK, self.BUFFERS, self.RETURN):
            self.cpu.mem_map(base, self.SIZE)

    def call(self, kind: int, payload: bytes = b"") -> tuple[int, bytes]:
        """What `lps_entry` gives and writes."""
        from unicorn import arm_const as arm

        self.cpu.mem_write(self.BUFFERS, payload or b"\0")
        out = self.BUFFERS + self.SIZE // 2
        values = (kind, self.BUFFERS, len(payload), out, self.STACK + self.SIZE - 64, self.RETURN | 1)
        registers = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3, arm.UC_ARM_REG_SP)
        for register, value in zip((*registers, arm.UC_ARM_REG_LR), values, strict=True):
            self.cpu.reg_write(register, value)
        self.cpu.emu_start(self.entry | 1, self.RETURN, timeout=60_000_000)
        result = self.cpu.reg_read(arm.UC_ARM_REG_R0)
        return result, bytes(self.cpu.mem_read(out, 256))


KINDS = {"frame": 0, "mini": 1, "control_request": 2}


def arm_on_vectors(arm: ArmCore) -> int:
    """How many vectors the ARM code decodes as they say; AssertionError for one that it does not."""
    from firmware_protocol.rejection import Rejection

    done = 0
    for vector in (v for v in vectors() if v["kind"] in KINDS):
        payload = bytes.fromhex(vector["hex"])
        result, out = arm.call(KINDS[vector["kind"]], payload)
        reason, length = result & 0xFF, result >> 8
        if vector["valid"]:
            expected = payload[:2] if vector["kind"] == "control_request" else payload
            assert (reason, out[:length]) == (0, expected), vector["name"]
        else:
            assert reason == Rejection[vector["reason"].upper()], vector["name"]
        done += 1
    return done


def native_session(folder: Path) -> int:
    """The session of tests/c/session.c on this machine: what the ARM code must give too."""
    main = folder / "main.c"
    main.write_text(
        "#include <stdio.h>\n#include <stdint.h>\nuint32_t lps_entry(uint32_t, const uint8_t *, uint32_t, uint8_t *);\n"
        'int main(void) { printf("%u\\n", (unsigned)lps_entry(3, 0, 0, 0)); return 0; }\n'
    )
    made = folder / "session"
    run(tool("gcc"), "-std=c99", "-O2", f"-I{C}", "-o", made, main, HARNESS / "session.c", *sources())
    return int(run(made))


# ---- fuzzing


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """A vector with bytes changed, cut or added, or random bytes; often with a check sum that fits."""
    if rng.random() < 0.2:
        return rng.randbytes(rng.randrange(260))
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randrange(4)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    choice = rng.random()
    if choice < 0.2:
        del data[rng.randrange(len(data) + 1) :]
    elif choice < 0.3:
        data.append(rng.randrange(256))
    elif choice < 0.7 and len(data) > 2:
        data[-2:] = crc_hqx(bytes(data[:-2]), 0xFFFF).to_bytes(2, "little")
    return bytes(data)


def fuzz_python(count: int, seed: int) -> int:
    """Feeds `count` inputs to every Python decoder; gives how many messages came out. Whatever else they do is a failure."""
    from firmware_protocol.frames import decode_frames
    from firmware_protocol.rejection import Rejection
    from firmware_protocol.vectors import DECODERS

    rng = random.Random(seed)
    seeds = [bytes.fromhex(v["hex"]) for v in vectors()]
    messages = 0
    batch: list[bytes] = []
    accepted = 0
    for k in range(count):
        payload = mutated(rng, seeds)
        for kind, decoder in DECODERS.items():
            if isinstance(decoder(payload), Rejection):
                continue
            messages += 1
            accepted += kind == "frame"
        batch.append(payload)
        if len(batch) == 1000 or k == count - 1:
            assert len(decode_frames(batch).position) == accepted, "many at once are as one by one"
            batch, accepted = [], 0
    return messages


def fuzz_c(folder: Path, count: int, seed: int) -> str:
    """libFuzzer where clang is there, else mutations under gcc's sanitizers; says which."""
    clang = shutil.which("clang")
    if clang is not None:
        made = folder / "fuzzer"
        flags = (
            "-fsanitize=fuzzer,address,undefined",
            "-fno-sanitize-recover=all",
            "-O1",
            "-g",
            "-DLPS_LIBFUZZER",
            f"-I{C}",
        )
        run(clang, "-std=c99", *flags, "-o", made, HARNESS / "play.c", *sources())
        corpus = folder / "corpus"
        corpus.mkdir()
        for k, vector in enumerate(vectors()):
            (corpus / str(k)).write_bytes(b"\0" + bytes.fromhex(vector["hex"]))
        run(made, f"-runs={count}", f"-seed={seed}", "-max_len=400", corpus, cwd=folder)
        return "libFuzzer"
    player = build_player(folder)
    play(player, "decode", count, seed)
    play(player, "program", max(count // 1000, 1), seed)
    return "mutations under gcc's sanitizers"


# ---- programs


def fuzz(count: int = MILLION, seed: int = 1) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        try:
            how = fuzz_c(Path(scratch), count, seed)
            print(f"C: {count} inputs ({how}), only documented rejections, {time.perf_counter() - start:.0f} s")
        except Absent as absent:
            print(f"NOT RUN: {absent}")
    start = time.perf_counter()
    messages = fuzz_python(count, seed)
    took = time.perf_counter() - start
    print(f"Python: {count} inputs, {messages} messages, else only documented rejections, {took:.0f} s")


def report() -> None:
    """One line for each tool."""

    def covered(folder: Path) -> str:
        player = build_player(folder)
        play(player, "decode", 20_000, 1)
        play(player, "program", 300, 1)
        found = coverage(folder)
        shares = f"{found.taken_pct:.1f} % of {found.branches} branches taken, {found.lines_pct:.1f} % of lines run"
        return f"C core under sanitizers: {shares}"

    def sized(folder: Path) -> str:
        return f"C core for Cortex-M4: {cortex_m4_text_b(folder)} bytes of code and constants"

    def emulated(folder: Path) -> str:
        arm = ArmCore(build_arm(folder).read_bytes())
        return f"C core as ARM code: {arm_on_vectors(arm)} vectors"

    absent: dict[str, None] = {}
    for measure in (covered, sized, emulated):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                print(measure(Path(scratch)), flush=True)
            except Absent as missing:
                absent[str(missing)] = None
    for name in absent:
        print(f"NOT RUN: {name}")


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    fuzz() if sys.argv[1:] == ["fuzz"] else report()
