"""How likely facts about seen objects are true, by what words state them. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cvdl.language.attention import Attention
from cvdl.language.facts import CONTACTS, DIRECTIONS, SIZES, SceneFacts
from cvdl.language.lexicon import COLORS, KINDS, MATERIALS
from cvdl.language.reading import NOUN_WORDS
from cvdl.language.sentences import NUMBERS
from cvdl.language.vocabulary import Vocabulary

__all__ = ["ATTRIBUTES", "RELATIONS", "THERE", "Statements", "true_attributes", "true_relations"]

Floats = NDArray[np.float32]

#: What is believed of an object: whether it is one, and which attributes it has.
THERE = 0
ATTRIBUTES = (
    ("there", ""),
    *(("kind", kind) for kind in KINDS),
    *(("color", color) for color in COLORS),
    *(("size", size) for size in SIZES),
    *(("material", material) for material in MATERIALS),
)
#: What is believed of a pair.
RELATIONS = (*DIRECTIONS, *CONTACTS)

#: Words that begin to state one of some relations.
_RELATING = {
    "to": ("left of", "right of"),
    "left": ("left of",),
    "right": ("right of",),
    "behind": ("behind",),
    "in": ("in", "in front of"),
    "front": ("in front of",),
    "on": ("on",),
    "leans": ("leaning against",),
    "under": ("under",),
}
_VERBS = ("is", "leans")  # the first words of relations
_IN, _ARTICLES = "in", ("a", "an", "the")


def true_attributes(facts: SceneFacts, label: int) -> Floats:
    """Which attributes an object has, (A,) of 0 and 1; none if there is no object of the label."""
    if label not in {thing.label for thing in facts.things}:
        return np.zeros(len(ATTRIBUTES), np.float32)
    thing = facts.thing(label)
    return np.array(
        [name == "there" or facts.has(name, thing, value) for name, value in ATTRIBUTES],
        np.float32,
    )


def true_relations(facts: SceneFacts, one: int, other: int) -> Floats:
    """Which relations two objects are in, (8,) of 0 and 1; none without both objects."""
    labels = {thing.label for thing in facts.things}
    if not {one, other} <= labels:
        return np.zeros(len(RELATIONS), np.float32)
    first, second = facts.thing(one), facts.thing(other)
    return np.array([facts.relation(first, name, second) for name in RELATIONS], np.float32)


@dataclass(frozen=True)
class Statements:
    """Which words state what.

    Attributes:
        vocabulary: the words.
    """

    vocabulary: Vocabulary

    @cached_property
    def attributes(self) -> NDArray[np.int64]:
        """The attribute that each word states, (V,), or -1."""
        stated = {value: number for number, (_, value) in enumerate(ATTRIBUTES) if number}
        kinds = {kind: stated[kind] for kind in KINDS}
        words = (NOUN_WORDS.get(word, word) for word in self.vocabulary.words)
        return np.array([-1, *(kinds.get(word, stated.get(word, -1)) for word in words)], np.int64)

    @cached_property
    def relating(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The words that may state relations, (W,), and which ones, (W, 8)."""
        words = self.vocabulary.indices(_RELATING)
        stated = np.array([[name in names for name in RELATIONS] for names in _RELATING.values()])
        return words[words > 0], stated[words > 0]

    @cached_property
    def numbers(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The words for numbers, and these numbers."""
        words = self.vocabulary.indices([*NUMBERS, "nothing"])
        values = np.append(np.arange(len(NUMBERS)), 0)
        return words[words > 0], values[words > 0]

    def miscounted(self, words: Floats, attributes: Floats, sure: float) -> NDArray[np.int64]:
        """Which words state a number that is not sure to be that of all objects.

        Args:
            words: (V,) logarithms of their chances.
            attributes: (N, A) chances of the objects.
            sure: chance from which a fact is sure.
        """
        numbers, values = self.numbers
        there = attributes[:, THERE]
        count = (there >= sure).sum() if ((there >= sure) | (there <= 1 - sure)).all() else -1
        chances = np.exp(words[numbers] - np.logaddexp.reduce(words[numbers]))
        return numbers[(chances < sure) | (values != count)]

    def doubtful(
        self,
        previous: int,
        attention: Attention,
        attributes: Floats,
        relations: Floats,
        sure: float,
    ) -> NDArray[np.bool_]:
        """Which words state what is not sure, or nothing new, for each object, (N, V).

        Args:
            previous: index of the word before.
            attention: what the words before are about.
            attributes: (N, A) chances.
            relations: (N, 8) chances of the object that words were about before, with each.
            sure: chance from which a fact is sure.
        """
        stated = self.attributes
        unsure = (attributes[:, np.maximum(stated, 0)] < sure) & (stated >= 0)
        words, may = self.relating
        unsure[:, words] |= np.where(may, relations[:, None], 0.0).max(axis=2, initial=0) < sure
        now = attention.now
        if now < len(unsure):  # no relation with itself, nor of two that were named before
            known = [now, *(attention.before if now in attention.before else ())]
            unsure[np.ix_(known, self.vocabulary.indices(_VERBS))] = True
        if previous == self.vocabulary.indices([_IN])[0]:  # "in a", not "in front of a"
            articles = self.vocabulary.indices(_ARTICLES)
            unsure[:, articles] |= (relations[:, RELATIONS.index(_IN)] < sure)[:, None]
        return unsure
