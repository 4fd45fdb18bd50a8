"""The live commands as a user runs them, against `posture virtual-sensor` in another process: from scan to stop, and killed."""

from __future__ import annotations

import asyncio
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

pytest.importorskip("bumble", reason="bumble is not installed: there is no virtual sensor")
pytest.importorskip("cffi", reason="cffi is not installed: the C core is not driven")
if not any(shutil.which(c) for c in ("cc", "gcc", "clang")):
    pytest.skip("no C compiler: the C core is not built", allow_module_level=True)

from firmware_protocol.core import build
from posture.app.cli import app
from posture.app.commands import setup_command
from posture.app.exits import run
from posture.app.only_one import only_one
from posture.app.places import Home
from posture.app.session import Here
from posture.config import Config
from posture.recording.session import Session, read_meta, recover
from posture.recording.session.packets import CODES, LIVE
from posture.recording.session.stream import packet_blocks
from posture.recording.writer import write_sample_file
from posture.replay import ReplayRequest, prepare
from posture.replay import run as replayed
from posture.store import Store
from posture.types import PacketKind, Placement

REPOSITORY = Path(__file__).resolve().parent.parent
DAY, POSES = REPOSITORY / "recordings" / "day_excerpt.parquet", REPOSITORY / "recordings" / "day_excerpt.poses.json"
SPEED = "10"
PATIENCE_S = 60.0
"""A busy machine is slow; nothing waits this long on a free one."""


