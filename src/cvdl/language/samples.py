"""What the network of words learns from and is tested on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import Scene
from cvdl.language.facts import SceneFacts
from cvdl.language.phrases import (
    Phrase,
    absent_anchors,
    absent_descriptions,
    referring_phrases,
)
from cvdl.language.regions import Regions
from cvdl.language.sentences import write_sentences

__all__ = ["WordsSample", "matched_labels", "words_sample"]

#: Overlap (intersection over union) from which a found object is a true one.
_SAME = 0.5
#: Phrases of each sort for a test, at most.
_PHRASES = 4


@dataclass(frozen=True)
class WordsSample:
    """A frame with words.

    Attributes:
        name: of the frame.
        regions: its N found objects, and the whole frame.
        truth: (N,) int64, the label of the true object that each is; 0 for none.
        facts: what is true of it; its labels are those of the true objects.
        sentences: about the frame.
        phrases: that single out one true object, or fit nothing.
    """

    name: str
    regions: Regions
    truth: NDArray[np.int64]
    facts: SceneFacts
    sentences: tuple[str, ...]
    phrases: tuple[Phrase, ...]


def words_sample(
    name: str,
    regions: Regions,
    truth: NDArray[np.int64],
    facts: SceneFacts,
    rng: np.random.Generator,
) -> WordsSample:
    """Write the sentences and phrases of a sample, see there."""
    return WordsSample(
        name,
        regions,
        truth,
        facts,
        tuple(sentence.text for sentence in write_sentences(rng, facts)),
        (
            *referring_phrases(rng, facts, False, _PHRASES),
            *referring_phrases(rng, facts, True, _PHRASES),
            *(
                Phrase(each.text(rng), 0, "absent")
                for each in absent_descriptions(rng, facts, _PHRASES)
            ),
            *(
                Phrase(each.text(rng), 0, "absent anchor")
                for each in absent_anchors(rng, facts, _PHRASES)
            ),
        ),
    )


def matched_labels(found: Scene, truth: Scene) -> NDArray[np.int64]:
    """Return for each found object the label of the true one that it is, (N,), or 0.

    They are the same if their masks overlap by at least half (intersection over union).
    """
    labels = truth.labels.astype(np.int64)
    area = np.bincount(labels.ravel())
    matches = np.zeros(len(found.objects), np.int64)
    true_labels = [item.label for item in truth.objects]
    for row, item in enumerate(found.objects):
        mask = found.mask(item)
        shared = np.bincount(labels[mask], minlength=len(area))
        union = area + mask.sum() - shared
        for label in true_labels:
            if label < len(area) and shared[label] > _SAME * union[label]:
                matches[row] = label
    return matches
