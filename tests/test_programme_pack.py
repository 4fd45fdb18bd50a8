"""The content pack and the log: what does not fit is refused, another pack runs, the shipped one says what it must."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from programme_people import PACK, REPOSITORY, TODAY, copied, other_pack, replaced

from analysis.inputs import NOT_MEDICAL, RED_FLAGS
from analysis.programme.advice import Memory, judge
from analysis.programme.diary import Entry, parse, read_log
from analysis.programme.facts import NUMBER_FACTS, TEXT_FACTS, Facts
from analysis.programme.pack import BANNED, SHIPPED, load_pack, strings
from analysis.programme.progress import progress
from posture.types import InputError

# Packs


BROKEN = (
    (
        "rules",
        'practice = "squat"',
        'practice = "sqat"',
        r"rules\.toml: rule R04: `practice`: no practice 'sqat'; did you mean 'squat'\?",
    ),
    (
        "rules",
        'plunges", at_least',
        'plunge", at_least',
        r"rules\.toml: rule R05: `when.0.all.0`: unknown fact 'plunge'; did you mean 'plunges'\?",
    ),
    (
        "rules",
        "{plunges} times",
        "{sitting_min} times",
        r"rule R05: `when.0`: says \{sitting_min\}, which no condition beside it asks for",
    ),
    (
        "rules",
        'group = "habit"',
        'group = "habits"',
        r"rule R01: `group`: input should be 'habit', .* \(got 'habits'\)",
    ),
    ("rules", 'rule = "R01", days', 'rule = "R99", days', r"rule R03: `when`: 'R99' is no rule on facts"),
    ("rules", 'id = "R02"', 'id = "R01"', r"rule R01 is there twice; rename one"),
    (
        "rules",
        "cooldown_days = 2",
        "cooldown = 2",
        r"rule R01: `cooldown_days` is missing|rule R01: unknown key `cooldown`",
    ),
    (
        "practices",
        'after = ["brace"]',
        'after = ["brase"]',
        r"practices\.toml: practice offload_control: `after`: no exercise 'brase'; did you mean 'brace'\?",
    ),
    (
        "practices",
        'after = ["brace"]',
        'after = ["squat"]',
        r"practice offload_control: `after`: nothing ever opens it; let one have no `after`",
    ),
    ("practices", 'stage = "2.1"', 'stage = "two"', r"practice offload_control: `stage`: string should match"),
    (
        "practices",
        'twin = ""',
        'twins = ""',
        r"practice ice: (`twin` is missing; write it|unknown key `twins`; did you mean 'twin'\?)",
    ),
    (
        "practices",
        "[[practice]]",
        "[[practise]]",
        r"practices\.toml: unknown table `practise`; did you mean 'practice'\?",
    ),
    ("practices", "Bouncing.", "Bad posture.", r"practices\.toml: `practice.2.errors.2` uses the words 'bad posture'"),
    ("pack", "passed = 6", "passed = 9", r"pack\.toml: `gate`: passed \(9\) is more than workouts \(8\)"),
    ("pack", "format = 1", "format = 2", r"pack\.toml: `format`: this version reads format 1"),
    ("pack", "format = 1", "format = ", r"pack\.toml cannot be read as TOML \(.*line 2.*\): mend that place"),
)


@pytest.mark.parametrize(("file", "old", "new", "message"), BROKEN, ids=[b[2][:24] for b in BROKEN])
def test_a_broken_pack_is_refused_with_file_key_and_fix(
    tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    copied(tmp_path, **{file: replaced(old, new)})
    with pytest.raises(InputError, match=message) as caught:
        load_pack(tmp_path)
    assert f"{file}.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_a_pack_is_named(tmp_path: Path) -> None:
    (copied(tmp_path) / "rules.toml").unlink()
    with pytest.raises(InputError, match=r"rules\.toml is missing: a pack is a folder with"):
        load_pack(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return other_pack(tmp_path / "clinic")


def test_a_clinicians_pack_with_other_names_runs_without_a_change_of_code(other: Path) -> None:
    pack = load_pack(other)
    rows = [{"kind": "exercise", "exercise": "bridge", "reps": 6, "clean_reps": 6, "pain": 0}] * 2
    first, _ = judge(pack, Facts(worn_min=90, sitting_min=31), (), TODAY, memory=Memory())
    assert [h.text for h in first.habits] == ["31 min of sitting; walk and carry something."]
    assert (first.practice, first.practice_why) == ("bridge", "Tonight: bridge, 6 reps; the carry opens after it.")
    log = parse([{**r, "day": TODAY - timedelta(days=k)} for k, r in enumerate(rows)], "log")
    then, _ = judge(pack, Facts(worn_min=90, sitting_min=31), log, TODAY, memory=Memory())
    assert then.practice == "carry"
    assert progress(pack, parse([{"kind": "pain", "day": TODAY, "level": 5}], "log"), TODAY).stop is not None


def test_the_shipped_pack_says_all_that_it_must() -> None:
    assert "Back In Shape" in PACK.source
    assert "in our own words" in PACK.source
    assert PACK.not_medical == NOT_MEDICAL
    assert ", ".join(PACK.red_flags) == RED_FLAGS
    assert "no consensus that posture causes back pain" in " ".join(PACK.evidence)
    assert "American College of Physicians (2017)" in " ".join(PACK.evidence)
    stage_1, stage_2 = (
        ["brace", "hip_mobility", "towel", "ice"],
        ["offload_control", "squat", "hip_hinge", "reverse_lunge"],
    )
    assert [p.id for p in PACK.practices] == [
        *stage_1,
        *stage_2,
        *("loaded_squat", "loaded_hinge", "loaded_lunge", "hip_plus"),
    ]
    assert PACK.practice("ice").dose.max_s == 300
    assert len(PACK.avoids) == 10


def test_no_text_of_the_shipped_pack_makes_a_claim_about_inflammation_discs_or_healing() -> None:
    for name in ("pack", "practices", "rules"):
        tree = tomllib.loads((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"))
        for where, text in strings(tree):
            assert not re.search(r"inflam|\bdiscs?\b|heal(s|ing)\b|" + "|".join(BANNED), text.lower()), (name, where)


def test_the_page_of_the_programme_names_every_fact_practice_rule_and_kind_of_entry() -> None:
    page = (REPOSITORY / "docs" / "programme.md").read_text(encoding="utf-8")
    for name, fact in Facts.model_fields.items():
        assert f"| `{name}` | {fact.description} |" in page
    for name in (
        *NUMBER_FACTS,
        *TEXT_FACTS,
        *(p.id for p in PACK.practices),
        *(r.id for r in PACK.rules),
        *(a.tag for a in PACK.avoids),
    ):
        assert f"`{name}`" in page, name
    for text in (PACK.not_medical, *PACK.evidence, *PACK.red_flags):
        assert text in page
    for model in Entry.__args__:
        for key in model.model_fields:
            assert f"`{key}`" in page, (model, key)


# The log


def test_a_log_reads_alike_as_toml_and_as_json_lines(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[[entry]]\nday = 2026-03-02\nkind = "pain"\nlevel = 3\n', encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"day": "2026-03-02", "kind": "pain", "level": 3}\n\n', encoding="utf-8")
    assert read_log(tmp_path / "a.toml") == read_log(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"day": "2026-03-02", "kind": "pain", "level": 11}',
            r"a\.jsonl: entry 1: `level`: input should be less than or equal to 10",
        ),
        ('{"day": "2026-03-02", "kind": "ache", "level": 1}', r"a\.jsonl: entry 1: `kind`: input tag 'ache'"),
        ('{"day": "2026-03-02", "kind": "pain"', r"a\.jsonl: line 1 is not JSON .*: mend that line"),
    ],
)
def test_a_log_that_does_not_fit_names_the_entry_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_log(tmp_path / "a.jsonl")
