"""Grasp rectangles: where a parallel gripper closes, as a turned rectangle in the image.

The representation of Jiang, Moseson & Saxena 2011 ("Efficient grasping from RGBD images",
section III), as Lenz, Lee & Saxena 2014 use it: the gripper's plates lie along two sides of the
rectangle and close along the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

__all__ = ["RIGHT_OVERLAP", "GraspRectangles", "angle_difference", "best_overlap", "jaccard"]

#: Jaccard index that a right rectangle exceeds (Jiang, Moseson & Saxena 2011).
RIGHT_OVERLAP = 0.25
_MOST_TURN = np.deg2rad(30)  # between a right rectangle and the good one

_GRID = 1e-6  # pixels


@dataclass(frozen=True)
class GraspRectangles:
    """N grasp rectangles, in pixels.

    Attributes:
        center: (N, 2) float64, (u, v).
        angle: (N,) float64, radians in [-pi/2, pi/2): direction of the opening, along which the
            gripper closes, from +u towards +v; v points down, so it turns clockwise to the eye.
        opening: (N,) float64, length of the sides along that direction.
        plate: (N,) float64, length of the sides along the gripper's plates.
        score: (N,) float64, higher is better; 1 where nobody has judged.
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
                raise ValueError(f"{len(array)} values of {name} for {count} centres")
            object.__setattr__(self, name, array)
        object.__setattr__(self, "angle", wrap_angle(self.angle))

    def __len__(self) -> int:
        return len(self.center)

    def __getitem__(self, index: slice | Sequence[int] | NDArray) -> GraspRectangles:
        """Some of the rectangles: a slice, indices or a mask."""
        return GraspRectangles(
            self.center[index],
            self.angle[index],
            self.opening[index],
            self.plate[index],
            self.score[index],
        )

    @classmethod
    def none(cls) -> GraspRectangles:
        """No rectangle."""
        return cls(np.empty((0, 2)), np.empty(0), np.empty(0), np.empty(0))

    @classmethod
    def from_corners(cls, corners: ArrayLike) -> GraspRectangles:
        """From corners (N, 4, 2), in order round the rectangle, the first side along the opening.

        Quadrangles that are not quite rectangles, as people draw them, become the rectangle with
        the same centre and mean sides.
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
        """The same on a picture whose x and y are multiplied by factors (2,), nearly equal."""
        factors = np.asarray(factors, np.float64)
        size = np.sqrt(factors.prod())
        return replace(
            self,
            center=(self.center + 0.5) * factors - 0.5,
            opening=self.opening * size,
            plate=self.plate * size,
        )

    def corners(self) -> NDArray[np.float64]:
        """(N, 4, 2) in order round each rectangle, the first side along the opening."""
        direction = np.stack([np.cos(self.angle), np.sin(self.angle)], axis=1)
        along = direction * self.opening[:, None] / 2
        across = np.stack([-direction[:, 1], direction[:, 0]], axis=1) * self.plate[:, None] / 2
        offsets = np.stack(
            [-along - across, along - across, along + across, -along + across], axis=1
        )
        return self.center[:, None] + offsets


def wrap_angle(angle: NDArray[np.floating]) -> NDArray[np.floating]:
    """To [-pi/2, pi/2): a gripper turned by half a turn is the same."""
    turned = (angle + np.pi / 2) % np.pi
    # Just below -pi/2, the remainder is so near to pi that it is rounded to it.
    return np.where(turned >= np.pi, 0, turned) - np.pi / 2


def angle_difference(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Between orientations, radians in [0, pi/2]; shapes as numpy broadcasts them."""
    return np.abs(wrap_angle(a - b))


def jaccard(a: GraspRectangles, b: GraspRectangles) -> NDArray[np.float64]:
    """Intersection over union of every pair, (len(a), len(b)); 0 where both have no area."""
    first, second = shapely.polygons(a.corners()), shapely.polygons(b.corners())
    common = shapely.area(shapely.intersection(first[:, None], second[None]))
    # GEOS 3.14 finds nothing in common between some pairs that differ by rounding alone; on a grid
    # it does. Nothing cannot be right where the second's middle lies in the first's inner circle.
    apart = np.linalg.norm(a.center[:, None] - b.center[None], axis=2)
    i, j = np.nonzero((common == 0) & (apart < np.minimum(a.opening, a.plate)[:, None] / 2))
    common[i, j] = shapely.area(shapely.intersection(first[i], second[j], grid_size=_GRID))
    union = (a.opening * a.plate)[:, None] + (b.opening * b.plate)[None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def best_overlap(predictions: GraspRectangles, good: GraspRectangles) -> NDArray[np.float64]:
    """(N,) largest Jaccard index with a good rectangle of nearly that orientation; 0 for none.

    The rectangle metric (Jiang, Moseson & Saxena 2011, section V): a prediction is right if that is
    more than `RIGHT_OVERLAP`. Turned by at most 30 degrees counts as nearly.
    """
    turned = angle_difference(predictions.angle[:, None], good.angle[None])
    alike = np.where(turned <= _MOST_TURN, jaccard(predictions, good), 0)
    return np.asarray(alike.max(axis=1, initial=0), np.float64)
