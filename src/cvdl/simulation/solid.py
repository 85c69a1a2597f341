"""Exact geometry of solids: whether two intersect, where they touch, how one can rest.

Two closed meshes intersect if and only if an edge of one pierces a triangle of the other or one
lies wholly inside the other. Open3D's ray caster tests both.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import open3d as o3d
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from cvdl.simulation.mesh import Mesh

__all__ = [
    "Solid",
    "free_share",
    "hull_margin",
    "intersects",
    "inverse",
    "ray_scene",
    "resting_ways",
    "touches",
]

Array = NDArray[np.float64]

#: An object that a smaller tilt (radians) topples does not stand by itself.
_LEAST_TILT = 0.11
#: Weights that give different planes different sums, so that one number finds equal planes.
_PLANE_KEY = np.array([1.0, 3.1415, 9.8696, 31.006])


def ray_scene(mesh: Mesh) -> o3d.t.geometry.RaycastingScene:
    """Prepare a mesh for ray casting on one thread: scenes are made on several processes."""
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(mesh.vertices.astype(np.float32), mesh.triangles.astype(np.uint32))
    return scene


class Resting(NamedTuple):
    """N ways to rest on a plane.

    Attributes:
        down: (N, 3) unit directions that may point down.
        margin: (N,) meters from below the center of mass to the nearest edge of the facet that
            touches the plane; toppling takes a tilt of more than ``_LEAST_TILT``.
        height: (N,) meters from the plane to the highest point.
    """

    down: Array
    margin: Array
    height: Array


class Solid:
    """A mesh with the derived data that placement needs, in the mesh's own frame.

    Attributes:
        mesh: the surface.
        com: (3,) center of mass.
        radius: of the sphere about ``com`` that contains the mesh, meters.
        low, high: (3,) corners of the bounding box.
        edges: (E, 6) float32, start and extent of each edge of the mesh.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.com = mesh.center_of_mass()
        self.radius = float(np.linalg.norm(mesh.vertices - self.com, axis=1).max())
        self.low, self.high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        start, end = mesh.vertices[mesh.edges().T]
        self.edges = np.concatenate([start, end - start], axis=1).astype(np.float32)

    @cached_property
    def scene(self) -> o3d.t.geometry.RaycastingScene:
        """The mesh alone, for ray casting."""
        return ray_scene(self.mesh)

    @cached_property
    def samples(self) -> Array:
        """Points (S, 3) of the surface: vertices, and points every 5 mm along longer edges."""
        start, extent = np.split(self.edges.astype(np.float64), 2, axis=1)
        counts = (np.linalg.norm(extent, axis=1) / 0.005).astype(int)
        index = np.repeat(np.arange(len(counts)), counts)
        step = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        t = (step / (counts[index] + 1))[:, None]
        return np.concatenate([self.mesh.vertices, start[index] + t * extent[index]])

    @cached_property
    def resting(self) -> Resting:
        """Ways to rest on a plane."""
        return resting_ways(self.mesh.vertices, self.com)


def resting_ways(vertices: Array, com: Array) -> Resting:
    """Find how a body rests on a plane: on facets of the convex hull below the center of mass.

    Args:
        vertices: (V, 3) meters.
        com: (3,) center of mass.
    """
    equations = ConvexHull(vertices).equations
    _, first = np.unique(np.round(equations @ _PLANE_KEY, 9), return_index=True)
    normals, offsets = equations[first, :3], equations[first, 3]
    low = -(normals @ com + offsets)
    feet = com + normals * low[:, None]
    # In each facet's plane, the distance to the lines where the other facets cut it.
    slack = -(feet @ normals.T + offsets)
    sine = np.sqrt(np.maximum(1 - (normals @ normals.T) ** 2, 0))
    beside = np.where(sine > 1e-3, slack / np.maximum(sine, 1e-3), np.inf)
    margin = beside.min(axis=1)
    stable = margin > _LEAST_TILT * low
    if not stable.any():  # it rests on the best of its small facets
        stable[(margin / low).argmax()] = True
    down = normals[stable]
    return Resting(down, margin[stable], np.ptp(down @ vertices.T, axis=1))


