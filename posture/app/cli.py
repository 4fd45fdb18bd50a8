"""The `posture` command. Heavy imports happen inside the commands, so that `--help` answers at once.

Exit codes: 0 fine, 1 a run that failed, 2 input or usage that is wrong (one clear line on stderr, nothing half-written).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posture import __version__
from posture.app import live_cli, log, programme, tell, trend, whatif, workout
from posture.app.exits import Commands, end_cleanly, run, steady_output
from posture.app.options import (
    ConfigOption,
    PackOption,
    PersonOption,
    PresetOption,
    SensorsOption,
    config_of,
    sensors_of,
)
from posture.app.places import house_matplotlib
from posture.vocabulary import InputError

if TYPE_CHECKING:
    from posture.replay import Prepared

DEMO_SPEED = "50"
"""The shipped recording (46 min) in under a minute."""
SPEED_MIN, SPEED_MAX = 0.1, 1e6
_DEMO_ENDS = "Ctrl-C stops."
VIRTUAL_SPEED_MIN, VIRTUAL_SPEED_MAX = 0.1, 100.0
"""Of the virtual sensor; every sample of it crosses a link."""

app = typer.Typer(
    name="posture",
    cls=Commands,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Posture monitor for one or two motion sensors on the lower back.

Motion becomes a lumbar angle, events (flexed sitting, bends, chair rises,
floor transitions), gentle alerts and a report of the day. Every verdict
says what it rests on; what is not known is said as not judged.

[bold]Start here:[/bold]  posture demo

Not a medical device; see posture about.""",
)

