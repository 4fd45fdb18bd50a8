"""Messages of fixed fields: packed and unpacked alike by their `struct` format, checked by the ranges of their arguments."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import astuple
from typing import ClassVar, Self

from firmware_protocol.rejection import Rejection

Limits = Mapping[str, tuple[int, int]]


class Record:
    """Fields packed one after another, little-endian. A subclass is a dataclass with `WIRE` (its bytes) and `LIMITS` (ranges)."""

    __slots__ = ()
    WIRE: ClassVar[struct.Struct] = struct.Struct("<")
    LIMITS: ClassVar[Limits] = {}

    def pack(self) -> bytes:
        """The bytes. ValueError for a field that does not fit them."""
        try:
            return self.WIRE.pack(*astuple(self))  # type: ignore[call-overload]  # every subclass is a dataclass
        except struct.error as error:
            raise ValueError(f"a field of {type(self).__name__} does not fit its bytes: {error}") from error

    @classmethod
    def unpack(cls, payload: bytes) -> Self | Rejection:
        """The record, or LENGTH, or VALUE for one outside of `LIMITS`."""
        if len(payload) != cls.WIRE.size:
            return Rejection.LENGTH
        record = cls(*cls.WIRE.unpack(payload))
        return record if record.within_limits() else Rejection.VALUE

    def within_limits(self) -> bool:
        """Whether every argument is in the range that the protocol gives it (both ends included)."""
        return all(low <= getattr(self, name) <= high for name, (low, high) in self.LIMITS.items())
