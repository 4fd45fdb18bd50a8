"""Playing a recording as if it were live: the async source into the same pipeline, shown as it goes."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

from rich.console import Console
from rich.live import Live

from posture.app.live import View, lines
from posture.replay import AngleWriter, Prepared, Result
from posture.sensors import Source
from posture.sensors.playback import Playback
from posture.types import Basis


def play(
    prepared: Prepared, *, speed: float, console: Console, title: str, angles: AngleWriter | None = None
) -> Result:
    """The whole recording at `speed` times real time with the live view; the result equals a replay's, bit for bit."""
    return asyncio.run(
        monitor(
            prepared, Playback(prepared.recording.batches(), speed=speed), console=console, title=title, angles=angles
        )
    )


async def monitor(
    prepared: Prepared, source: Source, *, console: Console, title: str, angles: AngleWriter | None = None
) -> Result:
    """Read a source to its end. A BLE sensor will come in here, as another source."""
    pipeline = prepared.pipeline(want_angles=True)
    info, calibration = prepared.recording.info, prepared.calibration
    two = calibration.basis is Basis.TWO
    flexed_at = calibration.rom_deg * prepared.config.sitting.flexed_on_pct / 100.0 if two else None
    view = View(title, info.first_s, info.last_s, two, flexed_at)
    result = Result()
    live = Live(view.render(), console=console, refresh_per_second=10, transient=False) if console.is_terminal else None
    with live or nullcontext():
        async for batch in source.batches():
            output = pipeline.push(batch)
            result.add(output)
            if angles is not None:
                angles.write(output.angles)
            view.update(output, batch.arrived_until_s)
            if live is not None:
                live.update(view.render())
            else:
                for line in lines(output):
                    console.print(line)
    output = pipeline.flush()
    result.add(output)
    if angles is not None:
        angles.write(output.angles)
    return result
