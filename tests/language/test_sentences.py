"""Sentences state what is true."""

import numpy as np
import pytest

from cvdl.core.scene import Plane
from cvdl.language.facts import SceneFacts, support_axes
from cvdl.language.lexicon import color_shares, plural
from cvdl.language.sentences import write_sentences
from helpers.facts import table


def test_sentences_differ_and_all_their_facts_are_true() -> None:
    scene = table()
    names = set()
    for seed in range(20):
        sentences = write_sentences(np.random.default_rng(seed), scene)
        assert len({sentence.text for sentence in sentences}) == 5
        for sentence in sentences:
            assert sentence.facts
            assert all(scene.holds(fact) for fact in sentence.facts), sentence
            assert sentence.text[0].isupper()
            assert sentence.text.endswith(".")
            names |= {fact.name for fact in sentence.facts}
    assert names >= {"kind", "color", "size", "material", "count", "graspable", "in", "left of"}


def test_an_empty_scene_is_called_empty() -> None:
    sentences = write_sentences(np.random.default_rng(0), SceneFacts(()))
    assert len(sentences) == 5
    assert all(SceneFacts(()).holds(fact) for each in sentences for fact in each.facts)
    assert any("nothing" in sentence.text.lower() for sentence in sentences)


@pytest.mark.parametrize(
    ("color", "name"),
    [
        ((200, 30, 30), "red"), ((90, 15, 15), "red"), ((110, 70, 35), "brown"),
        ((240, 150, 40), "orange"), ((230, 210, 50), "yellow"), ((50, 160, 60), "green"),
        ((40, 80, 200), "blue"), ((130, 60, 200), "purple"), ((240, 130, 190), "pink"),
        ((15, 15, 20), "black"), ((120, 122, 125), "gray"), ((240, 238, 230), "white"),
    ],
)  # fmt: skip
def test_names_of_colors(color: tuple[int, int, int], name: str) -> None:
    assert color_shares(np.array([color], float), np.ones(1)) == {name: 1.0}


def test_plurals() -> None:
    nouns = ["box", "knife", "brush", "roll of tape", "piece of cutlery", "mug"]
    assert [plural(noun) for noun in nouns] == [
        "boxes", "knives", "brushes", "rolls of tape", "pieces of cutlery", "mugs"
    ]  # fmt: skip


def test_the_axes_of_a_table_seen_from_above_and_from_the_side() -> None:
    np.testing.assert_allclose(
        support_axes(Plane(np.array([0.0, -1, 0]), 1.0)), [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    )
    above = support_axes(Plane(np.array([0.0, 0, -1]), 1.0))
    np.testing.assert_allclose(above, [[1, 0, 0], [0, -1, 0], [0, 0, -1]], atol=1e-12)
    assert np.linalg.det(support_axes(Plane(np.array([1.0, 0, 0]), 1.0))) == pytest.approx(1)
