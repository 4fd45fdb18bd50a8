"""The labelled data outside of the repository: where it is, and what becomes of tests that need it without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A slow moment of the machine is no failure, and the gate draws the same examples at every run.
settings.register_profile("here", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("here")

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("POSTURE_SHARED", "../shared"))
SHARED = SHARED if SHARED.is_absolute() else REPOSITORY / SHARED
REQUIRED = os.environ.get("POSTURE_REQUIRE_SHARED") == "1"
"""Set by `.ci/run` where the data is there: then a skipped `shared` test is a failure."""


def shared_is_there() -> bool:
    return (SHARED / "data" / "README.md").is_file() and (SHARED / "tools" / "score.py").is_file()


def pytest_report_header() -> str:
    return f"shared: {'found' if shared_is_there() else 'absent'}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("shared") is not None and not shared_is_there() and not REQUIRED:
        pytest.skip("the labelled data is absent; name its folder in POSTURE_SHARED")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    report = yield
    if REQUIRED and item.get_closest_marker("shared") is not None and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped although POSTURE_REQUIRE_SHARED=1: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the labelled data; use it in tests marked `shared`."""
    return SHARED


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the working tree."""
    return REPOSITORY
