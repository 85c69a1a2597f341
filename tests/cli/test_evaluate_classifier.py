"""``cvdl evaluate classifier`` with a network that names colors."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cvdl.core.errors import InputError
from cvdl.detection.models.rcnn.detector import Rcnn, rcnn_network
from helpers.cli import error_of, run_command
from helpers.datasets import write_coco

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

run = partial(run_command, "evaluate", "classifier")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A network whose classes are those of the means of red, green and blue; gray is nothing."""
    network = rcnn_network("mobilenet_v3_small", 3)
    detector = Rcnn(network, ("Red_Thing", "green", "blue"), 64)
    path = tmp_path_factory.mktemp("weights") / "rcnn.safetensors"
    detector.save(path, {})
    return path


@pytest.fixture
def colors(monkeypatch):
    """Makes every network of a classifier answer with the mean colors of its crops."""

    def forward(self, image):
        mean = image.mean(dim=(2, 3))
        return torch.cat([20 * mean, torch.full((len(mean), 1), 9.0), torch.zeros(len(mean), 4)], 1)

    monkeypatch.setattr("cvdl.networks.classifiers.Classifier.forward", forward)


@pytest.fixture
def data(tmp_path) -> Path:
    """Two views of a red thing, of one that is called red and is blue, and of a fork."""
    images = {}
    for number in range(2):
        picture = np.full((96, 160, 3), 90, np.uint8)
        for x, color in ((8, (0, 0, 255)), (58, (255, 0, 0)), (108, (0, 255, 0))):
            picture[20:60, x : x + 40] = color
        boxes = [(0, (8, 20, 40, 40)), (0, (58, 20, 40, 40)), (1, (108, 20, 40, 40))]
        images[str(number)] = (picture, boxes)
    return write_coco(tmp_path / "data", ("red thing", "fork"), images)


def test_figures_and_pictures(data, weights, colors, tmp_path):
    paths = {"json": "o.json", "sheet": "s.png", "curves": "c.png", "confusion": "m.png"}
    outputs = [part for key, name in paths.items() for part in (f"--{key}", tmp_path / name)]
    text = run("--data", data, "--weights", weights, *outputs)
    for words in ("top-1 accuracy", "0.500", "top-5 accuracy", "1.000", "m.png"):
        assert words in text
    content = json.loads((tmp_path / "o.json").read_text())
    assert content["things"] == 4  # the forks are unknown
    assert (content["top1"], content["top5"]) == (0.5, 1)
    assert content["confusion"][0] == [2, 0, 2, 0]
    assert content["classes"]["Red_Thing"]["count"] == 4
    for name in ("s.png", "c.png", "m.png"):
        assert cv2.imread(str(tmp_path / name)) is not None


def test_what_cannot_be_scored_is_an_error(data, weights, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such file"):
        run("--data", data, "--weights", tmp_path / "none.safetensors")
    other = write_coco(tmp_path / "other", ("fork",), {"a": (np.zeros((64, 64, 3), np.uint8), [])})
    line = ("evaluate", "classifier", "--data", other, "--weights", weights)
    assert "no class in common" in error_of(monkeypatch, *line)
