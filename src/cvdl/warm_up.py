"""Runs the stages once on an artificial frame, so that no real frame waits for compilation.

Numba compiles the kernels of segmentation and poses once per machine, which takes half a minute.
PyTorch chooses its own kernels at the first run of a network.
"""

from __future__ import annotations

import numpy as np

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.depth.registration import register
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.segmentation import RegionConfig

__all__ = ["made_up_frame", "warmed_up"]


def warmed_up(config: PerceptionConfig) -> Perception:
    """Load the stages and run them once.

    Raises:
        InputError: see `Perception`.
    """
    # The artificial frame must not start a track, and may lie outside of the region of interest.
    changes = {
        "detector": config.detector.model_copy(update={"track": False}),
        "segmentation": config.segmentation.model_copy(update={"region": RegionConfig()}),
    }
    perceive = Perception(config.model_copy(update=changes))
    frame = made_up_frame()
    perceive(frame)
    register(frame.depth, frame.camera, frame.camera, np.eye(4))
    return Perception(config, perceive)


def made_up_frame() -> RgbdFrame:
    """Two red blocks on a gray table, 640 x 480, seen from 45 degrees at about 0.8 m.

    There is a gap in the depth, as in the frames of every camera.
    """
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    ray = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], -1)
    down, away = np.array([0, 1, 1]) / np.sqrt(2), np.array([0, -1, 1]) / np.sqrt(2)
    table = 0.55  # meters below the camera
    depth = table / np.maximum(ray @ down, 1e-3)
    # The tops of the blocks, and the sides that face the camera.
    top = (table - 0.06) / np.maximum(ray @ down, 1e-3)
    side = (table - 0.05) / np.maximum(ray @ away, 1e-3)
    on_top, on_side = ray * top[..., None], ray * side[..., None]
    half = 0.03
    # Their centers are at x = 0 and 0.14. Two, because objects are compared with each other too.
    from_top, from_side = (np.abs(np.abs(some[..., 0] - 0.07) - 0.07) for some in (on_top, on_side))
    upper = (from_top < half) & (np.abs(on_top @ away - table + 0.02) < half)
    front = (from_side < half) & (np.abs(on_side @ down - table + 0.03) < half)
    depth = np.select([upper, front], [top, side], depth)
    color = np.full((camera.height, camera.width, 3), 140, np.uint8)
    color[upper | front] = 200, 40, 40
    depth[depth > 3] = np.nan
    depth[400, 100:103] = np.nan
    return RgbdFrame(color, depth.astype(np.float32), camera)
