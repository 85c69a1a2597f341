"""Where the depth shows a detection that is no segmented object: on the support, or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.camera import Camera
from cvdl.frame import FIRST_OBJECT_LABEL, PLANE_LABEL, Plane, RgbdFrame, SceneObject
from cvdl.tabletop.noise import depth_noise

__all__ = ["BARE", "PART", "Place", "Places"]

Place = Literal["unknown", "on", "off", "the support alone", "part of a named object"]
#: Of detections that are no things of their own.
BARE: Place = "the support alone"
PART: Place = "part of a named object"

_SAMPLES = 64  # pixels along the longer side of a box that are looked at
_RING = 0.25  # of that side: as far round it is looked for comparison
_NOISE_SIGMAS = 3.0
_LEAST_NOISE = 0.008  # metres: waves of stereo cameras over a flat plane
_EDGE = 0.03  # metres: as far beyond what is seen of the support things may stand on it
_DROP = 0.05  # metres: what is deeper under the plane is behind it, no noise
_SEEN = 0.5  # of a box: with fewer readings depth does not tell
_MOST = 0.5  # of the readings in a box
_STANDS = 0.1  # of the readings: with so many over the support, a thing stands on it
_FOOT = 0.2  # of a box's height
# A thing that the depth does not show is thin, and so small. A box that holds much of all that is
# seen of the support is round the support, whatever stands on it.
_WHOLE, _FLAT = 0.3, 0.4  # of the support's pixels; of the box's
_LARGE = 0.03  # square metres: a fork's box is smaller
_LARGE_SIGNS, _SMALL_SIGNS = 0.15, 0.05  # of the plane in a box, more than round it
_PLANE = 0.6  # of a large box
_SEGMENTED = 0.03  # of a small box: thin things are segmented in part
_OF_ONE, _COVERED = 0.7, 0.8  # of what stands in a box; of the box


class Places:
    """Judges the detections of one frame.

    Args:
        frame: colour and depth.
        labels: (H, W) as in `cvdl.frame.Scene`.
        plane: the support plane.
        objects: the segmented ones.
        names: boxes of the detections that name objects, (4,) each, by the object's label.
    """

    def __init__(
        self,
        frame: RgbdFrame,
        labels: NDArray[np.uint16],
        plane: Plane,
        objects: tuple[SceneObject, ...],
        names: Mapping[int, NDArray[np.float64]],
    ) -> None:
        self._frame, self._labels, self._plane, self._names = frame, labels, plane, names
        self._support = _support_mask(frame, labels, plane, objects)
        self._plane_pixels = np.count_nonzero(labels == PLANE_LABEL)

    def __call__(self, box: NDArray[np.float64], mask: NDArray[np.bool_] | None = None) -> Place:
        """Where a detection is that is none of the objects.

        Args:
            box: (4,) x_min, y_min, x_max, y_max, pixels.
            mask: (H, W) bool of the detection, where it has one.

        Returns:
            ``on``: something stands or lies on the support there. ``off``: what the box shows is
            behind, beside or under the support. ``unknown``: there are too few readings, as
            of a transparent thing. `BARE` and `PART`: nothing of its own.
        """
        pixels = _pixels_of(self, box, mask)
        if pixels is None:
            return "unknown"
        place = pixels.place()
        return PART if place == "on" and self._is_part(box, pixels) else place
