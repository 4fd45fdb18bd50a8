"""Where the program keeps things: the platform's user folders, all moved by POSTURE_HOME."""

from __future__ import annotations

import os
from pathlib import Path

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
    """The recording of `posture demo`: beside the package in a wheel, in recordings/ in a checkout."""
    inside = Path(__file__).parent / "data" / "day_excerpt.parquet"
    return inside if inside.exists() else Path(__file__).parents[2] / "recordings" / "day_excerpt.parquet"
