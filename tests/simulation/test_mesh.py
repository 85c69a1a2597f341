"""Meshes with known volume, center and normals."""

from itertools import pairwise

import numpy as np
import pytest

from cvdl.simulation.mesh import Mesh, box, circle, creased, loft, merge, polyhedron, revolve, sweep


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.triangles.T]
    return float((a * np.cross(b, c)).sum() / 6)


def revolved(outline: list[tuple[float, float]], segments: int = 24) -> Mesh:
    return revolve(creased(0, *outline), circle(segments))


def test_box() -> None:
    mesh = box(0.2, 0.1, 0.4, (0, 1, 2))
    assert volume(mesh) == pytest.approx(0.2 * 0.1 * 0.4)
    np.testing.assert_allclose(mesh.center_of_mass(), [0, 0, 0.2], atol=1e-12)
    np.testing.assert_allclose(mesh.vertices.min(axis=0), [-0.1, -0.05, 0])
    for axis in range(3):
        corners = mesh.triangles[mesh.material == axis]
        assert (np.abs(mesh.normals[corners][..., axis]) == 1).all()


def test_cylinder_and_cone() -> None:
    cylinder = revolved([(0, 0), (0.1, 0), (0.1, 0.3), (0, 0.3)], segments=256)
    assert volume(cylinder) == pytest.approx(np.pi * 0.01 * 0.3, rel=1e-3)
    cone = revolved([(0, 0), (0.1, 0), (0, 0.4)])
    np.testing.assert_allclose(cone.center_of_mass(), [0, 0, 0.1], atol=1e-12)


def test_a_sphere_has_its_normals_and_no_empty_triangles() -> None:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 33)
    mesh = revolve([(0.1 * np.stack([np.cos(angle), np.sin(angle)], axis=1), 0)], circle(64))
    np.testing.assert_allclose(mesh.normals, mesh.vertices / 0.1, atol=0.05)
    a, b, c = mesh.vertices[mesh.triangles.T]
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).min() > 1e-7


def test_materials_follow_the_strokes() -> None:
    outline = [(0, 0), (0.1, 0), (0.1, 0.2), (0, 0.2)]
    mesh = revolve(list(zip(pairwise(outline), (4, 7, 5), strict=True)))
    height = mesh.vertices[mesh.triangles][..., 2].mean(axis=1)
    assert set(mesh.material[height < 0.01]) == {4}
    assert set(mesh.material[height > 0.19]) == {5}
    assert set(mesh.material[(height > 0.01) & (height < 0.19)]) == {7}


@pytest.mark.parametrize("flat", [False, True])
def test_straight_bar(flat: bool) -> None:
    path = np.stack([np.linspace(0, 0.3, 7), np.zeros(7), np.zeros(7)], axis=1)
    mesh = sweep(path, np.full((7, 2), [0.02, 0.01]), flat=flat)
    # An ellipse is a polygon with twelve sides, which face along both axes.
    area, extent = (4, 1) if flat else (3, np.cos(np.pi / 12))
    assert volume(mesh) == pytest.approx(0.3 * area * 0.02 * 0.01)
    np.testing.assert_allclose(mesh.center_of_mass(), [0.15, 0, 0], atol=1e-9)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [0.3, 0.04 * extent, 0.02 * extent])


def test_a_loft_faces_outside() -> None:
    rings = np.array([[[0, 0, 0], [1, 0, 0]], [[0, 0, 1], [1, 0, 1]]], float)
    np.testing.assert_allclose(loft(rings, closed=False).normals, [[0, -1, 0]] * 4)


def test_tetrahedron() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    faces = [((0, 2, 1), 0), ((0, 1, 3), 0), ((1, 2, 3), 0), ((0, 3, 2), 0)]
    mesh = polyhedron(points, faces)
    assert volume(mesh) == pytest.approx(1 / 6)
    np.testing.assert_allclose(mesh.center_of_mass(), [0.25] * 3)


def test_moved_and_scaled() -> None:
    pose = np.eye(4)
    pose[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    pose[:3, 3] = 1, 2, 3
    mesh = box(0.2, 0.1, 0.4).moved(pose)
    np.testing.assert_allclose(mesh.center_of_mass(), [1, 2, 3.2])
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [0.1, 0.2, 0.4])
    ball = revolved([(0, 0), (0.1, 0.1), (0, 0.2)]).scaled(2, 1, 1)
    np.testing.assert_allclose(np.linalg.norm(ball.normals, axis=1), 1)
    assert volume(ball) == pytest.approx(2 * volume(revolved([(0, 0), (0.1, 0.1), (0, 0.2)])))


def test_merged_meshes_keep_their_vertices() -> None:
    both = merge(box(1, 1, 1), box(1, 1, 1).shifted(x=5))
    assert volume(both) == pytest.approx(2)
    np.testing.assert_allclose(both.center_of_mass(), [2.5, 0, 0.5])


def test_every_edge_counts_once() -> None:
    # Six faces with four sides and a diagonal each; faces share no vertices.
    assert len(box(1, 1, 1).edges()) == 6 * 5
