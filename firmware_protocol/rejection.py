"""Why bytes were not accepted: one list for frames, control messages, Status and Info, shared with the C core by number."""

from __future__ import annotations

from enum import IntEnum


class Rejection(IntEnum):
    """A decoder gives a message or one of these, for any bytes; of several reasons the one that PROTOCOL.md section 6 puts first.

    `name.lower()` is the `reason` in vectors.json; the number is `lps_reject` in c/lps_codec.h.
    """

    LENGTH = 1
    """Too short or too long for what it says it is."""
    VERSION = 2
    """Another major version of the protocol."""
    TYPE = 3
    """Not a frame type, op, status or reply kind of this version."""
    COUNT = 4
    """A count outside of its range: samples of a frame 1-19, configurations of Info 1-8."""
    CRC = 5
    """The check sum does not fit the bytes."""
    VALUE = 6
    """An argument outside of the range that PROTOCOL.md gives it."""
    CONFIG = 7
    """A configuration id that Info does not declare; the scale of the samples is unknown."""
