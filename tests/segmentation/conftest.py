"""Scenes of boxes, ray-cast with numpy, of which everything is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL, OrientedBox, Plane, Scene
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.segmentation.surface import Surface
from helpers.rays import between_faces, camera_above, yaw_rotation

KINECT = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
#: A Kinect's steps of inverse depth: 2.85 mm at 1 m.
STEP = 2.85e-3


@dataclass(frozen=True)
class Block:
    """A box of the world: z up, x to the right, y away from the camera, meters.

    Attributes:
        x, y: its middle.
        size: width, depth and height.
        z: its lower side.
        yaw: degrees about z.
        color: RGB.
    """

    x: float
    y: float
    size: tuple[float, float, float]
    z: float = 0.0
    yaw: float = 0.0
    color: tuple[int, int, int] = (180, 60, 40)

    @property
    def rotation(self) -> NDArray[np.float64]:
        return yaw_rotation(self.yaw)

    @property
    def center(self) -> NDArray[np.float64]:
        return np.array([self.x, self.y, self.z + self.size[2] / 2])

    def distance(self, eye: NDArray[np.float64], rays: NDArray[np.float32]) -> NDArray[np.float32]:
        """How many rays (H, W, 3) long it is to the box: (H, W), infinite where it is missed."""
        start = (eye - self.center) @ self.rotation
        along = rays @ self.rotation.astype(np.float32)
        enter, leave = between_faces(start, along, self.size)
        return np.where(leave > enter, enter, np.inf).astype(np.float32)


TABLE = Block(0, 0, (0.8, 0.6, 0.03), z=-0.03, color=(120, 115, 110))


@dataclass(frozen=True)
class CastScene:
    """A frame and the truth about it.

    Attributes:
        frame: what the camera delivers.
        labels: as in ``Scene``; defined under holes of the depth too.
        plane: the table's top.
        boxes: in the order of the blocks, which are labeled from 2 on.
    """

    frame: RgbdFrame
    labels: NDArray[np.uint16]
    plane: Plane
    boxes: tuple[OrientedBox, ...]

    def overlaps(self, scene: Scene) -> list[float]:
        """Of each block, in order: intersection over union with the mask that covers most of it.

        0 where that is no object's, or is already taken by another block.
        """
        ious, taken = [], {0, PLANE_LABEL}
        for label in range(FIRST_OBJECT_LABEL, FIRST_OBJECT_LABEL + len(self.boxes)):
            mine = self.labels == label
            found = int(np.bincount(scene.labels[mine], minlength=1).argmax())
            theirs = scene.labels == found
            ious.append(0.0 if found in taken else (mine & theirs).sum() / (mine | theirs).sum())
            taken.add(found)
        return ious

    def found(self, scene: Scene, block: int) -> OrientedBox:
        """The box of the object that covers most of a block."""
        label = np.bincount(scene.labels[self.labels == FIRST_OBJECT_LABEL + block]).argmax()
        return next(item.box3d for item in scene.objects if item.label == label)


def _cast(
    *blocks: Block,
    elevation: float = 45.0,
    distance: float = 0.9,
    table: Block = TABLE,
    room: tuple[Block, ...] = (),
    camera: Camera = KINECT,
    seed: int = 0,
) -> CastScene:
    """A view of blocks on a table, with a Kinect's noise.

    Args:
        blocks: the things on the table, labeled from 2 on.
        elevation: degrees above the table from which the camera looks at its middle.
        distance: of the camera from the table's middle, meters.
        table: its top is the support plane, at z = 0.
        room: what belongs neither to the table nor to the things.
        camera: intrinsics.
        seed: of the noise.
    """
    eye, axes = camera_above(elevation, distance)
    rays = camera.deproject(np.ones((camera.height, camera.width), np.float32))
    rays = rays @ axes.T.astype(np.float32)
    solids = [(0, solid) for solid in room]
    solids += [(PLANE_LABEL, table)]
    solids += [(FIRST_OBJECT_LABEL + i, block) for i, block in enumerate(blocks)]

    depth = np.full((camera.height, camera.width), np.inf, np.float32)
    labels = np.zeros(depth.shape, np.uint16)
    color = np.zeros((*depth.shape, 3), np.float32)
    for label, solid in solids:
        z = solid.distance(eye, rays)
        nearer = z < depth
        depth[nearer], labels[nearer], color[nearer] = z[nearer], label, solid.color
    with np.errstate(invalid="ignore"):
        labels[(labels == PLANE_LABEL) & (eye[2] + depth * rays[..., 2] < -1e-3)] = 0  # its sides
    rng = np.random.default_rng(seed)
    steps = np.rint(1 / depth / STEP + rng.normal(0, 0.3, depth.shape))
    with np.errstate(divide="ignore"):
        depth = np.where(steps > 0, np.rint(1000 / (steps * STEP)) / 1000, np.nan)
    color += rng.normal(0, 4, color.shape)
    frame = RgbdFrame(np.clip(color, 0, 255).astype(np.uint8), depth.astype(np.float32), camera)
    plane = Plane(axes.T @ [0, 0, 1], float(eye[2]))
    boxes = tuple(
        OrientedBox(axes.T @ (block.center - eye), axes.T @ block.rotation, np.array(block.size))
        for block in blocks
    )
    return CastScene(frame, labels, plane, boxes)


@pytest.fixture(scope="session")
def block() -> type[Block]:
    return Block


@pytest.fixture(scope="session")
def cast() -> Callable[..., CastScene]:
    """The ray caster; a view that was cast before is the same object, not to be changed."""
    return cache(_cast)


@pytest.fixture(scope="session")
def segment() -> Callable[[RgbdFrame], Scene]:
    """The segmentation by geometry alone, with its other default settings."""
    config = PerceptionConfig(segmentation={"method": "geometry"})
    return Perception(config.segmentation_only())


@pytest.fixture(scope="session")
def room() -> tuple[Block, Block]:
    """A floor and a wall, both far larger than the table."""
    return (
        Block(0, 0, (8, 8, 0.05), z=-0.8, color=(90, 70, 60)),
        Block(0, 1.2, (6, 0.05, 4), z=-0.75, color=(200, 200, 190)),
    )


@pytest.fixture(scope="session")
def sheet() -> Callable[..., Surface]:
    """A gray sheet (h, w) facing the camera at 1 m, without creases or steps.

    Any field can be given; ``depth`` (h, w) in its place where nothing else is said of it.
    """

    def make(height: int, width: int, depth: NDArray | float = 1.0, **fields: object) -> Surface:
        camera = Camera(width, height, 300.0, 300.0, (width - 1) / 2, (height - 1) / 2)
        depth = np.broadcast_to(np.float32(depth), (height, width))
        towards_camera = np.array([0, 0, -1], np.float32)
        plain = Surface(
            camera=camera,
            factor=1,
            window=(slice(0, height), slice(0, width)),
            points=camera.deproject(depth),
            valid=np.isfinite(depth).astype(np.uint8),
            depth=depth.copy(),
            lab=np.full((height, width, 3), 50, np.float32),
            normals=np.broadcast_to(towards_camera, (height, width, 3)).copy(),
            concavity=np.zeros((height, width), np.float32),
            curvature=np.zeros((height, width), np.float32),
            steps=np.zeros((height, width, 2), np.int8),
        )
        return replace(plain, **fields)

    return make
