"""The command line: exit codes, one clear line for everything that is wrong, and results that are whole or not there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from analysis.inputs import NOT_MEDICAL, RED_FLAGS
from posture import __version__
from posture.app.cli import app
from posture.app.exits import run
from posture.app.places import acknowledgements
from posture.types import CONTEXT_NAMES, EpochBlock, EventKind, Verdict

REPOSITORY = Path(__file__).resolve().parent.parent
RECORDINGS = REPOSITORY / "recordings"
DAY, POSES = RECORDINGS / "day_excerpt.parquet", RECORDINGS / "day_excerpt.poses.json"
FILES = ["alerts.json", "calibration.json", "epochs.parquet", "events.json", "session.json", "summary.json"]
COMMANDS = (
    "demo",
    "setup",
    "scan",
    "pair",
    "sensors",
    "doctor",
    "run",
    "status",
    "snooze",
    "pause",
    "resume",
    "wrong",
    "replay",
    "whatif",
    "report",
    "trend",
    "calibrate",
    "validate",
    "programme",
    "virtual-sensor",
    "about",
)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def posture(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    """Run a command line in this process: what `main` does, without its cost of starting."""
    monkeypatch.setenv("POSTURE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str | Path) -> Done:
        code = run(app, [str(a) for a in arguments])
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return call


def process(*arguments: str | Path, home: Path, code: str | None = None) -> subprocess.Popen[str]:
    """The same in a process of its own. code : Python to run instead of the `posture` command."""
    begin = ["-c", code] if code else ["-m", "posture.app.cli"]
    return subprocess.Popen(
        [sys.executable, *begin, *(str(a) for a in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        env={**os.environ, "POSTURE_HOME": str(home), "PYTHONPATH": str(REPOSITORY), "COLUMNS": "100"},
    )


def table_of(path: Path, *, until_s: float | None = None) -> dict[str, np.ndarray]:
    table = pq.read_table(path)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    keep = slice(None) if until_s is None else columns["time_s"] < until_s
    return {name: values[keep] for name, values in columns.items()}


def write(path: Path, columns: Mapping[str, np.ndarray]) -> Path:
    pq.write_table(pa.table(dict(columns)), path)
    return path


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 200 s of the day, calibration poses included: a replay of it takes a third of a second."""
    return write(tmp_path_factory.mktemp("short") / "short.parquet", table_of(DAY, until_s=200.0))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The day's desk work again and again, ten hours of it: long enough to be stopped in the middle."""
    whole = table_of(DAY)
    length_s = float(whole["time_s"][-1]) + 0.02
    parts = [{**whole, "time_s": whole["time_s"] + k * length_s} for k in range(14)]
    path = tmp_path_factory.mktemp("long") / "long.parquet"
    return write(path, {n: np.concatenate([p[n] for p in parts]) for n in whole})


