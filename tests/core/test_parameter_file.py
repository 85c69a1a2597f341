"""Parameter files of ROS: which sections fit a node, and how their values are read."""

import logging
import math

import pytest
import yaml

from cvdl.core.config import ConfigError, load_settings, ros_parameters
from cvdl.core.parameter_file import fits, sections
from cvdl.pipeline import PerceptionConfig, load_config
from cvdl.ros.parameters import PerceptionNodeConfig
from helpers.parameter_files import FILES, NODE


@pytest.mark.parametrize("name", FILES)
def test_a_node_gets_the_sections_that_fit_it_later_ones_over_earlier(name):
    text, expected = FILES[name]
    found = {}
    for section, values in sections(text).items():
        if fits(section, NODE):
            found |= values
    assert found == expected
    assert {key: type(value) for key, value in found.items()} == {
        key: type(value) for key, value in expected.items()
    }


def test_not_a_number():
    (values,) = sections("/**: {ros__parameters: {a: .nan}}").values()
    assert math.isnan(values["a"])


def test_other_nodes_may_have_what_ros_takes_from_nobody(write):
    text = "/other: {ros__parameters: {a: [{b: 1}, [2]], ? [1, 2] : 3}}\n/**: {ros__parameters: {}}"
    assert sections(text)["/other"] == {"a": [{"b": 1}, [2]]}
    assert load_config(write(text)) == load_config()


@pytest.mark.parametrize("text", ["&a {b: *a}", "/**: {ros__parameters: &a {b: [*a]}}"])
def test_a_file_that_refers_to_itself_is_refused(write, text):
    with pytest.raises(ConfigError, match=r"robot\.yaml: "):
        load_config(write(text))


@pytest.mark.parametrize("text", ["", "segmentation: {max_range: 2.0}", "[1, 2]", "3"])
def test_a_file_without_sections_is_no_parameter_file(text):
    assert sections(text) == {}


def test_anchors_are_accepted_although_ros_rejects_them():
    text = "x: &x {a: 1, b: 2}\n/**: {ros__parameters: {<<: *x, b: 3}}"
    assert sections(text) == {"/**": {"a": 1, "b": 3}}
    with pytest.raises(yaml.YAMLError):
        sections("a: [")


ROBOT = """
/perception/perception_node:
  ros__parameters:
    segmentation.max_range: 1.5
    slop: 0.05
    use_sim_time: true
    qos_overrides: {/camera/color: {subscription: {reliability: reliable}}}
/rgbd_sync:
  ros__parameters:
    queue_size: 3
    enable: false
/other/grasp_server:
  ros__parameters:
    grasp:
      max_opening: 0.05
      timeout: 3.0
/empty:
  ros__parameters:
/odd: 3
"""


@pytest.fixture
def write(tmp_path):
    """A function: the path of a file of this text."""

    def make(text):
        path = tmp_path / "robot.yaml"
        path.write_text(text)
        return path

    return make


def test_other_nodes_sections_change_nothing(write, caplog):
    path = write(ROBOT)
    config = load_config(path)
    assert (config.segmentation.max_range, config.grasp.max_opening) == (1.5, 0.1)
    node = load_settings(PerceptionNodeConfig, path)
    assert (node.segmentation.max_range, node.grasp.max_opening) == (1.5, 0.1)
    assert (node.slop, node.queue_size, node.enable) == (0.05, 10, True)
    assert not caplog.messages


def test_a_node_of_another_name_gets_other_sections(write):
    path = write(ROBOT.replace("/perception/perception_node", "/eyes/perception_node"))
    config = load_settings(PerceptionNodeConfig, path, node="/eyes/perception_node")
    assert config.segmentation.max_range == 1.5


@pytest.mark.parametrize(
    "name", ["perception_node", "/perception/grasp_node", "/robot/perception/perception_node"]
)
def test_a_file_without_a_section_for_the_node_is_reported_once(write, caplog, name):
    path = write(f"{name}: {{ros__parameters: {{grasp.max_opening: 0.08}}}}")
    with caplog.at_level(logging.WARNING):
        assert load_config(path).grasp.max_opening == 0.1
    (message,) = caplog.messages
    assert "robot.yaml: no section applies to the node /perception/perception_node" in message
    assert f"Its sections: /{name.removeprefix('/')}." in message


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (
            "segmentation.max_rnge",
            r"unknown key segmentation\.max_rnge; .*did you mean max_range\?",
        ),
        ("segmentaton.max_range", r"unknown key segmentaton\.max_range \(did you mean segment"),
        ("timeout", r"unknown key timeout; accepted: .*grasp, .*queue_size"),
    ],
)
def test_an_unknown_key_in_the_nodes_own_section_is_refused(write, key, words):
    with pytest.raises(ConfigError, match=rf"robot\.yaml: .*{words}"):
        load_config(write(f"perception: {{perception_node: {{ros__parameters: {{{key}: 3.0}}}}}}"))


def test_a_section_for_many_nodes_may_have_keys_of_others(write, caplog):
    text = "/**: {ros__parameters: {robot_name: r2, detctor.enable: false, grasp.candidates: 9}}"
    with caplog.at_level(logging.WARNING):
        assert load_config(write(text)).grasp.candidates == 9
    (message,) = caplog.messages
    assert "detctor.enable (did you mean detector?); it is ignored" in message


def test_an_empty_section_of_the_node_is_refused(write):
    with pytest.raises(ConfigError, match=r"ros__parameters of /\*\* holds no keys and values"):
        load_config(write("/**: {ros__parameters: }"))


def test_settings_beside_the_sections_are_refused(write):
    text = "segmentation: {max_range: 2.0}\n/**: {ros__parameters: {grasp.max_opening: 0.08}}"
    with pytest.raises(ConfigError, match="segmentation is outside ros__parameters"):
        load_config(write(text))
    below = "segmentation: {node: {ros__parameters: {a: 1}}}\n" + text.partition("\n")[2]
    assert load_config(write(below)).grasp.max_opening == 0.08


@pytest.mark.parametrize(
    "name", ["/**/grasp_node", "/perception/segmentation_node", "perception_node"]
)
def test_sections_that_look_like_the_nodes_are_reported(write, caplog, name):
    text = f"/**: {{ros__parameters: {{}}}}\n{name}: {{ros__parameters: {{grasp.candidates: 9}}}}"
    with caplog.at_level(logging.WARNING):
        assert load_config(write(text)).grasp == PerceptionConfig().grasp
    (message,) = caplog.messages
    assert message.endswith(f"perception_node: /{name.removeprefix('/')}")


def test_what_every_node_of_ros_has_is_found(write):
    assert ros_parameters(write(ROBOT)) == {
        "use_sim_time": True,
        "qos_overrides./camera/color.subscription.reliability": "reliable",
    }
    assert ros_parameters(write(ROBOT), "/eyes/perception_node") == {}
    assert ros_parameters(write("segmentation: {max_range: 2.0}")) == {}
