"""What the set-up script does on systems that this one is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts/system-libraries.sh"
ALL = "libusb-1.0.so.0 libGL.so.1 libEGL.so.1 libgomp.so.1 libX11.so.6"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the script is for Linux")


@pytest.fixture
def run(tmp_path):
    """Runs the script where only stand-ins of the system's commands are in reach."""

    def run(libraries=ALL, user=1000, apt=True, venv=True, needs=("open3d",)):
        commands = {
            "ldconfig": f'for name in {libraries or "-"}; do echo "  $name (libc6) => x"; done',
            "id": f"echo {user}",
            "uname": "echo Linux",
            "python": 'case "$2" in *ensurepip*) exit 1;; *) echo python3.10-venv;; esac',
        }
        if venv:
            commands["python"] = "exit 0"
        if apt:
            commands["apt-get"] = 'echo "apt-get $*" >>"$(dirname "$0")/log"'
        for name, body in commands.items():
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(0o755)
        for name in ("grep", "dirname"):
            (tmp_path / name).symlink_to(f"/usr/bin/{name}")
        result = subprocess.run(
            ["/bin/sh", SCRIPT, "python", *needs],
            env=os.environ | {"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        log = tmp_path / "log"
        return result, log.read_text() if log.exists() else ""

    return run


def test_nothing_is_installed_if_nothing_is_missing(run):
    result, log = run()
    assert (result.returncode, result.stdout, result.stderr, log) == (0, "", "", "")


def test_root_on_debian_installs_missing_libraries(run):
    result, log = run(libraries="libGL.so.1 libgomp.so.1 libX11.so.6 libEGL.so.10", user=0)
    assert result.returncode == 0
    assert "libusb-1.0-0 libegl1" in result.stdout
    assert log.splitlines()[0].startswith("apt-get update")
    assert log.splitlines()[1].endswith(" libusb-1.0-0 libegl1")


def test_other_users_get_the_command_to_run(run):
    result, log = run(libraries="", user=1000)
    assert result.returncode == 1
    wanted = "sudo apt-get install libusb-1.0-0 libgl1 libegl1 libgomp1 libx11-6"
    assert wanted in result.stderr
    assert log == ""


def test_other_systems_get_the_list_of_libraries(run):
    result, _ = run(libraries="libGL.so.1", user=0, apt=False)
    assert result.returncode == 1
    assert "libusb-1.0.so.0 libEGL.so.1 libgomp.so.1 libX11.so.6" in result.stderr


def test_without_open3d_no_library_is_needed(run):
    result, log = run(libraries="", needs=())
    assert (result.returncode, result.stdout, result.stderr, log) == (0, "", "", "")


def test_a_python_without_venv_is_missing_a_package(run):
    result, _ = run(venv=False)
    assert result.returncode == 1
    assert "sudo apt-get install python3.10-venv" in result.stderr