@pytest.fixture(scope="module")
def results(short: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of finished replays of the short day: `max` and, with the live source, `fast`; both with angles."""
    base = tmp_path_factory.mktemp("results")
    begin = ["replay", short, "--poses", POSES, "--angles"]
    runs = [process(*begin, "--out", base / n, "--speed", s, home=base) for n, s in (("max", "max"), ("fast", "1000"))]
    for done in runs:
        out, err = done.communicate(timeout=60)
        assert (done.returncode, err) == (0, "")
        assert "Written to" in out
    return base


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# Wrong input: exit 2, one line, nothing written


def refused(done: Done, *parts: str) -> None:
    assert done.code == 2, done
    assert done.out == ""
    assert re.fullmatch(r"posture[^\n]*\n", done.err), done.err
    assert "Traceback" not in done.err
    for part in parts:
        assert part in done.err


def renamed(columns: Mapping[str, np.ndarray], change: Callable[[str], str]) -> dict[str, np.ndarray]:
    return {change(name): values for name, values in columns.items()}


def bad_recording(kind: str, short: Path, folder: Path) -> Path:
    """One way in which a recording cannot be used."""
    columns = table_of(short)
    path = folder / f"{kind}.parquet"
    if kind == "missing":
        return path
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "directory":
        path.mkdir()
    elif kind == "cut off":
        path.write_bytes(short.read_bytes()[:20_000])
    elif kind == "wrong columns":
        write(path, renamed(columns, lambda n: n.replace("_mps2", "").replace("sacrum_", "pelvis_")))
    elif kind == "no time":
        write(path, renamed(columns, lambda n: "Time" if n == "time_s" else n))
    elif kind == "time backwards":
        order = np.arange(len(columns["time_s"]))
        order[[500, 501]] = order[[501, 500]]
        write(path, {n: v[order] for n, v in columns.items()})
    elif kind == "in g":
        write(path, {n: v / 9.80665 if "_acc_" in n else v for n, v in columns.items()})
    elif kind == "two a second":
        write(path, {n: v[::25] for n, v in columns.items()})
    elif kind == "text":
        path.write_text("time_s,sacrum_acc_x_mps2\n0.0,hello\n0.02,0.1\n")
    return path


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("missing", ["There is no file"]),
        ("empty", ["is empty"]),
        ("directory", ["is a directory"]),
        ("cut off", ["damaged or cut-off"]),
        ("wrong columns", ["upper_lumbar_acc_x_mps2", "these look like them: upper_lumbar_acc_x"]),
        ("no time", ["lacks the column time_s", "look like them: Time"]),
        ("time backwards", ["goes back at row 502"]),
        ("in g", ["which is g and not m/s^2"]),
        ("two a second", ["at least 4 are needed"]),
        ("text", ["sacrum_acc_y_mps2"]),
    ],
)
def test_a_recording_that_cannot_be_used_is_one_line_and_leaves_nothing(
    posture: Callable[..., Done], short: Path, tmp_path: Path, kind: str, parts: list[str]
) -> None:
    path = bad_recording(kind, short, tmp_path)
    out = tmp_path / "out"
    refused(posture("replay", path, "--out", out), *parts)
    refused(posture("calibrate", "--from", path, "--poses", POSES, "--out", out / "c.json"), *parts)
    assert not out.exists()


def poses_file(folder: Path, text: str) -> Path:
    path = folder / "p.json"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("stand: 1 to 5", ["is not JSON (line 1"]),
        ("[1, 2]", ["has no poses"]),
        ('{"poses": {"stand": [[1, 9000]]}}', ["outside of the recording"]),
        ('{"poses": {"stand": [[9, 1]]}}', ["ends before it starts"]),
        ('{"poses": {"stand": "all of it"}}', ["write a list of [from_s, to_s]"]),
        ('{"poses": {"sit_tall": [[24, 32]]}}', ["name no `stand`"]),
        ('{"poses": {"stand": [[80, 110]]}}', ["the wearer moved in the pose `stand`"]),
    ],
)
def test_poses_that_cannot_be_used(
    posture: Callable[..., Done], short: Path, tmp_path: Path, text: str, parts: list[str]
) -> None:
    path = poses_file(tmp_path, text)
    refused(posture("replay", short, "--poses", path, "--out", tmp_path / "out"), *parts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--sensors", "hip"], ["--sensors 'hip'", "sacrum or upper_lumbar"]),
        (["--sensors", ""], ["nothing is not a placement"]),
        (["--preset", "loud"], ["'loud' is not one of", "balanced"]),
        (["--speed", "fast"], ["--speed 'fast' is neither max nor a number"]),
        (["--speed", "0"], ["--speed '0'"]),
        (["--speed", "-3"], ["--speed '-3'"]),
        (["--speed", "nan"], ["--speed 'nan'"]),
        (["--speed", "inf"], ["--speed 'inf'"]),
        (["--speed", "1e-300"], ["--speed '1e-300'"]),
        (["--start", "monday"], ["not an ISO 8601 time"]),
        (["--start", "2026-03-02T08:00:00"], ["has no offset"]),
        (["--zone", "Berlin"], ["not an IANA time zone"]),
        (["--nonsense"], ["no such option", "see `posture replay --help`"]),
        (["more.parquet"], ["unexpected extra argument", "see `posture replay --help`"]),
    ],
)
def test_options_that_cannot_be_used(
    posture: Callable[..., Done], short: Path, tmp_path: Path, arguments: Sequence[str], parts: list[str]
) -> None:
    refused(posture("replay", short, "--out", tmp_path / "out", *arguments), *parts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["nonsense"], ["no such command 'nonsense'", "see `posture --help`"]),
        (["repaly"], ["did you mean 'replay'?"]),
        (["--nonsense"], ["no such option"]),
        (["replay"], ["missing argument 'RECORDING'", "see `posture replay --help`"]),
        (["replay", "a.parquet"], ["missing option '--out'"]),
        (["calibrate", "--from", "a.parquet"], ["--from and --poses go together"]),
        (["run", "--speed", "0"], ["--speed 0 is not from 0.1 to 100"]),
        (["report", "--day", "2026-03-02"], ["--day and --log belong to --from"]),
        (["demo", "--speed", "quick"], ["--speed 'quick'"]),
        (["demo", "--sensors", "neck"], ["'neck'"]),
        (["replay", "--out"], ["requires an argument"]),
    ],
)
def test_wrong_usage_is_one_line_too(posture: Callable[..., Done], arguments: Sequence[str], parts: list[str]) -> None:
    done = posture(*arguments)
    refused(Done(done.code, done.out, done.err[0].lower() + done.err[1:]))
    for part in parts:
        assert part.lower() in done.err.lower()


def test_poses_and_a_calibration_are_two_ways_to_the_same_thing(
    posture: Callable[..., Done], results: Path, short: Path, tmp_path: Path
) -> None:
    made = results / "max" / "calibration.json"
    refused(
        posture("replay", short, "--poses", POSES, "--calibration", made, "--out", tmp_path / "out"),
        "give --poses or --calibration, not both",
    )


@pytest.mark.parametrize("other", [("--as-live",), ("--speed", "100")])
def test_smoothing_is_for_no_live_run(
    posture: Callable[..., Done], short: Path, tmp_path: Path, other: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    refused(posture("replay", short, "--out", out, "--smooth", *other), "--smooth uses later samples", other[0])
    assert not out.exists()


def test_quick_and_base_belong_together(
    posture: Callable[..., Done], results: Path, short: Path, tmp_path: Path
) -> None:
    base, out = results / "max" / "calibration.json", tmp_path / "c.json"
    begin = ["calibrate", "--from", short, "--poses", POSES, "--out", out]
    refused(posture(*begin, "--quick"), "--quick needs --base, your last full calibration")
    refused(posture(*begin, "--base", base), "--base is for --quick; add --quick")
    refused(posture(*begin, "--quick", "--base", tmp_path / "none.json"), "there is no calibration file")
    assert not out.exists()


def test_a_calibration_of_other_sensors_is_refused_in_words(
    posture: Callable[..., Done], short: Path, tmp_path: Path
) -> None:
    made = tmp_path / "c.json"
    done = posture("calibrate", "--from", short, "--poses", POSES, "--sensors", "sacrum", "--out", made)
    assert done.code == 0
    refused(
        posture("replay", short, "--calibration", made, "--out", tmp_path / "out"),
        "was made with sacrum, not with upper lumbar",
    )
    assert not (tmp_path / "out").exists()
    for text in ("{}", "[]", "no", '{"format": 99}'):
        made.write_text(text)
        refused(posture("replay", short, "--calibration", made, "--out", tmp_path / "out"), "calibrat", str(made))


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    posture: Callable[..., Done], results: Path, short: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    refused(posture("replay", short, "--out", blocked / "out"), "choose another --out folder")
    refused(posture("replay", short, "--out", blocked), "choose another --out folder")
    refused(posture("calibrate", "--from", short, "--poses", POSES, "--out", blocked / "c.json"), "cannot be written")
    refused(posture("report", "--from", results / "max", "--out", blocked / "r.html"), "cannot be written")
    assert listing(tmp_path) == {"file": b"in the way"}


def test_a_report_of_a_folder_that_no_replay_wrote_is_refused(
    posture: Callable[..., Done], results: Path, tmp_path: Path
) -> None:
    refused(posture("report", "--from", tmp_path), "session.json is missing", "posture replay")
    refused(posture("report", "--from", tmp_path / "absent"), "session.json is missing")
    refused(posture("report", "--from", results / "max", "--format", "docx"), "choose one of html, pdf, json, csv, png")
    assert listing(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[sitting]\nflexed_on_prc = 55\n", ["unknown key `sitting.flexed_on_prc`", "`sitting.flexed_on_pct`"]),
        ("[sitting]\nflexed_on_pct = -5\n", ["`sitting.flexed_on_pct`", "greater than 0"]),
        ("sitting = [", ["is not valid TOML"]),
    ],
)
def test_a_configuration_that_does_not_fit_names_the_key(
    posture: Callable[..., Done], short: Path, tmp_path: Path, text: str, parts: list[str]
) -> None:
    given = tmp_path / "c.toml"
    given.write_text(text)
    refused(posture("replay", short, "--config", given, "--out", tmp_path / "out"), *parts)
    own = tmp_path / "home" / "posture.toml"
    own.parent.mkdir()
    own.write_text(text)
    refused(posture("replay", short, "--out", tmp_path / "out"), *parts, "posture.toml")
    refused(posture("replay", short, "--config", tmp_path / "none.toml", "--out", tmp_path / "out"), "none.toml")


def test_a_file_name_with_a_line_break_is_still_one_line(posture: Callable[..., Done], tmp_path: Path) -> None:
    refused(posture("replay", tmp_path / "a\nb.parquet", "--out", tmp_path / "out"), "a b.parquet")


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="file names are Unicode there")
def test_a_name_that_is_no_utf_8_is_a_name_as_any_other(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / os.fsdecode(b"p\xe4th")
    folder.mkdir()
    recording, poses = folder / "short.parquet", folder / "poses.json"
    recording.write_bytes(short.read_bytes())
    poses.write_bytes(POSES.read_bytes())
    text = folder / "short.csv"
    pacsv.write_csv(pq.read_table(short), str(tmp_path / "short.csv"))
    (tmp_path / "short.csv").rename(text)
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")  # as in most terminals
    for source, out in ((recording, folder / "out"), (text, folder / "of_csv")):
        done = process("replay", source, "--poses", poses, "--angles", "--out", out, home=tmp_path)
        assert (done.communicate(timeout=60)[1], done.returncode) == ("", 0)
        assert {"epochs.parquet", "angles.parquet", "session.json"} <= {p.name for p in out.iterdir()}
    done = process("report", "--from", folder / "out", "--out", folder / "day.html", home=tmp_path)
    assert (done.communicate(timeout=60)[1], done.returncode) == ("", 0)
    assert (folder / "day.html").exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder in which nobody can write")
@pytest.mark.parametrize("home", ["home", "/proc/nope"])
def test_figures_leave_nothing_outside_of_the_home_and_say_nothing(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    for name in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    user, temporary = tmp_path / "user", tmp_path / "temporary"
    user.mkdir()
    temporary.mkdir()
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("TMPDIR", str(temporary))
    # Building the list of fonts is said by matplotlib itself where it takes over 5 s; that is not what this is about.
    code = (
        f"import os, sys; os.environ['POSTURE_HOME'] = {str(tmp_path / home)!r}\n"
        "from posture.app.cli import main; sys.argv[0] = 'posture'; main()"
    )
    arguments = ["report", "--from", results / "max", "--format", "png", "--out", tmp_path / "out" / "day.png"]
    done = process(*arguments, home=tmp_path, code=code)
    said = done.communicate(timeout=120)[1]
    assert done.returncode == 0, said
    assert [line for line in said.splitlines() if "font cache" not in line] == []
    assert list(user.iterdir()) == []
    assert list(temporary.iterdir()) == []
    assert (tmp_path / "home" / "cache" / "matplotlib").is_dir() == (home == "home")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's pipe")
def test_a_reader_that_has_seen_enough_does_not_end_the_work(short: Path, tmp_path: Path) -> None:
    with process("replay", short, "--poses", POSES, "--out", tmp_path / "out", home=tmp_path) as done:
        assert done.stdout is not None
        assert done.stderr is not None
        done.stdout.close()  # before the first line
        assert (done.wait(timeout=60), done.stderr.read()) == (0, "")
    assert (tmp_path / "out" / "session.json").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_an_output_that_cannot_be_written_is_one_line_and_the_results_are_whole(
    results: Path, short: Path, tmp_path: Path
) -> None:
    code = (
        "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1)\n"
        "import sys; sys.argv[0] = 'posture'; from posture.app.cli import main; main()"
    )
    arguments = ["replay", short, "--poses", POSES, "--angles", "--out", tmp_path / "out"]
    done = process(*arguments, home=tmp_path, code=code)
    said = done.communicate(timeout=60)[1]
    assert (done.returncode, said.count("\n")) == (0, 1)
    assert "could not be printed whole (No space left on device); files are written as always" in said
    assert set(listing(tmp_path / "out")) == set(listing(results / "max"))


def test_rows_without_numbers_are_data_and_no_error(posture: Callable[..., Done], short: Path, tmp_path: Path) -> None:
    columns = {n: v.copy() for n, v in table_of(short).items()}
    time_s = columns["time_s"]
    for name in columns:
        if name.startswith("sacrum_"):
            columns[name][(time_s >= 170.0) & (time_s < 180.0)] = np.nan
        if name != "time_s":
            columns[name][(time_s >= 184.0) & (time_s < 186.0)] = np.nan
    done = posture("replay", write(tmp_path / "n.parquet", columns), "--poses", POSES, "--out", tmp_path / "out")
    assert (done.code, done.err) == (0, "")
    epochs = pq.read_table(tmp_path / "out" / "epochs.parquet").to_pandas()
    assert epochs.sacrum_inclination_deg.isna()[170:180].all()
    assert epochs.upper_lumbar_inclination_deg.notna()[171:179].all()
    assert set(epochs.context[184:186]) == {"gap"}


# What is written


def test_replay_writes_the_files_of_the_contract_and_angles_on_request(
    posture: Callable[..., Done], results: Path, short: Path, tmp_path: Path
) -> None:
    assert sorted(p.name for p in (results / "max").iterdir()) == sorted([*FILES, "angles.parquet"])
    done = posture("replay", short, "--poses", POSES, "--out", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == FILES
    assert "10 movements of the calibration routine are left out" in done.out
    assert "posture report --from" in done.out
    assert all(listing(results / "max")[name] == (tmp_path / "out" / name).read_bytes() for name in FILES)


def test_played_at_a_speed_the_files_are_the_same_bit_for_bit(results: Path) -> None:
    fast, whole = listing(results / "fast"), listing(results / "max")
    angles = [pq.read_table(results / n / "angles.parquet").to_pandas() for n in ("fast", "max")]
    pd.testing.assert_frame_equal(*angles, check_exact=True)
    assert {n: c for n, c in fast.items() if n in FILES} == {n: c for n, c in whole.items() if n in FILES}


def test_columns_and_types_of_the_epochs(results: Path) -> None:
    table = pq.read_table(results / "max" / "epochs.parquet")
    types = {f.name: str(f.type) for f in table.schema}
    expected = {f.name: "double" for f in fields(EpochBlock)} | {"context": "string", "flexed": "bool"}
    assert types == expected
    assert table["start_s"].to_pylist() == [float(k) for k in range(200)]
    assert set(table["context"].to_pylist()) <= set(CONTEXT_NAMES)
    assert table["context"].null_count == 0
    assert table["flexed"].null_count > 0
    assert np.nanmax(table["creep"].to_numpy()) <= 1.0


def test_angles_are_there_fifty_times_a_second(results: Path) -> None:
    table = pq.read_table(results / "max" / "angles.parquet")
    wanted = ["time_s", "sacrum_inclination_deg", "upper_lumbar_inclination_deg", "flexion_deg", "lateral_deg"]
    assert table.column_names == wanted
    time_s = table["time_s"].to_numpy()
    np.testing.assert_array_equal(time_s, np.arange(len(time_s)) / 50)
    assert len(time_s) == 200 * 50
    upper, lower, flexion = (table[n].to_numpy().astype(float) for n in (wanted[2], wanted[1], wanted[3]))
    np.testing.assert_allclose(upper - lower, flexion, atol=1e-3)


def test_events_and_alerts_carry_the_fields_of_the_contract(results: Path) -> None:
    events = json.loads((results / "max" / "events.json").read_text())
    assert [e["start_s"] for e in events] == sorted(e["start_s"] for e in events)
    common = ["kind", "start_s", "end_s", "peak_s", "peak_deg", "verdict", "basis", "confidence", "set_id"]
    for event in events:
        assert list(event)[: len(common)] == common
        assert event["kind"] in set(EventKind)
        assert event["verdict"] in set(Verdict)
        assert event["basis"] == "two"
        assert 0.0 <= event["confidence"] <= 1.0
        assert event["start_s"] <= event["peak_s"] <= event["end_s"]
    assert {e["set_id"] for e in events if e["start_s"] < 160} == {0}
    for alert in json.loads((results / "max" / "alerts.json").read_text()):
        assert list(alert)[:5] == ["about_s", "raised_s", "kind", "preset", "reason"]


def test_a_second_replay_into_a_folder_replaces_the_results_as_a_whole(
    posture: Callable[..., Done], short: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert posture("replay", short, "--poses", POSES, "--out", out).code == 0
    assert posture("report", "--from", out).code == 0
    (out / "notes.txt").write_text("my own")
    done = posture("replay", short, "--poses", POSES, "--sensors", "sacrum", "--out", out)
    assert "report.html in it is from an earlier run" in done.out
    assert json.loads((out / "session.json").read_text())["sensors"] == ["sacrum"]
    assert json.loads((out / "summary.json").read_text())["basis"]["sensors"] == ["sacrum"]
    assert {e["basis"] for e in json.loads((out / "events.json").read_text())} == {"one"}
    assert (out / "notes.txt").read_text() == "my own"
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


def test_a_second_replay_without_angles_takes_the_older_angles_away(
    posture: Callable[..., Done], short: Path, tmp_path: Path
) -> None:
    posture("replay", short, "--out", tmp_path / "out", "--angles")
    posture("replay", short, "--out", tmp_path / "out", "--sensors", "sacrum")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == FILES


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("speed", ["max", "2000"])
@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently there")
def test_a_replay_that_is_stopped_leaves_the_earlier_results_whole(
    results: Path, long: Path, tmp_path: Path, number: signal.Signals, speed: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name, content in listing(results / "max").items():
        (out / name).write_bytes(content)
    before = listing(out)
    running = process("replay", long, "--out", out, "--angles", "--speed", speed, home=tmp_path)
    until = time.monotonic() + 30
    while not any(p.stat().st_size for p in out.glob(".replay-*/angles.parquet")):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)  # a poll of another process: all that can be seen of its progress is the file that grows
    running.send_signal(number)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (1, "posture: stopped; nothing was written\n")
    assert listing(out) == before


def test_an_interrupt_that_falls_where_python_can_raise_nothing_is_not_lost() -> None:
    """In a finaliser; seen once in a replay, which went on to its end."""
    code = """
import signal
from posture.app.exits import Interrupted, end_cleanly
end_cleanly()
class Late:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)
try:
    Late()
    while True:
        sum(range(1000))
