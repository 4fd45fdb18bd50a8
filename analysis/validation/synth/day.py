"""A whole labelled day: who, what they do, what the sensors show, and the four files of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.validation.synth.faults import with_fault
from analysis.validation.synth.motion import CONTEXTS
from analysis.validation.synth.person import Person, person
from analysis.validation.synth.script import Script
from analysis.validation.synth.sensor import Mounting, Part, Signals, sensors
from analysis.validation.synth.track import Track
from posture.atomic import write_whole
from posture.recording import write_sample_file
from posture.types import Float, ImuBlock, InputError, Int, Placement

START_UTC, ZONE = "2026-01-05T08:00:00+00:00", "Europe/London"
"""An invented clock: a Monday morning."""
LEAST_H = 0.15
"""h; the calibration routine and a round of everyday movements need this long."""


@dataclass(frozen=True, slots=True)
class Day:
    """rows : indices of the samples in the order in which the file has them; faults drop and repeat some. The truth has all."""

    who: Person
    track: Track
    signals: Mapping[Placement, Signals]
    seed: int
    rows: Int
    faults: tuple[str, ...] = field(default=())

    @property
    def origin(self) -> str:
        """What every file of the day says of where it comes from."""
        wrong = f", faults {' '.join(self.faults)}" if self.faults else ""
        return f"simulated: analysis.validation.synth, seed {self.seed}{wrong}"

    def blocks(self) -> tuple[ImuBlock, ...]:
        """The sensors as the pipeline takes them."""
        picked = (
            (s.placement, s.time_s[self.rows], s.acc_mps2[self.rows], s.gyr_radps[self.rows])
            for s in self.signals.values()
        )
        return tuple(ImuBlock(p, t, a, g, t) for p, t, a, g in picked)

    def columns(self) -> dict[str, Float]:
        """The columns of the sample file."""
        out = {"time_s": self.track.time_s[self.rows]}
        for placement, s in self.signals.items():
            for k, axis in enumerate("xyz"):
                out[f"{placement}_acc_{axis}_mps2"] = s.acc_mps2[self.rows, k]
            for k, axis in enumerate("xyz"):
                out[f"{placement}_gyr_{axis}_radps"] = s.gyr_radps[self.rows, k]
        return out


def make(
    script: Script,
    *,
    seed: int | None = None,
    part: Part | None = None,
    mountings: Mapping[Placement, Sequence[Mounting]] | None = None,
    faults: Sequence[str | tuple[str, float]] = (),
) -> Day:
    """A script, worn. seed : of the sensors; None takes the person's. faults : names of `FAULTS`, or (name, value)."""
    if script.stance == "off":
        raise InputError(
            "the script ends with the sensors off the body; put them on, or leave the last take_off() away"
        )
    track = Track.of(script)
    seed = script.who.seed if seed is None else seed
    made = Day(
        script.who,
        track,
        sensors(track, seed=seed, part=part, mountings=mountings),
        seed,
        np.arange(len(track), dtype=np.int64),
    )
    for fault in faults:
        made = with_fault(made, fault) if isinstance(fault, str) else with_fault(made, *fault)
    return made


def day(who: Person, hours: float, *, rate_hz: float = 50.0) -> Script:
    """An everyday script of about this length: calibration, then rounds of standing, walking, bends, floor, exercise, desk.

    InputError: shorter than 0.15 h.
    """
    if hours < LEAST_H:
        raise InputError(f"a day of {hours:g} h is too short; the shortest is {LEAST_H:g} h")
    script = Script(who, rate_hz=rate_hz)
    rng, end_s = np.random.default_rng([who.seed, 6]), 3600.0 * hours
    script.calibrate().stand(10)
    live(script, rng, end_s, hours=hours)
    return script.stand(max(10.0, end_s - script.now_s))


