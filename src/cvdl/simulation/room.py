"""The table and its background: floor, walls and furniture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import PLANE_LABEL
from cvdl.simulation.mesh import Mesh, box, circle, creased, loft, merge, revolve
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

__all__ = ["Surface", "furnish_room", "furnish_table", "furniture", "sheet"]

Array = NDArray[np.float64]
Rng = np.random.Generator

#: Size of one repetition of a texture on floor, wall or table top, meters.
_TEXTURE_SPAN = 0.6


@dataclass(frozen=True)
class Surface:
    """Something to render.

    Attributes:
        mesh: in the world frame.
        materials: indexed by ``mesh.material``.
        label: of its pixels in the label image.
    """

    mesh: Mesh
    materials: tuple[Material, ...]
    label: int = 0


def furnish_table(rng: Rng, table: Table) -> list[Surface]:
    """Make the table top, labeled as the support plane, and the slab and legs below it."""
    (x, y), thick = table.half_size, table.thickness
    if table.round:
        outline = circle(96) * table.half_size
        rings = np.zeros((2, 97, 3))
        rings[0, :, :2] = outline
        top = loft(rings, closed=True, uv=rings[..., :2] / _TEXTURE_SPAN)
        side = np.repeat(np.concatenate([outline, np.zeros((97, 1))], 1)[None], 2, axis=0)
        side[0, :, 2] = -thick
        under = rings[::-1] - [0, 0, thick]
        slab = merge(loft(side, closed=True), loft(under, closed=True))
    else:
        corners = np.array([[[-x, -y, 0], [x, -y, 0]], [[-x, y, 0], [x, y, 0]]])
        top = loft(corners, closed=False, uv=corners[..., :2] / _TEXTURE_SPAN)
        lowered = 1e-4  # the top of the slab stays below the labeled top
        slab = box(2 * x, 2 * y, thick - lowered).shifted(z=-thick)
    leg_height = table.height - thick
    if table.round or rng.uniform() < 0.2:
        stand = min(x, y) * 0.6
        foot = creased(1, (0, 0), (stand, 0))
        column = ([(stand, 0), (stand, 0.02), (0.04, 0.05), (0.035, leg_height)], 1)
        legs = revolve([*foot, column]).shifted(z=-table.height)
    else:
        width = rng.uniform(0.03, 0.07)
        leg = box(width, width, leg_height, (1, 1, 1))
        legs = _four(leg.shifted(z=-table.height), x - width, y - width)
    cover = tabletop(rng)
    frame = plain(rng, random_color(rng, (0, 0.3)), 0.2)
    return [
        Surface(top, (cover,), PLANE_LABEL),
        Surface(merge(slab, legs), (cover if rng.uniform() < 0.6 else frame, frame)),
    ]


def furnish_room(rng: Rng, table: Table, camera: Array) -> list[Surface]:
    """Make floor, four walls and furniture, which never hides the table from the camera (3,)."""
    floor_z = -table.height
    reach = float(np.hypot(*table.half_size))
    walls = np.maximum(reach + rng.uniform(0.05, 2.5, 4), 0.3)
    walls = np.maximum(walls, np.array([camera[0], camera[1], -camera[0], -camera[1]]) + 0.4)
    east, north, west, south = walls * [1, 1, -1, -1]
    corners = [(east, south), (east, north), (west, north), (west, south), (east, south)]
    ceiling = floor_z + 3.0
    paint = wall(rng)
    surfaces = [
        sheet([(west, south, floor_z), (east, south, floor_z)], (0, north - south, 0), ground(rng))
    ]
    for (x0, y0), (x1, y1) in pairwise(corners):
        ends = [(x1, y1, floor_z), (x0, y0, floor_z)]
        surfaces.append(sheet(ends, (0, 0, ceiling - floor_z), paint))
    for _ in range(rng.integers(2, 9)):
        angle = rng.uniform(0, 2 * np.pi)
        away = reach + rng.uniform(0.3, 2.0)
        x, y = away * np.cos(angle), away * np.sin(angle)
        aside = np.angle(np.exp(1j * (angle - np.arctan2(camera[1], camera[0]))))
        if abs(aside) < np.radians(60) or not (west < x < east and south < y < north):
            continue
        turned = np.eye(4)
        yaw = rng.uniform(0, 2 * np.pi)
        item = furniture(rng)
        turned[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
        surfaces.append(Surface(item.mesh.moved(turned).shifted(x, y, floor_z), item.materials))
    return surfaces


def sheet(
    edge: list[tuple[float, float, float]], across: tuple[float, float, float], look: Material
) -> Surface:
    """The rectangle that an edge covers when it moves ``across``; it faces edge x across."""
    start = np.array(edge)
    rings = np.stack([start, start + across])
    size = [np.linalg.norm(start[1] - start[0]), np.linalg.norm(across)]
    uv = np.array([[[0, 0], [1, 0]], [[0, 1], [1, 1]]]) * size / _TEXTURE_SPAN
    return Surface(loft(rings, closed=False, uv=uv), (look,))


def furniture(rng: Rng) -> Surface:
    """A chair, a cupboard, a bin, a stack of boxes or another table, on z = 0."""
    look = plain(rng, random_color(rng, (0, 0.7)))
    kind = rng.integers(5)
    if kind == 0:
        seat, leg = rng.uniform(0.4, 0.5), 0.03
        back = rng.uniform(0.3, 0.45)
        rest = box(0.03, 0.42, back).shifted(x=-0.2, z=seat + 0.1)
        legs = _four(box(leg, leg, seat), 0.19, 0.19)
        mesh = merge(legs, box(0.42, 0.42, 0.04).shifted(z=seat), rest)
        return Surface(mesh, (look,))
    if kind == 1:
        width, depth, height = rng.uniform([0.4, 0.3, 0.5], [1.2, 0.5, 2.0])
        return Surface(box(width, depth, height), (tabletop(rng),))
    if kind == 2:
        low, high, height = rng.uniform([0.1, 0.14, 0.25], [0.14, 0.22, 0.45])
        outside = revolve(creased(0, (0, 0), (low, 0), (high, height)))
        inside = revolve(creased(0, (high, height), (low, 0.02), (0, 0.02)))
        return Surface(merge(outside, inside), (look,))
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


def _four(leg: Mesh, x: float, y: float) -> Mesh:
    """A leg at each of (+-x, +-y)."""
    return merge(*(leg.shifted(sx * x, sy * y) for sx in (-1, 1) for sy in (-1, 1)))
