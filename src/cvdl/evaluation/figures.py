"""Single figures, of which some may be undefined (NaN), and their spread over folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "as_json",
    "confusion_matrix",
    "iou_of_classes",
    "mean_of_defined",
    "median_of_defined",
    "shares",
    "spread",
]


def mean_of_defined(values: NDArray[Any]) -> float:
    """Mean of the values (N,) that are not NaN; NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else nan


def median_of_defined(values: NDArray[Any]) -> float:
    """Median of the values (N,) that are not NaN; NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(np.median(defined)) if len(defined) else nan


def confusion_matrix(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], count: int
) -> NDArray[np.int64]:
    """Count how often each index is predicted as which.

    Args:
        truth: (N,) true indices below ``count``; -1 is the last one. There may be none.
        predicted: (N,) predicted ones.
        count: number of indices.

    Returns:
        (count, count) int64; rows are true indices, columns predicted ones.
    """
    pairs = count * (truth.astype(np.intp) % count) + predicted.astype(np.intp) % count
    return np.bincount(pairs, minlength=count**2).reshape(count, count)


def iou_of_classes(pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class; NaN for classes neither labeled nor predicted.

    Args:
        pixels: (C, C), see ``confusion_matrix``.

    Returns:
        (C,) float64.
    """
    right = pixels.diagonal()
    return shares(right, pixels.sum(axis=0) + pixels.sum(axis=1) - right)


def shares(some: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Quotients (N,) of two counts; NaN where the second is 0."""
    return np.divide(some, whole, out=np.full(len(some), nan), where=whole > 0)


def as_json(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Nested figures as JSON holds them: NaN becomes None, arrays become lists."""
    return {name: _plain(value) for name, value in figures.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return as_json(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and isnan(value) else value


def spread(pooled: Mapping[str, float], folds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Mean and deviation of every figure over the folds of a cross-validation, for JSON.

    Args:
        pooled: figures of all samples together, by name.
        folds: the same figures of each fold; a missing one is undefined.

    Returns:
        For each name ``mean``, ``deviation`` (of a sample: divided by the number of folds less
        one), ``pooled`` and ``folds`` (a list). Undefined figures are None. Empty without folds.
    """
    report = {}
    for name, whole in pooled.items() if folds else ():
        values = [fold.get(name, nan) for fold in folds]
        report[name] = {
            "mean": np.mean(values),
            "deviation": np.std(values, ddof=1) if len(values) > 1 else nan,
            "pooled": whole,
            "folds": values,
        }
    return as_json(report)
