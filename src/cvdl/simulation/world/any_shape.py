"""Shapes of no kind: unions of solids, profiles turned and extruded, cushions, lumps, wires.

A maker draws a shape of any scale; `any_thing` deforms it and gives it its size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from cvdl.simulation.mesh import Mesh, Stroke, box, circle, creased, loft, merge, revolve
from cvdl.simulation.shapes import CATEGORIES, Thing, make_thing
from cvdl.simulation.textures import Material
from cvdl.simulation.world.looks import any_look, glass
from cvdl.simulation.world.solids import (
    deformed,
    extruded,
    fitted,
    inflated,
    rotation_z,
    smooth_path,
    tube,
    turned,
    turning,
)

__all__ = ["any_thing", "carton"]

Array = NDArray[np.float64]
Rng = np.random.Generator

#: More triangles are not worth their time.
_MOST_TRIANGLES = 2500
_MASK = 112  # pixels of a silhouette


def any_thing(rng: Rng, size: float, clear: float = 0.0) -> Thing:
    """Draw a thing: of a known kind or of none.

    Args:
        rng: source of everything random.
        size: of its longest side, meters.
        clear: chance that it is transparent.
    """
    thing = _drawn(rng, size)
    if rng.uniform() < clear:
        look = glass(rng)
        thing = replace(thing, materials=(look,) * len(thing.materials))
    return thing


def _drawn(rng: Rng, size: float) -> Thing:
    if rng.uniform() < 0.25:
        thing = make_thing(str(rng.choice(CATEGORIES)), rng)
        if rng.uniform() < 0.5:  # a look that is not usual for its kind
            looks = tuple(any_look(rng) for _ in thing.materials)
            thing = replace(thing, materials=looks)
        extent = float(np.ptp(thing.mesh.vertices, axis=0).max())
        if not 0.6 < size / extent < 1.7:
            thing = replace(thing, category="", mesh=fitted(thing.mesh, size))
        return thing
    for _ in range(4):
        mesh = _MAKERS[rng.choice(len(_MAKERS), p=_SHARES)](rng)
        if rng.uniform() < 0.35:
            mesh = _bent(rng, fitted(mesh, 1.0))
        if len(mesh.triangles) <= _MOST_TRIANGLES:
            break
    return Thing("", fitted(mesh, size), _looks(rng, mesh))


def carton(rng: Rng, x: float, y: float, z: float) -> Thing:
    """Make a box of given size, meters, printed or plain."""
    mesh = box(x, y, z, (0, 1, 2)) if rng.uniform() < 0.6 else box(x, y, z)
    return Thing("", mesh.shifted(z=-z / 2), _looks(rng, mesh))


def _looks(rng: Rng, mesh: Mesh) -> tuple[Material, ...]:
    return tuple(any_look(rng) for _ in range(int(mesh.material.max()) + 1))


# Deformations of a shape of size 1 about the origin.


def _bent(rng: Rng, mesh: Mesh) -> Mesh:
    """Bend, twist, taper or shear a shape."""
    axes = rng.permutation(3)
    kind = rng.integers(4)
    amount = rng.normal()

    def warp(points: Array) -> Array:
        u, v, w = points[:, axes].T
        if kind == 0:
            bend = np.clip(amount * 1.2, -2.5, 2.5) + 1e-3
            radius = 1 / bend
            u, v = (radius - v) * np.sin(bend * u), radius - (radius - v) * np.cos(bend * u)
        elif kind == 1:
            c, s = np.cos(amount * u), np.sin(amount * u)
            v, w = c * v - s * w, s * v + c * w
        elif kind == 2:
            share = 1 + np.clip(amount * 0.6, -1.2, 1.2) * u
            v, w = v * share, w * share
        else:
            v = v + 0.4 * amount * u
        result = np.empty_like(points)
        result[:, axes] = np.stack([u, v, w], axis=1)
        return result

    return deformed(mesh, warp)


# Makers.


def _block(rng: Rng) -> Mesh:
    """A box, or one with rounded edges."""
    x, y, z = np.sort(rng.uniform(0.08, 1, 3))[rng.permutation(3)]
    if rng.uniform() < 0.6:
        return box(x, y, z, (0, int(rng.integers(2)), int(rng.integers(3))))
    return _cushion_block(x, y, z, rng.uniform(2.5, 9))


def _cushion_block(x: float, y: float, z: float, power: float) -> Mesh:
    """A superellipsoid."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 11)
    c, s = np.cos(angle), np.sin(angle)
    radius = np.maximum(np.abs(c), 1e-12) ** power + np.abs(s) ** power
    radius = radius ** (-1 / power)
    profile = np.stack([c * radius, s * radius], axis=1)
    profile[[0, -1], 0] = 0
    return revolve([(profile, 0)], circle(24, power)).scaled(x / 2, y / 2, z / 2)


