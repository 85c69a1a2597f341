"""The network that writes sentences about regions.

After Karpathy & Fei-Fei 2015 ("Deep visual-semantic alignments for generating image descriptions"),
section 3.2: a recurrent network that is told at the first word what the sentence is about. The
paper has one vector for that. Here each word is also about a region, which is chosen before it:
hard attention, which is learnt from what the words of simulated sentences are about.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from cvdl.language.attention import FLAGS
from cvdl.language.beliefs import ATTRIBUTES, RELATIONS
from cvdl.language.region_network import DROPOUT, RELATED, SHARED, RegionNetwork
from cvdl.language.vocabulary import Vocabulary

__all__ = ["CaptionNetwork", "Cell", "Encoded"]

Cell = Literal["rnn", "lstm", "gru"]

_EMBEDDED, _HIDDEN, _ATTENDED = 64, 192, 96
_CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Encoded(NamedTuple):
    """The regions of frames.

    Attributes:
        vectors: (..., R, H).
        relations: (..., R, R, K).
        first: (..., R, H) what a sentence about each region begins from.
        attributes: (..., R, A) logits of ``ATTRIBUTES``.
        related: (..., R, R, 8) logits of ``RELATIONS``: of the first region with the second.
    """

    vectors: Tensor
    relations: Tensor
    first: Tensor
    attributes: Tensor
    related: Tensor


class CaptionNetwork(RegionNetwork):
    """Writes sentences about regions, word by word.

    The words of its sentences are numbered as those of the vocabulary; the number behind them
    begins and ends a sentence.

    Args:
        vocabulary, features, values, pairs, embedding: see ``RegionNetwork``.
        cell: kind of the recurrent network: that of the paper, LSTM or GRU.
        attend: whether each word is about a region; if not, as in the paper, the sentence is about
            the frame, which only its first word is told.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        features: int,
        values: int,
        pairs: int,
        embedding: str,
        cell: Cell = "gru",
        attend: bool = True,
    ) -> None:
        super().__init__(vocabulary, features, values, pairs, embedding)
        self.cell, self.attend = cell, attend
        words = len(vocabulary) + 1
        self.objects = nn.Linear(SHARED, SHARED)
        self.attributes = nn.Linear(SHARED, len(ATTRIBUTES))
        self.related = nn.Sequential(
            nn.Linear(2 * SHARED + RELATED, SHARED), nn.ReLU(), nn.Linear(SHARED, len(RELATIONS))
        )
        self.embed = nn.Sequential(nn.Embedding(words, _EMBEDDED), nn.Dropout(DROPOUT))
        options: dict[str, Any] = {"nonlinearity": "relu"} if cell == "rnn" else {}
        self.recurrent = _CELLS[cell](_EMBEDDED + SHARED, _HIDDEN, batch_first=True, **options)
        self.query = nn.Linear(_HIDDEN, _ATTENDED)
        self.key = nn.Linear(SHARED + RELATED + FLAGS, _ATTENDED)
        self.fit = nn.Linear(_ATTENDED, 1)
        self.spoken = nn.Linear(_HIDDEN + SHARED + RELATED + FLAGS, _HIDDEN)
        self.word = nn.Sequential(nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(_HIDDEN, words))

    @property
    def state_size(self) -> int:
        """Length of the state of the recurrent network."""
        return _HIDDEN * (2 if self.cell == "lstm" else 1)

    def encode(
        self, features: Tensor, values: Tensor, pairs: Tensor, objects: Tensor, frame: Tensor
    ) -> Encoded:
        """Describe the regions of frames.

        Args:
            features: (..., R, D), see ``Regions``.
            values: (..., R, V).
            pairs: (..., R, R, P).
            objects, frame: (..., R) of 0 and 1: which regions are objects, and which is the frame.
        """
        vectors, relations = self.regions(features, values, pairs)
        total = (vectors * objects[..., None]).sum(dim=-2, keepdim=True)
        mean = total / objects.sum(dim=-1, keepdim=True).clamp(min=1)[..., None]
        first = vectors + frame[..., None] * self.objects(mean)
        one = vectors[..., :, None, :].expand(*relations.shape[:-1], SHARED)
        other = vectors[..., None, :, :].expand(*relations.shape[:-1], SHARED)
        return Encoded(
            vectors,
            relations,
            first,
            self.attributes(vectors),
            self.related(torch.cat([one, other, relations], dim=-1)),
        )

    def run(
        self, words: Tensor, contexts: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read words: equation 14 of the paper.

        Args:
            words: (B, T) the words before.
            contexts: (B, T, H) vectors of the regions that these were about; for the first word,
                what the sentence begins from.
            state: (B, S) after the words before these; None: there are none.

        Returns:
            Outputs (B, T, hidden), and the state (B, S) after the last word.
        """
        inputs = torch.cat([self.embed(words), contexts], dim=2)
        hidden: Any = None
        if state is not None:
            hidden = state[None].contiguous()
            if self.cell == "lstm":
                hidden = tuple(part.contiguous() for part in hidden.chunk(2, dim=2))
        outputs, hidden = self.recurrent(inputs, hidden)
        after = torch.cat(hidden, dim=2) if self.cell == "lstm" else hidden
        return outputs, after[0]

    def point(self, outputs: Tensor, vectors: Tensor, related: Tensor, flags: Tensor) -> Tensor:
        """Return how well the next word is about each region, logits (..., R).

        Args:
            outputs: (..., hidden).
            vectors: (..., R, H), broadcast.
            related: (..., R, K) of each region with the object that a relation would be with.
            flags: (..., R, ``FLAGS``) of ``Attention``.
        """
        vectors = vectors + torch.zeros_like(related[..., :1])
        keys = self.key(torch.cat([vectors, related, flags], dim=-1))
        return self.fit(torch.tanh(keys + self.query(outputs)[..., None, :])).squeeze(-1)

    def speak(self, outputs: Tensor, vectors: Tensor, related: Tensor, flags: Tensor) -> Tensor:
        """Return logits (..., words) of the next word if it is about a region: equation 15.

        Args:
            outputs: (..., hidden).
            vectors, related, flags: as in `point`, each of one region.
        """
        return self.word(self.spoken(torch.cat([outputs, vectors, related, flags], dim=-1)))

    def options(self) -> dict[str, Any]:
        """The other arguments of its class."""
        return {"cell": self.cell, "attend": self.attend}

    def description(self) -> dict[str, str]:
        """What files of it say of themselves."""
        return {**super().description(), "state": str(self.state_size)}
