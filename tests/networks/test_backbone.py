"""The backbone that networks share, and its features of a frame."""

import torch

from cvdl.networks.backbone import Backbone, backbone_features, shared_backbone


def changed(backbone):
    with torch.no_grad():
        backbone.wide[0].weight.mul_(-1)


def test_features_of_a_shared_backbone_are_computed_once_per_frame(frame):
    backbone = shared_backbone(Backbone(8).eval())
    first = backbone_features(frame, backbone)
    assert all(a is b for a, b in zip(first, backbone_features(frame, backbone), strict=True))


def test_features_of_a_backbone_in_training_follow_its_weights(frame):
    backbone = Backbone(8).eval()
    _, before = backbone_features(frame, backbone)
    changed(backbone)
    _, after = backbone_features(frame, backbone)
    assert not torch.equal(before, after)


def test_equal_backbones_are_one():
    torch.manual_seed(3)
    first, other = Backbone(8), Backbone(8)
    equal = Backbone(8)
    equal.load_state_dict(first.state_dict())
    assert shared_backbone(first) is first
    assert shared_backbone(equal) is first
    assert shared_backbone(other) is other
