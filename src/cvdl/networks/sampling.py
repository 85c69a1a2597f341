"""Bilinear samples of images and features, for networks that ONNX Runtime runs.

Its own operators for this (RoiAlign, GridSample) take several times as long, as they go through
each channel by itself. Imports no torch.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled

__all__ = ["FINE_STRIDE", "WIDE_STRIDE", "channels_last", "sampled", "sampled_boxes"]

#: Distance of the fine and of the wide features of a ``Backbone``, pixels of the full image.
FINE_STRIDE, WIDE_STRIDE = 4, 8

_Array = NDArray[np.float32]


def channels_last(features: _Array) -> _Array:
    """Return features (1, C, H, W) as (H, W, C)."""
    _, channels, height, width = features.shape
    # NumPy copies this order of axes value by value.
    flat = cv2.transpose(features.reshape(channels, height * width))
    return np.asarray(flat, np.float32).reshape(height, width, channels)


def sampled_boxes(features: _Array, boxes: _Array, bins: int, stride: float) -> _Array:
    """Return features in boxes, one bilinear sample per bin (He et al. 2017, section 3).

    Args:
        features: (H, W, C).
        boxes: (N, 4), pixels of the full image: x_min, y_min, x_max, y_max.
        bins: of a box, in each direction.
        stride: distance of the features, pixels.

    Returns:
        (N, bins, bins, C).
    """
    middles = (np.arange(bins, dtype=np.float32) + np.float32(0.5)) / np.float32(bins)
    at = boxes[:, :2, None] + (boxes[:, 2:] - boxes[:, :2])[..., None] * middles
    at = at / np.float32(stride) - np.float32(0.5)
    places = np.empty((len(boxes), bins, bins, 2), np.float32)
    places[..., 0] = at[:, 0, None, :]
    places[..., 1] = at[:, 1, :, None]
    return sampled(features, places)


def sampled(features: _Array, places: _Array) -> _Array:
    """Return bilinear samples (..., C).

    Args:
        features: (H, W, C).
        places: (..., 2), x and y; the center of the first pixel is (0, 0). Outside of the pixels'
            centers, the nearest sample between them is returned.
    """
    flat = _sampled(features, np.ascontiguousarray(places).reshape(-1, 2))
    samples: _Array = flat.reshape(*places.shape[:-1], features.shape[-1])
    return samples


@compiled()
def _sampled(features, places):  # type: ignore[no-untyped-def]
    """`sampled` of places (N, 2)."""
    rows, cols, channels = features.shape
    zero, one = np.float32(0), np.float32(1)
    samples = np.empty((len(places), channels), np.float32)
    for n in range(len(places)):
        x = min(max(places[n, 0], zero), np.float32(cols - 1))
        y = min(max(places[n, 1], zero), np.float32(rows - 1))
        col, row = min(int(x), cols - 2), min(int(y), rows - 2)  # -1: the last one is the only one
        right, below = x - np.float32(col), y - np.float32(row)
        left, above = one - right, one - below
        # In float32: products of Python's numbers would be in float64.
        from_corners = above * left, above * right, below * left, below * right
        for c in range(channels):
            samples[n, c] = (
                from_corners[0] * features[row, col, c]
                + from_corners[1] * features[row, col + 1, c]
                + from_corners[2] * features[row + 1, col, c]
                + from_corners[3] * features[row + 1, col + 1, c]
            )
    return samples
