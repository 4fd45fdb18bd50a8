"""What the live commands do: scan, pair, sensors, doctor, run, setup. Their options are in `posture.app.live_cli`."""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from analysis.inputs import Clock
from posture import __version__
from posture.app import doctor
from posture.app.asked import Asked, went_on
from posture.app.bluetooth import bluetooth
from posture.app.first_week import SILENT_KEY, adapted, first_week, week_words
from posture.app.guided import calibrate_command, end_range_off
from posture.app.keeping import Keeper, Saved
from posture.app.live import View, span_text
from posture.app.monitor import Ended, Monitor
from posture.app.notify import Notifier, desktop
from posture.app.only_one import only_one
from posture.app.session import (
    BATTERY_KEY,
    Here,
    Known,
    Radio,
    difference_words,
    enrolled,
    finished,
    known,
    links_of,
    live_about,
    local_zone,
    meta_of,
    new_folder,
    salt_of,
    tidy,
    wear_of,
)
from posture.app.source import LiveSource, SessionClock
from posture.app.waiting import waiting
from posture.config import Config
from posture.pipeline import Output
from posture.recording.session import SessionDecoder, SessionMeta, SessionWriter
from posture.replay import live_pipeline
from posture.sensors.ble import Link
from posture.sensors.driver import Enrolled, Found, LinkState, clean
from posture.sensors.scanning import enrol, scan
from posture.signal.calibration import Calibration
from posture.store import KnownSensor, Store
from posture.types import InputError, JsonValue, Placement, PostureError

SCAN_S = 5.0
"""A sensor advertises several times a second; a radio that also serves a headset may need seconds to hear it."""
BUZZ_S = 30.0
"""How long a sensor is waited for to buzz it."""
TEST_BUZZ = (1, 60, 2)
WHERE = {
    Placement.SACRUM: "over the flat bone at the belt line, in the middle",
    Placement.UPPER_LUMBAR: "over the spine about two hands' breadths above the belt line, in the middle",
}
Say = Callable[[str], None]


# ---- which sensors


async def found_sensors(radio: Radio, seconds: float) -> list[Found]:
    """What advertises, nearest first."""
    async with waiting("listen", seconds * radio.timers.scale):
        return await scan(seconds, radio.backend, radio.timers)


async def scan_command(here: Here, seconds: float) -> None:
    """`posture scan`."""
    with bluetooth():
        async with here.keeper() as keeper, here.radio() as radio:
            mine = {s.handle: s for s in await keeper.do(lambda store: store.sensors())}
            seen = await found_sensors(radio, seconds)
    for found in seen:
        known_as = f"paired, {mine[found.handle].placement.words}" if found.handle in mine else "not paired"
        here.say(f"{found.name:<12} {found.rssi:>4} dBm  {found.driver:<6} {known_as}")
    if not seen:
        here.say(f"No sensor was heard in {seconds:g} s. Is it charged, near, and not connected to another computer?")
    elif any(f.handle not in mine for f in seen):
        new = next(f for f in seen if f.handle not in mine)
        here.say(f"Next: press the sensor's button, then posture pair {new.name}")


async def paired(found: Found, placement: Placement, radio: Radio, keeper: Keeper) -> Enrolled:
    """Bond with a sensor and keep it; another one of that placement is forgotten."""
    async with waiting(f"pair with {found.name}"):
        made = await enrol(found, placement, backend=radio.backend, timers=radio.timers)

    def keep(store: Store) -> None:
        for other in store.sensors():
            if other.placement is placement and other.serial != made.serial:
                store.forget_sensor(other.serial)
        store.put_sensor(KnownSensor(**asdict(made)))

    await keeper.do(keep)
    return made


