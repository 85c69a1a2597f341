"""How well the chance that a gripper holds is predicted: ranking, calibration, choice."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.evaluation.binary import BinaryScores
from cvdl.evaluation.figures import as_json, mean_of_defined
from cvdl.evaluation.reliability import Reliability

__all__ = ["HoldingScores", "likeliest"]

_TINY = 1e-6


def likeliest(score: NDArray[np.float64], group: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """Indices of the largest of scores (N,) in each group (N,), at most so many, best first."""
    order = np.lexsort((-score, group))
    _, first, count = np.unique(group[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(first, count)
    return order[rank < most]


@dataclass(frozen=True)
class HoldingScores:
    """Predictions for N executed grasps.

    Attributes:
        chance: (N,) predicted.
        held: (N,) bool, whether the object was held.
        group: (N,) int64, the same for the grasps of one object in one picture.
        moved: (N,) bool, of grasps that no search has found: see ``ExecutedHands``.
    """

    chance: NDArray[np.float64]
    held: NDArray[np.bool_]
    group: NDArray[np.int64]
    moved: NDArray[np.bool_]

    def __add__(self, other: HoldingScores) -> HoldingScores:
        shifted = other.group + (self.group.max(initial=-1) + 1)
        return HoldingScores(
            np.concatenate([self.chance, other.chance]),
            np.concatenate([self.held, other.held]),
            np.concatenate([self.group, shifted]),
            np.concatenate([self.moved, other.moved]),
        )

    def best(self) -> HoldingScores:
        """The likeliest grasp of each object, of those that a search has found."""
        found = np.flatnonzero(~self.moved)
        best = found[likeliest(self.chance[found], self.group[found], 1)]
        return HoldingScores(*(getattr(self, each.name)[best] for each in fields(HoldingScores)))

    def figures(self) -> dict[str, float]:
        """The single figures by name; undefined ones are NaN.

        ``roc_auc``, ``brier``, ``log_loss``, ``calibration`` (mean difference of predicted and
        true shares over ten bins of equal width, by their number of grasps: the expected
        calibration error), ``held`` (share of all grasps), ``top1`` (share of the objects whose
        likeliest grasp holds), ``any`` (whose any grasp holds), ``top1_chance`` (mean predicted).
        """
        chance, held = self.chance.clip(_TINY, 1 - _TINY), self.held
        best = self.best()
        found = ~self.moved
        groups = np.unique(self.group[found])
        return {
            "roc_auc": BinaryScores(held, chance).roc_auc(),
            "brier": mean_of_defined((chance - held) ** 2),
            "log_loss": mean_of_defined(-np.log(np.where(held, chance, 1 - chance))),
            "calibration": self.reliability().error(),
            "held": mean_of_defined(held.astype(float)),
            "top1": mean_of_defined(best.held.astype(float)),
            "any": len(np.unique(self.group[found & held])) / len(groups) if len(groups) else nan,
            "top1_chance": mean_of_defined(best.chance),
        }

    def reliability(self) -> Reliability:
        """Whether the predicted chances are those with which grasps hold."""
        return Reliability(self.chance, self.held)

    def report(self) -> dict[str, Any]:
        """All figures for JSON; undefined ones are None."""
        best = self.best()
        return as_json(
            {
                "grasps": len(self.held),
                "objects": len(best.held),
                **self.figures(),
                "reliability": self.reliability().report(),
                "top1_reliability": best.reliability().report(),
            }
        )
