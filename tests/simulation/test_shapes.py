"""Objects are closed, face outwards and have household sizes."""

from collections import Counter

import numpy as np
import pytest

from cvdl.simulation.mesh import Mesh
from cvdl.simulation.shapes import CATEGORIES, make_thing
from cvdl.simulation.solid import Solid


def edge_balance(mesh: Mesh) -> Counter:
    """Directed edges by position minus opposite edges: empty for a closed surface."""
    _, corner = np.unique(np.round(mesh.vertices, 8), axis=0, return_inverse=True)
    t = corner.reshape(-1)[mesh.triangles]
    balance: Counter = Counter()
    for a, b in np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]):
        if a != b:
            balance[min(a, b), max(a, b)] += 1 if a < b else -1
    return Counter({edge: count for edge, count in balance.items() if count})


def test_categories_are_sorted() -> None:
    assert len(CATEGORIES) >= 10
    assert list(CATEGORIES) == sorted(set(CATEGORIES))


@pytest.mark.parametrize("category", CATEGORIES)
def test_an_object_is_closed_and_faces_outwards(category: str) -> None:
    for seed in range(4):
        mesh = make_thing(category, np.random.default_rng(seed)).mesh
        assert not edge_balance(mesh)
        corners = mesh.vertices[mesh.triangles]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert (corners[:, 0] * normal).sum() / 6 > 1e-6  # cubic meters, so not inside out
        agreement = np.einsum("tk,tck->tc", normal, mesh.normals[mesh.triangles])
        assert (agreement > 0).all()
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("category", CATEGORIES)
def test_an_object_has_a_household_size_and_all_its_materials(category: str) -> None:
    sizes = []
    for seed in range(10):
        thing = make_thing(category, np.random.default_rng(seed))
        extent = np.sort(np.ptp(thing.mesh.vertices, axis=0))
        assert extent[0] >= 0.008
        assert extent[2] <= 0.40
        assert thing.mesh.material.max() < len(thing.materials)
        for material in thing.materials:
            assert material.texture.dtype == np.uint8
            assert material.texture.shape == (len(material.texture),) * 2 + (3,)
        sizes.append(extent)
    assert np.ptp(sizes, axis=0).max() > 0.005  # sizes vary


@pytest.mark.parametrize("category", CATEGORIES)
def test_an_object_can_rest(category: str) -> None:
    for seed in range(10):
        solid = Solid(make_thing(category, np.random.default_rng(seed)).mesh)
        assert (solid.resting.margin > 0.001).any()


def test_some_objects_are_about_a_centimeter_high() -> None:
    lowest = min(
        np.ptp(make_thing(category, np.random.default_rng(seed)).mesh.vertices, axis=0).min()
        for category in ("knife", "fork", "book", "remote")
        for seed in range(10)
    )
    assert 0.008 <= lowest < 0.013


def test_an_object_depends_only_on_the_generator() -> None:
    first, again, other = (make_thing("mug", np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.mesh.vertices, again.mesh.vertices)
    np.testing.assert_array_equal(first.materials[0].texture, again.materials[0].texture)
    assert not np.array_equal(first.mesh.vertices, other.mesh.vertices)
