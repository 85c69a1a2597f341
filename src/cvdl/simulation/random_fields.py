"""Random fields, cut out of large ones that are made once, so that an image's worth is cheap."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["normal_field", "uniform_field"]

Floats = NDArray[np.float32]


def normal_field(rng: np.random.Generator, shape: tuple[int, int], grain: float = 0.0) -> Floats:
    """Return a field (H, W) of standard normal values, read-only.

    Args:
        rng: chooses the part of the large field and its mirroring.
        shape: (H, W).
        grain: standard deviation of the spatial blur, pixels; 0 for white noise.
    """
    return _part(rng, _large_normal, shape, grain)


def uniform_field(rng: np.random.Generator, shape: tuple[int, int], grain: float) -> Floats:
    """Return a field (H, W) of nearly uniform values between 0 and 1; see `normal_field`."""
    return _part(rng, _large_uniform, shape, grain)


def _part(
    rng: np.random.Generator,
    large: Callable[[int, float], Floats],
    shape: tuple[int, int],
    grain: float,
) -> Floats:
    # The size is a power of 2, large enough for many different parts.
    field = large(1 << (max(shape) * 3 // 2).bit_length(), grain)
    row, column = (int(rng.integers(0, len(field) - extent)) for extent in shape)
    down, right = rng.choice([-1, 1], 2)
    return field[row : row + shape[0], column : column + shape[1]][::down, ::right]


@cache
def _large_normal(size: int, grain: float) -> Floats:
    field = np.random.default_rng(0).standard_normal((size, size), np.float32)
    if grain:
        field = cv2.GaussianBlur(field, (0, 0), grain)
    return np.asarray((field - field.mean()) / field.std(), np.float32)


@cache
def _large_uniform(size: int, grain: float) -> Floats:
    # The logistic function is close to the normal distribution's.
    return 1 / (1 + np.exp(np.float32(-1.702) * _large_normal(size, grain)))
