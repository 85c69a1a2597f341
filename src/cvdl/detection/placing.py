"""Where the depth shows a detection that is no segmented object: on the support, or elsewhere."""

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
from cvdl.detection.matching import box_iou

__all__ = ["REFUSALS", "Place", "Places"]

Place = Literal["unknown", "on", "off", "bare support", "repeats a named object"]
#: Of detections that are no things of their own.
REFUSALS: tuple[Place, ...] = ("bare support", "repeats a named object")

Mask = NDArray[np.bool_]

_SAMPLES = 64  # pixels along the longer side of a box that are looked at
_RING = 0.25  # of that side: as far round the box the support is looked at for comparison
_NOISE_SIGMAS = 3.0
_LEAST_NOISE = 0.008  # metres: waves of stereo cameras over a flat plane
_EDGE = 0.03  # metres: as far beyond what is seen of the support things may stand on it
_DROP = 0.05  # metres: what is deeper under the plane is behind it, and no noise
_SEEN = 0.5  # of a box: with fewer readings depth does not tell
_ELSEWHERE = 0.5  # of the readings in a box, and of those at its foot
_FOOT = 0.2  # of a box
_STANDS = 0.1  # of the readings: with as many over the support, something stands on its edge
_SLANTED = 0.3  # sine of the view's angle to the normal; seen from above, no side is the foot
# A box that holds much of all that is seen of the support is round the support itself.
_WHOLE, _WHOLE_FLAT = 0.3, 0.4  # of the support's pixels; of the box's
# Depth hardly shows thin things, but these are small, and some of it is segmented or stands out.
_FLAT = 0.6  # of a box
_LARGE = 0.03  # square metres: a box round a fork is smaller
_FEW_SIGNS, _NO_SIGNS = 0.15, 0.05  # of the plane in a box, more than round it
_NO_OBJECT = 0.03  # of a box
_OWN = 0.5  # of an object, in the box: the others reach into it
_RAISED, _UNUSUAL = 95, 99  # percentiles of the plane's heights and colours round a box
_LIGHTNESS, _SHADE = 0.4, 12.0  # of 8-bit CIE L*a*b*: weight, and least distance of another colour
_FEWEST = 30  # samples
_OF_ONE = 0.7  # of what stands in a box
_COVERED, _SAME = 0.8, 0.5  # of the box by another; intersection over union


class Places:
    """Judges detections of one frame that are none of its objects.

    Args:
        frame: colour and depth.
        labels: (H, W) as in `cvdl.core.scene.Scene`.
        plane: the support plane.
        names: class name and box (4,) of the detection that names an object, by its label.
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
        """Where a detection is.

        Args:
            box: (4,) x_min, y_min, x_max, y_max, pixels.
            class_name: what it is.
            mask: (H, W) of the detection, where it has one.

        Returns:
            ``unknown``: it has few readings, as a transparent thing. ``off``: what it shows is
            behind, beside or under the support. ``bare support``: it shows nothing else.
            ``repeats a named object``: another detection of the same class has named the object
            that it shows. ``on``: anything else, a thing on the support.
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
        """Samples of a box and of a ring round it; None where it has no pixel in the image."""
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
        """Pixels of named objects out of the naming box: of another thing in the same mask."""
        parts = np.zeros(labels.shape, bool)
        for label, (_, box) in self._names.items():
            within = (u >= box[0]) & (u < box[2]) & (v >= box[1]) & (v < box[3])
            parts |= (labels == label) & ~within
        return parts

    def _is_whole(self, box: NDArray[np.float64], view: _View) -> bool:
        """Whether it is round the support itself, with or without the things on it."""
        x_min, y_min, x_max, y_max = (max(0, round(float(value))) for value in box)
        within = np.count_nonzero(self._labels[y_min:y_max, x_min:x_max] == PLANE_LABEL)
        much = within >= _WHOLE * self._pixels[PLANE_LABEL]
        return bool(much and view.share(view.flat) >= _WHOLE_FLAT)

    def _is_repeated(self, box: NDArray[np.float64], class_name: str, view: _View) -> bool:
        """Whether what stands in it is an object that has this name already, from a like box."""
        numbers = view.labels[view.inside & (view.objects | view.over)]
        if not len(numbers):
            return False
        label = int(np.bincount(numbers).argmax())
        name, other = self._names.get(label, ("", box))
        if name != class_name or np.mean(numbers == label) < _OF_ONE:
            return False
        common = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
        covered = np.prod(common.clip(0)) / np.prod(box[2:] - box[:2])
        return bool(covered >= _COVERED or box_iou(box[None], other[None]).item() >= _SAME)


