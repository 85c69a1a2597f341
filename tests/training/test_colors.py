"""The colours of a training set."""

from types import SimpleNamespace

import numpy as np

from cvdl.training.colors import color_statistics


class Views:
    """Views of one shade each, that note which have been read."""

    def __init__(self, count):
        self.count, self.read = count, []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.read.append(index)
        color = np.zeros((4, 6, 3), np.uint8)
        color[:2] = [200, 100, index % 200]
        return SimpleNamespace(frame=SimpleNamespace(color=color))


def test_statistics_are_those_of_all_pixels():
    mean, deviation = color_statistics(Views(3))
    np.testing.assert_allclose(mean, [100, 50, 0.5])
    np.testing.assert_allclose(deviation[:2], [100, 50])
    np.testing.assert_allclose(deviation[2], 1)  # an even colour has none to divide by


def test_of_many_views_an_even_choice_is_read():
    views = Views(1001)
    color_statistics(views)
    assert len(views.read) == 200
    assert (views.read[0], views.read[-1]) == (0, 1000)
    assert set(np.diff(views.read)) <= {5, 6}
