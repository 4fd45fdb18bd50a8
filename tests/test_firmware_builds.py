"""The C core under sanitizers, for the Cortex-M4 and as ARM code; tests whose tool is absent are skipped with its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import firmware_tools as tools
import pytest

P = ParamSpec("P")


def where_the_tools_are(test: Callable[P, None]) -> Callable[P, None]:
    """A tool that is absent skips the test, with its name."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            test(*args, **kwargs)
        except tools.Absent as absent:
            pytest.skip(f"not installed: {absent}")

    return run


@where_the_tools_are
def test_random_messages_and_programs_of_events_break_no_rule_under_sanitizers(tmp_path: Path) -> None:
    player = tools.build_player(tmp_path)
    assert tools.play(player, "decode", 20_000, seed=2) == "20000 inputs\n"
    assert tools.play(player, "program", 200, seed=2) == "200 inputs\n"
    found = tools.coverage(tmp_path)
    assert found.taken_pct > 85
    assert found.lines_pct > 97


@where_the_tools_are
def test_the_core_builds_for_a_cortex_m4_without_an_operating_system_and_is_small(tmp_path: Path) -> None:
    size_b = tools.cortex_m4_text_b(tmp_path)
    assert 4_000 < size_b < 16_000


@where_the_tools_are
def test_arm_code_decodes_the_vectors_and_runs_a_session_as_this_machine_does(tmp_path: Path) -> None:
    arm = tools.ArmCore(tools.build_arm(tmp_path).read_bytes())
    assert tools.arm_on_vectors(arm) > 50
    result, _ = arm.call(3)
    assert result & 0xFFFF > 1000, "that many messages were sent"
    assert result == tools.native_session(tmp_path)


def test_the_python_decoders_only_reject_what_is_documented_on_a_few_thousand_mutations() -> None:
    assert tools.fuzz_python(5_000, seed=3) > 500


def test_the_core_needs_no_headers_but_the_freestanding_ones() -> None:
    allowed = {"<stdbool.h>", "<stddef.h>", "<stdint.h>"}
    for path in sorted(tools.C.glob("lps_*.[ch]")):
        included = {line.split()[1] for line in path.read_text().splitlines() if line.startswith("#include")}
        assert {name for name in included if name.startswith("<")} <= allowed, path.name
