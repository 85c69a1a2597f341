"""One simulated scene: things on a table, a camera's view of them, and the truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cvdl.camera import Camera
from cvdl.frame import (
    FIRST_OBJECT_LABEL,
    OrientedBox,
    Plane,
    RgbdFrame,
    Scene,
    SceneObject,
)
from cvdl.simulation.mesh import Mesh
from cvdl.simulation.placement import Body, Table, arrange, random_table
from cvdl.simulation.render import label_image, random_lights, render
from cvdl.simulation.room import Surface, furnish_room, furnish_table
from cvdl.simulation.sensor import KINECT, REALSENSE, measure_depth
from cvdl.simulation.solid import inverse

__all__ = ["PlacedObject", "SimulatedScene", "SimulationConfig", "random_camera", "simulate_scene"]

Array = NDArray[np.float64]
Rng = np.random.Generator

#: Scenes are stamped as frames at 15 Hz, the first one interval in.
FRAME_RATE = 15


class SimulationConfig(BaseModel):
    """What scenes are drawn from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(640, ge=64, le=1920, description="Image width, pixels.")
    height: int = Field(480, ge=48, le=1200, description="Image height, pixels.")
    min_objects: int = Field(2, ge=0, le=20, description="Fewest things put on the table.")
    max_objects: int = Field(10, ge=1, le=20, description="Most things put on the table.")
    min_elevation: float = Field(
        20.0, ge=10, le=90, description="Lowest view: degrees above the table's plane."
    )
    max_elevation: float = Field(
        90.0,
        ge=10,
        le=90,
        description="Highest view: degrees above the table's plane.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> SimulationConfig:
        if self.min_objects > self.max_objects or self.min_elevation > self.max_elevation:
            raise ValueError("a smallest value is above its largest value")
        return self


@dataclass(frozen=True)
class PlacedObject:
    """A thing on the table.

    Attributes:
        label: its value in the label image.
        category: one of ``CATEGORIES``.
        mesh: closed surfaces in the object's own frame, metres.
        pose: (4, 4) from the object's frame to the world.
    """

    label: int
    category: str
    mesh: Mesh
    pose: Array


@dataclass(frozen=True)
class SimulatedScene:
    """A frame with everything known about it.

    The world frame is in metres, z up; its origin is the middle of the table's top.

    Attributes:
        index: its number in the sequence.
        frame: colour, and depth with noise and holes.
        truth: labels (defined under depth holes too), plane, and the objects of which at least
            one pixel is in view, with boxes of their whole shape; in the camera's frame.
        objects: everything on the table, seen or not, in order of labels.
        table: the table.
        camera_pose: (4, 4) from the optical frame to the world.
        sensor: name of the depth camera's model.
    """

    index: int
    frame: RgbdFrame
    truth: Scene
    objects: tuple[PlacedObject, ...]
    table: Table
    camera_pose: Array
    sensor: str


def random_camera(seed: int, config: SimulationConfig) -> Camera:
    """The camera of all scenes of a seed, like a Kinect's or a RealSense's."""
    rng = np.random.default_rng([seed, 0])
    scale = config.width / 640
    focal = rng.uniform(525, 615) * scale
    cx = (config.width - 1) / 2 + rng.normal(0, 3) * scale
    cy = (config.height - 1) / 2 + rng.normal(0, 3) * scale
    return Camera(config.width, config.height, focal, focal * rng.uniform(0.998, 1.002), cx, cy)


def simulate_scene(seed: int, index: int, config: SimulationConfig | None = None) -> SimulatedScene:
    """Scene ``index`` of the sequence ``seed``; it depends on nothing else.

    Args:
        seed: not negative.
        index: not negative; also sets the frame's stamp, 15 frames a second.
        config: what to draw from.
    """
    config = config or SimulationConfig()
    camera = random_camera(seed, config)
    rng = np.random.default_rng([seed, 1, index])
    sensor = KINECT if rng.uniform() < 0.5 else REALSENSE
    table = random_table(rng)
    bodies = arrange(rng, table, int(rng.integers(config.min_objects, config.max_objects + 1)))
    surfaces = furnish_table(rng, table) + [
        Surface(body.solid.mesh.moved(body.pose), body.thing.materials, FIRST_OBJECT_LABEL + i)
        for i, body in enumerate(bodies)
    ]
    pose = _view(rng, camera, config, table, bodies, surfaces)
    surfaces += furnish_room(rng, table, pose[:3, 3])
    rendering = render(surfaces, camera, pose, random_lights(rng), rng)
    depth = measure_depth(
        rendering.depth, rendering.cosine, rendering.albedo, rendering.glare, camera.fx, sensor, rng
    )
    frame = RgbdFrame(rendering.color, depth, camera, round((index + 1) * 1e9 / FRAME_RATE))
    objects = tuple(
        PlacedObject(FIRST_OBJECT_LABEL + i, body.thing.category, body.thing.mesh, body.pose)
        for i, body in enumerate(bodies)
    )
    truth = _truth(rendering.labels, objects, pose)
    return SimulatedScene(index, frame, truth, objects, table, pose, sensor.name)


def _view(
    rng: Rng,
    camera: Camera,
    config: SimulationConfig,
    table: Table,
    bodies: list[Body],
    surfaces: list[Surface],
) -> Array:
    """A camera pose that shows every body if one of a few tries does, else the best of them."""
    shrink = camera.width / 80
    small = Camera(
        80, round(camera.height / shrink),
        camera.fx / shrink, camera.fy / shrink, camera.cx / shrink, camera.cy / shrink,
    )  # fmt: skip
    elevation = np.radians(rng.uniform(config.min_elevation, config.max_elevation))
    centers = np.array([body.center for body in bodies]) if bodies else np.zeros((1, 3))
    middle = (centers.min(axis=0) + centers.max(axis=0)) / 2
    extent = np.linalg.norm(centers - middle, axis=1).max() + 0.08
    best, best_seen = np.eye(4), -1
    for _ in range(8):
        near = max(extent * camera.fx / (0.5 * camera.height), 0.55)
        away = min(near * rng.uniform(0.95, 1.45), 1.6)
        azimuth = rng.uniform(0, 2 * np.pi)
        target = middle + rng.normal(0, 0.05, 3) * [1, 1, 0.3]
        offset = away * np.array(
            [
                np.cos(elevation) * np.cos(azimuth),
                np.cos(elevation) * np.sin(azimuth),
                np.sin(elevation),
            ]
        )
        pose = _looking(target + offset, target, azimuth, rng.normal(0, np.radians(3)))
        pixels = np.bincount(
            label_image(surfaces, small, pose).ravel(), minlength=FIRST_OBJECT_LABEL + len(bodies)
        )
        seen = int((pixels[FIRST_OBJECT_LABEL:] >= 4).sum())
        if seen > best_seen:
            best, best_seen = pose, seen
        if seen == len(bodies):
            break
    return best


def _looking(eye: Array, target: Array, azimuth: float, roll: float) -> Array:
    """The optical pose (4, 4) at ``eye`` towards ``target``, which lies at ``azimuth`` + 180 deg.

    The image's up is the world's up, or, from straight above, away from the azimuth.
    """
    z = (target - eye) / np.linalg.norm(target - eye)
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0])
    down = np.cross(z, right)
    x, y = right * np.cos(roll) + down * np.sin(roll), down * np.cos(roll) - right * np.sin(roll)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, y, z], axis=1)
    pose[:3, 3] = eye
    return pose


def _truth(labels: NDArray[np.uint16], placed: tuple[PlacedObject, ...], pose: Array) -> Scene:
    back = inverse(pose)
    objects = []
    for item in placed:
        mask = (labels == item.label).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        if width:
            box2d = np.array([x, y, x + width, y + height], np.float64)
            box3d = _standing_box(item.mesh.moved(item.pose).vertices, back)
            area = cv2.countNonZero(mask)
            objects.append(SceneObject(item.label, box2d, box3d, area, item.category))
    return Scene(labels, Plane(back[:3, 2].copy(), float(pose[2, 3])), tuple(objects))


def _standing_box(vertices: Array, back: Array) -> OrientedBox:
    """The smallest upright box round world points, in the camera's frame ``back`` (4, 4)."""
    _, _, angle = cv2.minAreaRect(vertices[:, :2].astype(np.float32))
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    # Fitted again in the rectangle's own axes, in double precision.
    local = vertices @ rotation
    low, high = local.min(axis=0), local.max(axis=0)
    center = rotation @ ((low + high) / 2)
    return OrientedBox(back[:3, :3] @ center + back[:3, 3], back[:3, :3] @ rotation, high - low)
