"""The published network as a graph of ONNX; the modern one is in ``tests/exporting``."""

import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection import load_detector
from cvdl.detection.models.yolo.detector import Yolo
from cvdl.detection.models.yolo.exported import packaged_backbone
from cvdl.detection.models.yolo.exporting import exportable
from cvdl.detection.models.yolo.published import PublishedNetwork
from cvdl.exporting.export import float_graphs, int8_graphs, largest_differences, write_graphs

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = ("can", "mug", "ball")


def make_frame(width=160, height=120):
    rng = np.random.default_rng(0)
    color = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    depth = rng.uniform(0.7, 0.9, (height, width)).astype(np.float32)
    return RgbdFrame(color, depth, Camera(width, height, 560.0, 560.0, width / 2, height / 2))


def published():
    network = PublishedNetwork(len(CLASSES), 128)
    torch.nn.init.constant_(network.connected[-1].bias, 0.4)
    return Yolo(CLASSES, network)


def test_frames_get_the_results_of_pytorch(tmp_path):
    torch.manual_seed(0)
    model, path = published().eval(), tmp_path / "yolo.safetensors"
    model.save(path, {})
    network = exportable(path)
    graphs = float_graphs(network)
    assert max(largest_differences(network, graphs).values()) < 1e-4
    write_graphs(path.with_suffix(".onnx"), graphs, network, path)
    ours, theirs = (load_detector("yolo", path, "cpu", engine) for engine in ("auto", "torch"))
    assert type(ours) is not type(theirs)
    (found,), (expected,) = ours([make_frame()]), theirs([make_frame()])
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    assert len(found)
    small = int8_graphs(network, graphs, [make_frame()])
    assert sum(map(len, small.values())) < 0.45 * sum(map(len, graphs.values()))


def test_another_backbone_in_the_package_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"yolo\.onnx: was trained on the features of another"):
        packaged_backbone(tmp_path / "yolo.onnx", "of other weights")
