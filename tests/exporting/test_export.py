"""Networks as ONNX files: the same results as PyTorch's, quantized or not."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.detection import DETECTORS, load_detector
from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.detection.models.yolo.detector import Yolo
from cvdl.detection.models.yolo.modern import ModernHead
from cvdl.exporting.export import float_graphs, int8_graphs, largest_differences, write_graphs
from cvdl.exporting.networks import NETWORKS
from cvdl.exporting.parts import widened
from cvdl.exporting.quantization import hidden_nodes
from cvdl.grasping import load_grasp_detector
from cvdl.grasping.models.cascade.detector import CascadeDetector
from cvdl.networks.backbone import Backbone
from cvdl.networks.engine import digest
from cvdl.networks.onnx_files import part_path, read_metadata
from cvdl.networks.sessions import BACKBONE, SessionGraph
from cvdl.segmentation.instances.loading import load_instance_model
from cvdl.segmentation.instances.network import InstanceNetwork

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = ("can", "mug", "ball")


def make_frame(width, height, seed=0):
    rng = np.random.default_rng(seed)
    color = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    depth = rng.uniform(0.7, 0.9, (height, width)).astype(np.float32)
    depth[:9, :20] = np.nan
    return RgbdFrame(color, depth, Camera(width, height, 560.0, 560.0, width / 2, height / 2))


def untrained(kind):
    """A small network whose scores differ from place to place."""
    torch.manual_seed(0)
    if kind == "rgbd_rcnn":
        model = RgbdRcnn(CLASSES)
    elif kind == "yolo":
        model = Yolo(CLASSES, ModernHead(len(CLASSES)), Backbone())
    else:
        model = {"cascade": CascadeDetector, "instances": InstanceNetwork}[kind]()
    for name, parameter in model.named_parameters():
        if any(part in name for part in ("score", "delta", "maps.", "edges.")):
            torch.nn.init.normal_(parameter, 0, 0.05)
    return model.eval()


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def exported(request, tmp_path_factory):
    """The name of a network, its weights, the parts of its export, and their bytes."""
    path = tmp_path_factory.mktemp("export") / f"{request.param}.safetensors"
    untrained(request.param).save(path, {"data": "none"})
    network = NETWORKS[request.param].exportable(path)
    graphs = float_graphs(network)
    write_graphs(path.with_suffix(".onnx"), graphs, network, path)
    return request.param, path, network, graphs


def test_graphs_equal_pytorch_at_any_size(exported):
    _, _, network, graphs = exported
    assert max(largest_differences(network, graphs).values()) < 1e-4


@pytest.mark.parametrize("size", [(160, 120), (101, 75), (64, 48), (30, 200)])
def test_frames_get_the_results_of_pytorch(exported, size):
    name, path, _, _ = exported
    load = {
        "rgbd_rcnn": load_detector,
        "yolo": load_detector,
        "cascade": load_grasp_detector,
        "instances": lambda _, *more: load_instance_model(*more),
    }[name]
    frame = make_frame(*size)
    ours, theirs = (load(name, path, "cpu", engine) for engine in ("onnxruntime", "torch"))
    if name in DETECTORS.names:
        boxes = [np.array([[5.0, 5, 25, 40], [0, 0, 12, 12]])]
        (found,), (expected,) = ours([frame], boxes), theirs([frame], boxes)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
        assert len(found)
    elif name == "cascade":
        mask = np.zeros(frame.depth.shape, bool)
        mask[10:30, 4:24] = True
        for some in (mask, None):
            found, expected = ours(frame, some), theirs(frame, some)
            np.testing.assert_allclose(found.score, expected.score, atol=1e-4)
            np.testing.assert_allclose(found.center, expected.center, atol=1e-2)
        np.testing.assert_allclose(ours.judge(frame, found), theirs.judge(frame, found), atol=1e-4)
        assert len(found)
        assert not len(ours(frame, np.zeros_like(mask)))
        assert not len(ours.judge(frame, found[:0]))
    else:
        found, expected = ours(frame), theirs(frame)
        for field in ("is_object", "is_support", "centers", "offsets"):
            one, other = getattr(found, field), getattr(expected, field)
            np.testing.assert_allclose(one, other, atol=1e-3)


def test_files_say_what_they_are(exported):
    name, path, network, _ = exported
    metadata = read_metadata(path.with_suffix(".onnx"))
    assert metadata["model"] == NETWORKS[name].model
    assert metadata["weights"] == digest(path)
    assert "570" in metadata["input"]
    if name in DETECTORS.names:
        assert load_detector(name, path.with_suffix(".onnx")).classes == CLASSES
    if BACKBONE in network.parts:
        assert read_metadata(part_path(path.with_suffix(".onnx"), BACKBONE))["model"] == "Backbone"


def test_networks_with_equal_backbones_share_it(tmp_path, monkeypatch):
    detector, instances = untrained("rgbd_rcnn"), untrained("instances")
    detector.backbone = instances.backbone
    for name, model in (("rgbd_rcnn", detector), ("instances", instances)):
        path = tmp_path / f"{name}.safetensors"
        model.save(path, {})
        network = NETWORKS[name].exportable(path)
        write_graphs(path.with_suffix(".onnx"), float_graphs(network), network, path)
    detect = load_detector("rgbd_rcnn", tmp_path / "rgbd_rcnn.onnx")
    find = load_instance_model(tmp_path / "instances.onnx")
    runs = []
    run = SessionGraph.__call__
    monkeypatch.setattr(
        SessionGraph,
        "__call__",
        lambda graph, **inputs: runs.append(tuple(inputs)) or run(graph, **inputs),
    )
    frame = make_frame(96, 64)
    find(frame)
    detect([frame])
    assert [inputs[0] for inputs in runs] == ["image", "fine", "wide", "near", "near"]


def test_quantized_graphs_are_small_and_the_same_every_time(exported):
    *_, network, graphs = exported
    frames = [make_frame(96, 64, seed) for seed in range(2)]
    small = int8_graphs(network, graphs, frames)
    assert sum(map(len, small.values())) < 0.45 * sum(map(len, graphs.values()))
    assert small == int8_graphs(network, graphs, frames)
    outputs = onnx.load_from_string(small["main"])
    weights = [some for some in outputs.graph.initializer if some.data_type == TensorProto.INT8]
    assert weights
    assert all(abs(numpy_helper.to_array(some)).max() <= 64 for some in weights)  # see quantized


def test_only_hidden_layers_are_quantized():
    def layer(number, source):
        weights.append(
            helper.make_tensor(f"w{number}", TensorProto.FLOAT, [3, 3, 1, 1], np.ones(9))
        )
        return helper.make_node("Conv", [source, f"w{number}"], [f"c{number}"], f"conv{number}")

    weights = []
    nodes = [
        layer(0, "x"),
        helper.make_node("Relu", ["c0"], ["r0"], "relu0"),
        layer(1, "r0"),
        helper.make_node("Add", ["c1", "r0"], ["a"], "add"),
        layer(2, "a"),
        helper.make_node("Add", ["c2", "x"], ["shifted"], "add_to_input"),
        helper.make_node("Sigmoid", ["shifted"], ["y"], "sigmoid"),
    ]
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, None, None]) for name in "xy"
    )
    model = helper.make_model(helper.make_graph(nodes, "graph", [x], [y], weights))
    assert hidden_nodes(model) == ["conv0", "relu0", "conv1", "add"]


def test_integers_keep_their_values_and_what_layers_join_is_quantized():
    weights = [
        helper.make_tensor(f"w{n}", TensorProto.FLOAT, [6, c, 1, 1], np.ones(6 * c))
        for n, c in enumerate((3, 9))
    ]
    nodes = [
        helper.make_node("Cast", ["color"], ["floats"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Conv", ["floats", "w0"], ["c0"], "of_integers"),
        helper.make_node("Concat", ["c0", "image"], ["both"], "concat", axis=1),
        helper.make_node("Conv", ["both", "w1"], ["c1"], "conv"),
        helper.make_node("Relu", ["c1"], ["y"], "relu"),
    ]
    kinds = {"color": TensorProto.UINT8, "image": TensorProto.FLOAT, "y": TensorProto.FLOAT}
    color, image, y = (
        helper.make_tensor_value_info(name, kind, [1, 3, None, None])
        for name, kind in kinds.items()
    )
    model = helper.make_model(helper.make_graph(nodes, "graph", [color, image], [y], weights))
    assert hidden_nodes(model) == ["concat", "conv", "relu"]


def test_a_widened_module_ignores_the_channels_that_it_adds():
    torch.manual_seed(0)
    narrow = torch.nn.Sequential(torch.nn.Conv2d(9, 4, 3), torch.nn.ReLU())
    wide = widened(narrow)
    image = torch.rand(1, 12, 8, 8)
    assert torch.equal(wide(image), narrow(image[:, :9]))
    assert narrow[0].in_channels == 9


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_files_of_the_package_are_of_its_weights(name):
    weights = NETWORKS[name].weights
    assert read_metadata(weights.with_suffix(".onnx"))["weights"] == digest(weights)
