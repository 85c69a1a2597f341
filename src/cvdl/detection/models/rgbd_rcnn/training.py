"""Training of the default detector: its two networks learn together, on random views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from rich.console import Console
from torch import Tensor

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings
from cvdl.datasets.dataset import tracked
from cvdl.datasets.detection_sample import DetectionData, check_classes
from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.detection.models.rgbd_rcnn.network import decode_cells
from cvdl.detection.models.rgbd_rcnn.targets import proposal_loss, region_loss, regions
from cvdl.detection.models.rgbd_rcnn.views import LabelledPicture, random_views, stacked
from cvdl.evaluation.detection import report_on
from cvdl.training.loop import TrainingSettings, fit
from cvdl.training.picks import random_picks
from cvdl.training.prefetch import Prefetched
from cvdl.training.trainer import Trainer

__all__ = ["RgbdTask", "RgbdTraining", "train_rgbd", "trainer"]

_PROPOSALS = 96  # of a view that regions to learn from are chosen among

#: See ``stacked``.
_Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class RgbdTraining(Settings):
    """How the default detector is trained."""

    training: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(
            epochs=40,
            batch_size=16,
            learning_rate=1.5e-3,
            weight_decay=0.02,
            warmup=1,
            clip=10,
            mixed_precision=True,
        ),
        description="Settings of the training loop.",
    )
    steps: int = Field(100, ge=1, description="Steps per epoch.")
    start: Path | None = Field(
        None, description="Weights of a trained rgbd_rcnn to start from; none: from scratch."
    )


class RgbdTask:
    """What ``fit`` trains: both networks, on random views; validated on whole pictures."""

    def __init__(
        self,
        model: RgbdRcnn,
        train: DetectionData,
        validation: DetectionData,
        settings: RgbdTraining,
        console: Console | None = None,
    ) -> None:
        self.model, self.settings = model, settings
        check_classes(train, validation)
        self._train = [LabelledPicture.of(view) for view in tracked(train, "reading", console)]
        if not any(len(item.labels) for item in self._train):
            raise InputError("nothing to train on: no view has a labelled box")
        self._validation = validation

    def batches(self, epoch: int, generator: torch.Generator) -> Prefetched[_Batch]:
        """The epoch's batches; see ``Task``."""
        rng = np.random.default_rng(generator.initial_seed())
        steps, size = self.settings.steps, self.settings.training.batch_size
        picks = random_picks(len(self._train), steps, size, rng)
        return Prefetched(
            lambda number: stacked([self._train[pick] for pick in picks[number]]), len(picks)
        )

    def loss(self, batch: _Batch) -> dict[str, Tensor]:
        """Five losses and their weighted sum."""
        view, scale, truth, labels = random_views(*batch)
        view = view.contiguous(memory_format=torch.channels_last)
        fine, wide = self.model.backbone(view)
        logits, deltas = self.model.first(wide)
        told = decode_cells(deltas)
        objectness, place = proposal_loss(logits, told, truth, labels)
        with torch.no_grad():
            proposals = self.model.propose(logits, deltas, _PROPOSALS)
            boxes, label, wanted = regions(proposals, truth, labels)
        names, mending = self.model.second(fine, wide, scale, boxes)
        named, fit_, near = region_loss(names, mending, boxes.flatten(0, 1), label, wanted)
        return {
            "loss": objectness + place + named + fit_ + near,
            "proposals": objectness,
            "proposal_boxes": place,
            "classes": named,
            "boxes": fit_,
            "deltas": near,
        }

    def validate(self) -> dict[str, float]:
        """Average precision on the validation's whole pictures; the score is AP50:95."""
        if not len(self._validation):
            return {}
        report = report_on(self.model, self._validation)
        return {"score": report.ap, "ap50": report.ap50}


def train_rgbd(
    train: DetectionData,
    validation: DetectionData,
    settings: RgbdTraining,
    out: Path,
    resume: bool = False,
    console: Console | None = None,
) -> RgbdRcnn:
    """Trains the default detector.

    Args:
        train: labelled views, with depth or without.
        validation: the same; without any, the last epoch is kept.
        settings: see there; one seed gives one result on one machine.
        out: folder of the run, see ``fit``.
        resume: go on with an earlier run in ``out``.
        console: where progress is shown.

    Raises:
        InputError: if there is nothing to train on, or ``out`` or the start cannot be used.
    """
    torch.manual_seed(settings.training.seed)
    model = RgbdRcnn(train.classes)
    if settings.start:
        model = RgbdRcnn.load(settings.start, torch.device("cpu"))
        if model.classes != tuple(train.classes):
            raise InputError(
                f"{settings.start}: knows the classes {', '.join(model.classes)}; the training "
                f"views {', '.join(train.classes)}"
            )
    task = RgbdTask(model, train, validation, settings, console)
    fit(task, settings.training, out, resume, console)
    return model.eval()


def trainer() -> Trainer:
    """What trains the model."""
    return Trainer(RgbdTraining, train_rgbd)
