"""Puts a scene of the world together: a camera, a place, things and what is in their way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.simulation.mesh import Mesh
from cvdl.simulation.placement import Table
from cvdl.simulation.render import Rendering, Stage
from cvdl.simulation.room import Surface
from cvdl.simulation.shapes import Thing
from cvdl.simulation.view import looking
from cvdl.simulation.world import cameras
from cvdl.simulation.world.arrangements import arrange_things, clutter, obstruct
from cvdl.simulation.world.cameras import CameraModel
from cvdl.simulation.world.lights import any_lights
from cvdl.simulation.world.obstacles import covered_share, hand, robot_arm, wrist_gripper
from cvdl.simulation.world.photo import photograph
from cvdl.simulation.world.sensors import measure_depth
from cvdl.simulation.world.supports import Place, random_place, surroundings

__all__ = ["WorldView", "picture_world"]

Array = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class WorldView:
    """What a camera sees of the world.

    Attributes:
        camera: its intrinsics.
        pose: (4, 4) from the optical frame to the world.
        sensor: name of the depth camera's model.
        color: (H, W, 3) uint8 RGB.
        depth: (H, W) float32, meters, NaN where there is no reading.
        labels: (H, W) uint16.
        things: each with its pose (4, 4) to the world, in order of labels.
        table: the surface that carries the things.
        obstacles: everything else, in the world frame: walls of bins, boards, robots.
    """

    camera: Camera
    pose: Array
    sensor: str
    color: NDArray[np.uint8]
    depth: NDArray[np.float32]
    labels: NDArray[np.uint16]
    things: list[tuple[Thing, Array]]
    table: Table
    obstacles: tuple[Mesh, ...]


def picture_world(rng: Rng, kind: str | None = None) -> WorldView:
    """Draw a scene and take its picture.

    Args:
        rng: source of everything random.
        kind: of the support; default: any.
    """
    view = cameras.random_view(rng)
    camera = view.camera
    reach = view.distance * min(camera.width / camera.fx, camera.height / camera.fy) / 2
    place = random_place(rng, reach, kind)
    place.ceiling = min(place.ceiling, 0.45 * view.distance)  # nothing stands in the camera
    surfaces = place.surfaces
    if not place.enclosed and rng.uniform() < 0.45:
        surfaces += obstruct(rng, place, reach)
    things = arrange_things(rng, place, reach)
    pose = _pose(rng, view, place, things, reach)
    surfaces += [
        Surface(thing.mesh.moved(at), thing.materials, label)
        for label, (thing, at) in enumerate(things, FIRST_OBJECT_LABEL)
    ]
    surfaces += clutter(rng, place, reach)
    surfaces += surroundings(rng, place, pose[:3, 3])
    if rng.uniform() < 0.38:
        surfaces += _reaching(rng, place, view, pose, reach)
    lights = any_lights(rng, pose[:3, 3])
    rendering: Rendering = Stage(surfaces).render(camera, pose, lights, rng)
    depth = measure_depth(rendering, camera, view.sensor, rng)
    color = photograph(rendering.color, rng)
    obstacles = tuple(each.mesh for each in surfaces if each.label < FIRST_OBJECT_LABEL)
    return WorldView(
        camera, pose, view.sensor.name, color, depth, rendering.labels, things, place.table,
        obstacles,
    )  # fmt: skip


def _pose(
    rng: Rng,
    view: CameraModel,
    place: Place,
    things: list[tuple[Thing, Array]],
    reach: float,
) -> Array:
    """The camera's pose (4, 4) at the drawn distance from the things."""
    if things:
        centers = np.array([at[:3, 3] for _, at in things])
        target = np.median(centers, axis=0) + rng.normal(0, 0.25 * reach, 3) * [1, 1, 0]
    else:
        target = rng.uniform(-0.5, 0.5, 3) * [*place.heights.half_size, 0]
    low, high = np.radians(place.elevation)
    elevation = view.elevation
    if not low <= elevation <= high:
        elevation = rng.uniform(low, high)
    azimuth = rng.uniform(0, 2 * np.pi) if place.azimuth is None else place.azimuth
    level = np.cos(elevation) * np.array([np.cos(azimuth), np.sin(azimuth)])
    eye = target + view.distance * np.append(level, np.sin(elevation))
    return looking(eye, target, azimuth, view.roll)


def _reaching(
    rng: Rng, place: Place, view: CameraModel, pose: Array, reach: float
) -> list[Surface]:
    """A robot or a hand that reaches in, above the things or beside them, and hides few of them."""
    for _ in range(6):
        tip = rng.uniform(-0.9, 0.9, 3) * [*np.minimum(place.heights.half_size, reach), 0]
        tip[2] = rng.uniform(0.02, 0.3) * (0.2 + reach)
        seen = np.arctan2(pose[1, 3], pose[0, 3])
        angle = seen + np.pi + rng.uniform(-2.2, 2.2)
        if place.kind == "shelf":
            angle = -np.pi / 2 + rng.normal(0, 0.5)
        away = rng.uniform(0.4, 0.9)
        base = tip + np.array([away * np.cos(angle), away * np.sin(angle), rng.uniform(0, 0.5)])
        kind = rng.uniform()
        if kind < 0.45:
            surfaces, most = robot_arm(rng, tip, base), 0.25
        elif kind < 0.75:
            surfaces, most = hand(rng, tip, base), 0.25
        else:
            surfaces, most = wrist_gripper(rng, pose, view.distance), 0.35
        if covered_share(surfaces, view.camera, pose) < most:
            return surfaces
    return []
