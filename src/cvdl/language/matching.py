"""Scores of sentences and phrases, from the vectors of words and regions. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["PhraseVectors", "RegionVectors", "image_sentence_score", "phrase_logits"]

Floats = NDArray[np.float32]


class RegionVectors(NamedTuple):
    """The regions of a frame in the space that they share with words.

    Attributes:
        vectors: (R, H); the last one is the whole frame's.
        relations: (R, R, K) of pairs: where the first region is, seen from the second.
    """

    vectors: Floats
    relations: Floats


class PhraseVectors(NamedTuple):
    """The words of a sentence or a phrase in that space.

    Attributes:
        words: (T, H).
        subject, anchor: (H,) what a phrase is about, and what it relates this to.
        relation: (K,) how.
        offsets: (2,) score of being related to nothing, and what a fitting object exceeds.
    """

    words: Floats
    subject: Floats
    anchor: Floats
    relation: Floats
    offsets: Floats


def image_sentence_score(words: Floats, vectors: Floats) -> float:
    """Return how well a sentence fits a frame: the sum over its words of the best region.

    Equation 8 of Karpathy & Fei-Fei 2015.

    Args:
        words: (T, H).
        vectors: (R, H) of the regions, R > 0.
    """
    return float((words @ vectors.T).max(axis=1, initial=-np.inf).sum()) if len(words) else 0.0


def phrase_logits(
    phrase: PhraseVectors, regions: RegionVectors, anchors: Sequence[int] | None = None
) -> Floats:
    """Return how well a phrase fits each object, (R - 1,): positive if it rather does than not.

    An object fits by itself, and by the best other object that it is related to; a phrase that
    names no relation gives every object the same score for that. After Hu et al. 2017
    ("Modeling relationships in referential expressions with compositional modular networks"), with
    a soft maximum.

    Args:
        phrase: its words.
        regions: of a frame.
        anchors: numbers of the objects of which one must be the related one; None: any or none.
    """
    vectors = regions.vectors[:-1]
    count = len(vectors)
    subject = vectors @ phrase.subject
    pairs = regions.relations[:count, :count] @ phrase.relation + (vectors @ phrase.anchor)[None]
    pairs[np.arange(count), np.arange(count)] = -np.inf
    alone = np.full((count, 1), phrase.offsets[0], np.float32)
    if anchors is not None:
        alone[:] = -np.inf
        pairs[:, ~np.isin(np.arange(count), anchors)] = -np.inf
    related = np.logaddexp.reduce(np.concatenate([alone, pairs], axis=1), axis=1)
    return np.asarray(subject + related - phrase.offsets[1], np.float32)
