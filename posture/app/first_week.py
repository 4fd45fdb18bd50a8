"""A person's first week: fewer alerts in it, and afterwards the meter begins where that person sits, falling to the common level.

Somebody who sits at 70 % of the range would be told all day from the first day on. What the first week showed raises the start of
the meter, by less each week. `flexed` of an epoch stays the plain cut that it is: shares of different weeks can be compared.
What is decided here goes into the session's own configuration, so that every later replay of it does the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.inputs import Clock
from posture.config import Config, SittingConfig
from posture.store import Store, StoredSession
from posture.types import Context, Float, Placement, Preset

WEEK_DAYS = 7
SILENT_KEY = "silent_week"
"""In the profile: whether the wearer wants the first week without alerts."""


@dataclass(frozen=True, slots=True)
class FirstWeek:
    """days : since the first day with a session, 0 on that day. level_pct : in the first week's seated seconds the percentile
    `start_quantile` of the level with these sensors (% of range, or slump index); NaN where too few were judged, or in that week.
    """

    days: int
    level_pct: float = np.nan

    @property
    def week(self) -> int:
        """0 in the first week."""
        return self.days // WEEK_DAYS


def first_week(store: Store, now: Clock, sensors: tuple[Placement, ...], params: SittingConfig) -> FirstWeek:
    """What the store knows of it. sensors : those worn now; sessions with others measured something else."""
    today = now.day_of(0.0)
    began = [(day, s) for s in store.sessions() if (day := Clock(s.start_utc, now.zone).day_of(0.0)) is not None]
    if today is None or not began:
        return FirstWeek(0)
    first = min(day for day, _ in began)
    found = FirstWeek((today - first).days)
    if not 0 < found.week <= _raised_weeks(params):
        return found
    inside = [s for day, s in began if (day - first).days < WEEK_DAYS and _worn(s) == set(sensors)]
    levels = np.concatenate([np.empty(0), *(_seated_pct(store, s, two=len(sensors) == 2) for s in inside)])
    if len(levels) < 3600.0 * params.start_seated_min_h:
        return found
    return FirstWeek(found.days, float(np.quantile(levels, params.start_quantile)))


def adapted(config: Config, begun: FirstWeek, *, two: bool, silent: bool) -> Config:
    """The configuration of a session that begins then. silent : no alerts in the first week."""
    alerts, sitting = config.alerts, config.sitting
    if begun.week == 0:
        few = {"sitting_per_day": min(alerts.sitting_per_day, alerts.sitting_first_week)}
        spoken = Preset.BALANCED if alerts.preset is Preset.COACH else alerts.preset  # coach keeps to no limit
        none = {"preset": spoken, "sitting_per_day": 0, "lean_per_day": 0}
        return config.model_copy(update={"alerts": alerts.model_copy(update=none if silent else few)})
    if np.isnan(begun.level_pct):
        return config
    over = begun.level_pct - (sitting.flexed_on_pct if two else sitting.slump_on_pct)
    raised = min(over, sitting.start_raised_most_pct) - sitting.start_falls_pct * (begun.week - 1)
    return config.model_copy(
        update={"sitting": sitting.model_copy(update={"start_raised_pct": round(max(0.0, raised), 1)})}
    )


def week_words(begun: FirstWeek, config: Config, *, silent: bool) -> str | None:
    """What is said of it at the start of a session; None in an ordinary week."""
    if begun.week == 0 and silent:
        return f"First week, day {begun.days + 1} of {WEEK_DAYS}: measured and recorded, no alerts. posture setup changes that."
    if begun.week == 0:
        return f"First week, day {begun.days + 1} of {WEEK_DAYS}: at most {config.alerts.sitting_per_day} alerts on sitting a day."
    if config.sitting.start_raised_pct:
        falls = config.sitting.start_falls_pct
        return f"{config.sitting.start_words()} It comes from your first week and falls by {falls:.0f} points a week."
    return None


def _raised_weeks(params: SittingConfig) -> int:
    """Weeks after the first in which the start can be raised at all."""
    return int(np.ceil(params.start_raised_most_pct / params.start_falls_pct))


def _worn(session: StoredSession) -> set[str]:
    sensors = session.about.get("sensors")
    return {str(s) for s in sensors} if isinstance(sensors, list) else set()


def _seated_pct(store: Store, session: StoredSession, *, two: bool) -> Float:
    """(m,) levels of the seated seconds that were judged."""
    epochs = store.epochs(session.id)
    level = epochs.flexion_pct_rom if two else epochs.slump_index_pct
    judged = (epochs.context == Context.SITTING) & (epochs.flexed >= 0) & ~np.isnan(level)
    return np.asarray(level[judged])
