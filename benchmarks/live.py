"""`python -m benchmarks.live`: how long a live monitor takes from a notification to its decision, and what it costs.

The monitor is that of `posture run`, with its panel, in a process of its own; the sensors run in another one, at the pace of life:
a stand-in for Linux's Bluetooth service on a private D-Bus, behind which two sensors run the firmware's core. So the way is that of
a real sensor, through bleak's own backend, but for the radio. Linux alone has it.

What lies between a notification and the decision is read from the record afterwards, packet by packet: which one completed
each second, and when it had arrived. The record also holds the time of each sample as the monitor took it, and the sensors' process
says when each was made.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from posture.app.places import Home
from posture.app.source import monotonic_ns
from posture.config import Config
from posture.recording import open_recording
from posture.recording.session import SessionDecoder, read_meta
from posture.recording.session.stream import windows
from posture.recording.writer import write_sample_file
from posture.replay import calibrate_from, live_pipeline
from posture.store import KnownSensor, Store
from posture.types import GRID_HZ, ClockFit, Float, ImuBlock, Placement

REPOSITORY = Path(__file__).parents[1]
EXCERPT = REPOSITORY / "recordings" / "day_excerpt.parquet"
POSES = EXCERPT.with_name("day_excerpt.poses.json")
RATE_HZ = 52.0
FROM_S = 1500.0
"""Of the shipped motion: sitting, bends with their cues, a way down to the floor and up."""
TARGET_MS, TARGET_PCT, TARGET_TIME_MS, SETTLED_S = 10.0, 3.0, 20.0, 900.0
"""Design: p99 from a notification to its decision, without the epoch and the lag of the context; share of one core; error of the
samples' times from `SETTLED_S` on."""
WARM_S = 10.0
"""After the first decision: the rates of the sensors are known then, and everything is loaded."""
PATIENCE_S = 60.0
TICKS_HZ = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def motion(folder: Path, seconds: float) -> Path:
    """The shipped motion at 52 Hz, from `FROM_S` on and then from its start over and over, so long."""
    import pyarrow.parquet as pq

    table = pq.read_table(EXCERPT)
    time_s, grid = np.asarray(table["time_s"]), np.arange(0.0, seconds, 1.0 / RATE_HZ)
    at = np.mod(FROM_S + grid, time_s[-1])
    columns = {
        n: np.interp(at, time_s, np.asarray(table[n], dtype=np.float64)) for n in table.column_names if n != "time_s"
    }
    write_sample_file(folder / "motion.parquet", {"time_s": grid, **columns})
    return folder / "motion.parquet"


# ---- the processes


@dataclass(frozen=True, slots=True)
class Made:
    """A sensor of the other process. began_ns : when its first sampling period began, by `monotonic_ns`. clock : its s per s."""

    address: str
    serial: str
    began_ns: int
    clock: float


@contextmanager
def sensors(folder: Path, seconds: float, ppm: Sequence[float]) -> Iterator[tuple[str, list[Made]]]:
    """Two sensors behind an `org.bluez` of their own: the address of its bus, and what they are."""
    from posture.app.virtual import blocks_of, wearings

    asked: list[str] = []
    for wearing, off_ppm in zip(wearings(motion(folder, seconds + PATIENCE_S), None), ppm, strict=True):
        path = folder / f"{wearing.placement}.npy"
        np.save(path, np.concatenate([block.samples for block in blocks_of(wearing)]))
        asked += ["--rows", str(path), f"--ppm={off_ppm:g}"]
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "tests" / "fake_bluez.py"), "hci0", "--speed", "1", "--bus", folder, *asked],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    try:
        address, made = "", list[Made]()
        for line in process.stdout or ():
            match line.split():
                case ["BUS", address]:
                    pass
                case ["SENSOR", handle, serial, began_ns]:
                    made.append(Made(handle, serial, int(began_ns), 1.0 + ppm[len(made)] * 1e-6))
                case ["READY"]:
                    yield address, made
                    return
        raise SystemExit("the stand-in for bluetoothd did not start")
    finally:
        process.terminate()
        process.wait()


