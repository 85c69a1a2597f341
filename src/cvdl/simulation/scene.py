"""One simulated scene: things on a table, a camera's view of them, and the truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, OrientedBox, Plane, Scene, SceneObject
from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.mesh import Mesh
from cvdl.simulation.placement import Table, arrange, random_table
from cvdl.simulation.render import Stage, random_lights
from cvdl.simulation.room import Surface, furnish_room, furnish_table
from cvdl.simulation.sensor import KINECT, REALSENSE, measure_depth
from cvdl.simulation.solid import inverse
from cvdl.simulation.view import choose_view, random_camera

__all__ = ["PlacedObject", "SimulatedScene", "simulate_scene"]

Array = NDArray[np.float64]

#: Scenes are stamped as frames at 15 Hz, the first one interval in.
FRAME_RATE = 15


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
    pose = choose_view(rng, camera, config, bodies, Stage(surfaces))
    stage = Stage(surfaces + furnish_room(rng, table, pose[:3, 3]))
    rendering = stage.render(camera, pose, random_lights(rng), rng)
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
