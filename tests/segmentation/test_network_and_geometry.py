"""Geometry combined with what a network sees, here with a perfect one."""

from dataclasses import replace

import numpy as np
import pytest

from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL, Scene
from cvdl.segmentation import SegmentationConfig, TabletopSegmenter
from cvdl.segmentation.instances.instances import Instances

RED, BLUE = (180, 60, 40), (30, 80, 160)


class Oracle:
    """Sees the labels of a scene, at half resolution."""

    def __init__(self, labels):
        small = labels[::2, ::2]
        is_object = small >= FIRST_OBJECT_LABEL
        self.offsets = np.zeros((2, *small.shape), np.float32)
        self.centers = np.zeros(small.shape, np.float32)
        for label in np.unique(small[is_object]):
            rows, cols = np.nonzero(small == label)
            row, col = rows.mean(), cols.mean()
            self.offsets[:, rows, cols] = np.stack([col - cols, row - rows])
            nearest = np.hypot(rows - row, cols - col).argmin()
            self.centers[rows[nearest], cols[nearest]] = 20  # it is blurred
        self.is_object = np.where(is_object, 4, -4).astype(np.float32)
        self.is_support = np.where(small == PLANE_LABEL, 4, -4).astype(np.float32)

    def __call__(self, frame):
        return Instances(self.is_object, self.is_support, self.centers, self.offsets)


def segment(view, frame=None, inside=None, **settings):
    segmenter = TabletopSegmenter(SegmentationConfig(**settings), Oracle(view.labels))
    labels, plane, objects = segmenter(frame or view.frame, inside)
    return Scene(labels, plane, objects)


@pytest.fixture(scope="module")
def flush(cast, block):
    """Two boxes with flush faces, which geometry alone cannot separate."""
    size = (0.1, 0.08, 0.1)
    return cast(block(-0.05, 0, size, color=RED), block(0.05, 0, size, color=BLUE), elevation=40)


def test_flush_boxes_are_two_objects_with_sharp_outlines(flush):
    scene = segment(flush)
    assert len(scene.objects) == 2
    assert min(flush.overlaps(scene)) > 0.93
    for index, box in enumerate(flush.boxes):
        np.testing.assert_allclose(flush.found(scene, index).center, box.center, atol=0.02)


def test_the_support_is_labeled(flush):
    scene = segment(flush)
    np.testing.assert_allclose(scene.plane.normal, flush.plane.normal, atol=0.01)
    assert (scene.labels[flush.labels == PLANE_LABEL] == PLANE_LABEL).mean() > 0.97


def test_geometry_corrects_an_outline(flush):
    """The network sees objects that are eight pixels too wide; the rim lies on the plane."""
    oracle = Oracle(flush.labels)
    wide = np.maximum.reduce([np.roll(oracle.is_object, step, 1) for step in range(-4, 5)])
    oracle.is_object = np.minimum(wide, 1.0)
    labels, *_ = TabletopSegmenter(SegmentationConfig(), oracle)(flush.frame)
    assert min(flush.overlaps(Scene(labels, None))) > 0.93


def test_the_objectness_is_the_mean_probability_over_the_mask(flush):
    oracle = Oracle(flush.labels)
    right = flush.labels[::2, ::2] == FIRST_OBJECT_LABEL + 1
    oracle.is_object[right] = 0.5
    scene = Scene(*TabletopSegmenter(SegmentationConfig(), oracle)(flush.frame))
    likely, unlikely = sorted((item.objectness for item in scene.objects), reverse=True)
    assert likely == pytest.approx(1 / (1 + np.exp(-4)), abs=0.03)
    assert unlikely == pytest.approx(1 / (1 + np.exp(-0.5)), abs=0.03)


def test_an_object_on_an_object_does_not_extend_to_the_table(cast, block):
    view = cast(
        block(0, 0, (0.16, 0.12, 0.06)),
        block(0.01, 0.01, (0.08, 0.06, 0.07), z=0.06, yaw=15, color=BLUE),
    )
    scene = segment(view)
    lower, upper = (view.found(scene, index) for index in range(2))
    assert lower.size[2] == pytest.approx(0.06, abs=0.015)
    assert upper.size[2] == pytest.approx(0.07, abs=0.015)


def test_without_a_support_there_are_the_objects_that_the_network_sees(flush):
    """A frame whose only depth is that of the objects shows no plane that is large enough."""
    only = np.where(flush.labels >= FIRST_OBJECT_LABEL, flush.frame.depth, np.float32(np.nan))
    scene = segment(flush, replace(flush.frame, depth=only))
    assert scene.plane is None
    assert len(scene.objects) == 2
    assert min(flush.overlaps(scene)) > 0.9
    assert not (scene.labels == PLANE_LABEL).any()


def test_without_any_depth_there_is_no_object(flush):
    blind = replace(flush.frame, depth=np.full_like(flush.frame.depth, np.nan))
    scene = segment(flush, blind)
    assert (scene.plane, scene.objects) == (None, ())
    assert not scene.labels.any()


def test_a_transparent_object_without_depth_inside_is_found(flush):
    """Only its outline has readings."""
    depth = flush.frame.depth.copy()
    inner = np.zeros_like(depth, bool)
    rows, cols = np.nonzero(flush.labels == FIRST_OBJECT_LABEL)
    inner[rows.min() + 6 : rows.max() - 5, cols.min() + 6 : cols.max() - 5] = True
    depth[inner & (flush.labels == FIRST_OBJECT_LABEL)] = np.nan
    scene = segment(flush, replace(flush.frame, depth=depth))
    assert flush.overlaps(scene)[0] > 0.9


def test_an_object_without_any_depth_stands_on_the_support(flush):
    """How far it reaches to the back is not known."""
    hidden = flush.labels == FIRST_OBJECT_LABEL
    depth = np.where(hidden, np.float32(np.nan), flush.frame.depth)
    scene = segment(flush, replace(flush.frame, depth=depth))
    assert min(flush.overlaps(scene)) > 0.9
    found, truth = flush.found(scene, 0), flush.boxes[0]
    assert found.center[0] == pytest.approx(truth.center[0], abs=0.01)
    np.testing.assert_allclose(found.center, truth.center, atol=truth.size[1] / 2)


def test_readings_behind_the_rim_of_a_mask_do_not_enlarge_a_box(flush):
    rows, cols = np.nonzero(flush.labels == FIRST_OBJECT_LABEL)
    depth = flush.frame.depth.copy()
    depth[rows[::20], cols[::20]] = 2.5
    scene = segment(flush, replace(flush.frame, depth=depth))
    np.testing.assert_allclose(flush.found(scene, 0).size, flush.boxes[0].size, atol=0.02)


def test_nothing_is_found_outside_of_the_region(flush):
    inside = np.zeros(flush.labels.shape, bool)
    inside[:, :320] = True
    scene = segment(flush, inside=inside)
    assert len(scene.objects) == 1
    assert not scene.labels[~inside].any()
