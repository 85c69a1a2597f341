"""The launch file with stand-ins for launch and launch_ros, which come only with a full ROS 2.

What it starts there is tested in graph/test_launch.py.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from cvdl.bags.frames import CAMERA_INFO_TOPIC, COLOR_TOPIC, DEPTH_TOPIC
from cvdl.messages.topics import TOPICS
from cvdl.replay import NAMESPACE
from helpers.paths import ROOT

LAUNCH_FILE = ROOT / "launch/perception.launch.py"


class Entity:
    """Whatever it is, it keeps what it was made of."""

    def __init__(self, *args, **fields):
        self.args, self.fields = args, fields

    def perform(self, context):
        return context.get(self.args[0])


class StandIn(ModuleType):
    """A module that has whatever is asked for."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Entity


@pytest.fixture
def start(monkeypatch):
    """A function: the fields of what the launch file starts with these arguments."""
    used = re.findall(r"^from (launch[\w.]*) import", LAUNCH_FILE.read_text(), re.MULTILINE)
    for name in (*used, "launch_ros"):
        monkeypatch.setitem(sys.modules, name, StandIn(name))
    launch_file = runpy.run_path(str(LAUNCH_FILE))
    *declared, function = launch_file["generate_launch_description"]().args[0]
    defaults = {each.args[0]: each.fields["default_value"] for each in declared}

    def start(**arguments: str) -> list[dict]:
        assert set(arguments) <= set(defaults)
        return [each.fields for each in function.fields["function"]({**defaults, **arguments})]

    return start


@pytest.mark.parametrize(
    ("namespace", "prefix"), [("perception", NAMESPACE), ("/robot/eyes/", "/robot/eyes"), ("", "")]
)
def test_what_is_recorded_is_every_result_and_nothing_else(start, namespace, prefix):
    command = start(record="out", namespace=namespace)[-1]["cmd"]
    assert command[:5] == ["ros2", "bag", "record", "--output", "out"]
    topics = re.compile(command[command.index("--regex") + 1])
    recorded = [f"{prefix}/{name}" for name in TOPICS] + ["/diagnostics", "/tf_static"]
    assert [topic for topic in recorded if not topics.search(topic)] == []
    others = [COLOR_TOPIC, f"{prefix}/color", f"{prefix}/overlay/compressed", "/else/overlay"]
    assert [topic for topic in others if topics.search(topic)] == []


def test_rviz_finds_every_topic_of_its_file_under_its_real_name(start):
    rviz = start(rviz="true", camera="azure_kinect", namespace="eyes")[-1]
    assert rviz["executable"] == "rviz2"
    file = Path(rviz["arguments"][rviz["arguments"].index("--display-config") + 1])
    renamed = dict(rviz["remappings"])
    shown = set(re.findall(r": (/[\w/]+)$", file.read_text(), re.MULTILINE))
    assert shown
    assert shown <= set(renamed)
    camera = yaml.safe_load((ROOT / "config/cameras/azure_kinect.yaml").read_text())
    expected = {f"{NAMESPACE}/{name}": f"/eyes/{name}" for name in TOPICS}
    inputs = COLOR_TOPIC, DEPTH_TOPIC, CAMERA_INFO_TOPIC
    expected |= dict(zip(inputs, camera.values(), strict=True))
    assert [topic for topic in shown if renamed[topic] != expected[topic]] == []


def test_a_bag_is_played_when_the_nodes_that_were_started_are_active(start, tmp_path):
    *nodes, waiter, _ = start(composed="false", bag=str(tmp_path), namespace="eyes")
    names = [f"{node['namespace']}/{node['name']}" for node in nodes]
    assert names == ["/eyes/segmentation_node", "/eyes/detection_node", "/eyes/grasp_node"]
    assert waiter["cmd"] == ["python3", "-m", "cvdl.ros.wait_node", *names]
    assert all(node["parameters"][-1] == {"use_sim_time": True} for node in nodes)


def test_a_parameter_file_of_the_home_folder_is_given_to_ros_as_it_is(start, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "robot.yaml").write_text("/other: {ros__parameters: {a: 1}}")
    nodes = start(params_file="~/robot.yaml", composed="false", record="~/results")[:-1]
    files = [node["parameters"][0] for node in nodes]
    assert files == [str(tmp_path / "robot.yaml")] * 3
    command = start(record="~/results")[-1]["cmd"]
    assert command[command.index("--output") + 1] == str(tmp_path / "results")
