"""Training of the default grasp detector: its two networks learn together.

The dense network learns from random views; the second from rectangles about the labelled ones and
from what the dense network proposes at the moment, so that it learns to correct just that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console
from torch import Tensor

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.settings import Settings
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.grasping.models.cascade.detector import CascadeDetector
from cvdl.grasping.models.cascade.geometry import cut_patches, to_rectangles
from cvdl.grasping.models.cascade.network import STRIDE
from cvdl.grasping.models.cascade.targets import (
    dense_loss,
    dense_targets,
    jittered,
    proposed,
    second_loss,
)
from cvdl.grasping.rectangles import RIGHT_OVERLAP, GraspRectangles, best_overlap
from cvdl.networks.input import network_input
from cvdl.networks.working_size import to_working_size
from cvdl.training.augment import Augmentation, augmented_view
from cvdl.training.loop import TrainingSettings, fit
from cvdl.training.prefetch import Prefetched
from cvdl.training.trainer import Trainer

__all__ = ["CascadeTask", "CascadeTraining", "train_cascade", "trainer"]

_VIEW = 128  # pixels of half resolution, each side of a training view
_CELLS = 2 * _VIEW // STRIDE
_NOWHERE = (-1e4, -1e4, 0, 20, 20)  # a rectangle that pads


class CascadeTraining(Settings):
    """How the cascade is trained."""

    training: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(
            epochs=40,
            batch_size=16,
            learning_rate=2e-3,
            weight_decay=1e-3,
            warmup=2,
            clip=5,
            mixed_precision=True,
        ),
        description="Settings of the training loop.",
    )
    steps: int = Field(30, ge=1, description="Steps per epoch.")
    first_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Probability that a view is of the first camera's samples; the others share "
        "the rest. Samples of one data set have one camera.",
    )
    start: Path | None = Field(
        None, description="Weights of a trained cascade to start from; none: from scratch."
    )


class CascadeTask:
    """What ``fit`` trains: both networks, on random views; validated on whole images."""

    def __init__(
        self,
        model: CascadeDetector,
        train: Sequence[GraspSample],
        validation: Sequence[GraspSample],
        settings: CascadeTraining,
    ) -> None:
        self.model, self.settings = model, settings
        self._train, cameras = [], []
        for sample in train:
            if len(sample.good):
                self._train.append(_Prepared.of(sample))
                cameras.append(sample.frame.camera)
        self._validation = [_Prepared.of(sample) for sample in validation if len(sample.good)]
        self._chances = _chances(cameras, settings.first_share)

    def batches(self, epoch: int, generator: torch.Generator) -> Prefetched[tuple[Tensor, ...]]:
        """The epoch's batches; see ``Task``."""
        rng = np.random.default_rng(generator.initial_seed())
        shape = self.settings.steps, self.settings.training.batch_size
        picks = rng.choice(len(self._train), shape, p=self._chances)
        return Prefetched(
            lambda number: _batch([self._train[pick] for pick in picks[number]], rng), len(picks)
        )

    def loss(self, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        """Four losses and their weighted sum."""
        view, scores, wanted, weights, good, valid = batch
        logits, deltas = self.model.dense(view.contiguous(memory_format=torch.channels_last))
        focal, place = dense_loss(logits, deltas, scores, wanted, weights)
        with torch.no_grad():
            near = jittered(good, valid, 2.0 * _VIEW)
            rectangles = torch.cat([near, proposed(logits.float(), deltas.float())], dim=1)
            patches = cut_patches(view, rectangles)
        judged, mended = self.model.second(patches.flatten(0, 1))
        shape = rectangles.shape[:2]
        judged, mended = judged.float().reshape(shape), mended.float().reshape(*shape, 5)
        quality, mending = second_loss(rectangles, judged, mended, good, valid)
        return {
            "loss": focal + place + 2 * quality + mending,
            "dense_scores": focal,
            "dense_deltas": place,
            "second_scores": quality,
            "second_deltas": mending,
        }

    def validate(self) -> dict[str, float]:
        """Shares of the views whose best rectangle is right, and the mean overlap.

        The score counts a right rectangle, a well fitting one and the overlap alike: on few views
        a single threshold hardly moves.
        """
        if not self._validation:
            return {}
        overlaps = np.array([self._overlap(item) for item in self._validation])
        right, fitting = float((overlaps > RIGHT_OVERLAP).mean()), float((overlaps > 0.5).mean())
        mean = float(overlaps.mean())
        return {
            "score": (right + fitting + mean) / 3,
            "top1": right,
            "top1_at_0.50": fitting,
            "overlap": mean,
        }

    def _overlap(self, item: _Prepared) -> float:
        device = next(self.model.parameters()).device
        image = torch.from_numpy(item.image.astype(np.float32)[None]).to(device)
        rectangles, scores = self.model.search(image)
        best = scores.argmax()[None]
        return float(best_overlap(to_rectangles(rectangles[best], scores[best]), item.good)[0])


def train_cascade(
    train: Sequence[GraspSample],
    validation: Sequence[GraspSample],
    settings: CascadeTraining,
    out: Path,
    resume: bool = False,
    console: Console | None = None,
) -> CascadeDetector:
    """Trains the default detector.

    Args:
        train: labelled views, with depth or without; those without a good rectangle are left out.
        validation: the same; without any, the last epoch is kept.
        settings: see there; one seed gives one result on one machine.
        out: folder of the run, see ``fit``.
        resume: go on with an earlier run in ``out``.
        console: where progress is shown.

    Raises:
        InputError: if there is nothing to train on, or ``out`` or the start cannot be used.
    """
    torch.manual_seed(settings.training.seed)
    model = CascadeDetector.load(settings.start) if settings.start else CascadeDetector()
    task = CascadeTask(model, train, validation, settings)
    fit(task, settings.training, out, resume, console)
    return model.eval()


@dataclass(frozen=True)
class _Prepared:
    """A sample as the training keeps it."""

    image: NDArray[np.float16]  # (9, h, w), the networks' input
    good: GraspRectangles

    @classmethod
    def of(cls, sample: GraspSample) -> _Prepared:
        frame, factors = to_working_size(sample.frame)
        return cls(network_input(frame).astype(np.float16), sample.good.resized(factors))


def _chances(cameras: Sequence[Camera], first_share: float) -> NDArray[np.float64]:
    """Chance of each sample (N,): those of a camera share what their camera has."""
    if not cameras:
        raise InputError("no view to train on has a good rectangle")
    kinds = list(dict.fromkeys(cameras))
    others = (1 - first_share) / max(len(kinds) - 1, 1)
    shares = [first_share if len(kinds) > 1 else 1.0] + [others] * (len(kinds) - 1)
    kind = np.array([kinds.index(camera) for camera in cameras])
    chances = np.array(shares)[kind] / np.bincount(kind)[kind]
    return chances / chances.sum()


def _batch(items: Sequence[_Prepared], rng: np.random.Generator) -> tuple[Tensor, ...]:
    made = []
    for item in items:
        view, some = augmented_view(
            item.image.astype(np.float32), item.good, _VIEW, rng, Augmentation()
        )
        made.append((view, some, *dense_targets(some, _CELLS)))
    views, rectangles, *targets = zip(*made, strict=True)
    most = max(1, *map(len, rectangles))
    good = np.tile(np.array(_NOWHERE, np.float32), (len(made), most, 1))
    valid = np.zeros((len(made), most), bool)
    for row, some in enumerate(rectangles):
        good[row, : len(some)] = some
        valid[row, : len(some)] = True
    arrays = (np.stack(views), *map(np.stack, targets), good, valid)
    return tuple(torch.from_numpy(array) for array in arrays)


def trainer() -> Trainer:
    """What trains the model."""
    return Trainer(CascadeTraining, train_cascade)
