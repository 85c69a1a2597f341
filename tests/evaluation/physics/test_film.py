"""Films show the approach, and then what is simulated, ten times a second."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs mujoco: pip install 'cvdl[physics]'")
pytest.importorskip("coacd", reason="needs coacd: pip install 'cvdl[physics]'")

from cvdl.evaluation.physics.film import FilmedWorld, film_sheets, grasp_film
from cvdl.evaluation.physics.settings import PhysicsSettings
from cvdl.evaluation.physics.trial import WorldGrasp, execute
from cvdl.grasping.config import GraspConfig
from cvdl.simulation.generate import draw_scene

DOWN = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def draft():
    return draw_scene(3, 0)


@pytest.fixture
def world(draft, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    (thing, pose), *_ = draft.things
    world = FilmedWorld([(2, thing.mesh, pose)], draft.table, (), GraspConfig(), PhysicsSettings())
    world.settle()
    return world


def filmed(draft, world, grasp):
    world.watch()
    outcome = execute(world, grasp, 2)
    moments = world.cut()
    return outcome, moments, grasp_film(draft, moments, grasp, world.gripper.position)


def test_a_grasp_in_the_air_is_filmed_from_the_approach_to_the_end(draft, world):
    grasp = WorldGrasp(world.pose(2)[:3, 3] + [0, 0, 0.5], DOWN, 0.06)
    outcome, moments, film = filmed(draft, world, grasp)
    assert outcome.result == "nothing"
    # 3 cm of each plate at 0.1 m/s.
    assert len(moments) == pytest.approx(4, abs=1)
    assert len(film) == 10 + len(moments)
    gaps = [moment.gripper[2][0][0] - moment.gripper[1][0][0] for moment in moments]
    assert (np.diff(gaps) < 0).all()  # the plates close
    pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), 1).astype(int) for data in film]
    changes = [np.abs(one - other).mean() for one, other in pairwise(pictures[:11])]
    assert min(changes) > 0.5  # the gripper comes


def test_the_film_of_an_approach_ends_where_it_touches(draft, world):
    grasp = WorldGrasp(world.pose(2)[:3, 3] + [0, 0, -0.04], DOWN, 0.02)  # into the table
    outcome, moments, film = filmed(draft, world, grasp)
    assert outcome.result == "approach"
    assert len(moments) == 1
    assert 1 <= len(film) < 10


def test_watching_changes_nothing(draft, world):
    settled = world.save()
    grasp = WorldGrasp(world.pose(2)[:3, 3] + [0, 0, 0.02], DOWN, 0.09)
    first = execute(world, grasp, 2)
    end = world.pose(2)
    world.restore(settled)
    assert filmed(draft, world, grasp)[0] == first
    np.testing.assert_array_equal(world.pose(2), end)


def film_of(*grays):
    return tuple(
        cv2.imencode(".jpg", np.full((320, 320, 3), gray, np.uint8))[1].tobytes() for gray in grays
    )


def test_sheets_play_some_films_together_and_then_the_others():
    films = [film_of(50), *[film_of(100, 150, 200)] * 8]
    sheets = list(film_sheets(films, [str(k) for k in range(9)]))
    assert len(sheets) == (3 + 10) + (3 + 10)
    assert len({sheet.shape for sheet in sheets}) == 1
    # The first film is short: its last picture stays. On the second page is the ninth film alone.
    middles = [[int(sheet[180, x].mean()) for x in (160, 484)] for sheet in sheets]
    assert middles[0] == pytest.approx([50, 100], abs=3)
    assert middles[12] == pytest.approx([50, 200], abs=3)
    assert middles[13] == pytest.approx([100, 0], abs=3)
