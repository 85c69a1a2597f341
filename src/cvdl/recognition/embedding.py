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

# The score of a pair of views is the cosine of their features, plus this times the Bhattacharyya
# coefficient of their colors, minus this times the difference of their sizes.
_COLORS, _SIZE = 0.5, 0.2
# A box is smaller where another object hides a part: this mean logarithm of ratios is usual.
_TOLERANCE = 0.25
_LEAST_SIZE = 0.005  # meters; depth noise makes up thinner extents
# Logistic function of the score. The middle is fitted on real views; the slope is flatter than what
# is fitted, so that similarities of very similar things still differ.
_MIDDLE, _SLOPE = 0.8, 6.0


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
        """Return how alike each view is to each of M others, (N, M), 0 to 1.

        At 0.5, the most alike of some twenty taught things is as likely the right one as not, for a
        thing that is as likely one of them as not.
        """
        features = self.features.astype(np.float64) @ others.features.T.astype(np.float64)
        colors = np.sqrt(self.colors.astype(np.float64)) @ np.sqrt(others.colors.T)
        score = features + _COLORS * colors - _SIZE * _size_difference(self.size, others.size)
        similarity: NDArray[np.float64] = 1 / (1 + np.exp(-_SLOPE * (score - _MIDDLE)))
        return similarity


def _size_difference(
    sizes: NDArray[np.float32], others: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The mean logarithm (N, M) of the ratios of extents beyond the tolerance; 0 if unknown."""
    one, other = (
        np.log(np.maximum(each, _LEAST_SIZE), dtype=np.float64) for each in (sizes, others)
    )
    difference = np.abs(one[:, None] - other[None]).mean(axis=2)
    return np.nan_to_num(np.clip(difference - _TOLERANCE, 0.0, 1.0), nan=0.0)


class Embedder(Protocol):
    """Computes embeddings.

    Attributes:
        name: of the kind of embedding; vectors of different kinds cannot be compared.
    """

    name: str

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Embeddings:
        """Return one view of each object of a scene, in their order."""
        ...
