"""What the instance network sees, at the size of a frame, and the masks that follow from it.

Geometry cuts the surface at creases, steps and edges of color, and the network says which of the
pieces belong together (``borders.py``). Here the network removes masks of what it takes for no
object, and adds objects that the depth does not show, such as flat and transparent ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.scene import Plane
from cvdl.segmentation.labels import Labels, connected_parts, pixels_by_label

if TYPE_CHECKING:
    from cvdl.segmentation.instances.model import Instances

__all__ = [
    "Seen",
    "add_unmeasured",
    "prefer_clear",
    "remove_unlikely",
]

_POSSIBLE = -1.0  # log odds: less likely pixels of an object belong to no group
_UNLIKELY = 0.25  # mean probability of an object: masks below are none
_LIKELY = 0.6  # the same: groups above are objects, even without a mask
_COVERED = 0.2  # share of a group; with more of it in masks, the masks decide
#: Log odds that geometry adds for a pixel above the support; their negative for one on it.
_HEIGHT_ODDS = 1.5
#: A group is clear if it has this many pixels, this share of clear ones, and this probability.
_FEWEST, _CLEAR_SHARE, _SURE = 150, 0.8, 0.7
_SAME = 0.8  # intersection over union: geometry has the sharper outline of the same object
_WITHIN, _MINOR = 0.9, 0.6  # a group in one mask that is a smaller part of it does not divide it
_REST = 0.35  # share of a mask beside a clear group: less of it is no object of its own
_PART = 0.15  # of the largest part of a group: smaller parts are dropped
_CROSS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Seen:
    """What the network sees in a frame, at its size.

    Attributes:
        odds: (H, W) float32, log odds of an object.
        is_support: (H, W) float32, probability of the support.
        groups: (H, W) int32, the object that each pixel belongs to if it is one; 0 for none.
        is_clear: (H, W) bool, whether it clearly belongs to that object and no other.
    """

    odds: NDArray[np.float32]
    is_support: NDArray[np.float32]
    groups: Labels
    is_clear: NDArray[np.bool_]

    @classmethod
    def of(
        cls, instances: Instances, shape: tuple[int, int], inside: NDArray[np.bool_] | None
    ) -> Seen:
        """Enlarge the output of the network.

        Args:
            instances: output of the network.
            shape: (H, W) of the frame.
            inside: (H, W), pixels of the region of interest; nothing is seen outside of it.
        """
        size = shape[::-1]
        odds = cv2.resize(instances.is_object, size, interpolation=cv2.INTER_LINEAR)
        support = cv2.resize(instances.is_support, size, interpolation=cv2.INTER_LINEAR)
        if inside is not None:
            odds[~inside] = support[~inside] = -np.inf
        labels, is_clear = instances.groups(instances.is_object > _POSSIBLE)
        groups = labels.astype(np.float32)
        # Pixels of objects between the pixels of the reduced image.
        groups = np.where(groups > 0, groups, cv2.dilate(groups, _CROSS))
        groups = cv2.resize(groups, size, interpolation=cv2.INTER_NEAREST_EXACT)
        groups[odds <= _POSSIBLE] = 0
        clear = cv2.resize(is_clear.view(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
        return cls(odds, _probability(support), groups.astype(np.int32), clear > 0)

    @cached_property
    def is_object(self) -> NDArray[np.float32]:
        """(H, W) float32, probability of an object."""
        return _probability(self.odds)


def remove_unlikely(masks: Labels, seen: Seen, window: tuple[slice, slice]) -> Labels:
    """Remove masks (h, w) in a window of the image that the network takes for no object."""
    flat = masks.ravel()
    area = np.maximum(np.bincount(flat), 1)
    likely = np.bincount(flat, seen.is_object[window].ravel()) / area >= _UNLIKELY
    return np.asarray(masks * likely[masks])


def prefer_clear(
    masks: Labels,
    seen: Seen,
    depth: NDArray[np.float32],
    camera: Camera,
    plane: Plane,
    low: float,
) -> Labels:
    """Replace masks by the objects that the network sees clearly.

    Args:
        masks: (H, W), 0 for none.
        seen: what the network sees.
        depth: (H, W), meters, NaN for no reading.
        camera: intrinsics.
        plane: the support; its height settles the outlines.
        low: height that is above the noise, meters.
    """
    masks = masks.copy()
    flat, likely = masks.ravel(), seen.is_object.ravel()
    is_object = seen.odds + _height_odds(depth, camera, plane, low) > 0
    clear = [
        pixels
        for pixels in pixels_by_label(np.where(is_object, seen.groups, 0)).values()
        if len(pixels) >= _FEWEST
        and seen.is_clear.ravel()[pixels].mean() >= _CLEAR_SHARE
        and likely[pixels].mean() >= _SURE
    ]
    area = np.bincount(flat)
    parts = np.stack([np.bincount(flat[pixels], minlength=len(area)) for pixels in clear] or [area])
    # ``parts`` has a row too many where no group is clear.
    for new, (pixels, part) in enumerate(zip(clear, parts, strict=False), len(area)):
        part[0] = 0
        most = int(part.argmax())
        is_same = part[most] > _SAME * (area[most] + len(pixels) - part[most])
        is_minor = part[most] > _WITHIN * part.sum() and part[most] < _MINOR * area[most]
        if is_same or is_minor:
            continue
        flat[pixels] = new
        for mask in np.flatnonzero(part):
            rest = np.flatnonzero(flat == mask)
            if 0 < len(rest) < _REST * area[mask]:
                flat[rest] = new if likely[rest].mean() >= 0.5 else 0
    return masks


def _height_odds(
    depth: NDArray[np.float32], camera: Camera, plane: Plane, low: float
) -> NDArray[np.float32]:
    """Log odds (H, W) of an object by the height over a plane; 0 for no reading."""
    normal = plane.normal.astype(np.float32)
    x, y = camera.rays()
    height = depth * (normal[0] * x + normal[1] * y + normal[2]) + np.float32(plane.offset)
    above = np.clip(2 * height / low - 1, -1, 1)
    return np.nan_to_num(_HEIGHT_ODDS * above).astype(np.float32)


def add_unmeasured(masks: Labels, seen: Seen) -> Labels:
    """Add objects that the network sees and no mask (H, W) covers."""
    masks = masks.copy()
    groups = pixels_by_label(np.where(seen.is_object > 0.5, seen.groups, 0))
    for new, pixels in enumerate(groups.values(), int(masks.max()) + 1):
        free = pixels[masks.ravel()[pixels] == 0]
        if len(free) < (1 - _COVERED) * len(pixels):
            continue
        if seen.is_object.ravel()[free].mean() < _LIKELY:
            continue
        row, col = np.divmod(free, masks.shape[1])
        top, left = row.min(), col.min()
        mask = np.zeros((row.max() - top + 1, col.max() - left + 1), np.uint8)
        mask[row - top, col - left] = 1
        parts, areas = connected_parts(mask, connectivity=8)
        large = areas >= _PART * areas.max()
        masks.ravel()[free[large[parts[row - top, col - left]]]] = new
    return masks


def _probability(odds: NDArray[np.float32]) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-odds))).astype(np.float32)
