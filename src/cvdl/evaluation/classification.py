"""How well a classifier names crops: accuracy, confusion and the ROC of every class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.evaluation.binary import BinaryScores
from cvdl.evaluation.charts import confusion_chart, curve_panels
from cvdl.evaluation.figures import as_json, confusion_matrix, mean_of_defined
from cvdl.evaluation.mistakes import Mistake
from cvdl.viz.charts import FAINT_COLOR, LINE_COLOR, write_figure

__all__ = ["ClassificationScores", "draw_confusion", "draw_roc"]


@dataclass(frozen=True)
class ClassificationScores:
    """The predictions of a classifier for labeled crops.

    The index after the last class stands for *nothing*: no object, or only a part of one.

    Attributes:
        classes: C names, by class index.
        names: (N,) str, the image of each crop.
        boxes: (N, 4) boxes of the crops, pixels.
        truth: (N,) int64 class indices.
        probabilities: (N, C + 1) of every class and, last, of nothing.
    """

    classes: tuple[str, ...]
    names: NDArray[np.str_]
    boxes: NDArray[np.float64]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(
        cls, classes: Sequence[str], parts: Iterable[ClassificationScores]
    ) -> ClassificationScores:
        """Join the scores of images, or of the folds of a cross-validation; there may be none."""
        none = cls(
            tuple(classes),
            np.zeros(0, np.str_),
            np.zeros((0, 4)),
            np.zeros(0, np.int64),
            np.zeros((0, len(classes) + 1)),
        )
        joined = [none, *parts]
        fields = ("names", "boxes", "truth", "probabilities")
        return cls(
            none.classes,
            *(np.concatenate([getattr(part, field) for part in joined]) for field in fields),
        )

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) the most probable class index of each crop."""
        return self.probabilities.argmax(axis=1)

    def top(self, count: int) -> float:
        """Share of the objects whose class is among the ``count`` best; NaN without objects."""
        objects = self.truth < len(self.classes)
        own = np.take_along_axis(self.probabilities, self.truth[:, None], axis=1)
        rank = (self.probabilities > own).sum(axis=1)
        return mean_of_defined(rank[objects] < count)

    def confusion(self) -> NDArray[np.int64]:
        """(C + 1, C + 1) numbers of crops; rows are true classes, columns predicted ones."""
        return confusion_matrix(self.truth, self.predicted, len(self.classes) + 1)

    def of_class(self, index: int) -> BinaryScores:
        """One class, or nothing, against all others."""
        return BinaryScores(self.truth == index, self.probabilities[:, index])

    def mistakes(self) -> list[Mistake]:
        """The crops with a wrong prediction."""
        nothing = len(self.classes)
        predicted, score = self.predicted, self.probabilities.max(axis=1)
        truth = np.where(self.truth < nothing, self.truth, -1)
        found = np.where(predicted < nothing, predicted, -1)
        score = np.where(found < 0, 0.0, score)
        return [
            Mistake(
                str(self.names[row]),
                self.boxes[row],
                int(truth[row]),
                int(found[row]),
                float(score[row]),
            )
            for row in np.flatnonzero(found != truth)
        ]

    def figures(self) -> dict[str, float]:
        """The single figures by name; undefined ones are NaN.

        ``top1`` and ``top5`` (shares of the objects), ``class_mean`` (of top-1 by class),
        ``nothing`` (recall of nothing), ``roc_auc`` (mean of the classes).
        """
        confusion = self.confusion()
        total = confusion.sum(axis=1)
        recall = np.divide(np.diag(confusion), total, out=np.full(len(total), nan), where=total > 0)
        areas = np.array([self.of_class(index).roc_auc() for index in range(len(self.classes))])
        return {
            "top1": self.top(1),
            "top5": self.top(5),
            "class_mean": mean_of_defined(recall[:-1]),
            "nothing": float(recall[-1]),
            "roc_auc": mean_of_defined(areas),
        }

    def report(self) -> dict[str, Any]:
        """All figures for JSON; undefined ones are None.

        ``things`` and ``crops`` (numbers), those of ``figures``, ``confusion`` (a list of rows)
        and ``classes``: ``count``, ``top1``, ``average_precision`` and ``roc_auc`` of each.
        """
        confusion = self.confusion()
        classes = {}
        for index, name in enumerate(self.classes):
            scores, count = self.of_class(index), int(confusion[index].sum())
            classes[name] = {
                "count": count,
                "top1": int(confusion[index, index]) / count if count else nan,
                "average_precision": scores.average_precision(),
                "roc_auc": scores.roc_auc(),
            }
        return as_json(
            {
                "crops": len(self.truth),
                "things": (self.truth < len(self.classes)).sum(),
                **self.figures(),
                "classes": classes,
                "confusion": confusion,
            }
        )


def draw_confusion(path: Path, scores: ClassificationScores) -> None:
    """Write the confusion matrix as PNG: rows are true classes, columns predicted ones.

    Raises:
        OSError: if the file cannot be written.
    """
    top1 = scores.top(1)
    title = "" if isnan(top1) else f"{100 * top1:.1f} % of the objects are named right"
    names = [*scores.classes, "nothing"]
    confusion_chart(path, scores.confusion(), names, title, "there", "said")


def draw_roc(path: Path, scores: ClassificationScores) -> None:
    """Write the ROC curve of every class against all other crops as PNG, one panel a class.

    The worst class comes first; classes without crops have no panel.

    Raises:
        OSError: if the file cannot be written.
    """
    names = [*scores.classes, "nothing"]
    each = [(name, scores.of_class(index)) for index, name in enumerate(names)]
    shown = [(name, one.roc_auc(), one) for name, one in each if one.has_both]
    shown.sort(key=lambda item: item[1])
    figure, panels = curve_panels(len(shown), margin=0.8, least_size=(4.5, 0))
    figure.suptitle("true over false positives (class: area, crops)", fontsize=11)
    for axes, (name, area, one) in zip(panels, shown, strict=True):
        axes.plot([0, 1], [0, 1], ":", color=FAINT_COLOR, linewidth=1)
        axes.plot(*one.roc(), color=LINE_COLOR, linewidth=1.6)
        axes.set_title(f"{name}: {area:.3f}, {one.truth.sum()}", fontsize=9)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    write_figure(path, figure)
