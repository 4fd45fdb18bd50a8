"""What flows through the pipeline: frozen records with units and shapes.

Body (segment) frame everywhere: x forward, y left, z up, right-handed. Angles are degrees, forward bending is positive and
zero is this wear's calibrated upright stand. NaN means "not known", never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from posture.vocabulary import (
    CONTEXT_NAMES,
    AlertKind,
    Basis,
    Context,
    EventKind,
    InputError,
    PacketKind,
    Placement,
    PostureError,
    Preset,
    Verdict,
)

__all__ = [
    "CALIBRATION_SET",
    "CONTEXT_NAMES",
    "GRID_HZ",
    "G_MPS2",
    "Alert",
    "AlertKind",
    "AngleBlock",
    "Basis",
    "Bool",
    "ClockFit",
    "Context",
    "EpochBlock",
    "EventKind",
    "Float",
    "ImuBatch",
    "ImuBlock",
    "InputError",
    "Int",
    "Int8",
    "JsonValue",
    "PacketKind",
    "Placement",
    "PostureError",
    "PostureEvent",
    "Preset",
    "RawPacket",
    "Segment",
    "Verdict",
]

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]
Int8 = NDArray[np.int8]
JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

CALIBRATION_SET = 0
"""`set_id` of what was done in a calibration routine."""
GRID_HZ = 50
"""Rate of the session grid after fusion, Hz: inclination of a moving trunk needs >= 50 Hz (measured on BROAD)."""
G_MPS2 = 9.80665
"""Standard gravity, m/s^2 (ISO 80000-3)."""


@dataclass(frozen=True, slots=True)
class RawPacket:
    """What came from a sensor, as it came: the unit that a session records before anything else is done with it.

    host_time_ns : when the host had it, on the session's axis: monotonic ns since the session began; never falls.
    payload : the bytes of the notification (live, backfill, done), of the characteristic read (info, status) or of the reply to
        TIME_SYNC, whose t1 is `host_time_ns` of the question; of a change of the link, UTF-8 JSON {"state": ..., "reason": ...}.
    """

    placement: Placement
    host_time_ns: int
    kind: PacketKind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one sensor's session in which its boot, configuration and rate stay the same.

    number : counts up over the session. rate_hz : samples per second of the sensor's own clock.
    """

    number: int
    rate_hz: float


@dataclass(frozen=True, slots=True)
class ClockFit:
    """Sensor time -> session time, for one segment of one sensor, as known at a moment.

    session_s = device_s + offset_s + drift_ppm * 1e-6 * (device_s - at_s). Device time is the axis of `ImuBlock.time_s`; where
    blocks carry an index it is that of the first sample of the segment, plus the samples since / rate.

    segment : its number. from_tick : first tick of the session grid that is read by this fit; it lies after everything that was
        given out before the fit was known, so that the same record gives the same ticks however it was cut.
    at_s : device time at which `offset_s` holds. drift_ppm : 0 until the slope is known.
    offset_se_s, drift_se_ppm : standard errors; inf where nothing is known. A delay common to all arrivals is not in them.
    """

    placement: Placement
    segment: int
    from_tick: int
    at_s: float
    offset_s: float
    drift_ppm: float
    offset_se_s: float
    drift_se_ppm: float

    def session_s(self, device_s: float) -> float:
        """Session time of a device time, both s."""
        return device_s + self.offset_s + self.drift_ppm * 1e-6 * (device_s - self.at_s)

    def device_s(self, session_s: Float) -> Float:
        """Device times of session times, (n,) s."""
        return self.at_s + (session_s - self.offset_s - self.at_s) / (1.0 + self.drift_ppm * 1e-6)


@dataclass(frozen=True, slots=True)
class ImuBlock:
    """Consecutive samples of one sensor, in its own axes, in the order in which they arrived, all of one segment.

    placement : where the sensor sits.
    time_s : (n,) s by the sensor's clock: session time, unless a `ClockFit` says how to get there.
    acc_mps2 : (n, 3) m/s^2, specific force (upright and still: 9.81, pointing up). A row with a NaN is no sample.
    gyr_radps : (n, 3) rad/s, or None for a sensor without a gyroscope.
    arrived_s : (n,) s, when the host had the sample; a sample file has it equal to `time_s`.
    segment : None: the one that the pipeline was made for, from start to end.
    index : (n,) the sensor's own sample counter. With it `time_s` is read once a segment, at its first sample.
    """

    placement: Placement
    time_s: Float
    acc_mps2: Float
    gyr_radps: Float | None
    arrived_s: Float
    segment: Segment | None = None
    index: Int | None = None


