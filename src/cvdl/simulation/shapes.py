"""Household-like things of random size and look.

Each maker draws from the generator it is handed, so a thing depends on nothing else. All are made
upright, z up, in metres, with sizes of things found in shops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from cvdl.simulation.mesh import (
    Mesh,
    box,
    circle,
    merge,
    polyhedron,
    rounded,
    skin,
    sweep,
    turn,
)
from cvdl.simulation.textures import Material, plain, printed, random_color, ripe

__all__ = ["CATEGORIES", "Thing", "make_thing"]

Rng = np.random.Generator
Array = NDArray[np.float64]
Made = tuple[Mesh, list[Material]]


@dataclass(frozen=True)
class Thing:
    """An object before it has a place.

    Attributes:
        category: one of ``CATEGORIES``.
        mesh: closed surfaces in the thing's own frame, metres.
        materials: what ``mesh.material`` indexes.
    """

    category: str
    mesh: Mesh
    materials: tuple[Material, ...]


def make_thing(category: str, rng: Rng) -> Thing:
    """A random thing of one category.

    Raises:
        KeyError: if there is no such category.
    """
    mesh, materials = _MAKERS[category](rng)
    return Thing(category, mesh, tuple(materials))


def _curve(knots: list[tuple[float, float]], count: int) -> Array:
    """(count, 2): a smooth line through (x, y) knots, evenly sampled in the knots' number."""
    points = np.array(knots)
    if len(points) < 3:
        return np.linspace(points[0], points[-1], count)
    t = np.arange(len(points))
    return PchipInterpolator(t, points)(np.linspace(0, t[-1], count))


def _arc(center: tuple[float, float], radius: float, start: float, end: float, count: int) -> Array:
    """(count, 2) points of a circle from ``start`` to ``end`` degrees."""
    angle = np.radians(np.linspace(start, end, count))
    return np.stack(
        [center[0] + radius * np.cos(angle), center[1] + radius * np.sin(angle)], axis=1
    )


def _box(rng: Rng) -> Made:
    x, y, z = np.sort(rng.uniform([0.03, 0.06, 0.08], [0.08, 0.18, 0.26]))
    color = random_color(rng)
    if rng.uniform() < 0.25:  # a plain block
        return box(y, x, z), [plain(rng, color)]
    return box(y, x, z, (0, 1, 2)), [printed(rng), printed(rng), plain(rng, color)]


def _book(rng: Rng) -> Made:
    x, y, z = rng.uniform([0.10, 0.15, 0.010], [0.19, 0.26, 0.045])
    mesh = box(x, y, z, (0, 0, 1))
    mesh.material[:2] = 1  # the spine: the first face's two triangles
    return mesh, [plain(rng, (235, 230, 215), 0.0), printed(rng, 0.3)]


def _carton(rng: Rng) -> Made:
    """A drinks carton with a gable top."""
    w, h, d = rng.uniform([0.055, 0.12, 0.6], [0.095, 0.21, 1.0])
    half, depth, roof = w / 2, w / 2 * d, w * 0.45
    points = [(sx * half, sy * depth, z) for z in (0, h) for sy in (-1, 1) for sx in (-1, 1)]
    points += [(-half, 0, h + roof), (half, 0, h + roof)]
    faces = [
        ((2, 3, 1, 0), 2),
        ((0, 1, 5, 4), 0),
        ((3, 2, 6, 7), 0),
        ((1, 3, 7, 9, 5), 1),
        ((2, 0, 4, 8, 6), 1),
        ((4, 5, 9, 8), 2),
        ((7, 6, 8, 9), 2),
    ]
    fin = box(w, 0.003, 0.012, (2, 2, 2)).shifted(z=h + roof - 0.002)
    mesh = merge(polyhedron(np.array(points), faces), fin)
    return mesh, [printed(rng), printed(rng), plain(rng, random_color(rng), 0.1)]


