"""The end of a sensor's range: found by its repeated extreme, never in quantised motion, and not trusted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from body import RATE_HZ, Body
from broad import BROAD_11, Trial, angle_deg, trial
from seconds import wear
from streams import RECORDINGS

from analysis.validation.memory import prepared_of, replayed
from analysis.validation.synth import Script, make, person
from posture.config import Config
from posture.pipeline import Pipeline, SensorSpec
from posture.recording import open_recording
from posture.replay import run
from posture.signal.clipping import Clipped, Clipping, Part
from posture.signal.fusion import Fusion
from posture.signal.timebase import UP, Run, Timebase
from posture.types import G_MPS2, Bool, EventKind, Float, ImuBatch, ImuBlock

CONFIG = Config()
SHIPPED = sorted(p for p in RECORDINGS.glob("*.parquet") if not p.name.endswith(".truth.parquet"))
RECOVER_N = round(CONFIG.clipping.recover_s * RATE_HZ)


def run_of(acc_z: Float, gyr_y: Float | None = None) -> Run:
    n = len(acc_z)
    acc = np.stack([np.zeros(n), np.zeros(n), acc_z], axis=1)
    gyr = None if gyr_y is None else np.stack([np.zeros(n), gyr_y, np.zeros(n)], axis=1)
    return Run(0, True, acc, gyr, np.ones(n, dtype=np.bool_), np.arange(n) / RATE_HZ)


def marked(run_: Run) -> tuple[Bool, list[Clipped]]:
    stage = Clipping(RATE_HZ, CONFIG.clipping)
    (out,) = stage.push((run_,))
    return ~out.measured, stage.found()


def peaks(limit: float, size: float, n: int = 200) -> Float:
    """Four half waves of this height, cut at the limit."""
    return np.minimum(size * np.abs(np.sin(np.linspace(0, 4 * np.pi, n))), limit)


def found_in(block: ImuBlock, rate_hz: float) -> list[Clipped]:
    stage = Clipping(rate_hz, CONFIG.clipping)
    stage.push(Timebase(rate_hz, CONFIG.timebase).push(block))
    return stage.found()


def cut(tried: Trial, gyr_dps: float) -> ImuBlock:
    most = np.radians(gyr_dps)
    return replace(tried.block, gyr_radps=np.clip(tried.gyr, -most, most))


def test_the_third_sample_at_an_extreme_names_the_limit_and_from_then_on_every_one_counts() -> None:
    acc = peaks(1.5 * G_MPS2, 2.0 * G_MPS2)
    lost, (found,) = marked(run_of(acc))
    at_limit = np.flatnonzero(acc == 1.5 * G_MPS2)
    assert np.flatnonzero(lost).tolist() == at_limit[2:].tolist()
    assert (found.part, found.limit) == (Part.ACCELEROMETER, 1.5 * G_MPS2)
    assert found.seconds == pytest.approx((len(at_limit) - 2) / RATE_HZ)


def test_each_direction_of_an_axis_has_its_own_limit() -> None:
    """16 bits end at -32768 and +32767."""
    acc = np.concatenate([peaks(1.5 * G_MPS2, 2.0 * G_MPS2), -peaks(1.501 * G_MPS2, 2.0 * G_MPS2)])
    lost, _ = marked(run_of(acc))
    assert np.count_nonzero(lost) == np.count_nonzero((acc == 1.5 * G_MPS2) | (acc == -1.501 * G_MPS2)) - 4


def test_a_larger_sample_shows_that_a_limit_was_none_and_a_spike_does_not_hide_the_real_one() -> None:
    acc = np.concatenate([[1.3 * G_MPS2] * 3, [1.2 * G_MPS2, 9e30, 1.3 * G_MPS2], peaks(1.5 * G_MPS2, 2.0 * G_MPS2)])
    lost, (found,) = marked(run_of(acc))
    assert np.flatnonzero(lost)[0] == 2
    assert not lost[3:6].any(), "what is larger than the limit, or comes after it, is not at it"
    assert np.count_nonzero(lost[6:]) == np.count_nonzero(acc[6:] == 1.5 * G_MPS2) - 2
    assert found.limit == 1.5 * G_MPS2


def test_after_the_gyroscopes_limit_the_orientation_is_not_trusted_for_6_s() -> None:
    gyr = np.concatenate([np.radians(peaks(250.0, 300.0, 50)), np.zeros(400)])
    lost, (found,) = marked(run_of(np.full(len(gyr), G_MPS2), gyr))
    last = int(np.flatnonzero(gyr == np.radians(250.0))[-1])
    first = int(np.flatnonzero(lost)[0])
    assert lost[first : last + RECOVER_N + 1].all()
    assert not lost[last + RECOVER_N + 1 :].any()
    assert found.part is Part.GYROSCOPE
    assert np.degrees(found.limit) == pytest.approx(250.0)


@pytest.mark.parametrize("size_g", [1.0, 1.03, 1.12])
def test_rest_is_never_a_limit(size_g: float) -> None:
    """However long and however exactly it repeats: with 3 % of gain, and an offset on top."""
    lost, found = marked(run_of(np.full(2000, size_g * G_MPS2), np.full(2000, np.radians(15.0))))
    assert not lost.any()
    assert found == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_no_shipped_recording_is_at_a_limit(path: Path) -> None:
    """16 bits at 8 g and 1000 deg/s, as these have them, repeat an extreme twice but not three times."""
    recording = open_recording(path)
    for block in recording.window(0.0, np.inf):
        assert found_in(block, recording.info.rate_hz) == []


@pytest.mark.shared
def test_the_labelled_days_and_broad_are_at_no_limit(shared: Path) -> None:
    for path in sorted(shared.glob("data/days/day_*.parquet")):
        if not path.name.endswith("truth.parquet"):
            recording = open_recording(path)
            for block in recording.window(0.0, np.inf):
                assert found_in(block, recording.info.rate_hz) == []
    for path in sorted(shared.glob("data/fusion/broad_*.npz")):
        assert found_in(trial(path).block, trial(path).rate_hz) == []


def test_16_bits_at_4_g_and_500_dps_are_no_limit_in_fast_motion() -> None:
    """40 min of walking and bends of a simulated body, with a part's noise and steps."""
    script = Script(person(3))
    for _ in range(20):
        script.walk(120).bend("rounded", 90, 0.3)
    for signals in make(script).signals.values():
        assert found_in(signals.block(), 50.0) == []


