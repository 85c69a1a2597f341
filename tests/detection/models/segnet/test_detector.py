"""SegNet puts features where the largest were, and parts the pixels of classes into things."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection import load_detector
from cvdl.detection.models.segnet.detector import SegNetDetector
from cvdl.detection.models.segnet.network import SegNet

CLASSES = ("mug", "box")


def frame(height=96, width=128):
    color = np.full((height, width, 3), 90, np.uint8)
    depth = np.full((height, width), 0.8, np.float32)
    return RgbdFrame(color, depth, Camera(width, height, 570.0, 570.0, width / 2, height / 2))


class Told(nn.Module):
    """In place of the network: says the classes and edges (h, w) that it was made with."""

    def __init__(self, classes, edge=None):
        super().__init__()
        self.classes, self.edge = classes, np.zeros(classes.shape) if edge is None else edge

    def forward(self, images):
        told = torch.full((1, len(CLASSES) + 2, *images.shape[2:]), -5.0)
        height, width = self.classes.shape
        for label in range(len(CLASSES) + 1):
            told[0, label, :height, :width][torch.from_numpy(self.classes == label)] = 5.0
        told[0, -1, :height, :width] = torch.from_numpy(np.where(self.edge, 5.0, -5.0))
        return told


def detector(classes, edge=None):
    made = SegNetDetector(CLASSES, width=2)
    made.network = Told(classes, edge)
    # Where the detector runs is where its parameters are.
    made.register_parameter("anywhere", nn.Parameter(torch.zeros(1)))
    return made.eval()


def nothing():
    return np.full((48, 64), len(CLASSES))


def test_decoders_mirror_encoders():
    network = SegNet(9, 12, 10)
    encoders, decoders = (
        [(layer.in_channels, layer.out_channels) for layer in part.modules() if is_conv(layer)]
        for part in (network.encoders, network.decoders)
    )
    assert encoders == [(9, 10), (10, 10), (10, 20), (20, 40), (40, 40)]
    assert decoders == [(40, 40), (40, 20), (20, 10), (10, 10), (10, 10)]
    assert (network.classifier.in_channels, network.classifier.out_channels) == (10, 12)


def is_conv(layer):
    return isinstance(layer, nn.Conv2d)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 96), (61, 95)])
def test_the_output_has_the_size_of_the_image(size):
    network = SegNet(4, 3, 2).eval()
    assert network(torch.randn(2, 4, *size)).shape == (2, 3, *size)


def test_decoders_unpool_to_the_positions_of_the_maxima():
    """With convolutions that do nothing, the largest of each 32 x 32 stays where it was."""
    network = SegNet(1, 1, 1).eval()
    for block in (*network.encoders, *network.decoders):
        for layer in block.modules():
            if is_conv(layer):
                nn.init.zeros_(layer.weight)
                for channel in range(min(layer.weight.shape[:2])):
                    layer.weight.data[channel, channel, 2, 2] = 1
    nn.init.ones_(network.classifier.weight)
    nn.init.zeros_(network.classifier.bias)
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        told = network(image)[0, 0]
    for row in (0, 32):
        for col in (0, 32):
            block, seen = (some[row : row + 32, col : col + 32] for some in (image[0, 0], told))
            assert seen.count_nonzero() == 1
            assert seen.argmax() == block.argmax()
            assert seen.max() == pytest.approx(block.max().item(), rel=1e-3)


def test_connected_pixels_of_a_class_are_an_object():
    classes = nothing()
    classes[10:20, 5:25], classes[30:40, 40:60] = 0, 1
    (found,) = detector(classes)([frame()])
    assert sorted(found.labels) == [0, 1]
    first = list(found.labels).index(0)
    np.testing.assert_allclose(found.boxes[first], [10, 20, 50, 40])
    expected = np.zeros((96, 128), bool)
    expected[20:40, 10:50] = True
    np.testing.assert_array_equal(found.masks[first], expected)
    assert found.scores[first] == pytest.approx(1 / (1 + 2 * np.exp(-10)))


def test_edges_separate_objects_of_a_class():
    classes, edge = nothing(), np.zeros((48, 64), bool)
    classes[10:20, 10:50] = 0
    edge[:, 29:31] = True
    (found,) = detector(classes, edge)([frame()])
    assert sorted(found.boxes[:, [0, 2]].tolist()) == [[20, 60], [60, 100]]
    assert found.masks.sum() == 40 * 10 * 4


def test_a_component_of_edge_pixels_is_one_object():
    classes, edge = nothing(), np.zeros((48, 64), bool)
    classes[10:12, 10:50], classes[20:40, 10:50] = 0, 0
    edge[10:12] = True
    (found,) = detector(classes, edge)([frame()])
    assert sorted(found.boxes[:, [1, 3]].tolist()) == [[20, 24], [40, 80]]


def test_small_components_are_ignored():
    classes = nothing()
    classes[10:13, 10:13] = 0
    (found,) = detector(classes)([frame()])
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.masks.shape == (0, 96, 128)


def test_a_proposal_has_the_most_frequent_class_of_its_pixels():
    classes = nothing()
    classes[10:20, 10:30], classes[10:12, 30:34], classes[30:40, 40:60] = 0, 1, 1
    (found,) = detector(classes)([frame()], [np.array([[20.0, 20, 68, 40], [0, 80, 20, 96]])])
    assert sorted(found.labels) == [0, 1]  # the second box is of nothing
    mug, box = (list(found.labels).index(label) for label in (0, 1))
    np.testing.assert_allclose(found.boxes[mug], [20, 20, 68, 40])  # all of any class
    np.testing.assert_allclose(found.boxes[box], [80, 60, 120, 80])


def test_pixels_around_a_proposal_are_no_second_object():
    classes = nothing()
    classes[10:30, 10:30] = 0
    for box in ([20.0, 20, 58, 60], [22, 22, 58, 58]):
        (found,) = detector(classes)([frame()], [np.array([box])])
        np.testing.assert_allclose(found.boxes, [box])


def test_proposals_may_exceed_the_image():
    classes = nothing()
    classes[0:20, 0:30] = 0
    (found,) = detector(classes)([frame()], [np.array([[-6.0, -4, 60, 40], [120, 90, 140, 99]])])
    np.testing.assert_allclose(found.boxes, [[0, 0, 60, 40]])


def test_objects_that_vanish_in_a_small_frame_are_dropped():
    """Its 16 x 12 pixels are seen enlarged by five; a line between two of them is in none."""
    classes = np.full((60, 80), len(CLASSES))
    classes[10:50, 39] = 0
    classes[20:40, 60:75] = 1
    small = frame(12, 16)
    seen = RgbdFrame(small.color, small.depth, Camera(16, 12, 57.0, 57.0, 8.0, 6.0))
    (found,) = detector(classes)([seen])
    assert list(found.labels) == [1]
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()


def test_an_object_mostly_outside_of_proposals_is_complete():
    classes = nothing()
    classes[10:30, 10:30] = 0
    classes[15:18, 25:60] = 1
    (found,) = detector(classes)([frame()], [np.array([[20.0, 20, 60, 60]])])
    assert sorted(found.labels) == [0, 1]
    np.testing.assert_allclose(found.boxes[list(found.labels).index(1)], [50, 30, 120, 36])


def test_the_class_of_every_pixel():
    classes = nothing()
    classes[10:20, 5:25] = 1
    told = detector(classes).class_map(frame())
    assert told.dtype == np.uint8
    np.testing.assert_array_equal(told, np.repeat(np.repeat(classes, 2, axis=0), 2, axis=1))


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (15, 17), (97, 129), (480, 640), (960, 1280)])
def test_frames_of_any_size_and_camera(size):
    torch.manual_seed(0)
    made = SegNetDetector(CLASSES, width=2).eval()
    for focal in (300.0, 570.0, 1140.0):
        camera = Camera(size[1], size[0], focal, focal, size[1] / 2, size[0] / 2)
        seen = RgbdFrame(frame(*size).color, frame(*size).depth, camera)
        (found,) = made([seen])
        assert found.masks.shape == (len(found), *size)
        assert made.class_map(seen).shape == size
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()


def test_a_batch_equals_single_frames():
    torch.manual_seed(0)
    made = SegNetDetector(CLASSES, width=2).eval()
    rng = np.random.default_rng(0)
    frames = [frame(), frame(64, 80)]
    for each in frames:
        each.color[:] = rng.integers(0, 256, each.color.shape)
    both = made(frames)
    for each, found in zip(frames, both, strict=True):
        (alone,) = made([each])
        np.testing.assert_array_equal(found.masks, alone.masks)
        np.testing.assert_array_equal(found.scores, alone.scores)


def test_saved_weights_are_loaded_and_those_of_other_models_refused(tmp_path: Path):
    torch.manual_seed(0)
    made = SegNetDetector(CLASSES).eval()
    file = tmp_path / "segnet.safetensors"
    made.save(file, {})
    loaded: Any = load_detector("segnet", str(file), "cpu")
    assert loaded.classes == CLASSES
    np.testing.assert_array_equal(loaded.class_map(frame()), made.class_map(frame()))
    with pytest.raises(InputError, match="SegNetDetector"):
        load_detector("overfeat", str(file), "cpu")
