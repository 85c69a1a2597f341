"""Starts the perception: on a camera, on a bag, with RViz, with a recorder of the results.

Arguments: ``ros2 launch cvdl perception.launch.py --show-args``. Nothing of cvdl is imported
here: its libraries may be in a virtual environment that ``ros2 launch`` itself does not use.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackagePrefix

# launch/ and config/ stand side by side, in the installed package as in its source.
_CONFIG = Path(__file__).resolve().parents[1] / "config"

_INPUTS = ("color_topic", "depth_topic", "camera_info_topic")
_OPTIONAL_INPUTS = ("depth_camera_info_topic", "points_topic")
_COMPOSED = ("perception_node",)
_SEPARATE = ("segmentation_node", "detection_node", "grasp_node")
_RESULTS = r"((segmentation|detection|grasp)/\w+|markers|overlay)"  # below the namespace
_BOOLEAN = ["true", "false"]


def generate_launch_description() -> LaunchDescription:
    """The arguments, and what is started from them."""
    presets = sorted(path.stem for path in (_CONFIG / "cameras").glob("*.yaml"))
    return LaunchDescription(
        [
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
                "default file documents every parameter.",
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
            OpaqueFunction(function=_start),
        ]
    )


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Everything that the arguments ask for."""

    def argument(name: str) -> str:
        value = LaunchConfiguration(name).perform(context)
        # The shell does not expand it behind :=.
        return str(Path(value).expanduser()) if value.startswith("~") else value

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

    overrides: dict[str, str | bool] = {}
    if bag:
        overrides["use_sim_time"] = True
    if argument("device"):
        overrides |= {"detector.device": argument("device"), "grasp.device": argument("device")}
    if argument("points_topic"):
        overrides["source"] = "points"
    optional = {name: argument(name) for name in _OPTIONAL_INPUTS if argument(name)}
    names = _COMPOSED if argument("composed") == "true" else _SEPARATE
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
        for name in names
    ]
    if bag:
        started += _play(argument, [f"{prefix}/{name}" for name in names])
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
            )
        )
    return started


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
    """The bag, from its first message on, once the nodes are active."""
    player = ExecuteProcess(
        cmd=["ros2", "bag", "play", argument("bag"), "--clock", "--rate", argument("bag_rate")]
        + ["--disable-keyboard-controls"]
        + (["--loop"] if argument("bag_loop") == "true" else []),
        output="screen",
        on_exit=_check,
    )
    waiter = ExecuteProcess(cmd=["python3", "-m", "cvdl.ros.wait_node", *nodes], output="screen")

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
    ]
