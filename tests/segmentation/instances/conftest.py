"""Views of domes on a table, small enough to learn from in seconds."""

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.segmentation_sample import UNLABELED, SegmentationSample

CAMERA = Camera(160, 120, 560.0, 560.0, 79.5, 59.5)


class Views(list):
    """Labeled views."""

    classes = ("dome",)

    @property
    def names(self):
        return [view.name for view in self]


def domes_on_a_table(seed):
    """Two bright domes, which may touch, on a gray table; the upper rows show no table."""
    rng = np.random.default_rng(seed)
    color = np.full((120, 160, 3), 90, np.uint8)
    depth = np.full((120, 160), 0.8, np.float32)
    labels = np.ones((120, 160), np.uint16)
    color[:24], depth[:24], labels[:24] = 10, 1.4, 0
    depth[:4, :6], labels[:4, :6] = np.nan, UNLABELED
    rows, cols = np.mgrid[:120, :160]
    y, x = rng.integers(50, 90), rng.integers(30, 80)
    for number, (row, col) in enumerate(((y, x), (y + 6, x + 40 + rng.integers(0, 12)))):
        height = 1 - ((rows - row) ** 2 + (cols - col) ** 2) / 20**2
        part = height > 0
        color[part], labels[part] = 250 - 40 * number, 2 + number
        depth[part] -= 0.03 * height[part]
    return SegmentationSample(
        f"view{seed}", RgbdFrame(color, depth, CAMERA), labels, np.array([0, -1])
    )


@pytest.fixture
def views():
    """A function that makes views of some seeds."""
    return lambda *seeds: Views(domes_on_a_table(seed) for seed in seeds)


@pytest.fixture
def small_views(monkeypatch):
    """Train on views of 80 x 112 pixels of half resolution."""
    for module in ("training.detailed_views", "segmentation.instances.views"):
        monkeypatch.setattr(f"cvdl.{module}.VIEW", (80, 112))
