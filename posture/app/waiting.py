"""A bar while a command waits for a sensor: on a terminal, on standard error, gone when the wait is over. Elsewhere nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.progress import Progress, TaskID

_STEP_S = 0.1


@asynccontextmanager
async def waiting(what: str, lasts_s: float | None = None) -> AsyncIterator[None]:
    """Around a wait. what : a word or two before the bar. lasts_s : how long it takes, s; None: not known, the bar swings."""
    screen = Console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        filling = asyncio.create_task(_fill(bar, bar.add_task(what, total=lasts_s)))
        try:
            yield
        finally:
            filling.cancel()


async def _fill(bar: Progress, task: TaskID) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while True:
        await asyncio.sleep(_STEP_S)
        bar.update(task, completed=loop.time() - began_s)
