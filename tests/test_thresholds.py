"""docs/thresholds.md is the configuration, not a copy that ages."""

from __future__ import annotations

from pathlib import Path

from posture.config import known_keys, thresholds_page


def test_the_page_is_the_configuration_in_force(repository: Path) -> None:
    """If this fails: python -m posture.config > docs/thresholds.md."""
    assert (repository / "docs" / "thresholds.md").read_text(encoding="utf-8") == thresholds_page()


def test_every_setting_is_on_the_page() -> None:
    page = thresholds_page()
    assert all(f"| `{key.split('.')[1]}` |" in page for key in known_keys())