@dataclass(frozen=True, slots=True)
class ImuBatch:
    """What arrived from all sensors up to a moment: the unit that the pipeline is fed with.

    blocks : one per placement, or one per segment in the order of arrival; a sensor from which nothing came is absent.
    arrived_until_s : s; no sample that arrives later may lie before this moment on the arrival axis.
    fits : clock fits that became known by then.
    """

    blocks: tuple[ImuBlock, ...]
    arrived_until_s: float
    fits: tuple[ClockFit, ...] = ()


@dataclass(frozen=True, slots=True)
class AngleBlock:
    """Posture on the session's 50 Hz grid; tick k is at k / GRID_HZ s. Every array has shape (n,).

    first_tick : index of the first tick.
    sacrum_inclination_deg, upper_lumbar_inclination_deg : sagittal inclination of each segment; NaN where that sensor is absent
        or turned more than about 60 deg sideways.
    flexion_deg : upper lumbar minus sacrum; NaN unless both are there.
    lateral_deg : side lean of the lowest sensor present, right positive.
    tilt_deg : angle of the lowest sensor present from upright, 0-180, defined in every direction.
    rate_dps : magnitude of its angular rate, deg/s, bias removed.
    vertical_mps2 : its upward acceleration, gravity removed, m/s^2.
    force_mps2 : magnitude of its specific force, m/s^2.
    trusted : bool; False after a restart until half a second was calm (1 to 3 s), and in held or interpolated samples.
    """

    first_tick: int
    sacrum_inclination_deg: Float
    upper_lumbar_inclination_deg: Float
    flexion_deg: Float
    lateral_deg: Float
    tilt_deg: Float
    rate_dps: Float
    vertical_mps2: Float
    force_mps2: Float
    trusted: Bool

    def __len__(self) -> int:
        return len(self.tilt_deg)

    @staticmethod
    def joined(parts: Sequence[AngleBlock]) -> AngleBlock:
        """Consecutive parts, at least one, as one block."""
        if len(parts) == 1:
            return parts[0]
        names = [f.name for f in fields(AngleBlock) if f.name != "first_tick"]
        return AngleBlock(parts[0].first_tick, *(np.concatenate([getattr(p, n) for p in parts]) for n in names))


@dataclass(frozen=True, slots=True)
class EpochBlock:
    """Whole seconds with their verdicts; every array has shape (m,).

    start_s : s, whole numbers; seconds without data are there too.
    context, context_confidence : `Context` code and the estimated probability that it is right.
    *_deg : medians of the second, NaN where not measured.
    flexion_pct_rom : flexion in % of the wearer's own range (two sensors), else NaN.
    slump_index_pct : 0 tall sitting, 100 full slump (one sensor, calibrated), else NaN. Of a seated sacrum without the seat's part
        (`posture.detect.seat`), NaN until a stay is first at rest.
    flexed : 1 flexed, 0 not, -1 unknown.
    creep : time-in-flexion meter, 0-1.
    valid_fraction : share of the second's grid ticks that rest on measured samples.
    """

    start_s: Float
    context: Int8
    context_confidence: Float
    sacrum_inclination_deg: Float
    upper_lumbar_inclination_deg: Float
    flexion_deg: Float
    lateral_deg: Float
    flexion_pct_rom: Float
    slump_index_pct: Float
    flexed: Int8
    creep: Float
    valid_fraction: Float

    def __len__(self) -> int:
        return len(self.start_s)

    @staticmethod
    def joined(parts: Iterable[EpochBlock]) -> EpochBlock:
        """Rows of all parts, in order; no part gives an empty block."""
        parts = list(parts)
        if not parts:
            codes = ("context", "flexed")
            none = {f.name: np.empty(0, dtype=np.int8 if f.name in codes else np.float64) for f in fields(EpochBlock)}
            return EpochBlock(**none)  # type: ignore[arg-type]
        return EpochBlock(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(EpochBlock)))


@dataclass(frozen=True, slots=True)
class PostureEvent:
    """Something that happened, with its verdict, what it rests on and how sure that is.

    start_s, end_s, peak_s : s, half-open [start, end). peak_deg : the kind's own angle at its peak (docs/events.md).
    confidence : estimated probability that the verdict is right; where it is `unknown`, that the event itself is.
    evidence : the numbers behind it, JSON values, names with units.
    """

    kind: EventKind
    start_s: float
    end_s: float
    peak_s: float
    peak_deg: float
    verdict: Verdict
    basis: Basis
    confidence: float
    set_id: int | None = None
    evidence: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """One nudge: what it judges (`about_s`, the start of that epoch or event), when it was raised, and why."""

    about_s: float
    raised_s: float
    kind: AlertKind
    preset: Preset
    reason: str
    evidence: Mapping[str, JsonValue] = field(default_factory=dict)
