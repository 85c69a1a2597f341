"""Every sample has its turn."""

import numpy as np
import pytest

from cvdl.training.picks import random_picks


@pytest.mark.parametrize(("samples", "steps", "size"), [(7, 5, 4), (20, 1, 20), (1, 3, 2)])
def test_no_sample_comes_again_before_all_have_come(samples, steps, size):
    picks = random_picks(samples, steps, size, np.random.default_rng(0))
    assert picks.shape == (steps, size)
    order = picks.ravel()
    for start in range(0, len(order), samples):
        turn = order[start : start + samples]
        assert len(set(turn)) == len(turn)
        assert set(turn) <= set(range(samples))


def test_the_order_is_random_and_the_same_for_the_same_seed():
    first, again, other = (random_picks(50, 5, 20, np.random.default_rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first.ravel()[:50] != first.ravel()[50:]).any()
