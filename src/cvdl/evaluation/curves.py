"""Precision over recall, and true over false positives, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path

from matplotlib.axes import Axes

from cvdl.charts import FAINT_COLOR, LINE_COLOR, new_figure, tidy, write_figure
from cvdl.evaluation.grasping import BinaryScores, GraspScores

__all__ = ["draw_curves"]


def draw_curves(path: Path, scores: GraspScores, folds: Sequence[GraspScores] = ()) -> None:
    """Write the precision-recall and ROC curves of detection and recognition, as PNG.

    Detection asks which of the views' best rectangles are right, recognition which labelled
    rectangles are good, both as the threshold of the score varies.

    Args:
        path: of the picture; the folders above it are made.
        scores: of all views.
        folds: of each fold of a cross-validation: drawn thin behind the whole.

    Raises:
        OSError: if the file cannot be written.
    """
    rows = {"detection": (scores.detection(), [fold.detection() for fold in folds])}
    if scores.recognition is not None:
        parts = [fold.recognition for fold in folds if fold.recognition is not None]
        rows["recognition"] = (scores.recognition, parts)
    figure = new_figure(8.4, 3.9 * len(rows))
    axes = figure.subplots(len(rows), 2, squeeze=False)
    for (left, right), (name, (whole, parts)) in zip(axes, rows.items(), strict=True):
        for part in parts:
            _draw(left, right, part, FAINT_COLOR, 0.8)
        _draw(left, right, whole, LINE_COLOR, 2.0)
        left.set(title=f"{name}: precision over recall", xlabel="recall", ylabel="precision")
        right.set(
            title=f"{name}: ROC", xlabel="rate of false positives", ylabel="rate of true positives"
        )
        right.plot([0, 1], [0, 1], ":", color=FAINT_COLOR, linewidth=1)
        for part, short, area, x in (
            (left, "AP", whole.average_precision(), 0.05),
            (right, "AUC", whole.roc_auc(), 0.6),
        ):
            part.annotate(f"{short} {'undefined' if isnan(area) else f'{area:.3f}'}", (x, 0.05))
        for part in (left, right):
            part.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
            tidy(part)
    write_figure(path, figure)


def _draw(left: Axes, right: Axes, scores: BinaryScores, color: str, width: float) -> None:
    """Nothing where a curve is undefined: all are true or none."""
    if scores.truth.all() or not scores.truth.any():
        return
    precision, recall = scores.precision_recall()
    # Precision of the examples so far holds until the next one: no slope between the points.
    left.plot(recall, precision, color=color, linewidth=width, drawstyle="steps-post")
    false, true = scores.roc()
    right.plot(false, true, color=color, linewidth=width)
