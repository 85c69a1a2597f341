"""Other views of an object, made of one photograph."""

import numpy as np
import pytest

from cvdl.recognition.crops import SIDE, cut_crop
from cvdl.recognition.variation import varied_crop


@pytest.fixture
def photograph():
    """A red disk with a blue half, on green."""
    rows, columns = np.mgrid[:240, :320]
    mask = np.hypot(rows - 120, columns - 200) < 60
    color = np.full((240, 320, 3), (30, 180, 30), np.uint8)
    color[mask] = 200, 40, 40
    color[mask & (columns > 200)] = 40, 40, 200
    return color, mask


def views(photograph, count=30):
    rng = np.random.default_rng(0)
    found = [varied_crop(*photograph, rng) for _ in range(count)]
    return [view for view in found if view is not None]


def test_views_are_crops_of_the_object_without_its_background(photograph):
    for view in views(photograph):
        assert view.shape == (SIDE, SIDE, 4)
        inside = view[..., 3] > 250
        red, green, blue = view[inside, :3].astype(float).mean(axis=0)
        assert max(red, blue) > green


def test_views_differ_as_cameras_do(photograph):
    found = views(photograph)
    light = [view[view[..., 3] > 250, :3].mean() for view in found]
    shown = [np.count_nonzero(view[..., 3] > 128) for view in found]
    whole = np.count_nonzero(cut_crop(*photograph)[..., 3] > 128)
    assert np.std(light) > 10
    assert min(shown) < 0.9 * whole < max(shown)
    assert all(np.abs(view.astype(int) - found[0]).max() > 0 for view in found[1:])


def test_the_same_draws_make_the_same_view(photograph):
    first, second = (varied_crop(*photograph, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("size", [0, 1, 8])
def test_of_hardly_anything_there_is_no_view(photograph, size):
    color, mask = photograph
    tiny = np.zeros_like(mask)
    tiny[100 : 100 + size, 100 : 100 + size] = True
    assert varied_crop(color, tiny, np.random.default_rng(0)) is None
