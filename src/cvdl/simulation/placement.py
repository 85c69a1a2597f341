"""Seeded arrangements of objects on a table that could stand still in the real world.

World frame: meters, z up, the origin at the center of the table top; the table top is z = 0.

A contact is found by moving an object (a slide, a drop, a tilt) from a free place until it is
blocked, which leaves a gap of about ``GAP`` and never an overlap. A place is kept only if the
object rests there: its center of mass is above the convex hull of the points where it touches the
table or its neighbors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cvdl.simulation.shapes import CATEGORIES, Thing, make_thing
from cvdl.simulation.solid import Solid, free_share, hull_margin, intersects, touches

__all__ = [
    "CONTACT",
    "GAP",
    "Body",
    "Table",
    "arrange",
    "random_table",
    "rest_margin",
    "turned_down",
]

Array = NDArray[np.float64]
Rng = np.random.Generator

#: Gap between objects that are in contact, meters.
GAP = 1e-4
#: Points nearer than this to a surface touch it, meters.
CONTACT = 1e-3
#: A center of mass is at least this far inside its support, meters.
_STABLE = 1e-3


@dataclass(frozen=True)
class Table:
    """A table whose top is z = 0.

    Attributes:
        round: whether the top is an ellipse of the two half sizes instead of a rectangle.
        half_size: (2,) along x and y, meters.
        height: of the top above the floor, meters.
        thickness: of the top, meters.
    """

    round: bool
    half_size: Array
    height: float
    thickness: float

    def carries(self, points: Array) -> NDArray[np.bool_]:
        """Return whether points (..., 2 or 3) are above the top, (...)."""
        share = np.abs(points[..., :2]) / self.half_size
        if self.round:
            return np.hypot(share[..., 0], share[..., 1]) <= 1
        return share.max(axis=-1) <= 1

    def rim(self, angle: float) -> Array:
        """Return where (2,) the ray from the center at ``angle`` (radians) leaves the top."""
        direction = np.array([np.cos(angle), np.sin(angle)])
        share = direction / self.half_size
        return direction / (np.hypot(*share) if self.round else np.abs(share).max())


@dataclass(frozen=True)
class Body:
    """A placed object.

    Attributes:
        thing: category, mesh and materials.
        solid: the same mesh, for geometric tests.
        pose: (4, 4) from the object's frame to the world.
    """

    thing: Thing
    solid: Solid
    pose: Array

    @cached_property
    def center(self) -> Array:
        """The center of mass (3,) in the world."""
        return self.pose[:3, :3] @ self.solid.com + self.pose[:3, 3]

    @cached_property
    def vertices(self) -> Array:
        """The vertices (V, 3) of the mesh in the world."""
        return self.solid.mesh.vertices @ self.pose[:3, :3].T + self.pose[:3, 3]


def random_table(rng: Rng) -> Table:
    """Draw a table of usual size, from a side table to a desk."""
    is_round = bool(rng.uniform() < 0.35)
    if is_round:
        half_size = np.full(2, rng.uniform(0.28, 0.6))
    else:
        half_size = np.array([rng.uniform(0.3, 0.9), rng.uniform(0.25, 0.5)])
    return Table(is_round, half_size, rng.uniform(0.4, 1.0), rng.uniform(0.015, 0.05))


def arrange(rng: Rng, table: Table, count: int) -> list[Body]:
    """Put up to ``count`` random objects on a table; an object that finds no place is skipped."""
    bodies: list[Body] = []
    focus = table.rim(rng.uniform(0, 2 * np.pi)) * rng.uniform(0, 0.45)
    spread = rng.uniform(0.06, 0.16)
    for _ in range(count):
        thing = make_thing(str(rng.choice(CATEGORIES)), rng)
        solid = Solid(thing.mesh)
        for _ in range(6):
            way = _WAYS[rng.choice(len(_WAYS), p=_WAY_SHARES)]
            pose = way(rng, solid, table, bodies, focus + rng.normal(0, spread, 2))
            if pose is None or _blocked(solid, pose, bodies):
                continue
            body = Body(thing, solid, pose)
            if rest_margin(body, table, bodies) >= _STABLE:
                bodies.append(body)
                break
    return bodies


def rest_margin(body: Body, table: Table, others: list[Body]) -> float:
    """Return how far a body's center of mass is inside its support, meters; negative: it falls."""
    points = body.solid.samples @ body.pose[:3, :3].T + body.pose[:3, 3]
    touching = points[:, 2] < CONTACT
    touching[touching] = table.carries(points[touching])
    for other in others:
        reach = body.solid.radius + other.solid.radius + CONTACT
        if other is not body and math.dist(body.center, other.center) < reach:
            touching |= touches(points, other.solid, other.pose, CONTACT)
    return hull_margin(points[touching, :2], body.center[:2])


