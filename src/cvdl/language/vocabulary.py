"""Sentences as numbers: their words, looked up in a vocabulary."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError

__all__ = ["UNKNOWN", "Vocabulary", "punctuated", "tokenize", "written"]

#: The index of all words that the vocabulary does not have.
UNKNOWN = 0

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_PUNCTUATION = ",;"
_WORD_OR_MARK = re.compile(rf"{_WORD.pattern}|[{_PUNCTUATION}]")


def tokenize(sentence: str) -> list[str]:
    """Return the words of a sentence in lower case, without punctuation.

    A word is a sequence of letters and digits of any script; apostrophes inside belong to it.
    """
    return _WORD.findall(_folded(sentence))


def punctuated(sentence: str) -> list[str]:
    """Return the words of a sentence as `tokenize` does, with its commas and semicolons."""
    return _WORD_OR_MARK.findall(_folded(sentence))


def written(words: Iterable[str]) -> str:
    """Return the sentence of some words, commas and semicolons; empty if there are none."""
    text = " ".join(words)
    for mark in _PUNCTUATION:
        text = text.replace(f" {mark}", mark)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _folded(sentence: str) -> str:
    return unicodedata.normalize("NFKC", sentence).casefold().replace("’", "'")


@dataclass(frozen=True)
class Vocabulary:
    """Known words; the first one has the index 1, see `UNKNOWN`.

    Raises:
        InputError: if a word is listed twice.
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.words)) != len(self.words):
            twice = next(word for word, count in Counter(self.words).items() if count > 1)
            raise InputError(f"the vocabulary lists {twice!r} twice")

    @classmethod
    def of(
        cls,
        sentences: Iterable[str],
        least: int = 1,
        split: Callable[[str], list[str]] = tokenize,
    ) -> Vocabulary:
        """Collect the words that occur at least so often in the sentences to train on, sorted."""
        counts = Counter(word for sentence in sentences for word in split(sentence))
        return cls(tuple(sorted(word for word, count in counts.items() if count >= least)))

    def __len__(self) -> int:
        """Number of indices, with `UNKNOWN`."""
        return len(self.words) + 1

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, 1)}

    def encode(self, sentence: str) -> NDArray[np.int64]:
        """Return the indices (T,) of the words of a sentence; T is 0 if it has none."""
        return self.indices(tokenize(sentence))

    def indices(self, words: Iterable[str]) -> NDArray[np.int64]:
        """Return the indices (T,) of words."""
        return np.array([self._index.get(word, UNKNOWN) for word in words], np.int64)

    def unknown(self, sentence: str) -> list[str]:
        """The words of a sentence that it does not have."""
        return [word for word in tokenize(sentence) if word not in self._index]

    def decode(self, indices: Sequence[int] | NDArray[np.int64]) -> str:
        """Return words by their indices, with spaces between."""
        names = ("<unknown>", *self.words)
        return " ".join(names[int(index)] for index in indices)
