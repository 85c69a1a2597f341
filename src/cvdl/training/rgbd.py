"""Training of the default detector: its two networks learn together, on random views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from torch import Tensor

from cvdl.datasets.detection_sample import DetectionData, DetectionSample
from cvdl.detection.rgbd.boxes import decode_cells
from cvdl.detection.rgbd.detector import RgbdRcnn, input_of
from cvdl.detection.rgbd.network import SIZES, STRIDE
from cvdl.errors import InputError
from cvdl.evaluation.detector import report_on
from cvdl.network_input import HAS_DEPTH, NORMAL_XY
from cvdl.training.augment import Augmentation, disturb, warped
from cvdl.training.loop import TrainingSettings, fit
from cvdl.training.prefetch import Prefetched
from cvdl.training.rgbd_targets import proposal_loss, region_loss, regions

__all__ = ["RgbdTask", "RgbdTraining", "train_rgbd"]

_VIEW = (192, 256)  # height and width of a training view, pixels of half resolution
_ZOOM = 1.35  # largest factor on the size, either way
_SHIFT = 0.2  # of the view's sides: how far its middle may lie from the picture's
_LEAST_IN_VIEW = 0.3  # share of a box that must be in the view, or nothing is there to be found
_PROPOSALS = 96  # of a view that regions to learn from are chosen among
_HOW = Augmentation(no_color=0.05, no_depth=0.1, color_gain=0.25, color_shift=0.25)


class RgbdTraining(BaseModel):
    """How the default detector is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
        description="The loop's settings.",
    )
    steps: int = Field(100, ge=1, description="Steps of an epoch.")
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
    ) -> None:
        self.model, self.settings = model, settings
        self._train = [_Prepared.of(train[index]) for index in range(len(train))]
        if not any(len(item.boxes) for item in self._train):
            raise InputError("nothing to train on: no view has a labelled box")
        self._validation = validation

    def batches(self, epoch: int, generator: torch.Generator) -> Prefetched[_Batch]:
        """The epoch's batches; see ``Task``."""
        rng = np.random.default_rng(generator.initial_seed())
        wanted = self.settings.steps * self.settings.training.batch_size
        turns = -(-wanted // len(self._train))
        order = np.concatenate([rng.permutation(len(self._train)) for _ in range(turns)])
        picks = order[:wanted].reshape(self.settings.steps, -1)
        return Prefetched(
            lambda number: _batch([self._train[pick] for pick in picks[number]], rng), len(picks)
        )

    def loss(self, batch: _Batch) -> dict[str, Tensor]:
        """Five losses and their weighted sum."""
        view, scale, truth, labels = batch
        view = view.contiguous(memory_format=torch.channels_last)
        fine, wide = self.model.backbone(view)
        logits, deltas = self.model.first(wide)
        told = decode_cells(deltas, STRIDE, SIZES)
        objectness, place = proposal_loss(logits, told, truth)
        with torch.no_grad():
            proposals, _ = self.model.propose(logits, deltas, _PROPOSALS)
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
            return {"score": 0.0}  # of equal epochs the last is kept
        views = (self._validation[index] for index in range(len(self._validation)))
        report = report_on(self.model, views)
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
                f"{settings.start}: knows {len(model.classes)} classes, not the "
                f"{len(train.classes)} of the data to train on"
            )
    fit(RgbdTask(model, train, validation, settings), settings.training, out, resume, console)
    return model.eval()


#: Views (B, 9, h, w), their scales (B, 2, h, w), and for each its boxes (N, 4) and labels (N,).
_Batch = tuple[Tensor, Tensor, list[Tensor], list[Tensor]]


@dataclass(frozen=True)
class _Prepared:
    """A sample as the training keeps it."""

    image: NDArray[np.float16]  # (9 + 2, h, w), the networks' input and the scale
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, sample: DetectionSample) -> _Prepared:
        image = np.concatenate(input_of(sample.frame)).astype(np.float16)
        one = ~sample.crowd
        return cls(image, sample.boxes[one].astype(np.float32), sample.labels[one])


def _batch(items: Sequence[_Prepared], rng: np.random.Generator) -> _Batch:
    images, scales, boxes, labels = zip(*(_view(item, rng) for item in items), strict=True)
    return (
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(np.stack(scales)),
        [torch.from_numpy(some) for some in boxes],
        [torch.from_numpy(some) for some in labels],
    )


def _view(
    item: _Prepared, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """A random view: part of the picture, mirrored or not, zoomed, in other colours."""
    sides = np.array([item.image.shape[2], item.image.shape[1]])
    middle = (sides - 1) / 2 + rng.uniform(-_SHIFT, _SHIFT, 2) * _VIEW[::-1]
    zoom = _ZOOM ** rng.uniform(-1, 1)
    stretch = np.array([-zoom if rng.random() < 0.5 else zoom, zoom])
    view = warped(item.image.astype(np.float32), np.diag(stretch), middle, _VIEW)
    image, scale = view[:-2], view[-2:]
    image[NORMAL_XY.start] *= np.sign(stretch[0])
    disturb(image, rng, _HOW)
    scale[0] /= zoom
    scale *= image[HAS_DEPTH].any()
    size = np.array(_VIEW[::-1], np.float32)
    corners = item.boxes.reshape(-1, 2, 2)  # pixels of full resolution, their edges at integers
    corners = (corners - 2 * middle - 1) * stretch + size
    corners = np.sort(corners, axis=1)
    clipped = corners.clip(0, 2 * size)
    share = np.ptp(clipped, axis=1)[:, :].prod(1) / np.ptp(corners, axis=1)[:, :].prod(1)
    kept = share > _LEAST_IN_VIEW
    boxes = clipped[kept].reshape(-1, 4).astype(np.float32)
    return image, scale, boxes, item.labels[kept]
