"""Training of SegNet on views with masks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings, setting
from cvdl.datasets.dataset import tracked
from cvdl.datasets.detection_sample import DetectionData, check_classes
from cvdl.datasets.labeled_pixels import IGNORED
from cvdl.detection.models.segnet.detector import SegNetDetector
from cvdl.detection.models.segnet.views import (
    Batch,
    MaskedImage,
    class_weights,
    random_views,
    stacked,
)
from cvdl.evaluation.semantic import score_class_maps
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.task import Task
from cvdl.training.trainer import Trainer, train_task

__all__ = ["SegNetTask", "SegNetTraining", "trainer"]


class SegNetTraining(Settings):
    """Settings of the training of SegNet."""

    training: TrainingSettings = loop_settings(
        epochs=40, batch_size=8, learning_rate=2e-3, weight_decay=0.01, warmup=1
    )
    steps: int = setting(200, "Steps per epoch.", ge=1)


class SegNetTask(Task):
    """Trains the network on random views and validates on whole images."""

    model: SegNetDetector
    settings: SegNetTraining

    def build(self, train: DetectionData, console: Console | None) -> SegNetDetector:
        """A new detector; the samples need masks."""
        check_classes(train, self.validation)
        self.steps = self.settings.steps
        background = len(train.classes)
        views = tracked(train, "reading", console)
        self.samples = [MaskedImage.of(view, background) for view in views]
        self._weights = torch.from_numpy(class_weights(self.samples, background + 1))
        if not self._weights[:background].any():
            raise InputError("nothing to train on: no view has a labeled mask")
        return SegNetDetector(train.classes)

    def batch(self, samples: Sequence[MaskedImage], rng: np.random.Generator) -> Batch:
        """Images and the positions of the views in them."""
        return stacked(samples, rng)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Weighted cross entropy of the classes, and cross entropy of the objects' borders."""
        views, classes, borders = random_views(batch)
        logits, edge = self.model.logits(views)
        balance = self._weights.to(logits.device)
        weights = (classes != IGNORED) * balance[classes.clamp(max=len(balance) - 1)]
        kind = cross_entropy(logits, classes, reduction="none", ignore_index=IGNORED)
        meet = binary_cross_entropy_with_logits(edge, (borders == 1).float(), reduction="none")
        kind, meet = _mean(kind, weights), _mean(meet, (borders != IGNORED).float())
        return {"loss": kind + meet, "classes": kind, "edges": meet}

    def score(self) -> dict[str, float]:
        """Metrics of the classes' pixels on whole images; the score is the mean IoU."""
        model = self.model
        figures = score_class_maps(model.class_map, self.validation, model.classes).figures()
        return {"score": figures["mean_iou"], **figures}


def _mean(losses: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean; 0 if all weights are 0."""
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def trainer() -> Trainer:
    """How SegNet is trained."""
    return Trainer(SegNetTraining, partial(train_task, SegNetTask))
