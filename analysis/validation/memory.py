"""A simulated day through the product without files: its columns are read as those of a sample file are, every check included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.validation.synth.day import Day
from posture.config import Config
from posture.detect.declared import Declared
from posture.recording import Recording
from posture.recording.columns import TIME
from posture.recording.reader import checked
from posture.replay import Prepared, Records, records, run
from posture.signal.calibrate import calibrate
from posture.signal.calibration import Calibration
from posture.types import Float, Placement

NAME = Path("simulated")


class MemorySamples:
    """A `SampleFile` of columns that are there already, each (n,)."""

    stated: Mapping[str, str] = {}
    time_is_float32 = False

    def __init__(self, columns: Mapping[str, Float]) -> None:
        self._columns = columns
        self.columns = tuple(columns)

    def survey(self, names: Sequence[str], on_time: Callable[[Float], None]) -> set[str]:
        """See `SampleFile`."""
        on_time(self._columns[TIME])
        return {name for name in names if not np.isfinite(self._columns[name]).any()}

    def stream(
        self,
        names: Sequence[str],
        rows: int,
        *,
        start_s: float = -np.inf,  # noqa: ARG002 - all of it is in memory anyway
        end_s: float = np.inf,  # noqa: ARG002
    ) -> Iterator[list[Float]]:
        """See `SampleFile`."""
        for first in range(0, len(self._columns[TIME]), rows):
            yield [self._columns[name][first : first + rows] for name in names]


def recording_of(columns: Mapping[str, Float], sensors: Sequence[Placement] | None = None) -> Recording:
    """Columns as `posture.recording` reads them; InputError as `open_recording`."""
    return checked(MemorySamples(columns), NAME, sensors=sensors)


def calibrated(day: Day, config: Config, sensors: Sequence[Placement] | None = None) -> Calibration:
    """From the routine of the day; InputError as `calibrate`."""
    recording = recording_of(day.columns(), sensors)
    info, poses = recording.info, day.track.poses
    blocks = recording.window(info.first_s, max(end for windows in poses.values() for _, end in windows))
    return calibrate(blocks, dict.fromkeys(info.selected, info.rate_hz), poses, config)


def prepared_of(
    day: Day,
    config: Config | None = None,
    *,
    calibration: Calibration | None = None,
    sensors: Sequence[Placement] | None = None,
    workouts: Sequence[Declared] = (),
) -> Prepared:
    """The day as `posture.replay.prepare` gives a file; calibrated from its own routine where no calibration is given."""
    config = config or Config()
    recording = recording_of(day.columns(), sensors)
    known = calibration or calibrated(day, config, sensors)
    info = recording.info
    return Prepared(
        recording,
        known.for_sensors(info.selected, config),
        config,
        None,
        None,
        info.notes,
        (0.0, day.track.calibration_end_s),
        workouts=tuple(workouts),
    )


def replayed(
    day: Day,
    config: Config | None = None,
    *,
    sensors: Sequence[Placement] | None = None,
    workouts: Sequence[Declared] = (),
) -> Records:
    """What the product says of a day that was calibrated by its own routine. workouts : as the wearer declared them."""
    prepared = prepared_of(day, config, sensors=sensors, workouts=workouts)
    return records(prepared, run(prepared, prepared.recording.batches()))
