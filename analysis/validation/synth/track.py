"""A script as a moving body: where both segments are at each sample, and the truth that labels it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.validation.synth import quat
from analysis.validation.synth.motion import CHANNELS, CONTEXTS, Motion, Off, Slip, Window
from posture.types import Float, Int8, Placement

SIDEWAYS = 0.87
"""Side component of the up vector beyond which inclination is undefined (architecture: about 60 deg)."""
_BREATH_AT_PELVIS = -0.3
"""Share of the breathing amplitude that the pelvis shows, against the trunk; ours."""
_SWAY_DEG = ((0.11, 0.25), (0.29, 0.20), (0.71, 0.10))
"""Hz and deg of the sines of balance, each axis with its own phases; ours."""


@dataclass(frozen=True, slots=True)
class Track:
    """The body over time: n samples at `rate_hz`, world x forward at the start, y left, z up.

    time_s : (n,) s. pelvis, trunk : (n, 4) quaternions w x y z, segment to world. hip_m : (n, 3) m, world.
    flexion_deg : (n,) joint angle. sacrum_deg, upper_deg : (n,) sagittal inclination of each segment, deg; NaN where it lies on a
    side by more than 60 deg, and all three while the sensors are off the body.
    context : (n,) index into `CONTEXTS`. poses, calibration_end_s : the routine. events : truth, angles filled in.
    """

    rate_hz: float
    time_s: Float
    pelvis: Float
    trunk: Float
    hip_m: Float
    flexion_deg: Float
    sacrum_deg: Float
    upper_deg: Float
    context: Int8
    offs: tuple[Off, ...]
    slips: tuple[Slip, ...]
    poses: dict[str, list[Window]]
    calibration_end_s: float
    events: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.time_s)

    def segment(self, placement: Placement) -> Float:
        """Orientation of the segment under a sensor, (n, 4)."""
        return self.pelvis if placement is Placement.SACRUM else self.trunk

    @staticmethod
    def of(script: Motion) -> Track:
        """What the script says, with breathing and sway added."""
        rate = script.rate_hz
        channels = np.concatenate(script.rows)
        col = {name: channels[:, k] for k, name in enumerate(CHANNELS)}
        n = len(channels)
        time_s = np.arange(n) / rate
        breath, sways = _restless(time_s, script)
        breath = breath * col["breath"]
        tip = col["tip"] + col["sway"] * sways[1]
        pitch = col["pitch"] + col["sway"] * sways[0] + _BREATH_AT_PELVIS * breath
        flexion = col["flexion"] + 0.5 * col["sway"] * sways[2] + (1 - _BREATH_AT_PELVIS) * breath
        pelvis = quat.times(
            quat.times(quat.about("z", col["heading"]), quat.about("x", tip)),
            quat.times(quat.about("y", pitch), quat.about("z", col["spin"])),
        )
        trunk = quat.times(pelvis, quat.about("y", flexion))
        speed = np.concatenate(script.speeds)
        c, s = np.cos(np.radians(col["heading"])), np.sin(np.radians(col["heading"]))
        hip = np.stack(
            [
                np.cumsum(speed[:, 0] * c - speed[:, 1] * s) / rate,
                np.cumsum(speed[:, 0] * s + speed[:, 1] * c) / rate,
                col["height"] + col["level"],
            ],
            axis=1,
        )
        context = np.concatenate([np.full(k, CONTEXTS.index(name), dtype=np.int8) for k, name in script.labels])
        sacrum, upper = _inclination(pelvis), _inclination(trunk)
        off = context == CONTEXTS.index("non_wear")
        flexion, sacrum, upper = (np.where(off, np.nan, a) for a in (flexion, sacrum, upper))
        track = Track(
            rate,
            time_s,
            pelvis,
            trunk,
            hip,
            flexion,
            sacrum,
            upper,
            context,
            tuple(script.offs),
            tuple(script.slips),
            dict(script.poses),
            script.calibration_end_s,
            [],
        )
        track.events.extend(track._with_angles(e) for e in sorted(script.events, key=lambda e: (e["t0"], e["t1"])))
        return track

    def _with_angles(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event with its peak angles, deg (null where not defined), and the marks of a simulation."""
        a, b = round(event["t0"] * self.rate_hz), max(round(event["t1"] * self.rate_hz), 1)
        made = {"type": event["type"], "t0": round(event["t0"], 3), "t1": round(event["t1"], 3)}
        made |= {k: v for k, v in event.items() if k not in made}
        for name, values in (("trunk", self.upper_deg), ("flexion", self.flexion_deg), ("sacrum", self.sacrum_deg)):
            known = values[a:b][~np.isnan(values[a:b])]
            made[f"{name}_peak_deg"] = round(float(known.max()), 1) if len(known) else None
        return made | {"real": False, "simulated": True}


def up_vector(q: Float) -> Float:
    """World up in the axes of a segment: (n, 4) -> (n, 3)."""
    w, x, y, z = q.T
    return np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=1)


def _inclination(q: Float) -> Float:
    v = up_vector(q)
    return np.where(np.abs(v[:, 1]) > SIDEWAYS, np.nan, np.degrees(np.arctan2(-v[:, 0], v[:, 2])))


def _restless(time_s: Float, script: Motion) -> tuple[Float, Float]:
    """Breathing at the trunk (n,) and balance about three axes (3, n), deg."""
    rng = np.random.default_rng([script.who.seed, 3])
    who = script.who
    drift, deep, start = rng.uniform(0, 2 * np.pi, 3)
    phase = 2 * np.pi * who.breath_hz * time_s + 0.8 * np.sin(2 * np.pi * time_s / 47.0 + drift) + start
    breath = who.breath_deg * (1 + 0.2 * np.sin(2 * np.pi * time_s / 31.0 + deep)) * np.sin(phase)
    phases = rng.uniform(0, 2 * np.pi, (3, len(_SWAY_DEG)))
    speeds = rng.uniform(0.85, 1.15, (3, len(_SWAY_DEG)))
    sways = np.zeros((3, len(time_s)))
    for axis in range(3):
        for k, (hz, deg) in enumerate(_SWAY_DEG):
            sways[axis] += deg * np.sin(2 * np.pi * hz * speeds[axis, k] * time_s + phases[axis, k])
    return breath, who.sway * sways
