"""The network that puts regions and words into one space.

After Karpathy & Fei-Fei 2015 ("Deep visual-semantic alignments for generating image descriptions"),
sections 3.1.1 to 3.1.3, and for relations Hu et al. 2017 ("Modeling relationships in referential
expressions with compositional modular networks").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cvdl.language.region_network import RELATED, SHARED, RegionNetwork
from cvdl.language.vocabulary import Vocabulary

__all__ = ["AlignmentNetwork"]

_EMBEDDED, _HIDDEN = 64, 96
_NOISE = -1e4  # the logit of a word that is not there


class AlignmentNetwork(RegionNetwork):
    """Regions and words in one space.

    Args:
        vocabulary, features, values, pairs, embedding: see ``RegionNetwork``.
    """

    def __init__(
        self, vocabulary: Vocabulary, features: int, values: int, pairs: int, embedding: str
    ) -> None:
        super().__init__(vocabulary, features, values, pairs, embedding)
        self.embed = nn.Embedding(len(vocabulary), _EMBEDDED)
        self.recurrent = nn.GRU(_EMBEDDED, _HIDDEN, batch_first=True, bidirectional=True)
        self.word = nn.Linear(2 * _HIDDEN, SHARED)
        self.related = nn.Linear(2 * _HIDDEN, RELATED)
        # Which words are about the object, the relation and the other object.
        self.attention = nn.Linear(2 * _HIDDEN, 3)
        self.offsets = nn.Linear(2 * _HIDDEN, 2)

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
