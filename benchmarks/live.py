"""How long a live monitor takes from a notification to its decision, and what it costs: two virtual sensors at the pace of life."""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.soak import EXCERPT, POSES, print_nothing
from posture.app.demo import session
from posture.app.monitor import Ended
from posture.app.places import Home
from posture.app.session import Here
from posture.config import Config
from posture.recording import open_recording
from posture.recording.writer import write_sample_file
from posture.replay import calibrate_from
from posture.types import Placement

RATE_HZ = 52.0
TARGET_MS = 10.0
"""Design: p99 of what lies between a notification and the decision, without the epoch and the lag of the context."""


def motion(folder: Path, seconds: float) -> Path:
    """The shipped motion at 52 Hz, so long."""
    import pyarrow.parquet as pq

    table = pq.read_table(EXCERPT)
    time_s, grid = np.asarray(table["time_s"]), np.arange(0.0, seconds, 1.0 / RATE_HZ)
    columns = {
        n: np.interp(grid, time_s, np.asarray(table[n], dtype=np.float64)) for n in table.column_names if n != "time_s"
    }
    write_sample_file(folder / "motion.parquet", {"time_s": grid, **columns})
    return folder / "motion.parquet"


def measured(seconds: float) -> tuple[Ended, float]:
    """A session of so long, and the share of a core that this process used meanwhile, %."""
    from rich.console import Console

    with tempfile.TemporaryDirectory(prefix="posture-live-") as name:
        base = Path(name)
        made = calibrate_from(open_recording(EXCERPT), POSES, Config())
        with (base / "said").open("w") as said:
            here = Here(Home(base / "home"), Console(file=said), print_nothing)
            cpu_s, began_s = time.process_time(), time.monotonic()
            work = session(here, motion(base, seconds), made, tuple(Placement), Config(), "live")
            _, ended = asyncio.run(work)
            return ended, 100.0 * (time.process_time() - cpu_s) / (time.monotonic() - began_s)


def report(seconds: float = 60.0) -> bool:
    """Print the figures beside their targets; whether they are met."""
    ended, cpu_pct = measured(seconds)
    p50, p99 = (float(np.percentile(ended.decided_ms, q)) for q in (50, 99))
    print(f"live, two virtual sensors at {RATE_HZ:g} Hz for {seconds:g} s: {len(ended.decided_ms)} pushes")
    print(f"  {'notification to decision':26s} p50 {p50:.2f} ms, p99 {p99:.2f} ms   target p99 <= {TARGET_MS:g} ms")
    print(f"  {'share of one core':26s} {cpu_pct:.1f} %, the final result and Bumble's stack included")
    print(f"  {'peak memory':26s} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0:.0f} MB")
    return p99 <= TARGET_MS


if __name__ == "__main__":
    raise SystemExit(int(not report()))
