"""Names by similarity: near enough, and clearly nearer than the next."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.recognition.naming import Limits, Namer

from .conftest import embeddings


def at(*degrees):
    """Views at these angles: the smaller the difference, the more similar they are."""
    radians = np.deg2rad(degrees)
    return embeddings(*np.stack([np.cos(radians), np.sin(radians)], axis=1))


def alike(degrees):
    """The similarity of views at that difference."""
    return float(at(0).similarity(at(degrees))[0, 0])


def names(namer, objects, **keywords):
    return [each.name and each.name.class_name for each in namer(objects, **keywords)]


def test_the_most_similar_name_wins_with_its_similarity_as_score():
    namer = Namer({"mug": at(0), "can": at(60, 90)}, Limits(0.6, 0.01))
    found = namer(at(10, 85, 45))
    assert [each.name.class_name for each in found] == ["mug", "can", "can"]
    scores = [each.name.score for each in found]
    np.testing.assert_allclose(scores, [alike(10), alike(5), alike(15)], atol=1e-6)


def test_what_is_not_similar_enough_has_no_name():
    namer = Namer({"mug": at(0)}, Limits(alike(55), 0.05))
    assert names(namer, at(50, 60)) == ["mug", None]
    assert [each.reason for each in namer(at(50, 60, 180))] == [
        "",
        "not enough like mug",
        "unlike all taught things",
    ]


def test_what_is_between_two_names_has_none():
    namer = Namer({"mug": at(0), "can": at(120)}, Limits(0.5, 0.05))
    assert names(namer, at(50, 59, 61, 70)) == ["mug", None, None, "can"]
    assert namer(at(61))[0].reason == "like can and like mug"
    lonely = Namer({"mug": at(0)}, Limits(0.3, 0.99))
    assert lonely(at(50))[0].reason == "not enough like mug"


def test_nothing_known_and_nothing_in_view():
    assert names(Namer({}, Limits()), at(0, 1)) == [None, None]
    assert Namer({"mug": at(0)}, Limits())(at(0)[:0]) == []


# --- Each exists once ---------------------------------------------------------------------------


def test_unique_names_go_to_the_most_similar_object():
    namer = Namer({"mug": at(0), "can": at(110)}, Limits(0.5, 0.01))
    objects = at(40, 10, 100)
    assert names(namer, objects) == ["mug", "mug", "can"]
    assert names(namer, objects, unique=True) == [None, "mug", "can"]


def test_names_that_are_given_away_lead_no_more():
    """The second object is between two names, but the first one has one of them for sure."""
    namer = Namer({"mug": at(0), "can": at(120)}, Limits(0.5, 0.05))
    objects = at(2, 60)
    assert names(namer, objects) == ["mug", None]
    assert names(namer, objects, unique=True) == ["mug", "can"]


# --- Calibration --------------------------------------------------------------------------------


def test_one_view_has_the_given_limit():
    assert Namer({"mug": at(0), "can": at(90)}, Limits(0.6, 0)).least == pytest.approx([0.6, 0.6])


def test_held_out_views_move_the_limit_half_way():
    limits = Limits(alike(60), 0)
    for apart in (0, 45, 80):
        namer = Namer({"mug": at(0, apart), "can": at(180)}, limits)
        assert namer.least == pytest.approx([(alike(60) + alike(apart)) / 2, alike(60)])
    assert names(Namer({"mug": at(0, 90)}, limits), at(-65)) == ["mug"]
    assert names(Namer({"mug": at(0, 10)}, limits), at(-65)) == [None]


def test_a_view_unlike_all_others_hardly_counts():
    """One bad view of many does not open the name to everything."""
    views = at(*range(20), 120)
    assert Namer({"mug": views}, Limits(alike(60), 0)).least[0] > alike(60)
