"""Training of the sliding-window detector on windows cut from labeled views."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from cvdl.core.settings import Settings, setting
from cvdl.datasets.detection_sample import DetectionData, DetectionSample, check_boxes
from cvdl.detection.models.overfeat.detector import FILL, OverfeatDetector, pyramid_scales
from cvdl.detection.models.overfeat.network import WINDOW
from cvdl.evaluation.detection import report_on
from cvdl.training.augment import jittered_colors
from cvdl.training.colors import color_statistics
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.task import Task
from cvdl.training.trainer import Trainer, train_task

__all__ = ["OverfeatTask", "OverfeatTraining", "cut_window", "trainer", "window_targets"]

_CENTERED = 0.15  # largest distance of a shown object from the window's center, in its sides
_NEAR = 0.3  # windows with an object of about the right size nearer than this are ignored
_NEAR_FILL = (0.7 * FILL[0], 1.3 * FILL[1])  # about the right size, in sides of a window
_TRIES = 4  # windows drawn for each one kept
_COLOR = 0.2  # largest change of brightness, contrast and saturation


class OverfeatTraining(Settings):
    """Settings of the training of the sliding-window detector."""

    training: TrainingSettings = loop_settings(
        epochs=30, batch_size=8, learning_rate=2e-3, weight_decay=1e-2, warmup=1
    )
    windows: int = setting(24, "Windows cut from a view, the loop's sample, per epoch.", ge=2)
    background: float = setting(0.5, "Share of the windows without an object.", gt=0, lt=1)
    box_weight: float = setting(5.0, "Weight of the box loss; the class loss has 1.", ge=0)


class OverfeatTask(Task):
    """Trains the network on windows and validates on whole images."""

    model: OverfeatDetector
    settings: OverfeatTraining

    def build(self, train: DetectionData, console: Console | None) -> OverfeatDetector:
        """A new detector, which normalizes by the colors of the training views."""
        check_boxes(train, self.validation)
        mean, deviation = color_statistics(train)
        self._fill = mean.round().astype(np.uint8)
        return OverfeatDetector(train.classes, mean.tolist(), deviation.tolist())

    def batch(
        self, samples: Sequence[DetectionSample], rng: np.random.Generator
    ) -> tuple[Tensor, ...] | None:
        """Windows (N, WINDOW, WINDOW, 3) uint8, their classes (N,) and boxes (N, 4)."""
        background = len(self.model.classes)
        made = [_windows(view, self.settings, background, self._fill, rng) for view in samples]
        windows, labels, boxes = (torch.cat(parts) for parts in zip(*made, strict=True))
        return (windows, labels, boxes) if len(labels) else None  # none beside crowds

    def loss(self, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        """Cross entropy of the classes, and smooth L1 loss of the boxes' edges."""
        windows, labels, boxes = batch
        logits, predicted = self.model.network(self.model.normalized(windows))
        classes = cross_entropy(logits, labels)
        objects = labels < len(self.model.classes)
        # The paper's distance is squared; the absolute one is less dominated by the worst boxes.
        edges = smooth_l1_loss(predicted[objects], boxes[objects], beta=0.05, reduction="sum")
        edges = edges / max(1, 4 * len(boxes))
        loss = classes + self.settings.box_weight * edges
        return {"loss": loss, "classes": classes, "boxes": edges}

    def score(self) -> dict[str, float]:
        """Average precision and recall on whole images; the score is AP50."""
        report = report_on(self.model, self.validation)
        return {"score": report.ap50, "ap50": report.ap50, "ap": report.ap, "ar": report.ar}


def window_targets(
    windows: NDArray[np.float64], sample: DetectionSample, background: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Classes and boxes of windows.

    A window shows the object nearest to its center if the object's center lies within 0.15 sides
    of the window's center and the object's longest side is 0.35 to 0.85 sides long. It shows the
    background if no object nearly fulfills this. Other windows are ignored. (In the paper, half
    of the box must be in the field of view, and more negatives come from around the objects.)

    Args:
        windows: (W, 3), pixels: center x, y, side.
        sample: windows on its crowds are ignored.
        background: class index of the background.

    Returns:
        Class indices (W,), -1 for ignored windows; boxes (W, 4) as the network predicts them, 0
        without an object.
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
    """Cut a window out of an image, (WINDOW, WINDOW, 3) uint8, as it appears in the pyramid.

    Args:
        color: (H, W, 3).
        window: (3,) whole pixels: left, top, side; it may extend beyond the image, but not its
            center.
        fill: (3,) color outside of the image.
    """
    left, top, side = window.astype(int)
    shift = np.array([[1.0, 0, -left], [0, 1, -top]])
    part = cv2.warpAffine(
        color, shift, (side, side), flags=cv2.INTER_NEAREST, borderValue=fill.tolist()
    )
    return cv2.resize(part, (WINDOW, WINDOW), interpolation=cv2.INTER_AREA)


def _windows(
    sample: DetectionSample,
    settings: OverfeatTraining,
    background: int,
    fill: NDArray[np.uint8],
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Windows of a view (W, WINDOW, WINDOW, 3), their classes (W,) and boxes (W, 4)."""
    drawn = _drawn(sample, _TRIES * settings.windows, rng)
    # Whole pixels, so that windows are cut without interpolation and the targets are exact.
    side = drawn[:, 2].round()
    corner = (drawn[:, :2] - side[:, None] / 2).round()
    windows = np.column_stack([corner + side[:, None] / 2, side])
    labels, boxes = window_targets(windows, sample, background)
    full = np.flatnonzero((labels >= 0) & (labels != background))
    full = full[: round(settings.windows * (1 - settings.background))]
    empty = np.flatnonzero(labels == background)[: settings.windows - len(full)]
    kept = np.concatenate([full, empty])
    labels, boxes = labels[kept], boxes[kept]
    cut = torch.zeros(len(kept), WINDOW, WINDOW, 3, dtype=torch.uint8)
    for row, index in enumerate(kept):
        window = cut_window(sample.frame.color, np.array([*corner[index], side[index]]), fill)
        shown = torch.from_numpy(window).permute(2, 0, 1)
        if rng.random() < 0.5:
            shown, boxes[row] = shown.flip(2), boxes[row, [2, 1, 0, 3]] * [-1, 1, -1, 1]
        cut[row] = jittered_colors(shown, _COLOR, rng).permute(1, 2, 0)
    return cut, torch.from_numpy(labels), torch.from_numpy(boxes).float()


def _drawn(sample: DetectionSample, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Windows (count, 3), center x, y and side: half on objects, a quarter beside, others anywhere.

    Without objects all are anywhere.
    """
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
        beside = np.arange(at) % 3 == 2  # or too close, so that only a part is visible, or too far
        low = np.where(beside, FILL[0] / 2, FILL[0])
        high = np.where(beside, 3 * FILL[1], FILL[1])
        # The pyramid does not enlarge: small objects are only visible in the smallest windows.
        side = np.maximum(WINDOW, longest / np.exp(rng.uniform(np.log(low), np.log(high))))
        reach = np.where(beside, 1.0, _CENTERED)
        shift = rng.uniform(-1, 1, (at, 2)) * (reach * side)[:, None]
        center = ((box[:, :2] + box[:, 2:]) / 2 + shift).clip(0, [width, height])
        drawn[:at] = np.column_stack([center, side])
    return rng.permutation(drawn)


def trainer() -> Trainer:
    """How the sliding-window detector is trained."""
    return Trainer(OverfeatTraining, partial(train_task, OverfeatTask))