def _can(rng: Rng) -> Made:
    r, h = rng.uniform([0.026, 0.05], [0.05, 0.16])
    rim = 0.003
    mesh = turn(
        [
            ([(0, 0), (r - rim, 0)], 1),
            ([(r - rim, 0), (r, rim)], 1),
            ([(r, rim), (r, h - rim)], 0),
            ([(r, h - rim), (r - rim, h)], 1),
            ([(r - rim, h), (r - 2 * rim, h)], 1),
            ([(r - 2 * rim, h), (r - 2 * rim, h - rim)], 1),
            ([(r - 2 * rim, h - rim), (0, h - rim)], 1),
        ]
    )
    return mesh, [printed(rng, 0.5), plain(rng, (190, 190, 195), 0.9)]


def _bottle(rng: Rng) -> Made:
    r, h = rng.uniform([0.024, 0.15], [0.045, 0.28])
    neck, shoulder = rng.uniform(0.011, 0.016), rng.uniform(0.55, 0.75)
    low, high = h * rng.uniform(0.1, 0.2), h * shoulder * 0.92
    cap = h - 0.025
    mesh = turn(
        [
            ([(0, 0), (r * 0.9, 0)], 0),
            (_curve([(r * 0.9, 0), (r, r * 0.2), (r, low)], 5), 0),
            ([(r, low), (r, high)], 1),
            (
                _curve([(r, high), (r * 0.97, h * shoulder), (neck, cap - 0.02), (neck, cap)], 12),
                0,
            ),
            ([(neck, cap), (neck + 0.003, cap)], 2),
            ([(neck + 0.003, cap), (neck + 0.003, h)], 2),
            ([(neck + 0.003, h), (0, h)], 2),
        ]
    )
    if rng.uniform() < 0.4:  # a detergent-like, flattened one
        mesh = mesh.scaled(rng.uniform(1.1, 1.5), rng.uniform(0.7, 1), 1)
    gloss = rng.uniform(0.3, 0.9)
    body, cap_color = random_color(rng), random_color(rng)
    return mesh, [plain(rng, body, gloss), printed(rng, gloss), plain(rng, cap_color)]


def _bowl(rng: Rng) -> Made:
    r, foot, h, wall = rng.uniform([0.055, 0.35, 0.04, 0.003], [0.095, 0.55, 0.085, 0.005])
    foot *= r
    bulge = (r * rng.uniform(0.82, 0.95), h * rng.uniform(0.35, 0.5))
    outer = _curve([(foot, 0.004), bulge, (r, h)], 10)
    inner = _curve([(r - wall, h), (bulge[0] - wall, bulge[1] + wall), (foot, 0.01)], 10)
    mesh = turn(
        [
            ([(0, 0), (foot, 0)], 0),
            ([(foot, 0), (foot, 0.004)], 0),
            (outer, 0),
            ([(r, h), (r - wall / 2, h + wall / 2), (r - wall, h)], 0),
            (inner, 1),
            ([(foot, 0.01), (0, 0.01)], 1),
        ],
        circle(32),
    )
    color = random_color(rng)
    inside = color if rng.uniform() < 0.6 else (235, 232, 225)
    gloss = rng.uniform(0.2, 0.9)
    return mesh, [plain(rng, color, gloss), plain(rng, inside, gloss)]


def _vessel(low: float, high: float, h: float, wall: float) -> Mesh:
    """A cup with radius ``low`` at its foot and ``high`` at its mouth."""
    inner = low - wall
    return turn(
        [
            ([(0, 0), (low - 0.003, 0)], 0),
            ([(low - 0.003, 0), (low, 0.003)], 0),
            (_curve([(low, 0.003), (high, h)], 4), 0),
            ([(high, h), (high - wall / 2, h + wall / 2), (high - wall, h)], 0),
            (_curve([(high - wall, h), (inner, wall)], 4), 1),
            ([(inner, wall), (0, wall)], 1),
        ]
    )


def _glaze(rng: Rng) -> list[Material]:
    color = random_color(rng, (0, 0.9))
    gloss = rng.uniform(0.2, 0.9)
    outside = printed(rng, gloss) if rng.uniform() < 0.3 else plain(rng, color, gloss)
    inside = (238, 236, 230) if rng.uniform() < 0.5 else color
    return [outside, plain(rng, inside, gloss), plain(rng, color, gloss)]


