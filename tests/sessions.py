"""Sessions of made-up sensors: real LPS frames of given samples, brought by a radio that loses, repeats and damages them, with what
was lost sent again from the ring. Everything is drawn from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from radio import Device, arrivals
from streams import BOTH, CONFIG, EXCERPT, calibration

from firmware_protocol.control import Done, Op, Reply, Status, TimeSyncReply, encode_done, encode_reply
from firmware_protocol.frames import TICK_HZ, Frame, FrameFlag, FrameType, MiniFrame, encode_frame, encode_mini
from firmware_protocol.status import Config, Feature, Info, StatusReport, encode_info
from posture import __version__
from posture.recording import open_recording
from posture.recording.session import SessionMeta, SessionSensor, SessionWriter
from posture.signal import calibration as cal
from posture.types import G_MPS2, Float, PacketKind, Placement, RawPacket

NS = 1_000_000_000
LIVE_N, RING_N = 5, 19
PERFECT = Device()
THIN = 4
Counts = NDArray[np.int16]


def info_of(rate_hz: float, device_id: bytes = b"SENSOR01", acc: float = 4096.0, gyr: float = 32.75) -> Info:
    mhz = 4 * round(rate_hz * 250.0)
    full = Config(1, mhz, 1, acc, gyr, 8, 1000)
    thin = Config(2, mhz // 4, THIN, acc, gyr, 8, 1000)
    return Info(19, TICK_HZ, Feature(0), device_id, 155_040, 1, (full, thin))


@dataclass(frozen=True)
class Boot:
    """A boot: its first sample is taken at `from_s`. rate_hz : true rate by the sensor's own clock."""

    number: int
    from_s: float
    samples: Counts
    rate_hz: float
    device: Device = PERFECT
    first_index: int = 0

    def true_s(self, index: Float | int) -> Float:
        """When full-rate samples (counted from the first of this boot) are taken."""
        own_s = np.asarray(index) / self.rate_hz
        return np.asarray(self.from_s + own_s / (1.0 + self.device.ppm * 1e-6))

    def ticks(self, index: int) -> int:
        return round((self.device.off_s + index / self.rate_hz) * TICK_HZ)


@dataclass
class Bench:
    """Makes the packets of one sensor.

    lost : (from_s, to_s) in which the link is gone; what was sampled then comes by backfill after it, if `backfill`, thinned where
    `thin` says so. deaf : the same for what even the ring has not.
    """

    placement: Placement
    boots: Sequence[Boot]
    declared_hz: float
    seed: int = 0
    lost: Sequence[tuple[float, float]] = ()
    deaf: Sequence[tuple[float, float]] = ()
    backfill: bool = True
    thin: Sequence[tuple[float, float]] = ()
    duplicates: float = 0.0
    corrupted: float = 0.0
    sync_s: float = 60.0
    jitter: bool = True
    packets: list[RawPacket] = field(default_factory=list)

    def made(self) -> list[RawPacket]:
        rng = np.random.default_rng(self.seed)
        found: list[tuple[int, int, PacketKind, bytes]] = []
        info = encode_info(info_of(self.declared_hz))
        for boot in self.boots:
            n = len(boot.samples)
            found.append((self._ns(boot.from_s), 0, PacketKind.INFO, info))
            heads = np.arange(0, n - LIVE_N + 1, LIVE_N)
            last_s = boot.true_s(heads + LIVE_N - 1)
            at_s = arrivals(last_s, rng) if self.jitter else last_s + 0.02
            for head, last, at in zip(heads.tolist(), last_s.tolist(), at_s.tolist(), strict=True):
                if within(last, self.lost) or within(last, self.deaf):
                    continue
                payload = live(boot, head, boot.samples[head : head + LIVE_N])
                if rng.random() < self.corrupted:
                    payload = damaged(payload, rng)
                found.append((self._ns(at), 1, PacketKind.LIVE, payload))
                if rng.random() < self.duplicates:
                    found.append((self._ns(at + 0.03), 1, PacketKind.LIVE, payload))
            asked = np.arange(boot.from_s + 7.0, float(boot.true_s(n)) - 1.0, self.sync_s).tolist()
            heard = [at for at in asked if not within(at, self.lost, 0.1)]
            found += [(self._ns(at + 0.05), 2, PacketKind.SYNC, sync(boot, at)) for at in heard]
            if self.backfill:
                for a, b in self.lost:
                    found += self._sent_again(boot, a, b)
        found.sort(key=lambda item: item[:2])
        self.packets = [RawPacket(self.placement, at, kind, payload) for at, _, kind, payload in found]
        return self.packets

    def _sent_again(self, boot: Boot, a: float, b: float) -> list[tuple[int, int, PacketKind, bytes]]:
        """The samples of a loss, in ring frames, from two seconds after it; averages where `thin` says so."""
        out = []
        index = np.arange(len(boot.samples))
        taken_s = boot.true_s(index)
        own = index[(taken_s >= a - 0.2) & (taken_s < b + 0.2)]
        if not len(own):
            return []
        at = b + 2.0  # by then all of a frame of the ring has been sampled
        low, high = int(own[0]) // 76 * 76, min(-(-int(own[-1]) // 76) * 76, len(boot.samples) // 76 * 76)
        for head in range(low, high, 76):
            if any(x <= float(boot.true_s(head)) < y for x, y in self.thin):
                out.append((self._ns(at), 3, PacketKind.BACKFILL, thinned(boot, head)))
            else:
                for k in range(head, head + 76, RING_N):
                    if within(float(boot.true_s(k)), self.deaf):
                        continue
                    payload = live(boot, k, boot.samples[k : k + RING_N], FrameType.BACKFILL)
                    out.append((self._ns(at), 3, PacketKind.BACKFILL, payload))
            at += 0.02
        done = Done(boot.number, boot.first_index + low, boot.first_index + high, high - low, 0)
        out.append((self._ns(at), 4, PacketKind.DONE, encode_done(done)))
        return out

    @staticmethod
    def _ns(at_s: float) -> int:
        return round(at_s * NS)


