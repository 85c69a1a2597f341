"""Sentences about a scene, each with the facts that it states."""

from __future__ import annotations

from collections import Counter
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

__all__ = ["Sentence", "write_sentences"]

Rng = np.random.Generator

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_PLACES = {
    "left of": "is to the left of", "right of": "is to the right of", "behind": "is behind",
    "in front of": "is in front of", "in": "is in", "on": "is on top of",
    "leaning against": "leans against", "under": "is under",
}  # fmt: skip
#: Share of the drawn relations that are contacts, where there are any.
_CONTACTS = 0.7
#: Objects that a sentence names at least, if there are as many: fewer tell too little of a scene.
_NAMED = 4


class Sentence(NamedTuple):
    """A sentence and the facts that it states."""

    text: str
    facts: tuple[Fact, ...]


def write_sentences(rng: Rng, facts: SceneFacts, count: int = 5) -> list[Sentence]:
    """Write different sentences about a scene.

    Args:
        rng: source of everything random.
        facts: of the scene.
        count: number of sentences.
    """
    if not facts.things:
        empty = ("There is nothing here.", "I see nothing.", "Nothing is in view.")
        stated = (Fact("count", 0, "", 0),)
        return [Sentence(empty[number % len(empty)], stated) for number in range(count)]
    sentences: dict[str, Sentence] = {}
    for _ in range(4 * count):
        sentence = _Writer(rng, facts).sentence()
        sentences.setdefault(sentence.text, sentence)
        if len(sentences) == count:
            break
    found = list(sentences.values())
    return [found[number % len(found)] for number in range(count)]


class _Writer:
    """Writes one sentence, and keeps account of what it has stated and named."""

    def __init__(self, rng: Rng, facts: SceneFacts) -> None:
        self._rng, self._scene = rng, facts
        self._stated: list[Fact] = []
        self._named: set[int] = set()

    def sentence(self) -> Sentence:
        things = list(self._scene.things)
        enough = min(_NAMED, len(things))
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
        return Sentence(text[0].upper() + text[1:] + ".", tuple(dict.fromkeys(self._stated)))

    def _first(self) -> str:
        choice = self._rng.uniform()
        if choice < 0.4:
            return self._relation() or self._list(_NAMED)
        if choice < 0.5:
            return self._counts()
        return self._list(int(self._rng.integers(2, _NAMED + 1)))

    def _relation(self) -> str:
        """Where one thing is; empty if no two things are in a sure relation."""
        scene = self._scene
        pairs = [
            (one, name, other)
            for one in scene.things
            for other in scene.things
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
        return f"{self._name(one)} {_PLACES[name]} {self._name(other)}"

    def _list(self, most: int) -> str:
        """Some things that are not yet named."""
        left = [thing for thing in self._scene.things if thing.label not in self._named]
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
        held = [t for t in self._scene.things if t.label in self._scene.graspable]
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
        if thing.kind:
            self._stated.append(Fact("kind", thing.label, thing.kind))
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
        text = " ".join([*words, self._pick(nouns(thing.kind))])
        return f"{'an' if article == 'a' and text[0] in 'aeiou' else article} {text}"

    def _pick(self, values: tuple[str, ...] | list[str]) -> str:
        return values[int(self._rng.integers(len(values)))]


def _number(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def _joined(names: list[str]) -> str:
    """Names with commas and "and"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
