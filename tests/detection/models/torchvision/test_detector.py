"""Torchvision's detectors by name: their weights, their sizes, their labels."""

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models import get_model_builder, get_model_weights

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection import load_detector
from cvdl.detection.models.torchvision.detector import TorchvisionDetector
from cvdl.networks.weights import load_weights, save_weights

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.25]
SMALL = "ssdlite320_mobilenet_v3_large"


def frame_of(width, height, seed=0):
    color = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    camera = Camera(width, height, 500.0, 500.0, width / 2, height / 2)
    return RgbdFrame(color, np.full((height, width), np.nan, np.float32), camera)


def new(name, classes=("cup", "fork"), size=None):
    torch.manual_seed(0)
    return TorchvisionDetector.new(name, classes, MEAN, STD, size).eval()


@pytest.mark.parametrize(
    "name", [SMALL, "fasterrcnn_mobilenet_v3_large_320_fpn", "fcos_resnet50_fpn"]
)
@pytest.mark.slow
def test_a_saved_detector_is_loaded(tmp_path, name):
    detector = new(name, size=None if name.startswith("ssd") else 128)
    detector.to(memory_format=torch.channels_last)  # as a loaded one: the same to the bit
    path = tmp_path / "weights.safetensors"
    detector.save(path, {"views": "3"})
    assert load_weights(path, name)[1]["views"] == "3"
    again: Any = load_detector(name, str(path), "cpu")
    assert again.classes == ("cup", "fork")
    assert again.network.transform.image_mean == MEAN
    assert again.network.transform.image_std == STD
    assert again.network.transform.min_size == detector.network.transform.min_size
    frame = frame_of(160, 120)
    (one,), (other,) = detector([frame]), again([frame])
    np.testing.assert_array_equal(one.boxes, other.boxes)
    assert (np.diff(one.scores) <= 0).all()
    assert set(one.labels) <= {0, 1}


@pytest.mark.slow
def test_a_batch_of_mixed_sizes_equals_single_frames():
    detector = new("fasterrcnn_mobilenet_v3_large_320_fpn", size=128)
    frames = [frame_of(160, 120, 1), frame_of(90, 200, 2), frame_of(160, 120, 3)]
    together = detector(frames)
    for frame, some in zip(frames, together, strict=True):
        (alone,) = detector([frame])
        assert len(alone) == len(some) > 0
        np.testing.assert_allclose(some.boxes, alone.boxes, atol=0.05)
        np.testing.assert_allclose(some.scores, alone.scores, atol=1e-4)
        assert (some.boxes[:, 2] <= frame.camera.width).all()
        assert (some.boxes[:, 3] <= frame.camera.height).all()
    assert detector([]) == []


@pytest.mark.slow
def test_the_masks_of_mask_rcnn_have_the_size_of_the_frame():
    (found,) = new("maskrcnn_resnet50_fpn", size=128)([frame_of(70, 50)])
    assert len(found) > 0
    assert found.masks.dtype == bool
    assert found.masks.shape == (len(found), 50, 70)


@pytest.mark.parametrize("name", [SMALL, "fasterrcnn_mobilenet_v3_large_320_fpn"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (200, 3)])
def test_images_smaller_than_the_stride(name, size):
    (found,) = new(name)([frame_of(*size)])
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [*size, *size]).all()


def test_a_frame_that_is_too_narrow_is_an_error():
    with pytest.raises(InputError, match=r"frame is 1x600; .* differ by a factor of 533 at most"):
        new("fasterrcnn_mobilenet_v3_large_320_fpn")([frame_of(1, 600)])


@pytest.mark.slow
def test_anchors_keep_their_size_in_the_scene():
    wide = get_model_builder("fasterrcnn_resnet50_fpn")(weights=None, weights_backbone=None)
    small = new("fasterrcnn_resnet50_fpn", size=400).network
    assert small.rpn.anchor_generator.sizes == tuple(
        tuple(size / 2 for size in level) for level in wide.rpn.anchor_generator.sizes
    )
    assert small.transform.min_size == (400,)
    with pytest.raises(InputError, match="image_size is 100; accepted: 128 to 1600"):
        new("fasterrcnn_resnet50_fpn", size=100)
    with pytest.raises(InputError, match=r"image_size is 640; .* accepts 320 only"):
        new(SMALL, size=640)


