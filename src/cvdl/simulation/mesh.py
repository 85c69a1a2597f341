"""Triangle meshes of the simulated objects, built from smooth surfaces.

Every object is a union of closed surfaces. Vertices are duplicated along creases and texture
seams, so that each vertex has one normal and one texture coordinate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Mesh",
    "Stroke",
    "box",
    "circle",
    "creased",
    "loft",
    "merge",
    "polyhedron",
    "revolve",
    "sweep",
]

Array = NDArray[np.float64]
#: A smooth part of a profile: its points (r, z) and the material of its surface.
Stroke = tuple[ArrayLike, int]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices: (V, 3) meters.
        normals: (V, 3) unit length, outward, for shading.
        uv: (V, 2) texture coordinates; the texture repeats with period 1.
        triangles: (T, 3) int32, counter-clockwise seen from outside.
        material: (T,) int32, an index into the owner's list of materials.
    """

    vertices: Array
    normals: Array
    uv: Array
    triangles: NDArray[np.int32]
    material: NDArray[np.int32]

    def moved(self, pose: Array) -> Mesh:
        """Apply the rigid motion ``pose`` (4, 4)."""
        rotation, translation = pose[:3, :3], pose[:3, 3]
        return replace(
            self,
            vertices=self.vertices @ rotation.T + translation,
            normals=self.normals @ rotation.T,
        )

    def scaled(self, x: float, y: float, z: float) -> Mesh:
        """Stretch along the axes by positive factors."""
        factors = np.array([x, y, z])
        return replace(
            self, vertices=self.vertices * factors, normals=_unit(self.normals / factors)
        )

    def shifted(self, x: float = 0, y: float = 0, z: float = 0) -> Mesh:
        """Move by (x, y, z) meters."""
        pose = np.eye(4)
        pose[:3, 3] = x, y, z
        return self.moved(pose)

    def center_of_mass(self) -> Array:
        """Return the center of mass (3,) at uniform density; overlapping parts count twice."""
        corners = self.vertices[self.triangles]
        volumes = (corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum(axis=1) / 6
        return volumes @ corners.sum(axis=1) / 4 / volumes.sum()

    def edges(self) -> NDArray[np.int32]:
        """Return the vertex indices (E, 2) of every edge; a shared edge counts once."""
        start = self.triangles.ravel().astype(np.int64)
        end = np.roll(self.triangles, -1, axis=1).ravel()
        count = len(self.vertices)
        keys = np.unique(np.minimum(start, end) * count + np.maximum(start, end))
        return np.stack([keys // count, keys % count], axis=1).astype(np.int32)


def merge(*meshes: Mesh) -> Mesh:
    """Join meshes; their material indices are kept."""
    firsts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    triangles = [mesh.triangles + first for mesh, first in zip(meshes, firsts, strict=True)]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate(triangles).astype(np.int32),
        np.concatenate([mesh.material for mesh in meshes]),
    )


def loft(rings: Array, *, closed: bool, material: int = 0, uv: Array | None = None) -> Mesh:
    """Make a smooth surface through K rings of S points (K, S, 3).

    Seen from outside, a ring runs to the right and the next ring lies above it.

    Args:
        rings: a ring whose points are all equal closes the surface there.
        closed: the last point of a ring equals its first, and the surface is smooth there.
        material: of all triangles.
        uv: (K, S, 2); default: u runs along a ring and v across the rings by arc length.
    """
    count, size = rings.shape[:2]
    along = _slope(rings)
    around = _slope(rings.swapaxes(0, 1)).swapaxes(0, 1)
    if closed:
        around[:, 0] = around[:, -1] = rings[:, 1] - rings[:, -2]
    normals = np.cross(around, along)
    lengths = np.sqrt((normals * normals).sum(axis=2, keepdims=True))
    # A ring that is a point has no tangent: it takes the mean normal of the next ring.
    for pole, neighbor in ((0, 1), (-1, -2)):
        if lengths[pole].max() < 1e-9 * lengths.max():
            normals[pole] = normals[neighbor].mean(axis=0)
            lengths[pole] = np.linalg.norm(normals[pole, 0])
    normals /= np.maximum(lengths, 1e-30)

    if uv is None:
        uv = np.empty((count, size, 2))
        uv[..., 0] = np.linspace(0, 1, size)
        steps = rings[1:] - rings[:-1]
        v = np.concatenate([[0.0], np.cumsum(np.sqrt((steps * steps).sum(axis=2)).mean(axis=1))])
        uv[..., 1] = (v / max(v[-1], 1e-12))[:, None]

    vertices = rings.reshape(-1, 3)
    triangles = _grid_triangles(count, size)
    a, b, c = vertices[triangles.T]
    normal = np.cross(b - a, c - a)
    triangles = triangles[(normal * normal).sum(axis=1) > 1e-24]
    return Mesh(
        vertices,
        normals.reshape(-1, 3),
        uv.reshape(-1, 2),
        triangles,
        np.full(len(triangles), material, np.int32),
    )


@lru_cache(maxsize=64)
def _grid_triangles(rows: int, columns: int) -> NDArray[np.int32]:
    """Two triangles for each cell of a grid of vertices, (2 (rows - 1) (columns - 1), 3)."""
    k, s = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (k * columns + s).ravel()
    b, c, d = a + 1, a + columns + 1, a + columns
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)


def _slope(values: Array) -> Array:
    """Differences along the first axis, not scaled: central inside, one-sided at the ends."""
    slope = np.empty_like(values)
    slope[0], slope[-1] = values[1] - values[0], values[-1] - values[-2]
    slope[1:-1] = values[2:] - values[:-2]
    return slope


def circle(segments: int = 24, power: float = 2) -> Array:
    """Return a closed outline (segments + 1, 2) of half-width 1.

    With a multiple of four segments, a side (not a corner) faces each way along both axes, so that
    an object with this section can lie.

    Args:
        segments: number of sides.
        power: of a superellipse; 2 is a circle, a large power is nearly a square.
    """
    angle = (np.arange(segments + 1) + 0.5) * 2 * np.pi / segments
    c, s = np.cos(angle), np.sin(angle)
    radius = (np.abs(c) ** power + np.abs(s) ** power) ** (-1 / power)
    points = np.stack([radius * c, radius * s], axis=1)
    points[-1] = points[0]
    return points


def creased(material: int, *points: tuple[float, float]) -> list[Stroke]:
    """Return the straight strokes between points (r, z), with a crease at each point."""
    return [(pair, material) for pair in pairwise(points)]


def revolve(strokes: Sequence[Stroke], section: Array | None = None) -> Mesh:
    """Make a solid of revolution about z.

    Args:
        strokes: the profile, from the center of the bottom outwards, up the outside and, for a
            vessel, down the inside to its center. It is smooth within a stroke and has a crease
            between strokes.
        section: (S, 2) closed outline of half-width 1, multiplied by r; default: a circle.
    """
    section = circle() if section is None else section
    profiles = [np.asarray(points, np.float64) for points, _ in strokes]
    counts = [len(profile) for profile in profiles]
    (r, z), size = np.concatenate(profiles).T, len(section)
    dr, dz = np.concatenate([_slope(profile) for profile in profiles]).T
    turning = _slope(section)
    turning[0] = turning[-1] = section[1] - section[-2]

    vertices = np.empty((len(r), size, 3))
    vertices[..., :2] = r[:, None, None] * section
    vertices[..., 2] = z[:, None]
    # The tangent of the section times that of the profile, divided by r to be valid at r = 0.
    normals = np.empty_like(vertices)
    normals[..., 0] = dz[:, None] * turning[:, 1]
    normals[..., 1] = -dz[:, None] * turning[:, 0]
    swept = turning[:, 0] * section[:, 1] - turning[:, 1] * section[:, 0]
    normals[..., 2] = dr[:, None] * swept

    uv = np.empty((len(r), size, 2))
    uv[..., 0] = np.linspace(0, 1, size)
    first = 0
    for profile, count in zip(profiles, counts, strict=True):
        rows = slice(first, first + count)
        first += count
        if np.ptp(profile[:, 1]) < 1e-9:  # flat: seen from above
            uv[rows] = vertices[rows, :, :2] / (2 * profile[:, 0].max()) + 0.5
        else:
            lengths = np.hypot(*np.diff(profile, axis=0).T)
            uv[rows, :, 1] = (np.append(0, np.cumsum(lengths)) / lengths.sum())[:, None]

    # Join the points of a stroke, but not one stroke to the next; skip triangles without area.
    below, above = _grid_triangles(len(r), size).reshape(2, len(r) - 1, size - 1, 3)
    stroke = np.repeat(np.arange(len(counts)), counts)
    inside = stroke[1:] == stroke[:-1]
    lower, upper = inside & (r[:-1] > 1e-9), inside & (r[1:] > 1e-9)
    materials = np.repeat([material for _, material in strokes], counts)[:-1]
    kinds = np.concatenate([materials[lower], materials[upper]])
    return Mesh(
        vertices.reshape(-1, 3),
        _unit(normals.reshape(-1, 3)),
        uv.reshape(-1, 2),
        np.concatenate([below[lower], above[upper]]).reshape(-1, 3),
        np.repeat(kinds, size - 1).astype(np.int32),
    )


def sweep(path: Array, half_sizes: Array, *, material: int = 0, flat: bool = False) -> Mesh:
    """Make a bar along a path in the x-z plane, closed at both ends.

    Args:
        path: (N, 3) with constant y.
        half_sizes: (N, 2): half the width along y and half the thickness across the path.
        material: of all triangles.
        flat: whether sections are rectangles with sharp edges instead of ellipses.
    """
    tangent = _unit(np.gradient(path, axis=0))
    side = np.array([0.0, 1.0, 0.0])
    up = np.cross(tangent, np.broadcast_to(side, tangent.shape))
    if flat:
        outline = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1], [1, -1]], np.float64)
    else:
        outline = circle(12)
    rings = (
        path[:, None]
        + (half_sizes[:, :1] * outline[:, 0])[..., None] * side
        + (half_sizes[:, 1:] * outline[:, 1])[..., None] * up[:, None]
    )
    if flat:
        surfaces = [loft(rings[:, i : i + 2], closed=False, material=material) for i in range(4)]
    else:
        surfaces = [loft(rings, closed=True, material=material)]
    for end, center in ((rings[0], path[0]), (rings[-1, ::-1], path[-1])):
        point = np.broadcast_to(center, end.shape)
        surfaces.append(loft(np.stack([point, end]), closed=not flat, material=material))
    return merge(*surfaces)


