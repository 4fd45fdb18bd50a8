"""A recording through the pipeline: calibration, epochs, events and alerts, and the files that others read.

Live and replay share `Pipeline`; this module only finds the calibration, feeds the batches and puts the results together
(`posture.outputs` knows the files). A recording is a sample file or the folder of a session.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from posture import __version__
from posture.alerts import AlertState, Quiet, UserAction, silences
from posture.config import Config, parse_config
from posture.days import Days
from posture.detect.declared import Declared
from posture.detect.finalise import finalised
from posture.outputs import AngleWriter, alert_record, event_record, json_rows, write_epochs
from posture.pipeline import Output, Pipeline, SensorSpec
from posture.recording import Recording, RecordingInfo, open_recording, parse_clock, read_poses
from posture.recording.session import (
    SessionMeta,
    SessionRecording,
    declared_workouts,
    is_session,
    open_session,
    raised_alerts,
    read_meta,
    user_actions,
)
from posture.signal import calibration as cal
from posture.signal.calibrate import calibrate
from posture.signal.calibration import Calibration
from posture.signal.clipping import Clipped, Part
from posture.signal.fusion import filter_name
from posture.signal.raw_poses import RawPoses
from posture.signal.redon import quick
from posture.signal.self_calibrate import self_calibrated
from posture.signal.smoothing import NAME as SMOOTHED
from posture.signal.smoothing import SmoothedFilter, check_smoothing
from posture.types import (
    G_MPS2,
    GRID_HZ,
    Alert,
    EpochBlock,
    ImuBatch,
    ImuBlock,
    InputError,
    JsonValue,
    Placement,
    PostureEvent,
    Preset,
    Segment,
)

SESSION_FORMAT = 1
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What to replay and how. Paths as given by the user; None means absent or default.

    recording : a sample file or a session folder. config : None is the session's own, or the defaults. preset : of the alerts.
    poses : POSES.json to calibrate from. calibration : a saved calibration, instead of poses or of the session's own.
    start, zone : ISO time and IANA zone that override what the file states. smooth : orientation from later samples too.
    as_live : of a session what live said, instead of the final result. origin : where its samples come from, if it does not say.
    """

    recording: Path
    config: Config | None = None
    sensors: tuple[Placement, ...] | None = None
    poses: Path | None = None
    calibration: Path | None = None
    start: str | None = None
    zone: str | None = None
    smooth: bool = False
    as_live: bool = False
    preset: Preset | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked recording with its calibration: all that can be wrong with the input has been found by now.

    smoothed : the sensors whose orientation comes from the offline filter. workouts : as they were declared. actions : what the
    wearer asked of the alerts. alert_state : of a session, where the policy began. as_live : alerts are those that the pipeline
    raises, not those that were raised live (`raised`, of a session, with their answers).
    """

    recording: Recording | SessionRecording
    calibration: Calibration
    config: Config
    start_utc: datetime | None
    zone: str | None
    notes: tuple[str, ...]
    routine: tuple[float, float] | None = None
    smoothed: tuple[Placement, ...] = ()
    alert_state: AlertState | None = None
    as_live: bool = True
    raised: tuple[dict[str, JsonValue], ...] = ()
    workouts: tuple[Declared, ...] = ()
    actions: tuple[UserAction, ...] = ()

    def pipeline(self, *, want_angles: bool = False, as_live: bool = False) -> Pipeline:
        """A fresh pipeline for this recording. as_live : nothing is smoothed, whatever was asked for."""
        info = self.recording.info
        sensors = {p: SensorSpec(info.rate_hz, info.has_gyro[p]) for p in info.selected}
        return Pipeline(
            sensors,
            self.calibration,
            self.config,
            want_angles=want_angles,
            routine=self.routine,
            workouts=self.workouts,
            actions=self.actions,
            start_s=info.first_s,
            filters={} if as_live else {p: self._smoothed_filter(p) for p in self.smoothed},
            alerts=None if self.alert_state is None else self.alert_state.copy(),
            hears_answers=isinstance(
                self.recording, SessionRecording
            ),  # a sample file's alerts are as if nobody answered
            days=None if self.start_utc is None else Days(self.start_utc, ZoneInfo(self.zone or "UTC")),
        )

    def filter_name(self, placement: Placement) -> str:
        """Which orientation filter that sensor's results come from."""
        if placement in self.smoothed:
            return SMOOTHED
        return filter_name(self.config.fusion, has_gyro=self.recording.info.has_gyro[placement])

    def _smoothed_filter(self, placement: Placement) -> SmoothedFilter:
        """Reads the recording by itself, ahead of the pipeline."""
        return SmoothedFilter(
            (batch.blocks[0] for batch in self.recording.only(placement).batches()),
            self.recording.info.rate_hz,
            self.config.fusion,
            self.config.timebase,
            bias_radps=self.calibration.start_bias(placement),
        )


