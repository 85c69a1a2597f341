"""Grasp rectangles: grasps of a parallel gripper as rotated rectangles in the image.

The representation of Jiang, Moseson & Saxena 2011 ("Efficient grasping from RGBD images",
section III), as in Lenz, Lee & Saxena 2014: the plates of the gripper lie along two sides of the
rectangle and close along the other two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvdl.core.extras import require

__all__ = ["RIGHT_OVERLAP", "GraspRectangles", "angle_difference", "best_overlap", "jaccard"]

#: A correct rectangle has a larger Jaccard index with a good one (Jiang, Moseson & Saxena 2011).
RIGHT_OVERLAP = 0.25
_MOST_TURN = np.deg2rad(30)  # between a correct rectangle and the good one

_GRID = 1e-6  # pixels


@dataclass(frozen=True)
class GraspRectangles:
    """N grasp rectangles, in pixels.

    Attributes:
        center: (N, 2) float64, (u, v).
        angle: (N,) float64, radians in [-pi/2, pi/2): direction of the opening, along which the
            gripper closes, from +u to +v: clockwise in the image, as v points down.
        opening: (N,) float64, length of the sides along that direction.
        plate: (N,) float64, length of the sides along the plates of the gripper.
        score: (N,) float64, higher is better; 1 by default.
    """

    center: NDArray[np.float64]
    angle: NDArray[np.float64]
    opening: NDArray[np.float64]
    plate: NDArray[np.float64]
    score: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        center = np.asarray(self.center, np.float64).reshape(-1, 2)
        count = len(center)
        score = np.ones(count) if not np.size(self.score) else self.score
        columns = {"angle": self.angle, "opening": self.opening, "plate": self.plate}
        object.__setattr__(self, "center", center)
        for name, values in {**columns, "score": score}.items():
            array = np.asarray(values, np.float64).reshape(-1)
            if len(array) != count:
                raise ValueError(f"{len(array)} values of {name} for {count} centers")
            object.__setattr__(self, name, array)
        object.__setattr__(self, "angle", wrap_angle(self.angle))

    def __len__(self) -> int:
        return len(self.center)

    def __getitem__(self, index: slice | Sequence[int] | NDArray[Any]) -> GraspRectangles:
        """Select rectangles by a slice, indices or a mask."""
        return GraspRectangles(
            self.center[index],
            self.angle[index],
            self.opening[index],
            self.plate[index],
            self.score[index],
        )

    @classmethod
    def none(cls) -> GraspRectangles:
        """Return no rectangles."""
        return cls(np.empty((0, 2)), np.empty(0), np.empty(0), np.empty(0))

    @classmethod
    def from_corners(cls, corners: ArrayLike) -> GraspRectangles:
        """Convert corners (N, 4, 2), in order, with the first side along the opening.

        Quadrilaterals, such as hand-drawn labels, become rectangles with the same center and the
        means of opposite sides.
        """
        corners = np.asarray(corners, np.float64).reshape(-1, 4, 2)
        along = (corners[:, 1] - corners[:, 0] + corners[:, 2] - corners[:, 3]) / 2
        across = (corners[:, 2] - corners[:, 1] + corners[:, 3] - corners[:, 0]) / 2
        return cls(
            corners.mean(axis=1),
            np.arctan2(along[:, 1], along[:, 0]),
            np.linalg.norm(along, axis=1),
            np.linalg.norm(across, axis=1),
        )

    def resized(self, factors: ArrayLike) -> GraspRectangles:
        """Return the rectangles in an image resized by factors (2,) of x and y, nearly equal."""
        factors = np.asarray(factors, np.float64)
        size = np.sqrt(factors.prod())
        return replace(
            self,
            center=(self.center + 0.5) * factors - 0.5,
            opening=self.opening * size,
            plate=self.plate * size,
        )

    def corners(self) -> NDArray[np.float64]:
        """Return the corners (N, 4, 2), in order, with the first side along the opening."""
        direction = np.stack([np.cos(self.angle), np.sin(self.angle)], axis=1)
        along = direction * self.opening[:, None] / 2
        across = np.stack([-direction[:, 1], direction[:, 0]], axis=1) * self.plate[:, None] / 2
        offsets = np.stack(
            [-along - across, along - across, along + across, -along + across], axis=1
        )
        return self.center[:, None] + offsets


def wrap_angle(angle: NDArray[np.floating]) -> NDArray[np.floating]:
    """Wrap angles in radians to [-pi/2, pi/2): half a turn of a gripper changes nothing."""
    turned = (angle + np.pi / 2) % np.pi
    # Just below -pi/2, the remainder is rounded to pi.
    return np.where(turned >= np.pi, 0, turned) - np.pi / 2


def angle_difference(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the angle between orientations, radians in [0, pi/2]; shapes broadcast."""
    return np.abs(wrap_angle(a - b))


def jaccard(a: GraspRectangles, b: GraspRectangles) -> NDArray[np.float64]:
    """Return the intersection over union of all pairs, (len(a), len(b)); 0 without any area.

    Raises:
        MissingExtraError: if Shapely is not installed.
    """
    require("evaluate", "the comparison of rectangles", "shapely")
    import shapely

    first, second = shapely.polygons(a.corners()), shapely.polygons(b.corners())
    common = shapely.area(shapely.intersection(first[:, None], second[None]))
    # GEOS 3.14 returns an empty intersection for some pairs that differ by rounding only; with a
    # grid it does not. Empty is wrong if the center of b is in the inscribed circle of a.
    apart = np.linalg.norm(a.center[:, None] - b.center[None], axis=2)
    i, j = np.nonzero((common == 0) & (apart < np.minimum(a.opening, a.plate)[:, None] / 2))
    common[i, j] = shapely.area(shapely.intersection(first[i], second[j], grid_size=_GRID))
    union = (a.opening * a.plate)[:, None] + (b.opening * b.plate)[None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def best_overlap(predictions: GraspRectangles, good: GraspRectangles) -> NDArray[np.float64]:
    """Return the largest Jaccard index (N,) with a good rectangle within 30 degrees; 0 for none.

    The rectangle metric (Jiang, Moseson & Saxena 2011, section V): a prediction is correct if it
    is larger than `RIGHT_OVERLAP`.
    """
    turned = angle_difference(predictions.angle[:, None], good.angle[None])
    alike = np.where(turned <= _MOST_TURN, jaccard(predictions, good), 0)
    return np.asarray(alike.max(axis=1, initial=0), np.float64)
