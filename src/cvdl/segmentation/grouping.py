"""Smooth regions to objects: which regions belong together.

Each rule joins regions that one object shows as several. They run in this order, each on what the
ones before have joined:

1. a scrap or a thin strip along one neighbour (a rim, a handle, flying pixels),
2. the inside of a vessel, behind its rim,
3. a small region beside a far larger one of its colour,
4. a region enclosed by one object that it nowhere stands in front of (a bowl's bottom),
5. two parts of one surface on both sides of what hides its middle,
6. a handle and the head that its end runs into.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.core.scene import Plane
from cvdl.segmentation.borders import Border, find_borders
from cvdl.segmentation.labels import pixels_by_label, rank
from cvdl.segmentation.paint import (
    OTHER_PAINT_DIFFERENCE,
    SAME_PAINT_DIFFERENCE,
    Paint,
    compare_paint,
)
from cvdl.segmentation.regions import CREASE_ANGLE
from cvdl.segmentation.surface import Surface

__all__ = ["group_regions"]

_SCRAP_PIXELS = 60  # regions smaller than this (on the reduced grid) are parts of something
_STRIP_WIDTH = 2.5  # pixels: regions thinner than this along a neighbour are a part of it
_SATELLITE_PIXELS = 180
_SATELLITE_SHARE = 0.2  # of the area of its host, which has the same colour
_FLANGE_AREA = 0.25  # of its host's
_FLANGE_HEIGHT = 0.015  # metres
#: Mean curvature, degrees: convex objects have +5 and more, the insides of bowls -3 and less; what
#: shows of the inside of a mug lies between, as its rim is convex.
_HOLLOW_CURVATURE = -2.0
_CONVEX_CURVATURE = 9.0
_INSIDE_AREA = 2.0  # of the outside's, at most
#: Extents of a vessel across the view and along it, in widths of its front: what a circle allows;
#: with a handle, or of a cup that widens, where one colour or one rim says that it belongs; and
#: where what shows of the inside is convex.
_CIRCLE = 1.1, 1.2
_WIDE_CIRCLE = 1.5, 1.6
_CIRCLE_OF_CONVEX = 1.1, 1.3
_RIM_LEVEL = 0.025  # the inside of a container ends at its rim, metres
_SHARED_RIM = 0.005  # where inside and outside end so close, they may have any colours, metres
_ENCLOSED_SHARE = 0.7  # of the outline shared with one object
_SAME_NORMAL = np.cos(np.deg2rad(15))
_SAME_PLANE = 0.010  # metres
#: Share of two parts' points that lie on the other one's surface, continued: mean and least.
_SAME_SURFACE_SHARE = 0.4
_SAME_SURFACE_LEAST = 0.25
#: A handle: so many times as long as wide, at most so wide, metres; the share of its length at an
#: end with which it touches the head; the head's middle from its axis, and between tops, metres.
_HANDLE_RATIO = 3.0
_HANDLE_WIDTH = 0.05
_HANDLE_END = 0.15
_HANDLE_OFFSET = 0.015
_HANDLE_LEVEL = 0.02
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_NEAREST = 8  # groups among which the other part of a surface is looked for
_SAMPLES = 128  # points of a group that are compared
_LINES = 64  # between two groups, along which something must hide the surface


def group_regions(labels: NDArray[np.int32], surface: Surface, plane: Plane) -> NDArray[np.int32]:
    """Joins regions into objects.

    Args:
        labels: (h, w) int32, smooth regions that strong borders separate, 0 for none.
        surface: the geometry they were cut from.
        plane: the support plane, in the camera frame.

    Returns:
        (h, w) int32: 0 for none, then one number an object, not necessarily consecutive.
    """
    groups = _Groups(labels, surface, plane)
    _join_scraps(groups)
    _join_hollows(groups)
    _join_satellites(groups)
    _join_enclosed(groups)
    _join_occluded(groups)
    _join_handles(groups)
    return groups.label_image()


class _Groups:
    """Regions that are being joined, with their pixels, borders and a few measures."""

    def __init__(self, labels: NDArray[np.int32], surface: Surface, plane: Plane) -> None:
        self.shape = labels.shape
        self.members = pixels_by_label(labels)
        self.borders, self.perimeter = find_borders(labels, surface)
        self._middles: dict[int, NDArray[np.float64]] = {}
        self._samples: dict[int, NDArray[np.intp]] = {}

        self.points = surface.points.reshape(-1, 3)
        self.lab = surface.lab.reshape(-1, 3)
        self.normals = surface.normals.reshape(-1, 3)
        self.depth = surface.everything.ravel()
        self.height = plane.height(self.points)
        self.curvature = surface.curvature.ravel()
        self.smooth = surface.concavity.ravel() < CREASE_ANGLE
        # Directions on the plane: along the view, and across it.
        forward = np.array([0.0, 0.0, 1.0]) - plane.normal[2] * plane.normal
        forward /= max(float(np.linalg.norm(forward)), 1e-6)
        self.forward = self.points @ forward.astype(np.float32)
        self.across = self.points @ np.cross(forward, plane.normal).astype(np.float32)

    def area(self, group: int) -> int:
        return len(self.members[group])

    def top(self, group: int) -> float:
        return rank(self.height[self.members[group]], 0.95)

    def distance(self, group: int) -> float:
        """Mean distance along the plane from the camera."""
        return float(self.forward[self.members[group]].mean())

    def mean_curvature(self, group: int) -> float:
        pixels = self.members[group]
        pixels = pixels[self.smooth[pixels]]
        return float(self.curvature[pixels].mean()) if len(pixels) else 0.0

    def color_difference(self, a: int, b: int) -> float:
        """Between the mean colours of two groups, as in Surface.lab."""
        means = (self.lab[self.members[group]].mean(axis=0) for group in (a, b))
        return float(np.linalg.norm(next(means) - next(means)))

    def paint(self, a: int, b: int) -> Paint:
        """Whether two groups have one plain colour, clearly different ones, or neither."""
        lab_a, lab_b = self.lab[self.members[a]], self.lab[self.members[b]]
        spread = max(float(lab.var(axis=0).sum()) for lab in (lab_a, lab_b)) ** 0.5
        return Paint(compare_paint(self.color_difference(a, b), spread))

    def nearest(self, group: int) -> list[int]:
        """The few groups nearest in the image."""
        others = [other for other in self.members if other != group]
        if len(others) <= _NEAREST:
            return others
        middles = np.array([self.middle(other) for other in others]) - self.middle(group)
        return [others[i] for i in np.argsort((middles**2).sum(axis=1))[:_NEAREST]]

    def middle(self, group: int) -> NDArray[np.float64]:
        """Row and column of the middle, (2,)."""
        if group not in self._middles:
            rows, cols = np.divmod(self.members[group], self.shape[1])
            self._middles[group] = np.array([rows.mean(), cols.mean()])
        return self._middles[group]

    def samples(self, group: int) -> NDArray[np.intp]:
        """Some pixels of a group, spread over it, that have a normal."""
        if group not in self._samples:
            pixels = self.members[group]
            pixels = pixels[:: max(1, len(pixels) // _SAMPLES)]
            self._samples[group] = pixels[self.normals[pixels, 2] != 0]
        return self._samples[group]

    def touches(self, a: int, b: int) -> NDArray[np.bool_]:
        """Which pixels of a group lie beside one of another's."""
        other = np.zeros(self.shape, np.uint8)
        other.ravel()[self.members[b]] = 1
        beside: NDArray[np.bool_] = cv2.dilate(other, _CROSS).ravel()[self.members[a]] > 0
        return beside

    def join(self, a: int, b: int) -> None:
        """Makes b a part of a."""
        self.members[a] = np.concatenate([self.members[a], self.members.pop(b)])
        self._middles.pop(a, None)
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

    def label_image(self) -> NDArray[np.int32]:
        labels = np.zeros(self.shape, np.int32)
        for label, pixels in self.members.items():
            labels.ravel()[pixels] = label
        return labels


