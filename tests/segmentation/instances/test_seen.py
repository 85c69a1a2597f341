"""What the network sees, at the size of a frame and on a surface."""

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.segmentation.instances.instances import Instances
from cvdl.segmentation.instances.seen import Seen
from cvdl.segmentation.surface import surface_of

HEIGHT, WIDTH = 480, 640


def two_squares(height, width):
    """Two objects, each pixel of which points to the center of its own: (h, w)."""
    rows, cols = np.mgrid[:height, :width].astype(np.float32)
    right = cols >= width / 2
    middle = np.where(right, 3 * width // 4, width // 4)
    offsets = np.stack([middle - cols, height // 2 - rows])
    is_object = (abs(offsets[0]) < 0.2 * width) & (abs(offsets[1]) < 0.3 * height)
    odds = np.where(is_object, 4, -4).astype(np.float32)
    centers = np.where((offsets == 0).all(axis=0), 20, 0).astype(np.float32)
    return Instances(odds, -odds, centers, offsets.astype(np.float32))


def a_surface(rows, cols):
    camera = Camera(WIDTH, HEIGHT, 525.0, 525.0, 319.5, 239.5)
    depth = np.ones((HEIGHT, WIDTH), np.float32)
    color = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return surface_of(color, depth, np.ones(depth.shape, bool), camera, (rows, cols))


@pytest.mark.parametrize("size", [(240, 320), (128, 171)])
@pytest.mark.parametrize("start", [0, 31])
def test_groups_and_votes_on_a_surface(size, start):
    instances = two_squares(*size)
    seen = Seen.of(instances, (HEIGHT, WIDTH), None)
    surface = a_surface(slice(start, HEIGHT), slice(start, WIDTH))
    groups = seen.groups_on(surface)
    is_object = surface.reduce(seen.object_odds) > 0
    votes = seen.votes_on(surface)
    scale = np.divide((HEIGHT, WIDTH), size)
    is_right = surface.middles(1) >= WIDTH / 2
    found = []
    for side, share in ((~is_right, 0.25), (is_right, 0.75)):
        (group,) = set(groups[is_object & side])
        found.append(group)
        x, y = votes[is_object & side].mean(axis=0)
        assert x == pytest.approx((share * WIDTH - start) / 2, abs=scale[1])
        assert y == pytest.approx((HEIGHT / 2 - start) / 2, abs=scale[0])
    assert sorted(found) == [1, 2]


def test_nothing_is_seen_outside_of_the_region():
    instances = two_squares(240, 320)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[:, :320] = True
    seen = Seen.of(instances, (HEIGHT, WIDTH), inside)
    assert (seen.object_odds[~inside] == -np.inf).all()
    assert (seen.support_odds[~inside] == -np.inf).all()
    groups = seen.groups_on(a_surface(slice(0, HEIGHT), slice(0, WIDTH)))
    assert not groups[:, 160:].any()
    assert groups[:, :160].any()
