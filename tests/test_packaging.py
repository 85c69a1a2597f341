"""Contents of the wheel and of the ROS package."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from helpers.paths import ROOT


@pytest.fixture
def tracked():
    """The files under version control."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("needs a git checkout")
    return [Path(line) for line in listed.stdout.splitlines()]


def test_the_package_contains_all_its_data(metadata, tracked):
    inside = [path for path in tracked if path.is_relative_to("src/cvdl")]
    data = {path for path in inside if path.suffix != ".py"}
    package = ROOT / "src" / "cvdl"
    packed = {
        path.relative_to(ROOT)
        for pattern in metadata["package_data"]["cvdl"]
        for path in package.glob(pattern)
    }
    assert data == packed & data
    assert len(data) > 5


def test_every_folder_of_modules_is_a_package(metadata, tracked):
    folders = {path.parent for path in tracked if path.suffix == ".py"}
    wanted = {
        ".".join(folder.relative_to("src").parts)
        for folder in folders
        if folder.is_relative_to("src")
    }
    assert wanted == set(metadata["packages"])


def test_all_launch_and_configuration_files_are_installed_for_ros(metadata, tracked):
    shared = {path for path in tracked if path.parts[0] in ("launch", "config")}
    installed = {Path(file) for _, files in metadata["data_files"] for file in files}
    assert shared
    assert shared <= installed


def test_both_package_files_have_the_same_version(metadata):
    found = re.search(r"<version>(.*)</version>", (ROOT / "package.xml").read_text())
    assert found
    assert found[1] == metadata["version"]
