"""Errors of Bluetooth in words, with the next step."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bleak.exc import BleakError

from posture.app import doctor
from posture.types import PostureError


@contextmanager
def bluetooth() -> Iterator[None]:
    """What Bluetooth does not do here becomes one sentence with the next step, and the errors of a group the first of them."""
    for name in ("bumble", "bleak"):
        logging.getLogger(name).setLevel(
            logging.CRITICAL
        )  # they tell of every lost link, which is said in our own words
    try:
        yield
    except ExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if isinstance(first, PostureError | OSError):
            raise first from None
        raise
    except (BleakError, FileNotFoundError, ConnectionError, PermissionError) as error:
        if isinstance(error, OSError) and error.filename is not None:  # of a file, not of the bus
            raise
        facts = doctor.Facts(radio=doctor.radio_of(error), detail=str(error), **doctor.surroundings())
        finding = doctor.findings(facts)[0]
        raise PostureError(f"{finding.what}: {finding.next_step}. More: posture doctor") from error
