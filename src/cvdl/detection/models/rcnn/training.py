"""Training of R-CNN's network: the classes of crops and the correction of their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import starmap

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from cvdl.core.errors import InputError
from cvdl.core.settings import setting
from cvdl.datasets.dataset import tracked
from cvdl.datasets.detection_sample import DetectionData, DetectionSample, check_boxes
from cvdl.detection.models.rcnn.detector import Rcnn, rcnn_network
from cvdl.detection.models.rcnn.samples import LabeledCrops, joined, labeled_crops, sample_boxes
from cvdl.evaluation.classification import ClassificationScores
from cvdl.evaluation.shared_classes import SharedClasses
from cvdl.networks.box_tensors import paired_iou
from cvdl.networks.classifiers import RANDOM, BackboneSettings, Classifier, smallest_input
from cvdl.networks.crops import refined_boxes
from cvdl.training.colors import color_statistics
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.task import Task
from cvdl.training.trainer import Trainer, train_task

__all__ = ["ClassifierTask", "ClassifierTraining", "score_classifier", "trainer"]


class ClassifierTraining(BackboneSettings):
    """Settings of the training of a classifier of crops."""

    training: TrainingSettings = loop_settings(
        epochs=20, batch_size=4, learning_rate=1e-3, weight_decay=1e-2, warmup=0.5
    )
    crop: int = setting(64, "Side of the crops, pixels.", ge=64, le=512)
    crops_per_view: int = setting(
        16,
        "Crops of a view, the loop's sample, per step; half of them show an object, if "
        "there is one.",
        ge=2,
    )
    dropout: float = setting(
        0.5, "Dropout in the head of all networks but ResNet and DenseNet.", ge=0, lt=1
    )


class ClassifierTask(Task):
    """Trains one network that predicts class and box of crops.

    The views are read again in every epoch; the crops of the validation are cut once.
    """

    model: Classifier
    settings: ClassifierTraining

    def build(self, train: DetectionData, console: Console | None) -> Classifier:
        """A pre-trained network, or a new one that normalizes by the colors of the views."""
        settings, self._classes = self.settings, tuple(train.classes)
        smallest = smallest_input(settings.backbone)
        if settings.crop < smallest:
            raise InputError(f"crop is {settings.crop}; {settings.backbone} accepts {smallest} up")
        check_boxes(train, self.validation)
        model = rcnn_network(
            settings.backbone, len(train.classes), settings.weights, settings.frozen_stages
        )
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = settings.dropout
        if settings.weights == RANDOM:
            colors = (torch.from_numpy(some / 255).float() for some in color_statistics(train))
            model.mean, model.deviation = colors
        self._outside = model.mean.clone()  # stays on the CPU, where batches are made
        rng = np.random.default_rng(0)
        self.validation = [
            made._replace(crops=(255 * made.crops).round().byte())  # a quarter of the memory
            for view in self.validation
            if len((made := self._crops(view, rng)).labels)
        ]
        return model

    def batch(
        self, samples: Sequence[DetectionSample], rng: np.random.Generator
    ) -> LabeledCrops | None:
        """Crops of views, with random colors and half of them mirrored."""
        made = joined(self._crops(view, rng, rng) for view in samples)
        return made if len(made.labels) else None  # none beside crowds

    def _crops(
        self,
        view: DetectionSample,
        rng: np.random.Generator,
        augmented: np.random.Generator | None = None,
    ) -> LabeledCrops:
        boxes = sample_boxes(view, len(self._classes), self.settings.crops_per_view, rng)
        return labeled_crops(view, boxes, self.settings.crop, self._outside, augmented)

    def loss(self, batch: LabeledCrops) -> dict[str, Tensor]:
        """Losses of the class and of the box (Fast R-CNN, section 2.3), and their sum."""
        crops, labels, deltas = batch
        outputs = self.model(crops.contiguous(memory_format=torch.channels_last)).float()
        logits, moves = outputs[:, :-4], outputs[:, -4:]
        objects = labels < len(self._classes)
        kind = cross_entropy(logits, labels)
        # Over the number of all crops, as in the paper: few objects in a batch have little weight.
        box = smooth_l1_loss(moves[objects], deltas[objects], reduction="sum") / len(labels)
        return {"loss": kind + box, "class": kind, "box": box}

    def score(self) -> dict[str, float]:
        """Shares of the crops that are recognized: of all (the score), of objects, of background.

        ``overlap`` is the mean intersection over union of the corrected boxes of objects with the
        labeled ones.
        """
        crops, labels, deltas = joined(self.validation)
        device = self.model.mean.device
        parts = [self.model(some.to(device).float() / 255).cpu() for some in crops.split(256)]
        outputs = torch.cat(parts)
        right = (outputs[:, :-4].argmax(1) == labels).double()
        objects = labels < len(self._classes)
        return {
            "score": float(right.mean()),
            "things": float(right[objects].mean()),
            "nothing": float(right[~objects].mean()),
            "overlap": float(_overlap(outputs[objects, -4:], deltas[objects])),
        }

    def trained(self) -> Rcnn:
        """The detector that uses the network."""
        return Rcnn(self.model, self._classes, self.settings.crop)


def score_classifier(
    detector: Rcnn, data: DetectionData, console: Console | None = None
) -> ClassificationScores:
    """Classify the labeled boxes of some views, and as many boxes of the background.

    Args:
        detector: knows at least one class of the data, by name; boxes of others are left out.
        data: labeled views.
        console: where progress is shown.

    Returns:
        Scores in the classes of the detector.

    Raises:
        InputError: if the two have no class in common.
    """
    shared = SharedClasses.between(detector.classes, data.classes)

    def of_view(place: int, sample: DetectionSample) -> ClassificationScores:
        nothing = len(data.classes)
        count = max(2, 2 * int((~sample.crowd).sum()))
        drawn = sample_boxes(sample, nothing, count, np.random.default_rng(place))
        empty = drawn.boxes[drawn.labels == nothing][: count // 2]
        known = shared.as_detector(sample)
        single = ~known.crowd
        background = np.full(len(empty), len(detector.classes), np.int64)
        boxes = np.concatenate([known.boxes[single], empty])
        truth = np.concatenate([known.labels[single], background])
        probabilities, _ = detector.classify(sample.frame, boxes)
        names = np.full(len(boxes), sample.name)
        return ClassificationScores(detector.classes, names, boxes, truth, probabilities)

    views = tracked(data, "recognizing", console)
    return ClassificationScores.of(detector.classes, starmap(of_view, enumerate(views)))


def _overlap(moves: Tensor, deltas: Tensor) -> Tensor:
    """Mean intersection over union of boxes moved by predicted and wanted deltas; NaN of none."""
    box = torch.tensor([[450.0, 450, 550, 550]]).expand(len(deltas), 4)
    predicted, wanted = (refined_boxes(box, some, (1000, 1000)) for some in (moves, deltas))
    return paired_iou(predicted, wanted).mean()


def trainer() -> Trainer:
    """How R-CNN's network is trained."""
    return Trainer(ClassifierTraining, partial(train_task, ClassifierTask))
