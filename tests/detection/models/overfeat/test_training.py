"""Training of the sliding-window detector: windows, targets, learning and resuming."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.models.overfeat.detector import OverfeatDetector
from cvdl.detection.models.overfeat.network import WINDOW
from cvdl.detection.models.overfeat.training import (
    OverfeatTask,
    OverfeatTraining,
    cut_window,
    trainer,
    window_targets,
)
from cvdl.evaluation.detection import report_on
from cvdl.training.checkpoint import Run
from cvdl.training.loop import TrainingSettings

CLASSES = ("disc", "square")


class Shapes:
    """Views with a dark disc and a bright square each, at random positions."""

    classes = CLASSES

    def __init__(self, count, boxes=True):
        self._count, self._boxes = count, boxes
        self.names = [f"view{number}" for number in range(count)]

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        color = rng.integers(110, 140, (120, 160, 3), dtype=np.uint8)
        disc = rng.integers([25, 25], [55, 95])
        square = rng.integers([85, 5], [115, 75])
        cv2.circle(color, disc.tolist(), 20, (20, 30, 40), -1)
        cv2.rectangle(color, square.tolist(), (square + 39).tolist(), (230, 220, 60), -1)
        boxes = np.array([[*(disc - 20), *(disc + 21)], [*square, *(square + 40)]], float)
        labels = np.array([0, 1])
        return sample(color, boxes if self._boxes else boxes[:0], labels, self.names[index])


def sample(color, boxes, labels, name="view", crowd=None):
    height, width, _ = color.shape
    depth = np.full((height, width), np.nan, np.float32)
    frame = RgbdFrame(color, depth, Camera(width, height, 100.0, 100.0, width / 2, height / 2))
    crowd = np.zeros(len(boxes), bool) if crowd is None else crowd
    return DetectionSample(name, frame, boxes, labels[: len(boxes)], crowd)


def settings(epochs=2, windows=16, batch_size=4):
    training = TrainingSettings(
        epochs=epochs, batch_size=batch_size, learning_rate=2e-3, clip=5, device="cpu"
    )
    return OverfeatTraining(training=training, windows=windows)


def test_a_window_shows_the_object_at_its_center_and_of_its_size():
    color = np.zeros((200, 300, 3), np.uint8)
    boxes = np.array([[80.0, 60, 120, 100], [200, 60, 240, 70]])
    views = sample(color, boxes, np.array([4, 7]))
    windows = np.array(
        [
            [100, 80, 80],  # right on the first
            [92, 80, 80],  # a tenth of a side off
            [80, 80, 80],  # a quarter off: neither shown nor background
            [60, 80, 80],  # half off
            [100, 80, 45],  # filled too much
            [100, 80, 400],  # far too large
            [220, 65, 80],  # on the second, whose longest side counts
        ],
        float,
    )
    labels, wanted = window_targets(windows, views, 9)
    assert labels.tolist() == [4, 4, -1, 9, -1, 9, 7]
    np.testing.assert_allclose(wanted[0], [-0.25, -0.25, 0.25, 0.25])
    np.testing.assert_allclose(wanted[1], [-0.15, -0.25, 0.35, 0.25])
    np.testing.assert_allclose(wanted[6], [-0.25, -0.0625, 0.25, 0.0625])


def test_of_two_objects_a_window_shows_the_one_nearer_to_its_center():
    boxes = np.array([[40.0, 40, 80, 80], [48, 40, 88, 80]])
    views = sample(np.zeros((200, 200, 3), np.uint8), boxes, np.array([1, 0]))
    labels, _ = window_targets(np.array([[61.0, 60, 80], [67, 60, 80]]), views, 2)
    assert labels.tolist() == [1, 0]


def test_windows_on_crowds_are_ignored():
    boxes = np.array([[40.0, 40, 80, 80]])
    views = sample(np.zeros((200, 200, 3), np.uint8), boxes, np.array([1]), crowd=np.array([True]))
    labels, _ = window_targets(np.array([[60.0, 60, 80], [45, 60, 80], [180, 180, 79]]), views, 2)
    assert labels.tolist() == [-1, -1, 2]


def test_without_boxes_every_window_is_background():
    views = sample(np.zeros((100, 100, 3), np.uint8), np.zeros((0, 4)), np.zeros(0, int))
    labels, boxes = window_targets(np.array([[50.0, 50, 79]]), views, 2)
    assert labels.tolist() == [2]
    assert not boxes.any()


def test_a_window_is_cut_as_in_the_pyramid():
    """At scale 1 it has the same pixels; outside of the image it is filled."""
    color = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    fill = np.array([1, 2, 3], np.uint8)
    inside = cut_window(color, np.array([10, 15, WINDOW]), fill)
    np.testing.assert_array_equal(inside, color[15 : 15 + WINDOW, 10 : 10 + WINDOW])
    over = cut_window(color, np.array([-30, 40, WINDOW]), fill)
    np.testing.assert_array_equal(over[:60, 30:], color[40:, : WINDOW - 30])
    assert (over[:, :30] == fill).all()
    assert (over[60:] == fill).all()
    double = cut_window(color.repeat(2, 0).repeat(2, 1), np.array([20, 30, 2 * WINDOW]), fill)
    np.testing.assert_array_equal(double, inside)


def test_boxes_fit_the_windows_of_a_batch():
    """The edges of a window's box are where the colors change, mirrored or not."""
    data = Shapes(6)
    task = OverfeatTask(data, Shapes(0), settings(windows=30))
    batches = task.batches(0, torch.Generator().manual_seed(3))
    assert len(batches) == 2
    seen = set()
    for windows, labels, boxes in batches:
        assert windows.shape[1:] == (WINDOW, WINDOW, 3)
        assert windows.dtype == torch.uint8
        seen |= set(labels.tolist())
        for window, label, box in zip(windows.numpy(), labels, boxes.numpy(), strict=True):
            if label != 1 or not (abs(box) < 0.48).all():
                continue
            x0, y0, x1, y1 = (box * WINDOW + WINDOW / 2).round().astype(int)
            yellow = window[..., 0].astype(int) - window[..., 2] > 80
            assert yellow[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].all()
            assert not yellow[: max(0, y0 - 3)].any()
            assert not yellow[:, x1 + 3 :].any()
    assert seen == {0, 1, 2}


