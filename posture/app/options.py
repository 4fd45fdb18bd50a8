"""Options that several commands share, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posture.vocabulary import InputError, Placement, Preset

if TYPE_CHECKING:
    from posture.config import Config

SensorsOption = Annotated[
    str | None,
    typer.Option(
        "--sensors",
        help="Use only these: sacrum, upper_lumbar, or both with a comma. Default: all in the file.",
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
