"""The default detector as the rest of the stack sees it, with untrained networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.ops import nms

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection import load_detector
from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.detection.models.rgbd_rcnn.network import decode_cells
from cvdl.networks.detailed_input import detail, input_scale
from cvdl.networks.input_gpu import uploaded
from cvdl.networks.weights import save_weights
from cvdl.networks.working_size import to_working_size

CLASSES = ("can", "mug", "ball")


def make_frame(width=160, height=120, depth=0.8):
    rng = np.random.default_rng(0)
    color = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    camera = Camera(width, height, 560.0, 560.0, width / 2, height / 2)
    return RgbdFrame(color, np.full((height, width), depth, np.float32), camera)


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    model = RgbdRcnn(CLASSES, width=8)
    for name, parameter in model.named_parameters():  # scores that differ from place to place
        if ".scores." in name or ".deltas." in name:
            torch.nn.init.normal_(parameter, 0, 0.05)
    return model.eval()


def test_boxes_are_in_the_image_and_sorted_by_score(detector):
    (found,) = detector([make_frame()])
    assert 1 < len(found) <= 100
    assert (np.diff(found.scores) <= 0).all()
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [160, 120, 160, 120]).all()
    assert set(found.labels) <= {0, 1, 2}


def test_a_batch_of_mixed_sizes_equals_single_frames(detector):
    frames = [make_frame(), make_frame(200, 90), make_frame(64, 48)]
    for one, frame in zip(detector(frames), frames, strict=True):
        (alone,) = detector([frame])
        np.testing.assert_array_equal(one.boxes, alone.boxes)


@pytest.mark.parametrize("size", [(16, 12), (2, 2), (30, 200)])
def test_boxes_are_in_images_smaller_than_the_stride(detector, size):
    (found,) = detector([make_frame(*size)])
    assert (found.boxes[:, 2] <= size[0]).all()


def test_a_frame_of_another_camera_is_resized(detector):
    wide = make_frame(320, 240)
    wide = replace(wide, camera=replace(wide.camera, fx=1120.0, fy=1120.0))
    small, factors = to_working_size(wide)
    assert small.camera.width < 200
    given = np.array([[20.0, 30.0, 120.0, 200.0]])
    (found,) = detector([wide], [given])
    (expected,) = detector([small], [given * np.tile(factors, 2)])
    np.testing.assert_allclose(found.boxes, expected.boxes / np.tile(factors, 2))
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_without_depth_the_color_is_used(detector):
    (found,) = detector([make_frame(depth=np.nan)])
    assert np.isfinite(found.scores).all()


def test_given_proposals_are_classified_and_refined(detector):
    """What is asked about a place is answered, though the first network proposes nothing there."""
    frame = make_frame()
    first = detector.first
    bias = first.scores.bias.detach().clone()
    proposals = [np.array([[20.0, 30, 60, 80], [100, 10, 140, 60]])]
    try:
        with torch.no_grad():
            first.scores.bias.fill_(-1e9)
        (without,) = detector([frame])
        (found,) = detector([frame], proposals)
    finally:
        with torch.no_grad():
            first.scores.bias.copy_(bias)
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    assert np.linalg.norm(middles - [40, 55], axis=1).min() < 20
    assert len(found) != len(without) or not np.array_equal(found.boxes, without.boxes)


def test_proposals_are_those_of_greedy_suppression(detector):
    """The first ones are, one after the other, what torchvision's suppression keeps."""
    torch.manual_seed(0)
    logits, deltas = torch.randn(2, 3, 12, 16), torch.randn(2, 3, 4, 12, 16) / 4
    proposed = detector.propose(logits, deltas, 400)
    for row in range(2):
        boxes = decode_cells(deltas)[row].flatten(0, 2)
        scores = logits[row].flatten()
        best = scores.topk(400).indices
        kept = boxes[best][nms(boxes[best], scores[best], 0.7)]
        torch.testing.assert_close(proposed[row, : len(kept)], kept)
        assert 50 < len(kept) < 350


def test_the_scale_is_meters_per_pixel():
    frame = make_frame()
    frame.depth[:20] = np.nan
    _, depth, intrinsics = uploaded(frame, torch.device("cpu"))
    scale = input_scale(depth, intrinsics).numpy()
    assert scale.shape[1:] == (60, 80)
    np.testing.assert_allclose(scale[0, 20:], 0.8 / 560, rtol=1e-6)
    assert not scale[:, :9].any()


def test_mean_and_detail_reconstruct_the_image():
    """The Haar wavelets are orthogonal: from them and the mean each pixel comes back."""
    color = torch.rand(1, 3, 8, 6)
    mean = torch.nn.functional.avg_pool2d(color, 2)
    wavelets = (
        detail(color).unflatten(1, (3, 3)) / detail(torch.eye(2)[None].expand(1, 3, 2, 2)).max()
    )
    first = mean + wavelets.sum(2) / 2
    torch.testing.assert_close(first, color[..., ::2, ::2])


def test_a_loaded_detector_is_the_same(tmp_path, monkeypatch, detector):
    torch.manual_seed(1)
    model = RgbdRcnn(CLASSES).eval()
    path = tmp_path / "weights.safetensors"
    model.save(path, {"data": "none"})
    loaded = load_detector("rgbd_rcnn", str(path), "cpu")
    assert loaded.classes == CLASSES
    frame = make_frame()
    np.testing.assert_allclose(loaded([frame])[0].scores, model([frame])[0].scores, rtol=1e-4)


def test_weights_of_another_number_of_classes_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    state = RgbdRcnn(CLASSES).state_dict()
    save_weights(path, state, {"model": "RgbdRcnn", "classes": '["can", "mug"]'})
    with pytest.raises(InputError, match=r"second\.scores\.(bias|weight) is 3.*expects 2"):
        load_detector("rgbd_rcnn", str(path), "cpu")


@pytest.mark.parametrize("classes", ["", "[]", "3", "[1]"])
def test_weights_without_class_names_are_refused(tmp_path, classes):
    path = tmp_path / "weights.safetensors"
    save_weights(path, {}, {"model": "RgbdRcnn", "classes": classes})
    with pytest.raises(InputError, match="names no classes"):
        load_detector("rgbd_rcnn", str(path), "cpu")


def test_the_error_for_an_unknown_detector_names_the_known_ones():
    with pytest.raises(InputError, match=r"'yolov0'.*rgbd_rcnn.*onnx"):
        load_detector("yolov0")
