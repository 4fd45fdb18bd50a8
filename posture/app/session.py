"""A live session from its start to its final result: what it needs out of the store, its folder, its ends, clean or cut off."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console

from analysis.inputs import Clock
from posture import __version__
from posture.alerts import AlertState, Quiet
from posture.app.asked import going_on
from posture.app.bluetooth import missing
from posture.app.keeping import Keeper
from posture.app.places import Home
from posture.app.source import SessionClock
from posture.config import Config
from posture.days import Days
from posture.recording.session import (
    NoSamplesError,
    SessionMeta,
    SessionSensor,
    compact,
    recover,
)
from posture.replay import SESSION_FORMAT, Records, ReplayRequest, prepare, records
from posture.replay import run as replay_run
from posture.sensors.backend import SYSTEM, Backend
from posture.sensors.ble import Link
from posture.sensors.driver import Enrolled
from posture.sensors.timers import LinkTimers
from posture.signal import calibration as cal
from posture.signal.calibration import Calibration
from posture.store import Difference, KnownSensor, Store, StoredSession
from posture.types import EpochBlock, InputError, JsonValue, Placement, PostureError

SALT_KEY = "sensor_id_salt"
"""In the profile: makes names of sensors for recordings that tell nobody else their serials."""
BATTERY_KEY = "battery_pct_"
"""In the profile, before a serial: [percent, when (ISO 8601)] as a session last knew it."""
_OWN_KEYS = (SALT_KEY, BATTERY_KEY)


_LEAST_S = 0.3
"""Where timers are scaled, none becomes shorter: this computer needs its time, however fast the sensor runs."""


_STALL_S = 2.0
"""What a busy computer may stand still for, s of its own: a fast sensor's frames then look as late as so much times its speed."""


@dataclass(frozen=True, slots=True)
class Radio:
    """How sensors are reached. speed : times real time, above 1 only for a virtual sensor that runs so fast."""

    backend: Backend = SYSTEM
    speed: float = 1.0

    @property
    def timers(self) -> LinkTimers:
        """The link's times for sensors of this speed; what this computer itself must do in a time does not become shorter."""
        life = LinkTimers()
        if self.speed <= 1.0:
            return life.scaled(1.0 / self.speed)
        scaled = life.scaled(1.0 / self.speed, least_s=_LEAST_S)
        return replace(
            scaled,
            connect_s=life.connect_s,
            request_s=life.request_s,
            probe_s=life.probe_s,
            drain_s=life.drain_s,
            late_s=_STALL_S,
        )


