"""The scripts for ROS and Docker, with stand-ins for the programs that they call."""

import os
import subprocess
from pathlib import Path

import pytest

from helpers.paths import ROOT

SETUP = 'echo "$_NOBODY_SET_THIS" >/dev/null\n'  # ROS's setup files use unset variables, too

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the scripts are for bash")


@pytest.fixture
def write(tmp_path):
    """A function that writes an executable file in the folder used as /opt."""

    def write(name: str, content: str) -> Path:
        path = tmp_path / "opt" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def run(tmp_path, write):
    """A function that runs a script with this /opt and with the stand-ins first on the path."""

    def run(script: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess:
        text = (ROOT / script).read_text().replace("/opt/", f"{tmp_path}/opt/")
        return subprocess.run(
            [write("script.sh", text), *map(str, arguments)],
            env={"LC_ALL": "C", "PATH": f"{tmp_path}/opt/bin:{os.environ['PATH']}", **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


# scripts/with-ros.sh


@pytest.fixture
def python(write):
    """A Python that fits only the ROS "new" and prints its environment."""
    return write(
        "venv/python",
        """#!/bin/sh
if [ "$1" = -c ]; then
  test "${AMENT_PREFIX_PATH:-}" = new && test "$_ROS_WHEELS_BOOTSTRAP_COMPLETE" = 1; exit
fi
echo "${AMENT_PREFIX_PATH:-no ROS}, wheels held back: ${_ROS_WHEELS_BOOTSTRAP_COMPLETE:-no}"
printf '<%s>' "$@"
exit 3
""",
    )


def install_ros(write, *names):
    for name in names:
        write(f"ros/{name}/setup.bash", f"{SETUP}export AMENT_PREFIX_PATH={name}\n")


@pytest.mark.parametrize(
    ("installed", "variables", "found"),
    [
        ((), {}, "no ROS, wheels held back: no"),
        (("elder", "old"), {}, "no ROS, wheels held back: no"),
        (("elder", "new", "young"), {}, "new, wheels held back: 1"),
        (("new",), {"AMENT_PREFIX_PATH": "sourced"}, "sourced, wheels held back: 1"),
    ],
    ids=["none", "none that fits", "one that fits", "one sourced before"],
)
def test_a_command_runs_with_the_ros_that_fits_its_python(
    run, write, python, installed, variables, found
):
    install_ros(write, *installed)
    done = run("scripts/with-ros.sh", python, "-m", "two words", "", **variables)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout == f"{found}\n<-m><two words><>"


# docker/entrypoint.sh


@pytest.fixture
def image(write):
    """The parts of the image; each prints its name when it is sourced."""
    parts = "ros/jazzy/setup.bash", "cvdl/install/setup.bash", "cvdl/venv/bin/activate"
    return [write(name, f"{SETUP}echo {name}\n") for name in parts]


def test_a_container_sources_ros_before_its_own_and_runs_the_command(run, image):
    done = run("docker/entrypoint.sh", "sh", "-c", "echo $0; exit 3", "a b", ROS_DISTRO="jazzy")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.splitlines() == [
        "ros/jazzy/setup.bash",
        "cvdl/install/setup.bash",
        "cvdl/venv/bin/activate",
        "a b",
    ]


@pytest.mark.parametrize("number", range(3))
def test_a_container_with_a_missing_part_names_it_and_runs_nothing(run, image, number):
    image[number].unlink()
    done = run("docker/entrypoint.sh", "echo", "started", ROS_DISTRO="jazzy")
    assert done.returncode != 0
    assert f"{image[number]}: No such file" in done.stderr
    assert "started" not in done.stdout


# docker/healthcheck.sh


@pytest.mark.parametrize(
    ("variables", "nodes"),
    [
        ({}, "/perception/perception_node"),
        ({"CVDL_NODES": "/eye/one  /eye/two"}, "/eye/one|/eye/two"),
    ],
)
@pytest.mark.parametrize("status", [0, 1])
def test_a_container_is_healthy_if_its_nodes_are(run, write, variables, nodes, status):
    write("bin/python3", f'#!/bin/sh\nIFS="|"; echo "$*"; exit {status}\n')
    done = run("docker/healthcheck.sh", **variables)
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout == f"-m|cvdl.ros.wait_node|{nodes}|--timeout|8\n"
