"""Made-up motion as sample files for the virtual sensor, no two rows alike, and what the sensor must send of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from firmware_protocol.frames import Samples

RATE_HZ, LENGTH_S = 52.0, 120.0


def motion(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) m/s^2 and rad/s, different in every row, within the range of the virtual sensor."""
    rng = np.random.default_rng(seed)
    n = round(RATE_HZ * LENGTH_S)
    return rng.normal((0.0, 0.0, 9.8), 3.0, (n, 3)), rng.normal(0.0, 1.0, (n, 3))


def counts_of(seed: int) -> Samples:
    """What the sensor must send of `motion(seed)`: +-8 g and +-1000 deg/s on 16 bits."""
    acc_mps2, gyr_radps = motion(seed)
    acc, gyr = acc_mps2 / 9.80665 * 4096.0, np.degrees(gyr_radps) * 32.768
    return np.rint(np.hstack((acc, gyr))).astype(np.int16)


def write_motion(folder: Path, **seeds: int) -> Path:
    """A sample file of one or two sensors: placement = seed."""
    columns = {"time_s": np.arange(round(RATE_HZ * LENGTH_S)) / RATE_HZ}
    for placement, seed in seeds.items():
        for kind, unit, values in zip(("acc", "gyr"), ("mps2", "radps"), motion(seed), strict=True):
            columns |= {f"{placement}_{kind}_{axis}_{unit}": values[:, k] for k, axis in enumerate("xyz")}
    path = folder / f"{'_'.join(seeds)}.parquet"
    pq.write_table(pa.table(columns), path)
    return path
