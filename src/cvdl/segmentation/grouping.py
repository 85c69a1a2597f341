"""Regions to objects: joins the regions that belong to one object."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cvdl.segmentation.borders import Borders, find_borders, join_weak_borders
from cvdl.segmentation.handles import hosts_of_handle
from cvdl.segmentation.labels import Labels
from cvdl.segmentation.occlusion import hosts_of_occluded_surface
from cvdl.segmentation.region_graph import RegionGraph
from cvdl.segmentation.small_parts import hosts_of_enclosed, hosts_of_satellite, hosts_of_scrap
from cvdl.segmentation.tabletop import Tabletop
from cvdl.segmentation.vessels import hosts_of_inside

__all__ = ["group_regions", "join_parts"]

#: A rule: gets the graph and a region, and returns a score for each region that it may become a
#: part of.
HostRule = Callable[[RegionGraph, int], dict[int, float]]

#: The rules, in order; each runs on the regions that the previous rules have joined.
_RULES: tuple[HostRule, ...] = (
    hosts_of_scrap,  # scraps, and thin strips along a neighbor: rims, handles, flying pixels
    hosts_of_inside,  # the inside of a vessel, behind its rim
    hosts_of_satellite,  # a small region beside a far larger region of its color
    hosts_of_enclosed,  # a region that one object encloses, as the bottom of a bowl
    hosts_of_occluded_surface,  # parts of one surface on both sides of an occluder
    hosts_of_handle,  # a handle and the head at its end
)


def group_regions(labels: Labels, table: Tabletop) -> Labels:
    """Joins regions into objects: across weak borders, then by rules."""
    borders = find_borders(labels, table.surface)
    return join_parts(*join_weak_borders(labels, borders, table.surface.lab), table)


def join_parts(
    labels: Labels, borders: Borders, table: Tabletop, rules: Sequence[HostRule] = _RULES
) -> Labels:
    """Joins the parts of objects by rules: regions (h, w) with strong borders between them."""
    graph = RegionGraph(labels, borders, table.surface, table.support.plane)
    for find_hosts in rules:
        for region in graph.smallest_first():
            hosts = find_hosts(graph, region)
            if hosts:
                graph.join(max(hosts, key=lambda host: hosts[host]), region)
    return graph.labels()