def test_weights_of_other_classes_or_models_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    new(SMALL).save(path, {})
    with pytest.raises(InputError, match=f"holds weights of {SMALL}; expected weights of ssd300"):
        load_detector("ssd300_vgg16", str(path), "cpu")
    state, metadata = load_weights(path, SMALL)
    save_weights(path, state, {**metadata, "classes": '["cup"]'})
    with pytest.raises(InputError, match=r"the model expects .* for the 1 classes that it names"):
        load_detector(SMALL, str(path), "cpu")
    save_weights(path, state, {**metadata, "classes": "[]"})
    with pytest.raises(InputError, match="names no classes"):
        load_detector(SMALL, str(path), "cpu")
    save_weights(path, state, {**metadata, "classes": "5"})
    with pytest.raises(InputError, match="names no classes"):
        load_detector(SMALL, str(path), "cpu")
    for key, value in (("image_mean", "[0.5]"), ("image_std", "3"), ("image_size", '"x"')):
        save_weights(path, state, {**metadata, key: value})
        with pytest.raises(InputError, match=r"metadata lack .*expected classes, image_mean"):
            load_detector(SMALL, str(path), "cpu")
    del metadata["image_mean"]
    save_weights(path, state, metadata)
    with pytest.raises(InputError, match="metadata lack 'image_mean'; expected classes, image_m"):
        load_detector(SMALL, str(path), "cpu")
    with pytest.raises(InputError, match="'COCO_V1'; fasterrcnn accepts a file of weights"):
        load_detector("fasterrcnn", "COCO_V1", "cpu")
    save_weights(path, state, {**metadata, "image_mean": "[0, 0, 0]", "model": "ssd"})
    with pytest.raises(InputError, match="backbone is ''; accepted: alexnet"):
        load_detector("ssd", str(path), "cpu")
    with pytest.raises(InputError, match="no such file"):
        load_detector(SMALL, str(tmp_path / "none.safetensors"), "cpu")
    with pytest.raises(InputError, match=r"'COCO_V7'.*accepted: a file .*, or COCO_V1, DEFAULT"):
        load_detector(SMALL, "COCO_V7", "cpu")


def cached_file(tmp_path, monkeypatch):
    """Where torchvision keeps the weights of the small one, and looks first."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = get_model_weights(SMALL)["COCO_V1"].url
    return Path(tmp_path) / "hub" / "checkpoints" / url.rpartition("/")[2]


def test_torchvision_weights_have_the_classes_of_coco(tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = get_model_builder(SMALL)(weights=None, weights_backbone=None)
    toothbrush, nothing = 90, 12  # of COCO's 91 labels, of which 11 are not used
    for name, value in network.head.classification_head.named_parameters():
        if value.shape[0] % 91 == 0:
            with torch.no_grad():
                value.zero_()
                if name.endswith("bias"):
                    value.view(-1, 91)[:, [toothbrush, nothing]] = 5
    file = cached_file(tmp_path, monkeypatch)
    file.parent.mkdir(parents=True)
    torch.save(network.state_dict(), file)
    detector = load_detector(SMALL, "COCO_V1", "cpu")
    assert len(detector.classes) == 80
    assert {"N/A", "__background__"}.isdisjoint(detector.classes)
    (found,) = detector([frame_of(64, 48)])
    assert {detector.classes[label] for label in found.labels[:5]} == {"toothbrush"}
    assert found.scores[0] == pytest.approx(0.5, abs=0.2)


def test_the_error_for_a_failed_download_explains_what_to_do(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    monkeypatch.setattr("torch.hub.urlopen", fail)
    file = cached_file(tmp_path, monkeypatch)
    with pytest.raises(InputError) as raised:
        load_detector(SMALL, "DEFAULT", "cpu")
    message = str(raised.value)
    assert "\n" not in message
    assert "cannot be downloaded (no route to host): get https://download.pytorch.org" in message
    assert f"put it here as {file}, or give a file of weights" in message


@pytest.mark.parametrize("content", [b"", b"<html>proxy</html>", b"PK\x03\x04 half a file"])
def test_a_damaged_file_in_the_cache_is_named(content, tmp_path, monkeypatch):
    file = cached_file(tmp_path, monkeypatch)
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(InputError) as raised:
        load_detector(SMALL, "COCO_V1", "cpu")
    message = str(raised.value)
    assert "\n" not in message
    assert f"{file} is damaged" in message
    assert "delete it" in message