async def pair_command(here: Here, name: str, placement: Placement | None, seconds: float) -> None:
    """`posture pair`."""
    with bluetooth(), only_one(here.home.folder):
        async with here.keeper() as keeper, here.radio() as radio:
            seen = await found_sensors(radio, seconds)
            matches = [f for f in seen if name.casefold() in (f.name.casefold(), f.handle.casefold())]
            if not matches:
                heard = ", ".join(f.name for f in seen) or "nothing"
                raise InputError(f"no sensor {clean(name)!r} was heard in {seconds:g} s, only: {heard}")
            if len(matches) > 1:
                raise InputError(
                    f"{len(matches)} sensors are called {matches[0].name}; give the address of one: "
                    + ", ".join(f.handle for f in matches)
                )
            have = await keeper.do(lambda store: store.sensors())
            was = next((s.placement for s in have if s.handle == matches[0].handle), None)
            where = placement or was or next_placement(have)
            made = await paired(matches[0], where, radio, keeper)
            now = await keeper.do(lambda store: store.sensors())
    here.say(
        f"{made.name} (serial {made.serial}) is paired as the sensor at the {made.placement.words}: "
        f"wear it {WHERE[where]}."
    )
    for other in have:
        if other.serial not in {s.serial for s in now}:
            here.say(f"{other.name} had that place and is forgotten.")
    here.say("Next: posture calibrate" + ("" if len(now) == len(Placement) else ", or pair the second sensor"))


def next_placement(have: Sequence[KnownSensor]) -> Placement:
    """Where a sensor goes that nobody said a place for: the first free one."""
    taken = {s.placement for s in have}
    return next((p for p in Placement if p not in taken), Placement.SACRUM)


async def sensors_command(here: Here) -> None:
    """`posture sensors`: what is paired, what each can do, and its battery as a session last knew it."""
    async with here.keeper() as keeper:
        have = await keeper.do(known)
    for sensor in have.sensors:
        bond = "bonded, encrypted" if sensor.bonded else "open link"
        here.say(
            f"{sensor.placement.words:<13} {sensor.name:<12} serial {sensor.serial}  {bond}  {battery_words(have, sensor)}"
        )
    if not have.sensors:
        here.say("No sensor is paired yet. Next: posture setup")
        return
    if have.calibration is None:
        here.say("Not calibrated yet. Next: posture calibrate")
    else:
        made = have.calibration.made_utc
        here.say(f"Calibration of {made:%Y-%m-%d %H:%M} UTC." if made else "Calibrated.")
        here.say(have.calibration.for_sensors([s.placement for s in have.sensors]).judges())


def battery_words(have: Known, sensor: Enrolled) -> str:
    """`battery 81 % on 2026-03-02`, as last known."""
    last = have.profile.get(f"{BATTERY_KEY}{sensor.serial}")
    return (
        f"battery {last[0]} % on {str(last[1])[:10]}" if isinstance(last, list) and len(last) == 2 else "not used yet"
    )


async def forget_command(here: Here, name: str) -> None:
    """`posture pair --forget`."""
    with only_one(here.home.folder):
        await _forget(here, name)
    here.say(f"{name} is forgotten here. Its own bond goes when it is paired again, or by its button.")


async def _forget(here: Here, name: str) -> None:
    async with here.keeper() as keeper:
        have = await keeper.do(lambda store: store.sensors())
        serials = [s.serial for s in have if name.casefold() in (s.name.casefold(), s.serial.casefold())]
        if not serials:
            raise InputError(f"no paired sensor is called {clean(name)!r}; posture sensors shows them")
        await keeper.do(lambda store: [store.forget_sensor(serial) for serial in serials])


