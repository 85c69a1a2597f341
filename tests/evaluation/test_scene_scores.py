"""Planes and boxes with known errors."""

import math

import numpy as np
import pytest

from cvdl.core.scene import OrientedBox, Plane, Scene, SceneObject
from cvdl.evaluation.scene_scores import box_iou, evaluate_scene, plane_error


def turn_z(degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def make_box(x: float = 0.0, size: float = 0.1, degrees: float = 0.0) -> OrientedBox:
    return OrientedBox(np.array([x, 0.0, 1.0]), turn_z(degrees), np.full(3, size))


def make_scene(plane: Plane | None, **boxes: OrientedBox) -> Scene:
    """One object a keyword, ``n2=box``, ten columns of the label image each."""
    labels = np.ones((20, 10 * max(len(boxes), 1)), np.uint16)
    objects = []
    for index, (name, box) in enumerate(boxes.items()):
        labels[5:, 10 * index : 10 * index + 10] = int(name[1:])
        objects.append(SceneObject(int(name[1:]), np.zeros(4), box, 150))
    return Scene(labels, plane, tuple(objects))


@pytest.mark.parametrize("degrees", [0.0, 0.01, 30.0, 180.0])
def test_plane_error(degrees):
    truth = Plane(np.array([1.0, 0.0, 0.0]), 1.0)
    angle, offset = plane_error(truth, Plane(turn_z(degrees)[:, 0], 0.997))
    assert angle == pytest.approx(degrees, abs=1e-9)
    assert offset == pytest.approx(3)


def test_without_a_plane_there_is_no_plane_error():
    scene = make_scene(None)
    score = evaluate_scene(scene, scene)
    assert math.isnan(score.plane_angle_deg)
    assert math.isnan(score.plane_offset_mm)


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        (make_box(), 1),
        (make_box(0.05), 1 / 3),
        (make_box(0.3), 0),
        (make_box(size=0.05), 1 / 8),
        (make_box(degrees=90), 1),
        (make_box(degrees=45), 2 * (math.sqrt(2) - 1) / (2 - 2 * (math.sqrt(2) - 1))),
    ],
)
def test_box_iou(other, iou):
    assert box_iou(make_box(), other) == pytest.approx(iou, abs=0.005)
    assert box_iou(other, make_box()) == pytest.approx(iou, abs=0.005)


def test_flat_boxes_have_no_volume():
    assert box_iou(make_box(size=0.0), make_box(size=0.0)) == 0


def test_boxes_are_compared_with_the_matched_object():
    plane = Plane(np.array([0.0, 0.0, -1.0]), 1.0)
    truth = make_scene(plane, n2=make_box(-0.2), n3=make_box(0.2))
    found = make_scene(plane, n9=make_box(-0.2), n4=make_box(0.21))
    score = evaluate_scene(truth, found)
    assert score.segmentation.overlap.f == 1
    assert score.plane_angle_deg == score.plane_offset_mm == 0
    assert [box.center_mm for box in score.boxes] == pytest.approx([0, 10])
    assert [box.iou for box in score.boxes] == pytest.approx([1, 9 / 11], abs=0.005)


def test_a_missed_object_has_no_box_error():
    plane = Plane(np.array([0.0, 0.0, -1.0]), 1.0)
    truth = make_scene(plane, n2=make_box(), n3=make_box())
    found = Scene(np.where(truth.labels == 3, 1, truth.labels), plane, truth.objects[:1])
    assert len(evaluate_scene(truth, found).boxes) == 1


def test_predictions_outside_the_valid_pixels_do_not_count():
    truth = make_scene(None, n2=make_box())
    found = Scene(np.full_like(truth.labels, 2), None, truth.objects)
    assert evaluate_scene(truth, found).segmentation.overlap.precision == 0.75
    assert evaluate_scene(truth, found, truth.labels > 1).segmentation.overlap.precision == 1
