"""What stands on a table, by height and by color."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.grasping.foreground import foreground

CAMERA = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
BOX = (slice(200, 240), slice(280, 340))  # as white as the table, 4 cm high
GLASS = (slice(330, 350), slice(300, 380))  # no trace in the depth, darker
SHADOW = (slice(280, 300), slice(60, 600))


@pytest.fixture
def frame() -> RgbdFrame:
    """A white table, tilted, with a soft shadow; beside it, at the right, the floor."""
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:480, :640]
    rays = np.stack([(cols - 319.5) / 525, (rows - 239.5) / 525, np.ones(rows.shape)], axis=-1)
    normal = np.array([0, -np.sin(0.9), -np.cos(0.9)])
    depth = -0.8 / (rays @ normal)
    depth[BOX] = -0.76 / (rays @ normal)[BOX]
    floor = cols > 600
    depth[floor] = (-1.5 / (rays @ normal))[floor]
    depth += rng.normal(0, 0.001, depth.shape)
    color = rng.normal(215, 2, (480, 640, 3))
    color[SHADOW] -= 8
    color[GLASS] -= (90, 60, 60)
    color[floor] = (60, 40, 30)
    return RgbdFrame(color.clip(0, 255).astype(np.uint8), depth.astype(np.float32), CAMERA)


def test_the_box_is_found_by_height_and_the_glass_by_color(frame):
    found = foreground(frame)
    assert found.shape == (480, 640)
    assert found.dtype == bool
    assert found[BOX].mean() > 0.95
    assert found[GLASS].mean() > 0.95
    rest = found.copy()
    for part in (BOX, GLASS):
        rows, cols = (slice(some.start - 6, some.stop + 6) for some in part)
        rest[rows, cols] = False
    assert not rest.any()  # neither the shadow nor the floor nor the table's edge


def test_without_depth_the_color_is_used(frame):
    blind = RgbdFrame(frame.color, np.full_like(frame.depth, np.nan), CAMERA)
    found = foreground(blind)
    assert found[GLASS].mean() > 0.95
    assert not found[BOX].any()
    assert not found[SHADOW].any()


def test_an_empty_table_has_no_foreground():
    frame = RgbdFrame(
        np.full((480, 640, 3), 200, np.uint8), np.full((480, 640), 0.8, np.float32), CAMERA
    )
    assert not foreground(frame).any()
