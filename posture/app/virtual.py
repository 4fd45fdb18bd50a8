"""`posture virtual-sensor`: recordings as sensors on a virtual radio, for a Bumble host in another process."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firmware_protocol.core import CoreError, interface, library
from firmware_protocol.frames import Samples
from firmware_protocol.status import Config
from posture.app.exits import Interrupted
from posture.app.stopping import run_interruptible
from posture.recording import Recording, open_recording
from posture.types import G_MPS2, Bool, Float, InputError, Placement, PostureError

try:
    from firmware_protocol.virtual_faults import FAULTS, Fault, parse_fault, usage
    from firmware_protocol.virtual_link import Air, serve_central
    from firmware_protocol.virtual_sensor import Block, Make, VirtualSensor
except ImportError as error:
    raise PostureError(
        f"the virtual sensor needs {error.name or 'bumble'}; install posture-monitor[virtual]; posture demo does without"
    ) from error

DEVICE_IDS = {
    Placement.SACRUM: bytes.fromhex("5649525455414C01"),
    Placement.UPPER_LUMBAR: bytes.fromhex("5649525455414C02"),
}
"""`VIRTUAL` and a number: the serials of the virtual sensors, which stay the same so that a host knows them again."""
ACC_RANGE_G, GYR_RANGE_DPS = 8, 1000
"""Half of the full scale. Wider than the board's +-4 g and +-500 deg/s, so that a recording's own peaks are not cut."""
RATE_MIN_HZ, RATE_MAX_HZ = 4.0, 1000.0
"""What a configuration can declare, given that a quarter of it must be at least 1 Hz (PROTOCOL.md section 5)."""
_GAP_PERIODS = 1.5
"""A step of more than this many sampling periods means that samples are missing."""


@dataclass(frozen=True, slots=True)
class Wearing:
    """One sensor of a recording, to be played."""

    recording: Recording
    placement: Placement
    config: Config

    def make(self) -> Make:
        """What sensor it is."""
        return Make(DEVICE_IDS[self.placement], self.config)


def config_of(rate_hz: float) -> Config:
    """The full-rate configuration of a virtual sensor; its rate is such that a quarter of it is a whole number of mHz."""
    rate_mhz = 4 * round(rate_hz * 250.0)
    return Config(1, rate_mhz, 1, 32768 / ACC_RANGE_G, 32768 / GYR_RANGE_DPS, ACC_RANGE_G, GYR_RANGE_DPS)


def counts(acc_mps2: Float, gyr_radps: Float, config: Config) -> Samples:
    """(n, 3) and (n, 3) without NaN as (n, 6) int16 counts; what is beyond the range is at its end."""
    acc = acc_mps2 * (config.acc_lsb_per_g / G_MPS2)
    gyr = np.degrees(gyr_radps) * config.gyr_lsb_per_dps
    return np.clip(np.rint(np.hstack((acc, gyr))), -32768, 32767).astype(np.int16)


def blocks_of(wearing: Wearing) -> Iterator[Block]:
    """The sensor's samples as counts. Rows that are absent, or NaN, are samples that the sensor lost."""
    recording, config = wearing.recording.only(wearing.placement), wearing.config
    period_s = 1.0 / recording.info.rate_hz
    before_s = recording.info.first_s - period_s
    for batch in recording.batches():
        (block,) = batch.blocks
        if block.gyr_radps is None or not len(block.time_s):
            continue
        step = np.diff(block.time_s, prepend=before_s) / period_s
        before_s = float(block.time_s[-1])
        missing = np.where(step > _GAP_PERIODS, np.rint(step) - 1, 0).astype(np.int64)
        known: Bool = np.logical_and.reduce(np.isfinite(np.hstack((block.acc_mps2, block.gyr_radps))), axis=1)
        (rows,) = np.nonzero(known)
        # What is lost before each known row: the missing ones since the last known row, and the unknown ones between.
        lost_before = np.diff(np.cumsum(missing)[rows] + rows - np.arange(len(rows)), prepend=0)
        starts = np.unique(np.concatenate(([0], np.nonzero(lost_before)[0]))) if len(rows) else np.empty(0, np.int64)
        for a, b in zip(starts, [*starts[1:], len(rows)], strict=True):
            own = rows[a:b]
            yield Block(counts(block.acc_mps2[own], block.gyr_radps[own], config), int(lost_before[a]))
        after = len(known) + int(missing.sum()) - (int(lost_before.sum()) + len(rows))
        if after:
            yield Block(np.empty((0, 6), np.int16), after)


