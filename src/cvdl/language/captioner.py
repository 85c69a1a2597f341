"""Writes sentences about frames and their objects. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.language.aligner import REGIONS
from cvdl.language.attention import Attention
from cvdl.language.beam import beam_search
from cvdl.language.beliefs import THERE, Statements
from cvdl.language.config import WordsConfig
from cvdl.language.regions import Regions, embedder_for, see_regions
from cvdl.language.vocabulary import UNKNOWN, Vocabulary, written
from cvdl.networks.metadata import WeightsError
from cvdl.networks.onnx_files import MAIN, read_metadata
from cvdl.networks.sessions import Graph, open_parts

__all__ = ["MODEL", "WEIGHTS", "Caption", "Captioner", "load_captioner"]

Floats = NDArray[np.float32]

#: Name of the model in its files.
MODEL = "CaptionNetwork"
#: The network of the package.
WEIGHTS = Path(__file__).with_name("captions.onnx")

_LONGEST = 60  # words of a sentence


class Caption(NamedTuple):
    """A sentence.

    Attributes:
        text: the sentence; empty if the network is sure of nothing.
        words: its words, commas and semicolons.
        about: of each of them, the number of the region that it is about; the last is the frame.
        score: logarithm of its probability, the mean over its words and its end.
    """

    text: str
    words: tuple[str, ...]
    about: tuple[int, ...]
    score: float


class EncodedRegions(NamedTuple):
    """The regions of a frame, see ``CaptionNetwork.encode``; chances instead of logits."""

    vectors: Floats
    relations: Floats
    first: Floats
    attributes: Floats
    related: Floats


@dataclass(frozen=True)
class _Part:
    """The beginning of a sentence."""

    words: tuple[int, ...]
    about: tuple[int, ...]
    attention: Attention
    state: Floats  # after these words but the last


class Captioner:
    """Writes sentences.

    Args:
        words: the graph that chooses the next word and its region.
        regions: the graph that takes ``features``, ``values`` and ``pairs`` of ``Regions``.
        vocabulary: the words that it knows.
        embedding: name of the embedding of objects that it needs.
        attend: whether each word is about a region.
        state: length of the state of the recurrent network.
    """

    def __init__(
        self,
        words: Graph,
        regions: Graph,
        vocabulary: Vocabulary,
        embedding: str,
        attend: bool,
        state: int,
    ) -> None:
        self._words, self._regions = words, regions
        self.attend = attend
        self._state = np.zeros(state, np.float32)
        self._statements = Statements(vocabulary)
        self.vocabulary, self.embedding = vocabulary, embedding

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> Captioner:
        """Load a network.

        Raises:
            WeightsError: if a file is missing, damaged or holds another model.
        """
        graphs = open_parts(path, MODEL, (MAIN, REGIONS))
        metadata = read_metadata(path)
        try:
            words = json.loads(metadata["vocabulary"])
            attend, state = json.loads(metadata["options"])["attend"], int(metadata["state"])
            embedding = metadata["embedding"]
        except (KeyError, ValueError) as error:
            raise WeightsError(f"{path}: has no vocabulary or names no embedding") from error
        vocabulary = Vocabulary(tuple(words))
        return cls(graphs[MAIN], graphs[REGIONS], vocabulary, embedding, attend, state)

    def see(self, frame: RgbdFrame, scene: Scene) -> Regions:
        """Describe the regions of a frame.

        Raises:
            WeightsError: if the network needs another embedding than that of the package.
        """
        return see_regions(frame, scene, embedder_for("captions", self.embedding))

    def encode(self, regions: Regions) -> EncodedRegions:
        """Prepare the regions of a frame for sentences."""
        vectors, relations, first, attributes, related = self._regions(
            features=regions.features, values=regions.values, pairs=regions.pairs
        )
        return EncodedRegions(vectors, relations, first, _chance(attributes), _chance(related))

    def write(
        self,
        regions: EncodedRegions,
        about: int | None = None,
        width: int = WordsConfig().beam,
        sure: float = WordsConfig().sure,
    ) -> list[Caption]:
        """Write sentences about a frame or one of its objects, best first, by beam search.

        If the network attends to regions, a sentence names only objects and states only attributes,
        relations and numbers of objects that are sure.

        Args:
            regions: of the frame, from `encode`.
            about: number of the object; None: the whole frame.
            width: number of sentences that are continued at a time, and found at most.
            sure: chance from which a fact is stated.
        """
        frame = len(regions.vectors) - 1
        focus = frame if about is None else about
        end = len(self.vocabulary)
        start = _Part((), (), Attention.on(focus, frame), self._state)
        states: list[Floats] = []

        def scores(parts: Sequence[_Part]) -> NDArray[np.floating]:
            states[:], total = self._next(regions, focus, parts, sure)
            return total.reshape(len(parts), -1)

        def follow(part: _Part, row: int, choice: int) -> _Part:
            region, word = divmod(choice, end + 1)
            attention = part.attention.moved(region)
            return _Part((*part.words, word), (*part.about, region), attention, states[row])

        found = beam_search(
            start, scores, follow, lambda part: part.words[-1:] == (end,), width, _LONGEST
        )
        captions = []
        for score, part in found:
            words = tuple(self.vocabulary.words[word - 1] for word in part.words[:-1])
            mean = score / len(part.words)  # a sum would prefer what says less
            captions.append(Caption(written(words), words, part.about[:-1], mean))
        captions.sort(key=lambda caption: -caption.score)
        return captions or [Caption("", (), (), -np.inf)]

    def _next(
        self, regions: EncodedRegions, focus: int, parts: Sequence[_Part], sure: float
    ) -> tuple[list[Floats], Floats]:
        """The states after the parts of sentences, and the scores (B, R, V) of what follows."""
        end, frame = len(self.vocabulary), len(regions.vectors) - 1
        contexts = []
        for part in parts:
            if not part.words:
                contexts.append(regions.first[focus])
            elif self.attend:
                contexts.append(regions.vectors[part.about[-1]])
            else:
                contexts.append(np.zeros_like(regions.vectors[0]))
        partners = np.stack([part.attention.partners() for part in parts])
        points, words, states = self._words(
            words=np.array([part.words[-1] if part.words else end for part in parts]),
            contexts=np.stack(contexts),
            vectors=regions.vectors,
            related=regions.relations[partners, np.arange(frame + 1)],
            flags=np.stack([part.attention.flags() for part in parts]),
            states=np.stack([part.state for part in parts]),
        )
        words[..., UNKNOWN] = -np.inf
        if not self.attend:
            points[:, :frame], points[:, frame] = -np.inf, 0.0
        elif sure > 0:
            points[:, :frame][:, regions.attributes[:frame, THERE] < sure] = -np.inf
            for row, part in enumerate(parts):
                related = regions.related[partners[row], np.arange(frame + 1)][:frame]
                related = np.where(partners[row][:frame, None] < frame, related, 0.0)
                doubtful = self._statements.doubtful(
                    part.words[-1] if part.words else end,
                    part.attention,
                    regions.attributes[:frame],
                    related,
                    sure,
                )
                words[row, :frame, :end][doubtful] = -np.inf
                said = words[row, frame]
                attributes = regions.attributes[:frame]
                said[self._statements.miscounted(said, attributes, sure)] = -np.inf
        return list(states), points[:, :, None] + words


def _chance(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


@cache
def load_captioner(path: str = "") -> Captioner:
    """A trained captioner, which all of a process share.

    Args:
        path: a file of ``cvdl train captions``; empty: that of the package.

    Raises:
        WeightsError: if a file is missing, damaged or holds another model.
    """
    return Captioner.load(Path(path) if path else WEIGHTS)
