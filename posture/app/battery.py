"""What is said of a sensor's battery during a session. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from posture.sensors.battery import battery_warning, hours_left

WORN_H = 9.0
"""A day's wear, h: a sensor that would be empty before so much of a session has passed will not last the day; ours."""


@dataclass(slots=True)
class BatteryState:
    """previous_pct : at the last look. first : (pct, h of the session) of the first one since it was charged. forecast : said."""

    previous_pct: int | None = None
    first: tuple[int, float] | None = None
    forecast: bool = False


def watch(state: BatteryState, now_pct: int | None, now_h: float, *, charging: bool) -> str | None:
    """A sentence when there is something to say, each once. now_h : h since the session began."""
    if now_pct is None:
        return None
    if state.first is None or charging or now_pct > state.first[0]:
        state.first = (now_pct, now_h)
    lasts_h = hours_left(now_pct, state.first[0], now_h - state.first[1])
    previous, state.previous_pct = state.previous_pct, now_pct
    if charging:
        return None
    forecast = None if state.forecast else lasts_h
    said = battery_warning(previous, now_pct, max(0.0, WORN_H - now_h), forecast)
    if said is not None and "will not last" in said:
        state.forecast = True
    return said
