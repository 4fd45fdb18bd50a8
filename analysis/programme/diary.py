"""The log: what was done and felt, one entry each; the store keeps it, or a file of TOML or JSON lines."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from posture.types import InputError

Level = Annotated[int, Field(ge=0, le=10)]
Reps = Annotated[int, Field(ge=1, le=1000)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    day: date


class ExerciseEntry(_Entry):
    """One set. pain, pain_before : of 10, in the set and before it. step : 1 is the easiest; left away, the one that was due.

    tempo_s : s a rep. depth_deg, drift_deg : deg, of the sensor where it was measured.
    """

    kind: Literal["exercise"] = "exercise"
    exercise: str
    reps: Reps
    clean_reps: Annotated[int, Field(ge=0)] | None = None
    first_failed_rep: Reps | None = None
    side: Literal["left", "right"] | None = None
    step: Annotated[int, Field(ge=1)] | None = None
    load_kg: Annotated[float, Field(ge=0)] | None = None
    pain: Level | None = None
    pain_before: Level | None = None
    tempo_s: Annotated[float, Field(gt=0)] | None = None
    depth_deg: float | None = None
    drift_deg: float | None = None

    @model_validator(mode="after")
    def _of_the_reps(self) -> Self:
        if max(self.clean_reps or 0, self.first_failed_rep or 0) > self.reps:
            raise ValueError(f"clean_reps and first_failed_rep are of the reps that were done, {self.reps}")
        return self


class PracticeEntry(_Entry):
    """A routine. ended : local time."""

    kind: Literal["practice"] = "practice"
    practice: str
    minutes: Annotated[float, Field(gt=0)] | None = None
    ended: time | None = None


class PainEntry(_Entry):
    """Pain of 10; leg : it spreads into a leg."""

    kind: Literal["pain"] = "pain"
    level: Level
    leg: bool = False
    when: Literal["morning", "evening", "other"] = "other"


class AvoidEntry(_Entry):
    """Something of the pack's avoid list was done."""

    kind: Literal["avoid"] = "avoid"
    tag: str


class StairsEntry(_Entry):
    """Flights of stairs; uneven : one side was harder."""

    kind: Literal["stairs"] = "stairs"
    flights: Annotated[int, Field(ge=0)]
    uneven: bool = False


class RedFlagEntry(_Entry):
    """A red flag was noticed; it stops the coaching until a `clearance`."""

    kind: Literal["red_flag"] = "red_flag"
    what: Annotated[str, Field(min_length=1)]


class ClearanceEntry(_Entry):
    """A clinician has said that the programme may go on."""

    kind: Literal["clearance"] = "clearance"


Entry = ExerciseEntry | PracticeEntry | PainEntry | AvoidEntry | StairsEntry | RedFlagEntry | ClearanceEntry
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


def checked(row: object) -> Entry:
    """One entry; InputError names the key and what it wants."""
    try:
        return _ENTRY.validate_python(row)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(p) for p in first["loc"][1:] or first["loc"]) or "kind"
        said = first["msg"].removeprefix("Value error, ")
        at = "" if first["type"] == "value_error" else f"`{key}`: "
        raise InputError(f"{at}{said[:1].lower()}{said[1:]}; docs/programme.md lists the keys") from error


def parse(rows: Iterable[Any], where: str) -> tuple[Entry, ...]:
    """Entries in order of day; those of one day stay in the order given. InputError names the entry, the key and the fix."""
    found = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(checked(row))
        except InputError as error:
            raise InputError(f"{where}: entry {number}: {error}") from error
    return tuple(sorted(found, key=lambda entry: entry.day))


def read_log(path: Path) -> tuple[Entry, ...]:
    """A `.toml` file with [[entry]] tables, or JSON lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"{path} cannot be read ({reason}): give a log as TOML or JSON lines") from error
    if path.suffix == ".toml":
        try:
            tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path} cannot be read as TOML ({error}): mend that place") from error
        if set(tree) - {"entry"} or not isinstance(tree.get("entry", []), list):
            raise InputError(f"{path}: a log holds [[entry]] tables and nothing else")
        return parse(tree.get("entry", []), str(path))
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise InputError(f"{path}: line {number} is not JSON ({error}): mend that line") from error
    return parse(rows, str(path))
