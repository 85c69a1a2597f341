"""Rotations as unit quaternions, which messages hold, and as matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["quaternions_of", "rotation_of"]


def quaternions_of(rotations: ArrayLike) -> NDArray[np.float64]:
    """Unit quaternions x, y, z, w (..., 4) of rotation matrices (..., 3, 3).

    Shepperd 1978, "Quaternion from rotation matrix": the largest component is computed first.
    """
    matrix = np.asarray(rotations, np.float64)
    transposed = np.swapaxes(matrix, -1, -2)
    trace = np.trace(matrix, axis1=-2, axis2=-1)
    products = np.empty((*trace.shape, 4, 4))  # of each two components, four times
    products[..., :3, :3] = matrix + transposed
    products[..., range(3), range(3)] += 1 - trace[..., None]
    products[..., 3, 3] = 1 + trace
    turned = (matrix - transposed)[..., [2, 0, 1], [1, 2, 0]]
    products[..., 3, :3] = products[..., :3, 3] = turned
    largest = np.diagonal(products, axis1=-2, axis2=-1).argmax(axis=-1)
    found = np.take_along_axis(products, largest[..., None, None], axis=-2)[..., 0, :]
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def rotation_of(quaternion: ArrayLike) -> NDArray[np.float64]:
    """The rotation matrix (3, 3) of a quaternion x, y, z, w of any length.

    Raises:
        ValueError: if its length is 0 or not finite.
    """
    given = np.asarray(quaternion, np.float64)
    length = np.linalg.norm(given)
    if not 0 < length < np.inf:
        raise ValueError(f"the length of the quaternion {given.tolist()} is {length}")
    x, y, z, w = given / length
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross
