"""Single figures, of which some may be undefined."""

from __future__ import annotations

from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_of_defined", "median_of_defined", "or_none"]


def mean_of_defined(values: NDArray[Any]) -> float:
    """Of numbers or truths (N,), the mean of those that are defined; NaN if none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else nan


def median_of_defined(values: NDArray[Any]) -> float:
    """Of numbers (N,), the median of those that are defined; NaN if none is."""
    defined = values[~np.isnan(values)]
    return float(np.median(defined)) if len(defined) else nan


def or_none(value: float) -> float | None:
    """A figure as JSON takes it: None for NaN."""
    return None if isnan(value) else float(value)