@dataclass(slots=True)
class Result:
    """Everything that a session said, in the order in which it became known."""

    epochs: list[EpochBlock] = field(default_factory=list)
    events: list[PostureEvent] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, output: Output) -> None:
        """Take over what one push gave."""
        self.epochs += output.epochs
        self.events += output.events
        self.alerts += output.alerts

    def ended(self, pipeline: Pipeline) -> None:
        """Take over what a flushed pipeline has to say of its input."""
        self.notes += [
            f"{placement.words}: {seconds:.0f} s in which the sensor was stuck on one reading were left out."
            for placement, seconds in pipeline.frozen_s().items()
        ]
        self.notes += [
            f"{placement.words}: samples that came twice or too late were left out ({count})."
            for placement, count in pipeline.dropped().items()
        ]
        self.notes += [
            f"{placement.words}: {seconds:.2f} s are missing where its clock was corrected."
            for placement, seconds in pipeline.lost_s().items()
        ]
        self.notes += [
            clipping_note(placement, clipped) for placement, parts in pipeline.clipped().items() for clipped in parts
        ]


def clipping_note(placement: Placement, clipped: Clipped) -> str:
    """What a part at the end of its range cost, and what to do."""
    limit = (
        f"{clipped.limit / G_MPS2:.3g} g"
        if clipped.part is Part.ACCELEROMETER
        else f"{np.degrees(clipped.limit):.4g} deg/s"
    )
    return (
        f"{placement.words}: the {clipped.part} was at the end of its range of {limit} for {max(clipped.seconds, 0.1):.1f} s; "
        "what rests on it is not trusted: set a wider range."
    )


def live_pipeline(meta: SessionMeta, *, want_angles: bool = False) -> Pipeline:
    """The pipeline of a live session, made from what its session.json states and from nothing else.

    InputError where that lacks a calibration, or has something that this version cannot read.
    """
    if meta.calibration is None:
        raise InputError("this session has no calibration, and a live one needs it; make one with `posture calibrate`")
    config = parse_config(dict(meta.config), source="session.json")
    return Pipeline(
        {p: SensorSpec(GRID_HZ) for p in meta.placements},  # each segment brings the rate of its own
        cal.from_json(meta.calibration, source="session.json"),
        config,
        want_angles=want_angles,
        start_s=0.0,
        alerts=_alert_state(meta),
        hears_answers=True,
        days=Days(meta.start_utc, ZoneInfo(meta.zone)),
    )


def _alert_state(meta: SessionMeta) -> AlertState | None:
    return None if meta.alert_state is None else AlertState.from_json(meta.alert_state, source="session.json")


def prepare(request: ReplayRequest) -> Prepared:
    """Open, check and calibrate.

    Raises
    ------
    InputError
        Anything about the recording, the poses or the calibration that cannot be used, in one sentence.
    """
    if is_session(request.recording):
        return _prepare_session(request)
    recording = open_recording(request.recording, sensors=request.sensors)
    config = (request.config or Config()).with_preset(request.preset)
    start_utc, zone = _clock_of(recording.info, request)
    calibration = _calibration(recording, request, config, start_utc)
    notes = _notes(recording.info, calibration, start_utc, zone)
    smoothed = _smoothed(recording.info, request, config, notes)
    routine = _routine(calibration, request)
    return Prepared(recording, calibration, config, start_utc, zone, tuple(notes), routine, smoothed)


def _prepare_session(request: ReplayRequest) -> Prepared:
    """A session brings its configuration, its calibration, the state of its alert policy, and the alerts that were raised."""
    if request.smooth:
        raise InputError("--smooth is for sample files; leave it away for a session")
    meta = read_meta(request.recording)
    config = (request.config or parse_config(dict(meta.config), source="session.json")).with_preset(request.preset)
    recording = open_session(request.recording, sensors=request.sensors, params=config.clock, as_live=request.as_live)
    info = recording.info
    start_utc, zone = _clock_of(info, request)
    if meta.calibration is not None and request.calibration is None and request.poses is None:
        calibration = cal.from_json(meta.calibration, source="session.json").for_sensors(info.selected, config)
    else:
        whole = open_session(request.recording, sensors=request.sensors, params=config.clock)
        calibration = _calibration(whole, request, config, start_utc)
    origin = [f"Origin: {request.origin}."] if request.origin else []
    raised = [config.sitting.start_words()] if config.sitting.start_raised_pct else []
    notes = [*origin, *_notes(info, calibration, start_utc, zone), *raised]
    routine = _routine(calibration, request)
    return Prepared(
        recording,
        calibration,
        config,
        start_utc,
        zone,
        tuple(notes),
        routine,
        alert_state=_alert_state(meta),
        as_live=request.as_live,
        raised=tuple(raised_alerts(recording.session.records)),
        workouts=declared_workouts(recording.session.records),
        actions=user_actions(recording.session.records),
    )