def intersects(a: Solid, pose_a: Array, b: Solid, pose_b: Array) -> bool:
    """Return whether two solids at world poses (4, 4) share volume; contact does not count."""
    a_in_b = inverse(pose_b) @ pose_a
    b_in_a = inverse(a_in_b)
    if not (_boxes_overlap(a, a_in_b, b) and _boxes_overlap(b, b_in_a, a)):
        return False
    return (
        _pierces(a, a_in_b, b)
        or _pierces(b, b_in_a, a)
        or _inside(a, a_in_b, b)
        or _inside(b, b_in_a, a)
    )


def _boxes_overlap(a: Solid, pose: Array, b: Solid) -> bool:
    """Whether the bounding box of ``a``, at ``pose`` in ``b``'s frame, may reach that of ``b``."""
    center = pose[:3, :3] @ (a.low + a.high) / 2 + pose[:3, 3]
    half = np.abs(pose[:3, :3]) @ (a.high - a.low) / 2
    return bool(((center - half < b.high) & (center + half > b.low)).all())


def _pierces(a: Solid, pose: Array, b: Solid) -> bool:
    """Whether an edge of ``a``, at ``pose`` in ``b``'s frame, crosses the surface of ``b``."""
    rotation, translation = pose[:3, :3].astype(np.float32), pose[:3, 3].astype(np.float32)
    rays = np.empty((len(a.edges), 6), np.float32)
    rays[:, :3] = a.edges[:, :3] @ rotation.T + translation
    rays[:, 3:] = a.edges[:, 3:] @ rotation.T
    return bool(b.scene.test_occlusions(rays, 0.0, 1.0, nthreads=1).numpy().any())


def _inside(a: Solid, pose: Array, b: Solid) -> bool:
    """Whether the first vertex of ``a``, at ``pose`` in ``b``'s frame, lies inside ``b``."""
    point = pose[:3, :3] @ a.mesh.vertices[0] + pose[:3, 3]
    if not ((point > b.low) & (point < b.high)).all():
        return False
    return bool(b.scene.compute_occupancy(point[None].astype(np.float32)).numpy()[0] > 0)


def free_share(a: Solid, pose_a: Array, b: Solid, pose_b: Array, way: Array) -> float:
    """Return the share of a shift of ``a`` by ``way`` (3,) until a vertex of one meets the other.

    It is infinite if none does. Crossing edges are not detected: check with `intersects`.
    """
    return min(
        _first_hit(a.mesh.vertices, inverse(pose_b) @ pose_a, pose_b[:3, :3].T @ way, b),
        _first_hit(b.mesh.vertices, inverse(pose_a) @ pose_b, -pose_a[:3, :3].T @ way, a),
    )


def _first_hit(points: Array, pose: Array, way: Array, b: Solid) -> float:
    """Smallest share of ``way`` after which a point, at ``pose`` in ``b``'s frame, meets ``b``."""
    rays = np.empty((len(points), 6), np.float32)
    rays[:, :3] = points @ pose[:3, :3].T + pose[:3, 3]
    rays[:, 3:] = way
    return float(b.scene.cast_rays(rays, nthreads=1)["t_hit"].numpy().min())


def touches(points: Array, b: Solid, pose_b: Array, reach: float) -> NDArray[np.bool_]:
    """Return which world points (N, 3) are nearer than ``reach`` to the surface of a solid."""
    back = inverse(pose_b)
    local = points @ back[:3, :3].T + back[:3, 3]
    x, y, z = ((local > b.low - reach) & (local < b.high + reach)).T
    near = x & y & z
    if near.any():
        away = b.scene.compute_distance(local[near].astype(np.float32), nthreads=1).numpy()
        near[near] = away < reach
    return near


def hull_margin(points: Array, at: Array) -> float:
    """Return how far ``at`` (2,) lies inside the convex hull of points (N, 2); negative outside."""
    if len(points) == 0:
        return -np.inf
    # Relative to the point and in millimeters, single precision is sufficient for OpenCV.
    hull = cv2.convexHull((1000 * (points - at)).astype(np.float32))
    return cv2.pointPolygonTest(hull, (0.0, 0.0), True) / 1000


def inverse(pose: Array) -> Array:
    """Return the inverse of a rigid motion (4, 4)."""
    result = np.eye(4)
    result[:3, :3] = pose[:3, :3].T
    result[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return result
