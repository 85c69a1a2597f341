"""Training of the default grasp detector: its two networks learn together.

The dense network learns from random views. The refining network learns from rectangles near the
labeled ones and from the current proposals of the dense network, whose errors it is to correct.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings, setting
from cvdl.datasets.dataset import Subset
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.grasping.models.cascade.detector import CascadeDetector
from cvdl.grasping.models.cascade.frames import STRIDE, to_rectangles
from cvdl.grasping.models.cascade.geometry import cut_patches
from cvdl.grasping.models.cascade.targets import (
    dense_loss,
    dense_targets,
    jittered,
    proposed,
    rectangles_in_view,
    second_loss,
)
from cvdl.grasping.rectangles import RIGHT_OVERLAP, GraspRectangles, best_overlap
from cvdl.networks.input import network_input
from cvdl.networks.working_size import to_working_size
from cvdl.training.augment import Augmentation, Placement, random_view
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.task import Task, padded
from cvdl.training.trainer import Trainer, train_task

__all__ = ["CascadeTask", "CascadeTraining", "trainer"]

_VIEW = 128  # pixels of half resolution, each side of a training view
_AUGMENTATION = Augmentation(turn=True)
_AT_A_GRASP = 0.85  # probability that a view is near a good grasp; the others are anywhere
_FROM_GRASP = 0.35  # largest distance from it in x and y, in sides of a view
_NOWHERE = (-1e4, -1e4, 0, 20, 20)  # a rectangle for padding


class CascadeTraining(Settings):
    """Settings of the training of the cascade."""

    training: TrainingSettings = loop_settings(
        epochs=40, batch_size=16, learning_rate=2e-3, weight_decay=1e-3, warmup=2
    )
    steps: int = setting(30, "Steps per epoch.", ge=1)
    first_share: float = setting(
        0.5,
        "Probability that a view is of the first data set; the others share the rest.",
        gt=0,
        le=1,
    )
    start: Path | None = setting(
        None, "Weights of a trained cascade to start from; none: from scratch."
    )


class _Batch(NamedTuple):
    image: Tensor  # (B, 9, H, W) float16, the networks' input
    where: Placement
    scores: Tensor  # see dense_targets
    deltas: Tensor
    weights: Tensor
    good: Tensor  # (B, N, 5) rectangles in the view
    valid: Tensor  # (B, N) bool, false for padding


class CascadeTask(Task):
    """Trains both networks on random views and validates on whole images.

    Samples without a good rectangle are skipped.
    """

    model: CascadeDetector
    settings: CascadeTraining

    def build(self, train: Sequence[GraspSample], console: Console | None) -> CascadeDetector:
        """A new detector, or the one to start from."""
        origins = train.origins if isinstance(train, Subset) else [0] * len(train)
        usable = [both for both in zip(origins, train, strict=True) if len(both[1].good)]
        origins = [origin for origin, _ in usable]
        self._probabilities = _probabilities(origins, self.settings.first_share)
        self.samples = [_Prepared.of(sample) for _, sample in usable]
        self.validation = [_Prepared.of(some) for some in self.validation if len(some.good)]
        start = self.settings.start
        return CascadeDetector.load(start) if start else CascadeDetector()

    def picks(self, rng: np.random.Generator) -> Sequence[NDArray[np.int64]]:
        """Random samples, weighted by data set; see ``CascadeTraining.first_share``."""
        shape = self.settings.steps, self.settings.training.batch_size
        return list(rng.choice(len(self.samples), shape, p=self._probabilities))

    def batch(self, samples: Sequence[_Prepared], rng: np.random.Generator) -> _Batch:
        """Images, the positions of the views in them, and the targets of the views."""
        middle = np.array([_middle(sample, rng) for sample in samples])
        where = Placement.random(middle, _AUGMENTATION, rng)
        good = padded([sample.rectangles() for sample in samples], _NOWHERE)
        inside = rectangles_in_view(good, where, _VIEW)
        targets = [dense_targets(some.numpy(), 2 * _VIEW // STRIDE) for some in inside]
        scores, deltas, weights = (padded(some) for some in zip(*targets, strict=True))
        return _Batch(
            padded([sample.image for sample in samples]),
            where,
            scores,
            deltas,
            weights,
            padded(inside, _NOWHERE),
            padded([np.ones(len(some), bool) for some in inside]),
        )

    def loss(self, batch: _Batch) -> dict[str, Tensor]:
        """Four losses and their weighted sum."""
        view = random_view(batch.image, batch.where, (_VIEW, _VIEW), _AUGMENTATION)
        logits, deltas = self.model.dense(view.contiguous(memory_format=torch.channels_last))
        focal, place = dense_loss(logits, deltas, batch.scores, batch.deltas, batch.weights)
        with torch.no_grad():
            near = jittered(batch.good, batch.valid, 2.0 * _VIEW)
            rectangles = torch.cat([near, proposed(logits.float(), deltas.float())], dim=1)
            patches = cut_patches(view, rectangles)
        scores, moves = self.model.second(patches.flatten(0, 1))
        shape = rectangles.shape[:2]
        scores, moves = scores.float().reshape(shape), moves.float().reshape(*shape, 5)
        quality, refined = second_loss(rectangles, scores, moves, batch.good, batch.valid)
        return {
            "loss": focal + place + 2 * quality + refined,
            "dense_scores": focal,
            "dense_deltas": place,
            "second_scores": quality,
            "second_deltas": refined,
        }

    def score(self) -> dict[str, float]:
        """Shares of the images whose best rectangle is right, and the mean overlap.

        The score weights right rectangles, well fitting ones and the overlap equally: on few
        images, the share at a single threshold hardly changes.
        """
        overlaps = np.array([self._overlap(sample) for sample in self.validation])
        right, fitting = float((overlaps > RIGHT_OVERLAP).mean()), float((overlaps > 0.5).mean())
        mean = float(overlaps.mean())
        return {
            "score": (right + fitting + mean) / 3,
            "top1": right,
            "top1_at_0.50": fitting,
            "overlap": mean,
        }

    def _overlap(self, sample: _Prepared) -> float:
        image = torch.from_numpy(sample.image.astype(np.float32)[None]).to(self.model.device)
        rectangles, scores = self.model.search(image)
        best = scores.argmax()[None]
        found = to_rectangles(rectangles[best].cpu().numpy(), scores[best].cpu().numpy())
        return float(best_overlap(found, sample.good)[0])


@dataclass(frozen=True)
class _Prepared:
    """A sample as it is kept in memory."""

    image: NDArray[np.float16]  # (9, h, w), the networks' input
    good: GraspRectangles

    @classmethod
    def of(cls, sample: GraspSample) -> _Prepared:
        frame, factors = to_working_size(sample.frame)
        return cls(network_input(frame).astype(np.float16), sample.good.resized(factors))

    def rectangles(self) -> NDArray[np.float32]:
        """(N, 5), as the networks use them."""
        good = self.good
        columns = [good.center, good.angle, good.opening, good.plate]
        return np.column_stack(columns).astype(np.float32)


def _middle(sample: _Prepared, rng: np.random.Generator) -> NDArray[np.float64]:
    """The point of the image (2,) in the middle of a view, see ``Placement``."""
    good = sample.good.center
    if rng.random() < _AT_A_GRASP:
        off = rng.uniform(-_FROM_GRASP, _FROM_GRASP, 2) * _VIEW
        return (good[rng.integers(len(good))] + 0.5) / 2 + off
    return rng.uniform(0, sample.image.shape[:0:-1])


def _probabilities(origins: Sequence[int], first_share: float) -> NDArray[np.float64]:
    """The probability of each sample (N,), by the data set it is from; see ``first_share``."""
    if not len(origins):
        raise InputError("no view to train on has a good rectangle")
    _, kind, count = np.unique(origins, return_inverse=True, return_counts=True)
    others = (1 - first_share) / max(len(count) - 1, 1)
    shares = np.full(len(count), others)
    shares[0] = first_share if len(count) > 1 else 1.0
    probabilities = (shares / count)[kind]
    return np.asarray(probabilities / probabilities.sum())


def trainer() -> Trainer:
    """How the cascade is trained."""
    return Trainer(CascadeTraining, partial(train_task, CascadeTask))
