"""What carries things: tables, desks, floors, bins, trays, boxes, shelves and conveyor belts.

World frame: meters, z up; the surface that carries the things is z = 0 about the origin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import PLANE_LABEL
from cvdl.simulation.mesh import Mesh, box, merge
from cvdl.simulation.placement import Table
from cvdl.simulation.room import Surface, furnish_table, furniture, sheet
from cvdl.simulation.textures import Material
from cvdl.simulation.world.looks import any_color, any_look, cloth_look, ground_look, matt, metal
from cvdl.simulation.world.obstacles import person, placed
from cvdl.simulation.world.piling import BLOCKED, Heights
from cvdl.simulation.world.solids import grid, rotation_z, slanted_box, turned

__all__ = ["SUPPORTS", "Other", "Place", "random_place", "surroundings"]

Array = NDArray[np.float64]
Rng = np.random.Generator


class Other(NamedTuple):
    """A level surface beside or below the support: a rectangle about the origin without its middle.

    Attributes:
        z: height, meters.
        inner, outer: (2,) half sizes, meters.
    """

    z: float
    inner: Array
    outer: Array


@dataclass
class Place:
    """Where things are.

    Attributes:
        kind: a key of ``SUPPORTS``.
        table: shape of the surface that carries the things, and its height above the floor.
        heights: of all that carries things, over the part of the surface where things may be.
        surfaces: everything that belongs to the support.
        elevation: lowest and highest of the camera, degrees.
        azimuth: where the camera is seen from the origin, radians; None: anywhere.
        ceiling: free height, meters.
        others: surfaces in view that are not the support, for clutter.
        wall: whether a wall is right behind it, away from ``azimuth``.
        enclosed: whether things stay inside the height map: bins and shelves.
    """

    kind: str
    table: Table
    heights: Heights
    surfaces: list[Surface]
    elevation: tuple[float, float] = (15, 90)
    azimuth: float | None = None
    ceiling: float = np.inf
    others: list[Other] = field(default_factory=list)
    wall: bool = False
    enclosed: bool = False


def random_place(rng: Rng, reach: float, kind: str | None = None) -> Place:
    """Draw a place.

    Args:
        rng: source of everything random.
        reach: half the extent that the camera sees, meters; bins are about as large.
        kind: a key of ``SUPPORTS``; default: any.
    """
    place = SUPPORTS[kind or str(rng.choice(list(SUPPORTS), p=_SHARES))](rng, reach)
    if not place.enclosed and place.table.height:
        edge = place.table.half_size
        place.others.append(Other(-place.table.height, edge, edge + 0.6))
    return place


def _table(rng: Rng, reach: float) -> Place:
    """A table of any size."""
    is_round = bool(rng.uniform() < 0.3)
    half = rng.uniform(0.2, 0.7, 2) * rng.choice([0.7, 1, 1.5])
    half = np.maximum(half, 0.7 * min(reach, 0.5))
    if is_round:
        half = np.full(2, half[0])
    table = Table(is_round, half, rng.uniform(0.3, 1.1), rng.uniform(0.01, 0.06))
    surfaces = furnish_table(rng, table)
    if rng.uniform() < 0.7:
        surfaces[0] = replace(surfaces[0], materials=(ground_look(rng),))
    heights = _part_of(half * (0.7 if is_round else 1), reach)
    place = Place("table", table, heights, surfaces)
    _covered(rng, place)
    return place


def _desk(rng: Rng, reach: float) -> Place:
    """A desk or a counter against a wall."""
    half = np.array([rng.uniform(0.5, 1.3), rng.uniform(0.25, 0.45)])
    table = Table(False, half, rng.uniform(0.6, 1.0), rng.uniform(0.02, 0.05))
    surfaces = furnish_table(rng, table)
    surfaces[0] = replace(surfaces[0], materials=(ground_look(rng),))
    heights = _part_of(half, reach)
    place = Place(
        "desk", table, heights, surfaces, (15, 75), -np.pi / 2 + rng.normal(0, 0.4), wall=True
    )
    _covered(rng, place)
    return place


def _part_of(half_size: Array, reach: float) -> Heights:
    """The heights of the part of a table that is in view; nothing rests on the air around it."""
    seen = np.minimum(half_size, max(1.3 * reach, 0.3))
    return Heights(seen, 0.0 if (seen < half_size).all() else -1.0)


def _floor(rng: Rng, reach: float) -> Place:
    """The floor of a room, a hall or a yard."""
    table = Table(False, np.full(2, 4.0), 0.0, 0.01)
    top = grid(np.zeros((2, 2)), table.half_size, rng.uniform(0.3, 1.2))
    surfaces = [Surface(top, (ground_look(rng),), PLANE_LABEL)]
    place = Place("floor", table, Heights(np.full(2, max(1.3 * reach, 0.35))), surfaces)
    _covered(rng, place)
    return place


def _covered(rng: Rng, place: Place) -> None:
    """Sometimes lay a cloth, a mat or a plate on a flat support; it carries things, too."""
    if rng.uniform() < 0.55:
        return
    half = place.heights.half_size * rng.uniform(0.35, 0.95, 2)
    at = (place.heights.half_size - half) * rng.uniform(-1, 1, 2)
    kind = rng.integers(3)
    if kind == 0:  # a cloth with folds
        count = 25
        t = np.linspace(-1, 1, count)
        waves = rng.normal(0, 5, (4, 2))
        phase = rng.uniform(0, 6, 4)
        field = np.sin(t[:, None, None] * waves[:, 0] + t[None, :, None] * waves[:, 1] + phase)
        amount = rng.uniform(0, 0.004) * min(1.0, float(half.min()) / 0.2)
        heights = 0.0015 + amount * (field.mean(axis=2) + 1)
        mesh, look = grid(heights, half, rng.uniform(0.1, 0.6)), cloth_look(rng)
    elif kind == 1:  # a mat or a board
        thick = rng.uniform(0.001, 0.012)
        mesh, look = box(2 * half[0], 2 * half[1], thick), ground_look(rng)
    else:  # a metal plate, often with holes
        thick = rng.uniform(0.002, 0.008)
        mesh = grid(np.full((2, 2), thick), half, rng.uniform(0.1, 0.25))
        rim = slanted_box(half, half, thick)
        mesh, look = merge(mesh, rim), _perforated(rng) if rng.uniform() < 0.6 else metal(rng)
    mesh = mesh.shifted(float(at[0]), float(at[1]))
    place.heights.add(mesh)
    place.surfaces.append(Surface(mesh, (look,), PLANE_LABEL))


def _perforated(rng: Rng) -> Material:
    steel = metal(rng)
    size = 128
    image = np.ascontiguousarray(np.resize(steel.texture, (size, size, 3)))
    count = int(rng.choice([2, 4, 8]))
    step = size // count
    y, x = np.mgrid[:size, :size]
    hole = np.hypot(x % step - step / 2, y % step - step / 2) < step * rng.uniform(0.12, 0.3)
    image[hole] = image[hole] // 6
    return replace(steel, texture=image)


def _container(
    rng: Rng,
    bottom: Array,
    height: float,
    flare: float,
    thick: float,
    look: Material,
    inside: Material,
) -> list[Surface]:
    """A bottom, labeled as the support, and four walls that lean outwards by ``flare``."""
    top = bottom + flare
    floor = grid(np.zeros((2, 2)), bottom, rng.uniform(0.2, 0.6))
    walls = merge(
        slanted_box(bottom, top, height),
        slanted_box(bottom + thick, top + thick, height + thick).shifted(z=-thick),
    )
    rims = []
    lip = thick + rng.uniform(0, 0.025) * (rng.uniform() < 0.6)
    for axis in (0, 1):
        for sign in (-1, 1):
            size = np.array([2 * (top[0] + lip), 2 * (top[1] + lip)])
            size[axis] = lip
            at = np.zeros(2)
            at[axis] = sign * (top[axis] + lip / 2)
            drop = min(0.02, height / 3) if lip > thick else 0.003
            rims.append(box(size[0], size[1], drop).shifted(at[0], at[1], height - drop))
    under = box(2 * (bottom[0] + thick), 2 * (bottom[1] + thick), thick - 1e-4).shifted(z=-thick)
    ribs = []
    if rng.uniform() < 0.4 and height > 0.06:
        for _ in range(int(rng.integers(3, 12))):
            axis, sign = int(rng.integers(2)), int(rng.choice([-1, 1]))
            along = rng.uniform(-0.9, 0.9) * bottom[1 - axis]
            width = rng.uniform(0.005, 0.02)
            size = np.array([width, width])
            size[axis] = 0.012
            at = np.zeros(2)
            at[axis], at[1 - axis] = sign * (bottom[axis] + flare / 2), along
            ribs.append(box(size[0], size[1], height * 0.9).shifted(at[0], at[1]))
    return [
        Surface(floor, (inside,), PLANE_LABEL),
        Surface(merge(walls, *rims, under, *ribs), (look,)),
    ]


def _walled(heights: Heights, bottom: Array, height: float, flare: float) -> None:
    """Raise a height map to the inner walls of a container; block what is outside."""
    x, y = heights.places()
    out = np.maximum(np.abs(x) - bottom[0], np.abs(y) - bottom[1])
    slope = np.clip(out / max(flare, 1e-4), 0, 1) * height
    heights.map[:] = np.where(out > flare, BLOCKED, slope)


def _contained(
    rng: Rng,
    kind: str,
    bottom: Array,
    height: float,
    flare: float,
    look: Material,
    inside: Material,
) -> Place:
    thick = rng.uniform(0.002, 0.012)
    stand = rng.choice([0.0, rng.uniform(0.3, 1.0)], p=[0.3, 0.7])  # on the floor or a table
    table = Table(False, bottom, thick + float(stand), thick)
    heights = Heights(bottom + flare + 0.004, BLOCKED, height)
    _walled(heights, bottom, height, flare)
    surfaces = _container(rng, bottom, height, flare, thick, look, inside)
    outer = bottom + flare + thick + rng.uniform(0.05, 0.8, 2)
    if stand:
        slab = box(2 * outer[0], 2 * outer[1], 0.03).shifted(z=-thick - 0.03)
        surfaces.append(Surface(slab, (ground_look(rng),)))
    else:
        outer = bottom + flare + 1.0
    # From too low, the walls hide the things.
    lowest = float(np.degrees(np.arctan2(height, float(bottom.min()))) * 0.8 + 10)
    return Place(
        kind, table, heights, surfaces, (min(max(lowest, 20), 70), 90),
        others=[Other(-thick, bottom + flare + thick + 0.03, outer)], enclosed=True,
    )  # fmt: skip


def _bin_size(rng: Rng, reach: float) -> Array:
    longer = np.clip(reach * rng.uniform(0.7, 1.45), 0.08, 0.45)
    return longer * np.sort([1.0, rng.uniform(0.5, 1)])[::-1][rng.permutation(2)]


def _bin(rng: Rng, reach: float) -> Place:
    """A tote or a bin with high walls."""
    bottom = _bin_size(rng, reach)
    height = float(bottom.min() * rng.uniform(0.35, 1.3))
    look = matt(any_color(rng), float(rng.choice([0.1, 0.3, 0.6])))
    if rng.uniform() < 0.2:
        look = metal(rng)
    inside = look if rng.uniform() < 0.7 else ground_look(rng)
    flare = height * rng.uniform(0, 0.3)
    return _contained(rng, "bin", bottom, height, flare, look, inside)


def _tray(rng: Rng, reach: float) -> Place:
    """A tray with low walls, sometimes with compartments."""
    bottom = _bin_size(rng, reach)
    height = rng.uniform(0.008, 0.05)
    look = ground_look(rng) if rng.uniform() < 0.5 else matt(any_color(rng), 0.3)
    inside = look if rng.uniform() < 0.6 else cloth_look(rng)
    place = _contained(rng, "tray", bottom, height, rng.uniform(0, 0.02), look, inside)
    if rng.uniform() < 0.3:
        parts = []
        for axis in (0, 1):
            for share in np.linspace(-1, 1, int(rng.integers(2, 6)))[1:-1]:
                size = np.array([2 * bottom[0], 2 * bottom[1]])
                size[axis] = rng.uniform(0.002, 0.008)
                at = np.zeros(2)
                at[axis] = share * bottom[axis]
                parts.append(box(size[0], size[1], height).shifted(at[0], at[1]))
        if parts:
            place.surfaces.append(Surface(merge(*parts), (look,)))
            for part in parts:
                place.heights.add(part)
    return replace(place, elevation=(20, 90))


def _cardboard(rng: Rng, reach: float) -> Place:
    """An open cardboard box with flaps."""
    bottom = _bin_size(rng, reach)
    height = float(bottom.min() * rng.uniform(0.4, 1.3))
    tone = np.array([190, 148, 100]) * rng.uniform(0.7, 1.2)
    look = matt(tone, 0.0) if rng.uniform() < 0.8 else matt(any_color(rng), 0.0)
    place = _contained(rng, "cardboard", bottom, height, 0.0, look, look)
    flaps: list[Mesh] = []
    for axis in (0, 1):
        for sign in (-1, 1):
            if rng.uniform() < 0.2:
                continue
            tilt = rng.uniform(-1.2, 1.2)  # from level: hanging to standing
            length = float(bottom.min() * rng.uniform(0.5, 0.95))
            flap = box(2 * bottom[1 - axis], length, 0.003).shifted(y=length / 2)
            c, s = np.cos(tilt), np.sin(tilt)
            pose = np.eye(4)
            pose[1:3, 1:3] = [[c, -s], [s, c]]
            flap = flap.moved(pose).shifted(y=float(bottom[axis]))
            yaw = (-np.pi / 2 if axis == 0 else 0) + (np.pi if sign < 0 else 0)
            flaps.append(turned(flap, rotation_z(yaw)).shifted(z=height))
    if flaps:
        place.surfaces.append(Surface(merge(*flaps), (look,)))
    return place


def _shelf(rng: Rng, reach: float) -> Place:
    """A board of an open cupboard, seen from the front."""
    half = np.array([np.clip(reach * rng.uniform(0.7, 1.8), 0.15, 0.9), rng.uniform(0.1, 0.28)])
    gap = rng.uniform(0.15, 0.5)
    thick = rng.uniform(0.008, 0.03)
    look = ground_look(rng)
    board = box(2 * half[0], 2 * half[1], thick - 1e-4)
    below, above = int(rng.integers(0, 4)), int(rng.integers(0, 3))
    levels = [*(-gap * (1 + np.arange(below))), *(gap * (1 + np.arange(above)))]
    parts = [board.shifted(z=-thick)] + [board.shifted(z=level - thick) for level in levels]
    low = -gap * below - thick - rng.uniform(0, 0.3)
    high = gap * max(above, 0) + (0.0 if above else rng.uniform(0, 0.2))
    if rng.uniform() < 0.7:
        for sign in (-1, 1):
            side = box(thick, 2 * half[1], high - low).shifted(
                x=sign * (half[0] + thick / 2), z=low
            )
            parts.append(side)
    else:  # posts
        for sx in (-1, 1):
            for sy in (-1, 1):
                post = box(0.03, 0.03, high - low).shifted(sx * half[0], sy * half[1], low)
                parts.append(post)
    if rng.uniform() < 0.7:
        back = box(2 * half[0], 0.01, high - low).shifted(y=half[1] + 0.005, z=low)
        parts.append(back)
    top = grid(np.zeros((2, 2)), half, rng.uniform(0.2, 0.8))
    table = Table(False, half, -low, thick)
    place = Place(
        "shelf", table, Heights(half, BLOCKED, gap),
        [Surface(top, (look,), PLANE_LABEL), Surface(merge(*parts), (look,))],
        azimuth=-np.pi / 2 + rng.normal(0, 0.35), wall=True, enclosed=True,
    )  # fmt: skip
    place.others = [Other(level, np.zeros(2), 0.9 * half) for level in levels]
    if above:
        place.ceiling = gap - thick
        steepest = float(np.degrees(np.arctan2(place.ceiling, half[1])))
        place.elevation = (2, min(max(0.75 * steepest, 8), 45))
    else:
        place.elevation = (5, 60)
    return place


def _conveyor(rng: Rng, reach: float) -> Place:
    """A conveyor belt with rails."""
    half = np.array([rng.uniform(0.8, 2.0), np.clip(reach * rng.uniform(0.5, 1.2), 0.1, 0.5)])
    table = Table(False, half, rng.uniform(0.5, 1.0), 0.05)
    tone = any_color(rng) * rng.uniform(0.2, 0.8)
    belt = matt(tone, 0.1) if rng.uniform() < 0.6 else cloth_look(rng)
    top = grid(np.zeros((2, 2)), half, rng.uniform(0.1, 0.5))
    rail, wide = rng.uniform(0.0, 0.08), rng.uniform(0.02, 0.06)
    rails = [
        box(2 * half[0], wide, 0.08 + rail).shifted(y=sign * (half[1] + wide / 2), z=-0.08)
        for sign in (-1, 1)
    ]
    legs = [
        box(0.05, 0.05, table.height - 0.06).shifted(x, sign * half[1], -table.height)
        for x in np.linspace(-0.9 * half[0], 0.9 * half[0], 3)
        for sign in (-1, 1)
    ]
    under = box(2 * half[0], 2 * half[1], 0.06).shifted(z=-0.0601)
    frame = metal(rng) if rng.uniform() < 0.6 else matt(any_color(rng), 0.3)
    surfaces = [
        Surface(top, (belt,), PLANE_LABEL),
        Surface(merge(*rails, *legs, under), (frame,)),
    ]
    heights = Heights(np.minimum(half, [max(1.3 * reach, 0.3), 9]))
    return Place("conveyor", table, heights, surfaces, (20, 90))


#: Makers of supports by name.
SUPPORTS: dict[str, Callable[[Rng, float], Place]] = {
    "table": _table,
    "desk": _desk,
    "floor": _floor,
    "bin": _bin,
    "tray": _tray,
    "cardboard": _cardboard,
    "shelf": _shelf,
    "conveyor": _conveyor,
}
_SHARES = (0.27, 0.13, 0.13, 0.16, 0.09, 0.07, 0.09, 0.06)


def surroundings(rng: Rng, place: Place, eye: Array) -> list[Surface]:
    """Make the floor, walls and furniture around a place; none hides it from ``eye`` (3,)."""
    surfaces = []
    floor_z = -place.table.height
    if place.kind != "floor" and rng.uniform() < 0.97:
        floor = grid(np.full((2, 2), floor_z - 1e-3), np.full(2, 5.0), rng.uniform(0.4, 1.2))
        surfaces.append(Surface(floor, (ground_look(rng),)))
    away = np.append(-eye[:2], 0.0)
    away = away / max(float(np.linalg.norm(away)), 1e-6)
    around = place.heights.half_size if place.kind == "floor" else place.table.half_size
    extent = float(np.hypot(*np.minimum(around, 1.5)))
    paint = ground_look(rng)
    if place.wall:
        back = float(place.table.half_size[1]) + rng.uniform(0.012, 0.05)
        edge = [(-6.0, back, floor_z), (6.0, back, floor_z)]
        surfaces.append(sheet(edge, (0, 0, 3.0), paint))
        surfaces += [_poster(rng, back) for _ in range(int(rng.integers(0, 4)))]
    elif rng.uniform() < 0.6:
        distance = extent + rng.uniform(0.05, 2.0)
        turn = np.arctan2(away[1], away[0]) + rng.normal(0, 0.3)
        for side in range(int(rng.integers(1, 3))):
            angle = turn + side * np.pi / 2 * rng.choice([-1, 1])
            n = np.array([np.cos(angle), np.sin(angle)])
            if eye[:2] @ n > distance - 0.3:
                continue
            t = np.array([-n[1], n[0]])
            a, b = n * distance - 6 * t, n * distance + 6 * t
            edge = [(a[0], a[1], floor_z), (b[0], b[1], floor_z)]
            surfaces.append(sheet(edge, (0, 0, 3.0), paint))
    if rng.uniform() < 0.15:
        angle = np.arctan2(away[1], away[0]) + rng.uniform(-2, 2)
        far = extent * rng.uniform(0.9, 1.2) + 0.2
        at = (far * np.cos(angle), far * np.sin(angle), floor_z)
        surfaces.append(placed(person(rng), *at, angle + np.pi))
    for _ in range(int(rng.integers(0, 6))):
        angle = np.arctan2(away[1], away[0]) + rng.uniform(-1.9, 1.9)
        far = extent + rng.uniform(0.35, 1.8)
        x, y = far * np.cos(angle), far * np.sin(angle)
        if place.wall and y > place.table.half_size[1] - 0.3:
            continue
        item = furniture(rng)
        yaw = rng.uniform(0, 2 * np.pi)
        looks = item.materials if rng.uniform() < 0.5 else (any_look(rng),)
        mesh = turned(item.mesh, rotation_z(yaw)).shifted(x, y, floor_z)
        surfaces.append(Surface(mesh, looks))
    return surfaces


def _poster(rng: Rng, back: float) -> Surface:
    """Something flat or a cupboard on the wall at y = ``back``."""
    width, height = rng.uniform(0.15, 0.8, 2)
    deep = 0.01 if rng.uniform() < 0.7 else rng.uniform(0.05, 0.2)
    x, z = rng.uniform(-1.2, 1.2), rng.uniform(0.1, 0.9)
    return Surface(box(width, 2 * deep, height).shifted(x, back, z), (any_look(rng),))
