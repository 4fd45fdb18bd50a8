"""Write a sample file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from posture.atomic import make_whole
from posture.recording.clock import parse_clock
from posture.recording.columns import TIME
from posture.types import InputError


def write_sample_file(
    path: Path,
    columns: Mapping[str, ArrayLike],
    *,
    start_utc: datetime | str | None = None,
    zone: str | None = None,
    origin: str | None = None,
    overwrite: bool = False,
) -> None:
    """Parquet (zstd), or CSV where the name ends in .csv; the whole file appears at once or not at all.

    columns : name -> (n,); `time_s` is kept as float64, the signals as float32.
    origin : where the samples come from, in a few words; readers show it.
    InputError: the file is there already and `overwrite` is False, no `time_s`, a clock that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv as pacsv

    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already; choose another name, or say that it may be replaced.")
    if TIME not in columns:
        raise InputError(f"Nothing was written to {path}: the column {TIME} is missing.")
    text = start_utc.isoformat() if isinstance(start_utc, datetime) else start_utc
    start, zone = parse_clock(text, zone, where=str(path))
    known = {"start_utc": start.isoformat().replace("+00:00", "Z") if start else None, "zone": zone, "origin": origin}
    stated = {k: v for k, v in known.items() if v}
    table = pa.table({n: np.asarray(c, dtype=np.float64 if n == TIME else np.float32) for n, c in columns.items()})

    def fill(part: Path) -> None:
        with part.open("wb") as file:
            if path.suffix.lower() == ".csv":
                if stated:
                    file.write(f"# {' '.join(f'{k}={v}' for k, v in stated.items())}\n".encode())
                pacsv.write_csv(table, file, pacsv.WriteOptions(quoting_style="none"))
            else:
                pq.write_table(
                    table.replace_schema_metadata(stated),
                    file,
                    compression="zstd",
                    compression_level=19,
                    use_dictionary=False,
                )

    make_whole(path, fill)
