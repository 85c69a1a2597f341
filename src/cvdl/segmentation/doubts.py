"""Doubts about the results of a frame, in words. The log reports each cause once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import IMAGE_SIDES, RgbdFrame
from cvdl.core.scene import Plane, Region

__all__ = ["UNSEEN", "Doubt", "depth_doubts", "region_doubts", "support_doubts", "tilt_deg"]

#: A cause in a few words, the same for all frames, and a sentence about this frame.
Doubt = tuple[str, str]

#: The cause of a region that is out of view.
UNSEEN = "region not in view"

_SMALL_GAPS = 0.1  # of the visible surfaces
_EMPTY = 0.5  # of the pixels
_TILTED_DEG = 15.0
_POINTS_DOWN = 0.3  # sine of the angle of a normal towards the lower side of the image


def depth_doubts(depth: NDArray[np.float32], small_gaps: float) -> Iterator[Doubt]:
    """Whether much of the depth is missing, with likely causes.

    Args:
        depth: (H, W) float32, meters, NaN for no reading.
        small_gaps: share of the visible surfaces that small gaps hide, see ``bridge_gaps``.
    """
    empty = np.count_nonzero(np.isnan(depth)) / depth.size
    if small_gaps >= _SMALL_GAPS:
        yield (
            "gaps in the depth",
            f"{empty:.0%} of the pixels have no depth, many of them in small gaps, which are "
            "interpolated. Likely causes are registration from a sensor of lower resolution, a "
            "decimation filter or lost lines: use depth of the resolution of the color image, "
            "or a hole-filling filter",
        )
    elif _EMPTY < empty < 1:  # an empty image has no support plane, which has its own message
        yield (
            "little depth",
            f"{empty:.0%} of the pixels have no depth. Likely causes are surfaces that are too "
            "near, too far, dark, shiny or transparent, sunlight, or a projector that is off",
        )


def support_doubts(
    plane: Plane | None, up: NDArray[np.float64] | None, setting: str
) -> Iterator[Doubt]:
    """Whether the support is far from level, or may be a wall.

    Args:
        plane: the support plane, in the camera frame.
        up: (3,) direction against gravity in the camera frame, or None if it is not known.
        setting: ``segmentation.up``; a side of the image takes precedence over ``up``.
    """
    if plane is None:
        return
    if up is not None and setting not in IMAGE_SIDES:
        tilt = tilt_deg(plane, up)
        if tilt > _TILTED_DEG:
            yield (
                "tilted support",
                f"the support plane is tilted by {tilt:.0f} degrees against gravity: it may be a "
                "wall, the transform of the camera may be wrong, or the z axis of the upright "
                "frame does not point up (set another frame with segmentation.up_frame)",
            )
    elif plane.normal @ IMAGE_SIDES.get(setting, IMAGE_SIDES["top"]) < -_POINTS_DOWN:
        if setting in IMAGE_SIDES:
            remedy = f"segmentation.up is {setting}: check how the camera is mounted"
        else:
            remedy = (
                "set segmentation.up to the side of the image that is up, or provide a transform "
                "to a frame whose z axis points up"
            )
        yield (
            "support faces down",
            "the support plane faces the lower side of the image. It is a table only if the "
            f"camera is mounted upside down; otherwise it may be a wall: {remedy}",
        )


def region_doubts(region: Region, inside: NDArray[np.bool_], frame: RgbdFrame) -> Iterator[Doubt]:
    """Whether no reading lies in the region of interest.

    Args:
        region: the region.
        inside: (H, W), its pixels in this frame.
        frame: depth, and the camera.
    """
    depth, camera = frame.depth, frame.camera
    if np.isfinite(depth[inside]).any() or np.isnan(depth).all():
        return
    if region.box is None:
        x_min, y_min, x_max, y_max = region.rectangle
        where = (
            f"its columns {x_min} to {x_max - 1} and rows {y_min} to {y_max - 1} have no depth. "
            "Check segmentation.region.image, in shares of the image"
        )
    else:
        x, y, z = region.box.center
        u, v = camera.project(region.box.center)
        is_shown = 0 <= u < camera.width and 0 <= v < camera.height
        place = f"at column {u:.0f} and row {v:.0f} of the image" if is_shown else "out of view"
        where = (
            f"the center of its box is {place}, {abs(x):.2f} m {'right' if x > 0 else 'left'} of, "
            f"{abs(y):.2f} m {'below' if y > 0 else 'above'} and {abs(z):.2f} m "
            f"{'in front of' if z > 0 else 'behind'} the camera. Check segmentation.region.box, in "
            "meters, and the transform between its box_frame and the camera"
        )
    yield UNSEEN, f"no depth reading lies in segmentation.region, so there are no results: {where}"


def tilt_deg(plane: Plane, up: NDArray[np.float64]) -> float:
    """Angle between the normal of a plane and up, a unit vector (3,) of its frame, degrees."""
    return float(np.rad2deg(np.arccos(np.clip(plane.normal @ up, -1, 1))))
