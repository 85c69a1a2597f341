"""The class of every pixel, from masks."""

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.labeled_pixels import CROWD, IGNORED, LabeledPixels


def sample(masks, labels, crowd=None):
    height, width = 6, 8
    frame = RgbdFrame(
        np.zeros((height, width, 3), np.uint8),
        np.full((height, width), np.nan, np.float32),
        Camera(width, height, 8.0, 8.0, 4.0, 3.0),
    )
    count = len(labels)
    crowd = np.zeros(count, bool) if crowd is None else np.array(crowd)
    return DetectionSample("view7", frame, np.zeros((count, 4)), np.array(labels), crowd, masks)


def mask(rows, columns):
    made = np.zeros((6, 8), bool)
    made[rows, columns] = True
    return made


def test_small_objects_are_on_top_of_large_ones_and_crowds_are_ignored():
    masks = np.stack(
        [
            mask(slice(1, 3), slice(1, 3)),
            mask(slice(0, 5), slice(0, 5)),
            mask(slice(0, 6), slice(6, 8)),
        ]
    )
    truth = LabeledPixels.of(sample(masks, [2, 0, 1], [False, False, True]), 3)
    assert truth.things.dtype == truth.class_map.dtype == np.uint8
    expected = np.full((6, 8), 3)
    expected[:5, :5], expected[1:3, 1:3], expected[:, 6:] = 0, 2, IGNORED
    np.testing.assert_array_equal(truth.class_map, expected)
    assert set(np.unique(truth.things)) == {0, 1, 2, CROWD}


def test_no_object():
    truth = LabeledPixels.of(sample(np.zeros((0, 6, 8), bool), []), 3)
    assert (truth.class_map == 3).all()


def test_boxes_without_masks_are_reported():
    with pytest.raises(InputError, match="view7 has boxes without masks"):
        LabeledPixels.of(sample(None, [0]), 1)


def test_too_many_objects_are_reported():
    with pytest.raises(InputError, match="255 objects of 1 classes"):
        LabeledPixels.of(sample(np.zeros((255, 6, 8), bool), [0] * 255), 1)
    with pytest.raises(InputError, match="of 255 classes"):
        LabeledPixels.of(sample(np.zeros((1, 6, 8), bool), [0]), 255)
