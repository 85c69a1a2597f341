"""More ways to build meshes: tubes, blocks, silhouettes with a thickness, and deformations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from cvdl.simulation.mesh import Mesh, circle, loft, merge

__all__ = [
    "deformed",
    "extruded",
    "fitted",
    "grid",
    "inflated",
    "rotation_z",
    "slanted_box",
    "smooth_path",
    "tube",
    "turned",
    "turning",
]

Array = NDArray[np.float64]
Rng = np.random.Generator

#: Corners of an outline that turn by less (cosine) are smooth.
_SMOOTH = np.cos(np.radians(35))


def tube(
    path: Array, radius: Array | float, material: int = 0, sides: int = 10, power: float = 2
) -> Mesh:
    """Make a tube with round ends along a path.

    Args:
        path: (N, 3) meters.
        radius: (N,) or one for all, meters.
        material: of all triangles.
        sides: of a section.
        power: of its superellipse; see `circle`.
    """
    radii = np.broadcast_to(np.asarray(radius, np.float64), len(path))
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    bow = np.radians([80, 50, 20])
    start = path[0] - tangent[0] * (radii[0] * np.sin(bow))[:, None]
    end = path[-1] + tangent[-1] * (radii[-1] * np.sin(bow[::-1]))[:, None]
    path = np.concatenate([start, path, end])
    radii = np.concatenate([radii[0] * np.cos(bow), radii, radii[-1] * np.cos(bow[::-1])])
    tangent = np.concatenate([tangent[[0] * 3], tangent, tangent[[-1] * 3]])
    side = np.empty_like(tangent)
    last = np.eye(3)[np.abs(tangent[0]).argmin()]
    for i, way in enumerate(tangent):  # the section does not turn about the path
        last = last - (last @ way) * way
        last = last / np.sqrt(last @ last)
        side[i] = last
    up = np.cross(tangent, side)
    outline = circle(sides, power)
    rings = path[:, None] + radii[:, None, None] * (
        outline[:, :1] * side[:, None] + outline[:, 1:] * up[:, None]
    )
    first, final = (np.broadcast_to(ring.mean(axis=0), ring.shape) for ring in rings[[0, -1]])
    return loft(np.concatenate([first[None], rings, final[None]]), closed=True, material=material)


def smooth_path(knots: Array, count: int) -> Array:
    """Return a curve (count, 3) near the knots (K, 3): a uniform cubic B-spline."""
    padded = np.concatenate([knots[[0, 0]], knots, knots[[-1, -1]]])
    t = np.linspace(0, len(padded) - 3 - 1e-9, count)
    i, f = t.astype(int), (t % 1)[:, None]
    weights = (
        (1 - f) ** 3 / 6,
        (3 * f**3 - 6 * f**2 + 4) / 6,
        (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6,
        f**3 / 6,
    )
    return np.asarray(sum(w * padded[i + k] for k, w in enumerate(weights)))


def grid(heights: Array, half_size: Array, span: float, material: int = 0) -> Mesh:
    """Make a surface over a rectangle about the origin.

    Args:
        heights: (K, S) meters, at evenly spaced places along y and x.
        half_size: (2,) along x and y, meters.
        span: size of one repetition of the texture, meters.
        material: of all triangles.
    """
    rows, columns = heights.shape
    x, y = np.meshgrid(
        np.linspace(-half_size[0], half_size[0], columns),
        np.linspace(-half_size[1], half_size[1], rows),
    )
    points = np.stack([x, y, heights], axis=2)
    return loft(points, closed=False, material=material, uv=points[..., :2] / span)


def slanted_box(low: Array, high: Array, height: float, material: int = 0) -> Mesh:
    """Make four walls without thickness from a rectangle at z = 0 to one at ``height``.

    ``low`` and ``high`` (2,) are their half sizes; the walls face outwards.
    """
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    below = np.concatenate([corners * low, np.zeros((5, 1))], axis=1)
    above = np.concatenate([corners * high, np.full((5, 1), height)], axis=1)
    walls = []
    for i in range(4):
        rings = np.stack([below[i : i + 2], above[i : i + 2]])
        length = np.linalg.norm(rings[0, 1] - rings[0, 0])
        uv = np.array([[[0, 0], [1, 0]], [[0, 1], [1, 1]]]) * [length / 0.4, height / 0.4]
        walls.append(loft(rings, closed=False, material=material, uv=uv))
    return merge(*walls)


def extruded(mask: NDArray[np.uint8], thickness: float, material: tuple[int, int] = (0, 0)) -> Mesh:
    """Give a silhouette a thickness.

    Args:
        mask: (N, N), not 0 inside; its width is 1 meter, its middle the origin.
        thickness: along z, meters; the lower face is at z = 0.
        material: of the faces and of the rim.
    """
    outlines = _outlines(mask, 7)
    points, triangles = _triangulated(mask, np.concatenate(outlines))
    scale = 1 / len(mask)
    plane = (points - len(mask) / 2) * [scale, -scale]
    uv = plane + 0.5
    count = len(points)
    flat = np.concatenate([np.zeros((count, 1)), np.full((count, 1), thickness)])
    faces = Mesh(
        np.concatenate([np.tile(plane, (2, 1)), flat], axis=1),
        np.repeat([[0.0, 0, -1], [0, 0, 1]], count, axis=0),
        np.tile(uv, (2, 1)),
        np.concatenate([triangles, triangles[:, ::-1] + count]).astype(np.int32),
        np.full(2 * len(triangles), material[0], np.int32),
    )
    rims = [
        _rim((line - len(mask) / 2) * [scale, -scale], thickness, material[1]) for line in outlines
    ]
    return merge(faces, *rims)


def inflated(mask: NDArray[np.uint8], thickness: float, material: int = 0) -> Mesh:
    """Inflate a silhouette like a cushion; see `extruded`. Its middle plane is z = 0."""
    size = len(mask)
    outline = np.concatenate(_outlines(mask, 12))
    away = cv2.distanceTransform((mask > 0).astype(np.uint8), cv2.DIST_L2, 3)
    y, x = np.mgrid[3:size:9, 3:size:9].reshape(2, -1)
    inside = away[y, x] > 4
    y, x = y[inside], x[inside]
    if not len(x):  # a narrow silhouette is raised at its widest place
        y, x = np.unravel_index([away.argmax()], away.shape)
    points = np.concatenate([outline, np.stack([x, y], axis=1) + 0.5])
    points, triangles = _triangulated(mask, points)
    share = np.concatenate([np.zeros(len(outline)), away[y, x]]) / max(away.max(), 1)
    lift = np.sqrt(1 - (1 - share) ** 2) * thickness / 2
    plane = (points - size / 2) * [1 / size, -1 / size]
    count = len(points)
    vertices = np.concatenate([np.tile(plane, (2, 1)), np.append(-lift, lift)[:, None]], axis=1)
    triangles = np.concatenate([triangles, triangles[:, ::-1] + count]).astype(np.int32)
    return Mesh(
        vertices,
        _normals(vertices, triangles),
        np.tile(plane + 0.5, (2, 1)),
        triangles,
        np.full(len(triangles), material, np.int32),
    )


def _outlines(mask: NDArray[np.uint8], step: float) -> list[Array]:
    """The closed outlines (N, 2) of a mask, as (x, y) at most ``step`` pixels apart."""
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    result = []
    for contour in contours:
        line = cv2.approxPolyDP(contour, 0.9, True)[:, 0].astype(np.float64) + 0.5
        if len(line) < 3:
            continue
        ahead = np.roll(line, -1, axis=0)
        counts = np.ceil(np.linalg.norm(ahead - line, axis=1) / step).astype(int)
        index = np.repeat(np.arange(len(line)), counts)
        part = (np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[
            index
        ]
        result.append(line[index] + part[:, None] * (ahead - line)[index])
    return result


def _triangulated(mask: NDArray[np.uint8], points: Array) -> tuple[Array, NDArray[np.int32]]:
    """Points, and triangles between them that lie inside the mask."""
    triangles = Delaunay(points).simplices
    x, y = points[triangles].mean(axis=1).astype(int).T
    inside = mask[np.minimum(y, len(mask) - 1), np.minimum(x, len(mask) - 1)] > 0
    triangles = triangles[inside]
    # Seen from above (y is up in the result), the lower face is turned away.
    (a, b), c = points[triangles[:, :2]].swapaxes(0, 1), points[triangles[:, 2]]
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    turned = ux * vy < uy * vx
    triangles[turned] = triangles[turned][:, ::-1]
    return points, triangles


def _rim(line: Array, thickness: float, material: int) -> Mesh:
    """The upright rim above a closed outline (N, 2); sharp only at its corners."""
    ahead = np.roll(line, -1, axis=0)
    along = ahead - line
    length = np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / length
    before, after = np.roll(normal, 1, axis=0), np.roll(normal, -1, axis=0)
    start = np.where(((normal * before).sum(1) > _SMOOTH)[:, None], normal + before, normal)
    end = np.where(((normal * after).sum(1) > _SMOOTH)[:, None], normal + after, normal)
    count = len(line)
    flat = np.concatenate([start, end, start, end])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    z = np.repeat([0.0, 0.0, thickness, thickness], count)[:, None]
    u = np.append(0, np.cumsum(length)) / max(length.sum(), 1e-9)
    i = np.arange(count)
    triangles = np.concatenate(
        [
            np.stack([i, i + count, i + 3 * count], axis=1),
            np.stack([i, i + 3 * count, i + 2 * count], axis=1),
        ]
    )
    return Mesh(
        np.concatenate([np.concatenate([line, ahead, line, ahead]), z], axis=1),
        np.concatenate([flat, np.zeros((4 * count, 1))], axis=1),
        np.stack(
            [np.concatenate([u[:-1], u[1:], u[:-1], u[1:]]), np.repeat([0.0, 0, 0.2, 0.2], count)],
            axis=1,
        ),
        triangles.astype(np.int32),
        np.full(2 * count, material, np.int32),
    )


def _normals(vertices: Array, triangles: NDArray[np.int32]) -> Array:
    """Unit normals (V, 3) of a smooth surface: means over the triangles at a vertex."""
    a, b, c = vertices[triangles.T]
    face = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(triangles.ravel(), np.repeat(face[:, k], 3), len(vertices)) for k in range(3)],
        axis=1,
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)


def deformed(mesh: Mesh, warp: Callable[[Array], Array]) -> Mesh:
    """Move every point of a mesh by a smooth function of (N, 3) points; normals follow."""
    step = 1e-4 * max(float(np.ptp(mesh.vertices, axis=0).max()), 1e-6)
    count = len(mesh.vertices)
    shifted = np.concatenate([mesh.vertices, *(mesh.vertices + step * e for e in np.eye(3))])
    moved = warp(shifted).reshape(4, count, 3)
    x, y, z = moved[1:] - moved[0]
    # The cofactors of the Jacobian turn normals.
    normals = (
        mesh.normals[:, :1] * np.cross(y, z)
        + mesh.normals[:, 1:2] * np.cross(z, x)
        + mesh.normals[:, 2:] * np.cross(x, y)
    )
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    return replace(mesh, vertices=moved[0], normals=normals)


def fitted(mesh: Mesh, size: float) -> Mesh:
    """Center a mesh on the origin and give its longest side a size."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    scale = size / max(float((high - low).max()), 1e-9)
    return replace(mesh, vertices=(mesh.vertices - (low + high) / 2) * scale)


def turning(rng: Rng) -> Array:
    """Draw a rotation (3, 3), uniform over all."""
    q = rng.standard_normal(4)
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def rotation_z(angle: float) -> Array:
    """Return the rotation (3, 3) about the vertical by an angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def turned(mesh: Mesh, rotation: Array) -> Mesh:
    """Rotate a mesh about the origin by (3, 3)."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    return mesh.moved(pose)
