"""Every view is in one part, parts are balanced, and objects stay together if required."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvdl.core.errors import InputError
from cvdl.training.splits import folds, split

#: 30 views of 10 objects, from 1 to 6 views each.
OBJECTS = [f"thing {number}" for number in range(10) for _ in range(1 + (number * 7) % 6)]
OBJECTS = OBJECTS[:30]


def parts(some):
    return some.train, some.validation, some.test


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=8, max_size=60).filter(
        lambda ids: len(set(ids)) >= 4
    ),
    st.sampled_from(["image", "object"]),
    st.integers(0, 99),
)
def test_parts_are_disjoint_complete_and_keep_objects_together(ids, by, seed):
    for some in [split(ids, 0.2, 0.2, by, seed), *folds(ids, 3, by, 0.0, seed)]:
        together = np.concatenate(parts(some))
        assert sorted(together) == list(range(len(ids)))
        assert len(some.train)
        assert len(some.test)
        if by == "object":
            objects = [{ids[index] for index in part} for part in parts(some)]
            assert sum(map(len, objects)) == len(set.union(*objects))


@pytest.mark.parametrize("by", ["image", "object"])
def test_every_view_is_in_one_of_the_balanced_test_folds(by):
    all_folds = folds(OBJECTS, 5, by, validation=0.2, seed=3)
    tested = np.concatenate([fold.test for fold in all_folds])
    assert sorted(tested) == list(range(30))
    assert {len(fold.test) for fold in all_folds} <= ({6} if by == "image" else {5, 6, 7})
    for fold in all_folds:
        assert 3 <= len(fold.validation) <= 7
        assert sorted(np.concatenate(parts(fold))) == list(range(30))


def test_the_parts_have_the_given_shares():
    some = split(OBJECTS, 0.25, 0.2)
    assert [len(part) for part in parts(some)] == [18, 6, 6]  # a quarter of what is not tested on
    some = split(OBJECTS, 0.5, 0.5)
    assert [len(part) for part in parts(some)] == [7, 8, 15]
    some = split(OBJECTS, 0.0)
    assert [len(part) for part in parts(some)] == [30, 0, 0]


@pytest.mark.parametrize("by", ["image", "object"])
def test_the_seed_determines_the_split(by):
    def lists(seed):
        some = [split(OBJECTS, 0.2, 0.2, by, seed), *folds(OBJECTS, 5, by, 0.1, seed)]
        return [part.tolist() for split in some for part in parts(split)]

    assert lists(1) == lists(1)
    assert lists(1) != lists(2)


def test_too_few_views_or_objects_raise():
    with pytest.raises(InputError, match="5 folds of 3 objects; expected 2 to that many"):
        folds(list("aabbcc"), 5, "object")
    with pytest.raises(InputError, match="1 folds of 6 views"):
        folds(list("aabbcc"), 1)
    with pytest.raises(InputError, match="2 objects; expected at least 3"):
        split(list("aab"), 0.2, 0.2, "object")
    with pytest.raises(InputError, match="0 views"):
        split([], 0.2)
