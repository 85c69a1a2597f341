"""Histograms of colors."""

import numpy as np
import pytest

from cvdl.recognition.colors import BINS, color_histogram


def crop(*colors, alpha=255):
    """A crop in equal stripes of colors."""
    stripes = np.repeat(np.array(colors, np.uint8), 32, axis=0)
    rgb = np.repeat(stripes[:, None], 32, axis=1)
    return np.dstack([rgb, np.full(rgb.shape[:2], alpha, np.uint8)])


def alike(one, other):
    return float(np.sqrt(color_histogram(one)) @ np.sqrt(color_histogram(other)))


def test_a_histogram_has_the_sum_one():
    histogram = color_histogram(crop((200, 30, 20), (5, 5, 5), (250, 250, 250)))
    assert histogram.shape == (BINS,)
    assert histogram.sum() == pytest.approx(1, abs=1e-5)


def test_dim_light_hardly_changes_a_color():
    bright, dim = (200, 60, 40), (120, 36, 24)
    assert alike(crop(bright), crop(dim)) > 0.95


@pytest.mark.parametrize("other", [(40, 60, 200), (230, 230, 230), (20, 20, 20)])
def test_other_colors_are_not_alike(other):
    assert alike(crop((200, 60, 40)), crop(other)) < 0.1


def test_light_and_dark_gray_differ():
    assert alike(crop((230, 230, 230)), crop((30, 30, 30))) < 0.1


def test_the_background_does_not_count():
    shown = crop((200, 60, 40), (40, 60, 200))
    shown[32:, :, 3] = 0
    assert alike(shown, crop((200, 60, 40))) > 0.999


def test_an_object_of_edges_only_has_colors():
    assert color_histogram(crop((200, 60, 40), alpha=90)).sum() == pytest.approx(1, abs=1e-5)
