"""How well a classifier tells what crops show: accuracy, confusion, ROC of every class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, isnan, nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from cvdl.evaluation.confusion import draw_matrix
from cvdl.evaluation.figures import mean_of_defined, or_none
from cvdl.evaluation.grasping import BinaryScores
from cvdl.evaluation.mistakes import Mistake
from cvdl.viz.charts import FAINT_COLOR, LINE_COLOR, new_figure, tidy, write_figure

__all__ = ["ClassificationScores", "draw_confusion", "draw_roc"]


@dataclass(frozen=True)
class ClassificationScores:
    """What a classifier has said of some crops.

    The label after the last class is *nothing*: no thing of any class, or not a whole one.

    Attributes:
        classes: names, in the order of the labels.
        names: (N,) str, the view of each crop.
        boxes: (N, 4) the crops' boxes, pixels.
        truth: (N,) int64 labels, of things and of nothing.
        probabilities: (N, classes + 1) of every class and, last, of nothing.
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
        """Several together, or none: views, or the folds of a cross-validation."""
        count = len(classes)
        nothing = cls(
            tuple(classes),
            np.zeros(0, np.str_),
            np.zeros((0, 4)),
            np.zeros(0, np.int64),
            np.zeros((0, count + 1)),
        )
        some = [nothing, *parts]
        fields = ("names", "boxes", "truth", "probabilities")
        joined = (np.concatenate([getattr(part, field) for part in some]) for field in fields)
        return cls(tuple(classes), *joined)

    @property
    def found(self) -> NDArray[np.int64]:
        """(N,) the likeliest label of each crop."""
        return self.probabilities.argmax(axis=1)

    def top(self, count: int) -> float:
        """Share of the things whose class is among the likeliest so many; NaN of no thing."""
        things = self.truth < len(self.classes)
        own = np.take_along_axis(self.probabilities, self.truth[:, None], axis=1)
        place = (self.probabilities > own).sum(axis=1)
        return mean_of_defined(place[things] < count)

    def confusion(self) -> NDArray[np.int64]:
        """(classes + 1, classes + 1) numbers; rows what is there, columns what was said."""
        labels = range(len(self.classes) + 1)
        if not len(self.truth):
            return np.zeros((len(labels), len(labels)), np.int64)
        counts: NDArray[np.int64] = confusion_matrix(self.truth, self.found, labels=labels)
        return counts

    def of_class(self, label: int) -> BinaryScores:
        """One class, or nothing, against all the others."""
        return BinaryScores(self.truth == label, self.probabilities[:, label])

    def mistakes(self) -> list[Mistake]:
        """Crops of which the likeliest label is wrong."""
        found, score = self.found, self.probabilities.max(axis=1)
        nothing = len(self.classes)
        return [
            Mistake(
                str(self.names[row]),
                self.boxes[row],
                int(self.truth[row]) if self.truth[row] < nothing else -1,
                int(found[row]) if found[row] < nothing else -1,
                float(score[row]) if found[row] < nothing else 0.0,
            )
            for row in np.flatnonzero(found != self.truth)
        ]

    def figures(self) -> dict[str, float]:
        """The single figures by name; NaN where there is nothing to judge.

        ``top1`` and ``top3`` (shares of the things), ``class_mean`` (of the classes' top-1),
        ``nothing`` (share of the crops of nothing that are told), ``roc_auc`` (mean of the
        classes').
        """
        confusion = self.confusion()
        total = confusion.sum(axis=1)
        right = np.diag(confusion) / np.where(total, total, 1)
        there = total[:-1] > 0
        areas = np.array([self.of_class(label).roc_auc() for label in range(len(self.classes))])
        return {
            "top1": self.top(1),
            "top3": self.top(3),
            "class_mean": mean_of_defined(right[:-1][there]),
            "nothing": float(right[-1]) if total[-1] else nan,
            "roc_auc": mean_of_defined(areas),
        }

    def report(self) -> dict[str, Any]:
        """All of it, as JSON takes it: None for what is undefined.

        ``things`` and ``crops`` (numbers), the figures, ``confusion`` (rows of numbers) and
        ``classes``: of each, ``count``, ``top1``, ``average_precision`` and ``roc_auc``.
        """
        confusion = self.confusion()
        classes = {}
        for label, name in enumerate(self.classes):
            scores, count = self.of_class(label), int(confusion[label].sum())
            classes[name] = {
                "count": count,
                "top1": int(confusion[label, label]) / count if count else None,
                "average_precision": or_none(scores.average_precision()),
                "roc_auc": or_none(scores.roc_auc()),
            }
        return {
            "crops": len(self.truth),
            "things": int((self.truth < len(self.classes)).sum()),
            **{name: or_none(value) for name, value in self.figures().items()},
            "classes": classes,
            "confusion": confusion.tolist(),
        }


def draw_confusion(path: Path, scores: ClassificationScores) -> None:
    """Write the confusion matrix, as PNG: rows what is there, columns what was said.

    Args:
        path: of the picture; the folders above it are made.
        scores: of the crops.

    Raises:
        OSError: if the file cannot be written.
    """
    top1 = scores.top(1)
    title = "" if isnan(top1) else f"{100 * top1:.1f} % of the objects are named right"
    draw_matrix(path, scores.confusion(), [*scores.classes, "nothing"], title, "there", "said")


def draw_roc(path: Path, scores: ClassificationScores) -> None:
    """Write the ROC curve of every class against all other crops, one panel a class, as PNG.

    The worst class comes first; those of which there is no crop have no panel.

    Args:
        path: of the picture; the folders above it are made.
        scores: of the crops.

    Raises:
        OSError: if the file cannot be written.
    """
    names = [*scores.classes, "nothing"]
    areas = {label: scores.of_class(label).roc_auc() for label in range(len(names))}
    shown = sorted((label for label in areas if not isnan(areas[label])), key=areas.__getitem__)
    columns = ceil(sqrt(1.5 * max(len(shown), 1)))
    rows = max(1, ceil(len(shown) / columns))
    size = (max(1.9 * columns, 4.5), 1.9 * rows + 0.8)
    figure = new_figure(*size)
    figure.suptitle("true over false positives (class: area, crops)", fontsize=11)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, label in zip(panels, shown, strict=False):
        one = scores.of_class(label)
        false, true = one.roc()
        axes.plot([0, 1], [0, 1], ":", color=FAINT_COLOR, linewidth=1)
        axes.plot(false, true, color=LINE_COLOR, linewidth=1.6)
        axes.set_title(f"{names[label]}: {areas[label]:.3f}, {one.truth.sum()}", fontsize=9)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        tidy(axes)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    write_figure(path, figure)
