"""Options that several commands share, and what today is."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from posture.vocabulary import InputError

PackOption = Annotated[
    Path | None,
    typer.Option("--pack", help="Folder of another content pack. Default: the shipped one.", show_default=False),
]
PersonOption = Annotated[
    str | None,
    typer.Option("--person", help="A second person's own store, kept apart under this name.", show_default=False),
]


def day_of(text: str, option: str) -> date:
    """A day as the user wrote it; InputError names the option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text!r} is no day; write it as 2026-03-02") from None


def today(now: datetime | None = None) -> date:
    """The day of this moment in the system's zone. A day begins at 04:00: what is done after midnight belongs to the evening."""
    from analysis.inputs import DAY_BEGINS_H

    now = now or datetime.now().astimezone()
    return date.fromordinal(now.date().toordinal() - (now.hour < DAY_BEGINS_H))
