"""``cvdl train classifier`` on a tiny folder in COCO's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from cvdl.cli.app import app
from cvdl.core.errors import InputError
from cvdl.detection import load_detector
from cvdl.pipeline import load_config
from helpers.datasets import write_coco

pytestmark = pytest.mark.usefixtures("one_thread")

VIEWS = 6
QUICK = ["--set", "backbone=mobilenet_v3_small", "--epochs", 1, "--set", "crops_per_view=4"]
RANDOM = ["--set", "weights=none"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Six views of a red and a blue square on gray."""
    images = {}
    for number in range(VIEWS):
        picture = np.full((96, 128, 3), 120, np.uint8)
        y = 10 + 5 * number
        for x, color in ((8, (0, 0, 255)), (72, (255, 0, 0))):
            picture[y : y + 40, x : x + 40] = color
        images[str(number)] = (picture, [(0, (8, y, 40, 40)), (1, (72, y, 40, 40))])
    return write_coco(tmp_path_factory.mktemp("scenes"), ("red", "blue"), images)


def run(*args: object) -> str:
    result = CliRunner().invoke(app, ["train", "classifier", *map(str, args)])
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.mark.slow
def test_one_split(data, tmp_path):
    out = tmp_path / "run"
    text = run("--data", data, "--out", out, "--test", 0.4, "--seed", 3, *QUICK, *RANDOM)
    assert "top-1 accuracy" in text
    content = json.loads((out / "results.json").read_text())
    assert (content["things"], content["crops"]) == (4, 8)
    assert np.sum(content["confusion"]) == 8
    assert content["settings"]["backbone"] == "mobilenet_v3_small"
    assert content["settings"]["training"]["seed"] == 3
    assert np.trace(content["confusion"]) < 8  # one epoch teaches little: the sheet shows mistakes
    for name in ("curves.png", "confusion.png", "sheet.png", "training/curves.png"):
        assert cv2.imread(str(out / name)) is not None
    detector = load_detector("rcnn", str(out / "rcnn.safetensors"), "cpu")
    assert detector.classes == ("red", "blue")


@pytest.mark.slow
def test_it_prints_the_settings_that_use_the_weights(data, tmp_path):
    out = tmp_path / "run"
    text = run("--data", data, "--out", out, "--test", 0, *QUICK, *RANDOM)
    told = text.partition("to use it: cvdl replay BAG -o OUT --set ")[2].split()
    config = load_config(None, told[::2])
    assert told[1::2] == ["--set"]
    assert config.detector.detector == "rcnn"
    assert config.detector.weights == str(out / "rcnn.safetensors")
    detector = load_detector(config.detector.detector, config.detector.weights, "cpu")
    assert detector.classes == ("red", "blue")


@pytest.mark.slow
def test_folds_and_going_on_with_a_run(data, tmp_path):
    out = tmp_path / "run"
    options = ["--data", data, "--out", out, "--folds", 2, *QUICK, *RANDOM]
    text = run(*options)
    assert "mean of folds" in text
    assert "to use it" not in text  # which of them?
    content = json.loads((out / "results.json").read_text())
    assert content["things"] == 2 * VIEWS
    assert len(content["folds"]["top1"]["folds"]) == 2
    weights = (out / "fold2" / "training" / "best.safetensors").read_bytes()
    (out / "results.json").unlink()
    run(*options, "--resume")
    assert json.loads((out / "results.json").read_text()) == content
    assert (out / "fold2" / "training" / "best.safetensors").read_bytes() == weights
    with pytest.raises(InputError, match="--resume to continue it or --overwrite"):
        run(*options)
    run(*options, "--overwrite")


@pytest.mark.slow
def test_weights_of_an_earlier_run_are_started_from(data, tmp_path):
    run("--data", data, "--out", tmp_path / "a", "--test", 0, *QUICK, *RANDOM)
    assert not (tmp_path / "a" / "results.json").exists()  # nothing was left to test on
    start = tmp_path / "a" / "rcnn.safetensors"
    options = ["--set", f"weights={start}", "--set", "frozen_stages=5", "--test", 0]
    run("--data", data, "--out", tmp_path / "b", *options, *QUICK)
    detectors: list[Any] = [
        load_detector("rcnn", str(tmp_path / name / "rcnn.safetensors"), "cpu") for name in "ab"
    ]
    before, after = (detector.network.features for detector in detectors)
    for one, other in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_bad_settings_are_reported(data, tmp_path):
    with pytest.raises(InputError, match="crop is 20: accepted: integer >= 64"):
        run("--data", data, "--out", tmp_path / "run", "--set", "crop=20")
