"""Sentences that are read state what was written."""

import numpy as np
import pytest

from cvdl.language.facts import SceneFacts
from cvdl.language.reading import read_sentence
from cvdl.language.sentences import Style, write_about, write_sentences
from cvdl.language.vocabulary import punctuated, written
from helpers.facts import table
from helpers.words import plain_sample


@pytest.mark.parametrize(
    "scene", [table(), SceneFacts(()), *(plain_sample(index).facts for index in range(3))]
)
def test_facts_that_are_read_are_those_that_were_written(scene: SceneFacts) -> None:
    seen = frozenset(thing.label for thing in scene.things[::2])
    for seed in range(15):
        rng = np.random.default_rng(seed)
        sentences = write_sentences(rng, scene)
        sentences += write_sentences(rng, scene, 5, Style(seen, 0.3, by_kind=False))
        sentences += [write_about(rng, scene, thing.label) for thing in scene.things]
        for sentence in sentences:
            words = punctuated(sentence.text)
            assert written(words) == sentence.text
            statement = read_sentence(words)
            assert statement is not None, sentence
            assert len(statement.mentions) == len(sentence.labels)
            assert set(statement.facts_of(sentence.labels)) == set(sentence.facts), sentence


def test_only_what_is_seen_is_named() -> None:
    scene, seen = table(), frozenset({2, 5})
    for seed in range(15):
        style = Style(seen, by_kind=False)
        for sentence in write_sentences(np.random.default_rng(seed), scene, 5, style):
            assert set(sentence.labels) <= seen
            counts = {fact.object for fact in sentence.facts if fact.name == "count"}
            assert counts <= {5}  # of all, not only those seen


def test_words_are_about_objects_and_the_words_between_about_the_second() -> None:
    statement = read_sentence(punctuated("There is a red mug, and the mug is in a bowl."))
    assert statement is not None
    assert statement.about == (0, 0, 1, 1, 1, 0, 0, 2, 2, 3, 3, 3, 3)
    assert statement.mentions == ((2, 5), (7, 9), (11, 13))


@pytest.mark.parametrize(
    "text",
    [
        "a mug", "there is", "A mug is to the left of.", "A mug is the bowl.", "I see a dog.",
        "The red of mug is in view.", "", "mug mug", "There are mugs.",
    ],
)  # fmt: skip
def test_what_is_no_sentence_of_the_grammar_states_nothing(text: str) -> None:
    statement = read_sentence(punctuated(text))
    assert statement is None or not statement.facts
