"""The launch file, with stand-ins for the executables that say how they were started."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from helpers.paths import ROOT

pytest.importorskip("launch_ros", reason="needs a full ROS 2 installation: launch_ros")

LAUNCH_FILE = ROOT / "launch/perception.launch.py"

# Says its arguments and the parameters it was given; ends when it is told to.
STAND_IN = """\
#!/bin/sh
echo "STARTED $(basename "$0") $@"
while [ $# -gt 0 ]; do
  if [ "$1" = --params-file ]; then sed 's/^/PARAMETER /' "$2"; fi
  shift
done
sleep {seconds}
exit {status}
"""
RUN = """\
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
source = PythonLaunchDescriptionSource(sys.argv[1])
arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
service = LaunchService(noninteractive=True)
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""


@pytest.fixture
def start(tmp_path):
    """A function: starts the launch file with arguments; what it started, by name, and all lines.

    The nodes end after some seconds, with that status, and with them the launch.
    """
    index = tmp_path / "share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    nodes = ("perception_node", "segmentation_node", "detection_node", "grasp_node")
    others = {"lib/rviz2/rviz2": (60, 0), "bin/ros2": (60, 0), "bin/python3": (0, 0)}
    for package in ("cvdl", "rviz2"):
        (index / package).touch()

    def run(
        *arguments: str,
        status: int = 0,
        others: dict[str, tuple[int, int]] = others,
        node_s: int = 1,
    ) -> tuple[dict[str, str], str]:
        executables = others | {f"lib/cvdl/{node}": (node_s, status) for node in nodes}
        for path, (seconds, ends_with) in executables.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(STAND_IN.format(seconds=seconds, status=ends_with))
            file.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(LAUNCH_FILE), *arguments],
            env={
                **os.environ,
                "AMENT_PREFIX_PATH": str(tmp_path),  # as if nothing else were installed
                "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
                "ROS_LOG_DIR": str(tmp_path / "log"),
                "OVERRIDE_LAUNCH_PROCESS_OUTPUT": "screen",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        output = f"{done.stdout}{done.stderr}the launch has ended with status {done.returncode}"
        lines = [line.partition("STARTED ")[2] for line in output.splitlines() if "STARTED" in line]
        return dict(line.split(" ", 1) for line in lines), output

    return run


def test_one_node_with_all_stages_and_the_default_inputs(start):
    started, _ = start()
    assert list(started) == ["perception_node"]
    command = started["perception_node"]
    assert f"--params-file {ROOT / 'config/perception.yaml'}" in command
    assert "-r __ns:=/perception" in command
    assert "-r color:=/camera/color/image_raw" in command
    assert "-r depth:=/camera/aligned_depth_to_color/image_raw" in command
    assert "-r camera_info:=/camera/color/camera_info" in command
    assert "--log-level info" in command


def test_a_node_a_stage_with_a_camera_and_one_topic_of_its_own(start):
    started, output = start(
        "composed:=false",
        "camera:=realsense",
        "depth_topic:=/my/depth",
        "namespace:=robot/eyes",
        "device:=cpu",
        "log_level:=debug",
    )
    assert sorted(started) == ["detection_node", "grasp_node", "segmentation_node"]
    for command in started.values():
        assert "-r __ns:=/robot/eyes" in command
        assert "-r color:=/camera/camera/color/image_raw" in command
        assert "-r depth:=/my/depth" in command
        assert "--log-level debug" in command
    for stage in ("segmentation", "detector", "grasp"):
        assert f"PARAMETER     {stage}.device: cpu" in output


def test_parameters_decide_on_the_device_unless_an_argument_does(start):
    _, output = start()
    assert output.endswith("the launch has ended with status 0")
    assert "PARAMETER     detector.device" not in output
    assert "use_sim_time" not in output


def test_every_parameter_is_an_argument(start):
    _, output = start(
        "image_transport:=compressed",
        "grasp.max_opening:=0.08",
        "grasp.only:=yes",
        "segmentation.region.image:=[0, 0.5, 0, 1]",
    )
    assert "PARAMETER     image_transport: compressed" in output
    assert "PARAMETER     grasp.max_opening: 0.08" in output
    assert "PARAMETER     grasp.only: 'yes'" in output
    assert "PARAMETER     - 0.5" in output


def test_a_node_that_fails_fails_the_launch(start):
    _, output = start(status=3)
    assert output.endswith("the launch has ended with status 1")
    assert "perception_node-1 has failed with status 3" in output
    assert "Traceback" not in output


def test_a_recorder_that_fails_fails_the_launch(start, tmp_path):
    _, output = start(f"record:={tmp_path}/out", others={"bin/ros2": (0, 2)})
    assert output.endswith("the launch has ended with status 1")
    assert "ros2-2 has failed with status 2" in output


def test_a_player_that_fails_fails_the_launch(start, tmp_path):
    (tmp_path / "bag").mkdir()
    others = {"bin/ros2": (0, 2), "bin/python3": (0, 0)}
    _, output = start(f"bag:={tmp_path}/bag", others=others)
    assert output.endswith("the launch has ended with status 1")
    assert "has failed with status 2" in output


def test_rviz_that_is_not_installed_is_reported_before_anything_starts(start, tmp_path):
    (tmp_path / "share/ament_index/resource_index/packages/rviz2").unlink()
    started, output = start("rviz:=true")
    assert not started
    assert "package 'rviz2' not found" in output


def test_rviz_and_a_recorder_see_the_namespace_and_the_inputs(start, tmp_path):
    started, _ = start(
        "rviz:=true", f"record:={tmp_path}/out", "namespace:=eyes", "camera:=azure_kinect"
    )
    assert "-r /camera/color/image_raw:=/rgb/image_raw" in started["rviz2"]
    assert "-r /perception/markers:=/eyes/markers" in started["rviz2"]
    assert started["ros2"].startswith(f"bag record --output {tmp_path}/out --regex ^(/eyes/")


def test_a_bag_is_played_with_its_clock_once_the_nodes_are_active(start, tmp_path):
    (tmp_path / "bag").mkdir()
    started, output = start(f"bag:={tmp_path}/bag", "bag_rate:=0.5", "bag_loop:=true")
    order = list(started)
    assert order.index("python3") < order.index("ros2")
    assert started["python3"] == "-m cvdl.ros.wait_node /perception/perception_node"
    assert started["ros2"] == (
        f"bag play {tmp_path}/bag --clock --rate 0.5 --disable-keyboard-controls --loop"
    )
    assert "PARAMETER     use_sim_time: true" in output


def test_the_launch_ends_when_its_bag_does(start, tmp_path):
    (tmp_path / "bag").mkdir()
    others = {"bin/ros2": (0, 0), "bin/python3": (0, 0)}
    started, output = start(f"bag:={tmp_path}/bag", others=others, node_s=60)
    assert started["ros2"] == (
        f"bag play {tmp_path}/bag --clock --rate 1.0 --disable-keyboard-controls --delay 2.0"
    )
    assert output.endswith("the launch has ended with status 0")


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("bag:=/no/such/bag", "bag:=/no/such/bag: no such file or folder"),
        (f"record:={ROOT}", f"record:={ROOT}: already exists"),
        ("params_file:=/no/such/file", "params_file:=/no/such/file: no such file or folder"),
        ("image_transprot:=compressed", "did you mean image_transport?"),
        ("camera:=polaroid", "realsense"),
        ("composed:=maybe", "false"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_before_anything_starts(
    start, argument, complaint
):
    started, output = start(argument)
    assert not started
    assert complaint in output
