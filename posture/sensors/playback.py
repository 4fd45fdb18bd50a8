"""A recording as a live source: its batches cut small and given out at the pace at which they were recorded, or faster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace

import numpy as np

from posture.types import ImuBatch, ImuBlock


class Playback:
    """Plays batches at `speed` times real time, in pieces of `piece_s` seconds of playing time.

    The pieces hold exactly the samples of the batches, in order, so that what the pipeline makes of them is the same. A hole
    in the recording is played too, as pieces without samples: who watches sees that nothing comes.

    clock, sleep : what time it is and how to wait, both in s; tests give their own.
    """

    def __init__(
        self,
        batches: Iterable[ImuBatch],
        *,
        speed: float,
        piece_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._batches = batches
        self.speed = speed
        self._step_s = piece_s * speed
        self._clock, self._sleep = clock, sleep

    async def batches(self) -> AsyncIterator[ImuBatch]:
        """Pieces, each given out when its last sample is due. Closing or cancelling closes the recording."""
        started: float | None = None
        first_s = 0.0
        until_s: float | None = None
        # A generator holds the file open; other iterables have nothing to close.
        with closing(self._batches) if isinstance(self._batches, Generator) else nullcontext():
            for batch in self._batches:
                for piece in pieces(batch, self._step_s, from_s=until_s):
                    if started is None:
                        started, first_s = self._clock(), piece.arrived_until_s
                    due = started + (piece.arrived_until_s - first_s) / self.speed
                    await self._sleep(max(0.0, due - self._clock()))
                    yield piece
                until_s = batch.arrived_until_s


def pieces(batch: ImuBatch, step_s: float, *, from_s: float | None = None) -> Iterator[ImuBatch]:
    """Cut a batch at multiples of `step_s` on the arrival axis.

    from_s : where the batch before ended; None: at this one's first sample.
    """
    times = [float(b.arrived_s[0]) for b in batch.blocks if len(b.arrived_s)]
    if from_s is None and not times:
        yield batch
        return
    first_s = min(times) if from_s is None else from_s
    edges = np.arange(np.floor(first_s / step_s), np.ceil(batch.arrived_until_s / step_s)) * step_s
    edges = edges[(edges > first_s) & (edges < batch.arrived_until_s)]
    cuts = [np.searchsorted(b.arrived_s, edges, side="right") for b in batch.blocks]
    for k in range(len(edges) + 1):
        parts = []
        for block, cut in zip(batch.blocks, cuts, strict=True):
            rows = slice(int(cut[k - 1]) if k else 0, int(cut[k]) if k < len(edges) else len(block.arrived_s))
            parts.append(_rows(block, rows))
        until_s = float(edges[k]) if k < len(edges) else batch.arrived_until_s
        yield ImuBatch(tuple(parts), until_s, batch.fits if k == 0 else ())


def _rows(block: ImuBlock, rows: slice) -> ImuBlock:
    return replace(
        block,
        time_s=block.time_s[rows],
        acc_mps2=block.acc_mps2[rows],
        gyr_radps=None if block.gyr_radps is None else block.gyr_radps[rows],
        arrived_s=block.arrived_s[rows],
        index=None if block.index is None else block.index[rows],
    )
