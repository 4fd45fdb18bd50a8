"""What each person of personas.toml reads, word for word: a changed sentence is seen before a wearer sees it.

To take over a wanted change: PERSONA_WORDS=write pytest tests/test_persona_words.py
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from programme_people import PEOPLE, REPOSITORY
from test_daily import summary, table, wear
from test_programme_rules import PACK, lived
from test_report import BANNED

from analysis.words import WORDS_MAX, words

KEPT = REPOSITORY / "tests" / "personas_words.txt"


def read_by(person: dict[str, Any]) -> str:
    """The programme's part of each day, below a day that is the same for all."""
    one = person["base"].get("sensors") == 1
    day = summary(table(("sitting", 0, 5 * 3600)), session=wear(sensors=("sacrum",)) if one else wear())
    pages = [f"# {person['name']}"]
    for lived_day, advice in lived(person).days:
        told = words(day, advice.record(PACK))
        count = sum(len(s.text.split()) for s in told if s.kind not in ("basis", "not_judged"))
        assert count <= WORDS_MAX, (person["name"], count)
        pages.append(str(lived_day["day"]))
        pages += [f"  {s.kind}: {s.text}" for s in told if s.kind not in ("seen", "basis", "not_judged")]
    return "\n".join(pages)


def test_each_person_reads_what_was_agreed() -> None:
    found = "\n\n".join(read_by(p) for p in PEOPLE) + "\n"
    if os.environ.get("PERSONA_WORDS") == "write":
        KEPT.write_text(found, encoding="utf-8")
    assert found == KEPT.read_text(encoding="utf-8")


@pytest.mark.parametrize("person", PEOPLE, ids=[p["name"] for p in PEOPLE])
def test_nobody_reads_a_word_that_is_not_used(person: dict[str, Any]) -> None:
    text = read_by(person).lower()
    assert not [w for w in BANNED if w in text]
    if person["base"].get("sensors") == 1:
        assert "rounded" not in text
