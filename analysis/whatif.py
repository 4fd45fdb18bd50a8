"""The same recording under other thresholds: what the numbers of the day become, side by side.

Both come from one recording through one pipeline, so every difference is that of the settings. Alerts are those that a live run
would have raised, nobody answering otherwise than is recorded.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.schema import DailySummary
from analysis.words import leans, plain, span
from posture.config import Config, known_keys, parse_config
from posture.types import InputError, JsonValue, Verdict


@dataclass(frozen=True, slots=True)
class Changed:
    """One setting. key : `section.name`. meaning : its unit and source, as docs/thresholds.md has it."""

    key: str
    before: JsonValue
    after: JsonValue
    meaning: str


@dataclass(frozen=True, slots=True)
class Row:
    """One number of the day under both settings; None is not known, and never counts as nothing."""

    name: str
    unit: str
    before: float | None
    after: float | None

    @property
    def differs(self) -> bool:
        """Whether the settings change it by as much as is shown."""
        return self.text(self.before) != self.text(self.after)

    def text(self, value: float | None) -> str:
        """The number for reading; what is not known says so."""
        if value is None:
            return "not known"
        return span(value) if self.unit == "min" else f"{round(value, 2):g} {self.unit}".rstrip()


def changed_config(config: Config, settings: Sequence[str]) -> tuple[Config, tuple[Changed, ...]]:
    """The settings with each `section.name=value` put in, and what that changes.

    A value is written as in posture.toml; a bare word is a word.

    Raises
    ------
    InputError
        An entry that has no such form, a key that is not known (with what it may have meant), a value that does not fit, or a
        key that is given twice.
    """
    given: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        section, dot, name = key.partition(".")
        if not (equals and dot and name and value):
            raise InputError(f"--set {setting!r}: write it as section.name=value, e.g. --set sitting.flexed_on_pct=55")
        if name in given.setdefault(section, {}):
            raise InputError(f"--set {key} is given twice; give it once")
        given[section][name] = _value(value)
    tree = config.model_dump()
    for section, names in given.items():
        tree[section] = tree.get(section, {}) | names
    after = parse_config(tree, source="--set")
    meaning = known_keys()
    changes = []
    for section, names in given.items():
        for name in names:
            old, new = config.as_json()[section], after.as_json()[section]
            if not isinstance(old, dict) or not isinstance(new, dict):  # a key is always in a section
                raise InputError(f"--set {section}.{name}: this is no single setting")
            key = f"{section}.{name}"
            changes.append(Changed(key, old[name], new[name], meaning.get(key, "")))
    return after, tuple(changes)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def compared(before: DailySummary, after: DailySummary) -> tuple[Row, ...]:
    """The numbers of the day that thresholds can move, in the order of the report; verdicts one by one."""
    return tuple(
        Row(name, unit, old, new)
        for (name, unit, old), (_, _, new) in zip(_numbers(before), _numbers(after), strict=True)
    )


def _numbers(day: DailySummary) -> Iterator[tuple[str, str, float | None]]:
    for name in ("sitting", "standing", "walking", "lying"):
        yield name, "min", day.context_min[name]
    sitting, meter = day.sitting, day.meter
    judged = sitting.judged_min > 0
    yield "flexed sitting", "min", sitting.flexed_min if judged else None
    yield "of judged sitting", "%", sitting.flexed_share_of_judged_pct
    yield "longest flexed bout", "min", day.habits.longest_flexed_bout_min
    yield "highest level of the time-in-flexion meter", "", meter.peak
    for kind, count in day.alerts.items():
        yield f"alerts, {plain(kind)}", "", count
    yield leans(day), "", day.bends.total
    for verdict in Verdict:
        yield f"{leans(day)}, {_word(verdict)}", "", day.bends.by_verdict[verdict.value]
    yield f"long or deep {leans(day)}", "", day.bends.deep_or_sustained
    for kind, verdicts in day.chair_transitions.items():
        yield plain(kind), "", sum(verdicts.values())
        yield f"{plain(kind)}, rounded", "", verdicts[Verdict.ROUNDED.value]
    yield "floor transitions", "", day.floor_transitions.total
    yield "floor transitions, rounded", "", day.floor_transitions.by_verdict[Verdict.ROUNDED.value]
    yield "not worn", "min", day.wear.non_wear_min


def _word(verdict: Verdict) -> str:
    return "not judged" if verdict is Verdict.UNKNOWN else verdict.value


def to_json(changes: Sequence[Changed], rows: Sequence[Row]) -> str:
    """Both as JSON text."""
    tree = {
        "settings": [{"key": c.key, "before": c.before, "after": c.after} for c in changes],
        "numbers": [{"name": r.name, "unit": r.unit, "before": r.before, "after": r.after} for r in rows],
    }
    return json.dumps(tree, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
