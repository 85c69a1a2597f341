"""Layers, and how they are exported."""

import numpy as np
import onnxruntime
import torch
from torch import nn

from cvdl.exporting.parts import Part, onnx_graph
from cvdl.networks.layers import doubled


class Doubled(nn.Module):
    def forward(self, x):
        return (doubled(x),)


def test_an_exported_graph_doubles_as_pytorch_does():
    sides = {2: "height", 3: "width"}
    small = np.zeros((1, 3, 4, 4), np.float32)
    graph = onnx_graph(Part(Doubled(), {"x": sides}, {"y": sides}), {"x": small})
    image = np.arange(30, dtype=np.float32).reshape(1, 3, 2, 5)
    (found,) = onnxruntime.InferenceSession(graph).run(None, {"x": image})
    np.testing.assert_array_equal(found, image.repeat(2, 2).repeat(2, 3))
    np.testing.assert_array_equal(found, doubled(torch.from_numpy(image)))
