"""`posture trend`: weeks of days against the person's own."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posture.app.options import PersonOption, day_of, today
from posture.app.places import person_dir, store_path
from posture.vocabulary import InputError

if TYPE_CHECKING:
    from analysis.trends import Trend
    from analysis.weekly import WeekDay

app = typer.Typer()
NONE_YET = (
    "the monitor has kept no day yet: start posture run, or give a folder of results of posture replay with --from"
)


@app.command()
def trend(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Instead of the days that were kept: a folder of folders that posture replay wrote.",
            show_default=False,
        ),
    ] = None,
    days: Annotated[int, typer.Option("--days", help="How many days are drawn and compared.", min=7, max=366)] = 28,
    until: Annotated[
        str | None,
        typer.Option("--until", help="The last day, as 2026-03-02. Default: today; with --from the last there is."),
    ] = None,
    week: Annotated[
        bool, typer.Option("--week", help="Write the report of the last seven days, as HTML where no format is given.")
    ] = False,
    fmt: Annotated[
        str | None,
        typer.Option("--format", "-f", help="Write a file: html, png, svg, csv or json.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to. Default: trend.FORMAT in the folder, or among the reports.",
            show_default=False,
        ),
    ] = None,
    person: PersonOption = None,
) -> None:
    """The last week and month against your own days before.

    A difference is called a change only where it is larger than your own days
    differ by chance; else it says "no real change". Days worn too short, other
    sensors and days without a recording are named and not compared.

    Example: posture trend

    Example: posture trend --week --format html
    """
    from posture.app.summary import say

    if folder is not None and person is not None:
        raise InputError("--from is a trend of that folder; leave --person away")
    last = None if until is None else day_of(until, "--until")
    found, lived = _of_folder(folder, last, days) if folder is not None else _of_store(person, last or today(), days)
    if week or fmt is not None or out is not None:
        from analysis.weekly import write_trend

        fmt = fmt or (out.suffix.lstrip(".") if out is not None and out.suffix else "html")
        name = f"{'week' if week else 'trend'}{'' if folder else f'-{found.until}'}.{fmt}"
        path = out or (folder or person_dir(person) / "reports") / name
        say(f"Written to {write_trend(found, fmt, path, week=week, lived=lived if week else ())}", wrap=False)
    else:
        _show(found)


def _of_folder(folder: Path, until: date | None, days: int) -> tuple[Trend, tuple[WeekDay, ...]]:
    from analysis.programme.days import read_days
    from analysis.trends import trend_of
    from analysis.weekly import week_days

    found = read_days(folder)
    if not found.by_day:
        raise InputError(
            f"no recording in {folder} has a clock, so none has a day: give posture replay --start and --zone"
        )
    made = trend_of(found.by_day, until or max(found.by_day), days=days)
    return made, week_days(made, found.by_day)


def _of_store(person: str | None, until: date, days: int) -> tuple[Trend, tuple[WeekDay, ...]]:
    from analysis.stored import entries_of, kept_summaries
    from analysis.trends import BASE_DAYS, trend_of
    from analysis.weekly import week_days
    from posture.store import Store

    path = store_path(person)
    if not path.exists():
        raise InputError(NONE_YET)
    with Store(path) as store:
        kept = kept_summaries(store, until - timedelta(days=days + BASE_DAYS - 1), until)
        entries = entries_of(store)
    made = trend_of(kept, until, days=days)
    return made, week_days(made, kept, entries)


def _show(found: Trend) -> None:
    from rich.table import Table

    from analysis.trends import words_of
    from analysis.weekly import table_of
    from posture.app.live import console
    from posture.app.summary import say

    for line in (*words_of(found), *found.notes[1:]):
        say(line)
    for window in sorted({c.window_days for c in found.compared}):
        head, *rows = table_of(found, window)
        table = Table(box=None, pad_edge=False)
        for k, name in enumerate(head):
            table.add_column(name, justify="left" if k in (0, len(head) - 1) else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        console().print(table)
