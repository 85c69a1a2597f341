"""Pictures of how good detections are: curves, the confusion matrix, the worst mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from math import isnan, nan
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.datasets.detection_sample import DetectionData, DetectionSample
from cvdl.evaluation.charts import confusion_chart, curve_panels
from cvdl.evaluation.detection import RECALLS, DetectionReport
from cvdl.evaluation.mistakes import HIT, Mistake
from cvdl.viz.charts import LINE_COLOR, write_figure
from cvdl.viz.pictures import contact_sheet

__all__ = ["draw_confusion", "draw_precision_recall", "mistake_sheet", "worst_mistakes"]

_TRUTH, _WRONG = (40, 120, 255), (255, 40, 40)
_CELL = 240  # pixels wide
_CONTEXT = 1.0  # of the larger side of a box, shown on each side of it
_LEAST_CONTEXT = 40.0  # pixels


def draw_precision_recall(path: Path, report: DetectionReport) -> None:
    """Write precision over recall at an overlap of 0.5 as PNG, one panel a class.

    Precision is interpolated as in COCO: the best at this recall or a higher one. The mean of the
    classes comes first, then the classes, the worst first; classes without labels have no panel.

    Raises:
        OSError: if the file cannot be written.
    """
    rows = np.flatnonzero(report.class_boxes)
    rows = rows[np.argsort(report.class_ap50[rows], kind="stable")]
    curves = [
        (_title(report.classes[row], report.class_ap50[row], report.class_boxes[row]), curve)
        for row, curve in zip(rows, report.precision[rows], strict=True)
    ]
    if len(rows) > 1:
        mean = report.precision[rows].mean(axis=0)
        curves.insert(0, (_title("all classes", report.ap50, report.boxes), mean))
    if not curves:
        curves.append(("nothing is labeled", np.full(len(RECALLS), nan)))
    figure, panels = curve_panels(len(curves), margin=0.6, least_size=(4.2, 3.6))
    figure.suptitle("AP50 and number of boxes", fontsize=10)
    figure.supxlabel("recall", fontsize=10)
    figure.supylabel("precision at an overlap of 0.5", fontsize=10)
    for axes, (title, curve) in zip(panels, curves, strict=True):
        axes.fill_between(RECALLS, curve, color=LINE_COLOR, alpha=0.15, linewidth=0)
        axes.plot(RECALLS, curve, color=LINE_COLOR, linewidth=1.6)
        axes.set_title(title, fontsize=9, fontweight="bold" if axes is panels[0] else "normal")
        axes.set(xlim=(0, 1.02), ylim=(0, 1.04))
    write_figure(path, figure)


def _title(name: str, area: float, boxes: int) -> str:
    return f"{name} {area:.3f} ({boxes})"


def draw_confusion(path: Path, report: DetectionReport) -> None:
    """Write the confusion matrix as PNG: rows are true classes, columns detected ones.

    The row "background" has the false alarms, the column "background" the missed objects.

    Raises:
        OSError: if the file cannot be written.
    """
    title = "nothing found"
    if not isnan(report.threshold):
        title = f"overlap ≥ 0.5, score ≥ {report.threshold:.2f} (the best F1, {report.f1:.3f})"
    names = [*report.classes, "background"]
    confusion_chart(path, report.confusion, names, title, "labeled", "found")


def worst_mistakes(mistakes: Sequence[Mistake], count: int) -> list[Mistake]:
    """Up to ``count`` mistakes, of each kind in turn.

    The wrong detections with the highest scores and the largest missed objects come first. An
    object missed by a loose box comes once, with that box.
    """
    loose = {(each.name, each.near.tobytes()) for each in mistakes if each.near is not None}
    confused = [each for each in mistakes if each.truth >= 0 and each.found >= 0]
    alarms = [each for each in mistakes if each.truth < 0]
    missed = [
        each for each in mistakes if each.found < 0 and (each.name, each.box.tobytes()) not in loose
    ]
    for wrong in (confused, alarms):
        wrong.sort(key=lambda mistake: -mistake.score)
    missed.sort(key=lambda mistake: -float(np.prod(mistake.box[2:] - mistake.box[:2])))
    turns = chain.from_iterable(zip_longest(confused, missed, alarms))
    return [mistake for mistake in turns if mistake is not None][:count]


def mistake_sheet(
    data: DetectionData, mistakes: Sequence[Mistake], classes: Sequence[str], columns: int = 6
) -> NDArray[np.uint8]:
    """The surroundings of each mistake in a grid, each with a caption.

    Labeled boxes are blue, false alarms red. Captions: "missed cup"; "mug as cup 0.71" for a wrong
    class; of false alarms "loose cup" if the box overlaps a labeled one by less than 0.5, "second
    cup" if by more, and "false cup" if there is none near.

    Args:
        data: has the images of the mistakes.
        mistakes: at least one.
        classes: names by class index.
        columns: pictures side by side.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: if there is no mistake.
        DatasetError: if an image cannot be read.
    """
    names = list(data.names)
    pictures = [_mistake_picture(data[names.index(each.name)], each) for each in mistakes]
    captions = [f"{_words(each, classes)} ({each.name})" for each in mistakes]
    return contact_sheet(pictures, captions, columns, _CELL)


def _words(mistake: Mistake, classes: Sequence[str]) -> str:
    if mistake.found < 0:
        return f"missed {classes[mistake.truth]}"
    found = f"{classes[mistake.found]} {mistake.score:.2f}"
    if mistake.truth >= 0:
        return f"{classes[mistake.truth]} as {found}"
    if mistake.near is None:
        return f"false {found}"
    return f"{'second' if mistake.overlap >= HIT else 'loose'} {found}"


def _mistake_picture(sample: DetectionSample, mistake: Mistake) -> NDArray[np.uint8]:
    """A square part of the image around the box, moved inside the image at its edges."""
    picture = sample.frame.color
    low, high = mistake.box[:2], mistake.box[2:]
    longest = float((high - low).max())
    side = longest + 2 * max(_CONTEXT * longest, _LEAST_CONTEXT)
    size = np.array(picture.shape[1::-1])
    side = int(min(side, *size))
    corner = ((low + high - side) / 2).round().clip(0, size - side).astype(int)
    part = picture[corner[1] : corner[1] + side, corner[0] : corner[0] + side]
    shown = cv2.resize(part, (_CELL, _CELL), interpolation=cv2.INTER_LINEAR)
    boxes = [] if mistake.near is None else [(mistake.near, _TRUTH)]
    boxes.append((mistake.box, _WRONG if mistake.truth < 0 else _TRUTH))
    for box, color in boxes:
        inside = (box - np.tile(corner, 2)) * _CELL / side
        x_min, y_min, x_max, y_max = inside.round().astype(int).tolist()
        cv2.rectangle(shown, (x_min - 1, y_min - 1), (x_max, y_max), color, 2)
    return shown
