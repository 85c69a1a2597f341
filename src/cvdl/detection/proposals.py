"""Object proposals: class-agnostic boxes for a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Plane, SceneObject
from cvdl.networks.boxes import box_iou
from cvdl.segmentation.segmenter import TabletopSegmenter

__all__ = ["Proposer", "SegmentsOrSearch", "SelectiveSearch", "TabletopProposals", "recall_at"]


class Proposer(Protocol):
    """Finds boxes in a frame."""

    def __call__(self, frame: RgbdFrame) -> NDArray[np.float64]:
        """Return boxes (N, 4), pixels: x_min, y_min, x_max, y_max, the last two exclusive.

        Most likely ones first, if the proposer ranks them.
        """
        ...


class SelectiveSearch:
    """Selective search (Uijlings, van de Sande, Gevers & Smeulders 2013) on color.

    Small regions of uniform color are merged, the most similar first, until one is left. Each
    region on the way is a proposal. This is repeated with several color spaces, initial region
    sizes and similarity measures.

    Args:
        mode: ``fast``: 2 color spaces, 2 sizes, 2 measures; ``quality``: 5, 4 and 4.
        width: larger images are searched at this width, pixels: the time grows faster than the
            number of pixels.
        most: largest number of boxes.

    Raises:
        InputError: if OpenCV is installed without its contrib modules.
    """

    def __init__(
        self, mode: Literal["fast", "quality"] = "fast", width: int = 320, most: int = 2000
    ) -> None:
        if not hasattr(cv2, "ximgproc"):
            raise InputError(
                "selective search needs OpenCV's contrib modules, which version "
                f"{cv2.__version__} here lacks: pip install opencv-contrib-python-headless"
            )
        self.mode, self.width, self.most = mode, width, most

    def __call__(self, frame: RgbdFrame) -> NDArray[np.float64]:
        """Return boxes; see `Proposer`. The order is random, with large boxes first on average."""
        rows, cols = frame.color.shape[:2]
        width = min(self.width, cols)
        height = max(1, round(rows * width / cols))
        small = cv2.resize(frame.color, (width, height), interpolation=cv2.INTER_AREA)
        search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
        search.setBaseImage(np.ascontiguousarray(small[..., ::-1]))
        if self.mode == "fast":
            search.switchToSelectiveSearchFast()
        else:
            search.switchToSelectiveSearchQuality()
        # OpenCV's order differs from call to call. That of the paper is the position in the
        # hierarchy, with larger regions above, times a random number.
        found = np.unique(search.process(), axis=0)
        place = np.empty(len(found))
        place[np.argsort(-found[:, 2] * found[:, 3], kind="stable")] = np.arange(1, len(found) + 1)
        order = np.argsort(place * np.random.default_rng(0).random(len(found)))[: self.most]
        corners = np.concatenate([found[order, :2], found[order, :2] + found[order, 2:]], axis=1)
        return corners * np.tile([cols / width, rows / height], 2)


class TabletopProposals:
    """The objects of the plane-based segmentation: few boxes, each with a 3-D box."""

    def __init__(self) -> None:
        self._segment = TabletopSegmenter()

    def __call__(self, frame: RgbdFrame) -> NDArray[np.float64]:
        """Return boxes; see `Proposer`. There are none without a support plane."""
        return _boxes(self.segment(frame)[1])

    def segment(self, frame: RgbdFrame) -> tuple[Plane | None, tuple[SceneObject, ...]]:
        """Return the plane, and the objects of the proposed boxes in the same order."""
        _, plane, objects = self._segment(frame)
        return plane, objects


class SegmentsOrSearch:
    """`TabletopProposals` if the depth shows a support plane, else `SelectiveSearch`."""

    def __init__(self) -> None:
        self._tabletop, self._search = TabletopProposals(), SelectiveSearch()

    def __call__(self, frame: RgbdFrame) -> NDArray[np.float64]:
        """Return boxes; see `Proposer`."""
        if np.isfinite(frame.depth).any():
            plane, objects = self._tabletop.segment(frame)
            if plane is not None:
                return _boxes(objects)
        return self._search(frame)


def _boxes(objects: Sequence[SceneObject]) -> NDArray[np.float64]:
    return np.array([item.box2d for item in objects], np.float64).reshape(-1, 4)


def recall_at(
    boxes: Sequence[NDArray[np.float64]],
    truth: Sequence[NDArray[np.float64]],
    iou: float,
    counts: Sequence[int],
) -> NDArray[np.float64]:
    """Return the recall of the objects by the first proposals of each image.

    Args:
        boxes: for each image, proposals (N, 4), in order.
        truth: for each image, boxes (M, 4) of the objects.
        iou: least intersection over union of a proposal and its object, 0 to 1.
        counts: numbers of proposals.

    Returns:
        Recall for each number of proposals, 0 to 1; NaN without objects.

    Raises:
        ValueError: if the numbers of images differ.
    """
    first: list[float] = []  # for each object, the index of the first proposal that matches it
    for some, objects in zip(boxes, truth, strict=True):
        found = box_iou(objects, some) >= iou
        found = np.concatenate([found, np.ones((len(objects), 1), bool)], axis=1)
        index = found.argmax(axis=1)
        first += np.where(index < len(some), index, np.inf).tolist()
    if not first:
        return np.full(len(counts), np.nan)
    return np.array([(np.array(first) < count).mean() for count in counts])
