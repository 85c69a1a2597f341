"""Drops things onto a height map, so that piles are fast: small overlaps do not matter.

A thing falls until one of its points meets the heights below it; then it turns and slides in small
random steps as long as its center of mass gets lower. So it rests flat on a plane, leans on walls,
and slips into gaps of a pile. World frame: z up, meters.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.simulation.mesh import Mesh
from cvdl.simulation.placement import turned_down
from cvdl.simulation.shapes import Thing
from cvdl.simulation.solid import Resting, hull_margin, resting_ways
from cvdl.simulation.world.solids import rotation_z, turning

__all__ = ["BLOCKED", "Form", "Heights", "drop", "resting_rotation", "stood", "surface_points"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Rng = np.random.Generator

#: The height of what nothing may rest on, meters.
BLOCKED = 10.0
#: Cells along the longer side of a height map.
_CELLS = 384
#: Points of a thing that are tested for contact, at most about.
_POINTS = 1200
#: Orientations that are tried until a thing is steady.
_ATTEMPTS = 3
#: What is nearer touches, meters.
_TOUCH = 0.003
#: Cosine of the tilt that is taken for flat.
_NEARLY_FLAT = np.cos(np.radians(15))
_AROUND = np.ones((3, 3), np.uint8)


class Heights:
    """Heights (K, S) of what carries things over a rectangle about the origin.

    Args:
        half_size: (2,) along x and y, meters.
        outside: height around the rectangle: 0 where the surface goes on, `BLOCKED` for walls.
        rim: of walls, meters; nothing leans on what is blocked above.
    """

    def __init__(self, half_size: Array, outside: float = 0.0, rim: float = np.inf) -> None:
        self.half_size = np.asarray(half_size, np.float64)
        self.outside, self.rim = outside, rim
        self.cell = max(float(2 * self.half_size.max()) / _CELLS, 0.002)
        columns, rows = np.ceil(2 * self.half_size / self.cell).astype(int)
        self.map = np.zeros((rows, columns), np.float32)

    @property
    def ground(self) -> tuple[Floats, Array, float, np.float32]:
        """The map, its half size, its cells and what is outside, for compiled functions."""
        return self.map, self.half_size, self.cell, np.float32(self.outside)

    def places(self) -> tuple[Array, Array]:
        """Return x (1, S) and y (K, 1) of the cells, meters."""
        rows, columns = self.map.shape
        x = (np.arange(columns) + 0.5) * self.cell - self.half_size[0]
        y = (np.arange(rows) + 0.5) * self.cell - self.half_size[1]
        return x[None], y[:, None]

    def add(self, mesh: Mesh) -> None:
        """Raise the map to the top of a mesh in the world frame."""
        _raise(self.map, self.half_size, self.cell, mesh.vertices, mesh.triangles)

    def block(self, mesh: Mesh) -> None:
        """Let nothing rest above the bounding box of a mesh."""
        low = mesh.vertices.min(axis=0)[:2] + self.half_size
        high = mesh.vertices.max(axis=0)[:2] + self.half_size
        (x0, y0), (x1, y1) = (np.maximum(v / self.cell, 0).astype(int) for v in (low, high))
        self.map[y0 : y1 + 1, x0 : x1 + 1] = BLOCKED


@dataclass(frozen=True)
class Form:
    """A thing with what dropping it needs, so that copies of a thing share it.

    Attributes:
        thing: mesh and materials.
        com: (3,) center of mass in the thing's frame.
        points: (P, 3) of the surface relative to the center of mass.
        ways: to rest on a plane.
    """

    thing: Thing
    com: Array
    points: Array
    ways: Resting

    @classmethod
    def of(cls, thing: Thing) -> Form:
        """Prepare a thing."""
        mesh = thing.mesh
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        com = mesh.center_of_mass()
        if not ((com > low) & (com < high)).all():  # an open surface
            com = (low + high) / 2
        ways = resting_ways(_extremes(mesh.vertices), com)
        return cls(thing, com, surface_points(mesh) - com, ways)


def drop(
    rng: Rng,
    form: Form,
    heights: Heights,
    spots: Array,
    steps: int = 30,
    shake: float = 0.15,
    loose: float = 0.0,
) -> Array | None:
    """Drop a thing at the lowest of several spots, let it settle, and add it to the heights.

    Args:
        rng: source of the orientation and the steps.
        form: the thing.
        heights: raised to the top of the thing.
        spots: (N, 2) where its center of mass may fall, meters.
        steps: of settling.
        shake: standard deviation of the first turns, radians; strong ones topple what stands.
        loose: chance of an orientation that would not rest on a plane.

    Returns:
        The pose (4, 4) from the thing's frame to the world; None if it finds no steady place.
    """
    size = float(np.abs(form.points).max())
    for _ in range(_ATTEMPTS):
        rotation = turning(rng) if rng.uniform() < loose else resting_rotation(rng, form.ways)
        tries = rng.standard_normal((steps, 5))
        rotation, place = _settle(form.points, *heights.ground, rotation, spots, tries, size, shake)
        rotation, place = _laid_flat(form, heights, rotation, place)
        if _is_steady(form.points @ rotation.T + place, place, heights):
            return _placed(form, heights, rotation, place - rotation @ form.com)
    return None


def _laid_flat(form: Form, heights: Heights, rotation: Array, place: Array) -> tuple[Array, Array]:
    """Turn what nearly rests on a side onto it, unless that lifts it."""
    cosine = -(form.ways.down @ rotation[2])
    nearest = int(cosine.argmax())
    if not _NEARLY_FLAT < cosine[nearest] < 1 - 1e-12:
        return rotation, place
    flat = turned_down(rotation @ form.ways.down[nearest]) @ rotation
    z = _fall(form.points @ flat.T, *heights.ground, place[0], place[1])
    if z > place[2] + _TOUCH / 6:
        return rotation, place
    return flat, np.array([place[0], place[1], z])


def stood(form: Form, heights: Heights, rotation: Array, at: Array) -> Array | None:
    """Like `drop`, but with a given rotation (3, 3) at a given place (2,) of the middle."""
    points = form.points @ rotation.T
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    place = np.append(at - middle[:2], 0.0)
    place[2] = _fall(points, *heights.ground, place[0], place[1])
    if not _is_steady(points + place, place, heights):
        return None
    return _placed(form, heights, rotation, place - rotation @ form.com)


def _placed(form: Form, heights: Heights, rotation: Array, translation: Array) -> Array:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, translation
    heights.add(form.thing.mesh.moved(pose))
    return pose


def _is_steady(points: Array, com: Array, heights: Heights) -> bool:
    """Whether the center of mass is above the hull of the points (P, 3) that touch something."""
    if com[2] > BLOCKED / 2:
        return False
    columns, rows = ((points[:, :2] + heights.half_size) / heights.cell).astype(int).T
    shape = heights.map.shape
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    below = np.full(len(points), heights.outside)
    # The highest neighbor counts, so that what leans on a wall touches it.
    around = cv2.dilate(heights.map, _AROUND)
    below[inside] = around[rows[inside], columns[inside]]
    beyond = (below == BLOCKED) & (points[:, 2] > heights.rim)
    touching = points[(points[:, 2] - below < _TOUCH) & ~beyond]
    return hull_margin(touching[:, :2], com[:2]) > -_TOUCH


def resting_rotation(rng: Rng, ways: Resting) -> Array:
    """Turn one of the ways down, the steadier the more likely, and about the vertical at random."""
    weight = ways.margin / np.maximum(ways.height, 1e-6) + 1e-9
    upright = ways.down[:, 2] < -0.98
    weight = np.where(upright, 2 * weight, weight)
    down = ways.down[rng.choice(len(weight), p=weight / weight.sum())]
    return rotation_z(rng.uniform(0, 2 * np.pi)) @ turned_down(down)


def surface_points(mesh: Mesh) -> Array:
    """The vertices, and points spread evenly over the triangles."""
    corners = mesh.vertices[mesh.triangles]
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.linalg.norm(np.cross(ab, ac), axis=1)
    share = np.cumsum(area) / max(area.sum(), 1e-12)
    spread = (np.arange(_POINTS) + 0.5) / _POINTS
    index = np.minimum(np.searchsorted(share, spread), len(share) - 1)
    # The points of a triangle follow a low-discrepancy sequence.
    u, v = (np.arange(_POINTS)[:, None] * [0.7548776662, 0.5698402910] % 1).T
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u)[:, None], np.where(outside, 1 - v, v)[:, None]
    vertices = mesh.vertices
    if len(vertices) > _POINTS:
        vertices = vertices[:: len(vertices) // _POINTS + 1]
    return np.concatenate([vertices, a[index] + u * ab[index] + v * ac[index]])


def _directions(count: int) -> Array:
    i = np.arange(count) + 0.5
    z, turn = 1 - 2 * i / count, np.pi * (1 + 5**0.5) * i
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1)


_WAYS = np.concatenate([_directions(120), np.eye(3), -np.eye(3)])


def _extremes(vertices: Array) -> Array:
    """The vertices that are furthest in some direction: their hull is nearly that of all."""
    if len(vertices) <= 60:
        return vertices
    return vertices[np.unique((vertices @ _WAYS.T).argmax(axis=0))]


@compiled()
def _fall(points, heights, half_size, cell, outside, x, y):  # type: ignore[no-untyped-def]
    """The height of the origin of points (P, 3) above (x, y) when the first one meets the map."""
    rows, columns = heights.shape
    z = -1e9
    for i in range(points.shape[0]):
        column = int(np.floor((x + points[i, 0] + half_size[0]) / cell))
        row = int(np.floor((y + points[i, 1] + half_size[1]) / cell))
        height = outside
        if 0 <= row < rows and 0 <= column < columns:
            height = heights[row, column]
        z = max(z, height - points[i, 2])
    return z


@compiled()
def _settle(points, heights, half_size, cell, outside, rotation, spots, tries, size, shake):  # type: ignore[no-untyped-def]
    """The rotation (3, 3) and center of mass (3,) after falling and settling; see ``drop``."""
    turned = points @ rotation.T
    best_x, best_y, best_z = 0.0, 0.0, 1e9
    for k in range(spots.shape[0]):
        z = _fall(turned, heights, half_size, cell, outside, spots[k, 0], spots[k, 1])
        if z < best_z - 1e-4:
            best_x, best_y, best_z = spots[k, 0], spots[k, 1], z
    count = tries.shape[0]
    for k in range(count):
        fine = 1.0 - k / count
        angle = shake * fine * tries[k, 0]
        norm = np.sqrt(tries[k, 3] ** 2 + tries[k, 4] ** 2) + 1e-9
        c, s = tries[k, 3] / norm, tries[k, 4] / norm
        # Turn by the angle about the level axis (c, s, 0), and slide.
        ca, sa = np.cos(angle), np.sin(angle)
        turn = np.array(
            [
                [ca + c * c * (1 - ca), c * s * (1 - ca), s * sa],
                [c * s * (1 - ca), ca + s * s * (1 - ca), -c * sa],
                [-s * sa, c * sa, ca],
            ]
        )
        slide = 0.0 if k % 2 else 0.3 * fine * size
        moved = turned @ turn.T if k % 3 else turned
        x, y = best_x + slide * tries[k, 1], best_y + slide * tries[k, 2]
        x = min(max(x, -half_size[0]), half_size[0])
        y = min(max(y, -half_size[1]), half_size[1])
        z = _fall(moved, heights, half_size, cell, outside, x, y)
        if z < best_z - 2e-4:
            best_x, best_y, best_z = x, y, z
            if k % 3:
                turned = moved
                rotation = turn @ rotation
    return rotation, np.array([best_x, best_y, best_z])


@compiled()
def _raise(heights, half_size, cell, vertices, triangles):  # type: ignore[no-untyped-def]
    """Raise cells to the vertices and to the triangles above the cells' middles."""
    rows, columns = heights.shape
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t]
        # In cells, from the middle of the first one.
        ax = (vertices[i, 0] + half_size[0]) / cell - 0.5
        ay = (vertices[i, 1] + half_size[1]) / cell - 0.5
        bx = (vertices[j, 0] + half_size[0]) / cell - 0.5
        by = (vertices[j, 1] + half_size[1]) / cell - 0.5
        cx = (vertices[k, 0] + half_size[0]) / cell - 0.5
        cy = (vertices[k, 1] + half_size[1]) / cell - 0.5
        az, bz, cz = vertices[i, 2], vertices[j, 2], vertices[k, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        top = max(0, int(np.ceil(min(ay, by, cy))))
        bottom = min(rows - 1, int(np.floor(max(ay, by, cy))))
        left = max(0, int(np.ceil(min(ax, bx, cx))))
        right = min(columns - 1, int(np.floor(max(ax, bx, cx))))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                u = ((column - ax) * (cy - ay) - (row - ay) * (cx - ax)) / area
                v = ((bx - ax) * (row - ay) - (by - ay) * (column - ax)) / area
                if u >= 0 and v >= 0 and u + v <= 1:
                    z = az + u * (bz - az) + v * (cz - az)
                    heights[row, column] = max(heights[row, column], np.float32(z))
    for i in range(vertices.shape[0]):
        column = int(np.floor((vertices[i, 0] + half_size[0]) / cell))
        row = int(np.floor((vertices[i, 1] + half_size[1]) / cell))
        if 0 <= row < rows and 0 <= column < columns:
            heights[row, column] = max(heights[row, column], np.float32(vertices[i, 2]))
