"""Live nodes on depth that is not registered to color, on PNG depth, and on point clouds."""

from __future__ import annotations

import logging
from dataclasses import replace

import cv2
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.messages.depth_registration import DepthRegistration
from cvdl.messages.points import images_of
from cvdl.messages.reading import read_frame
from cvdl.messages.sync import Match
from cvdl.messages.transform_tree import TransformTree
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.ros.interfaces import message_type, missing_messages
from cvdl.ros.nodes import SegmentationNode

from .conftest import deserialized, wait_until
from .test_nodes import LOG

LABELS = "segmentation/labels"
BESIDE = np.eye(4)
BESIDE[0, 3] = 0.02


class WithDepthInfo(SegmentationNode):
    """The node with a topic remapped for the camera_info of depth."""

    def __init__(self, **options):
        super().__init__(
            cli_args=["--ros-args", "-r", "depth_camera_info:=/depth/camera_info"], **options
        )


def labels(wire, frame):
    """What the offline pipeline publishes of a frame."""
    scene = Perception(PerceptionConfig().segmentation_only())(frame)
    assert scene.objects
    return deserialized(wire.results(frame, scene)[LABELS])


def halved(tabletop, frame_id):
    """The depth, seen with half as many pixels in a frame, and its camera_info."""
    whole = tabletop.camera
    camera = Camera(160, 120, whole.fx / 2, whole.fy / 2, whole.cx / 2, whole.cy / 2)
    color = np.zeros((120, 160, 3), np.uint8)
    depth = tabletop.depth[::2, ::2]
    return RgbdFrame(color, depth, camera, tabletop.stamp_ns, frame_id)


@pytest.mark.parametrize("is_other_frame", [False, True])
def test_depth_of_another_camera_is_registered(start, wire, tabletop, is_other_frame):
    if is_other_frame and "tf2_msgs" in missing_messages():
        pytest.skip("tf2_msgs is missing: cvdl live --setup")
    start(WithDepthInfo)
    heard = wire.listen(f"/perception/{LABELS}", "sensor_msgs/msg/Image")
    log = wire.listen("/rosout", "rcl_interfaces/msg/Log", LOG)
    other = halved(tabletop, "far" if is_other_frame else tabletop.frame_id)
    color, _, info = wire.messages(tabletop)
    depth, depth_info = wire.factory.depth(other), wire.factory.camera_info(other)
    tree = TransformTree()
    if is_other_frame:
        tf = wire.factory.tf(0, tabletop.frame_id, "far", BESIDE)
        tree.add(tf)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        wire.publish("/tf_static", tf, latched)
    wire.publish("/depth/camera_info", depth_info)
    # Messages of several topics may cross on the way.
    node_hears = DepthRegistration("/perception/depth", "/depth/camera_info", tree)
    node_hears.camera_info = depth_info
    expected = labels(wire, read_frame(Match(color, depth, info), registration=node_hears))
    stamp = tabletop.stamp_ns
    for again in range(20):
        moved = [replace(each, stamp_ns=stamp + again) for each in (tabletop, other)]
        wire.send((wire.factory.color(moved[0]), wire.factory.depth(moved[1]), info))
        if wait_until(lambda: heard, 1):
            break
    (found,) = heard[:1]
    np.testing.assert_array_equal(np.asarray(found.data), np.asarray(expected.data))
    assert wait_until(lambda: wire.diagnosed().get("depth") == "registered to color here")
    assert sum("is registered to color here" in each.msg for each in log) == 1


def test_waiting_for_what_registers_depth_is_no_warning(start, wire, tabletop, caplog):
    caplog.set_level(logging.INFO, logger="cvdl")
    start(WithDepthInfo)
    wire.listen(f"/perception/{LABELS}", "sensor_msgs/msg/Image")
    color, _, info = wire.messages(tabletop)
    wire.send((color, wire.factory.depth(halved(tabletop, tabletop.frame_id)), info))
    words = "waiting for the camera_info of depth (no messages on /depth/camera_info)"

    def levels():
        return [each.levelno for each in caplog.records if words in each.getMessage()]

    assert wait_until(levels)
    assert levels() == [logging.INFO]


def test_point_clouds(start, wire, tabletop, cloud_of):
    start(SegmentationNode, source="points")
    heard = wire.listen(f"/perception/{LABELS}", "sensor_msgs/msg/Image")
    cloud = cloud_of(tabletop, types=message_type)
    wire.publish("/perception/points", cloud)
    assert wait_until(lambda: heard)
    frame = read_frame(images_of(deserialized(cloud)), is_rectified=True)
    assert heard == [labels(wire, frame)]
    np.testing.assert_array_equal(frame.depth, tabletop.depth)


def test_a_cloud_without_rows_is_dropped_and_reported(start, wire, tabletop, cloud_of, caplog):
    start(SegmentationNode, source="points")
    wire.listen(f"/perception/{LABELS}", "sensor_msgs/msg/Image")
    cloud = cloud_of(tabletop, types=message_type)
    cloud.width, cloud.height = cloud.width * cloud.height, 1
    wire.publish("/perception/points", cloud)
    assert wait_until(lambda: "/perception/points: cloud not organized" in caplog.text)


def test_depth_as_png_under_a_plain_name(start, wire, tabletop):
    start(SegmentationNode, depth_image_transport="compressed")
    heard = wire.listen(f"/perception/{LABELS}", "sensor_msgs/msg/Image")
    color, depth, info = wire.messages(tabletop)
    raw = np.frombuffer(depth.data, np.uint16).reshape(depth.height, depth.width)
    png = message_type("sensor_msgs/msg/CompressedImage")(
        header=depth.header, format="png", data=cv2.imencode(".png", raw)[1].tobytes()
    )
    for topic, message in (("camera_info", info), ("color", color), ("depth/compressed", png)):
        wire.publish(f"/perception/{topic}", message)
    assert wait_until(lambda: heard)
    assert heard == [labels(wire, read_frame(Match(color, depth, info)))]
