"""The comparison of embeddings."""

import numpy as np
import pytest

from cvdl.recognition.embedding import Embeddings


def views(features, colors=(1, 0), size=(0.2, 0.1, 0.05)):
    feature = np.array([features], np.float32)
    return Embeddings(
        feature / np.linalg.norm(feature),
        np.array([colors], np.float32),
        np.array([size], np.float32),
    )


SHOWN = views((1, 0))


def test_a_view_is_like_itself_and_unlike_others():
    assert SHOWN.similarity(SHOWN)[0, 0] > 0.95
    assert SHOWN.similarity(views((0, 1), (0, 1)))[0, 0] < 0.05


def test_similarity_is_symmetric_and_has_a_row_for_each_view():
    many = Embeddings.joined([SHOWN, views((1, 1)), views((0, 1), (0.5, 0.5))])
    table = many.similarity(many)
    np.testing.assert_allclose(table, table.T)
    np.testing.assert_allclose(many[1:].similarity(many[:1]), table[1:, :1])


@pytest.mark.parametrize(
    "changed",
    [views((1, 1)), views((1, 0), (0.5, 0.5)), views((1, 0), size=(0.4, 0.2, 0.1))],
    ids=["features", "colors", "size"],
)
def test_each_part_counts(changed):
    assert SHOWN.similarity(changed)[0, 0] < SHOWN.similarity(SHOWN)[0, 0] - 0.003


def test_a_part_that_is_hidden_makes_no_difference_of_size():
    hidden = views((1, 0), size=(0.2, 0.1, 0.03))
    assert SHOWN.similarity(hidden) == pytest.approx(SHOWN.similarity(SHOWN))


def test_an_unknown_size_counts_neither_way():
    unknown = views((1, 0), size=(np.nan,) * 3)
    assert SHOWN.similarity(unknown) == pytest.approx(SHOWN.similarity(SHOWN))
    assert unknown.similarity(unknown) == pytest.approx(SHOWN.similarity(SHOWN))
