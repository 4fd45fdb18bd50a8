"""Simulated days on which something happens to the sensors, from morning to evening, and what the product said of it.

A day is made once as a moving body; slips and mountings are put on it afterwards, so that the same day is seen with each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.validation.memory import replayed
from analysis.validation.score import Labels, Score, labelled_day, labels_of, score_day
from analysis.validation.synth import FAULTS, Day, Mounting, Script, Track, make, person
from analysis.validation.synth.day import live
from analysis.validation.synth.faults import with_fault
from analysis.validation.synth.motion import CONTEXTS, Slip
from analysis.validation.synth.sensor import sensors
from posture.replay import Records
from posture.types import Context, InputError, Placement

SLIPS_DEG = (5.0, 10.0, 15.0)
SLIPPED = ("ask", "paused")
"""States of a `sensor_moved` event that claim a slip."""
SLIP_AXIS, SLIP_S = "y", 1.0
BOUT_MIN_S = 20.0
"""s of walking that count as a bout here; the detector asks for less."""
TOLD_S = 10.0
"""s after the end of a bout in which a claim on it is in time: contexts are decided with a lag of 5 s."""
SETTLED_S = 130.0
"""s after the first walk on new frames: they begin with the second full minute, and until then nothing is scored."""
READER_MIN, SLEEP_MIN, OFF_MIN = 40.0, 60.0, 30.0
LEAST_HOURS = 6.0
"""h that a day with everything that a wearer may do to sensors needs."""


@dataclass(frozen=True, slots=True)
class SlipSaid:
    """One slip: how far, whether it was found within two bouts, and the error of the shift that was said, deg.

    error_deg : NaN where nothing was said of that sensor.
    """

    deg: float
    found: bool
    error_deg: float


@dataclass(frozen=True, slots=True)
class Wear:
    """One day of taking off and putting on.

    away_s, called_s : per place, seconds off the body and those of them called non-wear. worn_s, worn_called_s : the same of worn
    seconds. still_called_s : of the reader's and the sleeper's. neutral_deg : error of each re-don, per sensor.
    """

    away_s: Mapping[str, float]
    called_s: Mapping[str, float]
    worn_s: float
    worn_called_s: float
    still_called_s: Mapping[str, float]
    neutral_deg: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Steady:
    """A day without a slip: hours, and claims that a sensor moved."""

    hours: float
    false_n: int


@dataclass(frozen=True, slots=True)
class Faulty:
    """A day with a fault. score : None where it was refused. valid : mean of `valid_fraction` without gaps. said : the notes."""

    score: Score | None
    valid: float
    said: tuple[str, ...]


def seed_of(week: int, day: int) -> int:
    """Seed of the wearer of a day: no two weeks share one."""
    return 100 * week + day


def everyday(seed: int, hours: float) -> Script:
    """An everyday script with stairs in the middle."""
    script, rng, end_s = Script(person(seed)), np.random.default_rng([seed, 8]), 3600.0 * hours
    script.calibrate().stand(10)
    live(script, rng, end_s / 2, hours=hours).stairs(40).walk(30).stairs(40, down=True).stand(5)
    return live(script, rng, end_s, hours=hours).stand(10)


def changing(seed: int, hours: float, places: Sequence[Sequence[str]]) -> Script:
    """A day on which the sensors come off for half an hour as often as there are places (each a way through some)."""
    script, rng = Script(person(seed)), np.random.default_rng([seed, 9])
    script.calibrate().stand(10)
    still_h = (READER_MIN + SLEEP_MIN) / 60.0
    part_s = 3600.0 * (hours - still_h - len(places) * OFF_MIN / 60.0) / (len(places) + 1)
    live(script, rng, script.now_s + part_s, hours=hours)
    for k, way in enumerate(places):
        script.take_off()
        for where in way:
            script.table(OFF_MIN / len(way), where)
        script.put_on(settle_s=1.0 if k % 2 else 0.0).walk(float(rng.uniform(25, 60))).stand(5)
        if k == 0:
            script.sit_down("normal", "usual").sit(READER_MIN, "still_reader").stand_up().stand(5).walk(30).stand(5)
        if k == 1:
            script.sit_down().bed(0.5).stand_up().floor_down().sleep(SLEEP_MIN).floor_up().walk(30).stand(5)
        live(script, rng, script.now_s + part_s, hours=hours)
    return script.stand(10)


def slips_on(seed: int, hours: float) -> list[SlipSaid]:
    """One day seen with each size of slip on each sensor, at a random time of its first 60 %, in a random direction."""
    rng = np.random.default_rng([seed, 10])
    base = make(everyday(seed, hours))
    out = []
    for placement in Placement:
        for deg in SLIPS_DEG:
            slip = Slip(
                from_s := float(rng.uniform(0.1, 0.6)) * 3600.0 * hours, from_s + SLIP_S, 0.0, SLIP_AXIS, str(placement)
            )
            slip = replace(slip, deg=deg * float(rng.choice([-1.0, 1.0])))
            track = replace(base.track, slips=(slip,))
            worn = sensors(track, seed=base.seed, placements=(placement,))
            said = replayed(replace(base, track=track, signals={**base.signals, **worn}))
            out.append(slip_said(said, track, slip))
    return out


def slip_said(said: Records, track: Track, slip: Slip) -> SlipSaid:
    """What was said of a slip by the end of the second walking bout after it."""
    after = [end_s for start_s, end_s in bouts(track) if start_s >= slip.to_s]
    until_s = after[1] + TOLD_S if len(after) > 1 else np.inf
    claims = [c for c in moved(said) if slip.from_s <= float(c["end_s"]) <= until_s]
    mine = [float(c["shift_deg"]) for c in claims if c["placement"] == slip.placement]
    return SlipSaid(abs(slip.deg), bool(claims), abs(mine[-1] - slip.deg) if mine else np.nan)


def moved(said: Records) -> list[dict[str, Any]]:
    """Claims that a sensor moved on the body."""
    return [dict(e) for e in said.events if e["kind"] == "sensor_moved" and e["state"] in SLIPPED]


def bouts(track: Track) -> list[tuple[float, float]]:
    """Walking on the level of at least `BOUT_MIN_S`, s; on stairs people lean."""
    walking = track.context == CONTEXTS.index("walking")
    for event in track.events:
        if event["type"] == "stairs":
            walking[round(event["t0"] * track.rate_hz) : round(event["t1"] * track.rate_hz)] = False
    edges = np.flatnonzero(np.diff(walking, prepend=False, append=False)) / track.rate_hz
    return [(float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= BOUT_MIN_S]


def steady(seed: int, hours: float) -> list[Steady]:
    """Days without a slip: one with stairs, and one on which the sensors come off and go back exactly where they were."""
    plain = make(everyday(seed, hours))
    rng = np.random.default_rng([seed, 11])
    same = {p: (Mounting.drawn(rng),) * 4 for p in Placement}
    again = make(changing(seed, hours, [["table"]] * 3), mountings=same)
    return [Steady(float(day.track.time_s[-1]) / 3600.0, len(moved(replayed(day)))) for day in (plain, again)]


def wear(seed: int, hours: float) -> Wear:
    """Off three times, to a table, in a bag and on a car seat; on again somewhere else each time; a still reader and a sleeper."""
    day = make(changing(seed, hours, [["table"], ["bag_standing", "bag"], ["car"]]))
    return wear_said(replayed(day), day.track)


def wear_said(said: Records, track: Track) -> Wear:
    """Seconds called non-wear against the truth, and how far neutral is off after each re-don."""
    labels = truth_of(track)
    m = min(len(labels.pure), len(said.epochs))
    called = said.epochs.context[:m] == Context.NON_WEAR
    second = np.arange(m)
    inside = np.zeros(m, dtype=np.bool_)
    away: dict[str, float] = {}
    told: dict[str, float] = {}
    still: dict[str, float] = {}
    for off in track.offs:
        rows = (second >= off.away_s) & (second + 1 <= off.back_s)
        inside |= (second + 1 > off.from_s) & (second < off.to_s)
        away[off.where] = away.get(off.where, 0.0) + float(rows.sum())
        told[off.where] = told.get(off.where, 0.0) + float(called[rows].sum())
    for event in track.events:
        if event["type"] == "sleep" or event.get("style") == "still_reader":
            rows = (second >= event["t0"]) & (second + 1 <= event["t1"])
            still[event["type"]] = still.get(event["type"], 0.0) + float(called[rows].sum())
    worn = ~inside
    return Wear(
        away, told, float(worn.sum()), float((called & worn).sum()), still, tuple(neutral_errors(said, track, labels))
    )


def neutral_errors(said: Records, track: Track, labels: Labels) -> list[float]:
    """|median of said minus true inclination|, deg, per re-don and sensor: standing and walking on the frames of the first bout."""
    out = []
    walks = bouts(track)
    ends = [*(o.from_s for o in track.offs[1:]), float(track.time_s[-1])]
    for off, end_s in zip(track.offs, ends, strict=True):
        first = next((b for a, b in walks if a >= off.to_s - 1.0 and b <= end_s), None)
        if first is None:
            continue
        rows = np.arange(int(first + SETTLED_S), min(int(end_s), len(labels.pure), len(said.epochs)))
        rows = rows[labels.pure[rows] & np.isin(labels.context[rows], (Context.STANDING, Context.WALKING))]
        for told, true in (
            (said.epochs.sacrum_inclination_deg, labels.sacrum_deg),
            (said.epochs.upper_lumbar_inclination_deg, labels.upper_deg),
        ):
            out.append(abs(float(np.nanmedian(told[rows] - true[rows]))))
    return out


def faults(seed: int, hours: float) -> dict[str, Faulty]:
    """The same everyday day without a fault ("none") and with each."""
    day = make(everyday(seed, hours))
    return {name: faulty(day if name == "none" else with_fault(day, name)) for name in ("none", *FAULTS)}


def faulty(day: Day) -> Faulty:
    """One day replayed and scored, or what it was refused with."""
    try:
        said = replayed(day)
    except InputError as error:
        return Faulty(None, np.nan, (str(error),))
    score = score_day(
        labelled_day(
            said.epochs,
            said.events,
            truth_of(day.track),
            day.track.events,
            start_s=day.track.calibration_end_s,
            rom_deg=day.who.rom_deg,
        )
    )
    here = said.epochs.context != Context.GAP
    notes = tuple(str(n) for n in said.session["notes"] or ())  # type: ignore[union-attr]
    return Faulty(score, float(said.epochs.valid_fraction[here].mean()), notes)


def truth_of(track: Track) -> Labels:
    """The truth per second, as the files of a day have it."""
    return labels_of(track.time_s, track.context, CONTEXTS, (track.sacrum_deg, track.upper_deg, track.flexion_deg))
