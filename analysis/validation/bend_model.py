"""The shipped model of one sensor's bend verdicts, and what it is worth on people that it was not fitted on.

    python -m analysis.validation.bend_model --data FOLDER

FOLDER/motion holds recorded human motion (`posture validate motion`). Every bend that the product finds with the upper lumbar
sensor alone and that has a class gives one row: how deep it was said to be, and whether it was rounded. A logistic
regression on that one number is the model; its two coefficients are `bends.lean_even_deg` and `bends.lean_scale_deg`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from analysis.validation import catalogue
from analysis.validation.datasets.motion import trial
from analysis.validation.measures import BIN_EDGES
from analysis.validation.score import NOT_BENDS, match
from analysis.validation.trials import replay
from posture.config import Config
from posture.types import Bool, Float, InputError, Placement

SHRINK_DEG2 = 25.0**2
"""deg^2; ridge on the slope, about the variance of the leans: from a few dozen bends of a few people it would come out too steep.
Between 400 and 1600 the verdicts on others stay the same."""


@dataclass(frozen=True, slots=True)
class Row:
    """One bend: whose, how deep it was said to be, whether it was rounded."""

    person: str
    lean_deg: float
    rounded: bool


@dataclass(frozen=True, slots=True)
class Model:
    """Log odds of rounded = (lean - even_deg) / scale_deg."""

    even_deg: float
    scale_deg: float

    def rounded(self, lean_deg: Float) -> Float:
        """Probability of rounded, (n,)."""
        return np.asarray(1.0 / (1.0 + np.exp(-(lean_deg - self.even_deg) / self.scale_deg)))


def rows(files: Iterable[Path]) -> list[Row]:
    """The bends with a class that the product finds in the trials with the upper lumbar sensor alone."""
    out = []
    for path in files:
        one = trial(path)
        said = replay(one, sensors=(Placement.UPPER_LUMBAR,))
        if said is None:
            continue
        want = [e for e in one.truth.events if e["type"] == "bend" and e["shape"] not in NOT_BENDS]
        got = said.of("bend", from_s=one.from_s)
        for i, k in match(want, got).items():
            if want[i]["cls"] in ("rounded", "neutral"):
                out.append(Row(one.person, got[k]["peak_deg"], want[i]["cls"] == "rounded"))
    return out


def fitted(made_from: Sequence[Row]) -> Model:
    """Ridge logistic regression on the lean by Newton's steps."""
    lean = np.array([r.lean_deg for r in made_from])
    true = np.array([r.rounded for r in made_from], dtype=np.float64)
    centre = float(lean.mean())
    x = np.stack([np.ones_like(lean), lean - centre], axis=1)
    held = np.diag([0.0, SHRINK_DEG2])
    w = np.zeros(2)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-x @ w))
        w -= np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + held, x.T @ (p - true) + held @ w)
    return Model(centre - float(w[0] / w[1]), 1.0 / float(w[1]))


def on_others(all_rows: Sequence[Row]) -> Float:
    """Probability of rounded, (n,), each by the model of all other people."""
    out = np.empty(len(all_rows))
    for person in {r.person for r in all_rows}:
        mine = np.array([r.person == person for r in all_rows])
        model = fitted([r for r in all_rows if r.person != person])
        out[mine] = model.rounded(np.array([r.lean_deg for r in all_rows])[mine])
    return out


def page(all_rows: Sequence[Row]) -> str:
    """Coefficients and the leave-one-person-out table, as text."""
    model, p = fitted(all_rows), on_others(all_rows)
    true: Bool = np.array([r.rounded for r in all_rows])
    least = Config().bends.one_sensor_from
    said = p >= least
    people = sorted({r.person for r in all_rows})
    lines = [
        f"{len(all_rows)} bends of {len(people)} people ({', '.join(people)}), {int(true.sum())} rounded",
        f"lean_even_deg {model.even_deg:.1f}, lean_scale_deg {model.scale_deg:.1f}",
        f"each person by the model of the others: rounded said of {int(said.sum())}, right {true[said].mean():.2f}; "
        f"neutral at the same level of {int((p <= 1 - least).sum())}, right {(~true[p <= 1 - least]).mean():.2f} (never said)",
    ]
    for low, high in pairwise(BIN_EDGES):
        inside = (p >= low) & (p < high)
        if inside.any():
            lines.append(
                f"  probability {low:.1f}-{high:.1f}: {int(inside.sum())} bends, rounded {true[inside].mean():.2f}"
            )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """The command of the module."""
    parser = argparse.ArgumentParser(prog="python -m analysis.validation.bend_model", description=__doc__)
    parser.add_argument("--data", type=Path, default=catalogue.default_root())
    args = parser.parse_args(argv)
    try:
        files = catalogue.files(catalogue.find("motion"), [args.data])
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(page(rows(files)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
