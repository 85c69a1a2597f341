"""Training of the sliding-window detector on windows cut from labelled views."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from cvdl.core.settings import Settings
from cvdl.datasets.detection_sample import (
    DetectionData,
    DetectionSample,
    check_boxes,
    check_classes,
)
from cvdl.detection.models.overfeat.detector import FILL, OverfeatDetector, pyramid_scales
from cvdl.detection.models.overfeat.network import WINDOW
from cvdl.evaluation.detection import report_on
from cvdl.training.colors import color_statistics
from cvdl.training.loop import TrainingSettings, fit
from cvdl.training.prefetch import Prefetched
from cvdl.training.trainer import Trainer

__all__ = [
    "OverfeatTask",
    "OverfeatTraining",
    "cut_window",
    "train_overfeat",
    "window_targets",
]

_CENTERED = 0.15  # sides of a window: as far off its centre an object is the window's
_NEAR = 0.3  # an object nearer than this is no background
_NEAR_FILL = (0.7 * FILL[0], 1.3 * FILL[1])  # nor is one of about the right size
_TRIES = 4  # windows drawn for each one kept
_LIGHT = 0.2  # how far brightness and contrast are changed, as shares


class OverfeatTraining(Settings):
    """How the sliding-window detector is trained."""

    training: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(
            epochs=30,
            batch_size=8,
            learning_rate=2e-3,
            weight_decay=1e-2,
            warmup=1,
            clip=5,
            mixed_precision=True,
        ),
        description="Settings of the training loop; a sample is a view.",
    )
    windows: int = Field(24, ge=2, description="Windows cut from a view per epoch.")
    background: float = Field(
        0.5, gt=0, lt=1, description="Share of the windows without an object."
    )
    box_weight: float = Field(
        5.0, ge=0, description="Weight of the box loss; the class loss has 1."
    )


class OverfeatTask:
    """What ``fit`` trains: the network on windows; validated on whole images."""

    def __init__(
        self,
        model: OverfeatDetector,
        train: DetectionData,
        validation: DetectionData,
        settings: OverfeatTraining,
    ) -> None:
        self.model, self.settings = model, settings
        self._train, self._validation = train, validation

    def batches(
        self, epoch: int, generator: torch.Generator
    ) -> Prefetched[tuple[Tensor, ...] | None]:
        """The epoch's batches; see ``Task``."""
        rng = np.random.default_rng(generator.initial_seed())
        order, size = rng.permutation(len(self._train)), self.settings.training.batch_size
        picks = [order[start : start + size] for start in range(0, len(order), size)]
        fill = self.model.mean.round().byte().cpu().numpy()

        def make(number: int) -> tuple[Tensor, ...] | None:
            views = (self._train[int(pick)] for pick in picks[number])
            made = [
                _windows(view, self.settings, len(self.model.classes), fill, rng) for view in views
            ]
            windows, labels, boxes = (np.concatenate(parts) for parts in zip(*made, strict=True))
            if not len(labels):  # crowds all over
                return None
            arrays = windows, labels, boxes.astype(np.float32)
            return tuple(torch.from_numpy(array) for array in arrays)

        return Prefetched(make, len(picks))

    def loss(self, batch: list[Tensor]) -> dict[str, Tensor]:
        """Cross-entropy of the classes, and how far the boxes' edges are off."""
        windows, labels, boxes = batch
        logits, told = self.model.network(self.model.normalized(windows))
        classes = cross_entropy(logits, labels)
        objects = labels < len(self.model.classes)
        # The paper's distance is squared; the absolute one is less taken up with the worst boxes.
        edges = smooth_l1_loss(told[objects], boxes[objects], beta=0.05, reduction="sum")
        edges = edges / max(1, 4 * len(boxes))
        loss = classes + self.settings.box_weight * edges
        return {"loss": loss, "classes": classes, "boxes": edges}

    def validate(self) -> dict[str, float]:
        """Average precision on the views to validate on."""
        if not len(self._validation):
            return {}
        report = report_on(self.model, self._validation)
        return {"score": report.ap50, "ap50": report.ap50, "ap": report.ap, "ar": report.ar}


def train_overfeat(
    train: DetectionData,
    validation: DetectionData,
    settings: OverfeatTraining,
    out: Path,
    resume: bool = False,
    console: Console | None = None,
) -> OverfeatDetector:
    """Trains the sliding-window detector.

    Args:
        train: labelled views.
        validation: more, of the same classes; without any, the last epoch is kept.
        settings: see there; one seed gives one result on one machine.
        out: folder of the run, see ``fit``.
        resume: go on with an earlier run in ``out``.
        console: where progress is shown.

    Raises:
        InputError: if there is no view to train on, the classes differ, or ``out`` cannot be
            used.
    """
    check_boxes(train)
    check_classes(train, validation)
    torch.manual_seed(settings.training.seed)
    mean, deviation = color_statistics(train)
    model = OverfeatDetector(train.classes, mean.tolist(), deviation.tolist())
    fit(OverfeatTask(model, train, validation, settings), settings.training, out, resume, console)
    return model.eval()


