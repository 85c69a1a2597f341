"""Pictures of how good grasps are: predictions and labels (uint8, RGB), and curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cvdl.datasets.grasp_sample import GraspSample
from cvdl.evaluation.binary import BinaryScores
from cvdl.evaluation.grasping import GraspResult, GraspScores
from cvdl.grasping.rectangles import RIGHT_OVERLAP, GraspRectangles
from cvdl.viz.charts import FAINT_COLOR, LINE_COLOR, new_figure, tidy, write_figure
from cvdl.viz.pictures import contact_sheet

__all__ = ["draw_curves", "prediction_picture", "prediction_sheet"]

_LABEL = (40, 120, 255)
_RIGHT, _WRONG = (20, 205, 60), (255, 40, 40)
_FAINT = 0.55  # share of the labels in the mixture
_CELL = 360  # pixels wide
_SUBPIXEL_BITS = 4


def prediction_picture(sample: GraspSample, result: GraspResult) -> NDArray[np.uint8]:
    """An image with its good rectangles, thin and blue, and the best prediction, thick.

    The prediction is green if it is right (see ``best_overlap``, at a Jaccard index of 0.25),
    else red; the plates of the gripper are thicker than the opening. If all rectangles fit into
    half the width and height of the image, the picture is that part of it.
    """
    unit = max(1, round(sample.frame.camera.width / 640))
    labels = sample.frame.color.copy()
    _draw_rectangles(labels, sample.good, _LABEL, unit, unit)
    picture = cv2.addWeighted(labels, _FAINT, sample.frame.color, 1 - _FAINT, 0)
    color = _RIGHT if result.overlap > RIGHT_OVERLAP else _WRONG
    _draw_rectangles(picture, result.best, color, 3 * unit, unit)
    return picture[_window(sample, result)]


def _draw_rectangles(
    picture: NDArray[np.uint8],
    rectangles: GraspRectangles,
    color: tuple[int, int, int],
    plate: int,
    opening: int,
) -> None:
    """Draw the plates of grippers and the sides between them; the line widths are in pixels."""
    # OpenCV clips lines to the picture, but only if their ends fit its integers.
    corners = rectangles.corners().clip(-10_000, 10_000) * 2**_SUBPIXEL_BITS
    for points in corners.round().astype(np.int32):
        for width, ends in ((opening, ((0, 1), (2, 3))), (plate, ((1, 2), (3, 0)))):
            for first, second in ends:
                a, b = points[first].tolist(), points[second].tolist()
                cv2.line(picture, a, b, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _window(sample: GraspSample, result: GraspResult) -> tuple[slice, slice]:
    """Rows and columns of half the image around all rectangles; all if they do not fit."""
    camera = sample.frame.camera
    corners = np.concatenate([sample.good.corners(), result.best.corners()]).reshape(-1, 2)
    sides = np.array([camera.width, camera.height])
    if not len(corners) or (np.ptp(corners, axis=0) > sides / 2).any():
        return slice(None), slice(None)
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    x, y = (middle - sides / 4).round().clip(0, sides - sides // 2).astype(int).tolist()
    width, height = (sides // 2).tolist()
    return slice(y, y + height), slice(x, x + width)


def prediction_sheet(
    samples: Iterable[GraspSample], results: Sequence[GraspResult], columns: int = 6
) -> NDArray[np.uint8]:
    """The pictures of some images in a grid, each with its name, overlap and score.

    Args:
        samples: one for each result.
        results: at least one.
        columns: pictures side by side.

    Raises:
        ValueError: if there is no image, or not one result for each.
    """
    pictures, captions = [], []
    for sample, result in zip(samples, results, strict=True):
        pictures.append(prediction_picture(sample, result))
        score = f"score {result.best.score[0]:.2f}" if len(result.best) else "nothing found"
        captions.append(f"{result.name}: Jaccard {result.overlap:.2f}, {score}")
    return contact_sheet(pictures, captions, columns, _CELL)


def draw_curves(path: Path, scores: GraspScores, folds: Sequence[GraspScores] = ()) -> None:
    """Write the precision-recall and ROC curves of detection and recognition as PNG.

    Detection is about which of the best rectangles are right, recognition about which labeled
    rectangles are good, both as the threshold of the score varies.

    Args:
        path: of the file; missing folders are created.
        scores: of all images.
        folds: of each fold of a cross-validation, drawn thin behind the whole.

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
            _draw_curves(left, right, part, FAINT_COLOR, 0.8)
        _draw_curves(left, right, whole, LINE_COLOR, 2.0)
        left.set(title=f"{name}: precision over recall", xlabel="recall", ylabel="precision")
        right.set(
            title=f"{name}: ROC", xlabel="rate of false positives", ylabel="rate of true positives"
        )
        right.plot([0, 1], [0, 1], ":", color=FAINT_COLOR, linewidth=1)
        for panel, short, area, x in (
            (left, "AP", whole.average_precision(), 0.05),
            (right, "AUC", whole.roc_auc(), 0.6),
        ):
            panel.annotate(f"{short} {'undefined' if isnan(area) else f'{area:.3f}'}", (x, 0.05))
            panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
            tidy(panel)
    write_figure(path, figure)


def _draw_curves(left: Axes, right: Axes, scores: BinaryScores, color: str, width: float) -> None:
    if scores.has_both:  # else the curves are undefined
        precision, recall = scores.precision_recall()
        # The precision holds until the next example: no slope between the points.
        left.plot(recall, precision, color=color, linewidth=width, drawstyle="steps-post")
        right.plot(*scores.roc(), color=color, linewidth=width)
