"""What a wheel and a ROS package hold."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest
import setuptools

from helpers.paths import ROOT


@pytest.fixture
def metadata(monkeypatch):
    """What setup.py tells setuptools."""
    told = {}
    monkeypatch.setattr(setuptools, "setup", told.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return told


@pytest.fixture
def tracked():
    """The files of the checkout."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("needs a git checkout")
    return [Path(line) for line in listed.stdout.splitlines()]


def test_the_package_holds_all_its_data(metadata, tracked):
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


def test_ros_gets_all_launch_and_configuration_files(metadata, tracked):
    shared = {path for path in tracked if path.parts[0] in ("launch", "config")}
    installed = {Path(file) for _, files in metadata["data_files"] for file in files}
    assert shared
    assert shared <= installed


def test_both_package_files_name_one_version(metadata):
    found = re.search(r"<version>(.*)</version>", (ROOT / "package.xml").read_text())
    assert found
    assert found[1] == metadata["version"]
