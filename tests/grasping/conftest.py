"""Boxes and cylinders on a table, ray-cast, of which everything is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import OrientedBox, Plane, SceneObject
from cvdl.grasping.rectangles import GraspRectangles
from helpers.rays import between_faces, camera_above, yaw_rotation

CAMERA = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
NOISE = 1.5e-3  # meters at 1 m, growing with z squared


@dataclass(frozen=True)
class Solid:
    """A box, or a cylinder whose axis is its third, in a world with z up; meters.

    Attributes:
        center: (x, y, z), the table's top at z = 0, y away from the camera.
        size: along its axes.
        yaw: degrees about z.
        lies: whether it is turned so that its third axis is along x (before the yaw).
        is_round: a cylinder.
        label: of the object that it is, or is a part of.
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0
    lies: bool = False
    is_round: bool = False
    label: int = 2

    @property
    def rotation(self) -> NDArray[np.float64]:
        turn = yaw_rotation(self.yaw)
        return turn @ np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]) if self.lies else turn

    def distance(self, eye: NDArray[np.float64], rays: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many rays (..., 3) long it is to the solid, infinite where it is missed."""
        start = (eye - np.array(self.center)) @ self.rotation
        along = rays @ self.rotation
        if not self.is_round:
            enter, leave = between_faces(start, along, self.size)
        else:
            enter, leave = between_faces(start, along, self.size, axes=(2,))
            with np.errstate(divide="ignore", invalid="ignore"):
                a = (along[..., :2] ** 2).sum(-1)
                b = along[..., :2] @ start[:2]
                root = np.sqrt(b * b - a * (start[:2] @ start[:2] - (self.size[0] / 2) ** 2))
                enter = np.fmax(enter, (-b - root) / a)
                leave = np.where(np.isnan(root), -np.inf, np.minimum(leave, (-b + root) / a))
        return np.where(leave > enter, enter, np.inf)


@dataclass(frozen=True)
class View:
    """What a camera sees of solids on a table.

    Attributes:
        frame: with noise.
        labels: as in ``Scene``.
        plane: the table.
        objects: one a label.
        eye: of the camera, in the world.
        axes: (3, 3), its columns the camera's axes in the world.
    """

    frame: RgbdFrame
    labels: NDArray[np.uint16]
    plane: Plane
    objects: tuple[SceneObject, ...]
    eye: NDArray[np.float64]
    axes: NDArray[np.float64]

    def point(self, world: object) -> NDArray[np.float64]:
        """Points (..., 3) of the world in the camera's frame."""
        return (np.asarray(world, float) - self.eye) @ self.axes

    def direction(self, world: object) -> NDArray[np.float64]:
        """Directions (..., 3) of the world in the camera's frame."""
        return np.asarray(world, float) @ self.axes

    def rectangle(
        self, center: object, along: object, length: float, plate: float = 20, score: float = 1
    ) -> GraspRectangles:
        """One rectangle: its opening the picture of a stretch of the world round a center."""
        middle, half = np.asarray(center, float), np.asarray(along, float) * length / 2
        ends = self.frame.camera.project(self.point([middle - half, middle + half]))
        u, v = ends[1] - ends[0]
        return GraspRectangles(
            ends.mean(axis=0), [np.arctan2(v, u)], [np.hypot(u, v)], [plate], [score]
        )


def _look(*solids: Solid, elevation: float = 50.0, distance: float = 0.8, seed: int = 0) -> View:
    eye, axes = camera_above(elevation, distance)
    size = (CAMERA.height, CAMERA.width)
    rays = CAMERA.deproject(np.ones(size, np.float32)).astype(float) @ axes.T
    with np.errstate(divide="ignore"):
        depth = np.where(rays[..., 2] < 0, -eye[2] / rays[..., 2], np.inf)
    labels = np.where(np.isfinite(depth), 1, 0).astype(np.uint16)
    for solid in solids:
        z = solid.distance(eye, rays)
        labels[z < depth] = solid.label
        depth = np.minimum(depth, z)
    depth = np.where(np.isfinite(depth), depth, np.nan)
    depth += np.random.default_rng(seed).normal(0, NOISE, size) * depth**2
    frame = RgbdFrame(
        np.full((*size, 3), 128, np.uint8), depth.astype(np.float32), CAMERA, 7, "optical"
    )
    box = OrientedBox(np.zeros(3), np.eye(3), np.ones(3))
    objects = tuple(
        SceneObject(int(label), np.zeros(4), box, int((labels == label).sum()))
        for label in np.unique(labels[labels > 1])
    )
    return View(frame, labels, Plane(axes[2].copy(), float(eye[2])), objects, eye, axes)


@pytest.fixture(scope="session")
def solid() -> type[Solid]:
    return Solid


@pytest.fixture(scope="session")
def look() -> Callable[..., View]:
    """A function: solids on a table to the `View` of a camera that looks at the table's middle."""
    return _look