def _join_scraps(groups: _Groups) -> None:
    for group in _smallest_first(groups):
        if not groups.borders[group]:
            continue
        host, border = max(groups.borders[group].items(), key=lambda item: item[1].length)
        if groups.area(group) < max(_SCRAP_PIXELS, _STRIP_WIDTH * border.length) or _is_flange(
            groups, group, host
        ):
            groups.join(host, group)


def _is_flange(groups: _Groups, group: int, host: int) -> bool:
    """Whether a group is a thin part in the air beside its host: a handle, a rim."""
    if groups.area(group) > _FLANGE_AREA * groups.area(host):
        return False
    height = groups.height[groups.members[group]]
    low, high = rank(height, 0.05), rank(height, 0.95)
    return high - low < _FLANGE_HEIGHT and low > 2 * _FLANGE_HEIGHT


def _join_hollows(groups: _Groups) -> None:
    for group in _smallest_first(groups):
        rims = {
            other: border.length
            for other, border in groups.borders[group].items()
            if border.length > 4 and _is_inside(groups, group, other, border)
        }
        if rims:
            groups.join(max(rims, key=lambda other: rims[other]), group)


def _is_inside(groups: _Groups, inside: int, outside: int, border: Border) -> bool:
    """Whether a group is what shows of the inside of a vessel whose outside another one is."""
    drop = abs(groups.top(outside) - groups.top(inside))
    level = drop < _RIM_LEVEL
    curvature = groups.mean_curvature(inside)
    if curvature < _HOLLOW_CURVATURE:
        both_hollow = groups.mean_curvature(outside) < _HOLLOW_CURVATURE
        paint = groups.paint(inside, outside)
        if (level or both_hollow) and paint is Paint.SAME:
            return True
        return level and border.behind > 4 and paint is not Paint.OTHER
    # Little shows of the inside of a mug, and its rim spoils the curvature. But all of it lies
    # within a circle whose front is the outside.
    if (
        not level
        or groups.area(inside) > _INSIDE_AREA * groups.area(outside)
        or groups.distance(inside) < groups.distance(outside)
    ):
        return False
    shared_rim = drop < _SHARED_RIM and border.behind > border.length / 2
    difference = groups.color_difference(inside, outside)
    one_color = difference < SAME_PAINT_DIFFERENCE
    if curvature > _CONVEX_CURVATURE:
        if not one_color:
            return False
        circle = _CIRCLE_OF_CONVEX
    elif one_color or shared_rim:
        circle = _WIDE_CIRCLE
    elif difference < OTHER_PAINT_DIFFERENCE:
        circle = _CIRCLE
    else:
        return False
    wall = groups.members[outside]
    both = np.concatenate([wall, groups.members[inside]])
    width = _extent(groups.across[wall])
    return (
        _extent(groups.across[both]) < circle[0] * width
        and _extent(groups.forward[both]) < circle[1] * width
    )


