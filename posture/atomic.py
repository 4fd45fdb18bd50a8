"""Files that appear whole or not at all: temp file beside the target, fsync, rename."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from posture.vocabulary import InputError


def write_whole(path: Path, content: str | bytes) -> Path:
    """Text (UTF-8) or bytes under `path`; a reader sees the old file or the whole new one.

    Raises
    ------
    InputError
        The place cannot be written; the sentence says so and what to do.
    """
    data = content.encode() if isinstance(content, str) else content

    def fill(temporary: Path) -> None:
        temporary.write_bytes(data)

    return make_whole(path, fill)


def make_whole(path: Path, fill: Callable[[Path], None]) -> Path:
    """As `write_whole`, for a writer that wants a path of its own: `fill` writes the temp file, which then takes the name."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        fill(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.umask(umask := os.umask(0))
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); choose another place") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path
