"""Text on dark plates, which do not overlap while there is room."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["DARK_COLOR", "FONT", "Captions"]

FONT = cv2.FONT_HERSHEY_SIMPLEX
DARK_COLOR = (24, 24, 28)
_MARGIN = 3  # of a plate around its text, pixels
#: Offsets of a text, nearest first: (steps right, steps down) of half a plate each.
_STEPS = sorted(
    ((right, down) for right in range(-2, 3) for down in range(-6, 7)),
    key=lambda step: (step[0] ** 2 * 4 + step[1] ** 2, step),
)


class Captions:
    """Writes captions on one picture (H, W, 3) uint8, in place."""

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        self._picture = picture
        self._scale = 0.45 * max(picture.shape[1] / 640, 0.8)
        self._plates = np.zeros((0, 4), int)

    def list(self, lines: Iterable[str]) -> None:
        """Writes lines in the upper left corner, one below the other."""
        for row, text in enumerate(lines, 1):
            (_, height), _ = cv2.getTextSize(text, FONT, self._scale, 1)
            self.write(text, 0, row * (height + 2 * _MARGIN + 1), align=0)

    def write(self, text: str, u: float, v: float, align: float) -> None:
        """Writes text on a dark plate in the picture, beside plates that are already there.

        Args:
            text: one line.
            u: column of the left end (``align`` 0) or of the center (0.5) of the text.
            v: row of the lower end or of the center.
            align: 0 or 0.5.
        """
        (width, height), _ = cv2.getTextSize(text, FONT, self._scale, 1)
        left, base = u - align * width, v + align * height
        step_x, step_y = (width + 2 * _MARGIN + 1) / 2, (height + 2 * _MARGIN + 1) / 2
        places = (
            self._plate(left + right * step_x, base + down * step_y, width, height)
            for right, down in _STEPS
        )
        first = self._plate(left, base, width, height)
        plate = next(filter(self._is_free, places), first)
        self._plates = np.vstack([self._plates, plate])
        x_min, y_min, x_max, y_max = (int(value) for value in plate)
        cv2.rectangle(self._picture, (x_min, y_min), (x_max, y_max), DARK_COLOR, cv2.FILLED)
        place = (x_min + _MARGIN, y_max - _MARGIN)
        cv2.putText(self._picture, text, place, FONT, self._scale, (255, 255, 255), 1, cv2.LINE_AA)

    def _plate(self, left: float, base: float, width: int, height: int) -> NDArray[np.int_]:
        """(x_min, y_min, x_max, y_max), all inclusive, of a plate moved into the picture."""
        rows, columns = self._picture.shape[:2]
        x = min(max(int(left), _MARGIN), max(columns - width - _MARGIN, _MARGIN))
        y = min(max(int(base), height + _MARGIN), rows - _MARGIN - 1)
        return np.array([x - _MARGIN, y - height - _MARGIN, x + width + _MARGIN - 1, y + _MARGIN])

    def _is_free(self, plate: NDArray[np.int_]) -> bool:
        apart = (self._plates[:, :2] > plate[2:]) | (self._plates[:, 2:] < plate[:2])
        return bool(apart.any(axis=1).all())
