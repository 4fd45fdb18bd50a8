"""Madgwick, Mahony and the extended Kalman filter of the package ahrs (0.4), selectable, and the independent oracle in tests.

Sample by sample in a Python loop: slow (45, 55 and 95 us a sample, two to four hundred times VQF), and far less
accurate in fast motion. Sources: S. Madgwick, R. Vaidyanathan, A. Harrison, ICORR 2011 (gradient descent); R. Mahony, T. Hamel,
J.-M. Pflimlin, IEEE Trans. Automatic Control 53(5), 2008 (explicit complementary filter); the Kalman filter is ahrs' own, with
the orientation as state, no bias and its default variances.

Convention, the same for all three and proven by static poses and a turn in the tests: a quaternion w, x, y, z turns the sensor
frame into an earth frame with z up, the accelerometer shows +g along up at rest, and up in the sensor frame is the third row of
its rotation matrix. For the Kalman filter that is what ahrs calls `frame="NED"`: its "ENU" expects -g along up and comes out upside
down.

What ahrs does in the following cases, and what is done here instead:

* a rate of exactly 0, 0, 0 freezes Madgwick and Mahony: it is given as `LEAST_RATE_RADPS`, which turns nothing;
* Mahony's constructor refuses an integral gain of 0: it is set after construction;
* a force of exactly 0, 0, 0 stops the Kalman filter: it is turned by the rate alone;
* a force exactly opposite to the expected one makes Madgwick NaN and leaves the others standing on their head: the orientation
  starts again from that sample's tilt;
* the Kalman filter's constructor evaluates a magnetic model for today's date: it is given a dip angle, which is never used;
* a NaN stays for ever: rows that are not finite are passed over, and come out as NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from posture.config import FusionConfig
from posture.types import Float, PostureError

LEAST_RATE_RADPS = 1e-12
"""rad/s; a slower rate is given as this much about x: 0.2 deg in a hundred million years."""
ON_ITS_HEAD = 1e-12
"""1 + cosine of the angle between expected and shown force up to which they are opposite: 180 deg but for 8e-5."""


class AhrsKind(StrEnum):
    """Which filter."""

    MADGWICK = "madgwick"
    MAHONY = "mahony"
    EKF = "ekf"


@dataclass(frozen=True, slots=True)
class AhrsGains:
    """Gains of the filters that have one."""

    madgwick: float = 0.033
    """rad/s; ahrs' default, which was the best on BROAD."""
    mahony_p: float = 0.2
    """1/s; with `mahony_i` the best of ten pairs tried on ten BROAD trials: 3.7 deg; ahrs' defaults, 1 and 0.3: 10.0."""
    mahony_i: float = 0.002
    """1/s^2; 0 is no bias, 3.4 deg."""


