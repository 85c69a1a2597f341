"""Features of color with the weights of ImageNet."""

import numpy as np
import pytest
import torch

from cvdl.networks.backbone import Backbone
from cvdl.networks.color_features import ColorEncoder
from cvdl.segmentation.instances.loading import WEIGHTS
from cvdl.segmentation.instances.model import InstanceModel


def test_the_features_are_those_of_the_published_network():
    """Means of the features of a fixed image, from the network as its authors published it."""
    y, x = np.mgrid[:64, :96].astype(np.float32)
    color = np.stack([np.sin(x / 5), np.cos(y / 7), np.sin((x + y) / 9)])
    network = InstanceModel.load(WEIGHTS, torch.device("cpu")).network
    encoder = network.backbone.color.encoder
    features = encoder(torch.from_numpy(color)[None])
    assert [tuple(each.shape[1:]) for each in features] == [(24, 16, 24), (40, 8, 12), (112, 4, 6)]
    means = [float(each.abs().mean()) for each in features]
    assert means == pytest.approx(
        [7.36133, 6.75366, 4.70461], rel=5e-4
    )  # they are stored in 16 bits


def test_the_encoder_stays_in_evaluation_mode():
    encoder = ColorEncoder().train()
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_new_features_of_color_change_nothing():
    torch.manual_seed(0)
    plain, colored = Backbone(8).eval(), Backbone(8, has_color=True).eval()
    colored.load_state_dict(plain.state_dict(), strict=False)
    image = torch.randn(1, 18, 32, 48)
    for one, other in zip(plain(image), colored(image), strict=True):
        torch.testing.assert_close(one, other)
