"""``cvdl train segmentation`` on tiny folders in the layout of OSD and on simulated scenes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.datasets.registry import DATASETS, DatasetInfo
from cvdl.datasets.simulated.scenes import SimulatedSegments
from cvdl.networks.engine import exported_file
from cvdl.networks.weights import load_weights
from cvdl.segmentation.instances.model import InstanceModel
from cvdl.simulation import SimulationConfig
from helpers.cli import error_of, run_command
from helpers.datasets import write_scenes

pytestmark = pytest.mark.usefixtures("one_thread")

VIEWS = 4
QUICK = ("--epochs", 1, "--set", "steps=1", "--set", "training.batch_size=2")


@pytest.fixture(autouse=True)
def small_views(monkeypatch):
    for module in ("training.detailed_views", "segmentation.instances.views"):
        monkeypatch.setattr(f"cvdl.{module}.VIEW", (32, 48))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Views of a box on a table."""
    scenes = {}
    for number in range(VIEWS):
        color = np.full((96, 128, 3), 90, np.uint8)
        depth = np.full((96, 128), 800, np.uint16)
        labels = np.ones((96, 128), np.uint8)
        part = slice(20 + 8 * number, 60 + 8 * number), slice(40, 80)
        color[part], depth[part], labels[part] = 240, 750, 20
        labels[:6] = 0
        scenes[f"box{number}"] = color, depth, labels
    camera = Camera(128, 96, 560.0, 560.0, 63.5, 47.5)
    return write_scenes(tmp_path_factory.mktemp("boxes"), scenes, camera)


@pytest.mark.slow
def test_one_split(data, tmp_path):
    out = tmp_path / "run"
    text = run_command("train", "segmentation", "--data", data, "--out", out, "--test", 0.5, *QUICK)
    for words in ("objects with IoU >= 0.75", "pixels of the support: IoU", "objects", "2"):
        assert words in text
    assert f"--set segmentation.weights={out}/instances.safetensors" in text.replace("\n", "")
    content = json.loads((out / "results.json").read_text())
    assert (content["images"], content["objects"], content["dataset"]) == (2, 2, "osd")
    assert 0 <= content["found"] <= 1
    assert content["classes"] == {}
    assert len(content["scenes"]) == 2 == content["views"] - 2
    assert cv2.imread(str(out / "sheet.png")).shape[1] == 4 * 484 + 4
    weights = out / "instances.safetensors"
    _, metadata = load_weights(weights, "InstanceNetwork")
    assert (metadata["train_views"], metadata["test_views"]) == ("1", "2")
    assert metadata["test/found"] == f"{content['found']:.4f}"
    assert InstanceModel.load(weights, torch.device("cpu"))
    assert exported_file(weights, "cpu", "onnxruntime") == weights.with_suffix(".onnx")
    assert (out / "training" / "curves.png").is_file()


@pytest.mark.slow
def test_on_simulated_scenes_of_any_domain(data, tmp_path, register):
    def small(seed, count):
        return SimulatedSegments(seed, count, SimulationConfig(width=96, height=72))

    for name in ("simulated", "simulated_world"):
        register(DATASETS, DatasetInfo(name, "Small.", segments=small, is_simulated=True))
    out = tmp_path / "run"
    options = ("--dataset", "simulated_world", "--scenes", 3, "--simulated", 1)
    more = ("--extra", f"osd={data}", "--test", 0.5)
    run_command("train", "segmentation", "--out", out, *options, *more, *QUICK)
    content = json.loads((out / "results.json").read_text())
    assert content["objects"] == sum(each["objects"] for each in content["classes"].values()) > 0
    _, metadata = load_weights(out / "instances.safetensors", "InstanceNetwork")
    assert metadata["train_views"] == str(1 + 1 + VIEWS)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "--data is missing; expected the folder of osd"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--data", "{data}", "--dataset", "coco"], "data set is 'coco'; accepted: osd, simulated"),
        (["--data", "{data}", "--detector", "hog"], "detector is 'hog'; accepted: instances"),
        (["--data", "{data}", "--set", "width=3"], "width"),
    ],
)
def test_bad_input_is_an_error_in_one_line(args, words, data, tmp_path, monkeypatch):
    options = ["--out", f"{tmp_path}/run", *(arg.format(data=data) for arg in args)]
    assert words in error_of(monkeypatch, "train", "segmentation", *options)
    assert not (tmp_path / "run").exists()
