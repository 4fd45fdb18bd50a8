"""A request to end, at the moments at which it used to land inside the event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from posture.app.exits import SIGNALS, Interrupted, interrupt
from posture.app.stopping import run_interruptible


@pytest.fixture(params=SIGNALS, ids=lambda number: number.name)
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that unwinds the program, as in a command."""
    before = {n: signal.signal(n, interrupt) for n in SIGNALS}
    yield request.param
    for n, handler in before.items():
        signal.signal(n, handler)


async def cleaned(seen: list[str], number: signal.Signals | None = None) -> str:
    """Work that is asked to end in its middle, if at all, and says that it was cleaned up."""
    try:
        if number is not None:
            signal.raise_signal(number)
        await asyncio.sleep(0.05 if number is None else 30)
    finally:
        seen.append("cleaned up")
    return "done"


def test_work_that_is_asked_to_end_is_cleaned_up_and_raises(number: signal.Signals) -> None:
    seen: list[str] = []
    with pytest.raises(Interrupted):
        run_interruptible(cleaned(seen, number))
    assert seen == ["cleaned up"]
    assert signal.getsignal(number) is interrupt


def test_a_request_while_the_loop_is_made_is_heard_when_it_runs(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asyncio.new_event_loop

    def asked_meanwhile() -> asyncio.AbstractEventLoop:
        signal.raise_signal(number)
        return made()

    monkeypatch.setattr(asyncio.events, "new_event_loop", asked_meanwhile)
    seen: list[str] = []
    with pytest.raises(Interrupted):
        run_interruptible(cleaned(seen))
    assert seen in ([], ["cleaned up"])


def test_work_that_nobody_stops_gives_its_result(number: signal.Signals) -> None:
    assert run_interruptible(cleaned([])) == "done"
    assert signal.getsignal(number) is interrupt
