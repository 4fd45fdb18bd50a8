"""Probabilities that several detectors need."""

from __future__ import annotations

from math import erf, exp, sqrt


def normal(z: float) -> float:
    """Cumulative standard normal."""
    return 0.5 * (1.0 + erf(z / sqrt(2.0)))


def logistic(z: float) -> float:
    """1 / (1 + exp(-z))."""
    return 1.0 / (1.0 + exp(-z))