def _lathe(rng: Rng) -> Mesh:
    """A solid or a vessel of revolution, of round or other section."""
    knots = int(rng.integers(2, 7))
    height = rng.uniform(0.15, 3)
    r = rng.uniform(0.25, 1, knots)
    z = np.sort(rng.uniform(0, height, knots))
    z[0], z[-1] = 0, height
    z = np.maximum.accumulate(z + 1e-3 * np.arange(knots))
    if rng.uniform() < 0.6 and knots > 2:
        line = PchipInterpolator(z, r)
        z = np.linspace(0, z[-1], 12)
        strokes: list[Stroke] = [(np.stack([line(z), z], axis=1), 0)]
    else:
        points = list(zip(r.tolist(), z.tolist(), strict=True))
        strokes = [
            stroke
            for i, (a, b) in enumerate(pairwise(points))
            for stroke in creased(i % 3 if rng.uniform() < 0.5 else 0, a, b)
        ]
    first, last = (float(r[0]), 0.0), (float(r[-1]), float(z[-1]))
    strokes = [*creased(0, (0, 0), first), *strokes]
    if rng.uniform() < 0.4:  # hollow
        wall = rng.uniform(0.04, 0.12)
        low = max(float(r[0]) - wall, 0.05)
        mouth = (last[0] - wall, last[1])
        strokes += creased(1, last, mouth, (low, wall), (0, wall))
    else:
        strokes += creased(int(rng.integers(2)), last, (0, last[1]))
    section = circle(int(rng.choice([6, 8, 20, 24, 28])), float(rng.choice([2, 2, 2, 4, 8])))
    if rng.uniform() < 0.15:  # fluted
        angle = np.arctan2(section[:, 1], section[:, 0])
        section = section * (1 + 0.12 * np.cos(round(rng.uniform(3, 9)) * angle))[:, None]
    mesh = revolve(strokes, section)
    if rng.uniform() < 0.3:
        mesh = mesh.scaled(1, rng.uniform(0.3, 1), 1)
    return mesh