def _mug(rng: Rng) -> Made:
    r, h, wall = rng.uniform([0.034, 0.075, 0.003], [0.046, 0.11, 0.005])
    reach, grip = rng.uniform(0.022, 0.034), rng.uniform(0.005, 0.007)
    half = h * rng.uniform(0.26, 0.34)
    arc = _arc((0, 0), 1, -90, 90, 13) * [reach, half] + [r - wall / 2, h * 0.5]
    path = np.stack([arc[:, 0], np.zeros(13), arc[:, 1]], axis=1)
    handle = sweep(path, np.full((13, 2), grip) * [1.1, 0.7], material=2)
    return merge(_vessel(r, r, h, wall), handle), _glaze(rng)


def _cup(rng: Rng) -> Made:
    high, h, wall = rng.uniform([0.032, 0.07, 0.002], [0.045, 0.14, 0.003])
    return _vessel(high * rng.uniform(0.65, 0.95), high, h, wall), _glaze(rng)


def _plate(rng: Rng) -> Made:
    r, h = rng.uniform([0.08, 0.014], [0.13, 0.026])
    foot, wall = 0.6 * r, 0.004
    mesh = turn(
        [
            ([(0, 0), (foot, 0)], 0),
            (_curve([(foot, 0), (0.75 * r, 0.3 * h), (r, h - wall)], 6), 0),
            ([(r, h - wall), (r, h)], 0),
            (_curve([(r, h), (0.75 * r, 0.3 * h + wall), (foot, wall)], 6), 0),
            ([(foot, wall), (0, wall)], 1),
        ],
        circle(40),
    )
    color = random_color(rng, (0, 0.6))
    middle = color if rng.uniform() < 0.6 else (240, 238, 232)
    return mesh, [plain(rng, color, 0.6), plain(rng, middle, 0.6)]


def _ball(rng: Rng) -> Made:
    r = rng.uniform(0.022, 0.055)
    mesh = turn([(_arc((0, r), r, -90, 90, 13), 0)])
    gloss = rng.uniform(0, 0.8)
    skin = printed(rng, gloss) if rng.uniform() < 0.3 else plain(rng, random_color(rng), gloss)
    return mesh, [skin]


def _apple(rng: Rng) -> Made:
    r, h = rng.uniform([0.03, 1.6], [0.043, 1.95])
    h *= r
    profile = _curve(
        [
            (0, 0.09 * h),
            (0.3 * r, 0),
            (0.8 * r, 0.25 * h),
            (r, 0.6 * h),
            (0.5 * r, h),
            (0, 0.84 * h),
        ],
        16,
    )
    stem = turn(
        [
            ([(0, 0.8 * h), (0.0018, 0.8 * h)], 1),
            ([(0.0018, 0.8 * h), (0.0018, 1.08 * h)], 1),
            ([(0.0018, 1.08 * h), (0, 1.08 * h)], 1),
        ],
        circle(8),
    )
    color = [(190, 30, 35), (120, 170, 50), (215, 190, 60), (225, 120, 30)][rng.integers(4)]
    blush = [c * f for c, f in zip(color, rng.uniform(0.75, 1.1, 3), strict=True)]
    skin = ripe(color, (min(blush[0], 255), min(blush[1], 255), min(blush[2], 255)))
    return merge(turn([(profile, 0)]), stem), [skin, plain(rng, (70, 50, 30), 0)]


def _banana(rng: Rng) -> Made:
    length, r = rng.uniform([0.15, 0.015], [0.21, 0.020])
    bend = rng.uniform(50, 90)
    radius = length / np.radians(bend)
    arc = _arc((0, 0), radius, 90 + bend / 2, 90 - bend / 2, 20)
    path = np.stack([arc[:, 0], np.zeros(20), arc[:, 1]], axis=1)
    t = np.linspace(0, 1, 20)
    thick = r * np.clip(np.minimum(t * 5 + 0.3, (1 - t) * 3 + 0.25), 0, 1)
    mesh = sweep(path, np.stack([thick, thick], 1))
    return mesh, [ripe((225, rng.uniform(180, 205), 50), (90, 75, 30))]


