"""What the stages work on: a registered pair of color and depth.

Points, planes and boxes are in the camera's optical frame (z forward, x right, y down), metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera

__all__ = ["IMAGE_SIDES", "RgbdFrame", "owned", "readings"]

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

_FARTHEST = 1000.0  # metres


def readings(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth with NaN for whatever is no reading: 0, negative, infinite or beyond any sensor.

    Args:
        depth: any shape, metres; copied where it holds such a value.
    """
    real = (depth > 0) & (depth < _FARTHEST)
    if (real | np.isnan(depth)).all():
        return depth
    return np.where(real, depth, np.float32(np.nan))


def owned(array: NDArray[Any]) -> NDArray[Any]:
    """The array, or a copy if it is read-only or does not lie in memory row by row."""
    return np.require(array, requirements=["C", "W"])


@dataclass(frozen=True)
class RgbdFrame:
    """One registered pair of colour and depth.

    Arrays that do not lie in memory row by row (views of others, turned or mirrored) are copied,
    and so are read-only ones: torch warns of them, and Numba compiles anew for them.

    Attributes:
        color: (H, W, 3) uint8, RGB.
        depth: (H, W) float32, metres along z; NaN where there is no reading, see ``readings``.
        camera: intrinsics, of the same size.
        stamp_ns: time of capture, nanoseconds.
        frame_id: name of the optical frame.
        up: (3,) the direction against gravity in the camera's optical frame, of length 1; None
            where it is not known.

    Raises:
        ValueError: if shapes or types are not these.
    """

    color: NDArray[np.uint8]
    depth: NDArray[np.float32]
    camera: Camera
    stamp_ns: int = 0
    frame_id: str = "camera_color_optical_frame"
    up: NDArray[np.float64] | None = None

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
        object.__setattr__(self, "color", owned(self.color))
        object.__setattr__(self, "depth", readings(owned(self.depth)))
