"""The orientation filter in NumPy and SciPy alone, for machines that vqf has no wheel for.

The mathematics is the six-axis basic form of VQF (D. Laidig and T. Seel, Information Fusion 91, 2023, 187-204,
doi 10.1016/j.inffus.2022.10.014): the gyroscope alone turns the sensor into an *almost inertial* frame; the
specific force, seen from there, is nearly constant, so a slow low-pass (second-order Butterworth, time constant `tau_acc_s`,
started by the running mean of the first `tau_acc_s`) leaves the vertical; the last estimate is corrected by the smallest turn
that puts that vertical upright. Heading is never asked for here, so the correction quaternion need not be kept at all: "up" in
the sensor frame is the low-passed force, normalised and turned back. With `rest_bias=False` this equals `vqf.BasicVQF`.

The basic form knows no gyroscope bias. Added is the paper's rest detection (deviations of rate and force from their own
low-pass) with its Kalman filter for the bias at rest, in scalar form, one step per block. It differs in what is measured: not
the rate itself but the rate less the turn that the low-passed force shows meanwhile. A person at rest slumps by a fraction of a
degree per second, which the paper's form takes for bias: flexion on four labelled days (simulated from recorded motion) 1.65 deg
RMS with that, 1.09 with this, 1.12 with VQF. Not added is the paper's estimation of the bias in motion: a wearer who is never
still for 1.5 s keeps the bias of the last rest, and has none before the first.

How it is both fast and independent of chunks
---------------------------------------------
Rotations compose associatively, so they need no loop over samples. Samples are counted from the last restart and cut into blocks
of `BLOCK_N` at those absolute indices:

1. rest: recursive low-passes over the new samples (sequential in C, their memory carried), one bias update per finished block,
   in force from the next block on; it uses the raw samples only, so it comes before any orientation;
2. all rotations from a block's start to its samples, by log2(BLOCK_N) doubling steps over all blocks at once;
3. a short loop over blocks, in plain floats, for the rotation at each block's start, normalised there;
4. force into the almost inertial frame, low-pass over the new samples, back.

A block that is not full yet is answered at once and worked out again from its start when more samples come: its samples are
kept, and padded with zeros to a whole block, so that each number is always made by the same operations in the same order. A row
depends on rows before it only, so padding changes nothing. Whole-block arrays also keep `sin` and `cos` on the same vector path
(no remainder). No matrix product, no sum over a variable length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from posture.config import FusionConfig
from posture.types import Bool, Float, PostureError

BLOCK_N = 64
"""Samples per block, a power of two; fastest of 16 to 128 on a minute of samples, and 0.7-1.3 s between updates of the bias."""
SLAB_N = 8192
"""Samples worked on at once, for the caches and so that a day in one call needs no more memory; results do not depend on it."""
REST_TAU_S = 0.5
"""s; time constant of the low-passes of rest detection (the paper's default)."""
REST_MIN_S = 1.5
"""s; shortest rest (the paper's default)."""
REST_GYR_DPS = 2.0
"""deg/s; largest deviation of the rate from its low-pass at rest (the paper's default)."""
REST_ACC_MPS2 = 0.5
"""m/s^2; largest deviation of the force from its low-pass at rest (the paper's default)."""
BIAS_SIGMA_REST_DPS = 0.03
"""deg/s; standard deviation that the bias reaches after a long rest (the paper's default)."""
BIAS_FORGET_S = 100.0
"""s; time in which the bias' standard deviation grows from 0 to 0.1 deg/s (the paper's default)."""
BIAS_DRIFT_DPS = 0.1
"""deg/s; see `BIAS_FORGET_S`."""
NO_FORCE_MPS2 = 1e-9
"""m/s^2; a low-passed force this small has no direction."""

Quaternion = tuple[float, float, float, float]
"""w, x, y, z."""


class LowPass:
    """Second-order Butterworth low-pass of several channels, started by a running mean over its time constant.

    tau_s : time constant s of the damped part of the step response; the cut-off is 1 / (sqrt(2) pi tau) Hz. rate_hz : Hz.
    """

    def __init__(self, tau_s: float, rate_hz: float, channels_n: int) -> None:
        period_s = 1.0 / rate_hz
        self._start_n = 1
        while self._start_n * period_s < tau_s:  # the comparison that vqf makes, so that rounding falls the same way
            self._start_n += 1
        # Bilinear transform, warped so that the cut-off is met; kept below 90 % of the Nyquist frequency.
        c = math.tan(min(period_s / (math.sqrt(2.0) * tau_s), 0.45 * math.pi))
        scale = c * c + math.sqrt(2.0) * c + 1.0
        gain = c * c / scale
        self._b = np.array([gain, 2.0 * gain, gain])
        self._a = np.array([1.0, 2.0 * (c * c - 1.0) / scale, (c * c - math.sqrt(2.0) * c + 1.0) / scale])
        self._channels_n = channels_n
        self.restart()

    def restart(self) -> None:
        """Forget all samples."""
        self._seen_n = 0
        self._total: Float = np.zeros((self._channels_n, 1))
        self._memory: Float = np.zeros((self._channels_n, 2))

    def push(self, x: Float) -> Float:
        """Samples (channels, n) -> low-passed (channels, n)."""
        if x.shape[1] == 0:
            return x
        starting_n = min(self._start_n - self._seen_n, x.shape[1])
        if starting_n > 0:
            return np.hstack([self._means(x[:, :starting_n]), self.push(x[:, starting_n:])])
        from scipy.signal import lfilter  # half a second to import: only where this filter runs

        low, self._memory = lfilter(self._b, self._a, x, axis=1, zi=self._memory)
        return np.asarray(low)

    def _means(self, x: Float) -> Float:
        n = x.shape[1]
        totals = np.cumsum(np.hstack([self._total, x]), axis=1)[:, 1:]  # cumsum adds one after the other, however cut
        means = totals / np.arange(self._seen_n + 1, self._seen_n + n + 1)
        self._seen_n += n
        self._total = totals[:, -1:].copy()
        # What the memory would be had this mean been there for ever.
        self._memory = means[:, -1:] * np.array([1.0 - self._b[0], self._b[2] - self._a[2]])
        return np.asarray(means)


@dataclass(slots=True)
class BuiltinState:
    """All the memory but that of the low-passes; all but the bias is counted from the last restart."""

    bias_radps: tuple[float, float, float]
    """In force in the open block."""
    variance: float
    """(rad/s)^2; of the bias, the same for each axis."""
    samples_n: int = 0
    last_moved: int = -1
    """Index of the last sample that was not still."""
    turned: Float = field(default_factory=lambda: np.zeros((3, 1)))
    """(3, 1); sum of the low-passed rates so far, rad/s."""
    block_end: Float = field(default_factory=lambda: np.zeros((6, 1)))
    """(6, 1); direction of the low-passed force, and `turned`, at the end of the last full block."""
    start: Quaternion = (1.0, 0.0, 0.0, 0.0)
    """Sensor before the open block's first sample -> almost inertial frame."""
    open_block: Float = field(default_factory=lambda: np.zeros((6, 0)))
    """(6, k < BLOCK_N); force and rate of the block that is not full yet, as they came."""
    vertical: Float = field(default_factory=lambda: np.array([[0.0], [0.0], [1.0]]))
    """(3, 1); unit vector up in the almost inertial frame, after the last sample."""


class BuiltinFilter:
    """Six-axis orientation with rest bias; an `OrientationFilter`.

    rate_hz : sample rate, Hz. params : `tau_acc_s`, `bias_clip_dps` and `start_bias_sigma_dps` are used. rest_bias : False is
    BasicVQF and nothing else. bias_radps : (3,) first estimate of the bias; None: nothing is known of it.

    Rows with a value that is not finite do not get in: they turn nothing, weigh nothing and come out as NaN. A force of exactly
    0, 0, 0 turns with the gyroscope and weighs nothing, as in vqf.
    """

    def __init__(
        self, rate_hz: float, params: FusionConfig, *, rest_bias: bool = True, bias_radps: Float | None = None
    ) -> None:
        self._period_s = 1.0 / rate_hz
        self._rest_bias = rest_bias
        # Long enough for the whole block to lie in it, and the sample before it.
        self._rest_min_n = max(math.ceil(REST_MIN_S * rate_hz - 1e-9), BLOCK_N + 1)
        self._clip_radps = math.radians(params.bias_clip_dps)
        # Kalman filter of the bias, one step per block. The measurement's variance is the one with which the estimate settles at
        # BIAS_SIGMA_REST_DPS; before the first rest any bias within the clip will do, so the first rest is taken as it is.
        settled = math.radians(BIAS_SIGMA_REST_DPS) ** 2
        self._growth = math.radians(BIAS_DRIFT_DPS) ** 2 / BIAS_FORGET_S * BLOCK_N * self._period_s
        self._noise = settled * settled / self._growth + settled
        self._unknown = self._clip_radps**2
        self._rest_low = LowPass(REST_TAU_S, rate_hz, 6)
        self._force_low = LowPass(params.tau_acc_s, rate_hz, 3)
        self.state = BuiltinState((0.0, 0.0, 0.0), self._unknown)
        if bias_radps is not None:
            x, y, z = np.clip(bias_radps, -self._clip_radps, self._clip_radps).tolist()
            self.state = BuiltinState((x, y, z), math.radians(params.start_bias_sigma_dps) ** 2)

    def update(self, acc_mps2: Float, gyr_radps: Float | None) -> tuple[Float, Float]:
        """See `OrientationFilter`; raises PostureError without a gyroscope."""
        if gyr_radps is None:
            raise PostureError("the built-in filter needs a gyroscope; use filter = 'tilt' for an accelerometer alone")
        up, rate = np.empty((len(acc_mps2), 3)), np.empty((len(acc_mps2), 3))
        for a in range(0, len(up), SLAB_N):
            rows = slice(a, a + SLAB_N)
            up[rows], rate[rows] = self._slab(np.asarray(acc_mps2[rows]).T, np.asarray(gyr_radps[rows]).T)
        return up, rate

    def restart(self) -> None:
        """See `OrientationFilter`; the bias stays, and how well it is known."""
        self._rest_low.restart()
        self._force_low.restart()
        self.state = BuiltinState(self.state.bias_radps, self.state.variance)

    def _slab(self, acc: Float, gyr: Float) -> tuple[Float, Float]:
        """Force and rate (3, n), n > 0 -> up and rate without bias (n, 3)."""
        state = self.state
        first, n = state.open_block.shape[1], acc.shape[1]
        end = first + n
        blocks_n, full_n = -(-end // BLOCK_N), end // BLOCK_N
        samples = np.zeros((6, blocks_n * BLOCK_N))
        samples[:, :first] = state.open_block
        samples[:3, first:end], samples[3:, first:end] = acc, gyr
        state.open_block = samples[:, full_n * BLOCK_N : end].copy()

        lost = ~np.isfinite(samples).all(axis=0)
        samples[:, lost] = 0.0
        force, rate = samples.reshape(2, 3, blocks_n, BLOCK_N)
        if self._rest_bias:
            rate = rate - self._biases(samples[:, first:end])[:, :blocks_n, None]
            rate.reshape(3, -1)[:, lost] = 0.0
        turn = rotations(rate, self._period_s)
        starts = self._block_starts(turn[:, :full_n, -1])
        turn = product(np.array(starts[:blocks_n]).T[:, :, None], turn)

        inertial = rotated(turn, force).reshape(3, -1)
        inertial[:, first:end] = self._verticals(inertial[:, first:end], (samples[:3, first:end] != 0.0).any(axis=0))
        turn[1:] *= -1.0
        up = rotated(turn, inertial.reshape(3, blocks_n, BLOCK_N)).reshape(3, -1)
        rate = rate.reshape(3, -1)
        state.samples_n += n
        if lost.any():
            up[:, lost] = np.nan
            rate = np.where(lost, np.nan, rate)
        return up[:, first:end].T, rate[:, first:end].T

    def _biases(self, new: Float) -> Float:
        """Samples after the open block's (6, n) -> bias from the open block on (3, 1 + blocks that got full), rad/s."""
        state = self.state
        n = new.shape[1]
        low = self._rest_low.push(new)
        off = (new - low) ** 2
        still = off[0] + off[1] + off[2] < REST_ACC_MPS2**2
        still &= off[3] + off[4] + off[5] < math.radians(REST_GYR_DPS) ** 2
        still &= (np.abs(low[3:]) <= self._clip_radps).all(axis=0)
        index = np.arange(state.samples_n, state.samples_n + n)
        moved = np.maximum.accumulate(np.where(still, state.last_moved, index))
        state.last_moved = int(moved[-1])
        ends = slice((-state.samples_n - 1) % BLOCK_N, n, BLOCK_N)  # last samples of blocks
        rests = (index[ends] - moved[ends] >= self._rest_min_n).tolist()
        biases = [state.bias_radps]
        for rest, measured in zip(rests, self._measured(low, ends).T.tolist(), strict=True):
            state.variance = min(state.variance + self._growth, self._unknown)
            if rest:
                gain = state.variance / (state.variance + self._noise)
                state.variance -= gain * state.variance
                x, y, z = (b + gain * (m - b) for b, m in zip(state.bias_radps, measured, strict=True))
                state.bias_radps = (x, y, z)
            biases.append(state.bias_radps)
        return np.array(biases).T

    def _measured(self, low: Float, ends: slice) -> Float:
        """Low-passed samples (6, n), and which end a block -> bias that each of these blocks shows if at rest (3, blocks), rad/s.

        The mean rate less that of the force's direction d, which shows the turn across it: -d x d'. Within the clip.
        """
        state = self.state
        turned = np.cumsum(np.hstack([state.turned, low[3:]]), axis=1)[:, 1:]
        state.turned = turned[:, -1:].copy()
        force = low[:3, ends]
        norm = np.sqrt(force[0] * force[0] + force[1] * force[1] + force[2] * force[2])
        at_ends = np.hstack([state.block_end, np.vstack([force / np.maximum(norm, NO_FORCE_MPS2), turned[:, ends]])])
        state.block_end = at_ends[:, -1:].copy()
        (ax, ay, az), (bx, by, bz) = at_ends[:3, :-1], at_ends[:3, 1:]
        across = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
        rate = (at_ends[3:, 1:] - at_ends[3:, :-1] + across / self._period_s) / BLOCK_N
        return np.asarray(np.clip(rate, -self._clip_radps, self._clip_radps))

    def _block_starts(self, totals: Float) -> list[Quaternion]:
        """Rotation over each full block (4, b) -> rotation at the start of each block and of the open one (b + 1)."""
        starts = [self.state.start]
        w1, x1, y1, z1 = starts[0]
        for w2, x2, y2, z2 in totals.T.tolist():
            w = w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2
            x = w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2
            y = w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2
            z = w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2
            norm = math.sqrt(w * w + x * x + y * y + z * z)
            w1, x1, y1, z1 = w / norm, x / norm, y / norm, z / norm
            starts.append((w1, x1, y1, z1))
        self.state.start = starts[-1]
        return starts

    def _verticals(self, force: Float, weighs: Bool) -> Float:
        """Force (3, n) in the almost inertial frame, and which of it counts -> unit vectors up there (3, n)."""
        low = self._force_low.push(force if weighs.all() else force[:, weighs])
        norm = np.sqrt(low[0] * low[0] + low[1] * low[1] + low[2] * low[2])
        if len(norm) == len(weighs) and (norm > NO_FORCE_MPS2).all():
            up = low / norm
        else:  # hold the last direction where there is none
            known = norm > NO_FORCE_MPS2
            weighs = weighs.copy()
            weighs[weighs] = known
            up = np.hstack([self.state.vertical, low[:, known] / norm[known]])[:, np.cumsum(weighs)]
        self.state.vertical = up[:, -1:].copy()
        return np.asarray(up)


def rotations(rate_radps: Float, period_s: float) -> Float:
    """Rates (3, blocks, BLOCK_N) -> rotation from before each block's first sample to each sample, (4, blocks, BLOCK_N).

    Unit quaternions w, x, y, z, sensor at the sample -> sensor at the block's start; each rate is taken to hold for one period.
    """
    x, y, z = rate_radps
    norm = np.sqrt(x * x + y * y + z * z)
    half = norm * (0.5 * period_s)
    out = np.empty((4, *norm.shape))
    np.cos(half, out=out[0])
    out[1:] = rate_radps * (np.sin(half) / np.maximum(norm, 1e-300))
    reach = 1
    while (
        reach < BLOCK_N
    ):  # each sample holds the product of the last `reach` rotations of its block; join two such reaches
        out[:, :, reach:] = product(out[:, :, :-reach], out[:, :, reach:])
        reach *= 2
    return out


def product(a: Float, b: Float) -> Float:
    """Quaternion product a b, components first; the arrays are broadcast."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ]
    )


def rotated(quat: Float, v: Float) -> Float:
    """Vectors (3, ...) turned by unit quaternions (4, ...): v + w t + u x t with t = 2 u x v."""
    w, x, y, z = quat
    vx, vy, vz = v
    tx, ty, tz = 2.0 * (y * vz - z * vy), 2.0 * (z * vx - x * vz), 2.0 * (x * vy - y * vx)
    return np.stack(
        [
            vx + w * tx + (y * tz - z * ty),
            vy + w * ty + (z * tx - x * tz),
            vz + w * tz + (x * ty - y * tx),
        ]
    )
