"""What all settings have in common."""

from pathlib import Path

import pytest

from cvdl.detection.models.onnx.declaration import OnnxLayout
from cvdl.detection.models.rgbd_rcnn.training import RgbdTraining
from cvdl.pipeline import load_config


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_paths_may_begin_with_the_home_folder(home):
    file = home / "settings.yaml"
    file.write_text("detector: {weights: ~/a.safetensors}")
    config = load_config(Path("~/settings.yaml"), ["grasp.weights=~/b.safetensors"])
    assert config.detector.weights == str(home / "a.safetensors")
    assert config.grasp.weights == str(home / "b.safetensors")
    file.write_text("/**: {ros__parameters: {detector.weights: ~/a.safetensors}}")
    assert load_config(file).detector.weights == str(home / "a.safetensors")
    assert RgbdTraining(start="~/c.safetensors").start == home / "c.safetensors"
    layout = OnnxLayout(layout="yolov8", classes="~/names", model="~/model.onnx")
    assert (layout.classes, layout.model) == (home / "names", home / "model.onnx")
    assert OnnxLayout(layout="yolov8", classes=["~"]).classes == ["~"]


def test_other_paths_stay(home):
    config = load_config(None, ["detector.weights=COCO_V1", "grasp.weights=a/~b"])
    assert (config.detector.weights, config.grasp.weights) == ("COCO_V1", "a/~b")