def _extent(values: NDArray[np.float32]) -> float:
    return rank(values, 0.98) - rank(values, 0.02)


def _join_satellites(groups: _Groups) -> None:
    for group in _smallest_first(groups):
        hosts = {
            other: border.length
            for other, border in groups.borders[group].items()
            if groups.area(group) < min(_SATELLITE_PIXELS, _SATELLITE_SHARE * groups.area(other))
            and groups.color_difference(group, other) < SAME_PAINT_DIFFERENCE
        }
        if hosts:
            groups.join(max(hosts, key=lambda other: hosts[other]), group)


def _join_enclosed(groups: _Groups) -> None:
    for group in _smallest_first(groups):
        for other, border in groups.borders[group].items():
            if border.length > _ENCLOSED_SHARE * groups.perimeter[group] and border.in_front == 0:
                groups.join(other, group)
                break


def _join_occluded(groups: _Groups) -> None:
    for group in _smallest_first(groups):
        shares = {other: _shared_surface(groups, group, other) for other in groups.nearest(group)}
        best = max(shares, key=lambda other: shares[other], default=None)
        if best is not None and shares[best] > _SAME_SURFACE_SHARE:
            groups.join(best, group)


def _join_handles(groups: _Groups) -> None:
    for group in _smallest_first(groups):
        heads = _heads_of(groups, group)
        if heads:
            groups.join(min(heads, key=lambda other: heads[other]), group)


