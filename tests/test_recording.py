"""Sample files: what is read, what is refused and in which words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posture.recording import Recording, column_names, open_recording, parse_clock, read_poses, write_sample_file
from posture.recording.timescan import TimeScan
from posture.types import ImuBlock, InputError, Placement

SACRUM, UPPER = Placement.SACRUM, Placement.UPPER_LUMBAR
Columns = dict[str, np.ndarray]


def make(rows: int = 400, *, rate_hz: float = 50.0, placements: tuple[Placement, ...] = (SACRUM, UPPER)) -> Columns:
    rng = np.random.default_rng(rows)
    columns: Columns = {"time_s": np.arange(rows) / rate_hz}
    for placement in placements:
        for name, rest in zip(column_names(placement, "acc"), (0.0, 0.0, 9.81), strict=True):
            columns[name] = np.float32(rest) + rng.normal(0, 0.1, rows).astype(np.float32)
        for name in column_names(placement, "gyr"):
            columns[name] = rng.normal(0, 0.1, rows).astype(np.float32)
    return columns


def parquet(path: Path, columns: Columns, **keywords: object) -> Path:
    pq.write_table(pa.table(columns), path, **keywords)
    return path


def text(path: Path, columns: Columns, head: str = "") -> Path:
    rows = zip(*(c.tolist() for c in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join("" if v != v else repr(v) for v in row) for row in rows)]
    path.write_text(head + "\n".join(lines) + "\n")
    return path


def samples(recording: Recording, rows: int = 15_000) -> dict[Placement, ImuBlock]:
    blocks: dict[Placement, list[ImuBlock]] = {p: [] for p in recording.info.selected}
    for batch in recording.batches(rows):
        for block in batch.blocks:
            blocks[block.placement].append(block)
            assert batch.arrived_until_s == block.time_s[-1]
    return {p: joined(parts) for p, parts in blocks.items()}


def joined(parts: list[ImuBlock]) -> ImuBlock:
    gyr = [b.gyr_radps for b in parts if b.gyr_radps is not None]
    return ImuBlock(
        parts[0].placement,
        np.concatenate([b.time_s for b in parts]),
        np.concatenate([b.acc_mps2 for b in parts]),
        np.concatenate(gyr) if gyr else None,
        np.concatenate([b.arrived_s for b in parts]),
    )


def assert_same(a: ImuBlock, b: ImuBlock) -> None:
    for name in ("time_s", "acc_mps2", "gyr_radps", "arrived_s"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        action()
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def refused(path: Path, **keywords: object) -> str:
    return refusal(lambda: open_recording(path, **keywords))


# What is read


def test_a_file_gives_every_sample_as_float64_with_arrival_equal_to_time(tmp_path: Path) -> None:
    columns = make()
    recording = open_recording(parquet(tmp_path / "a.parquet", columns))
    got = samples(recording)
    assert recording.info.present == recording.info.selected == (SACRUM, UPPER)
    assert recording.info.has_gyro == {SACRUM: True, UPPER: True}
    assert (recording.info.rows, recording.info.first_s, recording.info.last_s) == (400, 0.0, 399 / 50)
    assert recording.info.notes == ()
    for placement, block in got.items():
        np.testing.assert_array_equal(block.time_s, columns["time_s"])
        np.testing.assert_array_equal(block.arrived_s, block.time_s)
        expected = np.stack([columns[n] for n in column_names(placement, "acc")], 1).astype(np.float64)
        np.testing.assert_array_equal(block.acc_mps2, expected)
        assert block.acc_mps2.dtype == np.float64
        assert block.acc_mps2.flags.c_contiguous
        assert block.gyr_radps is not None
        assert block.gyr_radps.shape == (400, 3)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.integers(1, 700), kind=st.sampled_from(["small groups", "one group", "csv"]))
def test_the_batch_size_does_not_change_the_samples(tmp_path: Path, rows: int, kind: str) -> None:
    columns = make(601)
    columns["time_s"][[0, 7, 600]] = np.nan
    columns["sacrum_acc_x_mps2"][100:130] = np.nan
    path = tmp_path / kind
    write = {"small groups": lambda: parquet(path, columns, row_group_size=97)}
    write |= {"one group": lambda: parquet(path, columns), "csv": lambda: text(path, columns)}
    write[kind]()
    recording = open_recording(path)
    parts = list(recording.batches(rows))
    assert all(1 <= len(b.blocks[0].time_s) <= rows for b in parts)
    whole = samples(recording)
    for placement, block in samples(recording, rows).items():
        assert_same(block, whole[placement])
        assert len(block.time_s) == recording.info.rows == 598


def test_csv_and_parquet_give_the_same_samples_and_facts(tmp_path: Path) -> None:
    columns = make(rate_hz=95.238)
    columns["upper_lumbar_acc_z_mps2"][5:9] = np.nan
    a = open_recording(parquet(tmp_path / "a.parquet", columns))
    b = open_recording(text(tmp_path / "b.csv", columns))
    for placement in (SACRUM, UPPER):
        assert_same(samples(a)[placement], samples(b)[placement])
    assert a.info.rate_hz == b.info.rate_hz
    assert a.info.has_gyro == b.info.has_gyro


def test_the_content_and_not_the_name_tells_the_format(tmp_path: Path) -> None:
    assert open_recording(parquet(tmp_path / "a.csv", make())).info.rows == 400
    assert open_recording(text(tmp_path / "a.dat", make())).info.rows == 400


def test_a_csv_from_a_spreadsheet_with_byte_order_mark_and_nameless_columns_is_read(tmp_path: Path) -> None:
    plain = text(tmp_path / "plain.csv", make(20)).read_text()
    lines = [line + (", notes ,," if i == 0 else ",ok,,") for i, line in enumerate(plain.splitlines())]
    path = tmp_path / "a.csv"
    path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    assert_same(samples(open_recording(path))[SACRUM], samples(open_recording(tmp_path / "plain.csv"))[SACRUM])


def test_only_the_requested_sensor_is_read(tmp_path: Path) -> None:
    recording = open_recording(parquet(tmp_path / "a.parquet", make()), sensors=[UPPER])
    assert recording.info.present == (SACRUM, UPPER)
    assert recording.info.selected == (UPPER,)
    assert list(samples(recording)) == [UPPER]


def test_infinite_values_are_no_samples_and_rows_without_a_time_are_left_out_and_counted(tmp_path: Path) -> None:
    columns = make()
    columns["sacrum_acc_y_mps2"][3] = np.inf
    columns["sacrum_gyr_y_radps"][4] = -np.inf
    columns["time_s"][[0, 10]] = np.nan, np.inf
    recording = open_recording(parquet(tmp_path / "a.parquet", columns))
    block = samples(recording)[SACRUM]
    assert recording.info.rows == len(block.time_s) == 398
    assert recording.info.first_s == pytest.approx(1 / 50)
    assert np.isnan(block.acc_mps2[2, 1])
    assert block.gyr_radps is not None
    assert np.isnan(block.gyr_radps[3, 1])
    assert np.isnan(block.acc_mps2).sum() == 1
    assert recording.info.notes == ("2 rows without a time left out.",)


@pytest.mark.parametrize("write", [parquet, text])
def test_a_sensor_that_died_for_a_while_gives_nan_in_its_rows(tmp_path: Path, write: Callable[..., Path]) -> None:
    columns = make()
    for name in column_names(SACRUM, "acc") + column_names(SACRUM, "gyr"):
        columns[name][50:90] = np.nan
    got = samples(open_recording(write(tmp_path / "a", columns)))
    assert np.isnan(got[SACRUM].acc_mps2[50:90]).all()
    assert np.isfinite(got[SACRUM].acc_mps2[90:]).all()
    assert np.isfinite(got[UPPER].acc_mps2).all()


@pytest.mark.parametrize("write", [parquet, text])
def test_a_sensor_without_any_sample_is_left_out_with_a_note(tmp_path: Path, write: Callable[..., Path]) -> None:
    columns = make()
    for name in column_names(UPPER, "acc"):
        columns[name][:] = np.nan
    path = write(tmp_path / "a", columns)
    recording = open_recording(path)
    assert recording.info.selected == (SACRUM,)
    assert recording.info.notes == ("upper lumbar: no samples in this file, left out.",)
    assert "upper lumbar" in refused(path, sensors=[SACRUM, UPPER])


@pytest.mark.parametrize("write", [parquet, text])
@pytest.mark.parametrize("how", ["absent", "all NaN"])
def test_a_sensor_without_gyroscope_is_read_as_accelerometer_alone(
    tmp_path: Path, write: Callable[..., Path], how: str
) -> None:
    columns = make()
    for name in column_names(UPPER, "gyr"):
        if how == "absent":
            del columns[name]
        else:
            columns[name][:] = np.nan
    recording = open_recording(write(tmp_path / "a", columns))
    assert recording.info.has_gyro == {SACRUM: True, UPPER: False}
    assert samples(recording)[UPPER].gyr_radps is None
    assert recording.info.notes == ("upper lumbar: accelerometer only, confidence is lower.",)


def test_a_parquet_column_of_nulls_is_a_sensor_that_is_not_there(tmp_path: Path) -> None:
    columns = make(placements=(SACRUM,))
    table = pa.table(columns)
    for name in column_names(UPPER, "acc"):
        table = table.append_column(name, pa.nulls(400))
    pq.write_table(table, tmp_path / "a.parquet")
    assert open_recording(tmp_path / "a.parquet").info.selected == (SACRUM,)


@pytest.mark.parametrize("write", [parquet, text])
def test_a_window_is_half_open_and_empty_where_nothing_was_recorded(tmp_path: Path, write: Callable[..., Path]) -> None:
    columns = {n: c[(np.arange(2000) < 500) | (np.arange(2000) >= 900)] for n, c in make(2000).items()}
    path = write(tmp_path / "a", columns, **({"row_group_size": 128} if write is parquet else {}))
    recording = open_recording(path)
    sacrum, upper = recording.window(9.0, 19.0)
    expected = columns["time_s"][(columns["time_s"] >= 9.0) & (columns["time_s"] < 19.0)]
    np.testing.assert_array_equal(sacrum.time_s, expected)
    assert upper.acc_mps2.shape == (len(expected), 3)
    for block in recording.window(11.0, 12.0):
        assert block.acc_mps2.shape == (0, 3)
        assert block.gyr_radps is not None
        assert block.gyr_radps.shape == (0, 3)


# Rate


@pytest.mark.parametrize("rate_hz", [4.0, 20.0, 50.0, 95.238, 104.0, 128.01, 200.0, 1000.0])
@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_the_rate_is_that_of_the_sensor_whatever_was_lost(rate_hz: float, loss: float) -> None:
    rng = np.random.default_rng(5)
    n = 20_000
    kept = np.repeat(rng.random(n // 5) >= loss, 5)
    kept[3000:6000] = False
    scan = TimeScan("it")
    for part in np.split((np.arange(n) / rate_hz)[kept], [100, 101, 9000]):
        scan.push(part)
    assert scan.rate_hz() == pytest.approx(rate_hz, rel=1e-6)


@pytest.mark.parametrize(("rate_hz", "digits"), [(95.238, 3), (104.0, 3), (50.0, 2), (60.0, 2), (200.0, 3)])
def test_rounded_times_do_not_bias_the_rate(rate_hz: float, digits: int) -> None:
    scan = TimeScan("it")
    scan.push(np.round(np.arange(50_000) / rate_hz, digits))
    assert scan.rate_hz() == pytest.approx(rate_hz, rel=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    rate_hz=st.floats(10, 200),
    jitter=st.floats(0, 0.2),
    loss=st.floats(0, 0.2),
    seed=st.integers(0, 1000),
    at=st.floats(0, 1),
)
def test_jitter_and_loss_together_leave_the_rate_within_a_thousandth(
    rate_hz: float, jitter: float, loss: float, seed: int, at: float
) -> None:
    rng = np.random.default_rng(seed)
    n = 5000
    time_s = np.arange(n) / rate_hz + np.clip(rng.normal(0, jitter, n), -0.49, 0.49) / rate_hz
    time_s = np.maximum.accumulate(time_s[rng.random(n) >= loss]).clip(0)
    scan = TimeScan("it")
    for part in np.split(time_s, [int(at * len(time_s))]):
        scan.push(part)
    assert scan.rate_hz() == pytest.approx(rate_hz, rel=0.001)


def test_a_slow_recording_is_read_with_a_note_on_what_it_cannot_give(tmp_path: Path) -> None:
    recording = open_recording(parquet(tmp_path / "a.parquet", make(rate_hz=10.0)))
    assert "without a verdict" in recording.info.notes[0]


# Clock


def test_the_clock_of_parquet_metadata_and_of_a_csv_comment_is_the_same(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.csv"):
        path = tmp_path / name
        write_sample_file(path, make(), start_utc="2026-03-02T09:00:00+01:00", zone="Europe/Berlin")
        info = open_recording(path).info
        assert (info.start_utc, info.zone) == (datetime(2026, 3, 2, 8, tzinfo=UTC), "Europe/Berlin")
    info = open_recording(text(tmp_path / "b.csv", make())).info
    assert (info.start_utc, info.zone) == (None, None)


@pytest.mark.parametrize(
    "comment",
    [
        "# start_utc=2026-03-02T08:00:00Z zone=Europe/Berlin\n",
        "#start_utc: 2026-03-02 08:00:00Z, zone: Europe/Berlin\r\n",
        "# made by a logger\n# Zone = 'Europe/Berlin'; start_utc = 2026-03-02T08:00:00+00:00\n",
        "# start_utc=2026-03-02T09:00 zone=Europe/Berlin\n",
    ],
)
def test_a_csv_comment_states_the_clock_in_any_of_these_ways(tmp_path: Path, comment: str) -> None:
    info = open_recording(text(tmp_path / "a.csv", make(), comment)).info
    assert (info.start_utc, info.zone, info.rows) == (datetime(2026, 3, 2, 8, tzinfo=UTC), "Europe/Berlin", 400)


@pytest.mark.parametrize(
    ("start", "zone", "words"),
    [
        ("yesterday", None, "ISO 8601"),
        ("2026-03-02T08:00:00", None, "no offset"),
        ("2026-03-02T08:00:00Z", "Berlin", "IANA"),
        (None, "../etc/passwd", "IANA"),
        (None, "Europe", "IANA"),
        ("2026-10-25T02:30:00", "Europe/Berlin", "comes twice"),
        ("2026-03-29T02:30:00", "Europe/Berlin", "skipped"),
        ("9999-12-31T23:59:00", "America/New_York", "years"),
        ("9999-12-31T23:59:00", "Europe/Berlin", "years"),
        ("0001-01-01T00:00:00", "Europe/Berlin", "years"),
        ("0001-01-01T00:00:00+10:00", None, "years"),
        ("2300-01-01T00:00:00Z", None, "years"),
    ],
)
def test_a_clock_that_says_nothing_certain_is_refused(start: str | None, zone: str | None, words: str) -> None:
    assert words in refusal(lambda: parse_clock(start, zone, where="a.csv"))


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_the_stated_origin_of_a_file_is_shown(tmp_path: Path, name: str) -> None:
    write_sample_file(tmp_path / name, make(), zone="Europe/Berlin", origin="simulated from motion capture")
    info = open_recording(tmp_path / name).info
    assert info.notes == ("Origin: simulated from motion capture.",)
    assert info.zone == "Europe/Berlin"


def test_a_wrong_clock_in_a_file_names_the_file(tmp_path: Path) -> None:
    assert "a.csv" in refused(text(tmp_path / "a.csv", make(), "# start_utc=soon\n"))


# What is refused


def test_files_that_are_no_recordings_are_refused_by_name(tmp_path: Path) -> None:
    for name, content in {"empty": b"", "junk": b"\x1f\x8b\0\0", "json": b'{"a"', "cut": b"PAR1 and no more"}.items():
        (tmp_path / name).write_bytes(content)
    assert "no file" in refused(tmp_path / "missing.parquet")
    assert "directory" in refused(tmp_path)
    assert "is empty" in refused(tmp_path / "empty")
    assert "neither Parquet nor CSV" in refused(tmp_path / "junk")
    assert "neither Parquet nor CSV" in refused(tmp_path / "json")
    assert "cut-off Parquet" in refused(tmp_path / "cut")


def test_a_parquet_file_damaged_in_the_middle_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", make(5000), compression="zstd")
    content = bytearray(path.read_bytes())
    content[40:2000] = bytes(1960)
    path.write_bytes(content)
    assert "damaged" in refused(path)


@pytest.mark.parametrize("write", [parquet, text])
@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_samples_are_refused(tmp_path: Path, write: Callable[..., Path], rows: int) -> None:
    message = refused(write(tmp_path / "a", {n: c[:rows] for n, c in make().items()}))
    assert "at least two are needed" in message
    assert ("no rows" if rows == 0 else "1 row ") in message


def test_missing_columns_are_named_beside_the_present_ones_that_look_like_them(tmp_path: Path) -> None:
    columns = {n.replace("_mps2", "").replace("sacrum_", ""): c for n, c in make(placements=(SACRUM,)).items()}
    message = refused(parquet(tmp_path / "a.parquet", columns))
    assert "lacks the columns" in message
    assert "_acc_x_mps2" in message
    assert "look like them: acc_x, acc_y, acc_z" in message
    assert "m/s^2" in message
    renamed = {("time" if n == "time_s" else n): c for n, c in make().items()}
    assert "lacks the column time_s (seconds from the start); these look like them: time;" in refused(
        parquet(tmp_path / "b.parquet", renamed)
    )
    assert "it has: a, b" in refused(text(tmp_path / "c.csv", {"a": np.zeros(3), "b": np.zeros(3)}))


def test_upper_lumbar_columns_in_another_unit_are_asked_for_as_upper_lumbar(tmp_path: Path) -> None:
    columns = {n.replace("mps2", "g"): c for n, c in make(placements=(UPPER,)).items() if "gyr" not in n}
    message = refused(parquet(tmp_path / "a.parquet", columns))
    assert "lacks the columns upper_lumbar_acc_x_mps2" in message
    assert "upper_lumbar_acc_x_g" in message


@pytest.mark.parametrize("missing", ["sacrum_acc_y_mps2", "sacrum_gyr_z_radps"])
def test_a_sensor_with_some_of_its_axes_is_refused(tmp_path: Path, missing: str) -> None:
    columns = make()
    columns[missing.removesuffix("_mps2").removesuffix("_radps")] = columns.pop(missing)
    message = refused(parquet(tmp_path / "a.parquet", columns))
    assert f"sacrum: {missing} missing; these look like them: {missing[:12]}" in message


def test_a_gyroscope_without_accelerometer_is_refused(tmp_path: Path) -> None:
    columns = {n: c for n, c in make().items() if not n.startswith("sacrum_acc")}
    assert "accelerometer of sacrum" in refused(parquet(tmp_path / "a.parquet", columns))


def test_a_sensor_that_the_file_does_not_have_is_refused_with_what_it_has(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", make(placements=(SACRUM,)))
    assert "has no upper_lumbar; it has sacrum" in refused(path, sensors=[UPPER])
    assert "No sensor" in refused(path, sensors=[])


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = text(tmp_path / "a.csv", make(5))
    path.write_text(path.read_text().replace("sacrum_acc_y_mps2", "sacrum_acc_x_mps2"))
    assert "sacrum_acc_x_mps2 twice" in refused(path)


@pytest.mark.parametrize("write", [parquet, text])
def test_time_that_goes_back_is_refused_with_the_row_and_both_times(tmp_path: Path, write: Callable[..., Path]) -> None:
    columns = make(100_000)
    columns["time_s"][70_000:] -= 3.0
    message = refused(write(tmp_path / "a", columns))
    assert "goes back at row 70001: 1399.98 s, then 1397 s" in message


def test_a_jump_of_more_than_two_days_is_refused_and_a_night_is_not(tmp_path: Path) -> None:
    columns = make()
    columns["time_s"][200:] += 9 * 3600.0
    assert open_recording(parquet(tmp_path / "a.parquet", columns)).info.rate_hz == pytest.approx(50)
    columns["time_s"][200:] += 48 * 3600.0
    message = refused(parquet(tmp_path / "b.parquet", columns))
    assert "jumps more than 48 h at row 201" in message
    assert "check the time column" in message


def test_times_of_day_or_of_the_epoch_are_refused(tmp_path: Path) -> None:
    columns = make()
    columns["time_s"] = columns["time_s"] + 1.77e9
    assert "start_utc" in refused(parquet(tmp_path / "a.parquet", columns))
    columns["time_s"] = np.arange(400) / 50 - 1.0
    assert "begins at time_s -1" in refused(parquet(tmp_path / "b.parquet", columns))


def test_milliseconds_in_the_time_column_are_refused_as_too_slow(tmp_path: Path) -> None:
    columns = make()
    columns["time_s"] = columns["time_s"] * 1000
    assert "0.05 samples a second" in refused(parquet(tmp_path / "a.parquet", columns))
    columns["time_s"] = columns["time_s"] / 1e6
    assert "5e+04 samples a second; check that time_s is in seconds" in refused(
        parquet(tmp_path / "b.parquet", columns)
    )


def test_the_arrival_times_of_packets_are_not_taken_for_sample_times(tmp_path: Path) -> None:
    columns = make()
    columns["time_s"] = np.repeat(columns["time_s"][::5], 5)
    assert "320 of 400 rows repeat" in refused(parquet(tmp_path / "a.parquet", columns))


def test_a_few_repeated_times_are_read_with_a_note(tmp_path: Path) -> None:
    columns = make()
    columns["time_s"][7] = columns["time_s"][6]
    assert open_recording(parquet(tmp_path / "a.parquet", columns)).info.notes == (
        "1 row with the time of the row before.",
    )


def test_text_among_the_numbers_is_refused_with_its_column_and_line(tmp_path: Path) -> None:
    path = text(tmp_path / "a.csv", make(20), "# zone=UTC\n")
    lines = path.read_text().splitlines()
    cells = lines[10].split(",")
    cells[2] = "oops"
    path.write_text("\n".join([*lines[:10], ",".join(cells), *lines[11:]]))
    message = refused(path)
    assert "The column sacrum_acc_y_mps2" in message
    assert "holds 'oops' in line 11" in message
    path.write_text("\n".join([*lines[:10], "1,2,3", *lines[11:]]))
    assert "has 3 values in line 11 under 13 column names" in refused(path)
    columns = make(5)
    columns["sacrum_gyr_x_radps"] = np.array(["a", "b", "c", "d", "e"])
    assert "sacrum_gyr_x_radps" in refused(parquet(tmp_path / "a.parquet", columns))


def test_semicolons_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text(tmp_path / "b.csv", make(5)).read_text().replace(",", ";"))
    assert "semicolons; save it with commas" in refused(path)


def standing(scale: float, bias_radps: float = 0.01) -> dict[str, np.ndarray]:
    """20 s of a body that stands: a little sway, the part's bias; the gyroscope times `scale`."""
    rng = np.random.default_rng(3)
    n = 1000
    time_s = np.arange(n) / 50.0
    sway = 0.02 * np.sin(2 * np.pi * 0.3 * time_s)
    columns = {"time_s": time_s}
    for axis, force in zip("xyz", (0.0, 0.0, 9.81), strict=True):
        columns[f"sacrum_acc_{axis}_mps2"] = force + 0.005 * rng.normal(size=n)
        columns[f"sacrum_gyr_{axis}_radps"] = scale * (sway + bias_radps + 0.002 * rng.normal(size=n))
    return columns