def window_targets(
    windows: NDArray[np.float64], sample: DetectionSample, background: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What windows show.

    A window shows the object next to its centre, if that lies within 0.15 of a side of it and
    the object's longest side is of 0.35 to 0.85 of the window's; it shows the background if
    nothing is nearly so; else it is of no use. (The paper asks for half of the box in the field
    of view, and draws more negatives of the objects' surroundings.)

    Args:
        windows: (W, 3), pixels: centre x, y, side.
        sample: its crowds are neither shown nor background.
        background: label of the background.

    Returns:
        Labels (W,), -1 for the windows of no use; boxes (W, 4) as the network tells them, 0 where
        there is none.
    """
    boxes, crowd = sample.boxes, sample.crowd
    centers, side = windows[:, None, :2], windows[:, 2:]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = np.abs(middle - centers).max(axis=2, initial=0) / side  # (W, N)
    fill = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) / side

    def within(limits: tuple[float, float], farthest: float) -> NDArray[np.bool_]:
        return (fill >= limits[0]) & (fill <= limits[1]) & (distance <= farthest)

    shown = within(FILL, _CENTERED) & ~crowd
    near = within(_NEAR_FILL, _NEAR) | (crowd & (distance < 0.5 + fill / 2))
    targets = np.where(near.any(axis=1), -1, background)
    wanted = np.zeros((len(windows), 4))
    rows = np.flatnonzero(shown.any(axis=1))
    picked = np.where(shown, distance, np.inf)[rows].argmin(axis=1) if len(rows) else rows
    targets[rows] = sample.labels[picked]
    wanted[rows] = (boxes[picked] - np.tile(windows[rows, :2], 2)) / windows[rows, 2:]
    return targets, wanted


def cut_window(
    color: NDArray[np.uint8], window: NDArray[np.float64], fill: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """A window of an image, (WINDOW, WINDOW, 3) uint8, as the pyramid would show it.

    Args:
        color: (H, W, 3).
        window: (3,) whole pixels: left, top, side; it may reach over the image's edges, its
            centre not.
        fill: (3,) colour of what is outside.
    """
    left, top, side = window.astype(int)
    part = color[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    above, before = min(max(0, -top), side), min(max(0, -left), side)
    below, after = side - above - part.shape[0], side - before - part.shape[1]
    whole = cv2.copyMakeBorder(
        part, above, below, before, after, cv2.BORDER_CONSTANT, value=fill.tolist()
    )
    return cv2.resize(whole, (WINDOW, WINDOW), interpolation=cv2.INTER_AREA)


def _windows(
    sample: DetectionSample,
    settings: OverfeatTraining,
    background: int,
    fill: NDArray[np.uint8],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float64]]:
    """One view's windows (W, WINDOW, WINDOW, 3), what they show (W,) and where (W, 4)."""
    drawn = _drawn(sample, _TRIES * settings.windows, rng)
    # Whole pixels, which are cut without interpolation: the targets are of just those.
    side = drawn[:, 2].round()
    corner = (drawn[:, :2] - side[:, None] / 2).round()
    windows = np.column_stack([corner + side[:, None] / 2, side])
    labels, boxes = window_targets(windows, sample, background)
    full = np.flatnonzero((labels >= 0) & (labels != background))
    full = full[: round(settings.windows * (1 - settings.background))]
    empty = np.flatnonzero(labels == background)[: settings.windows - len(full)]
    kept = np.concatenate([full, empty])
    labels, boxes = labels[kept], boxes[kept]
    cut = np.zeros((len(kept), WINDOW, WINDOW, 3), np.uint8)
    for row, index in enumerate(kept):
        window = cut_window(sample.frame.color, np.array([*corner[index], side[index]]), fill)
        if rng.random() < 0.5:
            window, boxes[row] = window[:, ::-1], boxes[row, [2, 1, 0, 3]] * [-1, 1, -1, 1]
        contrast, brightness = rng.uniform(-_LIGHT, _LIGHT, 2)
        cut[row] = ((window - 128.0) * (1 + contrast) + 128 * (1 + brightness)).clip(0, 255)
    return cut, labels, boxes


def _drawn(sample: DetectionSample, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Windows (count, 3), centre x, y and side: a half on objects, the rest beside and anywhere."""
    height, width, _ = sample.frame.color.shape
    side = WINDOW / pyramid_scales(height, width)[-1]
    drawn = np.column_stack(
        [
            rng.uniform(0, [width, height], (count, 2)),
            np.exp(rng.uniform(np.log(WINDOW), np.log(side), count)),
        ]
    )
    boxes = sample.boxes[~sample.crowd]
    if len(boxes):
        at = 3 * count // 4
        box = boxes[rng.integers(len(boxes), size=at)]
        longest = (box[:, 2:] - box[:, :2]).max(axis=1)
        beside = np.arange(at) % 3 == 2  # or too near, so that only a part is seen, or too far
        low = np.where(beside, FILL[0] / 2, FILL[0])
        high = np.where(beside, 3 * FILL[1], FILL[1])
        # The pyramid does not enlarge: small objects are seen in the smallest windows only.
        side = np.maximum(WINDOW, longest / np.exp(rng.uniform(np.log(low), np.log(high))))
        reach = np.where(beside, 1.0, _CENTERED)
        shift = rng.uniform(-1, 1, (at, 2)) * (reach * side)[:, None]
        center = ((box[:, :2] + box[:, 2:]) / 2 + shift).clip(0, [width, height])
        drawn[:at] = np.column_stack([center, side])
    return rng.permutation(drawn)


def trainer() -> Trainer:
    """What trains the model."""
    return Trainer(OverfeatTraining, train_overfeat)
