"""Arrangements could stand still in the real world."""

import numpy as np
import pytest

from cvdl.simulation.mesh import Mesh
from cvdl.simulation.placement import CONTACT, Body, Table, arrange, random_table, rest_margin

Arrangement = tuple[Table, list[Body]]
SEEDS = 40


def seeded(seed: int) -> tuple[np.random.Generator, Table, int]:
    """The generator, a table, and the number of objects to place."""
    rng = np.random.default_rng([11, seed])
    return rng, random_table(rng), int(rng.integers(2, 11))


@pytest.fixture(scope="module")
def arrangements() -> list[Arrangement]:
    result = []
    for seed in range(SEEDS):
        rng, table, count = seeded(seed)
        result.append((table, arrange(rng, table, count)))
    return result


def winding_number(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """How often a mesh encloses each of (N, 3) points: 0 outside, 1 (or more) inside.

    A. van Oosterom, J. Strackee, "The solid angle of a plane triangle", 1983.
    """
    a, b, c = (mesh.vertices[mesh.triangles[:, i]] - points[:, None] for i in range(3))
    la, lb, lc = (np.linalg.norm(corner, axis=2) for corner in (a, b, c))
    above = np.einsum("ntk,ntk->nt", a, np.cross(b, c))
    below = la * lb * lc
    below += (a * b).sum(axis=2) * lc + (b * c).sum(axis=2) * la + (c * a).sum(axis=2) * lb
    return np.arctan2(above, below).sum(axis=1) / (2 * np.pi)


def near(body: Body, points: np.ndarray, reach: float) -> np.ndarray:
    """The world points within ``reach`` of a body's bounding box, in the body's frame."""
    local = (points - body.pose[:3, 3]) @ body.pose[:3, :3]
    low, high = body.solid.mesh.vertices.min(axis=0), body.solid.mesh.vertices.max(axis=0)
    return local[((local > low - reach) & (local < high + reach)).all(axis=1)]


def gap(body: Body, points: np.ndarray) -> float:
    """The smallest distance of world points from a body's surface, at most 5 mm."""
    local = near(body, points, 0.005)
    if not len(local):
        return 0.005
    return float(body.solid.scene.compute_distance(local.astype(np.float32)).numpy().min())


def depth_inside(body: Body, points: np.ndarray) -> float:
    """The largest depth of world points inside a body, meters; 0 if none is inside."""
    local = near(body, points, -1e-4)
    local = local[winding_number(body.solid.mesh, local) > 0.5]
    if not len(local):
        return 0.0
    return float(body.solid.scene.compute_distance(local.astype(np.float32)).numpy().max())


def points_of(body: Body) -> np.ndarray:
    return body.solid.samples @ body.pose[:3, :3].T + body.pose[:3, 3]


@pytest.mark.slow
def test_objects_do_not_share_volume(arrangements: list[Arrangement]) -> None:
    for _, bodies in arrangements:
        for body in bodies:
            points = points_of(body)
            for other in bodies:
                if other is not body:
                    assert depth_inside(other, points) < 1e-4


@pytest.mark.slow
def test_objects_neither_sink_nor_float(arrangements: list[Arrangement]) -> None:
    for _, bodies in arrangements:
        for body in bodies:
            lowest = body.vertices[:, 2].min()
            assert lowest > -1e-9
            points = points_of(body)
            gaps = [gap(other, points) for other in bodies if other is not body]
            assert min([lowest, *gaps]) < CONTACT


def test_centers_of_mass_are_above_the_support(arrangements: list[Arrangement]) -> None:
    for table, bodies in arrangements:
        for body in bodies:
            assert rest_margin(body, table, bodies) >= 1e-3


def test_an_object_that_touches_only_the_table_has_its_center_above_it(
    arrangements: list[Arrangement],
) -> None:
    checked = 0
    for table, bodies in arrangements:
        for body in bodies:
            points = points_of(body)
            if all(gap(other, points) >= CONTACT for other in bodies if other is not body):
                checked += 1
                assert table.carries(body.center)
    assert checked > 50


def test_objects_touch_stack_lean_and_overhang(arrangements: list[Arrangement]) -> None:
    touching = stacked = leaning = overhanging = total = 0
    for table, bodies in arrangements:
        for body in bodies:
            points = points_of(body)
            total += 1
            touching += any(gap(other, points) < CONTACT for other in bodies if other is not body)
            stacked += body.vertices[:, 2].min() > 0.002
            overhanging += not table.carries(body.vertices).all()
            down = body.pose[2, :3] * -1
            leaning += (body.solid.resting.down @ down).max() < np.cos(np.radians(2))
    assert total > 150
    assert touching > 0.3 * total
    assert stacked >= 5
    assert leaning >= 3
    assert overhanging >= 5


def test_most_objects_find_a_place_and_most_categories_occur(
    arrangements: list[Arrangement],
) -> None:
    asked = sum(count for _, _, count in map(seeded, range(SEEDS)))
    assert 0.9 * asked < sum(len(bodies) for _, bodies in arrangements) <= asked
    categories = {body.thing.category for _, bodies in arrangements for body in bodies}
    assert len(categories) >= 18


def test_an_object_beyond_the_edge_falls(arrangements: list[Arrangement]) -> None:
    table, bodies = next((t, b) for t, b in arrangements if b)
    body = bodies[0]
    pose = body.pose.copy()
    pose[0, 3] += 2 * table.half_size[0] + 1
    assert rest_margin(Body(body.thing, body.solid, pose), table, []) == -np.inf


@pytest.mark.parametrize("is_round", [True, False])
def test_the_rim_is_the_edge_of_the_table(is_round: bool) -> None:
    table = Table(is_round, np.array([0.6, 0.4]), 0.7, 0.02)
    for angle in np.linspace(0, 2 * np.pi, 17):
        rim = table.rim(angle)
        assert table.carries(0.999 * rim)
        assert not table.carries(1.001 * rim)
