"""Outputs of the networks, boxes of the cells, and cropping of boxes."""

import pytest
import torch
from torchvision.ops import roi_align

from cvdl.detection.models.rgbd_rcnn.network import (
    ProposalHead,
    RegionHead,
    _cut,
    decode_cells,
)
from cvdl.networks.backbone import Backbone
from cvdl.networks.detailed_input import INPUTS


def test_deltas_of_zero_are_the_anchors_around_the_centers_of_the_cells():
    boxes = decode_cells(torch.zeros(1, 3, 4, 3, 5))
    assert boxes.shape == (1, 3, 3, 5, 4)
    assert boxes[0, 0, 2, 4].tolist() == [20, 4, 52, 36]  # center of the cell: 36, 20
    assert boxes[0, 1, 0, 0].tolist() == [-32, -32, 40, 40]


def test_deltas_shift_by_the_size_of_the_anchor_and_scale_by_their_exponential():
    deltas = torch.zeros(1, 3, 4, 2, 2)
    deltas[0, 0, :, 1, 0] = torch.tensor([0.5, -0.25, 0.6931472, -0.6931472])
    x_min, y_min, x_max, y_max = decode_cells(deltas)[0, 0, 1, 0].tolist()
    assert ((x_min + x_max) / 2, (y_min + y_max) / 2) == pytest.approx((4 + 16, 12 - 8))
    assert (x_max - x_min, y_max - y_min) == pytest.approx((64, 16))


def test_features_in_boxes_equal_those_of_roi_align():
    torch.manual_seed(0)
    features = torch.rand(2, 3, 24, 32)
    corner = torch.rand(2, 5, 2) * 60
    boxes = torch.cat([corner, corner + 10 + torch.rand(2, 5, 2) * 20], dim=2)
    expected = roi_align(features, list(boxes), 7, 1 / 4, sampling_ratio=1, aligned=True)
    torch.testing.assert_close(_cut(features, boxes, 7, 4), expected, atol=1e-5, rtol=1e-5)


def test_outputs_have_the_documented_shapes():
    backbone, first = Backbone(8).eval(), ProposalHead(24).eval()
    second = RegionHead(12, 24, 5).eval()
    fine, wide = backbone(torch.zeros(2, INPUTS, 48, 64))
    assert (fine.shape, wide.shape) == ((2, 12, 24, 32), (2, 24, 12, 16))
    logits, deltas = first(wide)
    assert (logits.shape, deltas.shape) == ((2, 3, 12, 16), (2, 3, 4, 12, 16))
    boxes = torch.tensor([[0.0, 0, 50, 60]]).expand(2, 6, 4)
    names, mending = second(fine, wide, torch.ones(2, 2, 48, 64), boxes)
    assert (names.shape, mending.shape) == ((12, 5), (12, 4))


def test_the_size_in_meters_distinguishes_objects_of_the_same_shape():
    torch.manual_seed(0)
    second = RegionHead(8, 24, 5).eval()
    torch.nn.init.normal_(second.scores.weight)  # as if it had learned something
    fine, wide = torch.rand(1, 8, 24, 32), torch.rand(1, 24, 12, 16)
    scale = torch.full((1, 2, 48, 64), 1.0)
    boxes = torch.tensor([[[0.0, 0, 50, 60]]])
    near = second(fine, wide, scale * torch.tensor([0.001, 1.0])[:, None, None], boxes)[0]
    far = second(fine, wide, scale * torch.tensor([0.002, 1.0])[:, None, None], boxes)[0]
    unknown = second(fine, wide, scale * 0, boxes)[0]
    assert not torch.allclose(near, far)
    assert torch.isfinite(unknown).all()