def _tube(rng: Rng) -> Made:
    """A toothpaste-like tube standing on its cap."""
    r, h = rng.uniform([0.014, 0.10], [0.026, 0.19])
    cap = 0.02
    t = np.linspace(0, 1, 8)[:, None]
    section = circle()
    # Starts inside the cap, so that no two faces coincide.
    shoulder = np.concatenate([0.6 * r * section, np.full((len(section), 1), cap - 0.002)], 1)
    rings = [shoulder]
    for f, z in zip(t[:, 0], cap + 0.006 + t[:, 0] * (h - cap - 0.006), strict=True):
        half = [r * (1 + 0.45 * f), r * (1 - f) + 0.0012 * f]
        rings.append(np.concatenate([half * section, np.full((len(section), 1), z)], 1))
    body = np.stack(rings)
    top, bottom = body[-1], body[0]
    mesh = merge(
        turn(
            [
                ([(0, 0), (0.75 * r, 0)], 1),
                ([(0.75 * r, 0), (0.7 * r, cap)], 1),
                ([(0.7 * r, cap), (0, cap)], 1),
            ]
        ),
        skin(np.stack([np.broadcast_to(bottom.mean(0), bottom.shape), bottom]), closed=True),
        skin(body, closed=True),
        skin(np.stack([top, np.broadcast_to(top[:-1].mean(0), top.shape)]), closed=True),
    )
    return mesh, [printed(rng, 0.3), plain(rng, random_color(rng))]


def _tape(rng: Rng) -> Made:
    """A roll of tape: a ring."""
    r, h = rng.uniform([0.035, 0.012], [0.06, 0.05])
    hole = r * rng.uniform(0.55, 0.8)
    mesh = turn(
        [
            ([(hole, 0), (r, 0)], 0),
            ([(r, 0), (r, h)], 0),
            ([(r, h), (hole, h)], 0),
            ([(hole, h), (hole, 0)], 1),
        ]
    )
    return mesh, [plain(rng, random_color(rng), 0.5), plain(rng, (180, 150, 110), 0.0)]


def _handle_material(rng: Rng) -> list[Material]:
    """Steel and a handle of steel, wood or plastic."""
    steel = (185.0, 187.0, 190.0)
    handle = [steel, (120.0, 80.0, 45.0), random_color(rng)][rng.integers(3)]
    return [plain(rng, handle), plain(rng, steel, 0.9)]


def _bar(xs: Array, width: Array, thick: Array, rise: Array, material: int, *, flat: bool) -> Mesh:
    """A bar along x whose lower face follows ``rise``; all in metres, sampled at ``xs``."""
    path = np.stack([xs, np.zeros_like(xs), rise + thick / 2], axis=1)
    half = np.stack([width, thick], axis=1) / 2
    return sweep(path, half, material=material, flat=flat)


def _knife(rng: Rng) -> Made:
    grip, blade = rng.uniform([0.08, 0.09], [0.12, 0.15])
    thick, wide = rng.uniform([0.0085, 0.014], [0.014, 0.022])
    x = np.linspace(0, grip, 8)
    swell = 1 - 0.15 * np.cos(np.linspace(0, 2 * np.pi, 8))
    handle = _bar(x, wide * swell, np.full(8, thick), np.zeros(8), 0, flat=False)
    x = np.linspace(grip - 0.01, grip + blade, 8)
    t = np.linspace(0, 1, 8)
    width = wide * 1.3 * np.sqrt(1 - t**3) + 0.001
    steel = _bar(x, width, np.full(8, 0.002), np.full(8, thick / 2 - 0.001), 1, flat=True)
    return merge(handle, steel), _handle_material(rng)


def _stem(rng: Rng, length: float, thick: float, wide: float) -> Mesh:
    """A cutlery handle from x = 0: broad and thick at its end, narrow and raised at the neck."""
    t = np.linspace(0, 1, 10)
    width = wide * (1 - 0.6 * t)
    height = thick * (1 - 0.55 * t)
    rise = 0.012 * np.sin(np.pi * t**1.5) * rng.uniform(0.2, 1) + 0.004 * t
    return _bar(t * length, width, height, rise, 0, flat=bool(rng.uniform() < 0.5))


