"""Proposals: what is there is among them, and how recall is counted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection import proposals
from cvdl.detection.proposals import (
    SegmentsOrSearch,
    SelectiveSearch,
    TabletopProposals,
    recall_at,
)

THINGS = np.array([[40.0, 40, 120, 100], [180, 60, 260, 180]])


def picture(scale=1, depth=np.nan):
    """Two things of one color each on another, (240, 320) times ``scale``."""
    color = np.full((240, 320, 3), (200, 190, 170), np.uint8)
    for (x0, y0, x1, y1), shade in zip(
        THINGS.astype(int), ((180, 40, 40), (30, 90, 160)), strict=True
    ):
        color[y0:y1, x0:x1] = shade
    color = cv2.resize(color, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    rows, cols = color.shape[:2]
    camera = Camera(cols, rows, 500.0, 500.0, cols / 2, rows / 2)
    return RgbdFrame(color, np.full((rows, cols), depth, np.float32), camera)


@pytest.mark.parametrize("mode", ["fast", "quality"])
@pytest.mark.slow
def test_selective_search_finds_objects_of_uniform_color(mode):
    boxes = SelectiveSearch(mode)(picture())
    assert recall_at([boxes], [THINGS], 0.8, [len(boxes)]) == [1]


def test_boxes_of_a_reduced_image_fit_the_full_one():
    boxes = SelectiveSearch(width=320)(picture(scale=2))
    assert recall_at([boxes], [2 * THINGS], 0.8, [len(boxes)]) == [1]
    np.testing.assert_allclose(boxes, 2 * SelectiveSearch()(picture()))
    assert boxes.max() <= 640


@pytest.mark.slow
def test_the_order_is_reproducible_and_the_number_limited():
    frame = picture()
    boxes = SelectiveSearch()(frame)
    np.testing.assert_array_equal(boxes, SelectiveSearch()(frame))
    np.testing.assert_array_equal(boxes[:3], SelectiveSearch(most=3)(frame))
    assert len(np.unique(boxes, axis=0)) == len(boxes)


def test_opencv_without_contrib_modules_is_an_error(monkeypatch):
    monkeypatch.delattr(cv2, "ximgproc")
    with pytest.raises(InputError, match="pip install opencv-contrib-python-headless"):
        SelectiveSearch()


def table_with_a_box():
    """A camera 1 m above a table, looking down; a box of 10 x 10 x 10 cm, 100 pixels wide."""
    camera = Camera(640, 480, 900.0, 900.0, 320.0, 240.0)
    depth = np.full((480, 640), 1.0, np.float32)
    depth[190:290, 270:370] = 0.9
    color = np.full((480, 640, 3), 180, np.uint8)
    color[190:290, 270:370] = (160, 30, 30)
    return RgbdFrame(color, depth, camera)


def test_tabletop_proposals_are_the_boxes_of_the_objects():
    proposer = TabletopProposals()
    frame = table_with_a_box()
    boxes = proposer(frame)
    _, (found,) = proposer.segment(frame)
    np.testing.assert_array_equal(boxes, found.box2d[None])
    assert recall_at([boxes], [np.array([[270.0, 190, 370, 290]])], 0.9, [1]) == [1]
    assert found.box3d.size[2] == pytest.approx(0.1, abs=0.01)


def test_selective_search_is_used_if_the_depth_shows_no_table():
    proposer = SegmentsOrSearch()
    assert len(proposer(table_with_a_box())) == 1
    np.testing.assert_array_equal(proposer(picture()), SelectiveSearch()(picture()))


def test_an_empty_table_has_no_proposals(monkeypatch):
    frame = table_with_a_box()
    empty = RgbdFrame(frame.color, np.full_like(frame.depth, 1.0), frame.camera)
    monkeypatch.setattr(proposals.SelectiveSearch, "__call__", lambda *_: pytest.fail("searched"))
    assert SegmentsOrSearch()(empty).shape == (0, 4)


def test_recall_counts_objects_among_the_first_proposals():
    truth = [np.array([[0.0, 0, 10, 10], [20, 20, 40, 40]]), np.array([[5.0, 5, 15, 15]])]
    boxes = [
        np.array([[100.0, 100, 110, 110], [0, 0, 10, 10], [20, 20, 40, 30]]),
        np.zeros((0, 4)),
    ]
    np.testing.assert_allclose(recall_at(boxes, truth, 0.5, [1, 2, 3, 9]), [0, 1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(recall_at(boxes, truth, 0.51, [9]), [1 / 3])
    assert np.isnan(recall_at([boxes[0]], [np.zeros((0, 4))], 0.5, [1])).all()
    with pytest.raises(ValueError, match="zip"):
        recall_at(boxes, truth[:1], 0.5, [1])
