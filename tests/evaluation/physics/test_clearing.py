"""Clearing a table of cubes with grasps that are known beforehand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs mujoco: pip install 'cvdl[physics]'")
pytest.importorskip("coacd", reason="needs coacd: pip install 'cvdl[physics]'")

from cvdl.core.scene import Grasp, OrientedBox, Scene, SceneObject
from cvdl.evaluation.physics.clearing import clear
from cvdl.evaluation.physics.settings import PhysicsSettings
from cvdl.evaluation.physics.trial import HELD, Outcome, WorldGrasp, execute
from cvdl.evaluation.physics.world import World
from cvdl.grasping.config import GraspConfig
from cvdl.simulation.mesh import box
from cvdl.simulation.placement import Table

TABLE = Table(False, np.array([0.5, 0.5]), 0.7, 0.03)
DOWN = np.diag([1.0, -1.0, -1.0])
SIDE = 0.04
#: Grasps relative to the middle of a cube's bottom: one that holds, others that touch nothing.
GOOD, MISS, OTHER_MISS = (0, 0, 0.015), (0, 0.035, 0.015), (0, -0.035, 0.015)


class Cubes:
    """Cubes at places (x, y); the camera's frame is the world's.

    Args:
        places: of the cubes, labeled from 2 on.
        plan: of each label the grasps, best first; those of the lowest label first.
    """

    def __init__(self, places, plan):
        bodies = []
        for label, place in enumerate(places, 2):
            pose = np.eye(4)
            pose[:2, 3] = place
            bodies.append((label, box(SIDE, SIDE, SIDE), pose))
        self.world = World(bodies, TABLE, (), GraspConfig(), PhysicsSettings())
        self.world.settle()
        self.plan = plan
        self.tried = []

    def look(self):
        objects, grasps = [], []
        for label, pose in self.world.poses().items():
            at = OrientedBox(pose[:3, 3] + [0, 0, SIDE / 2], np.eye(3), np.full(3, SIDE))
            objects.append(SceneObject(label, np.zeros(4), at, 1))
            grasps += [
                Grasp(np.zeros(2), 0.0, 1.0, 1.0, 0.5, label, pose[:3, 3] + shift, DOWN, 0.06, 0.02)
                for shift in self.plan[label]
            ]
        scene = Scene(np.zeros((2, 2), np.uint16), None, tuple(objects), grasps=tuple(grasps))
        return SimpleNamespace(camera_pose=np.eye(4)), scene

    def attempt(self, shot, scene, grasp):
        self.tried.append(grasp.label)
        done = WorldGrasp(grasp.position, grasp.rotation, grasp.opening_m)
        return SimpleNamespace(outcome=execute(self.world, done, grasp.label))

    def clear(self):
        trials = clear(self.world, self.look, self.attempt)
        return [trial.outcome.result for trial in trials]


def test_a_table_is_cleared_with_a_try_for_each():
    cubes = Cubes([(0, 0), (0.2, 0)], {2: [GOOD], 3: [GOOD]})
    assert cubes.clear() == [HELD, HELD]
    assert cubes.tried == [2, 3]
    assert cubes.world.labels == []


def test_a_failed_grasp_is_not_repeated_and_two_failures_in_a_row_are_the_end():
    cubes = Cubes([(0, 0), (0.2, 0)], {2: [MISS, OTHER_MISS, GOOD], 3: [GOOD]})
    assert cubes.clear() == ["nothing", "nothing"]
    cubes = Cubes([(0, 0), (0.2, 0)], {2: [MISS, GOOD], 3: [GOOD]})
    assert cubes.clear() == ["nothing", HELD, HELD]


def test_with_all_grasps_of_an_object_failed_another_is_tried_and_a_success_counts_anew():
    places = [(0, 0), (0.25, 0), (-0.25, 0)]
    cubes = Cubes(places, {2: [MISS], 3: [GOOD], 4: [MISS, GOOD]})
    assert cubes.clear() == ["nothing", HELD, "nothing", HELD]
    assert cubes.tried == [2, 3, 4, 4]
    assert cubes.world.labels == [2]  # no grasp is left


def test_a_failure_is_forgotten_when_its_neighbor_is_gone():
    cubes = Cubes([(0, 0), (0.1, 0)], {2: [MISS], 3: [GOOD]})
    assert cubes.clear() == ["nothing", HELD, "nothing"]
    assert cubes.tried == [2, 3, 2]


def test_what_falls_off_the_table_is_gone_and_not_taken():
    cubes = Cubes([(0, 0), (0.2, 0)], {2: [GOOD], 3: [GOOD]})

    def push(shot, scene, grasp):
        """Push the cube over the edge instead of grasping it."""
        world, start = cubes.world, world_address(cubes.world, grasp.label)
        world.data.qpos[start : start + 3] = [0.8, 0.0, 0.0]
        return SimpleNamespace(outcome=Outcome("slipped"))

    def attempt(shot, scene, grasp):
        return push(shot, scene, grasp) if grasp.label == 2 else cubes.attempt(shot, scene, grasp)

    trials = clear(cubes.world, cubes.look, attempt)
    assert [trial.outcome.result for trial in trials] == ["slipped", HELD]
    assert sum(len(trial.outcome.taken) for trial in trials) == 1  # of the 2 at first
    assert cubes.world.labels == []


def world_address(world, label):
    return int(world.model.joint(world.model.body(str(label)).jntadr[0]).qposadr[0])


def test_holding_another_object_takes_it_off_and_is_no_failure():
    cubes = Cubes([(0, 0), (0.2, 0)], {2: [(0.2, 0, 0.015), GOOD], 3: []})
    assert cubes.clear() == ["other", "nothing", HELD]
    assert cubes.world.labels == []
