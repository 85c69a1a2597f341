"""The network that puts regions and words into one space.

After Karpathy & Fei-Fei 2015 ("Deep visual-semantic alignments for generating image descriptions"),
sections 3.1.1 to 3.1.3, and for relations Hu et al. 2017 ("Modeling relationships in referential
expressions with compositional modular networks").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cvdl.language.vocabulary import Vocabulary
from cvdl.networks.weights import load_weights, save_weights

__all__ = ["AlignmentNetwork"]

_EMBEDDED, _HIDDEN, _SHARED, _RELATED = 64, 96, 128, 32
_DROPOUT = 0.3
_NOISE = -1e4  # the logit of a word that is not there


class AlignmentNetwork(nn.Module):
    """Regions and words in one space.

    Args:
        vocabulary: the words that it knows.
        features, values, pairs: lengths of these vectors, see ``Regions``.
        embedding: name of the embedding of objects that it needs.
    """

    def __init__(
        self, vocabulary: Vocabulary, features: int, values: int, pairs: int, embedding: str
    ) -> None:
        super().__init__()
        self.vocabulary, self.embedding = vocabulary, embedding
        self.sizes = (features, values, pairs)
        self.seen = nn.Sequential(nn.Linear(features, _SHARED), nn.ReLU(), nn.Dropout(_DROPOUT))
        self.placed = nn.Sequential(nn.Linear(values, _SHARED), nn.ReLU())
        self.region = nn.Sequential(
            nn.Linear(2 * _SHARED, _SHARED), nn.ReLU(), nn.Linear(_SHARED, _SHARED)
        )
        self.relation = nn.Sequential(
            nn.Linear(pairs, 2 * _RELATED), nn.ReLU(), nn.Linear(2 * _RELATED, _RELATED)
        )
        self.embed = nn.Embedding(len(vocabulary), _EMBEDDED)
        self.recurrent = nn.GRU(_EMBEDDED, _HIDDEN, batch_first=True, bidirectional=True)
        self.word = nn.Linear(2 * _HIDDEN, _SHARED)
        self.related = nn.Linear(2 * _HIDDEN, _RELATED)
        # Which words are about the object, the relation and the other object.
        self.attention = nn.Linear(2 * _HIDDEN, 3)
        self.offsets = nn.Linear(2 * _HIDDEN, 2)

    def regions(self, features: Tensor, values: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Put regions into the space.

        Args:
            features: (..., R, D), see ``Regions``.
            values: (..., R, V).
            pairs: (..., R, R, P).

        Returns:
            Vectors (..., R, H) and relations (..., R, R, K), see ``RegionVectors``.
        """
        both = torch.cat([self.seen(features), self.placed(values)], dim=-1)
        return self.region(both), self.relation(pairs)

    def words(self, words: Tensor, lengths: Sequence[int] | None = None) -> tuple[Tensor, ...]:
        """Put the words of sentences into the space.

        Args:
            words: (B, T) int64, indices of the vocabulary.
            lengths: of the sentences, each at least 1; None: all are T long.

        Returns:
            Vectors of the words (B, T, H), 0 behind the end; of the phrase: subject (B, H),
            anchor (B, H), relation (B, K), offsets (B, 2), see ``PhraseVectors``.
        """
        embedded = self.embed(words)
        if lengths is None:
            states, _ = self.recurrent(embedded)
            there = torch.ones_like(words, dtype=states.dtype)
        else:
            packed = pack_padded_sequence(
                embedded, torch.tensor(lengths), batch_first=True, enforce_sorted=False
            )
            states, _ = pad_packed_sequence(
                self.recurrent(packed)[0], batch_first=True, total_length=words.shape[1]
            )
            steps = torch.arange(words.shape[1], device=words.device)
            there = (steps < torch.tensor(lengths, device=words.device)[:, None]).to(states.dtype)
        vectors = self.word(states) * there[..., None]
        weights = (self.attention(states) + _NOISE * (1 - there)[..., None]).softmax(dim=1)
        subject, relation, anchor = weights.unbind(dim=-1)
        mean = (states * there[..., None]).sum(dim=1) / there.sum(dim=1, keepdim=True)
        return (
            vectors,
            (subject[..., None] * vectors).sum(dim=1),
            (anchor[..., None] * vectors).sum(dim=1),
            (relation[..., None] * self.related(states)).sum(dim=1),
            self.offsets(mean),
        )

    @classmethod
    def load(cls, path: Path) -> AlignmentNetwork:
        """Load a trained network.

        Args:
            path: safetensors file.

        Raises:
            WeightsError: if the file is missing, damaged or holds another model's weights.
        """
        state, metadata = load_weights(path, cls.__name__)
        vocabulary = Vocabulary(tuple(json.loads(metadata["vocabulary"])))
        features, values, pairs = json.loads(metadata["sizes"])
        network = cls(vocabulary, features, values, pairs, metadata["embedding"])
        load_weights(path, cls.__name__, network.state_dict())
        network.load_state_dict(state)
        return network.eval()

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the weights with the vocabulary."""
        save_weights(path, self.state_dict(), {**self.description(), **metadata})

    def description(self) -> dict[str, str]:
        """What files of it say of themselves."""
        return {
            "model": type(self).__name__,
            "vocabulary": json.dumps(self.vocabulary.words, ensure_ascii=False),
            "sizes": json.dumps(self.sizes),
            "embedding": self.embedding,
        }
