"""Puts a scene of the world together: a camera, a place, things and what is in their way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.simulation.draft import Draft, Measured
from cvdl.simulation.render import Rendering
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

__all__ = ["draw_world"]

Array = NDArray[np.float64]
Rng = np.random.Generator

#: A thing with fewer visible pixels is not in the truth.
_LEAST_VISIBLE = 12


def draw_world(rng: Rng, kind: str | None = None) -> Draft:
    """Draw a scene.

    Args:
        rng: source of everything random.
        kind: of the support; default: any.
    """
    view = cameras.random_view(rng)
    camera = view.camera
    reach = view.distance * min(camera.width / camera.fx, camera.height / camera.fy) / 2
    place = random_place(rng, reach, kind)
    place.ceiling = min(place.ceiling, 0.45 * view.distance)  # nothing stands in the camera
    front = place.surfaces
    if not place.enclosed and rng.uniform() < 0.45:
        front += obstruct(rng, place, reach)
    things = arrange_things(rng, place, reach)
    pose = _pose(rng, view, place, things, reach)
    back = clutter(rng, place, reach)
    back += surroundings(rng, place, pose[:3, 3])
    if rng.uniform() < 0.38:
        back += _reaching(rng, place, view, pose, reach)
    lights = any_lights(rng, pose[:3, 3])

    def sense(rendering: Rendering, rng: Rng) -> Measured:
        depth = measure_depth(rendering, camera, view.sensor, rng)
        return photograph(rendering.color, rng), depth

    return Draft(
        things, place.table, front, back, camera, pose, lights, view.sensor.name, sense,
        tuple(surface.mesh for surface in (*front, *back)), _LEAST_VISIBLE, rng,
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
