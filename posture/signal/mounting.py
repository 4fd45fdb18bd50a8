"""How a sensor sits on the body: up, the medio-lateral axis, and words for it.

Up is the mean *accelerometer* while standing still (not the fused orientation, whose bias has not converged yet: 1.5-3.4 deg
off when measured). The medio-lateral axis is the direction that the up vector never takes while bending, the smallest
eigenvector of sum(u u^T), made orthogonal to up, its sign from cross(bent, upright). Accelerometer and gyroscope each know the
same axis in a way of their own, which is a check on both: the plane of the force, and what the sensor turns about in the bends.
"""

from __future__ import annotations

import numpy as np

from posture.signal.track import Track, Windows
from posture.types import Float

CORRECTED = "this is corrected"
_SMOOTH_S = 0.25
"""The force is averaged over this long before a plane is put through it; ours."""
_TILTED_DEG = 45.0
"""Up further than this from the nominal z axis: not turned, but on another of its sides; half of a right angle."""
_BACKWARDS_DEG = 135.0
"""A heading turned by more is the wrong way round; half way from a quarter to a half turn."""


def angle_deg(a: Float, b: Float) -> float:
    """Angle between two vectors (3,), deg."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def unit_across(vector: Float, up: Float) -> Float:
    """A vector (3,) made orthogonal to up, length 1."""
    level = vector - (vector @ up) * up
    return np.asarray(level / np.linalg.norm(level))


def frame(up: Float, left: Float) -> Float:
    """body_from_sensor (3, 3) from up and left, orthogonal unit vectors in sensor axes."""
    return np.stack([np.cross(left, up), left, up])


def nominal_left(up: Float) -> Float:
    """Left as the nominal axes (x forward, y left, z up) have it, made orthogonal to up.

    A sensor on its side has its y axis up or down, and one upside down has its y axis to the right; then x, which points away
    from the face that lies on the back, decides.
    """
    tilted = up[2] < np.cos(np.radians(_TILTED_DEG))
    if tilted and abs(up[0]) < np.sin(np.radians(_TILTED_DEG)):
        return unit_across(np.cross(up, np.array([1.0, 0.0, 0.0])), up)
    return unit_across(np.array([0.0, 1.0, 0.0]), up)


def leans_deg(track: Track, up: Float, windows: Windows) -> Float:
    """How far the sensor leaned from upright in each of the windows at most, (k,) deg; NaN where one holds no samples."""
    out = []
    for window in windows:
        moved = track.up[track.rows([window])]
        out.append(np.degrees(np.arccos(np.clip((moved @ up).min(), -1.0, 1.0))) if len(moved) else np.nan)
    return np.array(out, dtype=np.float64)


def bend_axis(track: Track, up: Float, windows: Windows, least_deg: float) -> Float | None:
    """Body left in sensor axes, (3,), from the plane in which the up vector moves while bending; None where nobody bent."""
    moved = track.up[track.rows(windows)]
    lean_deg = np.degrees(np.arccos(np.clip(moved @ up, -1.0, 1.0)))
    if not len(moved) or lean_deg.max() < least_deg:
        return None
    _, vectors = np.linalg.eigh(moved.T @ moved)
    left = unit_across(vectors[:, 0], up)
    bent = moved[lean_deg >= 0.7 * lean_deg.max()].mean(axis=0)
    return np.asarray(left if left @ np.cross(bent, up) > 0 else -left)


def force_axis(track: Track, up: Float, windows: Windows) -> Float | None:
    """The line across the plane in which the measured force moves in these windows, (3,), either sign; None without samples.

    It knows nothing of the gyroscope, as the fused up vector does; averaging keeps steps and shaking out of it.
    """
    n = max(1, round(_SMOOTH_S * track.rate_hz))
    force = track.acc[track.rows(windows)]
    m = len(force) // n
    if not m:
        return None
    means = force[: m * n].reshape(m, n, 3).mean(axis=1)
    _, vectors = np.linalg.eigh(means.T @ means)
    return unit_across(vectors[:, 0], up)


def turning_axis(track: Track, windows: Windows) -> Float | None:
    """The axis about which the sensor turns most in these windows, (3,), either sign; None without a gyroscope.

    The largest principal component of the angular rate. It is not made orthogonal to up: a wearer who twists or turns round
    while bending shows in it.
    """
    inside = track.rows(windows)
    if not track.has_gyro or not inside.any():
        return None
    rate = track.rate[inside]
    _, vectors = np.linalg.eigh(rate.T @ rate)
    return np.asarray(vectors[:, 2])


def axes_apart_deg(a: Float, b: Float) -> float:
    """Angle between two lines (3,), 0-90 deg."""
    apart = angle_deg(a, b)
    return min(apart, 180.0 - apart)


def described(body_from_sensor: Float, least_deg: float) -> str | None:
    """How the sensor sits, in words, where that is not as its nominal axes have it; None where it is.

    least_deg : heading that is remarked on, deg from nominal.
    """
    left, up = body_from_sensor[1:]
    nominal = nominal_left(up)
    off_deg = angle_deg(left, nominal)
    side = "left" if left @ np.cross(nominal, up) > 0 else "right"
    turned = None
    if off_deg > _BACKWARDS_DEG:
        turned = "the wrong way round (facing backwards)"
    elif off_deg > least_deg:
        turned = f"turned by {off_deg:.0f} deg to the {side}"
    tilted = np.cos(np.radians(_TILTED_DEG))
    if up[2] >= tilted:
        return turned
    if up[2] <= -tilted:
        lies = "upside down"
    elif abs(up[1]) >= abs(up[0]):
        lies = f"on its side (its y axis points {'up' if up[1] > 0 else 'down'})"
    else:
        # x is up or down: what is forward then says nothing of its heading.
        return f"flat (its x axis points {'up' if up[0] > 0 else 'down'})"
    return f"{lies} and {turned}" if turned else lies
