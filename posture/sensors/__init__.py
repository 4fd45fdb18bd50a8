"""Where samples come from while they are made: a live sensor or a recording played back, behind one protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from posture.types import ImuBatch


class Source(Protocol):
    """Something that gives batches as they arrive; the monitor reads a BLE sensor and a played recording the same way."""

    def batches(self) -> AsyncIterator[ImuBatch]:
        """Batches in order of arrival; ends when the session does. Cancelling the reader closes the source."""
        ...
