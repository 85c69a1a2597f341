"""Training of torchvision's detectors, from random weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings
from cvdl.datasets.detection_sample import (
    DetectionData,
    DetectionSample,
    check_boxes,
    check_classes,
)
from cvdl.detection.models.torchvision.detector import IMAGE_SIZES, TorchvisionDetector
from cvdl.evaluation.detection import report_on
from cvdl.training.colors import color_statistics
from cvdl.training.loop import TrainingSettings, fit
from cvdl.training.prefetch import Prefetched

if TYPE_CHECKING:
    from rich.console import Console

from cvdl.training.trainer import Trainer

__all__ = [
    "TorchvisionDetectorTask",
    "TorchvisionDetectorTraining",
    "View",
    "augmented",
    "train_torchvision",
]

_LEAST_SEEN = 0.3  # share of a box that must be in view
_SHORTEST = 2.0  # pixels, of a box's side

#: Images (3, H, W) float32 and, for each, its targets, as torchvision takes them.
Batch = tuple[list[Tensor], list[dict[str, Tensor]]]


class TorchvisionDetectorTraining(Settings):
    """How a detector of torchvision is trained."""

    training: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(
            epochs=30, batch_size=8, learning_rate=5e-4, weight_decay=1e-3, warmup=1, clip=5
        ),
        description="Settings of the training loop.",
    )
    image_size: int | None = Field(
        None,
        ge=IMAGE_SIZES[0],
        le=IMAGE_SIZES[1],
        description="Pixels of the shorter side that images are scaled to, kept with the weights; "
        "default: 320, for an SSD its own, which is fixed.",
    )
    mirror: float = Field(0.5, ge=0, le=1, description="Probability that a view is mirrored.")
    zoom: float = Field(
        1.3, ge=1, le=4, description="Largest factor by which a view is enlarged or reduced."
    )
    color: float = Field(
        0.2, ge=0, lt=1, description="Largest change of brightness, contrast and saturation."
    )


@dataclass(frozen=True)
class View:
    """A labelled image as the training shows it.

    Attributes:
        image: (3, H, W) uint8.
        boxes: (N, 4) float32, x_min, y_min, x_max, y_max, pixels.
        labels: (N,) int64, places in the classes.
        masks: (N, H, W) bool, where there are any.
    """

    image: Tensor
    boxes: Tensor
    labels: Tensor
    masks: Tensor | None

    def target(self) -> dict[str, Tensor]:
        """As torchvision takes it: label 0 is the background."""
        target = {"boxes": self.boxes, "labels": self.labels + 1}
        if self.masks is not None:
            target["masks"] = self.masks.to(torch.uint8)
        return target


class TorchvisionDetectorTask:
    """What ``fit`` trains: a detector, on changed views; validated by its average precision.

    Args:
        model: a new detector.
        train: views to train on; crowds are left out.
        validation: views that tell which epoch is best.
        settings: see there.

    Raises:
        InputError: if there is nothing to train on, the classes are not the model's, Mask R-CNN
            has no masks to learn from, or batches are too small for the model.
    """

    def __init__(
        self,
        model: TorchvisionDetector,
        train: DetectionData,
        validation: DetectionData,
        settings: TorchvisionDetectorTraining,
    ) -> None:
        self.model, self.settings = model, settings
        self._train, self._validation = train, validation
        _check(model, train, validation)
        self._count = math.ceil(len(train) / settings.training.batch_size)
        if model.name.startswith("ssdlite") and len(train) // self._count < 2:
            raise InputError(
                f"batch_size is {settings.training.batch_size}, for {len(train)} views to train "
                f"on; {model.name} accepts batches of 2 or more: it normalises over a batch of "
                "single values"
            )

    def batches(self, epoch: int, generator: torch.Generator) -> Prefetched[Batch]:
        """The epoch's batches, of every view once and of sizes as equal as can be."""
        rng = np.random.default_rng(generator.initial_seed())
        parts = np.array_split(rng.permutation(len(self._train)), self._count)

        def make(number: int) -> Batch:
            views = [
                augmented(self._train[int(index)], self.settings, rng, self._fill())
                for index in parts[number]
            ]
            return [view.image.float() / 255 for view in views], [view.target() for view in views]

        return Prefetched(make, self._count)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The sum of the detector's losses, and each."""
        images, targets = batch
        losses = self.model.network(images, targets)
        parts = {name.removeprefix("loss_"): value for name, value in losses.items()}
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def validate(self) -> dict[str, float]:
        """AP50 as the score, and AP over the overlaps 0.50 to 0.95."""
        if not len(self._validation):
            return {}
        report = report_on(
            self.model, Prefetched(self._validation.__getitem__, len(self._validation))
        )
        return {"score": report.ap50, "ap": report.ap}

    def _fill(self) -> list[float]:
        """The colour round a view that is zoomed out."""
        return [255 * value for value in self.model.network.transform.image_mean]