def test_the_same_epoch_has_the_same_batches():
    task = OverfeatTask(Shapes(4), Shapes(0), settings())
    once, again = (list(task.batches(0, torch.Generator().manual_seed(1))) for _ in range(2))
    for first, second in zip(once, again, strict=True):
        for a, b in zip(first, second, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.slow
def test_it_learns_two_shapes(tmp_path):
    data = Shapes(8)
    how = settings(epochs=8, windows=16, batch_size=1)
    detector = trainer().train(data, Shapes(1), how, Run(tmp_path / "run"))
    samples = [data[index] for index in range(len(data))]
    assert report_on(detector, samples).ap50 > 0.9
    detector.save(tmp_path / "w.safetensors", {})
    loaded = OverfeatDetector.load(tmp_path / "w.safetensors", torch.device("cpu"))
    (found,) = detector([samples[0].frame])
    np.testing.assert_allclose(loaded([samples[0].frame])[0].boxes, found.boxes, atol=1e-2)


@pytest.mark.slow
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    how = settings(epochs=2, windows=6)
    whole = trainer().train(Shapes(4), Shapes(1), how, Run(tmp_path / "whole"))

    class Killed(Shapes):
        """Interrupted in the second epoch."""

        reads = 0

        def __getitem__(self, index):
            self.reads += 1
            if self.reads > 4 + 4 + 1:  # one look, the statistics of the colors and an epoch
                raise KeyboardInterrupt
            return super().__getitem__(index)

    with pytest.raises(KeyboardInterrupt):
        trainer().train(Killed(4), Shapes(1), how, Run(tmp_path / "cut"))
    resumed = trainer().train(Shapes(4), Shapes(1), how, Run(tmp_path / "cut", resume=True))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.slow
def test_without_validation_patience_is_ignored_and_the_last_epoch_is_kept(tmp_path):
    chosen = settings(3)
    chosen = chosen.model_copy(
        update={"training": chosen.training.model_copy(update={"patience": 1})}
    )
    trainer().train(Shapes(2), Shapes(0), chosen, Run(tmp_path / "run"))
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert (len(history["epochs"]), history["best_epoch"], history["best_score"]) == (3, 2, None)


def test_a_batch_without_windows_is_skipped(tmp_path):
    """A crowd that fills the image leaves neither objects nor background."""

    class Crowded(Shapes):
        def __getitem__(self, index):
            view = super().__getitem__(index)
            if index:
                return view
            height, width, _ = view.frame.color.shape
            box = np.array([[0.0, 0.0, width, height]])
            return replace(view, boxes=box, labels=np.zeros(1, int), crowd=np.ones(1, bool))

    training = settings(1).training.model_copy(update={"batch_size": 1})
    chosen = settings(1).model_copy(update={"training": training})
    trainer().train(Crowded(3), Shapes(0), chosen, Run(tmp_path / "run"))
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert np.isfinite(history["epochs"][0]["train/loss"])


def test_invalid_input_raises(tmp_path):
    for nothing in (Shapes(0), Shapes(2, boxes=False)):
        with pytest.raises(InputError, match="no view has a labeled box"):
            trainer().train(nothing, Shapes(0), settings(), Run(tmp_path / "run"))
    other = Shapes(1)
    other.classes = ("cup",)
    with pytest.raises(InputError, match="cup"):
        trainer().train(Shapes(1), other, settings(), Run(tmp_path / "run"))
