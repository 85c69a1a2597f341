"""What the networks of words share: vectors of regions, the vocabulary, and their files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from cvdl.language.vocabulary import Vocabulary
from cvdl.networks.weights import load_weights, save_weights

__all__ = ["DROPOUT", "RELATED", "SHARED", "RegionNetwork"]

#: Lengths of the vectors of regions and of pairs.
SHARED, RELATED = 128, 32
#: Share of the values that are dropped in training.
DROPOUT = 0.3

_Network = TypeVar("_Network", bound="RegionNetwork")


class RegionNetwork(nn.Module):
    """Vectors of regions and of their pairs, from what is seen and measured of them.

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
        self.seen = nn.Sequential(nn.Linear(features, SHARED), nn.ReLU(), nn.Dropout(DROPOUT))
        self.placed = nn.Sequential(nn.Linear(values, SHARED), nn.ReLU())
        self.region = nn.Sequential(
            nn.Linear(2 * SHARED, SHARED), nn.ReLU(), nn.Linear(SHARED, SHARED)
        )
        self.relation = nn.Sequential(
            nn.Linear(pairs, 2 * RELATED), nn.ReLU(), nn.Linear(2 * RELATED, RELATED)
        )

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

    @classmethod
    def load(cls: type[_Network], path: Path) -> _Network:
        """Load a trained network.

        Args:
            path: safetensors file.

        Raises:
            WeightsError: if the file is missing, damaged or holds another model's weights.
        """
        state, metadata = load_weights(path, cls.__name__)
        vocabulary = Vocabulary(tuple(json.loads(metadata["vocabulary"])))
        features, values, pairs = json.loads(metadata["sizes"])
        options = json.loads(metadata.get("options", "{}"))
        network = cls(vocabulary, features, values, pairs, metadata["embedding"], **options)
        load_weights(path, cls.__name__, network.state_dict())
        network.load_state_dict(state)
        return network.eval()

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the weights with the vocabulary."""
        save_weights(path, self.state_dict(), {**self.description(), **metadata})

    def options(self) -> dict[str, Any]:
        """The other arguments of its class."""
        return {}

    def description(self) -> dict[str, str]:
        """What files of it say of themselves."""
        return {
            "model": type(self).__name__,
            "vocabulary": json.dumps(self.vocabulary.words, ensure_ascii=False),
            "sizes": json.dumps(self.sizes),
            "options": json.dumps(self.options()),
            "embedding": self.embedding,
        }
