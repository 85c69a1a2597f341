"""The classical baseline: histograms of oriented gradients and a linear classifier.

After Dalal & Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005. Theirs is
one class of one shape; here there are many, so the classifier is multinomial logistic regression,
and a window may be stretched: each window, of five aspect ratios, is seen as a square.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d
from torchvision.ops import batched_nms

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.trained import TrainedDetector

__all__ = ["FEATURES", "HogDetector", "block_grid", "describe", "window_places"]

#: Cells of 8 x 8 pixels, blocks of 2 x 2 cells at every cell, 9 orientations: the paper's.
_CELL, _BLOCK_LENGTH = 8, 36
_CONTEXT = 8  # pixels of a window beside the object, which the paper found to help
_OBJECT = 48  # pixels of a window that the object has
_WINDOW = _OBJECT + 2 * _CONTEXT
_BLOCKS = _WINDOW // _CELL - 1  # of a window, a side
#: Length of a window's descriptor.
FEATURES = _BLOCKS**2 * _BLOCK_LENGTH

_ASPECTS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of windows, width by height
_SMALLEST = 34.0  # pixels: root of the area of the objects that the smallest windows are for
_STEP = 2**0.5  # between the sizes of windows
_LEAST = 0.05  # probability of what is told
_OVERLAP = 0.3  # intersection over union from which the weaker of two of a class is left out
_MOST = 100  # told of an image

_HISTOGRAMS = cv2.HOGDescriptor((16, 16), (16, 16), (_CELL, _CELL), (_CELL, _CELL), 9)


class HogDetector(TrainedDetector):
    """Finds objects by linear scores of their gradients.

    Args:
        classes: names.

    Attributes:
        weight: (C + 1, FEATURES) float32, the background last; of a new one, zeros.
        bias: (C + 1,) float32, likewise.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.register_buffer("weight", torch.zeros(len(classes) + 1, FEATURES))
        self.register_buffer("bias", torch.zeros(len(classes) + 1))

    def __call__(
        self,
        frames: Sequence[RgbdFrame],
        proposals: Sequence[NDArray[np.float64]] | None = None,
    ) -> list[Detections]:
        """What is in each frame; see ``Detector``. Depth is not looked at.

        With proposals each of them is classified as it is; else windows of all places and sizes.
        """
        if proposals is None:
            return [_best(*self.windows(frame.color)) for frame in frames]
        return [
            _best(boxes, self.classify(describe(frame.color, boxes)))
            for frame, boxes in zip(frames, proposals, strict=True)
        ]

    def classify(self, descriptors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities (N, C + 1), the background last, of descriptors (N, FEATURES)."""
        given = torch.from_numpy(descriptors).to(self.weight.device)
        logits = torch.addmm(self.bias, given, self.weight.T)
        return logits.double().softmax(1).cpu().numpy()

    def windows(self, color: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """All windows of an image (H, W, 3): boxes (N, 4), cut at its edges; probabilities.

        A window's score is linear in its blocks, so those of a level are one convolution over the
        grid of blocks, which neighbouring windows share.
        """
        height, width, _ = color.shape
        kernel = self.weight.view(-1, _BLOCKS, _BLOCKS, _BLOCK_LENGTH).permute(0, 3, 1, 2)
        chances = []
        for cols, rows in _levels(height, width):
            level = cv2.resize(color, (cols, rows), interpolation=cv2.INTER_AREA)
            # The margin is the context of what lies at the edge, and fills the last window.
            below, right = (
                _CELL * grid + _WINDOW - _CELL - _CONTEXT - side
                for grid, side in zip(_grid(cols, rows), (rows, cols), strict=True)
            )
            level = cv2.copyMakeBorder(
                level, _CONTEXT, below, _CONTEXT, right, cv2.BORDER_REPLICATE
            )
            blocks = torch.from_numpy(block_grid(level)).to(kernel.device).permute(2, 0, 1)
            logits = conv2d(blocks[None], kernel, self.bias)[0]
            chances.append(logits.double().softmax(0).flatten(1).T.cpu().numpy())
        return window_places(height, width), np.concatenate(chances)


def block_grid(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Normalised blocks of an image (H, W, 3), 16 pixels a side, at every 8: (h, w, 36)."""
    rows, cols = (side // _CELL - 1 for side in image.shape[:2])
    return _HISTOGRAMS.compute(np.ascontiguousarray(image)).reshape(rows, cols, _BLOCK_LENGTH)


def window_places(height: int, width: int) -> NDArray[np.float64]:
    """Boxes (N, 4) of the objects that the windows of an image are for, cut at its edges."""
    boxes = []
    for cols, rows in _levels(height, width):
        row, col = np.indices(_grid(cols, rows)).reshape(2, -1) * float(_CELL)
        places = np.stack([col, row, col + _OBJECT, row + _OBJECT], axis=1)
        boxes.append(places * np.tile([width / cols, height / rows], 2))
    return np.concatenate(boxes).clip(0, [width, height, width, height])


def describe(color: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Descriptors (N, FEATURES) of what is in boxes of an image, each seen as a square.

    Args:
        color: (H, W, 3).
        boxes: (N, 4) pixels, that meet the image.
    """
    spare = _CONTEXT + _CELL  # gradients at a cut are wrong: a cell more is cut out and dropped
    side = _OBJECT + 2 * spare
    height, width, _ = color.shape
    found = np.zeros((len(boxes), FEATURES), np.float32)
    for row, box in enumerate(boxes):
        margin = (box[2:] - box[:2]) * spare / _OBJECT
        low = np.floor(box[:2] - margin).astype(int)
        high = np.maximum(np.ceil(box[2:] + margin).astype(int), low + 1)
        x = np.arange(low[0], high[0]).clip(0, width - 1)
        y = np.arange(low[1], high[1]).clip(0, height - 1)
        # The rest of a pixel that the whole ones are too large by is left to the scaling.
        square = cv2.resize(color[np.ix_(y, x)], (side, side), interpolation=cv2.INTER_AREA)
        found[row] = block_grid(square)[1:-1, 1:-1].ravel()
    return found


def _levels(height: int, width: int) -> list[tuple[int, int]]:
    """Columns and rows that an image is scaled to, for each size and aspect ratio of windows."""
    levels = []
    size = _SMALLEST
    while True:
        for aspect in _ASPECTS:
            scale = _OBJECT / (size * np.sqrt([aspect, 1 / aspect]))
            cols, rows = np.maximum(1, np.round(scale * [width, height])).astype(int)
            levels.append((int(cols), int(rows)))
        size *= _STEP
        if size > min(height, width) / 2:
            return levels


def _grid(cols: int, rows: int) -> tuple[int, int]:
    """Rows and columns of windows in a level, each side of it seen to its end."""
    return 1 + -(-max(0, rows - _OBJECT) // _CELL), 1 + -(-max(0, cols - _OBJECT) // _CELL)


def _best(boxes: NDArray[np.float64], chances: NDArray[np.float64]) -> Detections:
    """The classes of boxes that are probable, one of those that overlap, best first."""
    row, label = np.nonzero(chances[:, :-1] > _LEAST)
    score = chances[row, label]
    kept = batched_nms(*map(torch.from_numpy, (boxes[row], score, label)), _OVERLAP)
    kept = kept[:_MOST].numpy()
    return Detections(boxes[row[kept]], label[kept].astype(np.int64), score[kept])
