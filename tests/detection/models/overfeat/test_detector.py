"""The sliding network tells what the classifier of windows tells; boxes merge as they should."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, max_pool2d

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection import load_detector
from cvdl.detection.models.overfeat.detector import FILL, OverfeatDetector, pyramid_scales
from cvdl.detection.models.overfeat.merging import match_scores, merge_boxes
from cvdl.detection.models.overfeat.network import (
    STRIDE,
    WINDOW,
    WindowNetwork,
    as_convolution,
    pooled_at_all_offsets,
)
from cvdl.networks.weights import save_weights


@pytest.fixture(scope="module")
def network():
    """In evaluation mode, with statistics that are not the initial ones."""
    torch.manual_seed(0)
    made = WindowNetwork(3)
    with torch.no_grad():
        made(torch.randn(4, 3, WINDOW, WINDOW))
    return made.eval()


@pytest.fixture(scope="module")
def detector(network):
    made = OverfeatDetector(("a", "b", "c"), (100, 110, 120), (50, 60, 70))
    made.network.load_state_dict(network.state_dict())
    return made.eval()


def frame(height, width, seed=0):
    color = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    depth = np.full((height, width), np.nan, np.float32)
    return RgbdFrame(color, depth, Camera(width, height, 100.0, 100.0, width / 2, height / 2))


# One window; one row of them; sizes that strides and pooling divide and do not divide.
@pytest.mark.parametrize(
    "size", [(79, 79), (79, 103), (95, 79), (80, 90), (94, 86), (111, 127), (134, 101)]
)
@torch.no_grad()
def test_sliding_equals_window_by_window(network, size):
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    logits, boxes = network.slide(image)
    rows, cols = ((side - WINDOW) // STRIDE + 1 for side in size)
    assert logits.shape == (2, 4, rows, cols)
    assert boxes.shape == (2, 4, rows, cols)
    for row in range(rows):
        for col in range(cols):
            top, left = STRIDE * row, STRIDE * col
            window = image[:, :, top : top + WINDOW, left : left + WINDOW]
            one_logits, one_boxes = network(window)
            torch.testing.assert_close(logits[..., row, col], one_logits, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(boxes[..., row, col], one_boxes, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_every_level_of_the_pyramid_equals_window_by_window(detector):
    """Margins and scales included: windows of a level go through the classifier by themselves."""
    color = frame(60, 90).color
    for scale in pyramid_scales(60, 90):
        level = detector.level(color, scale)
        logits, _ = detector.network.slide(level)
        windows = level.unfold(2, WINDOW, STRIDE).unfold(3, WINDOW, STRIDE)
        rows, cols = windows.shape[2:4]
        assert logits.shape[2:] == (rows, cols)
        assert (level.shape[2] - WINDOW) % STRIDE == (level.shape[3] - WINDOW) % STRIDE == 0
        singly = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, WINDOW, WINDOW)
        expected = detector.network(singly)[0].reshape(1, rows, cols, -1).permute(0, 3, 1, 2)
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


def test_offset_pooling_equals_a_dilated_convolution_after_pooling_with_stride_1():
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(5, 4, 3, 3, generator=generator)
    for size in ((6, 6), (6, 9), (7, 6), (11, 8), (12, 13)):
        maps = torch.randn(2, 4, *size, generator=generator)
        dense = pooled_at_all_offsets(maps, lambda pooled: conv2d(pooled, weight))
        expected = conv2d(max_pool2d(maps, 2, stride=1), weight, dilation=2)
        torch.testing.assert_close(dense, expected)


def test_a_linear_layer_as_a_convolution_has_its_weights():
    layer = nn.Linear(4 * 9, 6)
    maps = torch.randn(2, 4, 5, 7)
    wide = as_convolution(layer, 4)(maps)
    assert wide.shape == (2, 6, 3, 5)
    torch.testing.assert_close(wide[..., 1, 3], layer(maps[:, :, 1:4, 3:6].flatten(1)))
    wide.sum().backward()
    assert layer.weight.grad is not None


def test_equal_boxes_match_and_the_score_does_not_depend_on_size():
    box = np.array([10.0, 20, 50, 40])
    others = np.array([box, [14, 20, 54, 40], [100, 100, 140, 120]])
    scores = match_scores(box, others)
    assert scores[0] == pytest.approx(0)
    # 36 of 44 columns shared; centers 4 apart, diagonals of 44.72.
    assert scores[1] == pytest.approx(4 / np.hypot(40, 20) + 1 - 36 / 44)
    assert scores[2] > 1
    np.testing.assert_allclose(match_scores(7 * box, 7 * others), scores)


def test_matching_boxes_are_merged_to_their_weighted_mean():
    boxes = np.array([[0.0, 0, 20, 20], [4, 0, 24, 20], [100, 100, 120, 140], [0, 4, 20, 24]])
    scores = np.array([0.6, 0.3, 0.8, 0.1])
    merged, sums = merge_boxes(boxes, scores, 0.6)
    np.testing.assert_allclose(sums, [1.0, 0.8])
    np.testing.assert_allclose(merged, [[1.2, 0.4, 21.2, 20.4], [100, 100, 120, 140]])


def test_other_boxes_are_not_merged():
    boxes = np.array([[0.0, 0, 20, 20], [15, 0, 35, 20]])
    merged, sums = merge_boxes(boxes, np.array([0.2, 0.9]), 0.6)
    np.testing.assert_allclose(merged, boxes[::-1])
    np.testing.assert_allclose(sums, [0.9, 0.2])


def test_merging_stops_when_no_boxes_match():
    """A row of boxes, each like the next: the paper's greedy merging does not chain them all."""
    boxes = np.array([[x, 0.0, x + 20, 20] for x in range(0, 60, 4)])
    merged, sums = merge_boxes(boxes, np.ones(len(boxes)), 0.6)
    assert 2 <= len(merged) < len(boxes)
    assert sums.sum() == pytest.approx(len(boxes))


