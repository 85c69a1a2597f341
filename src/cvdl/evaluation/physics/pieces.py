"""Meshes as convex pieces, which the physics needs, cut so that hollow things stay hollow.

Convex parts of a mesh are their own hulls. Others are cut by CoACD (Wei, Liu, Ling & Su 2022,
"Approximate Convex Decomposition for 3D Meshes with Collision-Aware Concavity and Tree Search").
Cutting takes seconds, so the pieces of a shape are kept in the user's folder of caches.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError

from cvdl.core.files import write_atomically
from cvdl.simulation.mesh import Mesh

__all__ = ["convex_pieces", "parts_of"]

Array = NDArray[np.float64]

#: A part that fills this share of its convex hull counts as convex.
_CONVEX = 0.99
#: Largest concavity of a piece, in units of the part's size (CoACD's default).
_CONCAVITY = 0.05
#: Vertices closer than this are one, meters.
_WELD = 1e-6
#: Thickness of surfaces without volume, meters; they are the front of what is behind them.
_SHEET = 0.002
#: Part of the key of the cache: changes with how pieces are cut.
_VERSION = f"3 {_CONCAVITY}"


def convex_pieces(mesh: Mesh, within: tuple[Array, Array] | None = None) -> list[Array]:
    """Return the vertices (V, 3) of convex pieces that together fill a mesh.

    Args:
        mesh: a union of closed surfaces, which may overlap; open surfaces become thin sheets.
        within: corners (3,) of a box; connected parts that do not reach into it are left out.
    """
    pieces = []
    for vertices, triangles in parts_of(mesh):
        if within is None or (
            (vertices.max(axis=0) > within[0]).all() and (vertices.min(axis=0) < within[1]).all()
        ):
            pieces += _pieces_of(vertices, triangles)
    return pieces


def parts_of(mesh: Mesh) -> list[tuple[Array, NDArray[np.int64]]]:
    """Return the connected parts of a mesh: vertices (V, 3) and triangles (T, 3) of each."""
    _, index, inverse = np.unique(
        np.round(mesh.vertices / _WELD).astype(np.int64), axis=0, return_index=True,
        return_inverse=True,
    )  # fmt: skip
    vertices, triangles = mesh.vertices[index], inverse.ravel()[mesh.triangles].astype(np.int64)
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (c != a)]
    start, end = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    shape = (len(vertices), len(vertices))
    edges = coo_matrix((np.ones(len(start)), (start, end)), shape)
    _, part_of = connected_components(edges, directed=False)
    parts = []
    for part in np.unique(part_of[triangles[:, 0]]):
        used, local = np.unique(triangles[part_of[triangles[:, 0]] == part], return_inverse=True)
        parts.append((vertices[used], local.reshape(-1, 3)))
    return parts


def _pieces_of(vertices: Array, triangles: NDArray[np.int64]) -> list[Array]:
    """Convex pieces of one part."""
    if not _is_closed(triangles):
        return _sheets(vertices, triangles)
    a, b, c = vertices[triangles].swapaxes(0, 1)
    volume = (a * np.cross(b, c)).sum() / 6
    hull = _hull(vertices)
    if hull is None or volume > _CONVEX * hull.volume:
        return [] if hull is None else [vertices[hull.vertices]]
    return _cut(vertices, triangles)


def _cut(vertices: Array, triangles: NDArray[np.int64]) -> list[Array]:
    """Convex pieces of a closed part, by CoACD or from the cache."""
    import coacd

    key = sha256(_VERSION.encode() + vertices.tobytes() + triangles.tobytes()).hexdigest()
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(caches) / "cvdl" / "pieces" / f"{key[:32]}.npy"
    with suppress(OSError, ValueError):  # not there, or damaged
        rows = np.load(path)
        return [rows[rows[:, 0] == number, 1:] for number in np.unique(rows[:, 0])]
    coacd.set_log_level("error")
    cut = coacd.run_coacd(
        coacd.Mesh(vertices, triangles), threshold=_CONCAVITY, preprocess_mode="auto",
        resolution=500, mcts_iterations=20, mcts_nodes=6, seed=1,
    )  # fmt: skip
    pieces = [np.asarray(points, np.float64) for points, _ in cut if _hull(points) is not None]
    numbered = [np.insert(piece, 0, number, axis=1) for number, piece in enumerate(pieces)]
    content = BytesIO()
    np.save(content, np.concatenate(numbered))
    with suppress(OSError):  # a full or read-only disk costs time only
        write_atomically(path, content.getvalue())
    return pieces


def _hull(vertices: Array) -> ConvexHull | None:
    """The convex hull; None of flat parts."""
    try:
        return ConvexHull(vertices)
    except QhullError:
        return None


def _is_closed(triangles: NDArray[np.int64]) -> bool:
    """Whether every edge belongs to two triangles."""
    edges = np.sort(np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2), axis=2)
    _, counts = np.unique(edges.reshape(-1, 2), axis=0, return_counts=True)
    return bool((counts == 2).all())


def _sheets(vertices: Array, triangles: NDArray[np.int64]) -> list[Array]:
    """A flat open surface as one thin piece, another one as a piece for each triangle."""
    corners = vertices[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    corners, normals = corners[lengths[:, 0] > 1e-12], normals[lengths[:, 0] > 1e-12]
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    if not len(normals):
        return []
    if (normals @ normals[0] > 1 - 1e-6).all():
        flat = np.unique(corners.reshape(-1, 3), axis=0)
        return [np.concatenate([flat, flat - _SHEET * normals[0]])]
    return [
        np.concatenate([three, three - _SHEET * normal])
        for three, normal in zip(corners, normals, strict=True)
    ]
