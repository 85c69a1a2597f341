"""Ray casting of simple solids on a table: z up, x to the right, y away from the camera, meters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["between_faces", "camera_above", "yaw_rotation"]


def camera_above(elevation: float, distance: float) -> tuple[NDArray, NDArray]:
    """Position and axes of a camera that looks at the middle of the table.

    Args:
        elevation: Degrees above the table.
        distance: From the middle of the table.

    Returns:
        Position (3,), and a matrix (3, 3) whose columns are the camera's axes in the world.
    """
    cos, sin = np.cos(np.deg2rad(elevation)), np.sin(np.deg2rad(elevation))
    eye = distance * np.array([0, -cos, sin])
    return eye, np.array([[1, 0, 0], [0, -sin, cos], [0, -cos, -sin]])


def yaw_rotation(degrees: float) -> NDArray[np.float64]:
    """Rotation about z (3, 3)."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def between_faces(
    start: NDArray, along: NDArray, size: Sequence[float], axes: Sequence[int] = (0, 1, 2)
) -> tuple[NDArray, NDArray]:
    """Where rays enter and leave a box, in ray lengths, 0 at least; enter > leave is a miss.

    Args:
        start: Origin of the rays (3,) in the frame of the box.
        along: Directions (..., 3) in the frame of the box.
        size: Edge lengths of the box.
        axes: Only the pairs of faces across these axes count.
    """
    number = along.dtype.type
    enter = np.zeros(along.shape[:-1], along.dtype)
    leave = np.full(along.shape[:-1], np.inf, along.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis in axes:
            faces = [number(s * size[axis] / 2 - start[axis]) / along[..., axis] for s in (-1, 1)]
            enter = np.maximum(enter, np.minimum(*faces))
            leave = np.minimum(leave, np.maximum(*faces))
    return enter, leave
