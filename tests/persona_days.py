"""Seconds, events and alerts in which a persona's facts are true, so that its words come from a day and not from a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import numpy as np
from test_daily import table, wear

from analysis.daily import summarise
from analysis.inputs import DayAlert, DayEvent
from analysis.programme.diary import Entry
from analysis.schema import DailySummary
from analysis.sheet import pain_of
from posture.types import EpochBlock

SHORT_MIN = 15  # of a bout that is not a long one


def day_of(facts: Mapping[str, Any], day: Mapping[str, Any], log: tuple[Entry, ...] = ()) -> DailySummary:
    """The summary of a day from 09:00 on. facts : as in personas.toml; what they leave open is little or nothing."""
    two = facts["sensors"] == 2
    begun = datetime.combine(day["day"], time(8), tzinfo=UTC)
    session = wear() if two else wear(sensors=("sacrum",), rom_deg=None, rom_source=None)
    session = session.model_copy(update={"start_utc": begun})
    epochs = _seconds(facts, two=two)
    alerts = _alerts(epochs, wrong=day.get("called_wrong", 0))
    found = summarise(epochs, _events(facts, two=two), alerts, session)
    return replace(found, pain=pain_of(log, day["day"]))


def _seconds(facts: Mapping[str, Any], *, two: bool) -> EpochBlock:
    """Bouts of sitting, the flexed part last, with a walk after each; then standing."""
    bouts = _bouts_min(facts)
    flexed = _flexed_min(facts, bouts)
    stretches: list[tuple[str, int, int]] = []
    for sits, bent in zip(bouts, flexed, strict=True):
        stretches += [("sitting", 0, 60 * (sits - bent)), ("sitting", 1, 60 * bent), ("walking", -1, 60)]
    rest_min = facts["worn_min"] - facts["sitting_min"] - len(bouts)
    assert rest_min >= 0, "more bouts than the day has room for"
    stretches = [s for s in [("standing", -1, 60 * rest_min), *stretches] if s[2]]
    epochs = table(*stretches)
    level = np.where(epochs.flexed == 1, 70.0, np.where(epochs.flexed == 0, 35.0, 5.0))
    for hold in range(facts.get("end_range_holds_morning", 0)):
        level[60 + 30 * hold : 70 + 30 * hold] = 85.0
    creep = np.full(len(epochs), 0.1)
    ends = np.flatnonzero(np.diff((epochs.flexed == 1).astype(int), append=0) == -1)
    for end in ends[: facts["meter_high_count"]]:
        creep[end - 60 : end] = 0.85
    measured = "flexion_pct_rom" if two else "slump_index_pct"
    unknown = {"slump_index_pct" if two else "flexion_pct_rom": np.full(len(epochs), np.nan)}
    return replace(epochs, creep=creep, **{measured: level}, **unknown)


def _bouts_min(facts: Mapping[str, Any]) -> list[int]:
    """Minutes of each bout: as many long ones as there were, the rest of the sitting in short ones."""
    count, longest = facts["long_bouts"], facts["longest_flexed_bout_min"]
    bouts = [max(20, longest)] * min(count, 1) + [20] * max(0, count - 1)
    left = facts["sitting_min"] - sum(bouts)
    if bouts and left > 2 * SHORT_MIN:  # half of it to the long ones
        more = left // 2 // count
        bouts = [b + more for b in bouts]
        left -= more * count
    return [*bouts, *[SHORT_MIN] * (left // SHORT_MIN), *([left % SHORT_MIN] if left % SHORT_MIN else [])]


def _flexed_min(facts: Mapping[str, Any], bouts: list[int]) -> list[int]:
    """Flexed minutes of each bout: the longest first, then what is left over the others, none as long."""
    first = facts["longest_flexed_bout_min"]
    left = facts["flexed_sitting_min"] - first
    flexed = [first]
    for sits in bouts[1:]:
        flexed.append(min(left, sits, max(0, first - 1)))
        left -= flexed[-1]
    assert not left, "the flexed minutes do not fit"
    return flexed


def _alerts(epochs: EpochBlock, *, wrong: int) -> list[DayAlert]:
    """One at each rise of the meter; the first ones called wrong."""
    rises = np.flatnonzero(np.diff((epochs.creep >= 0.8).astype(int)) == 1)
    fixed = {"kind": "flexed_sitting", "preset": "balanced"}
    return [
        DayAlert.model_validate({**fixed, "about_s": k, "raised_s": k + 6, "answer": "wrong" if n < wrong else None})
        for n, k in enumerate(rises.tolist())
    ]


def _events(facts: Mapping[str, Any], *, two: bool) -> list[DayEvent]:
    """Chair rises, drops, bends and ways up as the facts count them, and a few quiet bends."""
    rises = facts.get("chair_rises_judged", 0)
    rounded = round(rises * facts.get("chair_rises_rounded_pct", 0) / 100)
    kinds: list[tuple[str, str, dict[str, Any]]] = []
    kinds += [("sit_to_stand", "rounded" if k < rounded else "neutral", {}) for k in range(rises)]
    kinds += [("plunge", "rounded", {})] * facts.get("plunges", 0)
    kinds += [("bend", "rounded", {"held_s": 12.0})] * facts.get("leans_rounded", 0)
    kinds += [("bend", "rounded", {"deep": True})] * facts.get("deep_bends_rounded", 0)
    up = {"direction": "up", "path": "straight_sit_up", "surface": "floor_or_bed"}
    kinds += [("floor_transition", "rounded", up)] * facts.get("sit_ups_rounded", 0)
    kinds += [("bend", "neutral" if two else "unknown", {})] * 5
    events = []
    for k, (kind, verdict, more) in enumerate(kinds):
        length_s = more.get("held_s", 2.0)
        fixed = {"kind": kind, "verdict": verdict, "start_s": 30.0 * k, "end_s": 30.0 * k + length_s, "confidence": 0.9}
        events.append(DayEvent.model_validate({"peak_deg": 40.0, "deep": False, **fixed, **more}))
    return events
