"""Training of R-CNN's classifier: what crops show, and how their boxes must move."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import Field
from torch import Tensor, nn

from cvdl.core.settings import Settings
from cvdl.datasets.dataset import tracked
from cvdl.datasets.detection_sample import (
    DetectionData,
    DetectionSample,
    check_boxes,
    check_classes,
)
from cvdl.detection.models.rcnn.backbones import Backbone, Classifier
from cvdl.detection.models.rcnn.detector import Rcnn, rcnn_network
from cvdl.detection.models.rcnn.samples import labelled_crops, sample_boxes
from cvdl.evaluation.classification import ClassificationScores
from cvdl.networks.box_tensors import paired_iou
from cvdl.networks.crops import refined_boxes
from cvdl.training.colors import color_statistics
from cvdl.training.loop import TrainingSettings, fit
from cvdl.training.prefetch import Prefetched

if TYPE_CHECKING:
    from rich.console import Console

from cvdl.training.trainer import Trainer

__all__ = [
    "ClassifierTask",
    "ClassifierTraining",
    "score_classifier",
    "train_classifier",
    "trainer",
]


class ClassifierTraining(Settings):
    """How a classifier of crops is trained."""

    training: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(
            epochs=20,
            batch_size=4,
            learning_rate=1e-3,
            weight_decay=1e-2,
            warmup=0.5,
            clip=5,
            mixed_precision=True,
        ),
        description="Settings of the training loop; a sample is a view.",
    )
    backbone: Backbone = Field("resnet18", description="Network to train.")
    weights: str = Field(
        "",
        description="Weights to start from, except for the last layer: the name of "
        "torchvision's, such as IMAGENET1K_V1, or a file of an earlier run; empty: "
        "random weights.",
    )
    frozen_stages: int = Field(
        0, ge=0, le=5, description="Number of first stages that are not trained."
    )
    crop: int = Field(64, ge=64, le=512, description="Side of the crops, pixels.")
    crops_per_view: int = Field(
        16,
        ge=2,
        description="Crops of a view per step; half of them show an object, if there is one.",
    )
    dropout: float = Field(
        0.5, ge=0, lt=1, description="Dropout in the head of AlexNet, VGG and MobileNetV3."
    )


class ClassifierTask:
    """What ``fit`` trains: one network that tells class and box of crops.

    Args:
        model: of ``rcnn_network``, its normalisation set.
        train: labelled views, read anew in every epoch.
        validation: the same; their crops are cut once.
        settings: see there.
    """

    def __init__(
        self,
        model: Classifier,
        train: DetectionData,
        validation: DetectionData,
        settings: ClassifierTraining,
    ) -> None:
        self.model = model
        self._train, self._settings = train, settings
        self._classes = len(train.classes)
        self._outside = model.mean.clone()  # a batch is made beside the device's work
        self._validation = self._cut_once(validation)

    def batches(
        self, epoch: int, generator: torch.Generator
    ) -> Prefetched[tuple[Tensor, ...] | None]:
        """Every view once, in random order; see ``Task``."""
        rng = np.random.default_rng(generator.initial_seed())
        order = rng.permutation(len(self._train))
        size = self._settings.training.batch_size
        steps = -(-len(order) // size)

        def make(number: int) -> tuple[Tensor, ...] | None:
            parts = []
            for index in order[number * size : (number + 1) * size]:
                sample = self._train[int(index)]
                boxes = sample_boxes(sample, self._classes, self._settings.crops_per_view, rng)
                made = labelled_crops(sample, boxes, self._settings.crop, self._outside, rng)
                parts.append((made.crops, made.labels, made.deltas))
            if not any(len(labels) for _, labels, _ in parts):  # crowds all over
                return None
            return tuple(torch.cat(some) for some in zip(*parts, strict=True))

        return Prefetched(make, steps)

    def loss(self, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        """That of the class, that of the box (Fast R-CNN, section 2.3) and their sum."""
        crops, labels, deltas = batch
        outputs = self.model(crops.contiguous(memory_format=torch.channels_last)).float()
        logits, moves = outputs[:, :-4], outputs[:, -4:]
        things = labels < self._classes
        kind = F.cross_entropy(logits, labels)
        # By the number of all crops, as in the paper: few things in a batch weigh little.
        box = F.smooth_l1_loss(moves[things], deltas[things], reduction="sum") / len(labels)
        return {"loss": kind + box, "class": kind, "box": box}

    def validate(self) -> dict[str, float]:
        """Shares of crops that are recognised: of all (the score), of things, of nothing.

        And ``overlap``: the mean intersection over union of the moved boxes of things with the
        labelled ones.
        """
        if self._validation is None:
            return {}
        crops, labels, deltas = self._validation
        device = self.model.mean.device
        parts = [self.model(some.to(device).float() / 255).cpu() for some in crops.split(256)]
        outputs = torch.cat(parts)
        right = (outputs[:, :-4].argmax(1) == labels).double()
        things = labels < self._classes
        figures = {"score": right.mean(), "things": right[things].mean()}
        figures |= {"nothing": right[~things].mean()}
        figures |= {"overlap": _overlap(outputs[things, -4:], deltas[things])}
        return {name: float(value) for name, value in figures.items() if not value.isnan()}

    def _cut_once(self, data: DetectionData) -> tuple[Tensor, Tensor, Tensor] | None:
        """Crops (N, 3, side, side) uint8, labels (N,) and deltas (N, 4) of all views."""
        rng = np.random.default_rng(0)
        parts = []
        for sample in data:
            boxes = sample_boxes(sample, self._classes, self._settings.crops_per_view, rng)
            made = labelled_crops(sample, boxes, self._settings.crop, self._outside)
            parts.append(((255 * made.crops).round().byte(), made.labels, made.deltas))
        if not sum(len(labels) for _, labels, _ in parts):
            return None
        crops, labels, deltas = (torch.cat(some) for some in zip(*parts, strict=True))
        return crops, labels, deltas


def train_classifier(
    train: DetectionData,
    validation: DetectionData,
    settings: ClassifierTraining,
    out: Path,
    resume: bool = False,
    console: Console | None = None,
) -> Rcnn:
    """Trains the network of R-CNN.

    Args:
        train: labelled views; each is read anew in every epoch.
        validation: the same, of the same classes; without any, the last epoch is kept.
        settings: see there; one seed gives one result on one machine.
        out: folder of the run, see ``fit``.
        resume: go on with an earlier run in ``out``.
        console: where progress is shown.

    Raises:
        InputError: if there is nothing to train on, or ``out`` or the weights to start from
            cannot be used.
    """
    check_boxes(train)
    check_classes(train, validation)
    torch.manual_seed(settings.training.seed)
    model = rcnn_network(
        settings.backbone, len(train.classes), settings.weights, settings.frozen_stages
    )
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = settings.dropout
    mean, deviation = color_statistics(train)
    model.mean = torch.from_numpy(mean / 255).float()
    model.deviation = torch.from_numpy(deviation / 255).float()
    task = ClassifierTask(model, train, validation, settings)
    fit(task, settings.training, out, resume, console)
    return Rcnn(model, train.classes, settings.crop)


def score_classifier(
    detector: Rcnn, data: DetectionData, console: Console | None = None
) -> ClassificationScores:
    """What the classifier says of the labelled boxes of some views, and of as many of nothing.

    Args:
        detector: has the data's classes.
        data: labelled views.
        console: where progress is shown.
    """

    def of_view(place: int, sample: DetectionSample) -> ClassificationScores:
        nothing = len(data.classes)
        things = ~sample.crowd
        count = max(2, 2 * int(things.sum()))
        drawn = sample_boxes(sample, nothing, count, np.random.default_rng(place))
        empty = drawn.boxes[drawn.labels == nothing][: count // 2]
        boxes = np.concatenate([sample.boxes[things], empty])
        truth = np.concatenate([sample.labels[things], np.full(len(empty), nothing, np.int64)])
        probabilities, _ = detector.classify(sample.frame, boxes)
        names = np.full(len(boxes), sample.name)
        return ClassificationScores(data.classes, names, boxes, truth, probabilities)

    views = tracked(data, "recognising", console)
    return ClassificationScores.of(data.classes, starmap(of_view, enumerate(views)))


def _overlap(moves: Tensor, deltas: Tensor) -> Tensor:
    """Mean intersection over union of a box moved as told and as wanted; NaN of no box."""
    middle = torch.tensor([[450.0, 450, 550, 550]]).expand(len(deltas), 4)
    told, wanted = (refined_boxes(middle, some, (1000, 1000)) for some in (moves, deltas))
    return paired_iou(told, wanted).mean()


def trainer() -> Trainer:
    """What trains the model."""
    return Trainer(ClassifierTraining, train_classifier)
