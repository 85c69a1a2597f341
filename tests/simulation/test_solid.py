"""Contact and rest of simple solids."""

from dataclasses import replace

import numpy as np
import pytest

from cvdl.simulation.mesh import box, creased, revolve
from cvdl.simulation.solid import Solid, free_share, hull_margin, intersects, inverse, touches


def at(x: float = 0, y: float = 0, z: float = 0, yaw: float = 0) -> np.ndarray:
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:3, 3] = x, y, z
    return pose


@pytest.mark.parametrize(
    ("pose", "expected"),
    [
        (at(0.0999), True),
        (at(0.1001), False),
        (at(0.15), False),
        (at(z=0.0999), True),
        (at(z=0.1001), False),
        (at(0.119, yaw=np.pi / 4), True),  # a corner is inside the other cube
        (at(0.122, yaw=np.pi / 4), False),
    ],
)
def test_two_cubes(pose: np.ndarray, expected: bool) -> None:
    cube = Solid(box(0.1, 0.1, 0.1))
    assert intersects(cube, at(), cube, pose) is expected
    assert intersects(cube, pose, cube, at()) is expected


def test_crossing_beams_intersect_without_a_vertex_inside() -> None:
    beam = Solid(box(0.4, 0.02, 0.02))
    assert intersects(beam, at(), beam, at(z=0.01, yaw=np.pi / 2))
    assert not intersects(beam, at(), beam, at(z=0.021, yaw=np.pi / 2))


def test_a_solid_inside_another_intersects_it() -> None:
    large, small = Solid(box(0.2, 0.2, 0.2)), Solid(box(0.02, 0.02, 0.02))
    assert intersects(large, at(), small, at(z=0.1))
    assert intersects(small, at(z=0.1), large, at())


def test_a_ball_in_a_bowl_does_not_intersect_it() -> None:
    outline = [(0, 0), (0.08, 0), (0.08, 0.06), (0.075, 0.06), (0.075, 0.005), (0, 0.005)]
    bowl = Solid(revolve(creased(0, *outline)))
    cube = Solid(box(0.03, 0.03, 0.03))
    assert not intersects(bowl, at(), cube, at(z=0.006))
    assert intersects(bowl, at(), cube, at(z=0.004))


def test_a_box_rests_on_six_sides() -> None:
    resting = Solid(box(0.1, 0.06, 0.2)).resting
    assert len(resting.down) == 6
    upright = np.argmin(resting.down[:, 2])
    assert resting.margin[upright] == pytest.approx(0.03)
    assert resting.height[upright] == pytest.approx(0.2)


def test_a_thin_tall_box_does_not_rest_on_its_end() -> None:
    resting = Solid(box(0.05, 0.01, 0.2)).resting
    assert len(resting.down) == 4
    assert np.abs(resting.down[:, 2]).max() < 1e-6


def test_a_ridged_blade_rests_on_the_widest_facet() -> None:
    """A scene needs it to rest although every facet topples easily."""
    square = box(0.03, 0.03, 0.2)
    ridged = square.vertices @ at(yaw=np.pi / 4)[:3, :3] * [1, 0.03, 1]
    resting = Solid(replace(square, vertices=ridged)).resting
    assert len(resting.down) == 1
    assert abs(resting.down[0, 1]) > 0.99


def test_a_can_rests_on_its_ends_and_lies_on_its_sides() -> None:
    outline = [(0, 0), (0.03, 0), (0.03, 0.1), (0, 0.1)]
    down = Solid(revolve(creased(0, *outline))).resting.down
    assert (np.abs(down[:, 2]) > 0.99).sum() == 2
    assert (np.abs(down[:, 2]) < 0.01).sum() == 24


def test_hull_margin() -> None:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    assert hull_margin(square, np.array([0.5, 0.3])) == pytest.approx(0.3, abs=1e-6)
    assert hull_margin(square, np.array([0.5, -0.1])) == pytest.approx(-0.1, abs=1e-6)
    assert hull_margin(square[:2], np.array([0.5, 0.0])) <= 0
    assert hull_margin(square[:0], np.array([0.5, 0.0])) == -np.inf


def test_free_share_of_a_shift() -> None:
    cube = Solid(box(0.1, 0.1, 0.1))
    way = np.array([0.4, 0, 0])
    assert free_share(cube, at(), cube, at(0.3, yaw=0.2), way) == pytest.approx(0.475, abs=0.03)
    assert free_share(cube, at(), cube, at(0.3, 0.02), way) == pytest.approx(0.5, abs=1e-5)
    assert free_share(cube, at(), cube, at(0.3, 0.2), way) == np.inf


def test_touches() -> None:
    cube = Solid(box(0.1, 0.1, 0.1))
    points = np.array([[0, 0, 0.1005], [0, 0, 0.102], [0.0505, 0, 0.05], [0.2, 0, 0]])
    np.testing.assert_array_equal(touches(points, cube, at(), 0.001), [True, False, True, False])


def test_inverse() -> None:
    pose = at(1, 2, 3, 0.7)
    np.testing.assert_allclose(inverse(pose) @ pose, np.eye(4), atol=1e-12)
