"""What the networks see of a frame."""

import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.networks.input import COLOR, GEOMETRY, HAS_COLOR, HAS_DEPTH, network_input
from cvdl.networks.input_gpu import gpu_input, uploaded

CAMERA = Camera(160, 120, 130.0, 130.0, 79.5, 59.5)


def frame(depth):
    color = np.full((120, 160, 3), 200, np.uint8)
    return RgbdFrame(color, np.broadcast_to(np.float32(depth), (120, 160)).copy(), CAMERA)


def tilted(slope):
    """A plane whose depth grows from left to right."""
    x = (np.arange(160) - CAMERA.cx) / CAMERA.fx
    return 0.8 / (1 - slope * x)


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_a_tilted_plane_has_no_relief(slope):
    channels = network_input(frame(tilted(slope)))
    assert channels[HAS_DEPTH].mean() > 0.9
    assert np.abs(channels[3, 10:-10, 10:-10]).max() < 0.1


def test_an_object_on_the_plane_has_relief():
    depth = np.full((120, 160), 0.8, np.float32)
    depth[55:65, 75:85] -= 0.02
    relief = network_input(frame(depth))[3]
    assert relief[30, 40] > 0.5
    assert abs(relief[10, 10]) < 0.05


def test_without_depth_only_the_color_is_known():
    channels = network_input(frame(np.nan))
    assert not channels[GEOMETRY].any()
    assert not channels[HAS_DEPTH].any()
    assert (channels[HAS_COLOR] == 1).all()
    np.testing.assert_allclose(channels[COLOR], (200 - 128) / 64)


def test_pixels_without_a_reading_have_no_geometry():
    depth = np.full((120, 160), 0.8, np.float32)
    depth[:, :40] = np.nan
    channels = network_input(frame(depth))
    assert not channels[GEOMETRY, :, :20].any()
    assert not channels[HAS_DEPTH, :, :20].any()
    assert channels[HAS_DEPTH, 10:-10, 30:-10].all()
    assert np.isfinite(channels).all()


@pytest.mark.parametrize("size", [(160, 120), (161, 121), (320, 12), (4, 4), (2, 2)])
@pytest.mark.parametrize("holes", [0.0, 0.1, 1.0])
def test_the_channels_on_a_gpu_are_the_same(size, holes):
    """Up to the rounding of colors, and near the least number and spread of readings."""
    width, height = size
    rng = np.random.default_rng(0)
    camera = Camera(width, height, 130.0, 128.0, width / 2, height / 2 - 3)
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    depth = 0.8 + 0.002 * u + 0.001 * v + 0.001 * rng.standard_normal((height, width))
    depth[height // 3 : height // 2, width // 3 : width // 2] -= 0.05
    depth[rng.random((height, width)) < holes] = np.nan
    color = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    view = RgbdFrame(color, depth.astype(np.float32), camera)
    found = gpu_input(*uploaded(view, torch.device("cpu")))[0].numpy()
    expected = network_input(view)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found[COLOR], expected[COLOR], atol=0.6 / 64)
    np.testing.assert_array_equal(found[[HAS_COLOR, HAS_DEPTH]], expected[[HAS_COLOR, HAS_DEPTH]])
    np.testing.assert_allclose(found[GEOMETRY], expected[GEOMETRY], atol=2e-3)


def test_intrinsics_are_uploaded_in_single_precision():
    values = np.array([100.0, 101.0, 8.0, 6.0])
    frame = RgbdFrame(
        np.zeros((12, 16, 3), np.uint8), np.ones((12, 16), np.float32), Camera(16, 12, *values)
    )
    _, _, intrinsics = uploaded(frame, torch.device("cpu"))
    assert intrinsics.dtype == torch.float32