class Process:
    """A `posture` command in a process of its own, and what it says."""

    def __init__(self, home: Path, *arguments: str | Path) -> None:
        self.path = home / f"said-{time.monotonic_ns()}"
        environment = {**os.environ, "POSTURE_HOME": str(home), "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
        with self.path.open("wb") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-u", "-m", "posture.app.cli", *(str(a) for a in arguments)],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.path.read_text()

    def until(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Wait for it to say something so often."""
        end_s = time.monotonic() + PATIENCE_S
        while len(found := list(re.finditer(pattern, self.said))) < count:
            assert time.monotonic() < end_s, f"no {pattern!r} x{count} in {self.said}"
            assert self.popen.poll() is None, f"it ended: {self.said}"
            time.sleep(0.02)  # a poll: another process can be seen by what it wrote, and by nothing else
        return found[-1]

    def ended(self, number: int | None = None) -> int:
        if number is not None:
            self.popen.send_signal(number)
        return self.popen.wait(timeout=PATIENCE_S)

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware's core, built once."""
    folder = tmp_path_factory.mktemp("core")
    build(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, core: Path) -> Path:
    shutil.copytree(core, tmp_path / "cache")
    return tmp_path


@pytest.fixture
def posture(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A command line in this process that must go well: what it says."""
    monkeypatch.setenv("POSTURE_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str | Path, code: int = 0) -> str:
        assert run(app, [str(a) for a in arguments]) == code, capsys.readouterr()
        said = capsys.readouterr()
        return said.out + said.err

    return call


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    made: list[Process] = []
    yield made
    for process in made:
        process.close()


Start = Callable[..., Process]


@pytest.fixture
def start(home: Path, processes: list[Process]) -> Start:
    def begin(*arguments: str | Path) -> Process:
        processes.append(Process(home, *arguments))
        return processes[-1]

    return begin


def sensors_near(start: Start, *faults: str, recording: Path = DAY, speed: str = SPEED) -> tuple[Process, str]:
    """The virtual sensors, and the option that reaches them."""
    asked = [part for fault in faults for part in ("--fault", fault)]
    sensors = start("virtual-sensor", "--recording", recording, "--speed", speed, *asked)
    address = sensors.until(r"HCI (tcp-client:\S+)\n").group(1)
    sensors.until("READY")
    return sensors, address


def both_paired(posture: Callable[..., str], home: Path, address: str) -> Path:
    """Both sensors paired; a calibration of them."""
    for name, place in (("LPS-4C01", "sacrum"), ("LPS-4C02", "upper_lumbar")):
        assert "is paired" in posture("pair", name, "--placement", place, "--hci", address, "--seconds", "0.5")
    posture("calibrate", "--from", DAY, "--poses", POSES, "--out", home / "cal.json")
    return home / "cal.json"


def standing(folder: Path) -> Path:
    """The stand of the shipped recording for some minutes."""
    table = pq.read_table(DAY)
    time_s = np.asarray(table["time_s"])
    stand = table.filter((time_s >= 1.0) & (time_s < 11.0))
    columns = {n: np.tile(np.asarray(stand[n]), 90) for n in stand.column_names}
    columns["time_s"] = np.arange(len(columns["time_s"])) / 50.0
    write_sample_file(folder / "stand.parquet", columns)
    return folder / "stand.parquet"


def until_recorded(home: Path, session: Process, kind: int, count: int) -> Path:
    """Wait until so many packets of a kind are on the disk for each sensor of the newest session; its folder."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        folder = max((home / "data" / "sessions").iterdir())
        counts = [
            sum(int(np.count_nonzero(block.kind == kind)) for block in packet_blocks(folder, placement))
            for placement in read_meta(folder).placements
        ]
        if min(counts) >= count:
            return folder
        assert time.monotonic() < end_s, f"{counts} packets of kind {kind}: {session.said}"
        assert session.popen.poll() is None, f"it ended: {session.said}"
        time.sleep(0.02)  # a poll of the record that another process writes


def test_scan_pair_stream_loss_reconnect_backfill_stop(home: Path, posture: Callable[..., str], start: Start) -> None:
    sensors, address = sensors_near(start, "out-of-range=20@15", "duplicate=50")
    seen = posture("scan", "--hci", address, "--seconds", "0.5")
    assert re.search(r"LPS-4C01 .* not paired", seen)
    assert re.search(r"LPS-4C02 .* not paired", seen)
    assert "was heard" in posture("pair", "LPS-FFFF", "--hci", address, "--seconds", "0.3", code=2)
    cal = both_paired(posture, home, address)
    assert re.search(r"LPS-4C01 .* paired, sacrum", posture("scan", "--hci", address, "--seconds", "0.5"))
    assert "not used yet" in posture("sensors")

    session = start("run", "--calibration", cal, "--hci", address, "--speed", SPEED)
    session.until("is connected", 2)
    sensors.until("back in range", 2)
    session.until("is connected", 4)
    until_recorded(home, session, CODES[PacketKind.DONE], 1)
    assert session.ended(signal.SIGINT) == 0
    said = session.said
    assert "Traceback" not in said
    late = {p: int(n) for p, n in re.findall(r"([\w ]+): \d+ samples, (\d+) of them late", said)}
    assert set(late) == {"sacrum", "upper lumbar"}
    assert all(15 * 50 < n < 90 * 50 for n in late.values()), late
    assert "differs from live" in said

    (folder,) = (home / "data" / "sessions").iterdir()
    assert {p.suffix for p in folder.iterdir()} == {".json", ".jsonl", ".parquet"}
    assert oct(folder.stat().st_mode)[-3:] == "700"
    with Store(home / "data" / "store.sqlite3") as store:
        (kept,) = store.sessions()
        assert (kept.result, kept.revision, kept.folder) == ("final", 2, folder.name)
        alerts = store.alerts(kept.id)
        assert len(store.epochs(kept.id)) > 30
    live = prepare(ReplayRequest(folder, as_live=True))
    again = replayed(live, live.recording.batches())
    assert [(a.kind, a.about_s) for a in again.alerts] == [(a["kind"], a["about_s"]) for a in alerts]
    assert "battery 75 %" in posture("sensors")
    text = (folder / "session.json").read_text()
    assert "5649525455414C" not in text, "session.json names no serial"


def test_a_request_to_end_from_the_system_is_a_clean_end_too(
    home: Path, posture: Callable[..., str], start: Start
) -> None:
    sensors, address = sensors_near(start)
    cal = both_paired(posture, home, address)
    session = start("run", "--calibration", cal, "--hci", address, "--speed", SPEED, "--sensors", "sacrum")
    session.until("is connected")
    until_recorded(home, session, LIVE, 100)
    assert "has these sensors; end it first" in posture("run", "--calibration", cal, "--hci", address, code=2)
    assert "sacrum: streaming, battery" in posture("status")
    assert posture("pause") == "Alerts are paused, the recording goes on. Next: posture resume\n"
    assert "alerts are paused since" in posture("snooze", code=2)
    assert posture("status").splitlines()[-1].startswith("alerts paused since")
    assert session.ended(signal.SIGTERM) == 0
    assert "no monitor is running" in posture("resume", code=2)
    (folder,) = (home / "data" / "sessions").iterdir()
    assert [r["kind"] for r in Session.open(folder).records if r["kind"] != "alert"] == ["pause", "end"]
    assert "One sensor at the sacrum" in session.said
    assert "The final result" in session.said
    assert session.said.endswith("Next: posture report\n")
    sensors.until("disconnected: remote_user_terminated", 3)  # two pairings, and the session
    again = start("run", "--calibration", cal, "--hci", address, "--speed", SPEED, "--sensors", "sacrum")
    again.until("Alerts paused since .*; posture resume ends it.")
    again.until("is connected")
    assert posture("resume") == "Alerts are on again.\n"
    assert posture("status").splitlines()[-1] == "alerts on"
    assert again.ended(signal.SIGTERM) == 0


def test_without_a_sensor_or_a_calibration_one_line_says_what_comes_first(
    home: Path, posture: Callable[..., str], start: Start
) -> None:
    assert posture("run", code=2) == "posture: no sensor is paired yet; run posture setup\n"
    _, address = sensors_near(start)
    assert "or pair the second sensor" in posture("pair", "lps-4c01", "--hci", address, "--seconds", "0.5")
    assert "run posture calibrate" in posture("run", "--hci", address, code=2)
    assert posture("calibrate", "--quick", "--hci", address, code=2).count("\n") == 1
    assert "no virtual sensor answers" in posture("scan", "--hci", "tcp-client:127.0.0.1:1", code=1)
    assert "is forgotten" in posture("pair", "LPS-4C01", "--forget")
    assert "No sensor is paired" in posture("sensors")


@pytest.mark.parametrize(
    "arguments", [["run"], ["calibrate"], ["pair", "LPS-4C01"], ["pair", "LPS-4C01", "--forget"]], ids="-".join
)
def test_who_needs_the_sensors_is_refused_while_another_process_has_them(
    home: Path, posture: Callable[..., str], arguments: list[str]
) -> None:
    with only_one(home / "data"):
        said = posture(*arguments, "--hci", "tcp-client:127.0.0.1:1", code=2)
    assert (
        said == "posture: another posture run or calibrate has these sensors; end it first (Ctrl-C in its terminal)\n"
    )


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder in which nobody can write")
@pytest.mark.parametrize("arguments", [["run"], ["calibrate"], ["pair", "LPS-4C01"]], ids=lambda a: a[0])
def test_a_home_that_cannot_be_written_is_named_with_the_next_step(
    posture: Callable[..., str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("POSTURE_HOME", "/proc/nope")
    said = posture(*arguments, "--hci", "tcp-client:127.0.0.1:1", code=2)
    assert said.startswith("posture: /proc/nope/data cannot be written (")
    assert said.count("\n") == 1


def test_scan_and_pair_show_on_a_terminal_that_they_wait_and_say_nothing_of_it_elsewhere(
    home: Path, start: Start
) -> None:
    _, address = sensors_near(start)
    environment = {**os.environ, "POSTURE_HOME": str(home), "PYTHONPATH": str(REPOSITORY), "TERM": "xterm-256color"}
    for arguments, bars in ((("scan",), ("listen",)), (("pair", "LPS-4C01"), ("listen", "pair with LPS-4C01"))):
        command = [sys.executable, "-m", "posture.app.cli", *arguments, "--hci", address, "--seconds", "0.5"]
        ours, theirs = os.openpty()
        shown = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=theirs, env=environment, timeout=PATIENCE_S, check=True
        )
        os.close(theirs)
        drawn = os.read(ours, 65_536).decode()  # it all fits the terminal's buffer
        os.close(ours)
        piped = subprocess.run(command, capture_output=True, env=environment, timeout=PATIENCE_S, check=True)
        assert all(bar in drawn for bar in bars), drawn
        assert drawn.endswith("\x1b[2K"), "what was drawn is taken away again"
        assert piped.stderr == b""
        assert shown.stdout == piped.stdout
        assert b"LPS-4C01" in piped.stdout


def test_a_sensor_that_is_paired_again_keeps_its_place_and_one_that_loses_it_is_named(
    posture: Callable[..., str], start: Start
) -> None:
    _, address = sensors_near(start)
    for name in ("LPS-4C01", "LPS-4C02", "LPS-4C02"):
        said = posture("pair", name, "--hci", address, "--seconds", "0.5")
    assert said.endswith("Next: posture calibrate\n")
    assert re.search(r"sacrum +LPS-4C01[^\0]*upper lumbar +LPS-4C02", posture("sensors"))
    taken = posture("pair", "LPS-4C02", "--placement", "sacrum", "--hci", address, "--seconds", "0.5")
    assert "LPS-4C01 had that place and is forgotten." in taken
    assert "LPS-4C01" not in posture("sensors")


def test_guided_calibration_asks_again_and_ends_with_a_sentence_where_nobody_walks(
    home: Path, posture: Callable[..., str], start: Start
) -> None:
    """The virtual wearer stands the whole time: the stand is held, the walk is none."""
    sensors, address = sensors_near(start, recording=standing(home), speed="20")
    for name, place in (("LPS-4C01", "sacrum"), ("LPS-4C02", "upper_lumbar")):
        posture("pair", name, "--placement", place, "--hci", address, "--seconds", "0.5")
    posture("calibrate", "--from", DAY, "--poses", POSES, "--out", home / "full.json")
    guided = start(
        "calibrate", "--quick", "--base", home / "full.json", "--hci", address, "--speed", "20", "-o", home / "q.json"
    )
    assert guided.ended() == 2
    said = guided.said
    assert said.count("Walk 10 steps: 8 s") == 3
    assert said.count("Once more: ") >= 2
    assert re.search(r"posture: .* shows no steps .*, 3 times; calibrate again", said)
    assert not (home / "q.json").exists()
    sensors.until("buzz", 2)
    (folder,) = (home / "data" / "calibrations").iterdir()
    assert Session.open(folder).end_ns is not None


def test_setup_pairs_lets_them_buzz_and_calibrates_with_what_the_wearer_did(home: Path, start: Start) -> None:
    """One sensor of two is chosen; its wearer stands all the time, so that only the stand is held and the rest is left out."""
    sensors, address = sensors_near(start, recording=standing(home), speed="100")
    asked: list[str] = []

    def answer(question: str, default: str) -> str:
        asked.append(question)
        return "no" if "LPS-4C02" in question else default

    said: list[str] = []
    folder = Home(home / "data")
    here = Here(folder, Console(file=io.StringIO()), said.append, address, 100.0)
    asyncio.run(setup_command(here, Config(), ask=answer))
    assert len(asked) == 5
    assert "First week: only measure" in asked[-3]
    assert "Measure your range too" in asked[-1]
    assert not any("as far as is comfortable, and come back up" in line for line in said), "no unless asked for"
    assert any("It buzzes twice now" in line for line in said)
    sensors.until("buzz 60 %")
    assert [line for line in said if "Left out" in line]
    assert any("sitting in flexion is not judged" in line for line in said)
    assert said[-1] == "Done. Next: posture run"
    with Store(folder.store) as store:
        (sensor,) = store.sensors()
        assert (sensor.serial, sensor.placement, sensor.bonded) == ("5649525455414C01", "sacrum", True)
        made = store.latest_calibration([Placement.SACRUM])
    assert made is not None
    assert set(made.poses) == {"stand", "stand_end"}
    assert made.made_utc is not None


@pytest.mark.parametrize("packets", [3, 25])
def test_a_killed_session_keeps_all_but_its_last_second_and_the_next_one_goes_on(
    home: Path, posture: Callable[..., str], start: Start, packets: int
) -> None:
    _, address = sensors_near(start, speed="1")
    cal = both_paired(posture, home, address)
    session = start("run", "--calibration", cal, "--hci", address)
    session.until("is connected", 2)
    began_s = time.monotonic()
    folder = until_recorded(home, session, LIVE, packets)
    session.ended(signal.SIGKILL)
    lived_s = time.monotonic() - began_s
    before = recover(folder)
    assert not before.clean
    assert before.end_ns / 1e9 > lived_s - 1.0, "at most the last second is lost"
    second = start("run", "--calibration", cal, "--hci", address)
    second.until("was cut off")
    second.until("is connected", 2)
    until_recorded(home, second, LIVE, 1)
    assert second.ended(signal.SIGINT) == 0
    with Store(home / "data" / "store.sqlite3") as store:
        results = {s.folder: s.result for s in store.sessions()}
    assert results[folder.name] == "final"
    assert len(results) == 2
