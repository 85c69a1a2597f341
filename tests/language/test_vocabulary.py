"""Words and their indices."""

import numpy as np
import pytest

from cvdl.core.errors import InputError
from cvdl.language.vocabulary import UNKNOWN, Vocabulary, punctuated, tokenize, written


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("The RED mug, left of it.", ["the", "red", "mug", "left", "of", "it"]),
        ("It's a dog’s ball!", ["it's", "a", "dog's", "ball"]),
        ("Die rote Straße", ["die", "rote", "strasse"]),
        ("赤い カップ", ["赤い", "カップ"]),
        ("ｆｕｌｌ  width\t2 cups", ["full", "width", "2", "cups"]),
        (" ... ?!", []),
        ("", []),
    ],
)
def test_words_of_sentences(sentence: str, words: list[str]) -> None:
    assert tokenize(sentence) == words


def test_a_vocabulary_has_the_frequent_words_and_encodes_others_as_unknown() -> None:
    vocabulary = Vocabulary.of(["A red mug.", "A mug", "a box"], least=2)
    assert vocabulary.words == ("a", "mug")
    assert len(vocabulary) == 3
    np.testing.assert_array_equal(vocabulary.encode("A blue mug"), [1, UNKNOWN, 2])
    assert vocabulary.unknown("A blue mug") == ["blue"]
    assert vocabulary.decode(vocabulary.encode("A blue mug")) == "a <unknown> mug"
    assert vocabulary.encode("?").shape == (0,)


def test_a_word_that_is_listed_twice_is_an_error() -> None:
    with pytest.raises(InputError, match="'mug' twice"):
        Vocabulary(("mug", "box", "mug"))


def test_punctuation_that_is_kept_is_written_again() -> None:
    words = punctuated("A mug, and “the box”; no: 2 cups!")
    assert words == ["a", "mug", ",", "and", "the", "box", ";", "no", "2", "cups"]
    assert written(words) == "A mug, and the box; no 2 cups."
    assert written([]) == ""
