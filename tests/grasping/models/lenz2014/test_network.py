"""Mask scaling, whitening and coarse patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cvdl.grasping.models.lenz2014.network import GraspNetwork
from cvdl.grasping.models.lenz2014.patches import Patches, channel_image, extract, mirror, mirrored
from cvdl.grasping.rectangles import GraspRectangles


def random_patches(count=6, size=24):
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(count, 2, size, size, dtype=torch.bool)
    mask[1, :, : size // 4] = False  # a quarter is padding
    mask[2, 1, : size * 3 // 4] = False  # three quarters without depth
    mask[3, 1] = False  # no depth at all
    values = torch.randn(count, 7, size, size, generator=generator)
    values[:, :3] *= mask[:, :1]
    values[:, 3:] *= mask[:, 1:]
    return Patches(values, mask)


def test_scales_make_up_for_what_is_masked_out_up_to_the_cap():
    scale = GraspNetwork(4, cap=1.67).scales(random_patches().mask)
    expected = [[1, 1], [4 / 3, 4 / 3], [1, 1.67], [1, 1.67], [1, 1], [1, 1]]
    torch.testing.assert_close(scale, torch.tensor(expected))
    assert (GraspNetwork(4, cap=1).scales(random_patches().mask) == 1).all()


def test_visible_units_are_scaled_modality_by_modality():
    patches = random_patches()
    network = GraspNetwork(1)
    with torch.no_grad():
        network.first.weight.zero_()
        network.first.weight.view(1, 7, 24, 24)[0, 3] = 0.01  # sums up the depth
        network.first.bias.zero_()
        network.second.weight.fill_(1)
        network.second.bias.zero_()
        network.last.weight.fill_(1)
        network.last.bias.zero_()
        total = 0.01 * patches.values[:, 3].sum(dim=(1, 2))
        expected = torch.sigmoid(torch.sigmoid(total * torch.tensor([1, 4 / 3, 1.67, 1, 1, 1])))
        torch.testing.assert_close(network(patches), expected)


def test_whitened_channels_have_deviation_one_and_features_mean_zero():
    patches = random_patches(200)
    shifted = Patches((patches.values * 3 + 2) * masks(patches), patches.mask)
    network = GraspNetwork(4)
    network.fit_whitening(shifted)
    whitened, _ = network.visible(shifted)
    known = masks(patches)
    kernels = whitened.view(-1, 7, 24, 24)
    assert (kernels[~known] == 0).all()
    mean = kernels.sum(dim=0) / known.sum(dim=0)
    for axes in ((True, False), (False, True)):
        mean = (mean + mirrored(mean, *axes)) / 2
    torch.testing.assert_close(mean, torch.zeros(7, 24, 24), atol=1e-4, rtol=0)
    square = (kernels**2).sum(dim=(0, 2, 3)) / known.sum(dim=(0, 2, 3))
    torch.testing.assert_close(square, torch.ones(7), atol=1e-4, rtol=0)


def masks(patches):
    return torch.cat(
        [patches.mask[:, :1].expand(-1, 3, -1, -1), patches.mask[:, 1:].expand(-1, 4, -1, -1)], 1
    )


@pytest.mark.parametrize("modality", ["color", "depth", "normals"])
def test_a_single_modality_is_blind_to_the_others(modality):
    patches = random_patches()
    network = GraspNetwork(8, (modality,))
    channels = {"color": [0, 1, 2], "depth": [3], "normals": [4, 5, 6]}[modality]
    others = [channel for channel in range(7) if channel not in channels]
    changed = patches.values.clone()
    changed[:, others] += 1
    torch.testing.assert_close(network(Patches(changed, patches.mask)), network(patches))
    changed[:, channels] += 1
    assert not torch.allclose(network(Patches(changed, patches.mask)), network(patches))


def test_coarse_patches_of_a_smooth_scene_give_nearly_the_same_logits(bar_frame):
    torch.manual_seed(0)
    network = GraspNetwork(50)
    image = channel_image(bar_frame)
    rng = np.random.default_rng(0)
    boxes = GraspRectangles(
        rng.uniform((50, 50), (110, 70), (60, 2)),
        rng.uniform(-1.5, 1.5, 60),
        rng.uniform(20, 50, 60),
        rng.uniform(15, 30, 60),
    )
    network.fit_whitening(extract(image, boxes))
    with torch.no_grad():
        kernels = torch.randn(50, 7, 8, 8) / 60  # as smooth as what is learned
        network.first.weight[:] = kernels.repeat_interleave(3, 2).repeat_interleave(3, 3).flatten(1)
        network.last.weight *= 20  # so that the logits differ
        fine, coarse = (network(extract(image, boxes, size)) for size in (24, 8))
    assert np.corrcoef(fine, coarse)[0, 1] > 0.95


def test_whitening_and_mirroring_can_change_places():
    patches = random_patches(50)
    network = GraspNetwork(4)
    network.fit_whitening(patches)
    one = network.visible(mirror(patches, columns=True))[0].view(-1, 7, 24, 24)
    other = mirrored(network.visible(patches)[0].view(-1, 7, 24, 24), True, False)
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
