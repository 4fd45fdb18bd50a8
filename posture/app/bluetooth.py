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
    except (BleakError, FileNotFoundError, ConnectionError, PermissionError, TimeoutError) as error:
        if isinstance(error, OSError) and error.filename is not None:  # of a file, not of the bus
            raise
        raise PostureError(f"{_words(doctor.radio_of(error), str(error))}. More: posture doctor") from error


def missing(error: Exception) -> str | None:
    """What of Bluetooth itself is missing here, with the next step, where an error of looking for a sensor says it; else None."""
    radio = doctor.radio_of(error)
    return None if radio is doctor.Radio.UNKNOWN else _words(radio)


def _words(radio: doctor.Radio, detail: str = "") -> str:
    around = doctor.surroundings()
    if around["system"] == "Linux" and radio is doctor.Radio.OFF:
        radio = doctor.rfkill() or radio  # BlueZ calls a blocked adapter off
    finding = doctor.findings(doctor.Facts(radio=radio, detail=detail, **around))[0]
    return f"{finding.what}: {finding.next_step}"
