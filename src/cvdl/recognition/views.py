"""Views of an object: what is kept of them, which are good enough, and which of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, OrientedBox, Scene, SceneObject
from cvdl.recognition.crops import shrunk
from cvdl.recognition.embedding import Embeddings

__all__ = ["View", "differing", "flaw", "view_of", "whole_picture"]

_THUMBNAIL = 128  # pixels of its longer side
_CONTEXT = 0.15  # of the longer side of the box: shown around it
_SMALLEST = 24  # pixels of the shorter side, and the side of the square with the mask's area
_MARGIN = 1  # pixels: boxes as near to the edge of the picture are cut by it
# See `_blur`. Of 301 things in frames of 18 cameras, 1 % are above 0.49; smeared by 12 % of their
# size, 95 % are above 0.6.
_BLURRED = 0.55
_BLUR_SIDE = 96  # pixels: what larger crops have besides, an embedding does not see
_NO_EDGES = 0.5  # gray levels from pixel to pixel, the mean
_REBLUR = 9  # pixels, as Crete et al. have it


@dataclass(frozen=True)
class View:
    """One view of an object.

    Attributes:
        picture: (h, w, 3) uint8 RGB: the object, with little around it.
        embedding: of one row.
        size: (3,) extents of its 3-D box, meters, NaN where there is no depth.
        source: where it comes from, for people: a bag, a file, a camera.
        taught: date and time of the teaching, ISO 8601 in UTC.
    """

    picture: NDArray[np.uint8]
    embedding: Embeddings
    size: NDArray[np.float64]
    source: str
    taught: str = field(
        default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds")
    )


def view_of(frame: RgbdFrame, item: SceneObject, embedding: Embeddings, source: str) -> View:
    """Return the view of an object of a frame; ``embedding`` has one row, that of the object."""
    size = np.asarray(item.box3d.size, np.float64)
    return View(_thumbnail(frame.color, item.box2d), embedding, size, source)


def flaw(frame: RgbdFrame, scene: Scene, item: SceneObject, is_whole: bool = False) -> str:
    """Return why a view of an object is not worth keeping; empty if it is.

    It is too small, cut by the edge of the picture, or blurred.

    Args:
        frame, scene: in which it is seen.
        item: the object.
        is_whole: whether it is meant to fill the picture.
    """
    x_min, y_min, x_max, y_max = item.box2d
    height, width = scene.labels.shape
    if min(x_max - x_min, y_max - y_min, item.area**0.5) < _SMALLEST:
        return "too small"
    low, high = min(x_min, y_min), min(width - x_max, height - y_max)
    if not is_whole and min(low, high) <= _MARGIN:
        return "cut by the edge of the picture"
    return "blurred" if _blur(_crop(frame.color, item.box2d, _CONTEXT)) > _BLURRED else ""


def differing(views: Sequence[View], alike: float, most: int) -> list[int]:
    """Choose views that differ, the first one first, then always the one least like the chosen.

    Args:
        views: candidates.
        alike: views that are more similar to a chosen one than this add nothing.
        most: largest number of views.

    Returns:
        Indices of the chosen views.
    """
    if not views:
        return []
    all_views = Embeddings.joined([view.embedding for view in views])
    similarity = all_views.similarity(all_views)
    chosen = [0]
    while len(chosen) < min(most, len(views)):
        nearest = similarity[:, chosen].max(axis=1)
        candidate = int(nearest.argmin())
        if nearest[candidate] >= alike:
            break
        chosen.append(candidate)
    return chosen


def whole_picture(picture: NDArray[np.uint8]) -> tuple[RgbdFrame, Scene]:
    """Return a photograph (H, W, 3) as a frame without depth, of which everything is one object."""
    height, width = picture.shape[:2]
    focal = float(max(height, width))  # no matter: nothing is measured without depth
    camera = Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
    frame = RgbdFrame(picture, np.full((height, width), np.nan, np.float32), camera)
    labels = np.full((height, width), FIRST_OBJECT_LABEL, np.uint16)
    box3d = OrientedBox(np.full(3, np.nan), np.eye(3), np.full(3, np.nan))
    box2d = np.array([0, 0, width, height], np.float64)
    item = SceneObject(FIRST_OBJECT_LABEL, box2d, box3d, height * width)
    return frame, Scene(labels, None, (item,))


def _crop(color: NDArray[np.uint8], box: NDArray[np.float64], context: float) -> NDArray[np.uint8]:
    """The pixels of a box (4,), and of a margin around it in shares of its longer side."""
    margin = context * float(max(box[2] - box[0], box[3] - box[1]))
    x_min, y_min = (max(0, int(value - margin)) for value in box[:2])
    x_max, y_max = (int(np.ceil(value + margin)) for value in box[2:])
    return color[y_min:y_max, x_min:x_max]


def _blur(picture: NDArray[np.uint8]) -> float:
    """How blurred a picture is, 0 to 1 (Crete et al. 2007, "The blur effect: perception and
    estimation with a new no-reference perceptual blur metric").

    A blurred picture hardly changes if it is blurred again: what counts is how much of the
    difference between neighboring pixels a strong filter leaves. So it also judges plain things,
    by their edges.
    """
    gray = cv2.cvtColor(shrunk(picture, _BLUR_SIDE), cv2.COLOR_RGB2GRAY).astype(np.float32)
    worst = 0.0
    for axis, kernel in enumerate(((_REBLUR, 1), (1, _REBLUR))):
        again = cv2.blur(gray, kernel)
        before = np.abs(np.diff(gray, axis=1 - axis))
        if before.mean() < _NO_EDGES:
            continue
        after = np.abs(np.diff(again, axis=1 - axis))
        lost = np.maximum(before - after, 0).sum()
        worst = max(worst, 1 - float(lost) / float(before.sum()))
    return worst


def _thumbnail(color: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.uint8]:
    return shrunk(_crop(color, box, _CONTEXT), _THUMBNAIL).copy()
