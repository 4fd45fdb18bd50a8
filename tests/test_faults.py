"""Bad input is marked or refused in a sentence, whatever goes wrong at once: never a crash, never half a result."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from analysis.validation.memory import calibrated, recording_of
from analysis.validation.score import Score, labelled_day, score_day
from analysis.validation.synth import FAULTS, Day, Track, make, person
from analysis.validation.synth.day import day
from analysis.validation.synth.faults import with_fault
from analysis.validation.weeks import truth_of
from posture.config import Config
from posture.recording import Recording, RecordingInfo
from posture.recording.timescan import step_s
from posture.replay import Prepared, Records, calibration_json, records, run
from posture.signal.calibrate import calibrate
from posture.signal.calibration import Calibration
from posture.signal.self_calibrate import self_calibrate
from posture.types import CONTEXT_NAMES, Float, InputError, Placement

Columns = dict[str, Float]
SLOW_OF = {4.0: (20.0, 5), 10.0: (20.0, 2), 20.0: (20.0, 1), 50.0: (50.0, 1), 100.0: (100.0, 1), 200.0: (200.0, 1)}
"""Rate, Hz -> rate of the generated day, and every how manieth row of it."""
WILD = st.one_of(
    st.floats(-50.0, 50.0),
    st.floats(-1e5, 1e5),
    st.floats(-1e30, 1e30),
    st.sampled_from([0.0, 1e30, -1e30, 1e154, 1e300, 1e-300]),
)
FAULT = st.sampled_from(list(FAULTS)).flatmap(
    lambda name: st.tuples(
        st.just(name), st.one_of(st.floats(0.2, 1.5).map(lambda k: k * FAULTS[name].value), st.floats(-3.0, 1e4))
    )
)
"""A fault with a value near its own, or any."""
EVERY = settings(max_examples=40, suppress_health_check=list(HealthCheck))


@cache
def sound(rate_hz: float) -> Day:
    return make(day(person(6), 0.15, rate_hz=rate_hz))


@cache
def known() -> Calibration:
    return calibrated(sound(50.0), Config())


def thinned(rate_hz: float, *, of: Day | None = None) -> Columns:
    """The day as a sensor of that rate would have it."""
    made_hz, every = SLOW_OF[rate_hz]
    return {name: values[::every].copy() for name, values in (of or sound(made_hz)).columns().items()}


def check_result(said: Records, info: RecordingInfo) -> None:
    """Every second once, known words, chances that are chances, events in order and inside, and JSON without a NaN."""
    epochs = said.epochs
    first, end = np.floor(info.first_s), np.floor(info.last_s) + 1.0
    if len(epochs) and epochs.start_s[-1] == end:  # the last sample belongs to an index in the next second
        end += 1.0
        assert info.last_s + 0.5 / info.rate_hz >= end - 1.0
    np.testing.assert_array_equal(epochs.start_s, np.arange(first, end))
    assert set(epochs.context.tolist()) <= set(range(len(CONTEXT_NAMES)))
    for share in (epochs.context_confidence, epochs.valid_fraction, epochs.creep):
        assert ((share >= 0.0) & (share <= 1.0)).all()
    assert set(epochs.flexed.tolist()) <= {-1, 0, 1}
    spans = [(float(e["start_s"]), float(e["end_s"])) for e in said.events]  # type: ignore[arg-type]
    assert spans == sorted(spans)
    assert all(first <= a < b <= end for a, b in spans)
    assert all(0.0 <= float(e["confidence"]) <= 1.0 for e in said.events)  # type: ignore[arg-type]
    for part in (said.events, said.alerts, said.session):
        json.dumps(part, allow_nan=False)
    json.loads(calibration_json(said.calibration), parse_constant=_no_constant)


def _no_constant(text: str) -> None:
    raise AssertionError(f"{text} in the calibration")


def check_words(error: InputError) -> None:
    """One sentence that a person can act on."""
    words = str(error)
    assert 20 < len(words) <= 300, words
    assert "\n" not in words
    assert not re.search(r"\bnan\b|\binf\b|Traceback|Error\b|array\(", words), words


def tried(columns: Mapping[str, Float], sensors: tuple[Placement, ...] | None = None) -> Records | InputError:
    """A whole, valid result or a sentence; anything else fails the test."""
    try:
        recording = recording_of(columns, sensors)
        info = recording.info
        calibration = known().for_sensors(info.selected)
        prepared = Prepared(recording, calibration, Config(), None, None, info.notes)
        said = records(prepared, run(prepared, recording.batches()))
    except InputError as error:
        check_words(error)
        return error
    check_result(said, info)
    return said


Damage = Callable[[Columns, np.random.Generator, float], None]
"""Spoils columns in place: with what is random, and one wild value."""


def span(n: int, rng: np.random.Generator) -> slice:
    a, b = sorted(rng.integers(0, n + 1, 2).tolist())
    return slice(a, b)


def some(columns: Columns, rng: np.random.Generator) -> list[str]:
    """One column, one part of a sensor, or all of one."""
    names = [n for n in columns if n != "time_s"]
    like = str(rng.choice(["one", "sacrum_acc", "upper_lumbar_acc", "upper_lumbar_gyr", "sacrum", "upper_lumbar"]))
    return [str(rng.choice(names))] if like == "one" else [n for n in names if n.startswith(like)]


def fill(value: float | None) -> Damage:
    def damage(columns: Columns, rng: np.random.Generator, wild: float) -> None:
        rows = span(len(columns["time_s"]), rng)
        for name in some(columns, rng):
            columns[name][rows] = wild if value is None else value

    return damage


def scattered(columns: Columns, rng: np.random.Generator, wild: float) -> None:
    rows = rng.random(len(columns["time_s"])) < 0.01
    for name in some(columns, rng):
        columns[name][rows] = wild


def swapped(columns: Columns, rng: np.random.Generator, _: float) -> None:
    a, b = (str(n) for n in rng.choice([n for n in columns if n != "time_s"], 2))
    columns[a], columns[b] = columns[b], columns[a]


def scaled(columns: Columns, rng: np.random.Generator, wild: float) -> None:
    for name in some(columns, rng):
        with np.errstate(over="ignore", invalid="ignore"):
            columns[name] *= wild


def gap(columns: Columns, rng: np.random.Generator, _: float) -> None:
    rows = np.ones(len(columns["time_s"]), dtype=np.bool_)
    rows[span(len(rows), rng)] = False
    for name in columns:
        columns[name] = columns[name][rows]


def missing(columns: Columns, rng: np.random.Generator, _: float) -> None:
    for name in some(columns, rng):
        del columns[name]


def jittered(columns: Columns, rng: np.random.Generator, _: float) -> None:
    n = len(columns["time_s"])
    columns["time_s"] = np.maximum.accumulate(np.maximum(0.0, columns["time_s"] + rng.normal(0, 0.02, n)))


def timeless(columns: Columns, rng: np.random.Generator, wild: float) -> None:
    columns["time_s"][rng.random(len(columns["time_s"])) < 0.02] = np.nan if rng.random() < 0.7 else wild


def later(columns: Columns, rng: np.random.Generator, _: float) -> None:
    columns["time_s"][span(len(columns["time_s"]), rng).start :] += float(rng.choice([0.3, 70.0, 4000.0, 2e5]))


DAMAGES: dict[str, Damage] = {
    "not a number": fill(np.nan),
    "infinite": fill(np.inf),
    "zero": fill(0.0),
    "constant": fill(None),
    "scattered": scattered,
    "swapped": swapped,
    "scaled": scaled,
    "gap": gap,
    "missing": missing,
    "jittered": jittered,
    "timeless": timeless,
    "later": later,
}


@pytest.mark.parametrize("wear", [(Placement.SACRUM,), (Placement.UPPER_LUMBAR,), None], ids=str)
@EVERY
@given(
    rate_hz=st.sampled_from(list(SLOW_OF)),
    faults=st.lists(FAULT, max_size=2),
    damages=st.lists(st.tuples(st.sampled_from(list(DAMAGES)), st.integers(0, 999), WILD), max_size=4),
    piece=st.tuples(st.integers(0, 400), st.one_of(st.integers(10, 120), st.floats(0.0, 3.0))),
)
def test_whatever_goes_wrong_is_a_whole_result_or_a_sentence(
    wear: tuple[Placement, ...] | None,
    rate_hz: float,
    faults: list[tuple[str, float]],
    damages: list[tuple[str, int, float]],
    piece: tuple[float, float],
) -> None:
    spoilt = sound(SLOW_OF[rate_hz][0])
    for name, value in faults:
        spoilt = with_fault(spoilt, name, value)
    columns = thinned(rate_hz, of=spoilt)
    rows = (columns["time_s"] >= piece[0]) & (columns["time_s"] < piece[0] + piece[1])
    columns = {name: values[rows] for name, values in columns.items()}
    for name, seed, wild in damages:
        if len(columns.get("time_s", ())):
            DAMAGES[name](columns, np.random.default_rng(seed), wild)
    said = tried(columns, wear)
    event("whole result" if isinstance(said, Records) else re.sub(r"[\d.]+", "#", str(said))[:70])


@EVERY
@given(
    faults=st.lists(FAULT, max_size=2),
    damages=st.lists(st.tuples(st.sampled_from(list(DAMAGES)), st.integers(0, 999), WILD), min_size=1, max_size=3),
)
def test_a_routine_that_faults_hit_is_a_calibration_or_a_sentence(
    faults: list[tuple[str, float]], damages: list[tuple[str, int, float]]
) -> None:
    made = sound(50.0)
    for name, value in faults:
        made = with_fault(made, name, value)
    columns = thinned(50.0, of=made)
    rows = columns["time_s"] < made.track.calibration_end_s + 5.0
    columns = {name: values[rows] for name, values in columns.items()}
    for name, seed, wild in damages:
        if len(columns.get("time_s", ())):
            DAMAGES[name](columns, np.random.default_rng(seed), wild)
    for own in (False, True):
        try:
            recording = recording_of(columns)
            found = routine(recording, made.track, own=own)
            prepared = Prepared(recording, found, Config(), None, None, recording.info.notes)
            check_result(records(prepared, run(prepared, recording.batches())), recording.info)
        except InputError as error:
            check_words(error)


def routine(recording: Recording, track: Track, *, own: bool = False) -> Calibration:
    """From the poses, or from what the recording shows of itself."""
    info = recording.info
    blocks = recording.window(info.first_s, info.last_s)
    rates = dict.fromkeys(info.selected, info.rate_hz)
    return self_calibrate(blocks, rates, Config()) if own else calibrate(blocks, rates, track.poses, Config())


# What these found, each once


def zeroed(pose: str) -> tuple[Columns, Track]:
    """The routine with all zeros from the sacrum in this pose."""
    columns, track = thinned(50.0), sound(50.0).track
    for from_s, to_s in track.poses[pose]:
        rows = (columns["time_s"] >= from_s - 2.0) & (columns["time_s"] < to_s + 2.0)
        for name in columns:
            if name.startswith("sacrum"):
                columns[name][rows] = 0.0
    return columns, track


def test_a_stand_that_shows_no_gravity_is_refused() -> None:
    columns, track = zeroed("stand")
    with pytest.raises(
        InputError, match=r"the pose `stand` shows 0 m/s\^2 at the sacrum where a still sensor shows 9.8"
    ):
        routine(recording_of(columns), track)


def test_a_seated_pose_that_shows_no_gravity_is_left_out_and_named() -> None:
    columns, track = zeroed("slump")
    found = routine(recording_of(columns), track)
    assert np.isnan(found.sensors[Placement.SACRUM].slump_deg)
    assert "sacrum: the pose `slump` does not show gravity and is left out; record it again" in found.reasons


def test_a_sensor_that_shows_no_gravity_has_no_upright_to_find() -> None:
    """Force of 1e-308 m/s^2: its size is zero, its direction is not."""
    columns, track = thinned(50.0), sound(50.0).track
    for name in columns:
        if "acc" in name:
            columns[name] *= 1e-308
    with pytest.raises(InputError, match="no upright moment"):
        routine(recording_of(columns), track, own=True)


def test_a_calibration_walk_without_a_bounce_leaves_walking_to_the_default() -> None:
    columns, track = zeroed("walk")
    found = routine(recording_of(columns), track)
    assert np.isnan(found.sensors[Placement.SACRUM].gait_mps2)
    assert found.sensors[Placement.UPPER_LUMBAR].gait_mps2 > 0.5


@pytest.mark.parametrize("value", [1.1e5, -1e30, 1e154, 1e308])
def test_a_value_that_no_sensor_gives_is_no_sample(value: float) -> None:
    """1e154 squared is infinite, and stopped the check of the unit."""
    columns = thinned(50.0)
    columns["sacrum_acc_x_mps2"][1000:1010] = value
    columns["upper_lumbar_gyr_z_radps"][2000:2010] = value
    sacrum, upper = recording_of(columns).window(0.0, 60.0)
    assert np.isnan(sacrum.acc_mps2[1000:1010, 0]).all()
    assert upper.gyr_radps is not None
    assert np.isnan(upper.gyr_radps[2000:2010, 2]).all()


def test_three_rows_with_a_long_hole_have_a_rate() -> None:
    """Between two steps that differ this much, none is near the middle."""
    assert step_s(np.array([0.0, 0.25, 70.5])) == pytest.approx(0.25)


# One thing wrong, for an hour


@cache
def hour(rate_hz: float) -> Day:
    return make(day(person(12), 1.0, rate_hz=rate_hz))


def said_of(made: Day, columns: Columns) -> tuple[Records, Score]:
    """Calibrated by its own routine, replayed and scored."""
    recording, track = recording_of(columns), made.track
    prepared = Prepared(recording, routine(recording, track), Config(), None, None, recording.info.notes)
    said = records(prepared, run(prepared, recording.batches()))
    check_result(said, recording.info)
    start_s, rom_deg = track.calibration_end_s, made.who.rom_deg
    day = labelled_day(said.epochs, said.events, truth_of(track), track.events, start_s=start_s, rom_deg=rom_deg)
    return said, score_day(day)


def test_an_accelerometer_3_percent_high_changes_no_event_of_an_hour() -> None:
    made = hour(50.0)
    (plain, _), (high, score) = (said_of(d, d.columns()) for d in (made, with_fault(made, "gain", 1.03)))
    kinds = [Counter((e["kind"], e["verdict"]) for e in said.events) for said in (plain, high)]
    assert kinds[0] == kinds[1]
    assert kinds[0].total() > 40
    assert score.flexion_rmse_deg < 0.6


@pytest.mark.parametrize(("rate_hz", "least"), [(4.0, 0.98), (10.0, 0.99), (20.0, 0.99)])
def test_an_accelerometer_alone_at_any_rate_tells_context_and_says_what_it_cannot(rate_hz: float, least: float) -> None:
    """Simulated, an hour. Measured: context 0.996 at 4 Hz, 1.000 at 10 and 20; flexion within 0.5 deg RMS; every bend counted."""
    made = hour(20.0)
    columns = {n: v[:: SLOW_OF[rate_hz][1]] for n, v in made.columns().items() if "gyr" not in n}
    said, score = said_of(made, columns)
    assert score.context_balanced > least
    assert score.flexion_rmse_deg < 1.0
    assert score.bend_recall > 0.9
    notes = " ".join(str(n) for n in said.session["notes"] or ())  # type: ignore[union-attr]
    assert notes.count("accelerometer only, confidence is lower") == 2
    assert max(float(e["confidence"]) for e in said.events if e["kind"] == "bend") <= 0.8  # type: ignore[arg-type]
    verdicts = {e["verdict"] for e in said.events if e["kind"] not in ("gap", "non_wear")}
    assert "flexed_sitting" in {e["kind"] for e in said.events}
    slow = rate_hz < Config().trust.verdict_rate_min_hz
    assert ("leans and sitting are counted without a verdict" in notes) == slow
    assert (verdicts == {"unknown"}) == slow


@pytest.mark.parametrize(("fault", "told"), [("dead", 1), ("nan_rows", 0)])
def test_a_sensor_that_falls_silent_half_way_is_said_and_single_lost_samples_are_not(fault: str, told: int) -> None:
    said = tried(with_fault(sound(50.0), fault).columns())
    assert isinstance(said, Records)
    notes = [n for n in said.session["notes"] if "what needs both was not judged" in str(n)]  # type: ignore[union-attr]
    assert len(notes) == told
    assert all(str(n).startswith("upper lumbar: no angle for ") for n in notes)