def within(at_s: float, spans: Sequence[tuple[float, float]], margin_s: float = 0.0) -> bool:
    return any(a - margin_s <= at_s < b + margin_s for a, b in spans)


def live(boot: Boot, head: int, samples: Counts, kind: FrameType = FrameType.LIVE, config: int = 1) -> bytes:
    index, ticks = boot.first_index + head, boot.ticks(head) % (1 << 32)
    return encode_frame(Frame(kind, FrameFlag(0), boot.number, index, ticks, config, np.ascontiguousarray(samples)))


def averages(samples: Counts) -> Counts:
    """PROTOCOL.md section 3: floor((sum + 2) / 4)."""
    total = samples[: len(samples) // THIN * THIN].reshape(-1, THIN, 6).astype(np.int64).sum(axis=1)
    return ((total + 2) // THIN).astype(np.int16)


def thinned(boot: Boot, head: int, kind: FrameType = FrameType.BACKFILL) -> bytes:
    return live(boot, head, averages(boot.samples[head : head + 76]), kind, 2)


def mini(boot: Boot, head: int) -> bytes:
    """The average of four samples from `head` on."""
    one = averages(boot.samples[head : head + THIN])[0]
    index = (boot.first_index + head) & 0xFFFFFF
    return encode_mini(MiniFrame(FrameFlag(0), 2, index, tuple(int(v) for v in one)))  # type: ignore[arg-type]


def status(boot: Boot, at_index: int) -> bytes:
    return StatusReport(boot.number, 1, 1, at_index, 0, 0, 3900, 30, 80).pack()


def sync(boot: Boot, sent_s: float, way_s: float = 0.02) -> bytes:
    """The reply to a question of `sent_s`, that takes `way_s` there and what is left of 50 ms back."""
    got = (sent_s + way_s - boot.from_s) * (1.0 + boot.device.ppm * 1e-6) + boot.device.off_s
    t2 = round(got * TICK_HZ)
    args = TimeSyncReply(round(sent_s * NS), t2, t2 + round(0.01 * TICK_HZ))
    return encode_reply(Reply(Op.TIME_SYNC, 1, Status.OK, args))


def damaged(payload: bytes, rng: np.random.Generator) -> bytes:
    """A bit turned over, or the end cut off."""
    if rng.random() < 0.5:
        return payload[: rng.integers(0, len(payload))]
    at = int(rng.integers(0, len(payload)))
    return payload[:at] + bytes([payload[at] ^ (1 << int(rng.integers(0, 8)))]) + payload[at + 1 :]


def noise(n: int, seed: int) -> Counts:
    """Upright and still, with noise: (n, 6) counts."""
    rng = np.random.default_rng(seed)
    return (rng.normal(0.0, 40.0, (n, 6)) + np.array([0, 0, 4096, 0, 0, 0])).astype(np.int16)


@cache
def excerpt_boot(
    placement: Placement, number: int = 7, *, rate_hz: float | None = None, ppm: float = 0.0
) -> tuple[Boot, tuple[tuple[float, float], ...]]:
    """The shipped recording as one boot of a sensor, at another rate and by a drifting clock; and its long holes."""
    recording = open_recording(EXCERPT, sensors=(placement,))
    (block,) = recording.window(-1.0, 1e9)
    assert block.gyr_radps is not None
    values = np.hstack([block.acc_mps2 * (4096.0 / G_MPS2), np.degrees(block.gyr_radps) * 32.75])
    boot = Boot(
        number, float(block.time_s[0]), np.empty((0, 6), np.int16), rate_hz or recording.info.rate_hz, Device(ppm, 12.0)
    )
    at_s = boot.true_s(np.arange(int((block.time_s[-1] - block.time_s[0]) * boot.rate_hz)))
    rows = np.stack([np.interp(at_s, block.time_s, v) for v in values.T], axis=1)
    holes = np.flatnonzero(np.diff(block.time_s) > 0.5)  # shorter ones are filled in
    spans = tuple((float(block.time_s[k]), float(block.time_s[k + 1])) for k in holes)
    return replace(boot, samples=np.clip(np.rint(rows), -32768, 32767).astype(np.int16)), spans


def meta(placements: Sequence[Placement] = BOTH, *, name: str = "s1") -> SessionMeta:
    return SessionMeta(
        session_id=name,
        start_utc=datetime(2026, 3, 2, 8, tzinfo=UTC),
        zone="Europe/Berlin",
        sensors=tuple(SessionSensor(p, p.value) for p in placements),
        code_version=__version__,
        config=CONFIG.as_json(),
        calibration=cal.to_json(calibration(tuple(placements))),
    )


def in_order(*found: Sequence[RawPacket]) -> list[RawPacket]:
    """The packets of several sensors as they arrive."""
    return sorted((p for packets in found for p in packets), key=lambda p: p.host_time_ns)


def recorded(
    folder: Path,
    packets: Sequence[RawPacket],
    about: SessionMeta,
    *,
    every: int = 50,
    end_ns: int | None = None,
    lines: Sequence[dict[str, Any]] = (),
) -> Path:
    """A session of these packets and records, written as a live run writes it."""
    with SessionWriter.create(folder, about) as writer:
        for k, packet in enumerate(packets):
            writer.put(packet)
            if k % every == 0:
                writer.sync(packet.host_time_ns)
        for line in lines:
            writer.append(line)
        writer.close(packets[-1].host_time_ns if end_ns is None else end_ns)
    return folder
