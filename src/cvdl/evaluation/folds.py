"""The spread of figures over the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import numpy as np

from cvdl.evaluation.figures import or_none

__all__ = ["spread"]


def spread(pooled: Mapping[str, float], folds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Mean and deviation of every figure over the folds, as JSON takes it.

    Args:
        pooled: figures of all views together, by name.
        folds: the same figures of each fold; what one lacks is undefined there.

    Returns:
        For each name ``mean`` and ``deviation`` (of a sample: divided by one less than the number
        of folds), ``pooled`` and ``folds`` (a list). None for what is undefined. Nothing where
        there are no folds.
    """
    report = {}
    for name, whole in pooled.items() if folds else ():
        values = [fold.get(name, nan) for fold in folds]
        report[name] = {
            "mean": or_none(float(np.mean(values))),
            "deviation": or_none(float(np.std(values, ddof=1)) if len(values) > 1 else nan),
            "pooled": or_none(whole),
            "folds": [or_none(value) for value in values],
        }
    return report