except Interrupted:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\n", "")


def test_what_the_shipped_recordings_say(posture: Callable[..., Done], tmp_path: Path) -> None:
    """Accelerometer only, without poses, 19 s long: each is played or refused in words."""
    names = [p.stem for p in RECORDINGS.glob("mocap_*.parquet") if not p.stem.endswith(".truth")]
    assert len(names) == 8
    for name in [*names, "skdh_sit_to_stand"]:
        done = posture("replay", RECORDINGS / f"{name}.parquet", "--out", tmp_path / name)
        assert (done.code, done.err) == (0, ""), name
        assert "Calibration: poor" in done.out
        assert "flexed sitting is not judged" in done.out
        assert "No start time is known" in done.out
        assert sorted(p.name for p in (tmp_path / name).iterdir()) == FILES
    assert "accelerometer only, confidence is lower" in done.out
    assert "rounded" not in done.out


# Help


def test_help_is_quick_because_it_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from posture.app.cli import app; from posture.app.exits import run; code = run(app, sys.argv[1:]); "
        "print({'numpy', 'pandas', 'matplotlib', 'pydantic', 'pyarrow', 'scipy'} & set(sys.modules), code)"
    )
    out, err = process("--help", home=tmp_path, code=code).communicate(timeout=30)
    assert err == ""
    assert out.rstrip().endswith("set() 0")
    assert "Start here:" in out


