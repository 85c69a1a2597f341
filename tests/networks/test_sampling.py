"""Bilinear samples of arrays."""

import numpy as np
import pytest
import torch
from torchvision.ops import roi_align

from cvdl.networks.sampling import channels_last, sampled, sampled_boxes


def test_samples_of_a_ramp_are_the_places():
    x, y = np.meshgrid(np.arange(7.0), np.arange(5.0))
    ramp = np.stack([x, y], axis=-1).astype(np.float32)
    places = np.random.default_rng(0).uniform(0, 4, (3, 6, 2)).astype(np.float32)
    np.testing.assert_allclose(sampled(ramp, places), places, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 4)])
def test_outside_is_as_the_nearest_pixel(shape):
    image = np.arange(float(np.prod(shape))).reshape(*shape, 1).astype(np.float32)
    corners = np.array([[-3, -2], [99, -1], [-0.5, 99], [99, 99]], np.float32)
    expected = [image[0, 0], image[0, -1], image[-1, 0], image[-1, -1]]
    np.testing.assert_array_equal(sampled(image, corners), expected)


def test_features_in_boxes_equal_those_of_roi_align():
    rng = np.random.default_rng(0)
    features = rng.random((1, 3, 24, 32), np.float32)
    corner = rng.uniform(0, 60, (5, 2))
    boxes = np.hstack([corner, corner + rng.uniform(10, 30, (5, 2))]).astype(np.float32)
    expected = roi_align(
        torch.from_numpy(features), [torch.from_numpy(boxes)], 7, 1 / 4, 1, aligned=True
    )
    found = sampled_boxes(channels_last(features), boxes, 7, 4)
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), expected, atol=1e-5)
