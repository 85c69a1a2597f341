"""Views of boxes on a table, small enough to learn from in seconds."""

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.segmentation_sample import UNLABELED, SegmentationSample

CAMERA = Camera(160, 120, 560.0, 560.0, 79.5, 59.5)


class Views(list):
    """Labeled views."""

    classes = ("box",)

    @property
    def names(self):
        return [view.name for view in self]


def boxes_on_a_table(seed):
    """Two bright boxes, which may touch, on a gray table; the upper rows show no table."""
    rng = np.random.default_rng(seed)
    color = np.full((120, 160, 3), 90, np.uint8)
    depth = np.full((120, 160), 0.8, np.float32)
    labels = np.ones((120, 160), np.uint16)
    color[:24], depth[:24], labels[:24] = 10, 1.4, 0
    depth[:4, :6], labels[:4, :6] = np.nan, UNLABELED
    y, x = rng.integers(30, 60), rng.integers(10, 60)
    for number, (row, col) in enumerate(((y, x), (y + 6, x + 34 + rng.integers(0, 12)))):
        part = slice(row, row + 34), slice(col, col + 34)
        color[part], labels[part] = 250 - 40 * number, 2 + number
        depth[part] -= 0.05
    return SegmentationSample(
        f"view{seed}", RgbdFrame(color, depth, CAMERA), labels, np.array([0, -1])
    )


@pytest.fixture
def views():
    """A function that makes views of some seeds."""
    return lambda *seeds: Views(boxes_on_a_table(seed) for seed in seeds)


@pytest.fixture
def small_views(monkeypatch):
    """Train on views of 80 x 112 pixels of half resolution."""
    for module in ("training.detailed_views", "segmentation.instances.views"):
        monkeypatch.setattr(f"cvdl.{module}.VIEW", (80, 112))
