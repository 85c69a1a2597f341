"""Training of the default detector: its two networks learn together, on random views."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings, setting
from cvdl.datasets.dataset import tracked
from cvdl.datasets.detection_sample import DetectionData, check_boxes
from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.detection.models.rgbd_rcnn.network import decode_cells
from cvdl.detection.models.rgbd_rcnn.targets import proposal_loss, region_loss, regions
from cvdl.evaluation.detection import report_on
from cvdl.networks.backbone import load_backbone
from cvdl.training.box_views import Batch, LabeledImage, random_views, stacked
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.task import Task
from cvdl.training.trainer import Trainer, train_task

__all__ = ["RgbdTask", "RgbdTraining", "trainer"]

_PROPOSALS = 96  # per view, from which the regions to learn from are chosen


class RgbdTraining(Settings):
    """Settings of the training of the default detector."""

    training: TrainingSettings = loop_settings(
        epochs=40, batch_size=16, learning_rate=1.5e-3, weight_decay=0.02, warmup=1, clip=10
    )
    steps: int = setting(100, "Steps per epoch.", ge=1)
    start: Path | None = setting(
        None, "Weights of a trained rgbd_rcnn to start from; none: from scratch."
    )
    backbone: Path | None = setting(
        None,
        "Weights of the segmentation (instances.safetensors) or of a trained rgbd_rcnn, whose "
        "backbone is used as it is: both networks then share its features. None: it is trained.",
    )


class RgbdTask(Task):
    """Trains both networks on random views and validates on whole images."""

    model: RgbdRcnn
    settings: RgbdTraining

    def build(self, train: DetectionData, console: Console | None) -> RgbdRcnn:
        """A new detector, or the one to start from if it has the same classes."""
        check_boxes(train, self.validation)
        self.steps, start = self.settings.steps, self.settings.start
        model = RgbdRcnn.load(start, torch.device("cpu")) if start else RgbdRcnn(train.classes)
        if model.classes != tuple(train.classes):
            raise InputError(
                f"{start}: knows the classes {', '.join(model.classes)}; the training views "
                f"{', '.join(train.classes)}"
            )
        # Not the one that other loaded networks may share.
        model.backbone = deepcopy(model.backbone)
        if self.settings.backbone:
            model.backbone = load_backbone(self.settings.backbone).requires_grad_(False)
        self.samples = [LabeledImage.of(view) for view in tracked(train, "reading", console)]
        return model

    def batch(self, samples: Sequence[LabeledImage], rng: np.random.Generator) -> Batch:
        """Images and the positions of the views in them."""
        return stacked(samples, rng)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Five losses and their sum."""
        view, scale, truth, labels = random_views(batch)
        view = view.contiguous(memory_format=torch.channels_last)
        if self.settings.backbone:
            self.model.backbone.eval()  # its batch norm too stays as it is
        fine, wide = self.model.backbone(view)
        logits, deltas = self.model.first(wide)
        predicted = decode_cells(deltas)
        objectness, place = proposal_loss(logits, predicted, truth, labels)
        with torch.no_grad():
            proposals = self.model.propose(logits, deltas, _PROPOSALS)
            boxes, label, wanted = regions(proposals, truth, labels)
        classes, moves = self.model.second(fine, wide, scale, boxes)
        kind, fit, near = region_loss(classes, moves, boxes.flatten(0, 1), label, wanted)
        return {
            "loss": objectness + place + kind + fit + near,
            "proposals": objectness,
            "proposal_boxes": place,
            "classes": kind,
            "boxes": fit,
            "deltas": near,
        }

    def score(self) -> dict[str, float]:
        """Average precision on whole images; the score is AP50:95."""
        report = report_on(self.model, self.validation)
        return {"score": report.ap, "ap50": report.ap50}


def trainer() -> Trainer:
    """How the default detector is trained."""
    return Trainer(RgbdTraining, partial(train_task, RgbdTask))
