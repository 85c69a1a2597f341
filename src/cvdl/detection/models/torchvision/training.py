"""Training of torchvision's detectors, from random weights or on a pre-trained network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings, setting
from cvdl.datasets.detection_sample import DetectionData, DetectionSample, check_boxes
from cvdl.detection.models.torchvision import ANY_BACKBONE
from cvdl.detection.models.torchvision.detector import IMAGE_SIZES, TorchvisionDetector
from cvdl.evaluation.detection import report_on
from cvdl.networks.classifiers import RANDOM, BackboneSettings, build_classifier
from cvdl.training.augment import jittered_colors
from cvdl.training.colors import color_statistics
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.prefetch import Prefetched
from cvdl.training.task import Task
from cvdl.training.trainer import Trainer, train_task

__all__ = ["TorchvisionDetectorTask", "TorchvisionDetectorTraining", "augmented", "trainer"]

_LEAST_IN_VIEW = 0.3  # share of a box that must be in the view
_SHORTEST = 2.0  # pixels, side of a box

#: Images (3, H, W) float32 from 0 to 1, and the targets of each as torchvision takes them.
Batch = tuple[list[Tensor], list[dict[str, Tensor]]]


class TorchvisionDetectorTraining(Settings):
    """Settings of the training of a detector of torchvision."""

    training: TrainingSettings = loop_settings(
        epochs=30,
        batch_size=8,
        learning_rate=5e-4,
        weight_decay=1e-3,
        warmup=1,
        mixed_precision=False,
    )
    image_size: int | None = setting(
        None,
        "Pixels of the shorter side that images are scaled to, kept with the weights; "
        "default: 320, for an SSD its own, which is fixed.",
        ge=IMAGE_SIZES[0],
        le=IMAGE_SIZES[1],
    )
    mirror: float = setting(0.5, "Probability that a view is mirrored.", ge=0, le=1)
    zoom: float = setting(1.3, "Largest factor by which a view is enlarged or reduced.", ge=1, le=4)
    color: float = setting(
        0.2, "Largest change of brightness, contrast and saturation.", ge=0, lt=1
    )


class AnyBackboneTraining(TorchvisionDetectorTraining, BackboneSettings):
    """Settings of the training of a detector of torchvision with a chosen backbone."""


class TorchvisionDetectorTask(Task):
    """Trains a detector of torchvision on changed views.

    Args:
        name: of the detector, in torchvision.
        arguments: see ``Task``; ``train`` holds labeled views, whose crowds are skipped.
    """

    model: TorchvisionDetector
    settings: TorchvisionDetectorTraining

    def __init__(self, name: str, *arguments: Any) -> None:
        self._name = name
        super().__init__(*arguments)

    def build(self, train: DetectionData, console: Console | None) -> TorchvisionDetector:
        """A new detector. Without pre-trained layers, the colors of the views normalize."""
        check_boxes(train, self.validation)
        name, settings = self._name, self.settings
        if name.startswith("maskrcnn") and train[0].masks is None:
            raise InputError(f"{train.names[0]} has no masks; {name} accepts views with masks")
        if name.startswith("ssdlite") and len(self.picks(np.random.default_rng())[-1]) < 2:
            raise InputError(
                f"batch_size is {settings.training.batch_size}, for {len(train)} views to train "
                f"on; {name} accepts batches of 2 or more: it normalizes over a batch of "
                "single values"
            )
        mean, std = ((values / 255).tolist() for values in color_statistics(train))
        self._fill = [255 * value for value in mean]
        backbone = None
        if isinstance(settings, AnyBackboneTraining):
            backbone = build_classifier(
                settings.backbone, 1, settings.weights, settings.frozen_stages
            )
            if settings.weights != RANDOM:
                mean, std = backbone.mean.tolist(), backbone.deviation.tolist()
        size = settings.image_size
        return TorchvisionDetector.new(name, train.classes, mean, std, size, backbone)

    def batch(self, samples: Sequence[DetectionSample], rng: np.random.Generator) -> Batch:
        """Augmented images and their targets."""
        views = [augmented(sample, self.settings, rng, self._fill) for sample in samples]
        images, targets = zip(*views, strict=True)
        return [image.float() / 255 for image in images], list(targets)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The losses of the detector and their sum."""
        images, targets = batch
        losses = self.model.network(images, targets)
        parts = {name.removeprefix("loss_"): value for name, value in losses.items()}
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def score(self) -> dict[str, float]:
        """Average precision; the score is AP50."""
        views = Prefetched(self.validation.__getitem__, len(self.validation))
        report = report_on(self.model, views)
        return {"score": report.ap50, "ap": report.ap}


