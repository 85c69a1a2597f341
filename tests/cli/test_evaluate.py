"""``cvdl evaluate segmentation`` on two made-up scenes with a known answer."""

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from helpers.cli import error_of, run_command
from helpers.datasets import write_scenes


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A table seen from above; scene 1 with one box, scene 2 with two but only one labeled."""
    scenes = {}
    for number in (1, 2):
        depth = np.full((240, 320), 1000, np.uint16)
        depth[60:120, 60:140] = 900
        labels = np.ones_like(depth, np.uint8)
        labels[60:120, 60:140] = 20
        if number == 2:
            depth[150:200, 200:260] = 880
        scenes[f"scene{number}"] = (np.full((240, 320, 3), 90, np.uint8), depth, labels)
    camera = Camera(320, 240, 300, 300, 159.5, 119.5)
    return write_scenes(tmp_path / "data", scenes, camera)


run = partial(run_command, "evaluate", "segmentation")


def test_scores_table_json_and_sheet(data, tmp_path):
    out, sheet = tmp_path / "new" / "out.json", tmp_path / "sheet.png"
    text = run("--data", data, "--json", out, "--sheet", sheet, "--worst", 1)
    for word in ("scene1", "scene2", "mean", "pooled", "median", str(out), str(sheet)):
        assert word in text.replace("\n", "")
    content = json.loads(out.read_text())
    first, second = content["scenes"]
    assert first["name"] == "scene1"
    assert first["overlap_f"] > 0.97
    # 60x80 pixels are labeled, 50x60 more are predicted.
    assert second["overlap_precision"] == pytest.approx(4800 / 7800, abs=0.02)
    assert second["overlap_recall"] > 0.97
    assert content["mean"]["overlap_precision"] == pytest.approx(
        (first["overlap_precision"] + second["overlap_precision"]) / 2
    )
    assert content["pooled"]["detected"] == 1
    assert content["latency_ms"]["segment"]["median"] > 0
    assert content["settings"]["segmentation"]["max_range"] == 3
    # One pair of cells: only the worst frame.
    assert cv2.imread(str(sheet)).shape[1] == 2 * 484 + 4


def test_split_and_settings_are_used(data, tmp_path):
    out = tmp_path / "out.json"
    config = tmp_path / "my.yaml"
    config.write_text("segmentation: {min_height: 0.15}")
    run("--data", data, "--split", "tune", "--config", config, "--json", out)
    content = json.loads(out.read_text())
    assert [scene["name"] for scene in content["scenes"]] == ["scene2"]
    assert content["settings"]["segmentation"]["min_height"] == 0.15
    assert content["mean"]["overlap_recall"] == 0  # the boxes are lower than that
    low = ["--config", config, "--set", "segmentation.min_height=0.05", "--json", out]
    with pytest.raises(ValueError, match="already exists; use --overwrite"):
        run("--data", data, *low)
    assert json.loads(out.read_text()) == content
    run("--data", data, *low, "--overwrite")
    assert json.loads(out.read_text())["mean"]["overlap_recall"] > 0.9


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--data", "{data}", "--set", "segmentation.max_range=99"], "max_range is 99"),
        (["--data", "{data}", "--json", "{data}"], "is a folder; expected a file"),
    ],
)
def test_bad_input_is_an_error_in_one_line(args, words, data, monkeypatch):
    options = [arg.format(data=data) for arg in args]
    assert words in error_of(monkeypatch, "evaluate", "segmentation", *options)
