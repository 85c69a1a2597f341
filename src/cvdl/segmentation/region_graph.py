"""Regions as a graph: their pixels, borders and measures, while regions are joined."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import Plane
from cvdl.segmentation.borders import Border, Borders
from cvdl.segmentation.colors import ColorMatch, compare_colors
from cvdl.segmentation.labels import Labels, pixels_by_label, quantile
from cvdl.segmentation.surface import Surface
from cvdl.segmentation.watershed import CREASE_ANGLE

__all__ = ["MAX_SAMPLES", "RegionGraph", "extent"]

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_NEAREST = 8  # regions
MAX_SAMPLES = 128  # points that stand for a region


class RegionGraph:
    """Regions that are being joined.

    Args:
        labels: of the regions, (h, w).
        borders: the borders between them.
        surface: their geometry and color.
        plane: the support plane, in the camera frame.

    Attributes:
        pixels: flat indices of the pixels of each region.
        borders: ``borders[a][b]`` from a to b, in both directions.
        perimeter: pixel pairs along the outline of each region.
        points, lab, normals: (N, 3), of all pixels.
        depth, curvature: (N,), likewise.
        smooth: (N,) bool, not on a concave crease.
        plane: the support plane.
    """

    def __init__(self, labels: Labels, borders: Borders, surface: Surface, plane: Plane) -> None:
        self.shape = labels.shape
        self.pixels = pixels_by_label(labels)
        by_region = borders.by_region()
        self.borders = {region: by_region.get(region, {}) for region in self.pixels}
        self.perimeter = dict(enumerate(borders.perimeter.tolist()))
        self._centers: dict[int, NDArray[np.float64]] = {}
        self._samples: dict[int, NDArray[np.intp]] = {}

        self.points = surface.points.reshape(-1, 3)
        self.lab = surface.lab.reshape(-1, 3)
        self.normals = surface.normals.reshape(-1, 3)
        self.depth = surface.depth.ravel()
        self.plane = plane
        self.curvature = surface.curvature.ravel()
        self.smooth = surface.concavity.ravel() < CREASE_ANGLE

    @cached_property
    def height(self) -> NDArray[np.float32]:
        """Height of the points above the plane, (N,), meters."""
        return self.plane.height(self.points).astype(np.float32, copy=False)

    @cached_property
    def forward(self) -> NDArray[np.float32]:
        """Coordinate of the points on the plane along the view, (N,), meters."""
        return self.points @ self._view.astype(np.float32)

    @cached_property
    def across(self) -> NDArray[np.float32]:
        """Coordinate of the points on the plane across the view, (N,), meters."""
        return self.points @ np.cross(self._view, self.plane.normal).astype(np.float32)

    @property
    def _view(self) -> NDArray[np.float64]:
        """Unit vector of the view along the plane, (3,)."""
        normal = self.plane.normal
        forward: NDArray[np.float64] = np.array([0.0, 0.0, 1.0]) - normal[2] * normal
        return forward / max(float(np.linalg.norm(forward)), 1e-6)

    def area(self, region: int) -> int:
        """Number of pixels."""
        return len(self.pixels[region])

    def top(self, region: int) -> float:
        """Height of the upper end above the plane, meters."""
        return quantile(self.height[self.pixels[region]], 0.95)

    def distance(self, region: int) -> float:
        """Mean distance along the plane from the camera, meters."""
        return float(self.forward[self.pixels[region]].mean())

    def mean_curvature(self, region: int) -> float:
        """Mean curvature without creases, degrees."""
        pixels = self.pixels[region]
        pixels = pixels[self.smooth[pixels]]
        return float(self.curvature[pixels].mean()) if len(pixels) else 0.0

    def color_difference(self, a: int, b: int) -> float:
        """Difference of the mean colors of two regions, as in ``Surface.lab``."""
        means = (self.lab[self.pixels[region]].mean(axis=0) for region in (a, b))
        return float(np.linalg.norm(next(means) - next(means)))

    def compare_colors(self, a: int, b: int) -> ColorMatch:
        """Whether two regions have one plain color, clearly different colors, or neither."""
        variances = [float(self.lab[self.pixels[each]].var(axis=0).sum()) for each in (a, b)]
        return ColorMatch(compare_colors(self.color_difference(a, b), max(variances) ** 0.5))

    def nearest(self, region: int) -> list[int]:
        """The few regions nearest in the image."""
        others = [other for other in self.pixels if other != region]
        if len(others) <= _NEAREST:
            return others
        offsets = np.array([self._center(other) for other in others]) - self._center(region)
        return [others[i] for i in np.argsort((offsets**2).sum(axis=1))[:_NEAREST]]

    def _center(self, region: int) -> NDArray[np.float64]:
        """Mean row and column, (2,)."""
        if region not in self._centers:
            rows, cols = np.divmod(self.pixels[region], self.shape[1])
            self._centers[region] = np.array([rows.mean(), cols.mean()])
        return self._centers[region]

    def samples(self, region: int) -> NDArray[np.intp]:
        """Some pixels with a normal, spread over a region."""
        if region not in self._samples:
            pixels = self.pixels[region]
            pixels = pixels[:: max(1, len(pixels) // MAX_SAMPLES)]
            self._samples[region] = pixels[self.normals[pixels, 2] != 0]
        return self._samples[region]

    def touches(self, a: int, b: int) -> NDArray[np.bool_]:
        """Which pixels of region a lie beside a pixel of region b."""
        other = np.zeros(self.shape, np.uint8)
        other.ravel()[self.pixels[b]] = 1
        beside: NDArray[np.bool_] = cv2.dilate(other, _CROSS).ravel()[self.pixels[a]] > 0
        return beside

    def smallest_first(self) -> Iterator[int]:
        """The present regions, small to large, without those that are joined meanwhile."""
        for region in sorted(self.pixels, key=self.area):
            if region in self.pixels:
                yield region

    def join(self, a: int, b: int) -> None:
        """Makes region b a part of region a."""
        self.pixels[a] = np.concatenate([self.pixels[a], self.pixels.pop(b)])
        self._centers.pop(a, None)
        self._samples.pop(a, None)
        shared = self.borders[a].pop(b, Border())
        self.perimeter[a] += self.perimeter.pop(b) - 2 * shared.length
        for other, border in self.borders.pop(b).items():
            if other == a:
                continue
            joined = self.borders[a].get(other, Border()) + border
            self.borders[a][other] = joined
            del self.borders[other][b]
            self.borders[other][a] = joined.reversed()

    def labels(self) -> Labels:
        """The labels of the joined regions (h, w)."""
        labels = np.zeros(self.shape, np.int32)
        for region, pixels in self.pixels.items():
            labels.ravel()[pixels] = region
        return labels


def extent(values: NDArray[np.floating]) -> float:
    """The extent of values (N,) without outliers."""
    return quantile(values, 0.98) - quantile(values, 0.02)
