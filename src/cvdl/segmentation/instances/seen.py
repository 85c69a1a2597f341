"""What the instance network sees, at the size of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.segmentation.labels import Labels
from cvdl.segmentation.surface import Surface

if TYPE_CHECKING:
    from cvdl.segmentation.instances.instances import Instances

__all__ = ["Seen"]

_POSSIBLE = -1.0  # log odds: less likely pixels of an object belong to no group
_CROSS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Seen:
    """What the network sees in a frame, at its size.

    Attributes:
        odds: (H, W) float32, log odds of an object.
        is_support: (H, W) float32, probability of the support.
        groups: (H, W) int32, the object that each pixel belongs to if it is one; 0 for none.
        offsets: (2, H, W) float32, x and y from each pixel to the center of its object, pixels.
    """

    odds: NDArray[np.float32]
    is_support: NDArray[np.float32]
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
        groups = instances.groups(instances.is_object > _POSSIBLE).astype(np.float32)
        # Pixels of objects between the pixels of the reduced image.
        groups = np.where(groups > 0, groups, cv2.dilate(groups, _CROSS))
        groups = cv2.resize(groups, size, interpolation=cv2.INTER_NEAREST_EXACT)
        groups[odds <= _POSSIBLE] = 0
        factors = np.divide(size, instances.is_object.shape[::-1])
        offsets = np.stack(
            [
                cv2.resize(each * np.float32(factor), size, interpolation=cv2.INTER_NEAREST_EXACT)
                for each, factor in zip(instances.offsets, factors, strict=True)
            ]
        )
        return cls(odds, _probability(support), groups.astype(np.int32), offsets)

    @cached_property
    def is_object(self) -> NDArray[np.float32]:
        """(H, W) float32, probability of an object."""
        return _probability(self.odds)

    def votes(self, surface: Surface) -> NDArray[np.float32]:
        """Where the pixels of a surface see the center of their object.

        Returns:
            (h, w, 2) float32, x and y in pixels of the surface.
        """
        offsets = np.stack([surface.reduce(each) for each in self.offsets], axis=-1)
        height, width, _ = offsets.shape
        at = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        return (at + offsets / surface.factor).astype(np.float32)


def _probability(odds: NDArray[np.float32]) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-odds))).astype(np.float32)
