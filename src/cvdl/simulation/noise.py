"""Random fields, cut out of large ones that are made once: an image's worth takes no time."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["random_field"]

_SIZE = 1024


def random_field(
    rng: np.random.Generator, shape: tuple[int, int], grain: float = 0.0
) -> NDArray[np.float32]:
    """A field (H, W) of standard normal values.

    Args:
        rng: chooses the cut-out, its mirroring and its sign.
        shape: (H, W).
        grain: standard deviation of the field's spatial blur, pixels; 0 for white noise.
    """
    row, column = rng.integers(0, _SIZE, 2)
    down, right, sign = rng.choice([-1, 1], 3)
    rows = (row + down * np.arange(shape[0])) % _SIZE
    columns = (column + right * np.arange(shape[1])) % _SIZE
    return np.float32(sign) * _periodic(grain)[rows][:, columns]


@cache
def _periodic(grain: float) -> NDArray[np.float32]:
    """The large field, which continues from each border to the opposite one."""
    field = np.random.default_rng(0).standard_normal((_SIZE, _SIZE), np.float32)
    if grain:
        margin = int(np.ceil(4 * grain))
        padded = cv2.GaussianBlur(np.pad(field, margin, mode="wrap"), (0, 0), grain)
        field = padded[margin:-margin, margin:-margin]
    return np.asarray((field - field.mean()) / field.std(), np.float32)
