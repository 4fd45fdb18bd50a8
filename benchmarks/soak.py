"""`python -m benchmarks.soak`: a working day of two sensors whose links are lost, in less time, sample by sample; then `kill -9`.

The whole product runs: virtual sensors in another process (the firmware's core, a real Bluetooth stack, no radio), the client, the
recorder, the pipeline, the store. The sensors' motion is the shipped recording over and over, with noise that makes every sample
different, so that one that is missing, doubled, changed or out of order shows. Time is compressed, and so are the timers of
the link; the table says by how much. Exit code 1 where a claim does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.live import resident_mb
from posture.app.bluetooth import bluetooth
from posture.app.commands import found_sensors, paired
from posture.app.demo import LISTEN_S, scaled, session, virtual_sensors
from posture.app.monitor import Ended
from posture.app.places import Home
from posture.app.session import Here, Radio
from posture.app.virtual import Wearing, blocks_of, wearings
from posture.atomic import write_whole
from posture.config import Config
from posture.pipeline import Output
from posture.recording import open_recording
from posture.recording.session import open_session, recover
from posture.recording.writer import write_sample_file
from posture.replay import ReplayRequest, Result, calibrate_from, calibration_json, prepare
from posture.replay import run as replayed
from posture.revision import Why, changes
from posture.sensors.timers import LinkTimers
from posture.signal.calibration import Calibration
from posture.types import G_MPS2, EpochBlock, Float, Int, Placement

REPOSITORY = Path(__file__).parents[1]
EXCERPT = REPOSITORY / "recordings" / "day_excerpt.parquet"
POSES = EXCERPT.with_name("day_excerpt.poses.json")
RATE_HZ = 50.0
LOSS_S = (1.0, 600.0)
NEAR_S = 30.0
"""Of streaming between two faults: the link is up again, and has asked for what is missing."""
DUPLICATE_N, CORRUPT_N = 100, 1000
THIN = 4
FLAT_MB_PER_H, FLAT_FROM_H = 2.0, 6.0
"""Memory is flat where it grows by no more, 18 MB in a day of nine hours. Judged in sessions of at least so long: what a backfill
takes for a while is a few MB. Ours."""


def motion(folder: Path, hours: float, seed: int) -> Path:
    """The shipped motion over and over at 50 Hz, each sample with noise of its own."""
    import pyarrow.parquet as pq

    table = pq.read_table(EXCERPT)
    second = np.asarray(table["time_s"])
    grid = np.arange(0.0, second[-1], 1.0 / RATE_HZ)
    n = round(hours * 3600.0 * RATE_HZ)
    rng = np.random.default_rng(seed)
    columns = {"time_s": np.arange(n) / RATE_HZ}
    for name in table.column_names:
        if name != "time_s":
            once = np.interp(grid, second, np.asarray(table[name], dtype=np.float64))
            sd = 0.05 if "_acc_" in name else 0.005
            columns[name] = np.resize(once, n) + rng.normal(0.0, sd, n)
    path = folder / "day.parquet"
    write_sample_file(path, columns)
    return path


def faults_for(hours: float, losses: int, reboots: int, seed: int) -> list[str]:
    """Losses of log-uniform length and reboots at random moments of streaming, never one right upon another."""
    rng = random.Random(seed)
    lengths = [LOSS_S[0] * (LOSS_S[1] / LOSS_S[0]) ** rng.random() for _ in range(losses)]
    streamed_s = hours * 3600.0 - sum(lengths) - 120.0
    count = losses + reboots
    room_s = streamed_s - NEAR_S * (count + 1)
    at = [s + NEAR_S * (k + 1) for k, s in enumerate(sorted(rng.uniform(0.0, room_s) for _ in range(count)))]
    rebooting = set(rng.sample(range(count), reboots))
    left = iter(lengths)
    struck = [
        f"reboot@{s:.1f}" if k in rebooting else f"out-of-range={next(left):.1f}@{s:.1f}" for k, s in enumerate(at)
    ]
    return [*struck, f"duplicate={DUPLICATE_N}", f"corrupt={CORRUPT_N}"]


@dataclass
class Found:
    """One sensor's samples in the final result, against what it made.

    made : from the first to the last that was recorded. recorded : at the full rate. thinned : of which the ring had only the
    averages of four left. doubled, unordered, changed : must be none. at_boots : missing where a boot ends: a watchdog takes
    with it what had not filled a frame of the ring, up to two of them.
    """

    placement: Placement
    made: int = 0
    recorded: int = 0
    thinned: int = 0
    doubled: int = 0
    unordered: int = 0
    changed: int = 0
    boots: int = 0
    at_boots: int = 0

    @property
    def missing(self) -> int:
        """Inside of the boots."""
        return self.made - self.recorded - self.thinned - self.at_boots


def source_rows(wearing: Wearing) -> Int:
    """(n, 6) int16 counts: all samples that a sensor makes."""
    return np.concatenate([block.samples for block in blocks_of(wearing)]).astype(np.int64)


def keys_of(counts: Int) -> Int:
    """(n, 6) int16 counts -> (n,) numbers that are the same for the same sample and, but for chance, for no other."""
    weights = (
        np.random.default_rng(0).integers(-(2**63), 2**63, 6, dtype=np.int64) | 1
    )  # products wrap around, as they may
    return np.asarray((counts * weights).sum(axis=1))


@dataclass
class Piece:
    """A segment of the completed record. place : (n,) which sample of the source each row begins with; -1: none."""

    averages: bool
    row: Int
    counts: Int
    place: Int


def pieces_of(folder: Path, wearing: Wearing, params: Config) -> list[Piece]:
    """What the completed record holds, segment by segment, as the counts that were sent."""
    config = wearing.config
    counts: dict[int, list[Int]] = {}
    rows: dict[int, list[Int]] = {}
    rate_hz: dict[int, float] = {}
    for batch in open_session(folder, sensors=(wearing.placement,), params=params.clock).batches():
        for block in batch.blocks:
            if block.segment is None or block.gyr_radps is None or block.index is None:
                continue
            acc = np.rint(block.acc_mps2 * (config.acc_lsb_per_g / G_MPS2))
            gyr = np.rint(np.degrees(block.gyr_radps) * config.gyr_lsb_per_dps)
            number = block.segment.number
            counts.setdefault(number, []).append(np.hstack((acc, gyr)).astype(np.int64))
            rows.setdefault(number, []).append(block.index)
            rate_hz[number] = block.segment.rate_hz
    none = np.empty(0, np.int64)
    return [
        Piece(rate_hz[n] < 0.5 * RATE_HZ, np.concatenate(rows[n]), np.concatenate(counts[n]), none)
        for n in sorted(counts)
    ]


def held_against(folder: Path, wearing: Wearing, params: Config) -> Found:
    """The completed record of a sensor, sample by sample against the recording that it played."""
    source = source_rows(wearing)
    keys = keys_of(source)
    order = np.argsort(keys, kind="stable")
    found = Found(wearing.placement)
    pieces = pieces_of(folder, wearing, params)
    starts: set[int] = set()
    for piece in pieces:
        found.unordered += int(np.count_nonzero(np.diff(piece.row) <= 0))
        if not piece.averages:
            own = keys_of(piece.counts)
            piece.place = order[np.minimum(np.searchsorted(keys, own, sorter=order), len(order) - 1)]
            found.changed += int(np.count_nonzero(keys[piece.place] != own))
            starts |= set(np.unique(piece.place - piece.row).tolist())
    found.boots = len(starts)
    for piece in pieces:
        if piece.averages:  # of which boot is not said: of the one whose samples have these averages
            tried = [np.clip(start + THIN * piece.row, 0, len(source) - THIN) for start in starts]
            right = [(averages(source, place) == piece.counts).all(axis=1) for place in tried]
            best = int(np.argmax([np.count_nonzero(r) for r in right]))
            piece.place = tried[best]
            found.changed += int(np.count_nonzero(~right[best]))
    covers = [p.place if not p.averages else (p.place[:, None] + np.arange(THIN)).ravel() for p in pieces]
    full = np.concatenate([c for c, p in zip(covers, pieces, strict=True) if not p.averages])
    every = np.concatenate(covers)
    first, last = int(every.min()), int(every.max())
    times = np.bincount(every - first, minlength=last - first + 1)
    found.made, found.recorded = last - first + 1, len(np.unique(full))
    found.doubled = int(np.count_nonzero(times > 1))
    found.thinned = int(np.count_nonzero(times)) - found.recorded
    found.unordered += int(np.count_nonzero(np.diff([c[0] for c in covers if len(c)]) <= 0))
    for start in sorted(starts)[1:]:  # what is missing right before a boot began
        before = np.flatnonzero(times[: start - first])
        found.at_boots += start - first - 1 - int(before[-1]) if len(before) else 0
    return found


def averages(source: Int, place: Int) -> Int:
    """PROTOCOL.md section 3: floor((sum + 2) / 4) of the four samples from each place on."""
    return np.asarray((source[place[:, None] + np.arange(THIN)].sum(axis=1) + 2) // THIN)


@dataclass
class Heard:
    """What live says, put aside in a file as it comes: kept in this process, it would look like memory that the monitor takes.

    decided_s : start of the newest decided second.
    """

    path: Path
    decided_s: float = float("nan")

    def __post_init__(self) -> None:
        self.path.unlink(missing_ok=True)  # of an earlier day that was kept

    def __call__(self, output: Output) -> None:
        with self.path.open("ab") as file:
            pickle.dump(Output(output.epochs, output.events, output.alerts), file)
        if output.epochs:
            self.decided_s = float(output.epochs[-1].start_s[-1])

    def outputs(self) -> list[Output]:
        """All of it, once the session is over."""
        found: list[Output] = []
        with self.path.open("rb") as file, suppress(EOFError):
            while True:
                found.append(pickle.load(file))
        return found


@dataclass
class Memory:
    """Resident MB of this process now and then; seen : (hours of the session decided by then, MB)."""

    heard: Heard
    every_s: float = 5.0
    seen: list[tuple[float, float]] = field(default_factory=list)

    async def watch(self) -> None:
        while True:
            self.seen.append((self.heard.decided_s / 3600.0, resident_mb()))
            await asyncio.sleep(self.every_s)

    @property
    def day(self) -> Float:
        """(m, 2) while the monitor ran: without the time before its first decision, and that after its last, when the final result
        is made in this same process.
        """
        seen = np.array([s for s in self.seen if np.isfinite(s[0])]).reshape(-1, 2)
        return seen[seen[:, 0] < self.heard.decided_s / 3600.0] if len(seen) else seen

    def slope_mb_per_h(self) -> float:
        """Over the last three quarters of the day: before, everything is loaded that a day needs. NaN where that is too short."""
        day = self.day
        late = day[day[:, 0] > 0.25 * self.heard.decided_s / 3600.0]
        return float(np.polyfit(*late.T, 1)[0]) if len(late) >= 10 else float("nan")

    def words(self) -> str:
        """Most in each quarter of the day, and with the final result."""
        day = self.day
        if len(day) < 4:
            return "not measured"
        parts = [max(part[:, 1]) for part in np.array_split(day, 4)]
        return f"{', '.join(f'{p:.0f}' for p in parts)} MB at most in each quarter; then {max(s[1] for s in self.seen):.0f}"


def print_nothing(_: str) -> None:
    """What a session says of itself is not of interest here."""


def say(label: str, value: object, holds: bool | None = None) -> bool:
    print(f"  {label:34s} {value}{'' if holds is None or holds else '   MISSED'}", flush=True)
    return holds is not False


async def streamed(
    here: Here, path: Path, made: Calibration, config: Config, faults: list[str], said: Path
) -> tuple[Path, Ended, Memory]:
    heard = Heard(said)
    memory = Memory(heard)
    watching = asyncio.create_task(memory.watch())
    try:
        folder, ended = await session(here, path, made, tuple(Placement), config, "soak", faults=faults, heard=heard)
    finally:
        watching.cancel()
    return folder, ended, memory


def live_equals_as_live(folder: Path, outputs: list[Output]) -> str:
    """`yes`, or what differs from when on."""
    prepared = prepare(ReplayRequest(folder, as_live=True))
    again: Result = replayed(prepared, prepared.recording.batches())
    live, replay = EpochBlock.joined(e for o in outputs for e in o.epochs), EpochBlock.joined(again.epochs)
    n = min(len(live), len(replay))
    for column in dataclasses.fields(EpochBlock):
        a, b = (getattr(e, column.name)[:n] for e in (live, replay))
        differs = np.flatnonzero(~((a == b) | (np.isnan(a) & np.isnan(b))))
        if len(differs):
            return f"no: {column.name} differs in {len(differs)} of {n} s, first at {live.start_s[differs[0]]:.0f} s"
    if len(live) != len(replay):
        return f"no: {len(live)} and {len(replay)} s"
    if [e for o in outputs for e in o.events] != again.events:
        return "no: events differ"
    return "yes" if [a for o in outputs for a in o.alerts] == again.alerts else "no: alerts differ"


def soak(hours: float, speed: float, losses: int, reboots: int, seed: int, keep: Path | None) -> bool:
    """One compressed day. keep : where its record is left, with what live said (pickles, one after the other)."""
    with tempfile.TemporaryDirectory(prefix="posture-soak-") as name:
        base = keep or Path(name)
        base.mkdir(parents=True, exist_ok=True)
        path = motion(base, hours, seed)
        config = scaled(Config(), speed)
        made = calibrate_from(open_recording(EXCERPT), POSES, config)
        faults = faults_for(hours, losses, reboots, seed)
        unseen = Console(file=(base / "said").open("w"))  # until the process ends
        here = Here(Home(base / "home"), unseen, print_nothing, None, speed)
        life, used = LinkTimers(), Radio(speed=speed).timers
        print(
            f"soak: {hours:g} h of two sensors at {RATE_HZ:g} Hz, {speed:g} times faster than life; seed {seed}; on each sensor "
            f"{losses} losses of {LOSS_S[0]:g}-{LOSS_S[1]:g} s, {reboots} reboots, each {DUPLICATE_N}th frame twice, each "
            f"{CORRUPT_N}th spoilt"
        )
        scaled_names = [f.name for f in dataclasses.fields(life) if f.name.endswith("_s")]
        print("  timers, s of this computer, at this speed (as life has them):")
        for k in range(0, len(scaled_names), 5):
            print(
                "   ", ", ".join(f"{n} {getattr(used, n):.3g} ({getattr(life, n):g})" for n in scaled_names[k : k + 5])
            )
        print(
            f"    join.late_max_s {config.join.late_max_s:g} of session time ({Config().join.late_max_s:g})", flush=True
        )
        began = time.monotonic()
        folder, ended, memory = asyncio.run(streamed(here, path, made, config, faults, base / "live.pickle"))
        outputs = memory.heard.outputs()
        fine = say("took", f"{time.monotonic() - began:.0f} s")
        for wearing in wearings(path, None):
            status = ended.status[wearing.placement]
            found = held_against(folder, wearing, config)
            gone = status.overwritten + status.not_stored
            fine &= say(f"{wearing.placement}: made", f"{found.made} samples over {found.boots} boots")
            fine &= say("recorded exactly once", found.recorded, found.doubled == 0)
            fine &= say("  of them late, from the ring", status.backfilled)
            fine &= say("as averages of four, all the ring had", found.thinned)
            fine &= say("  twice, out of order, changed", (found.doubled, found.unordered, found.changed),
                        (found.doubled, found.unordered, found.changed) == (0, 0, 0))  # fmt: skip
            fine &= say("missing, of which the link knew", f"{found.missing}, {gone}", found.missing <= gone)
            fine &= say("  not in the ring after a reboot", found.at_boots)
            fine &= say("  ring overwritten", status.overwritten)
            fine &= say("  that the sensor never had", status.not_stored)
            fine &= say("frames twice, spoilt, dropped", (status.duplicates, status.rejected, status.dropped))
            fine &= say("connections", status.connections)
        same = live_equals_as_live(folder, outputs)
        fine &= say("live equals --as-live, bit for bit", same, same == "yes")
        live = EpochBlock.joined(e for o in outputs for e in o.epochs)
        prepared = prepare(ReplayRequest(folder))
        final = EpochBlock.joined(replayed(prepared, prepared.recording.batches()).epochs)
        late = open_session(folder, params=config.clock).late
        why = changes(live, final, late)
        for reason in Why:
            own = [c for c in why if c.why is reason]
            fine &= say(
                f"final differs, {reason.value}", f"{sum(c.to_s - c.from_s for c in own):.0f} s in {len(own)} stretches"
            )
        where = "; ".join(f"{c.from_s:.0f}-{c.to_s:.0f} s" for c in why[:6])
        say("  first of them", where or "none")
        say("alerts raised live", ended.alerts_n)
        say("memory", memory.words())
        slope = memory.slope_mb_per_h()
        fine &= say(
            "  growth, last three quarters",
            f"{slope:+.2f} MB an hour of the session; target <= {FLAT_MB_PER_H:g}",
            None if hours < FLAT_FROM_H else slope <= FLAT_MB_PER_H,
        )
        return fine


def killed(count: int, seed: int) -> bool:
    """`kill -9` of `posture run` at random moments; each next run finishes what the one before left."""
    rng = random.Random(seed)
    lost_s: list[float] = []
    finished = 0
    with tempfile.TemporaryDirectory(prefix="posture-kill-") as name:
        base = Path(name)
        path = motion(base, 0.5, seed)
        config = Config()
        made = calibrate_from(open_recording(EXCERPT), POSES, config)
        write_whole(base / "cal.json", calibration_json(made))

        async def scene() -> None:
            nonlocal finished
            async with virtual_sensors(path, 1.0, 2) as playing:
                home = Home(base / "home" / "data")
                here = Here(home, Console(quiet=True), print_nothing, playing.address)
                with bluetooth():
                    async with here.keeper() as keeper, here.radio() as radio:
                        seen = sorted(await found_sensors(radio, LISTEN_S), key=lambda f: f.name)
                        for found, placement in zip(seen, Placement, strict=True):
                            await paired(found, placement, radio, keeper)
                for k in range(count + 1):
                    said = base / f"run{k}"
                    with said.open("wb") as out:
                        process = await asyncio.create_subprocess_exec(
                            *(
                                sys.executable,
                                "-u",
                                "-m",
                                "posture.app.cli",
                                "run",
                                "--calibration",
                                str(base / "cal.json"),
                            ),
                            *("--hci", str(playing.address)),
                            stdout=out,
                            stderr=subprocess.STDOUT,
                            env={**os.environ, "POSTURE_HOME": str(base / "home"), "PYTHONPATH": str(REPOSITORY)},
                        )
                    async with asyncio.timeout(60.0):
                        while b"is connected" not in said.read_bytes():
                            if process.returncode is not None:
                                raise SystemExit(f"a run ended by itself: {said.read_text()}")
                            await asyncio.sleep(0.02)
                    finished += said.read_bytes().count(b"was cut off")
                    if k == count:
                        await asyncio.sleep(8.0)
                        process.send_signal(signal.SIGINT)
                        await process.wait()
                        if process.returncode:
                            raise SystemExit(f"the last run failed: {said.read_text()}")
                        return
                    await asyncio.sleep(rng.uniform(0.0, 5.0))
                    process.kill()
                    await process.wait()
                    folder = max(home.sessions.iterdir())
                    ran_s = time.time() - recover(folder).meta.start_utc.timestamp()
                    lost_s.append(ran_s - recover(folder).end_ns / 1e9)

        asyncio.run(scene())
    print(f"kill -9 of posture run at {count} random moments, 1 x life, seed {seed}")
    fine = say("lost at the end, s: median, most", f"{np.median(lost_s):.2f}, {max(lost_s):.2f}", max(lost_s) <= 1.1)
    return say("finished by the next run", f"{finished} of {count}", finished == count) and fine


def main() -> int:
    """Print the table; 1 where a claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=9.0)
    parser.add_argument("--speed", type=float, default=30.0)
    parser.add_argument("--losses", type=int, default=50)
    parser.add_argument("--reboots", type=int, default=2)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="leave the record of the day in this folder")
    given = parser.parse_args()
    fine = True
    if given.hours:
        fine &= soak(given.hours, given.speed, given.losses, given.reboots, given.seed, given.keep)
    if given.kills:
        fine &= killed(given.kills, given.seed)
    return int(not fine)


if __name__ == "__main__":
    raise SystemExit(main())
