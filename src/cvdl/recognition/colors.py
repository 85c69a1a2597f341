"""Histograms of the colors of objects."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "color_histogram"]

_HUES = 12
_GRAYS = 4
#: Length of a histogram: hues of weak and of strong colors, and grays from dark to light.
BINS = 2 * _HUES + _GRAYS

_BITS = 5  # of each channel, in the table of all colors
_DROPPED = 8 - _BITS
_STEP = 2  # every second pixel of a row and of a column counts: the others hold little more
# Saturations, and values, between which a pixel turns from gray into a color.
_SATURATION, _VALUE = (0.15, 0.45), (0.05, 0.2)
_STRONG = (0.4, 0.7)  # saturations between which a color turns strong


def color_histogram(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the histogram (``BINS``,) of an object's colors, with the sum 1.

    A pixel counts for its two nearest bins of hue, so light that changes a little changes the
    histogram a little.

    Args:
        crop: (S, S, 4) of ``cut_crop``. Pixels that lie wholly on the object count.
    """
    crop = crop[::_STEP, ::_STEP]
    inside = crop[..., 3] == 255
    pixels = crop[inside if inside.any() else crop[..., 3] > 0]
    red, green, blue = (pixels[:, :3] >> _DROPPED).T.astype(np.int32)
    histogram = _table()[(red << _BITS | green) << _BITS | blue].sum(axis=0)
    return np.asarray(histogram / max(histogram.sum(), 1e-6), np.float32)


@cache
def _table() -> NDArray[np.float32]:
    """Shares of each color in the bins, (8 ** ``_BITS``, ``BINS``)."""
    levels = (np.arange(1 << _BITS) + 0.5) / (1 << _BITS)
    red, green, blue = (each.ravel() for each in np.meshgrid(*[levels] * 3, indexing="ij"))
    value = np.max([red, green, blue], axis=0)
    saturation = (value - np.min([red, green, blue], axis=0)) / (value + 0.05)
    hue = np.arctan2(np.sqrt(3) / 2 * (green - blue), red - (green + blue) / 2) / (2 * np.pi)
    colored = _ramp(saturation, _SATURATION) * _ramp(value, _VALUE)
    strong = colored * _ramp(saturation, _STRONG)
    hues = _shares(hue % 1 * _HUES - 0.5, _HUES, wraps=True)
    grays = _shares(np.clip(value * _GRAYS - 0.5, 0, _GRAYS - 1), _GRAYS, wraps=False)
    parts = (
        hues * (colored - strong)[:, None],
        hues * strong[:, None],
        grays * (1 - colored)[:, None],
    )
    return np.concatenate(parts, axis=1).astype(np.float32)


def _ramp(values: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    """0 up to the first end, 1 from the second on."""
    return np.clip((values - ends[0]) / (ends[1] - ends[0]), 0, 1)


def _shares(places: NDArray[np.float64], bins: int, wraps: bool) -> NDArray[np.float64]:
    """The shares (N, bins) of places between bins in the two nearest ones."""
    away = np.abs(places[:, None] - np.arange(bins))
    if wraps:
        away = np.minimum(away, bins - away)
    return np.clip(1 - away, 0, 1)