def test_no_boxes_or_one_box_can_be_merged():
    none, sums = merge_boxes(np.zeros((0, 4)), np.zeros(0), 0.6)
    assert none.shape == (0, 4)
    assert sums.shape == (0,)
    one, _ = merge_boxes(np.array([[0.0, 0, 2, 2]]), np.array([0.5]), 0.6)
    np.testing.assert_allclose(one, [[0, 0, 2, 2]])


def test_objects_of_any_size_fit_the_windows_of_a_level():
    for height, width in ((480, 640), (960, 1280), (120, 160)):
        scales = np.array(pyramid_scales(height, width))
        for longest in np.geomspace(FILL[0] * WINDOW, width, 20):
            fill = longest * scales / WINDOW
            assert ((fill >= FILL[0]) & (fill <= FILL[1])).any(), longest


def test_boxes_are_relative_to_their_windows(detector):
    """A stand-in network that knows one window, on each level."""
    height, width = 120, 200
    for wanted, scale in enumerate(pyramid_scales(height, width)):
        calls = iter(range(100))

        class Told:
            def slide(self, images, wanted=wanted, calls=calls):
                rows, cols = ((side - WINDOW) // STRIDE + 1 for side in images.shape[2:])
                logits = torch.zeros(1, 4, rows, cols)
                logits[:, 3] = 20
                if next(calls) == wanted:
                    logits[:, 1, 2, 1] = 40
                box = torch.tensor([-0.2, -0.1, 0.3, 0.2])[None, :, None, None]
                return logits, box.expand(1, 4, rows, cols)

        known = OverfeatDetector(("a", "b", "c"))
        known.network = nn.Identity()
        known.network.slide = Told().slide
        (found,) = known([frame(height, width)])
        assert found.labels.tolist() == [1]
        assert found.scores[0] == pytest.approx(0.5)
        # From the window's center, margin off, in pixels of the level, then of the image.
        center = np.array([STRIDE * 1 + WINDOW / 2, STRIDE * 2 + WINDOW / 2]) - WINDOW // 2
        expected = (np.tile(center, 2) + WINDOW * np.array([-0.2, -0.1, 0.3, 0.2])) / scale
        expected = np.clip(expected, 0, [width, height, width, height])
        np.testing.assert_allclose(found.boxes[0], expected, rtol=0.03, atol=0.5)


def test_a_batch_of_mixed_sizes_equals_single_frames(detector):
    frames = [frame(100, 140, 3), frame(64, 80, 4), frame(100, 140, 5), frame(30, 20, 6)]
    together = detector(frames)
    assert len(together) == 4
    for one, found in zip(frames, together, strict=True):
        (alone,) = detector([one])
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-4)
        assert (np.diff(found.scores) <= 0).all()
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()


def test_an_empty_batch_has_no_detections(detector):
    assert detector([]) == []


def test_saved_weights_are_loaded_with_classes_and_normalization(detector, tmp_path):
    detector.save(tmp_path / "w.safetensors", {"data": "drawn"})
    loaded: Any = load_detector("overfeat", str(tmp_path / "w.safetensors"), "cpu")
    assert loaded.classes == ("a", "b", "c")
    torch.testing.assert_close(loaded.mean, torch.tensor([100.0, 110, 120]))
    (a,), (b,) = detector([frame(90, 90)]), loaded([frame(90, 90)])
    np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-3)


def test_weights_of_other_models_or_class_counts_are_refused(detector, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"x": torch.zeros(1)}, {"model": "Other"})
    with pytest.raises(InputError, match="Other"):
        load_detector("overfeat", str(path), "cpu")
    save_weights(path, detector.state_dict(), {"model": "OverfeatDetector"})
    with pytest.raises(InputError, match="classes"):
        load_detector("overfeat", str(path), "cpu")
    names = {"model": "OverfeatDetector", "classes": '["a", "b"]'}
    save_weights(path, detector.state_dict(), names)
    with pytest.raises(InputError, match=r"classifier\.3"):
        load_detector("overfeat", str(path), "cpu")
