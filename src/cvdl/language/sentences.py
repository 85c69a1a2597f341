"""Sentences about a scene, each with the facts that it states."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cvdl.language.facts import (
    CONTACTS,
    DIRECTIONS,
    SIZES,
    Fact,
    SceneFacts,
    Thing,
    colored,
    has_material,
    has_size,
)
from cvdl.language.lexicon import COLORS, MATERIALS, nouns, plural

__all__ = ["NUMBERS", "PLACES", "Sentence", "Style", "write_about", "write_sentences"]

Rng = np.random.Generator

#: Numbers as words, from 0.
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
#: What says each relation.
PLACES = {
    "left of": "is to the left of", "right of": "is to the right of", "behind": "is behind",
    "in front of": "is in front of", "in": "is in", "on": "is on top of",
    "leaning against": "leans against", "under": "is under",
}  # fmt: skip
#: Share of the drawn relations that are contacts, where there are any.
_CONTACTS = 0.7
#: Objects that a sentence names at least, if there are as many: fewer tell too little of a scene.
_NAMED = 4
#: Share of the sentences about one object that say where it is.
_PLACED = 0.8


class Sentence(NamedTuple):
    """A sentence and the facts that it states.

    Attributes:
        text: the sentence.
        facts: that it states.
        labels: of the objects in the order in which it names them; one may occur several times.
    """

    text: str
    facts: tuple[Fact, ...]
    labels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Style:
    """What sentences may say.

    Attributes:
        seen: labels of the objects that they may name; None: all.
        vague: share of the objects that they call things, without a kind.
        by_kind: whether they count the objects of a kind.
    """

    seen: frozenset[int] | None = None
    vague: float = 0.0
    by_kind: bool = True


def write_sentences(
    rng: Rng, facts: SceneFacts, count: int = 5, style: Style | None = None
) -> list[Sentence]:
    """Write different sentences about a scene.

    Args:
        rng: source of everything random.
        facts: of the scene.
        count: number of sentences.
        style: what they may say; by default, everything.
    """
    if not facts.things:
        empty = ("There is nothing here.", "I see nothing.", "Nothing is in view.")
        stated = (Fact("count", 0, "", 0),)
        return [Sentence(empty[number % len(empty)], stated) for number in range(count)]
    sentences: dict[str, Sentence] = {}
    for _ in range(4 * count):
        sentence = _Writer(rng, facts, style or Style()).sentence()
        sentences.setdefault(sentence.text, sentence)
        if len(sentences) == count:
            break
    found = list(sentences.values())
    return [found[number % len(found)] for number in range(count)]


def write_about(rng: Rng, facts: SceneFacts, label: int, style: Style | None = None) -> Sentence:
    """Write a sentence about one object: what it is like, and mostly where it is."""
    return _Writer(rng, facts, style or Style()).about(facts.thing(label))


class _Writer:
    """Writes one sentence, and keeps account of what it has stated and named."""

    def __init__(self, rng: Rng, facts: SceneFacts, style: Style) -> None:
        self._rng, self._scene, self._style = rng, facts, style
        seen = style.seen
        self._things = [each for each in facts.things if seen is None or each.label in seen]
        self._stated: list[Fact] = []
        self._named: set[int] = set()
        self._labels: list[int] = []

    def about(self, thing: Thing) -> Sentence:
        if self._rng.uniform() < _PLACED:
            text = self._relation(thing)
            if text:
                return self._written(text)
        return self._written(f"there is {self._name(thing)}")

    def sentence(self) -> Sentence:
        enough = min(_NAMED, len(self._things))
        clauses = [self._first()]
        while len(self._named) < enough:
            clauses.append(self._relation() or self._list(enough))
        closing = self._rng.uniform()
        if closing < 0.25:
            clauses.append(self._total())
        elif closing < 0.5:
            clauses.append(self._graspable())
        text = clauses[0]
        for clause in clauses[1:]:
            text += (", and " if self._rng.uniform() < 0.6 else "; ") + clause
        return self._written(text)

    def _written(self, text: str) -> Sentence:
        facts = tuple(dict.fromkeys(self._stated))
        return Sentence(text[0].upper() + text[1:] + ".", facts, tuple(self._labels))

    def _first(self) -> str:
        choice = self._rng.uniform()
        if not self._things:
            return self._total()
        if choice < 0.4:
            return self._relation() or self._list(_NAMED)
        if choice < 0.5 and self._style.by_kind:
            return self._counts()
        return self._list(int(self._rng.integers(2, _NAMED + 1)))

    def _relation(self, about: Thing | None = None) -> str:
        """Where one thing is, maybe a given one; empty if no two are in a sure relation."""
        scene = self._scene
        pairs = [
            (one, name, other)
            for one in (self._things if about is None else [about])
            for other in self._things
            for name in (*DIRECTIONS, *CONTACTS)
            if scene.relation(one, name, other) and not {one.label, other.label} <= self._named
        ]
        contacts = [each for each in pairs if each[1] in CONTACTS]
        if contacts and self._rng.uniform() < _CONTACTS:
            pairs = contacts
        if not pairs:
            return ""
        one, name, other = pairs[int(self._rng.integers(len(pairs)))]
        self._stated.append(Fact(name, one.label, "", other.label))
        return f"{self._name(one)} {PLACES[name]} {self._name(other)}"

    def _list(self, most: int) -> str:
        """Some things that are not yet named."""
        left = [thing for thing in self._things if thing.label not in self._named]
        order = self._rng.permutation(len(left))[:most]
        names = [self._name(left[index]) for index in order]
        together = _joined(names)
        choice = self._rng.uniform()
        if choice < 0.35:
            return f"there is {together}"
        verb = "are" if len(names) > 1 else "is"
        if choice < 0.7:
            support = self._scene.support
            return f"{together} {verb} {f'on the {support}' if support else 'in view'}"
        return f"I see {together}"

    def _counts(self) -> str:
        """How many there are of some kinds."""
        kinds = Counter(thing.kind for thing in self._scene.things if thing.kind)
        chosen = self._rng.permutation(sorted(kinds))[:_NAMED]
        if not len(chosen):
            return self._list(_NAMED)
        parts = []
        for kind in chosen:
            number = kinds[str(kind)]
            noun = self._pick(nouns(str(kind)))
            parts.append(f"{_number(number)} {noun if number == 1 else plural(noun)}")
            self._stated.append(Fact("count", 0, str(kind), number))
            self._named |= {t.label for t in self._scene.things if t.kind == kind}
        return f"there {'is' if parts[0].startswith('one ') else 'are'} {_joined(parts)}"

    def _total(self) -> str:
        number = len(self._scene.things)
        self._stated.append(Fact("count", 0, "", number))
        noun = self._pick(nouns(""))
        if number == 1:
            return f"there is one {noun} in all"
        return f"there are {_number(number)} {plural(noun)} in all"

    def _graspable(self) -> str:
        """Something that the gripper can hold, or that it can hold nothing."""
        held = [t for t in self._things if t.label in self._scene.graspable]
        if not held:
            return self._total()
        thing = held[int(self._rng.integers(len(held)))]
        self._stated.append(Fact("graspable", thing.label))
        ways = ("the gripper can grasp {}", "{} can be picked up", "{} fits in the gripper")
        return self._pick(ways).format(self._name(thing))

    def _name(self, thing: Thing) -> str:
        """A noun with at most two attributes; states them."""
        article = "the" if thing.label in self._named else "a"
        self._named.add(thing.label)
        self._labels.append(thing.label)
        vague = self._style.vague
        kind = "" if vague and self._rng.uniform() < vague else thing.kind
        if kind:
            self._stated.append(Fact("kind", thing.label, kind))
        words: list[str] = []
        options = [
            ("size", 0.25, [size for size in SIZES if has_size(thing, size)]),
            ("color", 0.75, [color for color in COLORS if colored(thing, color)]),
            ("material", 0.15, [name for name in MATERIALS if has_material(thing, name)]),
        ]
        for name, share, values in options:
            if values and self._rng.uniform() < share and len(words) < 2:
                words.append(self._pick(values))
                self._stated.append(Fact(name, thing.label, words[-1]))
        text = " ".join([*words, self._pick(nouns(kind))])
        return f"{'an' if article == 'a' and text[0] in 'aeiou' else article} {text}"

    def _pick(self, values: tuple[str, ...] | list[str]) -> str:
        return values[int(self._rng.integers(len(values)))]


def _number(number: int) -> str:
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def _joined(names: list[str]) -> str:
    """Names with commas and "and"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
