"""Patches of rectangles for the graph of the second network. Imports no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.grasping.models.cascade.frames import CONTEXT, PATCH, SMALLEST_SPAN
from cvdl.networks.input import CHANNELS, NORMAL_XY, network_input
from cvdl.networks.sampling import sampled

__all__ = ["cut_patches"]

_Array = NDArray[np.float32]


def cut_patches(frame: RgbdFrame, rectangles: _Array) -> _Array:
    """Return patches (N, 32, 32, 12), channels last; the last three channels are 0.

    They equal those of ``geometry.cut_patches``.

    Args:
        frame: at the working size.
        rectangles: (N, 5), see ``geometry``.
    """
    u, v, angle, opening, plate = rectangles.T[..., None, None]
    cos, sin = np.cos(angle), np.sin(angle)
    span = np.maximum(CONTEXT / 2 * np.maximum(opening, plate), SMALLEST_SPAN / 2)
    steps = (np.arange(PATCH, dtype=np.float32) + np.float32(0.5)) / np.float32(PATCH / 2) - 1
    along, across = span * steps[None, :], span * steps[:, None]
    places = np.empty((len(rectangles), PATCH, PATCH, 2), np.float32)
    # In pixels of the input; 1 for its border.
    places[..., 0] = (u - 0.5 + cos * along - sin * across) / 2 + 1
    places[..., 1] = (v - 0.5 + sin * along + cos * across) / 2 + 1
    patches = sampled(frame.derived(_bordered), places)
    nx, ny = patches[..., NORMAL_XY.start], patches[..., NORMAL_XY.start + 1]
    patches[..., NORMAL_XY] = np.stack([cos * nx + sin * ny, cos * ny - sin * nx], axis=-1)
    return patches


def _bordered(frame: RgbdFrame) -> _Array:
    """The input of the networks, channels last, with a border of 0: what is outside of it."""
    image = frame.derived(network_input)
    _, height, width = image.shape
    bordered = np.zeros((height + 2, width + 2, CHANNELS + -CHANNELS % 4), np.float32)
    bordered[1:-1, 1:-1, :CHANNELS] = np.moveaxis(image, 0, -1)
    return bordered
