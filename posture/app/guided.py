"""`posture calibrate` with live sensors: the guide (`posture.app.guide`) over links, recorded, in the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console

from analysis.programme.diary import ExerciseEntry, PainEntry
from analysis.programme.pack import load_pack
from analysis.programme.progress import progress
from analysis.stored import entries_of
from posture.app.bluetooth import bluetooth
from posture.app.guide import REDON, Cue, Guide, Sign, full
from posture.app.keeping import Keeper
from posture.app.only_one import only_one
from posture.app.options import today
from posture.app.session import Here, Known, Radio, known, links_of, local_zone, meta_of, new_folder, salt_of
from posture.app.source import LiveSource, SessionClock
from posture.config import Config
from posture.recording.session import SessionDecoder, SessionWriter, compact
from posture.sensors.driver import Enrolled, LinkState
from posture.signal.calibration import Calibration
from posture.store import Store
from posture.types import GRID_HZ, InputError, Placement, PostureError

Say = Callable[[str], None]


async def calibrate_command(
    here: Here,
    config: Config,
    sensors: tuple[Placement, ...] | None,
    *,
    quick: bool,
    end_range: bool = False,
    base: Calibration | None = None,
) -> Calibration:
    """`posture calibrate` without a recording: guided, with the sensors that are worn. Kept in the store.

    end_range : the bends to the end of the range are wanted; left out with a word where the log is against them.
    """
    with bluetooth(), only_one(here.home.folder):
        async with here.keeper() as keeper:
            have = await keeper.do(known)
            worn = tuple(s for s in have.sensors if sensors is None or s.placement in sensors)
            if not worn:
                raise InputError("no sensor is paired yet; run posture setup, or give a recording with --from")
            places = tuple(s.placement for s in worn)
            if quick:
                base = base or await keeper.do(lambda store: store.latest_calibration(places, full=True))
                if base is None:
                    raise InputError("--quick needs an earlier full calibration of these sensors; leave --quick away")
            against = await keeper.do(end_range_off) if end_range and not quick else None
            if against is not None:
                here.say(f"Without the bends to the end of your range: {against}.")
            async with here.radio() as radio:
                steps = REDON if quick else full(places, end_range=end_range and against is None)
                guide = Guide(
                    steps,
                    dict.fromkeys(places, float(GRID_HZ)),
                    config,
                    base=base if quick else None,
                    made_utc=datetime.now(UTC).replace(microsecond=0),
                )
                made = await _guided(here, guide, worn, have, config, radio, keeper)
            raw = None if guide.raw_poses is None else guide.raw_poses.to_json()
            made_utc = made.made_utc or datetime.now(UTC)
            await keeper.do(lambda store: store.put_calibration(made, made_utc, raw_poses=raw))
    return made


def end_range_off(store: Store) -> str | None:
    """Why nobody is to bend to the end of the range now, by the log as it is today; None where nothing is against it."""
    pack, entries = load_pack(), [e for e in entries_of(store) if e.day <= today()]
    levels = [
        e.level if isinstance(e, PainEntry) else e.pain for e in entries if isinstance(e, PainEntry | ExerciseEntry)
    ]
    known = [level for level in levels if level is not None]
    at = progress(pack, entries, today())
    if at.stop is not None:
        return f"you noted {at.stop.what}"
    if known and known[-1] >= pack.safety.pain_day:
        return f"the pain that you noted last is {known[-1]}/10, and they wait until it is under {pack.safety.pain_day}"
    if entries and at.stage == pack.exercises[0].stage:
        return f"your programme is in stage {at.stage}, and they come after it"
    return None


async def _guided(
    here: Here,
    guide: Guide,
    worn: tuple[Enrolled, ...],
    have: Known,
    config: Config,
    radio: Radio,
    keeper: Keeper,
) -> Calibration:
    """The routine over live sensors, recorded like any session, in a folder of its own."""
    prompter = Prompter(here.console, here.say)
    clock, start_utc = SessionClock(radio.speed), datetime.now(UTC)
    wear = Known(worn, None, have.profile)
    meta = meta_of(wear, config, start_utc=start_utc, zone=local_zone(), salt=await salt_of(keeper))
    folder, meta = new_folder(here.home.calibrations, meta)
    links = links_of(worn, radio, clock)
    with SessionWriter.create(folder, meta) as writer:
        source = LiveSource(links, writer, SessionDecoder(meta.placements, config.clock), clock, say=prompter.say)
        try:
            async with asyncio.TaskGroup() as group:
                source.begin(group)
                prompter.say("Waiting for " + " and ".join(f"{s.name} ({s.placement.words})" for s in worn) + " ...")
                told: dict[Placement, str] = {}
                try:
                    async for batch in source.batches():
                        for link in links:
                            place, status = link.enrolled.placement, link.status
                            if status.state is not LinkState.STREAMING and told.get(place) != status.reason:
                                told[place] = status.reason
                                prompter.say(f"{place.words}: {status.reason}")
                        for cue in guide.push(batch):
                            prompter.show(cue)
                            if cue.sign in (Sign.GO, Sign.STOP):
                                for link in links:
                                    group.create_task(link.haptic(1, 40, 1 if cue.sign is Sign.GO else 2))
                        if guide.made is not None:
                            break
                finally:
                    await source.end()
        finally:
            writer.close(source.end_ns)
    compact(folder)
    if guide.made is None:
        raise PostureError("the sensors ended before the routine did; calibrate again")
    return guide.made


class Prompter:
    """Cues in the terminal: on one, the countdown stays in its line; elsewhere only what is new is written."""

    def __init__(self, console: Console, say: Say) -> None:
        self._console, self._say = console, say

    def say(self, words: str) -> None:
        """A line."""
        self._clear()
        self._say(words)

    def show(self, cue: Cue) -> None:
        """A cue; the terminal's bell rings where the pose begins and ends."""
        terminal = self._console.is_terminal
        if cue.sign is Sign.READY:
            if terminal:
                self._stay(f"{cue.words}. Begins in {cue.left_s:.0f} s")
        elif cue.sign is Sign.GO:
            self._bell()
            self.say(f"{cue.words}: {cue.left_s:.0f} s")
        elif cue.sign is Sign.LIVE:
            if terminal:
                self._stay(f"  {cue.left_s:3.0f} s left  {cue.words}")
        elif cue.sign is Sign.STOP:
            self._bell()
        elif cue.sign is Sign.GOOD:
            self.say(f"  held{f' ({cue.words})' if cue.words else ''}")
        elif cue.sign is Sign.AGAIN:
            self.say(f"  Once more: {cue.words}.")
        elif cue.sign is Sign.LEFT_OUT:
            self.say(f"  Left out: {cue.words}.")

    def _stay(self, words: str) -> None:
        width = max(20, self._console.width - 1)
        self._console.file.write("\r" + words[:width].ljust(width))
        self._console.file.flush()

    def _clear(self) -> None:
        if self._console.is_terminal:
            self._stay("")
            self._console.file.write("\r")

    def _bell(self) -> None:
        if self._console.is_terminal:
            self._console.bell()
