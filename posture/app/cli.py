"""The `posture` command. Heavy imports happen inside the commands, so that `--help` answers at once.

Exit codes: 0 fine, 1 a run that failed, 2 input or usage that is wrong (one clear line on stderr, nothing half-written).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posture import __version__
from posture.vocabulary import InputError, Placement, PostureError, Preset

if TYPE_CHECKING:
    from rich.console import Console

    from posture.config import Config
    from posture.replay import AngleWriter, Prepared, Records, ReplayRequest, Result

app = typer.Typer(
    name="posture",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Posture monitor for one or two sensors on the lower back.

Recorded or live motion becomes a lumbar angle, events (sitting in flexion, bends, floor transitions, chair rises), gentle
alerts and a report of the day. Every verdict says what it rests on; what is not known is said as unknown.

[bold]Start here:[/bold]  posture demo

Not a medical device; see `posture about`.""",
)

RecordingArg = Annotated[
    Path,
    typer.Argument(
        help="Sample file: Parquet or CSV with time_s and, per sensor, P_acc_x_mps2 ... P_gyr_z_radps (P: sacrum, upper_lumbar).",
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
SensorsOption = Annotated[
    str | None,
    typer.Option(
        "--sensors",
        help="Use only these, e.g. sacrum or sacrum,upper_lumbar. Default: all in the file.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="posture.toml with other thresholds. Default: the user's own, if there is one.",
        show_default=False,
    ),
]


@app.command()
def replay(
    recording: RecordingArg,
    out: OutOption,
    poses: PosesOption = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration", help="A saved calibration (from `posture calibrate`) instead of poses.", show_default=False
        ),
    ] = None,
    sensors: SensorsOption = None,
    preset: Annotated[
        Preset | None, typer.Option("--preset", help="How much the monitor says.", show_default=False)
    ] = None,
    as_live: Annotated[
        bool,
        typer.Option(
            "--as-live",
            help="Results as live gave them, in order of arrival. For a sample file that is the same thing.",
        ),
    ] = False,
    speed: Annotated[
        str, typer.Option("--speed", help="max, or N to play at N times real time with the live view.")
    ] = "max",
    angles: Annotated[bool, typer.Option("--angles", help="Also write angles.parquet: the 50 Hz angles.")] = False,
    start: Annotated[
        str | None,
        typer.Option("--start", help="When time 0 was, ISO 8601, e.g. 2026-03-02T08:00:00.", show_default=False),
    ] = None,
    zone: Annotated[
        str | None, typer.Option("--zone", help="IANA time zone, e.g. Europe/Berlin.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Run a recording through the pipeline and write what it says to a folder.

    Writes epochs.parquet (one row a second), events.json, alerts.json, summary.json, calibration.json and session.json; all of
    them or none. With poses the recording calibrates itself first; with neither poses nor a calibration, upright is taken
    from walking and confidence is lower.

    Example: posture replay monday.parquet --poses monday.poses.json --out monday
    """
    from posture.replay import ReplayRequest

    request = ReplayRequest(recording, _config(config, preset), _sensors(sensors), poses, calibration, start, zone)
    del as_live  # a sample file holds its rows in order of arrival: the final and the live result are one
    made = _replayed(request, out, speed=_speed(speed), want_angles=angles)
    _say_result(made, out)


@app.command()
def calibrate(
    recording: Annotated[
        Path, typer.Option("--from", help="A recording that holds the calibration poses.", show_default=False)
    ],
    poses: Annotated[
        Path,
        typer.Option(
            "--poses",
            help="POSES.json: name -> [[from_s, to_s], ...] for stand, walk, sit_tall, sit_usual, slump, bend_max, "
            "hinge, rounded, stand_end.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the calibration.")] = Path(
        "calibration.json"
    ),
    sensors: SensorsOption = None,
    config: ConfigOption = None,
) -> None:
    """Find the body in the sensors' axes, the neutral stand and the person's range, from recorded poses.

    The sensors may sit at any angle. Says in one sentence what this wear can and cannot judge, and grades the calibration
    with plain reasons.

    Example: posture calibrate --from monday.parquet --poses monday.poses.json
    """
    from posture.atomic import write_whole
    from posture.recording import open_recording
    from posture.replay import calibrate_from, calibration_json

    made = calibrate_from(open_recording(recording, sensors=_sensors(sensors)), poses, _config(config, None))
    write_whole(out, calibration_json(made))
    typer.echo(made.judges())
    typer.echo(
        f"Range: {made.rom_deg:.0f} deg lumbar flexion ({'measured' if made.rom_measured else 'population value'})."
    )
    typer.echo(f"Grade: {made.grade}." + ("" if made.reasons else " Nothing to add."))
    for reason in made.reasons:
        typer.echo(f"  - {reason}")
    typer.echo(f"Written to {out}")


@app.command()
def report(
    folder: Annotated[Path, typer.Option("--from", help="A folder that `posture replay` wrote.", show_default=False)],
    fmt: Annotated[str, typer.Option("--format", "-f", help="html, json, csv or png.")] = "html",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where to write it. Default: report.FORMAT in the folder.", show_default=False
        ),
    ] = None,
) -> None:
    """Write the day's report: words, day ribbon, sitting bouts, meter, bends, events.

    The HTML is one file that needs no network. JSON is the summary itself, CSV one row an event with the numbers beside it.

    Example: posture report --from monday
    """
    from analysis.report import write

    for path in write(folder, fmt, out):
        typer.echo(f"Written to {path}")


@app.command()
def demo(
    speed: Annotated[float, typer.Option("--speed", min=1.0, help="Times real time.")] = 60.0,
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
    """See it work, with no hardware: recorded human motion plays through the pipeline, then the day's report is written.

    The recording is a simulated day stitched from motion capture, worn with two sensors. It plays at 60 times real time: angle,
    context, time-in-flexion meter, events and alerts as they become known. Try --sensors sacrum to see what one sensor knows.
    """
    from analysis.report import write
    from posture.app.places import data_dir, shipped_recording
    from posture.replay import ReplayRequest

    recording = shipped_recording()
    poses = recording.with_name(recording.name.replace(".parquet", ".poses.json"))
    folder = out or data_dir() / "demo"
    typer.echo("BLE link not simulated: the recording is played directly.")
    request = ReplayRequest(recording, _config(None, None), _sensors(sensors), poses)
    made = _replayed(request, folder, speed=speed)
    _say_result(made, folder)
    for path in write(folder, "html"):
        typer.echo(f"Report: {path.resolve()}")


@app.command()
def about() -> None:
    """Versions, where data is kept, what this is and is not."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from analysis.inputs import NOT_MEDICAL, RED_FLAGS
    from posture.app.places import config_path, data_dir

    typer.echo(
        f"posture-monitor {__version__} on Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    for name in ("numpy", "scipy", "vqf", "ahrs", "bleak", "pyarrow"):
        try:
            typer.echo(f"  {name} {version(name)}")
        except PackageNotFoundError:
            typer.echo(f"  {name} not installed")
    typer.echo(
        f"Data: {data_dir()}\nConfiguration: {config_path()}{'' if config_path().exists() else ' (none: defaults)'}"
    )
    typer.echo("Nothing leaves this machine.\n")
    typer.echo(f"{NOT_MEDICAL}\nSeek care at once for: {RED_FLAGS}.")


def _config(path: Path | None, preset: Preset | None) -> Config:
    from posture.app.places import config_path
    from posture.config import load_config

    own = config_path()
    return load_config(path or (own if own.exists() else None)).with_preset(preset)


def _sensors(text: str | None) -> tuple[Placement, ...] | None:
    if text is None:
        return None
    known = {p.value: p for p in Placement}
    names = [n.strip() for n in text.split(",") if n.strip()]
    unknown = [n for n in names if n not in known]
    if unknown or not names:
        raise InputError(
            f"--sensors {text!r}: {unknown[0] if unknown else 'nothing'} is not a placement; "
            f"write {' or '.join(known)}, or both with a comma"
        )
    return tuple(p for p in Placement if p.value in names)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise InputError(f"--speed {text!r} is neither max nor a number over 0")
    return speed


def _replayed(request: ReplayRequest, out: Path, *, speed: float | None, want_angles: bool = False) -> Records:
    """Check, calibrate, run and write: the common part of `replay` and `demo`."""
    from posture.app.live import console
    from posture.replay import AngleWriter, Staging, prepare, records, write_records

    prepared = prepare(request)
    screen = console()
    with Staging(out) as staging:
        angles = AngleWriter(staging.path / "angles.parquet", prepared.recording.info.selected) if want_angles else None
        try:
            if speed is None:
                result = _run_with_bar(prepared, angles, screen)
            else:
                from posture.app.play import play

                result = play(
                    prepared, speed=speed, console=screen, title=f"{request.recording.name}  x{speed:g}", angles=angles
                )
        finally:
            if angles is not None:
                angles.close()
        made = records(prepared, result)
        write_records(staging.path, made, {"summary.json": _summary(made)})
        staging.commit()
    return made


def _run_with_bar(prepared: Prepared, angles: AngleWriter | None, screen: Console) -> Result:
    from rich.progress import Progress

    from posture.replay import run

    error = type(screen)(stderr=True)
    with Progress(console=error, transient=True, disable=not error.is_terminal) as bar:
        task = bar.add_task("replay", total=1.0)
        return run(
            prepared,
            prepared.recording.batches(),
            angles=angles,
            progress=lambda share: bar.update(task, completed=share),
        )


def _summary(made: Records) -> str:
    from analysis.daily import summarise
    from analysis.inputs import ReportInput

    day = ReportInput.from_records(made.epochs, events=made.events, alerts=made.alerts, session=made.session)
    return summarise(day.epochs, day.events, day.alerts, day.session).to_json()


def _say_result(made: Records, out: Path) -> None:
    counts: dict[str, int] = {}
    for event in made.events:
        counts[str(event["kind"])] = counts.get(str(event["kind"]), 0) + 1
    typer.echo(made.calibration.judges())
    typer.echo(f"Calibration: {made.calibration.grade}." + "".join(f"\n  - {r}" for r in made.calibration.reasons))
    for note in made.session["notes"] or ():  # type: ignore[union-attr]
        typer.echo(f"Note: {note}")
    seconds = len(made.epochs)
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "no events"
    typer.echo(
        f"{seconds // 3600} h {seconds // 60 % 60} min: {found}; {len(made.alerts)} alert{'s' * (len(made.alerts) != 1)}."
    )
    typer.echo(f"Written to {out}")


def main() -> None:
    """Entry point: a wrong input is one line and exit 2, never a traceback."""
    try:
        app()
    except InputError as error:
        typer.echo(f"posture: {error}", err=True)
        sys.exit(2)
    except PostureError as error:
        typer.echo(f"posture: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("posture: stopped; nothing was written", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
