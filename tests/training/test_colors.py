"""The colors of a training set."""

from types import SimpleNamespace

import numpy as np

from cvdl.training.colors import color_statistics


class Views:
    """Views of one color each, which record the indices that are read."""

    def __init__(self, count):
        self.count, self.read = count, []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.read.append(index)
        color = np.zeros((4, 6, 3), np.uint8)
        color[:2] = [200, 100, index % 200]
        return SimpleNamespace(frame=SimpleNamespace(color=color))


def test_statistics_are_over_all_pixels():
    mean, deviation = color_statistics(Views(3))
    np.testing.assert_allclose(mean, [100, 50, 0.5])
    np.testing.assert_allclose(deviation[:2], [100, 50])
    np.testing.assert_allclose(deviation[2], 1)  # a uniform channel


def test_at_most_200_evenly_spaced_views_are_read():
    views = Views(1001)
    color_statistics(views)
    assert len(views.read) == 200
    assert (views.read[0], views.read[-1]) == (0, 1000)
    assert set(np.diff(views.read)) <= {5, 6}
