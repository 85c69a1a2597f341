"""What is no thing: in its place, and not in the way."""

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.simulation.mesh import box
from cvdl.simulation.room import Surface
from cvdl.simulation.textures import Material
from cvdl.simulation.world import obstacles

CAMERA = Camera(160, 120, 140.0, 140.0, 79.5, 59.5)
GRAY = (Material(np.full((2, 2, 3), 128, np.uint8)),)
DOWN = np.diag([1.0, -1.0, -1.0, 1.0]) + np.array([[0] * 4, [0] * 4, [0, 0, 0, 1], [0] * 4])


def test_the_share_of_the_image_that_is_covered() -> None:
    board = Surface(box(1, 1, 0.01), GRAY)
    far = Surface(box(0.1, 0.1, 0.01).shifted(x=5), GRAY)
    near = Surface(box(0.1, 0.1, 0.01).shifted(z=0.99), GRAY)
    assert obstacles.covered_share([board], CAMERA, DOWN) > 0.5
    assert obstacles.covered_share([far], CAMERA, DOWN) == 0
    assert obstacles.covered_share([near], CAMERA, DOWN) == 1


@pytest.mark.parametrize("make", [obstacles.robot_arm, obstacles.hand])
def test_arms_reach_from_their_base_to_their_tip(make, rng: np.random.Generator) -> None:
    tip, base = np.array([0.1, 0.0, 0.1]), np.array([0.9, 0.2, 0.4])
    surfaces = make(rng, tip, base)
    points = np.concatenate([surface.mesh.vertices for surface in surfaces])
    assert np.linalg.norm(points - tip, axis=1).min() < 0.08
    assert np.linalg.norm(points - base, axis=1).min() < 0.15
    assert all(surface.label == 0 for surface in surfaces)


def test_the_gripper_of_a_wrist_is_in_front_of_its_camera(rng: np.random.Generator) -> None:
    (gripper,) = obstacles.wrist_gripper(rng, DOWN, 0.5)
    depth = DOWN[2, 3] - gripper.mesh.vertices[:, 2]
    assert 0.2 < depth.max() < 0.5


@pytest.mark.parametrize("make", obstacles._STANDING, ids=lambda make: make.__name__)
def test_what_stands_is_not_below_the_support(make, rng: np.random.Generator) -> None:
    mesh = make(rng, 0.1).mesh
    assert -1e-3 < mesh.vertices[:, 2].min() < 1e-3
    assert np.isfinite(mesh.normals).all()


def test_a_person_is_as_tall_as_people(rng: np.random.Generator) -> None:
    assert 1.4 < np.ptp(obstacles.person(rng).mesh.vertices[:, 2]) < 2.1
