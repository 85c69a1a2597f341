"""The field of words is solved exactly."""

from itertools import pairwise, product

import numpy as np
import pytest

from cvdl.language.field import Span, join_words, spans


def total(scores: np.ndarray, regions: tuple[int, ...], bonus: float) -> float:
    same = sum(one == two for one, two in pairwise(regions))
    return sum(scores[word, region] for word, region in enumerate(regions)) + bonus * same


@pytest.mark.parametrize("bonus", [0.0, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_as_good_as_the_best_of_all_assignments(bonus: float, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(5, 3))
    found = join_words(scores, bonus)
    best = max(total(scores, regions, bonus) for regions in product(range(3), repeat=5))
    assert total(scores, tuple(found), bonus) == pytest.approx(best)


def test_the_bonus_joins_neighbors() -> None:
    scores = np.array([[2.0, 0], [0, 0.5], [2, 0], [0, 9]])
    np.testing.assert_array_equal(join_words(scores, 0.0), [0, 1, 0, 1])
    np.testing.assert_array_equal(join_words(scores, 1.0), [0, 0, 0, 1])
    assert spans(join_words(scores, 1.0)) == [Span(0, 3, 0), Span(3, 4, 1)]


def test_no_words_and_one_word() -> None:
    assert join_words(np.zeros((0, 3)), 1.0).shape == (0,)
    assert spans(np.zeros(0, np.int64)) == []
    np.testing.assert_array_equal(join_words(np.array([[0.0, 1, 0]]), 1.0), [1])
