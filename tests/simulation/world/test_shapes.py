"""Meshes of the world: sound, of the wanted size, with few triangles."""

import cv2
import numpy as np
import pytest

from cvdl.simulation.mesh import Mesh, box
from cvdl.simulation.world import any_shape
from cvdl.simulation.world.solids import (
    deformed,
    extruded,
    fitted,
    grid,
    inflated,
    smooth_path,
    tube,
    turning,
)


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.triangles.T]
    return float((a * np.cross(b, c)).sum() / 6)


def assert_sound(mesh: Mesh) -> None:
    assert np.isfinite(mesh.vertices).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-6)
    assert np.isfinite(mesh.uv).all()
    assert len(mesh.material) == len(mesh.triangles)
    assert mesh.triangles.max() < len(mesh.vertices)


@pytest.mark.parametrize("make", any_shape._MAKERS, ids=lambda make: make.__name__)
def test_every_maker_makes_sound_meshes(make, rng: np.random.Generator) -> None:
    for _ in range(12):
        assert_sound(make(rng))


def test_things_have_their_size_and_few_triangles(rng: np.random.Generator) -> None:
    things = [any_shape.any_thing(rng, 0.1) for _ in range(40)]
    for thing in things:
        assert_sound(thing.mesh)
        assert len(thing.mesh.triangles) < 6000
        assert thing.mesh.material.max() < len(thing.materials)
        if not thing.category:
            assert np.ptp(thing.mesh.vertices, axis=0).max() == pytest.approx(0.1)
    assert np.mean([len(thing.mesh.triangles) for thing in things]) < 1500


def test_some_things_are_transparent(rng: np.random.Generator) -> None:
    clear = [any_shape.any_thing(rng, 0.1, clear=1.0) for _ in range(3)]
    assert all(look.opacity < 1 for thing in clear for look in thing.materials)


def test_a_plate_with_a_hole_has_its_volume() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[20:80, 10:90] = 255
    mask[40:60, 40:60] = 0
    mesh = extruded(mask, 0.1)
    assert_sound(mesh)
    area = (0.6 * 0.8 - 0.2 * 0.2) * 1.0
    assert abs(volume(mesh)) == pytest.approx(area * 0.1, rel=0.06)
    np.testing.assert_allclose([mesh.vertices[:, 2].min(), mesh.vertices[:, 2].max()], [0, 0.1])


def test_a_cushion_is_thickest_in_its_middle() -> None:
    mask = np.zeros((100, 100), np.uint8)
    cv2.circle(mask, (50, 50), 40, 255, -1)
    mesh = inflated(mask, 0.3)
    assert_sound(mesh)
    high = mesh.vertices[mesh.vertices[:, 2].argmax()]
    assert high[2] == pytest.approx(0.15, abs=0.01)
    assert np.hypot(*high[:2]) < 0.12


@pytest.mark.parametrize("width", [3, 5, 7, 9])
def test_a_narrow_cushion_is_raised(width: int) -> None:
    mask = np.zeros((100, 100), np.uint8)
    cv2.line(mask, (20, 30), (80, 75), 255, width)
    heights = inflated(mask, 0.3).vertices[:, 2]
    assert heights.max() == pytest.approx(0.15, abs=0.05)
    assert heights.min() == -heights.max()


def test_a_tube_follows_its_path() -> None:
    path = smooth_path(np.array([[0.0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0.05]]), 20)
    np.testing.assert_allclose(path[[0, -1]], [[0, 0, 0], [0.1, 0.1, 0.05]], atol=1e-6)
    mesh = tube(path, 0.01)
    assert_sound(mesh)
    away = np.linalg.norm(mesh.vertices[:, None] - path[None], axis=2).min(axis=1)
    assert away.max() < 0.0115


def test_normals_follow_a_deformation() -> None:
    flat = grid(np.zeros((21, 21)), np.array([1.0, 1.0]), 1.0)
    bowl = deformed(flat, lambda p: p + np.stack([0 * p[:, 0], 0 * p[:, 0], p[:, 0] ** 2], axis=1))
    x = flat.vertices[:, 0]
    expected = np.stack([-2 * x, 0 * x, np.ones_like(x)], axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(bowl.normals, expected, atol=1e-3)


def test_a_mesh_is_fitted_to_a_size() -> None:
    mesh = fitted(box(1, 2, 4), 0.1)
    np.testing.assert_allclose(mesh.vertices.max(axis=0), [0.0125, 0.025, 0.05])
    np.testing.assert_allclose(mesh.vertices.min(axis=0), [-0.0125, -0.025, -0.05])


def test_rotations_are_proper(rng: np.random.Generator) -> None:
    for _ in range(5):
        rotation = turning(rng)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)
