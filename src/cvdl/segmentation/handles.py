"""Tools of two parts: a handle and the head at its end."""

from __future__ import annotations

import numpy as np

from cvdl.segmentation.region_graph import MAX_SAMPLES, RegionGraph, extent

__all__ = ["hosts_of_handle"]

_LENGTH_RATIO = 3.0  # least length of a handle, in widths
_MAX_WIDTH = 0.05  # meters
_END = 0.15  # of the length: the part at each end where the handle touches the head
_MAX_OFFSET = 0.015  # of the head's center from the handle's axis, meters
_LEVEL = 0.02  # between the tops, meters


def hosts_of_handle(graph: RegionGraph, region: int) -> dict[int, float]:
    """The heads at the ends of a handle, the best centered on its axis first."""
    level = [
        other
        for other in graph.borders[region]
        if abs(graph.top(region) - graph.top(other)) < _LEVEL
    ]
    if not level:
        return {}
    points = graph.points[graph.pixels[region]]
    center = points.mean(axis=0)
    along, aside, _ = np.linalg.svd(points[:: max(1, len(points) // MAX_SAMPLES)] - center)[2]
    reach = (points - center) @ along
    low, high = float(reach.min()), float(reach.max())
    width = extent((points - center) @ aside)
    if high - low < _LENGTH_RATIO * width or width > _MAX_WIDTH:
        return {}
    end = _END * (high - low)
    heads = {}
    for other in level:
        touching = reach[graph.touches(region, other)]
        offset = abs(float((graph.points[graph.pixels[other]].mean(axis=0) - center) @ aside))
        at_end = touching.max() < low + end or touching.min() > high - end
        if at_end and offset < _MAX_OFFSET:
            heads[other] = -offset
    return heads