def polyhedron(points: Array, faces: Sequence[tuple[Sequence[int], int]]) -> Mesh:
    """Make flat convex faces, each (corner indices counter-clockwise from outside, material).

    The first edge of a face runs along u; the texture fills the face.
    """
    parts = []
    for corners, material in faces:
        p = points[list(corners)]
        normal = np.cross(p[1] - p[0], p[2] - p[0])
        u_axis = _unit(p[1] - p[0])
        v_axis = np.cross(_unit(normal), u_axis)
        uv = np.stack([(p - p[0]) @ u_axis, (p - p[0]) @ v_axis], axis=1)
        uv -= uv.min(axis=0)
        uv /= uv.max(axis=0)
        fan = np.array([[0, i, i + 1] for i in range(1, len(p) - 1)], np.int32)
        normals = np.tile(_unit(normal), (len(p), 1))
        parts.append(Mesh(p, normals, uv, fan, np.full(len(fan), material, np.int32)))
    return merge(*parts)


def box(x: float, y: float, z: float, materials: tuple[int, int, int] = (0, 0, 0)) -> Mesh:
    """Make a box centered in x and y that stands on z = 0.

    It has two triangles for each of the faces at +x, -x, -y, +y, +z and -z; ``materials`` are by
    axis.
    """
    material = np.repeat(np.array(materials, np.int32), 4)
    return replace(_UNIT_BOX, vertices=_UNIT_BOX.vertices * [x, y, z], material=material)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-30)


_UNIT_BOX = polyhedron(
    np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]) - [0.5, 0.5, 0],
    [
        ((1, 3, 7, 5), 0),
        ((2, 0, 4, 6), 0),
        ((0, 1, 5, 4), 0),
        ((3, 2, 6, 7), 0),
        ((4, 5, 7, 6), 0),
        ((2, 3, 1, 0), 0),
    ],
)
