"""Replay: what it needs, what it writes, and that a failed run leaves nothing behind."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from streams import EXCERPT, POSES

from analysis.inputs import load, read_epochs
from posture.config import Config
from posture.detect.finalise import finalised
from posture.outputs import AngleWriter, Staging
from posture.recording import write_sample_file
from posture.replay import (
    Prepared,
    ReplayRequest,
    Result,
    ahead,
    calibration_json,
    prepare,
    read_calibration,
    records,
    run,
    write_records,
)
from posture.types import CALIBRATION_SET, Context, EpochBlock, ImuBatch, InputError, Placement, Preset


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(ReplayRequest(EXCERPT, poses=POSES))


@pytest.fixture(scope="module")
def result(prepared: Prepared) -> Result:
    return run(prepared, prepared.recording.batches())


@pytest.fixture(scope="module")
def folder(prepared: Prepared, result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("replay")
    with Staging(out) as staging:
        write_records(staging.path, records(prepared, result), {"extra.txt": "hello"})
        staging.commit()
    return out


def test_there_is_one_epoch_for_every_second_gaps_included(folder: Path) -> None:
    start = read_epochs(folder / "epochs.parquet").start_s
    np.testing.assert_array_equal(start, np.arange(2750.0))


def test_epochs_hold_words_nullable_bools_and_floats(folder: Path) -> None:
    table = pq.read_table(folder / "epochs.parquet")
    assert str(table.schema.field("context").type) == "string"
    assert str(table.schema.field("flexed").type) == "bool"
    assert set(table["context"].to_pylist()) >= {"standing", "walking", "sitting", "lying", "gap"}
    flexed, context = table["flexed"].to_pylist(), table["context"].to_pylist()
    assert {f for f, c in zip(flexed, context, strict=True) if c != "sitting"} == {None}
    assert {f for f, c in zip(flexed, context, strict=True) if c == "sitting"} >= {True, False}


def test_what_is_written_reads_back_as_what_was_said(folder: Path, result: Result) -> None:
    day = load(folder)
    _, final = finalised(EpochBlock.joined(result.epochs), result.events)
    assert len(day.events) == len(final)
    assert [a.about_s for a in day.alerts] == [a.about_s for a in result.alerts]
    starts = [e.start_s for e in day.events]
    assert starts == sorted(starts)
    creep = np.concatenate([e.creep for e in result.epochs])
    np.testing.assert_array_equal(day.epochs.creep, creep)


def test_the_calibration_routine_is_a_set_that_daily_life_leaves_out(result: Result) -> None:
    routine = [e for e in result.events if e.start_s < 161 and e.kind == "bend"]
    assert len(routine) == 9
    assert {e.set_id for e in routine} == {CALIBRATION_SET}
    assert {e.set_id for e in result.events if e.start_s > 170 and not 1706 < e.start_s < 1738} == {None}
    assert min(a.about_s for a in result.alerts) > 170


def test_the_labelled_squats_of_the_excerpt_are_a_set_of_seven(result: Result) -> None:
    (one,) = [e for e in result.events if e.kind == "exercise_set"]
    assert (one.evidence["exercise"], one.evidence["reps"], one.evidence["first_failed_rep"]) == ("squat", 7, None)
    assert (one.start_s, one.end_s) == pytest.approx((1708.0, 1736.0), abs=1.5)


def test_the_session_says_what_a_replay_needs(folder: Path) -> None:
    session = json.loads((folder / "session.json").read_text())
    assert session["format"] == 1
    assert session["sensors"] == ["sacrum", "upper_lumbar"]
    assert session["zone"] == "Europe/London"
    assert session["calibration"]["poses"]["stand"]
    assert session["config"] == Config().as_json()


def test_a_written_calibration_gives_the_same_day_as_its_poses(
    folder: Path, tmp_path: Path, prepared: Prepared, result: Result
) -> None:
    (tmp_path / "cal.json").write_text(calibration_json(prepared.calibration))
    again = prepare(ReplayRequest(EXCERPT, calibration=tmp_path / "cal.json"))
    assert again.calibration.rom_deg == prepared.calibration.rom_deg
    other = run(again, again.recording.batches())
    for a, b in zip(result.epochs, other.epochs, strict=True):
        np.testing.assert_array_equal(a.flexion_deg, b.flexion_deg)
    assert read_calibration(folder / "calibration.json").rom_deg == prepared.calibration.rom_deg


def test_without_poses_it_calibrates_itself_says_so_and_judges_no_sitting() -> None:
    made = prepare(ReplayRequest(EXCERPT))
    assert made.calibration.source == "self"
    assert made.calibration.grade == "poor"
    assert any("Not calibrated" in note for note in made.notes)
    said = run(made, made.recording.batches())
    assert {int(f) for e in said.epochs for f in e.flexed} == {-1}
    assert [a for a in said.alerts if a.kind == "flexed_sitting"] == []


def test_a_file_without_a_clock_says_so_once(repository: Path) -> None:
    made = prepare(ReplayRequest(repository / "recordings" / "skdh_sit_to_stand.parquet"))
    assert made.start_utc is None
    assert sum("No start time" in note for note in made.notes) == 1
    dated = prepare(ReplayRequest(made.recording.info.path, start="2026-03-02T08:00:00", zone="Europe/Berlin"))
    assert dated.start_utc is not None
    assert dated.start_utc.isoformat() == "2026-03-02T07:00:00+00:00"
    assert not any("No start time" in note for note in dated.notes)


def test_a_start_without_a_zone_is_said_to_be_read_as_utc(repository: Path) -> None:
    recording = repository / "recordings" / "skdh_sit_to_stand.parquet"
    notes = prepare(ReplayRequest(recording, start="2026-03-02T08:00:00Z")).notes
    assert sum("No zone is known: times of day and days are those of UTC" in note for note in notes) == 1
    zoned = prepare(ReplayRequest(recording, start="2026-03-02T08:00:00Z", zone="Europe/Berlin"))
    assert not any("No zone" in note for note in zoned.notes)


@pytest.mark.parametrize("poses", [POSES, None], ids=["poses", "none"])
def test_a_calibration_is_dated_by_the_clock_that_the_replay_is_given(poses: Path | None) -> None:
    made = prepare(ReplayRequest(EXCERPT, poses=poses, start="2026-03-02T08:00:00", zone="Europe/Berlin")).calibration
    end_s = 161.08 if poses else 1800.0
    assert made.made_utc is not None
    assert (made.made_utc - datetime(2026, 3, 2, 7, 0, tzinfo=UTC)).total_seconds() == pytest.approx(end_s, abs=1.0)


def test_poses_and_a_calibration_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not both"):
        prepare(ReplayRequest(EXCERPT, poses=POSES, calibration=tmp_path / "any.json"))


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "cannot be read"), ("[]", "not a calibration"), ("{}", "not a calibration"), ('{"format": 9}', "format 9")],
)
def test_a_file_that_is_no_calibration_is_refused_in_words(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "cal.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_calibration(path)


def test_quiet_raises_nothing_but_sitting(prepared: Prepared) -> None:
    quiet = prepare(ReplayRequest(EXCERPT, poses=POSES, config=Config().with_preset(Preset.QUIET)))
    said = run(quiet, quiet.recording.batches())
    assert {str(a.kind) for a in said.alerts} == {"flexed_sitting"}


def test_angles_are_at_50_hz_and_agree_with_the_epochs(prepared: Prepared, tmp_path: Path) -> None:
    writer = AngleWriter(tmp_path / "angles.parquet", prepared.recording.info.selected)
    said = run(prepared, prepared.recording.batches(), angles=writer)
    writer.close()
    table = pq.read_table(tmp_path / "angles.parquet")
    time_s = np.asarray(table["time_s"])
    np.testing.assert_allclose(np.diff(time_s), 0.02, atol=1e-9)
    rows = (time_s >= 500) & (time_s < 501)
    epoch = np.concatenate([e.flexion_deg for e in said.epochs])[500]
    assert np.median(np.asarray(table["flexion_deg"])[rows]) == pytest.approx(epoch, abs=1e-4)


def test_one_of_two_sensors_can_be_chosen() -> None:
    made = prepare(ReplayRequest(EXCERPT, poses=POSES, sensors=(Placement.SACRUM,)))
    said = run(made, made.recording.batches())
    assert np.isnan(np.concatenate([e.flexion_deg for e in said.epochs])).all()
    assert not np.isnan(np.concatenate([e.slump_index_pct for e in said.epochs])).all()
    assert {str(e.basis) for e in said.events} == {"one"}


def silenced(table: pq.Table, silent: np.ndarray, prefix: str) -> dict[str, np.ndarray]:
    """The columns of a recording, NaN where `silent` in those that begin with `prefix`."""
    columns = {n: np.asarray(table[n], dtype=np.float64) for n in table.column_names}
    return {n: np.where(silent, np.nan, v) if n.startswith(prefix) and n != "time_s" else v for n, v in columns.items()}


@pytest.mark.parametrize("part", ["first", "last"])
def test_a_recording_that_begins_or_ends_without_samples_has_a_gap_there(part: str, tmp_path: Path) -> None:
    """Every second of the recording is a row, also those in which no sensor gave anything."""
    table = pq.read_table(EXCERPT)
    time_s = np.asarray(table["time_s"])
    columns = silenced(table, time_s < 700 if part == "first" else time_s >= 900, "")
    write_sample_file(tmp_path / "day.parquet", {n: v[time_s < 1000] for n, v in columns.items()})
    (tmp_path / "cal.json").write_text(calibration_json(prepare(ReplayRequest(EXCERPT, poses=POSES)).calibration))
    made = prepare(ReplayRequest(tmp_path / "day.parquet", calibration=tmp_path / "cal.json"))
    epochs = EpochBlock.joined(run(made, made.recording.batches()).epochs)
    np.testing.assert_array_equal(epochs.start_s, np.arange(1000.0))
    gap = epochs.context == Context.GAP
    expected = epochs.start_s < 700 if part == "first" else (epochs.start_s >= 900)
    expected |= (epochs.start_s >= 928) & (epochs.start_s < 942) & gap  # the excerpt has gaps of its own
    expected |= (epochs.start_s >= 320) & (epochs.start_s < 328) & gap
    np.testing.assert_array_equal(gap, expected)


def test_a_stuck_sensor_is_left_out_and_said(tmp_path: Path) -> None:
    table = pq.read_table(EXCERPT)
    stuck = np.asarray(table["time_s"]) >= 2000
    columns = {n: np.asarray(table[n], dtype=np.float64) for n in table.column_names}
    for name in columns:
        if name.startswith("upper"):
            columns[name] = np.where(stuck, columns[name][np.argmax(stuck)], columns[name])
    write_sample_file(tmp_path / "day.parquet", columns)
    made = prepare(ReplayRequest(tmp_path / "day.parquet", poses=POSES))
    result = run(made, made.recording.batches())
    notes = records(made, result).session["notes"]
    assert isinstance(notes, list)
    assert [n for n in notes if "stuck" in str(n)] == [n for n in notes if str(n).startswith("upper lumbar: 7")] != []
    epochs = EpochBlock.joined(result.epochs)
    assert np.isnan(epochs.flexion_deg[2035:]).all()
    assert not np.isnan(epochs.sacrum_inclination_deg[2035:2700]).any()


def test_progress_goes_from_little_to_all(prepared: Prepared) -> None:
    seen: list[float] = []
    run(prepared, prepared.recording.batches(rows=5000), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


# -- files whole or not at all -------------------------------------------------------------------------------------------


def test_a_failed_run_leaves_the_results_of_the_one_before(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def half_way() -> None:
        with Staging(tmp_path) as staging:
            (staging.path / "epochs.parquet").write_bytes(b"half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        half_way()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_the_session_is_put_in_place_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append(Path(to).name), replace(self, to))[1])
    with Staging(tmp_path) as staging:
        for name in ("session.json", "alerts.json", "summary.json"):
            (staging.path / name).write_text("{}")
        staging.commit()
    assert order == ["alerts.json", "summary.json", "session.json"]


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another --out"), Staging(tmp_path / "file" / "out"):
        pass


# -- reading ahead -------------------------------------------------------------------------------------------------------


def batches(n: int) -> Iterator[ImuBatch]:
    for k in range(n):
        yield ImuBatch((), float(k))


def test_reading_ahead_keeps_every_batch_in_order() -> None:
    assert [b.arrived_until_s for b in ahead(batches(50))] == list(range(50))


def test_an_error_while_reading_ahead_reaches_the_reader() -> None:
    def broken() -> Iterator[ImuBatch]:
        yield from batches(3)
        raise InputError("the file ends in the middle")

    reader = ahead(broken())
    assert [next(reader).arrived_until_s for _ in range(3)] == [0.0, 1.0, 2.0]
    with pytest.raises(InputError, match="in the middle"):
        next(reader)


def test_a_reader_that_stops_early_leaves_no_thread_behind() -> None:
    reader = ahead(batches(10_000))
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name == "recording reader"]
