"""What is true of a scene, in terms that sentences state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import OrientedBox, Plane
from cvdl.language.lexicon import MATERIALS, NEAR_COLORS

__all__ = [
    "CONTACTS",
    "DIRECTIONS",
    "SIZES",
    "Fact",
    "SceneFacts",
    "Thing",
    "colored",
    "describe",
    "has_material",
    "has_size",
    "support_axes",
]

#: Relations by place, seen from the camera, and relations by contact.
DIRECTIONS = ("left of", "right of", "behind", "in front of")
CONTACTS = ("in", "on", "leaning against", "under")

#: Longest extent, meters: sure and possible, of small things at most, of large ones at least.
SIZES = {"small": (0.09, 0.115), "large": (0.2, 0.165)}

#: Meters of offset, and its ratio to the offset across, from which a direction is sure or possible.
_SURE, _POSSIBLE = (0.04, 1.0), (0.01, 0.4)
#: Share of the surface from which an object surely, or possibly, is of a color.
_COLORED, _TINGED = 0.6, 0.2


class Fact(NamedTuple):
    """A statement about a scene.

    Attributes:
        name: "kind", "color", "size", "material", "count", "graspable" or a relation.
        subject: label of the object; 0 for a count.
        value: kind, color, size or material; for a count, the kind, "" for all objects.
        object: label of the other object of a relation; the number of a count.
    """

    name: str
    subject: int
    value: str = ""
    object: int = 0


@dataclass(frozen=True)
class Thing:
    """One object.

    Attributes:
        label: its value in the label image.
        kind: of object; empty if it is of none.
        colors: share of its surface by name of the color.
        center: (3,) of its box along the axes of the support: right, away, up; meters.
        size: (3,) of its box: longer side, shorter side, height; meters.
    """

    label: int
    kind: str
    colors: Mapping[str, float]
    center: NDArray[np.float64]
    size: NDArray[np.float64]


@dataclass(frozen=True)
class SceneFacts:
    """What is true of a scene.

    Attributes:
        things: the objects that the camera sees.
        contacts: names of `CONTACTS` by labels of two objects.
        graspable: labels of the objects that a gripper can hold.
        support: what carries the objects; empty if that has no name.
    """

    things: tuple[Thing, ...]
    contacts: Mapping[tuple[int, int], str] = field(default_factory=dict)
    graspable: frozenset[int] = frozenset()
    support: str = "table"

    def thing(self, label: int) -> Thing:
        """The object with a label.

        Raises:
            KeyError: if there is none.
        """
        for thing in self.things:
            if thing.label == label:
                return thing
        raise KeyError(label)

    def relation(self, one: Thing, name: str, other: Thing, sure: bool = True) -> bool:
        """Return whether a relation holds, or with ``sure`` False whether one may say so."""
        if one.label == other.label:
            return False
        if name in CONTACTS:
            found = self.contacts.get((one.label, other.label), "")
            return found == name or (not sure and {found, name} == {"in", "on"})
        right, away, _ = one.center - other.center
        along, across = {
            "left of": (-right, away),
            "right of": (right, away),
            "behind": (away, right),
            "in front of": (-away, right),
        }[name]
        least, ratio = _SURE if sure else _POSSIBLE
        return bool(along > least and along > ratio * abs(across))

    def holds(self, fact: Fact) -> bool:
        """Return whether a statement is true; False too if it is about an object not in view."""
        name, subject, value, other = fact
        if name == "count":
            return sum(value in ("", thing.kind) for thing in self.things) == other
        try:
            thing = self.thing(subject)
            if name in DIRECTIONS or name in CONTACTS:
                return self.relation(thing, name, self.thing(other))
        except KeyError:
            return False
        return self.has(name, thing, value)

    def has(self, name: str, thing: Thing, value: str = "") -> bool:
        """Return whether an object has a kind, color, size or material, or is graspable."""
        return {
            "kind": lambda: thing.kind == value,
            "color": lambda: colored(thing, value),
            "size": lambda: has_size(thing, value),
            "material": lambda: has_material(thing, value),
            "graspable": lambda: thing.label in self.graspable,
        }[name]()


def support_axes(plane: Plane | None) -> NDArray[np.float64]:
    """Return axes (3, 3) in rows: to the right, away from the camera along the support, and up.

    Args:
        plane: the support; without it, up is that of the picture.
    """
    up = np.array([0.0, -1.0, 0.0]) if plane is None else np.asarray(plane.normal, np.float64)
    right = np.array([1.0, 0.0, 0.0]) - up[0] * up
    if np.linalg.norm(right) < 1e-3:  # a wall beside the camera
        right = np.array([0.0, 0.0, 1.0]) - up[2] * up
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(up, right), up])


def colored(thing: Thing, color: str, sure: bool = True) -> bool:
    """Return whether an object is of a color, or with ``sure`` False may be called so."""
    share = thing.colors.get(color, 0.0)
    if sure:
        return share >= _COLORED
    return share + sum(thing.colors.get(near, 0.0) for near in NEAR_COLORS[color]) >= _TINGED


def has_size(thing: Thing, size: str, sure: bool = True) -> bool:
    """Return whether an object is small or large, or with ``sure`` False may be called so."""
    limit, extent = SIZES[size][0 if sure else 1], float(thing.size.max())
    return extent <= limit if size == "small" else extent >= limit


def has_material(thing: Thing, material: str, sure: bool = True) -> bool:
    """Return whether an object is of a material, or with ``sure`` False may be called so."""
    certain, maybe = MATERIALS[material]
    return thing.kind in certain or (not sure and thing.kind in maybe)


def describe(
    labels: Sequence[int],
    kinds: Sequence[str],
    colors: Sequence[Mapping[str, float]],
    boxes: Sequence[OrientedBox],
    plane: Plane | None,
) -> tuple[Thing, ...]:
    """Describe objects by their upright boxes; boxes and plane are in the camera's frame."""
    axes = support_axes(plane)
    things = []
    for label, kind, shares, box in zip(labels, kinds, colors, boxes, strict=True):
        long, short = np.sort(np.asarray(box.size[:2], np.float64))[::-1]
        size = np.array([long, short, box.size[2]], np.float64)
        things.append(Thing(label, kind, shares, axes @ box.center, size))
    return tuple(things)
