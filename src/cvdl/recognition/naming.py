"""Names objects by their similarity to taught views.

An object gets a name if it is similar enough to one of the name's views, and clearly more similar
than to the views of every other name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import Hypothesis
from cvdl.recognition.embedding import Embeddings

__all__ = ["Decision", "Limits", "Namer"]

_USUAL = 0.1  # quantile of the similarities of held-out views that counts as the least usual one
_TRUST = 0.5  # in it, against the given limit: views of one occasion say little about the next
#: Of the least similarity for a name: below this, an object is no near miss.
_NEARLY = 0.5
_UNLIKE = "unlike all taught things"


@dataclass(frozen=True)
class Limits:
    """How similar an object must be to get a name.

    Attributes:
        score: least similarity, where a name's own views do not say otherwise.
        lead: least difference to the next name.
    """

    score: float = 0.5
    lead: float = 0.05


class Decision(NamedTuple):
    """The name of an object, or why it has none."""

    name: Hypothesis | None
    reason: str = ""


class Namer:
    """Names objects.

    The least similarity for each name follows from its views. Each view in turn is held out, and
    compared with the others: a name whose views are all alike is given to similar objects only, and
    one whose views differ also to others. The limit is in the middle between the given one and the
    similarity that hardly a held-out view goes below. With one view it is the given one.

    Args:
        views: those of each name, at least one each.
        limits: what holds where there is one view only.

    Attributes:
        names: all names.
        least: least similarity for each name, (K,).
    """

    def __init__(self, views: Mapping[str, Embeddings], limits: Limits | None = None) -> None:
        self.names = tuple(views)
        self._limits = limits or Limits()
        self._views = Embeddings.joined(list(views.values())) if views else None
        counts = [len(each) for each in views.values()]
        self._starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
        self.least = self._calibrated()

    def __call__(self, objects: Embeddings, unique: bool = False) -> list[Decision]:
        """Return what is decided about each of N objects; the similarity is the name's score.

        Args:
            objects: one view of each object.
            unique: whether no two objects have the same name. The most similar pair of object and
                name is decided first, and names that are given away lead no more.
        """
        decided = [Decision(None, _UNLIKE)] * len(objects)
        if self._views is None or not decided:
            return decided
        scores = self.scores(objects)
        rest = scores.copy()  # without decided pairs
        for _ in range(len(objects)):
            row, column = np.unravel_index(int(rest.argmax()), rest.shape)
            score = scores[row, column]
            other = np.delete(rest[row], column).max(initial=-np.inf)
            if not np.isfinite(rest[row, column]):
                break
            is_clear = score - max(other, 0.0) >= self._limits.lead
            least, name = self.least[column], self.names[column]
            if score < _NEARLY * least:
                decided[row] = Decision(None, _UNLIKE)
            elif score < least or not (is_clear or np.isfinite(other)):
                decided[row] = Decision(None, f"not enough like {name}")
            elif not is_clear:
                rest[row, column] = -np.inf
                both = sorted((name, self.names[int(rest[row].argmax())]))
                decided[row] = Decision(None, f"like {both[0]} and like {both[1]}")
            else:
                decided[row] = Decision(Hypothesis(name, float(score)))
                if unique:
                    rest[:, column] = -np.inf
            rest[row] = -np.inf
        return decided

    def scores(self, objects: Embeddings) -> NDArray[np.float64]:
        """Return the similarity of N objects to the most similar view of each name, (N, K)."""
        assert self._views is not None
        return np.maximum.reduceat(objects.similarity(self._views), self._starts, axis=1)

    def _calibrated(self) -> NDArray[np.float64]:
        least = np.full(len(self.names), self._limits.score)
        if self._views is None:
            return least
        ends = [*self._starts[1:], len(self._views)]
        for name, (start, end) in enumerate(zip(self._starts, ends, strict=True)):
            if end - start > 1:
                own = self._views[start:end]
                similarity = own.similarity(own)
                np.fill_diagonal(similarity, -np.inf)  # held out
                usual = np.quantile(similarity.max(axis=1), _USUAL)
                least[name] += _TRUST * (usual - least[name])
        return least
