"""What goes wrong between a sensor and a file. Each fault is a pure function of a day; the truth stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.validation.synth.sensor import Signals
from posture.types import G_MPS2, Bool, Float, InputError, Placement

if TYPE_CHECKING:
    from analysis.validation.synth.day import Day

FRAME_N = 5
"""Samples in a live radio frame (sensor notes)."""
GAP_S = (0.3, 180.0)
"""s; shortest and longest link gap, drawn log-uniform; ours."""
NARROW_G, NARROW_DPS = 1.2, 125.0
"""Range of the fault `saturated`: too narrow for a quick bend; ours."""


@dataclass(frozen=True, slots=True)
class Fault:
    """says : what it does. value, unit : its one number and the default. apply : (day, value, rng) -> day."""

    says: str
    value: float
    unit: str
    apply: Callable[[Day, float, np.random.Generator], Day]


def with_fault(day: Day, name: str, value: float | None = None) -> Day:
    """The day with a fault of `FAULTS`; InputError where there is none of that name."""
    if name not in FAULTS:
        raise InputError(f"there is no fault {name!r}; choose one of {', '.join(FAULTS)}")
    fault = FAULTS[name]
    value = fault.value if value is None else value
    rng = np.random.default_rng([day.seed, 5, list(FAULTS).index(name)])
    return replace(fault.apply(day, value, rng), faults=(*day.faults, f"{name}={value:g}"))


def _each(day: Day, change: Callable[[Signals], Signals]) -> Day:
    return replace(day, signals={p: change(s) for p, s in day.signals.items()})


def _only(day: Day, change: Callable[[Signals], Signals]) -> Day:
    """The upper lumbar sensor where it is worn, else the one there is."""
    which = Placement.UPPER_LUMBAR if Placement.UPPER_LUMBAR in day.signals else next(iter(day.signals))
    return replace(day, signals={p: change(s) if p is which else s for p, s in day.signals.items()})


def _without(signals: Signals, lost: Bool) -> Signals:
    acc, gyr = signals.acc_mps2.copy(), signals.gyr_radps.copy()
    acc[lost], gyr[lost] = np.nan, np.nan
    return replace(signals, acc_mps2=acc, gyr_radps=gyr)


def lost_frames(day: Day, share: float, rng: np.random.Generator) -> Day:
    """Radio frames of five samples, each sensor for itself."""

    def change(s: Signals) -> Signals:
        frames = rng.random(-(-len(s.time_s) // FRAME_N)) < share
        return _without(s, np.repeat(frames, FRAME_N)[: len(s.time_s)])

    return _each(day, change)


def link_gaps(day: Day, per_hour: float, rng: np.random.Generator) -> Day:
    """Both sensors gone at once, rows missing; never in the calibration routine, at least one."""
    time_s = day.track.time_s
    from_s, last_s = day.track.calibration_end_s, float(time_s[-1])
    count = max(1, round(per_hour * (last_s - from_s) / 3600.0))
    starts = rng.uniform(from_s, last_s, count)
    lengths = np.minimum(np.exp(rng.uniform(np.log(GAP_S[0]), np.log(GAP_S[1]), count)), 0.1 * (last_s - from_s))
    lost = np.zeros(len(time_s), dtype=np.bool_)
    for start, length in zip(starts, lengths, strict=True):
        lost |= (time_s >= start) & (time_s < start + length)
    return replace(day, rows=day.rows[~lost[day.rows]])


def dead(day: Day, share: float, _: np.random.Generator) -> Day:
    """The upper lumbar sensor says nothing any more, from this share of the day on."""
    return _only(day, lambda s: _without(s, s.time_s >= share * s.time_s[-1]))


def frozen(day: Day, share: float, _: np.random.Generator) -> Day:
    """The upper lumbar sensor repeats its last sample, from this share of the day on."""

    def change(s: Signals) -> Signals:
        k = min(int(np.searchsorted(s.time_s, share * s.time_s[-1])), len(s.time_s) - 1)
        acc, gyr = s.acc_mps2.copy(), s.gyr_radps.copy()
        acc[k:], gyr[k:] = acc[k], gyr[k]
        return replace(s, acc_mps2=acc, gyr_radps=gyr)

    return _only(day, change)


def saturated(day: Day, share: float, _: np.random.Generator) -> Day:
    """Ranges of 1.2 g and 125 deg/s, times a share."""
    acc, gyr = share * NARROW_G * G_MPS2, share * np.radians(NARROW_DPS)
    return _each(
        day,
        lambda s: replace(s, acc_mps2=np.clip(s.acc_mps2, -acc, acc), gyr_radps=np.clip(s.gyr_radps, -gyr, gyr)),
    )


def in_g(day: Day, scale: float, _: np.random.Generator) -> Day:
    """Accelerations written in g where m/s^2 is said."""
    return _each(day, lambda s: replace(s, acc_mps2=s.acc_mps2 * (scale / G_MPS2)))


def in_dps(day: Day, scale: float, _: np.random.Generator) -> Day:
    """Rates written in deg/s where rad/s is said."""
    return _each(day, lambda s: replace(s, gyr_radps=np.degrees(s.gyr_radps) * scale))


def duplicated(day: Day, share: float, rng: np.random.Generator) -> Day:
    """Rows that come twice, one after the other."""
    return replace(day, rows=np.repeat(day.rows, 1 + (rng.random(len(day.rows)) < share)))


def nan_rows(day: Day, share: float, rng: np.random.Generator) -> Day:
    """Single samples that are NaN, each sensor for itself."""
    return _each(day, lambda s: _without(s, rng.random(len(s.time_s)) < share))


def gain(day: Day, factor: float, _: np.random.Generator) -> Day:
    """|a| at rest is off by a factor, as real devices have it by 3 %."""
    return _each(day, lambda s: replace(s, acc_mps2=s.acc_mps2 * factor))


def clock(day: Day, ppm: float, _: np.random.Generator) -> Day:
    """The upper lumbar sensor's clock runs fast: its sample k was measured before row k says. Its own axis, one time column."""

    def change(s: Signals) -> Signals:
        at = s.time_s / (1.0 + 1e-6 * ppm)

        def moved(values: Float) -> Float:
            return np.stack([np.interp(at, s.time_s, column) for column in values.T], axis=1)

        return replace(s, acc_mps2=moved(s.acc_mps2), gyr_radps=moved(s.gyr_radps))

    return _only(day, change)


FAULTS: Mapping[str, Fault] = {
    "lost_frames": Fault("radio frames of 5 samples lost, each sensor for itself", 0.02, "share", lost_frames),
    "link_gaps": Fault("both sensors gone for 0.3-180 s, rows missing", 4.0, "per hour", link_gaps),
    "dead": Fault("upper lumbar sensor silent from here on", 0.6, "share of the day", dead),
    "frozen": Fault("upper lumbar sensor repeats its last sample from here on", 0.6, "share of the day", frozen),
    "saturated": Fault("ranges of 1.2 g and 125 deg/s", 1.0, "share of them", saturated),
    "in_g": Fault("accelerations in g instead of m/s^2", 1.0, "factor", in_g),
    "in_dps": Fault("rates in deg/s instead of rad/s", 1.0, "factor", in_dps),
    "duplicated": Fault("rows that come twice", 0.02, "share", duplicated),
    "nan_rows": Fault("single samples that are NaN", 0.01, "share", nan_rows),
    "gain": Fault("|a| at rest 3 % high", 1.03, "factor", gain),
    "clock": Fault("upper lumbar sensor's clock runs fast", 50.0, "ppm", clock),
}
