"""Makes simulated scenes: one, or many on several processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, OrientedBox, Plane, Scene, SceneObject
from cvdl.core.threads import usable_cores
from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.draft import Draft, Measured
from cvdl.simulation.mesh import Mesh
from cvdl.simulation.placement import Table, arrange, random_table
from cvdl.simulation.render import Rendering, Stage, random_lights
from cvdl.simulation.room import Surface, furnish_room, furnish_table
from cvdl.simulation.sensor import KINECT, REALSENSE, measure_depth
from cvdl.simulation.solid import inverse
from cvdl.simulation.textures import Material
from cvdl.simulation.view import choose_view, random_camera
from cvdl.simulation.world.scene import draw_world

__all__ = [
    "FRAME_RATE",
    "PlacedObject",
    "SimulatedScene",
    "draw_scene",
    "in_order",
    "picture",
    "simulate_scene",
    "simulate_scenes",
]

Array = NDArray[np.float64]
_Made = TypeVar("_Made")

#: Scenes are stamped like frames at 15 Hz; the first stamp is one interval.
FRAME_RATE = 15
#: With fewer scenes per process, starting the process takes longer than making them.
_WORTH_A_PROCESS = 8


@dataclass(frozen=True)
class PlacedObject:
    """An object on the support.

    Attributes:
        label: its value in the label image.
        category: one of ``CATEGORIES``; empty for a shape of no kind.
        mesh: closed surfaces in the object's own frame, meters.
        pose: (4, 4) from the object's frame to the world.
        materials: indexed by ``mesh.material``.
    """

    label: int
    category: str
    mesh: Mesh
    pose: Array
    materials: tuple[Material, ...] = ()


@dataclass(frozen=True)
class SimulatedScene:
    """A frame with its complete ground truth.

    The world frame is in meters, z up; its origin is the center of the table top or of another
    surface that carries the objects.

    Attributes:
        index: number of the scene in the sequence.
        frame: color, and depth with noise and holes.
        truth: labels (also where depth has holes), plane, and the objects with at least one
            visible pixel (twelve in the domain `world`), with boxes of their whole shape; in the
            camera's frame.
        objects: all objects on the support, visible or not, in order of labels.
        table: the surface that carries the objects, and its height above the floor.
        camera_pose: (4, 4) from the optical frame to the world.
        sensor: name of the depth camera's model.
        obstacles: what else a gripper can meet besides the table, in the world frame.
    """

    index: int
    frame: RgbdFrame
    truth: Scene
    objects: tuple[PlacedObject, ...]
    table: Table
    camera_pose: Array
    sensor: str
    obstacles: tuple[Mesh, ...] = ()


def simulate_scene(seed: int, index: int, config: SimulationConfig | None = None) -> SimulatedScene:
    """Make scene ``index`` of the sequence ``seed``; it depends on nothing else.

    Args:
        seed: not negative.
        index: not negative; also determines the frame's stamp, at 15 frames per second.
        config: what the scene is drawn from.
    """
    return picture(draw_scene(seed, index, config), index)


def draw_scene(seed: int, index: int, config: SimulationConfig | None = None) -> Draft:
    """Draw scene ``index`` of the sequence ``seed`` without taking its picture; see `picture`.

    Args:
        seed: not negative.
        index: not negative.
        config: what the scene is drawn from.
    """
    config = config or SimulationConfig()
    if config.domain == "world":  # draws everything itself
        return draw_world(np.random.default_rng([seed, 2, index]))
    return _draw_tabletop(seed, index, config)


def _draw_tabletop(seed: int, index: int, config: SimulationConfig) -> Draft:
    camera = random_camera(seed, config)
    rng = np.random.default_rng([seed, 1, index])
    sensor = KINECT if rng.uniform() < 0.5 else REALSENSE
    table = random_table(rng)
    bodies = arrange(rng, table, int(rng.integers(config.min_objects, config.max_objects + 1)))
    front = furnish_table(rng, table)
    things = [
        Surface(body.solid.mesh.moved(body.pose), body.thing.materials, label)
        for label, body in enumerate(bodies, FIRST_OBJECT_LABEL)
    ]
    pose = choose_view(rng, camera, config, bodies, Stage(front + things))
    room = furnish_room(rng, table, pose[:3, 3])

    def sense(rendering: Rendering, rng: np.random.Generator) -> Measured:
        return rendering.color, measure_depth(rendering, camera.fx, sensor, rng)

    return Draft(
        [(body.thing, body.pose) for body in bodies], table, front, room, camera, pose,
        random_lights(rng), sensor.name, sense, (), 1, rng,
    )  # fmt: skip


def picture(draft: Draft, index: int, poses: Mapping[int, Array] | None = None) -> SimulatedScene:
    """Take the picture of a scene.

    Args:
        draft: what is in it.
        index: number of the scene in its sequence; also determines the frame's stamp.
        poses: of the things that are there, (4, 4) to the world, by label; default: all things,
            where they were drawn.
    """
    if poses is None:
        poses = {label: at for label, (_, at) in enumerate(draft.things, FIRST_OBJECT_LABEL)}
    rendering, (color, depth) = draft.measure(poses.items())
    objects = tuple(
        PlacedObject(label, thing.category, thing.mesh, poses[label], thing.materials)
        for label, (thing, _) in enumerate(draft.things, FIRST_OBJECT_LABEL)
        if label in poses
    )
    labels = rendering.labels
    pixels = np.bincount(labels.ravel(), minlength=FIRST_OBJECT_LABEL)
    specks = pixels < draft.least_visible
    specks[:FIRST_OBJECT_LABEL] = False
    labels = np.where(specks[labels], np.uint16(0), labels)
    frame = RgbdFrame(color, depth, draft.camera, _stamp(index))
    truth = _truth(labels, objects, draft.pose)
    return SimulatedScene(
        index, frame, truth, objects, draft.table, draft.pose, draft.sensor, draft.obstacles
    )


def _stamp(index: int) -> int:
    return round((index + 1) * 1e9 / FRAME_RATE)


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
    """The smallest upright box of world points, in the camera's frame ``back`` (4, 4)."""
    _, _, angle = cv2.minAreaRect(vertices[:, :2].astype(np.float32))
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    # Fit again along the rectangle's axes in double precision.
    local = vertices @ rotation
    low, high = local.min(axis=0), local.max(axis=0)
    center = rotation @ ((low + high) / 2)
    return OrientedBox(back[:3, :3] @ center + back[:3, 3], back[:3, :3] @ rotation, high - low)


def simulate_scenes(
    seed: int, count: int, config: SimulationConfig | None = None, processes: int | None = None
) -> Iterator[SimulatedScene]:
    """Make scenes 0 to ``count`` - 1 of a sequence in order; see `simulate_scene` and `in_order`.

    The scenes are the same on any number of processes.
    """
    return in_order(partial(simulate_scene, seed, config=config), count, processes)


def in_order(
    make: Callable[[int], _Made], count: int, processes: int | None = None
) -> Iterator[_Made]:
    """Yield ``make(0)`` to ``make(count - 1)`` in order, made on several processes.

    Args:
        make: can be pickled; takes about as long as making a scene.
        count: not negative.
        processes: number of processes; default: one per core, and only this one for few scenes. A
            script that uses more than one guards its main part with
            ``if __name__ == "__main__"``.
    """
    if processes is None:
        processes = min(usable_cores(), count // _WORTH_A_PROCESS)
    if processes <= 1:
        yield from map(make, range(count))
        return
    # A fork would not have the threads of the ray caster.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker) as pool:
        waiting: deque[Future[_Made]] = deque()
        try:
            for index in range(count):
                waiting.append(pool.submit(make, index))
                if len(waiting) > 2 * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    cv2.setNumThreads(1)
