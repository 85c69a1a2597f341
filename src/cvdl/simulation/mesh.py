"""Triangle meshes made of a few smooth sheets: what the simulated things are built from.

Every object is a union of closed surfaces. Vertices are doubled along creases and texture seams,
so that each vertex has one normal and one texture coordinate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Mesh", "box", "circle", "merge", "polyhedron", "rounded", "skin", "sweep", "turn"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices: (V, 3) metres.
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
        """The mesh after the rigid motion ``pose`` (4, 4)."""
        rotation, translation = pose[:3, :3], pose[:3, 3]
        return Mesh(
            self.vertices @ rotation.T + translation,
            self.normals @ rotation.T,
            self.uv,
            self.triangles,
            self.material,
        )

    def scaled(self, x: float, y: float, z: float) -> Mesh:
        """The mesh stretched along its axes by positive factors."""
        factors = np.array([x, y, z])
        return Mesh(
            self.vertices * factors,
            _unit(self.normals / factors),
            self.uv,
            self.triangles,
            self.material,
        )

    def shifted(self, x: float = 0, y: float = 0, z: float = 0) -> Mesh:
        """The mesh moved by (x, y, z) metres."""
        pose = np.eye(4)
        pose[:3, 3] = x, y, z
        return self.moved(pose)

    def center_of_mass(self) -> Array:
        """(3,) of the enclosed volume at uniform density; parts that overlap count twice."""
        corners = self.vertices[self.triangles]
        volumes = (corners[:, 0] * _cross(corners[:, 1], corners[:, 2])).sum(axis=1) / 6
        return volumes @ corners.sum(axis=1) / 4 / volumes.sum()

    def edges(self) -> NDArray[np.int32]:
        """(E, 2) vertex indices of every edge, an edge inside a sheet once."""
        start = self.triangles.ravel().astype(np.int64)
        end = np.roll(self.triangles, -1, axis=1).ravel()
        count = len(self.vertices)
        keys = np.unique(np.minimum(start, end) * count + np.maximum(start, end))
        return np.stack([keys // count, keys % count], axis=1).astype(np.int32)


def merge(*meshes: Mesh) -> Mesh:
    """One mesh of several; their material indices are kept."""
    firsts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    triangles = [mesh.triangles + first for mesh, first in zip(meshes, firsts, strict=True)]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate(triangles).astype(np.int32),
        np.concatenate([mesh.material for mesh in meshes]),
    )


def skin(rings: Array, *, closed: bool, material: int = 0, uv: Array | None = None) -> Mesh:
    """A smooth sheet through K rings of S points (K, S, 3).

    Seen from outside, a ring runs to the right where the rings follow each other upwards.

    Args:
        rings: a ring may shrink to a point, which closes the sheet there.
        closed: the last point of a ring equals its first, and the sheet is smooth across it.
        material: of all triangles.
        uv: (K, S, 2); by default u runs round a ring and v along the rings by arc length.
    """
    count, size = rings.shape[:2]
    along = _slope(rings)
    around = _slope(rings.swapaxes(0, 1)).swapaxes(0, 1)
    if closed:
        around[:, 0] = around[:, -1] = rings[:, 1] - rings[:, -2]
    normals = _cross(around, along)
    lengths = np.sqrt((normals * normals).sum(axis=2, keepdims=True))
    # A ring that is a point has no tangent of its own: it takes its neighbour's mean normal.
    for pole, neighbour in ((0, 1), (-1, -2)):
        if lengths[pole].max() < 1e-9 * lengths.max():
            normals[pole] = normals[neighbour].mean(axis=0)
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
    normal = _cross(b - a, c - a)
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
    """Two triangles a cell of a grid of vertices, (2 (rows - 1) (columns - 1), 3)."""
    k, s = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (k * columns + s).ravel()
    b, c, d = a + 1, a + columns + 1, a + columns
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)


def _slope(values: Array) -> Array:
    """Differences along the first axis: central inside, one-sided at the ends; not scaled."""
    slope = np.empty_like(values)
    slope[0], slope[-1] = values[1] - values[0], values[-1] - values[-2]
    slope[1:-1] = values[2:] - values[:-2]
    return slope


def _cross(a: Array, b: Array) -> Array:
    """The cross product along the last axis; much faster than numpy's for small arrays."""
    result = np.empty_like(a)
    result[..., 0] = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    result[..., 1] = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    result[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return result


def circle(segments: int = 24) -> Array:
    """(segments + 1, 2): the unit circle, its last point equal to its first."""
    return rounded(2.0, segments)


def rounded(power: float, segments: int = 24) -> Array:
    """(segments + 1, 2): a superellipse of half-width 1; 2 is a circle, large is a square.

    With a multiple of four segments, a side (not a corner) faces each way along both axes, so that
    a thing with this section can lie.
    """
    angle = (np.arange(segments + 1) + 0.5) * 2 * np.pi / segments
    c, s = np.cos(angle), np.sin(angle)
    radius = (np.abs(c) ** power + np.abs(s) ** power) ** (-1 / power)
    points = np.stack([radius * c, radius * s], axis=1)
    points[-1] = points[0]
    return points


def turn(strokes: Sequence[tuple[ArrayLike, int]], section: Array | None = None) -> Mesh:
    """A solid turned about z.

    Args:
        strokes: the profile as (points, material) pairs; points are (r, z) and smooth within a
            stroke, with a crease between strokes. From the bottom's centre outwards, up the
            outside and, for a vessel, down the inside to its centre.
        section: (S, 2) closed outline of half-width 1 that r multiplies; a circle by default.
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
    # Along the section times along the profile, divided by r: so it holds at r = 0 too.
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

    # Between the points of a stroke, but not from one stroke to the next; none of no area.
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


def sweep(
    path: Array, half_sizes: Array, *, material: int = 0, segments: int = 12, flat: bool = False
) -> Mesh:
    """A bar along a path in the x-z plane, closed at both ends.

    Args:
        path: (N, 3) with y = const.
        half_sizes: (N, 2): half-width along y and half-thickness across.
        material: of all triangles.
        segments: points round an elliptic section.
        flat: rectangular sections with sharp edges instead of elliptic ones.
    """
    tangent = _unit(np.gradient(path, axis=0))
    side = np.array([0.0, 1.0, 0.0])
    up = _cross(tangent, np.broadcast_to(side, tangent.shape))
    if flat:
        outline = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1], [1, -1]], np.float64)
    else:
        outline = circle(segments)
    rings = (
        path[:, None]
        + (half_sizes[:, :1] * outline[:, 0])[..., None] * side
        + (half_sizes[:, 1:] * outline[:, 1])[..., None] * up[:, None]
    )
    if flat:
        sheets = [skin(rings[:, i : i + 2], closed=False, material=material) for i in range(4)]
    else:
        sheets = [skin(rings, closed=True, material=material)]
    for end, center in ((rings[0], path[0]), (rings[-1, ::-1], path[-1])):
        point = np.broadcast_to(center, end.shape)
        sheets.append(skin(np.stack([point, end]), closed=not flat, material=material))
    return merge(*sheets)


def polyhedron(points: Array, faces: Sequence[tuple[Sequence[int], int]]) -> Mesh:
    """Flat convex faces, each (corner indices counter-clockwise from outside, material).

    A face's first edge runs along u; the texture fills the face.
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
        parts.append(
            Mesh(
                p,
                np.tile(_unit(normal), (len(p), 1)),
                uv,
                fan,
                np.full(len(fan), material, np.int32),
            )
        )
    return merge(*parts)


def box(x: float, y: float, z: float, materials: tuple[int, int, int] = (0, 0, 0)) -> Mesh:
    """A box centred in x and y that stands on z = 0.

    Two triangles each of the faces at +x, -x, -y, +y, +z and -z; materials by axis.
    """
    material = np.repeat(np.array(materials, np.int32), 4)
    return replace(_UNIT_BOX, vertices=_UNIT_BOX.vertices * [x, y, z], material=material)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-30)


def _unit_box() -> Mesh:
    points = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]) - [0.5, 0.5, 0]
    corners = (
        (1, 3, 7, 5),
        (2, 0, 4, 6),
        (0, 1, 5, 4),
        (3, 2, 6, 7),
        (4, 5, 7, 6),
        (2, 3, 1, 0),
    )
    return polyhedron(points, [(face, 0) for face in corners])


_UNIT_BOX = _unit_box()
