"""Unit quaternions w, x, y, z over time, (n, 4); they turn segment or sensor axes into world axes."""

from __future__ import annotations

import numpy as np

from posture.types import Float


def about(axis: str, angle_deg: Float) -> Float:
    """Turns about one axis: angles (n,) deg -> (n, 4)."""
    half = np.radians(angle_deg) / 2.0
    out = np.zeros((len(half), 4))
    out[:, 0] = np.cos(half)
    out[:, 1 + "xyz".index(axis)] = np.sin(half)
    return out


def times(a: Float, b: Float) -> Float:
    """The turn b, then a (b in a's axes); shapes (n, 4) or (4,)."""
    (aw, ax, ay, az), (bw, bx, by, bz) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def inverse(q: Float) -> Float:
    """The turn back."""
    return np.asarray(q * np.array([1.0, -1.0, -1.0, -1.0]))


def rotate(q: Float, v: Float) -> Float:
    """Vectors in segment axes -> world axes; q (n, 4), v (n, 3) or (3,) -> (n, 3)."""
    w, x, y, z = np.moveaxis(q, -1, 0)
    vx, vy, vz = np.moveaxis(v, -1, 0)
    # t = 2 u x v;  v + w t + u x t
    tx, ty, tz = 2 * (y * vz - z * vy), 2 * (z * vx - x * vz), 2 * (x * vy - y * vx)
    return np.stack(
        [vx + w * tx + y * tz - z * ty, vy + w * ty + z * tx - x * tz, vz + w * tz + x * ty - y * tx], axis=-1
    )


def rotation_vector(q: Float) -> Float:
    """The shorter turn as axis times angle, rad: (n, 4) -> (n, 3)."""
    q = np.where(q[:, :1] < 0, -q, q)
    sine = np.sqrt((q[:, 1:] ** 2).sum(axis=1))
    angle = 2.0 * np.arctan2(sine, q[:, 0])
    scale = np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)
    return np.asarray(q[:, 1:] * scale[:, None])


def from_vector(rotvec_rad: Float) -> Float:
    """Axis times angle, rad, (n, 3) or (3,) -> (n, 4) or (4,)."""
    angle = np.sqrt((rotvec_rad**2).sum(axis=-1, keepdims=True))
    return np.concatenate([np.cos(angle / 2), rotvec_rad * np.sinc(angle / (2 * np.pi)) / 2], axis=-1)


def between(a: Float, b: Float, share: Float) -> Float:
    """On the way from a (n, 4) to b (n, 4) or (4,), by share (n,), along the shorter arc."""
    way = rotation_vector(np.atleast_2d(times(inverse(a), b)))
    return times(a, from_vector(way * share[:, None]))


def angle_deg(a: Float, b: Float) -> float:
    """Angle between two orientations (4,), deg."""
    return float(np.degrees(2 * np.arccos(np.clip(abs(float(a @ b)), 0.0, 1.0))))


def matrix(q: Float) -> Float:
    """(4,) -> (3, 3), columns are the segment's axes in the world."""
    return rotate(np.broadcast_to(q, (3, 4)), np.eye(3)).T
