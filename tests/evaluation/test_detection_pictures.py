"""Pictures of detections: the order of mistakes, and what is drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.detections import Detections
from cvdl.evaluation.detection import DetectionReport
from cvdl.evaluation.detection_pictures import (
    draw_confusion,
    draw_precision_recall,
    mistake_sheet,
    worst_mistakes,
)

from .reports import report_of

CLASSES = ("box", "mug")
SIDE = 240  # of a cell, pixels


class Views:
    """Two images: a missed box and a detected mug; a box detected as a mug."""

    classes = CLASSES
    names = ("first", "second")

    def __init__(self) -> None:
        self.samples = [
            view("first", [[10, 10, 30, 30], [60, 60, 90, 100]], [0, 1]),
            view("second", [[0, 100, 40, 120]], [0]),
        ]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> DetectionSample:
        return self.samples[index]


def view(name: str, boxes: list, labels: list) -> DetectionSample:
    camera = Camera(160, 120, 100, 100, 79.5, 59.5)
    frame = RgbdFrame(
        np.full((120, 160, 3), 90, np.uint8), np.full((120, 160), np.nan, np.float32), camera
    )
    crowd = np.zeros(len(boxes), bool)
    return DetectionSample(name, frame, np.array(boxes, float), np.array(labels), crowd)


def found(boxes: list, labels: list, scores: list) -> Detections:
    return Detections(np.array(boxes, float), np.array(labels), np.array(scores))


@pytest.fixture
def report() -> DetectionReport:
    detections = [
        found([[100, 10, 130, 30], [60, 60, 90, 100]], [0, 1], [0.9, 0.9]),
        found([[0, 100, 40, 120]], [1], [0.9]),
    ]
    return report_of(Views().samples, detections, CLASSES)


def test_mistakes_of_each_kind_take_turns(report):
    kinds = [(mistake.truth, mistake.found) for mistake in worst_mistakes(report.mistakes, 9)]
    assert kinds == [(0, 1), (0, -1), (-1, 0)]
    assert len(worst_mistakes(report.mistakes, 2)) == 2


def test_high_scores_and_large_objects_come_first():
    samples = [view("first", [[0, 0, 9, 9], [20, 0, 60, 40]], [0, 0])]
    detections = [found([[90, 50, 99, 60], [90, 80, 99, 99]], [1, 1], [0.5, 0.7])]
    samples.append(view("second", [[0, 0, 9, 9]], [0]))
    detections.append(found([[0, 0, 9, 9]], [0], [0.4]))
    mistakes = report_of(samples, detections, CLASSES).mistakes
    order = worst_mistakes(mistakes, 9)
    assert [mistake.score for mistake in order if mistake.truth < 0] == [0.7, 0.5]
    sizes = [np.ptp(mistake.box[::2]) for mistake in order if mistake.found < 0]
    assert sizes == [40, 9]


def test_the_sheet_frames_missed_boxes_blue_and_false_alarms_red(report):
    sheet = mistake_sheet(Views(), worst_mistakes(report.mistakes, 3), CLASSES)
    assert sheet.shape == (22 + SIDE + 8, 3 * (SIDE + 4) + 4, 3)
    blue, red = ((sheet == color).all(axis=-1) for color in ((40, 120, 255), (255, 40, 40)))
    cells = [slice(4 + i * (SIDE + 4), 4 + i * (SIDE + 4) + SIDE) for i in range(3)]
    assert [bool(blue[:, cell].any()) for cell in cells] == [True, True, False]
    assert [bool(red[:, cell].any()) for cell in cells] == [False, False, True]
    # The missed box, 20 pixels and 40 around it, would start at -30: the image starts at 0.
    columns = np.flatnonzero(blue[:, cells[1]].any(axis=0))
    scale = SIDE / 100
    assert columns[0] == pytest.approx(10 * scale, abs=3)
    assert columns[-1] == pytest.approx(30 * scale, abs=3)
    with pytest.raises(ValueError, match="at least one"):
        mistake_sheet(Views(), [], CLASSES)


def test_an_object_missed_by_a_loose_box_is_shown_once_in_both_colors():
    samples = Views().samples[:1]
    detections = [found([[10, 10, 30, 18], [60, 60, 90, 100]], [0, 1], [0.9, 0.9])]
    mistakes = report_of(samples, detections, CLASSES).mistakes
    assert len(mistakes) == 2
    (loose,) = worst_mistakes(mistakes, 9)
    assert loose.overlap == pytest.approx(0.4)
    sheet = mistake_sheet(Views(), [loose], CLASSES)
    for color in ((40, 120, 255), (255, 40, 40)):
        assert (sheet == color).all(axis=-1).any()


def test_curves_and_confusion_matrix_are_written(report, tmp_path: Path):
    nothing = report_of([], [], CLASSES)
    for number, each in enumerate((report, nothing)):
        for draw in (draw_precision_recall, draw_confusion):
            path = tmp_path / "new" / f"{draw.__name__}{number}.png"
            draw(path, each)
            assert cv2.imread(str(path)).shape[0] >= 300
