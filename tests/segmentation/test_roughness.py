"""Noise of the depth, measured on the frame, and smoothing."""

import cv2
import numpy as np
import pytest

from cvdl.depth.noise import depth_noise
from cvdl.segmentation.roughness import roughness, smoothed


def noisy(factor, grain=5, step=0.0, seed=0):
    """A plane 0.5 m away with grains of noise, and a step in its right half."""
    rng = np.random.default_rng(seed)
    v = np.arange(480)[:, None] - 240.0
    depth = np.broadcast_to(0.5 + 0.0003 * v, (480, 640)).copy()
    depth[:, 320:] -= step
    grains = rng.normal(0, 1, (480 // grain + 1, 640 // grain + 1))
    noise = cv2.resize(grains, None, fx=grain, fy=grain, interpolation=cv2.INTER_NEAREST)
    return (depth + factor * depth_noise(depth) * noise[:480, :640]).astype(np.float32)


@pytest.mark.parametrize("factor", [3.0, 8.0])
def test_noise_is_measured_as_a_factor_on_the_model(factor):
    assert roughness(noisy(factor, grain=4)) == pytest.approx(factor, rel=0.2)


def test_a_quiet_frame_with_steps_has_a_roughness_of_one():
    depth = noisy(0.5)
    depth[::40] = np.nan
    depth[100:200, 100:300] -= 0.1
    assert roughness(depth) == 1
    assert roughness(np.full((480, 640), np.nan, np.float32)) == 1


def test_smoothing_reduces_noise_and_keeps_steps_and_gaps():
    depth = noisy(8.0, step=0.08)
    depth[200:220, 100:140] = np.nan
    truth = noisy(0.0, step=0.08)
    smooth = smoothed(depth, 8.0)
    assert smooth.dtype == np.float32
    assert np.isnan(smooth[200:220, 100:140]).all()
    inner = np.isfinite(depth)
    inner[:, 310:330] = False
    off = np.abs(smooth - truth)[inner], np.abs(depth - truth)[inner]
    assert off[0].mean() < 0.4 * off[1].mean()
    assert abs(smooth[:, 335:] - truth[:, 335:]).max() < 0.03  # the step stays in place


@pytest.mark.parametrize("shape", [(471, 611), (720, 1280), (60, 80)])
def test_images_of_any_size(shape):
    depth = np.ones(shape, np.float32)
    np.testing.assert_allclose(smoothed(depth, 4.0), depth, atol=1e-4)
