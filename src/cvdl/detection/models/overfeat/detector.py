"""The detector: a pyramid of each image, one pass a level, boxes merged."""

from __future__ import annotations

from collections import defaultdict
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

#: The longest side of an object in the windows that are to find it, in sides of a window.
FILL = (0.35, 0.85)

_STEP = 2**-0.5  # between the scales: each object is in reach of two or more
_MARGIN = WINDOW // 2  # round a level, so that windows are centred on what the image cuts off
_LEAST = 0.1  # probability of a window's class that is looked at
_MOST = 100  # windows a class that are merged, the best
_THRESHOLD = 0.6  # of the match score


class OverfeatDetector(TrainedDetector):
    """Finds objects in colour images by windows of all places and sizes.

    Args:
        classes: names.
        mean: of the training set's colours, red, green, blue, 0 to 255.
        deviation: of the same.
    """

    def __init__(
        self,
        classes: Sequence[str],
        mean: Sequence[float] = (128.0, 128.0, 128.0),
        deviation: Sequence[float] = (64.0, 64.0, 64.0),
    ) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.network = WindowNetwork(len(self.classes))
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32))

    def normalized(self, colors: Tensor) -> Tensor:
        """Colours (N, H, W, 3) uint8 as the network takes them: (N, 3, H, W) float32."""
        return ((colors.float() - self.mean) / self.deviation).permute(0, 3, 1, 2)

    @torch.inference_mode()
    def __call__(
        self,
        frames: Sequence[RgbdFrame],
        proposals: Sequence[NDArray[np.float64]] | None = None,
    ) -> list[Detections]:
        """What is in each frame; see ``Detector``. Proposals and depth are not looked at.

        The score is s / (1 + s) of the sum s of the probabilities of the merged windows: 0.5
        stands for one window that is sure.
        """
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, frame in enumerate(frames):
            groups[frame.color.shape].append(index)
        results = [Detections.none()] * len(frames)
        for indices in groups.values():
            colors = [frames[index].color for index in indices]
            for index, found in zip(indices, self._detect(colors), strict=True):
                results[index] = found
        return results

    def level(self, colors: Sequence[NDArray[np.uint8]], scale: float) -> Tensor:
        """One level of the pyramid of images (H, W, 3) of one size: normalised, (N, 3, h, w).

        Round the scaled image is a margin of the mean colour, so that the centres of windows
        reach its very edge; where it is smaller than a window, the margin fills that.
        """
        height, width, _ = colors[0].shape
        rows, cols = _scaled(height, scale), _scaled(width, scale)
        scaled = [cv2.resize(c, (cols, rows), interpolation=cv2.INTER_AREA) for c in colors]
        images = torch.from_numpy(np.stack(scaled)).to(self.mean.device)
        after = [_MARGIN + (WINDOW - size - 2 * _MARGIN) % STRIDE for size in (cols, rows)]
        padding = (_MARGIN, after[0], _MARGIN, after[1])
        padded = nn.functional.pad(self.normalized(images), padding)
        return padded.contiguous(memory_format=torch.channels_last)

    def _detect(self, colors: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        height, width, _ = colors[0].shape
        found: list[list[NDArray[np.float64]]] = [[] for _ in colors]
        for scale in pyramid_scales(height, width):
            logits, told = self.network.slide(self.level(colors, scale))
            chance = logits.softmax(1)[:, :-1]
            image, label, row, col = torch.nonzero(chance > _LEAST, as_tuple=True)
            center = torch.stack([col, row], 1) * STRIDE + WINDOW / 2 - _MARGIN
            box = told[image, :, row, col] * WINDOW + center.repeat(1, 2)
            size = box.new_tensor([width, height, width, height])
            box = box * size / box.new_tensor([_scaled(int(side), scale) for side in size])
            box = torch.minimum(box.clamp(min=0), size)
            score = chance[image, label, row, col]
            table = torch.cat([box, score[:, None], label[:, None], image[:, None]], 1)
            rows = table[(box[:, 2:] > box[:, :2]).all(1)].double().cpu().numpy()
            for index, parts in enumerate(found):
                parts.append(rows[rows[:, 6] == index, :6])
        return [_merged(np.concatenate(parts)) for parts in found]


def pyramid_scales(height: int, width: int) -> list[float]:
    """Scales of an image's pyramid, from 1 down to where an object as long as it fits a window."""
    scales = [1.0]
    while scales[-1] * max(height, width) > FILL[1] * WINDOW:
        scales.append(scales[-1] * _STEP)
    return scales


def _scaled(size: int, scale: float) -> int:
    return max(1, round(size * scale))


def _merged(rows: NDArray[np.float64]) -> Detections:
    """From windows (N, 6): box, probability, class."""
    parts = []
    for label in np.unique(rows[:, 5]).astype(np.int64):
        some = rows[rows[:, 5] == label]
        some = some[np.argsort(-some[:, 4], kind="stable")[:_MOST]]
        boxes, sums = merge_boxes(some[:, :4], some[:, 4], _THRESHOLD)
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
