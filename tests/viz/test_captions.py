"""Captions on pictures."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.viz.captions import Captions

GRAY = 128


def plates(picture):
    """(H, W) bool: the pixels of plates."""
    return (picture != GRAY).any(-1)


def written(*texts, size=(480, 640)):
    picture = np.full((*size, 3), GRAY, np.uint8)
    captions = Captions(picture)
    for text, u, v in texts:
        captions.write(text, u, v, align=0.5)
    return plates(picture)


def test_a_caption_is_centered_at_its_place():
    rows, columns = written(("7 mug", 300, 200)).nonzero()
    # Releases of OpenCV draw letters of slightly different widths.
    assert abs((columns.min() + columns.max()) / 2 - 300) <= 5
    assert abs((rows.min() + rows.max()) / 2 - 200) <= 5


def test_captions_at_one_place_do_not_overlap():
    one = written(("7 mug", 300, 200)).sum()
    texts = [("7 mug", 300, 200)] * 8
    assert written(*texts).sum() == 8 * one


def test_the_second_caption_moves_only_a_little():
    alone = written(("7 mug", 300, 200))
    both = written(("7 mug", 300, 200), ("8 cup", 303, 201))
    assert both[alone].all()
    rows, columns = (both & ~alone).nonzero()
    assert abs(rows - 200).max() < 40
    assert abs(columns - 300).max() < 60


@pytest.mark.parametrize("place", [(0, 0), (640, 480), (-1e6, 1e6)])
def test_captions_outside_the_picture_move_into_it(place):
    inside = written(("7 mug", 300, 200)).sum()
    assert written(("7 mug", *place)).sum() == inside


def test_captions_overlap_without_room():
    assert written(*[("7 mug", 30, 10)] * 20, size=(20, 60)).any()
