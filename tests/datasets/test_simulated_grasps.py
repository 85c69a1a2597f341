"""The simulated tabletop as a data set of grasps."""

import numpy as np
import pytest

from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.simulated_grasps import SimulatedGrasps
from cvdl.simulation import SimulationConfig, simulate_scene
from cvdl.simulation.grasps import ParallelGripper, label_grasps

SMALL = SimulationConfig(width=320, height=240)


def assert_same(a: GraspSample, b: GraspSample) -> None:
    assert (a.name, a.object_id) == (b.name, b.object_id)
    np.testing.assert_array_equal(a.frame.color, b.frame.color)
    np.testing.assert_array_equal(a.frame.depth, b.frame.depth)
    np.testing.assert_array_equal(a.good.corners(), b.good.corners())
    np.testing.assert_array_equal(a.bad.corners(), b.bad.corners())


def test_samples_are_the_labelled_scenes():
    data = SimulatedGrasps(3, 4, SMALL)
    assert len(data) == 4
    assert data.names == data.object_ids == ["scene0", "scene1", "scene2", "scene3"]
    sample, scene = data[2], simulate_scene(3, 2, SMALL)
    assert (sample.name, sample.object_id) == ("scene2", "scene2")
    np.testing.assert_array_equal(sample.frame.depth, scene.frame.depth)
    labels = label_grasps(scene)
    np.testing.assert_array_equal(sample.good.corners(), labels.good.corners())
    np.testing.assert_array_equal(sample.bad.corners(), labels.bad.corners())
    assert np.isfinite(sample.frame.depth).any()


def test_the_same_in_any_order():
    data = SimulatedGrasps(3, 3, SMALL)
    assert_same(data[2], list(data)[-1])
    assert_same(data[-1], data[2])


def test_processes_make_the_same_samples_in_order():
    data = SimulatedGrasps(3, 3, SMALL)
    for one, other in zip(data, data.on_processes(2), strict=True):
        assert_same(one, other)


def test_the_gripper_is_passed_on():
    narrow = SimulatedGrasps(3, 2, SMALL, ParallelGripper(max_opening=0.03))
    labels = label_grasps(simulate_scene(3, 1, SMALL), ParallelGripper(max_opening=0.03))
    assert len(narrow[1].good) == len(labels.good)
    assert len(narrow[1].good) < len(SimulatedGrasps(3, 2, SMALL)[1].good)


def test_ends_and_bad_arguments():
    data = SimulatedGrasps(3, 2, SMALL)
    with pytest.raises(IndexError):
        data[2]
    assert list(SimulatedGrasps(0, 0)) == []
    with pytest.raises(ValueError, match="-1 and 2"):
        SimulatedGrasps(-1, 2)
