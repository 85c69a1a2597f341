"""Where something may be: boxes for a classifier to look at, whatever is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Plane, SceneObject
from cvdl.detection.matching import box_iou
from cvdl.segmentation.segmenter import TabletopSegmenter

__all__ = ["Proposer", "SegmentsOrSearch", "SelectiveSearch", "TabletopProposals", "recall_at"]


class Proposer(Protocol):
    """A frame in, boxes out."""

    def __call__(self, frame: RgbdFrame) -> NDArray[np.float64]:
        """Boxes (N, 4), pixels: x_min, y_min, x_max, y_max, the last two exclusive.

        The likeliest first, where the proposer knows.
        """
        ...


class SelectiveSearch:
    """Selective search (Uijlings, van de Sande, Gevers & Smeulders 2013), of colour alone.

    Small regions of even colour are joined, the most alike first, until the image is one; each
    region on the way gives a box. This is done in several colour spaces, with regions of several
    sizes to begin with and several measures of likeness, and the boxes are put together.

    Args:
        mode: ``fast``: 2 colour spaces, 2 sizes, 2 measures; ``quality``: 5, 4 and 4.
        width: the image is searched at this width, pixels, where it is wider: the time grows
            faster than the number of pixels.
        most: boxes, at most.

    Raises:
        InputError: if OpenCV comes without its contrib modules.
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
        """See `Proposer`; large boxes come early, as in the paper, but at random."""
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
        # OpenCV orders them by numbers that differ from call to call. The paper's order is the
        # place in the hierarchy, in which larger regions are above, times a random number.
        found = np.unique(search.process(), axis=0)
        place = np.empty(len(found))
        place[np.argsort(-found[:, 2] * found[:, 3], kind="stable")] = np.arange(1, len(found) + 1)
        order = np.argsort(place * np.random.default_rng(0).random(len(found)))[: self.most]
        corners = np.concatenate([found[order, :2], found[order, :2] + found[order, 2:]], axis=1)
        return corners * np.tile([cols / width, rows / height], 2)


class TabletopProposals:
    """The objects that the plane-based segmentation finds: few boxes, each with its 3-D box."""

    def __init__(self) -> None:
        self._segment = TabletopSegmenter()

    def __call__(self, frame: RgbdFrame) -> NDArray[np.float64]:
        """See `Proposer`; none where the frame shows no support plane."""
        return _boxes(self.segment(frame)[1])

    def segment(self, frame: RgbdFrame) -> tuple[Plane | None, tuple[SceneObject, ...]]:
        """The plane, and the objects whose boxes are proposed, in the same order."""
        _, plane, objects = self._segment(frame)
        return plane, objects


class SegmentsOrSearch:
    """`TabletopProposals` where a frame's depth shows a support plane, else `SelectiveSearch`."""

    def __init__(self) -> None:
        self._tabletop, self._search = TabletopProposals(), SelectiveSearch()

    def __call__(self, frame: RgbdFrame) -> NDArray[np.float64]:
        """See `Proposer`."""
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
    """Share of the things that are among the first so many proposals of their image.

    Args:
        boxes: of each image, proposals (N, 4), in their order.
        truth: of each image, boxes (M, 4) of what is there.
        iou: a proposal has found a thing from this intersection over union on, 0 to 1.
        counts: numbers of proposals.

    Returns:
        (len(counts),), 0 to 1; NaN where there is nothing to be found.

    Raises:
        ValueError: if there are not as many images of proposals as of truth.
    """
    first: list[float] = []  # the place of the first proposal that has found a thing
    for some, things in zip(boxes, truth, strict=True):
        found = box_iou(things, some) >= iou
        found = np.concatenate([found, np.ones((len(things), 1), bool)], axis=1)
        places = found.argmax(axis=1)
        first += np.where(places < len(some), places, np.inf).tolist()
    if not first:
        return np.full(len(counts), np.nan)
    return np.array([(np.array(first) < count).mean() for count in counts])
