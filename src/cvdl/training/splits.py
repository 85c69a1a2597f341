"""Which views train, validate and test; the same for the same seed.

A view of an object that was seen in training from another side is easier than one of a new
object. So *image-wise* parts share objects and *object-wise* parts never do (Lenz, Lee & Saxena
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
    """Take out views to validate and to test on.

    Args:
        object_ids: of every view.
        validation: share of the views that are not tested on, to validate on; 0 for none.
        test: share of the views to test on; 0 for none.
        by: whether parts may share objects (``image``) or not (``object``).
        seed: another seed, another split.

    Raises:
        InputError: if there are too few views or objects for that many parts.
    """
    groups = _shuffled_groups(object_ids, by, seed)
    sizes = np.bincount(groups)
    wanted = 1 + (validation > 0) + (test > 0)
    if len(sizes) < wanted:
        raise InputError(f"{_have(object_ids, by)}; expected at least {wanted} to split them")
    remaining = list(range(len(sizes)))  # their order is random
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
    """At least one of the groups, and each next one that brings the number of views nearer."""
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
    """Cross-validation: every view is tested on in one of the splits; the folds are balanced.

    Args:
        object_ids: of every view.
        count: of folds, at least 2.
        by: whether the parts of a split may share objects (``image``) or not (``object``).
        validation: share of the views of a split that are not tested on, to validate on.
        seed: another seed, other folds.

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
    """(N,) number of each view's group, in random order: views that must stay together."""
    names = list(object_ids) if by == "object" else list(range(len(object_ids)))
    unique, groups = np.unique(names, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(unique))[groups]


def _have(object_ids: Sequence[str], by: By) -> str:
    if by == "image":
        return f"{len(object_ids)} views"
    return f"{len(set(object_ids))} objects"
