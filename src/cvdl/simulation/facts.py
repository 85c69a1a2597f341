"""What is true of a simulated scene, from its exact shapes: kinds, colors, contacts, grasps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.language.facts import SceneFacts, describe
from cvdl.language.lexicon import color_shares
from cvdl.simulation.generate import PlacedObject, SimulatedScene
from cvdl.simulation.grasps import label_grasps
from cvdl.simulation.placement import CONTACT
from cvdl.simulation.solid import Solid, hull_margin, touches

__all__ = ["find_contacts", "scene_facts"]

Array = NDArray[np.float64]

#: Objects with fewer visible pixels, as a share of the image, are not in view.
_IN_VIEW = 2e-4
#: Kinds that hold other things, and how far below the rim these reach, meters.
_VESSELS, _BELOW_RIM = ("bowl", "cup", "mug"), 0.01
#: A texture is sampled every so many pixels.
_STRIDE = 8


def scene_facts(scene: SimulatedScene) -> SceneFacts:
    """Return what is true of a scene.

    Args:
        scene: with the materials of its objects.
    """
    least = _IN_VIEW * scene.truth.labels.size
    seen = [item for item in scene.truth.objects if item.area >= least]
    placed = {item.label: item for item in scene.objects}
    things = describe(
        [item.label for item in seen],
        [item.class_name for item in seen],
        [_colors(placed[item.label]) for item in seen],
        [item.box3d for item in seen],
        scene.truth.plane,
    )
    good = label_grasps(scene).good_label
    labels = [item.label for item in seen]
    graspable = frozenset(int(label) for label in np.unique(good) if label in labels)
    contacts = find_contacts([placed[label] for label in labels])
    # Tables have nothing around them; other supports may be bins, shelves or floors.
    return SceneFacts(things, contacts, graspable, "" if scene.obstacles else "table")


def _colors(item: PlacedObject) -> dict[str, float]:
    """The share of each color in the surface of an object."""
    corners = item.mesh.vertices[item.mesh.triangles]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.bincount(
        item.mesh.material, np.linalg.norm(cross, axis=1), minlength=len(item.materials)
    )
    colors, weights = [], []
    for material, share in zip(item.materials, area, strict=True):
        texels = material.texture[::_STRIDE, ::_STRIDE].reshape(-1, 3).astype(np.float64)
        colors.append(texels)
        weights.append(np.full(len(texels), share / len(texels)))
    return color_shares(np.concatenate(colors), np.concatenate(weights))


def find_contacts(placed: list[PlacedObject]) -> dict[tuple[int, int], str]:
    """Return the contacts of objects by two labels, see ``SceneFacts``.

    An object that does not touch the table is on the objects below it that it touches, or in those
    that are vessels, if it reaches below their rim; they are under it. An object that touches the
    table and would fall without what else it touches leans against that.
    """
    solids = [Solid(item.mesh) for item in placed]
    surfaces = [
        solid.samples @ item.pose[:3, :3].T + item.pose[:3, 3]
        for solid, item in zip(solids, placed, strict=True)
    ]
    centers = [
        item.pose[:3, :3] @ solid.com + item.pose[:3, 3]
        for solid, item in zip(solids, placed, strict=True)
    ]
    contacts = {}
    for one, (item, points, center) in enumerate(zip(placed, surfaces, centers, strict=True)):
        on_table = points[points[:, 2] < CONTACT]
        stands = hull_margin(on_table[:, :2], center[:2]) >= 0
        if stands:
            continue
        for two, other in enumerate(placed):
            if one == two or not _touch(points, center, solids[one], solids[two], other):
                continue
            if len(on_table):
                contacts[item.label, other.label] = "leaning against"
                continue
            if center[2] <= centers[two][2] and other.category not in _VESSELS:
                continue  # beside or below it
            rim = surfaces[two][:, 2].max()
            inside = other.category in _VESSELS and points[:, 2].min() < rim - _BELOW_RIM
            contacts[item.label, other.label] = "in" if inside else "on"
            contacts.setdefault((other.label, item.label), "under")
    return contacts


def _touch(points: Array, center: Array, solid: Solid, other: Solid, placed: PlacedObject) -> bool:
    """Whether an object with surface points (N, 3) touches another one."""
    middle = placed.pose[:3, :3] @ other.com + placed.pose[:3, 3]
    if np.linalg.norm(center - middle) > solid.radius + other.radius + CONTACT:
        return False
    return bool(touches(points, other, placed.pose, CONTACT).any())
