"""``cvdl evaluate detector`` with a detector whose answers are known."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.registry import Model
from cvdl.detection import DETECTORS
from cvdl.detection.detections import Detections
from helpers.cli import error_of, run_command
from helpers.datasets import write_coco, write_scenes

BOXES = {"a": [10, 10, 30, 40], "b": [50, 20, 40, 40]}  # x, y, width, height


class Known:
    """Finds the light things where they are; knows the wrong name for every second one."""

    classes = ("Tin_Can", "mug")

    def __init__(self) -> None:
        self.given: list = []
        self.asked: list = []

    def load(self, weights, device):
        self.asked.append((weights, str(device)))
        return self

    def __call__(self, frames, proposals=None):
        self.given.append(proposals)
        found = []
        for frame in frames:
            x, y, width, height = cv2.boundingRect((frame.color[..., 0] > 128).view(np.uint8))
            label = int(x > 30)
            box = np.array([[x, y, x + width, y + height]], float)
            found.append(Detections(box, np.array([label]), np.array([0.9])))
        return found


@pytest.fixture
def detector(register) -> Known:
    known = Known()
    for name in ("rgbd_rcnn", "rcnn"):
        register(DETECTORS, Model(name, "Known.", known.load, weights=Path("packaged")))
    return known


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two views in COCO's format, a can in each."""
    return write(tmp_path / "data", ["tin can", "bowl"])


def write(folder: Path, names: list[str]) -> Path:
    images = {}
    for name, (x, y, width, height) in BOXES.items():
        color = np.zeros((80, 100, 3), np.uint8)
        color[y : y + height, x : x + width] = 200
        images[name] = (color, [(0, BOXES[name])])
    return write_coco(folder, names, images)


run = partial(run_command, "evaluate", "detector")


def test_table_json_and_pictures(data, detector, tmp_path):
    paths = {"json": "o.json", "sheet": "s.png", "curves": "c.png", "confusion": "m.png"}
    outputs = [
        part for key, name in paths.items() for part in (f"--{key}", tmp_path / "new" / name)
    ]
    text = run("--data", data, *outputs)
    assert detector.asked == [("packaged", "cpu")]
    for words in ("AP50:95", "0.505", "detect: median, p95", "o.json", "s.png", "m.png"):
        assert words in text.replace("\n", "")
    assert "unknown to rgbd_rcnn: bowl" in text
    content = json.loads((tmp_path / "new/o.json").read_text())
    # The first is right, the second not: recall 1/2 with full precision, 51 of 101 recalls.
    assert content["ap50"] == pytest.approx(51 / 101)
    assert (content["images"], content["boxes"], content["not_scored"]) == (2, 2, ["bowl"])
    assert content["latency_ms"]["detect"]["median"] > 0
    assert list(content["classes"]) == ["tin can"]
    for name in ("s.png", "c.png", "m.png"):
        assert cv2.imread(str(tmp_path / "new" / name)) is not None
    with pytest.raises(ValueError, match=r"o\.json already exists; use --overwrite"):
        run("--data", data, *outputs)
    run("--data", data, *outputs, "--overwrite")


def test_class_agnostic(data, detector, tmp_path):
    run("--data", data, "--class-agnostic", "--json", tmp_path / "o.json")
    content = json.loads((tmp_path / "o.json").read_text())
    assert (content["ap50"], content["f1"]) == (1, 1)
    assert content["confusion"] == [[2, 0], [0, 0]]


def test_proposals_are_given_and_timed(data, detector, tmp_path, monkeypatch):
    boxes = np.array([[1.0, 2, 3, 4]])
    monkeypatch.setattr("cvdl.detection.proposals.TabletopProposals", lambda: lambda frame: boxes)
    run("--data", data, "--proposals", "segments", "--json", tmp_path / "o.json")
    assert all(given[0] is boxes for given in detector.given)
    assert len(detector.given) == 3  # the first view twice, to warm up
    content = json.loads((tmp_path / "o.json").read_text())
    assert set(content["latency_ms"]) == {"propose", "detect"}


def test_other_layouts(detector, tmp_path):
    color = np.zeros((80, 100, 3), np.uint8)
    color[20:60, 50:90] = 200
    labels = np.where(color[..., 0] > 0, 20, 1).astype(np.uint8)
    scene = color, np.full((80, 100), 900, np.uint16), labels
    write_scenes(tmp_path / "osd", {"scene1": scene}, Camera(100, 80, 90, 90, 49.5, 39.5))
    args = ["--data", tmp_path / "osd", "--dataset", "osd", "--json", tmp_path / "o.json"]
    with pytest.raises(
        ValueError, match=r"it finds Tin_Can, mug; the data set has object\. .*agnostic"
    ):
        run(*args)
    run(*args, "--class-agnostic")
    assert json.loads((tmp_path / "o.json").read_text())["ap50"] == 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--dataset", "coco"], "--data is missing; expected the folder of coco"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--data", "{data}", "--dataset", "simulated"], "are generated: give"),
        (["--data", "{data}", "--detector", "magic"], "detector is 'magic'; accepted: rgbd_rcnn"),
        (["--data", "{data}", "--weights", "none.safetensors"], "none.safetensors: no such file"),
    ],
)
def test_bad_input_is_an_error_in_one_line(args, words, data, monkeypatch):
    options = [arg.format(data=data) for arg in args]
    assert words in error_of(monkeypatch, "evaluate", "detector", *options)


def test_nothing_labeled(detector, data):
    content = json.loads((data / "annotations.json").read_text())
    (data / "annotations.json").write_text(json.dumps(content | {"annotations": []}))
    with pytest.raises(ValueError, match="no view has a box to compare with"):
        run("--data", data)
