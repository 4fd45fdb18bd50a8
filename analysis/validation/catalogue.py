"""Which labelled data there are, where they are looked for, and what is said of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from analysis.validation.datasets import DATASETS
from analysis.validation.evaluation import Dataset
from posture.types import InputError


def default_root() -> Path:
    """Folder of the labelled data: `data` in the folder that POSTURE_SHARED names."""
    return Path(os.environ.get("POSTURE_SHARED", "../shared")) / "data"


def find(name: str) -> Dataset:
    """A data set by name; InputError names those that there are."""
    if name not in DATASETS:
        raise InputError(
            f"there is no data set {name!r}; there are {', '.join(DATASETS)}: see `posture validate --list`"
        )
    return DATASETS[name]


def files(dataset: Dataset, roots: Sequence[Path]) -> list[Path]:
    """The files of a data set in any of the folders; InputError, in one line, where there is none."""
    found = [path for root in roots for path in dataset.files(root)]
    if not found:
        looked = " and ".join(str(r) for r in roots)
        raise InputError(
            f"the data of {dataset.name} is not there: no {dataset.place}/{dataset.pattern} in {looked}; "
            "name the folder that holds it with --data"
        )
    return found


def refuse_tuned(dataset: Dataset, found: Sequence[Path]) -> None:
    """InputError where recordings that thresholds were chosen on would be reported as accuracy."""
    tuned = sorted({p.name.split(".")[0] for p in found} & dataset.tuned)
    if tuned:
        raise InputError(
            f"{', '.join(tuned)}: thresholds were chosen on these, so they are not reported; leave them out of --data"
        )


def lines(roots: Sequence[Path]) -> list[str]:
    """For `posture validate --list`: what each is, what its truth is worth, licence, place, whether it is there."""
    out = []
    for dataset in DATASETS.values():
        n = sum(len(dataset.files(root)) for root in roots)
        out += [
            f"{dataset.name}: {dataset.what} ({'simulated signals' if dataset.simulated else 'real'})",
            f"  truth: {dataset.truth}",
            f"  licence: {dataset.licence}",
            f"  read from: {' and '.join(str(root / dataset.place) for root in roots)}"
            + (f" ({n} files)" if n else " (not there)"),
        ]
    return out
