"""Sentences as numbers: their words, looked up in a vocabulary."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError

__all__ = ["UNKNOWN", "Vocabulary", "tokenize"]

#: The index of all words that the vocabulary does not have.
UNKNOWN = 0

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def tokenize(sentence: str) -> list[str]:
    """Return the words of a sentence in lower case, without punctuation.

    A word is a sequence of letters and digits of any script; apostrophes inside belong to it.
    """
    folded = unicodedata.normalize("NFKC", sentence).casefold().replace("’", "'")
    return _WORD.findall(folded)


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
    def of(cls, sentences: Iterable[str], least: int = 1) -> Vocabulary:
        """Collect the words that occur at least so often in the sentences to train on, sorted."""
        counts = Counter(word for sentence in sentences for word in tokenize(sentence))
        return cls(tuple(sorted(word for word, count in counts.items() if count >= least)))

    def __len__(self) -> int:
        """Number of indices, with `UNKNOWN`."""
        return len(self.words) + 1

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, 1)}

    def encode(self, sentence: str) -> NDArray[np.int64]:
        """Return the indices (T,) of the words of a sentence; T is 0 if it has none."""
        return np.array([self._index.get(word, UNKNOWN) for word in tokenize(sentence)], np.int64)

    def unknown(self, sentence: str) -> list[str]:
        """The words of a sentence that it does not have."""
        return [word for word in tokenize(sentence) if word not in self._index]

    def decode(self, indices: Sequence[int] | NDArray[np.int64]) -> str:
        """Return words by their indices, with spaces between."""
        names = ("<unknown>", *self.words)
        return " ".join(names[int(index)] for index in indices)
