"""Places of detections that match no segmented object, by depth: on the support, or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL, Plane
from cvdl.depth.noise import depth_noise
from cvdl.networks.boxes import box_areas, box_intersections, box_iou

__all__ = ["REFUSALS", "Place", "Places"]

Place = Literal["unknown", "on", "off", "bare support", "repeats a named object"]
#: Places of detections that are no objects of their own.
REFUSALS: tuple[Place, ...] = ("bare support", "repeats a named object")

Mask = NDArray[np.bool_]

_SAMPLES = 64  # sampled pixels along the longer side of a box
_RING = 0.25  # of that side: width of the ring around the box that is sampled for comparison
_NOISE_SIGMAS = 3.0
_LEAST_NOISE = 0.008  # meters: stereo cameras see waves on a flat plane
_EDGE = 0.03  # meters: objects can stand on the support this far outside of its visible part
_DROP = 0.05  # meters: deeper under the plane than noise
_SEEN = 0.5  # of a box: with fewer readings, the place is unknown
_ELSEWHERE = 0.5  # of the readings in a box, and of those at its foot
_FOOT = 0.2  # of a box
_STANDS = 0.1  # of the readings: with as many over the support, an object stands on its edge
_SLANTED = 0.3  # sine of the view's angle to the normal; seen from above, no side is the foot
# A box with a large part of the visible support is a box of the support itself.
_WHOLE, _WHOLE_FLAT = 0.3, 0.4  # of the pixels of the support; of those of the box
# Depth hardly shows thin objects, but these are small, and a part is segmented or raised.
_FLAT = 0.6  # of a box
_LARGE = 0.03  # square meters: more than the box of a fork
_FEW_SIGNS, _NO_SIGNS = 0.15, 0.05  # of the plane in a box, more than around it
_NO_OBJECT = 0.03  # of a box
_OWN = 0.5  # of an object in the box; other objects only reach into it
_RAISED, _UNUSUAL = 95, 99  # percentiles of the plane's heights and colors around a box
_LIGHTNESS, _SHADE = 0.4, 12.0  # of 8-bit CIE L*a*b*: weight, and least distance of two colors
_FEWEST = 30  # samples
_OF_ONE = 0.7  # of the pixels of objects in a box
_COVERED, _SAME = 0.8, 0.5  # of the box by another one; intersection over union


class Places:
    """Determines the places of detections of one frame that match no object.

    Args:
        frame: color and depth.
        labels: (H, W), see `cvdl.core.scene.Scene`.
        plane: the support plane.
        names: class name and box (4,) of the detection of each named object, by label.
    """

    def __init__(
        self,
        frame: RgbdFrame,
        labels: NDArray[np.uint16],
        plane: Plane,
        names: Mapping[int, tuple[str, NDArray[np.float64]]],
    ) -> None:
        self._frame, self._labels, self._plane, self._names = frame, labels, plane, names
        self._support = _Support.of(frame, labels, plane)
        self._pixels = np.bincount(labels.reshape(-1), minlength=PLANE_LABEL + 1)

    def __call__(
        self, box: NDArray[np.float64], class_name: str, mask: Mask | None = None
    ) -> Place:
        """Return the place of a detection.

        Args:
            box: (4,) x_min, y_min, x_max, y_max, pixels.
            class_name: its class.
            mask: (H, W) mask of the detection, if it has one.

        Returns:
            ``unknown``: there are few readings, as on transparent objects. ``off``: it is behind,
            beside or under the support. ``bare support``: it shows only the support. ``repeats a
            named object``: it shows an object that another detection of the same class names.
            ``on``: anything else, an object on the support.
        """
        view = self._look(box, mask) if self._pixels[PLANE_LABEL] else None
        if view is None or view.share(view.seen) < _SEEN:
            return "unknown"
        if view.is_elsewhere():
            return "off"
        if self._is_whole(box, view) or view.is_bare():
            return "bare support"
        return "repeats a named object" if self._is_repeated(box, class_name, view) else "on"

    def _look(self, box: NDArray[np.float64], mask: Mask | None) -> _View | None:
        """Samples of a box and of a ring around it; None if it has no pixel in the image."""
        frame = self._frame
        height, width = self._labels.shape
        side = float(max(box[2] - box[0], box[3] - box[1]))
        margin = max(_RING * side, 4)
        step = max(1, round(side / _SAMPLES))
        columns = np.arange(max(0, int(box[0] - margin)), min(width, int(box[2] + margin)), step)
        rows = np.arange(max(0, int(box[1] - margin)), min(height, int(box[3] + margin)), step)
        u, v = np.meshgrid(columns, rows)
        inside = (u >= box[0]) & (u < box[2]) & (v >= box[1]) & (v < box[3])
        if mask is not None:
            inside &= mask[v, u]
        if not inside.any():
            return None
        depth, labels = frame.depth[v, u], self._labels[v, u]
        points = frame.camera.deproject_pixels(np.stack([u, v], axis=-1), depth)
        heights = np.asarray(self._plane.height(points), np.float64)
        feet = frame.camera.project(points - heights[..., None] * self._plane.normal)
        feet = np.where(np.isfinite(heights)[..., None], feet, np.stack([u, v], axis=-1))
        slope = -self._plane.normal[:2]
        down = u * slope[0] + v * slope[1]
        foot = inside & (down >= np.quantile(down[inside], 1 - _FOOT))
        median = float(np.nanmedian(depth[inside])) if np.isfinite(depth[inside]).any() else np.nan
        size = (box[2:] - box[:2]) * median / (frame.camera.fx, frame.camera.fy)
        counts = np.bincount(labels[inside], minlength=len(self._pixels)) * step**2
        own = counts >= _OWN * np.maximum(self._pixels, 1)
        own[:FIRST_OBJECT_LABEL] = False
        return _View(
            inside=inside,
            own=own[labels] | self._unnamed_parts(labels, u, v),
            foot=foot if np.linalg.norm(slope) > _SLANTED else inside,
            colors=frame.color[v, u],
            labels=labels,
            heights=heights,
            noise=np.maximum(_NOISE_SIGMAS * depth_noise(depth), _LEAST_NOISE),
            carried=self._support.carries(feet),
            area=float(np.prod(size)),
        )

    def _unnamed_parts(
        self, labels: NDArray[np.uint16], u: NDArray[np.intp], v: NDArray[np.intp]
    ) -> Mask:
        """Pixels of named objects outside of the naming box: of another object in the same mask."""
        parts = np.zeros(labels.shape, bool)
        for label, (_, box) in self._names.items():
            within = (u >= box[0]) & (u < box[2]) & (v >= box[1]) & (v < box[3])
            parts |= (labels == label) & ~within
        return parts

    def _is_whole(self, box: NDArray[np.float64], view: _View) -> bool:
        """Whether it is a box of the support itself, with or without the objects on it."""
        x_min, y_min, x_max, y_max = (max(0, round(float(value))) for value in box)
        within = np.count_nonzero(self._labels[y_min:y_max, x_min:x_max] == PLANE_LABEL)
        much = within >= _WHOLE * self._pixels[PLANE_LABEL]
        return bool(much and view.share(view.flat) >= _WHOLE_FLAT)

    def _is_repeated(self, box: NDArray[np.float64], class_name: str, view: _View) -> bool:
        """Whether it shows an object with the same class name and a similar box."""
        numbers = view.labels[view.inside & (view.objects | view.over)]
        if not len(numbers):
            return False
        label = int(np.bincount(numbers).argmax())
        name, other = self._names.get(label, ("", box))
        if name != class_name or np.mean(numbers == label) < _OF_ONE:
            return False
        box, other = box[None], other[None]
        covered = box_intersections(box, other) / box_areas(box)
        return bool(covered >= _COVERED or box_iou(box, other) >= _SAME)


@dataclass(frozen=True)
class _View:
    """Samples of a box and its surroundings, arrays of one shape.

    Attributes:
        inside: whether they are in the box.
        foot: whether they are at the foot of the box, its lower side.
        own: whether they are of objects that are mostly in the box, or of parts of named objects
            outside of the box that names them.
        colors: (..., 3) uint8 RGB.
        labels: see `cvdl.core.scene.Scene`.
        heights: above the plane, meters; NaN where there is no reading.
        noise: largest distance of a reading of the plane from it, meters.
        carried: whether they are above the visible support; without a reading, whether the support
            would be visible there.
        area: area of the box, square meters.
    """

    inside: Mask
    foot: Mask
    own: Mask
    colors: NDArray[np.uint8]
    labels: NDArray[np.uint16]
    heights: NDArray[np.float64]
    noise: NDArray[np.float64]
    carried: Mask
    area: float

    def share(self, of: Mask) -> float:
        """Return the share of the samples in the box."""
        return float(of[self.inside].mean())

    @property
    def objects(self) -> Mask:
        """Segmented objects."""
        return self.labels >= FIRST_OBJECT_LABEL

    @property
    def seen(self) -> Mask:
        """Samples with a reading."""
        return np.isfinite(self.heights) | (self.labels > 0)

    @property
    def over(self) -> Mask:
        """Samples above the support and of no object."""
        return (self.labels == 0) & self.carried & (self.heights > self.noise)

    @property
    def elsewhere(self) -> Mask:
        """Samples beside or behind the support."""
        free = np.isfinite(self.heights) & (self.labels == 0)
        return free & (~self.carried | (self.heights < -_DROP))

    @property
    def flat(self) -> Mask:
        """Samples on the plane."""
        near = (self.labels == 0) & self.carried & (np.abs(self.heights) <= self.noise)
        return (self.labels == PLANE_LABEL) | near

    def is_elsewhere(self) -> bool:
        """Whether most of it and of its foot are elsewhere, and nothing stands on the edge."""
        elsewhere, inside, foot = self.elsewhere, self.inside & self.seen, self.foot & self.seen
        return bool(
            elsewhere[inside].mean() >= _ELSEWHERE
            and foot.any()
            and elsewhere[foot].mean() >= _ELSEWHERE
            and self.over[inside].mean() < _STANDS
        )

    def is_bare(self) -> bool:
        """Whether it shows the plane as it is around the box."""
        if self.share(self.flat) < _FLAT:
            return False
        signs = self._excess(self._relief())
        if self.area >= _LARGE and signs < _FEW_SIGNS:
            return True
        return (
            signs < _NO_SIGNS
            and self.share(self.own) < _NO_OBJECT
            and self._excess(self._paint()) < _NO_SIGNS
        )

    def _relief(self) -> Mask:
        """Samples above or below the plane, without reading, or higher than the surroundings."""
        flat, around = self.flat, ~self.inside
        plane = self.heights[around & flat]
        plane = plane[np.isfinite(plane)]
        usual = np.percentile(plane, _RAISED) if len(plane) >= _FEWEST else np.inf
        return ~flat | (self.heights > usual)

    def _paint(self) -> Mask:
        """Samples on the plane with a color that the plane does not have around the box."""
        lab = cv2.cvtColor(self.colors, cv2.COLOR_RGB2Lab).astype(np.float32)
        lab[..., 0] *= _LIGHTNESS
        plane = lab[~self.inside & self.flat & ~self.objects]
        if len(plane) < _FEWEST:
            return np.zeros(self.inside.shape, bool)
        middle = np.median(plane, axis=0)
        usual = np.percentile(np.linalg.norm(plane - middle, axis=1), _UNUSUAL)
        return self.flat & (np.linalg.norm(lab - middle, axis=2) > max(usual, _SHADE))

    def _excess(self, signs: Mask) -> float:
        """Difference of the shares of signs in the box and around it.

        Objects, samples elsewhere and, around the box, those above the support do not count.
        """
        around = ~self.inside
        counting = ~self.objects & self.carried
        inside, around = counting & self.inside, counting & around & ~self.over
        if not inside.any():
            return 0.0
        return float(signs[inside].mean()) - (
            float(signs[around].mean()) if np.count_nonzero(around) >= _FEWEST else 0.0
        )


@dataclass(frozen=True)
class _Support:
    """Convex hull of the visible support, as a region of the plane.

    Attributes:
        camera: camera of the frame.
        plane: the support plane.
        outward: (E, 3), outward normal in the plane of each edge of the region.
        limits: (E,), end of the region in that direction, meters.
    """

    camera: Camera
    plane: Plane
    outward: NDArray[np.float64]
    limits: NDArray[np.float64]

    @classmethod
    def of(cls, frame: RgbdFrame, labels: NDArray[np.uint16], plane: Plane) -> _Support:
        """Return the hull of the pixels labeled as plane."""
        mask = cv2.compare(labels, PLANE_LABEL, cv2.CMP_EQ)
        lines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        pixels = np.concatenate([line[:, 0] for line in lines] or [np.zeros((0, 2))])
        points = _on_plane(frame.camera, plane, pixels)
        points = points[np.isfinite(points).all(axis=1)]
        right, along = np.linalg.svd(plane.normal[None])[2][1:]
        if len(points) < 3:
            return cls(frame.camera, plane, np.zeros((1, 3)), np.full(1, -np.inf))
        flat = (points @ np.stack([right, along], axis=1)).astype(np.float32)
        hull = cv2.convexHull(flat, clockwise=False)[:, 0].astype(np.float64)
        edges = np.roll(hull, -1, axis=0) - hull
        outward = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
        outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-12)
        limits = np.sum(outward * hull, axis=1) + _EDGE
        return cls(frame.camera, plane, outward @ np.stack([right, along]), limits)

    def carries(self, feet: NDArray[np.float64]) -> Mask:
        """Return whether points on the plane, at pixels (..., 2), lie in the region.

        Pixels outside of the image are moved to its edge, as the support may continue there.
        """
        limit = (self.camera.width - 1, self.camera.height - 1)
        points = _on_plane(self.camera, self.plane, np.clip(feet, 0, limit))
        return np.asarray((points @ self.outward.T <= self.limits).all(axis=-1), bool)


def _on_plane(camera: Camera, plane: Plane, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points (..., 3) of the plane at pixels (..., 2); NaN where it is not visible."""
    rays = camera.deproject_pixels(pixels, np.ones(pixels.shape[:-1]))
    with np.errstate(divide="ignore"):
        depth = -plane.offset / (rays @ plane.normal)
    return rays * np.where(depth > 0, depth, np.nan)[..., None]
