"""Objects by phrases, and words of sentences by regions. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.language.field import Span, join_words, spans
from cvdl.language.matching import (
    PhraseVectors,
    RegionVectors,
    image_sentence_score,
    phrase_logits,
)
from cvdl.language.regions import Regions, embedder_for, see_regions
from cvdl.language.vocabulary import Vocabulary
from cvdl.networks.metadata import WeightsError
from cvdl.networks.onnx_files import MAIN, read_metadata
from cvdl.networks.sessions import Graph, open_parts

__all__ = ["FITS", "MODEL", "REGIONS", "WEIGHTS", "Aligner", "Finding", "load_aligner"]

#: Name of the model in its files, and of the part that takes regions; the other one takes words.
MODEL, REGIONS = "AlignmentNetwork", "regions"
#: Chance from which an object is found by a phrase.
FITS = 0.5
#: The network of the package.
WEIGHTS = Path(__file__).with_name("words.onnx")

#: What neighboring words gain if they are about the same region, see ``join_words``.
_BONUS = 1.0


class Finding(NamedTuple):
    """How likely a phrase is about an object.

    Attributes:
        label: of the object.
        score: chance that it fits, 0 to 1.
    """

    label: int
    score: float


class Aligner:
    """Compares words with regions.

    Args:
        words: the graph that takes ``words`` (T,) int64.
        regions: the graph that takes ``features``, ``values`` and ``pairs`` of ``Regions``.
        vocabulary: the words that it knows.
        embedding: name of the embedding of objects that it needs.
    """

    def __init__(
        self, words: Graph, regions: Graph, vocabulary: Vocabulary, embedding: str
    ) -> None:
        self._words, self._regions = words, regions
        self.vocabulary, self.embedding = vocabulary, embedding

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> Aligner:
        """Load a network.

        Raises:
            WeightsError: if a file is missing, damaged or holds another model.
        """
        graphs = open_parts(path, MODEL, (MAIN, REGIONS))
        metadata = read_metadata(path)
        try:
            words = json.loads(metadata["vocabulary"])
            embedding = metadata["embedding"]
        except (KeyError, ValueError) as error:
            raise WeightsError(f"{path}: has no vocabulary or names no embedding") from error
        return cls(graphs[MAIN], graphs[REGIONS], Vocabulary(tuple(words)), embedding)

    def see(self, frame: RgbdFrame, scene: Scene) -> Regions:
        """Describe the regions of a frame.

        Raises:
            WeightsError: if the network needs another embedding than that of the package.
        """
        return see_regions(frame, scene, embedder_for("words", self.embedding))

    def place(self, regions: Regions) -> RegionVectors:
        """Put the regions of a frame into the space that they share with words."""
        return RegionVectors(
            *self._regions(features=regions.features, values=regions.values, pairs=regions.pairs)
        )

    def read(self, phrase: str) -> PhraseVectors:
        """Put the words of a sentence or a phrase into that space.

        Raises:
            InputError: if it has no words.
        """
        words = self.vocabulary.encode(phrase)
        if not len(words):
            raise InputError(f"{phrase!r} has no words; expected a phrase such as 'the red mug'")
        return PhraseVectors(*self._words(words=words))

    def find(
        self,
        phrase: PhraseVectors,
        regions: RegionVectors,
        labels: Sequence[int],
        anchors: Sequence[int] | None = None,
    ) -> list[Finding]:
        """Return all objects with the chance that the phrase is about them, likeliest first.

        Args:
            phrase: from `read`.
            regions: from `place`.
            labels: of the objects, in the order of the regions.
            anchors: numbers of the objects of which one must be the other one of the phrase's
                relation; None: any or none.
        """
        logits = phrase_logits(phrase, regions, anchors).astype(np.float64)
        chance = np.exp(-np.logaddexp(0, -logits))
        findings = [
            Finding(int(label), float(score)) for label, score in zip(labels, chance, strict=True)
        ]
        return sorted(findings, key=lambda each: -each.score)

    def score(self, sentence: PhraseVectors, regions: RegionVectors) -> float:
        """Return how well a sentence fits a frame, see ``image_sentence_score``."""
        return image_sentence_score(sentence.words, regions.vectors)

    def align(self, sentence: PhraseVectors, regions: RegionVectors) -> list[Span]:
        """Return which words of a sentence are about which region; the last is the frame."""
        scores: NDArray[np.float32] = sentence.words @ regions.vectors.T
        return spans(join_words(scores, _BONUS))


@cache
def load_aligner(path: str = "") -> Aligner:
    """A trained aligner, which all of a process share.

    Args:
        path: a file of ``cvdl train words``; empty: that of the package.

    Raises:
        WeightsError: if a file is missing, damaged or holds another model.
    """
    return Aligner.load(Path(path) if path else WEIGHTS)
