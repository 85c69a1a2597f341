"""Other views of an object, made of one photograph, as metric learning needs them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.recognition.crops import SIDE, cut_crop

__all__ = ["varied_crop"]

_SIDE = 5 * SIDE // 4  # pixels of the view that is cut out
_MARGIN = 1.2  # side of the view per longer side of the object
_LEAST = 150  # pixels that remain of an object
_CUT, _HIDDEN = 0.5, 0.4  # how often a part is hidden, and the largest part
_RAGGED = 64  # outlines are off by up to 2 pixels per so many pixels of the object
_COARSE = 40  # pixels of the smallest object that is seen from afar
# Standard deviations: radians, then logarithms of factors, then parts of the full range.
_TURN, _STRETCH = 0.26, 0.08
_GAMMA, _SATURATION, _EXPOSURE, _WHITE, _CONTRAST = 0.25, 0.2, 0.2, 0.07, 0.15
_SHADE, _GRAIN = 0.25, 0.03


def varied_crop(
    color: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.uint8] | None:
    """Return an object as another camera may show it: a crop, see ``cut_crop``.

    A part may be hidden, and the outline ragged, as masks of a segmentation are. The object is
    turned and stretched a little, and farther off. Exposure, gamma, white balance, saturation,
    contrast, shading and noise differ.

    Args:
        color: (H, W, 3) RGB.
        mask: (H, W), the object's pixels.
        rng: what is drawn.

    Returns:
        None if too little of the object remains.
    """
    inside = _partial(mask, rng)
    if np.count_nonzero(inside) < _LEAST:
        return None
    turned, shown = _turned(color, inside, rng)
    if np.count_nonzero(shown) < _LEAST:
        return None
    coarse = int(rng.uniform(_COARSE, _SIDE))
    far = cv2.resize(turned, (coarse, coarse), interpolation=cv2.INTER_AREA)
    turned = cv2.resize(far, (_SIDE, _SIDE))
    return cut_crop(_recolored(turned, rng), shown)


def _partial(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """What is left of an object behind a straight edge, with another outline."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return mask
    inside = mask.copy()
    if rng.random() < _CUT:
        direction = rng.uniform(0, 2 * np.pi)
        along = np.cos(direction) * columns + np.sin(direction) * rows
        hidden = along > np.quantile(along, 1 - rng.uniform(0, _HIDDEN))
        inside[rows[hidden], columns[hidden]] = False
    longer = max(cv2.boundingRect(mask.view(np.uint8))[2:])
    off = int(rng.integers(-2, 3)) * max(1, longer // _RAGGED)
    if off:
        change = cv2.erode if off < 0 else cv2.dilate
        kernel = np.ones((abs(off) + 1,) * 2, np.uint8)
        inside = change(inside.astype(np.uint8), kernel).astype(bool)
    return inside


def _turned(
    color: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The object in the middle of a square view, turned and stretched, and its pixels there."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    scale = _SIDE / (max(width, height) * _MARGIN)
    turn, stretch = rng.normal(0, _TURN), np.exp(rng.normal(0, _STRETCH, 2))
    cos, sin = np.cos(turn), np.sin(turn)
    linear = scale * np.array([[cos, -sin], [sin, cos]]) * stretch
    shift = _SIDE / 2 - linear @ np.array([x + width / 2, y + height / 2])
    motion = np.column_stack([linear, shift])
    size = _SIDE, _SIDE
    pixels = color.astype(np.float32)
    if scale < 1:  # against aliasing
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale)
    view = cv2.warpAffine(pixels, motion, size, borderMode=cv2.BORDER_REPLICATE)
    shown = cv2.warpAffine(mask.astype(np.float32), motion, size) > 0.5
    return np.asarray(view, np.float32), shown


def _recolored(color: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """In another light, by another camera."""

    def factor(deviation: float, count: int = 1) -> NDArray[np.float64]:
        return np.exp(rng.normal(0, deviation, count))

    values = np.clip(color / 255, 0, 1) ** factor(_GAMMA)
    gray = values.mean(axis=2, keepdims=True)
    values = gray + (values - gray) * factor(_SATURATION)
    values = values * factor(_EXPOSURE) * factor(_WHITE, 3)
    values = 0.5 + (values - 0.5) * factor(_CONTRAST)
    across = np.arange(len(values)) / len(values) - 0.5
    direction = rng.uniform(0, 2 * np.pi)
    slope = np.cos(direction) * across[None] + np.sin(direction) * across[:, None]
    values = values * (1 + rng.normal(0, _SHADE) * slope)[..., None]
    values = values + rng.normal(0, abs(rng.normal(0, _GRAIN)), values.shape)
    return np.asarray(np.clip(values, 0, 1) * 255, np.uint8)