def train_torchvision(
    name: str,
    train: DetectionData,
    validation: DetectionData,
    settings: TorchvisionDetectorTraining,
    out: Path,
    resume: bool = False,
    console: Console | None = None,
) -> TorchvisionDetector:
    """Trains a detector of torchvision from random weights.

    Colours are normalised by the training set's own mean and deviation.

    Args:
        name: of the detector, as torchvision names it.
        train: labelled views; crowds are left out.
        validation: the same; without any, the last epoch is kept.
        settings: see there; one seed gives one result on one machine.
        out: folder of the run, see ``fit``.
        resume: go on with an earlier run in ``out``.
        console: where progress is shown.

    Raises:
        InputError: if there is no such detector, it cannot have that image size or learn from
            those views, or ``out`` cannot be used.
    """
    check_boxes(train)
    mean, std = ((values / 255).tolist() for values in color_statistics(train))
    torch.manual_seed(settings.training.seed)
    model = TorchvisionDetector.new(name, train.classes, mean, std, settings.image_size)
    task = TorchvisionDetectorTask(model, train, validation, settings)
    fit(task, settings.training, out, resume, console)
    return model.eval()


def augmented(
    sample: DetectionSample,
    settings: TorchvisionDetectorTraining,
    rng: np.random.Generator,
    fill: list[float],
) -> View:
    """A view changed at random: mirrored, zoomed and shifted, in other colours.

    Zoomed in, the frame shows a part of the view; zoomed out, the view lies anywhere in it.

    Args:
        sample: labelled; its crowds are left out, as are boxes of which little is left.
        settings: the extent.
        rng: the randomness.
        fill: (3,) colour round a view that is zoomed out, 0 to 255.
    """
    # The transforms that draw for themselves do so from torch's one generator, which the networks
    # use at the same time in another thread: no run could be repeated.
    height, width = sample.frame.color.shape[:2]
    single = ~sample.crowd
    image = tv_tensors.Image(torch.from_numpy(sample.frame.color).permute(2, 0, 1))
    boxes = tv_tensors.BoundingBoxes(
        torch.from_numpy(sample.boxes[single]).float().reshape(-1, 4),
        format="XYXY",
        canvas_size=(height, width),
    )
    shown = [image, boxes]
    if sample.masks is not None:
        shown.append(tv_tensors.Mask(torch.from_numpy(sample.masks[single])))
    if rng.random() < settings.mirror:
        shown = [functional.horizontal_flip(some) for some in shown]
    factor = settings.zoom ** rng.uniform(-1, 1)
    whole = _areas(shown[1]) * factor**2
    # As far as a view, scaled about its middle, can move before something comes in or goes out.
    shift = rng.uniform(-0.5, 0.5, 2) * abs(1 - factor) * (width, height)
    shown = [_moved(some, factor, shift.tolist(), fill) for some in shown]
    boxes = shown[1].as_subclass(Tensor)
    seen = _areas(boxes) >= _LEAST_SEEN * whole
    seen &= (boxes[:, 2:] - boxes[:, :2]).amin(dim=1) >= _SHORTEST
    return View(
        _recolored(shown[0], settings.color, rng).as_subclass(Tensor),
        boxes[seen],
        torch.from_numpy(sample.labels[single])[seen],
        shown[2].as_subclass(Tensor)[seen] if sample.masks is not None else None,
    )


def _moved(
    shown: tv_tensors.TVTensor, factor: float, shift: list[float], fill: list[float]
) -> tv_tensors.TVTensor:
    """An image, boxes or masks, scaled about the middle, then shifted (x, y), cut at the border."""
    is_image = isinstance(shown, tv_tensors.Image)
    moved = functional.affine(
        shown,
        angle=0.0,
        translate=shift,
        scale=factor,
        shear=[0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR if is_image else InterpolationMode.NEAREST,
        fill=fill if is_image else None,
    )
    is_box = isinstance(shown, tv_tensors.BoundingBoxes)
    return functional.clamp_bounding_boxes(moved) if is_box else moved


def _recolored(image: tv_tensors.Image, most: float, rng: np.random.Generator) -> tv_tensors.Image:
    for change in (
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
    ):
        image = change(image, 1 + rng.uniform(-most, most))
    return image


def _areas(boxes: Tensor) -> Tensor:
    left, top, right, bottom = boxes.as_subclass(Tensor).unbind(1)
    return (right - left) * (bottom - top)


def _check(model: TorchvisionDetector, train: DetectionData, validation: DetectionData) -> None:
    check_classes(train, validation)
    if model.name.startswith("maskrcnn") and train[0].masks is None:
        raise InputError(f"{train.names[0]} has no masks; {model.name} accepts views with masks")


def trainer(name: str) -> Trainer:
    """What trains one of torchvision's detectors."""
    return Trainer(TorchvisionDetectorTraining, partial(train_torchvision, name))
