"""Training of the classifier of crops: boxes and classes, learning and resuming."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.models.rcnn.samples import LabeledBoxes, labeled_crops, sample_boxes
from cvdl.detection.models.rcnn.training import (
    ClassifierTraining,
    score_classifier,
    trainer,
)
from cvdl.networks.crops import refined_boxes
from cvdl.training.checkpoint import Run
from cvdl.training.colors import color_statistics
from cvdl.training.loop import TrainingSettings

SHAPES = ("disk", "square", "triangle", "cross")
ROWS, COLS = 96, 128


class Shapes:
    """Views with two shapes each, of random colors on random gray."""

    classes = SHAPES

    def __init__(self, count, seed=0):
        self.names = [f"{seed}-{number}" for number in range(count)]
        self._samples = [
            drawn(name, np.random.default_rng([seed, number]))
            for number, name in enumerate(self.names)
        ]

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        return self._samples[index]


def drawn(name, rng):
    color = np.full((ROWS, COLS, 3), rng.integers(90, 160), np.uint8)
    boxes, labels = [], []
    for left in (4, 68):
        label, side = int(rng.integers(4)), int(rng.integers(30, 50))
        x, y = left + int(rng.integers(0, 57 - side)), int(rng.integers(2, ROWS - side))
        paint = tuple(int(value) for value in rng.choice([0, 255], 3))
        middle, end = (x + side // 2, y + side // 2), (x + side - 1, y + side - 1)
        if label == 0:
            cv2.circle(color, middle, side // 2 - 1, paint, -1)
        elif label == 1:
            cv2.rectangle(color, (x, y), end, paint, -1)
        elif label == 2:
            corners = [(x, end[1]), end, (middle[0], y)]
            cv2.fillPoly(color, [np.array(corners, np.int32)], paint)
        else:
            cv2.line(color, (x, y), end, paint, 7)
            cv2.line(color, (x, end[1]), (end[0], y), paint, 7)
        boxes.append([x, y, x + side, y + side])
        labels.append(label)
    camera = Camera(COLS, ROWS, 100.0, 100.0, COLS / 2, ROWS / 2)
    frame = RgbdFrame(color, np.full((ROWS, COLS), np.nan, np.float32), camera)
    return DetectionSample(
        name, frame, np.array(boxes, float), np.array(labels), np.zeros(len(boxes), bool)
    )


def settings(epochs=2, **more):
    training = TrainingSettings(
        epochs=epochs, batch_size=4, learning_rate=1e-3, clip=5, device="cpu", **more
    )
    return ClassifierTraining(
        training=training, backbone="mobilenet_v3_small", weights="none", crops_per_view=8
    )


def iou(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = (high - low).clip(0).prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


def test_boxes_have_the_class_of_the_object_that_they_overlap():
    sample = Shapes(1)[0]
    found = sample_boxes(sample, 4, 64, np.random.default_rng(0))
    assert len(found.boxes) == 64
    assert (found.labels < 4).sum() == 32
    for box, label, wanted in zip(found.boxes, found.labels, found.wanted, strict=True):
        overlaps = [iou(box, thing) for thing in sample.boxes]
        if label == 4:
            assert max(overlaps) < 0.5
            np.testing.assert_array_equal(wanted, box)
        else:
            best = int(np.argmax(overlaps))
            assert overlaps[best] >= 0.5
            assert label == sample.labels[best]
            np.testing.assert_array_equal(wanted, sample.boxes[best])
    assert found.boxes.min() >= 0
    assert (found.boxes <= [COLS, ROWS, COLS, ROWS]).all()


def test_a_tiny_image_has_boxes_too():
    frame = RgbdFrame(
        np.zeros((16, 19, 3), np.uint8),
        np.full((16, 19), np.nan, np.float32),
        Camera(19, 16, 20, 20, 9, 8),
    )
    box, label = np.array([[2.0, 2, 17, 15]]), np.zeros(1, int)
    tiny = DetectionSample("a", frame, box, label, np.zeros(1, bool))
    found = sample_boxes(tiny, 4, 10, np.random.default_rng(0))
    assert (found.labels == 0).any()


def test_a_view_without_objects_gives_background_boxes():
    sample = Shapes(1)[0]
    none = DetectionSample("a", sample.frame, np.zeros((0, 4)), np.zeros(0, int), np.zeros(0, bool))
    found = sample_boxes(none, 4, 10, np.random.default_rng(0))
    assert found.labels.tolist() == [4] * 10


def test_boxes_in_crowds_are_skipped():
    sample = Shapes(1)[0]
    boxes = np.concatenate([sample.boxes[:1], [[64.0, 0, COLS, ROWS]]])
    crowd = DetectionSample("a", sample.frame, boxes, sample.labels, np.array([False, True]))
    found = sample_boxes(crowd, 4, 64, np.random.default_rng(0)).boxes
    inside = (found[:, 2] - found[:, 0].clip(64)).clip(0) / (found[:, 2] - found[:, 0])
    assert len(found)
    assert inside.max() <= 0.5
    everywhere = DetectionSample(
        "a", sample.frame, np.array([[0.0, 0, COLS, ROWS]]), np.zeros(1, int), np.ones(1, bool)
    )
    assert len(sample_boxes(everywhere, 4, 8, np.random.default_rng(0)).boxes) == 0


def test_the_shift_of_a_mirrored_crop_is_mirrored():
    sample = Shapes(1)[0]
    box = np.array([[20.0, 10, 60, 50]])
    labeled = LabeledBoxes(
        np.repeat(box, 40, axis=0), np.zeros(40, int), np.repeat(box + 5, 40, axis=0)
    )
    plain = labeled_crops(sample, labeled, 64, torch.zeros(3))
    changed = labeled_crops(sample, labeled, 64, torch.zeros(3), np.random.default_rng(0))
    mirrored = changed.deltas[:, 0] < 0
    assert 8 < mirrored.sum() < 32
    torch.testing.assert_close(changed.deltas[~mirrored], plain.deltas[~mirrored])
    torch.testing.assert_close(changed.deltas[mirrored, 1:], plain.deltas[mirrored, 1:])
    one, other = changed.crops[mirrored][0], changed.crops[~mirrored][0]
    torch.testing.assert_close(one.flip(2), other)  # of one view, with the same colors
    moved = refined_boxes(torch.tensor(box).float(), plain.deltas[:1], (ROWS, COLS))
    np.testing.assert_allclose(moved, box + 5, atol=1e-4)


@pytest.mark.slow
def test_it_learns_four_shapes_and_where_they_are(tmp_path):
    data, new = Shapes(24), Shapes(16, seed=1)
    chosen = settings(10, mixed_precision=True).model_copy(update={"backbone": "resnet18"})
    model = trainer().train(data, Shapes(0), chosen, Run(tmp_path / "run"))
    scores = score_classifier(model, new)
    assert scores.top(1) > 0.7
    assert scores.figures()["nothing"] > 0.7
    mean, deviation = (torch.from_numpy(values).float() / 255 for values in color_statistics(data))
    torch.testing.assert_close(model.network.mean, mean)
    torch.testing.assert_close(model.network.deviation, deviation)


class Stopped(Shapes):
    """Views that raise in the second epoch, after one look, the color statistics and an epoch."""

    reads = 0

    def __getitem__(self, index):
        self.reads += 1
        if self.reads > 2 * len(self) + 1:
            raise KeyboardInterrupt
        return super().__getitem__(index)


@pytest.mark.slow
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    data = Shapes(4)
    first = trainer().train(data, data, settings(), Run(tmp_path / "a")).network.state_dict()
    with pytest.raises(KeyboardInterrupt):
        trainer().train(Stopped(4), data, settings(), Run(tmp_path / "b"))
    assert (tmp_path / "b" / "last.pt").exists()
    second = trainer().train(data, data, settings(), Run(tmp_path / "b", resume=True))
    for name, value in first.items():
        torch.testing.assert_close(second.network.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.slow
def test_without_validation_the_last_epoch_is_kept(tmp_path):
    data = Shapes(2)
    assert len(trainer().train(data, Shapes(0), settings(1), Run(tmp_path / "run")).classes) == 4


def test_nothing_to_train_on_raises(tmp_path):
    with pytest.raises(InputError, match="no view"):
        trainer().train(Shapes(0), Shapes(0), settings(), Run(tmp_path / "run"))


@pytest.mark.slow
def test_dropout_and_frozen_stages_reach_the_network(tmp_path):
    training = settings(1).training
    chosen = ClassifierTraining(
        training=training,
        backbone="mobilenet_v3_small",
        weights="none",
        frozen_stages=3,
        dropout=0.3,
    )
    network = trainer().train(Shapes(2), Shapes(0), chosen, Run(tmp_path / "run")).network
    rates = [some.p for some in network.modules() if isinstance(some, torch.nn.Dropout)]
    assert rates == [0.3]
    assert not any(some.requires_grad for some in network.features[:3].parameters())
    assert all(some.requires_grad for some in network.features[3:].parameters())
