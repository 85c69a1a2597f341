"""The input of the rules on regions: the working image and the support plane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.segmentation.labels import Labels
from cvdl.segmentation.plane import SupportPlane
from cvdl.segmentation.plane_color import color_off_plane, plane_color_map, plane_parts
from cvdl.segmentation.surface import Surface

__all__ = ["Rule", "Tabletop"]


@dataclass(frozen=True)
class Tabletop:
    """A frame on the reduced grid (h, w) of ``surface``, divided by height.

    Attributes:
        surface: geometry and color of everything above the plane.
        support: the support plane.
        camera: intrinsics of the full image.
        min_height: objects lower than this are ignored, meters.
        on_plane: (h, w) bool, pixels on the plane.
        low: (h, w) bool, the same with the specks of noise above it.
        above: (h, w) bool, pixels above the plane.
        plane_area: visible area of the plane, in the whole image, pixels of the reduced image.
    """

    surface: Surface
    support: SupportPlane
    camera: Camera
    min_height: float
    on_plane: NDArray[np.bool_]
    low: NDArray[np.bool_]
    above: NDArray[np.bool_]
    plane_area: float

    @cached_property
    def low_parts(self) -> tuple[Labels, NDArray[np.intp]]:
        """The parts of ``low``, see ``plane_parts``."""
        return plane_parts(self.low)

    @cached_property
    def _plane_colors(self) -> NDArray[np.float32]:
        return plane_color_map(self.surface.lab, self.on_plane)

    def color_off_plane(self, pixels: NDArray[np.intp]) -> float:
        """Mean color difference of pixels, by flat index, from the plane around their center."""
        difference: float = color_off_plane(pixels, self.surface.lab, self._plane_colors)
        return difference


#: A rule on regions: gets the labels (h, w) and the tabletop, and returns labels; removed regions
#: become 0.
Rule = Callable[[Labels, Tabletop], Labels]
