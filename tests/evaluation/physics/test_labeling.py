"""Candidates for grasps that are executed: a killed run goes on, and the files tell what held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs mujoco: pip install 'cvdl[physics]'")
pytest.importorskip("coacd", reason="needs coacd: pip install 'cvdl[physics]'")

from cvdl.core.errors import InputError
from cvdl.evaluation.physics import labeling
from cvdl.evaluation.physics.labeling import LabelingRun, label_scenes
from cvdl.evaluation.physics.settings import PhysicsSettings
from cvdl.grasping.holding.executed import GripperSizes, read_executed
from cvdl.pipeline import PerceptionConfig
from cvdl.simulation.config import SimulationConfig

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = LabelingRun(
    3,
    SimulationConfig(width=320, height=240, min_objects=1, max_objects=2),
    PerceptionConfig(),
    PhysicsSettings(),
    views=2,
    poses=4,
)


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on(tmp_path):
    whole = list(label_scenes(RUN, tmp_path / "whole", 2, 1))
    assert sum(count for count, _ in whole) > 0
    next(iter(label_scenes(RUN, tmp_path / "parts", 2, 1)))
    first = tmp_path / "parts" / "scene000000.npz"
    written = first.stat().st_mtime_ns
    assert not (tmp_path / "parts" / "scene000001.npz").exists()
    assert list(label_scenes(RUN, tmp_path / "parts", 2, 1)) == whole
    assert first.stat().st_mtime_ns == written
    usual = GripperSizes.of(PerceptionConfig().grasp)
    for index in range(2):
        pictures, others = (
            read_executed(tmp_path / folder / f"scene{index:06d}.npz")
            for folder in ("whole", "parts")
        )
        for one, other in zip(pictures, others, strict=True):
            assert 0 < len(one.hands) <= RUN.poses
            np.testing.assert_array_equal(one.cloud.points, other.cloud.points)
            np.testing.assert_array_equal(one.hands.position, other.hands.position)
            np.testing.assert_array_equal(one.result, other.result)
            assert (one.sizes == usual) == (index % 2 == 0)
    with pytest.raises(InputError, match="other settings"):
        label_scenes(replace(RUN, poses=5), tmp_path / "parts", 2)


def test_a_folder_with_anything_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match="something else"):
        label_scenes(RUN, tmp_path, 1)


def test_what_takes_too_long_or_crashes_is_given_up(monkeypatch):
    monkeypatch.setattr(labeling, "_PATIENCE", 0.2)
    assert labeling._ends_in_time(lambda: None)
    assert not labeling._ends_in_time(lambda: __import__("time").sleep(30))
    assert not labeling._ends_in_time(lambda: __import__("os")._exit(1))


def test_a_moved_camera_looks_at_the_same_place_from_the_same_distance():
    rng = np.random.default_rng(0)
    pose = np.eye(4)
    pose[:3, 2] = [0.8, 0, -0.6]
    pose[:3, 1] = [-0.6, 0, -0.8]
    pose[:3, 0] = np.cross(pose[:3, 1], pose[:3, 2])
    pose[:3, 3] = [-0.8, 0.0, 0.6]  # 1 m from the origin
    things = {2: np.eye(4)}
    for _ in range(20):
        moved = labeling._moved_camera(rng, pose, things)
        np.testing.assert_allclose(moved[:3, :3] @ moved[:3, :3].T, np.eye(3), atol=1e-9)
        np.testing.assert_allclose(moved[:3, 3] + moved[:3, 2], 0, atol=1e-9)
        elevation = np.degrees(np.arcsin(-moved[2, 2]))
        assert 20 <= elevation <= 36.9 + 15 + 0.1
