"""What the instance network sees in a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.labels import Labels
from cvdl.segmentation.surface import Surface

if TYPE_CHECKING:
    from cvdl.segmentation.instances.instances import Instances

__all__ = ["Seen"]

_POSSIBLE = -1.0  # log odds: less likely pixels of an object belong to no group
_CROSS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Seen:
    """What the network sees in a frame (H, W), some of it at the size of its output (h, w).

    Attributes:
        object_odds: (H, W) float32, log odds of an object.
        support_odds: (H, W) float32, log odds of the support.
        groups: (h, w) int32, the object that each pixel belongs to if it is one; 0 for none.
        offsets: (2, h, w) float32, x and y from each pixel to the center of its object, pixels of
            that size.
    """

    object_odds: NDArray[np.float32]
    support_odds: NDArray[np.float32]
    groups: Labels
    offsets: NDArray[np.float32]

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
        groups = instances.groups(instances.is_object > _POSSIBLE).astype(np.uint16)
        # Pixels of objects between the pixels of the reduced image.
        groups = np.where(groups > 0, groups, cv2.dilate(groups, _CROSS))
        return cls(odds, support, groups.astype(np.int32), instances.offsets)

    def groups_on(self, surface: Surface) -> Labels:
        """The groups of the pixels of a surface, (h, w) int32."""
        rows, cols = self._pixels_under(surface)
        return np.asarray(_at(self.groups, rows, cols, surface.reduce(self.object_odds)))

    def votes_on(self, surface: Surface) -> NDArray[np.float32]:
        """Where the pixels of a surface see the center of their object.

        Returns:
            (h, w, 2) float32, x and y in pixels of the surface.
        """
        rows, cols = self._pixels_under(surface)
        height, width = np.divide(self.object_odds.shape, self.groups.shape) / surface.factor
        return np.asarray(_votes(self.offsets, rows, cols, width, height))

    def _pixels_under(self, surface: Surface) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the network's output in the middle of the pixels of a surface."""
        rows, cols = (
            (2 * surface.middles(axis) + 1) * small // (2 * size)
            for axis, (small, size) in enumerate(
                zip(self.groups.shape, self.object_odds.shape, strict=True)
            )
        )
        return rows, cols


@compiled()
def _at(groups, rows, cols, odds):  # type: ignore[no-untyped-def]
    """The groups of some rows and columns, where the log odds of an object allow one."""
    found = np.zeros((len(rows), len(cols)), np.int32)
    for i in range(len(rows)):
        for j in range(len(cols)):
            if odds[i, j] > _POSSIBLE:
                found[i, j] = groups[rows[i], cols[j]]
    return found


@compiled()
def _votes(offsets, rows, cols, width, height):  # type: ignore[no-untyped-def]
    """The places that offsets of some rows and columns point to from a grid, see ``Seen``."""
    votes = np.empty((len(rows), len(cols), 2), np.float32)
    for i in range(len(rows)):
        for j in range(len(cols)):
            votes[i, j, 0] = j + width * offsets[0, rows[i], cols[j]]
            votes[i, j, 1] = i + height * offsets[1, rows[i], cols[j]]
    return votes