def monitor(base: Path, *, panel: bool) -> None:
    """The monitor's process: `posture run` until it is interrupted; says DECIDING with the first second, and leaves its stamps."""
    from rich.console import Console

    from posture.app.commands import run_command
    from posture.app.exits import Interrupted, interrupt
    from posture.app.notify import Silent
    from posture.app.session import Here
    from posture.app.stopping import run_interruptible
    from posture.pipeline import Output

    stamps: list[tuple[float, int]] = []

    def heard(output: Output) -> None:
        if output.epochs:
            stamps.append((float(output.epochs[-1].start_s[-1]), monotonic_ns()))
            if len(stamps) == 1:
                os.write(1, b"DECIDING\n")  # the panel has taken sys.stdout

    signal.signal(signal.SIGINT, interrupt)
    utc_ns = time.time_ns() - monotonic_ns()
    with Path(os.devnull).open("w") as nowhere:
        screen = Console(file=nowhere, force_terminal=panel, width=100, height=40)
        here = Here(Home(base / "home"), screen, lambda _: None)
        try:
            run_interruptible(run_command(here, Config(), tuple(Placement), None, notifier=Silent(), heard=heard))
        except Interrupted:
            pass
        finally:
            (base / "stamps.json").write_text(json.dumps({"utc_ns": utc_ns, "stamps": stamps}))


@dataclass
class Usage:
    """Of the monitor's process: s of processor time until it had settled, while it ran, and from the request to end on; resident MB
    once a second while it ran."""

    start_s: float = 0.0
    running_s: float = 0.0
    end_s: float = 0.0
    wall_s: float = 0.0
    resident_mb: list[float] = field(default_factory=list)

    @property
    def share_pct(self) -> float:
        """Of one core while it ran."""
        return 100.0 * self.running_s / self.wall_s


def processor_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_HZ


