"""Settings as parameters, and back."""

from __future__ import annotations

from array import array

import pytest

from cvdl.core.config import ConfigError
from cvdl.ros.parameters import (
    DetectionNodeConfig,
    GraspNodeConfig,
    PerceptionNodeConfig,
    SegmentationNodeConfig,
    assemble,
    descriptor,
    parameters_of,
    values_of,
)


def test_a_parameter_is_what_its_field_declares():
    specs = {spec.name: spec for spec in parameters_of(PerceptionNodeConfig)}
    spec = specs["segmentation.max_range"]
    assert (spec.default, spec.low, spec.high, spec.live) == (3.0, 0.2, 20.0, True)
    assert "meters" in spec.description
    assert specs["grasp.approach"].description.endswith("One of: surface, plane.")
    assert not specs["grasp.weights"].live
    assert all(spec.description for spec in specs.values())


def test_ranges_are_of_the_parameters_type():
    pytest.importorskip("rcl_interfaces")
    specs = {spec.name: spec for spec in parameters_of(PerceptionNodeConfig)}
    (floats,) = descriptor(specs["slop"]).floating_point_range
    (integers,) = descriptor(specs["segmentation.min_pixels"]).integer_range
    assert (floats.from_value, floats.to_value) == (0.0, 10.0)
    assert (integers.from_value, integers.to_value) == (20, 100_000)
    fixed = descriptor(specs["device" if "device" in specs else "grasp.device"])
    assert fixed.additional_constraints == "only while the node is unconfigured"


@pytest.mark.parametrize(
    "model", [PerceptionNodeConfig, SegmentationNodeConfig, DetectionNodeConfig, GraspNodeConfig]
)
def test_round_trip(model):
    values = values_of(model())
    assert [spec.name for spec in parameters_of(model)] == list(values)
    assert assemble(model, values) == model()
    assert assemble(model, {**values, "slop": 1e-5}).slop == 1e-5
    half = {"segmentation.region.image": array("d", [0, 0.5, 0, 1])}  # as rclpy gives it
    assert assemble(model, half).segmentation.region.image == (0, 0.5, 0, 1)


def test_names_are_a_text_or_a_list():
    """An empty list has no type in ROS."""
    (spec,) = (spec for spec in parameters_of(GraspNodeConfig) if spec.name == "grasp.only")
    assert (spec.default, spec.is_names, spec.live) == ("", True, True)
    for given in ("drill, mug", ["drill", "mug"], " drill,mug,"):
        settings = assemble(GraspNodeConfig, {"grasp.only": given})
        assert settings.grasp.only == ("drill", "mug")
        assert values_of(settings)["grasp.only"] == "drill, mug"
    for given in ("", [], None):
        assert assemble(GraspNodeConfig, {"grasp.only": given}) == GraspNodeConfig()
    pytest.importorskip("rcl_interfaces")
    assert descriptor(spec).dynamic_typing


def test_values_that_do_not_go_together_are_refused():
    with pytest.raises(ConfigError, match="must be less than"):
        assemble(GraspNodeConfig, {"grasp.min_opening": 0.2})
    with pytest.raises(ConfigError, match="accepted: surface, plane"):
        assemble(GraspNodeConfig, {"grasp.approach": "sideways"})