def augmented(
    sample: DetectionSample,
    settings: TorchvisionDetectorTraining,
    rng: np.random.Generator,
    fill: list[float],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mirror, zoom, shift and recolor a view at random.

    Zoomed in, the image shows a part of the view; zoomed out, the view lies anywhere in it.

    Args:
        sample: labeled; crowds and boxes that are mostly outside of the image are skipped.
        settings: the strength.
        rng: source of randomness.
        fill: (3,) color around a view that is zoomed out, 0 to 255.

    Returns:
        The image (3, H, W) uint8, and its targets as torchvision takes them: boxes (N, 4) float32
        in pixels, labels (N,) int64 with 0 for the background, and masks (N, H, W) uint8 if the
        sample has masks.
    """
    height, width = sample.frame.color.shape[:2]
    single = ~sample.crowd
    image = tv_tensors.Image(torch.from_numpy(sample.frame.color).permute(2, 0, 1))
    boxes = tv_tensors.BoundingBoxes(
        torch.from_numpy(sample.boxes[single]).float().reshape(-1, 4),
        format="XYXY",
        canvas_size=(height, width),
    )
    shown = {"image": image, "boxes": boxes}
    if sample.masks is not None:
        shown["masks"] = tv_tensors.Mask(torch.from_numpy(sample.masks[single].astype(np.uint8)))
    is_mirrored = rng.random() < settings.mirror
    factor = settings.zoom ** rng.uniform(-1, 1)
    # As far as a view that is scaled about its center can move within the image or around it.
    shift = rng.uniform(-0.5, 0.5, 2) * abs(1 - factor) * (width, height)
    whole = _areas(boxes) * factor**2
    for name, some in shown.items():
        moved = functional.horizontal_flip(some) if is_mirrored else some
        shown[name] = functional.affine(
            moved,
            angle=0.0,
            translate=shift.tolist(),
            scale=factor,
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR
            if name == "image"
            else InterpolationMode.NEAREST,
            fill=fill if name == "image" else None,
        )
    boxes = functional.clamp_bounding_boxes(shown["boxes"]).as_subclass(Tensor)
    seen = _areas(boxes) >= _LEAST_IN_VIEW * whole
    seen &= (boxes[:, 2:] - boxes[:, :2]).amin(dim=1) >= _SHORTEST
    labels = torch.from_numpy(sample.labels[single]) + 1
    target = {"boxes": boxes[seen], "labels": labels[seen]}
    if "masks" in shown:
        target["masks"] = shown["masks"].as_subclass(Tensor)[seen]
    return jittered_colors(shown["image"], settings.color, rng).as_subclass(Tensor), target


def _areas(boxes: Tensor) -> Tensor:
    left, top, right, bottom = boxes.as_subclass(Tensor).unbind(1)
    return (right - left) * (bottom - top)


def trainer(name: str) -> Trainer:
    """How a detector of torchvision is trained."""
    settings = AnyBackboneTraining if name in ANY_BACKBONE else TorchvisionDetectorTraining
    return Trainer(settings, partial(train_task, partial(TorchvisionDetectorTask, name)))
