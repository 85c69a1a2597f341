"""The simulated camera and its pose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.placement import Body
from cvdl.simulation.render import Stage

__all__ = ["choose_view", "looking", "random_camera"]

Array = NDArray[np.float64]
Rng = np.random.Generator


def random_camera(seed: int, config: SimulationConfig) -> Camera:
    """Draw the camera of all scenes of a seed, similar to a Kinect or a RealSense."""
    rng = np.random.default_rng([seed, 0])
    scale = config.width / 640
    focal = rng.uniform(525, 615) * scale
    cx = (config.width - 1) / 2 + rng.normal(0, 3) * scale
    cy = (config.height - 1) / 2 + rng.normal(0, 3) * scale
    return Camera(config.width, config.height, focal, focal * rng.uniform(0.998, 1.002), cx, cy)


def choose_view(
    rng: Rng, camera: Camera, config: SimulationConfig, bodies: list[Body], stage: Stage
) -> Array:
    """Return a camera pose (4, 4), optical frame to world, that shows every body.

    If no tried pose does, return the best one. ``stage`` holds the table and the bodies, labeled in
    order.
    """
    shrink = camera.width / 80
    small = Camera(
        80, round(camera.height / shrink),
        camera.fx / shrink, camera.fy / shrink, camera.cx / shrink, camera.cy / shrink,
    )  # fmt: skip
    elevation = np.radians(rng.uniform(config.min_elevation, config.max_elevation))
    centers = np.array([body.center for body in bodies]) if bodies else np.zeros((1, 3))
    middle = (centers.min(axis=0) + centers.max(axis=0)) / 2
    extent = np.linalg.norm(centers - middle, axis=1).max() + 0.08
    best, best_seen = np.eye(4), -1
    for _ in range(8):
        near = max(extent * camera.fx / (0.5 * camera.height), 0.55)
        away = min(near * rng.uniform(0.95, 1.45), 1.6)
        azimuth = rng.uniform(0, 2 * np.pi)
        target = middle + rng.normal(0, 0.05, 3) * [1, 1, 0.3]
        level = np.cos(elevation) * np.array([np.cos(azimuth), np.sin(azimuth)])
        offset = away * np.append(level, np.sin(elevation))
        pose = looking(target + offset, target, azimuth, rng.normal(0, np.radians(3)))
        pixels = np.bincount(stage.labels(small, pose).ravel())
        seen = int((pixels[FIRST_OBJECT_LABEL:] >= 4).sum())
        if seen > best_seen:
            best, best_seen = pose, seen
        if seen == len(bodies):
            break
    return best


def looking(eye: Array, target: Array, azimuth: float, roll: float) -> Array:
    """The optical pose (4, 4) at ``eye`` towards ``target``, which is at ``azimuth`` + 180 degrees.

    Up in the image is up in the world or, from straight above, away from the azimuth.
    """
    z = (target - eye) / np.linalg.norm(target - eye)
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0])
    down = np.cross(z, right)
    x, y = right * np.cos(roll) + down * np.sin(roll), down * np.cos(roll) - right * np.sin(roll)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, y, z], axis=1)
    pose[:3, 3] = eye
    return pose