def test_every_command_has_a_help_that_teaches(posture: Callable[..., Done]) -> None:
    top = posture("--help")
    assert top.code == 0
    assert posture() == top
    for name in COMMANDS:
        assert name in top.out
        done = posture(name, "--help")
        assert (done.code, done.err) == (0, "")
        assert f"Usage: posture {name}" in done.out
    for name in ("replay", "report", "calibrate"):
        assert f"Example: posture {name}" in posture(name, "--help").out
    assert posture("--version").out == f"posture-monitor {__version__}\n"


def test_about_says_what_this_is_not_and_where_things_are(posture: Callable[..., Done], tmp_path: Path) -> None:
    done = posture("about")
    assert done.code == 0
    assert NOT_MEDICAL in done.out
    assert RED_FLAGS in done.out
    assert str(tmp_path / "home") in done.out
    assert "NSF EIA-0196217" in done.out
    assert __version__ in done.out


# What the pages claim


def test_the_pages_carry_what_they_must() -> None:
    readme, guide = ((REPOSITORY / n).read_text(encoding="utf-8") for n in ("README.md", "docs/user-guide.md"))
    for text in (readme, guide):
        assert NOT_MEDICAL in text
        assert RED_FLAGS in text
    assert acknowledgements() in readme
    assert "docs/accuracy.md" in readme
    assert all(f"`posture {name}" in readme for name in COMMANDS)
    for name in ("README.md", "CHANGELOG.md", *(f"docs/{p.name}" for p in (REPOSITORY / "docs").glob("*.md"))):
        page = REPOSITORY / name
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"/(work|home|root|tmp|Users)/", text), name
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / target).exists(), f"{name} names {target}"