def _blocked(solid: Solid, pose: Array, bodies: list[Body]) -> bool:
    center = pose[:3, :3] @ solid.com + pose[:3, 3]
    return any(
        math.dist(center, body.center) < solid.radius + body.solid.radius
        and intersects(solid, pose, body.solid, body.pose)
        for body in bodies
    )


def _until_contact(
    place: Callable[[float], Array],
    solid: Solid,
    bodies: list[Body],
    travel: float,
    blocked_at: float = 1.0,
) -> Array | None:
    """The last free pose ``place(t)`` from t = 0 to ``blocked_at``; None if no tried one is free.

    ``travel`` bounds how far any point of the solid moves from t = 0 to 1, meters.
    """
    free, hit = 0.0, blocked_at
    while (hit - free) * travel > GAP:
        middle = (free + hit) / 2
        if _blocked(solid, place(middle), bodies):
            hit = middle
        else:
            free = middle
    return place(free) if free else None


def _shifted_until_contact(
    solid: Solid, pose: Array, way: Array, bodies: list[Body]
) -> Array | None:
    """Shift from a free pose along ``way`` (3,), meters, until contact; None without contact."""
    share = min(free_share(solid, pose, body.solid, body.pose, way) for body in bodies)
    if share >= 1:
        return None
    travel = float(np.linalg.norm(way))

    def place(t: float) -> Array:
        moved = pose.copy()
        moved[:3, 3] += t * way
        return moved

    nearly = place(share - GAP / travel)
    if not _blocked(solid, nearly, bodies):
        return nearly
    return _until_contact(place, solid, bodies, travel, share)  # edges met earlier


def _free(rng: Rng, solid: Solid, table: Table, bodies: list[Body], at: Array) -> Array | None:
    """At a random place on the table."""
    return _grounded(solid, _resting_rotation(rng, solid), at)


def _overhang(rng: Rng, solid: Solid, table: Table, bodies: list[Body], at: Array) -> Array | None:
    """Over the edge of the table."""
    rim = table.rim(np.arctan2(at[1], at[0]))
    inward = rng.uniform(0.005, 0.03)
    return _grounded(solid, _resting_rotation(rng, solid), rim * (1 - inward / np.hypot(*rim)))


def _touch(rng: Rng, solid: Solid, table: Table, bodies: list[Body], at: Array) -> Array | None:
    """On the table, pushed against another object."""
    if not bodies:
        return None
    other = bodies[rng.integers(len(bodies))]
    rotation = _resting_rotation(rng, solid)
    end = other.center[:2] + rng.normal(0, 0.01, 2)
    way = np.zeros(3)
    way[:2] = (solid.radius + other.solid.radius) * _heading(rng.uniform(0, 2 * np.pi))
    return _shifted_until_contact(solid, _grounded(solid, rotation, end - way[:2]), way, [other])


def _stack(rng: Rng, solid: Solid, table: Table, bodies: list[Body], at: Array) -> Array | None:
    """Lowered onto another object."""
    if not bodies:
        return None
    other = bodies[rng.integers(len(bodies))]
    rotation = _resting_rotation(rng, solid)
    pose = _grounded(solid, rotation, other.center[:2] + rng.normal(0, 0.015, 2))
    drop = max(float(body.vertices[:, 2].max()) for body in bodies) + 0.002
    pose[2, 3] += drop
    return _shifted_until_contact(solid, pose, np.array([0, 0, -drop]), bodies)


