"""The columns of a sample file: their names, and what is said when they are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from posture.types import InputError, Placement

TIME = "time_s"
AXES = ("x", "y", "z")
_UNITS = {"acc": "mps2", "gyr": "radps"}
_LIKE_MIN = 0.6
"""Likeness (difflib ratio) from which a present column is named beside a missing one; 0.6 is difflib's own default."""

_NAMES_SHOWN, _NAME_SHOWN = 8, 40
"""How many present columns a message lists, and how many characters of each."""


def column_names(placement: Placement, kind: str) -> tuple[str, str, str]:
    """Names of the three axes of one sensor; `kind` is "acc" (m/s^2) or "gyr" (rad/s)."""
    x, y, z = (f"{placement.value}_{kind}_{axis}_{_UNITS[kind]}" for axis in AXES)
    return x, y, z


@dataclass(frozen=True, slots=True)
class SensorColumns:
    """The columns of one sensor that the file has; `gyr` is None for an accelerometer alone."""

    placement: Placement
    acc: tuple[str, str, str]
    gyr: tuple[str, str, str] | None

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, accelerometer first."""
        return self.acc + (self.gyr or ())


def find_sensors(present: Sequence[str], *, where: str) -> tuple[SensorColumns, ...]:
    """The sensors whose columns are complete, in the order of `Placement`.

    `where` names the file in messages. InputError: no time, no sensor at all, some axes of a sensor without the others,
    a column twice.
    """
    twice = sorted({c for c in present if present.count(c) > 1 and c.startswith((TIME, *Placement))})
    if twice:
        raise InputError(f"{where} has the column {twice[0]} twice; keep one of them.")
    if TIME not in present:
        raise InputError(
            f"{where} lacks the column {TIME} (seconds from the start){_looks_like([TIME], present)}; "
            "rename it in the file."
        )
    found = tuple(s for p in Placement if (s := _sensor(p, present, where)) is not None)
    if not found:
        wanted = max((column_names(p, "acc") for p in Placement), key=lambda names: _best_ratio(names, present))
        raise InputError(
            f"{where} lacks the columns {', '.join(wanted)} (m/s^2; gyroscope columns end in _radps, rad/s)"
            f"{_looks_like(wanted, present)}; rename them in the file."
        )
    return found


def _sensor(placement: Placement, present: Sequence[str], where: str) -> SensorColumns | None:
    acc, gyr = column_names(placement, "acc"), column_names(placement, "gyr")
    has = set(present)
    if not has & {*acc, *gyr}:
        return None
    for names, kind in ((acc, "accelerometer"), (gyr, "gyroscope")):
        missing = [n for n in names if n not in has]
        if missing and (kind == "accelerometer" or len(missing) < len(names)):
            raise InputError(
                f"{where} has only a part of the {kind} of {placement.value}: {', '.join(missing)} missing"
                f"{_looks_like(missing, [c for c in present if c not in {*acc, *gyr}])}; all three axes are needed."
            )
    return SensorColumns(placement, acc, gyr if has.issuperset(gyr) else None)


def select_sensors(
    found: tuple[SensorColumns, ...], wanted: Sequence[Placement] | None, *, where: str
) -> tuple[SensorColumns, ...]:
    """Those of `found` that were asked for (None: all)."""
    if wanted is None:
        return found
    if not wanted:
        raise InputError("No sensor was asked for; name sacrum, upper_lumbar or both.")
    have = {s.placement for s in found}
    for placement in wanted:
        if placement not in have:
            raise InputError(
                f"{where} has no {Placement(placement).value}; it has {', '.join(sorted(have))}: ask for that instead."
            )
    return tuple(s for s in found if s.placement in wanted)


def _ratio(wanted: str, name: str) -> float:
    """Likeness of a present name to a wanted one, whole or bare (`acc_x`); 1 where one is the start of the other."""
    bare = "_".join(part for part in wanted.split("_") if part in (*_UNITS, *AXES)) or wanted
    name = name.lower()
    if len(name) >= 4 and any(w.startswith(name) or name.startswith(w) for w in (wanted, bare)):
        return 1.0
    return max(SequenceMatcher(None, w, name).ratio() for w in (wanted, bare))


def _best_ratio(names: Sequence[str], present: Sequence[str]) -> float:
    return sum(max((_ratio(n, c) for c in present), default=0.0) for n in names)


def _looks_like(missing: Sequence[str], present: Sequence[str]) -> str:
    """Words on the present columns that are like the missing ones."""
    alike: list[str] = []
    for name in missing:
        ranked = sorted(present, key=lambda c: -_ratio(name, c))
        alike += [c for c in ranked[:1] if _ratio(name, c) >= _LIKE_MIN and c not in alike]
    if alike:
        return f"; these look like them: {', '.join(alike)}"
    shown = ", ".join(c[:_NAME_SHOWN] for c in present[:_NAMES_SHOWN])
    return f"; it has: {shown}{' ...' if len(present) > _NAMES_SHOWN else ''}" if present else ""
