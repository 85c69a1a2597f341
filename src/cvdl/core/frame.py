"""The input of all stages: a registered pair of color and depth.

Points, planes and boxes are in the camera's optical frame (z forward, x right, y down), meters.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera

__all__ = ["IMAGE_SIDES", "RgbdFrame", "contiguous", "readings"]

#: Direction of each side of the image in the camera's optical frame, (3,).
IMAGE_SIDES = {
    side: np.array(direction, np.float64)
    for side, direction in {
        "top": (0, -1, 0),
        "bottom": (0, 1, 0),
        "left": (-1, 0, 0),
        "right": (1, 0, 0),
    }.items()
}

_FARTHEST = 1000.0  # meters

_T = TypeVar("_T")


def readings(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return depth with NaN in place of invalid values: 0, negative, infinite, beyond any sensor.

    Args:
        depth: any shape, meters; copied only if it contains an invalid value.
    """
    # These ignore NaN.
    least, most = (
        reduce(depth, axis=None, initial=1) for reduce in (np.fmin.reduce, np.fmax.reduce)
    )
    if least > 0 and most < _FARTHEST:
        return depth
    return np.where((depth > 0) & (depth < _FARTHEST), depth, np.float32(np.nan))


def contiguous(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, or a copy if it is read-only or not C-contiguous."""
    return np.require(array, requirements=["C", "W"])


@dataclass(frozen=True)
class RgbdFrame:
    """One registered pair of color and depth.

    Arrays that are read-only or not C-contiguous are copied: torch warns about them, and Numba
    compiles again for them.

    Attributes:
        color: (H, W, 3) uint8, RGB.
        depth: (H, W) float32, meters along z; NaN where there is no reading, see ``readings``.
        camera: intrinsics of an image of the same size.
        stamp_ns: time of capture, nanoseconds.
        frame_id: name of the optical frame.
        up: (3,) unit vector against gravity in the camera's optical frame; None if unknown.
        region_pose: (4, 4) transform from the camera's optical frame to that of
            ``segmentation.region.box``, meters; None if unknown.

    Raises:
        ValueError: if an array has another shape or dtype.
    """

    color: NDArray[np.uint8]
    depth: NDArray[np.float32]
    camera: Camera
    stamp_ns: int = 0
    frame_id: str = "camera_color_optical_frame"
    up: NDArray[np.float64] | None = None
    region_pose: NDArray[np.float64] | None = None
    _derived: dict[Hashable, Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        if self.color.dtype != np.uint8 or self.color.shape != (*size, 3):
            raise ValueError(
                f"color must be uint8 {(*size, 3)}, got {self.color.dtype} {self.color.shape}"
            )
        if self.depth.dtype != np.float32 or self.depth.shape != size:
            raise ValueError(
                f"depth must be float32 {size}, got {self.depth.dtype} {self.depth.shape}"
            )
        object.__setattr__(self, "color", contiguous(self.color))
        object.__setattr__(self, "depth", readings(contiguous(self.depth)))

    def derived(self, function: Callable[..., _T], *arguments: Hashable) -> _T:
        """Return ``function(self, *arguments)``, computed once and kept with the frame.

        Stages share what they derive from a frame, such as the input of the networks. A copy made
        by ``dataclasses.replace`` starts without any results.

        Args:
            function: computes a result, which nobody modifies, from the frame. The result must
                not be the frame itself: that would be a reference cycle.
            arguments: more arguments of the function, part of the key.
        """
        key = (function, *arguments)
        if key not in self._derived:
            self._derived[key] = function(self, *arguments)
        result: _T = self._derived[key]
        return result