def _lean(rng: Rng, solid: Solid, table: Table, bodies: list[Body], at: Array) -> Array | None:
    """A flat or long object with one end on the table, tilted down until it meets another one."""
    resting = solid.resting
    flat = turned_down(resting.down[np.argmin(resting.height)])
    vertices = solid.mesh.vertices @ flat.T
    x, y, z = np.ptp(vertices, axis=0)
    if not bodies or z > 0.35 * max(x, y):
        return None
    other = bodies[rng.integers(len(bodies))]
    towards = rng.uniform(0, 2 * np.pi)
    long_axis = 0.0 if x >= y else np.pi / 2
    if rng.uniform() < 0.3:
        long_axis += np.pi / 2
    rotation = _yaw(towards - long_axis + np.pi * rng.integers(2)) @ flat
    heading = _heading(towards)
    along = (solid.mesh.vertices @ rotation.T)[:, :2] @ heading
    length = float(np.ptp(along))
    start = other.center[:2] - heading * (rng.uniform(0.3, 0.8) * length + 0.02)
    axis = np.array([heading[1], -heading[0], 0.0])  # lifts the far end
    steepest, shallowest = np.radians(75), np.radians(2)

    def tilted(t: float) -> Array:
        turned = _about(axis, steepest + t * (shallowest - steepest)) @ rotation
        near = ((solid.mesh.vertices @ turned.T)[:, :2] @ heading).min()
        return _grounded(solid, turned, start - near * heading, about_com=False)

    if _blocked(solid, tilted(0), bodies) or not _blocked(solid, tilted(1), bodies):
        return None
    return _until_contact(tilted, solid, bodies, 2 * length)


_WAYS = (_free, _touch, _stack, _lean, _overhang)
_WAY_SHARES = (0.34, 0.23, 0.2, 0.18, 0.05)


def _resting_rotation(rng: Rng, solid: Solid) -> Array:
    """A random rotation (3, 3) to rest in: mostly upright, rarely on a narrow side or the head."""
    down, margin, height = solid.resting
    steadiness = np.minimum(margin / (0.12 * height), 1) ** 2
    upright, head = down[:, 2] < -0.98, down[:, 2] > 0.98
    weight = np.zeros(len(down))
    for group, share in ((upright, 0.6), (head, 0.06), (~upright & ~head, 0.34)):
        if group.any():
            weight[group] = share * steadiness[group].max() * margin[group] / margin[group].sum()
    choice = rng.choice(len(down), p=weight / weight.sum())
    return _yaw(rng.uniform(0, 2 * np.pi)) @ turned_down(down[choice])


def _grounded(solid: Solid, rotation: Array, at: Array, about_com: bool = True) -> Array:
    """The pose with this rotation whose lowest point is on z = 0.

    ``at`` (2,) is the place of the center of mass, or of the frame's origin.
    """
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:2, 3] = at - (rotation @ solid.com)[:2] if about_com else at
    pose[2, 3] = -(solid.mesh.vertices @ rotation[2]).min()
    return pose


def _heading(angle: float) -> Array:
    return np.array([np.cos(angle), np.sin(angle)])


def _yaw(angle: float) -> Array:
    return _about(np.array([0.0, 0.0, 1.0]), angle)


def turned_down(direction: Array) -> Array:
    """The smallest rotation (3, 3) that turns a unit direction to -z."""
    axis = np.cross(direction, [0.0, 0.0, -1.0])
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return np.eye(3) if direction[2] < 0 else np.diag([1.0, -1.0, -1.0])
    return _about(axis / sine, np.arctan2(sine, -direction[2]))


def _about(axis: Array, angle: float) -> Array:
    """Rotation (3, 3) about a unit axis by an angle in radians."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)
