"""Rectangles cut out of a frame, against a slow reference."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.depth.normals import surface_normals
from cvdl.grasping.models.lenz2014.patches import channel_image, extract, mirror
from cvdl.grasping.rectangles import GraspRectangles


@pytest.fixture
def uneven_frame() -> RgbdFrame:
    rng = np.random.default_rng(1)
    camera = Camera(80, 60, 70.0, 70.0, 39.5, 29.5)
    color = cv2.GaussianBlur(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8), (7, 7), 2)
    depth = cv2.GaussianBlur(rng.uniform(0.5, 1.0, (60, 80)).astype(np.float32), (0, 0), 5)
    depth[20:26, 30:37] = np.nan
    return RgbdFrame(color, depth, camera)


RECTANGLES = GraspRectangles(
    np.array([[40.0, 30], [36.5, 22.25], [3, 4], [70, 50], [-50, -50]]),
    np.array([0.0, 0.7, -1.2, 1.5, 0.3]),
    np.array([20.0, 31, 24, 12, 20]),
    np.array([12.0, 14, 10, 30, 10]),
)


def reference(frame, rectangle, size):
    """One sample after the other, as the docstrings say."""
    yuv = cv2.cvtColor(frame.color, cv2.COLOR_RGB2YUV) / 255.0
    normals = surface_normals(frame.depth, frame.camera)
    known = np.isfinite(normals[..., 2])
    (u0, v0), angle = rectangle.center[0], rectangle.angle[0]
    opening, plate = rectangle.opening[0], rectangle.plate[0]
    values = np.zeros((7, size, size))
    mask = np.zeros((2, size, size), bool)
    height, width = frame.depth.shape
    for row in range(size):
        for col in range(size):
            along = ((col + 0.5) / size - 0.5) * max(opening, plate)
            across = ((row + 0.5) / size - 0.5) * max(opening, plate)
            if abs(along) > opening / 2 or abs(across) > plate / 2:
                continue
            u = u0 + np.cos(angle) * along - np.sin(angle) * across
            v = v0 + np.sin(angle) * along + np.cos(angle) * across
            if not (0 <= u <= width - 1 and 0 <= v <= height - 1):
                continue
            left, top = min(int(u), width - 2), min(int(v), height - 2)
            total, share = np.zeros(7), 0.0
            for du in (0, 1):
                for dv in (0, 1):
                    weight = (1 - abs(u - left - du)) * (1 - abs(v - top - dv))
                    total[:3] += weight * yuv[top + dv, left + du]
                    if known[top + dv, left + du]:
                        total[3] += weight * frame.depth[top + dv, left + du]
                        total[4:] += weight * normals[top + dv, left + du]
                        share += weight
            mask[0, row, col] = True
            values[:3, row, col] = total[:3]
            if share > 0.5:
                mask[1, row, col] = True
                _, x, y, z = geometry = total[3:] / share
                values[3, row, col] = geometry[0]
                values[4, row, col] = np.cos(angle) * x + np.sin(angle) * y
                values[5, row, col] = np.cos(angle) * y - np.sin(angle) * x
                values[6, row, col] = z
    if mask[1].any():
        depth = values[3][mask[1]]
        values[3][mask[1]] = (depth - depth.mean()) / max(depth.std(), 0.01)
    return values, mask


@pytest.mark.parametrize("size", [24, 8])
def test_patches_are_those_of_the_slow_reference(uneven_frame, size):
    patches = extract(channel_image(uneven_frame), RECTANGLES, size)
    for index in range(len(RECTANGLES)):
        values, mask = reference(uneven_frame, RECTANGLES[[index]], size)
        np.testing.assert_array_equal(patches.mask[index], mask)
        np.testing.assert_allclose(patches.values[index], values, atol=2e-4)
    assert not patches.mask[-1].any()  # far outside the image


def test_half_a_turn_mirrors_both_ways(uneven_frame):
    image = channel_image(uneven_frame)
    turned = GraspRectangles(
        RECTANGLES.center, RECTANGLES.angle, RECTANGLES.opening, RECTANGLES.plate
    )
    object.__setattr__(turned, "angle", RECTANGLES.angle + np.pi)
    one = mirror(extract(image, RECTANGLES), columns=True, rows=True)
    other = extract(image, turned)
    torch.testing.assert_close(one.mask, other.mask)
    torch.testing.assert_close(one.values, other.values, atol=2e-4, rtol=0)


def test_a_patch_of_the_mirrored_frame_is_the_mirrored_patch(uneven_frame):
    camera = uneven_frame.camera
    flipped = RgbdFrame(
        np.ascontiguousarray(uneven_frame.color[:, ::-1]),
        np.ascontiguousarray(uneven_frame.depth[:, ::-1]),
        camera,
    )
    middle = RECTANGLES[:1]
    there = GraspRectangles(
        np.array([[camera.width - 1, 0.0]]) + middle.center * [-1, 1],
        -middle.angle,
        middle.opening,
        middle.plate,
    )
    one = mirror(extract(channel_image(uneven_frame), middle), columns=True)
    other = extract(channel_image(flipped), there)
    torch.testing.assert_close(one.mask, other.mask)
    torch.testing.assert_close(one.values, other.values, atol=1e-3, rtol=0)


def test_without_depth_only_color_is_known(uneven_frame):
    frame = RgbdFrame(
        uneven_frame.color, np.full_like(uneven_frame.depth, np.nan), uneven_frame.camera
    )
    patches = extract(channel_image(frame), RECTANGLES)
    assert patches.mask[0, 0].any()
    assert not patches.mask[:, 1].any()
    assert torch.isfinite(patches.values).all()
    assert not patches.values[:, 3:].any()


def test_no_rectangles(uneven_frame):
    assert len(extract(channel_image(uneven_frame), GraspRectangles.none())) == 0
