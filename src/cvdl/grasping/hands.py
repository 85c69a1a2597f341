"""What grasps are chosen from: the surfaces of a scene, and poses of a gripper among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.scene import Grasp, Plane
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["PALM", "Hands", "SceneCloud", "as_grasps"]

#: Thickness of the palm along the approach, meters.
PALM = 0.02


@dataclass(frozen=True)
class SceneCloud:
    """Points of the surfaces of a scene, also of those that the camera does not see.

    Points are in the camera's optical frame, meters. Those of the support are left out.

    Attributes:
        points: (M, 3) float32, a few millimeters apart.
        label: (M,) int64, of the object in ``Scene.labels``; 0 for what is no object.
        seen: (M,) bool, whether the depth shows them; others complete an object.
        plane: the support.
        depth: (H, W) float32, meters, NaN where there is none: reduced, to tell what is hidden.
        camera: of this depth.
    """

    points: NDArray[np.float32]
    label: NDArray[np.int64]
    seen: NDArray[np.bool_]
    plane: Plane
    depth: NDArray[np.float32]
    camera: Camera


@dataclass(frozen=True)
class Hands:
    """N poses of a parallel gripper, each to grasp an object, in the camera's optical frame.

    Attributes:
        position: (N, 3) float64, midpoint between the tips of the plates, meters.
        rotation: (N, 3, 3) float64, columns x along the opening, y along the plates, z the
            approach.
        opening: (N,) float64, between the plates before they close, meters.
        label: (N,) int64, of the object in ``Scene.labels``.
    """

    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    opening: NDArray[np.float64]
    label: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, index: NDArray[Any] | slice) -> Hands:
        """Select poses by a slice, indices or a mask."""
        return Hands(*(getattr(self, each.name)[index] for each in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Hands]) -> Hands:
        """Join several, which may be none."""
        none = cls(np.empty((0, 3)), np.empty((0, 3, 3)), np.empty(0), np.empty(0, np.int64))
        columns = (
            np.concatenate([getattr(part, each.name) for part in (none, *parts)])
            for each in fields(cls)
        )
        return cls(*columns)


def as_grasps(
    hands: Hands, score: NDArray[np.float64], config: GraspConfig, camera: Camera
) -> tuple[Grasp, ...]:
    """Return N hands as grasps, with the rectangles that the plates span in the image.

    Args:
        hands: in front of the camera.
        score: (N,).
        config: sizes of the gripper.
        camera: of the image.
    """
    x, y = hands.rotation[..., 0], hands.rotation[..., 1]
    along = x * hands.opening[:, None] / 2
    across = y * config.plate_width / 2
    corners = hands.position[:, None] + np.stack(
        [-along - across, along - across, along + across, -along + across], axis=1
    )
    rectangles = GraspRectangles.from_corners(camera.project(corners))
    return tuple(
        Grasp(
            center=rectangles.center[i],
            angle=float(rectangles.angle[i]),
            opening=float(rectangles.opening[i]),
            plate=float(rectangles.plate[i]),
            score=float(score[i]),
            label=int(hands.label[i]),
            position=hands.position[i],
            rotation=hands.rotation[i],
            opening_m=float(hands.opening[i]),
            plate_m=config.plate_width,
        )
        for i in range(len(hands))
    )
