"""A played recording holds exactly the recorded samples, at the pace of the clock that it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from posture.sensors.playback import Playback, pieces
from posture.types import ImuBatch, ImuBlock, Placement


def block(time_s: np.ndarray, placement: Placement = Placement.SACRUM, *, gyro: bool = True) -> ImuBlock:
    """Samples that carry their own time, so that a lost or doubled one shows."""
    rows = np.column_stack([time_s, time_s + 0.1, time_s + 0.2])
    return ImuBlock(placement, time_s, rows, -rows if gyro else None, time_s)


def batches_of(*spans: np.ndarray, two: bool = False, gyro: bool = True) -> list[ImuBatch]:
    """One batch per stretch of times; the second sensor has every other sample."""
    made = []
    for time_s in spans:
        blocks = [block(time_s, gyro=gyro)]
        if two:
            blocks.append(block(time_s[::2], Placement.UPPER_LUMBAR, gyro=gyro))
        made.append(ImuBatch(tuple(blocks), float(time_s[-1])))
    return made


class FakeTime:
    """A clock that only `sleep` moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


def played(batches: list[ImuBatch], *, speed: float, piece_s: float = 0.1) -> tuple[list[ImuBatch], list[float]]:
    """All pieces and when each was given out."""
    time = FakeTime()
    source = Playback(batches, speed=speed, piece_s=piece_s, clock=time.clock, sleep=time.sleep)

    async def read() -> tuple[list[ImuBatch], list[float]]:
        got, at = [], []
        async for piece in source.batches():
            got.append(piece)
            at.append(time.now_s)
        return got, at

    return asyncio.run(read())


def joined(batches: list[ImuBatch], placement: Placement) -> dict[str, np.ndarray]:
    parts = [b for batch in batches for b in batch.blocks if b.placement is placement]
    names = ("time_s", "acc_mps2", "gyr_radps", "arrived_s")
    return {n: np.concatenate([getattr(p, n) for p in parts]) for n in names if getattr(parts[0], n) is not None}


@settings(max_examples=60, deadline=None)
@example(
    step_s=0.03, cuts=[11, 236], lost=[0, 1], two=False, gyro=False
)  # pieces went back in time by a rounding error
@given(
    step_s=st.floats(0.02, 40.0),
    cuts=st.lists(st.integers(1, 499), max_size=6, unique=True),
    lost=st.lists(st.integers(0, 499), max_size=120, unique=True),
    two=st.booleans(),
    gyro=st.booleans(),
)
def test_pieces_hold_exactly_the_samples_of_the_batches_in_order(
    step_s: float, cuts: list[int], lost: list[int], two: bool, gyro: bool
) -> None:
    time_s = np.delete(np.arange(500) / 50.0, lost)
    spans = [s for s in np.split(time_s, sorted(c for c in cuts if c < len(time_s))) if len(s)]
    batches = batches_of(*spans, two=two, gyro=gyro)
    got, _ = played(batches, speed=1.0, piece_s=step_s)
    for placement in [Placement.SACRUM] + [Placement.UPPER_LUMBAR] * two:
        before, after = joined(batches, placement), joined(got, placement)
        assert before.keys() == after.keys()
        for name, values in before.items():
            np.testing.assert_array_equal(after[name], values)
    until = [p.arrived_until_s for p in got]
    assert until == sorted(until)
    assert until[-1] == time_s[-1]
    for piece in got:
        assert all((b.arrived_s <= piece.arrived_until_s).all() for b in piece.blocks)


@pytest.mark.parametrize("speed", [1.0, 50.0, 1000.0])
def test_each_piece_comes_when_its_last_sample_is_due_by_the_given_clock(speed: float) -> None:
    got, at = played(batches_of(np.arange(0, 60, 0.02), np.arange(60, 120, 0.02)), speed=speed)
    due = [100.0 + (p.arrived_until_s - got[0].arrived_until_s) / speed for p in got]
    np.testing.assert_allclose(at, due, atol=1e-9)
    assert at[-1] - at[0] == pytest.approx(120 / speed, abs=0.2)


def test_a_hole_between_two_batches_is_played_as_pieces_without_samples() -> None:
    got, at = played(batches_of(np.arange(0, 10, 0.02), np.arange(40, 50, 0.02)), speed=1.0)
    silent = [p for p in got if 10.0 < p.arrived_until_s < 40.0]
    assert len(silent) > 250
    assert not any(len(b.time_s) for p in silent for b in p.blocks)
    assert max(np.diff(at)) < 0.11


def test_a_slow_reader_is_not_slowed_down_further() -> None:
    time = FakeTime()
    source = Playback(batches_of(np.arange(0, 10, 0.02)), speed=1.0, clock=time.clock, sleep=time.sleep)

    async def read() -> None:
        async for _ in source.batches():
            time.now_s += 0.5  # the reader takes five times as long as the piece

    asyncio.run(read())
    assert sum(time.slept) == 0.0


class Watched:
    """A generator of batches, as a recording gives them, that notes when it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def batches(self) -> Iterator[ImuBatch]:
        try:
            yield from batches_of(*(np.arange(k, k + 1.0, 0.02) for k in range(100)))
        finally:
            self.closed = True


def test_closing_the_reader_closes_the_recording() -> None:
    watched, time = Watched(), FakeTime()

    async def read_one() -> None:
        source = Playback(watched.batches(), speed=1.0, clock=time.clock, sleep=time.sleep)
        async with aclosing(source.batches()) as pieces_:  # type: ignore[type-var]
            async for _ in pieces_:
                break

    asyncio.run(read_one())
    assert watched.closed


def test_cancelling_the_reader_while_it_waits_closes_the_recording() -> None:
    watched = Watched()

    async def cancelled() -> None:
        waiting = asyncio.Event()

        async def never(_: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        async def read() -> None:
            async for _ in Playback(watched.batches(), speed=1.0, sleep=never).batches():
                pass

        task = asyncio.create_task(read())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert watched.closed

    asyncio.run(cancelled())


def test_a_batch_of_nothing_is_passed_on() -> None:
    empty = ImuBatch((block(np.empty(0)),), 3.0)
    assert list(pieces(empty, 1.0)) == [empty]
    assert [p.arrived_until_s for p in pieces(empty, 1.0, from_s=0.5)] == [1.0, 2.0, 3.0]
