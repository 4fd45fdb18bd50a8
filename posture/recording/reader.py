"""A sample file as a stream of batches for the pipeline, and as windows for calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from posture.recording.clock import parse_clock
from posture.recording.columns import TIME, SensorColumns, find_sensors, select_sensors
from posture.recording.files import SampleFile, open_file
from posture.recording.timescan import TimeScan
from posture.types import Float, ImuBatch, ImuBlock, InputError, Placement, Segment

BATCH_ROWS = 15_000
"""Rows per batch: 5 min at 50 Hz, 0.7 MB per sensor."""
_FULL_RATE_HZ = 20.0
"""Below this bends get no verdict (contract, "Sample file")."""
_UNIT_ROWS = 5_000
_MOST = 1e5
"""m/s^2 or rad/s; no part gives so much, in no unit and not in counts of 16 bits: such a value is no measurement."""
_LIKE_G = (0.5, 2.0)
"""Median magnitude of the first rows that only an accelerometer in g gives: in m/s^2 it is 9.8 at rest."""
_REST_SD_MPS2, _REST_WINDOWS = 0.03, 6
"""SD of the force within half a second of rest, and how many of those make a judgement."""
_REST_RATE_RADPS = 0.35
"""20 deg/s: a still sensor reads its bias, at most half of this; a body that stands, in deg/s, reads 0.6 and more."""
_FLOAT32_TIME_MAX_S = 4096.0
"""From here on a float32 second is known to 0.5 ms only, which at 50 Hz is more jitter than a crystal has in a day."""


@dataclass(frozen=True, slots=True)
class RecordingSegment:
    """A stretch of one sampling rate: from `first_s` (s, the time of its first row) to the next one."""

    first_s: float
    segment: Segment


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """What a recording holds.

    path : the file.
    present, selected : sensors with samples in the file, and those that are read; in the order of `Placement`.
    rate_hz : samples a second while the sensor ran, of the segment that covers most time; lost rows do not lower it.
    has_gyro : per selected sensor.
    first_s, last_s : times of the first and last row, s since the start.
    rows : rows with a time.
    start_utc, zone : when time 0 was (aware, UTC) and the IANA zone; None where the file does not say.
    notes : sentences on where it comes from, what was left out and what is less than full.
    segments : stretches of one rate each, in order; at least one.
    """

    path: Path
    present: tuple[Placement, ...]
    selected: tuple[Placement, ...]
    rate_hz: float
    has_gyro: Mapping[Placement, bool]
    first_s: float
    last_s: float
    rows: int
    start_utc: datetime | None
    zone: str | None
    notes: tuple[str, ...]
    segments: tuple[RecordingSegment, ...]

    def segments_in(self, start_s: float, end_s: float) -> tuple[RecordingSegment, ...]:
        """Those with a moment of [start_s, end_s); what lies before the first row counts to the first, at least one."""
        edges = [-np.inf, *(s.first_s for s in self.segments[1:]), np.inf]
        found = zip(self.segments, edges, edges[1:], strict=False)
        return tuple(s for s, from_s, to_s in found if from_s < end_s and to_s > start_s)


class Recording:
    """A checked sample file; made by `open_recording`. Every iteration reads the file anew, a batch at a time."""

    def __init__(self, info: RecordingInfo, file: SampleFile, sensors: tuple[SensorColumns, ...]) -> None:
        self.info = info
        self._file = file
        self._sensors = sensors

    def only(self, placement: Placement) -> Recording:
        """The same recording with one of its selected sensors; InputError where that is not one of them."""
        mine = tuple(s for s in self._sensors if s.placement is placement)
        if not mine:
            raise InputError(f"{self.info.path} is not read for {placement}; choose a sensor that it holds.")
        return Recording(replace(self.info, selected=(placement,)), self._file, mine)

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[ImuBatch]:
        """The whole recording in order, at most `rows` rows at a time; the samples do not depend on `rows`.

        Rows without a time are left out, infinite and impossible values are NaN; a sensor that has nothing in a row has NaN
        there. No batch holds rows of two segments; the blocks of a recording with more than one say which they are of.
        """
        for time_s, blocks in self._read(rows):
            yield ImuBatch(blocks=blocks, arrived_until_s=float(time_s[-1]))

    def window(self, start_s: float, end_s: float) -> tuple[ImuBlock, ...]:
        """The samples with start_s <= time < end_s, one block per selected sensor, of length 0 where there are none.

        InputError where the rate changes in between: that is no window.
        """
        if len(inside := self.info.segments_in(start_s, end_s)) > 1:
            raise InputError(
                f"In {self.info.path} the rate changes from {inside[0].segment.rate_hz:.3g} to "
                f"{inside[1].segment.rate_hz:.3g} Hz at {inside[1].first_s:.1f} s, within the {start_s:.1f} to {end_s:.1f} s "
                "that are needed as one piece; use poses that lie on one side of it."
            )
        parts = list(self._read(BATCH_ROWS, start_s=start_s, end_s=end_s))
        time_s = np.concatenate([t for t, _ in parts]) if parts else np.empty(0)
        blocks = []
        for i, sensor in enumerate(self._sensors):
            mine = [b[i] for _, b in parts]
            acc = np.concatenate([b.acc_mps2 for b in mine]) if mine else np.empty((0, 3))
            gyr = [b.gyr_radps for b in mine if b.gyr_radps is not None]
            none = np.empty((0, 3)) if sensor.gyr else None
            segment = mine[0].segment if mine else None
            blocks.append(
                ImuBlock(sensor.placement, time_s, acc, np.concatenate(gyr) if gyr else none, time_s, segment)
            )
        return tuple(blocks)

    def _read(
        self, rows: int, *, start_s: float = -np.inf, end_s: float = np.inf
    ) -> Iterator[tuple[Float, tuple[ImuBlock, ...]]]:
        names = [TIME, *(n for s in self._sensors for n in s.names)]
        for columns in self._file.stream(names, rows, start_s=start_s, end_s=end_s):
            time_s = columns[0]
            known = np.isfinite(time_s)
            if known.any() and time_s[known][0] >= end_s:
                return
            keep = known & (time_s >= start_s) & (time_s < end_s)
            if not keep.all():
                columns = [c[keep] for c in columns]
                time_s = columns[0]
            if not len(time_s):
                continue
            by_name = dict(zip(names, columns, strict=True))
            for segment, own in self._cut(time_s):
                part = by_name if segment is None else {n: c[own] for n, c in by_name.items()}
                yield time_s[own], tuple(_block(s, time_s[own], part, segment) for s in self._sensors)

    def _cut(self, time_s: Float) -> Iterator[tuple[Segment | None, slice]]:
        """The segments of some rows, (n,) n > 0, and which rows those are; None where the whole recording is one."""
        segments = self.info.segments
        if len(segments) == 1:
            yield None, slice(None)
            return
        starts = np.searchsorted(time_s, [s.first_s for s in segments])
        for found, a, b in zip(segments, starts, [*starts[1:], len(time_s)], strict=True):
            if a < b:
                yield found.segment, slice(int(a), int(b))


def open_recording(path: Path, *, sensors: Sequence[Placement] | None = None) -> Recording:
    """Check a sample file whole and say what it holds.

    sensors : which of its sensors to read; None: all that have samples.
    InputError in one sentence where the file, a column, its time or its clock cannot be used (contract, "Sample file").
    A CSV is parsed once in full here, so that a bad number is found before anything is computed from the good ones.
    """
    return checked(open_file(Path(path)), Path(path), sensors=sensors)


def checked(file: SampleFile, path: Path, *, sensors: Sequence[Placement] | None = None) -> Recording:
    """The same for an open file, or for columns that never were one; `path` names it. See `open_recording`."""
    where = str(path)
    found = find_sensors(file.columns, where=where)
    chosen = select_sensors(found, sensors, where=where)
    start_utc, zone = parse_clock(file.stated.get("start_utc"), file.stated.get("zone"), where=where)
    scan = TimeScan(where)
    silent = file.survey([n for s in chosen for n in s.names], scan.push)
    rate_hz = scan.rate_hz()
    segments = tuple(RecordingSegment(at_s, Segment(k, hz)) for k, (at_s, hz) in enumerate(scan.stretches()))
    dead = {s.placement for s in chosen if silent.intersection(s.acc)}
    if dead and (sensors is not None or len(dead) == len(chosen)):
        raise InputError(
            f"{where} has no accelerometer sample of {' or '.join(p.words for p in sorted(dead))}; use another recording or sensor."
        )
    live = tuple(
        SensorColumns(s.placement, s.acc, None if s.gyr is None or silent.intersection(s.gyr) else s.gyr)
        for s in chosen
        if s.placement not in dead
    )
    info = RecordingInfo(
        path=path,
        present=tuple(s.placement for s in found if s.placement not in dead),
        selected=tuple(s.placement for s in live),
        rate_hz=rate_hz,
        has_gyro={s.placement: s.gyr is not None for s in live},
        first_s=scan.first_s,
        last_s=scan.last_s,
        rows=scan.rows,
        start_utc=start_utc,
        zone=zone,
        notes=_notes(scan, segments, dead, live, file),
        segments=segments,
    )
    recording = Recording(info, file, live)
    _check_unit(recording)
    return recording


def _check_unit(recording: Recording) -> None:
    """Refuse an accelerometer in g and a gyroscope in deg/s: all that follows would be wrong without a sign of it."""
    rate_hz = recording.info.segments[0].segment.rate_hz
    for batch in recording.batches(_UNIT_ROWS):
        for block in batch.blocks:
            where = f"of the {block.placement.words} in {recording.info.path}"
            force = np.sqrt(np.einsum("ij,ij->i", block.acc_mps2, block.acc_mps2))
            known = force[np.isfinite(force)]
            if len(known) and _LIKE_G[0] < (median := float(np.median(known))) < _LIKE_G[1]:
                raise InputError(
                    f"The accelerometer {where} reads about {median:.2f}, which is g and not m/s^2; multiply it by 9.80665."
                )
            if block.gyr_radps is not None and _turns_at_rest(force, block.gyr_radps, rate_hz):
                raise InputError(
                    f"The gyroscope {where} turns while its accelerometer is still, as readings in deg/s do; "
                    "multiply it by pi / 180."
                )
        return


def _turns_at_rest(force: Float, gyr_radps: Float, rate_hz: float) -> bool:
    """Whether the rate is large in most of the half seconds in which the force hardly changes. False where there is no rest."""
    n = max(2, round(0.5 * rate_hz))
    whole = len(force) // n * n
    windows = force[:whole].reshape(-1, n)
    rate = np.sqrt(np.einsum("ij,ij->i", gyr_radps, gyr_radps))[:whole].reshape(-1, n)
    rest = windows.std(axis=1) < _REST_SD_MPS2  # NaN: no
    moving = np.median(rate[rest], axis=1)
    return len(moving) >= _REST_WINDOWS and float(np.median(moving)) > _REST_RATE_RADPS


def _notes(
    scan: TimeScan,
    segments: tuple[RecordingSegment, ...],
    dead: set[Placement],
    live: tuple[SensorColumns, ...],
    file: SampleFile,
) -> tuple[str, ...]:
    origin = file.stated.get("origin")
    notes = [f"Origin: {origin}."] if origin else []
    notes += [f"{p.words}: no samples in this file, left out." for p in sorted(dead)]
    notes += [f"{s.placement.words}: accelerometer only, confidence is lower." for s in live if s.gyr is None]
    if scan.dropped:
        notes.append(f"{_rows(scan.dropped)} without a time left out.")
    if scan.repeated:
        notes.append(f"{_rows(scan.repeated)} with the time of the row before.")
    rates = [f"{s.segment.rate_hz:.3g}" for s in segments]
    if len(segments) > 1:
        parts = ", ".join(f"{hz} from {_h_mm_ss(s.first_s)}" for hz, s in zip(rates, segments, strict=True))
        notes.append(f"The samples a second change: {parts}. For a second after each change nothing is judged.")
    slow = sorted({s.segment.rate_hz for s in segments if s.segment.rate_hz < _FULL_RATE_HZ})
    if slow:
        low = " and ".join(f"{hz:.3g}" for hz in slow)
        at = "" if len(segments) == 1 else "At "
        notes.append(
            f"{at}{low} samples a second: leans and sitting are counted without a verdict (that needs {_FULL_RATE_HZ:g})."
        )
    if file.time_is_float32 and scan.last_s > _FLOAT32_TIME_MAX_S:
        notes.append("time_s is float32, too coarse for so long a recording; write it as float64.")
    return tuple(notes)


def _h_mm_ss(time_s: float) -> str:
    minutes, seconds = divmod(int(time_s), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _rows(n: int) -> str:
    return f"{n} row{'s' * (n != 1)}"


def _block(sensor: SensorColumns, time_s: Float, columns: Mapping[str, Float], segment: Segment | None) -> ImuBlock:
    acc_mps2 = _stack([columns[n] for n in sensor.acc])
    gyr_radps = _stack([columns[n] for n in sensor.gyr]) if sensor.gyr else None
    return ImuBlock(sensor.placement, time_s, acc_mps2, gyr_radps, time_s, segment)


def _stack(axes: Sequence[Float]) -> Float:
    """Three (n,) columns -> C-contiguous (n, 3) of the reader's own; what is infinite or impossible becomes NaN."""
    out = np.empty((len(axes[0]), 3))
    for i, axis in enumerate(axes):
        out[:, i] = axis
    out[np.abs(out) > _MOST] = np.nan
    return out
