"""`python -m benchmarks`: a day of two sensors through the product, against the orientation filter alone on the same samples.

Absolute times differ from machine to machine and from hour to hour; the ratio is measured pair by pair in one run.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import live, orientation, year
from posture.types import Float

REPOSITORY = Path(__file__).parents[1]
EXCERPT = REPOSITORY / "recordings" / "day_excerpt.parquet"
POSES = EXCERPT.with_name("day_excerpt.poses.json")
TARGET_S, TARGET_MB, TARGET_RATIO, TARGET_SUMMARY_S, TARGET_LIVE_MS = 6.0, 450.0, 3.0, 0.2, 20.0


def day_file(folder: Path, hours: float) -> Path:
    """A recording of `hours` at 50 Hz: the shipped excerpt over and over, without lost rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(EXCERPT)
    names = [n for n in table.column_names if n != "time_s"]
    second = np.asarray(table["time_s"])
    grid = np.arange(0.0, second[-1], 0.02)
    columns = {n: np.interp(grid, second, np.asarray(table[n], dtype=np.float64)).astype(np.float32) for n in names}
    path = folder / "day.parquet"
    total, done = round(hours * 180_000), 0
    schema = pa.schema([("time_s", pa.float64()), *((n, pa.float32()) for n in names)])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while done < total:
            n = min(len(grid), total - done)
            rows = {"time_s": (done + np.arange(n)) / 50.0, **{k: v[:n] for k, v in columns.items()}}
            writer.write_table(pa.table(rows, schema=schema))
            done += n
    return path


class Replay(NamedTuple):
    """Wall time, processor time of all threads, and peak resident memory of a process."""

    wall_s: float
    cpu_s: float
    memory_mb: float


