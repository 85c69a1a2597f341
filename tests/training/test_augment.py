"""Random views show what the images show, where they should."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cvdl.networks.input import CHANNELS, COLOR, GEOMETRY, HAS_COLOR, HAS_DEPTH, NORMAL_XY
from cvdl.training.augment import Augmentation, Placement, jittered_colors, random_view
from helpers.augmentation import UNDISTURBED

PLAIN = replace(UNDISTURBED, turn=True)
SHAPE = (90, 110)
POINTS = np.array([[80.75, 60.75], [100.0, 50.0]])


def images(count):
    """A dot in red at the first point and one in green at the second."""
    image = np.zeros((CHANNELS, 120, 160), np.float32)
    image[HAS_COLOR] = image[HAS_DEPTH] = 1
    y, x = np.mgrid[:120, :160] + 0.5
    for channel, (u, v) in enumerate(POINTS):
        image[channel] = np.exp(-((x - u) ** 2 + (y - v) ** 2) / 18)
    return torch.from_numpy(image).expand(count, -1, -1, -1)


def placement(count, how=PLAIN):
    rng = np.random.default_rng(0)
    return Placement.random(np.tile([85.0, 58.0], (count, 1)), how, rng)


@pytest.mark.parametrize("turn", [True, False])
def test_points_are_where_the_view_shows_them(turn):
    how = replace(UNDISTURBED, turn=turn)
    where = placement(12, how)
    view = random_view(images(12), where, SHAPE, how)
    points = where.points(torch.from_numpy(POINTS).float().expand(12, -1, -1), SHAPE)
    y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in SHAPE), indexing="ij")
    for dots, expected in zip(view[:, :2], points, strict=True):
        for dot, (u, v) in zip(dots, expected, strict=True):
            assert float((dot * x).sum() / dot.sum()) == pytest.approx(float(u), abs=0.05)
            assert float((dot * y).sum() / dot.sum()) == pytest.approx(float(v), abs=0.05)
    assert len({tuple(linear.sign().flatten().tolist()) for linear in where.linear}) > 1


def test_zoom_and_mirroring_are_random():
    where = placement(400)
    assert where.zoom.min() < 1 / 1.25
    assert 1.25 < where.zoom.max() <= 1.3 + 1e-5
    mirrored = torch.linalg.det(where.linear) < 0
    assert 140 < mirrored.sum() < 260


def test_normals_turn_with_the_view():
    """The first normal points from the first dot to the second, in the views as well."""
    image = images(8).clone()
    offset = torch.from_numpy(POINTS[1] - POINTS[0]).float()
    image[:, NORMAL_XY] = (offset / offset.norm())[:, None, None]
    where = placement(8)
    view = random_view(image, where, SHAPE, PLAIN)
    points = where.points(torch.from_numpy(POINTS).float().expand(8, -1, -1), SHAPE)
    offset = points[:, 1] - points[:, 0]
    normal = view[:, NORMAL_XY, 45, 55]
    torch.testing.assert_close(normal, offset / offset.norm(dim=1, keepdim=True), rtol=0, atol=1e-4)


def test_a_larger_detail_shows_the_same_part():
    where = placement(3)
    coarse, fine = where.grid((120, 160), SHAPE), where.grid((120, 160), SHAPE, 2)
    assert fine.shape == (3, 180, 220, 2)
    mean = fine.unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).mean((2, 4))
    torch.testing.assert_close(mean, coarse)


def test_a_modality_is_dropped_as_a_whole():
    for gone, channels, how in (
        (HAS_COLOR, COLOR, Augmentation(no_color=1, no_depth=0)),
        (HAS_DEPTH, GEOMETRY, Augmentation(no_color=0, no_depth=1)),
    ):
        view = random_view(images(4), placement(4), SHAPE, how)
        assert not view[:, gone].any()
        assert not view[:, channels].any()
        kept = HAS_DEPTH if gone == HAS_COLOR else HAS_COLOR
        assert (view[:, kept, 45, 55] == 1).all()


def test_a_view_with_one_modality_keeps_it():
    image = images(50).clone()
    image[:, HAS_DEPTH] = 0
    view = random_view(image, placement(50), SHAPE, Augmentation(no_color=0.5, no_depth=0.5))
    assert (view[:, HAS_COLOR, 45, 55] == 1).all()


def test_unknown_pixels_stay_0():
    image = images(4).clone()
    image[:, [HAS_COLOR, HAS_DEPTH], :, :80] = 0
    view = random_view(image, placement(4), SHAPE, Augmentation())
    assert not view[:, COLOR][(view[:, HAS_COLOR, None] == 0).expand(-1, 3, -1, -1)].any()
    assert not view[:, GEOMETRY][(view[:, HAS_DEPTH, None] == 0).expand(-1, 4, -1, -1)].any()


def test_the_same_seed_gives_the_same_views():
    views = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        views.append(random_view(images(4), placement(4), SHAPE, Augmentation()))
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])


def test_colors_are_jittered_by_the_given_generator():
    image = torch.randint(256, (3, 20, 30), dtype=torch.uint8)
    once, again = (jittered_colors(image, 0.4, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, image)
    assert torch.equal(jittered_colors(image, 0, np.random.default_rng(0)), image)
