"""Where the program keeps things: the platform's user folders, all moved by POSTURE_HOME."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from posture.vocabulary import InputError, PostureError

APP = "posture-monitor"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def data_dir() -> Path:
    """Recordings, demo output and the store."""
    home = os.environ.get("POSTURE_HOME")
    if home:
        return Path(home) / "data"
    import platformdirs

    return Path(platformdirs.user_data_dir(APP, appauthor=False))


def person_dir(person: str | None = None) -> Path:
    """Recordings and store of one person; a second person (`--person NAME`) has a folder of their own, below the first's.

    InputError for a name that is no plain folder name.
    """
    if person is None:
        return data_dir()
    if not _NAME.fullmatch(person):
        raise InputError(f"--person {person!r} is no name for a folder: use up to 40 letters, digits, - and _")
    return data_dir() / "people" / person


def store_path(person: str | None = None) -> Path:
    """The database; it need not exist."""
    return Home(person_dir(person)).store


@dataclass(frozen=True, slots=True)
class Home:
    """Everything of one person that a live session needs or makes; nothing of it need exist."""

    folder: Path

    @property
    def store(self) -> Path:
        """The database."""
        return self.folder / "store.sqlite3"

    @property
    def sessions(self) -> Path:
        """Recorded sessions, a folder each."""
        return self.folder / "sessions"

    @property
    def calibrations(self) -> Path:
        """Recorded calibration routines, a folder each."""
        return self.folder / "calibrations"

    @property
    def bonds(self) -> Path:
        """Bonds with virtual sensors; those with real ones are kept by the system."""
        return self.folder / "virtual-bonds.json"


def cache_dir() -> Path:
    """What can be made again."""
    home = os.environ.get("POSTURE_HOME")
    if home:
        return Path(home) / "cache"
    import platformdirs

    return Path(platformdirs.user_cache_dir(APP, appauthor=False))


def house_matplotlib() -> None:
    """Tell matplotlib, before it is imported, to keep its list of fonts with ours, unless the user said where.

    Where nothing can be written it gets a temporary folder, which goes with the process.
    """
    if os.environ.get("MPLCONFIGDIR"):
        return
    folder = cache_dir() / "matplotlib"
    try:  # really: the permissions of a folder do not tell of a read-only file system
        Path(tempfile.mkdtemp(prefix=".posture-", dir=next(p for p in (folder, *folder.parents) if p.exists()))).rmdir()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="posture-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["MPLCONFIGDIR"] = str(folder)


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
