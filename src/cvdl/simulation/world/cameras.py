"""Draws cameras that differ in lens, image size, place and depth sensor.

The ranges include the cameras that robots commonly carry: a camera on a wrist is near and looks
down, one above a cell looks straight down, one on a head or a tripod is far and looks along the
table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cvdl.core.camera import Camera
from cvdl.simulation.world.families import DepthSensor, random_sensor

__all__ = ["CameraModel", "random_view"]

_Key = TypeVar("_Key")

#: Image sizes (pixels) and how often they are drawn. Large images are slow to render.
_SIZES = {
    (640, 480): 0.52,
    (320, 240): 0.06,
    (640, 360): 0.10,
    (848, 480): 0.10,
    (960, 540): 0.05,
    (1280, 720): 0.13,
    (1280, 960): 0.02,
    (1920, 1080): 0.02,
}
#: Nearest and farthest distance (meters) and lowest and highest elevation (degrees) of the places
#: where cameras are mounted, and how often they are drawn.
_MOUNTS = {
    (0.25, 0.7, 40, 90): 0.3,  # wrist
    (0.5, 1.3, 65, 90): 0.2,  # above a cell
    (0.45, 1.2, 22, 75): 0.3,  # tripod
    (0.8, 2.0, 15, 60): 0.2,  # head or wall
}


@dataclass(frozen=True)
class CameraModel:
    """A camera and how it is held.

    Attributes:
        camera: intrinsics of the color image, to which depth is registered.
        distance: from the point it looks at, meters.
        elevation: above the horizontal plane through that point, radians; pi/2 looks straight
            down.
        roll: turn about the optical axis, radians; 0 keeps up in the image up in the world.
        sensor: the depth camera.
    """

    camera: Camera
    distance: float
    elevation: float
    roll: float
    sensor: DepthSensor


def random_view(rng: np.random.Generator) -> CameraModel:
    """Draw a camera and how it is held."""
    nearest, farthest, low, high = _drawn(rng, _MOUNTS)
    distance = math.exp(rng.uniform(math.log(nearest), math.log(farthest)))
    elevation = math.radians(rng.uniform(low, high))
    # Nobody mounts a camera where it cannot see.
    sensor = random_sensor(rng)
    while not 1.6 * sensor.nearest < distance < 0.6 * sensor.farthest:
        sensor = random_sensor(rng)
    return CameraModel(_random_camera(rng), distance, elevation, _random_roll(rng), sensor)


def _random_camera(rng: np.random.Generator) -> Camera:
    width, height = _drawn(rng, _SIZES)
    focal = width / 2 / math.tan(math.radians(rng.uniform(40, 90)) / 2)
    # Few images are cut out of larger ones: their principal point is far off the middle.
    off = 0.07 if rng.uniform() < 0.1 else 0.015
    cx = (width - 1) / 2 + rng.uniform(-off, off) * width
    cy = (height - 1) / 2 + rng.uniform(-off, off) * width
    if rng.uniform() < 0.06:  # portrait
        width, height, cx, cy = height, width, cy, cx
    return Camera(width, height, focal, focal * rng.uniform(0.997, 1.003), cx, cy)


def _random_roll(rng: np.random.Generator) -> float:
    roll = rng.normal(0, math.radians(4))
    kind = rng.uniform()
    if kind < 0.06:
        roll += math.pi
    elif kind < 0.12:
        roll += rng.choice([-1, 1]) * math.pi / 2
    elif kind < 0.2:
        roll = rng.uniform(-math.pi, math.pi)
    return float(roll)


def _drawn(rng: np.random.Generator, shares: dict[_Key, float]) -> _Key:
    keys = list(shares)
    return keys[int(rng.choice(len(keys), p=list(shares.values())))]