def _clock_of(info: RecordingInfo, request: ReplayRequest) -> tuple[datetime | None, str | None]:
    """Start and zone: as asked for, else as the recording states them."""
    if request.start is None and request.zone is None:
        return info.start_utc, info.zone
    stated = info.start_utc.isoformat() if info.start_utc else None
    return parse_clock(request.start or stated, request.zone or info.zone, where="--start/--zone")


def _notes(info: RecordingInfo, calibration: Calibration, start_utc: datetime | None, zone: str | None) -> list[str]:
    notes = list(info.notes)
    if start_utc is None:
        notes.append(
            "No start time is known: times are relative, and what needs a clock (quiet hours, times of day, days) is unknown."
        )
    elif zone is None:
        notes.append("No zone is known: times of day and days are those of UTC; state where it was with --zone.")
    if calibration.source == "self":
        notes.append(
            "Not calibrated: upright was taken from the recording itself. Confidence is lower and flexed sitting is not judged."
        )
    return notes


def _routine(calibration: Calibration, request: ReplayRequest) -> tuple[float, float] | None:
    """When the calibration routine was, where it was in this recording."""
    if request.poses is None:
        return None
    windows = [w for spans in calibration.poses.values() for w in spans]
    return min(a for a, _ in windows), max(b for _, b in windows)


def _smoothed(info: RecordingInfo, request: ReplayRequest, config: Config, notes: list[str]) -> tuple[Placement, ...]:
    """The sensors to smooth; InputError where this machine or the configuration cannot. Says in the notes what that means."""
    if not request.smooth:
        return ()
    check_smoothing(config.fusion)
    smoothed = tuple(p for p in info.selected if info.has_gyro[p])
    notes += [f"{p.words}: not smoothed, that needs a gyroscope." for p in info.selected if p not in smoothed]
    if smoothed:
        notes.append(
            "Smoothed: angles and events come from an orientation worked out with later samples too, which a live run would "
            "not have had. The alerts are those of a live run."
        )
    return smoothed


def _calibration(
    recording: Recording | SessionRecording, request: ReplayRequest, config: Config, start_utc: datetime | None
) -> Calibration:
    info = recording.info
    if request.calibration is not None and request.poses is not None:
        raise InputError(
            "give --poses or --calibration, not both: they are two ways to the same thing; after putting the sensors on again "
            "make a calibration with `posture calibrate --quick` and give that one"
        )
    if request.calibration is not None:
        return read_calibration(request.calibration).for_sensors(info.selected, config)
    if request.poses is not None:
        return calibrate_from(recording, request.poses, config, start_utc=start_utc)
    return _self_calibrated(recording, config, start_utc)


def calibrate_from(
    recording: Recording | SessionRecording,
    poses_path: Path,
    config: Config,
    *,
    base: Calibration | None = None,
    start_utc: datetime | None = None,
) -> Calibration:
    """Calibration from the poses of a recording: a full one, or with a base a quick one on it.

    start_utc : when time 0 was; None: as the recording states it, if it does.
    InputError as `posture.signal.calibrate.calibrate`, `posture.signal.redon.quick` and `read_poses`.
    """
    info = recording.info
    poses = read_poses(poses_path, info)
    if not poses:
        raise InputError(
            f"{poses_path} holds no pose; leave --poses away to calibrate from walking, or see `posture calibrate --help`"
        )
    from_s = min(start for windows in poses.values() for start, _ in windows)
    last_s = max(end for windows in poses.values() for _, end in windows)
    first = info.segments_in(from_s, last_s)[0]
    # A session starts anew with every boot: only what the poses need has to be one piece.
    blocks = recording.window(first.first_s if isinstance(recording, Recording) else from_s, last_s)
    rate_hz = _rates(blocks, first.segment)
    made_utc = _clock(start_utc or info.start_utc, last_s)
    if base is not None:
        return quick(blocks, rate_hz, poses, base, config, made_utc=made_utc)
    return replace(calibrate(blocks, rate_hz, poses, config), made_utc=made_utc)


