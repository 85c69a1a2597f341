"""Training of both styles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import model_validator
from rich.console import Console
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings, setting
from cvdl.datasets.dataset import tracked
from cvdl.datasets.detection_sample import DetectionData, DetectionSample, check_boxes
from cvdl.detection.models.yolo.assignment import modern_loss
from cvdl.detection.models.yolo.detector import Yolo, packaged_backbone
from cvdl.detection.models.yolo.frames import MODERN, PUBLISHED
from cvdl.detection.models.yolo.kept_features import FeatureBatch, KeptViews
from cvdl.detection.models.yolo.modern import ModernHead
from cvdl.detection.models.yolo.published import CELL, PublishedNetwork
from cvdl.detection.models.yolo.published_loss import published_loss
from cvdl.detection.models.yolo.published_views import Batch, published_views
from cvdl.evaluation.detection import report_on
from cvdl.networks.backbone import load_backbone
from cvdl.networks.device import pick_device
from cvdl.training.checkpoint import Run
from cvdl.training.colors import color_statistics
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.task import Task
from cvdl.training.trainer import Trainer, train_task

__all__ = ["ModernTask", "PublishedTask", "YoloTraining", "trainer"]

#: The training of the paper (section 2.2): 135 epochs, the learning rate rising from 0.001 to 0.01
#: in the first ones, then falling to a tenth twice.
_PAPER = TrainingSettings(
    epochs=135,
    batch_size=64,
    optimizer="sgd",
    learning_rate=1e-2,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="step",
    warmup=3,
    clip=10,
    mixed_precision=True,
)
_DECAY = 0.998  # of the moving average of the weights, per step


class YoloTraining(Settings):
    """Settings of the training of both styles."""

    style: Literal["modern", "published"] = setting(
        MODERN,
        "modern: no anchors, on the features of a backbone, of color and depth; published: the "
        "grid of Redmon et al. 2016, on color, with their optimizer, schedule and number of epochs "
        "as the defaults of `training`.",
    )
    training: TrainingSettings = loop_settings(
        epochs=20, batch_size=16, learning_rate=2e-3, weight_decay=0.02, warmup=0.5, clip=10
    )
    start: Path | None = setting(
        None, "Weights of a trained yolo of this style to start from; none: from scratch."
    )
    backbone: Path | None = setting(
        None,
        "modern: weights of the segmentation (instances.safetensors) or of an rgbd_rcnn, whose "
        "backbone is used as it is. None: that of the segmentation in the package, whose features "
        "the pipeline computes anyway.",
    )
    views: int = setting(
        2,
        "modern: random views of each sample whose features are computed before the training, and "
        "kept in memory (0.9 MB each).",
        ge=1,
    )
    image_size: int = setting(
        448,
        "published: side of the square that images are stretched to; a cell has 64 pixels.",
        ge=2 * CELL,
        le=16 * CELL,
        multiple_of=CELL,
    )
    boxes: int = setting(2, "published: boxes that each cell predicts.", ge=1, le=9)
    dropout: float = setting(
        0.5, "published: share of the hidden units that a step does without.", ge=0, lt=1
    )
    jitter: float = setting(
        0.2,
        "published: how far the edges of a view are from those of its image, in sides of it.",
        ge=0,
        le=0.4,
    )

    @model_validator(mode="before")
    @classmethod
    def _of_style(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("style") == PUBLISHED:
            return {"training": _PAPER, **values}
        return values


class PublishedTask(Task):
    """Trains the network of the paper on its augmented views and validates on whole images."""

    model: Yolo
    settings: YoloTraining

    def build(self, train: DetectionData, console: Console | None) -> Yolo:
        """A new detector, which normalizes by the colors of the training views."""
        check_boxes(train, self.validation)
        mean, deviation = color_statistics(train)
        self._fill = mean.round().astype(np.uint8)
        settings = self.settings
        network = PublishedNetwork(
            len(train.classes),
            settings.image_size,
            settings.boxes,
            mean.tolist(),
            deviation.tolist(),
            settings.dropout,
        )
        return _started(settings, Yolo(train.classes, network))

    def batch(self, samples: Sequence[DetectionSample], rng: np.random.Generator) -> Batch:
        """Augmented views."""
        assert isinstance(self.model.network, PublishedNetwork)
        size = self.model.network.size  # that of the weights to start from, if there are any
        return published_views(samples, size, self._fill, self.settings.jitter, rng)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The five parts of the loss and their sum."""
        outputs = self.model.network(batch.color)
        parts = published_loss(outputs, batch.boxes, batch.labels, len(self.model.classes))
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def score(self) -> dict[str, float]:
        """Average precision on whole images; the score is AP50."""
        report = report_on(self.model, self.validation)
        return {"score": report.ap50, "ap": report.ap}


