"""Projections of features in which views of one thing are close, and those of others are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, dropout, linear, normalize

__all__ = ["Projection", "contrastive", "joined", "whitening"]

Floats = NDArray[np.float64]

_SHRINKAGE = 0.5  # of the mean variance of the kept components, added to each
_STEPS, _PAIRS, _RATE = 600, 256, 1e-3
_TEMPERATURE = 0.15
_DROPOUT = 0.4  # of the features: few objects teach many weights


class Projection(NamedTuple):
    """An affine map to D values.

    Attributes:
        weight: (D, C) float64.
        bias: (D,) float64.
    """

    weight: Floats
    bias: Floats

    def __call__(self, features: NDArray[np.floating]) -> Floats:
        """Project features (N, C) to (N, D)."""
        found: Floats = features @ self.weight.T + self.bias
        return found

    def scaled(self, features: NDArray[np.floating]) -> Projection:
        """The same map, such that these features (N, C) have vectors with a mean square of 1."""
        scale = np.sqrt((self(features) ** 2).sum(axis=1).mean())
        return Projection(self.weight / scale, self.bias / scale)


def whitening(features: NDArray[np.floating], count: int) -> Projection:
    """Uncorrelated values of nearly equal variance (Jegou & Chum 2012).

    What all things share then makes them no longer alike.

    Args:
        features: (N, C) of objects.
        count: number of values, the principal components.
    """
    values = features.astype(np.float64)
    variances, axes = np.linalg.eigh(np.cov(values.T))  # ascending
    variances, axes = variances[-count:], axes[:, -count:]
    weight = (axes / np.sqrt(variances + _SHRINKAGE * variances.mean())).T
    return Projection(weight, -weight @ values.mean(axis=0)).scaled(values)


def contrastive(
    features: NDArray[np.floating], objects: NDArray[np.int64], start: Projection, seed: int = 0
) -> Projection:
    """Learn a projection from pairs of views of one object each.

    Each view is to be closer to the other one of its object than to those of all others in a
    batch: InfoNCE (van den Oord et al. 2018, section 2.3) of cosines.

    Args:
        features: (N, C) of views.
        objects: (N,) the object in each view; those with one view are ignored.
        start: where the learning begins.
        seed: of what is drawn.
    """
    rng, device = np.random.default_rng(seed), torch.device("cpu")
    views = [np.flatnonzero(objects == each) for each in np.unique(objects)]
    views = [each for each in views if len(each) > 1]
    pool = torch.from_numpy(np.asarray(features, np.float32))
    weight, bias = (torch.from_numpy(each).float().requires_grad_() for each in start)
    optimizer = torch.optim.Adam([weight, bias], lr=_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(_STEPS):
            # The same object twice in a batch would be its own opposite.
            drawn = rng.permutation(len(views))[:_PAIRS]
            pairs = np.array([rng.choice(views[each], 2, replace=False) for each in drawn])
            one, other = (
                normalize(linear(dropout(pool[pairs[:, side]], _DROPOUT), weight, bias))
                for side in (0, 1)
            )
            loss = _info_nce(one @ other.T / _TEMPERATURE, torch.arange(len(pairs), device=device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    weight, bias = weight.detach(), bias.detach()
    return Projection(weight.double().numpy(), bias.double().numpy())


def joined(parts: Sequence[Projection], features: NDArray[np.floating], count: int) -> Projection:
    """One projection whose products of vectors are the means of those of several.

    Args:
        parts: the projections, which are scaled to equal sizes of their vectors.
        features: (N, C) of objects, of whose joined values the principal components are kept.
        count: number of values.
    """
    scaled = [part.scaled(features) for part in parts]
    both = Projection(
        np.concatenate([part.weight for part in scaled]) / np.sqrt(len(parts)),
        np.concatenate([part.bias for part in scaled]) / np.sqrt(len(parts)),
    )
    values = both(features.astype(np.float64))
    _, axes = np.linalg.eigh(values.T @ values)  # ascending
    kept = axes[:, -count:].T
    return Projection(kept @ both.weight, kept @ both.bias)


def _info_nce(logits: Tensor, right: Tensor) -> Tensor:
    """Both ways: each view finds the other one of its object."""
    return (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2
