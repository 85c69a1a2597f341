"""The simulated tabletop as a data set of boxes and masks."""

import numpy as np
import pytest

from cvdl.datasets.simulated_detection import SimulatedDetection
from cvdl.simulation import CATEGORIES, SimulationConfig, simulate_scene

SMALL = SimulationConfig(width=320, height=240)


def test_samples_are_what_is_visible():
    data = SimulatedDetection(3, 3, SMALL)
    assert data.classes == tuple(CATEGORIES)
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


def test_processes_make_the_same_samples_in_order():
    data = SimulatedDetection(3, 2, SMALL)
    for one, other in zip(data, data.on_processes(2), strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.frame.color, other.frame.color)
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_ends_and_bad_arguments():
    data = SimulatedDetection(3, 2, SMALL)
    with pytest.raises(IndexError):
        data[2]
    assert list(SimulatedDetection(0, 0)) == []
    with pytest.raises(ValueError, match="-1 and 2"):
        SimulatedDetection(-1, 2)


def test_kept_scenes_are_not_made_again(monkeypatch):
    data = SimulatedDetection(3, 2, SMALL)
    shown = []
    data.keep(lambda made: (shown.append(sample.name) or sample for sample in made))
    assert shown == data.names
    monkeypatch.setattr(data, "_labelled", None)
    assert [data[0].name, data[-1].name] == data.names
    with pytest.raises(IndexError):
        data[2]
