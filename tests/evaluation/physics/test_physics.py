"""Grasps executed in MuJoCo: what holds, what does not, and why."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs mujoco: pip install 'cvdl[physics]'")
pytest.importorskip("coacd", reason="needs coacd: pip install 'cvdl[physics]'")

from scipy.spatial import ConvexHull

from cvdl.evaluation.physics.pieces import convex_pieces
from cvdl.evaluation.physics.settings import PhysicsSettings
from cvdl.evaluation.physics.trial import HELD, WorldGrasp, execute
from cvdl.evaluation.physics.world import World
from cvdl.grasping.config import GraspConfig
from cvdl.simulation.mesh import Mesh, box
from cvdl.simulation.placement import Table
from cvdl.simulation.shapes import make_thing

TABLE = Table(False, np.array([0.5, 0.5]), 0.7, 0.03)
#: Straight down; closes along the x axis of the world.
DOWN = np.diag([1.0, -1.0, -1.0])
CUBE, OTHER = 2, 3


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def at(x=0.0, y=0.0, z=0.0):
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose


def world_of(*bodies, obstacles=(), **settings):
    labeled = [(label, mesh, pose) for label, (mesh, pose) in enumerate(bodies, CUBE)]
    world = World(labeled, TABLE, obstacles, GraspConfig(), PhysicsSettings(**settings))
    world.settle()
    return world


def cube(side=0.04):
    return box(side, side, side)


def over(x=0.0, y=0.0, z=0.015, opening=0.06):
    return WorldGrasp(np.array([x, y, z]), DOWN, opening)


def test_a_grasp_on_a_cube_holds_and_lifts_it():
    world = world_of((cube(), at()))
    outcome = execute(world, over(), CUBE)
    assert outcome.result == HELD
    assert outcome.taken == (CUBE,)
    assert world.pose(CUBE)[2, 3] == pytest.approx(0.2, abs=0.03)


def test_a_grasp_beside_a_cube_does_not_hold():
    world = world_of((cube(), at()))
    settled = world.save()
    assert execute(world, over(x=0.02), CUBE).result == "approach"  # a plate comes down on it
    world.restore(settled)
    assert execute(world, over(y=0.035), CUBE).result == "nothing"
    assert world.pose(CUBE)[2, 3] == pytest.approx(0, abs=1e-3)


def test_the_world_returns_to_a_saved_state():
    world = world_of((cube(), at()))
    before, settled = world.pose(CUBE), world.save()
    execute(world, over(), CUBE)
    world.restore(settled)
    np.testing.assert_array_equal(world.pose(CUBE), before)
    assert execute(world, over(), CUBE).held


def test_a_neighbor_in_the_way_is_a_collision_on_approach():
    beside = (box(0.02, 0.04, 0.08), at(x=0.038))  # where the right plate comes down
    world = world_of((cube(), at()), beside)
    outcome = execute(world, over(), CUBE)
    assert (outcome.result, outcome.taken) == ("approach", ())


def test_an_obstacle_that_does_not_move_is_in_the_way_too():
    wall = box(0.02, 0.3, 0.1).shifted(x=0.038)
    assert execute(world_of((cube(), at()), obstacles=[wall]), over(), CUBE).result == "approach"


def test_the_table_is_in_the_way_of_what_goes_too_deep():
    assert execute(world_of((cube(), at())), over(z=-0.01), CUBE).result == "approach"


def test_what_is_too_heavy_for_friction_and_force_slips():
    heavy = world_of((cube(), at()), density=8000.0)  # 5 N: steel
    assert execute(heavy, over(), CUBE).held
    oiled = world_of((cube(), at()), density=8000.0, friction=0.1)
    assert execute(oiled, over(), CUBE).result == "slipped"
    weak = world_of((cube(), at()), density=8000.0, force=1.0)
    assert execute(weak, over(), CUBE).result == "slipped"


def test_a_sphere_held_above_its_equator_is_squeezed_out():
    ball = make_thing("ball", np.random.default_rng(1)).mesh
    top = float(np.ptp(ball.vertices[:, 2]))
    world = world_of((ball, at(z=-ball.vertices[:, 2].min())))
    middle = world.pose(CUBE)[:2, 3]
    settled = world.save()
    assert execute(world, over(*middle, z=0.4 * top, opening=0.1), CUBE).held
    world.restore(settled)
    assert execute(world, over(*middle, z=0.85 * top, opening=0.1), CUBE).result == "slipped"


def test_holding_another_object_than_the_one_that_is_meant_is_another_failure():
    world = world_of((cube(), at()), (cube(), at(y=0.1)))
    outcome = execute(world, over(), OTHER)
    assert (outcome.result, outcome.taken) == ("other", (CUBE,))


def test_settling_drops_what_floats_and_takes_away_what_falls_off():
    world = world_of((cube(), at(z=0.05)), (cube(), at(x=0.6)))
    assert world.labels == [CUBE]
    assert world.pose(CUBE)[2, 3] == pytest.approx(0, abs=2e-3)


def test_what_lies_on_a_thing_that_is_removed_falls():
    """Though it sleeps until then."""
    world = world_of((cube(), at()), (cube(), at(z=0.04)))
    assert world.pose(OTHER)[2, 3] == pytest.approx(0.04, abs=2e-3)
    assert world.constraints < 10
    world.remove(CUBE)
    world.settle()
    assert world.pose(OTHER)[2, 3] == pytest.approx(0, abs=2e-3)


def inside_of(pieces, points):
    """Whether points (N, 3) are in one of the pieces."""
    inside = np.zeros(len(points), bool)
    for piece in pieces:
        planes = ConvexHull(piece).equations
        inside |= (points @ planes[:, :3].T + planes[:, 3] < 0).all(axis=1)
    return inside


@pytest.mark.slow
@pytest.mark.parametrize("category", ["mug", "cup", "bowl"])
def test_the_pieces_of_a_vessel_leave_its_inside_free(category):
    mesh = make_thing(category, np.random.default_rng(3)).mesh
    pieces = convex_pieces(mesh)
    # A can in the middle, of half the vessel's width, from a third of its height upwards.
    height = mesh.vertices[:, 2].max()
    wide = np.abs(mesh.vertices[:, 1]).max()
    rng = np.random.default_rng(0)
    turn, r = rng.uniform(0, 2 * np.pi, 500), wide / 2 * np.sqrt(rng.uniform(size=500))
    z = rng.uniform(height / 3, height, 500)
    can = np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1)
    assert not inside_of(pieces, can).any()
    # But the wall and the bottom are there.
    a, b, c = mesh.vertices[mesh.triangles.T]
    normals = np.cross(b - a, c - a)
    area = np.linalg.norm(normals, axis=1)
    under = ((a + b + c) / 3 - 5e-4 * normals / area[:, None])[area > 1e-8]
    assert inside_of(pieces, under).mean() > 0.97


def test_pieces_are_kept(monkeypatch):
    mesh = make_thing("banana", np.random.default_rng(3)).mesh
    first = convex_pieces(mesh)
    assert len(first) > 1
    import coacd

    def refuse(*_args, **_options):
        raise AssertionError("cut again")

    monkeypatch.setattr(coacd, "run_coacd", refuse)
    for piece, again in zip(first, convex_pieces(mesh), strict=True):
        np.testing.assert_array_equal(again, piece)


def test_open_surfaces_become_sheets_behind_their_front():
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    sheet = Mesh(square, np.zeros((4, 3)), np.zeros((4, 2)), triangles, np.zeros(2, np.int32))
    (piece,) = convex_pieces(sheet)
    assert piece[:, 2].max() == 0
    assert -0.01 < piece[:, 2].min() < 0