def test_a_slow_trial_is_not_at_a_limit_and_cut_at_60_dps_nothing_is_claimed() -> None:
    """60 deg/s is no range that a part has: held there it would be a slow turn."""
    tried = trial(BROAD_11)
    assert found_in(tried.block, tried.rate_hz) == []
    assert found_in(cut(tried, 60.0), tried.rate_hz) == []


@pytest.mark.shared
def test_what_is_trusted_of_fast_motion_cut_at_250_dps_is_as_good_as_uncut(shared: Path) -> None:
    """BROAD, fast trials: where samples are cut the tilt is off by tens of degrees; what stays trusted is within 2 RMS."""
    trusted, doubted = [], []
    for name in ("broad_04", "broad_06", "broad_09", "broad_15", "broad_18"):
        (path,) = shared.glob(f"data/fusion/{name}_*.npz")
        tried = trial(path)
        runs = Clipping(tried.rate_hz, CONFIG.clipping).push(
            Timebase(tried.rate_hz, CONFIG.timebase).push(cut(tried, 250.0))
        )
        (said,) = Fusion(tried.rate_hz, CONFIG.fusion, CONFIG.timebase, has_gyro=True).push(runs)
        error = angle_deg(said.channels[:, UP], tried.up)
        trusted.append(error[tried.scored & said.trusted])
        doubted.append(error[tried.scored & ~said.trusted])
    assert np.sqrt(np.mean(np.concatenate(trusted) ** 2)) < 2.0
    assert np.sqrt(np.mean(np.concatenate(doubted) ** 2)) > 10.0


def clipped_bends() -> tuple[list[float], list[float], list[list[float]]]:
    """Confidence of the bends of the same body with a wide and a narrow gyroscope, and the valid shares of their seconds."""
    body = Body().hold(10)
    for _ in range(3):
        body.bend(30.0, 40.0, move_s=0.5, rest_s=12.0)
    calibration = wear()
    out = []
    for most in (np.inf, np.radians(110.0)):
        blocks = tuple(
            replace(b, gyr_radps=np.clip(b.gyr_radps, -most, most))  # type: ignore[type-var]
            for b in body.samples(tuple(calibration.sensors))
        )
        pipeline = Pipeline({b.placement: SensorSpec(RATE_HZ) for b in blocks}, calibration, CONFIG)
        outs = [pipeline.push(ImuBatch(blocks, body.now_s)), pipeline.flush()]
        bends = [e for o in outs for e in o.events if e.kind is EventKind.BEND]
        assert len(bends) == 3
        valid = np.concatenate([e.valid_fraction for o in outs for e in o.epochs])
        out.append(([e.confidence for e in bends], [valid[int(e.start_s) : int(e.end_s) + 1].mean() for e in bends]))
    return out[0][0], out[1][0], [out[0][1], out[1][1]]


def test_bends_on_clipped_samples_are_counted_with_less_confidence() -> None:
    sure, unsure, (valid, clipped) = clipped_bends()
    assert min(valid) == 1.0
    assert max(clipped) < 0.5
    assert all(b < a for a, b in zip(sure, unsure, strict=True))


def test_the_session_says_which_part_of_which_sensor_how_long_at_which_range_and_what_to_do() -> None:
    script = Script(person(4)).calibrate().walk(20).bend("rounded", 90).stand(20)
    said = replayed(make(script, faults=["saturated"]))
    notes = [n for n in said.session["notes"] if "range" in str(n)]  # type: ignore[union-attr]
    assert any(str(n).startswith("sacrum: the accelerometer was at the end of its range of 1.2 g for ") for n in notes)
    assert all(str(n).endswith("set a wider range.") for n in notes)
    clean = replayed(make(script))
    assert not [n for n in clean.session["notes"] if "range" in str(n)]  # type: ignore[union-attr]


def test_samples_that_came_twice_are_counted_in_words() -> None:
    prepared = prepared_of(make(Script(person(4)).calibrate().walk(20), faults=[("duplicated", 0.02)]))
    rows = prepared.recording.info.rows
    notes = run(prepared, prepared.recording.batches()).notes
    assert len(notes) == 2
    for note in notes:
        words, count = note.removesuffix(").").split(": ")[1].split(" (")
        assert words == "samples that came twice or too late were left out"
        assert 0.01 * rows < int(count) < 0.03 * rows
