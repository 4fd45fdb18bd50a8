"""The two file formats behind one small interface: names, clock and a stream of float64 columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from posture.arrow_files import reading
from posture.recording.clock import STATED, stated_in_comments
from posture.recording.columns import TIME
from posture.types import Float, InputError

_CSV_BLOCK_BYTES = 1 << 20
_PARQUET_BUFFER_BYTES = 1 << 16
_SCAN_ROWS = 65_536
_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_HEADER_LINE_MAX = 100_000
"""Characters; a longer first line is not a header."""


class SampleFile(Protocol):
    """What a reader needs of a file.

    columns : all names, in file order.
    stated : the texts of those of `clock.STATED` that are there.
    """

    @property
    def columns(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def stated(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def time_is_float32(self) -> bool: ...  # noqa: D102

    def survey(self, names: Sequence[str], on_time: Callable[[Float], None]) -> set[str]:
        """Give the time column to `on_time`, piece by piece; return those of `names` that hold no number in any row.

        InputError where a column holds something else than numbers.
        """
        ...

    def stream(
        self, names: Sequence[str], rows: int, *, start_s: float = ..., end_s: float = ...
    ) -> Iterator[list[Float]]:
        """The named columns, each (n,) float64 with n <= rows; an absent value is NaN.

        start_s, end_s : a hint: rows outside of [start_s, end_s) may be left out.
        """
        ...


def open_file(path: Path) -> SampleFile:
    """Parquet or CSV, told by the content and not by the name; InputError where it is neither."""
    if not path.exists():
        raise InputError(f"There is no file {path}; check the path.")
    if path.is_dir():
        raise InputError(f"{path} is a directory; name the recording inside it.")
    try:
        with path.open("rb") as f:
            head = f.read(4096)
    except OSError as e:
        raise InputError(f"{path} cannot be read ({e.strerror}); check its permissions.") from e
    if not head:
        raise InputError(f"{path} is empty; choose a recording that holds samples.")
    if head.startswith(b"PAR1"):
        return ParquetSamples(path)
    if b"\0" in head:
        raise InputError(f"{path} is neither Parquet nor CSV text; unpack it first, or export it as CSV.")
    return CsvSamples(path)


class ParquetSamples:
    """A Parquet file, read page by page: never a whole row group."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        try:
            with reading(path) as file, pq.ParquetFile(file) as f:
                self._meta = f.metadata
                schema = f.schema_arrow
        except (pa.ArrowException, OSError) as e:
            raise InputError(f"{path} is a damaged or cut-off Parquet file; export or copy it again.") from e
        self.columns = tuple(schema.names)
        raw = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in (schema.metadata or {}).items()}
        self.stated = {k: raw[k] for k in STATED if k in raw}
        self.time_is_float32 = TIME in self.columns and pa.types.is_float32(schema.field(TIME).type)
        self._text = {
            field.name: str(field.type)
            for field in schema
            if not (pa.types.is_floating(field.type) or pa.types.is_integer(field.type) or pa.types.is_null(field.type))
        }
        leaves = [self._meta.schema.column(i).path for i in range(self._meta.num_columns)]
        self._leaf = {name: leaves.index(name) for name in self.columns if name in leaves}

    def stream(
        self, names: Sequence[str], rows: int, *, start_s: float = -np.inf, end_s: float = np.inf
    ) -> Iterator[list[Float]]:
        """See `SampleFile`; row groups whose times all lie outside of the interval are not read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._require_numbers(names)
        groups = [g for g in range(self._meta.num_row_groups) if self._may_overlap(g, start_s, end_s)]
        if not groups:
            return
        try:
            with (
                reading(self._path) as file,
                pq.ParquetFile(file, buffer_size=_PARQUET_BUFFER_BYTES, pre_buffer=False) as f,
            ):
                for batch in f.iter_batches(batch_size=rows, row_groups=groups, columns=list(names)):
                    yield [_as_float64(batch.column(name)) for name in names]
        except (pa.ArrowException, OSError) as e:
            raise InputError(f"{self._path} is a damaged or cut-off Parquet file; export or copy it again.") from e

    def survey(self, names: Sequence[str], on_time: Callable[[Float], None]) -> set[str]:
        """Read the time column; the statistics of the others tell which of them could be without a number."""
        self._require_numbers(names)
        for (time_s,) in self.stream([TIME], _SCAN_ROWS):
            on_time(time_s)
        return {name for name in names if self._never_finite(name)}

    def _require_numbers(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self._text:
                raise InputError(
                    f"The column {name} of {self._path} holds {self._text[name]}, not numbers; write it as float."
                )

    def _never_finite(self, name: str) -> bool:
        for group in range(self._meta.num_row_groups):
            stats = self._statistics(group, name)
            if stats is not None and stats.has_min_max:
                return False
        return all(not np.isfinite(values).any() for (values,) in self.stream([name], _SCAN_ROWS))

    def _statistics(self, group: int, name: str) -> Any:
        return self._meta.row_group(group).column(self._leaf[name]).statistics

    def _may_overlap(self, group: int, start_s: float, end_s: float) -> bool:
        stats = self._statistics(group, TIME)
        return stats is None or not stats.has_min_max or bool(stats.max >= start_s and stats.min < end_s)


class CsvSamples:
    """A CSV file: optional comment lines with the clock, one header line, numbers with a decimal point."""

    time_is_float32 = False

    def __init__(self, path: Path) -> None:
        self._path = path
        comments: list[str] = []
        header = ""
        with path.open(encoding="utf-8-sig", errors="replace") as f:
            while line := f.readline(_HEADER_LINE_MAX):
                if not line.startswith("#"):
                    header = line
                    break
                comments.append(line)
        self._skip = len(comments) + 1
        self.stated = stated_in_comments(comments)
        self.columns = tuple(name.strip() for name in next(csv.reader([header]), []))
        if len(self.columns) < 2:
            wrong = next((name for mark, name in _SEPARATORS.items() if mark in header), None)
            raise InputError(
                f"{path} separates its columns with {wrong}; save it with commas and decimal points."
                if wrong
                else f"{path} is neither Parquet nor CSV: its first line has no columns; use another file."
            )

    def stream(
        self,
        names: Sequence[str],
        rows: int,
        *,
        start_s: float = -np.inf,  # noqa: ARG002 - text has no index
        end_s: float = np.inf,  # noqa: ARG002
    ) -> Iterator[list[Float]]:
        """See `SampleFile`."""
        import pyarrow as pa

        try:
            yield from self._parse(names, rows, threads=True)
        except pa.ArrowException as e:
            raise InputError(self._explain(names, e)) from e

    def survey(self, names: Sequence[str], on_time: Callable[[Float], None]) -> set[str]:
        """Parse everything once: only that shows whether all of it is numbers."""
        silent = set(names)
        for time_s, *columns in self.stream([TIME, *names], _SCAN_ROWS):
            on_time(time_s)
            silent -= {n for n, c in zip(names, columns, strict=True) if n in silent and np.isfinite(c).any()}
        return silent

    def _parse(self, names: Sequence[str], rows: int, *, threads: bool) -> Iterator[list[Float]]:
        import pyarrow as pa
        from pyarrow import csv as pacsv

        # Names are made unique because only the wanted ones must be: spreadsheets leave several columns without a name.
        unique = [c if c in names else f"{i} {c}" for i, c in enumerate(self.columns)]
        with reading(self._path) as file:
            try:
                reader = pacsv.open_csv(
                    file,
                    read_options=pacsv.ReadOptions(
                        column_names=unique, skip_rows=self._skip, block_size=_CSV_BLOCK_BYTES, use_threads=threads
                    ),
                    convert_options=pacsv.ConvertOptions(
                        include_columns=list(names), column_types=dict.fromkeys(names, pa.float64())
                    ),
                )
            except pa.ArrowInvalid as e:
                if "Empty CSV" in str(e):
                    return
                raise
            with reader:
                for block in reader:
                    for first in range(0, block.num_rows, rows):
                        part = block.slice(first, rows)
                        yield [_as_float64(part.column(name)) for name in names]

    def _explain(self, names: Sequence[str], error: Exception) -> str:
        """Which line and column; only the slower parse on one thread knows the line."""
        import pyarrow as pa

        text = str(error)
        try:
            for _ in self._parse(names, _SCAN_ROWS, threads=False):
                pass
        except pa.ArrowException as e:
            text = str(e)
        row = re.search(r"Row #(\d+)", text)
        line = f" in line {row.group(1)}" if row else ""
        if value := re.search(r"column #(\d+):.*invalid value '(.*)'", text, re.DOTALL):
            name = self.columns[int(value.group(1))]
            return f"The column {name} of {self._path} holds {value.group(2)!r}{line}, not a number; mend or empty it."
        if count := re.search(r"Expected (\d+) columns, got (\d+)", text):
            return (
                f"{self._path} has {count.group(2)} values{line} under {count.group(1)} column names; mend that line."
            )
        return f"{self._path} cannot be read as CSV{line} ({text}); mend it or export it again."


def _as_float64(column: Any) -> Float:
    # to_numpy would import pandas, a quarter of a second; it is only needed where values are absent.
    values = column.to_numpy(zero_copy_only=False) if column.null_count else np.from_dlpack(column)
    return np.asarray(values, dtype=np.float64)
