"""Variations of what the networks of words learn from: mirrors, noise, words that are missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cvdl.language.facts import SceneFacts
from cvdl.language.lexicon import KINDS
from cvdl.language.regions import Regions
from cvdl.language.vocabulary import UNKNOWN
from cvdl.recognition.colors import BINS

__all__ = ["disturbed", "mirrored_facts", "with_unknown"]

#: Share of the objects whose class by the detector is hidden, and of the words that are unknown.
_HIDDEN_CLASS, _UNKNOWN_WORD = 0.15, 0.03
_NOISE = 0.2  # standard deviation, of embeddings whose own is about 1


def disturbed(regions: Regions, rng: np.random.Generator) -> Regions:
    """With noise, and without some classes of the detector."""
    features, kinds = regions.features.copy(), len(KINDS) + 2
    embedding = features[:, : -(BINS + kinds)]
    embedding += rng.normal(0, _NOISE, embedding.shape)
    hidden = np.flatnonzero(rng.random(len(regions.labels)) < _HIDDEN_CLASS)
    features[hidden, -kinds:] = 0
    return replace(regions, features=features)


def mirrored_facts(facts: SceneFacts) -> SceneFacts:
    """With left and right exchanged."""
    things = (
        replace(thing, center=thing.center * np.array([-1.0, 1.0, 1.0])) for thing in facts.things
    )
    return replace(facts, things=tuple(things))


def with_unknown(words: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Some words replaced by the unknown one."""
    return np.where(rng.random(len(words)) < _UNKNOWN_WORD, UNKNOWN, words)
