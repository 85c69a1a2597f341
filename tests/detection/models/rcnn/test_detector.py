"""R-CNN: the geometry of crops and of moved boxes, what is told of proposals, files."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection import load_detector
from cvdl.detection.models.rcnn.detector import Rcnn, rcnn_network
from cvdl.networks.classifiers import MODEL
from cvdl.networks.crops import box_deltas, cut_crops, refined_boxes
from cvdl.networks.weights import save_weights

CLASSES = ("cup", "book")
OUTSIDE = torch.tensor([0.25, 0.5, 0.75])


def frame(rows=96, cols=128):
    color = np.random.default_rng(0).integers(0, 256, (rows, cols, 3), np.uint8)
    camera = Camera(cols, rows, 100.0, 100.0, cols / 2, rows / 2)
    return RgbdFrame(color, np.full((rows, cols), np.nan, np.float32), camera)


def detector():
    torch.manual_seed(0)
    return Rcnn(rcnn_network("mobilenet_v3_small", len(CLASSES)), CLASSES, 64)


class Told(torch.nn.Module):
    """A network that says the same of every set of crops: given logits and deltas."""

    def __init__(self, outputs):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.outputs = torch.tensor(outputs)

    def forward(self, crops):
        return self.outputs[: len(crops)]


def slow_crop(image, box, size):
    """The mean of bilinear samples, one by one, of the paper's context: 16 of 227 pixels."""
    x0, y0, x1, y1 = box
    grow_x, grow_y = ((b - a) * 16 / (227 - 32) for a, b in ((x0, x1), (y0, y1)))
    x0, x1, y0, y1 = x0 - grow_x, x1 + grow_x, y0 - grow_y, y1 + grow_y
    steps = [int(np.ceil((b - a) / size)) for a, b in ((x0, x1), (y0, y1))]

    def sample(x, y):
        x, y = x - 0.5, y - 0.5  # pixel centers
        rows, cols = image.shape[1:]
        if not (-1 <= x <= cols and -1 <= y <= rows):
            return OUTSIDE.numpy()
        x, y = np.clip(x, 0, cols - 1), np.clip(y, 0, rows - 1)
        left, top = int(x), int(y)
        right, bottom = min(left + 1, cols - 1), min(top + 1, rows - 1)
        a, b = x - left, y - top
        upper = (1 - a) * image[:, top, left] + a * image[:, top, right]
        lower = (1 - a) * image[:, bottom, left] + a * image[:, bottom, right]
        return (1 - b) * upper + b * lower

    crop = np.zeros((3, size, size))
    for row in range(size):
        for col in range(size):
            places = [
                (
                    x0 + (x1 - x0) * (col + (i + 0.5) / steps[0]) / size,
                    y0 + (y1 - y0) * (row + (j + 0.5) / steps[1]) / size,
                )
                for i in range(steps[0])
                for j in range(steps[1])
            ]
            crop[:, row, col] = np.mean([sample(x, y) for x, y in places], axis=0)
    return crop


@pytest.mark.parametrize(
    "box", [(10, 8, 26, 40), (0, 0, 20, 20), (12.3, 5.1, 15.9, 30.2), (0, 0, 40, 48)]
)
def test_crops_equal_a_slow_reference(box):
    image = np.random.default_rng(1).random((3, 48, 40))
    found = cut_crops(torch.from_numpy(image), torch.tensor([box]), 8, OUTSIDE.double())[0]
    np.testing.assert_allclose(found, slow_crop(image, box, 8), atol=1e-5)


def test_crops_have_the_mean_color_outside_of_the_image():
    crop = cut_crops(torch.ones(3, 20, 20), torch.tensor([[0.0, 0, 20, 20]]), 64, OUTSIDE)[0]
    torch.testing.assert_close(crop[:, 0, 0], OUTSIDE)
    torch.testing.assert_close(crop[:, 32, 32], torch.ones(3))


