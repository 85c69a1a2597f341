"""Beam search finds what an exhaustive search finds."""

from itertools import product

import numpy as np
import pytest

from cvdl.language.beam import beam_search

WORDS, END, LONGEST = 3, 3, 4  # words 0 to 2, and the end


def probability_table(seed: int) -> np.ndarray:
    """Logarithms of the chances of each word after each word (the last row: at the start)."""
    rng = np.random.default_rng(seed)
    return np.log(rng.dirichlet(np.ones(WORDS + 1), WORDS + 1))


def search(table: np.ndarray, width: int) -> list[tuple[float, tuple[int, ...]]]:
    start: tuple[int, ...] = ()
    found = beam_search(
        start,
        lambda states: np.stack([table[state[-1] if state else WORDS] for state in states]),
        lambda state, row, choice: (*state, choice),
        lambda state: state[-1:] == (END,),
        width,
        LONGEST,
    )
    return [(each.score, each.state) for each in found]


def exhaustive(table: np.ndarray) -> list[tuple[float, tuple[int, ...]]]:
    found = []
    for length in range(LONGEST):
        for words in product(range(WORDS), repeat=length):
            sequence, score, last = (*words, END), 0.0, WORDS
            for word in sequence:
                score, last = score + table[last, word], word
            found.append((score, sequence))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("seed", range(8))
def test_a_wide_beam_finds_what_an_exhaustive_search_finds(seed: int) -> None:
    table = probability_table(seed)
    expected = exhaustive(table)
    found = search(table, WORDS**LONGEST * 4)
    assert [sequence for _, sequence in found] == [sequence for _, sequence in expected]
    assert [score for score, _ in found] == pytest.approx([score for score, _ in expected])


@pytest.mark.parametrize("seed", range(8))
def test_a_narrow_beam_is_never_better(seed: int) -> None:
    table = probability_table(seed)
    expected = {sequence: score for score, sequence in exhaustive(table)}
    for width in (1, 2, 5):
        found = search(table, width)
        assert len(found) <= width
        for score, sequence in found:
            assert expected[sequence] == pytest.approx(score)


def test_what_is_impossible_is_not_chosen() -> None:
    table = np.full((WORDS + 1, WORDS + 1), -np.inf)
    assert search(table, 4) == []
    table[WORDS, 1] = table[1, END] = 0.0
    assert search(table, 4) == [(0.0, (1, END))]
