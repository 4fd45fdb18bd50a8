"""Ctrl-C and the system's request to end, in a program that runs an event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from posture.app.exits import SIGNALS, Interrupted, interrupt

Made = TypeVar("Made")


def run_interruptible(work: Coroutine[Any, Any, Made]) -> Made:
    """Run `work` in an event loop of its own; an interrupt cancels it at its next await and is raised when it has been cleaned up.

    An exception out of a signal handler would land anywhere in the event loop, where some places only report it and go on. So
    requests are only noted while the loop is made and closed.
    """
    asked: list[int] = []
    heard = [number for number in SIGNALS if signal.getsignal(number) is interrupt]

    def note(number: int, _: object) -> None:
        asked.append(number)

    try:
        for number in heard:
            signal.signal(number, note)
        made = asyncio.run(_interruptible(work, asked, heard))
    finally:
        for number in heard:
            signal.signal(number, interrupt)
    if asked:
        raise Interrupted
    return made


async def _interruptible(work: Coroutine[Any, Any, Made], asked: list[int], heard: Sequence[int]) -> Made:
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in heard}
    try:
        for number in heard:
            loop.add_signal_handler(number, task.cancel)
    except NotImplementedError:
        # An event loop on Windows takes no signal handlers: the plain ones unwind from wherever it is.
        for number in heard:
            signal.signal(number, interrupt)
    if asked:  # before the loop could hear it
        task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        raise Interrupted from None
    finally:
        for number, handler in handlers.items():
            with suppress(NotImplementedError):  # Windows, where none was added
                loop.remove_signal_handler(number)
            signal.signal(number, handler)
