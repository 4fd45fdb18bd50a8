"""One process at a time has a person's sensors: what it holds ends with it, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posture.types import InputError

NAME = "sensors.lock"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the sensors of a home.

    InputError where another process does (a session that is being written is nobody else's), and where the folder cannot be
    written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): choose another POSTURE_HOME") from error
    try:
        try:
            _lock(descriptor)
        except OSError as error:
            raise InputError(
                "another posture run or calibrate has these sensors; end it first (Ctrl-C in its terminal)"
            ) from error
        yield
    finally:
        os.close(descriptor)  # the system lets go of the lock with it, and when the process dies


def _lock(descriptor: int) -> None:
    """OSError where somebody else has it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