def _silhouette(rng: Rng) -> NDArray[np.uint8]:
    """A random shape, often with holes, in a square mask."""
    size = _MASK
    mask = np.zeros((size, size), np.uint8)
    middle = size // 2

    def part(value: int, at: Array, reach: float) -> None:
        kind = rng.integers(4)
        x, y = (int(v) for v in at)
        if kind == 0:
            w, h = rng.uniform(0.25, 1, 2) * reach
            turn = rng.uniform(0, 180) if rng.uniform() < 0.3 else 0.0
            corners = cv2.boxPoints(((x, y), (float(2 * w), float(2 * h)), turn))
            cv2.fillPoly(mask, [corners.astype(np.int32)], value)
        elif kind == 1:
            axes = rng.uniform(0.3, 1, 2) * reach if rng.uniform() < 0.5 else np.full(2, reach)
            cv2.ellipse(
                mask, (x, y), (int(axes[0]) + 1, int(axes[1]) + 1), rng.uniform(0, 180), 0, 360,
                value, -1,
            )  # fmt: skip
        elif kind == 2:
            count = int(rng.integers(3, 13))
            angle = np.arange(count) * 2 * np.pi / count + rng.uniform(0, 6)
            r = reach * (1 if rng.uniform() < 0.5 else np.where(np.arange(count) % 2, 0.55, 1))
            corners = np.stack([x + r * np.cos(angle), y + r * np.sin(angle)], axis=1)
            cv2.fillPoly(mask, [corners.astype(np.int32)], value)
        else:
            end = rng.uniform(0.15, 0.85, 2) * size
            width = max(3, int(reach * rng.uniform(0.3, 1)))
            cv2.line(mask, (x, y), (int(end[0]), int(end[1])), value, width)

    part(255, np.array([middle, middle]), rng.uniform(0.15, 0.42) * size)
    for _ in range(rng.integers(0, 5)):
        part(255, rng.uniform(0.25, 0.75, 2) * size, rng.uniform(0.06, 0.25) * size)
    if rng.uniform() < 0.5:
        for _ in range(rng.integers(1, 4)):
            part(0, rng.uniform(0.25, 0.75, 2) * size, rng.uniform(0.04, 0.2) * size)
    if rng.uniform() < 0.3:  # mirrored
        mask = np.maximum(mask, mask[:, ::-1])
    mask[[0, 1, -2, -1]] = 0
    mask[:, [0, 1, -2, -1]] = 0
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if count < 2 or stats[1:, 4].max() < 0.02 * size * size:
        mask[:] = 0
        cv2.circle(mask, (middle, middle), size // 4, 255, -1)
        return mask
    return np.where(pieces == 1 + stats[1:, 4].argmax(), 255, 0).astype(np.uint8)


def _extrusion(rng: Rng) -> Mesh:
    """A plate, a bracket, a profile or a tool cut out of a sheet."""
    thickness = float(np.exp(rng.uniform(-4.2, 0.3)))
    mesh = extruded(_silhouette(rng), thickness, (0, int(rng.integers(2))))
    if rng.uniform() < 0.3:
        mesh = mesh.scaled(1, rng.uniform(0.2, 1), 1)
    return mesh


def _cushion(rng: Rng) -> Mesh:
    """A soft toy, a bag, a cookie: an inflated silhouette, sometimes wrinkled."""
    if rng.uniform() < 0.5:
        mask = np.zeros((_MASK, _MASK), np.uint8)
        half = (rng.uniform(0.2, 0.47, 2) * _MASK).astype(int)
        middle = _MASK // 2
        mask[middle - half[1] : middle + half[1], middle - half[0] : middle + half[0]] = 255
    else:
        mask = _silhouette(rng)
    mesh = inflated(mask, rng.uniform(0.08, 0.6))
    if rng.uniform() < 0.6:
        mesh = deformed(mesh, _wrinkles(rng, rng.uniform(0.01, 0.05), 12))
    return mesh


def _wrinkles(rng: Rng, amount: float, fineness: float) -> Callable[[Array], Array]:
    """A warp of shapes of size 1 by waves in random directions."""
    waves = rng.normal(0, fineness, (5, 3))
    phase, ways = rng.uniform(0, 6, 5), rng.normal(0, amount, (5, 3))

    def warp(points: Array) -> Array:
        return points + np.sin(points @ waves.T + phase) @ ways

    return warp


def _ellipsoid(rows: int = 13, columns: int = 21) -> Mesh:
    angle = np.linspace(-np.pi / 2, np.pi / 2, rows)
    profile = np.stack([np.cos(angle), np.sin(angle)], axis=1) / 2
    profile[[0, -1], 0] = 0
    return revolve([(profile, 0)], circle(columns - 1))


def _lump(rng: Rng) -> Mesh:
    """A stone, a fruit, a crumpled cloth: a deformed sphere."""
    mesh = _ellipsoid(19, 29).scaled(1, rng.uniform(0.4, 1), rng.uniform(0.3, 1))
    mesh = deformed(mesh, _wrinkles(rng, rng.uniform(0.02, 0.09), rng.uniform(3, 7)))
    if rng.uniform() < 0.6:
        mesh = deformed(mesh, _wrinkles(rng, rng.uniform(0.004, 0.03), rng.uniform(9, 20)))
    return mesh


def _wire(rng: Rng) -> Mesh:
    """A bent rod, a ring, a coil, a rope or a hose."""
    kind = rng.integers(4)
    if kind == 0:
        path = smooth_path(rng.normal(0, 1, (int(rng.integers(3, 7)), 3)) * [1, 0.6, 0.25], 28)
    elif kind == 1:
        angle = np.linspace(0, rng.uniform(2, 6.2), 28)
        path = np.stack([np.cos(angle), np.sin(angle) * rng.uniform(0.4, 1), 0 * angle], axis=1)
    elif kind == 2:
        turns = rng.uniform(1, 4)
        angle = np.linspace(0, 2 * np.pi * turns, 60)
        path = np.stack([np.cos(angle), np.sin(angle), angle * rng.uniform(0.04, 0.25)], axis=1)
    else:
        path = np.linspace([-1.0, 0, 0], [1, 0, 0], 8)
    radius = np.ptp(path, axis=0).max() * np.exp(rng.uniform(-4, -2))
    sides = int(rng.choice([6, 8, 10, 12]))
    return tube(path, float(radius), sides=sides, power=float(rng.choice([2, 2, 6])))


def _hollow(rng: Rng) -> Mesh:
    """An open box, a frame, a pipe or a crate."""
    x, y, z = rng.uniform(0.2, 1, 3)
    wall = rng.uniform(0.015, 0.06)
    kind = rng.integers(3)
    if kind == 0:
        sides = [
            box(x, y, wall),
            box(x, wall, z).shifted(y=(y - wall) / 2),
            box(x, wall, z).shifted(y=-(y - wall) / 2),
            box(wall, y, z, (1, 1, 1)).shifted(x=(x - wall) / 2),
            box(wall, y, z, (1, 1, 1)).shifted(x=-(x - wall) / 2),
        ]
        return merge(*sides[: int(rng.integers(4, 6))])
    if kind == 1:
        hole = rng.uniform(0.5, 0.95)
        strokes = creased(0, (hole, 0), (1, 0), (1, z * 2), (hole, z * 2))
        section = circle(24 if rng.uniform() < 0.7 else 8, float(rng.choice([2, 5, 12])))
        return revolve([*strokes, *creased(1, (hole, z * 2), (hole, 0))], section)
    width = rng.uniform(0.03, 0.1)
    post = box(width, width, z)
    bars = [post.shifted(sx * x / 2, sy * y / 2) for sx in (-1, 1) for sy in (-1, 1)]
    for level in (0, z):
        for s in (-1, 1):
            bars.append(box(x, width, width).shifted(y=s * y / 2, z=level))
            bars.append(box(width, y, width).shifted(x=s * x / 2, z=level))
    return merge(*bars)


def _sheet(rng: Rng) -> Mesh:
    """A card, an envelope, a booklet: thin, flat or curled."""
    x, y, z = 1.0, rng.uniform(0.3, 1), rng.uniform(0.004, 0.03)
    u, v = np.meshgrid(np.linspace(-x / 2, x / 2, 11), np.linspace(-y / 2, y / 2, 9))
    curl = rng.normal(0, 0.12) * (rng.uniform() < 0.7)
    lift = curl * u**2 + rng.normal(0, 0.15) * (rng.uniform() < 0.3) * u * v
    top = np.stack([u, v, lift + z], axis=2)
    below = np.stack([u, v, lift], axis=2)[:, ::-1]
    edges = [
        loft(np.stack([below[0, ::-1], top[0]]), closed=False, material=1),
        loft(np.stack([below[-1], top[-1, ::-1]]), closed=False, material=1),
        loft(np.stack([below[::-1, -1][::1], top[::-1, 0]]), closed=False, material=1),
        loft(np.stack([below[:, 0], top[:, -1]]), closed=False, material=1),
    ]
    return merge(loft(top, closed=False), loft(below, closed=False), *edges)


def _primitive(rng: Rng) -> Mesh:
    kind = rng.integers(6)
    x, y, z = rng.uniform(0.15, 1, 3)
    if kind == 0:
        mesh = box(x, y, z).shifted(z=-z / 2)
    elif kind == 1:
        mesh = revolve(creased(0, (0, 0), (x / 2, 0), (x / 2, z), (0, z)), circle(20)).shifted(
            z=-z / 2
        )
    elif kind == 2:
        mesh = _ellipsoid().scaled(x, y, z)
    elif kind == 3:
        mesh = _cushion_block(x, y, z, rng.uniform(2.5, 8))
    elif kind == 4:
        mesh = tube(np.linspace([-x / 2, 0, 0], [x / 2, 0, 0], 4), 0.25 * y)
    else:
        top = rng.uniform(0.1, 0.9) * x / 2
        mesh = revolve(creased(0, (0, 0), (x / 2, 0), (top, z), (0, z)), circle(20)).shifted(
            z=-z / 2
        )
    return mesh


def _union(rng: Rng) -> Mesh:
    """Two to five solids grown together."""
    parts: list[Mesh] = []
    for _ in range(rng.integers(2, 6)):
        mesh = _primitive(rng)
        scale = rng.uniform(0.3, 1)
        mesh = mesh.scaled(scale, scale, scale)
        if rng.uniform() < 0.35:
            mesh = turned(mesh, turning(rng))
        if parts:
            other = parts[rng.integers(len(parts))]
            x, y, z = other.vertices[rng.integers(len(other.vertices))] * rng.uniform(0.5, 1)
            if rng.uniform() < 0.4:  # on the axis
                x, y = 0.0, 0.0
            mesh = mesh.shifted(x, y, z)
        look = int(rng.integers(3)) if rng.uniform() < 0.5 else 0
        parts.append(replace(mesh, material=np.full(len(mesh.triangles), look, np.int32)))
    return merge(*parts)


def _tool(rng: Rng) -> Mesh:
    """A handle and a head."""
    length = 1.0
    t = np.linspace(0, 1, 10)
    knots = rng.uniform(0.03, 0.08, 4)
    width = np.interp(t, np.linspace(0, 1, 4), knots)
    path = np.stack([t * length, rng.normal(0, 0.1) * t**2, 0 * t], axis=1)
    handle = tube(path, width, material=1, power=float(rng.choice([2, 4])))
    handle = handle.scaled(1, 1, rng.uniform(0.4, 1))
    kind = rng.integers(4)
    if kind == 0:
        head = extruded(_silhouette(rng), rng.uniform(0.01, 0.1)).shifted(z=-0.02)
        scale = rng.uniform(0.25, 0.8)
        head = head.scaled(scale, scale, 1)
    elif kind == 1:
        rod = rng.uniform(0.01, 0.03)
        head = tube(np.linspace([0, 0, 0], [rng.uniform(0.2, 0.9), 0, 0], 4), rod)
    elif kind == 2:
        head = _primitive(rng)
        head = head.scaled(0.4, 0.4, 0.4)
    else:
        arc = np.radians(np.linspace(-140, 140, 16))
        ring = np.stack([1 - np.cos(arc), np.sin(arc), 0 * arc], axis=1) * rng.uniform(0.06, 0.2)
        head = tube(ring, rng.uniform(0.012, 0.04))
    return merge(handle, head.shifted(x=length))


def _handled(rng: Rng) -> Mesh:
    """A vessel with a handle: a mug, a jug, a pan, a ladle."""
    height, top = rng.uniform(0.2, 2.2), 1.0
    base, wall = rng.uniform(0.45, 1.2), rng.uniform(0.03, 0.1)
    strokes = creased(0, (0, 0), (base, 0), (top, height))
    mouth = (top - wall, height), (max(base - wall, 0.1), wall), (0.0, wall)
    strokes += creased(int(rng.integers(2)), (top, height), *mouth)
    vessel = revolve(strokes, circle(24, float(rng.choice([2, 2, 2, 5]))))
    material = int(rng.choice([0, 0, 2]))
    if rng.uniform() < 0.6:  # a loop from the lower to the upper side
        low, high = sorted(rng.uniform(0.1, 0.95, 2) * height)
        high = max(high, min(low + 0.35, 0.98 * height))
        side = np.interp([low, high], [0, height], [base, top]) - wall / 2
        reach = rng.uniform(0.3, 0.9)
        knots = [
            (side[0], 0, low),
            (side[0] + 0.8 * reach, 0, low + 0.1 * (high - low)),
            (side[1] + reach, 0, low + 0.7 * (high - low)),
            (side[1] + 0.6 * reach, 0, high),
            (side[1], 0, high),
        ]
        handle = tube(smooth_path(np.array(knots), 20), rng.uniform(0.05, 0.14), material, 8)
        return merge(vessel, handle)
    start, length = 0.9 * height, rng.uniform(0.8, 4)
    rise = rng.uniform(-0.1, 0.5) * length
    path = np.linspace([top - wall, 0, start], [top + length, 0, start + rise], 6)
    handle = tube(path, np.linspace(rng.uniform(0.05, 0.15), rng.uniform(0.08, 0.22), 6), material)
    return merge(vessel, handle)


def _jointed(rng: Rng) -> Mesh:
    """A body with limbs of other looks: a drill, a doll, a clamp, a toy, a camera."""
    body = _primitive(rng)
    parts = [body]
    mirrored = rng.uniform() < 0.5
    for _ in range(rng.integers(1, 5)):
        root = body.vertices[rng.integers(len(body.vertices))] * 0.85
        way = root / max(float(np.linalg.norm(root)), 1e-9) + rng.normal(0, 0.35, 3)
        way /= np.linalg.norm(way)
        length, look = rng.uniform(0.2, 1.1), int(rng.integers(3))
        power = float(rng.choice([2, 2, 5]))
        if rng.uniform() < 0.6:
            path = np.linspace(root, root + length * way, 5)
            limb = tube(path, rng.uniform(0.04, 0.2) * (0.5 + length), look, power=power)
        else:
            scale = rng.uniform(0.3, 0.8)
            limb = _primitive(rng).scaled(scale, scale, scale)
            limb = limb.shifted(*(root + 0.3 * scale * way))
            limb = replace(limb, material=np.full(len(limb.triangles), look, np.int32))
        parts.append(limb)
        if mirrored and rng.uniform() < 0.7:
            parts.append(turned(limb, rotation_z(np.pi)))
    return merge(*parts)


_MAKERS: tuple[Callable[[Rng], Mesh], ...] = (
    _block, _lathe, _extrusion, _cushion, _lump, _wire, _hollow, _sheet, _union, _tool, _handled,
    _jointed,
)  # fmt: skip
_SHARES = (0.14, 0.13, 0.12, 0.08, 0.07, 0.05, 0.05, 0.08, 0.09, 0.09, 0.05, 0.05)
