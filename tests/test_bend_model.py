"""The shipped model of one sensor's bend verdicts is what its command makes, and is tried on people that it does not know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.validation.bend_model import Row, fitted, main, on_others, rows
from posture.config import Config


def people(shift_deg: float = 0.0) -> list[Row]:
    """Three who round from 60 deg on, and one who does so `shift_deg` later."""
    return [
        Row(name, lean, lean > 60 + off)
        for name, off in (("a", 0.0), ("b", 0.0), ("c", 0.0), ("d", shift_deg))
        for lean in np.arange(30.0, 91.0, 4.0)
    ]


def test_the_model_is_even_where_rounded_and_not_meet() -> None:
    model = fitted(people())
    assert model.even_deg == pytest.approx(60, abs=2)
    assert model.rounded(np.array([30.0, 90.0])) == pytest.approx([0.0, 1.0], abs=0.1)


def test_nobody_is_judged_by_a_model_that_knows_them() -> None:
    """However the fourth person rounds, the model of the other three says the same of them."""
    mine = [k for k, row in enumerate(people()) if row.person == "d"]
    assert on_others(people())[mine] == pytest.approx(on_others(people(20.0))[mine], abs=0)


def test_without_the_data_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "motion" in capsys.readouterr().err


@pytest.mark.shared
def test_the_shipped_model_is_what_its_command_makes(shared: Path) -> None:
    bends = Config().bends
    all_rows = rows(sorted((shared / "data" / "motion").glob("*.npz")))
    model = fitted(all_rows)
    assert (round(model.even_deg, 1), round(model.scale_deg, 1)) == (bends.lean_even_deg, bends.lean_scale_deg)
    said = on_others(all_rows) >= bends.one_sensor_from
    assert np.mean([row.rounded for row, it in zip(all_rows, said, strict=True) if it]) >= 0.85
