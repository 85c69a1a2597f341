"""Another package brings its own detector and data set, and finds them everywhere."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PLUGIN = '''
"""A detector that finds one box in every frame, and views of that box."""

import numpy as np

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.registry import Model
from cvdl.core.settings import Settings
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.registry import DatasetInfo
from cvdl.datasets.dataset import Dataset
from cvdl.detection import Detections
from cvdl.training.trainer import Trainer

BOX = np.array([[4.0, 4.0, 20.0, 20.0]])


class Plain(Settings):
    seed: int = 0


class Mine:
    classes = ("thing",)

    def __call__(self, frames, proposals=None):
        return [Detections(BOX, np.zeros(1, np.int64), np.ones(1)) for _ in frames]

    def save(self, path, metadata):
        path.write_text("mine")


class Views(Dataset[DetectionSample]):
    classes = ("thing",)

    def __init__(self, path):
        self.names = [f"view{number}" for number in range(4)]

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        frame = RgbdFrame(
            np.zeros((48, 64, 3), np.uint8),
            np.full((48, 64), 0.7, np.float32),
            Camera(64, 48, 60.0, 60.0, 31.5, 23.5),
        )
        no = np.zeros(1, bool)
        return DetectionSample(self.names[index], frame, BOX, np.zeros(1, np.int64), no)


MODEL = Model(
    "my_detector",
    "A detector of another package.",
    loader=lambda weights, device: Mine(),
    trainer=lambda: Trainer(Plain, lambda *_: Mine()),
    weights=__import__("pathlib").Path(__file__),
)
DATASET = DatasetInfo("my_views", "Views of another package.", boxes=Views)
'''


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder for PYTHONPATH with a package and its entry points, as pip installs them."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "my_package.py").write_text(PLUGIN)
    info = folder / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        textwrap.dedent(
            """
            [cvdl.detectors]
            my_detector = my_package:MODEL
            [cvdl.datasets]
            my_views = my_package:DATASET
            """
        )
    )
    return folder


def run(installed: Path, *args: object, program: tuple[str, ...] = ("-m", "cvdl.cli")) -> str:
    done = subprocess.run(
        [sys.executable, *program, *map(str, args)],
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin", "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("command", [("train",), ("evaluate", "detector")])
@pytest.mark.slow
def test_the_help_lists_them(installed, command):
    text = run(installed, *command, "--help")
    assert "my_detector" in text
    assert "my_views" in text


@pytest.mark.slow
def test_it_is_trained_and_tested(installed, tmp_path):
    out = tmp_path / "run"
    options = ("--detector", "my_detector", "--dataset", "my_views", "--data", tmp_path)
    text = run(installed, "train", "detector", *options, "--out", out, "--test", 0.5)
    assert "detector.detector=my_detector" in text
    assert (out / "my_detector.safetensors").read_text() == "mine"
    text = run(installed, "evaluate", "detector", *options)
    assert "1.000" in text


@pytest.mark.slow
def test_it_runs_in_a_replay(installed, tmp_path):
    run(installed, "simulate", tmp_path / "bag", "--scenes", 1, "--seed", 3)
    options = ("--set", "detector.detector=my_detector", "--set", "grasp.enable=false")
    text = run(installed, "replay", tmp_path / "bag", "-o", tmp_path / "out", *options)
    assert "1 frame" in text


@pytest.mark.slow
def test_the_nodes_parameter_names_it(installed):
    program = (
        "from cvdl.ros.parameters import PerceptionNodeConfig, parameters_of\n"
        "specs = {spec.name: spec for spec in parameters_of(PerceptionNodeConfig)}\n"
        "print(specs['detector.detector'].description)"
    )
    assert "my_detector" in run(installed, program=("-c", program))
