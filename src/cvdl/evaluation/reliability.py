"""Whether scores are probabilities: how often comes true what is given a score of p?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from cvdl.evaluation.figures import as_json

__all__ = ["Bin", "Reliability", "wilson"]


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share, after Wilson; NaN of nothing."""
    if not count:
        return nan, nan
    low, high = binomtest(right, count).proportion_ci(0.95, "wilson")
    return float(low), float(high)


@dataclass(frozen=True)
class Bin:
    """Results with similar scores.

    Attributes:
        low, high: bounds of the scores; the upper one is exclusive, except 1.
        count: number of results.
        right: number of those that came true.
        score: mean of their scores; NaN without results.
    """

    low: float
    high: float
    count: int
    right: int
    score: float

    @property
    def share(self) -> float:
        """Share that came true; NaN without results."""
        return self.right / self.count if self.count else nan

    def interval(self) -> tuple[float, float]:
        """See `wilson`."""
        return wilson(self.right, self.count)


@dataclass(frozen=True)
class Reliability:
    """Scores of results, and which of these came true.

    Attributes:
        scores: (N,) float64, 0 to 1.
        right: (N,) bool.

    Raises:
        ValueError: if a score is not between 0 and 1, or there are not as many results.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.scores.shape != self.right.shape:
            raise ValueError(f"{len(self.scores)} scores of {len(self.right)} results")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError("a score is not between 0 and 1")

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, bool]]) -> Reliability:
        """From pairs of a score and whether it came true."""
        scores = np.array([score for score, _ in pairs], np.float64)
        return cls(scores, np.array([right for _, right in pairs], bool))

    def bins(self, count: int = 10) -> list[Bin]:
        """The results in bins of equal width, also those without results."""
        place = np.minimum((self.scores * count).astype(int), count - 1)
        return [
            self._bin(place == k, low, high)
            for k, (low, high) in enumerate(pairwise(np.linspace(0, 1, count + 1).tolist()))
        ]

    def error(self, count: int = 10) -> float:
        """The expected calibration error; NaN without results.

        It is the mean of the distances between score and share of the bins, weighted with their
        numbers of results (Naeini, Cooper & Hauskrecht 2015, "Obtaining Well Calibrated
        Probabilities Using Bayesian Binning"; Guo et al. 2017).
        """
        if not len(self.scores):
            return nan
        return sum(abs(b.right - b.score * b.count) for b in self._filled(count)) / len(self.scores)

    def report(self) -> dict[str, Any]:
        """For JSON: ``error``, ``count``, and ``bins`` that have results."""
        bins = [
            {
                "from": each.low,
                "to": each.high,
                "score": each.score,
                "held": each.right,
                "count": each.count,
                "share": each.share,
                "interval": each.interval(),
            }
            for each in self._filled()
        ]
        return {**as_json({"error": self.error(), "count": len(self.scores)}), "bins": bins}

    def _filled(self, count: int = 10) -> Iterator[Bin]:
        return (each for each in self.bins(count) if each.count)

    def _bin(self, inside: NDArray[np.bool_], low: float, high: float) -> Bin:
        count = int(inside.sum())
        score = float(self.scores[inside].mean()) if count else nan
        return Bin(low, high, count, int(self.right[inside].sum()), score)
