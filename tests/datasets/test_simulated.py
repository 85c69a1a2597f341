"""Simulated scenes as data sets of boxes, masks, grasps and labels of all pixels."""

from pathlib import Path

import numpy as np
import pytest

from cvdl.core.errors import InputError
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.registry import open_dataset
from cvdl.datasets.simulated.scenes import SimulatedDetection, SimulatedGrasps, SimulatedSegments
from cvdl.simulation import CATEGORIES, SimulationConfig, simulate_scene
from cvdl.simulation.grasps import ParallelGripper, label_grasps

SMALL = SimulationConfig(width=320, height=240)


def assert_same(a: GraspSample, b: GraspSample) -> None:
    assert (a.name, a.object_id) == (b.name, b.object_id)
    np.testing.assert_array_equal(a.frame.color, b.frame.color)
    np.testing.assert_array_equal(a.frame.depth, b.frame.depth)
    np.testing.assert_array_equal(a.good.corners(), b.good.corners())
    np.testing.assert_array_equal(a.bad.corners(), b.bad.corners())


def test_boxes_and_masks_are_of_the_visible_parts():
    data = SimulatedDetection(3, 3, SMALL)
    assert data.classes == CATEGORIES
    assert data.names == ["scene0", "scene1", "scene2"]
    sample, scene = data[2], simulate_scene(3, 2, SMALL)
    assert sample.name == "scene2"
    np.testing.assert_array_equal(sample.frame.depth, scene.frame.depth)
    objects = scene.truth.objects
    assert len(sample.boxes) == len(objects) > 1
    assert not sample.crowd.any()
    for row, item in enumerate(objects):
        assert data.classes[sample.labels[row]] == item.class_name
        np.testing.assert_array_equal(sample.boxes[row], item.box2d)
        np.testing.assert_array_equal(sample.masks[row], scene.truth.mask(item))


@pytest.mark.slow
def test_detection_samples_are_the_same_on_several_processes():
    data = SimulatedDetection(3, 2, SMALL)
    for one, other in zip(data, data.on_processes(2), strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.frame.color, other.frame.color)
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_grasps_are_those_of_the_scenes():
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


@pytest.mark.slow
def test_samples_are_the_same_in_any_order():
    data = SimulatedGrasps(3, 3, SMALL)
    assert_same(data[2], list(data)[-1])
    assert_same(data[-1], data[2])


@pytest.mark.slow
def test_grasp_samples_are_the_same_on_several_processes():
    data = SimulatedGrasps(3, 3, SMALL)
    for one, other in zip(data, data.on_processes(2), strict=True):
        assert_same(one, other)


def test_the_gripper_is_used():
    narrow = SimulatedGrasps(3, 2, SMALL, ParallelGripper(max_opening=0.03))
    labels = label_grasps(simulate_scene(3, 1, SMALL), ParallelGripper(max_opening=0.03))
    assert len(narrow[1].good) == len(labels.good)
    assert len(narrow[1].good) < len(SimulatedGrasps(3, 2, SMALL)[1].good)


@pytest.mark.parametrize("reader", [SimulatedDetection, SimulatedGrasps])
def test_ends_and_invalid_arguments(reader):
    data = reader(3, 2, SMALL)
    with pytest.raises(IndexError):
        data[2]
    assert list(reader(0, 0)) == []
    with pytest.raises(ValueError, match="-1 and 2"):
        reader(-1, 2)


def test_every_pixel_has_the_label_of_the_scene():
    data = SimulatedSegments(3, 3, SMALL)
    sample, scene = data[2], simulate_scene(3, 2, SMALL)
    np.testing.assert_array_equal(sample.labels, scene.truth.labels)
    assert sample.labels[np.isnan(sample.frame.depth)].any()
    classes = {
        item.label: data.classes[sample.object_classes[item.label - 2]] for item in scene.objects
    }
    assert classes == {item.label: item.category for item in scene.objects}


@pytest.mark.slow
def test_the_world_is_a_data_set_of_its_own():
    data = open_dataset("simulated_world", "segments", None, scenes=2, seed=5)
    sample, scene = data[1], simulate_scene(5, 1, SimulationConfig(domain="world"))
    np.testing.assert_array_equal(sample.labels, scene.truth.labels)
    assert len(sample.object_classes) == len(scene.objects)
    assert -1 in sample.object_classes
    with pytest.raises(InputError, match="data set is 'simulated_world'; accepted: coco"):
        open_dataset("simulated_world", "boxes", None, 2, 5)


@pytest.mark.parametrize("labels", ["boxes", "masks", "grasps", "segments"])
def test_it_is_opened_by_its_name_with_scenes_and_a_seed(labels):
    data = open_dataset("simulated", labels, None, scenes=4, seed=7)
    assert (data.seed, len(data)) == (7, 4)
    with pytest.raises(InputError, match="--data is here, but simulated scenes are generated"):
        open_dataset("simulated", labels, Path("here"), 4, 7)


def test_kept_scenes_are_not_made_again(monkeypatch):
    data = SimulatedDetection(3, 2, SMALL)
    shown = []
    data.keep(lambda made: (shown.append(sample.name) or sample for sample in made))
    assert shown == data.names
    monkeypatch.setattr("cvdl.datasets.simulated.scenes.simulate_scene", None)
    assert [data[0].name, data[-1].name] == data.names
    with pytest.raises(IndexError):
        data[2]