RecordingArg = Annotated[
    Path,
    typer.Argument(
        metavar="RECORDING",
        help="Sample file: Parquet or CSV with time_s and, per sensor, P_acc_x_mps2 ... P_gyr_z_radps "
        "(P: sacrum, upper_lumbar). Or the folder of a session.",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for the results; made if it is not there.", show_default=False)
]
PosesOption = Annotated[
    Path | None,
    typer.Option(
        "--poses",
        help="POSES.json: when which calibration pose was held, to calibrate from this recording.",
        show_default=False,
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"posture-monitor {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    del version


for name, commands in (("programme", programme.app), ("log", log.app), ("workout", workout.app)):
    app.add_typer(commands, name=name, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def demo(
    speed: Annotated[
        str, typer.Option("--speed", help="Times real time, or max for the results without the live view.")
    ] = DEMO_SPEED,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the results. Default: demo in the program's data folder.",
            show_default=False,
        ),
    ] = None,
    sensors: SensorsOption = None,
) -> None:
    """See it work without hardware, in about a minute.

    A virtual sensor in a process of its own plays a shipped recording of
    simulated motion, worn at two places. The monitor finds it, pairs,
    streams, records, judges and alerts as it would with a real one: only
    the radio is left out. Then the day's report is written, and you are told
    where it is.

    Needs the extra virtual and a C compiler; without them the recording is
    played directly, and what is missing is said.

    What one sensor knows of the same motion: posture demo --sensors sacrum
    """
    from posture.app.doctor import missing_virtual
    from posture.app.places import data_dir, shipped_recording
    from posture.app.runs import replayed
    from posture.app.summary import result_lines, say
    from posture.replay import ReplayRequest

    recording = shipped_recording()
    poses = recording.with_name(recording.name.replace(".parquet", ".poses.json"))
    folder = out or data_dir() / "demo"
    config, worn, times = config_of(None, None), sensors_of(sensors), _speed(speed)
    why = missing_virtual()
    if why is None and (times is None or times > VIRTUAL_SPEED_MAX):
        why = f"a speed of at most {VIRTUAL_SPEED_MAX:g}"
    if why is None and times is not None:
        from posture.app.demo import demonstrated
        from posture.app.live import console

        say(
            "No hardware needed. A virtual sensor plays simulated motion, made from motion capture, over a real Bluetooth "
            f"stack without a radio, {times:g} times faster than life; the link's timers are scaled to that. {_DEMO_ENDS}"
        )
        made = demonstrated(recording, poses, folder, worn, config, times, console())
    else:

        def begin(prepared: Prepared) -> None:
            length_s = prepared.recording.info.last_s - prepared.recording.info.first_s
            pace = (
                "as fast as it goes"
                if times is None
                else f"{times:g} times faster than life: {_takes(length_s / times)}"
            )
            say(
                f"No hardware needed. {length_s / 60:.0f} min of simulated motion, made from motion capture, play {pace}. "
                f"{_DEMO_ENDS}"
            )
            say(f"BLE link not simulated: that needs {why}. The recording is played directly.")

        request = ReplayRequest(recording, config, worn, poses)
        made = replayed(request, folder, speed=times, title="posture demo", begin=begin, report=True)
    for line in ("", *result_lines(made)):
        say(line)
    say(f"Written to {folder}", wrap=False)
    say(f"Report: {(folder / 'report.html').resolve()}", wrap=False)
    if sensors is None:
        say("Next: open the report in a browser; or see what one sensor knows with posture demo --sensors sacrum")


app.registered_commands += [
    *live_cli.app.registered_commands,
    *tell.app.registered_commands,
    *whatif.app.registered_commands,
    *trend.app.registered_commands,
]


@app.command()
def replay(
    recording: RecordingArg,
    out: OutOption,
    poses: PosesOption = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration", help="A saved calibration (from posture calibrate) instead of poses.", show_default=False
        ),
    ] = None,
    sensors: SensorsOption = None,
    preset: PresetOption = None,
    as_live: Annotated[
        bool,
        typer.Option(
            "--as-live",
            help="Results as live gave them, in order of arrival; without it a session's late data is used too. "
            "For a sample file that is the same thing.",
        ),
    ] = False,
    speed: Annotated[
        str, typer.Option("--speed", help="max, or N to play at N times real time with the live view.")
    ] = "max",
    smooth: Annotated[
        bool,
        typer.Option(
            "--smooth",
            help="Smooth the angles with later samples: more exact, and not what a live run would have had. Alerts stay as live.",
        ),
    ] = False,
    angles: Annotated[
        bool, typer.Option("--angles", help="Also write angles.parquet: the angles, 50 a second.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option("--start", help="When time 0 was, ISO 8601, e.g. 2026-03-02T08:00:00.", show_default=False),
    ] = None,
    zone: Annotated[
        str | None, typer.Option("--zone", help="IANA time zone, e.g. Europe/Berlin.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Run a recording through the monitor and write what it says to a folder.

    Writes epochs.parquet (one row a second), events.json, alerts.json,
    summary.json, calibration.json and session.json; all of them or none.

    With poses the recording calibrates itself first. With neither poses nor
    a calibration, upright is taken from standing and walking, confidence is
    lower, and flexed sitting is not judged.

    A session brings its own calibration and settings. Its result is the
    final one, with what came late, and with the alerts that were raised.

    Example: posture replay monday.parquet --poses monday.poses.json -o monday
    """
    from posture.app.runs import replayed
    from posture.app.summary import result_lines, say
    from posture.recording.session import is_session
    from posture.replay import ReplayRequest

    pace = _speed(speed)
    if smooth and (as_live or pace is not None):
        raise InputError(
            f"--smooth uses later samples, which no live run has; leave away --smooth or {'--as-live' if as_live else '--speed'}"
        )
    # Without --smooth a sample file's final and live result are one: it holds its rows in order of arrival.
    request = ReplayRequest(
        recording,
        None if config is None and is_session(recording) else config_of(config, None),
        sensors_of(sensors),
        poses,
        calibration,
        start,
        zone,
        smooth,
        as_live,
        preset,
    )
    made = replayed(request, out, speed=pace, title=recording.name, want_angles=angles)
    for line in result_lines(made):
        say(line)
    say(f"Written to {out}", wrap=False)
    older = sorted(p.name for p in out.glob("report*.*"))
    again = f"{', '.join(older)} in it {'is' if len(older) == 1 else 'are'} from an earlier run. " if older else ""
    say(f"{again}Next: posture report --from {out}", wrap=False)


@app.command()
def report(
    date: Annotated[
        str | None,
        typer.Argument(
            metavar="DATE",
            help="A day that the monitor kept: 2026-03-02, yesterday or today. Default: the last.",
            show_default=False,
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="Instead: a folder that posture replay wrote.", show_default=False),
    ] = None,
    fmt: Annotated[
        str, typer.Option("--format", "-f", help="html, pdf (needs the extra pdf), json, csv or png.")
    ] = "html",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write it. Default: report.FORMAT in the folder, or DATE.FORMAT among the reports of the data folder.",
            show_default=False,
        ),
    ] = None,
    day: Annotated[
        str | None,
        typer.Option(
            "--day",
            help="With --from: which day (2026-03-02) of a recording over 04:00, where days begin. Default: the one worn longest.",
            show_default=False,
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            help="With --from: your log as a file, for the programme's part (docs/programme.md).",
            show_default=False,
        ),
    ] = None,
    for_physio: Annotated[
        bool, typer.Option("--physio", help="Instead: one page for a physiotherapist, as html or pdf.")
    ] = False,
    pack: PackOption = None,
    person: PersonOption = None,
) -> None:
    """Write the day's report: words, day ribbon, sitting, meter, bends, events.

    The words say one thing that went well, at most two habits with their
    numbers, tonight's practice and tomorrow's focus, from the programme.

    The HTML is one file that needs no network. JSON is the summary itself
    with the programme's part; CSV has one row an event, and the numbers in
    a second file beside it; PNG is one file a figure.

    Example: posture report yesterday --format pdf

    Example: posture report --from monday
    """
    if folder is not None:
        if date is not None or person is not None:
            raise InputError("--from is a report of that folder; leave DATE and --person away, or take --day")
        from analysis.report import write

        made = write(folder, fmt, out, day=day, log=log, pack=pack, for_physio=for_physio)
    else:
        if day is not None or log is not None:
            raise InputError("--day and --log belong to --from; give the day as posture report 2026-03-02")
        from posture.app.reports import write_kept

        made = write_kept(date, fmt, out, pack=pack, person=person, for_physio=for_physio)
    for path in made:
        typer.echo(f"Written to {path}")


@app.command()
def calibrate(
    recording: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A recording that holds the calibration poses. Default: guided, with the sensors that you wear.",
            show_default=False,
        ),
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(
            "--poses",
            help="With --from: POSES.json, when which pose was held (table, stand, walk, sit_tall, sit_usual, slump, recline, "
            "bend_max, hinge, rounded, stand_end); docs/calibration.md shows one.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="The sensors were put on again: stand 5 s and walk 10 steps are enough, on a full one."
        ),
    ] = False,
    end_range: live_cli.EndRangeOption = False,
    base: Annotated[
        Path | None,
        typer.Option(
            "--base",
            help="With --quick: a full calibration of the same sensors. Live, the last one is taken.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write the calibration. Default: calibration.json here; a live one is kept for posture run.",
            show_default=False,
        ),
    ] = None,
    sensors: SensorsOption = None,
    hci: live_cli.HciOption = None,
    speed: live_cli.SpeedOption = 1.0,
    config: ConfigOption = None,
    person: PersonOption = None,
) -> None:
    """Find the body in the sensors' axes, your neutral stand and your range.

    Guided: the terminal says what to do, counts down, shows how it goes and
    asks for a bad pose once more. Or from recorded poses with --from. The
    sensors may sit at any angle. Says in one sentence what this wear can and
    cannot judge, and grades the calibration with plain reasons.

    Put on again? With --quick upright and the walk are found anew, and your
    range, seated poses and bending axis are taken from a full calibration.

    Of a session that posture run recorded, --from alone makes the
    calibration under it anew, from the poses that it keeps.

    Example: posture calibrate --from monday.parquet --poses monday.poses.json
    """
    from posture.app.summary import calibration_lines, say
    from posture.atomic import write_whole
    from posture.recording import open_recording
    from posture.recording.session import is_session
    from posture.replay import calibrate_from, calibration_json, read_calibration, recalibrated

    anew = recording is not None and poses is None and not quick and is_session(recording)
    if (recording is None) != (poses is None) and not anew:
        raise InputError("--from and --poses go together; leave both away to calibrate with the sensors that you wear")
    if recording is not None and quick and base is None:
        raise InputError("--quick needs --base, your last full calibration; without one leave --quick away")
    if base is not None and not quick:
        raise InputError("--base is for --quick; add --quick, or leave --base away for a full calibration")
    on = read_calibration(base) if base is not None else None
    own, chosen = config_of(config, None), sensors_of(sensors)
    if recording is not None and poses is not None:
        made = calibrate_from(open_recording(recording, sensors=chosen), poses, own, base=on)
        out = out or Path("calibration.json")
    elif recording is not None:
        made = recalibrated(recording, own, chosen)
        out = out or Path("calibration.json")
    else:
        from posture.app.guided import calibrate_command
        from posture.app.stopping import run_interruptible

        work = calibrate_command(
            live_cli.here_of(person, hci, speed), own, chosen, quick=quick, end_range=end_range, base=on
        )
        made = run_interruptible(work)
    if out is not None:
        write_whole(out, calibration_json(made))
    for line in calibration_lines(made):
        say(line)
    if out is not None:
        say(f"Written to {out}", wrap=False)


@app.command()
def validate(
    dataset: Annotated[
        str | None, typer.Argument(metavar="DATASET", help="Its name; --list shows them.", show_default=False)
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            help="Folder that holds the labelled data; may be given again. Default: data in the folder that the "
            "environment variable POSTURE_SHARED names.",
            show_default=False,
        ),
    ] = None,
    docs: Annotated[
        Path | None,
        typer.Option("--docs", help="Page whose tables of this data set are replaced.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the tables and figures.", show_default=False)
    ] = None,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Smooth the orientation, as posture replay --smooth does (days only).")
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="What each data set is, what its truth is worth, whether it is there.")
    ] = False,
) -> None:
    """Run labelled data through the monitor and say how right it was.

    Every figure comes with its number, its people, the worst of them and
    an interval over people. Data that may not be shipped is read from the
    folder that you give.

    Example: posture validate days --data recordings
    """
    from posture.app.validation import listed, validated

    if list_ or dataset is None:
        if not list_:
            raise typer.BadParameter("name a data set, or see what there is with --list", param_hint="DATASET")
        listed(data)
        return
    validated(dataset, data, docs=docs, out=out, smooth=smooth)


@app.command("virtual-sensor")
def virtual_sensor(
    recording: Annotated[
        Path, typer.Option("--recording", "-r", help="Sample file: what the sensor measures.", show_default=False)
    ],
    recording2: Annotated[
        Path | None,
        typer.Option(
            "--recording2",
            help="A second sample file: the sacrum is taken from the first, the upper lumbar spine from this one. "
            "Default: every sensor of the first.",
            show_default=False,
        ),
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", help="Times real time: how fast the sensor's clock runs, its timeouts included.")
    ] = 1.0,
    hci: Annotated[
        str,
        typer.Option("--hci", help="Where a Bumble host finds its controller; port 0 takes a free one and says it."),
    ] = "tcp-server:127.0.0.1:0",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="NAME[=VALUE][@SECONDS]",
            help="Something that goes wrong; may be given again. --fault list shows them all.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Be a sensor without hardware: the firmware's own code on a virtual radio.

    Plays a recording as one or two sensors that a Bluetooth host can find,
    pair with and stream from: advertising, encryption, frames, ring,
    backfill. The host is any program on Bumble that opens the address
    that is printed; READY says that the sensors advertise. A timed fault
    strikes when the sensor has streamed for SECONDS. Ctrl-C ends it.

    Needs the extra virtual and a C compiler. No radio is used or measured.

    Example: posture virtual-sensor --recording monday.parquet --fault out-of-range=20@60
    """
    if not VIRTUAL_SPEED_MIN <= speed <= VIRTUAL_SPEED_MAX:
        raise InputError(f"--speed {speed:g} is not from {VIRTUAL_SPEED_MIN:g} to {VIRTUAL_SPEED_MAX:g}")
    from posture.app.virtual import fault_lines, faults_of, simulate, wearings

    if fault and "list" in fault:
        for line in fault_lines():
            typer.echo(line)
        return
    faults = faults_of(fault or ())
    simulate(wearings(recording, recording2), hci, speed=speed, faults=faults, say=typer.echo)


@app.command()
def about() -> None:
    """Versions, where data is kept, what this is and what it is not."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from analysis.inputs import NOT_MEDICAL, RED_FLAGS
    from posture.app.places import acknowledgements, config_path, data_dir
    from posture.app.summary import say

    say(
        f"posture-monitor {__version__} on Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    for name in ("numpy", "scipy", "vqf", "ahrs", "bleak", "pyarrow"):
        try:
            say(f"  {name} {version(name)}")
        except PackageNotFoundError:
            say(f"  {name} not installed")
    say(f"Data: {data_dir()}", wrap=False)
    say(f"Configuration: {config_path()}{'' if config_path().exists() else ' (not there: defaults)'}", wrap=False)
    say("Nothing leaves this machine.")
    say(f"Demo recording: {acknowledgements()}")
    say("")
    say(NOT_MEDICAL)
    say(f"See a clinician without waiting for any of these red flags: {RED_FLAGS}.")


def _speed(text: str) -> float | None:
    """Times real time; None is as fast as it goes."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not SPEED_MIN <= speed <= SPEED_MAX:
        raise InputError(f"--speed {text!r} is neither max nor a number from {SPEED_MIN:g} to {SPEED_MAX:.0f}")
    return speed


def _takes(seconds: float) -> str:
    return "a moment" if seconds < 2 else f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


def main() -> None:
    """Entry point."""
    end_cleanly()
    house_matplotlib()
    with steady_output():
        code = run(app, sys.argv[1:])
    sys.exit(code)


if __name__ == "__main__":
    main()
