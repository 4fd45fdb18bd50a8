"""People, logs and packs for the tests of the programme."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from analysis.programme.diary import Entry, parse
from analysis.programme.pack import SHIPPED, load_pack

REPOSITORY = Path(__file__).resolve().parent.parent
PEOPLE = tomllib.loads((REPOSITORY / "tests" / "personas.toml").read_text(encoding="utf-8"))["persona"]
SURE = dict.fromkeys(("sitting", "bend", "sit_to_stand", "plunge", "floor_transition"), 0.9)
TODAY = date(2026, 3, 2)
PACK = load_pack()


def entries(*rows: Mapping[str, Any]) -> tuple[Entry, ...]:
    return parse([{"day": TODAY, **row} for row in rows], "log")


def sets(exercise: str, count: int, *, first: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """One good set a day at the last step."""
    steps = len(PACK.practice(exercise).steps)
    good = {
        "kind": "exercise",
        "exercise": exercise,
        "reps": 10,
        "clean_reps": 9,
        "pain": 1,
        "pain_before": 1,
        "step": steps,
    }
    return [{"day": date(2026, 1, 1) + timedelta(days=first + k), **good, **changes} for k in range(count)]


def copied(folder: Path, **changed: Callable[[str], str]) -> Path:
    """The shipped pack with texts of a file changed."""
    for name in ("pack", "practices", "rules"):
        text = (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")
        (folder / f"{name}.toml").write_text(changed.get(name, str)(text), encoding="utf-8")
    return folder


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


OTHER_PACK = """
format = 1
id = "clinic"
name = "A clinic's own"
version = "7"
source = "Written by a clinician"
not_medical = "Not a medical device."
red_flags = ["fever"]
evidence = []
limits = { rules_from_worn_min = 60, habits_max = 1 }
safety = { pain_stop = 5, pain_day = 3 }
plan = { workouts_per_week = 3, window_days = 7, pain_free_days = 7 }
gate = { workouts = 2, passed = 2, clean_reps = 5 }
step = { workouts = 1, passed = 1, clean_reps = 5 }
[texts]
stop = "Stop and call us."
pain_stop = "Over {pain_stop}: stop."
no_data = "Too little."
no_focus = "As today."
hedge = "Perhaps: "
"""
OTHER_PRACTICES = """
[[practice]]
id = "bridge"
name = "bridge"
stage = "1"
kind = "exercise"
dose = { reps = 6 }
limits = ["slowly"]
twin = "turning in bed"
cues = ["lift the hips"]
errors = ["arching"]
one_sensor = "nothing"
two_sensors = "nothing"
steps = ["both legs"]
progression = "one leg"
regression = "less high"
[[practice]]
id = "carry"
name = "carry"
stage = "2"
kind = "exercise"
after = ["bridge"]
dose = { reps = 4 }
limits = ["light"]
twin = "shopping"
cues = ["walk tall"]
errors = ["leaning"]
one_sensor = "nothing"
two_sensors = "nothing"
steps = ["light"]
progression = "heavier"
regression = "lighter"
[[avoid]]
tag = "sofa"
name = "the deep sofa"
swap = "a chair"
"""
OTHER_RULES = """
[[rule]]
id = "sit"
group = "habit"
priority = 1
cooldown_days = 1
practice = "carry"
advice = "walk and carry something"
idea = "ours"
when = [{ all = [{ fact = "sitting_min", above = 30 }], says = "{sitting_min} of sitting" }]
"""


def other_pack(folder: Path) -> Path:
    """A pack that shares no practice, rule or number with the shipped one."""
    folder.mkdir()
    for name, text in (("pack", OTHER_PACK), ("practices", OTHER_PRACTICES), ("rules", OTHER_RULES)):
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder
