"""The Markov field that joins neighboring words to one region.

After Karpathy & Fei-Fei 2015 ("Deep visual-semantic alignments for generating image descriptions"),
section 3.1.4: the words of a sentence form a chain; its states are the regions.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Span", "join_words", "spans"]


class Span(NamedTuple):
    """Neighboring words that are about one region: words ``start`` to ``end`` - 1."""

    start: int
    end: int
    region: int


def join_words(scores: NDArray[np.floating], bonus: float) -> NDArray[np.int64]:
    """Return the region of each word, (T,), with the largest total score.

    The total is the sum of the scores of words and their regions, plus ``bonus`` for each pair of
    neighboring words with the same region; it is found exactly, by dynamic programming. The paper
    minimizes the negative of it.

    Args:
        scores: (T, R) of words and regions; R is not 0 if T is not.
        bonus: not negative; 0: each word has its best region.
    """
    words, regions = scores.shape
    found = np.zeros(words, np.int64)
    if not words:
        return found
    total = scores[0].astype(np.float64)
    before = np.zeros((words, regions), np.int64)
    for word in range(1, words):
        best = int(total.argmax())
        stays = total + bonus >= total[best]
        before[word] = np.where(stays, np.arange(regions), best)
        total = np.where(stays, total + bonus, total[best]) + scores[word]
    found[-1] = total.argmax()
    for word in range(words - 1, 0, -1):
        found[word - 1] = before[word, found[word]]
    return found


def spans(regions: NDArray[np.int64]) -> list[Span]:
    """Group the regions of words (T,) into spans of neighbors with the same region."""
    found, start = [], 0
    for region, group in groupby(regions.tolist()):
        end = start + len(list(group))
        found.append(Span(start, end, region))
        start = end
    return found