def recalibrated(session: Path, config: Config, sensors: tuple[Placement, ...] | None = None) -> Calibration:
    """The calibration of a session made anew from the raw poses that it keeps. InputError where it keeps none."""
    meta = read_meta(session)
    if meta.raw_poses is None:
        raise InputError(
            f"{session} keeps no poses of its calibration; give --poses, or calibrate with the sensors that you wear"
        )
    made = RawPoses.from_json(meta.raw_poses, source=f"{session / 'session.json'}").calibrated(config)
    return made.for_sensors(sensors or meta.placements, config)


def _rates(blocks: Sequence[ImuBlock], segment: Segment) -> dict[Placement, float]:
    """Samples a second of each sensor: by its own clock where it has one, else of the recording's segment."""
    return {b.placement: (b.segment or segment).rate_hz for b in blocks}


def _self_calibrated(
    recording: Recording | SessionRecording, config: Config, start_utc: datetime | None
) -> Calibration:
    info = recording.info
    ends = [s.first_s for s in info.segments[1:]] + [info.last_s]
    longest, end_s = max(zip(info.segments, ends, strict=True), key=lambda part: part[1] - part[0].first_s)
    rate_hz = dict.fromkeys(info.selected, longest.segment.rate_hz)
    if isinstance(recording, SessionRecording):
        rate_hz |= recording.rates_hz
    made, end_s = self_calibrated(recording.window, longest.first_s, end_s, rate_hz, config)
    return replace(made, made_utc=_clock(start_utc, end_s))


def _clock(start_utc: datetime | None, time_s: float) -> datetime | None:
    """A time of the recording in UTC, to the second; None without a clock."""
    return None if start_utc is None else (start_utc + timedelta(seconds=time_s)).replace(microsecond=0)


