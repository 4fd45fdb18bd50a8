"""The labelled data sets, one adapter each."""

from __future__ import annotations

from analysis.validation.datasets import days, hapt, mobgap, motion, sisfall, skdh, umafall
from analysis.validation.evaluation import Dataset

DATASETS: dict[str, Dataset] = {m.DATASET.name: m.DATASET for m in (days, motion, hapt, sisfall, umafall, mobgap, skdh)}
"""By name, in the order of the accuracy page."""