def test_the_events_page_names_every_kind_and_every_key(results: Path) -> None:
    text = (REPOSITORY / "docs" / "events.md").read_text(encoding="utf-8")
    said = [e for n in ("max", "fast") for e in json.loads((results / n / "events.json").read_text())]
    wanted = {str(k) for k in EventKind} | {str(v) for v in Verdict} | {key for event in said for key in event}
    # What the calibration routine alone does not bring about.
    wanted |= {
        "measure",
        "mean_pct",
        "rom_measured",
        "direction",
        "path",
        "surface",
        "roll_deg",
        "height_m",
        "lean_deg",
    }
    assert not {word for word in wanted if f"`{word}`" not in text}


def test_a_recording_over_four_in_the_morning_is_split_and_every_day_can_be_asked_for(
    posture: Callable[..., Done], short: Path, tmp_path: Path
) -> None:
    out = tmp_path / "night"
    begun = ["--start", "2026-03-03T03:58:30", "--zone", "Europe/Berlin"]
    done = posture("replay", short, "--poses", POSES, "--out", out, *begun)
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "Days, from 04:00 to 04:00 in Europe/Berlin: 2026-03-02 90 s, 2026-03-03 2 min." in said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["period"]["day"] == "2026-03-03"
    assert [d["period"]["day"] for d in summary["other_days"]] == ["2026-03-02"]
    parts = [summary, *summary["other_days"]]
    assert sum(d["wear"]["recorded_min"] for d in parts) == pytest.approx(200 / 60, abs=1e-3)
    for day, title in (("2026-03-02", "Monday 2 March 2026"), ("2026-03-03", "Tuesday 3 March 2026")):
        assert posture("report", "--from", out, "--day", day).code == 0
        assert title in (out / "report.html").read_text()
    refused = posture("report", "--from", out, "--day", "2026-03-04")
    assert refused.code == 2
    assert "2026-03-02, 2026-03-03" in refused.err
