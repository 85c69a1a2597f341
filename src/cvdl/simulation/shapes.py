"""Household objects of random size and look.

Each maker draws only from the generator it gets, so an object depends on nothing else. All objects
are made upright, z up, in meters, with sizes of objects found in shops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from cvdl.simulation.mesh import (
    Mesh,
    box,
    circle,
    creased,
    loft,
    merge,
    polyhedron,
    revolve,
    sweep,
)
from cvdl.simulation.textures import Material, plain, printed, random_color, ripe

__all__ = ["CATEGORIES", "Thing", "make_thing"]

Rng = np.random.Generator
Array = NDArray[np.float64]
Made = tuple[Mesh, list[Material]]


@dataclass(frozen=True)
class Thing:
    """An object that has no pose yet.

    Attributes:
        category: one of ``CATEGORIES``.
        mesh: closed surfaces in the object's own frame, meters.
        materials: indexed by ``mesh.material``.
    """

    category: str
    mesh: Mesh
    materials: tuple[Material, ...]


def make_thing(category: str, rng: Rng) -> Thing:
    """Make a random object of one category.

    Raises:
        KeyError: if the category is unknown.
    """
    mesh, materials = _MAKERS[category](rng)
    return Thing(category, mesh, tuple(materials))


def _curve(count: int, *knots: tuple[float, float]) -> Array:
    """A smooth line (count, 2) through three or more knots, sampled evenly between knots."""
    t = np.arange(len(knots))
    return PchipInterpolator(t, np.array(knots))(np.linspace(0, t[-1], count))


def _arc(center: tuple[float, float], radius: float, start: float, end: float, count: int) -> Array:
    """Points (count, 2) of a circle from ``start`` to ``end`` degrees."""
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
    low, high = (r, rim), (r, h - rim)
    lid = [(r - rim, h), (r - 2 * rim, h), (r - 2 * rim, h - rim), (0, h - rim)]
    mesh = revolve(
        [*creased(1, (0, 0), (r - rim, 0), low), *creased(0, low, high), *creased(1, high, *lid)]
    )
    return mesh, [printed(rng, 0.5), plain(rng, (190, 190, 195), 0.9)]


def _bottle(rng: Rng) -> Made:
    r, h = rng.uniform([0.024, 0.15], [0.045, 0.28])
    neck, shoulder = rng.uniform(0.011, 0.016), rng.uniform(0.55, 0.75)
    low, high = h * rng.uniform(0.1, 0.2), h * shoulder * 0.92
    cap = h - 0.025
    top = [(r, high), (r * 0.97, h * shoulder), (neck, cap - 0.02), (neck, cap)]
    mesh = revolve(
        [
            *creased(0, (0, 0), (r * 0.9, 0)),
            (_curve(5, (r * 0.9, 0), (r, r * 0.2), (r, low)), 0),
            *creased(1, (r, low), (r, high)),
            (_curve(12, *top), 0),
            *creased(2, (neck, cap), (neck + 0.003, cap), (neck + 0.003, h), (0, h)),
        ]
    )
    if rng.uniform() < 0.4:  # flattened, like a detergent bottle
        mesh = mesh.scaled(rng.uniform(1.1, 1.5), rng.uniform(0.7, 1), 1)
    gloss = rng.uniform(0.3, 0.9)
    body, cap_color = random_color(rng), random_color(rng)
    return mesh, [plain(rng, body, gloss), printed(rng, gloss), plain(rng, cap_color)]


def _bowl(rng: Rng) -> Made:
    r, foot, h, wall = rng.uniform([0.055, 0.35, 0.04, 0.003], [0.095, 0.55, 0.085, 0.005])
    foot *= r
    bulge = (r * rng.uniform(0.82, 0.95), h * rng.uniform(0.35, 0.5))
    outer = _curve(10, (foot, 0.004), bulge, (r, h))
    inner = _curve(10, (r - wall, h), (bulge[0] - wall, bulge[1] + wall), (foot, 0.01))
    mesh = revolve(
        [
            *creased(0, (0, 0), (foot, 0), (foot, 0.004)),
            (outer, 0),
            ([(r, h), (r - wall / 2, h + wall / 2), (r - wall, h)], 0),
            (inner, 1),
            *creased(1, (foot, 0.01), (0, 0.01)),
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
    return revolve(
        [
            *creased(0, (0, 0), (low - 0.003, 0), (low, 0.003)),
            (np.linspace((low, 0.003), (high, h), 4), 0),
            ([(high, h), (high - wall / 2, h + wall / 2), (high - wall, h)], 0),
            (np.linspace((high - wall, h), (inner, wall), 4), 1),
            *creased(1, (inner, wall), (0, wall)),
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
    mesh = revolve(
        [
            *creased(0, (0, 0), (foot, 0)),
            (_curve(6, (foot, 0), (0.75 * r, 0.3 * h), (r, h - wall)), 0),
            *creased(0, (r, h - wall), (r, h)),
            (_curve(6, (r, h), (0.75 * r, 0.3 * h + wall), (foot, wall)), 0),
            *creased(1, (foot, wall), (0, wall)),
        ],
        circle(40),
    )
    color = random_color(rng, (0, 0.6))
    middle = color if rng.uniform() < 0.6 else (240, 238, 232)
    return mesh, [plain(rng, color, 0.6), plain(rng, middle, 0.6)]


def _ball(rng: Rng) -> Made:
    r = rng.uniform(0.022, 0.055)
    mesh = revolve([(_arc((0, r), r, -90, 90, 13), 0)])
    gloss = rng.uniform(0, 0.8)
    skin = printed(rng, gloss) if rng.uniform() < 0.3 else plain(rng, random_color(rng), gloss)
    return mesh, [skin]


def _apple(rng: Rng) -> Made:
    r, h = rng.uniform([0.03, 1.6], [0.043, 1.95])
    h *= r
    lower = [(0, 0.09 * h), (0.3 * r, 0), (0.8 * r, 0.25 * h), (r, 0.6 * h)]
    flesh = revolve([(_curve(16, *lower, (0.5 * r, h), (0, 0.84 * h)), 0)])
    thick = 0.0018
    stem = revolve(
        creased(1, (0, 0.8 * h), (thick, 0.8 * h), (thick, 1.08 * h), (0, 1.08 * h)), circle(8)
    )
    color = [(190, 30, 35), (120, 170, 50), (215, 190, 60), (225, 120, 30)][rng.integers(4)]
    red, green, blue = np.minimum(color * rng.uniform(0.75, 1.1, 3), 255)
    return merge(flesh, stem), [ripe(color, (red, green, blue)), plain(rng, (70, 50, 30), 0)]


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
    """A toothpaste tube that stands on its cap."""
    r, h = rng.uniform([0.014, 0.10], [0.026, 0.19])
    cap = 0.02
    section = circle()

    def ring(half: float | list[float], z: float) -> Array:
        return np.concatenate([half * section, np.full((len(section), 1), z)], 1)

    # The shoulder starts inside the cap, so that no two faces coincide.
    rings = [ring(0.6 * r, cap - 0.002)]
    for f in np.linspace(0, 1, 8):
        half = [r * (1 + 0.45 * f), r * (1 - f) + 0.0012 * f]
        rings.append(ring(half, cap + 0.006 + f * (h - cap - 0.006)))
    body = np.stack(rings)
    top, bottom = body[-1], body[0]
    mesh = merge(
        revolve(creased(1, (0, 0), (0.75 * r, 0), (0.7 * r, cap), (0, cap))),
        loft(np.stack([np.broadcast_to(bottom.mean(0), bottom.shape), bottom]), closed=True),
        loft(body, closed=True),
        loft(np.stack([top, np.broadcast_to(top[:-1].mean(0), top.shape)]), closed=True),
    )
    return mesh, [printed(rng, 0.3), plain(rng, random_color(rng))]


def _tape(rng: Rng) -> Made:
    """A roll of tape: a ring."""
    r, h = rng.uniform([0.035, 0.012], [0.06, 0.05])
    hole = r * rng.uniform(0.55, 0.8)
    outside = creased(0, (hole, 0), (r, 0), (r, h), (hole, h))
    mesh = revolve([*outside, *creased(1, (hole, h), (hole, 0))])
    return mesh, [plain(rng, random_color(rng), 0.5), plain(rng, (180, 150, 110), 0.0)]


def _handle_material(rng: Rng) -> list[Material]:
    """Steel, and a handle of steel, wood or plastic."""
    steel = (185.0, 187.0, 190.0)
    handle = [steel, (120.0, 80.0, 45.0), random_color(rng)][rng.integers(3)]
    return [plain(rng, handle), plain(rng, steel, 0.9)]


def _bar(
    xs: Array,
    width: Array,
    thick: Array | float,
    rise: Array | float,
    material: int = 0,
    *,
    flat: bool = False,
) -> Mesh:
    """A bar along x whose lower face is at height ``rise``; meters, sampled at ``xs``."""
    half = np.stack([width, np.full_like(xs, thick)], axis=1) / 2
    path = np.stack([xs, np.zeros_like(xs), rise + half[:, 1]], axis=1)
    return sweep(path, half, material=material, flat=flat)


def _knife(rng: Rng) -> Made:
    grip, blade = rng.uniform([0.08, 0.09], [0.12, 0.15])
    thick, wide = rng.uniform([0.0085, 0.014], [0.014, 0.022])
    swell = 1 - 0.15 * np.cos(np.linspace(0, 2 * np.pi, 8))
    handle = _bar(np.linspace(0, grip, 8), wide * swell, thick, 0)
    width = wide * 1.3 * np.sqrt(1 - np.linspace(0, 1, 8) ** 3) + 0.001
    x = np.linspace(grip - 0.01, grip + blade, 8)
    steel = _bar(x, width, 0.002, thick / 2 - 0.001, 1, flat=True)
    return merge(handle, steel), _handle_material(rng)


def _spoon(rng: Rng) -> Made:
    length, thick, wide = rng.uniform([0.10, 0.006, 0.012], [0.16, 0.011, 0.020])
    r, stretch, deep = rng.uniform([0.017, 1.3, 0.009], [0.026, 1.6, 0.014])
    wall = 0.002
    head = revolve(
        [
            *creased(1, (0, 0), (0.3 * r, 0)),
            (_curve(8, (0.3 * r, 0), (0.7 * r, 0.3 * deep), (r, deep)), 1),
            *creased(1, (r, deep), (r - wall, deep)),
            (_curve(8, (r - wall, deep), (0.7 * r - wall, 0.3 * deep + wall), (0, wall)), 1),
        ]
    )
    head = head.scaled(stretch, 1, 1).shifted(x=length + stretch * r - 0.004)
    t = np.linspace(0, 1, 10)
    rise = np.interp(t, [0, 0.6, 1], [0, 0.008, deep - 0.003])
    handle = _bar(t * length, wide * (1 - 0.6 * t), thick * (1 - 0.6 * t), rise)
    return merge(handle, head), _handle_material(rng)


def _fork(rng: Rng) -> Made:
    length, thick, wide = rng.uniform([0.11, 0.006, 0.012], [0.15, 0.010, 0.018])
    head, gap = rng.uniform([0.055, 0.006], [0.075, 0.008])
    # Wide and thick at the end of the handle, narrow and raised at the neck.
    t = np.linspace(0, 1, 10)
    rise = 0.012 * np.sin(np.pi * t**1.5) * rng.uniform(0.2, 1) + 0.004 * t
    is_flat = bool(rng.uniform() < 0.5)
    handle = _bar(t * length, wide * (1 - 0.6 * t), thick * (1 - 0.55 * t), rise, flat=is_flat)
    x = np.linspace(length - 0.01, length + 0.4 * head, 6)
    palm = _bar(x, np.linspace(0.4 * wide, 4 * gap, 6), 0.002, 0.004, 1, flat=True)
    t = np.linspace(0, 1, 8)
    x, rise = length + head * (0.35 + 0.65 * t), 0.004 + 0.010 * t**2
    tine = _bar(x, gap * np.linspace(0.6, 0.35, 8), 0.002, rise, 1, flat=True)
    tines = [tine.shifted(y=gap * (i - 1.5)) for i in range(4)]
    return merge(handle, palm, *tines), _handle_material(rng)


def _screwdriver(rng: Rng) -> Made:
    grip, shaft, r = rng.uniform([0.08, 0.07, 0.012], [0.12, 0.15, 0.017])
    rod = rng.uniform(0.0025, 0.0045)
    h = grip + shaft
    neck = (0.6 * r, grip)
    mesh = revolve(
        [
            *creased(0, (0, 0), (r * 0.8, 0)),
            (_curve(10, (r * 0.8, 0), (r, 0.15 * grip), (r, 0.9 * grip), neck), 0),
            *creased(0, neck, (rod, grip)),
            *creased(1, (rod, grip), (rod, h - 0.008), (rod * 0.3, h), (0, h)),
        ],
        circle(power=2.6),
    )
    return mesh, [plain(rng, random_color(rng, (0.5, 1)), 0.5), plain(rng, (180, 180, 185), 0.9)]


def _hammer(rng: Rng) -> Made:
    length, head, face = rng.uniform([0.20, 0.08, 0.022], [0.30, 0.12, 0.032])
    t = np.linspace(0, 1, 10)
    width = 0.026 - 0.008 * np.sin(np.pi * t)
    path = np.stack([t * length, np.zeros(10), np.zeros(10)], axis=1)
    handle = sweep(path, np.stack([width / 2, width * 0.4], axis=1))
    block = box(face, head, face, (1, 1, 1)).shifted(x=length - face / 2, z=-face / 2)
    wood, steel = plain(rng, random_color(rng, (0.3, 0.9)), 0.2), plain(rng, (90, 92, 98), 0.6)
    return merge(handle, block), [wood, steel]


def _marker(rng: Rng) -> Made:
    length, r = rng.uniform([0.11, 0.005], [0.145, 0.010])
    split = length * rng.uniform(0.6, 0.7)
    body = creased(0, (0, 0), (0.8 * r, 0), (r, 0.003), (r, split))
    cap = creased(1, (r, split), (1.1 * r, split), (1.1 * r, length), (0, length))
    color = random_color(rng)
    body_color = color if rng.uniform() < 0.5 else (230, 230, 230)
    return revolve([*body, *cap], circle(16)), [
        plain(rng, body_color, 0.3),
        plain(rng, color, 0.3),
    ]


def _slab(r: float, h: float, aspect: float, edge: float, power: float) -> Mesh:
    """A block with rounded edges, ``r`` half its size in y and ``aspect`` times as long in x."""
    mesh = revolve(
        [
            *creased(0, (0, 0), (r - edge, 0)),
            (_arc((r - edge, edge), edge, -90, 0, 4), 0),
            *creased(0, (r, edge), (r, h - edge)),
            (_arc((r - edge, h - edge), edge, 0, 90, 4), 0),
            *creased(1, (r - edge, h), (0, h)),
        ],
        circle(32, power),
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
    materials = [plain(rng, random_color(rng, (0.4, 1)), 0.0), plain(rng, random_color(rng), 0.0)]
    return _slab(half_y, h, aspect, 0.004, 8), materials


def _brick(rng: Rng) -> Made:
    """A toy building brick with studs."""
    unit, rows = rng.uniform(0.016, 0.026), int(rng.integers(2, 5))
    h = unit * rng.uniform(0.9, 1.2)
    r, low, top = 0.3 * unit, h - 0.001, h + 0.25 * unit
    bottom = revolve(creased(0, (0, low), (r, low)), circle(16))
    stud = merge(bottom, revolve(creased(0, (r, low), (r, top), (0, top)), circle(16)))
    studs = [
        stud.shifted(x=unit * (i - (rows - 1) / 2), y=unit * j)
        for i in range(rows)
        for j in (-0.5, 0.5)
    ]
    color = random_color(rng, (0.6, 1))
    return merge(box(rows * unit, 2 * unit, h), *studs), [plain(rng, color, 0.5)]


_MAKERS = {
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

#: Names of all kinds of objects, sorted.
CATEGORIES: tuple[str, ...] = tuple(_MAKERS)
