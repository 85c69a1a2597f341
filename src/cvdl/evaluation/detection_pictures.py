"""Pictures of how good detections are: curves, the confusion matrix, the worst mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from math import ceil, isnan, nan, sqrt
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.datasets.detection_sample import DetectionData, DetectionSample
from cvdl.evaluation.confusion import draw_matrix
from cvdl.evaluation.detection import RECALLS, DetectionReport
from cvdl.evaluation.mistakes import HIT, Mistake
from cvdl.viz.charts import LINE_COLOR, new_figure, tidy, write_figure
from cvdl.viz.pictures import contact_sheet

__all__ = ["draw_confusion", "draw_precision_recall", "mistake_sheet", "worst_mistakes"]

_TRUTH, _WRONG = (40, 120, 255), (255, 40, 40)
_CELL = 240  # pixels wide
_CONTEXT = 1.0  # of a box's larger side, that is shown on each side of it
_LEAST_CONTEXT = 40.0  # pixels


def draw_precision_recall(path: Path, report: DetectionReport) -> None:
    """Write precision over recall at an overlap of 0.5, one panel a class, as PNG.

    Precision is interpolated as in COCO: the best at this recall or a higher one. The mean over
    the classes comes first, then the classes, the worst first; those that are not labelled have
    no panel.

    Args:
        path: of the picture; the folders above it are made.
        report: of the detections.

    Raises:
        OSError: if the file cannot be written.
    """
    labelled = [label for label in range(len(report.classes)) if report.class_boxes[label]]
    labelled.sort(key=lambda label: float(report.class_ap50[label]))
    panels = [
        (
            _title(report.classes[label], report.class_ap50[label], report.class_boxes[label]),
            report.precision[label],
        )
        for label in labelled
    ]
    if len(labelled) > 1:
        mean = report.precision[labelled].mean(axis=0)
        panels.insert(0, (_title("all classes", report.ap50, report.boxes), mean))
    if not panels:
        panels.append(("nothing is labelled", np.full(len(RECALLS), nan)))
    columns = min(len(panels), ceil(sqrt(1.5 * len(panels))))
    rows = ceil(len(panels) / columns)
    size = max(1.9 * columns, 4.2), max(1.9 * rows + 0.6, 3.6)
    figure = new_figure(*size)
    figure.suptitle("AP50 and number of boxes", fontsize=10)
    figure.supxlabel("recall", fontsize=10)
    figure.supylabel("precision at an overlap of 0.5", fontsize=10)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for number, (title, curve) in enumerate(panels):
        area = axes[number]
        area.fill_between(RECALLS, curve, color=LINE_COLOR, alpha=0.15, linewidth=0)
        area.plot(RECALLS, curve, color=LINE_COLOR, linewidth=1.6)
        area.set_title(title, fontsize=9, fontweight="bold" if number == 0 else "normal")
        area.set(xlim=(0, 1.02), ylim=(0, 1.04), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        tidy(area)
    for area in axes[len(panels) :]:
        area.set_visible(False)
    write_figure(path, figure)


def _title(name: str, area: float, boxes: int) -> str:
    return f"{name} {area:.3f} ({boxes})"


def draw_confusion(path: Path, report: DetectionReport) -> None:
    """Write the confusion matrix, as PNG: rows what is there, columns what was found.

    "background" is where nothing is labelled (row: false alarms) or nothing was found (column:
    missed).

    Args:
        path: of the picture; the folders above it are made.
        report: of the detections.

    Raises:
        OSError: if the file cannot be written.
    """
    title = "nothing found"
    if not isnan(report.threshold):
        title = f"overlap ≥ 0.5, score ≥ {report.threshold:.2f} (the best F1, {report.f1:.3f})"
    names = [*report.classes, "background"]
    draw_matrix(path, report.confusion, names, title, "labelled", "found")


def worst_mistakes(mistakes: Sequence[Mistake], count: int) -> list[Mistake]:
    """Some of each kind in turn: the surest of the wrong detections, the largest missed things.

    What was missed by a loose box only comes once, with that box.
    """
    loose = {_place(each.name, each.near) for each in mistakes if each.near is not None}
    confused = [mistake for mistake in mistakes if mistake.truth >= 0 and mistake.found >= 0]
    alarms = [mistake for mistake in mistakes if mistake.truth < 0]
    missed = [
        mistake
        for mistake in mistakes
        if mistake.found < 0 and _place(mistake.name, mistake.box) not in loose
    ]
    for some in (confused, alarms):
        some.sort(key=lambda mistake: -mistake.score)
    missed.sort(key=lambda mistake: -float(np.prod(mistake.box[2:] - mistake.box[:2])))
    turns = chain.from_iterable(zip_longest(confused, missed, alarms))
    return [mistake for mistake in turns if mistake is not None][:count]


def mistake_sheet(
    data: DetectionData, mistakes: Sequence[Mistake], classes: Sequence[str], columns: int = 6
) -> NDArray[np.uint8]:
    """What is round each mistake in a grid, each under a caption that says what is wrong.

    What is labelled is framed in blue, false alarms in red. Captions: "missed cup"; "mug as cup
    0.71" for a wrong name; of false alarms "loose cup" where the box overlaps a labelled one by
    less than 0.5, "second cup" by more, and "false cup" where there is none near.

    Args:
        data: has the views that the mistakes name.
        mistakes: at least one.
        classes: names of their labels.
        columns: pictures side by side.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: if there is no mistake.
        DatasetError: if a view cannot be read.
    """
    places = {name: place for place, name in enumerate(data.names)}
    pictures = [_mistake_picture(data[places[each.name]], each) for each in mistakes]
    captions = [f"{_words(each, classes)} ({each.name})" for each in mistakes]
    return contact_sheet(pictures, captions, columns, _CELL)


def _place(name: str, box: NDArray[np.float64]) -> tuple[str, bytes]:
    return name, box.tobytes()


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
    """A square part of the view, the box in its middle as far as the view's edges let it be."""
    picture = sample.frame.color
    low, high = mistake.box[:2], mistake.box[2:]
    longest = float((high - low).max())
    side = longest + 2 * max(_CONTEXT * longest, _LEAST_CONTEXT)
    size = np.array(picture.shape[1::-1])
    side = int(min(side, *size))
    corner = ((low + high - side) / 2).round().clip(0, size - side).astype(int)
    part = picture[corner[1] : corner[1] + side, corner[0] : corner[0] + side]
    shown = cv2.resize(part, (_CELL, _CELL), interpolation=cv2.INTER_LINEAR)
    frames = [] if mistake.near is None else [(mistake.near, _TRUTH)]
    frames.append((mistake.box, _WRONG if mistake.truth < 0 else _TRUTH))
    for box, color in frames:
        inside = (box - np.tile(corner, 2)) * _CELL / side
        x_min, y_min, x_max, y_max = inside.round().astype(int).tolist()
        cv2.rectangle(shown, (x_min - 1, y_min - 1), (x_max, y_max), color, 2)
    return shown
