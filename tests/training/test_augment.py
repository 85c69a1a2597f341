"""Random views keep the labels where they belong."""

import numpy as np
import pytest

from cvdl.grasping.rectangles import GraspRectangles
from cvdl.networks.input import CHANNELS, HAS_COLOR, HAS_DEPTH, NORMAL_XY
from cvdl.training.augment import Augmentation, augmented_view

PLAIN = Augmentation(
    at_a_grasp=1, color_gain=0, color_shift=0, no_color=0, no_depth=0, relief_noise=0
)
GRASP = GraspRectangles(
    np.array([[161.0, 121.0]]), np.array([0.3]), np.array([40.0]), np.array([20.0])
)


def picture():
    """One dot at the grasp's middle, one along its opening; normals along it."""
    image = np.zeros((CHANNELS, 120, 160), np.float32)
    image[HAS_COLOR] = image[HAS_DEPTH] = 1
    middle = np.array([80.25, 60.25])
    along = middle + 15 * np.array([np.cos(0.3), np.sin(0.3)])
    rows, cols = np.mgrid[:120, :160]
    for value, (x, y) in ((3, middle), (4, along)):
        image[value] = 10 * np.exp(-((cols - x) ** 2 + (rows - y) ** 2) / 8)
    return image


@pytest.mark.parametrize("seed", range(8))
def test_the_rectangle_goes_where_the_picture_goes(seed):
    image = picture()
    view, found = augmented_view(image, GRASP, 100, np.random.default_rng(seed), PLAIN)
    (u, v, angle, opening, plate) = found[0]
    row, col = np.unravel_index(view[3].argmax(), view.shape[1:])
    assert abs((u - 0.5) / 2 - col) < 1.5
    assert abs((v - 0.5) / 2 - row) < 1.5
    assert opening / plate == pytest.approx(2)
    assert 40 / 1.31 < opening < 40 * 1.31
    # The other dot lies along the opening; it was drawn as a normal's x, which turned too.
    turned = np.abs(view[NORMAL_XY]).sum(axis=0)
    row2, col2 = np.unravel_index(turned.argmax(), turned.shape)
    if min(row2, col2) > 3 and max(row2, col2) < 96:
        direction = np.arctan2(row2 - row, col2 - col)
        assert abs(np.sin(direction - angle)) < 0.15


def test_normals_turn_with_the_view():
    image = picture()
    image[3:] = 0
    image[HAS_DEPTH] = 1
    image[NORMAL_XY] = np.array([np.cos(0.3), np.sin(0.3)])[:, None, None]  # along the opening
    for seed in range(5):
        view, found = augmented_view(image, GRASP, 60, np.random.default_rng(seed), PLAIN)
        x, y = view[NORMAL_XY, 30, 30]
        assert np.hypot(x, y) == pytest.approx(1, abs=0.01)
        assert abs(np.sin(np.arctan2(y, x) - found[0, 2])) < 0.01


def test_a_modality_is_taken_away_whole():
    for gone, how in (
        (HAS_COLOR, Augmentation(no_color=1, no_depth=0)),
        (HAS_DEPTH, Augmentation(no_color=0, no_depth=1)),
    ):
        view, _ = augmented_view(picture(), GRASP, 60, np.random.default_rng(0), how)
        assert not view[gone].any()
        kept = HAS_DEPTH if gone == HAS_COLOR else HAS_COLOR
        assert view[kept, 30, 30] == 1


def test_a_view_without_a_grasp_has_no_rectangle():
    view, found = augmented_view(
        picture(), GraspRectangles.none(), 60, np.random.default_rng(0), Augmentation()
    )
    assert view.shape == (CHANNELS, 60, 60)
    assert found.shape == (0, 5)
