"""What a file states about itself: `start_utc` and `zone` (also from the command line), and `origin`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from posture.types import InputError

STATED = ("start_utc", "zone", "origin")
"""Keys that are read from Parquet metadata and from CSV comments; `origin` says where the samples come from."""
YEARS = range(1970, 2200)
"""In which a recording may start: `datetime`, and nanoseconds in 64 bits (until 2262), carry these and the recording's length."""
_KEY = re.compile(rf"\b({'|'.join(STATED)})\s*[=:]\s*", re.IGNORECASE)


def parse_clock(start: str | None, zone: str | None, *, where: str) -> tuple[datetime | None, str | None]:
    """UTC start (aware) and IANA zone, each None where it is not stated.

    start : ISO 8601. Without an offset it is the local time of `zone`; an error where there is no zone, or where that
        local time is skipped or comes twice (the nights on which the clocks change).
    where : what to name in a message: the file or the option.

    InputError where one cannot be read, or the start lies outside of `YEARS`.
    """
    start, zone = (v.strip() if v and v.strip() else None for v in (start, zone))
    info: ZoneInfo | None = None
    if zone is not None:
        try:
            info = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as e:
            raise InputError(
                f"{where}: zone {zone!r} is not an IANA time zone; write one such as Europe/Berlin."
            ) from e
    if start is None:
        return None, zone
    try:
        moment = datetime.fromisoformat(start)
    except ValueError as e:
        raise InputError(
            f"{where}: start_utc {start!r} is not an ISO 8601 time; write it as 2026-03-02T08:00:00Z."
        ) from e
    if moment.year not in YEARS:
        raise InputError(
            f"{where}: start_utc {start!r} is not in the years {YEARS[0]} to {YEARS[-1]}; check the recorder's clock, or give "
            "the start of the recording."
        )
    if moment.tzinfo is None:
        if info is None:
            raise InputError(f"{where}: start_utc {start!r} has no offset; end it with Z, or state the zone as well.")
        earlier, later = moment.replace(tzinfo=info, fold=0), moment.replace(tzinfo=info, fold=1)
        if earlier.utcoffset() != later.utcoffset():
            raise InputError(
                f"{where}: {start} is skipped or comes twice in {zone} (the clocks change); give it in UTC with a Z."
            )
        moment = earlier
    return moment.astimezone(UTC), zone


def stated_in_comments(lines: Iterable[str]) -> dict[str, str]:
    """The `STATED` keys out of CSV comment lines, after `=` or `:`, with or without spaces, commas and quotes."""
    found: dict[str, str] = {}
    for line in lines:
        keys = list(_KEY.finditer(line))
        ends = [k.start() for k in keys[1:]] + [len(line)] if keys else []
        for key, end in zip(keys, ends, strict=True):
            found.setdefault(key.group(1).lower(), line[key.end() : end].strip(" \t\r\n,;\"'"))
    return found
