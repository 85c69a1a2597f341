"""Color differences of regions: regions of one plain color are parts of one object in doubt."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled

__all__ = ["DIFFERENT_COLOR", "SAME_COLOR", "ColorMatch", "color_distance", "compare_colors"]

#: Color differences (of ``Surface.lab``): two colors are the same below, different above.
SAME_COLOR, DIFFERENT_COLOR = 13.0, 25.0
_PLAIN = 12.0  # standard deviation of a plain color


class ColorMatch(IntEnum):
    """How the colors of two regions compare."""

    UNCLEAR = 0
    SAME = 1
    DIFFERENT = 2


@compiled()
def compare_colors(difference, spread):  # type: ignore[no-untyped-def]
    """Whether two regions have one plain color, different colors, or neither: a ``ColorMatch``.

    Args:
        difference: distance of the mean colors of the regions.
        spread: the greater of their standard deviations.
    """
    if difference > DIFFERENT_COLOR:
        return ColorMatch.DIFFERENT
    if difference < SAME_COLOR and spread < _PLAIN:
        return ColorMatch.SAME
    return ColorMatch.UNCLEAR


def color_distance(colors: NDArray[np.float32], color: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distances of colors (..., 3) from one color (3,): (...)."""
    return np.sqrt(((colors - color) ** 2).sum(axis=-1))
