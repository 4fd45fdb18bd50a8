"""The files of a replay: rows of each kind, and a folder that gets all of them or none."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from posture.arrow_files import writing
from posture.types import (
    CONTEXT_NAMES,
    GRID_HZ,
    Alert,
    AngleBlock,
    EpochBlock,
    Float,
    InputError,
    JsonValue,
    Placement,
    PostureEvent,
)

OPTIONAL_OUTPUTS = ("angles.parquet", "summary.json")
"""Files that not every run makes: what an earlier run left of them does not belong to this one."""


class AngleWriter:
    """angles.parquet, in row groups of a fixed length: memory stays bounded, and the file does not show how it was fed."""

    GROUP_TICKS = 30_000

    def __init__(self, path: Path, sensors: Sequence[Placement]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._angles = [*(f"{p}_inclination_deg" for p in Placement if p in sensors), "flexion_deg", "lateral_deg"]
        self._schema = pa.schema([("time_s", pa.float64()), *((name, pa.float32()) for name in self._angles)])
        self._pa = pa
        self._open: list[list[Float]] = []
        self._file = writing(path)
        self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")

    def write(self, blocks: Sequence[AngleBlock]) -> None:
        """Rows of the blocks; NaN stays NaN."""
        for block in blocks:
            time_s = (block.first_tick + np.arange(len(block))) / GRID_HZ
            self._open.append([time_s, *(getattr(block, name) for name in self._angles)])
        while sum(len(columns[0]) for columns in self._open) >= self.GROUP_TICKS:
            self._write_group(self.GROUP_TICKS)

    def close(self) -> None:
        """Write what is left and finish the file."""
        if self._open:
            self._write_group(self.GROUP_TICKS)
        self._writer.close()
        self._file.close()

    def _write_group(self, n: int) -> None:
        columns = [np.concatenate(parts) for parts in zip(*self._open, strict=True)]
        kinds = [field.type for field in self._schema]
        arrays = [self._pa.array(c[:n]).cast(kind) for c, kind in zip(columns, kinds, strict=True)]
        self._writer.write_table(self._pa.table(arrays, schema=self._schema))
        self._open = [[c[n:] for c in columns]] if len(columns[0]) > n else []


def event_record(event: PostureEvent) -> dict[str, JsonValue]:
    """One entry of events.json: the contract's fields, then the evidence."""
    return {
        "kind": str(event.kind),
        "start_s": round(event.start_s, 3),
        "end_s": round(event.end_s, 3),
        "peak_s": round(event.peak_s, 3),
        "peak_deg": round(event.peak_deg, 2),
        "verdict": str(event.verdict),
        "basis": str(event.basis),
        "confidence": event.confidence,
        "set_id": event.set_id,
        **event.evidence,
    }


def alert_record(alert: Alert) -> dict[str, JsonValue]:
    """One entry of alerts.json."""
    return {
        "about_s": alert.about_s,
        "raised_s": alert.raised_s,
        "kind": str(alert.kind),
        "preset": str(alert.preset),
        "reason": alert.reason,
        **alert.evidence,
    }


def write_epochs(epochs: EpochBlock, path: Path) -> None:
    """epochs.parquet: context as a word, `flexed` as a nullable bool, the rest as floats.

    The columns are built from buffers, because `pa.array` imports pandas, which takes a quarter of a second.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    m = len(epochs)

    def column(kind: pa.DataType, *buffers: object) -> pa.Array:
        return pa.Array.from_buffers(kind, m, [None if b is None else pa.py_buffer(b) for b in buffers])

    words = [name.encode() for name in CONTEXT_NAMES]
    ends = np.cumsum([0, *(len(w) for w in words)], dtype=np.int32)
    names = pa.StringArray.from_buffers(len(words), pa.py_buffer(ends), pa.py_buffer(b"".join(words)))
    columns: dict[str, object] = {}
    for item in fields(EpochBlock):
        values = getattr(epochs, item.name)
        if item.name == "context":
            codes = column(pa.int8(), None, values)
            columns[item.name] = pa.DictionaryArray.from_arrays(codes, names).cast(pa.string())
        elif item.name == "flexed":
            known, true = (np.packbits(bits, bitorder="little") for bits in (values >= 0, values == 1))
            columns[item.name] = column(pa.bool_(), known, true)
        else:
            columns[item.name] = column(pa.float64(), None, values)
    table = pa.table(columns, metadata={"format": "posture epochs 1"})
    with writing(path) as file:
        pq.write_table(table, file, compression="zstd")


class Staging:
    """A folder inside the target where outputs are made; `commit` moves them in place, session.json last.

    session.json of an earlier run is taken away first, so that a folder with a session.json is always one whole run.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._made = not out.exists()
        try:
            out.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=".replay-", dir=out))
        except OSError as error:
            raise InputError(f"cannot write to {out} ({error.strerror}); choose another --out folder") from error

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if self._made and not any(self.out.iterdir()):
            self.out.rmdir()  # the run failed: not even an empty folder appears

    def commit(self) -> list[Path]:
        """Put every staged file in place; gives back where they are now."""
        made = sorted(self.path.iterdir(), key=lambda p: (p.name == "session.json", p.name))
        for name in ("session.json", *OPTIONAL_OUTPUTS):
            (self.out / name).unlink(missing_ok=True)
        for path in made:
            path.replace(self.out / path.name)
        return [self.out / path.name for path in made]


def json_rows(rows: Sequence[Mapping[str, JsonValue]]) -> str:
    """A JSON list with one entry a line: readable, and a diff shows what changed."""
    if not rows:
        return "[]\n"
    return "[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in rows) + "\n]\n"
