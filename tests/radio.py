"""Packets as a radio link brings them: when they arrive is not when their samples were taken.

arrival = time of the packet's last sample (the batching) + a wait for the connection interval (uniform, 15-50 ms) + in one packet
of a hundred the repeats of a disturbed link (uniform, up to 0.5 s). Packets never overtake each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posture.signal.clock import Exchange, Packets
from posture.types import Float

PACKET_N = 5
WAIT_S = (0.015, 0.050)
BURST_SHARE, BURST_S = 0.01, 0.5


@dataclass(frozen=True)
class Device:
    """A sensor's clock: it shows `off_s` at session time 0 and runs `ppm` fast."""

    ppm: float = 0.0
    off_s: float = 0.0

    def shows(self, true_s: Float | float) -> Float:
        return np.asarray(self.off_s + np.asarray(true_s) * (1.0 + self.ppm * 1e-6))

    def true_s(self, shown_s: Float | float) -> Float:
        return np.asarray((np.asarray(shown_s) - self.off_s) / (1.0 + self.ppm * 1e-6))


def arrivals(true_s: Float, rng: np.random.Generator) -> Float:
    """Times of the packets' last samples -> when the host has them, (n,) s."""
    n = len(true_s)
    late = rng.uniform(*WAIT_S, n) + (rng.random(n) < BURST_SHARE) * rng.uniform(0.0, BURST_S, n)
    return np.maximum.accumulate(true_s + late)


def packets(
    device: Device, seconds: float, rng: np.random.Generator, *, rate_hz: float = 52.0, ask: bool = False
) -> Packets:
    """A session's packets; ask : with one exchange of times a minute."""
    last_s = device.true_s(device.off_s + np.arange(PACKET_N - 1, round(seconds * rate_hz), PACKET_N) / rate_hz)
    asked = tuple(exchange(device, t, rng) for t in np.arange(5.0, seconds, 60.0)) if ask else ()
    return Packets(0, device.shows(last_s), arrivals(last_s, rng), asked)


def exchange(device: Device, sent_s: float, rng: np.random.Generator) -> Exchange:
    """There and back, each way with a wait of its own and now and then a burst."""
    there, back = arrivals(np.zeros(1), rng)[0], arrivals(np.zeros(1), rng)[0]
    got_s = sent_s + there
    answered_s = got_s + 0.002
    return Exchange(sent_s, float(device.shows(got_s)), float(device.shows(answered_s)), answered_s + back)
