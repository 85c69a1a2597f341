"""Training of SegNet on views with masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from rich.console import Console
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings
from cvdl.datasets.dataset import tracked
from cvdl.datasets.detection_sample import DetectionData, check_classes
from cvdl.datasets.labelled_pixels import IGNORED
from cvdl.detection.models.segnet.detector import SegNetDetector
from cvdl.detection.models.segnet.views import MaskedPicture, class_weights, random_view
from cvdl.evaluation.semantic import score_class_maps
from cvdl.training.loop import TrainingSettings, fit
from cvdl.training.picks import random_picks
from cvdl.training.prefetch import Prefetched
from cvdl.training.trainer import Trainer

__all__ = ["SegNetTask", "SegNetTraining", "train_segnet", "trainer"]


class SegNetTraining(Settings):
    """How SegNet is trained."""

    training: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(
            epochs=40,
            batch_size=8,
            learning_rate=2e-3,
            weight_decay=0.01,
            warmup=1,
            clip=5,
            mixed_precision=True,
        ),
        description="Settings of the training loop.",
    )
    steps: int = Field(200, ge=1, description="Steps per epoch.")


class SegNetTask:
    """What ``fit`` trains: the network on random views; validated on whole pictures."""

    def __init__(
        self,
        model: SegNetDetector,
        train: DetectionData,
        validation: DetectionData,
        settings: SegNetTraining,
        console: Console | None = None,
    ) -> None:
        self.model, self.settings = model, settings
        check_classes(train, validation)
        background = len(model.classes)
        self._train = [
            MaskedPicture.of(view, background) for view in tracked(train, "reading", console)
        ]
        weights = class_weights(self._train, background + 1)
        if not weights[:background].any():
            raise InputError("nothing to train on: no view has a labelled mask")
        self._weights = torch.from_numpy(weights)
        self._validation = validation

    def batches(self, epoch: int, generator: torch.Generator) -> Prefetched[tuple[Tensor, ...]]:
        """The epoch's batches; see ``Task``."""
        rng = np.random.default_rng(generator.initial_seed())
        steps, size = self.settings.steps, self.settings.training.batch_size
        picks = random_picks(len(self._train), steps, size, rng)

        def make(number: int) -> tuple[Tensor, ...]:
            views = [random_view(self._train[pick], rng) for pick in picks[number]]
            return tuple(torch.from_numpy(np.stack(parts)) for parts in zip(*views, strict=True))

        return Prefetched(make, len(picks))

    def loss(self, batch: list[Tensor]) -> dict[str, Tensor]:
        """Cross-entropy of the classes, weighted, and of the edges where things meet."""
        views, classes, meeting = batch
        logits, edge = self.model.logits(views)
        balance = self._weights.to(logits.device)
        classes = classes.long()
        counts = (classes != IGNORED) * balance[classes.clamp(max=len(balance) - 1)]
        named = cross_entropy(logits, classes, reduction="none", ignore_index=IGNORED)
        on_things = (meeting != IGNORED).float()
        met = binary_cross_entropy_with_logits(edge, (meeting == 1).float(), reduction="none")
        named, edges = _mean(named, counts), _mean(met, on_things)
        return {"loss": named + edges, "classes": named, "edges": edges}

    def validate(self) -> dict[str, float]:
        """Figures of the classes' pixels on whole pictures; the score is the mean IoU."""
        if not len(self._validation):
            return {}
        model, views = self.model, self._validation
        figures = score_class_maps(model.class_map, views, model.classes).figures()
        return {"score": figures["mean_iou"], **figures}


def _mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Weighted; 0 where nothing weighs anything."""
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def train_segnet(
    train: DetectionData,
    validation: DetectionData,
    settings: SegNetTraining,
    out: Path,
    resume: bool = False,
    console: Console | None = None,
) -> SegNetDetector:
    """Trains SegNet.

    Args:
        train: labelled views with masks, with depth or without.
        validation: the same; without any, the last epoch is kept.
        settings: see there; one seed gives one result on one machine.
        out: folder of the run, see ``fit``.
        resume: go on with an earlier run in ``out``.
        console: where progress is shown.

    Raises:
        InputError: if there is nothing to train on, views have no masks, or ``out`` cannot be
            used.
    """
    torch.manual_seed(settings.training.seed)
    model = SegNetDetector(train.classes)
    task = SegNetTask(model, train, validation, settings, console)
    fit(task, settings.training, out, resume, console)
    return model.eval()


def trainer() -> Trainer:
    """What trains the model."""
    return Trainer(SegNetTraining, train_segnet)
