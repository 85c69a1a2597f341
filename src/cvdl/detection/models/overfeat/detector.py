"""The detector: an image pyramid, one pass per level, boxes merged."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.models.overfeat.merging import merge_boxes
from cvdl.detection.models.overfeat.network import STRIDE, WINDOW, WindowNetwork
from cvdl.detection.trained import TrainedDetector

__all__ = ["FILL", "OverfeatDetector", "pyramid_scales"]

#: Longest side of the objects that a window detects, in sides of the window.
FILL = (0.35, 0.85)

_STEP = 2**-0.5  # between the scales: each object is detected at two or more
_MARGIN = WINDOW // 2  # around a level, so that windows are centered on cut off objects
_LEAST = 0.1  # probability; windows with a lower one are ignored
_MOST = 100  # windows of a class that are merged, the best
_THRESHOLD = 0.6  # of the match score


class OverfeatDetector(TrainedDetector):
    """Detects objects in color images by sliding windows at several scales.

    Args:
        classes: class names, in the order of the class indices.
        mean: mean red, green and blue of the training set, 0 to 255.
        deviation: standard deviations of the same.
    """

    def __init__(
        self,
        classes: Sequence[str],
        mean: Sequence[float] = (128.0, 128.0, 128.0),
        deviation: Sequence[float] = (64.0, 64.0, 64.0),
    ) -> None:
        super().__init__(classes)
        self.network = WindowNetwork(len(self.classes))
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32))

    def normalized(self, colors: Tensor) -> Tensor:
        """Convert colors (N, H, W, 3) uint8 to the input of the network (N, 3, H, W) float32."""
        return ((colors.float() - self.mean) / self.deviation).permute(0, 3, 1, 2)

    @torch.inference_mode()
    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in the color of one frame; proposals are ignored.

        The score is s / (1 + s) of the sum s of the probabilities of the merged windows: 0.5
        stands for one window of probability 1.
        """
        height, width, _ = frame.color.shape
        found: list[NDArray[np.float64]] = []
        for scale in pyramid_scales(height, width):
            logits, predicted = self.network.slide(self.level(frame.color, scale))
            probability = logits[0].softmax(0)[:-1]
            label, row, col = torch.nonzero(probability > _LEAST, as_tuple=True)
            center = torch.stack([col, row], 1) * STRIDE + WINDOW / 2 - _MARGIN
            box = predicted[0, :, row, col].T * WINDOW + center.repeat(1, 2)
            size = box.new_tensor([width, height, width, height])
            box = box * size / box.new_tensor([_scaled(int(side), scale) for side in size])
            box = torch.minimum(box.clamp(min=0), size)
            score = probability[label, row, col]
            table = torch.cat([box, score[:, None], label[:, None]], 1)
            found.append(table[(box[:, 2:] > box[:, :2]).all(1)].double().cpu().numpy())
        return _merged(np.concatenate(found))

    def level(self, color: NDArray[np.uint8], scale: float) -> Tensor:
        """Return one level of the pyramid of an image (H, W, 3), normalized: (1, 3, h, w).

        The scaled image has a margin of the mean color, so that the centers of windows reach its
        edges; an image smaller than a window is padded to one.
        """
        height, width, _ = color.shape
        rows, cols = _scaled(height, scale), _scaled(width, scale)
        scaled = cv2.resize(color, (cols, rows), interpolation=cv2.INTER_AREA)
        image = torch.from_numpy(scaled[None]).to(self.mean.device)
        after = [_MARGIN + (WINDOW - size - 2 * _MARGIN) % STRIDE for size in (cols, rows)]
        padding = (_MARGIN, after[0], _MARGIN, after[1])
        padded = nn.functional.pad(self.normalized(image), padding)
        return padded.contiguous(memory_format=torch.channels_last)


def pyramid_scales(height: int, width: int) -> list[float]:
    """Return the scales of an image's pyramid, down to the one where it fills a window."""
    scales = [1.0]
    while scales[-1] * max(height, width) > FILL[1] * WINDOW:
        scales.append(scales[-1] * _STEP)
    return scales


def _scaled(size: int, scale: float) -> int:
    return max(1, round(size * scale))


def _merged(rows: NDArray[np.float64]) -> Detections:
    """Detections from windows (N, 6): box, probability, class index."""
    parts = []
    for label in np.unique(rows[:, 5]).astype(np.int64):
        windows = rows[rows[:, 5] == label]
        windows = windows[np.argsort(-windows[:, 4], kind="stable")[:_MOST]]
        boxes, sums = merge_boxes(windows[:, :4], windows[:, 4], _THRESHOLD)
        parts.append(Detections(boxes, np.full(len(boxes), label), sums / (1 + sums)))
    if not parts:
        return Detections.none()
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    return Detections(
        np.concatenate([part.boxes for part in parts])[order],
        np.concatenate([part.labels for part in parts])[order],
        scores[order],
    )