def _spoon(rng: Rng) -> Made:
    length, thick, wide = rng.uniform([0.10, 0.006, 0.012], [0.16, 0.011, 0.020])
    half_width, stretch, deep = rng.uniform([0.017, 1.3, 0.009], [0.026, 1.6, 0.014])
    wall = 0.002
    r = half_width
    outer = _curve([(0.3 * r, 0), (0.7 * r, 0.3 * deep), (r, deep)], 8)
    inner = _curve([(r - wall, deep), (0.7 * r - wall, 0.3 * deep + wall), (0, wall)], 8)
    head = turn(
        [
            ([(0, 0), (0.3 * r, 0)], 1),
            (outer, 1),
            ([(r, deep), (r - wall, deep)], 1),
            (inner, 1),
        ]
    )
    head = head.scaled(stretch, 1, 1).shifted(x=length + stretch * r - 0.004)
    t = np.linspace(0, 1, 10)
    rise = np.interp(t, [0, 0.6, 1], [0, 0.008, deep - 0.003])
    handle = _bar(t * length, wide * (1 - 0.6 * t), thick * (1 - 0.6 * t), rise, 0, flat=False)
    return merge(handle, head), _handle_material(rng)


def _fork(rng: Rng) -> Made:
    length, thick, wide = rng.uniform([0.11, 0.006, 0.012], [0.15, 0.010, 0.018])
    head, gap = rng.uniform([0.055, 0.006], [0.075, 0.008])
    parts = [_stem(rng, length, thick, wide)]
    t = np.linspace(0, 1, 8)
    palm = np.linspace(length - 0.01, length + 0.4 * head, 6)
    parts.append(
        _bar(
            palm,
            np.linspace(0.4 * wide, 4 * gap, 6),
            np.full(6, 0.002),
            np.full(6, 0.004),
            1,
            flat=True,
        )
    )
    x = length + head * (0.35 + 0.65 * t)
    rise = 0.004 + 0.010 * t**2
    for i in range(4):
        tine = _bar(x, gap * np.linspace(0.6, 0.35, 8), np.full(8, 0.002), rise, 1, flat=True)
        parts.append(tine.shifted(y=gap * (i - 1.5)))
    return merge(*parts), _handle_material(rng)


def _screwdriver(rng: Rng) -> Made:
    grip, shaft, r = rng.uniform([0.08, 0.07, 0.012], [0.12, 0.15, 0.017])
    rod = rng.uniform(0.0025, 0.0045)
    h = grip + shaft
    profile = [(r * 0.8, 0), (r, 0.15 * grip), (r, 0.9 * grip), (0.6 * r, grip)]
    mesh = turn(
        [
            ([(0, 0), (r * 0.8, 0)], 0),
            (_curve(profile, 10), 0),
            ([(0.6 * r, grip), (rod, grip)], 0),
            ([(rod, grip), (rod, h - 0.008)], 1),
            ([(rod, h - 0.008), (rod * 0.3, h)], 1),
            ([(rod * 0.3, h), (0, h)], 1),
        ],
        rounded(2.6),
    )
    return mesh, [plain(rng, random_color(rng, (0.5, 1)), 0.5), plain(rng, (180, 180, 185), 0.9)]


def _hammer(rng: Rng) -> Made:
    length, head, face = rng.uniform([0.20, 0.08, 0.022], [0.30, 0.12, 0.032])
    t = np.linspace(0, 1, 10)
    width = 0.026 - 0.008 * np.sin(np.pi * t)
    path = np.stack([t * length, np.zeros(10), np.zeros(10)], axis=1)
    handle = sweep(path, np.stack([width / 2, width * 0.4], axis=1), material=0)
    block = box(face, head, face, (1, 1, 1)).shifted(x=length - face / 2, z=-face / 2)
    return merge(handle, block), [
        plain(rng, random_color(rng, (0.3, 0.9)), 0.2),
        plain(rng, (90, 92, 98), 0.6),
    ]