def replay(path: Path, out: Path) -> Replay:
    """`posture replay` in a process of its own, with its byte code kept as an installed program has it."""
    command = [sys.executable, "-m", "posture.app.cli", "replay", str(path), "--poses", str(POSES), "--out", str(out)]
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(out.parent / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the replay failed with exit code {process.returncode}")
    return Replay(time.perf_counter() - started, used.ru_utime + used.ru_stime, _mb(used))


def filter_alone(path: Path) -> tuple[float, float]:
    """Seconds inside vqf for both sensors, of wall and of processor; batches as the replay has them, reading is not counted."""
    from vqf import VQF

    from posture.config import FusionConfig
    from posture.recording import open_recording
    from posture.signal.fusion import vqf_settings

    recording = open_recording(path)
    filters = {p: VQF(0.02, **vqf_settings(FusionConfig())) for p in recording.info.selected}
    wall_s = cpu_s = 0.0
    for batch in recording.batches():
        for block in batch.blocks:
            began_s, began_cpu_s = time.perf_counter(), time.thread_time()
            filters[block.placement].updateBatch(block.gyr_radps, block.acc_mps2)
            wall_s, cpu_s = wall_s + time.perf_counter() - began_s, cpu_s + time.thread_time() - began_cpu_s
    return wall_s, cpu_s


def summary_s(folder: Path) -> float:
    """Seconds that the day's summary of a finished replay takes, best of three; reading is not counted."""
    from analysis.daily import summarise
    from analysis.inputs import load

    day = load(folder)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        summarise(day.epochs, day.events, day.alerts, day.session)
        best = min(best, time.perf_counter() - started)
    return best


def kept_days(runs: int) -> bool:
    """Print trend and report over a year of kept days; whether both meet their target."""
    with tempfile.TemporaryDirectory() as home:
        rows = year.measured(Path(home), runs=runs)
    print(f"{year.DAYS} kept days of {year.HOURS} h; processor time from start to end")
    for k, (label, value) in enumerate(rows):
        held = f"target <= {year.TARGET_S:g} {'' if value <= year.TARGET_S else 'MISSED'}" if k < 2 else ""
        print(f"  {label:36s} {value:6.2f} s {held}")
    return all(value <= year.TARGET_S for _, value in rows[:2])


def live_ms(seconds: int = 120, rate_hz: float = 52.0, packet_s: float = 0.1) -> float:
    """Milliseconds of CPU for each second of two live sensors, best of three: the excerpt, cut as a radio brings it."""
    from posture.pipeline import Pipeline, SensorSpec
    from posture.replay import ReplayRequest, prepare
    from posture.types import ImuBatch, ImuBlock

    prepared = prepare(ReplayRequest(EXCERPT, poses=POSES))
    time_s = 300.0 + np.arange(seconds * rate_hz) / rate_hz
    sampled = [
        (b.placement, *(_at(time_s, b.time_s, rows) for rows in (b.acc_mps2, b.gyr_radps)))
        for b in prepared.recording.window(time_s[0] - 1.0, time_s[-1] + 1.0)
    ]
    ends_s = 300.0 + packet_s * np.arange(1, round(seconds / packet_s) + 1)
    edges = [0, *np.searchsorted(time_s, ends_s)]
    packets = [
        ImuBatch(tuple(ImuBlock(p, time_s[a:b], acc[a:b], gyr[a:b], time_s[a:b]) for p, acc, gyr in sampled), end_s)
        for a, b, end_s in zip(edges, edges[1:], ends_s.tolist(), strict=False)
    ]
    best_s = float("inf")
    for _ in range(3):
        sensors = {placement: SensorSpec(rate_hz) for placement, _, _ in sampled}
        pipeline = Pipeline(sensors, prepared.calibration, prepared.config)
        started = time.process_time()
        for packet in packets:
            pipeline.push(packet)
        best_s = min(best_s, time.process_time() - started)
    return 1000.0 * best_s / seconds


def _at(wanted_s: Float, time_s: Float, values: Float) -> Float:
    return np.stack([np.interp(wanted_s, time_s, axis) for axis in values.T], axis=1)


def _mb(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / (1024.0 if sys.platform != "darwin" else 1024.0**2)


def main() -> int:
    """Print the figures beside their targets; exit 1 where one is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--orientation", action="store_true", help="the filters against optical truth, and nothing else"
    )
    given = parser.parse_args()
    if given.orientation:
        return int(not orientation.report())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = day_file(folder, given.hours)
        replay(path, folder / "warm")
        pairs = [(replay(path, folder / "out"), filter_alone(path)) for _ in range(given.runs)]
        summed = summary_s(folder / "out")
    ratio = statistics.median(run.wall_s / wall_s for run, (wall_s, _) in pairs)
    cpu_ratio = statistics.median(run.cpu_s / cpu_s for run, (_, cpu_s) in pairs)
    print(
        f"replay of {given.hours:g} h, 50 Hz, two sensors, all outputs except angles; median of {given.runs} runs; start of the "
        "program included, its byte code kept; the recording is read by a second thread, all else is done by one"
    )
    rows = [
        ("wall time", statistics.median(run.wall_s for run, _ in pairs), "s", TARGET_S * given.hours / 24.0),
        ("peak memory", max(run.memory_mb for run, _ in pairs), "MB", TARGET_MB),
        ("against vqf alone", ratio, "x", TARGET_RATIO),
        ("day's summary", summed, "s", TARGET_SUMMARY_S * given.hours / 24.0),
        ("a second live", live_ms(), "ms", TARGET_LIVE_MS),
    ]
    for label, value, unit, target in rows:
        print(f"  {label:20s} {value:8.3f} {unit:3s} target <= {target:g} {'' if value <= target else 'MISSED'}")
    cpu_s, alone_s = statistics.median(run.cpu_s for run, _ in pairs), statistics.median(both[1] for _, both in pairs)
    print(
        f"  processor time       {cpu_s:8.3f} s   of all threads; vqf alone {alone_s:.2f} s, pair by pair {cpu_ratio:.2f} x: "
        "what a busy machine leaves of the comparison"
    )
    met = all([kept_days(given.runs), orientation.report(), live.report()])
    return int(not met or any(value > target for _, value, _, target in rows))


if __name__ == "__main__":
    raise SystemExit(main())
