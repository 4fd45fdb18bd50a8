"""Moments as the store writes them: UTC, ISO 8601 with microseconds and Z, so that text sorts as time does."""

from __future__ import annotations

from datetime import UTC, datetime


def as_text(moment: datetime) -> str:
    """`2026-03-02T07:00:00.000000Z`; ValueError for a moment without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def as_moment(text: str) -> datetime:
    """Back again, in UTC."""
    return datetime.fromisoformat(text)
