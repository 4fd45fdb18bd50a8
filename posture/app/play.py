"""Playing a recording as if it were live: the async source into the same pipeline, shown as it goes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, nullcontext

from rich.console import Console
from rich.live import Live

from posture.app.live import View, lines
from posture.app.stopping import run_interruptible
from posture.outputs import AngleWriter
from posture.pipeline import Output
from posture.replay import Prepared, Result
from posture.sensors import Source
from posture.sensors.playback import Playback


def play(
    prepared: Prepared, *, speed: float, console: Console, title: str, angles: AngleWriter | None = None
) -> Result:
    """The whole recording at `speed` times real time with the live view; the result equals a replay's, bit for bit."""
    source = Playback(prepared.recording.batches(), speed=speed)
    view = View.of(prepared, title=title, speed=speed)
    return run_interruptible(monitor(prepared, source, console=console, view=view, angles=angles))


async def monitor(
    prepared: Prepared, source: Source, *, console: Console, view: View, angles: AngleWriter | None = None
) -> Result:
    """Read a source to its end. A BLE sensor will come in here, as another source."""
    pipeline = prepared.pipeline(want_angles=True)
    result = Result()
    # Redrawn by hand, once for each piece: the panel changes then and at no other time.
    live = Live(view.render(console), console=console, auto_refresh=False) if console.is_terminal else None

    def show(output: Output, until_s: float) -> None:
        result.add(output)
        if angles is not None:
            angles.write(output.angles)
        view.update(output, until_s)
        if live is not None:
            live.update(view.render(console), refresh=True)
        else:
            for line in lines(output):
                console.print(line)

    async with AsyncExitStack() as stack:
        stack.enter_context(live or nullcontext())
        batches = source.batches()
        if isinstance(batches, AsyncGenerator):  # closed at once when this is cancelled, not when it is collected
            await stack.enter_async_context(aclosing(batches))
        async for batch in batches:
            show(pipeline.push(batch), batch.arrived_until_s)
        show(pipeline.flush(prepared.recording.info.last_s), view.now_s)
    result.ended(pipeline)
    return result