@dataclass(frozen=True)
class _View:
    """Samples of a box and round it, arrays of one shape.

    Attributes:
        inside: those of the box.
        foot: those of the box's foot, the side that is down.
        own: those of objects that are for the most part in the box, or that the box of the
            detection that names their object leaves out.
        colors: (..., 3) uint8 RGB.
        labels: as in `cvdl.core.scene.Scene`.
        heights: over the plane, metres; NaN where there is no reading.
        noise: how far a reading of the plane may be off it, metres.
        carried: whether what is there stands over what is seen of the support; without a reading,
            whether the support would be seen there.
        area: of the box, square metres.
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
        """Of the box's samples."""
        return float(of[self.inside].mean())

    @property
    def objects(self) -> Mask:
        """What is segmented."""
        return self.labels >= FIRST_OBJECT_LABEL

    @property
    def seen(self) -> Mask:
        """What has a reading."""
        return np.isfinite(self.heights) | (self.labels > 0)

    @property
    def over(self) -> Mask:
        """What is over the support, and no object."""
        return (self.labels == 0) & self.carried & (self.heights > self.noise)

    @property
    def elsewhere(self) -> Mask:
        """What is beside the support, or behind it."""
        free = np.isfinite(self.heights) & (self.labels == 0)
        return free & (~self.carried | (self.heights < -_DROP))

    @property
    def flat(self) -> Mask:
        """What is on the plane."""
        near = (self.labels == 0) & self.carried & (np.abs(self.heights) <= self.noise)
        return (self.labels == PLANE_LABEL) | near

    def is_elsewhere(self) -> bool:
        """Whether most of it is elsewhere, and its foot, and nothing stands on the edge."""
        elsewhere, inside, foot = self.elsewhere, self.inside & self.seen, self.foot & self.seen
        return bool(
            elsewhere[inside].mean() >= _ELSEWHERE
            and foot.any()
            and elsewhere[foot].mean() >= _ELSEWHERE
            and self.over[inside].mean() < _STANDS
        )

    def is_bare(self) -> bool:
        """Whether it shows the plane as it is round the box."""
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
        """What is over the plane or under it, has no reading, or is higher than it is around."""
        flat, around = self.flat, ~self.inside
        plane = self.heights[around & flat]
        plane = plane[np.isfinite(plane)]
        usual = np.percentile(plane, _RAISED) if len(plane) >= _FEWEST else np.inf
        return ~flat | (self.heights > usual)

    def _paint(self) -> Mask:
        """What is on the plane, of a colour that the plane has nowhere round the box."""
        lab = cv2.cvtColor(self.colors, cv2.COLOR_RGB2Lab).astype(np.float32)
        lab[..., 0] *= _LIGHTNESS
        plane = lab[~self.inside & self.flat & ~self.objects]
        if len(plane) < _FEWEST:
            return np.zeros(self.inside.shape, bool)
        middle = np.median(plane, axis=0)
        usual = np.percentile(np.linalg.norm(plane - middle, axis=1), _UNUSUAL)
        return self.flat & (np.linalg.norm(lab - middle, axis=2) > max(usual, _SHADE))

    def _excess(self, signs: Mask) -> float:
        """By how much the share of signs is larger inside than around.

        Objects, what is elsewhere and what stands around do not count.
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
    """What is seen of the support, things that hide it included: a convex region of the plane.

    Attributes:
        camera: the frame's.
        plane: the support plane.
        outward: (E, 3), of each edge of the region the direction in the plane that leads out.
        limits: (E,) where the region ends in that direction, metres.
    """

    camera: Camera
    plane: Plane
    outward: NDArray[np.float64]
    limits: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        frame: RgbdFrame,
        labels: NDArray[np.uint16],
        plane: Plane,
    ) -> _Support:
        """The hull of what is labelled as the plane."""
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
        """Whether feet on the plane, at pixels (..., 2), lie in the region or on its edge.

        What has its foot beyond the image's edge counts as standing at that edge: the support
        may go on there.
        """
        limit = (self.camera.width - 1, self.camera.height - 1)
        points = _on_plane(self.camera, self.plane, np.clip(feet, 0, limit))
        return np.asarray((points @ self.outward.T <= self.limits).all(axis=-1), bool)


def _on_plane(camera: Camera, plane: Plane, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points (..., 3) of the plane at pixels (..., 2); NaN where it is not in view."""
    rays = camera.deproject_pixels(pixels, np.ones(pixels.shape[:-1]))
    with np.errstate(divide="ignore"):
        depth = -plane.offset / (rays @ plane.normal)
    return rays * np.where(depth > 0, depth, np.nan)[..., None]
