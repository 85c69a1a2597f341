"""``cvdl simulate --format grasps`` and ``cvdl train holding``."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.scene import Plane
from cvdl.datasets.executed import ExecutedScenes
from cvdl.grasping.hands import Hands, SceneCloud
from cvdl.grasping.holding.executed import HELD, ExecutedHands, GripperSizes, write_executed
from cvdl.grasping.holding.predictor import HoldingPredictor
from helpers.cli import error_of, run_command

pytestmark = pytest.mark.usefixtures("one_thread")

run = partial(run_command, "train", "holding")


def write_scenes(folder, count):
    """Scenes of random points, with twenty hands each."""
    rng = np.random.default_rng(0)
    for index in range(count):
        points = rng.uniform([-0.03, -0.03, 0.58], [0.03, 0.03, 0.62], (300, 3))
        label = np.full(300, 2)
        plane = Plane(np.array([0.0, 0.0, -1.0]), 0.62)
        depth, camera = np.full((2, 2), 0.62, np.float32), Camera(2, 2, 2.0, 2.0, 0.5, 0.5)
        seen = rng.random(300) < 0.5
        cloud = SceneCloud(points.astype(np.float32), label, seen, plane, depth, camera)
        position = rng.uniform([-0.03, -0.03, 0.58], [0.03, 0.03, 0.62], (20, 3))
        rotation = np.tile(np.eye(3), (20, 1, 1))
        hands = Hands(position, rotation, np.full(20, 0.06), np.full(20, 2))
        result = np.where(np.abs(position[:, 0]) < 0.015, HELD, "slipped")
        moved = np.zeros(20, bool)
        sizes = GripperSizes(0.1, 0.01, 0.02, 0.05)
        picture = ExecutedHands(cloud, hands, sizes, result, np.full(20, "box"), moved)
        write_executed(folder / f"scene{index:06d}.npz", [picture])


@pytest.mark.slow
def test_training_writes_what_the_predictor_runs(tmp_path):
    write_scenes(tmp_path / "executed" / "table", 6)
    out = tmp_path / "run"
    data = ("--data", tmp_path / "executed", "--out", out)
    text = run(*data, "--test", 0.34, "--epochs", 2, "--set", "training.batch_size=16")
    for words in ("area under ROC", "Brier score", "objects whose likeliest grasp holds"):
        assert words in text
    content = json.loads((out / "results.json").read_text())
    assert (content["grasps"], content["objects"]) == (40, 2)
    assert sum(row["count"] for row in content["reliability"]["bins"]) == 40
    assert (out / "curves.png").is_file()
    HoldingPredictor.load(out / "holding.onnx")


def test_a_folder_without_executed_grasps_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    said = error_of(monkeypatch, "train", "holding", "--data", tmp_path / "data", "--out", tmp_path)
    assert "no scene with executed grasps" in said


def test_scenes_are_found_in_folders_of_folders(tmp_path):
    write_scenes(tmp_path / "one", 2)
    write_scenes(tmp_path / "other", 1)
    data = ExecutedScenes(tmp_path)
    assert data.names == ["one/scene000000", "one/scene000001", "other/scene000000"]
    assert len(data[2][0].hands) == 20


def test_simulate_executes_grasps(tmp_path, monkeypatch):
    labeling = pytest.importorskip(
        "cvdl.evaluation.physics.labeling", reason="needs pip install 'cvdl[physics]'"
    )
    asked = []

    def label_scenes(settings, folder, count):
        asked.append((settings.seed, settings.simulation.domain, folder, count))
        return iter([(10, 4), (5, 2)])

    monkeypatch.setattr(labeling, "label_scenes", label_scenes)
    command = ("simulate", tmp_path, "--format", "grasps", "--scenes", 2, "--domain", "world")
    text = run_command(*command, "--seed", 3)
    assert "2 scenes, 15 grasps, 6 that hold" in text
    assert asked == [(3, "world", tmp_path, 2)]
    assert "--overwrite" in error_of(monkeypatch, *command, "--overwrite")