def test_a_gyroscope_in_degrees_is_refused(tmp_path: Path) -> None:
    assert "multiply it by pi / 180" in refused(parquet(tmp_path / "a.parquet", standing(180 / np.pi)))


@pytest.mark.parametrize("bias_dps", [0.0, 10.0])
def test_a_gyroscope_with_a_large_bias_is_not_taken_for_degrees(bias_dps: float, tmp_path: Path) -> None:
    assert open_recording(parquet(tmp_path / "a.parquet", standing(1.0, np.radians(bias_dps)))).info.rows == 1000


def test_an_accelerometer_in_g_is_refused(tmp_path: Path) -> None:
    columns = {n: (c / 9.81 if "acc" in n else c) for n, c in make().items()}
    assert "sacrum" in refused(parquet(tmp_path / "a.parquet", columns))
    assert "is g and not m/s^2" in refused(parquet(tmp_path / "a.parquet", columns))


# Poses


@pytest.fixture
def pose_file(tmp_path: Path) -> Callable[[object], object]:
    info = open_recording(parquet(tmp_path / "a.parquet", make(5000))).info

    def read(content: object) -> object:
        path = tmp_path / "poses.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return read_poses(path, info)

    return read


def test_poses_are_read_and_what_is_not_known_is_ignored(pose_file: Callable[[object], object]) -> None:
    content = {"poses": {"stand": [[0, 5], [20.5, 30]], "headstand": "x", "hinge": []}, "rom_deg": 50, "note": None}
    assert pose_file(content) == {"stand": [(0.0, 5.0), (20.5, 30.0)]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{oops", "is not JSON (line 1"),
        ("[1]", "has no poses"),
        ({"stand": [[0, 1]]}, "has no poses"),
        ({"poses": {"stand": {"from": 0}}}, "The pose stand"),
        ({"poses": {"stand": [0, 5]}}, "The pose stand in"),
        ({"poses": {"walk": [[0, "5"]]}}, "walk in"),
        ({"poses": {"walk": [[0, True]]}}, "[0, true]"),
        ('{"poses": {"walk": [[0, NaN]]}}', "[0, NaN]"),
        ({"poses": {"slump": [[0, 5], [9, 7]]}}, "slump"),
        ({"poses": {"slump": [[9, 7]]}}, "[9, 7] s, which ends before it starts"),
        ({"poses": {"slump": [[90, 101]]}}, "[90, 101] s, outside of the recording (0 to 99.98 s)"),
        ({"poses": {"slump": [[-5, 1]]}}, "outside of the recording"),
    ],
)
def test_poses_that_cannot_be_used_are_refused_in_one_sentence(
    pose_file: Callable[[object], object], content: object, words: str
) -> None:
    assert words in refusal(lambda: pose_file(content))


def test_a_missing_pose_file_is_refused(tmp_path: Path) -> None:
    info = open_recording(parquet(tmp_path / "a.parquet", make())).info
    assert "no file" in refusal(lambda: read_poses(tmp_path / "poses.json", info))
    assert "text file" in refusal(lambda: read_poses(tmp_path, info))


# Writing


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_what_is_written_is_read_back_as_float32(tmp_path: Path, name: str) -> None:
    columns = make(rate_hz=95.238)
    write_sample_file(tmp_path / name, columns)
    block = samples(open_recording(tmp_path / name))[UPPER]
    np.testing.assert_array_equal(block.time_s, columns["time_s"])
    expected = np.stack([columns[n] for n in column_names(UPPER, "acc")], 1)
    np.testing.assert_array_equal(block.acc_mps2.astype(np.float32), expected)


def test_a_file_that_is_there_is_replaced_only_when_told_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_sample_file(path, make(10))
    assert "is there already" in refusal(lambda: write_sample_file(path, make(20)))
    assert open_recording(path).info.rows == 10
    write_sample_file(path, make(20), overwrite=True)
    assert open_recording(path).info.rows == 20
    assert "time_s is missing" in refusal(lambda: write_sample_file(tmp_path / "b.parquet", {"a": [1.0]}))
    with pytest.raises(ValueError):
        write_sample_file(path, {"time_s": ["x"]}, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


# Cost

_MEASURE = """
import resource, sys
from pathlib import Path
import numpy, pyarrow.csv, pyarrow.parquet
from posture.recording import open_recording
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
recording = open_recording(Path(sys.argv[1]))
rows = sum(len(b.blocks[0].time_s) for b in recording.batches())
print(rows, peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is POSIX")
def test_a_day_of_two_sensors_is_read_in_less_than_150_mb(tmp_path: Path) -> None:
    rows = 24 * 3600 * 50
    columns = make(2**16)
    tiled = {n: np.resize(c, rows) for n, c in columns.items()}
    tiled["time_s"] = np.arange(rows) / 50
    path = parquet(tmp_path / "day.parquet", tiled, row_group_size=rows, compression="zstd")
    out = subprocess.run([sys.executable, "-c", _MEASURE, str(path)], check=True, capture_output=True, text=True).stdout
    read, peak_mb = out.split()
    assert int(read) == rows
    assert float(peak_mb) < 150


def test_importing_the_package_does_not_import_pyarrow() -> None:
    code = "import sys, posture.recording; sys.exit('pyarrow' in sys.modules or 'pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
