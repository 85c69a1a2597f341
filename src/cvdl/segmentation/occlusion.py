"""Surfaces that an occluder divides in the image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.region_graph import RegionGraph

__all__ = ["hosts_of_occluded_surface"]

_SAME_NORMAL = np.cos(np.deg2rad(15))
_SAME_PLANE = 0.010  # meters
#: Share of the points of two parts that lie on the surface of the other part: mean and least.
_MEAN_SHARE, _LEAST_SHARE = 0.4, 0.25
_LINES = 64  # between two regions, along which an occluder must hide the surface


def hosts_of_occluded_surface(graph: RegionGraph, region: int) -> dict[int, float]:
    """Nearby regions on the same surface, on the other side of an occluder, by common share.

    The space between them in the image must be hidden by an occluder, or have no reading (the
    shadow beside an occluder).
    """
    shares = {}
    for other in graph.nearest(region):
        share = _shared_surface(graph, region, other)
        if share > _MEAN_SHARE:
            shares[other] = share
    return shares


def _shared_surface(graph: RegionGraph, a: int, b: int) -> float:
    """Mean share of two regions that lies on the surface of the other; 0 without an occluder."""
    i, j = graph.samples(a), graph.samples(b)
    if not len(i) or not len(j):
        return 0.0
    same, *shares = _on_one_surface(graph.points, graph.normals, i, j)
    share = sum(shares) / 2
    if min(shares) <= _LEAST_SHARE or share < _MEAN_SHARE:
        return 0.0
    pairs = np.argwhere(same)
    pairs = pairs[:: max(1, len(pairs) // _LINES)]
    return share if _is_hidden_between(graph, i[pairs[:, 0]], j[pairs[:, 1]]) else 0.0


@compiled()
def _on_one_surface(points, normals, first, second):  # type: ignore[no-untyped-def]
    """Which points of one region (N,) lie on one surface with points of another (M,): (N, M).

    Their normals agree, and each lies in the tangent plane of the other: true along a plane, and
    along the axis of a cylinder. Also returns the share of each region that matches any point; 0 as
    soon as that of the first is too small.
    """
    n, m = len(first), len(second)
    # Contiguous copies, and no branches: the compiler vectorizes the inner loop.
    p, q = np.empty((6, n), np.float32), np.empty((6, m), np.float32)
    for axis in range(3):
        for i in range(n):
            p[axis, i], p[3 + axis, i] = points[first[i], axis], normals[first[i], axis]
        for j in range(m):
            q[axis, j], q[3 + axis, j] = points[second[j], axis], normals[second[j], axis]
    same = np.empty((n, m), np.bool_)
    rows, cols, matched = np.zeros(n), np.zeros(m, np.bool_), 0.0
    least, most = np.float32(_SAME_NORMAL), np.float32(_SAME_PLANE)
    for i in range(n):
        x, y, z, a, b, c = p[0, i], p[1, i], p[2, i], p[3, i], p[4, i], p[5, i]
        for j in range(m):
            dx, dy, dz = q[0, j] - x, q[1, j] - y, q[2, j] - z
            agreement = a * q[3, j] + b * q[4, j] + c * q[5, j]
            off_p = abs(a * dx + b * dy + c * dz)
            off_q = abs(q[3, j] * dx + q[4, j] * dy + q[5, j] * dz)
            same[i, j] = (agreement >= least) & (off_p < most) & (off_q < most)
        cols |= same[i]
        rows[i] = same[i].any()
        matched += rows[i]
        if matched + n - 1 - i <= _LEAST_SHARE * n:
            return same, 0.0, 0.0
    return same, rows.mean(), cols.mean()


def _is_hidden_between(graph: RegionGraph, start: NDArray[np.intp], end: NDArray[np.intp]) -> bool:
    """Whether most lines between pixels pass behind an occluder, with no free space."""
    steps = np.linspace(0, 1, 33)
    width = graph.shape[1]

    def between(first: NDArray[Any], last: NDArray[Any]) -> NDArray[np.float64]:
        return first[:, None] * (1 - steps) + last[:, None] * steps

    rows = np.rint(between(start // width, end // width)).astype(int)
    cols = np.rint(between(start % width, end % width)).astype(int)
    depth = graph.depth[rows * width + cols]
    surface = 1 / between(1 / graph.points[start, 2], 1 / graph.points[end, 2])
    behind = depth > surface + _SAME_PLANE
    in_front = depth < surface - _SAME_PLANE
    return bool((behind.mean(axis=1) < 0.1).mean() > 0.7 and in_front.any(axis=1).mean() > 0.7)