@dataclass(frozen=True, slots=True)
class Here:
    """What a live command works with: whose home, how sensors are reached, and where it speaks.

    hci : a virtual controller in place of the system's Bluetooth. speed : of the sensors behind it, times real time.
    """

    home: Home
    console: Console
    say: Callable[[str], None]
    hci: str | None = None
    speed: float = 1.0

    def keeper(self) -> Keeper:
        """The person's store; a context manager."""
        return Keeper(self.home.store)

    @asynccontextmanager
    async def radio(self) -> AsyncIterator[Radio]:
        """Bluetooth, open until the end. InputError for a speed without a virtual controller."""
        if self.hci is None:
            if self.speed != 1.0:
                raise InputError(
                    "--speed is for a virtual sensor that runs as fast; give --hci with it, or leave it away"
                )
            yield Radio()
            return
        from posture.sensors.bumble_backend import open_bumble

        self.home.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        async with open_bumble(self.hci, bonds=self.home.bonds) as backend:
            yield Radio(backend, self.speed)


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of this wear. policy : of the alerts, on the axis of `policy_start_utc`'s session. quiet : what the
    wearer last asked of them, on that of the session `quiet_of`. raw_poses : what the calibration was made from, if it was kept.
    """

    sensors: tuple[Enrolled, ...]
    calibration: Calibration | None
    profile: dict[str, JsonValue]
    policy: AlertState | None = None
    policy_start_utc: datetime | None = None
    quiet: Quiet = field(default_factory=Quiet)
    quiet_of: Clock | None = None
    raw_poses: dict[str, JsonValue] | None = None


def enrolled(known: KnownSensor) -> Enrolled:
    """As the link knows it."""
    return Enrolled(**asdict(known))


def known(store: Store) -> Known:
    """What is enrolled, calibrated and remembered."""
    sensors = tuple(enrolled(s) for s in store.sensors())
    placements = [s.placement for s in sensors]
    memory, sessions = store.policy_state(), store.sessions()
    began = {s.id: s.start_utc for s in sessions}
    made = Known(
        sensors,
        store.latest_calibration(placements),
        store.profile(),
        memory.state if memory else None,
        began.get(memory.session_id) if memory else None,
        raw_poses=store.latest_raw_poses(placements),
    )
    if not sessions:
        return made
    quiet = reduce(Quiet.after, store.actions(sessions[-1].id), Quiet())
    return replace(made, quiet=quiet, quiet_of=Clock(sessions[-1].start_utc, ZoneInfo(sessions[-1].zone)))


def wear_of(have: Known, config: Config, sensors: tuple[Placement, ...] | None = None) -> Known:
    """The sensors to use now with a calibration for exactly them; InputError says what to do first."""
    worn = tuple(s for s in have.sensors if sensors is None or s.placement in sensors)
    if not worn:
        raise InputError(
            "no sensor is paired yet; run posture setup"
            if not have.sensors
            else f"no sensor is paired for {' or '.join(p.words for p in sensors or ())}; posture sensors shows what is"
        )
    if have.calibration is None:
        raise InputError("there is no calibration of these sensors yet; put them on and run posture calibrate")
    return replace(have, sensors=worn, calibration=have.calibration.for_sensors([s.placement for s in worn], config))


def meta_of(have: Known, config: Config, *, start_utc: datetime, zone: str, salt: str) -> SessionMeta:
    """session.json of a session that begins now."""
    policy, now = None, Clock(start_utc, ZoneInfo(zone))
    quiet = going_on(have.quiet, was=have.quiet_of, now=now)
    if have.policy is not None and have.policy_start_utc is not None:
        later_s = (start_utc - have.policy_start_utc).total_seconds()
        ends_s = have.policy.day_ends_s
        if ends_s is None:
            ends_s = Days(have.policy_start_utc, now.zone).ends_s(0.0)
        policy = have.policy.shifted(later_s) if later_s < ends_s else None
    if policy is not None or quiet != Quiet():
        policy = policy or AlertState()
        policy.quiet = quiet
    return SessionMeta(
        session_id=f"{start_utc:%Y-%m-%dT%H%M%S}Z",
        start_utc=start_utc,
        zone=zone,
        sensors=tuple(
            SessionSensor(s.placement, hashlib.sha256((salt + s.serial).encode()).hexdigest()[:12], s.name, s.driver)
            for s in have.sensors
        ),
        code_version=__version__,
        config=config.as_json(),
        calibration=None if have.calibration is None else cal.to_json(have.calibration),
        raw_poses=None if have.calibration is None else have.raw_poses,
        profile={k: v for k, v in have.profile.items() if not k.startswith(_OWN_KEYS)},
        alert_state=None if policy is None else policy.to_json(),
    )


async def salt_of(keeper: Keeper) -> str:
    """The host's salt, made when it is first asked for."""

    def find(store: Store) -> str:
        salt = store.profile().get(SALT_KEY)
        if not isinstance(salt, str):
            salt = secrets.token_hex(16)
            store.set_profile(SALT_KEY, salt, datetime.now(UTC))
        return salt

    return await keeper.do(find)


def new_folder(home: Path, meta: SessionMeta) -> tuple[Path, SessionMeta]:
    """A folder that nobody has used, and the meta with its name as id."""
    for k in range(1, 1000):
        name = meta.session_id + (f"-{k}" if k > 1 else "")
        if not (home / name).exists():
            return home / name, replace(meta, session_id=name)
    raise PostureError(f"{home} is full of sessions of this second; check the clock of this computer")


def links_of(sensors: tuple[Enrolled, ...], radio: Radio, clock: SessionClock) -> tuple[Link, ...]:
    """A link each; one connects at a time. Session time runs as fast as the sensors do, so that the links need not scale it."""
    lock = asyncio.Lock()
    timers = replace(radio.timers, scale=1.0, late_s=radio.timers.late_s * radio.speed)
    said = missing if radio.backend is SYSTEM else lambda _: None
    return tuple(
        Link(s, now_ns=clock.now_ns, timers=timers, backend=radio.backend, lock=lock, missing=said) for s in sensors
    )