class _Averaged(nn.Module):
    """A head that learns, and the moving average of its weights, which is used.

    The average of a short training follows more quickly.
    """

    def __init__(self, head: ModernHead) -> None:
        super().__init__()
        self.head = head
        self.average = AveragedModel(head, multi_avg_fn=_moved, use_buffers=True)


@torch.no_grad()
def _moved(averages: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor | int) -> None:
    decay = min(_DECAY, (1 + float(count)) / (10 + float(count)))
    for average, weight in zip(averages, weights, strict=True):
        if average.is_floating_point():
            average.lerp_(weight, 1 - decay)
        else:
            average.copy_(weight)


class ModernTask(Task):
    """Trains a head on kept features and validates on whole images."""

    model: _Averaged
    settings: YoloTraining

    def build(self, train: DetectionData, console: Console | None) -> nn.Module:
        """A new head, or the one to start from, and the features of all views."""
        check_boxes(train, self.validation)
        settings = self.settings
        device = pick_device(settings.training.device)
        own = None
        if settings.backbone:
            own = load_backbone(settings.backbone).requires_grad_(False).eval()
            own = own.to(device).to(memory_format=torch.channels_last)
        self.detector = _started(settings, Yolo(train.classes, ModernHead(len(train.classes)), own))
        backbone = own or packaged_backbone(device)
        self.samples = KeptViews(
            tracked(train, "computing features", console),
            settings.views,
            backbone,
            settings.training.seed,
        )
        assert isinstance(self.detector.network, ModernHead)
        return _Averaged(self.detector.network)

    def batch(self, samples: Sequence[Any], rng: np.random.Generator) -> FeatureBatch:
        """Features of views, and their objects."""
        return FeatureBatch.of(samples)

    def loss(self, batch: FeatureBatch) -> dict[str, Tensor]:
        """Three losses and their sum."""
        # With the weights of the step before: so the average is part of every checkpoint.
        self.model.average.update_parameters(self.model.head)
        cells = self.model.head(*self.samples.features(batch))
        parts = modern_loss(cells, batch.boxes, batch.labels)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def score(self) -> dict[str, float]:
        """Average precision on whole images; the score is AP50:95."""
        report = report_on(self.trained(), self.validation)
        return {"score": report.ap, "ap50": report.ap50}

    def trained(self) -> Yolo:
        """The detector with the average of the weights."""
        average = self.model.average.module
        assert isinstance(average, ModernHead)
        self.detector.network = average
        return self.detector.eval()


def _started(settings: YoloTraining, model: Yolo) -> Yolo:
    """A detector with the weights to start from, if there are any."""
    start = settings.start
    if start is None:
        return model
    other = Yolo.load(start, torch.device("cpu"))
    if other.style != settings.style or other.classes != model.classes:
        raise InputError(
            f"{start}: is {other.style} and knows the classes {', '.join(other.classes)}; the "
            f"training is {settings.style} and has {', '.join(model.classes)}"
        )
    model.network = other.network
    return model


def trainer() -> Trainer:
    """How both styles are trained."""

    def train(train: Any, validation: Any, settings: YoloTraining, run: Run) -> Yolo:
        task = PublishedTask if settings.style == PUBLISHED else ModernTask
        trained: Yolo = train_task(task, train, validation, settings, run)
        return trained

    return Trainer(YoloTraining, train)