def _heads_of(groups: _Groups, handle: int) -> dict[int, float]:
    """What the ends of a group touch, if it is a handle, and how far from its axis, metres."""
    level = [
        other
        for other in groups.borders[handle]
        if abs(groups.top(handle) - groups.top(other)) < _HANDLE_LEVEL
    ]
    if not level:
        return {}
    points = groups.points[groups.members[handle]]
    middle = points.mean(axis=0)
    along, aside, _ = np.linalg.svd(points[:: max(1, len(points) // _SAMPLES)] - middle)[2]
    reach = (points - middle) @ along
    low, high = float(reach.min()), float(reach.max())
    width = _extent((points - middle) @ aside)
    if high - low < _HANDLE_RATIO * width or width > _HANDLE_WIDTH:
        return {}
    end = _HANDLE_END * (high - low)
    heads = {}
    for other in level:
        touching = reach[groups.touches(handle, other)]
        offset = abs(float((groups.points[groups.members[other]].mean(axis=0) - middle) @ aside))
        at_end = touching.max() < low + end or touching.min() > high - end
        if at_end and offset < _HANDLE_OFFSET:
            heads[other] = offset
    return heads


def _shared_surface(groups: _Groups, a: int, b: int) -> float:
    """Share of each of two groups that lies on the other one's surface, continued behind others.

    What lies between them in the image must hide the surface, or have no reading (the shadow beside
    an occluder).
    """
    i, j = groups.samples(a), groups.samples(b)
    if not len(i) or not len(j):
        return 0.0
    same, *shares = _on_one_surface(groups.points, groups.normals, i, j)
    share = sum(shares) / 2 if min(shares) > _SAME_SURFACE_LEAST else 0.0
    if share < _SAME_SURFACE_SHARE:
        return share
    pairs = np.argwhere(same)
    pairs = pairs[:: max(1, len(pairs) // _LINES)]
    return share if _hidden_between(groups, i[pairs[:, 0]], j[pairs[:, 1]]) else 0.0


@compiled()
def _on_one_surface(
    points: NDArray[np.float32],
    normals: NDArray[np.float32],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
) -> tuple[NDArray[np.bool_], float, float]:
    """Which points of one group (N,) lie on one surface with which of another (M,): (N, M).

    Their normals agree, and each lies in the other's tangent plane: true along a plane, and along
    a cylinder's axis. Also returns the share of each group that lies so with any.
    """
    same = np.zeros((len(first), len(second)), np.bool_)
    rows, cols = np.zeros(len(first)), np.zeros(len(second))
    for i in range(len(first)):
        p = first[i]
        for j in range(len(second)):
            q = second[j]
            agreement = np.float32(0)
            for axis in range(3):
                agreement += normals[p, axis] * normals[q, axis]
            if agreement < _SAME_NORMAL:
                continue
            off_p, off_q = np.float32(0), np.float32(0)
            for axis in range(3):
                apart = points[q, axis] - points[p, axis]
                off_p += normals[p, axis] * apart
                off_q += normals[q, axis] * apart
            if max(abs(off_p), abs(off_q)) < _SAME_PLANE:
                same[i, j] = True
                rows[i] = cols[j] = 1
    return same, rows.mean(), cols.mean()


def _hidden_between(groups: _Groups, start: NDArray[np.intp], end: NDArray[np.intp]) -> bool:
    """Whether something stands in front of most lines between pixels, and nothing shows behind."""
    steps = np.linspace(0, 1, 33)
    rows, cols = (
        np.rint(s[:, None] * (1 - steps) + e[:, None] * steps).astype(int)
        for s, e in zip(
            np.divmod(start, groups.shape[1]), np.divmod(end, groups.shape[1]), strict=True
        )
    )
    line = rows * groups.shape[1] + cols
    inverse = (1 / groups.points[start, 2])[:, None] * (1 - steps)
    inverse = inverse + (1 / groups.points[end, 2])[:, None] * steps
    depth = groups.depth[line]
    behind = depth > 1 / inverse + _SAME_PLANE
    in_front = depth < 1 / inverse - _SAME_PLANE
    return bool((behind.mean(axis=1) < 0.1).mean() > 0.7 and in_front.any(axis=1).mean() > 0.7)


def _smallest_first(groups: _Groups) -> Iterable[int]:
    """The groups of the moment, small to large; those joined meanwhile are left out."""
    for group in sorted(groups.members, key=groups.area):
        if group in groups.members:
            yield group
