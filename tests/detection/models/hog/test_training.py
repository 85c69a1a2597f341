"""The classical baseline learns, in two rounds."""

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.models.hog.training import HogTraining, train_hog
from cvdl.evaluation.detection import DetectionScores
from cvdl.networks.weights import load_weights
from cvdl.training.checkpoint import Run

SETTINGS = HogTraining(negatives=10, hard_negatives=10)


class Shapes:
    """Views with a disc and a bar each, at random positions."""

    classes = ("disc", "bar")

    def __init__(self, count, boxes=True):
        self._count, self._boxes = count, boxes
        self.names = [f"view{number}" for number in range(count)]

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        color = rng.integers(120, 130, (120, 200, 3), dtype=np.uint8)
        disc, bar = rng.integers([25, 25], [70, 95]), rng.integers([100, 5], [115, 90])
        cv2.circle(color, disc.tolist(), 20, (20, 30, 40), -1)
        cv2.rectangle(color, bar.tolist(), np.add(bar, (79, 19)).tolist(), (230, 220, 60), -1)
        boxes = np.array([[*(disc - 20), *(disc + 21)], [*bar, *np.add(bar, (80, 20))]], float)
        boxes = boxes if self._boxes else boxes[:0]
        depth = np.full((120, 200), np.nan, np.float32)
        frame = RgbdFrame(color, depth, Camera(200, 120, 100.0, 100.0, 99.5, 59.5))
        labels, crowd = np.arange(len(boxes)), np.zeros(len(boxes), bool)
        return DetectionSample(self.names[index], frame, boxes, labels, crowd)


def ap50(detector, data, proposals=False):
    samples = [data[index] for index in range(len(data))]
    given = [sample.boxes for sample in samples] if proposals else None
    found = detector([sample.frame for sample in samples], given)
    scores = DetectionScores(data.classes)
    for sample, detections in zip(samples, found, strict=True):
        scores.add(sample, detections)
    return scores.report().ap50


@pytest.mark.slow
def test_it_learns_two_shapes_in_sliding_windows_and_in_given_boxes(tmp_path):
    data = Shapes(12)
    detector = train_hog(data, data, SETTINGS, Run(tmp_path / "run"))
    assert ap50(detector, data) > 0.9
    assert ap50(detector, data, proposals=True) > 0.99
    _, metadata = load_weights(tmp_path / "run" / "best.safetensors", "HogDetector")
    assert float(metadata["score"]) > 0.9


def test_the_second_round_learns_the_false_alarms_of_the_first(tmp_path):
    data = Shapes(6)
    one = train_hog(
        data, Shapes(0), HogTraining(negatives=1, hard_negatives=0), Run(tmp_path / "one")
    )
    two = train_hog(
        data, Shapes(0), HogTraining(negatives=1, hard_negatives=20), Run(tmp_path / "two")
    )
    frame = data[0].frame

    def alarms(detector):
        _, chances = detector.windows(frame.color)
        return (chances[:, -1] < 0.5).sum()

    assert alarms(two) < alarms(one)


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    whole = train_hog(Shapes(4), Shapes(0), SETTINGS, Run(tmp_path / "whole"))

    class Killed(Shapes):
        """Interrupted during the search for false alarms."""

        reads = 0

        def __getitem__(self, index):
            self.reads += 1
            if self.reads > 5:
                raise KeyboardInterrupt
            return super().__getitem__(index)

    with pytest.raises(KeyboardInterrupt):
        train_hog(Killed(4), Shapes(0), SETTINGS, Run(tmp_path / "cut"))
    assert (tmp_path / "cut" / "first.safetensors").exists()
    resumed = train_hog(Shapes(4), Shapes(0), SETTINGS, Run(tmp_path / "cut", resume=True))
    color = Shapes(1)[0].frame.color
    np.testing.assert_array_equal(resumed.windows(color)[1], whole.windows(color)[1])
    again = train_hog(Shapes(4), Shapes(0), SETTINGS, Run(tmp_path / "cut", resume=True))
    np.testing.assert_array_equal(again.windows(color)[1], whole.windows(color)[1])
    with pytest.raises(InputError, match="already holds a run"):
        train_hog(Shapes(4), Shapes(0), SETTINGS, Run(tmp_path / "cut"))


@pytest.mark.parametrize("kept", [0, 1])
def test_a_class_without_examples_is_never_predicted(kept, tmp_path):
    class OnlyOne(Shapes):
        def __getitem__(self, index):
            whole = super().__getitem__(index)
            some = whole.labels == kept
            return DetectionSample(
                whole.name, whole.frame, whole.boxes[some], whole.labels[some], whole.crowd[some]
            )

    detector = train_hog(OnlyOne(4), Shapes(0), SETTINGS, Run(tmp_path / "run"))
    _, chances = detector.windows(Shapes(1)[0].frame.color)
    assert chances[:, kept].max() > 0.2
    assert chances[:, 1 - kept].max() == 0


def test_invalid_input_raises(tmp_path):
    with pytest.raises(InputError, match="no view"):
        train_hog(Shapes(3, boxes=False), Shapes(0), SETTINGS, Run(tmp_path / "a"))
    with pytest.raises(InputError, match="no view"):
        train_hog(Shapes(0), Shapes(0), SETTINGS, Run(tmp_path / "b"))
    other = Shapes(1)
    other.classes = ("cup",)
    with pytest.raises(InputError, match="cup"):
        train_hog(Shapes(1), other, SETTINGS, Run(tmp_path / "c"))


def test_views_without_background_raise(tmp_path):
    class Filled(Shapes):
        def __getitem__(self, index):
            view = super().__getitem__(index)
            height, width, _ = view.frame.color.shape
            box = np.array([[0.0, 0.0, width, height]])
            return DetectionSample(view.name, view.frame, box, np.zeros(1, int), np.zeros(1, bool))

    with pytest.raises(InputError, match="nothing to tell apart"):
        train_hog(Filled(2), Shapes(0), SETTINGS.model_copy(update={"negatives": 0}), Run(tmp_path))
