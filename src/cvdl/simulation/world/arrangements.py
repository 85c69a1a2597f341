"""Puts things into a place: single, spread, as clutter, in piles, packed in rows and stacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cvdl.simulation.room import Surface
from cvdl.simulation.shapes import Thing
from cvdl.simulation.textures import Material
from cvdl.simulation.world.any_shape import any_thing, carton
from cvdl.simulation.world.looks import any_look
from cvdl.simulation.world.obstacles import placed, standing
from cvdl.simulation.world.piling import Form, drop, resting_rotation, stood
from cvdl.simulation.world.solids import rotation_z
from cvdl.simulation.world.supports import Place

__all__ = ["arrange_things", "clutter", "obstruct"]

Array = NDArray[np.float64]
Rng = np.random.Generator
Placed = list[tuple[Thing, Array]]


def arrange_things(rng: Rng, place: Place, reach: float) -> Placed:
    """Fill a place with things.

    Args:
        rng: source of everything random.
        place: its height map is raised to the tops of the things.
        reach: half the extent that the camera sees, meters.

    Returns:
        Things with their poses (4, 4) to the world.
    """
    kind = rng.choice(["none", "few", "spread", "clutter", "pile", "packed"], p=_shares(place))
    if kind == "none":
        return []
    things: Placed = []
    usual = usual_size(reach) * np.exp(rng.normal(0, 0.35))
    if place.kind == "floor" and rng.uniform() < 0.4:
        usual = 0.5 * reach  # furniture-like: parcels, cases
    clear = 0.6 if rng.uniform() < 0.06 else 0.03
    if kind == "packed":
        things += _packed(rng, place, reach, usual)
        count = int(rng.integers(0, 6)) if rng.uniform() < 0.6 else 0
    else:
        low, high = {"few": (1, 4), "spread": (4, 13), "clutter": (6, 18), "pile": (8, 31)}[kind]
        count = int(rng.integers(low, high))
    copies = rng.uniform() < (0.35 if kind == "pile" else 0.12)
    forms = [
        Form.of(any_thing(rng, _size(rng, place, usual), clear))
        for _ in range(min(count, int(rng.integers(1, 4))) if copies else count)
    ]
    alike = rng.uniform()
    if alike < 0.08:  # hard to tell apart, or to tell from the support
        look = place.surfaces[0].materials[0] if alike < 0.03 else any_look(rng)
        forms = [_dressed(form, look) for form in forms]
    # Piles crowd around a focus; other things lie anywhere in view.
    half = np.minimum(place.heights.half_size, 1.05 * reach)
    if place.enclosed:
        half = place.heights.half_size
    focus = rng.uniform(-0.4, 0.4, 2) * (place.heights.half_size - 0.5 * half)
    crowd = {"few": 0.5, "spread": 0.8, "clutter": 0.4, "pile": 0.45, "packed": 0.8}[kind]
    if place.enclosed:
        crowd *= 1.6
    tries = {"few": 8, "spread": 12, "clutter": 2, "pile": 2, "packed": 6}[kind]
    for index in range(count):
        form = forms[index % len(forms)]
        spots = focus + rng.uniform(-1, 1, (tries, 2)) * half * crowd * (
            1.6 if place.enclosed else 1
        )
        pose = drop(
            rng, form, place.heights, np.clip(spots, -half, half),
            steps=45 if kind in ("pile", "clutter") or place.enclosed else 24,
            shake=0.6 if kind == "pile" else 0.15,
            loose=0.5 if kind == "pile" else 0.04,
        )  # fmt: skip
        if pose is not None and _fits(place, form, pose):
            things.append((form.thing, pose))
    return things


def _dressed(form: Form, look: Material) -> Form:
    """A form with one look."""
    return replace(form, thing=replace(form.thing, materials=(look,) * len(form.thing.materials)))


def usual_size(reach: float) -> float:
    """Return the usual size of things where the camera sees twice ``reach``, meters."""
    return float(np.clip(0.38 * reach, 0.035, 0.17))


def obstruct(rng: Rng, place: Place, reach: float) -> list[Surface]:
    """Stand what is no thing on a support, before the things come."""
    surfaces = []
    wide = np.minimum(place.table.half_size, 2 * reach + 0.2)
    for _ in range(int(rng.integers(1, 4))):
        item = standing(rng, usual_size(reach))
        size = np.ptp(item.mesh.vertices, axis=0)
        if max(size) > 1.6 * reach + 0.15:
            continue
        x, y = rng.uniform(-1, 1, 2) * wide
        yaw = rng.normal(0, 0.4) if place.azimuth is not None else rng.uniform(0, 2 * np.pi)
        item = placed(item, float(x), float(y), 0.0, yaw)
        surfaces.append(item)
        if size[2] < 0.02:  # a cable or a keyboard may carry things
            place.heights.add(item.mesh)
        else:
            place.heights.block(item.mesh)
    return surfaces


def clutter(rng: Rng, place: Place, reach: float) -> list[Surface]:
    """Lay things on the surfaces that are not the support."""
    surfaces = []
    for z, inner, outer in place.others:
        if rng.uniform() < 0.6:
            continue
        for _ in range(int(rng.integers(1, 7))):
            size = usual_size(reach) * rng.uniform(0.5, 2)
            if z < -0.2:  # on the floor
                size = rng.uniform(0.05, 0.5)
            spot = rng.uniform(-1, 1, 2) * outer
            if inner.any():  # wholly beside what is in the middle
                nearest = inner + size / 2
                free = np.flatnonzero(nearest < outer)
                if not len(free):
                    continue
                axis = rng.choice(free)
                spot[axis] = rng.choice([-1, 1]) * rng.uniform(nearest[axis], outer[axis])
            form = Form.of(any_thing(rng, size))
            rotation = resting_rotation(rng, form.ways)
            pose = np.eye(4)
            pose[:3, :3] = rotation
            lowest = (form.thing.mesh.vertices @ rotation[2]).min()
            pose[:3, 3] = *spot, z - lowest
            mesh = form.thing.mesh.moved(pose)
            surfaces.append(Surface(mesh, form.thing.materials))
    return surfaces


def _shares(place: Place) -> list[float]:
    if place.kind in ("bin", "cardboard"):
        return [0.02, 0.1, 0.13, 0.2, 0.4, 0.15]
    if place.kind == "shelf":
        return [0.02, 0.18, 0.25, 0.15, 0.0, 0.4]
    return [0.03, 0.22, 0.27, 0.22, 0.1, 0.16]


def _size(rng: Rng, place: Place, usual: float) -> float:
    size = usual * np.exp(rng.normal(0, 0.5))
    if place.enclosed:
        size = min(size, 1.5 * float(place.heights.half_size.min()))
    return float(np.clip(size, 0.01, min(0.6, 0.9 * place.ceiling)))


def _fits(place: Place, form: Form, pose: Array) -> bool:
    top = float((form.points @ pose[2, :3]).max() + pose[:3, :3][2] @ form.com + pose[2, 3])
    return top < place.ceiling - 0.005


def _packed(rng: Rng, place: Place, reach: float, usual: float) -> Placed:
    """Rows, grids and stacks of equal or different boxes or things that touch."""
    half = np.minimum(place.heights.half_size, reach)
    x, y, z = usual * np.exp(rng.normal(0.1, 0.45, 3))
    equal = rng.uniform() < 0.5
    gap = 0.0 if rng.uniform() < 0.6 else rng.uniform(0, 0.006)
    columns = int(np.clip(rng.integers(1, 7), 1, max(1, 2 * half[0] // (x + gap))))
    rows = int(np.clip(rng.integers(1, 5), 1, max(1, 2 * half[1] // (y + gap))))
    layers = int(rng.integers(1, 4))
    if z * layers > place.ceiling - 0.01:
        z, layers = min(z, 0.8 * place.ceiling), 1
    turn = rng.normal(0, 0.1) if place.enclosed else rng.uniform(0, 2 * np.pi)
    slack = np.maximum(half - 0.5 * np.array([columns * (x + gap), rows * (y + gap)]), 0)
    middle = rng.uniform(-1, 1, 2) * slack * (1 if place.enclosed else 0.4)
    model = carton(rng, x, y, z)
    if rng.uniform() < 0.25:  # things of one kind, such as cans, instead of boxes
        model = any_thing(rng, max(x, y, z))
        low, high = model.mesh.vertices.min(axis=0), model.mesh.vertices.max(axis=0)
        x, y, z = high - low
        equal, layers = True, 1
    form = Form.of(model)
    rotation = rotation_z(turn)
    things: Placed = []
    for _ in range(layers):
        for row in range(rows):
            edge = -columns * (x + gap) / 2
            for _ in range(columns):
                width, height = x, z
                if not equal:
                    width, height = x * rng.uniform(0.5, 1.3), z * rng.uniform(0.6, 1.2)
                    form = Form.of(carton(rng, width, y, height))
                at = np.array([edge + width / 2, (row - (rows - 1) / 2) * (y + gap)])
                edge += width + gap
                if rng.uniform() < 0.06 or len(things) > 28:
                    continue
                jitter = rotation_z(rng.normal(0, 0.06)) if rng.uniform() < 0.1 else np.eye(3)
                spot = middle + rotation[:2, :2] @ at
                if (np.abs(spot) > place.heights.half_size).any():
                    continue
                pose = stood(form, place.heights, rotation @ jitter, spot)
                if pose is not None and _fits(place, form, pose):
                    things.append((form.thing, pose))
    return things
