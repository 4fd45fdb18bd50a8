"""Every time and limit of the link in one place, and the two decisions that rest on them alone."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class LinkTimers:
    """Times in s; all of them stretch and shrink together (`scaled`). docs/link.md has the table. Ours, where no source is named.

    scale : s of this computer per s of the sensor; below 1 for a virtual sensor that is faster than life.
    silent_s, silent_frames : silence after which the link is taken for dead: the longer of so many s and so many frame periods.
    probe_s : how long the sensor may take to say that it is there.
    connect_s, request_s : limits for a connection with discovery, and for one request.
    listen_s : one turn of listening for an advertisement; between two, another sensor may connect.
    retry_s, retry_max_s, retry_jitter : first and longest wait after a connection that failed, doubled in between; each is
        stretched at random by up to this share, so that two sensors or two computers do not meet each time.
    refused_s : wait after a sensor that was refused.
    sync_s, status_s : between two TIME_SYNC, between two readings of Status.
    fill_s : between two looks for what is missing.
    fill_idle_s : a backfill that sends nothing for this long has ended.
    drain_s : the most that `stop` waits for what is missing.
    haptic_s : between two pulses that the host asks for.
    late_s : most that a live frame may be late: the supervision timeout of 6 s, within which the link layer repeats it, and some.
    """

    scale: float = 1.0
    silent_s: float = 2.0
    silent_frames: float = 10.0
    probe_s: float = 1.0
    connect_s: float = 20.0
    request_s: float = 5.0
    listen_s: float = 4.0
    retry_s: float = 0.5
    retry_max_s: float = 30.0
    retry_jitter: float = 0.25
    refused_s: float = 30.0
    sync_s: float = 60.0
    status_s: float = 60.0
    fill_s: float = 2.0
    fill_idle_s: float = 5.0
    drain_s: float = 5.0
    haptic_s: float = 5.0
    late_s: float = 10.0

    def scaled(self, factor: float, *, least_s: float = 0.0) -> LinkTimers:
        """All times multiplied; `scaled(1 / 20)` for a virtual sensor with `--speed 20`.

        least_s : no time becomes shorter than this: a computer that is busy for a moment is no dead sensor.
        """
        times = {f.name: max(getattr(self, f.name) * factor, least_s) for f in fields(self) if f.name.endswith("_s")}
        return replace(self, scale=self.scale * factor, **times)


def retry_after_s(failures: int, timers: LinkTimers, rng: random.Random) -> float:
    """Wait after so many connections in a row that failed, 1 for the first: 0.5, 1, 2, 4 ... 30 s, and up to a quarter more."""
    doubled = timers.retry_s * 2.0 ** min(max(failures - 1, 0), 32)
    return min(doubled, timers.retry_max_s) * (1.0 + timers.retry_jitter * rng.random())


def silent_after_s(period_s: float, timers: LinkTimers) -> float:
    """Silence that the watchdog takes for a dead link. period_s : between two frames of the sensor, s of its own clock."""
    return max(timers.silent_s, timers.silent_frames * period_s * timers.scale)
