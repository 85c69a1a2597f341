"""Which words state facts, and which of these are not sure."""

import numpy as np
import pytest

from cvdl.language.attention import Attention
from cvdl.language.beliefs import (
    ATTRIBUTES,
    RELATIONS,
    THERE,
    Statements,
    true_attributes,
    true_relations,
)
from cvdl.language.vocabulary import Vocabulary
from helpers.facts import table

WORDS = Vocabulary(
    ("a", "behind", "front", "in", "is", "left", "mug", "nothing", "red", "three", "to", "two")
)
STATEMENTS, SURE = Statements(WORDS), 0.8
BETWEEN = Attention.on(2, 2).moved(0).moved(2)  # after "a mug", of two objects


def doubtful(previous: str = "", attention: Attention = BETWEEN, **chances: float) -> set[str]:
    """Words that are not sure of object 1, where all else is."""
    attributes = np.ones((2, len(ATTRIBUTES)), np.float32)
    relations = np.ones((2, len(RELATIONS)), np.float32)
    for name, chance in chances.items():
        name = name.replace("_", " ")
        if name in RELATIONS:
            relations[1, RELATIONS.index(name)] = chance
        else:
            attributes[1, [value for _, value in ATTRIBUTES].index(name)] = chance
    before = int(WORDS.indices([previous])[0])
    found = STATEMENTS.doubtful(before, attention, attributes, relations, SURE)
    return {WORDS.words[index - 1] for index in np.flatnonzero(found[1]) if index}


def test_words_need_what_they_state() -> None:
    assert doubtful() == set()
    assert doubtful(red=0.7, mug=0.2) == {"red", "mug"}
    assert doubtful(left_of=0.7) == {"left"}
    assert doubtful(left_of=0.7, right_of=0.7) == {"left", "to"}
    assert doubtful(in_front_of=0.1) == {"front"}
    assert doubtful("in", **{"in": 0.1}) == {"a"}
    assert doubtful("in", **{"in": 0.1, "in front of": 0.1}) == {"in", "a", "front"}


def test_no_relation_with_itself_and_none_of_two_that_are_named() -> None:
    assert doubtful(attention=BETWEEN.moved(1)) == {"is"}
    again = BETWEEN.moved(1).moved(2)
    assert doubtful(attention=again) == set()
    assert doubtful(attention=again.moved(0)) == {"is"}


@pytest.mark.parametrize(
    ("there", "allowed"), [((1, 1), "two"), ((1, 1, 1), "three"), ((1, 0.5), ""), ((), "nothing")]
)
def test_numbers_are_those_of_all_objects(there: tuple[float, ...], allowed: str) -> None:
    attributes = np.ones((len(there), len(ATTRIBUTES)), np.float32)
    attributes[:, THERE] = there
    numbers = ("two", "three", "nothing")
    for likely in numbers:
        words = np.full(len(WORDS), -9.0, np.float32)
        words[WORDS.indices([likely])] = 0.0
        wrong = {WORDS.words[index - 1] for index in STATEMENTS.miscounted(words, attributes, SURE)}
        assert wrong == set(numbers) - ({allowed} & {likely})


def test_the_truth_of_objects_and_pairs() -> None:
    scene = table()
    mug = {
        name or value
        for (name, value), true in zip(ATTRIBUTES, true_attributes(scene, 2), strict=True)
        if true
    }
    assert mug >= {"there", "kind", "color"}
    assert true_attributes(scene, 2)[ATTRIBUTES.index(("color", "red"))] == 1
    assert not true_attributes(scene, 9).any()
    assert true_relations(scene, 3, 2)[RELATIONS.index("in")] == 1
    assert true_relations(scene, 2, 3)[RELATIONS.index("under")] == 1
    assert not true_relations(scene, 2, 9).any()