def resident_mb(pid: int | str = "self") -> float:
    """Resident memory of a process now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def monitored(base: Path, bus: str, seconds: float, *, panel: bool) -> Usage:
    """The monitor for so long once it has settled, and what it used."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.live", "--monitor", str(base), *(() if panel else ("--no-panel",))],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus, "PYTHONPATH": str(REPOSITORY)},
    )
    used = Usage()
    try:
        if process.stdout is None or process.stdout.readline() != "DECIDING\n":
            raise SystemExit("the monitor ended before it decided anything")
        # What is measured is a monitor that runs, not one that starts; another process gives no sign that it has settled.
        time.sleep(WARM_S)
        used.start_s, began_s = processor_s(process.pid), time.monotonic()
        while (now_s := time.monotonic()) < began_s + seconds:
            used.resident_mb.append(resident_mb(process.pid))
            # Another process can only be looked at. Its memory grows over minutes, and looking oftener would cost what is measured.
            time.sleep(min(1.0, began_s + seconds - now_s))
        used.running_s = processor_s(process.pid) - used.start_s
        used.wall_s = time.monotonic() - began_s
        process.send_signal(signal.SIGINT)
        _, status, whole = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        used.end_s = whole.ru_utime + whole.ru_stime - used.start_s - used.running_s
        if process.returncode:
            raise SystemExit(f"the monitor failed with exit code {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
    return used


# ---- what the record says of it


def completed_ns(folder: Path) -> dict[float, int]:
    """Start of each decided second -> arrival of the packet that completed it, ns of the session: every packet pushed by itself."""
    meta = read_meta(folder)
    pipeline, decoder = live_pipeline(meta), SessionDecoder(meta.placements, Config().clock)
    found: dict[float, int] = {}
    for packets, stop_ns in windows(folder, meta.placements, 1):
        for epochs in pipeline.push(decoder.push_blocks(packets, stop_ns - 1)).epochs:
            found |= dict.fromkeys(epochs.start_s.tolist(), stop_ns - 1)
    return found


def decision_ms(folder: Path, stamps: Sequence[tuple[float, int]], began_ns: int) -> Float:
    """(m,) from the arrival of what completed a second to its decision."""
    arrived = completed_ns(folder)
    return np.array([(at_ns - began_ns - arrived[s]) / 1e6 for s, at_ns in stamps if s in arrived])


def time_errors_ms(folder: Path, made: Sequence[Made], began_ns: int) -> dict[Placement, tuple[Float, Float]]:
    """Per sensor: when each live sample was made, s of the session, and how much later the monitor took it for, ms; both (n,)."""
    placements = read_meta(folder).placements
    decoder = SessionDecoder(placements, Config().clock)
    blocks: dict[Placement, list[ImuBlock]] = {p: [] for p in placements}
    fits: dict[Placement, list[ClockFit]] = {p: [] for p in placements}
    for packets, stop_ns in windows(folder, placements, 300 * 10**9):
        batch = decoder.push_blocks(packets, stop_ns - 1)
        for block in batch.blocks:
            blocks[block.placement].append(block)
        for fit in batch.fits:
            fits[fit.placement].append(fit)
    found = {}
    for placement, sensor in zip(placements, made, strict=True):
        device_s = np.concatenate([b.time_s for b in blocks[placement]])
        index = np.concatenate([b.index for b in blocks[placement] if b.index is not None])
        segment = np.repeat(
            [b.segment.number for b in blocks[placement] if b.segment], [len(b.time_s) for b in blocks[placement]]
        )
        taken_s = np.full(len(device_s), -np.inf)
        for fit in fits[placement]:
            by_this_s = device_s + fit.offset_s + fit.drift_ppm * 1e-6 * (device_s - fit.at_s)
            taken_s = np.where((segment == fit.segment) & (by_this_s * GRID_HZ >= fit.from_tick), by_this_s, taken_s)
        true_s = (index + 1) / RATE_HZ / sensor.clock + (sensor.began_ns - began_ns) / 1e9
        found[placement] = true_s, 1000.0 * (taken_s - true_s)
    return found


def lacking() -> str | None:
    """Why it cannot be measured here; None: it can."""
    if not sys.platform.startswith("linux"):
        return "only Linux has D-Bus"
    return None if shutil.which("dbus-daemon") else "dbus-daemon is not installed"


def report(seconds: float = 60.0, ppm: Sequence[float] = (0.0, 0.0), *, panel: bool = True) -> bool:
    """Print the figures beside their targets; whether they are met, or cannot be measured here."""
    if why := lacking():
        print(f"live: not measured, {why}")
        return True
    with tempfile.TemporaryDirectory(prefix="posture-live-") as name:
        base = Path(name)
        with sensors(base, seconds, ppm) as (bus, made):
            prepared(base / "home", made)
            used = monitored(base, bus, seconds, panel=panel)
        left = json.loads((base / "stamps.json").read_text())
        (folder,) = Home(base / "home").sessions.iterdir()
        began_ns = round(read_meta(folder).start_utc.timestamp() * 1e6) * 1000 - left["utc_ns"]
        waits_ms = decision_ms(folder, left["stamps"], began_ns)
        errors = time_errors_ms(folder, made, began_ns)
    p50, p99 = (float(np.percentile(waits_ms, q)) for q in (50, 99))
    mb = used.resident_mb
    print(
        f"live: posture run, two sensors at {RATE_HZ:g} Hz behind a stand-in for bluetoothd, {used.wall_s:.0f} s, "
        f"{'with' if panel else 'without'} the panel"
    )
    fine = say("notification to decision", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {waits_ms.max():.1f} ms, "
               f"{len(waits_ms)} decisions; target p99 <= {TARGET_MS:g} ms", p99 <= TARGET_MS)  # fmt: skip
    fine &= say(
        "share of one core", f"{used.share_pct:.2f} %; target <= {TARGET_PCT:g} %", used.share_pct <= TARGET_PCT
    )
    say("  before", f"{used.start_s:.1f} s of processor time, until {WARM_S:g} s after the first decision")
    say("  after the request to end", f"{used.end_s:.1f} s of processor time, the final result among it")
    say("resident memory", f"{mb[0]:.0f} MB at first, {mb[len(mb) // 2]:.0f} in the middle, {mb[-1]:.0f} at the end")
    for (placement, (true_s, error_ms)), off_ppm in zip(errors.items(), ppm, strict=True):
        for label, part in (("", true_s < SETTLED_S), (" after 15 min", true_s >= SETTLED_S)):
            if part.any():
                most = float(np.abs(error_ms[part]).max())
                words = f"median {np.median(error_ms[part]):+.1f} ms, most {most:.1f} ms, clock {off_ppm:+g} ppm"
                held = None if not label else most <= TARGET_TIME_MS
                fine &= say(
                    f"{placement}: sample times{label}",
                    words + f"; target <= {TARGET_TIME_MS:g} ms" * bool(label),
                    held,
                )
    return fine


def prepared(home: Path, made: Sequence[Made]) -> None:
    """A home in which these sensors are paired and calibrated."""
    place = Home(home)
    place.folder.mkdir(parents=True)
    with Store(place.store) as store:
        for sensor, placement in zip(made, Placement, strict=True):
            name = f"LPS-{sensor.serial[-4:]}"
            store.put_sensor(KnownSensor(sensor.serial, placement, name, sensor.address, True, "lps"))
        store.put_calibration(calibrate_from(open_recording(EXCERPT), POSES, Config()), datetime.now(UTC))


def say(label: str, value: object, holds: bool | None = None) -> bool:
    print(f"  {label:36s} {value}{'' if holds is None or holds else '   MISSED'}", flush=True)
    return holds is not False


def main() -> int:
    """Print the figures; 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--ppm", type=float, nargs=2, default=(0.0, 0.0), help="how fast the clocks of the sensors are")
    parser.add_argument("--no-panel", action="store_true", help="as into a pipe: a line for each event, no panel")
    parser.add_argument("--monitor", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.monitor is not None:
        monitor(given.monitor, panel=not given.no_panel)
        return 0
    return int(not report(given.seconds, given.ppm, panel=not given.no_panel))


if __name__ == "__main__":
    raise SystemExit(main())
