"""Measures of a binary classifier."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from cvdl.evaluation.figures import as_json, mean_of_defined

__all__ = ["BinaryScores"]


@dataclass(frozen=True)
class BinaryScores:
    """True and false examples, and the scores that a model gives them.

    Attributes:
        truth: (N,) bool.
        score: (N,) float, higher for examples that the model takes for true.
    """

    truth: NDArray[np.bool_]
    score: NDArray[np.floating]

    def __add__(self, other: BinaryScores) -> BinaryScores:
        return BinaryScores(
            np.concatenate([self.truth, other.truth]), np.concatenate([self.score, other.score])
        )

    def accuracy(self) -> float:
        """Share of the examples on the right side of 0.5; NaN without examples."""
        return mean_of_defined((self.score > 0.5) == self.truth)

    def average_precision(self) -> float:
        """Mean precision over the recall; NaN without true examples."""
        return float(average_precision_score(self.truth, self.score) if self.truth.any() else nan)

    @property
    def has_both(self) -> bool:
        """Whether there are both true and false examples; without, the ROC is undefined."""
        return bool(self.truth.any() and not self.truth.all())

    def roc_auc(self) -> float:
        """Area under the ROC curve; NaN unless there are both true and false examples."""
        return float(roc_auc_score(self.truth, self.score)) if self.has_both else nan

    def precision_recall(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Precision and recall, (K,) each, as the threshold rises."""
        precision, recall, _ = precision_recall_curve(self.truth, self.score)
        return precision, recall

    def roc(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rates of false and of true positives, (K,) each, as the threshold falls."""
        false, true, _ = roc_curve(self.truth, self.score)
        return false, true

    def report(self) -> dict[str, Any]:
        """The figures for JSON; undefined ones are None."""
        return as_json(
            {
                "count": len(self.truth),
                "good": self.truth.sum(),
                "accuracy": self.accuracy(),
                "average_precision": self.average_precision(),
                "roc_auc": self.roc_auc(),
            }
        )
