"""What views of objects look like, in numbers that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene

__all__ = ["Embedder", "Embeddings"]


@dataclass(frozen=True)
class Embeddings:
    """N views of objects.

    Attributes:
        features: (N, D) float32, rows of unit length: what a network sees.
        colors: (N, C) float32, rows with the sum 1: a histogram of the colors.
        size: (N, 3) float32, extents of the 3-D box, descending, meters; NaN without depth.
    """

    features: NDArray[np.float32]
    colors: NDArray[np.float32]
    size: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: NDArray[Any] | slice) -> Embeddings:
        """Select views by a slice, indices or a mask."""
        return Embeddings(*(getattr(self, each.name)[index] for each in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Embeddings]) -> Embeddings:
        """Join at least one."""
        columns = ([getattr(part, each.name) for part in parts] for each in fields(cls))
        return cls(*(np.concatenate(each) for each in columns))

    def similarity(self, others: Embeddings) -> NDArray[np.float64]:
        """Return how alike each view is to each of M others, (N, M), 0 to 1."""
        cosine = self.features.astype(np.float64) @ others.features.T.astype(np.float64)
        return np.clip(cosine, 0.0, 1.0)


class Embedder(Protocol):
    """Computes embeddings.

    Attributes:
        name: of the kind of embedding; vectors of different kinds cannot be compared.
    """

    name: str

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Embeddings:
        """Return one view of each object of a scene, in their order."""
        ...
