"""Where the program keeps things: the platform's user folders, all moved by POSTURE_HOME."""

from __future__ import annotations

import os
from pathlib import Path

from posture.vocabulary import PostureError

APP = "posture-monitor"


def data_dir() -> Path:
    """Recordings, demo output and, later, the database."""
    home = os.environ.get("POSTURE_HOME")
    if home:
        return Path(home) / "data"
    import platformdirs

    return Path(platformdirs.user_data_dir(APP, appauthor=False))


def config_path() -> Path:
    """posture.toml; it need not exist."""
    home = os.environ.get("POSTURE_HOME")
    if home:
        return Path(home) / "posture.toml"
    import platformdirs

    return Path(platformdirs.user_config_dir(APP, appauthor=False)) / "posture.toml"


def shipped_recording() -> Path:
    """The recording of `posture demo`: inside the package in a wheel, in recordings/ in a checkout."""
    name = "day_excerpt.parquet"
    places = (Path(__file__).parent / "data" / name, Path(__file__).parents[2] / "recordings" / name)
    for path in places:
        if path.exists():
            return path
    raise PostureError(f"the demo recording {places[0]} is missing; install posture-monitor again")


def acknowledgements() -> str:
    """Where the motion of the shipped recording comes from, in the words that its owner asks for."""
    return (
        "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from "
        "NSF EIA-0196217."
    )
