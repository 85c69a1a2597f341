"""A frame with a bar on a table, and untrained networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.grasping.models.lenz2014.network import GraspNetwork


@pytest.fixture
def bar_frame() -> RgbdFrame:
    """160 x 120: a red bar, 60 x 16 pixels, 3 cm over a gray table 0.8 m away."""
    rng = np.random.default_rng(0)
    camera = Camera(160, 120, 525.0, 525.0, 79.5, 59.5)
    color = np.full((120, 160, 3), 180, np.uint8)
    depth = np.full((120, 160), 0.8, np.float32)
    depth += rng.normal(0, 0.0005, depth.shape).astype(np.float32)
    color[52:68, 50:110] = (200, 30, 20)
    depth[52:68, 50:110] -= 0.03
    return RgbdFrame(color, depth, camera)


@pytest.fixture
def networks() -> tuple[GraspNetwork, GraspNetwork]:
    torch.manual_seed(0)
    return GraspNetwork(50), GraspNetwork(200)
