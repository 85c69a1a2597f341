"""Samples of words, and their objects."""

from dataclasses import replace

import numpy as np
import pytest

from cvdl.core.scene import Scene
from cvdl.datasets.simulated.words import SimulatedWords
from cvdl.language.lexicon import KINDS
from cvdl.language.samples import matched_labels
from cvdl.simulation import CATEGORIES


def test_found_objects_are_those_that_they_overlap_with(scene: Scene) -> None:
    shifted = np.roll(scene.labels, 2, axis=1)  # of boxes 10 and 20 pixels wide
    np.testing.assert_array_equal(matched_labels(replace(scene, labels=shifted), scene), [2, 3])
    shifted = np.roll(scene.labels, 6, axis=1)
    np.testing.assert_array_equal(matched_labels(replace(scene, labels=shifted), scene), [0, 3])
    nothing = replace(scene, objects=())
    np.testing.assert_array_equal(matched_labels(scene, nothing), [0, 0])
    assert matched_labels(nothing, scene).shape == (0,)


def test_the_kinds_are_those_of_the_simulation() -> None:
    assert KINDS == CATEGORIES


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_simulated_scene_with_words() -> None:
    sample = SimulatedWords(10_000, 1)[0]
    labels = {thing.label for thing in sample.facts.things}
    assert set(sample.truth.tolist()) - {0} <= labels
    assert sample.truth.any()
    assert len(sample.sentences) == 5
    count = len(sample.truth) + 1
    assert len(sample.regions.features) == len(sample.regions.values) == count
    assert sample.regions.pairs.shape[:2] == (count, count)
    assert np.isfinite(sample.regions.values).all()
    for phrase in sample.phrases:
        assert phrase.label in ({0} if phrase.name.startswith("absent") else labels)
