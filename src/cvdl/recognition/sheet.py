"""A picture of the gallery: a row of views for each name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.recognition.gallery import GalleryError, Taught, read_picture
from cvdl.viz.captions import DARK_COLOR
from cvdl.viz.pictures import contact_sheet

__all__ = ["gallery_sheet", "size_in_words"]

_FEWEST, _MOST = 2, 8  # columns; the second has the size as its caption
_SIDE = 128  # pixels of a cell


def gallery_sheet(names: dict[str, Taught]) -> NDArray[np.uint8]:
    """Return the views of all names, (H, W, 3) uint8 RGB; at most eight of each.

    Raises:
        GalleryError: if there is no name.
    """
    if not names:
        raise GalleryError("the gallery is empty: there is nothing to show")
    columns = min(max(_FEWEST, *map(len, names.values())), _MOST)
    pictures, captions = [], []
    for name, taught in names.items():
        # Evenly spread over all of them.
        shown = np.unique(np.linspace(0, len(taught) - 1, columns).round().astype(int))
        for column in range(columns):
            picture, caption = np.full((_SIDE, _SIDE, 3), DARK_COLOR, np.uint8), ""
            if column < len(shown):
                picture = _square(read_picture(taught.pictures[shown[column]]))
            if column == 0:
                caption = f"{name} ({len(taught)})"
            elif column == 1:
                caption = size_in_words(taught)
            pictures.append(picture)
            captions.append(caption)
    return contact_sheet(pictures, captions, columns, _SIDE)


def size_in_words(taught: Taught) -> str:
    """The extents of a thing, medians of its views, in centimeters; empty without depth."""
    known = taught.sizes[np.isfinite(taught.sizes).all(axis=1)]
    if not len(known):
        return ""
    sides = np.sort(np.median(known, axis=0))[::-1]
    return " x ".join(f"{100 * side:.0f}" for side in sides) + " cm"


def _square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture in the middle of a dark square."""
    height, width = picture.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), DARK_COLOR, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = picture
    return square
