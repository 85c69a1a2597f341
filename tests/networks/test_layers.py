"""Layers, and how they are exported."""

import io

import numpy as np
import onnxruntime
import torch
from torch import nn

from cvdl.networks.layers import doubled


class Doubled(nn.Module):
    def forward(self, x):
        return doubled(x)


def test_an_exported_graph_doubles_as_pytorch_does():
    file = io.BytesIO()
    axes = {"x": {2: "h", 3: "w"}}
    torch.onnx.export(
        Doubled(),
        (torch.zeros(1, 3, 4, 4),),
        file,
        input_names=["x"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(file.getvalue())
    image = np.arange(30, dtype=np.float32).reshape(1, 3, 2, 5)
    (found,) = session.run(None, {"x": image})
    np.testing.assert_array_equal(found, image.repeat(2, 2).repeat(2, 3))
    np.testing.assert_array_equal(doubled(torch.from_numpy(image)), found)
