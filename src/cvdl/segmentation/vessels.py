"""The insides of vessels: bowls, mugs and boxes, seen behind their rims."""

from __future__ import annotations

import numpy as np

from cvdl.segmentation.borders import Border
from cvdl.segmentation.colors import DIFFERENT_COLOR, SAME_COLOR, ColorMatch
from cvdl.segmentation.region_graph import RegionGraph, extent

__all__ = ["hosts_of_inside"]

#: Mean curvature, degrees: convex objects have +5 and more, the insides of bowls -3 and less. The
#: visible inside of a mug lies between, because its rim is convex.
_HOLLOW_CURVATURE = -2.0
_CONVEX_CURVATURE = 9.0
_INSIDE_AREA = 2.0  # of the area of the outside, at most
#: Extents of a vessel across the view and along it, in widths of its front: for a circle; for a
#: vessel with a handle, or a cup that widens, where the color or the rim agrees; and for a visible
#: inside that is convex.
_CIRCLE = 1.1, 1.2
_WIDE_CIRCLE = 1.5, 1.6
_CIRCLE_OF_CONVEX = 1.1, 1.3
_RIM_LEVEL = 0.025  # meters: the inside of a container ends at its rim
_SHARED_RIM = 0.005  # meters: inside and outside end so close that their colors may differ
_MIN_LENGTH = 4  # pixel pairs


def hosts_of_inside(graph: RegionGraph, region: int) -> dict[int, float]:
    """The outsides of the vessel whose inside a region is, by the length of the border."""
    return {
        other: border.length
        for other, border in graph.borders[region].items()
        if border.length > _MIN_LENGTH and _is_inside(graph, region, other, border)
    }


def _is_inside(graph: RegionGraph, inside: int, outside: int, border: Border) -> bool:
    """Whether a region is the visible inside of a vessel, and another region its outside."""
    drop = abs(graph.top(outside) - graph.top(inside))
    level = drop < _RIM_LEVEL
    curvature = graph.mean_curvature(inside)
    if curvature < _HOLLOW_CURVATURE:
        both_hollow = graph.mean_curvature(outside) < _HOLLOW_CURVATURE
        match = graph.compare_colors(inside, outside)
        if (level or both_hollow) and match is ColorMatch.SAME:
            return True
        return level and border.behind > _MIN_LENGTH and match is not ColorMatch.DIFFERENT
    # Only a little of the inside of a mug is visible, and its rim changes the curvature. But all
    # of it lies within a circle whose front is the outside.
    if (
        not level
        or graph.area(inside) > _INSIDE_AREA * graph.area(outside)
        or graph.distance(inside) < graph.distance(outside)
    ):
        return False
    shared_rim = drop < _SHARED_RIM and border.behind > border.length / 2
    difference = graph.color_difference(inside, outside)
    if curvature > _CONVEX_CURVATURE:
        if difference >= SAME_COLOR:
            return False
        circle = _CIRCLE_OF_CONVEX
    elif difference < SAME_COLOR or shared_rim:
        circle = _WIDE_CIRCLE
    elif difference < DIFFERENT_COLOR:
        circle = _CIRCLE
    else:
        return False
    wall = graph.pixels[outside]
    both = np.concatenate([wall, graph.pixels[inside]])
    width = extent(graph.across[wall])
    return (
        extent(graph.across[both]) < circle[0] * width
        and extent(graph.forward[both]) < circle[1] * width
    )
