"""Doubts about a scene: gaps in the depth, and a support plane that may be a wall."""

from dataclasses import replace

import numpy as np
import pytest

from cvdl.core.scene import Plane
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.segmentation.doubts import depth_doubts, support_doubts
from cvdl.warm_up import made_up_frame

TABLE = Plane(np.array([0, -0.8, -0.6]), 0.8)  # faces up and the camera
SLOPE = Plane(np.array([0, -0.56, -0.83]), 0.8)  # 19 degrees steeper
WALL = Plane(np.array([0, 0.6, -0.8]), 1.0)  # of a camera that looks down


def causes(doubts):
    return [cause for cause, _ in doubts]


def test_depth_without_gaps_has_no_doubts():
    assert causes(depth_doubts(np.ones((48, 64), np.float32), 0.0)) == []


def test_small_and_large_gaps_have_different_causes():
    depth = np.ones((48, 64), np.float32)
    depth[:, :40] = np.nan
    (cause, sentence), *rest = depth_doubts(depth, 0.5)
    assert (cause, rest) == ("gaps in the depth", [])
    assert "62% of the pixels" in sentence
    assert causes(depth_doubts(depth, 0.05)) == ["little depth"]
    depth[:] = np.nan  # an empty image has no support plane, which has its own message
    assert causes(depth_doubts(depth, 0.0)) == []


@pytest.mark.parametrize(
    ("plane", "up", "setting", "expected"),
    [
        (None, None, "auto", []),
        (TABLE, None, "auto", []),
        (WALL, None, "auto", ["support faces down"]),
        (WALL, None, "bottom", []),
        (TABLE, None, "bottom", ["support faces down"]),
        (TABLE, TABLE.normal, "auto", []),
        (SLOPE, TABLE.normal, "auto", ["tilted support"]),
        (WALL, TABLE.normal, "tf", ["tilted support"]),
        (WALL, WALL.normal, "auto", []),  # upside down, known from tf
        (TABLE, WALL.normal, "top", []),  # a side of the image takes precedence over tf
    ],
)
def test_a_support_that_may_be_a_wall(plane, up, setting, expected):
    assert causes(support_doubts(plane, up, setting)) == expected


def test_a_scene_has_the_doubts_about_its_frame():
    perceive = Perception(PerceptionConfig().segmentation_only())
    frame = made_up_frame()
    assert perceive(frame).doubts == ()
    gappy = frame.depth.copy()
    gappy[1::2] = np.nan
    assert causes(perceive(replace(frame, depth=gappy)).doubts) == ["gaps in the depth"]
    wrong = perceive(replace(frame, up=np.array([1.0, 0, 0])))
    assert causes(wrong.doubts) == ["tilted support"]