def local_zone() -> str:
    """The IANA name of this computer's zone; where it is not told, one without summer time that has the same offset now."""
    named = os.environ.get("TZ", "").removeprefix(":")
    with suppress(OSError):
        named = named or Path("/etc/timezone").read_text(encoding="utf-8").strip()
    with suppress(OSError):
        named = named or str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        if named:
            return ZoneInfo(named).key
    hours = round(-time.timezone / 3600 + time.localtime().tm_isdst)
    return "UTC" if hours == 0 else f"Etc/GMT{-hours:+d}"


# ---- its end


def final_records(folder: Path) -> Records:
    """The pipeline over the completed record: late data merged, last clock fit."""
    prepared = prepare(ReplayRequest(folder))
    return records(prepared, replay_run(prepared, prepared.recording.batches()))


def live_about(meta: SessionMeta, config: Config, calibration: Calibration) -> dict[str, JsonValue]:
    """What the store says of a session while it goes on: reports are made before its end too. Keys as in a result's."""
    return {
        "format": SESSION_FORMAT,
        "code_version": meta.code_version,
        "source": meta.session_id,
        "session_id": meta.session_id,
        "result": "live",
        "revision": 0,
        "start_utc": meta.start_utc.isoformat(),
        "zone": meta.zone,
        "sensors": [str(p) for p in meta.placements],
        "preset": str(config.alerts.preset),
        "calibration": cal.to_json(calibration),
        "judges": calibration.judges(),
        "notes": [
            "The session had not ended when this was made; its numbers are those of the live result.",
            *([config.sitting.start_words()] if config.sitting.start_raised_pct else []),
        ],
        "config": config.as_json(),
    }


def finished(folder: Path, store: Store, session_id: int) -> Difference:
    """A session that has ended, clean or not: mended, made small, and its final result in the store.

    One without a sample has an empty final result.
    """
    found = recover(folder)
    compact(folder)
    store.end_session(session_id, found.meta.start_utc + timedelta(seconds=found.end_ns / 1e9))
    try:
        made = final_records(folder)
        epochs, events, about = made.epochs, made.events, made.session
    except NoSamplesError:
        epochs, events, about = EpochBlock.joined(()), [], json.loads(replace(found.meta, raw_poses=None).to_json())
    return store.put_final(
        session_id,
        epochs=epochs,
        events=events,
        about=about,
        code_version=__version__,
        made_utc=datetime.now(UTC),
    )


def difference_words(found: Difference, backfilled: int) -> str:
    """What the final result changed of the live one, in one sentence."""
    late = f"{backfilled} samples that came late are in it" if backfilled else "nothing came late"
    if found.none:
        return f"The final result says what live said; {late}."
    parts = [
        f"{count:+d} s" if name == "seconds_added" else f"{count} s of {name.removesuffix('_s')} otherwise"
        for name in ("seconds_added", "context_s", "flexed_s")
        if (count := getattr(found, name))
    ]
    for kind in dict.fromkeys((*found.events_added, *found.events_removed)):
        added, removed = found.events_added.get(kind, 0), found.events_removed.get(kind, 0)
        other = min(added, removed)
        counts = ((other, "with other times or verdict"), (added - other, "more"), (removed - other, "less"))
        parts += [f"{kind.replace('_', ' ')}: {n} {what}" for n, what in counts if n]
    return f"The final result differs from live: {', '.join(parts)}; {late}."


def unfinished(store: Store, home: Path) -> list[StoredSession]:
    """Sessions without a final result whose record is there: they were cut off."""
    return [s for s in store.sessions() if s.result != "final" and (home / s.folder).is_dir()]


async def tidy(keeper: Keeper, home: Path, say: Callable[[str], None]) -> None:
    """Finish what earlier runs could not. A record that cannot be read is said, and is no reason not to begin a new one."""
    for session in await keeper.do(lambda store: unfinished(store, home)):
        folder = home / session.folder

        def finish(store: Store, folder: Path = folder, session_id: int = session.id) -> str:
            words = recover(folder).sentence()
            finished(folder, store, session_id)
            return words

        try:
            say(await keeper.do(finish))
        except PostureError as error:
            say(f"The session {session.folder} could not be finished: {error}.")
