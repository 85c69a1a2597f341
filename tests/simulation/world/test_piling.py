"""Things fall onto heights and come to rest."""

import numpy as np
import pytest

from cvdl.simulation.mesh import Mesh, box, merge
from cvdl.simulation.shapes import Thing
from cvdl.simulation.solid import ray_scene
from cvdl.simulation.world.any_shape import any_thing
from cvdl.simulation.world.piling import BLOCKED, Form, Heights, drop, stood, surface_points


def block(x: float, y: float, z: float) -> Form:
    return Form.of(Thing("", box(x, y, z), ()))


def at(form: Form, pose: np.ndarray | None) -> Mesh:
    assert pose is not None
    return form.thing.mesh.moved(pose)


def test_the_map_is_raised_to_the_top_of_a_mesh() -> None:
    heights = Heights(np.array([0.2, 0.1]))
    heights.add(box(0.1, 0.06, 0.03).shifted(x=0.05))
    x, y = heights.places()
    inside = (np.abs(x - 0.05) < 0.048) & (np.abs(y) < 0.028)
    outside = (np.abs(x - 0.05) > 0.053) | (np.abs(y) > 0.033)
    np.testing.assert_allclose(heights.map[inside], 0.03, atol=1e-6)
    np.testing.assert_array_equal(heights.map[outside], 0)


def test_a_block_rests_flat_on_a_plane(rng: np.random.Generator) -> None:
    for _ in range(10):
        heights, form = Heights(np.array([0.3, 0.3])), block(0.1, 0.06, 0.03)
        mesh = at(form, drop(rng, form, heights, np.zeros((1, 2))))
        low = mesh.vertices[:, 2]
        assert low.min() == pytest.approx(0, abs=1e-6)
        assert (low < 1e-6).sum() == 12  # four corners of three faces each


def test_a_block_on_a_block(rng: np.random.Generator) -> None:
    heights, form = Heights(np.array([0.3, 0.3])), block(0.1, 0.1, 0.05)
    at(form, stood(form, heights, np.eye(3), np.zeros(2)))
    upper = at(form, stood(form, heights, np.eye(3), np.array([0.03, 0.0])))
    assert upper.vertices[:, 2].min() == pytest.approx(0.05, abs=1e-6)


def test_nothing_stands_on_an_edge() -> None:
    heights, form = Heights(np.array([0.3, 0.3])), block(0.1, 0.1, 0.05)
    at(form, stood(form, heights, np.eye(3), np.zeros(2)))
    assert stood(form, heights, np.eye(3), np.array([0.08, 0.0])) is None


def test_nothing_rests_on_what_is_blocked(rng: np.random.Generator) -> None:
    heights, form = Heights(np.array([0.3, 0.3]), outside=BLOCKED), block(0.1, 0.1, 0.05)
    heights.block(box(0.6, 0.6, 0.1))
    assert drop(rng, form, heights, rng.uniform(-0.2, 0.2, (5, 2))) is None


def test_walls_hold_a_pile_together(rng: np.random.Generator) -> None:
    heights = Heights(np.array([0.2, 0.15]), outside=BLOCKED, rim=0.3)
    meshes = []
    for _ in range(15):
        form = Form.of(any_thing(rng, rng.uniform(0.04, 0.12)))
        spots = rng.uniform(-1, 1, (3, 2)) * [0.18, 0.13]
        pose = drop(rng, form, heights, spots, loose=0.5)
        if pose is not None:
            meshes.append(at(form, pose))
    assert len(meshes) > 8
    for index, mesh in enumerate(meshes):
        # Points between the tested ones may be a little outside.
        assert (np.abs(mesh.vertices[:, :2]) < [0.21, 0.16]).all()
        floor = box(1, 1, 0.1).shifted(z=-0.1)
        others = ray_scene(merge(floor, *meshes[:index], *meshes[index + 1 :]))
        points = surface_points(mesh).astype(np.float32)
        leaning = 0.2 - np.abs(points[:, 0]).max(), 0.15 - np.abs(points[:, 1]).max()
        assert min(others.compute_distance(points).numpy().min(), *leaning) < 0.004
