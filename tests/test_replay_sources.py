"""Bags whose depth is not registered to color, and bags of point clouds."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from cvdl.bags import BagWriter, message_type
from cvdl.bags.frames import CAMERA_INFO_TOPIC, COLOR_TOPIC
from cvdl.cli.app import app
from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.depth.registration import register
from cvdl.messages.factory import MessageFactory
from cvdl.replay import ReplayOptions, replay

FACTORY = MessageFactory(message_type)
DEPTH_CAMERA = Camera(32, 24, 28.0, 28.0, 15.0, 12.0)
DEPTH_TOPIC, DEPTH_INFO_TOPIC = "/camera/depth/image_rect_raw", "/camera/depth/camera_info"
POINTS_TOPIC = "/camera/depth_registered/points"
BESIDE = np.eye(4)
BESIDE[0, 3] = 0.05


@pytest.fixture
def seen(scene):
    """A perception that keeps the frames that it gets."""

    class Stage:
        def __init__(self):
            self.frames = []

        def __call__(self, frame):
            self.frames.append(frame)
            return scene

    return Stage()


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.WARNING, logger="cvdl")


def unregistered(frame):
    """The frame's color, and depth of another camera."""
    depth = np.linspace(0.6, 1.4, 24 * 32).round(3).reshape(24, 32).astype(np.float32)
    color = np.zeros((24, 32, 3), np.uint8)
    other = RgbdFrame(color, depth, DEPTH_CAMERA, frame.stamp_ns, "far")
    return {
        COLOR_TOPIC: FACTORY.color(frame),
        CAMERA_INFO_TOPIC: FACTORY.camera_info(frame),
        DEPTH_TOPIC: FACTORY.depth(other),
        DEPTH_INFO_TOPIC: FACTORY.camera_info(other),
    }, depth


@pytest.mark.parametrize("tf_topic", ["/tf_static", "/tf"])
@pytest.mark.parametrize("is_late", [False, True])
def test_depth_of_another_camera_is_registered(tmp_path, frames, seen, caplog, tf_topic, is_late):
    """Even where transform and camera_info of depth come after the images."""
    with BagWriter(tmp_path / "in") as bag:
        for frame in frames(3):
            messages, depth = unregistered(frame)
            for topic, message in messages.items():
                bag.write(topic, frame.stamp_ns, message)
        tf = FACTORY.tf(0, "optical", "far", BESIDE)
        bag.write(tf_topic, frame.stamp_ns + 1 if is_late else 0, tf)
    summary = replay(tmp_path / "in", tmp_path / "out", seen)
    assert (summary.frames, summary.dropped) == (3, {})
    assert summary.topics.depth_info == DEPTH_INFO_TOPIC
    assert f"depth of {DEPTH_TOPIC} is registered to color here" in summary.registration
    for frame in seen.frames:
        expected = register(depth, DEPTH_CAMERA, frame.camera, BESIDE)
        np.testing.assert_array_equal(frame.depth, expected)
        assert frame.frame_id == "optical"
    assert caplog.records == []


def test_without_a_transform_the_cause_is_reported(tmp_path, frame, seen):
    with BagWriter(tmp_path / "in") as bag:
        for topic, message in unregistered(frame)[0].items():
            bag.write(topic, frame.stamp_ns, message)
    summary = replay(tmp_path / "in", tmp_path / "out", seen)
    assert (summary.frames, summary.dropped) == (0, {"sizes differ": 1})
    assert "registration lacks the transform from 'far' to 'optical'" in summary.problem


@pytest.mark.parametrize("has_info", [False, True])
def test_point_clouds_are_replayed(tmp_path, frames, seen, cloud_of, caplog, has_info):
    with BagWriter(tmp_path / "in") as bag:
        for each in frames(3):
            if has_info:
                info = FACTORY.camera_info(each)
                bag.write("/camera/depth_registered/camera_info", each.stamp_ns, info)
            bag.write(POINTS_TOPIC, each.stamp_ns, cloud_of(each))
    summary = replay(tmp_path / "in", tmp_path / "out", seen)
    assert (summary.frames, summary.dropped) == (3, {})
    for frame, original in zip(seen.frames, frames(3), strict=True):
        np.testing.assert_array_equal(frame.color, original.color)
        np.testing.assert_array_equal(frame.depth, original.depth)
        assert (frame.stamp_ns, frame.frame_id) == (original.stamp_ns, "optical")
        assert frame.camera.fx == pytest.approx(original.camera.fx, abs=0 if has_info else 1e-3)
    assert caplog.records == []
    text = CliRunner().invoke(app, ["info", str(tmp_path / "in")]).stdout
    assert "x y z rgb 64x48  <- color and depth" in text


def test_a_cloud_without_rows_is_reported(tmp_path, frame, seen, cloud_of):
    message = replace(cloud_of(frame), height=1, width=64 * 48)
    with BagWriter(tmp_path / "in") as bag:
        bag.write("/points", frame.stamp_ns, message)
    summary = replay(tmp_path / "in", tmp_path / "out", seen, ReplayOptions(points_topic="/points"))
    assert summary.dropped == {"cloud not organized": 1}
    assert "/points: cloud not organized: 3072x1 points; accepted: " in summary.problem
