"""The predictor, with a network that is not trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cvdl.core.errors import InputError
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import Hands
from cvdl.grasping.holding.exporting import export_holding
from cvdl.grasping.holding.network import HoldingNetwork
from cvdl.grasping.holding.predictor import HoldingPredictor
from cvdl.grasping.holding.views import draw_views

from .conftest import SIZES


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    network = HoldingNetwork()
    network.calibrate(8.0, 1.0)  # so that chances differ
    network.save(tmp_path / "holding.safetensors", {})
    return tmp_path / "holding.safetensors"


def test_the_graph_predicts_what_the_network_does(weights, cloud, hand):
    predictor = HoldingPredictor.load(export_holding(weights))
    hands = Hands.joined([hand] * 5)
    hands.position[:, 0] = np.linspace(-0.02, 0.02, 5)
    views = draw_views(cloud, hands, SIZES)
    with torch.inference_mode():
        logits = HoldingNetwork.load(weights)(*map(torch.from_numpy, views))
    chance = predictor(cloud, hands, GraspConfig())
    np.testing.assert_allclose(chance, torch.sigmoid(logits), atol=1e-5)
    assert np.ptp(chance) > 1e-3


def test_without_hands_there_are_no_chances(weights, cloud, hand):
    predictor = HoldingPredictor.load(export_holding(weights))
    assert predictor(cloud, hand[:0], GraspConfig()).shape == (0,)


def test_the_sizes_of_the_gripper_matter(weights, cloud, hand):
    predictor = HoldingPredictor.load(export_holding(weights))
    small = GraspConfig(plate_width=0.01)
    assert predictor(cloud, hand, small) != predictor(cloud, hand, GraspConfig())


def test_a_file_of_another_network_is_refused(weights, tmp_path):
    with pytest.raises(InputError, match="holding"):
        HoldingPredictor.load(tmp_path / "holding.onnx")
    file = export_holding(weights)
    file.write_bytes(file.read_bytes().replace(b"HoldingNetwork", b"AnotherNetwork"))
    with pytest.raises(InputError, match="AnotherNetwork"):
        HoldingPredictor.load(file)


def test_calibration_replaces_logits(cloud, hand):
    network = HoldingNetwork().eval()
    views = [torch.from_numpy(each) for each in draw_views(cloud, hand, SIZES)]
    before = network(*views)
    network.calibrate(0.5, 0.2)
    torch.testing.assert_close(network(*views), 0.5 * before + 0.2)
