"""Inputs of the graphs of the cascade. Imports no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.core.frame import RgbdFrame
from cvdl.grasping.models.cascade.frames import CONTEXT, MULTIPLE, PATCH, SMALLEST_SPAN
from cvdl.networks.input import CHANNELS, NORMAL_XY, network_input
from cvdl.networks.sampling import sampled

__all__ = ["cut_patches", "cut_window"]

_Array = NDArray[np.float32]

_STEPS = ((np.arange(PATCH) + 0.5) / (PATCH / 2) - 1).astype(np.float32)
_X, _Y = range(NORMAL_XY.start, NORMAL_XY.stop)


def cut_window(frame: RgbdFrame, rows: slice, cols: slice) -> _Array:
    """Return a window (1, h, w, 12) of the input, channels last; the last three channels are 0.

    Args:
        frame: at the working size.
        rows, cols: cells of the window; h and w are padded to multiples of ``MULTIPLE``.
    """
    image = frame.derived(_bordered)[1:-1, 1:-1]
    part = image[2 * rows.start : 2 * rows.stop, 2 * cols.start : 2 * cols.stop]
    height, width, channels = part.shape
    window = np.zeros(
        (1, height + -height % MULTIPLE, width + -width % MULTIPLE, channels), np.float32
    )
    window[0, :height, :width] = part
    return window


def cut_patches(frame: RgbdFrame, rectangles: _Array) -> _Array:
    """Return patches (N, 32, 32, 12), channels last; the last three channels are 0.

    They equal those of ``geometry.cut_patches``.

    Args:
        frame: at the working size.
        rectangles: (N, 5), see ``geometry``.
    """
    u, v, angle, opening, plate = rectangles.T[..., None]
    cos, sin = np.cos(angle), np.sin(angle)
    half = np.maximum(CONTEXT / 2 * np.maximum(opening, plate), SMALLEST_SPAN / 2)
    # In pixels of the input; 1 for its border.
    x, y = ((center - 0.5) / 2 + 1 for center in (u, v))
    along, across = half / 2 * cos * _STEPS, half / 2 * sin * _STEPS
    places = np.empty((len(rectangles), PATCH, PATCH, 2), np.float32)
    np.subtract((x + along)[:, None, :], across[:, :, None], out=places[..., 0])
    np.add((y + across)[:, None, :], along[:, :, None], out=places[..., 1])
    patches = sampled(frame.derived(_bordered), places)
    _turn_normals(patches, cos, sin)
    return patches


def _bordered(frame: RgbdFrame) -> _Array:
    """The input of the networks, channels last, with a border of 0: what is outside of it."""
    image = frame.derived(network_input)
    _, height, width = image.shape
    bordered = np.zeros((height + 2, width + 2, CHANNELS + -CHANNELS % 4), np.float32)
    bordered[1:-1, 1:-1, :CHANNELS] = np.moveaxis(image, 0, -1)
    return bordered


@compiled()
def _turn_normals(patches, cos, sin):  # type: ignore[no-untyped-def]
    """Turn the normals in patches (N, H, W, C) with them, by angles (N, 1), in place."""
    for n in range(len(patches)):
        for i in range(patches.shape[1]):
            for j in range(patches.shape[2]):
                x, y = patches[n, i, j, _X], patches[n, i, j, _Y]
                patches[n, i, j, _X] = cos[n, 0] * x + sin[n, 0] * y
                patches[n, i, j, _Y] = cos[n, 0] * y - sin[n, 0] * x
