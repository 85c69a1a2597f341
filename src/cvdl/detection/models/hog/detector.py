"""The classical baseline: histograms of oriented gradients and a linear classifier.

After Dalal & Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005. The paper
detects one class of one shape. Here, there are many: the classifier is a multinomial logistic
regression, and windows of five aspect ratios are resized to squares.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.suppression import best_of_each_class
from cvdl.detection.trained import TrainedDetector

__all__ = ["FEATURES", "HogDetector", "block_grid", "describe", "window_places"]

#: Cells of 8 x 8 pixels, blocks of 2 x 2 cells at every cell, 9 orientations, as in the paper.
_CELL, _BLOCK_LENGTH = 8, 36
_CONTEXT = 8  # pixels of a window beside the object, which help, as in the paper
_OBJECT = 48  # pixels of a window that the object covers
_WINDOW = _OBJECT + 2 * _CONTEXT
_BLOCKS = _WINDOW // _CELL - 1  # along a side of a window
#: Length of the descriptor of a window.
FEATURES = _BLOCKS**2 * _BLOCK_LENGTH

_ASPECTS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of windows, width over height
_SMALLEST = 34.0  # pixels: root of the area of the objects of the smallest windows
_STEP = 2**0.5  # between the sizes of windows
_LEAST = 0.05  # probability of a detection
_OVERLAP = 0.3  # largest IoU of two detections of a class

_HISTOGRAMS = cv2.HOGDescriptor((16, 16), (16, 16), (_CELL, _CELL), (_CELL, _CELL), 9)


class HogDetector(TrainedDetector):
    """Detects objects in color images by linear scores of their gradients.

    Args:
        classes: class names, in the order of the class indices.

    Attributes:
        weight: (C + 1, FEATURES) float32, the background last; zeros before training.
        bias: (C + 1,) float32, as above.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(classes)
        self.register_buffer("weight", torch.zeros(len(classes) + 1, FEATURES))
        self.register_buffer("bias", torch.zeros(len(classes) + 1))

    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in the color of one frame.

        With proposals, these are classified; otherwise windows of all places and sizes.
        """
        if proposals is None:
            boxes, probabilities = self.windows(frame.color)
        else:
            boxes = proposals
            probabilities = self.classify(describe(frame.color, boxes))
        return best_of_each_class(boxes, probabilities[:, :-1], _LEAST, _OVERLAP)

    def classify(self, descriptors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return probabilities (N, C + 1), the background last, of descriptors (N, FEATURES)."""
        inputs = torch.from_numpy(descriptors).to(self.weight.device)
        logits = torch.addmm(self.bias, inputs, self.weight.T)
        return logits.double().softmax(1).cpu().numpy()

    def windows(self, color: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Classify all windows of an image (H, W, 3).

        The score of a window is linear in its blocks, so the scores of a level are one convolution
        over the grid of blocks, which neighboring windows share.

        Returns:
            Boxes (N, 4), clipped to the image, and probabilities (N, C + 1).
        """
        height, width, _ = color.shape
        kernel = self.weight.view(-1, _BLOCKS, _BLOCKS, _BLOCK_LENGTH).permute(0, 3, 1, 2)
        probabilities = []
        for cols, rows in _levels(height, width):
            level = cv2.resize(color, (cols, rows), interpolation=cv2.INTER_AREA)
            # The margin is the context of objects at the edge, and completes the last window.
            below, right = (
                _CELL * grid + _WINDOW - _CELL - _CONTEXT - side
                for grid, side in zip(_grid(cols, rows), (rows, cols), strict=True)
            )
            level = cv2.copyMakeBorder(
                level, _CONTEXT, below, _CONTEXT, right, cv2.BORDER_REPLICATE
            )
            blocks = torch.from_numpy(block_grid(level)).to(kernel.device).permute(2, 0, 1)
            logits = conv2d(blocks[None], kernel, self.bias)[0]
            probabilities.append(logits.double().softmax(0).flatten(1).T.cpu().numpy())
        return window_places(height, width), np.concatenate(probabilities)


def block_grid(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the normalized blocks of an image (H, W, 3), 16 x 16 at every 8 pixels: (h, w, 36)."""
    rows, cols = (side // _CELL - 1 for side in image.shape[:2])
    return _HISTOGRAMS.compute(np.ascontiguousarray(image)).reshape(rows, cols, _BLOCK_LENGTH)


def window_places(height: int, width: int) -> NDArray[np.float64]:
    """Return the boxes (N, 4) of the objects of all windows of an image, clipped to it."""
    boxes = []
    for cols, rows in _levels(height, width):
        row, col = np.indices(_grid(cols, rows)).reshape(2, -1) * float(_CELL)
        places = np.stack([col, row, col + _OBJECT, row + _OBJECT], axis=1)
        boxes.append(places * np.tile([width / cols, height / rows], 2))
    return np.concatenate(boxes).clip(0, [width, height, width, height])


def describe(color: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the descriptors (N, FEATURES) of boxes of an image, resized to squares.

    Args:
        color: (H, W, 3).
        boxes: (N, 4) pixels; they overlap the image.
    """
    spare = _CONTEXT + _CELL  # one more cell: gradients at the border of a crop are wrong
    side = _OBJECT + 2 * spare
    height, width, _ = color.shape
    found = np.zeros((len(boxes), FEATURES), np.float32)
    for row, box in enumerate(boxes):
        margin = (box[2:] - box[:2]) * spare / _OBJECT
        low = np.floor(box[:2] - margin).astype(int)
        high = np.maximum(np.ceil(box[2:] + margin).astype(int), low + 1)
        x = np.arange(low[0], high[0]).clip(0, width - 1)
        y = np.arange(low[1], high[1]).clip(0, height - 1)
        # Whole pixels are a fraction too large; the resizing absorbs it.
        square = cv2.resize(color[np.ix_(y, x)], (side, side), interpolation=cv2.INTER_AREA)
        found[row] = block_grid(square)[1:-1, 1:-1].ravel()
    return found


def _levels(height: int, width: int) -> list[tuple[int, int]]:
    """Columns and rows that an image is resized to, for each size and aspect ratio of windows."""
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
    """Rows and columns of windows that cover a level completely."""
    return 1 + -(-max(0, rows - _OBJECT) // _CELL), 1 + -(-max(0, cols - _OBJECT) // _CELL)
