"""The content pack: a folder of three TOML files, validated whole, so that a clinician's own pack needs no change of code.

`pack.toml` holds source, fixed texts and limits, `practices.toml` what there is to do and what is left out, `rules.toml` what a
day is paired with. A pack that does not fit is an InputError that names the file, the key and what to write instead.
"""

from __future__ import annotations

import difflib
import string
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from analysis.programme.facts import NUMBER_FACTS, TEXT_FACTS
from posture.types import InputError

FORMAT = 1
"""The version of a pack that this code reads."""
SHIPPED = Path(__file__).parent
BANNED = ("bad posture", "damage", "dangerous", "correct spine", "injury risk")
"""Words that no text of a pack may use (domain.md section 5)."""
Text = Annotated[str, Field(min_length=1)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
Count = Annotated[int, Field(ge=1)]
Pain = Annotated[int, Field(ge=1, le=10)]
Share = Annotated[float, Field(ge=0, le=1)]
M = TypeVar("M", bound=BaseModel)


class Part(BaseModel):
    """A table of the pack: unknown keys are errors, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Texts(Part):
    """Sentences that are always the same. `{pain_stop}` in `pain_stop` is the number of `[safety]`."""

    stop: Text
    pain_stop: Text
    no_data: Text
    no_focus: Text
    hedge: Text


class Limits(Part):
    """rules_from_worn_min : worn time from which habits and wins are said. confidence_min, sure_from : 0-1."""

    rules_from_worn_min: Annotated[float, Field(ge=0)] = 360.0
    confidence_min: Share = 0.7
    sure_from: Share = 0.8
    habits_max: Annotated[int, Field(ge=0, le=2)] = 2


class Safety(Part):
    """Of 10: pain that ends a workout, and pain that makes a day freeze the streak."""

    pain_stop: Pain
    pain_day: Pain


class Plan(Part):
    """How much practice is meant, and over how many days it is counted."""

    workouts_per_week: Annotated[int, Field(ge=1, le=14)]
    window_days: Count
    pain_free_days: Count


class Window(Part):
    """`passed` of the last `workouts`; clean_reps : in each set, at least."""

    workouts: Count
    passed: Count
    clean_reps: Count = 8

    @model_validator(mode="after")
    def _passable(self) -> Self:
        if self.passed > self.workouts:
            raise ValueError(f"passed ({self.passed}) is more than workouts ({self.workouts}); nobody could pass")
        return self


class Dose(Part):
    """How much: reps, or rounds and holds (s, from-to), or a time (s, from-to)."""

    reps: Count | None = None
    rounds: Count | None = None
    hold_s: tuple[float, float] | None = None
    min_s: Annotated[float, Field(gt=0)] | None = None
    max_s: Annotated[float, Field(gt=0)] | None = None
    per_side: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.reps is None and self.rounds is None and self.max_s is None:
            raise ValueError("says neither reps nor rounds nor max_s; write one")
        if self.min_s is not None and self.max_s is not None and self.min_s > self.max_s:
            raise ValueError("min_s is more than max_s")
        return self

    def text(self) -> str:
        """For reading: `10 reps, hold 1-2 s`."""
        parts = [f"{self.reps} reps"] if self.reps else [f"{self.rounds} rounds"] if self.rounds else []
        if self.hold_s:
            low, high = self.hold_s
            parts.append(f"hold {low:g} s" if low == high else f"hold {low:g}-{high:g} s")
        if self.max_s:
            begin = f"{self.min_s / 60:g}-" if self.min_s else "up to "
            parts.append(f"{begin}{self.max_s / 60:g} min")
        return ", ".join(parts) + (" each side" if self.per_side else "")


class Load(Part):
    """First load and step, kg; days : at least this long at each load."""

    start_kg: Annotated[float, Field(ge=0)]
    step_kg: Annotated[float, Field(gt=0)]
    days: Count


class Practice(Part):
    """One thing to do. steps : easiest first. after : practices whose gate opens this one.

    counts_clean_reps : false where no one can count them; then the reps that were done are counted.
    """

    id: Id
    name: Text
    stage: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]
    kind: Literal["exercise", "routine"]
    after: tuple[Id, ...] = ()
    dose: Dose
    load: Load | None = None
    counts_clean_reps: bool = True
    limits: Annotated[tuple[Text, ...], Field(min_length=1)]
    twin: str
    cues: Annotated[tuple[Text, ...], Field(min_length=1)]
    errors: Annotated[tuple[Text, ...], Field(min_length=1)]
    one_sensor: Text
    two_sensors: Text
    steps: tuple[Text, ...] = ()
    progression: Text
    regression: Text

    @model_validator(mode="after")
    def _an_exercise_has_steps_and_reps(self) -> Self:
        if self.kind == "exercise" and not (self.steps and self.dose.reps):
            raise ValueError("an exercise needs steps, easiest first, and dose.reps; a routine needs neither")
        return self


class Avoid(Part):
    """A word of the log that the programme leaves out, and its swap; practice : the swap's id, where it is one."""

    tag: Id
    name: Text
    swap: Text
    practice: Id | None = None


class Condition(Part):
    """A fact against a number, or another rule that was true so many days running (today is one of them)."""

    fact: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    above: float | None = None
    rule: Id | None = None
    days_running: Count | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        numbers = [n for n in (self.at_least, self.at_most, self.below, self.above) if n is not None]
        if self.rule is not None:
            if self.fact is not None or numbers or self.days_running is None:
                raise ValueError("a condition on a rule has rule and days_running, and nothing else")
            return self
        if self.fact not in NUMBER_FACTS:
            raise ValueError(f"unknown fact {self.fact!r}{meant(str(self.fact), NUMBER_FACTS)}")
        if len(numbers) != 1 or self.days_running is not None:
            raise ValueError("a condition on a fact has exactly one of at_least, at_most, below, above")
        return self

    def holds(self, value: float) -> bool:
        """Whether the fact's value meets the number."""
        if self.at_least is not None:
            return value >= self.at_least
        if self.at_most is not None:
            return value <= self.at_most
        return value < self.below if self.below is not None else value > (self.above or 0.0)

    def text(self) -> str:
        """For reading: `plunges at least 3`."""
        if self.rule is not None:
            return f"{self.rule} on {self.days_running} days running"
        named = {"at least": self.at_least, "at most": self.at_most, "below": self.below, "above": self.above}
        return f"{self.fact} " + next(f"{word} {n:g}" for word, n in named.items() if n is not None)


class Alternative(Part):
    """All conditions together, and the sentence with the numbers that fired. It may name only facts that it asks for, and texts."""

    all: Annotated[tuple[Condition, ...], Field(min_length=1)]
    says: Text

    @model_validator(mode="after")
    def _says_what_is_known(self) -> Self:
        asked = {c.fact for c in self.all}
        for _, name, spec, _ in string.Formatter().parse(self.says):
            if name is not None and name not in asked and name not in TEXT_FACTS:
                raise ValueError(f"says {{{name}}}, which no condition beside it asks for; add a condition on it")
            if spec not in (None, "", "times"):
                raise ValueError(f"says {{{name}:{spec}}}; the only form is times")
        return self


Group = Literal["habit", "win", "log", "win_log", "no_data", "stop"]


class Rule(Part):
    """What is paired with what. group : `habit`, `win` rest on a day's wear; `log`, `win_log` on the log;
    `no_data`, `stop` withhold all others.

    rests_on : `sitting` or a kind of event, whose confidence must reach confidence_min. priority : higher comes first.
    cooldown_days : once said, not again before so many days; 0 and 1: every day.
    """

    id: Id
    group: Group
    priority: Annotated[int, Field(ge=0, le=100)]
    cooldown_days: Annotated[int, Field(ge=0)]
    rests_on: str | None = None
    confidence_min: Share | None = None
    practice: Id | None = None
    advice: str = ""
    focus: str = ""
    idea: Text
    when: Annotated[tuple[Alternative, ...], Field(min_length=1)]


class Pack(Part):
    """A whole pack, and what it must hold beyond the shape of its tables."""

    format: int
    id: Id
    name: Text
    version: Text
    source: Text
    not_medical: Text
    red_flags: Annotated[tuple[Text, ...], Field(min_length=1)]
    evidence: tuple[Text, ...]
    texts: Texts
    limits: Limits
    safety: Safety
    plan: Plan
    gate: Window
    step: Window
    practices: tuple[Practice, ...]
    avoids: tuple[Avoid, ...]
    rules: tuple[Rule, ...]

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: int) -> int:
        if value != FORMAT:
            raise ValueError(f"this version reads format {FORMAT}")
        return value

    def practice(self, practice_id: str) -> Practice:
        """The practice of that id; InputError with the nearest names where there is none."""
        found = {p.id: p for p in self.practices}
        if practice_id not in found:
            raise InputError(f"the pack {self.id} has no practice {practice_id!r}{meant(practice_id, found)}")
        return found[practice_id]

    @property
    def exercises(self) -> tuple[Practice, ...]:
        """Practices with sets and gates, by stage."""
        return tuple(sorted((p for p in self.practices if p.kind == "exercise"), key=lambda p: _order(p.stage)))

    @property
    def last_stage(self) -> str:
        """The highest stage of an exercise."""
        return self.exercises[-1].stage

    @property
    def notice(self) -> str:
        """What this is not, and the red flags."""
        return f"{self.not_medical} Red flags: {', '.join(self.red_flags)}."


