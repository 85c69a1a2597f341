"""Files that stand beside the code and have to agree with it."""

from __future__ import annotations

import ast
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from cvdl.bags.frames import CAMERA_INFO_TOPIC, COLOR_TOPIC, DEPTH_TOPIC
from cvdl.replay import NAMESPACE
from cvdl.ros import documentation
from cvdl.ros.messages import LABEL_INFO_TOPIC, SCENE_TOPICS
from cvdl.ros.parameters import PerceptionNodeConfig, assemble, parameters_of

ROOT = Path(__file__).parents[2]
PRESETS = sorted((ROOT / "config/cameras").glob("*.yaml"))
KNOWN_TOPICS = {
    COLOR_TOPIC,
    DEPTH_TOPIC,
    CAMERA_INFO_TOPIC,
    "/diagnostics",
    *(f"{NAMESPACE}/{name}" for name in (*SCENE_TOPICS, LABEL_INFO_TOPIC)),
}
LAUNCH = (ROOT / "launch/perception.launch.py").read_text()
ARGUMENTS = re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', LAUNCH)


def text(path: str | Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (documentation.PARAMETER_FILE, documentation.parameter_file),
        (documentation.DOCS, lambda: documentation.renew(text(documentation.DOCS))),
    ],
)
def test_what_is_written_from_the_models_is_up_to_date(path, expected):
    assert text(path) == expected(), "run: python -m cvdl.ros.documentation"


def test_a_stale_table_is_written_anew():
    docs = text(documentation.DOCS)
    stale = docs.replace("| `grasp.max_opening` |", "| `grasp.old_name` |")
    assert stale != docs
    assert documentation.renew(stale) == docs


def test_docs_without_a_place_for_a_table_are_refused():
    docs = text(documentation.DOCS).replace("<!-- parameters -->", "")
    with pytest.raises(ValueError, match="no place for the table of parameters"):
        documentation.renew(docs)


def test_parameter_file_has_every_parameter_with_its_default_and_its_type():
    content = yaml.safe_load(text("config/perception.yaml"))
    found = dict(flat(content["/**"]["ros__parameters"]))
    defaults = {spec.name: spec.default for spec in parameters_of(PerceptionNodeConfig)}
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


def test_rviz_shows_topics_that_there_are():
    displays = yaml.safe_load(text("config/cvdl.rviz"))["Visualization Manager"]["Displays"]
    topics = {display["Topic"]["Value"] for display in displays if "Topic" in display}
    for display in displays:
        topics |= {value for key, value in display.items() if key.endswith(" Topic")}
    assert topics <= KNOWN_TOPICS
    assert {display["Name"] for display in displays} >= {"Overlay", "Points", "Markers", "TF"}
    # The launch file gives each its real name.
    assert all(f'"{topic}"' in LAUNCH for topic in topics)


def test_foxglove_shows_topics_that_there_are():
    layout = json.loads(text("config/cvdl.foxglove.json"))
    named = re.findall(r'"(/[\w/]+)', json.dumps(layout["configById"]))
    assert named
    assert set(named) <= KNOWN_TOPICS
    assert sorted(panels(layout["layout"])) == sorted(layout["configById"])


def panels(layout):
    if isinstance(layout, str):
        return [layout]
    return [*panels(layout["first"]), *panels(layout["second"])]


def test_docs_name_every_launch_argument():
    assert "composed" in ARGUMENTS
    section = text("docs/ros.md").partition("## Launch")[2].partition("## Nodes")[0]
    assert [name for name in ARGUMENTS if f"`{name}`" not in section] == []


def test_containers_use_launch_arguments_that_there_are():
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
    messages = {kind.partition("/")[0] for kind in SCENE_TOPICS.values()}
    assert messages | {"rclpy", "lifecycle_msgs", "std_srvs", "launch_ros"} <= depends


def test_versions_in_containers_are_ones_that_the_package_takes():
    lines = text("docker/requirements.txt").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    version = {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}
    (needed,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(text("setup.py")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RUN"
    )
    for requirement in map(Requirement, needed):
        assert requirement.specifier.contains(version[requirement.name]), requirement
