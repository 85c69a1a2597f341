"""Inputs of the graphs equal those of the modules."""

import numpy as np
import torch

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.grasping.models.cascade.geometry import cut_patches as cut_tensor
from cvdl.grasping.models.cascade.inputs import cut_patches, cut_window
from cvdl.networks.input import CHANNELS, network_input


def some_frame(width=160, height=121):
    rng = np.random.default_rng(0)
    color = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    depth = np.linspace(0.7, 0.9, height * width, dtype=np.float32).reshape(height, width)
    depth[40:60, 30:80] -= 0.05
    return RgbdFrame(color, depth, Camera(width, height, 570.0, 570.0, width / 2, height / 2))


def test_patches_equal_those_of_tensors_also_at_the_border():
    frame = some_frame()
    rectangles = np.array(
        [[80, 60, 0.3, 40, 20], [2, 3, -1.2, 30, 50], [158, 119, 1.5, 9, 9], [300, 5, 0, 20, 20]],
        np.float32,
    )
    image = torch.from_numpy(network_input(frame))[None]
    expected = cut_tensor(image, torch.from_numpy(rectangles)[None])[0].numpy()
    found = cut_patches(frame, rectangles)
    np.testing.assert_allclose(np.moveaxis(found[..., :CHANNELS], -1, 1), expected, atol=1e-4)
    assert not found[..., CHANNELS:].any()


def test_a_window_is_a_part_of_the_input_padded_with_zeros():
    frame = some_frame()
    window = cut_window(frame, slice(5, 30), slice(0, 39))
    assert window.shape == (1, 56, 80, 12)
    expected = network_input(frame)[:, 10:60, :78]
    np.testing.assert_array_equal(np.moveaxis(window[0, :50, :78, :CHANNELS], -1, 0), expected)
    assert not window[0, 50:].any()
    assert not window[0, :, 78:].any()
    assert not window[..., CHANNELS:].any()
