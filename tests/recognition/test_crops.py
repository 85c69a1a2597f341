"""Objects as crops."""

import numpy as np
import pytest

from cvdl.recognition.crops import BACKGROUND, SIDE, cut_crop


def square(side, at, size=400):
    color = np.full((size, size, 3), (10, 200, 30), np.uint8)
    mask = np.zeros((size, size), bool)
    mask[at : at + side, at : at + side] = True
    color[mask] = 250, 60, 90
    return color, mask


@pytest.mark.parametrize("side", [20, 300], ids=["enlarged", "shrunk"])
def test_an_object_fills_the_crop_at_any_size(side):
    crop = cut_crop(*square(side, 50))
    assert crop.shape == (SIDE, SIDE, 4)
    inside = crop[..., 3] == 255
    assert np.sqrt(inside.mean()) == pytest.approx(1 / 1.1, abs=0.06)
    assert (crop[inside][:, :3] == (250, 60, 90)).all()


def test_the_background_is_gray():
    crop = cut_crop(*square(100, 50))
    outside = crop[..., 3] == 0
    assert outside.any()
    assert (crop[outside][:, :3] == BACKGROUND).all()


def test_an_object_at_the_edge_of_the_image_is_in_the_middle():
    crop = cut_crop(*square(100, 0))
    rows, cols = np.nonzero(crop[..., 3])
    assert abs(rows.mean() - (SIDE - 1) / 2) < 1
    assert abs(cols.mean() - (SIDE - 1) / 2) < 1


def test_one_pixel_is_enough():
    color, mask = square(1, 7)
    assert cut_crop(color, mask)[..., 3].max() == 255
