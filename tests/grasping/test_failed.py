"""Grasps that failed are not tried again, until something has moved."""

from dataclasses import replace

import numpy as np
import pytest

from cvdl.core.scene import Grasp, OrientedBox, Scene, SceneObject
from cvdl.grasping.failed import FailedGrasps
from helpers.rays import yaw_rotation

CUP, BOX = 2, 3
STRAIGHT = np.eye(3)
PLACES = {CUP: np.array([0.0, 0.0, 0.8]), BOX: np.array([0.1, 0.0, 0.8])}


def grasp(shift=(0.0, 0.0, 0.0), turn=STRAIGHT, label=CUP, score=0.5):
    return Grasp(
        np.zeros(2), 0.0, 50.0, 20.0, score, label, PLACES[label] + shift, turn, 0.05, 0.02
    )  # fmt: skip


def scene(*grasps, places=PLACES):
    objects = tuple(
        SceneObject(label, np.zeros(4), OrientedBox(at, np.eye(3), np.full(3, 0.06)), 100)
        for label, at in places.items()
    )
    return Scene(np.zeros((4, 4), np.uint16), None, objects, grasps=tuple(grasps))


def moved(label, *shift):
    return {**PLACES, label: PLACES[label] + shift}


def tilt(degrees):
    """A turn about the opening, which is along x."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (grasp(), True),
        (grasp((0.015, 0.0, 0.0)), True),
        (grasp((0.025, 0.0, 0.0)), False),
        (grasp(turn=yaw_rotation(25)), True),
        (grasp(turn=yaw_rotation(35)), False),
        (grasp(turn=yaw_rotation(180)), True),  # the same gripper
        (grasp(turn=yaw_rotation(145)), False),
        (grasp(turn=tilt(25)), True),
        (grasp(turn=tilt(35)), False),
        (grasp(turn=tilt(180)), False),  # from below
        (grasp(label=BOX), False),
    ],
)
def test_what_is_as_a_failed_grasp(other, is_same):
    failed = FailedGrasps()
    failed.add(scene(grasp()), grasp())
    left = failed.without(scene(other))
    assert len(left.grasps) == (0 if is_same else 1)
    assert left.refused == ({"failed before": 1} if is_same else {})


def test_the_other_grasps_stay_in_their_order_and_then_those_of_another_object():
    a, b, c = grasp(score=0.9), grasp((0.03, 0.0, 0.0), score=0.7), grasp(label=BOX, score=0.5)
    now = replace(scene(a, b, c), refused={"no depth": 4})
    failed = FailedGrasps()
    assert failed.without(now) is now
    failed.add(now, a)
    left = failed.without(now)
    assert (left.grasps, left.refused) == ((b, c), {"no depth": 4})
    failed.add(now, b)
    left = failed.without(now)
    assert (left.grasps, left.refused) == ((c,), {"no depth": 4, "failed before": 1})


@pytest.mark.parametrize(
    ("places", "stays"),
    [
        (moved(CUP, 0.01, 0.0, 0.0), True),  # noise
        (moved(CUP, 0.05, 0.0, 0.0), False),
        (moved(BOX, 0.0, 0.05, 0.0), False),  # it may have been in the way
        ({CUP: PLACES[CUP]}, False),
        ({BOX: PLACES[BOX]}, False),
        ({}, False),
        ({**PLACES, 4: PLACES[CUP] + [0.0, 0.1, 0.0]}, True),  # a new thing does not help
    ],
)
def test_a_failure_is_forgotten_where_something_has_moved(places, stays):
    failed = FailedGrasps()
    failed.add(scene(grasp()), grasp())
    failed.without(scene(places=places))
    assert len(failed) == (1 if stays else 0)
    assert len(failed.without(scene(grasp())).grasps) == (0 if stays else 1)


def test_what_is_far_away_may_move():
    far = {**PLACES, 4: PLACES[CUP] + [0.4, 0.0, 0.0]}
    failed = FailedGrasps()
    failed.add(scene(grasp(), places=far), grasp())
    assert failed.without(scene(grasp())).grasps == ()


def test_a_camera_that_moves_sees_the_same_grasp():
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = tilt(40) @ yaw_rotation(90), [0.3, -0.2, 0.1]
    turn, shift = pose[:3, :3], pose[:3, 3]
    from_there = {label: turn.T @ (place - shift) for label, place in PLACES.items()}
    again = replace(grasp(), position=from_there[CUP], rotation=turn.T)
    failed = FailedGrasps()
    failed.add(scene(grasp()), grasp(), np.eye(4))
    assert failed.without(scene(again, places=from_there), pose).grasps == ()
    # Without its pose nothing is where it was.
    assert failed.without(scene(again, places=from_there)).grasps == (again,)


def test_a_grasp_of_no_object_of_the_scene_is_an_error():
    with pytest.raises(ValueError, match=r"no object 3; it has \[2\]"):
        FailedGrasps().add(scene(places={CUP: PLACES[CUP]}), grasp(label=BOX))
