"""When a sensor's battery is worth a word. Pure."""

from __future__ import annotations

WARN_PCT = (20, 10)
"""Each is said once, when the charge falls to it; the step that most telephones warn at. Ours."""
FALL_MIN_PCT = 3.0
"""A fall that must be seen before a forecast is made from it: gauges step by 1 %. Ours."""


def hours_left(now_pct: float, since_pct: float, since_h: float) -> float | None:
    """Hours until empty if the charge goes on falling as it did from `since_pct` in `since_h`; None while that says little."""
    fallen_pct = since_pct - now_pct
    if since_h <= 0.0 or fallen_pct < FALL_MIN_PCT:
        return None
    return now_pct * since_h / fallen_pct


def battery_warning(
    previous_pct: float | None, now_pct: float | None, hours_left_in_day: float, lasts_h: float | None = None
) -> str | None:
    """A sentence when the charge falls past 20 % or 10 %, or will not last the day; None otherwise.

    previous_pct : at the last call; None: not known, and then a low charge is said at once. now_pct : None: not known, no word.
    hours_left_in_day : that the sensor is still to be worn. lasts_h : `hours_left`; None: no forecast. A forecast
        is given at every call that it falls short; the caller says it once.
    """
    if now_pct is None:
        return None
    for mark in sorted(WARN_PCT):
        if now_pct <= mark and (previous_pct is None or previous_pct > mark):
            return f"battery at {now_pct:.0f} %; charge the sensor soon"
    if lasts_h is not None and lasts_h < hours_left_in_day:
        return f"battery at {now_pct:.0f} %, enough for about {lasts_h:.1f} h; it will not last the day"
    return None
