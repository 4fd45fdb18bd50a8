"""Smoothing: against optical truth, whole or in windows, across gaps, and what a smoothed replay says and leaves as it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from broad import BROAD_11, Trial, angle_deg, trial
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import EXCERPT, POSES, rows_of

from posture.config import Config, FusionConfig, TimebaseConfig
from posture.recording import write_sample_file
from posture.replay import ReplayRequest, Result, calibration_json, prepare, records, run
from posture.signal import smoothing
from posture.signal.smoothing import SmoothedFilter
from posture.signal.timebase import Run, Timebase
from posture.types import EpochBlock, Float, ImuBlock, InputError, Placement, PostureError

PARAMS, GAPS = FusionConfig(), TimebaseConfig()
BIAS_RADPS = np.radians(10.0)


def runs_of(block: ImuBlock, rate_hz: float) -> tuple[Run, ...]:
    return Timebase(rate_hz, GAPS).push(block)


def filled(filter_: SmoothedFilter, runs: tuple[Run, ...]) -> tuple[Float, Float]:
    """Up and rate of all samples of the runs, (n, 3) each."""
    made = [filter_.update(r.acc_mps2, r.gyr_radps) for r in runs]
    return np.concatenate([up for up, _ in made]), np.concatenate([rate for _, rate in made])


def smoothed(block: ImuBlock, rate_hz: float, bias_radps: Float | None = None) -> tuple[Float, Float]:
    runs = runs_of(block, rate_hz)
    return filled(SmoothedFilter([block], rate_hz, PARAMS, GAPS, bias_radps=bias_radps), runs)


def rmse_deg(up: Float, true: Float, scored: Float) -> float:
    return float(np.sqrt((angle_deg(up, true)[scored] ** 2).mean()))


def error_deg(of: Trial, bias_radps: float = 0.0) -> float:
    up, _ = smoothed(biased(of.block, bias_radps), of.rate_hz)
    return rmse_deg(up, of.up, of.scored)


def biased(block: ImuBlock, bias_radps: float) -> ImuBlock:
    assert block.gyr_radps is not None
    return replace(block, gyr_radps=block.gyr_radps + bias_radps)


def test_inclination_of_a_real_recording_is_within_0_28_deg_of_the_optical_truth() -> None:
    """BROAD 11: 0.253 deg when this was written, with and without a bias of 10 deg/s; 0.413 causal."""
    assert error_deg(trial(BROAD_11)) <= 0.28
    assert error_deg(trial(BROAD_11), BIAS_RADPS) <= 0.28


@pytest.mark.shared
def test_mean_inclination_error_over_ten_broad_trials_is_within_0_49_deg(shared: Path) -> None:
    """0.479 deg when this was written, 0.754 causal."""
    trials = [trial(path) for path in sorted((shared / "data" / "fusion").glob("broad_*.npz"))]
    assert len(trials) == 10
    assert np.mean([error_deg(t) for t in trials]) <= 0.49


def test_windows_of_a_minute_change_less_than_0_03_deg(monkeypatch: pytest.MonkeyPatch) -> None:
    """BROAD 11 is shorter than one window: the whole trial at once against four windows. 0.013 deg at most on all ten."""
    broad = trial(BROAD_11)
    whole, _ = smoothed(broad.block, broad.rate_hz)
    monkeypatch.setattr(smoothing, "WINDOW_S", 60.0)
    parts, _ = smoothed(broad.block, broad.rate_hz)
    assert 0.0 < angle_deg(parts, whole)[broad.scored].max() < 0.03
    monkeypatch.setattr(smoothing, "MARGIN_S", 1.0)
    assert (
        angle_deg(smoothed(broad.block, broad.rate_hz)[0], whole)[broad.scored].max() > 0.1
    )  # the margin is what does it


def cut(block: ImuBlock, every_s: float, gap_s: float = 0.5) -> ImuBlock:
    """The block with a gap every so often, so long that the orientation restarts."""
    keep = np.mod(block.time_s, every_s) >= gap_s
    assert block.gyr_radps is not None
    return ImuBlock(
        block.placement, block.time_s[keep], block.acc_mps2[keep], block.gyr_radps[keep], block.arrived_s[keep]
    )


def test_the_bias_goes_on_from_one_stretch_to_the_next() -> None:
    """BROAD 11 in stretches of 9.5 s with a bias of 3 deg/s: 0.66 deg; each stretch by itself 3.8; causal 2.6."""
    broad = trial(BROAD_11)
    block = cut(biased(broad.block, np.radians(3.0)), 10.0)
    runs = runs_of(block, broad.rate_hz)
    at = np.concatenate([r.first_index + np.arange(len(r.acc_mps2)) for r in runs])
    first = round(block.time_s[0] * broad.rate_hz)
    true, scored = broad.up[first + at], broad.scored[first + at]
    assert len(runs) > 15
    assert rmse_deg(smoothed(block, broad.rate_hz)[0], true, scored) <= 0.8
    alone = [
        smoothed(rows_of(block, *np.searchsorted(block.time_s, [a - 0.1, a + 9.9])), broad.rate_hz)[0]
        for a in block.time_s[0] + np.array([r.first_index for r in runs]) / broad.rate_hz
    ]
    assert rmse_deg(np.concatenate(alone), true, scored) > 2.0


def test_a_calibrated_bias_is_where_it_starts() -> None:
    """Ten seconds are too few to learn a bias of 10 deg/s."""
    broad = trial(BROAD_11)
    part = rows_of(biased(broad.block, BIAS_RADPS), 3000, 3950)
    _, unknown = smoothed(part, broad.rate_hz)
    _, known = smoothed(part, broad.rate_hz, np.full(3, BIAS_RADPS))
    assert np.degrees(np.abs(unknown - broad.gyr[3000:3950]).mean()) > 1.0
    assert np.degrees(np.abs(known - broad.gyr[3000:3950]).mean()) < 0.2


@settings(max_examples=15)
@given(reader=st.lists(st.integers(1, 4000), min_size=1, max_size=6), caller=st.lists(st.integers(1, 4000), max_size=6))
def test_how_the_reader_and_the_pipeline_cut_the_samples_changes_no_bit(reader: list[int], caller: list[int]) -> None:
    broad = trial(BROAD_11)
    block = cut(rows_of(broad.block, 0, 6000), 20.0)
    expected = smoothed(block, broad.rate_hz)
    n = len(block.time_s)

    def pieces(sizes: list[int]) -> Iterator[ImuBlock]:
        edges = sorted({0, n, *(k % n for k in np.cumsum(sizes).tolist())})
        return (rows_of(block, a, b) for a, b in pairwise(edges))

    base = Timebase(broad.rate_hz, GAPS)
    runs = tuple(run for piece in pieces(caller) for run in base.push(piece))
    got = filled(SmoothedFilter(pieces(reader), broad.rate_hz, PARAMS, GAPS), runs)
    np.testing.assert_array_equal(np.hstack(got), np.hstack(expected))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_stretch_of_a_few_samples_has_an_orientation(n: int) -> None:
    broad = trial(BROAD_11)
    up, rate = smoothed(rows_of(broad.block, 100, 100 + n), broad.rate_hz)
    assert np.isfinite(np.hstack([up, rate])).all()
    np.testing.assert_allclose(np.linalg.norm(up, axis=1), 1.0)


def test_a_recording_that_got_shorter_meanwhile_is_refused_in_words() -> None:
    broad = trial(BROAD_11)
    filter_ = SmoothedFilter([rows_of(broad.block, 0, 500)], broad.rate_hz, PARAMS, GAPS)
    with pytest.raises(InputError, match="the recording changed while it was read"):
        filter_.update(broad.acc[:501], broad.gyr[:501])


def test_without_a_gyroscope_it_says_what_to_use() -> None:
    broad = trial(BROAD_11)
    block = replace(broad.block, gyr_radps=None)
    with pytest.raises(PostureError, match="smoothing needs a gyroscope"):
        SmoothedFilter([block], broad.rate_hz, PARAMS, GAPS).update(broad.acc, None)
    with pytest.raises(PostureError, match="smoothing needs a gyroscope"):
        SmoothedFilter([block], broad.rate_hz, PARAMS, GAPS).update(broad.acc, broad.gyr)


# -- a smoothed replay ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain() -> Result:
    made = prepare(ReplayRequest(EXCERPT, poses=POSES))
    return run(made, made.recording.batches())


@pytest.fixture(scope="module")
def smooth() -> Result:
    made = prepare(ReplayRequest(EXCERPT, poses=POSES, smooth=True))
    return run(made, made.recording.batches())


def test_the_alerts_of_a_smoothed_replay_are_those_of_a_live_run(plain: Result, smooth: Result) -> None:
    assert len(plain.alerts) > 3
    assert smooth.alerts == plain.alerts
    before, after = (np.concatenate([e.flexion_deg for e in r.epochs]) for r in (plain, smooth))
    assert 0.05 < np.nanmean(np.abs(after - before)) < 2.0  # and the angles are not


def test_a_smoothed_day_is_closer_to_its_truth(plain: Result, smooth: Result, repository: Path) -> None:
    """Median flexion of each second of the excerpt: 0.38 deg RMS smoothed, 0.46 causal, when this was written."""
    import pyarrow.parquet as pq

    truth = pq.read_table(repository / "recordings" / "day_excerpt.truth.parquet")
    second = np.asarray(truth["time_s"]).astype(int)
    flexion = np.asarray(truth["flexion_deg"], dtype=float)
    starts = np.flatnonzero(np.diff(second, prepend=-1))
    true = {
        int(second[a]): float(np.median(part)) for a, part in zip(starts, np.split(flexion, starts[1:]), strict=True)
    }

    def rms_deg(result: Result) -> float:
        epochs = EpochBlock.joined(result.epochs)
        off = epochs.flexion_deg - np.array([true.get(int(s), np.nan) for s in epochs.start_s])
        return float(np.sqrt(np.nanmean(off[180:] ** 2)))

    assert rms_deg(smooth) <= 0.45
    assert rms_deg(plain) > rms_deg(smooth) + 0.04


def test_a_smoothed_replay_does_not_depend_on_the_batches(smooth: Result) -> None:
    made = prepare(ReplayRequest(EXCERPT, poses=POSES, smooth=True))
    other = run(made, made.recording.batches(rows=7_001))
    a, b = (EpochBlock.joined(r.epochs) for r in (smooth, other))
    np.testing.assert_array_equal(a.flexion_deg, b.flexion_deg)
    np.testing.assert_array_equal(a.context_confidence, b.context_confidence)
    assert (smooth.events, smooth.alerts) == (other.events, other.alerts)


def test_the_session_says_that_it_is_smoothed(plain: Result, smooth: Result) -> None:
    for request, result, name in (
        (ReplayRequest(EXCERPT, poses=POSES), plain, "vqf"),
        (ReplayRequest(EXCERPT, poses=POSES, smooth=True), smooth, "vqf-offline"),
    ):
        session = json.loads(json.dumps(records(prepare(request), result).session))
        assert session["fusion"] == {"sacrum": name, "upper_lumbar": name}
        assert any("later samples" in note and "live" in note for note in session["notes"]) == request.smooth


def test_a_sensor_without_a_gyroscope_is_not_smoothed_and_it_says_so(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(EXCERPT)
    kept = {n: np.asarray(table[n])[:20_000] for n in table.column_names if not n.startswith("upper_lumbar_gyr")}
    write_sample_file(tmp_path / "day.parquet", kept)
    (tmp_path / "cal.json").write_text(calibration_json(prepare(ReplayRequest(EXCERPT, poses=POSES)).calibration))
    made = prepare(ReplayRequest(tmp_path / "day.parquet", calibration=tmp_path / "cal.json", smooth=True))
    said = records(made, run(made, made.recording.batches())).session
    assert said["fusion"] == {"sacrum": "vqf-offline", "upper_lumbar": "tilt"}
    assert isinstance(said["notes"], list)
    assert "upper lumbar: not smoothed, that needs a gyroscope." in said["notes"]


def test_without_vqf_smoothing_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vqf", None)  # what Python itself takes for "not there"
    with pytest.raises(InputError, match="--smooth needs the package vqf"):
        prepare(ReplayRequest(EXCERPT, poses=POSES, smooth=True))


def test_another_filter_and_smoothing_are_refused_in_words() -> None:
    config = Config(fusion=FusionConfig(filter="builtin"))
    with pytest.raises(InputError, match=r"fusion\.filter is 'builtin'; set it to 'auto'"):
        prepare(ReplayRequest(EXCERPT, poses=POSES, smooth=True, config=config))


def test_a_recording_is_read_for_one_of_its_sensors() -> None:
    recording = prepare(ReplayRequest(EXCERPT, poses=POSES)).recording
    one = recording.only(Placement.UPPER_LUMBAR)
    (alone,), (_, both) = one.window(10.0, 12.0), recording.window(10.0, 12.0)
    assert one.info.selected == (Placement.UPPER_LUMBAR,)
    np.testing.assert_array_equal(alone.acc_mps2, both.acc_mps2)
    with pytest.raises(InputError, match="not read for sacrum"):
        one.only(Placement.SACRUM)


def test_up_at_rest_is_the_direction_of_the_force() -> None:
    acc, gyr = np.tile([0.0, 3.0, 9.3], (500, 1)), np.zeros((500, 3))
    time_s = np.arange(500) / 50.0
    up, rate = smoothed(ImuBlock(Placement.SACRUM, time_s, acc, gyr, time_s), 50.0)
    assert angle_deg(up, acc[0] / np.linalg.norm(acc[0])).max() < 0.01
    assert np.degrees(np.abs(rate)).max() < 0.01