def live(script: Script, rng: np.random.Generator, until_s: float, *, hours: float) -> Script:
    """Rounds of everyday movements from standing to standing, until there is no room for one more; hours : of the whole day."""
    desk_min = float(np.clip(10.0 * hours, 1.0, 40.0))
    turn = 0
    while script.now_s < until_s - 90.0:
        script.walk(float(rng.uniform(25, 60))).stand(float(rng.uniform(10, 25)))
        _leans(script, rng)
        if turn % 3 == 0 and until_s - script.now_s > 150.0:
            paths = rng.choice(["half_kneel", "straight_rounded", "log_roll"], 2)
            script.floor_down(paths[0]).lie(float(rng.uniform(0.5, 1.5))).floor_up(paths[1]).stand(12)
        if turn % 3 == 1 and until_s - script.now_s > 150.0:
            exercise = str(rng.choice(["squat", "hip_hinge", "reverse_lunge"]))
            script.set_of(exercise, 6, breaks_at=int(rng.integers(4, 7)) if rng.random() < 0.5 else None).stand(10)
        left_min = (until_s - script.now_s) / 60.0 - 0.5
        if left_min > 0.8:
            minutes = min(left_min, desk_min * float(rng.uniform(0.7, 1.3)))
            styles = ["tall", "usual", "usual", "slump", "slump", "recline", "still_reader"]
            style = str(rng.choice(styles if hours >= 1.0 else styles[:5]))
            plunge = hours >= 1.0 and rng.random() < 0.15
            script.sit_down("plunge" if plunge else "normal", style if style != "recline" else "usual")
            script.sit(minutes, style).stand_up("rounded" if rng.random() < 0.3 else "neutral").stand(8)
        turn += 1
    return script


def _leans(script: Script, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 4))):
        kind = str(rng.choice(["hinge", "rounded"]))
        depth = float(rng.uniform(45, 70)) if kind == "hinge" else float(rng.uniform(60, 100))
        script.bend(kind, max(depth, script.bend_flexion(kind, 100.0) + 5.0), float(rng.uniform(0.3, 2.0))).stand(3)


def write(made: Day, stem: Path, *, overwrite: bool = False) -> tuple[Path, ...]:
    """STEM.parquet, STEM.truth.parquet, STEM.events.json, STEM.poses.json, every one marked simulated; gives back the paths.

    InputError: one of them is there already and `overwrite` is False.
    """
    paths = tuple(
        stem.with_name(stem.name + end) for end in (".parquet", ".truth.parquet", ".events.json", ".poses.json")
    )
    for path in paths:
        if path.exists() and not overwrite:
            raise InputError(f"{path} is there already; choose another --out, or say that it may be replaced")
    write_sample_file(paths[0], made.columns(), start_utc=START_UTC, zone=ZONE, origin=made.origin, overwrite=overwrite)
    _write_truth(paths[1], made)
    rows = ",\n".join(json.dumps(e, allow_nan=False) for e in made.track.events)
    write_whole(paths[2], f"[\n{rows}\n]\n" if rows else "[]\n")
    write_whole(paths[3], json.dumps(poses(made), indent=1, allow_nan=False) + "\n")
    return paths


def poses(made: Day) -> dict[str, Any]:
    """What STEM.poses.json holds."""
    return {
        "poses": {k: [[round(a, 3), round(b, 3)] for a, b in v] for k, v in made.track.poses.items()},
        "calibration_end_s": round(made.track.calibration_end_s, 3),
        "rom_deg": made.who.rom_deg,
        "simulated": True,
        "origin": made.origin,
    }


def _write_truth(path: Path, made: Day) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    track = made.track
    table = pa.table(
        {
            "time_s": track.time_s,
            "context": pa.DictionaryArray.from_arrays(pa.array(track.context), pa.array(CONTEXTS)),
            "sacrum_inclination_deg": _hundredths(track.sacrum_deg),
            "upper_lumbar_inclination_deg": _hundredths(track.upper_deg),
            "flexion_deg": _hundredths(track.flexion_deg),
        },
        metadata={"origin": made.origin},
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_whole(path, sink.getvalue().to_pybytes())


def _hundredths(angle_deg: Float) -> NDArray[np.float32]:
    """Rounded to 0.01 deg: finer is not known of any spine, and the file is a third."""
    return np.round(angle_deg, 2).astype(np.float32)


def example(seed: int, hours: float, *, rate_hz: float = 50.0, limited_rom: bool = False) -> Script:
    """The everyday script of the person of this seed."""
    return day(person(seed, limited_rom=limited_rom), hours, rate_hz=rate_hz)
