"""The launch file with stand-ins for launch and launch_ros, which come only with a full ROS 2.

What it starts there is tested in graph/test_launch.py.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

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
        self.args, self.fields = args, {**fields, "of": args[0]} if args else fields

    @property
    def name(self):
        return self.args[0]

    def perform(self, context):
        return context.launch_configurations.get(self.args[0])


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

    def start(*more: str, **arguments: str) -> list[dict]:
        given = {**defaults, **arguments, **dict(word.split(":=", 1) for word in more)}
        words = [f"{name}:={value}" for name, value in arguments.items()]
        command = ["ros2", "launch", "cvdl", LAUNCH_FILE.name, *words, *more]
        monkeypatch.setattr(sys, "argv", command)
        context = SimpleNamespace(launch_configurations=given)
        run, names = function.fields["function"], function.fields["args"]
        return [each.fields for each in run(context, *names)]

    return start


@pytest.mark.parametrize(
    ("namespace", "prefix"), [("perception", NAMESPACE), ("/robot/eyes/", "/robot/eyes"), ("", "")]
)
def test_what_is_recorded_is_every_result_and_nothing_else(start, namespace, prefix):
    command = start(record="out", namespace=namespace)[-1]["cmd"]
    assert command[:5] == ["ros2", "bag", "record", "--output", "out"]
    topics = re.compile(command[command.index("--regex") + 1])
    results = [f"{prefix}/{name}" for name, topic in TOPICS.items() if not topic.is_large]
    recorded = [*results, "/diagnostics", "/tf_static"]
    assert [topic for topic in recorded if not topics.search(topic)] == []
    others = [COLOR_TOPIC, f"{prefix}/color", f"{prefix}/overlay/compressed", "/else/overlay"]
    others += [f"{prefix}/segmentation/points"]
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


@pytest.mark.parametrize(
    ("more", "ends"), [({}, True), ({"rviz": "true"}, False)], ids=["alone", "with RViz"]
)
def test_a_launch_ends_with_its_bag_unless_somebody_looks_at_the_last_frame(
    start, tmp_path, more, ends
):
    _, _, registered, *rviz = start(bag=str(tmp_path), **more)
    player = registered["of"].fields["on_exit"](SimpleNamespace(returncode=0), None)
    assert player.fields["cmd"][-2:] == ["--delay", "2.0"]  # its first messages are heard
    event = SimpleNamespace(returncode=0, process_name="player")
    after = player.fields["on_exit"](event, SimpleNamespace(is_shutdown=False))
    assert (after is not None) == ends
    if ends:
        assert after.fields["period"] > 1
    else:
        assert rviz[0]["on_exit"](event, None).fields == {"reason": "player has ended"}


def test_a_bag_that_is_recorded_waits_for_the_recorder(start, tmp_path):
    waiter = start(bag=str(tmp_path), record="out")[1]
    assert waiter["cmd"][-1] == "--recorded"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("grasp.max_opening:=0.08", 0.08),
        ("grasp.max_opening:=1", 1.0),
        ("queue_size:=20", 20),
        ("overlap:=true", True),
        ("segmentation.region.image:=[0, 0.5, 0, 1]", [0.0, 0.5, 0.0, 1.0]),
    ],
)
def test_every_parameter_is_an_argument_of_its_type(start, text, value):
    (node,) = start(text)
    ((_, found),) = node["parameters"][-1].items()
    assert (found, type(found)) == (value, type(value))


def test_a_text_stays_one_whatever_it_looks_like(start):
    (node,) = start("grasp.only:=yes", "image_transport:=compressed")
    texts = {name: value.args[0] for name, value in node["parameters"][-1].items()}
    assert texts == {"grasp.only": "yes", "image_transport": "compressed"}
    assert all(each.fields["value_type"] is str for each in node["parameters"][-1].values())


def test_the_device_is_that_of_all_networks(start):
    (node,) = start(device="cpu")
    stages = ("segmentation", "detector", "grasp")
    assert node["parameters"][-1] == {f"{stage}.device": "cpu" for stage in stages}


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("image_transprot:=compressed", "did you mean image_transport?"),
        ("max_opening:=0.08", "did you mean grasp.max_opening?"),
        ("recrod:=out", "did you mean record?"),
        ("xyz:=1", "see --show-args and params_file"),
    ],
)
def test_an_unknown_argument_is_refused_with_a_suggestion(start, word, hint):
    name = word.partition(":=")[0]
    with pytest.raises(ValueError, match=re.escape(f"{word}: there is no argument {name}; {hint}")):
        start(word)


def test_arguments_of_a_launch_file_that_includes_this_one_are_its_own(start, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])  # as pytest's
    command = ["ros2", "launch", "my_robot", LAUNCH_FILE.name, "arm:=left"]
    monkeypatch.setattr("sys.argv", command)
    launch_file = runpy.run_path(str(LAUNCH_FILE))
    launch_file["_refuse_unknown"](set())


def test_arguments_of_ros2_launch_itself_are_known(start):
    assert start("launch-prefix:=gdb -ex run --args")


@pytest.mark.parametrize("word", ["queue_size:=many", "overlap:=1", "grasp.max_opening:=wide"])
def test_a_value_of_another_type_is_refused(start, word):
    with pytest.raises(ValueError, match=f"{word}: expected a value such as "):
        start(word)


def test_a_parameter_file_of_the_home_folder_is_given_to_ros_as_it_is(start, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "robot.yaml").write_text("/other: {ros__parameters: {a: 1}}")
    nodes = start(params_file="~/robot.yaml", composed="false", record="~/results")[:-1]
    files = [node["parameters"][0] for node in nodes]
    assert files == [str(tmp_path / "robot.yaml")] * 3
    command = start(record="~/results")[-1]["cmd"]
    assert command[command.index("--output") + 1] == str(tmp_path / "results")
