"""Ctrl-C and the system's request to end, in a program that runs an event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from posture.app.exits import SIGNALS, Interrupted, interrupt

Made = TypeVar("Made")


async def interruptible(work: Coroutine[Any, Any, Made]) -> Made:
    """Await `work`; an interrupt cancels it at its next await and is raised when it has been cleaned up.

    An exception out of a signal handler would land anywhere in the event loop, where some places only report it and go on.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows: the plain handlers stay
        for number in SIGNALS:
            if signal.getsignal(number) is interrupt:
                loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise Interrupted from None
    finally:
        with suppress(NotImplementedError):
            for number in SIGNALS:
                if loop.remove_signal_handler(number):
                    signal.signal(number, interrupt)
