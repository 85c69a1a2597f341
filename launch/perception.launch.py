"""Starts the perception: on a camera, on a bag, with RViz, with a recorder of the results.

Arguments: ``ros2 launch cvdl perception.launch.py --show-args``, and every parameter of the nodes.
Nothing of cvdl is imported here: its libraries may be in a virtual environment that ``ros2
launch`` itself does not use.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackagePrefix

# launch/ and config/ stand side by side, in the installed package as in its source.
_CONFIG = Path(__file__).resolve().parents[1] / "config"

_INPUTS = ("color_topic", "depth_topic", "camera_info_topic")
_OPTIONAL_INPUTS = ("depth_camera_info_topic", "points_topic")
_COMPOSED = ("perception_node",)
_SEPARATE = ("segmentation_node", "detection_node", "grasp_node")
# Below the namespace; points would be most of a bag, and can be made of it.
_RESULTS = r"((segmentation|detection|grasp)/(?!points$)\w+|markers|overlay)"
_BOOLEAN = ["true", "false"]
_OF_LAUNCH = {"launch-prefix", "launch-prefix-filter"}  # arguments that ros2 launch has itself
_DISCOVERY_S = 2.0  # before a bag begins: nodes and player have to find each other
_LAST_RESULTS_S = 5.0  # after a bag has ended: for the last frame to be processed and recorded


def generate_launch_description() -> LaunchDescription:
    """The arguments, and what is started from them."""
    arguments = _arguments()
    names = [argument.name for argument in arguments]
    return LaunchDescription([*arguments, OpaqueFunction(function=_start, args=[names])])


def _arguments() -> list[DeclareLaunchArgument]:
    presets = sorted(path.stem for path in (_CONFIG / "cameras").glob("*.yaml"))
    return [
        DeclareLaunchArgument(
            "camera",
            default_value="default",
            choices=presets,
            description="Camera preset with the names of the input topics: a file in "
            "config/cameras.",
        ),
        DeclareLaunchArgument(
            "color_topic",
            default_value="",
            description="Topic of color images, Image or CompressedImage; empty: the preset's "
            "(default: /camera/color/image_raw).",
        ),
        DeclareLaunchArgument(
            "depth_topic",
            default_value="",
            description="Topic of depth images; empty: the preset's (default: "
            "/camera/aligned_depth_to_color/image_raw).",
        ),
        DeclareLaunchArgument(
            "camera_info_topic",
            default_value="",
            description="Topic of color's CameraInfo; empty: the preset's (default: "
            "/camera/color/camera_info).",
        ),
        DeclareLaunchArgument(
            "depth_camera_info_topic",
            default_value="",
            description="Topic of the CameraInfo of depth that is not registered to color; "
            "empty: camera_info beside the depth topic.",
        ),
        DeclareLaunchArgument(
            "points_topic",
            default_value="",
            description="Topic of an organized PointCloud2 with color, instead of color "
            "and depth; empty: none.",
        ),
        DeclareLaunchArgument(
            "namespace",
            default_value="perception",
            description="Namespace of the nodes and of all their topics.",
        ),
        DeclareLaunchArgument(
            "params_file",
            default_value=str(_CONFIG / "perception.yaml"),
            description="Parameter file (YAML); sections of other nodes are ignored. The "
            "default file documents every parameter. Each is also an argument, which overrides "
            "the file, such as grasp.max_opening:=0.08.",
        ),
        DeclareLaunchArgument(
            "device",
            default_value="",
            choices=["", "auto", "cpu", "cuda"],
            description="Device of all networks: auto, cpu or cuda; empty: as in params_file.",
        ),
        DeclareLaunchArgument(
            "composed",
            default_value="true",
            choices=_BOOLEAN,
            description="Run all stages in one node, so that no image is sent twice; false: "
            "one node per stage.",
        ),
        DeclareLaunchArgument(
            "bag",
            default_value="",
            description="Bag to play, with its clock, once the nodes are active; empty: live "
            "camera.",
        ),
        DeclareLaunchArgument(
            "bag_rate",
            default_value="1.0",
            description="Playback speed of the bag; 1: as recorded.",
        ),
        DeclareLaunchArgument(
            "bag_loop",
            default_value="false",
            choices=_BOOLEAN,
            description="Play the bag in a loop.",
        ),
        DeclareLaunchArgument(
            "rviz",
            default_value="false",
            choices=_BOOLEAN,
            description="Start RViz with config/cvdl.rviz.",
        ),
        DeclareLaunchArgument(
            "record",
            default_value="",
            description="Folder of a bag to record the results; empty: no recording.",
        ),
        DeclareLaunchArgument(
            "log_level",
            default_value="info",
            choices=["debug", "info", "warn", "error", "fatal"],
            description="Lowest log level of the nodes.",
        ),
    ]


def _start(context: LaunchContext, names: list[str]) -> list[LaunchDescriptionEntity]:
    """Everything that the arguments of these names ask for."""

    def argument(name: str) -> str:
        value = LaunchConfiguration(name).perform(context)
        # The shell does not expand it behind :=.
        return str(Path(value).expanduser()) if value.startswith("~") else value

    defaults = _defaults()
    _refuse_unknown({*names, *defaults})
    preset = yaml.safe_load((_CONFIG / "cameras" / f"{argument('camera')}.yaml").read_text())
    inputs = {name: argument(name) or preset[name] for name in _INPUTS}
    prefix = f"/{argument('namespace').strip('/')}".rstrip("/")
    bag, record = argument("bag"), argument("record")
    for name in ("bag", "params_file"):  # else the one is played late, the other just warned of
        if argument(name) and not Path(argument(name)).exists():
            raise FileNotFoundError(f"{name}:={argument(name)}: no such file or folder")
    if record and Path(record).exists():
        raise FileExistsError(f"record:={record}: already exists")
    if argument("rviz") == "true":
        FindPackagePrefix("rviz2").perform(context)  # raises where it is not installed

    overrides: dict[str, Any] = {}
    if bag:
        overrides["use_sim_time"] = True
    if argument("device"):
        devices = (name for name in defaults if name.endswith(".device"))
        overrides |= dict.fromkeys(devices, argument("device"))
    if argument("points_topic"):
        overrides["source"] = "points"
    given = context.launch_configurations
    overrides |= {
        name: _typed(name, given[name], default)
        for name, default in defaults.items()
        if name in given and name not in names
    }
    optional = {name: argument(name) for name in _OPTIONAL_INPUTS if argument(name)}
    nodes = _COMPOSED if argument("composed") == "true" else _SEPARATE
    started: list[LaunchDescriptionEntity] = [
        Node(
            package="cvdl",
            executable=name,
            name=name,
            namespace=prefix or "/",
            parameters=[argument("params_file"), overrides],
            remappings=[
                (name.removesuffix("_topic"), topic)
                for name, topic in {**inputs, **optional}.items()
            ],
            ros_arguments=["--log-level", argument("log_level")],
            output="screen",
            on_exit=_end,
        )
        for name in nodes
    ]
    if bag:
        started += _play(argument, [f"{prefix}/{name}" for name in nodes])
    if record:
        started.append(
            ExecuteProcess(
                cmd=["ros2", "bag", "record", "--output", record]
                + ["--regex", f"^({prefix}/{_RESULTS}|/diagnostics|/tf_static)$"]
                + (["--use-sim-time"] if bag else []),
                output="screen",
                on_exit=_check,
            )
        )
    if argument("rviz") == "true":
        started.append(
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["--display-config", str(_CONFIG / "cvdl.rviz")],
                parameters=[{"use_sim_time": bool(bag)}],
                remappings=_rviz_topics(prefix, inputs),
                on_exit=_end if bag else None,  # a camera's perception goes on without it
            )
        )
    return started


def _defaults() -> dict[str, Any]:
    """The default of each parameter of the nodes, by its name."""

    def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
        for key, value in values.items():
            if isinstance(value, dict):
                yield from flat(value, f"{prefix}{key}.")
            else:
                yield prefix + key, value

    content = yaml.safe_load((_CONFIG / "perception.yaml").read_text(encoding="utf-8"))
    return dict(flat(content["/**"]["ros__parameters"]))


def _refuse_unknown(known: set[str]) -> None:
    """Raise ValueError if an argument of the command line has no meaning.

    Where another launch file includes this one, the command line has the arguments of that one.
    """
    if not any(map(_is_this_file, sys.argv, ["", *sys.argv])):
        return
    for word in sys.argv:
        name, is_argument, value = word.partition(":=")
        if is_argument and name not in known | _OF_LAUNCH:
            like = [each for each in sorted(known) if each.endswith(f".{name}")]
            like += get_close_matches(name, known, 1)
            hint = f"did you mean {like[0]}?" if like else "see --show-args and params_file"
            raise ValueError(f"{name}:={value}: there is no argument {name}; {hint}")


def _is_this_file(word: str, before: str) -> bool:
    """Whether a word of the command line, after another one, names this file."""
    file = Path(__file__)
    return Path(word).name == file.name and (
        before == "cvdl" or Path(word).resolve() == file.resolve()
    )


def _typed(name: str, text: str, default: Any) -> Any:
    """The value of a parameter as its type, which is that of its default.

    Raises:
        ValueError: if it is of another type.
    """
    if isinstance(default, str):
        return ParameterValue(text, value_type=str)
    value = yaml.safe_load(text)
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    elif isinstance(default, list) and isinstance(value, list):
        value = [float(each) for each in value]
    if type(value) is not type(default):
        raise ValueError(f"{name}:={text}: expected a value such as {json.dumps(default)}")
    return value


def _check(event: ProcessExited, context: LaunchContext) -> None:
    """Ends the launch where a part of it has failed.

    An error is what makes launch's own exit status 1, for a supervisor to see.
    """
    if event.returncode and not context.is_shutdown:
        raise RuntimeError(f"{event.process_name} has failed with status {event.returncode}")


def _end(event: ProcessExited, context: LaunchContext) -> LaunchDescriptionEntity:
    """Ends the launch with its node: else a person or a container would take it for running."""
    _check(event, context)
    return Shutdown(reason=f"{event.process_name} has ended")


def _play(argument: Callable[[str], str], nodes: list[str]) -> list[LaunchDescriptionEntity]:
    """The bag, from its first message on, once the nodes are active and are recorded."""
    is_loop = argument("bag_loop") == "true"

    def stop(event: ProcessExited, context: LaunchContext) -> LaunchDescriptionEntity | None:
        _check(event, context)
        if argument("rviz") == "true":  # somebody looks at the last frame
            return None
        return TimerAction(period=_LAST_RESULTS_S, actions=[Shutdown(reason="the bag has ended")])

    player = ExecuteProcess(
        cmd=["ros2", "bag", "play", argument("bag"), "--clock", "--rate", argument("bag_rate")]
        + ["--disable-keyboard-controls"]
        # The delay is that of each round.
        + (["--loop"] if is_loop else ["--delay", str(_DISCOVERY_S)]),
        output="screen",
        on_exit=stop,
    )
    waiter = ExecuteProcess(
        cmd=["python3", "-m", "cvdl.ros.wait_node", *nodes]
        + (["--recorded"] if argument("record") else []),
        output="screen",
    )

    def play(event: ProcessExited, _: LaunchContext) -> LaunchDescriptionEntity | None:
        return player if event.returncode == 0 else None

    return [waiter, RegisterEventHandler(OnProcessExit(target_action=waiter, on_exit=play))]


def _rviz_topics(prefix: str, inputs: dict[str, str]) -> list[tuple[str, str]]:
    """Where cvdl.rviz, which has the default names, finds what it shows."""
    return [
        ("/camera/color/image_raw", inputs["color_topic"]),
        ("/camera/aligned_depth_to_color/image_raw", inputs["depth_topic"]),
        ("/camera/color/camera_info", inputs["camera_info_topic"]),
        ("/camera/aligned_depth_to_color/camera_info", inputs["camera_info_topic"]),
        ("/perception/overlay", f"{prefix}/overlay"),
        ("/perception/markers", f"{prefix}/markers"),
        ("/perception/grasp/poses", f"{prefix}/grasp/poses"),
        ("/perception/segmentation/points", f"{prefix}/segmentation/points"),
        ("/perception/segmentation/support", f"{prefix}/segmentation/support"),
    ]
