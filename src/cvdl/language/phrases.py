"""Phrases that describe objects: drawn at random, written as text, and looked up in a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cvdl.language.facts import (
    CONTACTS,
    DIRECTIONS,
    SIZES,
    SceneFacts,
    Thing,
    colored,
    has_material,
    has_size,
)
from cvdl.language.lexicon import COLORS, GROUPS, KINDS, MATERIALS, PURPOSES, nouns

__all__ = [
    "Description",
    "Found",
    "Phrase",
    "absent_anchors",
    "absent_descriptions",
    "random_description",
    "random_superlative",
    "referring_phrases",
]

Rng = np.random.Generator

#: Superlatives, and what they compare; the largest wins.
_MOST = {
    "tallest": lambda thing: thing.size[2],
    "longest": lambda thing: thing.size.max(),
    "biggest": lambda thing: np.cbrt(thing.size.prod()),
    "smallest": lambda thing: 1 / np.cbrt(thing.size.prod()),
}
#: Likewise of places, meters.
_MOST_PLACE = {
    "leftmost": lambda thing: -thing.center[0],
    "rightmost": lambda thing: thing.center[0],
    "nearest": lambda thing: -thing.center[1],
    "farthest": lambda thing: thing.center[1],
}
#: How far the first is ahead of the second so that a superlative is sure: a ratio, and meters.
_AHEAD_RATIO, _AHEAD = 1.2, 0.04

#: Ways to say each relation.
_SAID = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "behind": ("behind", "in back of"),
    "in front of": ("in front of", "before"),
    "in": ("in", "inside"),
    "on": ("on", "on top of"),
    "leaning against": ("leaning against", "that leans against", "leaning on"),
    "under": ("under", "below", "beneath"),
}
_SAID_PLACE = {
    "leftmost": ("the leftmost {}", "the {} on the far left"),
    "rightmost": ("the rightmost {}", "the {} on the far right"),
    "nearest": ("the nearest {}", "the {} closest to me"),
    "farthest": ("the farthest {}", "the {} farthest away"),
}


class Found(NamedTuple):
    """What a description is of.

    Attributes:
        sure: labels of the objects that it fits.
        possible: labels of those that some may say it fits, with the sure ones.
    """

    sure: frozenset[int]
    possible: frozenset[int]

    @property
    def only(self) -> int:
        """The label of the one object that it singles out; 0 if there is no such object."""
        return next(iter(self.sure)) if len(self.sure) == 1 and self.possible == self.sure else 0


class Phrase(NamedTuple):
    """A phrase about objects of a scene.

    Attributes:
        text: the phrase.
        label: of the object that it singles out; 0 if it fits nothing.
        name: "kind", "attribute" or "relation": what it takes to understand it; "absent" if it
            fits nothing, "absent anchor" if it names a relation to what is not there.
    """

    text: str
    label: int
    name: str


@dataclass(frozen=True)
class Description:
    """What a phrase says of an object. Empty fields say nothing.

    Attributes:
        kind: of object.
        group: of kinds, of `GROUPS` or `PURPOSES`.
        color: of `COLORS`.
        size: of `SIZES`.
        material: of `MATERIALS`.
        most: superlative among the objects that the rest fits.
        relation: to the object that ``other`` singles out.
        other: that object.
    """

    kind: str = ""
    group: str = ""
    color: str = ""
    size: str = ""
    material: str = ""
    most: str = ""
    relation: str = ""
    other: Description | None = None

    @property
    def name(self) -> str:
        """See `Phrase`."""
        if self.relation:
            return "relation"
        is_kind = not (self.color or self.size or self.material or self.most or self.group)
        return "kind" if is_kind else "attribute"

    def find(self, facts: SceneFacts) -> Found:
        """The objects of a scene that it fits."""
        sure = [thing for thing in facts.things if self._fits(thing, True)]
        possible = [thing for thing in facts.things if self._fits(thing, False)]
        if self.most:
            sure, possible = _superlative(self.most, sure, possible)
        if self.other is not None:
            anchors = self.other.find(facts)
            sure = [
                thing
                for thing in sure
                if anchors.only
                and facts.relation(thing, self.relation, facts.thing(anchors.only), True)
            ]
            possible = [
                thing
                for thing in possible
                if any(
                    facts.relation(thing, self.relation, facts.thing(label), False)
                    for label in anchors.possible
                )
            ]
        return Found(
            frozenset(thing.label for thing in sure),
            frozenset(thing.label for thing in [*sure, *possible]),
        )

    def _fits(self, thing: Thing, sure: bool) -> bool:
        if self.kind and thing.kind != self.kind and (sure or thing.kind):
            return False
        kinds = (GROUPS | PURPOSES)[self.group] if self.group else ()
        if kinds and thing.kind not in kinds and (sure or thing.kind):
            return False
        return (
            (not self.color or colored(thing, self.color, sure))
            and (not self.size or has_size(thing, self.size, sure))
            and (not self.material or has_material(thing, self.material, sure))
        )

    def text(self, rng: Rng, article: str = "the") -> str:
        """Write it as a phrase, in one of its ways."""
        noun = self.group or _one_of(rng, nouns(self.kind))
        if self.group in PURPOSES:
            return self._related(rng, self.group)
        words = [word for word in (self.size, self.color) if word]
        tail = ""
        if self.material:
            if rng.uniform() < 0.5 or not words:
                words.append(self.material)
            else:
                tail = f" made of {self.material}"
        noun = " ".join([*words, noun]) + tail
        if self.most in _SAID_PLACE:
            return self._related(rng, _one_of(rng, _SAID_PLACE[self.most]).format(noun))
        if self.most:
            noun = f"{self.most} {noun}"
        if article == "a" and noun[0] in "aeiou":
            article = "an"
        return self._related(rng, f"{article} {noun}" if article else noun)

    def _related(self, rng: Rng, text: str) -> str:
        if self.other is None:
            return text
        return f"{text} {_one_of(rng, _SAID[self.relation])} {self.other.text(rng)}"


def _superlative(
    most: str, sure: list[Thing], possible: list[Thing]
) -> tuple[list[Thing], list[Thing]]:
    """The first of the possible things, sure if it is far enough ahead."""
    measure = (_MOST | _MOST_PLACE)[most]
    values = {thing.label: float(measure(thing)) for thing in possible}
    if len(values) < 2:
        return [], possible
    best = max(values.values())
    behind = best - _AHEAD if most in _MOST_PLACE else best / _AHEAD_RATIO
    near = [thing for thing in possible if values[thing.label] > behind]
    return [thing for thing in near if thing in sure and len(near) == 1], near


def random_description(rng: Rng, facts: SceneFacts, related: bool) -> Description:
    """Draw a description of an object of a scene; it may fit others as well.

    Args:
        rng: source of everything random.
        facts: of a scene with at least one object.
        related: whether it names a relation to another object, if there is one.
    """
    thing = facts.things[int(rng.integers(len(facts.things)))]
    if not related:
        return _attributes(rng, thing)
    others = [
        (name, other)
        for other in facts.things
        for name in (*DIRECTIONS, *CONTACTS)
        if facts.relation(thing, name, other)
    ]
    contacts = [each for each in others if each[0] in CONTACTS]
    if contacts and rng.uniform() < 0.5:
        others = contacts
    if not others:
        return _attributes(rng, thing)
    relation, other = others[int(rng.integers(len(others)))]
    kind = thing.kind if rng.uniform() < 0.5 else ""
    anchor = Description(kind=other.kind)
    if not other.kind or anchor.find(facts).only != other.label:
        anchor = _attributes(rng, other)
    return Description(kind=kind, relation=relation, other=anchor)


def random_superlative(rng: Rng, facts: SceneFacts) -> Description:
    """Draw a description of what an object of a scene is most of; it may fit none surely."""
    kind = facts.things[int(rng.integers(len(facts.things)))].kind
    several = sum(thing.kind == kind for thing in facts.things) > 1
    return Description(kind=kind if several else "", most=_one_of(rng, [*_MOST, *_MOST_PLACE]))


def _attributes(rng: Rng, thing: Thing) -> Description:
    """Draw a description of one object by a kind, an attribute, or both."""
    kind = thing.kind if rng.uniform() < 0.6 else ""
    colors = [color for color in COLORS if colored(thing, color)]
    sizes = [size for size in SIZES if has_size(thing, size)]
    materials = [name for name in MATERIALS if has_material(thing, name)]
    groups = [name for name, kinds in (GROUPS | PURPOSES).items() if thing.kind in kinds]
    choice = rng.uniform()
    if choice < 0.4 and colors:
        return Description(kind=kind, color=colors[0])
    if choice < 0.5 and sizes:
        return Description(kind=kind, size=sizes[0])
    if choice < 0.6 and groups:
        return Description(group=_one_of(rng, groups))
    if choice < 0.7 and materials:
        return Description(kind=kind, material=_one_of(rng, materials))
    if choice < 0.85:
        return Description(kind=kind, most=_one_of(rng, [*_MOST, *_MOST_PLACE]))
    return Description(kind=thing.kind)


def referring_phrases(
    rng: Rng, facts: SceneFacts, related: bool, count: int, tries: int = 40
) -> list[Phrase]:
    """Draw different phrases that each single out one object of a scene.

    Args:
        rng: source of everything random.
        facts: of the scene.
        related: whether they name a relation, or else a kind or one attribute.
        count: number of phrases, at most.
        tries: number of descriptions that are drawn, at most.
    """
    phrases: dict[Description, Phrase] = {}
    for _ in range(tries if facts.things else 0):
        if len(phrases) == count:
            break
        drawn = random_description(rng, facts, related)
        label = drawn.find(facts).only
        is_new = drawn not in phrases and drawn != Description()
        if label and is_new and (drawn.name == "relation") == related:
            phrases[drawn] = Phrase(drawn.text(rng), label, drawn.name)
    return list(phrases.values())


def absent_descriptions(
    rng: Rng, facts: SceneFacts, count: int, tries: int = 20
) -> list[Description]:
    """Draw different descriptions that fit nothing in a scene: of a kind, a group, a color.

    Args:
        rng: source of everything random.
        facts: of the scene.
        count: number of descriptions, at most.
        tries: number of descriptions that are drawn, at most.
    """
    found: dict[Description, None] = {}
    for _ in range(tries):
        if len(found) == count:
            break
        choice = rng.uniform()
        kind = _one_of(rng, [*KINDS, *(thing.kind for thing in facts.things if thing.kind)])
        if choice < 0.35:
            drawn = Description(kind=kind)
        elif choice < 0.5:
            drawn = Description(group=_one_of(rng, [*GROUPS, *PURPOSES]))
        else:
            drawn = Description(kind=kind if choice < 0.85 else "", color=_one_of(rng, COLORS))
        if not drawn.find(facts).possible:
            found[drawn] = None
    return list(found)


def absent_anchors(rng: Rng, facts: SceneFacts, count: int) -> list[Description]:
    """Draw different descriptions of objects of a scene by a relation to what is not in it.

    Args:
        rng: source of everything random.
        facts: of a scene with at least one object.
        count: number of descriptions, at most.
    """
    things = rng.permutation(len(facts.things))
    return [
        Description(
            kind=facts.things[int(index)].kind if rng.uniform() < 0.5 else "",
            relation=_one_of(rng, (*DIRECTIONS, *CONTACTS)),
            other=anchor,
        )
        for index, anchor in zip(things, absent_descriptions(rng, facts, count), strict=False)
    ]


def _one_of(rng: Rng, values: Sequence[str]) -> str:
    return values[int(rng.integers(len(values)))]
