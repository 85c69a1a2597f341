"""A cube on a support, and a hand around it."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.scene import Plane
from cvdl.grasping.hands import Hands, SceneCloud
from cvdl.grasping.holding.executed import GripperSizes

#: Of the cube and of one beside it.
CUBE, OTHER = 2, 3
SIDE = 0.044  # no point is at the border of a cell of the maps
SIZES = GripperSizes(max_opening=0.1, plate_thickness=0.01, plate_width=0.02, plate_length=0.05)


def cube_points(side=SIDE, step=0.004):
    """Points (M, 3) on the surface of a cube around the origin."""
    along = np.arange(-side / 2, side / 2 + step / 2, step)
    x, y = (each.ravel() for each in np.meshgrid(along, along))
    z = np.full_like(x, side / 2)
    faces = [np.stack(each, axis=1) for each in ((x, y, z), (x, z, y), (z, x, y))]
    return np.concatenate([*faces, *(-each for each in faces)])


@pytest.fixture
def cloud():
    """A cube seen from above, 0.6 m below the camera on a support, and another at x = 8 cm."""
    cube = cube_points()
    middle = np.array([0.0, 0.0, 0.6])
    points = np.concatenate([cube + middle, cube + middle + [0.08, 0.0, 0.0]])
    label = np.repeat([CUBE, OTHER], len(cube))
    seen = points[:, 2] < 0.6 - SIDE / 2 + 1e-6  # the top, towards the camera
    return SceneCloud(
        points.astype(np.float32),
        label,
        seen,
        Plane(np.array([0.0, 0.0, -1.0]), 0.622),
        np.full((60, 80), 0.622, np.float32),
        Camera(80, 60, 80.0, 80.0, 39.5, 29.5),
    )


@pytest.fixture
def hand():
    """Straight down, with the tips in the middle of the cube."""
    return Hands(np.array([[0.0, 0.0, 0.6]]), np.eye(3)[None], np.array([0.06]), np.array([CUBE]))
