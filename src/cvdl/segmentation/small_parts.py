"""Small parts of objects: scraps, strips, satellites and enclosed regions."""

from __future__ import annotations

from cvdl.segmentation.colors import SAME_COLOR
from cvdl.segmentation.labels import quantile
from cvdl.segmentation.region_graph import RegionGraph

__all__ = ["hosts_of_enclosed", "hosts_of_satellite", "hosts_of_scrap"]

_SCRAP_PIXELS = 60  # of the reduced image: smaller regions are parts
_STRIP_WIDTH = 2.5  # pixels: thinner regions along a neighbor are parts of it
_FLANGE_AREA = 0.25  # of its host's area
_FLANGE_HEIGHT = 0.015  # meters
_SATELLITE_PIXELS = 180
_SATELLITE_SHARE = 0.2  # of its host's area
_ENCLOSED_SHARE = 0.7  # of the outline


def hosts_of_scrap(graph: RegionGraph, region: int) -> dict[int, float]:
    """The neighbor with the longest border, for a scrap, a strip or a flange along it."""
    neighbors = graph.borders[region]
    if not neighbors:
        return {}
    host = max(neighbors, key=lambda other: neighbors[other].length)
    length = neighbors[host].length
    is_scrap = graph.area(region) < max(_SCRAP_PIXELS, _STRIP_WIDTH * length)
    return {host: length} if is_scrap or _is_flange(graph, region, host) else {}


def _is_flange(graph: RegionGraph, region: int, host: int) -> bool:
    """Whether a region is a thin part above the plane beside its host: a handle, a rim."""
    if graph.area(region) > _FLANGE_AREA * graph.area(host):
        return False
    height = graph.height[graph.pixels[region]]
    low, high = quantile(height, 0.05), quantile(height, 0.95)
    return high - low < _FLANGE_HEIGHT and low > 2 * _FLANGE_HEIGHT


def hosts_of_satellite(graph: RegionGraph, region: int) -> dict[int, float]:
    """Far larger neighbors of the same color, by the length of the border."""
    return {
        other: border.length
        for other, border in graph.borders[region].items()
        if graph.area(region) < min(_SATELLITE_PIXELS, _SATELLITE_SHARE * graph.area(other))
        and graph.color_difference(region, other) < SAME_COLOR
    }


def hosts_of_enclosed(graph: RegionGraph, region: int) -> dict[int, float]:
    """The neighbor that encloses a region and is nowhere behind it."""
    return {
        other: border.length
        for other, border in graph.borders[region].items()
        if border.length > _ENCLOSED_SHARE * graph.perimeter[region] and border.in_front == 0
    }
