"""Remembers grasps that failed, so that others are tried: a failed try often moves nothing.

The same picture gives the same best grasp, so a robot without memory fails again and again::

    failed = FailedGrasps()
    while (scene := failed.without(perception(frame), camera_pose)).grasps:
        if not robot.execute(scene.grasps[0]):
            failed.add(scene, scene.grasps[0], camera_pose)
        frame = ...
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvdl.core.scene import Grasp, Scene

__all__ = ["FailedGrasps"]

Array = NDArray[np.float64]

#: An object whose box's center moves further than this has moved, meters.
_MOVED = 0.03
#: Objects with their centers so near to a grasp are its surroundings, meters.
_NEAR = 0.15


@dataclass(frozen=True)
class _Failure:
    """A failed grasp, and what stood where; in the fixed frame.

    Attributes:
        position: (3,) midpoint between the tips.
        rotation: (3, 3).
        place: (3,) center of the object's box.
        around: (K, 3) centers of the boxes of the objects around it.
    """

    position: Array
    rotation: Array
    place: Array
    around: Array

    def stands(self, centers: Array) -> bool:
        """Whether all that stood there is among the present centers (N, 3)."""
        stood = np.vstack([self.place, self.around])
        gaps = np.linalg.norm(stood[:, None] - centers, axis=2)
        return bool((gaps < _MOVED).any(axis=1).all())


class FailedGrasps:
    """Grasps that failed, as poses in a fixed frame.

    A failure is forgotten when its object, or another one within 15 cm, has moved by more than 3
    cm or is gone: then the same grasp may succeed. Objects that come change nothing.

    Args:
        distance: a grasp is as a failed one if their tips are nearer than this, meters,
        angle: and both their approaches and their openings differ by less, degrees. Turned by
            half a turn about its approach, a gripper is the same.
    """

    def __init__(self, distance: float = 0.02, angle: float = 30.0) -> None:
        self._distance, self._cosine = distance, float(np.cos(np.radians(angle)))
        self._failures: list[_Failure] = []

    def __len__(self) -> int:
        """Number of failures that are remembered."""
        return len(self._failures)

    def add(self, scene: Scene, grasp: Grasp, camera_pose: ArrayLike | None = None) -> None:
        """Remember a grasp that failed.

        Args:
            scene: that the grasp is from.
            grasp: one of its grasps.
            camera_pose: (4, 4) from the optical frame to a fixed one, when the frame was taken;
                default: the camera never moves.

        Raises:
            ValueError: if the scene has no object with the label of the grasp.
        """
        labels = [item.label for item in scene.objects]
        if grasp.label not in labels:
            raise ValueError(f"the scene has no object {grasp.label}; it has {labels}")
        turn, shift = _parts(camera_pose)
        position, centers = turn @ grasp.position + shift, _centers(scene, turn, shift)
        near = np.linalg.norm(centers - position, axis=1) < _NEAR
        place = centers[labels.index(grasp.label)]
        self._failures.append(_Failure(position, turn @ grasp.rotation, place, centers[near]))

    def without(self, scene: Scene, camera_pose: ArrayLike | None = None) -> Scene:
        """Leave out the grasps that have failed, and forget failures where things have changed.

        Args:
            scene: with its grasps.
            camera_pose: see `add`.

        Returns:
            The scene with the other grasps, in the same order. Objects that have none any more are
            counted in ``refused`` as "failed before".
        """
        turn, shift = _parts(camera_pose)
        centers = _centers(scene, turn, shift)
        self._failures = [each for each in self._failures if each.stands(centers)]
        kept = tuple(
            grasp
            for grasp in scene.grasps
            if not self._has(turn @ grasp.position + shift, turn @ grasp.rotation)
        )
        if len(kept) == len(scene.grasps):
            return scene
        without = {grasp.label for grasp in scene.grasps} - {grasp.label for grasp in kept}
        refused = {"failed before": len(without)} if without else {}
        return replace(scene, grasps=kept, refused={**scene.refused, **refused})

    def _has(self, position: Array, rotation: Array) -> bool:
        for failure in self._failures:
            near = np.linalg.norm(position - failure.position) < self._distance
            cosines = (rotation * failure.rotation).sum(axis=0)
            if near and cosines[2] > self._cosine and abs(cosines[0]) > self._cosine:
                return True
        return False


def _parts(camera_pose: ArrayLike | None) -> tuple[Array, Array]:
    """Rotation (3, 3) and translation (3,) of a pose."""
    pose = np.eye(4) if camera_pose is None else np.asarray(camera_pose, np.float64)
    return pose[:3, :3], pose[:3, 3]


def _centers(scene: Scene, turn: Array, shift: Array) -> Array:
    """Centers (N, 3) of the boxes of the objects, in the fixed frame."""
    centers = [turn @ item.box3d.center + shift for item in scene.objects]
    return np.array(centers, np.float64).reshape(-1, 3)