def _order(stage: str) -> tuple[int, ...]:
    return tuple(int(part) for part in stage.split("."))


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'squat'?`, else the first few that there are."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(known[:12])}" if known else ""


def load_pack(folder: Path | None = None) -> Pack:
    """The pack in a folder, or the shipped one. InputError with file, key and fix where it does not fit."""
    folder = folder or SHIPPED
    head = _toml(folder / "pack.toml")
    practices, rules = _toml(folder / "practices.toml"), _toml(folder / "rules.toml")
    tables: dict[str, tuple[Any, ...]] = {}
    for file, tree, known in (
        ("practices.toml", practices, {"practice": Practice, "avoid": Avoid}),
        ("rules.toml", rules, {"rule": Rule}),
    ):
        odd = sorted(set(tree) - set(known))
        if odd:
            raise InputError(f"{folder / file}: unknown table `{odd[0]}`{meant(odd[0], known)}")
        for key, model in known.items():
            tables[f"{key}s"] = _rows(folder / file, key, tree.get(key, []), model)
    clash = sorted(set(head) & set(tables))
    if clash:
        raise InputError(f"{folder / 'pack.toml'}: unknown key `{clash[0]}`; it belongs into a file of its own")
    try:
        pack = Pack.model_validate({**head, **tables})
    except ValidationError as error:
        raise InputError(f"{folder / 'pack.toml'}: {_first(error, Pack)}") from error
    _check_links(pack, folder)
    _check_words(folder, {"pack.toml": head, "practices.toml": practices, "rules.toml": rules})
    return pack


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path} is missing: a pack is a folder with pack.toml, practices.toml and rules.toml; "
            "copy the shipped one and change it (docs/programme.md)"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read as TOML ({error}): mend that place") from error


def _rows(path: Path, key: str, rows: object, model: type[M]) -> tuple[M, ...]:
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: no [[{key}]] in it; write at least one")
    adapter, found = TypeAdapter(model), []
    for number, row in enumerate(rows, 1):
        name = (row.get("id") or row.get("tag")) if isinstance(row, dict) else None
        try:
            found.append(adapter.validate_python(row))
        except ValidationError as error:
            raise InputError(f"{path}: {key} {name or f'number {number}'}: {_first(error, model)}") from error
    names = [str(getattr(row, "id", None) or getattr(row, "tag", "")) for row in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: {key} {twice[0]} is there twice; rename one")
    return tuple(found)


def _first(error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing that is wrong: `key`: what, and what to write."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = model.model_fields if len(first["loc"]) == 1 else ()
        return f"unknown key `{where}`{meant(str(first['loc'][-1]), known) or '; remove it'}"
    if first["type"] == "missing":
        return f"`{where}` is missing; write it"
    said = first["msg"].removeprefix("Value error, ")
    got = "" if first["type"] == "value_error" else f" (got {first['input']!r})"
    return f"`{where}`: {said[:1].lower()}{said[1:]}{got}" if where else said


def _check_links(pack: Pack, folder: Path) -> None:
    """Every id that is named is there, and something can be begun with."""
    exercises, practices = {p.id for p in pack.exercises}, {p.id for p in pack.practices}
    rules = {r.id for r in pack.rules}
    file = folder / "practices.toml"
    for p in pack.practices:
        for name in p.after:
            if name not in exercises:
                raise InputError(f"{file}: practice {p.id}: `after`: no exercise {name!r}{meant(name, exercises)}")
    _check_reachable(pack, file)
    for a in pack.avoids:
        if a.practice is not None and a.practice not in practices:
            raise InputError(
                f"{file}: avoid {a.tag}: `practice`: no practice {a.practice!r}{meant(a.practice, practices)}"
            )
    file = folder / "rules.toml"
    for r in pack.rules:
        if r.practice is not None and r.practice not in practices:
            raise InputError(
                f"{file}: rule {r.id}: `practice`: no practice {r.practice!r}{meant(r.practice, practices)}"
            )
        for named in (c.rule for alternative in r.when for c in alternative.all if c.rule):
            if named not in rules or any(c.rule for a in _rule(pack, named).when for c in a.all):
                raise InputError(
                    f"{file}: rule {r.id}: `when`: {named!r} is no rule on facts{meant(named, rules - {r.id})}"
                )


def _rule(pack: Pack, rule_id: str) -> Rule:
    return next(r for r in pack.rules if r.id == rule_id)


def _check_reachable(pack: Pack, file: Path) -> None:
    opened: set[str] = set()
    waiting: Sequence[Practice] = pack.exercises
    if not waiting:
        raise InputError(f"{file}: no practice of kind exercise; write at least one")
    while waiting:
        ready = {p.id for p in waiting if set(p.after) <= opened}
        if not ready:
            raise InputError(
                f"{file}: practice {waiting[0].id}: `after`: nothing ever opens it; let one have no `after`"
            )
        opened |= ready
        waiting = [p for p in waiting if p.id not in opened]


def _check_words(folder: Path, files: dict[str, Any]) -> None:
    for file, tree in files.items():
        for where, text in strings(tree):
            word = next((w for w in BANNED if w in text.lower()), None)
            if word is not None:
                raise InputError(f"{folder / file}: `{where}` uses the words {word!r}; say what was measured instead")


def strings(tree: object, where: str = "") -> list[tuple[str, str]]:
    """Every text of a tree of tables with its path."""
    if isinstance(tree, str):
        return [(where, tree)]
    if isinstance(tree, dict):
        return [s for key, inner in tree.items() for s in strings(inner, f"{where}.{key}" if where else str(key))]
    if isinstance(tree, list | tuple):
        return [s for k, inner in enumerate(tree, 1) for s in strings(inner, f"{where}.{k}")]
    return []
