"""The regularizer and the auto-encoders."""

from __future__ import annotations

import math

import pytest
import torch

from cvdl.grasping.models.lenz2014.network import GraspNetwork
from cvdl.grasping.models.lenz2014.pretraining import PretrainingConfig, group_penalty, pretrain


def test_gradient_of_the_group_penalty_agrees_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 7 * 4, dtype=torch.float64, generator=generator) * 0.1
    weight.requires_grad_()
    assert torch.autograd.gradcheck(lambda w: group_penalty(w, 20.0), (weight,))


def test_group_penalty_counts_modalities_by_their_largest_weight():
    weight = torch.zeros(2, 7 * 576)
    assert group_penalty(weight, 100.0) == pytest.approx(0, abs=1e-6)
    weight[0, 3 * 576 + 5] = -2.0  # unit 0 uses depth
    weight[1, 10] = 1.0  # unit 1 uses color
    expected = math.log1p(2.0**2) + math.log1p(1.0**2)
    assert group_penalty(weight, 1000.0).item() == pytest.approx(expected, rel=0.02)


def test_the_penalty_is_larger_for_all_modalities_than_for_one():
    one, all_of_them = torch.zeros(1, 7 * 576), torch.zeros(1, 7 * 576)
    one[0, :3] = 1.0
    all_of_them[0, [0, 3 * 576, 4 * 576]] = 1.0
    assert group_penalty(all_of_them, 100.0) > 2 * group_penalty(one, 100.0)


@pytest.fixture
def structured():
    """Visible units with two hidden causes."""
    generator = torch.Generator().manual_seed(0)
    causes = torch.randn(400, 2, generator=generator)
    return causes @ torch.randn(2, 7 * 576, generator=generator)


def test_the_first_layer_learns_to_reconstruct(structured):
    torch.manual_seed(0)
    network = GraspNetwork(10)

    def unexplained():
        """Share of the variance that decoding with the same weights leaves."""
        error = torch.sigmoid(network.first(structured)) @ network.first.weight - structured
        return error.var(dim=0, unbiased=False).sum() / structured.var(dim=0).sum()

    config = PretrainingConfig(epochs=6, batch=50)
    with torch.no_grad():
        before = unexplained()
    pretrain(network, structured, torch.ones(400, 7), config, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert unexplained() < 0.85 < 0.95 < before


def test_masked_units_do_not_change_the_weights(structured):
    """Masked units are 0 in the input and ignored in the output."""
    structured[:, 3 * 576 :] = 0  # no depth in any patch
    torch.manual_seed(0)
    network = GraspNetwork(10)
    config = PretrainingConfig(epochs=3, batch=50, group_weight=0, l1_weight=0)
    before = network.first.weight.detach().clone()
    pretrain(network, structured, torch.ones(400, 7), config, torch.Generator().manual_seed(0))
    change = (network.first.weight - before).abs()
    assert change[:, : 3 * 576].max() > 1e-3
    assert change[:, 3 * 576 :].max() < 1e-7
