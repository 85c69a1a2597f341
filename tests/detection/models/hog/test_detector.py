"""Linear scores of gradients: slid over an image, or of given boxes."""

import cv2
import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection import load_detector
from cvdl.detection.models.hog.detector import (
    FEATURES,
    HogDetector,
    block_grid,
    describe,
    window_places,
)
from cvdl.networks.weights import save_weights


@pytest.fixture(scope="module")
def detector():
    made = HogDetector(("a", "b"))
    made.weight.normal_(generator=torch.Generator().manual_seed(0))
    made.bias.copy_(torch.tensor([0.0, 0.5, -0.5]))
    return made


def frame(height, width, seed=0):
    color = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    color = cv2.GaussianBlur(color, (5, 5), 2)
    depth = np.full((height, width), np.nan, np.float32)
    return RgbdFrame(color, depth, Camera(width, height, 100.0, 100.0, width / 2, height / 2))


def test_the_grid_contains_the_blocks_of_opencv():
    """OpenCV's order is column by column."""
    image = frame(96, 80).color
    grid = block_grid(image)
    whole = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)
    for x, y in ((0, 0), (8, 24), (16, 32)):
        expected = whole.compute(image, locations=((x, y),)).reshape(7, 7, 36).transpose(1, 0, 2)
        np.testing.assert_allclose(
            grid[y // 8 : y // 8 + 7, x // 8 : x // 8 + 7], expected, atol=1e-5
        )


def test_all_windows_at_once_equal_single_windows(detector, monkeypatch):
    """On the first level, whose pixels are those of an image of just that size."""
    monkeypatch.setattr("cvdl.detection.models.hog.detector._ASPECTS", (1.0,))
    monkeypatch.setattr("cvdl.detection.models.hog.detector._SMALLEST", 48.0)
    color = frame(95, 90).color
    _, chances = detector.windows(color)
    level = cv2.copyMakeBorder(color, 8, 9, 8, 14, cv2.BORDER_REPLICATE)
    whole = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)
    row = 0
    for y in range(0, 49, 8):
        for x in range(0, 49, 8):
            one = whole.compute(level, locations=((x, y),)).reshape(7, 7, 36).transpose(1, 0, 2)
            expected = detector.classify(one.reshape(1, -1))[0]
            np.testing.assert_allclose(chances[row], expected, atol=1e-4)
            row += 1
    assert row == len(chances) == len(window_places(95, 90))


def test_windows_reach_every_corner_and_have_five_shapes():
    boxes = window_places(240, 320)
    assert boxes.min() == 0
    np.testing.assert_allclose(boxes.max(axis=0)[2:], [320, 240])
    inside = boxes[(boxes[:, :2] > 0).all(axis=1) & (boxes[:, 2:] < [320, 240]).all(axis=1)]
    width, height = (inside[:, 2:] - inside[:, :2]).T
    np.testing.assert_allclose(np.unique(np.log2(width / height).round()), [-2, -1, 0, 1, 2])


def test_the_descriptor_of_a_box_equals_that_of_its_window():
    """A box that is a window of the first level, in an image that is not scaled."""
    color = frame(128, 128).color
    found = describe(color, np.array([[40.0, 32, 88, 80]]))
    # Its context is 8 pixels: the window begins at (32, 24), on the grid of blocks.
    expected = block_grid(color)[3:10, 4:11].ravel()
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_boxes_are_resized_to_squares():
    color = frame(128, 128).color
    wide = cv2.resize(color, (256, 128), interpolation=cv2.INTER_LINEAR)
    square = describe(color, np.array([[40.0, 32, 88, 80]]))
    stretched = describe(wide, np.array([[80.0, 32, 176, 80]]))
    assert np.corrcoef(square[0], stretched[0])[0, 1] > 0.95


def test_boxes_at_the_edges_have_descriptors():
    found = describe(frame(50, 60).color, np.array([[0.0, 0, 60, 50], [55, 45, 60, 50]]))
    assert found.shape == (2, FEATURES)
    assert np.isfinite(found).all()


def test_proposals_are_classified(detector):
    frames = [frame(90, 120), frame(70, 64, 1)]
    proposals = [np.array([[10.0, 10, 60, 50], [70, 30, 110, 80]]), np.zeros((0, 4))]
    first, second = detector(frames, proposals)
    assert len(second) == 0
    assert {tuple(box) for box in first.boxes} <= {tuple(box) for box in proposals[0]}
    chances = detector.classify(describe(frames[0].color, proposals[0]))
    for box, label, score in zip(first.boxes, first.labels, first.scores, strict=True):
        row = int((proposals[0] == box).all(axis=1).argmax())
        assert score == pytest.approx(chances[row, label])


def test_mixed_sizes_and_images_smaller_than_a_window(detector):
    for found in detector([frame(90, 120), frame(20, 30, 1)]):
        assert (np.diff(found.scores) <= 0).all()
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    assert detector([]) == []


def test_saved_weights_are_loaded(detector, tmp_path):
    path = tmp_path / "w.safetensors"
    detector.save(path, {})
    loaded = load_detector("hog", str(path), "cpu")
    assert loaded.classes == ("a", "b")
    (a,), (b,) = detector([frame(80, 80)]), loaded([frame(80, 80)])
    np.testing.assert_array_equal(a.boxes, b.boxes)


def test_weights_of_other_class_counts_are_refused(detector, tmp_path):
    path = tmp_path / "w.safetensors"
    state = {"weight": torch.zeros(3, FEATURES), "bias": torch.zeros(3)}
    save_weights(path, state, {"model": "HogDetector", "classes": '["a"]'})
    with pytest.raises(InputError, match="bias"):
        load_detector("hog", str(path), "cpu")
    save_weights(path, state, {"model": "HogDetector"})
    with pytest.raises(InputError, match="classes"):
        load_detector("hog", str(path), "cpu")
