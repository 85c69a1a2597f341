"""``cvdl evaluate semantic`` on views whose masks are known, by a network that sees cans alone."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cvdl.core.errors import InputError
from cvdl.detection.models.segnet.detector import SegNetDetector
from helpers.cli import run_command
from helpers.datasets import write_coco

CLASSES = ("can", "mug")
BOXES = {"a": [10, 10, 30, 40], "b": [50, 20, 40, 40]}  # x, y, width, height


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """In COCO's format, a can that fills its box in each view."""
    images = {}
    for name, (x, y, width, height) in BOXES.items():
        color = np.zeros((80, 100, 3), np.uint8)
        color[y : y + height, x : x + width] = 200
        images[name] = (color, [(0, BOXES[name])])
    return write_coco(tmp_path / "data", CLASSES, images, with_masks=True)


def weights(path: Path, classes: tuple[str, ...]) -> Path:
    """Of a network that takes every pixel for the first class."""
    torch.manual_seed(0)
    detector = SegNetDetector(classes)
    torch.nn.init.zeros_(detector.network.classifier.weight)
    torch.nn.init.zeros_(detector.network.classifier.bias)
    with torch.no_grad():
        detector.network.classifier.bias[0] = 9
    detector.save(path, {})
    return path


run = partial(run_command, "evaluate", "semantic")


@pytest.mark.slow
def test_table_json_and_picture(data, tmp_path):
    file, sheet = tmp_path / "new" / "o.json", tmp_path / "new" / "s.png"
    known = weights(tmp_path / "w.safetensors", CLASSES)
    told = run("--data", data, "--weights", known, "--json", file, "--sheet", sheet)
    content = json.loads(file.read_text())
    cans = 30 * 40 + 40 * 40
    iou = cans / (2 * 80 * 100)
    assert content["classes"]["can"]["pixels"] == cans
    assert content["classes"]["can"]["iou"] == pytest.approx(iou)
    assert content["classes"]["mug"]["iou"] is None
    assert content["mean_iou"] == pytest.approx(iou / 2)  # nothing is never told
    assert f"{iou / 2:.3f}" in told
    assert "IoU of no class" in told
    assert cv2.imread(str(sheet)).shape[1] > 900
    with pytest.raises(InputError, match="exists"):
        run("--data", data, "--weights", known, "--json", file)


@pytest.mark.slow
def test_classes_are_matched_by_name(data, tmp_path):
    """This network takes every pixel for its first class."""
    file = tmp_path / "o.json"
    others = weights(tmp_path / "w.safetensors", ("bowl", "Mug", "can"))
    run("--data", data, "--weights", others, "--json", file)
    content = json.loads(file.read_text())
    assert content["no_class"]["accuracy"] == 1
    assert content["classes"]["mug"]["iou"] is None
    first = weights(tmp_path / "first.safetensors", ("Can", "bowl", "mug"))
    run("--data", data, "--weights", first, "--json", file, "--overwrite")
    assert json.loads(file.read_text())["classes"]["can"]["accuracy"] == 1


def test_classes_that_the_weights_do_not_know_are_reported(data, tmp_path):
    other = weights(tmp_path / "w.safetensors", ("can", "bowl"))
    with pytest.raises(InputError, match="do not know mug; they know can, bowl"):
        run("--data", data, "--weights", other)


def test_nothing_labeled_is_reported(data, tmp_path):
    file = data / "annotations.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "annotations": []}))
    known = weights(tmp_path / "w.safetensors", CLASSES)
    with pytest.raises(InputError, match="no view has a labeled pixel"):
        run("--data", data, "--weights", known, "--sheet", tmp_path / "s.png")


def test_boxes_without_masks_are_reported(data, tmp_path):
    file = data / "annotations.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        del annotation["segmentation"]
    file.write_text(json.dumps(content))
    known = weights(tmp_path / "w.safetensors", CLASSES)
    with pytest.raises(InputError, match="a has boxes without masks"):
        run("--data", data, "--weights", known)
