"""The input of the rules on regions: the working image, the support plane and its color."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.segmentation.labels import Labels, connected_parts
from cvdl.segmentation.plane import SupportPlane
from cvdl.segmentation.support_heights import SupportHeights
from cvdl.segmentation.surface import ON_PLANE, Surface

__all__ = ["PLANE_COLOR", "Rule", "Tabletop"]

#: A color that differs by less (in ``Surface.lab``) is the color of the plane: such a region may be
#: the plane, despite its depth.
PLANE_COLOR = 6.0
_COLOR_SAMPLES = 200  # pixels of a region
_COARSE = 4  # pixels of the reduced image
_COLOR_WINDOW = 15, 15  # coarse pixels
_LARGE_SHARE = 0.5  # of the pixels of the largest part
_SPECK = np.ones((3, 3), np.uint8)


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

    @classmethod
    def of(
        cls, surface: Surface, camera: Camera, ground: SupportHeights, above: NDArray[np.bool_]
    ) -> Tabletop:
        """Divide a frame.

        Args:
            surface: geometry and color of the pixels above the plane.
            camera: intrinsics of the full image.
            ground: the support, and the height of the pixels.
            above: (H, W), pixels that are taken for above the plane.
        """
        classes, raised = surface.reduce(ground.classes), surface.reduce(above)
        return cls(
            surface=surface,
            support=ground.support,
            camera=camera,
            min_height=ground.min_height,
            on_plane=classes == ON_PLANE,
            low=(classes > 0) & ~raised,
            above=raised,
            plane_area=np.count_nonzero(ground.on_plane) / surface.factor**2,
        )

    @cached_property
    def low_parts(self) -> tuple[Labels, NDArray[np.intp]]:
        """The parts of ``low``, cut at narrow bridges; see ``connected_parts``."""
        return _parts(self.low)

    def color_off_plane(self, pixels: NDArray[np.intp]) -> float:
        """Mean color difference of pixels, by flat index, from the plane around their center."""
        return float(_color_off_plane(pixels, self.surface.lab, self._plane_colors))

    @cached_property
    def _plane_colors(self) -> NDArray[np.float32]:
        """The local color of the plane, (h / 4, w / 4, 3): light varies over a table.

        Infinite, far from every color, where there is no plane. The bottom of a plate lies on the
        plane too, but has the color of the plate: small separate parts do not count.
        """
        parts, areas = _parts(self.on_plane)
        coarse = tuple(slice(min(_COARSE // 2, size - 1), None, _COARSE) for size in parts.shape)
        weight = (areas > _LARGE_SHARE * areas.max())[parts[coarse]].astype(np.float32)
        total = cv2.blur(self.surface.lab[coarse] * weight[..., None], _COLOR_WINDOW)
        count = cv2.blur(weight, _COLOR_WINDOW)[..., None]
        return np.where(count > 0, total / np.maximum(count, 1e-6), np.float32(np.inf))


#: A rule on regions: gets the labels (h, w) and the tabletop, and returns labels; removed regions
#: become 0.
Rule = Callable[[Labels, Tabletop], Labels]


def _parts(on_plane: NDArray[np.bool_]) -> tuple[Labels, NDArray[np.intp]]:
    opened = cv2.morphologyEx(on_plane.view(np.uint8), cv2.MORPH_OPEN, _SPECK)
    return connected_parts(opened, connectivity=8)


@compiled()
def _color_off_plane(pixels, lab, colors):  # type: ignore[no-untyped-def]
    """Mean difference of pixels from the color (a coarse image) of the plane at their center."""
    width = lab.shape[1]
    rows, cols = 0, 0
    for pixel in pixels:
        rows += pixel // width
        cols += pixel % width
    row = min(rows // len(pixels) // _COARSE, colors.shape[0] - 1)
    col = min(cols // len(pixels) // _COARSE, colors.shape[1] - 1)
    some = pixels[:: max(1, len(pixels) // _COLOR_SAMPLES)]
    total = 0.0
    for pixel in some:
        square = 0.0
        for channel in range(3):
            off = lab[pixel // width, pixel % width, channel] - colors[row, col, channel]
            square += off * off
        total += np.sqrt(square)
    return total / len(some)