def test_deltas_refine_boxes_to_their_targets():
    boxes = torch.tensor([[10.0, 20, 30, 60], [50, 50, 60, 54]])
    wanted = torch.tensor([[12.0, 18, 40, 50], [45, 49, 63, 55]])
    deltas = box_deltas(boxes, wanted)
    torch.testing.assert_close(refined_boxes(boxes, deltas, (100, 100)), wanted)
    assert deltas[0, 0] == pytest.approx((26 - 20) / 20 / 0.1)
    assert refined_boxes(boxes, deltas, (30, 100))[0, 3] == 30  # the image ends there


def test_detections_of_hand_made_outputs():
    sure, likely = [9.0, 0, 0], [4.0, 0, 0]
    nothing, book = [0.0, 0, 9], [0.0, 9, 0]
    outputs = [[*logits, 0.0, 0, 0, 0] for logits in (likely, sure, nothing, book)]
    outputs[3][3] = 5.0  # half of its width to the right
    boxes = np.array([[10.0, 10, 30, 30], [11, 10, 31, 30], [50, 50, 60, 60], [11, 10, 31, 30]])
    (found,) = Rcnn(Told(outputs), CLASSES, 64)([frame()], [boxes])
    assert found.labels.tolist() == [0, 1]  # the first is of the same cup, the third is nothing
    np.testing.assert_allclose(found.boxes, [[11, 10, 31, 30], [21, 10, 41, 30]], atol=1e-4)
    assert found.scores[0] == pytest.approx(1, abs=1e-3)


def test_a_batch_of_mixed_sizes_equals_one_by_one_and_may_have_no_proposals():
    model = detector()
    frames = [frame(), frame(64, 80), frame(50, 300)]
    boxes = [np.array([[5.0, 5, 40, 60]]), np.zeros((0, 4)), np.array([[0.0, 0, 300, 50]] * 2)]
    together = model(frames, boxes)
    for one, some, found in zip(frames, boxes, together, strict=True):
        (alone,) = model([one], [some])
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)
    assert len(together[1]) == 0
    assert model([frame()], [np.zeros((0, 4))])[0].boxes.shape == (0, 4)


def test_without_proposals_the_proposer_is_called():
    asked = []

    def proposer(some):
        asked.append(some)
        return np.array([[5.0, 5, 40, 60]])

    model = Rcnn(detector().network, CLASSES, 64, proposer)
    one = frame()
    np.testing.assert_array_equal(
        model([one])[0].scores, model([one], [np.array([[5.0, 5, 40, 60]])])[0].scores
    )
    assert asked == [one]


def test_a_saved_detector_is_loaded(tmp_path):
    model, boxes = detector(), np.array([[5.0, 5, 40, 60]])
    model.network.mean.fill_(0.4)
    model.save(tmp_path / "w.safetensors", {"data": "here"})
    other: Any = load_detector("rcnn", str(tmp_path / "w.safetensors"), "cpu")
    assert other.classes == CLASSES
    assert other.crop == 64
    for mine, theirs in zip(
        model.classify(frame(), boxes), other.classify(frame(), boxes), strict=True
    ):
        np.testing.assert_allclose(theirs, mine, atol=1e-6)


def test_weights_of_another_number_of_classes_are_refused(tmp_path):
    metadata = {"model": MODEL, "backbone": "mobilenet_v3_small", "crop": "64"}
    metadata["classes"] = json.dumps(["cup", "book", "mug"])
    save_weights(tmp_path / "w.safetensors", detector().network.state_dict(), metadata)
    with pytest.raises(InputError, match=r"head\.\d+\.bias is 7; the model expects 8"):
        load_detector("rcnn", str(tmp_path / "w.safetensors"), "cpu")


def test_weights_without_metadata_are_refused(tmp_path):
    state = detector().network.state_dict()
    metadata = {"model": MODEL, "classes": json.dumps(CLASSES)}
    save_weights(tmp_path / "w.safetensors", state, metadata)
    with pytest.raises(InputError, match="names no backbone and crop"):
        load_detector("rcnn", str(tmp_path / "w.safetensors"), "cpu")
