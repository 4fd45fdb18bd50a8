"""`posture whatif`: a recording under other thresholds, side by side, with a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posture.app.options import ConfigOption, SensorsOption, config_of, sensors_of
from posture.vocabulary import InputError, Preset

if TYPE_CHECKING:
    from analysis.inputs import ReportInput
    from analysis.schema import DailySummary
    from analysis.whatif import Changed, Row
    from posture.replay import ReplayRequest

app = typer.Typer()


@app.command()
def whatif(
    recording: Annotated[
        Path,
        typer.Argument(
            metavar="SESSION", help="Folder of a session, or a sample file as for posture replay.", show_default=False
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="section.name=value, as in posture.toml; may be given several times.", show_default=False
        ),
    ] = None,
    preset: Annotated[
        Preset | None, typer.Option("--preset", help="Another alert preset in the second run.", show_default=False)
    ] = None,
    poses: Annotated[
        Path | None, typer.Option("--poses", help="POSES.json of a sample file.", show_default=False)
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option("--calibration", help="A saved calibration of a sample file.", show_default=False)
    ] = None,
    sensors: SensorsOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture; the numbers go beside it as .json.")] = Path(
        "whatif.png"
    ),
    config: ConfigOption = None,
) -> None:
    """What a day would have been under other thresholds.

    The recording runs twice: as it is set now, and with your changes. You
    see each number that moves, and both days in one picture. Nothing is
    kept: the recording, the store and your settings stay as they are.
    Keys, units and sources: docs/thresholds.md.

    Example: posture whatif monday --set sitting.flexed_on_pct=55
    """
    from analysis.whatif import compared, to_json
    from posture.app.summary import say
    from posture.atomic import write_whole
    from posture.recording.session import is_session
    from posture.replay import ReplayRequest

    if not settings and preset is None:
        raise InputError("there is nothing to compare; give --set section.name=value or --preset")
    if out.suffix.lower() != ".png":
        raise InputError(f"--out {out} is not a picture; give a name that ends in .png")
    base = ReplayRequest(
        recording,
        None if config is None and is_session(recording) else config_of(config, None),
        sensors_of(sensors),
        poses,
        calibration,
        as_live=True,  # the alerts are worked out anew, as a live run would raise them
    )
    changes, days, summaries = _both(base, settings or [], preset)
    rows = compared(*summaries)
    for line in _lines(changes, [r for r in rows if r.differs], rows_n=len(rows)):
        say(line)
    picture = _picture(changes, days, summaries)
    say(f"Written to {write_whole(out, picture)}", wrap=False)
    say(f"Written to {write_whole(out.with_suffix('.json'), to_json(changes, rows))}", wrap=False)


def _both(
    base: ReplayRequest, settings: list[str], preset: Preset | None
) -> tuple[tuple[Changed, ...], list[ReportInput], list[DailySummary]]:
    from rich.progress import Progress

    from analysis.daily import summarise
    from analysis.days import chosen, split
    from analysis.inputs import ReportInput
    from analysis.whatif import Changed, changed_config
    from posture.app.live import console
    from posture.replay import prepare, records, run

    before = prepare(base)
    config, changes = changed_config(before.config, settings)
    if preset is not None:
        changes += (Changed("alerts.preset", str(before.config.alerts.preset), str(preset), ""),)
    after = prepare(replace(base, config=config.with_preset(preset)))
    screen = type(console())(stderr=True)
    days = []
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("replay", total=2.0)
        for k, prepared in enumerate((before, after)):
            result = run(
                prepared,
                prepared.recording.batches(),
                progress=lambda share, k=k: bar.update(task, completed=k + share),  # type: ignore[misc]
            )
            made = records(prepared, result)
            whole = ReportInput.from_records(made.epochs, events=made.events, alerts=made.alerts, session=made.session)
            days.append(chosen(split(whole)))
    return changes, days, [summarise(d.epochs, d.events, d.alerts, d.session) for d in days]


def _lines(changes: tuple[Changed, ...], moved: list[Row], *, rows_n: int) -> list[str]:
    """Which settings, then each number that they move."""
    lines = [f"{c.key}: {c.before} -> {c.after}" + f" ({c.meaning})" * bool(c.meaning) for c in changes]
    if not moved:
        return [*lines, f"None of the {rows_n} numbers of the day moves."]
    width = max(len(r.name) for r in moved)
    lines += [f"  {r.name:{width}}  {r.text(r.before):>12} -> {r.text(r.after)}" for r in moved]
    return [*lines, f"The other {rows_n - len(moved)} numbers of the day stay as they were."]


def _picture(changes: tuple[Changed, ...], days: list[ReportInput], summaries: list[DailySummary]) -> bytes:
    from analysis.figure_data import meter_data, ribbon_data
    from analysis.figures import draw_whatif, image

    if not all(len(d.epochs) for d in days):
        raise InputError("the recording holds not one whole second; there is nothing to draw")
    after = ", ".join(f"{c.key} = {c.after}" for c in changes)
    figure = draw_whatif(
        [ribbon_data(d.epochs, d.events, d.alerts) for d in days],
        [meter_data(d.epochs, d.alerts) if s.meter.known else None for d, s in zip(days, summaries, strict=True)],
        days[0].session.clock,
        names=["as it is set", f"with {after}"],
        highs=[s.meter.high_level for s in summaries],
    )
    return image(figure)
