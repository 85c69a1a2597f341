"""``cvdl export``."""

from functools import partial

import pytest
import torch

from cvdl.datasets import ImageFolder
from cvdl.detection import load_detector
from cvdl.exporting import calibration
from cvdl.networks.weights import save_weights
from helpers.cli import error_of, run_command

run = partial(run_command, "export")


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images"
    run_command("simulate", path, "--scenes", 1, "--format", "images")
    return path


def test_a_packaged_network_is_written_and_loaded_back(tmp_path, monkeypatch):
    out = tmp_path / "net.onnx"
    text = run("rgbd_rcnn", "-o", out)
    assert "largest difference from PyTorch" in text
    assert text.count(".onnx: ") == 3
    assert len(load_detector("rgbd_rcnn", out).classes) == 23
    assert "--overwrite" in error_of(monkeypatch, "export", "rgbd_rcnn", "-o", out)


@pytest.mark.slow
def test_it_is_quantized_by_simulated_scenes_and_by_a_folder(tmp_path, images, monkeypatch):
    monkeypatch.setattr(calibration, "_SCENES", 1)
    text = run("cascade", "-o", tmp_path / "net.onnx", "--int8", "--calibrate", images)
    assert "net.dense.onnx: 0.9 MB" in text
    assert len(list(calibration.calibration_frames(images))) == 2 + len(ImageFolder(images))


def test_bad_arguments_name_the_accepted_ones(tmp_path, monkeypatch):
    error, out = partial(error_of, monkeypatch, "export"), tmp_path / "net.onnx"
    accepted = "rgbd_rcnn, yolo, instances, cascade"
    assert f"accepted: {accepted}" in error("segnet", "-o", out)
    other = tmp_path / "other.safetensors"
    save_weights(other, {"x": torch.zeros(1)}, {"model": "SegNetDetector"})
    assert f"holds weights of SegNetDetector; networks that can be exported: {accepted}" in error(
        other, "-o", out
    )
    assert "no such file" in error(tmp_path / "none.safetensors", "-o", out)
    other.write_bytes(b"no weights")
    assert "damaged" in error(other, "-o", out)
    assert "ends in .onnx" in error("cascade", "-o", tmp_path / "net.pt")
    assert "--calibrate is for --int8" in error("cascade", "-o", out, "--calibrate", tmp_path)
