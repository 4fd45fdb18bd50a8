"""`posture demo` over the whole way: a virtual sensor in another process, the real client, recorder, pipeline, alerts, report."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
from rich.console import Console

from posture.app.bluetooth import bluetooth
from posture.app.commands import found_sensors, paired, run_command
from posture.app.exits import Interrupted
from posture.app.monitor import Ended
from posture.app.notify import Silent
from posture.app.places import Home
from posture.app.runs import replayed
from posture.app.session import Here
from posture.app.stopping import run_interruptible
from posture.config import Config
from posture.pipeline import Output
from posture.recording import Recording, open_recording, read_poses
from posture.recording.columns import TIME
from posture.recording.writer import write_sample_file
from posture.replay import Records, ReplayRequest, calibrate_from
from posture.signal.calibration import Calibration
from posture.types import Placement, PostureError

PATIENCE_S = 30.0
"""For the sensor's process to start: it builds the firmware's core the first time."""
LISTEN_S = 1.0
"""A virtual sensor advertises 50 times a second."""
BURST_S = 0.1
"""A busy computer lets one of two sensors be this much later than the other, s of its own: so much more their join waits."""
_ENDED = "the recording has ended"


class Sensors:
    """The process that is the sensors: what it says, and when all of them have played to the end."""

    def __init__(self, process: asyncio.subprocess.Process, count: int) -> None:
        self._process, self._count = process, count
        self.address: str | None = None
        self.ready, self.ended = asyncio.Event(), asyncio.Event()

    async def listen(self) -> None:
        """Until it ends."""
        if self._process.stdout is None:
            return
        async for line in self._process.stdout:
            said = line.decode(errors="replace").strip()
            self.address = said.removeprefix("HCI ") if said.startswith("HCI ") else self.address
            self._count -= _ENDED in said
            if said == "READY":
                self.ready.set()
            if self._count <= 0:
                self.ended.set()
        self.ready.set()
        self.ended.set()

    async def why(self) -> str:
        """What it said last on stderr, one line."""
        text = b"" if self._process.stderr is None else await self._process.stderr.read()
        lines = text.decode(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("posture: ") if lines else "it ended without a word"


@asynccontextmanager
async def virtual_sensors(
    recording: Path, speed: float, count: int, faults: Sequence[str] = ()
) -> AsyncIterator[Sensors]:
    """`posture virtual-sensor` with this recording, ready; ended at the end. PostureError with its own words where it cannot.

    It hears no Ctrl-C of this terminal: the session must end before it.
    """
    arguments = ["virtual-sensor", "--recording", str(recording), "--speed", f"{speed:g}"]
    arguments += [part for fault in faults for part in ("--fault", fault)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "posture.app.cli", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    sensors = Sensors(process, count)
    listening = asyncio.create_task(sensors.listen())
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await sensors.ready.wait()
        if sensors.address is None:
            if process.returncode is None:
                process.terminate()
            raise PostureError(f"the virtual sensor does not start: {await sensors.why()}")
        yield sensors
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
        await process.wait()
        await listening


def without_routine(recording: Recording, end_s: float, path: Path) -> None:
    """What follows the calibration routine, as a recording of its own that begins at 0; both sensors, lost rows left out."""
    columns: dict[str, list[np.ndarray]] = {}
    for batch in recording.batches():
        for block in batch.blocks:
            if block.gyr_radps is None:
                continue
            values = {"acc": ("mps2", block.acc_mps2), "gyr": ("radps", block.gyr_radps)}
            for kind, (unit, rows) in values.items():
                for k, axis in enumerate("xyz"):
                    columns.setdefault(f"{block.placement}_{kind}_{axis}_{unit}", []).append(rows[:, k])
        columns.setdefault(TIME, []).append(batch.blocks[0].time_s)
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    after = whole[TIME] >= end_s
    kept = {name: values[after] for name, values in whole.items()}
    kept[TIME] = kept[TIME] - end_s
    write_sample_file(path, kept)


def scaled(config: Config, speed: float) -> Config:
    """Settings for sensors that run faster than life, where this computer's own delays look so much longer."""
    join = config.join.model_copy(update={"late_max_s": max(config.join.late_max_s, BURST_S * speed)})
    clock = config.clock.model_copy(update={"history_s": max(config.clock.history_s, BURST_S * speed)})
    return config.model_copy(update={"join": join, "clock": clock})


async def session(
    here: Here,
    recording: Path,
    calibration: Calibration,
    sensors: Sequence[Placement],
    config: Config,
    title: str,
    *,
    faults: Sequence[str] = (),
    heard: Callable[[Output], None] = lambda _: None,
) -> tuple[Path, Ended]:
    """Pair with the sensors that play the recording, and monitor them to its end; gives the session's folder.

    faults : of the sensors, as `posture virtual-sensor` takes them. heard : told everything that live says.
    """
    count = len(open_recording(recording).info.selected)
    async with virtual_sensors(recording, here.speed, count, faults) as playing:
        own = Here(here.home, here.console, here.say, playing.address, here.speed)
        with bluetooth():
            async with own.keeper() as keeper, own.radio() as radio:
                seen = sorted(await found_sensors(radio, LISTEN_S * here.speed), key=lambda f: f.name)
                if len(seen) < count:
                    raise PostureError("the virtual sensors were not heard; is this computer very busy? Try again")
                for found, placement in zip(seen, Placement, strict=False):
                    if placement in sensors:
                        await paired(found, placement, radio, keeper)
        folder, ended = await run_command(
            own,
            config,
            tuple(sensors),
            calibration,
            title=title,
            subtitle="simulated motion over a virtual link; Ctrl-C stops",
            notifier=Silent(),
            heard=heard,
            until=playing.ended,
        )
        if not playing.ended.is_set():
            raise Interrupted  # the user ended it
    return folder, ended


def demonstrated(
    recording: Path,
    poses: Path,
    out: Path,
    sensors: Sequence[Placement] | None,
    config: Config,
    speed: float,
    console: Console,
) -> Records:
    """The demo with its report in `out`. Everything else that it makes is forgotten."""
    whole = open_recording(recording, sensors=sensors)
    made = calibrate_from(whole, poses, config)
    end_s = max(to_s for windows in read_poses(poses, whole.info).values() for _, to_s in windows)
    with tempfile.TemporaryDirectory(prefix="posture-demo-") as name:
        motion = Path(name) / "motion.parquet"
        without_routine(open_recording(recording), end_s, motion)
        here = Here(Home(Path(name) / "home"), console, _nobody, None, speed)
        work = session(here, motion, made, whole.info.selected, scaled(config, speed), f"posture demo, x{speed:g}")
        folder, _ = run_interruptible(work)
        origin = next(
            (n.removeprefix("Origin: ").rstrip(".") for n in whole.info.notes if n.startswith("Origin: ")), None
        )
        return replayed(ReplayRequest(folder, origin=origin), out, speed=None, title="posture demo", report=True)


_nobody: Callable[[str], None] = lambda _: None  # noqa: E731
"""What a session says besides its view (where to wear what, where it is recorded) is not of the demo's interest."""