async def doctor_command(here: Here) -> bool:
    """`posture doctor`; whether a live session can run."""
    sensors_n, calibrated = 0, False
    if here.home.store.exists():
        async with here.keeper() as keeper:
            have = await keeper.do(known)
        sensors_n, calibrated = len(have.sensors), have.calibration is not None
    found = doctor.findings(await doctor.probe(here.home.folder, sensors_n=sensors_n, calibrated=calibrated))
    here.say(
        f"posture-monitor {__version__} on {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
    for line in doctor.lines(found):
        here.say(line)
    return doctor.works(found)


# ---- a session


async def run_command(
    here: Here,
    config: Config,
    sensors: tuple[Placement, ...] | None,
    calibration: Calibration | None,
    *,
    title: str = "posture run",
    subtitle: str = "Ctrl-C ends the session",
    notifier: Notifier | None = None,
    heard: Callable[[Output], None] = lambda _: None,
    until: asyncio.Event | None = None,
) -> tuple[Path, Ended]:
    """`posture run`: one session, from finishing what was cut off before to the final result of this one.

    notifier : in place of the desktop's. heard : told everything that live says. until : ends it when set; None: the user does.
    """
    say = here.say
    with bluetooth(), only_one(here.home.folder):
        async with here.keeper() as keeper:
            await tidy(keeper, here.home.sessions, say)
            have = await keeper.do(known)
            if calibration is not None:
                have = replace(have, calibration=calibration, raw_poses=None)
            have = wear_of(have, config, sensors)
            async with here.radio() as radio:
                folder, session_id, ended = await _session(
                    here, have, config, radio, keeper, (title, subtitle), notifier or desktop(say), heard, until
                )
            for line in ended_lines(ended):
                say(line)
            if not any(status.received for status in ended.status.values()):
                say("No sensor was heard. posture doctor says what this computer lacks; posture scan, what is near.")
            found = await keeper.do(lambda store: finished(folder, store, session_id))
            say(difference_words(found, sum(s.backfilled for s in ended.status.values())))
            say(f"Recorded in {folder}")
            if any(status.received for status in ended.status.values()):
                say("Next: posture report")
    return folder, ended


async def _session(
    here: Here,
    have: Known,
    config: Config,
    radio: Radio,
    keeper: Keeper,
    titles: tuple[str, str],
    notifier: Notifier,
    heard: Callable[[Output], None],
    until: asyncio.Event | None,
) -> tuple[Path, int, Ended]:
    say = here.say
    clock, start_utc, zone = SessionClock(radio.speed), datetime.now(UTC), local_zone()
    worn, silent = tuple(s.placement for s in have.sensors), bool(have.profile.get(SILENT_KEY))
    now, params = Clock(start_utc, ZoneInfo(zone)), config.sitting
    begun = await keeper.do(lambda store: first_week(store, now, worn, params))
    config = adapted(config, begun, two=len(worn) == 2, silent=silent)
    meta = meta_of(have, config, start_utc=start_utc, zone=zone, salt=await salt_of(keeper))
    folder, meta = new_folder(here.home.sessions, meta)
    pipeline = live_pipeline(meta, want_angles=True)
    links = links_of(have.sensors, radio, clock)
    with SessionWriter.create(folder, meta) as writer:
        asked = Asked(meta, pipeline, writer)
        about = live_about(meta, config, pipeline.calibration)
        session_id = await keeper.do(lambda store: _put_session(store, folder, meta, about, asked))
        decoder = SessionDecoder(meta.placements, config.clock)
        title, subtitle = titles
        view = View.live(pipeline.calibration, config, title=title, subtitle=subtitle, speed=radio.speed)
        monitor: Monitor
        source = LiveSource(links, writer, decoder, clock, say=lambda words: monitor.say(words))
        saved = Saved(keeper, session_id, lambda words: monitor.say(words))
        monitor = Monitor(source, pipeline, saved, view, notifier, here.console, start_utc, asked, heard)
        for sensor in have.sensors:
            say(f"{sensor.placement.words}: {sensor.name}. Wear it {WHERE[sensor.placement]}.")
        say(pipeline.calibration.judges())
        if words := week_words(begun, config, silent=silent):
            say(words)
        if notice := asked.notice(0.0):
            say(f"{notice.capitalize()}; posture resume ends it.")
        ended = await monitor.run(until)
        writer.close(ended.end_ns)
    await keeper.do(lambda store: _put_batteries(store, links))
    return folder, session_id, ended


async def _ask_silent(keeper: Keeper, ask: Callable[[str, str], str]) -> None:
    answer = ask("First week: only measure, without alerts (yes or no)?", "no").strip().casefold() in ("yes", "y")
    await keeper.do(lambda store: store.set_profile(SILENT_KEY, answer, datetime.now(UTC)))


def _put_session(store: Store, folder: Path, meta: SessionMeta, about: Mapping[str, JsonValue], asked: Asked) -> int:
    store.mailbox.clear()
    session_id = store.put_session(
        folder=folder.name,
        start_utc=meta.start_utc,
        zone=meta.zone,
        about=about,
        code_version=__version__,
        made_utc=datetime.now(UTC),
    )
    for action in went_on(asked.quiet):
        store.put_action(session_id, action)
    return session_id


def _put_batteries(store: Store, links: Sequence[Link]) -> None:
    now = datetime.now(UTC)
    for link in links:
        if (pct := link.status.battery_pct) is not None:
            store.set_profile(f"{BATTERY_KEY}{link.enrolled.serial}", [pct, now.isoformat()], now)


def ended_lines(ended: Ended) -> list[str]:
    """What a session came to, sensor by sensor."""
    span, events, alerts = span_text(ended.end_ns / 1e9), ended.events_n, ended.alerts_n
    lines = [f"Session of {span}: {events} event{'s' * (events != 1)}, {alerts} alert{'s' * (alerts != 1)}."]
    for placement, s in ended.status.items():
        parts = [f"{s.received} samples"] + [
            f"{count} {what}"
            for count, what in (
                (s.backfilled, "of them late"),
                (s.overwritten, "overwritten in the sensor before they could be fetched"),
                (s.not_stored, "lost in the sensor before they were kept"),
                (s.duplicates, "came twice"),
                (s.rejected, "frames spoilt"),
                (s.dropped, "packets dropped by this computer"),
            )
            if count
        ]
        lines.append(f"{placement.words}: {', '.join(parts)}.")
    return lines


# ---- the first run


async def buzz_command(sensors: Sequence[Enrolled], radio: Radio) -> dict[Placement, bool]:
    """A pulse of each sensor; whether it did."""
    clock = SessionClock(radio.speed)
    done: dict[Placement, bool] = {}
    for link in links_of(tuple(sensors), radio, clock):
        async with asyncio.TaskGroup() as group:
            running = group.create_task(link.run(lambda _: None))
            try:
                async with asyncio.timeout(BUZZ_S):
                    while link.status.state is not LinkState.STREAMING:
                        await asyncio.sleep(0.05)
                    done[link.enrolled.placement] = await link.haptic(*TEST_BUZZ)
                    await link.stop()
            except TimeoutError:
                done[link.enrolled.placement] = False
            running.cancel()
    return done


async def setup_command(here: Here, config: Config, *, ask: Callable[[str, str], str]) -> None:
    """`posture setup`: check, pair, where to wear, a buzz, calibrate.

    ask : (question, default) -> what the user answers.
    """
    say = here.say
    if here.hci is None and not await doctor_command(here):
        raise PostureError(
            "this computer is not ready for a sensor; do what is said above, then run posture setup again"
        )
    with bluetooth(), only_one(here.home.folder):
        async with here.keeper() as keeper, here.radio() as radio:
            say("Step 1 of 3: pair. Press the sensor's button, keep it near.")
            seen = await found_sensors(radio, SCAN_S)
            have = [enrolled(s) for s in await keeper.do(lambda store: store.sensors())]
            new = [f for f in seen if f.handle not in {s.handle for s in have}]
            for found in new[: len(Placement)]:
                default = next_placement([KnownSensor(**asdict(s)) for s in have]).words
                places = "/".join(p.words for p in Placement)
                answer = (
                    ask(f"Where do you wear {found.name} ({places}, or no)?", default)
                    .strip()
                    .casefold()
                    .replace(" ", "_")
                )
                if answer not in {p.value for p in Placement}:
                    continue
                have = [s for s in have if s.placement != answer]
                have.append(await paired(found, Placement(answer), radio, keeper))
                say(f"{found.name} is paired.")
            if not have:
                raise PostureError("no sensor is paired; charge one, press its button and run posture setup again")
            say("Step 2 of 3: put on.")
            for sensor in have:
                say(f"  {sensor.name}: {WHERE[sensor.placement]}. It buzzes twice now.")
            for placement, buzzed in (await buzz_command(have, radio)).items():
                if not buzzed:
                    say(f"  The sensor at the {placement.words} did not buzz; alerts will be on the screen only.")
            against = await keeper.do(end_range_off)
            if not await keeper.do(lambda store: store.sessions()):
                await _ask_silent(keeper, ask)
    ask("Put them on, then press Enter", "")
    if against is None:
        wish = ask("Measure your range too, with bends as far as is comfortable? Not where it hurts (yes or no)", "no")
    else:
        wish = "no"
        say(f"Your range is not measured: {against}.")
    say("Step 3 of 3: calibrate, about 2.5 minutes. Stop if anything hurts.")
    made = await calibrate_command(here, config, None, quick=False, end_range=wish.strip().casefold() in ("yes", "y"))
    from posture.app.summary import calibration_lines

    for line in calibration_lines(made):
        say(line)
    say("Done. Next: posture run")


def stdin_ask(question: str, default: str) -> str:
    """A question on the terminal; the default where there is none to ask."""
    import typer

    if not sys.stdin or sys.stdin.closed:
        return default
    return str(typer.prompt(question, default=default, show_default=bool(default)))