class AhrsFilter:
    """One of the filters of ahrs as an `OrientationFilter`.

    kind : which. rate_hz : sample rate, Hz. params : `bias_clip_dps` bounds Mahony's integral. gains : see `AhrsGains`.
    bias_radps : (3,) known bias; Mahony's integral starts from it, the others, which estimate none, take it off the rate for good.

    The first usable sample's tilt is the initial orientation, with no turn before it; until then up is NaN.
    """

    def __init__(
        self,
        kind: AhrsKind | str,
        rate_hz: float,
        params: FusionConfig,
        *,
        gains: AhrsGains = AhrsGains(),
        bias_radps: Float | None = None,
    ) -> None:
        self.kind = AhrsKind(kind)
        self._clip_radps = float(np.radians(params.bias_clip_dps))
        self._filter = _new_filter(self.kind, rate_hz, gains)
        self._fixed_radps = np.zeros(3)
        if bias_radps is not None:
            known = np.clip(bias_radps, -self._clip_radps, self._clip_radps)
            if self.has_bias:
                self._filter.b = known
            else:
                self._fixed_radps = known
        self._quat: Float | None = None

    @property
    def has_bias(self) -> bool:
        """Whether the gyroscope's bias is estimated: by Mahony's integral; Madgwick and the Kalman filter estimate none."""
        return self.kind is AhrsKind.MAHONY

    @property
    def bias_radps(self) -> Float:
        """(3,) bias that is removed from the rate; where none is estimated the one that was given, or zero."""
        return np.array(self._filter.b if self.has_bias else self._fixed_radps)

    def update(self, acc_mps2: Float, gyr_radps: Float | None) -> tuple[Float, Float]:
        """See `OrientationFilter`; raises PostureError without a gyroscope."""
        if gyr_radps is None:
            raise PostureError(f"{self.kind} needs a gyroscope; use filter = 'tilt' for an accelerometer alone")
        up, rate = np.full((len(acc_mps2), 3), np.nan), np.full((len(acc_mps2), 3), np.nan)
        usable = np.isfinite(acc_mps2).all(axis=1) & np.isfinite(gyr_radps).all(axis=1)
        for k in np.flatnonzero(usable).tolist():
            acc, gyr = np.array(acc_mps2[k], dtype=np.float64), np.array(gyr_radps[k], dtype=np.float64)
            self._step(acc, gyr - self._fixed_radps)
            rate[k] = gyr - self.bias_radps
            if self._quat is not None:
                up[k] = _up(self._quat)
        return up, rate

    def restart(self) -> None:
        """See `OrientationFilter`. Mahony's bias stays; the others have none to keep."""
        self._quat = None
        if self.kind is AhrsKind.EKF:
            self._filter.P = np.identity(4)

    def _step(self, acc: Float, gyr: Float) -> None:
        """Take one finite sample, force and rate (3,)."""
        weighs = bool(acc.any())
        if self._quat is None or (weighs and _opposite(_up(self._quat), acc)):
            self._quat = _from_tilt(acc) if weighs else None
            return
        quat = self._quat
        if self.kind is AhrsKind.EKF:
            if weighs:
                quat = self._filter.update(quat, gyr, acc)
            else:
                quat = self._filter.f(quat, gyr, self._filter.Dt)
                quat = quat / np.linalg.norm(quat)
        else:
            if np.abs(gyr).max() < LEAST_RATE_RADPS:
                gyr = np.array([LEAST_RATE_RADPS, 0.0, 0.0])
            quat = self._filter.updateIMU(quat, gyr, acc)
        if self.has_bias:
            self._filter.b = np.clip(self._filter.b, -self._clip_radps, self._clip_radps)
        self._quat = np.array(quat)  # an array again: ahrs gives back its own subclass


def _new_filter(kind: AhrsKind, rate_hz: float, gains: AhrsGains) -> Any:
    from ahrs.filters import EKF, Madgwick, Mahony  # slow to import, and rarely asked for

    match kind:
        case AhrsKind.MADGWICK:
            return Madgwick(frequency=rate_hz, gain=gains.madgwick)
        case AhrsKind.MAHONY:
            mahony = Mahony(frequency=rate_hz, k_P=gains.mahony_p)
            mahony.k_I = gains.mahony_i
            return mahony
        case AhrsKind.EKF:
            return EKF(frequency=rate_hz, frame="NED", magnetic_ref=0.0)


def _from_tilt(acc: Float) -> Float:
    """Force (3,), not 0 -> the smallest rotation, w, x, y, z, that turns it upright."""
    x, y, z = acc / np.linalg.norm(acc)
    if 1.0 + z <= ON_ITS_HEAD:
        return np.array([0.0, 1.0, 0.0, 0.0])
    quat = np.array([1.0 + z, y, -x, 0.0])
    return np.asarray(quat / np.linalg.norm(quat))


def _up(quat: Float) -> Float:
    """Third row of the rotation matrix: up in the sensor frame, (3,)."""
    w, x, y, z = quat
    return np.array([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z])


def _opposite(up: Float, acc: Float) -> bool:
    """Whether a unit vector and a force, not 0, (3,) each, point in opposite directions."""
    return 1.0 + float((up * acc).sum()) / float(np.linalg.norm(acc)) <= ON_ITS_HEAD
