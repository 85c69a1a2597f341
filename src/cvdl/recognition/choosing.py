"""Chooses the object that a user means: at a pixel, at a point, the largest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, SceneObject

__all__ = ["in_the_middle", "largest", "nearest_to_pixel", "nearest_to_point"]


def largest(scene: Scene) -> SceneObject | None:
    """The object with the most pixels; None without objects."""
    return max(scene.objects, key=lambda item: item.area, default=None)


def in_the_middle(scene: Scene) -> SceneObject | None:
    """The object nearest to the middle of the picture; None without objects."""
    height, width = scene.labels.shape
    return nearest_to_pixel(scene, (width - 1) / 2, (height - 1) / 2)


def nearest_to_pixel(
    scene: Scene, u: float, v: float, farthest: float = np.inf
) -> SceneObject | None:
    """The object with a pixel nearest to (u, v); None if none is within ``farthest`` pixels."""
    distances = []
    for item in scene.objects:
        x_min, y_min, x_max, y_max = (max(int(value), 0) for value in item.box2d)
        part = scene.labels[y_min:y_max, x_min:x_max] == item.label
        rows, columns = np.nonzero(part)
        far = np.hypot(columns + x_min - u, rows + y_min - v).min(initial=np.inf)
        distances.append(float(far))
    return _nearest(scene, distances, farthest)


def nearest_to_point(
    frame: RgbdFrame, scene: Scene, point: NDArray[np.floating], farthest: float
) -> SceneObject | None:
    """The object nearest to a point in the camera's frame; None if none is near.

    The distance is to the readings of the object or, for one without readings, to its box.

    Args:
        frame: color and depth.
        scene: objects of the same frame.
        point: (3,) meters.
        farthest: meters.
    """
    distances = []
    for item in scene.objects:
        rows, columns = np.nonzero(scene.mask(item) & np.isfinite(frame.depth))
        if len(rows):
            pixels = np.stack([columns, rows], axis=-1).astype(np.float64)
            points = frame.camera.deproject_pixels(pixels, frame.depth[rows, columns])
            far = float(np.linalg.norm(points - point, axis=1).min())
        else:
            box = item.box3d
            inside = np.abs((point - box.center) @ box.rotation) - box.size / 2
            far = float(np.linalg.norm(np.maximum(inside, 0)))
        distances.append(far)
    return _nearest(scene, distances, farthest)


def _nearest(scene: Scene, distances: list[float], farthest: float) -> SceneObject | None:
    if not distances or not min(distances) <= farthest:
        return None
    return scene.objects[int(np.argmin(distances))]
