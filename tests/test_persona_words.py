"""What each person of personas.toml reads in the evening, word for word: a changed sentence is seen before a wearer sees it.

Each of their days is made of seconds and events, summed up and judged as a real one.
To take over a wanted change: PERSONA_WORDS=write pytest tests/test_persona_words.py
"""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from pages import BANNED
from persona_days import day_of
from programme_people import PACK, PEOPLE, REPOSITORY
from test_programme_rules import lived

from analysis.programme.advice import Memory, judge
from analysis.programme.diary import parse
from analysis.programme.facts import Facts, wear_facts
from analysis.schema import DailySummary
from analysis.words import WORDS_MAX, Sentence, words

KEPT = REPOSITORY / "tests" / "personas_words.txt"
Evening = tuple[dict[str, Any], DailySummary, tuple[Sentence, ...]]


def evenings(person: dict[str, Any]) -> list[Evening]:
    """Each day with its summary and its words: from the seconds, through the rules, to the page."""
    memory, log, found = Memory(), list(person.get("before", [])), []
    history = [Facts.model_validate(h) for h in person.get("history", [])]
    for day in person["day"]:
        log += [{"day": day["day"], **row} for row in day.get("log", [])]
        entries = parse(log, "log")
        summary = day_of({**person["base"], **day.get("wear", {})}, day, entries)
        facts = wear_facts(summary, entries)
        advice, memory = judge(PACK, facts, entries, day["day"], memory=memory, history=history)
        history.append(facts)
        found.append((day, summary, words(summary, advice.record(PACK))))
    return found


def read_by(person: dict[str, Any]) -> str:
    """Everything that the page of each day says in words."""
    pages = [f"# {person['name']}"]
    for day, _, told in evenings(person):
        pages.append(str(day["day"]))
        pages += [f"  {s.kind}: {s.text}" for s in told]
    return "\n".join(pages)


EACH = pytest.mark.parametrize("person", PEOPLE, ids=[p["name"] for p in PEOPLE])


def test_each_person_reads_what_was_agreed() -> None:
    found = "\n\n".join(read_by(p) for p in PEOPLE) + "\n"
    if os.environ.get("PERSONA_WORDS") == "write":
        KEPT.write_text(found, encoding="utf-8")
    assert found == KEPT.read_text(encoding="utf-8")


@EACH
def test_the_day_that_is_told_has_the_facts_of_the_person(person: dict[str, Any]) -> None:
    for day, summary, _ in evenings(person):
        facts = wear_facts(summary)
        for name, value in {**person["base"], **day.get("wear", {})}.items():
            assert getattr(facts, name) == pytest.approx(value, abs=0.5 if name.endswith("_pct") else 0), name


@EACH
def test_the_words_hold_what_the_rules_said_of_those_facts(person: dict[str, Any]) -> None:
    for (day, _, told), (_, advice) in zip(evenings(person), lived(person).days, strict=True):
        said = {(s.kind, s.rule) for s in told if s.rule}
        assert {("habit", o.rule) for o in advice.habits} == {s for s in said if s[0] == "habit"}, day["day"]
        assert ({("win", advice.win.rule)} if advice.win else set()) == {s for s in said if s[0] == "win"}


@EACH
def test_nobody_reads_more_than_120_words_or_one_that_is_not_used(person: dict[str, Any]) -> None:
    for _, _, told in evenings(person):
        count = sum(len(s.text.split()) for s in told if s.kind not in ("basis", "not_judged"))
        assert 0 < count <= WORDS_MAX
        text = " ".join(s.text for s in told)
        assert not [w for w in BANNED if w in text.lower()]
        assert not re.search(r"[{}_]|None|nan\b", text), text
        if person["base"]["sensors"] == 1:
            assert "rounded" not in text
            assert "one sensor, sacrum (belt line)" in text
