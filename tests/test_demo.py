"""The demo: what is on the screen, what it says, and that it ends cleanly."""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from posture.app.cli import DEMO_SPEED
from posture.app.gauge import Scale, bar, gauge
from posture.app.live import View, event_line, lines, what_text
from posture.app.places import shipped_recording
from posture.pipeline import Output
from posture.recording import open_recording
from posture.replay import ReplayRequest, prepare
from posture.types import (
    GRID_HZ,
    Alert,
    AlertKind,
    AngleBlock,
    Basis,
    Context,
    EpochBlock,
    EventKind,
    Placement,
    PostureEvent,
    Preset,
    Verdict,
)
from posture.vocabulary import confidence_text

REPOSITORY = Path(__file__).resolve().parent.parent
POSES = REPOSITORY / "recordings" / "day_excerpt.poses.json"
FILES = {
    "alerts.json",
    "calibration.json",
    "epochs.parquet",
    "events.json",
    "report.html",
    "session.json",
    "summary.json",
}
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")}
    return {**kept, "POSTURE_HOME": str(home), "PYTHONPATH": str(REPOSITORY), **more}


def angles_until(time_s: float, *, flexion_deg: float = 31.0, sacrum_deg: float = -12.0) -> AngleBlock:
    """One second of angles that ends at `time_s`."""
    one = np.ones(GRID_HZ)
    none = 0.0 * one
    upper = one * (flexion_deg + sacrum_deg)
    first = round((time_s - 1.0) * GRID_HZ)
    return AngleBlock(
        first, one * sacrum_deg, upper, one * flexion_deg, none, none, none, none, none, np.ones(GRID_HZ, np.bool_)
    )


def second(start_s: float, context: Context, *, flexed: int = -1, creep: float = 0.3) -> EpochBlock:
    zero = np.zeros(1)
    return EpochBlock(
        np.array([start_s]), np.array([context], np.int8), np.array([0.97]), zero, zero, zero, zero, zero, zero,
        np.array([flexed], np.int8), np.array([creep]), np.ones(1),
    )  # fmt: skip


def event(kind: EventKind, verdict: Verdict, *, basis: Basis = Basis.TWO, **more: object) -> PostureEvent:
    given: dict[str, object] = {"start_s": 61.0, "end_s": 64.0, "peak_s": 62.0, "peak_deg": 54.2, "confidence": 0.83}
    return PostureEvent(kind=kind, verdict=verdict, basis=basis, **(given | more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def views() -> dict[str, View]:
    """Fresh views of the shipped recording by wear."""
    made = {}
    for name, sensors in (("two", None), ("sacrum", (Placement.SACRUM,)), ("upper", (Placement.UPPER_LUMBAR,))):
        prepared = prepare(ReplayRequest(shipped_recording(), sensors=sensors, poses=POSES))
        made[name] = View.of(prepared, title="posture demo, x50", speed=50.0)
    return made


@pytest.fixture
def view(views: dict[str, View]) -> View:
    from dataclasses import replace

    return replace(views["two"], events=views["two"].events.copy(), alerts=views["two"].alerts.copy())


def screen(view: View, *, columns: int = 80, encoding: str = "utf-8") -> str:
    """The panel as text; every line of it fits."""
    raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=raw, width=columns, force_terminal=True, color_system=None, highlight=False, markup=False)
    console.print(view.render(console))
    raw.seek(0)
    text = CONTROL.sub("", raw.read())
    assert max(len(line) for line in text.splitlines()) <= columns
    return text


def row(text: str, label: str) -> str:
    return next(line for line in text.splitlines() if f" {label}" in line)


# The view


@pytest.mark.parametrize("columns", [60, 80])
def test_a_live_session_shows_its_sensors_and_its_news_and_fits_a_low_terminal(view: View, columns: int) -> None:
    prepared = prepare(ReplayRequest(shipped_recording(), poses=POSES))
    live = View.live(prepared.calibration, prepared.config, title="posture run", subtitle="Ctrl-C ends the session")
    live.sensors = {"sacrum": "streaming, battery 81 %", "upper lumbar": "lost for 12 s: " + "no sensor heard " * 9}
    live.news = "The battery of the sacrum sensor is at 20 %. " * 3
    live.update(Output(angles=[angles_until(600.0)], epochs=[second(595.0, Context.SITTING, flexed=1)]), 600.0)
    for _ in range(7):
        live.update(Output(events=[event(EventKind.BEND, Verdict.ROUNDED)]), 600.0)
    text = screen(live, columns=columns)
    assert len(text.splitlines()) <= 23
    assert "0:10:00" in row(text, "session")
    assert "battery 81 %" in row(text, "sacrum")
    assert "lost for 12 s" in row(text, "upper lumbar")
    assert "The battery of the sacrum" in text
    assert "played" not in text


def test_the_screen_says_angle_activity_meter_and_that_the_motion_is_simulated(view: View) -> None:
    view.update(
        Output(angles=[angles_until(600.0)], epochs=[second(595.0, Context.SITTING, flexed=1, creep=0.62)]), 600.0
    )
    text = screen(view)
    assert "31 deg" in row(text, "lumbar flexion")
    assert "sitting, flexed (confidence 0.97), 5 s ago" in row(text, "activity")
    assert "0.62 of 1" in row(text, "flexion meter")
    assert "alert from 0.80" in row(text, "flexion meter")
    assert "0:10:00 of 0:45:49, 43 s left" in row(text, "played")
    assert "simulated motion, not a live sensor; Ctrl-C stops" in text
    assert "+ sitting flexed 30" in text


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_screen_keeps_its_height_and_fits(view: View, columns: int) -> None:
    heights = {len(screen(view, columns=columns).splitlines())}
    reason = "Your lower back has been flexed for a while. Two minutes standing or walking let it recover."
    for k in range(7):
        alert = Alert(60.0 + k, 66.0 + k, AlertKind.FLEXED_SITTING, Preset.BALANCED, reason)
        said = Output(events=[event(EventKind.BEND, Verdict.ROUNDED, set_id=0)], alerts=[alert])
        view.update(said, 70.0 + k)
        heights.add(len(screen(view, columns=columns).splitlines()))
    assert len(heights) == 1
    assert max(heights) <= 23
    assert row(screen(view), "events 7")
    assert row(screen(view), "alerts 7")


def test_in_a_gap_there_is_no_angle_and_no_data_is_said(view: View) -> None:
    view.update(Output(angles=[angles_until(600.0)], epochs=[second(595.0, Context.SITTING, flexed=1)]), 600.0)
    view.update(Output(), 601.5)
    text = screen(view)
    assert "no data" in row(text, "lumbar flexion")
    assert "31 deg" not in text
    assert "●" not in row(text, "lumbar flexion")
    view.update(Output(), 602.5)  # the last decided second is still that of 595 s
    assert "no data for 2 s" in row(screen(view), "activity")
    view.update(Output(epochs=[second(601.0, Context.GAP)]), 607.0)
    assert "no data for 7 s" in row(screen(view), "activity")
    assert "flexed" not in row(screen(view), "activity")


def test_before_the_first_sample_nothing_is_known(view: View) -> None:
    assert "no data yet" in row(screen(view), "activity")
    assert "no data" in row(screen(view), "lumbar flexion")


def test_one_dead_sensor_of_two_leaves_no_flexion_to_show(view: View) -> None:
    view.update(Output(angles=[angles_until(600.0, flexion_deg=np.nan)]), 600.0)
    assert "no data" in row(screen(view), "lumbar flexion")


def test_what_is_not_known_is_never_shown_as_good(view: View) -> None:
    for context, words in ((Context.UNKNOWN, "unknown"), (Context.SITTING, "sitting, flexion not judged")):
        view.update(Output(angles=[angles_until(606.0)], epochs=[second(600.0, context, flexed=-1)]), 606.0)
        assert words in row(screen(view), "activity")
        assert "not flexed" not in screen(view)
    view.update(
        Output(events=[event(EventKind.BEND, Verdict.UNKNOWN, basis=Basis.ONE, evidence={"at_least": True})]), 607.0
    )
    assert "lean of at least 54 deg" in screen(view)
    assert "not judged" in screen(view)
    assert not re.search(r"\bgood\b|\bok\b", screen(view), re.IGNORECASE)


def test_a_wear_that_cannot_judge_sitting_has_no_meter_to_show(views: dict[str, View]) -> None:
    assert "off: flexed sitting is not judged in this wear" in row(screen(views["upper"]), "flexion meter")
    assert "trunk lean" in screen(views["upper"])
    assert "pelvis tilt" in screen(views["sacrum"])
    assert "flexed" in row(screen(views["sacrum"]), "played") + screen(views["sacrum"])


def test_an_ascii_terminal_gets_ascii_only(view: View) -> None:
    view.update(Output(angles=[angles_until(600.0)], epochs=[second(595.0, Context.SITTING, flexed=1)]), 600.0)
    assert screen(view, encoding="ascii").isascii()


def test_no_confidence_is_shown_as_certain(view: View) -> None:
    sure = second(595.0, Context.SITTING, flexed=1)
    sure.context_confidence[:] = 0.9951
    seen = event(EventKind.FLEXED_SITTING, Verdict.ROUNDED, end_s=823.0, confidence=1.0)
    view.update(Output(angles=[angles_until(600.0)], epochs=[sure], events=[seen]), 600.0)
    text = screen(view)
    assert "sitting, flexed (confidence over 0.99), 5 s ago" in row(text, "activity")
    assert re.search("sat flexed for 12.7 min +flexed +conf. over 0.99", row(text, "events 1"))
    assert event_line(seen).endswith("flexed (two sensors, confidence over 0.99)")
    assert "1.00" not in text
    assert [confidence_text(c) for c in (0.07, 0.5, 0.9949, 0.995, 1.0)] == [
        "0.07",
        "0.50",
        "0.99",
        "over 0.99",
        "over 0.99",
    ]


def test_upright_is_0_deg_from_both_sides(view: View) -> None:
    for flexion_deg in (-0.4, 0.4):
        view.update(Output(angles=[angles_until(600.0, flexion_deg=flexion_deg)]), 600.0)
        assert re.search("lumbar flexion +0 deg ", row(screen(view), "lumbar flexion"))


def test_every_verdict_is_whole_at_80_columns(view: View) -> None:
    path = event(EventKind.FLOOR_TRANSITION, Verdict.NEUTRAL, basis=Basis.ONE, evidence={"direction": "up"})
    view.update(Output(events=[path]), 600.0)
    assert re.search("up from floor or bed +with a turn +conf. 0.83", row(screen(view), "events 1"))


def test_calibration_is_named_while_it_runs(view: View) -> None:
    view.update(Output(angles=[angles_until(60.0)]), 60.0)
    assert "calibration poses" in screen(view)
    assert what_text(event(EventKind.BEND, Verdict.ROUNDED, set_id=0)) == "bend of 54 deg (calibration)"
    view.update(Output(), 400.0)
    assert "calibration" not in row(screen(view), "activity")


def test_lines_for_a_pipe_say_when_what_how_basis_and_confidence() -> None:
    assert event_line(event(EventKind.BEND, Verdict.NEUTRAL)) == (
        "0:01:01  bend of 54 deg  neutral (two sensors, confidence 0.83)"
    )
    slump = event(EventKind.FLEXED_SITTING, Verdict.ROUNDED, basis=Basis.ONE, end_s=811.0)
    assert event_line(slump) == "0:01:01  sat flexed for 12.5 min  flexed (one sensor, confidence 0.83)"
    assert event_line(event(EventKind.GAP, Verdict.UNKNOWN)) == "0:01:01  no data for 3 s"
    assert event_line(event(EventKind.NON_WEAR, Verdict.UNKNOWN, end_s=961.0)) == "0:01:01  not worn for 15.0 min"
    alert = Alert(60.0, 66.0, AlertKind.BEND, Preset.BALANCED, "That was a long or deep forward lean.")
    assert lines(Output(alerts=[alert])) == ["0:01:06  ALERT bend: That was a long or deep forward lean."]
    assert all(what_text(event(k, Verdict.UNKNOWN)) for k in EventKind)


def test_gauge_marks_upright_the_cut_and_the_angle_and_clips() -> None:
    scale = Scale("lumbar flexion", -30.0, 90.0, 30.0)
    marks, labels = gauge(60.0, scale, 41, plain=True)
    assert [k for k, c in enumerate(marks) if c != "-"] == [10, 20, 30]
    assert marks[10] + marks[20] + marks[30] == "|+O"
    assert labels.index("+") == 20
    assert gauge(500.0, scale, 41, plain=True)[0][-1] == "O"
    assert "O" not in gauge(np.nan, scale, 41, plain=True)[0]
    assert bar(0.5, 10, mark=0.8, plain=True) == "#####...|."


# The command


def test_the_demo_takes_about_a_minute() -> None:
    info = open_recording(shipped_recording()).info
    assert 45 <= (info.last_s - info.first_s) / float(DEMO_SPEED) <= 75


@pytest.mark.parametrize("arguments", [[], ["--sensors", "sacrum"]])
def test_the_demo_plays_reports_and_says_where(tmp_path: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "posture.app.cli", "demo", "--speed", "10000", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(tmp_path / "home"),
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    said = done.stdout.splitlines()
    assert said[0].startswith("No hardware needed. 46 min of simulated motion")
    assert "BLE link not simulated" in said[1]
    folder = tmp_path / "home" / "data" / "demo"
    assert {p.name for p in folder.iterdir()} == FILES
    assert f"Report: {folder / 'report.html'}" in said
    assert "ALERT flexed_sitting" in done.stdout
    assert ("rounded" in done.stdout) == (not arguments)
    page = (REPOSITORY / "docs" / "events.md").read_text(encoding="utf-8")
    keys = {key for event in json.loads((folder / "events.json").read_text()) for key in event}
    assert not {key for key in keys if f"`{key}`" not in page}
    assert "Nobody wore these sensors" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal there")
def test_on_a_terminal_the_view_is_drawn_and_ctrl_c_ends_it_with_one_line(tmp_path: Path) -> None:
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    running = subprocess.Popen(
        [sys.executable, "-m", "posture.app.cli", "demo", "--speed", "20", "--out", str(tmp_path / "out")],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(tmp_path / "home", TERM="xterm-256color"),
        start_new_session=True,
    )
    os.close(theirs)
    seen = read_until(ours, "0:00:1")  # ten seconds of the session
    assert "times faster than life" in CONTROL.sub("", seen)
    assert "posture demo, x20" in seen
    running.send_signal(signal.SIGINT)
    seen += read_until(ours, "nothing was written")
    assert running.wait(timeout=20) == 1
    os.close(ours)
    text = CONTROL.sub("", seen).replace("\r", "\n")
    assert text.rstrip().endswith("posture: stopped; nothing was written")
    assert "Traceback" not in text
    assert not [line for line in text.split("\n") if len(line) > 80]
    assert seen.rstrip().count("\x1b[?25h") >= 1  # the cursor is given back
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def read_until(descriptor: int, wanted: str, *, within_s: float = 30.0) -> str:
    got = ""
    until = time.monotonic() + within_s
    while wanted not in CONTROL.sub("", got):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        assert ready, f"no {wanted!r} in {got[-2000:]!r}"
        try:
            got += os.read(descriptor, 65_536).decode(errors="ignore")  # a character may be cut in two
        except OSError:  # the other side is closed
            break
    return got
