"""Options of the live commands; what they do is in `posture.app.commands`. Heavy imports happen inside, as in `posture.app.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posture.app.exits import Commands
from posture.app.options import ConfigOption, PersonOption, PresetOption, SensorsOption, config_of, sensors_of
from posture.vocabulary import InputError, Placement

if TYPE_CHECKING:
    from posture.app.session import Here

app = typer.Typer(cls=Commands)

HciOption = Annotated[
    str | None,
    typer.Option(
        "--hci",
        metavar="tcp-client:127.0.0.1:PORT",
        help="A virtual sensor instead of this computer's Bluetooth: the line that posture virtual-sensor prints.",
        show_default=False,
    ),
]
SpeedOption = Annotated[
    float,
    typer.Option("--speed", help="With --hci: how many times faster than life that sensor runs; all timers follow."),
]
SecondsOption = Annotated[float, typer.Option("--seconds", help="How long to listen.")]
EndRangeOption = Annotated[
    bool,
    typer.Option(
        "--end-range",
        help="With the bends to the end of your range too. Not with pain of 4 of 10 or more, nor in stage 1 of the programme.",
    ),
]


@app.command()
def scan(seconds: SecondsOption = 5.0, hci: HciOption = None, person: PersonOption = None) -> None:
    """Show the sensors that can be heard, nearest first.

    A sensor that another computer is connected to is silent.

    Example: posture scan --seconds 10
    """
    from posture.app.commands import scan_command
    from posture.app.stopping import run_interruptible

    run_interruptible(scan_command(here_of(person, hci), _seconds(seconds)))


@app.command()
def pair(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As posture scan shows it, or its address.", show_default=False)
    ],
    placement: Annotated[
        Placement | None,
        typer.Option(
            "--placement",
            "-p",
            help="Where you wear it. Default: as before, or the first free one.",
            show_default=False,
        ),
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Forget a paired sensor instead.")] = False,
    seconds: SecondsOption = 5.0,
    hci: HciOption = None,
    person: PersonOption = None,
) -> None:
    """Choose a sensor: bond with it and remember it by its serial.

    Press the sensor's button first; it can be paired for a minute. Only
    paired sensors are ever listened to.

    Example: posture pair LPS-4C01 --placement sacrum
    """
    from posture.app.commands import forget_command, pair_command
    from posture.app.stopping import run_interruptible

    run_interruptible(
        forget_command(here_of(person), name)
        if forget
        else pair_command(here_of(person, hci), name, placement, _seconds(seconds))
    )


@app.command()
def sensors(person: PersonOption = None) -> None:
    """List the paired sensors: where each is worn, its battery, and what this wear can judge."""
    from posture.app.commands import sensors_command
    from posture.app.stopping import run_interruptible

    run_interruptible(sensors_command(here_of(person)))


@app.command()
def doctor(person: PersonOption = None) -> None:
    """Find out what this computer lacks for a live sensor, with the next step for each.

    Exit code 1 where a live session cannot run.
    """
    from posture.app.commands import doctor_command
    from posture.app.stopping import run_interruptible

    if not run_interruptible(doctor_command(here_of(person))):
        raise typer.Exit(1)


@app.command()
def setup(
    hci: HciOption = None,
    speed: SpeedOption = 1.0,
    config: ConfigOption = None,
    person: PersonOption = None,
) -> None:
    """First run, in five minutes: check, pair, put on, feel it buzz, calibrate."""
    from posture.app.commands import setup_command, stdin_ask
    from posture.app.stopping import run_interruptible

    work = setup_command(here_of(person, hci, speed), config_of(config, None), ask=stdin_ask)
    run_interruptible(work)


@app.command()
def run(
    preset: PresetOption = None,
    sensors: SensorsOption = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            help="A saved calibration of this wear. Default: the newest of these sensors.",
            show_default=False,
        ),
    ] = None,
    hci: HciOption = None,
    speed: SpeedOption = 1.0,
    config: ConfigOption = None,
    person: PersonOption = None,
) -> None:
    """Monitor: stream from the paired sensors until Ctrl-C.

    What comes is recorded first, then judged and shown. Alerts buzz on the
    sensor and appear on the desktop. A link that is lost is found again, and
    what the sensor kept meanwhile is fetched: it goes into the record and
    the final result, and never raises an alert.

    At the end the final result is made from the whole record, and what it
    changed is said. A run that was cut off is finished by the next one.

    Example: posture run --preset quiet
    """
    from posture.app.commands import run_command
    from posture.app.stopping import run_interruptible
    from posture.replay import read_calibration

    given = read_calibration(calibration) if calibration is not None else None
    own = config_of(config, preset)
    run_interruptible(run_command(here_of(person, hci, speed), own, sensors_of(sensors), given))


def here_of(person: str | None, hci: str | None = None, speed: float = 1.0) -> Here:
    """Whose home, which radio, this terminal. InputError for a speed that no virtual sensor has."""
    from posture.app.live import console
    from posture.app.places import Home, person_dir
    from posture.app.session import Here
    from posture.app.summary import say

    if not 0.1 <= speed <= 100.0:
        raise InputError(f"--speed {speed:g} is not from 0.1 to 100")
    return Here(Home(person_dir(person)), console(), say, hci, speed)


def _seconds(seconds: float) -> float:
    if not 0.1 <= seconds <= 600.0:
        raise InputError(f"--seconds {seconds:g} is not from 0.1 to 600")
    return seconds