def _marker(rng: Rng) -> Made:
    length, r = rng.uniform([0.11, 0.005], [0.145, 0.010])
    split = length * rng.uniform(0.6, 0.7)
    mesh = turn(
        [
            ([(0, 0), (0.8 * r, 0)], 0),
            ([(0.8 * r, 0), (r, 0.003)], 0),
            ([(r, 0.003), (r, split)], 0),
            ([(r, split), (1.1 * r, split)], 1),
            ([(1.1 * r, split), (1.1 * r, length)], 1),
            ([(1.1 * r, length), (0, length)], 1),
        ],
        circle(16),
    )
    color = random_color(rng)
    body = color if rng.uniform() < 0.5 else (230, 230, 230)
    return mesh, [plain(rng, body, 0.3), plain(rng, color, 0.3)]


def _slab(half_y: float, h: float, aspect: float, edge: float, power: float) -> Mesh:
    """A rounded block ``aspect`` times as long in x as in y, with rounded edges."""
    e, r = edge, half_y
    lower = _arc((r - e, e), e, -90, 0, 4)
    upper = _arc((r - e, h - e), e, 0, 90, 4)
    mesh = turn(
        [
            ([(0, 0), (r - e, 0)], 0),
            (lower, 0),
            ([(r, e), (r, h - e)], 0),
            (upper, 0),
            ([(r - e, h), (0, h)], 1),
        ],
        rounded(power, 32),
    )
    return mesh.scaled(aspect, 1, 1)


def _remote(rng: Rng) -> Made:
    half_y, h, aspect = rng.uniform([0.018, 0.012, 3], [0.028, 0.024, 4.5])
    dark = rng.uniform(25, 70)
    face = np.full((128, 128, 3), dark, np.uint8)
    for u in np.linspace(28, 100, 7):
        for v in (40, 64, 88):
            color = random_color(rng, (0, 0.8)) if rng.uniform() < 0.3 else (150, 150, 150)
            face[v - 7 : v + 7, int(u) - 3 : int(u) + 3] = np.array(color)
    shell = plain(rng, (dark, dark, dark), 0.4)
    return _slab(half_y, h, aspect, 0.003, 6), [shell, Material(face, 0.3)]


def _sponge(rng: Rng) -> Made:
    half_y, h, aspect = rng.uniform([0.03, 0.02, 1.2], [0.04, 0.045, 1.8])
    color = random_color(rng, (0.4, 1))
    return _slab(half_y, h, aspect, 0.004, 8), [
        plain(rng, color, 0.0),
        plain(rng, random_color(rng), 0),
    ]


def _brick(rng: Rng) -> Made:
    """A toy building brick with studs."""
    unit, rows = rng.uniform(0.016, 0.026), int(rng.integers(2, 5))
    h = unit * rng.uniform(0.9, 1.2)
    parts = [box(rows * unit, 2 * unit, h)]
    r, top = 0.3 * unit, h + 0.25 * unit
    stud = turn([([(r, h - 0.001), (r, top)], 0), ([(r, top), (0, top)], 0)], circle(16))
    closed = turn([([(0, h - 0.001), (r, h - 0.001)], 0)], circle(16))
    parts += [
        merge(closed, stud).shifted(x=unit * (i - (rows - 1) / 2), y=unit * j)
        for i in range(rows)
        for j in (-0.5, 0.5)
    ]
    return merge(*parts), [plain(rng, random_color(rng, (0.6, 1)), 0.5)]


_MAKERS: dict[str, Callable[[Rng], Made]] = {
    "apple": _apple,
    "ball": _ball,
    "banana": _banana,
    "book": _book,
    "bottle": _bottle,
    "bowl": _bowl,
    "box": _box,
    "brick": _brick,
    "can": _can,
    "carton": _carton,
    "cup": _cup,
    "fork": _fork,
    "hammer": _hammer,
    "knife": _knife,
    "marker": _marker,
    "mug": _mug,
    "plate": _plate,
    "remote": _remote,
    "screwdriver": _screwdriver,
    "sponge": _sponge,
    "spoon": _spoon,
    "tape": _tape,
    "tube": _tube,
}

#: Names of everything that can lie on the table, sorted.
CATEGORIES: tuple[str, ...] = tuple(_MAKERS)
