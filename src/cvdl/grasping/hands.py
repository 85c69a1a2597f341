"""What grasps are chosen from: the surfaces of a scene, and poses of a gripper among them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import Plane

__all__ = ["Hands", "SceneCloud"]


@dataclass(frozen=True)
class SceneCloud:
    """Points of the surfaces of a scene, also of those that the camera does not see.

    Points are in the camera's optical frame, meters. Those of the support are left out.

    Attributes:
        points: (M, 3) float32, a few millimeters apart.
        label: (M,) int64, of the object in ``Scene.labels``; 0 for what is no object.
        seen: (M,) bool, whether the depth shows them; others complete an object.
        plane: the support.
    """

    points: NDArray[np.float32]
    label: NDArray[np.int64]
    seen: NDArray[np.bool_]
    plane: Plane


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
