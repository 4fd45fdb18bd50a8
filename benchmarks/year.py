"""A year of kept days: `posture trend` and `posture report` of the last one, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from posture.store import Store
from posture.types import Context, EpochBlock

DAYS, HOURS = 365, 10
LAST = date(2026, 3, 1)
TARGET_S = 2.0


def filled(home: Path) -> None:
    """A store of DAYS days of HOURS each: desk bouts, walks and a bend every three minutes."""
    rng = np.random.default_rng(1)
    with Store(home / "data" / "store.sqlite3") as store:
        for k in range(DAYS):
            start = datetime(2026, 3, 1, 7, tzinfo=UTC) - timedelta(days=DAYS - 1 - k)
            session = store.put_session(
                folder=f"day{k}", start_utc=start, zone="UTC", about=_about(start), code_version="1", made_utc=start
            )
            epochs = _day(rng)
            store.put_epochs(session, epochs)
            store.put_events(session, [_bend(t) for t in range(60, len(epochs), 180)])
            store.end_session(session, start + timedelta(hours=HOURS))


def _about(start: datetime) -> dict[str, object]:
    sensors = ["sacrum", "upper_lumbar"]
    calibration = {
        "source": "poses",
        "grade": "good",
        "rom_deg": 50.0,
        "rom_source": "measured",
        "flexed_sitting": True,
    }
    return {
        "format": 1,
        "code_version": "0",
        "source": "benchmark",
        "sensors": sensors,
        "calibration": calibration | {"made_utc": start.isoformat()},
        "judges": "Two sensors.",
    }


def _day(rng: np.random.Generator) -> EpochBlock:
    n = HOURS * 3600
    second = np.arange(float(n))
    sits = second % 2400 < 1800
    pct = np.clip(45 + 15 * np.sin(second / 900) + rng.normal(0, 4, n), 0, 100)
    zero = np.zeros(n)
    return EpochBlock(
        start_s=second,
        context=np.where(sits, Context.SITTING, Context.STANDING).astype(np.int8),
        context_confidence=np.full(n, 0.95),
        sacrum_inclination_deg=-pct / 3,
        upper_lumbar_inclination_deg=zero,
        flexion_deg=pct / 2,
        lateral_deg=zero,
        flexion_pct_rom=pct,
        slump_index_pct=np.full(n, np.nan),
        flexed=np.where(sits, pct >= 60, -1).astype(np.int8),
        creep=np.clip(pct / 100, 0, 1),
        valid_fraction=np.ones(n),
    )


def _bend(start_s: float) -> dict[str, object]:
    fixed = {"kind": "bend", "start_s": start_s, "end_s": start_s + 3.0, "peak_s": start_s + 1.5, "peak_deg": 45.0}
    return fixed | {"verdict": "neutral", "basis": "two", "confidence": 0.9, "set_id": None}


def seconds(home: Path, *arguments: str) -> float:
    """Seconds of processor time of a `posture` command, start to end: its wall time where nothing else runs."""
    command = [sys.executable, "-m", "posture.app.cli", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env={**os.environ, "POSTURE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"posture {arguments[0]} failed with exit code {process.returncode}")
    return used.ru_utime + used.ru_stime


def measured(home: Path, *, runs: int) -> list[tuple[str, float]]:
    """Names and best seconds; the first trend, which sums the days up, and that of the year are not held to the target."""
    filled(home)
    trend, report = ("trend", "--until", LAST.isoformat()), ("report", LAST.isoformat())
    first = seconds(home, *trend)
    return [
        (f"trend, {DAYS} days kept", min(seconds(home, *trend) for _ in range(runs))),
        (f"report, {DAYS} days kept", min(seconds(home, *report) for _ in range(runs))),
        ("the first trend, 56 days summed up", first),
        ("trend of the whole year", min(seconds(home, *trend, "--days", "337") for _ in range(2))),
    ]
