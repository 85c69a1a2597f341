"""The table and the room."""

import numpy as np
import pytest

from cvdl.core.scene import PLANE_LABEL
from cvdl.simulation.placement import Table, random_table
from cvdl.simulation.room import furnish_room, furnish_table


@pytest.mark.parametrize("is_round", [True, False])
def test_only_the_top_is_the_support_plane(is_round: bool) -> None:
    table = Table(is_round, np.array([0.5, 0.4]), 0.7, 0.03)
    for seed in range(5):
        top, *rest = furnish_table(np.random.default_rng(seed), table)
        assert top.label == PLANE_LABEL
        assert (top.mesh.vertices[:, 2] == 0).all()
        np.testing.assert_allclose(top.mesh.normals, [[0, 0, 1]] * len(top.mesh.normals))
        np.testing.assert_allclose(np.ptp(top.mesh.vertices, axis=0), [1, 0.8, 0], atol=0.002)
        for surface in rest:
            assert surface.label == 0
            assert surface.mesh.vertices[:, 2].max() <= 0
            assert surface.mesh.vertices[:, 2].min() == pytest.approx(-0.7)


def test_the_room_contains_the_camera_and_does_not_block_its_view() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        table = random_table(rng)
        camera = np.append(rng.uniform(-1.2, 1.2, 2), rng.uniform(0.3, 1.5))
        floor, *rest = furnish_room(rng, table, camera)
        walls, furniture = rest[:4], rest[4:]
        assert (floor.mesh.vertices[:, 2] == -table.height).all()
        for wall in walls:
            inwards = (camera - wall.mesh.vertices[0]) @ wall.mesh.normals[0]
            assert inwards > 0.3
        for item in furniture:
            middle = item.mesh.vertices[:, :2].mean(axis=0)
            cosine = middle @ camera[:2] / np.linalg.norm(middle) / np.linalg.norm(camera[:2])
            assert cosine < np.cos(np.radians(45))
