"""What a hand sees of a cube."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cvdl.grasping.hands import Hands
from cvdl.grasping.holding import views as module
from cvdl.grasping.holding.views import CHANNELS, SIDE, VALUES, draw_views, mirrored

from .conftest import OTHER, SIZES

SEEN, COMPLETED, OTHERS, SUPPORT, GRIPPER, HIDDEN = range(6)
NEAREST, NEAREST_OTHER, BETWEEN = range(6, CHANNELS)
#: Cells of a map are 5 mm; x and y are 0 between cells 15 and 16, z between rows 21 and 22.
CENTER, TIPS = 16, 22


def cells(image):
    """First and last row and column of the cells that are not 0."""
    rows, columns = np.nonzero(image)
    return rows.min(), rows.max(), columns.min(), columns.max()


def value(views, name):
    return views.values[0, module._NAMES.index(name)]


def test_points_are_in_the_cells_where_they_are(cloud, hand):
    maps = draw_views(cloud, hand, SIZES).maps[0]
    # The top of the cube is 22 mm before the tips and 44 mm wide; the rest is completed.
    assert cells(maps[SEEN]) == (TIPS - 5, TIPS - 5, CENTER - 5, CENTER + 4)
    assert cells(maps[COMPLETED]) == (TIPS - 4, TIPS + 4, CENTER - 5, CENTER + 4)
    # The other cube begins at 58 mm; the maps end at 80 mm.
    assert cells(maps[OTHERS]) == (TIPS - 5, TIPS + 4, CENTER + 11, SIDE - 1)
    assert cells(maps[NEAREST]) == (CENTER - 5, CENTER + 4, CENTER - 5, CENTER + 4)
    assert cells(maps[NEAREST_OTHER]) == (CENTER - 5, CENTER + 4, CENTER + 11, SIDE - 1)
    # The top is 72 mm above the lower end of the maps, which are 160 mm high.
    assert maps[NEAREST].max() == pytest.approx(72 / 160, abs=1e-5)
    assert cells(maps[BETWEEN]) == (CENTER - 5, CENTER + 4, CENTER - 5, CENTER + 4)


def test_the_support_and_the_gripper_are_where_they_are(cloud, hand):
    maps = draw_views(cloud, hand, SIZES).maps[0]
    # The support is 22 mm past the tips; heights are in units of 50 mm.
    heights = maps[SUPPORT][:, 0]
    assert heights[TIPS] == pytest.approx((22 - 2.5) / 50, abs=1e-5)
    assert (heights[: TIPS + 4] > 0).all()
    assert (heights[TIPS + 4 :] < 0).all()
    # Plates of 1 cm from 3 cm on, with a palm of 2 cm.
    np.testing.assert_allclose(maps[GRIPPER][TIPS - 1, CENTER : CENTER + 9], [0] * 6 + [1, 1, 0])
    np.testing.assert_allclose(maps[GRIPPER][:, CENTER], [0] * 8 + [1] * 4 + [0] * 20, atol=1e-5)
    np.testing.assert_array_equal(maps[GRIPPER], maps[GRIPPER][:, ::-1])


def test_what_is_behind_a_surface_is_hidden(cloud, hand):
    """The depth of a wall 4 cm before the tips, at the left; nothing at the right."""
    depth = cloud.depth.copy()
    depth[:, :40] = 0.56
    depth[:, 45:] = np.nan  # from 4 cm on
    hidden = draw_views(replace(cloud, depth=depth), hand, SIZES).maps[0, HIDDEN]
    assert not hidden[: TIPS - 8, : CENTER + 6].any()
    # Parts of two cells, 1 cm: the first behind the wall has its middle 5 mm behind it.
    assert hidden[TIPS - 8, 0] == pytest.approx(5 / 30, abs=1e-4)
    assert (hidden[TIPS - 2 :, : CENTER - 1] == 1).all()
    assert (hidden[:, CENTER + 10 :] == 0.5).all()  # unknown
    assert not hidden[: TIPS + 4, CENTER + 1 : CENTER + 6].any()  # before the support


def test_a_plate_that_covers_part_of_a_cell_shows_there_in_part(cloud, hand):
    wider = replace(hand, opening=np.array([0.063]))
    maps = draw_views(cloud, wider, SIZES).maps[0]
    plate = maps[GRIPPER][TIPS - 1, CENTER + 6 : CENTER + 9]
    np.testing.assert_allclose(plate, [0.7, 1, 0.3], atol=1e-4)


def test_values_are_measured_in_meters(cloud, hand):
    views = draw_views(cloud, hand, SIZES)
    assert views.values.shape == (1, VALUES)
    assert value(views, "opening") == pytest.approx(0.6)
    assert value(views, "approach to support") == pytest.approx(-1)
    assert value(views, "approach to sight") == pytest.approx(1)
    assert value(views, "height of middle") == pytest.approx(0.22, abs=1e-5)
    assert value(views, "distance") == pytest.approx(0.6)
    assert value(views, "insertion") == pytest.approx(0.44, abs=1e-5)
    assert value(views, "width") == pytest.approx(0.44, abs=1e-5)
    assert value(views, "middle") == pytest.approx(0, abs=1e-5)
    assert value(views, "extent z") == pytest.approx(0.22, abs=1e-5)
    assert value(views, "others in gripper") == value(views, "own in gripper") == 0
    # A hand 13 mm beside the cube's middle has a plate in it.
    beside = draw_views(cloud, replace(hand, position=np.array([[-0.013, 0, 0.6]])), SIZES)
    assert value(beside, "own in gripper") > 0
    assert value(beside, "middle") > 0


def test_half_a_turn_about_the_approach_mirrors_both_axes(cloud):
    rng = np.random.default_rng(0)
    # Points at no border of a cell.
    points = rng.uniform([-0.05, -0.05, 0.55], [0.05, 0.05, 0.65], (800, 3))
    cloud = replace(
        cloud,
        points=points.astype(np.float32),
        label=rng.integers(2, 4, 800),
        seen=rng.random(800) < 0.5,
    )
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation[:, 2] *= np.linalg.det(rotation)
    turned = rotation * [-1, -1, 1]
    hands = [
        Hands(np.array([[0.01, 0, 0.6]]), each[None], np.array([0.06]), np.array([2]))
        for each in (rotation, turned)
    ]
    one, other = (draw_views(cloud, each, SIZES) for each in hands)
    expected = mirrored(one, True, True)
    np.testing.assert_allclose(other.values, expected.values, atol=2e-5)
    assert (np.abs(other.maps - expected.maps) > 1e-4).mean() < 2e-3
    assert np.abs(one.maps - other.maps).max() > 0.1  # they differ before


def test_each_hand_sees_its_own_object(cloud, hand):
    both = Hands.joined([hand, replace(hand, label=np.array([OTHER])), hand])
    views = draw_views(cloud, both, SIZES)
    alone = [draw_views(cloud, both[k : k + 1], SIZES) for k in range(3)]
    np.testing.assert_array_equal(views.maps, np.concatenate([each.maps for each in alone]))
    np.testing.assert_array_equal(views.values, np.concatenate([each.values for each in alone]))
    assert views.maps[0, SEEN].any()
    assert not views.maps[1, BETWEEN].any()


def test_no_hands_and_no_points_are_no_error(cloud, hand):
    assert draw_views(cloud, hand[:0], SIZES).maps.shape == (0, CHANNELS, SIDE, SIDE)
    empty = replace(cloud, points=cloud.points[:0], label=cloud.label[:0], seen=cloud.seen[:0])
    views = draw_views(empty, hand, SIZES)
    assert not views.maps[:, SEEN].any()
    assert np.isfinite(views.values).all()
