"""Splits of the views for training, validation and test; the same for the same seed.

A view of an object that was seen in training from another side is easier than a view of a new
object. *Image-wise* parts may share objects, *object-wise* parts never do (Lenz, Lee & Saxena
2014, section VI).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from cvdl.core.errors import InputError

__all__ = ["By", "Split", "folds", "split"]

By = Literal["image", "object"]


@dataclass(frozen=True)
class Split:
    """Indices of the views of each part, (N,) int64, ascending."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split(
    object_ids: Sequence[str], validation: float, test: float = 0.0, by: By = "image", seed: int = 0
) -> Split:
    """Split the views at random.

    Args:
        object_ids: the object of each view.
        validation: share of the views outside of the test part; 0 for none.
        test: share of all views; 0 for none.
        by: whether parts may share objects (``image``) or not (``object``).
        seed: determines the split.

    Raises:
        InputError: if there are too few views or objects for the parts.
    """
    groups = _shuffled_groups(object_ids, by, seed)
    sizes = np.bincount(groups)
    wanted = 1 + (validation > 0) + (test > 0)
    if len(sizes) < wanted:
        raise InputError(f"{_have(object_ids, by)}; expected at least {wanted} to split them")
    remaining = list(range(len(sizes)))  # in random order
    chosen: dict[str, list[int]] = {}
    for part, share in (("test", test), ("validation", validation)):
        some: list[int] = []
        if share > 0:
            wanted -= 1
            views = int(sizes[remaining].sum())
            some = _fill(share * views, remaining[: len(remaining) - wanted], sizes)
        chosen[part] = some
        remaining = [group for group in remaining if group not in some]
    chosen["train"] = remaining
    return Split(**{part: np.flatnonzero(np.isin(groups, some)) for part, some in chosen.items()})


def _fill(wanted: float, groups: list[int], sizes: NDArray[np.int64]) -> list[int]:
    """At least one group, and further ones while they bring the number of views closer."""
    some: list[int] = []
    filled = 0
    for group in groups:
        if filled + sizes[group] / 2 <= wanted:
            some.append(group)
            filled += sizes[group]
    return some or [min(groups, key=lambda group: sizes[group])]


def folds(
    object_ids: Sequence[str], count: int, by: By = "image", validation: float = 0.0, seed: int = 0
) -> list[Split]:
    """Balanced folds for cross-validation: every view is in the test part of one split.

    Args:
        object_ids: the object of each view.
        count: number of folds, at least 2.
        by: whether the parts of a split may share objects (``image``) or not (``object``).
        validation: share of the views outside of the test part of a split.
        seed: determines the folds.

    Raises:
        InputError: if there are fewer views or objects than folds, or fewer than two folds.
    """
    groups = _shuffled_groups(object_ids, by, seed)
    if not 2 <= count <= len(np.unique(groups)):
        raise InputError(f"{count} folds of {_have(object_ids, by)}; expected 2 to that many")
    result = []
    for number, (rest, test) in enumerate(GroupKFold(count).split(groups, groups=groups)):
        inner = split([object_ids[i] for i in rest], validation, by=by, seed=seed + 1000 * number)
        result.append(Split(rest[inner.train], rest[inner.validation], test))
    return result


def _shuffled_groups(object_ids: Sequence[str], by: By, seed: int) -> NDArray[np.int64]:
    """The group of each view (N,), numbered in random order; groups stay together."""
    names = list(object_ids) if by == "object" else list(range(len(object_ids)))
    unique, groups = np.unique(names, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(unique))[groups]


def _have(object_ids: Sequence[str], by: By) -> str:
    if by == "image":
        return f"{len(object_ids)} views"
    return f"{len(set(object_ids))} objects"
