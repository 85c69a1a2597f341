"""The table itself, and what a camera sees behind it: floor, walls and furniture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import PLANE_LABEL
from cvdl.simulation.mesh import Mesh, box, circle, merge, skin, turn
from cvdl.simulation.placement import Table
from cvdl.simulation.textures import (
    Material,
    ground,
    plain,
    printed,
    random_color,
    tabletop,
    wall,
)

__all__ = ["Surface", "furnish_room", "furnish_table"]

Array = NDArray[np.float64]
Rng = np.random.Generator

#: Metres of floor, wall or table top that one repetition of a texture covers.
_TEXTURE_SPAN = 0.6


@dataclass(frozen=True)
class Surface:
    """Something to render.

    Attributes:
        mesh: in the world frame.
        materials: what ``mesh.material`` indexes.
        label: what its pixels get in the label image.
    """

    mesh: Mesh
    materials: tuple[Material, ...]
    label: int = 0


def furnish_table(rng: Rng, table: Table) -> list[Surface]:
    """The table's top, labelled as the support plane, and its slab and legs."""
    (x, y), thick = table.half_size, table.thickness
    if table.round:
        outline = circle(96) * table.half_size
        rings = np.zeros((2, 97, 3))
        rings[0, :, :2] = outline
        top = skin(rings, closed=True, uv=rings[..., :2] / _TEXTURE_SPAN)
        side = np.repeat(np.concatenate([outline, np.zeros((97, 1))], 1)[None], 2, axis=0)
        side[0, :, 2] = -thick
        under = rings[::-1] - [0, 0, thick]
        slab = merge(skin(side, closed=True), skin(under, closed=True))
    else:
        corners = np.array([[[-x, -y, 0], [x, -y, 0]], [[-x, y, 0], [x, y, 0]]])
        top = skin(corners, closed=False, uv=corners[..., :2] / _TEXTURE_SPAN)
        lowered = 1e-4  # the box's own top must stay under the labelled one
        slab = box(2 * x, 2 * y, thick - lowered).shifted(z=-thick)
    leg_height = table.height - thick
    if table.round or rng.uniform() < 0.2:
        stand = min(x, y) * 0.6
        legs = turn(
            [
                ([(0, 0), (stand, 0)], 1),
                ([(stand, 0), (stand, 0.02), (0.04, 0.05), (0.035, leg_height)], 1),
            ]
        ).shifted(z=-table.height)
    else:
        width = rng.uniform(0.03, 0.07)
        leg = box(width, width, leg_height, (1, 1, 1))
        legs = merge(
            *(
                leg.shifted(sx * (x - width), sy * (y - width), -table.height)
                for sx in (-1, 1)
                for sy in (-1, 1)
            )
        )
    cover = tabletop(rng)
    frame = plain(rng, random_color(rng, (0, 0.3)), 0.2)
    return [
        Surface(top, (cover,), PLANE_LABEL),
        Surface(merge(slab, legs), (cover if rng.uniform() < 0.6 else frame, frame)),
    ]


def furnish_room(rng: Rng, table: Table, camera: Array) -> list[Surface]:
    """Floor, four walls and furniture, none of it between the camera (3,) and the table."""
    floor_z = -table.height
    reach = float(np.hypot(*table.half_size))
    walls = np.maximum(reach + rng.uniform(0.05, 2.5, 4), 0.3)
    walls = np.maximum(walls, np.array([camera[0], camera[1], -camera[0], -camera[1]]) + 0.4)
    east, north, west, south = walls * [1, 1, -1, -1]
    corners = [(east, south), (east, north), (west, north), (west, south), (east, south)]
    ceiling = floor_z + 3.0
    paint = wall(rng)
    surfaces = [
        _sheet([(west, south, floor_z), (east, south, floor_z)], (0, north - south, 0), ground(rng))
    ]
    for (x0, y0), (x1, y1) in pairwise(corners):
        ends = [(x1, y1, floor_z), (x0, y0, floor_z)]
        surfaces.append(_sheet(ends, (0, 0, ceiling - floor_z), paint))
    for _ in range(rng.integers(2, 9)):
        angle = rng.uniform(0, 2 * np.pi)
        away = reach + rng.uniform(0.3, 2.0)
        x, y = away * np.cos(angle), away * np.sin(angle)
        aside = np.angle(np.exp(1j * (angle - np.arctan2(camera[1], camera[0]))))
        if abs(aside) < np.radians(60) or not (west < x < east and south < y < north):
            continue
        turned = np.eye(4)
        yaw = rng.uniform(0, 2 * np.pi)
        item = _furniture(rng)
        turned[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
        surfaces.append(Surface(item.mesh.moved(turned).shifted(x, y, floor_z), item.materials))
    return surfaces


def _sheet(
    edge: list[tuple[float, float, float]], across: tuple[float, float, float], look: Material
) -> Surface:
    """A rectangle from an edge to the same edge moved ``across``; it faces edge x across."""
    start = np.array(edge)
    rings = np.stack([start, start + across])
    size = [np.linalg.norm(start[1] - start[0]), np.linalg.norm(across)]
    uv = np.array([[[0, 0], [1, 0]], [[0, 1], [1, 1]]]) * size / _TEXTURE_SPAN
    return Surface(skin(rings, closed=False, uv=uv), (look,))


def _furniture(rng: Rng) -> Surface:
    """A chair, a cupboard, a bin, a heap of boxes or another table, on z = 0."""
    look = plain(rng, random_color(rng, (0, 0.7)))
    kind = rng.integers(5)
    if kind == 0:
        seat, leg = rng.uniform(0.4, 0.5), 0.03
        back = rng.uniform(0.3, 0.45)
        legs = [
            box(leg, leg, seat).shifted(sx * 0.19, sy * 0.19) for sx in (-1, 1) for sy in (-1, 1)
        ]
        rest = box(0.03, 0.42, back).shifted(x=-0.2, z=seat + 0.1)
        mesh = merge(*legs, box(0.42, 0.42, 0.04).shifted(z=seat), rest)
        return Surface(mesh, (look,))
    if kind == 1:
        width, depth, height = rng.uniform([0.4, 0.3, 0.5], [1.2, 0.5, 2.0])
        return Surface(box(width, depth, height), (tabletop(rng),))
    if kind == 2:
        low, high, height = rng.uniform([0.1, 0.14, 0.25], [0.14, 0.22, 0.45])
        mesh = turn([([(0, 0), (low, 0)], 0), ([(low, 0), (high, height)], 0)], circle(24))
        inside = turn([([(high, height), (low, 0.02)], 0), ([(low, 0.02), (0, 0.02)], 0)])
        return Surface(merge(mesh, inside), (look,))
    if kind == 3:
        parts, z = [], 0.0
        for _ in range(rng.integers(1, 4)):
            width, depth, height = rng.uniform(0.2, 0.5, 3)
            parts.append(box(width, depth, height).shifted(z=z))
            z += height
        return Surface(merge(*parts), (printed(rng, 0.0),))
    width, depth, height = rng.uniform([0.5, 0.4, 0.3], [1.2, 0.8, 0.8])
    mesh = merge(box(width, depth, 0.03).shifted(z=height), box(0.1, 0.1, height))
    return Surface(mesh, (tabletop(rng),))
