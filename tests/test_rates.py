"""Recordings whose sampling rate changes: where, what must not be taken for it, and what a replay makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from body import RATE_HZ, Body
from hypothesis import given, settings
from hypothesis import strategies as st
from seconds import wear

from posture.recording import Recording, column_names, open_recording
from posture.recording.timescan import TimeScan
from posture.replay import ReplayRequest, calibration_json, prepare, records, run
from posture.types import Float, InputError, Verdict

BOTH = wear()


def times(parts: Sequence[tuple[float, float]], *, loss: float = 0.0, jitter: float = 0.0, seed: int = 0) -> Float:
    """Times of stretches (rate Hz, length s), one after the other, with rows lost at random and times off by some of a step."""
    rng = np.random.default_rng(seed)
    found, first_s = [], 0.0
    for rate_hz, length_s in parts:
        n = round(rate_hz * length_s)
        exact = first_s + np.arange(n) / rate_hz
        off = np.clip(rng.normal(0.0, jitter, n), -0.45, 0.45) / rate_hz if jitter else 0.0
        found.append((exact + off)[rng.random(n) >= loss])
        first_s += n / rate_hz
    return np.maximum.accumulate(np.maximum(np.concatenate(found), 0.0))


def stretches(time_s: Float, piece: int = 65_536) -> list[tuple[float, float]]:
    scan = TimeScan("a.parquet")
    for a in range(0, len(time_s), piece):
        scan.push(time_s[a : a + piece])
    return scan.stretches()


CHANGING = [(100.0, 300.0), (52.0, 200.0), (25.0, 300.0), (10.0, 200.0), (4.0, 200.0), (200.0, 100.0)]


@pytest.mark.parametrize(("loss", "jitter"), [(0.0, 0.0), (0.05, 0.0), (0.3, 0.0), (0.0, 0.2), (0.05, 0.2)])
def test_every_rate_is_found_and_where_it_begins(loss: float, jitter: float) -> None:
    found = stretches(times(CHANGING, loss=loss, jitter=jitter))
    assert [hz for _, hz in found] == pytest.approx([hz for hz, _ in CHANGING], rel=0.002)
    starts = np.cumsum([0.0, *(length_s for _, length_s in CHANGING[:-1])])
    slower = np.array([min(a, b) for (a, _), (b, _) in zip(CHANGING[:1] + CHANGING, CHANGING, strict=False)])
    # On the row itself where nothing is lost or off; a few rows of the slower rate beside it where much is.
    rows = 1.5 if not loss and not jitter else 25.0 if loss == 0.3 else 6.0
    assert np.all(np.abs([at for at, _ in found] - starts) <= rows / slower)


@pytest.mark.parametrize(("loss", "jitter"), [(0.0, 0.25), (0.1, 0.2), (0.3, 0.1), (0.5, 0.0), (0.7, 0.0)])
@pytest.mark.parametrize("rate_hz", [10.0, 50.0, 95.238, 104.0])
def test_lost_rows_and_jitter_are_no_change_of_rate(rate_hz: float, loss: float, jitter: float) -> None:
    """Ten minutes as they should be, ten minutes of a bad link, ten minutes as they should be."""
    rng = np.random.default_rng(3)
    time_s = np.arange(round(1800 * rate_hz)) / rate_hz
    bad = (time_s > 600) & (time_s < 1200)
    off = np.where(bad, np.clip(rng.normal(0.0, jitter, len(time_s)), -0.45, 0.45) / rate_hz, 0.0)
    kept = ~bad | (rng.random(len(time_s)) >= loss)
    found = stretches(np.maximum.accumulate((time_s + off)[kept]))
    assert len(found) == 1
    assert found[0][1] == pytest.approx(rate_hz, rel=0.002)


@pytest.mark.parametrize(("rate_hz", "digits"), [(60.0, 2), (66.6667, 2), (95.238, 2), (104.0, 3), (52.0, 2)])
def test_rounded_times_are_no_change_of_rate(rate_hz: float, digits: int) -> None:
    assert len(stretches(np.round(np.arange(round(1800 * rate_hz)) / rate_hz, digits))) == 1


def test_a_hole_is_no_change_of_rate() -> None:
    time_s = times([(50.0, 1200.0)])
    assert stretches(time_s[(time_s < 300) | (time_s > 777.7)]) == [(0.0, 50.0)]


def test_a_change_of_9_percent_is_seen_in_times_of_a_millisecond() -> None:
    found = stretches(np.round(times([(104.0, 600.0), (95.238, 600.0)]), 3))
    assert [hz for _, hz in found] == pytest.approx([104.0, 95.238], rel=1e-4)


@pytest.mark.parametrize(("length_s", "counts"), [(9.0, False), (20.0, False), (40.0, True), (47.0, True)])
@pytest.mark.parametrize("where", ["start", "middle"])
def test_a_stretch_counts_from_40_s_on_and_never_up_to_20_s(length_s: float, counts: bool, where: str) -> None:
    parts = (
        [(100.0, length_s), (50.0, 300.0)] if where == "start" else [(50.0, 303.0), (100.0, length_s), (50.0, 300.0)]
    )
    whole = [hz for hz, _ in parts]
    assert [hz for _, hz in stretches(times(parts))] == pytest.approx(whole if counts else [50.0])


@settings(max_examples=25)
@given(piece=st.integers(1, 40_000), seed=st.integers(0, 5))
def test_the_pieces_in_which_the_times_come_do_not_matter(piece: int, seed: int) -> None:
    time_s = times([(50.0, 100.0), (25.0, 65.0), (104.0, 100.0)], loss=0.05, jitter=0.1, seed=seed)
    assert stretches(time_s, max(piece, 40)) == stretches(time_s)


def recording(folder: Path, body: Body, rates: Sequence[tuple[float, int]]) -> Path:
    """A body as a file: from each time on every n-th sample."""
    sacrum, upper = body.samples(tuple(BOTH.sensors))
    rows = np.arange(len(sacrum.time_s))
    kept = np.zeros(len(rows), dtype=bool)
    for k, (from_s, every) in enumerate(rates):
        to_s = rates[k + 1][0] if k + 1 < len(rates) else np.inf
        kept |= (sacrum.time_s >= from_s) & (sacrum.time_s < to_s) & (rows % every == 0)
    columns = {"time_s": sacrum.time_s[kept]}
    for block in (sacrum, upper):
        for part, values in (("acc", block.acc_mps2), ("gyr", block.gyr_radps)):
            assert values is not None
            columns |= dict(zip(column_names(block.placement, part), values[kept].T, strict=True))
    path = folder / "a.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def bends(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, ReplayRequest]:
    """Two rounded bends in each minute: at 50 Hz, at 10 Hz, at 25 Hz."""
    folder = tmp_path_factory.mktemp("rates")
    body = Body()
    for k in range(3):
        body.hold(60.0 * k + 20.0 - body.now_s).bend(40, 40).bend(40, 40)
        body.hold(60.0 * (k + 1) - body.now_s)
    path = recording(folder, body, [(0.0, 1), (60.0, 5), (120.0, 2)])
    saved = folder / "calibration.json"
    saved.write_text(calibration_json(BOTH))
    request = ReplayRequest(path, calibration=saved)
    return open_recording(path), request


def test_a_recording_says_its_segments_and_its_blocks_say_theirs(bends: tuple[Recording, ReplayRequest]) -> None:
    found, _ = bends
    assert RATE_HZ == 50.0
    assert [(s.first_s, s.segment.number, s.segment.rate_hz) for s in found.info.segments] == [
        (0.0, 0, 50.0),
        (60.0, 1, 10.0),
        (120.0, 2, 25.0),
    ]
    assert "50 from 0:00:00, 10 from 0:01:00, 25 from 0:02:00" in " ".join(found.info.notes)
    assert "At 10 samples a second: leans and sitting are counted without a verdict" in " ".join(found.info.notes)
    for rows in (1, 999, 15_000):
        seen: dict[int, list[Float]] = {}
        for batch in found.batches(rows):
            for block in batch.blocks:
                assert block.segment is not None
                seen.setdefault(block.segment.number, []).append(block.time_s)
        spans = [(float(t[0][0]), float(t[-1][-1])) for t in seen.values()]
        assert spans == [(0.0, pytest.approx(59.98)), (60.0, pytest.approx(119.9)), (120.0, pytest.approx(179.96))]


def test_a_replay_judges_each_part_by_its_own_rate_and_session_json_lists_them(
    bends: tuple[Recording, ReplayRequest],
) -> None:
    prepared = prepare(bends[1])
    made = records(prepared, run(prepared, prepared.recording.batches()))
    verdicts = [e["verdict"] for e in made.events if e["kind"] == "bend"]
    assert verdicts == [Verdict.ROUNDED] * 2 + [Verdict.UNKNOWN] * 2 + [Verdict.ROUNDED] * 2
    assert json.loads(json.dumps(made.session["segments"])) == [
        {"first_s": 0.0, "rate_hz": 50.0},
        {"first_s": 60.0, "rate_hz": 10.0},
        {"first_s": 120.0, "rate_hz": 25.0},
    ]
    again = records(prepared, run(prepared, prepared.recording.batches(777)))
    assert (again.events, again.alerts) == (made.events, made.alerts)


def test_smoothing_follows_the_rates_too(bends: tuple[Recording, ReplayRequest]) -> None:
    prepared = prepare(replace(bends[1], smooth=True))
    made = records(prepared, run(prepared, prepared.recording.batches()))
    found = [(e["verdict"], e["peak_deg"]) for e in made.events if e["kind"] == "bend"]
    assert [verdict for verdict, _ in found] == [Verdict.ROUNDED] * 2 + [Verdict.UNKNOWN] * 2 + [Verdict.ROUNDED] * 2
    assert [peak_deg for _, peak_deg in found] == pytest.approx([80.0] * 6, abs=3.0)


def test_a_window_over_a_change_of_rate_is_refused_with_its_moment(bends: tuple[Recording, ReplayRequest]) -> None:
    found, _ = bends
    assert len(found.window(70.0, 80.0)[0].time_s) == 100
    with pytest.raises(InputError, match=r"changes from 50 to 10 Hz at 60\.0 s"):
        found.window(50.0, 80.0)
