"""Files that stand beside the code and have to agree with it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import fields
from math import cos, radians, sin
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement

from cvdl.bags.frames import CAMERA_INFO_TOPIC, COLOR_TOPIC, DEPTH_TOPIC
from cvdl.bags.typestore import message_type
from cvdl.core.frame import RgbdFrame
from cvdl.messages.factory import MessageFactory
from cvdl.messages.topics import TOPICS, Results, scene_messages
from cvdl.replay import NAMESPACE
from cvdl.ros.parameters import PerceptionNodeConfig, assemble, parameters_of
from helpers.paths import ROOT

PRESETS = sorted((ROOT / "config/cameras").glob("*.yaml"))
KNOWN_TOPICS = {
    COLOR_TOPIC,
    DEPTH_TOPIC,
    CAMERA_INFO_TOPIC,
    "/diagnostics",
    *(f"{NAMESPACE}/{name}" for name in TOPICS),
}
LAUNCH = (ROOT / "launch/perception.launch.py").read_text()
ARGUMENTS = re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', LAUNCH)


def text(path: str | Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_parameter_file_has_every_parameter_with_its_default_and_its_type():
    content = yaml.safe_load(text("config/perception.yaml"))
    found = dict(flat(content["/**"]["ros__parameters"]))
    defaults = {
        spec.name: list(spec.default) if isinstance(spec.default, tuple) else spec.default
        for spec in parameters_of(PerceptionNodeConfig)
    }
    assert found == defaults
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in defaults.items()
    }
    assert assemble(PerceptionNodeConfig, found) == PerceptionNodeConfig()


def flat(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_camera_presets_name_the_three_inputs(path):
    preset = yaml.safe_load(path.read_text())
    assert list(preset) == ["color_topic", "depth_topic", "camera_info_topic"]
    assert all(topic.startswith("/") for topic in preset.values())
    assert f"`{path.stem}`" in text("docs/ros.md")


def test_default_names_are_those_of_simulated_bags():
    preset = yaml.safe_load(text("config/cameras/default.yaml"))
    assert tuple(preset.values()) == (COLOR_TOPIC, DEPTH_TOPIC, CAMERA_INFO_TOPIC)


@pytest.fixture(scope="module")
def rviz():
    return yaml.safe_load(text("config/cvdl.rviz"))


@pytest.fixture
def displays(rviz):
    return {display["Name"]: display for display in rviz["Visualization Manager"]["Displays"]}


@pytest.fixture(scope="module")
def foxglove():
    return json.loads(text("config/cvdl.foxglove.json"))


def test_rviz_shows_existing_topics(displays):
    topics = {display["Topic"]["Value"] for display in displays.values() if "Topic" in display}
    for display in displays.values():
        topics |= {value for key, value in display.items() if key.endswith(" Topic")}
    assert topics <= KNOWN_TOPICS
    assert set(displays) >= {"Overlay", "Points", "Markers", "TF"}
    # The launch file gives each its real name.
    assert all(f'"{topic}"' in LAUNCH for topic in topics)


def test_rviz_finds_the_calibration_of_the_depth_beside_it_too(displays):
    # Where RViz is too old for the property, and before it has read it.
    beside = displays["Points"]["Depth Map Topic"].rpartition("/")[0] + "/camera_info"
    assert f'("{beside}", inputs["camera_info_topic"])' in LAUNCH


# What displays have, by the sources of RViz: it ignores what it does not know.
TOPIC = {"Value", "Depth", "History Policy", "Reliability Policy", "Durability Policy"}
PROPERTIES = {
    "Image": {"Topic", "Normalize Range", "Min Value", "Max Value", "Median window"},
    "DepthCloud": {
        "Reliability Policy",
        "Topic Filter",
        "Depth Map Topic",
        "Depth Map Transport Hint",
        "CameraInfo Topic",
        "Color Image Topic",
        "Color Transport Hint",
        "Queue Size",
        "Auto Size",
        "Occlusion Compensation",
        "Style",
        "Size (m)",
        "Size (Pixels)",
        "Alpha",
        "Decay Time",
        "Color Transformer",
    },
    "PointCloud2": {
        "Topic",
        "Style",
        "Size (m)",
        "Size (Pixels)",
        "Alpha",
        "Decay Time",
        "Selectable",
        "Color Transformer",
        "Position Transformer",
    },
    "Polygon": {"Topic", "Color", "Alpha"},
    "MarkerArray": {"Topic", "Namespaces"},
    "PoseArray": {"Topic", "Shape", "Color", "Alpha", "Axes Length", "Axes Radius"},
    "TF": {"Show Names", "Show Axes", "Show Arrows", "Marker Scale", "Frame Timeout"},
    "Grid": {"Reference Frame", "Plane Cell Count", "Cell Size", "Color", "Alpha", "Plane"},
}


def test_rviz_knows_every_property(displays):
    for display in displays.values():
        package, _, kind = display["Class"].partition("/")
        assert package == "rviz_default_plugins"
        assert set(display) - {"Class", "Name", "Enabled", "Value"} <= PROPERTIES[kind]
        assert display["Enabled"] == display["Value"]
        assert set(display.get("Topic", TOPIC)) == TOPIC


def test_rviz_asks_for_no_more_than_publishers_offer(displays):
    # A camera may be best effort; results are reliable, and volatile.
    for name, display in displays.items():
        if topic := display.get("Topic"):
            ours = topic["Value"].startswith(f"{NAMESPACE}/")
            assert topic["Reliability Policy"] == ("Reliable" if ours else "Best Effort"), name
            assert topic["Durability Policy"] == "Volatile"
            assert topic["History Policy"] == "Keep Last"
    assert displays["Points"]["Reliability Policy"] == "Best effort"  # spelt so by this display


def test_rviz_shows_every_kind_of_marker(displays, frame, scene):
    (message,) = scene_messages(
        MessageFactory(message_type), Results(frame, scene), ["markers"]
    ).values()
    markers = message.markers
    assert displays["Markers"]["Namespaces"] == {m.ns: True for m in markers if m.ns}


def test_rviz_docks_every_panel(rviz, displays):
    geometry = rviz["Window Geometry"]
    state = bytes.fromhex(geometry["QMainWindow State"])
    pictures = [name for name, item in displays.items() if item["Class"].endswith("/Image")]
    for name in [*pictures, *(panel["Name"] for panel in rviz["Panels"])]:
        # A name is a QString: its bytes, and before them their number.
        encoded = name.encode("utf-16-be")
        assert len(encoded).to_bytes(4, "big") + encoded in state, name
        assert geometry[name] == {"collapsed": False}
    # RViz reads these two into a variable that has no value.
    assert geometry["Hide Left Dock"] is False
    assert geometry["Hide Right Dock"] is False


def test_viewers_look_over_the_shoulder_of_the_camera(rviz, foxglove):
    view = rviz["Visualization Manager"]["Views"]["Current"]
    yaw, pitch = view["Yaw"], view["Pitch"]
    assert not view["Invert Z Axis"]
    over_the_shoulder(
        view["Distance"] * np.array([cos(yaw) * cos(pitch), sin(yaw) * cos(pitch), sin(pitch)]),
        [view["Focal Point"][axis] for axis in "XYZ"],
    )
    state = foxglove["configById"]["3D!scene"]["cameraState"]
    theta, phi = radians(-state["thetaOffset"]), radians(state["phi"])
    over_the_shoulder(
        state["distance"] * np.array([sin(phi) * sin(theta), -sin(phi) * cos(theta), cos(phi)]),
        state["targetOffset"],
    )


def over_the_shoulder(offset, target):
    """Both keep z upward in the picture: of an optical frame that is right only from above."""
    x, y, z = np.add(offset, target)
    assert abs(x) < 0.01
    assert y < -0.3  # above: y is down
    assert z < 0  # behind, and the target before the camera
    assert target[2] > 0


def test_viewers_start_in_the_frame_of_the_camera(rviz, foxglove):
    options = rviz["Visualization Manager"]["Global Options"]
    (default,) = (f.default for f in fields(RgbdFrame) if f.name == "frame_id")
    assert options["Fixed Frame"] == default
    assert foxglove["configById"]["3D!scene"]["followTf"] == default


def test_foxglove_shows_existing_topics(foxglove):
    named = re.findall(r'"(/[\w/]+)', json.dumps(foxglove["configById"]))
    assert named
    assert set(named) <= KNOWN_TOPICS
    assert sorted(panels(foxglove["layout"])) == sorted(foxglove["configById"])


def panels(layout):
    if isinstance(layout, str):
        return [layout]
    return [*panels(layout["first"]), *panels(layout["second"])]


def test_docs_name_every_launch_argument():
    assert "composed" in ARGUMENTS
    section = text("docs/ros.md").partition("## Launch")[2].partition("## Nodes")[0]
    assert [name for name in ARGUMENTS if f"`{name}`" not in section] == []


def test_containers_use_existing_launch_arguments():
    services = yaml.safe_load(text("docker/compose.yaml"))["services"]
    used = {
        name
        for service in services.values()
        for name in re.findall(r"(\w+):=", service.get("command", ""))
    }
    assert used
    assert used <= set(ARGUMENTS)


def test_package_depends_on_the_messages_that_it_publishes():
    root = ElementTree.fromstring(text("package.xml"))
    depends = {element.text for element in root.findall("exec_depend")}
    messages = {topic.type.partition("/")[0] for topic in TOPICS.values()}
    assert messages | {"rclpy", "lifecycle_msgs", "std_srvs", "launch_ros"} <= depends


def test_versions_in_containers_are_those_of_the_package_and_of_no_other_extra(metadata):
    extras = metadata["extras_require"]
    for file, needed in (
        ("requirements.txt", metadata["install_requires"] + extras["tracking"]),
        ("requirements-torch.txt", extras["torch"]),
    ):
        lines = text(f"docker/{file}").splitlines()
        pins = [Requirement(line) for line in lines if not line.startswith("#")]
        version = {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}
        assert set(version) == {Requirement(line).name for line in needed}
        for requirement in map(Requirement, needed):
            assert requirement.specifier.contains(version[requirement.name]), requirement