def read_calibration(path: Path) -> Calibration:
    """A calibration file as `posture calibrate` wrote it; InputError in one sentence where it is not one."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"there is no calibration file {path}; make one with `posture calibrate`") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a calibration ({error}); make one with `posture calibrate`"
        ) from error
    if not isinstance(tree, dict):
        raise InputError(f"{path} is not a calibration file of this program; make one with `posture calibrate`")
    return cal.from_json(tree, source=str(path))


def calibration_json(calibration: Calibration) -> str:
    """The text of a calibration file."""
    return json.dumps(cal.to_json(calibration), indent=1) + "\n"


def run(
    prepared: Prepared,
    batches: Iterator[ImuBatch],
    *,
    angles: AngleWriter | None = None,
    progress: Progress | None = None,
) -> Result:
    """All batches through a fresh pipeline. progress : called with the share done, 0-1.

    Alerts are what a live run would raise: where the orientation is smoothed, a second pipeline without that raises them.
    """
    _hold_on_to_memory()
    pipeline = prepared.pipeline(want_angles=angles is not None)
    live = prepared.pipeline(as_live=True) if prepared.smoothed else None
    result = Result()
    info = prepared.recording.info
    length_s = max(info.last_s - info.first_s, 1e-9)
    for batch in ahead(batches):
        output = pipeline.push(batch)
        if live is not None:
            output.alerts = live.push(batch).alerts
        result.add(output)
        if angles is not None:
            angles.write(output.angles)
        if progress is not None:
            progress((batch.arrived_until_s - info.first_s) / length_s)
    output = pipeline.flush(info.last_s)
    result.add(output)
    result.ended(pipeline)
    if angles is not None:
        angles.write(output.angles)
    return result


def _hold_on_to_memory() -> None:
    """Once: let freed arrays be used again by the next batch.

    glibc gives freed memory back to the system, to ask for it anew a moment later, where it is larger than any block freed before
    (mallopt(3), "M_MMAP_THRESHOLD"); that took a sixth of a replay. One block larger than all arrays of a batch, never touched,
    ends that. Elsewhere it does nothing.
    """
    np.empty(_BLOCK_BYTES, dtype=np.uint8)


_BLOCK_BYTES = 1 << 24
"""At most 32 MB, or glibc does not count it; from 4 MB on nothing changes."""


def ahead(batches: Iterator[ImuBatch], most: int = 2) -> Iterator[ImuBatch]:
    """The same batches, read by a second thread while the pipeline works; at most `most` of them wait."""
    waiting: queue.Queue[ImuBatch | BaseException | None] = queue.Queue(most)
    stopped = threading.Event()

    def offer(item: ImuBatch | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for batch in batches:
                offer(batch)
                if stopped.is_set():
                    return
        except BaseException as error:  # handed to the reader of this generator, where it is raised
            offer(error)
        else:
            offer(None)

    reader = threading.Thread(target=read, name="recording reader", daemon=True)
    reader.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        reader.join()


@dataclass(frozen=True, slots=True)
class Records:
    """A finished session as the files hold it."""

    epochs: EpochBlock
    events: list[dict[str, JsonValue]]
    alerts: list[dict[str, JsonValue]]
    session: dict[str, JsonValue]
    calibration: Calibration


def records(prepared: Prepared, result: Result) -> Records:
    """Result -> what is written: non-wear laid over it, events in order of start, one epoch row a second."""
    info = prepared.recording.info
    epochs, final = finalised(EpochBlock.joined(result.epochs), result.events)
    events = sorted(final, key=lambda e: (e.start_s, e.end_s, e.kind))
    session: dict[str, JsonValue] = {
        "format": SESSION_FORMAT,
        "code_version": __version__,
        "source": info.path.name,
        **_of_session(prepared),
        "start_utc": prepared.start_utc.isoformat() if prepared.start_utc else None,
        "zone": prepared.zone,
        "first_s": info.first_s,
        "last_s": info.last_s,
        "sensors": [str(p) for p in info.selected],
        "rate_hz": {str(p): info.rate_hz for p in info.selected},
        "segments": [{"first_s": s.first_s, "rate_hz": s.segment.rate_hz} for s in info.segments],
        "gyroscope": {str(p): info.has_gyro[p] for p in info.selected},
        "fusion": {str(p): prepared.filter_name(p) for p in info.selected},
        "preset": str(prepared.config.alerts.preset),
        "calibration": cal.to_json(prepared.calibration),
        "judges": prepared.calibration.judges(),
        "notes": [*prepared.notes, *result.notes, *_one_sensor_notes(epochs, info.selected)],
        "config": prepared.config.as_json(),
    }
    return Records(
        epochs,
        [event_record(e) for e in events],
        _answered(result.alerts, prepared.raised) if prepared.as_live else list(prepared.raised),
        session,
        prepared.calibration,
    )


def _answered(alerts: Sequence[Alert], raised: Sequence[Mapping[str, JsonValue]]) -> list[dict[str, JsonValue]]:
    """The alerts of a replay, each with what was said of the one that live raised on the same second or event."""
    said = {(a["kind"], a["about_s"]): a["answer"] for a in raised if "answer" in a}
    found = []
    for record in map(alert_record, alerts):
        about = (record["kind"], record["about_s"])
        found.append({**record, "answer": said[about]} if about in said else record)
    return found


def _of_session(prepared: Prepared) -> dict[str, JsonValue]:
    """Which result of which session this is: the live one is revision 0, the final one comes after it."""
    if not isinstance(prepared.recording, SessionRecording):
        return {}
    live, end_s = prepared.as_live, prepared.recording.info.last_s
    begun = prepared.alert_state.quiet if prepared.alert_state else Quiet()
    return {
        "session_id": prepared.recording.session.meta.session_id,
        "result": "live" if live else "final",
        "revision": 0 if live else 1,
        "silences": [
            {"act": str(s.act), "from_s": s.from_s, "to_s": s.to_s}
            for s in silences(prepared.actions, begun=begun, end_s=end_s)
        ],
        "late": {str(p): [list(span) for span in spans] for p, spans in prepared.recording.late.items()},
    }


_ALONE_MIN_S = 60
"""s with one of two sensors silent that are worth a sentence; ours."""


def _one_sensor_notes(epochs: EpochBlock, sensors: Sequence[Placement]) -> list[str]:
    """For how long one of two sensors had nothing to say while the other had."""
    known = {p: ~np.isnan(getattr(epochs, f"{p}_inclination_deg")) for p in sensors}
    notes = []
    for placement, here in known.items():
        others = [k for p, k in known.items() if p is not placement]
        alone = [int(np.count_nonzero(k & ~here)) for k in others]
        if alone and alone[0] >= _ALONE_MIN_S:
            notes.append(
                f"{placement.words}: no angle for {alone[0] / 60:.0f} min in which the other sensor had one; "
                "what needs both was not judged."
            )
    return notes


def write_records(folder: Path, made: Records, extra: Mapping[str, str] | None = None) -> None:
    """The files of the contract into a (staging) folder. extra : further text files by name."""
    write_epochs(made.epochs, folder / "epochs.parquet")
    texts = {
        "events.json": json_rows(made.events),
        "alerts.json": json_rows(made.alerts),
        "calibration.json": calibration_json(made.calibration),
        "session.json": json.dumps(made.session, indent=1, allow_nan=False) + "\n",
        **(extra or {}),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
