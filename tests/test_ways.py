"""Ways down and up on simulated people that no threshold was chosen on: the path and the verdict are right."""

from __future__ import annotations

import pytest

from analysis.validation.ways import Count, Heard, Way, heard, shares, summed
from posture.types import Placement

SEEDS = (201, 202, 203)


@pytest.fixture(scope="module")
def both() -> list[Heard]:
    return [heard(seed, tuple(Placement)) for seed in SEEDS]


@pytest.fixture(scope="module")
def sacrum() -> list[Heard]:
    return [heard(seed, (Placement.SACRUM,)) for seed in SEEDS]


def floor_ways(people: list[Heard]) -> list[Way]:
    return [w for h in people for w in h.ways if w.kind.startswith("floor")]


def test_two_sensors_name_the_path(both: list[Heard]) -> None:
    found = shares(floor_ways(both))
    assert found["path right"] >= 0.9
    assert found["verdict right when said"] >= 0.95


def test_the_sacrum_alone_names_the_path(sacrum: list[Heard]) -> None:
    found = shares(floor_ways(sacrum))
    assert found["path right"] >= 0.9
    assert found["verdict right when said"] >= 0.85


def test_a_bed_is_left_and_entered_on_its_path(both: list[Heard]) -> None:
    ways = [w for h in both for w in h.ways if not w.kind.startswith("floor")]
    assert shares(ways)["path right"] >= 0.8


def test_what_was_not_found_counts_as_wrong_and_what_is_not_said_as_unjudged() -> None:
    ways = [
        Way("floor_up", "log_roll", "neutral", True, "log_roll", "unknown"),
        Way("floor_up", "log_roll", "neutral", False, "", ""),
    ]
    assert shares(ways)["path right"] == 0.5
    assert shares(ways)["verdict not said"] == 1.0


def test_f1_is_over_all_people() -> None:
    assert summed([Count(1, 2, 0), Count(1, 1, 1)]).f1 == pytest.approx(2 * 2 / (3 + 3))
