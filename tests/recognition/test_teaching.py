"""Which views are kept: of a followed object, of photographs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest

from cvdl.recognition.choosing import in_the_middle, largest, nearest_to_pixel, nearest_to_point
from cvdl.recognition.teaching import Collector, Follower, unlike
from cvdl.recognition.views import differing, flaw, whole_picture

from .conftest import BLUE, FOCAL, GREEN, RED, ByColor, tabletop, view

# --- Choosing -----------------------------------------------------------------------------------


def label(item):
    return item and item.label


def test_objects_by_place_and_size():
    _, scene = tabletop((30, 20, RED), (90, 12, GREEN), (140, 12, BLUE))
    assert label(largest(scene)) == 2
    assert label(in_the_middle(scene)) == 3
    assert label(nearest_to_pixel(scene, 135, 55)) == 4
    assert label(nearest_to_pixel(scene, 110, 60, 20)) == 3
    assert nearest_to_pixel(scene, 115, 60, 5) is None
    nothing = replace(scene, objects=())
    assert largest(nothing) is None
    assert in_the_middle(nothing) is None


def test_an_object_by_a_point_in_space():
    frame, scene = tabletop((30, 20, RED), (90, 12, GREEN))
    point = frame.camera.deproject_pixels(np.array([95.0, 60.0]), np.array(0.9))
    assert label(nearest_to_point(frame, scene, point, 0.01)) == 3
    beside = point + np.array([0.03 + 6 * 0.9 / FOCAL, 0, 0])
    assert label(nearest_to_point(frame, scene, beside, 0.05)) == 3
    assert nearest_to_point(frame, scene, beside, 0.01) is None
    # Without readings, as on glass, its box counts.
    blind = replace(frame, depth=np.full_like(frame.depth, np.nan))
    assert label(nearest_to_point(blind, scene, scene.objects[1].box3d.center, 0.01)) == 3


def test_views_of_another_thing_are_noticed():
    one, other = view(1, 0, 0), view(0, 1, 0)
    assert unlike([one]) == unlike([one, view(1, -0.2, 0)]) == 0
    assert unlike([one, view(1, -0.2, 0), other]) == 1


# --- Quality ------------------------------------------------------------------------------------


def flaws(frame, scene):
    return [flaw(frame, scene, item) for item in scene.objects]


def test_views_that_are_small_or_cut():
    assert flaws(*tabletop((80, 20, RED))) == [""]
    assert flaws(*tabletop((80, 8, RED), (10, 20, GREEN), (150, 20, BLUE))) == [
        "too small",
        "cut by the edge of the picture",
        "cut by the edge of the picture",
    ]


def shaken(frame, pixels):
    """The frame as a moving camera sees it."""
    return replace(frame, color=cv2.blur(frame.color, (pixels, 1)))


def test_blurred_views():
    frame, scene = tabletop((80, 30, RED))
    assert flaws(shaken(frame, 1), scene) == [""]
    assert flaws(shaken(frame, 15), scene) == ["blurred"]


def test_a_plain_thing_is_not_taken_for_a_blurred_one():
    frame, scene = tabletop((80, 30, RED))
    color = np.full_like(frame.color, 30)
    color[scene.labels == 2] = RED
    assert flaws(replace(frame, color=color), scene) == [""]


def test_views_that_differ_most_come_first():
    views = [view(1, 0), view(1, 0.01), view(0, 1), view(0.7, 0.7), view(0.72, 0.7)]
    assert differing(views, 0.97, 10) == [0, 2, 3]
    assert differing(views, 0.97, 2) == [0, 2]
    assert differing([], 0.97, 2) == []


# --- Following ----------------------------------------------------------------------------------


def follow(frames, choose=lambda frame, scene: in_the_middle(scene)):
    """What is left of frames, each with its scene."""
    scenes = {frame.stamp_ns: scene for frame, scene in frames}
    collector = Collector(ByColor())
    follower = Follower(lambda frame: scenes[frame.stamp_ns], choose, collector, "bag")
    for frame, _ in frames:
        follower(frame)
    return follower, collector


def test_an_object_is_followed_where_it_goes():
    """It leaves the middle, and another object comes there."""
    frames = [
        tabletop((80, 20, RED), (20, 20, GREEN), stamp_ns=10**9 * i, shift=10 * i) for i in range(6)
    ]
    follower, collector = follow(frames)
    assert (follower.frames, follower.lost) == (6, 0)
    (kept,) = collector.views()
    np.testing.assert_allclose(
        kept.embedding.features[0],
        ByColor()(*frames[0]).features[0],
        atol=1e-6,
    )
    assert kept.source == "bag, 0.0 s"
    assert collector.left_out == {"like a known view": 5}


def test_views_of_other_sides_are_kept():
    sides = [(220 - 30 * i, 30 + 30 * i, 30) for i in range(7)]  # turns from red to green
    frames = [tabletop((80, 20, side), stamp_ns=10**8 * i) for i, side in enumerate(sides)]
    _, collector = follow(frames)
    views = collector.views()
    assert len(views) >= 3
    assert views[0].source == "bag, 0.0 s"


def test_another_thing_in_its_place_is_not_taken_for_it():
    frames = [
        tabletop((80, 20, RED), stamp_ns=0),
        tabletop((80, 20, GREEN), stamp_ns=1),
        tabletop((80, 20, GREEN), (130, 20, RED), stamp_ns=2),
    ]
    follower, collector = follow(frames)
    assert (follower.frames, follower.lost) == (3, 1)
    assert len(collector.views()) == 1


def test_an_object_that_was_away_is_found_again_by_its_look():
    frames = [
        tabletop((80, 20, RED), stamp_ns=0),
        tabletop((20, 20, GREEN), stamp_ns=1),
        tabletop((20, 20, GREEN), (130, 20, RED), stamp_ns=2),
    ]
    follower, collector = follow(frames)
    assert (follower.frames, follower.lost) == (3, 1)
    assert len(collector.views()) == 1  # of the red one alone


def test_a_mask_that_jumps_is_left_out():
    frames = [tabletop((80, half, RED), stamp_ns=half) for half in (20, 30, 30)]
    _, collector = follow(frames)
    assert collector.left_out == {"segmented in another way": 1, "like a known view": 1}


def test_nothing_is_followed_before_the_object_comes():
    frames = [
        tabletop(stamp_ns=0),
        tabletop((80, 20, RED), stamp_ns=1),
        tabletop((80, 20, RED), stamp_ns=2),
    ]
    follower, _ = follow(frames)
    assert follower.frames == 2
    never, collector = follow(frames, lambda frame, scene: None)
    assert never.frames == 0
    assert collector.views() == []


# --- Photographs --------------------------------------------------------------------------------


def test_a_photograph_is_one_object_without_size():
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[::2] = RED
    frame, scene = whole_picture(picture)
    assert (scene.labels == scene.objects[0].label).all()
    assert np.isnan(frame.depth).all()
    collector = Collector(ByColor())
    collector.add_photograph(picture, "photo")
    (kept,) = collector.views()
    assert np.isnan(kept.size).all()
    assert kept.picture.shape == (60, 80, 3)


@pytest.mark.parametrize("side", [10, 400])
def test_thumbnails_are_small(side):
    picture = np.random.default_rng(0).integers(0, 256, (side, side + 50, 3), dtype=np.uint8)
    collector = Collector(ByColor())
    collector.add_photograph(picture, "photo")
    if side == 10:
        assert collector.left_out == {"too small": 1}
    else:
        assert max(collector.views()[0].picture.shape) == 128


def test_known_views_are_not_kept_again():
    frame, scene = tabletop((80, 20, RED))
    first = Collector(ByColor())
    add = partial(Collector.add, frame=frame, scene=scene, item=scene.objects[0], source="x")
    add(first)
    (kept,) = first.views()
    known = type("Known", (), {"embeddings": kept.embedding})
    second = Collector(ByColor(), known)
    add(second)
    assert second.views() == []
    assert second.left_out == {"like a known view": 1}
