"""Simple solids on a table, ray-cast, of which everything is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Plane, Scene, SceneObject
from cvdl.grasping.rectangles import GraspRectangles
from cvdl.segmentation.labels import pixels_by_label
from cvdl.segmentation.objects import add_objects, height_ranges, lowest_masks
from helpers.rays import between_faces, camera_above, yaw_rotation

CAMERA = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
NOISE = 1.5e-3  # meters at 1 m, growing with z squared
WALL = 0.004  # of cups, meters


@dataclass(frozen=True)
class Solid:
    """A solid in a world with z up; meters.

    Attributes:
        center: (x, y, z), the table's top at z = 0, y away from the camera.
        size: along its axes.
        yaw: degrees about z.
        lies: whether it is turned so that its third axis is along x (before the yaw).
        shape: "box"; "cylinder" about the third axis; "cup", such a cylinder, open above, with
            walls of 4 mm; "ball".
        label: of the object that it is, or is a part of.
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0
    lies: bool = False
    shape: str = "box"
    label: int = 2

    @property
    def rotation(self) -> NDArray[np.float64]:
        turn = yaw_rotation(self.yaw)
        return turn @ np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]) if self.lies else turn

    @property
    def hollow(self) -> Solid:
        """The inside of a cup, and above."""
        x, y, z = self.center
        sides = (self.size[0] - 2 * WALL, self.size[1] - 2 * WALL, self.size[2])
        return replace(self, center=(x, y, z + WALL), size=sides, shape="cylinder")

    def distance(self, eye: NDArray[np.float64], rays: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many rays (..., 3) long it is to the solid, infinite where it is missed."""
        enter, leave = self._between(eye, rays)
        hit = np.where(leave > enter, enter, np.inf)
        if self.shape == "cup":  # rays that begin in the hollow end at its other side
            begin, end = self.hollow._between(eye, rays)
            inside = (begin <= enter) & (enter < end)
            hit = np.where(inside, np.where(end < leave, end, np.inf), hit)
        return hit

    def _between(self, eye: NDArray, rays: NDArray) -> tuple[NDArray, NDArray]:
        """Where rays enter and leave the solid without its hollow; enter > leave is a miss."""
        start = (eye - np.array(self.center)) @ self.rotation
        along = rays @ self.rotation
        flat = {"box": (0, 1, 2), "ball": ()}.get(self.shape, (2,))
        enter, leave = between_faces(start, along, self.size, axes=flat)
        turned = {"box": 0, "ball": 3}.get(self.shape, 2)
        if turned:
            a = (along[..., :turned] ** 2).sum(-1)
            b = along[..., :turned] @ start[:turned]
            c = start[:turned] @ start[:turned] - (self.size[0] / 2) ** 2
            with np.errstate(divide="ignore", invalid="ignore"):
                root = np.sqrt(b * b - a * c)
                enter = np.fmax(enter, (-b - root) / a)
                leave = np.where(np.isnan(root), -np.inf, np.minimum(leave, (-b + root) / a))
        return enter, leave

    def depth(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """How deep points (..., 3) of the world are inside the solid, (...); negative outside."""
        local = (points - np.array(self.center)) @ self.rotation
        half = np.array(self.size) / 2
        if self.shape == "ball":
            return half[0] - np.linalg.norm(local, axis=-1)
        if self.shape == "box":
            over = np.abs(local) - half
        else:
            radius = np.linalg.norm(local[..., :2], axis=-1)
            over = np.stack([radius - half[0], np.abs(local[..., 2]) - half[2]], axis=-1)
        found = -np.linalg.norm(np.maximum(over, 0), axis=-1) - np.minimum(over.max(axis=-1), 0)
        return np.minimum(found, -self.hollow.depth(points)) if self.shape == "cup" else found


@dataclass(frozen=True)
class View:
    """What a camera sees of solids on a table.

    Attributes:
        frame: with noise.
        labels: as in ``Scene``.
        plane: the table.
        objects: one a label, as the segmentation makes them.
        eye: of the camera, in the world.
        axes: (3, 3), its columns the camera's axes in the world.
    """

    frame: RgbdFrame
    labels: NDArray[np.uint16]
    plane: Plane
    objects: tuple[SceneObject, ...]
    eye: NDArray[np.float64]
    axes: NDArray[np.float64]

    @property
    def scene(self) -> Scene:
        return Scene(self.labels, self.plane, self.objects)

    def point(self, world: object) -> NDArray[np.float64]:
        """Points (..., 3) of the world in the camera's frame."""
        return (np.asarray(world, float) - self.eye) @ self.axes

    def world(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points (..., 3) of the camera's frame in the world."""
        return points @ self.axes.T + self.eye

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
    plane = Plane(axes[2].copy(), float(eye[2]))
    return View(frame, labels, plane, _objects(labels, frame.depth, plane), eye, axes)


def _objects(
    labels: NDArray[np.uint16], depth: NDArray[np.float32], plane: Plane
) -> tuple[SceneObject, ...]:
    segments = np.where(labels > 1, labels, 0).astype(np.int32)
    masks = pixels_by_label(segments)
    lowest = lowest_masks(segments, height_ranges(masks, depth, CAMERA, plane))
    return add_objects(np.zeros_like(labels), masks, depth, CAMERA, plane, 1, lowest, None)


@pytest.fixture(scope="session")
def solid() -> type[Solid]:
    return Solid


@pytest.fixture(scope="session")
def look() -> Callable[..., View]:
    """A function: solids on a table to the `View` of a camera that looks at the table's middle."""
    return _look
