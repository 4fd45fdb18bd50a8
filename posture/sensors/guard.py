"""What a sensor sends may be well-formed and still impossible: indices, clock and samples are held against what can be. Pure.

All times are s of the sensor's clock, which a virtual sensor may run faster than life.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from firmware_protocol.frames import TICK_HZ, Frame, FrameType, Samples, unwrap

RATE_SLACK = 1.1
"""An IMU samples up to some per cents faster than its configuration says (PROTOCOL.md section 8); the tenth is ours."""
TICK_SLACK = 1e-3
"""Most that the sensor's clock may run fast or slow against this computer's: +-1000 ppm, twenty times what crystals do."""
AVERAGE_N = 16
"""Most samples that one averaged row covers (PROTOCOL.md section 5); its first may lie before what was asked for."""
BAD_MAX, BAD_WITHIN_S = 5, 1.0
"""So many spoilt or impossible frames within a second, and not fewer than sound ones, end the connection. Ours: at 52 Hz half of
what comes is bad then."""
FROZEN_S = 1.0
"""All six channels the same to the last bit for so long: the IMU does not measure. Noise alone moves them at every sample."""


@dataclass(slots=True)
class LiveWindow:
    """What live frames of one connection may be. start_index : that START announced. began_s : when. late_s : `LinkTimers`."""

    boot: int
    start_index: int
    rate_hz: float
    began_s: float
    late_s: float
    ticks: int | None = None
    ticks_s: float = 0.0
    span_ticks: int = 0

    def refuses(self, frame: Frame, now_s: float) -> str | None:
        """Why a live frame cannot be what it says; None: it can."""
        if frame.boot != self.boot:
            return f"a frame of boot {frame.boot:04X} in boot {self.boot:04X}"
        newest = self.start_index + (now_s - self.began_s + self.late_s) * self.rate_hz * RATE_SLACK
        if not self.start_index - AVERAGE_N < frame.index <= newest:
            return f"index {frame.index} is not between {self.start_index} and {newest:.0f}"
        if frame.kind is FrameType.MINI:  # carries no ticks
            return None
        if self.ticks is None:
            self.ticks, self.ticks_s = frame.ticks, now_s
            return None
        elapsed_s = now_s - self.ticks_s
        expected = self.ticks + round(elapsed_s * TICK_HZ)
        off_s = (unwrap(frame.ticks, 32, expected) - expected) / TICK_HZ
        if abs(off_s) > self.late_s + TICK_SLACK * elapsed_s:
            return f"its clock is off by {off_s:.1f} s after {elapsed_s:.0f} s"
        return None


@dataclass(slots=True)
class BadRate:
    """Spoilt and sound frames of the last second."""

    bad_s: deque[float] = field(default_factory=lambda: deque(maxlen=BAD_MAX))
    good_s: deque[float] = field(default_factory=lambda: deque(maxlen=BAD_MAX))

    def note(self, now_s: float, *, good: bool) -> bool:
        """Take one frame in; True: too many are bad."""
        (self.good_s if good else self.bad_s).append(now_s)
        if good or len(self.bad_s) < BAD_MAX or now_s - self.bad_s[0] > BAD_WITHIN_S:
            return False
        return len(self.good_s) < BAD_MAX or now_s - self.good_s[0] > now_s - self.bad_s[0]


@dataclass(slots=True)
class Frozen:
    """How long the samples have not changed."""

    last: bytes = b""
    same_n: int = 0

    def note(self, samples: Samples, rate_hz: float) -> str | None:
        """Take the samples of a live frame in; a sentence when the IMU does not measure."""
        row = samples[-1].tobytes()
        still = bool((samples == samples[-1]).all()) and (row == self.last or not self.last)
        self.same_n = self.same_n + len(samples) if still else 0
        self.last = row
        if self.same_n < FROZEN_S * rate_hz:
            return None
        if not np.any(samples):
            return "its motion sensor sends only zeros; restart it, and if that does not help it is broken"
        return "its motion sensor repeats the same sample; restart it, and if that does not help it is broken"
