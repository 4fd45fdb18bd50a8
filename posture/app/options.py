"""Options that several commands share, what is made of them, and what today is."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posture.vocabulary import InputError, Placement, Preset

if TYPE_CHECKING:
    from posture.config import Config

PackOption = Annotated[
    Path | None,
    typer.Option("--pack", help="Folder of another content pack. Default: the shipped one.", show_default=False),
]
PersonOption = Annotated[
    str | None,
    typer.Option("--person", help="A second person's own store, kept apart under this name.", show_default=False),
]
SensorsOption = Annotated[
    str | None,
    typer.Option(
        "--sensors",
        help="Use only these: sacrum, upper_lumbar, or both with a comma. Default: all there are.",
        show_default=False,
    ),
]
PresetOption = Annotated[
    Preset | None,
    typer.Option(
        "--preset",
        help="How much the monitor says: all three detections gently, sitting only, or every verdict for half an hour.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="posture.toml with other thresholds. Default: your own (posture about says where), if there is one.",
        show_default=False,
    ),
]


def config_of(path: Path | None, preset: Preset | None) -> Config:
    """The settings: of `--config`, or the user's own file, or the defaults, with the preset that was asked for."""
    from posture.app.places import config_path
    from posture.config import load_config

    own = config_path()
    return load_config(path or (own if own.exists() else None)).with_preset(preset)


def sensors_of(text: str | None) -> tuple[Placement, ...] | None:
    """`--sensors`; None: all there are."""
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


def day_of(text: str, option: str) -> date:
    """A day as the user wrote it (`today` and `yesterday` too); InputError names the option."""
    if text in ("today", "yesterday"):
        return date.fromordinal(today().toordinal() - (text == "yesterday"))
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text!r} is no day; write it as 2026-03-02, yesterday or today") from None


def today(now: datetime | None = None) -> date:
    """The day of this moment in the system's zone. A day begins at 04:00: what is done after midnight belongs to the evening."""
    from posture.days import DAY_BEGINS_H

    now = now or datetime.now().astimezone()
    return date.fromordinal(now.date().toordinal() - (now.hour < DAY_BEGINS_H))
