"""Settings: what is refused and in which words, and that every one says its unit and its source."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from posture.config import Config, known_keys, load_config, parse_config
from posture.types import InputError, Preset

PACKAGE = Path(__file__).parents[1] / "posture"
UNITS = {
    "_s": "s", "_s_": "s", "_min": "min", "_deg": "deg", "_dps": "deg/s", "_hz": "Hz", "_m": "m", "_mps2": "m/s^2",
    "_pct": "%", "_per_s": "1/s",
}  # fmt: skip
"""How a name ends -> the unit that its description begins with."""
SOURCES = (
    "ours", "provisional", "design default", "paper", "measured", "recorded", "BROAD", "HAPT", "literature", "recordings",
)  # fmt: skip
MINIMA = ("chair.confidence_min", "exercise.confidence_min", "alerts.confidence_min", "alerts.creep_min")
"""`_min` for the least, not for minutes."""


def written(folder: Path, text: str) -> Path:
    path = folder / "posture.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_file_gives_the_defaults() -> None:
    assert load_config(None) == Config()
    assert parse_config({}, source="it") == Config()


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    text = '[timebase]\nrestart_min_s = 0.5\n\n[alerts]\npreset = "quiet"\nsitting_per_day = 4\n'
    found = load_config(written(tmp_path, text))
    assert (found.timebase.restart_min_s, found.alerts.preset, found.alerts.sitting_per_day) == (0.5, Preset.QUIET, 4)
    changed = {("timebase", "restart_min_s"), ("alerts", "preset"), ("alerts", "sitting_per_day")}
    tree, default = found.as_json(), Config().as_json()
    assert {(s, k) for s in tree for k in tree[s] if tree[s][k] != default[s][k]} == changed  # type: ignore[index, union-attr]


def test_the_settings_in_force_read_back_to_themselves() -> None:
    changed = parse_config({"fusion": {"tau_acc_s": 2.5}, "alerts": {"preset": "coach"}}, source="it")
    tree: dict[str, Any] = changed.as_json()
    assert parse_config(tree, source="session.json") == changed


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"timebase": {"restart_min": 0.3}}, "it: unknown key `timebase.restart_min`; did you mean `timebase.restart_min_s`?"),
        ({"fusion": {"tau_acc": 3}}, "it: unknown key `fusion.tau_acc`; did you mean `fusion.tau_acc_s`?"),
        ({"calibraton": {}}, "it: unknown key `calibraton`; did you mean `calibration`?"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_named_with_what_it_may_have_meant(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(tree, source="it")
    assert str(caught.value) == message


def test_an_unknown_key_like_no_other_is_named_with_the_sections_there_are() -> None:
    with pytest.raises(
        InputError,
        match=r"^it: unknown key `xyzzy`; sections are timebase, clipping, fusion, clock, join, calibration, ",
    ):
        parse_config({"xyzzy": 1}, source="it")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"join": {"late_max_s": "soon"}}, r"^it: `join\.late_max_s`: input should be a valid number.* \(got 'soon'\)$"),
        ({"join": {"late_max_s": [1]}}, r"^it: `join\.late_max_s`: input should be a valid number \(got \[1\]\)$"),
        ({"join": 3}, r"^it: `join`: input should be a valid dictionary.* \(got 3\)$"),
        ({"context": {"lag_s": 2.5}}, r"^it: `context\.lag_s`: input should be a valid integer.* \(got 2\.5\)$"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named_with_what_was_there(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_config(tree, source="it")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"join": {"late_max_s": 0}}, r"`join\.late_max_s`: input should be greater than 0 \(got 0\)"),
        ({"timebase": {"distrust_after_restart_s": -0.1}}, r"`timebase\.distrust_after_restart_s`: .*greater than or equal to 0"),
        ({"alerts": {"creep_min": 1.2}}, r"`alerts\.creep_min`: input should be less than or equal to 1 \(got 1\.2\)"),
        ({"alerts": {"quiet_from": "22:00"}}, r"`alerts`: quiet_from and quiet_to go together; give both, or none"),
        ({"alerts": {"quiet_from": "22:00", "quiet_to": "7:00"}}, r"`alerts\.quiet_to`: input should be a time of day as 22:00"),
        ({"alerts": {"quiet_from": "22:00", "quiet_to": "22:00"}}, r"`alerts`: quiet_from and quiet_to are the same time"),
        ({"alerts": {"preset": "loud"}}, r"`alerts\.preset`: input should be 'balanced', 'quiet' or 'coach' \(got 'loud'\)"),
        ({"fusion": {"filter": "kalman"}}, r"`fusion\.filter`: .*\(got 'kalman'\)"),
        ({"fusion": {"tau_acc_s": float("nan")}}, r"`fusion\.tau_acc_s`: input should be .* \(got nan\)"),
        ({"fusion": {"tau_acc_s": float("inf")}}, r"`fusion\.tau_acc_s`: input should be a finite number \(got inf\)"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named_with_what_was_there(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"^it: {message}"):
        parse_config(tree, source="it")


def test_a_file_that_is_not_toml_is_refused_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"posture\.toml is not valid TOML: .*line 2"):
        load_config(written(tmp_path, "[alerts]\npreset = = quiet\n"))


def test_a_file_that_is_not_text_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "posture.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"^cannot read the configuration file .*posture\.toml"):
        load_config(path)


def test_a_missing_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^there is no configuration file .*; leave --config away to use the defaults$"
    ):
        load_config(tmp_path / "posture.toml")


def test_a_folder_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^cannot read the configuration file"):
        load_config(tmp_path)


def test_settings_cannot_be_changed_once_made() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().timebase.restart_min_s = 1.0  # type: ignore[misc]


def test_a_preset_changes_the_preset_alone() -> None:
    quiet = Config().with_preset(Preset.QUIET)
    assert quiet.alerts.preset is Preset.QUIET
    assert quiet.with_preset(Preset.BALANCED) == Config()
    assert quiet.with_preset(None) is quiet


def defaults() -> list[tuple[str, object]]:
    return [
        (f"{section}.{name}", item.default)
        for section, part in Config.model_fields.items()
        for name, item in type(part.default).model_fields.items()
    ]


def test_every_section_is_in_the_list_of_keys() -> None:
    assert {key.split(".")[0] for key in known_keys()} == set(Config.model_fields)
    assert [key for key, _ in defaults()] == list(known_keys())


@pytest.mark.parametrize("key", known_keys())
def test_every_setting_is_described_and_a_physical_one_begins_with_its_unit(key: str) -> None:
    description = known_keys()[key]
    assert description
    ending = max((e for e in UNITS if key.endswith(e)), key=len, default=None)
    if ending is not None and key not in MINIMA:
        unit = "slump index" if key.startswith("sitting.slump_") else UNITS[ending]
        assert re.match(rf"{re.escape(unit)}\W", description), description


def test_every_setting_names_its_source() -> None:
    silent = {key for key, description in known_keys().items() if not any(s in description for s in SOURCES)}
    assert silent == set()


@pytest.mark.parametrize("section", list(Config.model_fields))
def test_every_setting_is_read_by_the_code(section: str) -> None:
    """Seen: `calibration.still_rate_max_dps` was a setting that changed nothing."""
    read = {
        node.attr
        for path in PACKAGE.rglob("*.py")
        if path.name != "config.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    for key in known_keys():
        if key.startswith(f"{section}."):
            assert key.split(".")[1] in read, key
