"""Random fields, cut out of large ones that are made once: an image's worth takes no time."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["normal_field", "uniform_field"]

Floats = NDArray[np.float32]


def normal_field(rng: np.random.Generator, shape: tuple[int, int], grain: float = 0.0) -> Floats:
    """A field (H, W) of standard normal values, read-only.

    Args:
        rng: chooses the cut-out and its mirroring.
        shape: (H, W).
        grain: standard deviation of the field's spatial blur, pixels; 0 for white noise.
    """
    return _cut_out(rng, _large_normal(_size(shape), grain), shape)


def uniform_field(rng: np.random.Generator, shape: tuple[int, int], grain: float) -> Floats:
    """The same with nearly uniform values between 0 and 1."""
    return _cut_out(rng, _large_uniform(_size(shape), grain), shape)


def _size(shape: tuple[int, int]) -> int:
    """A power of 2 large enough for many different cut-outs."""
    return 1 << (max(shape) * 3 // 2).bit_length()


def _cut_out(rng: np.random.Generator, field: Floats, shape: tuple[int, int]) -> Floats:
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
