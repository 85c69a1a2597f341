"""Random cameras stay within their ranges and reach their ends."""

import math

import numpy as np

from cvdl.simulation.world.cameras import random_view

VIEWS = [random_view(np.random.default_rng(seed)) for seed in range(600)]


def test_views_stay_within_the_ranges() -> None:
    for view in VIEWS:
        assert 0.25 <= view.distance <= 2
        assert math.radians(15) <= view.elevation <= math.radians(90)
        assert view.sensor.nearest < view.distance < view.sensor.farthest
        longer = max(view.camera.width, view.camera.height)
        assert 39.9 < math.degrees(2 * math.atan(longer / 2 / view.camera.fx)) < 90.1
        assert abs(view.camera.cx / view.camera.width - 0.5) < 0.15
        assert abs(view.camera.cy / view.camera.height - 0.5) < 0.15


def test_near_cameras_look_steeply_down() -> None:
    near = [view.elevation for view in VIEWS if view.distance < 0.4]
    far = [view.elevation for view in VIEWS if view.distance > 1.4]
    assert min(near) > math.radians(38)
    assert max(far) < math.radians(61)


def test_all_sizes_and_turns_occur() -> None:
    sizes = {(view.camera.width, view.camera.height) for view in VIEWS}
    assert {(640, 480), (320, 240), (640, 360), (848, 480), (1280, 720), (1920, 1080)} <= sizes
    portraits = np.mean([view.camera.height > view.camera.width for view in VIEWS])
    assert 0.02 < portraits < 0.12
    rolls = np.abs([math.remainder(view.roll, 2 * math.pi) for view in VIEWS])
    assert np.mean(rolls < 0.3) > 0.75
    assert (rolls > 2.9).any()
    assert (abs(rolls - math.pi / 2) < 0.2).any()


def test_a_part_of_the_cameras_is_nearly_perfect() -> None:
    assert 0.17 < np.mean([view.sensor.name == "perfect" for view in VIEWS]) < 0.35
    assert len({view.sensor.name for view in VIEWS}) == 6


def test_the_same_seed_gives_the_same_view() -> None:
    assert random_view(np.random.default_rng(5)) == VIEWS[5]