def wearings(first: Path, second: Path | None) -> tuple[Wearing, ...]:
    """What is simulated: every sensor of one recording, or the sacrum of the first and the upper lumbar spine of the second.

    InputError where a recording cannot be a sensor's: no gyroscope, a rate that changes or that no configuration can declare.
    """
    if second is None:
        recording = open_recording(first)
        return tuple(_wearing(recording, p) for p in recording.info.selected)
    one, two = (
        _only(open_recording(path), placement)
        for path, placement in ((first, Placement.SACRUM), (second, Placement.UPPER_LUMBAR))
    )
    if one.placement is two.placement:
        raise InputError(
            f"{first} and {second} both hold {one.placement.words} alone; give one recording, or one of each placement"
        )
    return one, two


def _only(recording: Recording, wanted: Placement) -> Wearing:
    held = recording.info.selected
    return _wearing(recording, wanted if wanted in held else held[0])


def _wearing(recording: Recording, placement: Placement) -> Wearing:
    info = recording.info
    if not info.has_gyro[placement]:
        raise InputError(
            f"{info.path} has no gyroscope for {placement.words}, and the sensor that is simulated has one; use another recording"
        )
    if len(info.segments) > 1:
        raise InputError(f"The rate of {info.path} changes, and a sensor's does not; use a recording of one rate")
    if not RATE_MIN_HZ <= info.rate_hz <= RATE_MAX_HZ:
        raise InputError(
            f"{info.path} has {info.rate_hz:.3g} samples a second; the protocol has {RATE_MIN_HZ:g} to {RATE_MAX_HZ:g}"
        )
    return Wearing(recording, placement, config_of(info.rate_hz))


def faults_of(texts: Sequence[str]) -> tuple[Fault, ...]:
    """The faults asked for; InputError for a name, a value or a time that is none, or one twice that lasts all the time."""
    try:
        found = tuple(parse_fault(text) for text in texts)
    except ValueError as error:
        raise InputError(f"--fault: {error}") from None
    lasting = [f for f in found if not FAULTS[f.kind].timed]
    twice = {f.kind for f in lasting if sum(g.kind is f.kind for g in lasting) > 1}
    if twice:
        raise InputError(f"--fault {min(twice).value} is given twice; once is enough")
    return found


def fault_lines() -> list[str]:
    """All faults, one a line, with what they are without a value or a time."""
    return [f"{usage(kind):<20} {rule.text}{f' ({rule.unit})' if rule.unit else ''}" for kind, rule in FAULTS.items()]


def listener(spec: str) -> socket.socket:
    """A socket for `tcp-server:HOST:PORT`; InputError unless HOST is this machine, since the link has no protection of its own."""
    kind, _, rest = spec.partition(":")
    host, _, port = rest.rpartition(":")
    loopback = host == "localhost"
    with suppress(ValueError):
        loopback = loopback or ipaddress.ip_address(host.strip("[]")).is_loopback
    if kind != "tcp-server" or not port.isdecimal() or int(port) > 65535:
        raise InputError(f"--hci {spec!r} is not of the form tcp-server:127.0.0.1:PORT; port 0 takes a free one")
    if not loopback:
        raise InputError(f"--hci {spec!r}: only this machine may connect; use tcp-server:127.0.0.1:{port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: only then asyncio sends every packet at once, and a request and its answer take 1 ms and not 10.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host.strip("[]"), int(port)))
    except OSError as error:
        made.close()
        raise PostureError(f"port {port} cannot be used ({error.strerror}); use port 0 for a free one") from error
    return made


def simulate(
    sensors: Sequence[Wearing], hci: str, *, speed: float, faults: Sequence[Fault], say: Callable[[str], None]
) -> None:
    """Be these sensors until the user or the system ends it. PostureError where something that it needs is missing."""
    try:
        interface()
        library()
    except CoreError as error:
        raise PostureError(str(error)) from error
    door = listener(hci)
    logging.getLogger("bumble").setLevel(logging.ERROR)  # it warns of every refused pairing and every lost link
    with suppress(Interrupted), door:
        run_interruptible(_serve(sensors, door, speed=speed, faults=faults, say=say))


async def _serve(
    sensors: Sequence[Wearing],
    door: socket.socket,
    *,
    speed: float,
    faults: Sequence[Fault],
    say: Callable[[str], None],
) -> None:
    air = Air()

    def teller(name: str) -> Callable[[str], None]:
        return lambda words: say(f"{name} {words}")

    made = []
    for wearing in sensors:
        make = wearing.make()
        sensor = VirtualSensor(
            make, blocks_of(wearing), air, speed=speed, faults=faults, say=teller(wearing.placement.value)
        )
        await sensor.start()
        say(
            f"{wearing.placement.value} {sensor.name} serial {make.device_id.hex().upper()} {wearing.recording.info.path}"
        )
        made.append(sensor)
    server = await serve_central(air, door)
    host, port = door.getsockname()[:2]
    say(f"HCI tcp-client:{host}:{port}")
    say("READY")
    try:
        async with asyncio.TaskGroup() as group:
            for sensor in made:
                group.create_task(sensor.run())
    finally:
        server.close()
