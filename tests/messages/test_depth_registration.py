"""When depth is registered to color, and when it is left as it is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cvdl.bags import message_type
from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.depth.registration import register
from cvdl.messages.depth_registration import DepthRegistration, is_named_registered
from cvdl.messages.factory import MessageFactory
from cvdl.messages.images import MessageError
from cvdl.messages.reading import doubts, read_frame
from cvdl.messages.sync import Match
from cvdl.messages.transform_tree import TransformTree

FACTORY = MessageFactory(message_type)
SMALL = Camera(32, 24, 28.0, 28.0, 15.0, 12.0)
BESIDE = np.eye(4)
BESIDE[0, 3] = 0.1


@pytest.fixture
def color(frame):
    return FACTORY.color(frame)


@pytest.fixture
def info(frame):
    return FACTORY.camera_info(frame)


def depth_message(camera, frame_id="depth", meters=1.0):
    """A level wall, and the camera_info."""
    size = camera.height, camera.width
    frame = RgbdFrame(
        np.zeros((*size, 3), np.uint8), np.full(size, meters, np.float32), camera, 1, frame_id
    )
    return FACTORY.depth(frame), FACTORY.camera_info(frame)


def tree(matrix=BESIDE, child="depth"):
    """The depth camera in the frame of color, by way of a frame between the two."""
    made = TransformTree()
    made.add(FACTORY.tf(0, "optical", "body", matrix))
    made.add(FACTORY.tf(0, "body", child, np.eye(4)))
    return made


def registration(camera_info=None, transforms=None, topic="/cam/depth/image", **more):
    made = DepthRegistration(topic, "/cam/depth/camera_info", transforms or tree(), **more)
    made.camera_info = camera_info
    return made


@pytest.mark.parametrize("is_same_size", [True, False])
def test_depth_in_another_frame_is_registered_and_reported_once(frame, color, info, is_same_size):
    camera = frame.camera if is_same_size else SMALL
    depth, depth_info = depth_message(camera)
    registered = registration(depth_info)
    read = read_frame(Match(color, depth, info), registration=registered)
    ones = np.ones((camera.height, camera.width), np.float32)
    expected = register(ones, camera, frame.camera, BESIDE)
    np.testing.assert_array_equal(read.depth, expected)
    assert np.isnan(read.depth[:, :5]).all()  # beyond the depth camera's rim
    assert (read.camera, read.frame_id) == (frame.camera, "optical")
    for words in ("/cam/depth/image is registered", "'depth' to 'optical'", "/depth/camera_info"):
        assert words in registered.note
    assert list(doubts(Match(color, depth, info), registration=registered)) == []


def test_another_camera_in_the_same_frame_is_registered(frame, color, info):
    depth, depth_info = depth_message(SMALL, "/optical")  # as ROS 1 wrote it
    registered = registration(depth_info)
    read = read_frame(Match(color, depth, info), registration=registered)
    assert read.depth.shape == (48, 64)
    assert "the same frame" in registered.note


@pytest.mark.parametrize(
    ("frame_id", "topic", "matrix", "has_info"),
    [
        ("optical", "/cam/depth/image", BESIDE, True),
        ("optical", "/cam/depth/image", BESIDE, False),
        ("optical", "/cam/depth/image", BESIDE, "foreign"),
        ("depth", "/cam/aligned_depth_to_color/image_raw", BESIDE, True),
        ("depth", "/cam/depth_registered/image", BESIDE, False),
        ("depth", "/cam/depth_to_rgb/image_raw", BESIDE, True),
        ("depth", "/cam/depth/image", np.eye(4), True),
        ("depth", "/cam/depth/image", np.eye(4), False),
    ],
)
def test_depth_that_is_registered_is_left_as_it_is(
    frame, color, info, frame_id, topic, matrix, has_info
):
    depth, depth_info = depth_message(frame.camera, frame_id)
    if has_info == "foreign":
        depth_info.header.frame_id = "depth"
        depth_info.k[0] *= 2
    registered = registration(depth_info if has_info else None, tree(matrix), topic)
    read = read_frame(Match(color, depth, info), registration=registered)
    np.testing.assert_array_equal(read.depth, 1)
    assert registered.note == ""
    assert list(doubts(Match(color, depth, info), registration=registered)) == []


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("/camera/aligned_depth_to_color/image_raw", True),
        ("/camera/depth_registered/image_rect", True),
        ("/rgbd/registered", True),
        ("/camera/unregistered/image", False),
        ("/camera/depth/image_raw", False),
    ],
)
def test_names_of_registered_depth(topic, expected):
    assert is_named_registered(topic) == expected


@pytest.mark.parametrize(
    ("lacks", "missing"),
    [
        ("info", r"the camera_info of depth \(no messages on /cam/depth/camera_info\)"),
        ("tf", r"the transform from 'depth' to 'optical' \(/tf and /tf_static have none\)"),
        ("tf2", r"the transform from 'depth' to 'optical' \(no tf2_msgs here\)"),
        ("intrinsics", "a usable camera_info of depth .*/cam/depth/camera_info: unusable"),
    ],
)
def test_what_is_missing_is_named(frame, color, info, lacks, missing):
    depth, depth_info = depth_message(frame.camera)
    small, _ = depth_message(SMALL)
    if lacks == "intrinsics":
        depth_info.k[:] = depth_info.p[:] = 0
    registered = registration(
        None if lacks == "info" else depth_info,
        TransformTree() if lacks.startswith("tf") else None,
        tf_problem="no tf2_msgs here" if lacks == "tf2" else "",
    )
    read = read_frame(Match(color, depth, info), registration=registered)
    np.testing.assert_array_equal(read.depth, 1)  # as it is, with a doubt
    ((cause, sentence),) = doubts(Match(color, depth, info), registration=registered)
    assert cause == "frame ids differ"
    assert re.search(
        f"color is in frame 'optical', depth in 'depth': .* registration lacks {missing}", sentence
    )
    with pytest.raises(
        MessageError, match=r"sizes differ: color 64x48, depth 32x24; .*registration lacks "
    ):
        read_frame(Match(color, small, info), registration=registered)


def test_frames_are_refused_while_a_transform_may_still_arrive(frame, color, info):
    depth, depth_info = depth_message(frame.camera)
    waiting = registration(settling_s=60)
    with pytest.raises(MessageError, match="depth is not registered yet: waiting for the camera_i"):
        read_frame(Match(color, depth, info), registration=waiting)
    waiting.camera_info = depth_info
    assert np.isnan(read_frame(Match(color, depth, info), registration=waiting).depth).any()
    # Nothing to wait for.
    hopeless = registration(depth_info, TransformTree(), tf_problem="no tf2_msgs", settling_s=60)
    read_frame(Match(color, depth, info), registration=hopeless)
