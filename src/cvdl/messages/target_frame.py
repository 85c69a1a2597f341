"""Results in another coordinate frame than the camera's."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import Plane, Scene, Segmentation

__all__ = ["TransformMissingError", "transformed", "transformed_plane"]

Found = TypeVar("Found", Scene, Segmentation)


class TransformMissingError(Exception):
    """A transform is not known, or did not arrive in time."""


def transformed(found: Found, matrix: NDArray[np.float64]) -> Found:
    """Transform plane, 3-D boxes and grasps to another frame; everything in the image stays.

    So does the region, which is drawn in the image.

    Args:
        found: a scene or a segmentation.
        matrix: (4, 4), the rigid transform to the other frame, meters.
    """
    turn, shift = matrix[:3, :3], matrix[:3, 3]
    plane = transformed_plane(found.plane, matrix)
    objects = tuple(
        replace(
            item,
            box3d=replace(
                item.box3d,
                center=turn @ item.box3d.center + shift,
                rotation=turn @ item.box3d.rotation,
            ),
        )
        for item in found.objects
    )
    if isinstance(found, Segmentation):
        return replace(found, plane=plane, objects=objects)
    grasps = tuple(
        replace(grasp, position=turn @ grasp.position + shift, rotation=turn @ grasp.rotation)
        for grasp in found.grasps
    )
    return replace(found, plane=plane, objects=objects, grasps=grasps)


def transformed_plane(plane: Plane | None, matrix: NDArray[np.float64]) -> Plane | None:
    """Transform a plane to another frame by a rigid (4, 4), meters."""
    if plane is None:
        return None
    normal = matrix[:3, :3] @ plane.normal
    return Plane(normal, float(plane.offset - normal @ matrix[:3, 3]))
