"""The choice of the topics that make frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from cvdl.bags import (
    BagError,
    BagReader,
    BagWriter,
    RgbdTopics,
    describe_topics,
    find_topics,
    image_topics,
    message_type,
)
from cvdl.bags.topic import Topic, described
from cvdl.bags.typestore import typestore
from cvdl.messages.factory import MessageFactory

FACTORY = MessageFactory(message_type)
STANDARD = RgbdTopics(
    "/camera/color/image_raw",
    "/camera/aligned_depth_to_color/image_raw",
    "/camera/color/camera_info",
)
ALIGNED = replace(STANDARD, depth_info="/camera/aligned_depth_to_color/camera_info")


@pytest.fixture
def bag_with(tmp_path, frame, cloud_of):
    """A function that opens a bag with these topics, described in words."""

    def compressed(form, data=b"x"):
        kind = message_type("sensor_msgs/msg/CompressedImage")
        header = FACTORY.color(frame).header
        return kind(header=header, format=form, data=np.frombuffer(data, np.uint8))

    bare = cloud_of(frame)
    bare.fields = bare.fields[:3]
    messages = {
        "color": FACTORY.color(frame),
        "gray": FACTORY.image(frame, frame.color[..., 0], "mono8"),
        "depth": FACTORY.depth(frame),
        "depth in meters": FACTORY.image(frame, frame.depth, "32FC1"),
        "small depth": FACTORY.image(frame, np.ones((24, 32), np.uint16), "16UC1"),
        "labels": FACTORY.image(frame, np.ones((48, 64), np.uint16), "mono16"),
        "jpeg": compressed("rgb8; jpeg compressed bgr8"),
        "compressedDepth": compressed("16UC1; compressedDepth png"),
        "info": FACTORY.camera_info(frame),
        "far depth": FACTORY.depth(replace(frame, frame_id="far")),
        "far info": FACTORY.camera_info(replace(frame, frame_id="far")),
        "far gray": FACTORY.image(replace(frame, frame_id="far"), frame.color[..., 0], "mono8"),
        "static": FACTORY.tf(1, "optical", "far", np.eye(4)),
        "cloud": cloud_of(frame),
        "bare cloud": bare,
        "other": FACTORY.tf(1, "a", "b", np.eye(4)),
    }

    def make(topics: dict[str, str]) -> BagReader:
        path = tmp_path / f"bag{len(list(tmp_path.iterdir()))}"
        with BagWriter(path) as bag:
            for stamp, (topic, what) in enumerate(topics.items()):
                bag.write(topic, stamp, messages[what])
        return BagReader(path)

    return make


def test_the_only_topics_are_chosen(bag_with):
    bag = bag_with({"/c": "color", "/d": "depth", "/i": "info", "/tf": "other"})
    assert find_topics(bag) == RgbdTopics("/c", "/d", "/i")


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        (  # a RealSense with all streams
            {
                "/camera/color/image_raw": "color",
                "/camera/color/image_raw/compressed": "jpeg",
                "/camera/color/camera_info": "info",
                "/camera/infra1/image_rect_raw": "gray",
                "/camera/infra1/camera_info": "info",
                "/camera/depth/image_rect_raw": "depth",
                "/camera/depth/camera_info": "info",
                "/camera/aligned_depth_to_color/image_raw": "depth",
                "/camera/aligned_depth_to_color/image_raw/compressedDepth": "compressedDepth",
                "/camera/aligned_depth_to_color/camera_info": "info",
            },
            ALIGNED,
        ),
        (  # an OpenNI camera with registered depth in meters
            {
                "/camera/rgb/image_raw": "color",
                "/camera/rgb/image_rect_color": "color",
                "/camera/rgb/camera_info": "info",
                "/camera/depth/image": "depth in meters",
                "/camera/depth_registered/image": "depth in meters",
                "/camera/depth_registered/camera_info": "info",
            },
            RgbdTopics(
                "/camera/rgb/image_rect_color",
                "/camera/depth_registered/image",
                "/camera/rgb/camera_info",
                "/camera/depth_registered/camera_info",
            ),
        ),
        (  # only depth of the size of color fits
            {
                "/a/color/image": "color",
                "/a/color/camera_info": "info",
                "/a/depth/image": "small depth",
                "/b/depth/image": "depth",
            },
            RgbdTopics("/a/color/image", "/b/depth/image", "/a/color/camera_info"),
        ),
        (  # only compressed, as on a slow network
            {
                "/c/color/image_raw/compressed": "jpeg",
                "/c/depth/image_raw/compressedDepth": "compressedDepth",
                "/c/color/camera_info": "info",
                "/c/depth/camera_info": "info",
            },
            RgbdTopics(
                "/c/color/image_raw/compressed",
                "/c/depth/image_raw/compressedDepth",
                "/c/color/camera_info",
                "/c/depth/camera_info",
            ),
        ),
        (  # the output of a replay
            {
                STANDARD.color: "color",
                STANDARD.depth: "depth",
                STANDARD.camera_info: "info",
                "/perception/overlay": "color",
                "/perception/segmentation/labels": "labels",
            },
            STANDARD,
        ),
    ],
    ids=["realsense", "openni", "sizes", "compressed", "replayed"],
)
def test_topics_that_fit_together_are_chosen(bag_with, topics, expected):
    assert find_topics(bag_with(topics)) == expected


TWO_CAMERAS = {
    f"/{camera}/{topic}": what
    for camera in ("left", "right")
    for topic, what in (
        ("color/image_raw", "color"),
        ("color/camera_info", "info"),
        ("aligned_depth_to_color/image_raw", "depth"),
    )
}


UNREGISTERED = {
    "/c/color/image": "color",
    "/c/color/camera_info": "info",
    "/c/depth/image": "far depth",
    "/c/depth/camera_info": "far info",
    "/c/infra1/image": "far gray",
    "/c/infra1/camera_info": "far info",
}
REGISTERED = RgbdTopics(
    "/c/color/image", "/c/depth/image", "/c/color/camera_info", "/c/depth/camera_info"
)


def test_color_with_registrable_depth_is_preferred_to_gray(bag_with):
    assert find_topics(bag_with({**UNREGISTERED, "/tf_static": "static"})) == REGISTERED


def test_without_a_transform_topics_of_one_frame_are_chosen(bag_with):
    assert find_topics(bag_with(UNREGISTERED)).color == "/c/infra1/image"


def test_registered_depth_is_preferred(bag_with):
    topics = {**UNREGISTERED, "/c/aligned_depth_to_color/image": "depth", "/tf_static": "static"}
    assert find_topics(bag_with(topics)).depth == "/c/aligned_depth_to_color/image"


def test_camera_infos_in_their_own_namespaces(bag_with):
    names = {
        "color": "/device/sensor_1/Color_0/image/data",
        "info": "/device/sensor_1/Color_0/info/camera_info",
        "far depth": "/device/sensor_0/Depth_0/image/data",
        "far info": "/device/sensor_0/Depth_0/info/camera_info",
        "static": "/tf_static",
    }
    color, info, depth, depth_info, _ = names.values()
    bag = bag_with({topic: what for what, topic in names.items()})
    assert find_topics(bag) == RgbdTopics(color, depth, info, depth_info)


@pytest.mark.parametrize(
    ("info", "depth_info"),
    [
        ("/color_info", "/depth_info"),
        ("/z_info", "/a_info"),
        ("/c/color/camera_info", "/depth_info"),
        ("/color_info", "/c/depth/camera_info"),
    ],
)
def test_camera_infos_are_distinguished_by_frame(bag_with, info, depth_info):
    for color, depth in (("/c/color/image", "/c/depth/image"), ("/color", "/depth")):
        topics = {color: "color", depth: "far depth", info: "info", depth_info: "far info"}
        bag = bag_with({**topics, "/tf_static": "static"})
        assert find_topics(bag) == RgbdTopics(color, depth, info, depth_info)


def test_mono16_is_depth_if_there_is_no_better_topic(bag_with):
    topics = {"/c/image": "color", "/c/camera_info": "info", "/c/depth/image": "labels"}
    assert find_topics(bag_with(topics)).depth == "/c/depth/image"
    assert find_topics(bag_with({**topics, "/c/range": "depth"})).depth == "/c/depth/image"


def test_a_point_cloud_is_chosen_without_a_pair_of_images(bag_with):
    points = {"/cam/points": "cloud"}
    bag = bag_with({**points, "/x/points": "bare cloud", "/i/camera_info": "info"})
    found = find_topics(bag)
    assert found == RgbdTopics("/cam/points", "/cam/points", "")
    assert found.is_cloud
    marks = {"/cam/points": "color and depth"}
    first, _, third = describe_topics(bag, image_topics(bag), marks).splitlines()
    assert " ".join(first.split()).endswith("x y z rgb 64x48 <- color and depth")
    assert third.endswith("x y z 64x48")
    pair = {"/c": "color", "/d": "depth", "/i": "info"}
    assert find_topics(bag_with({**points, **pair})) == RgbdTopics("/c", "/d", "/i")
    assert find_topics(bag_with({**points, **pair}), points="/cam/points").is_cloud
    info = {"/cam/camera_info": "info"}
    assert find_topics(bag_with({**points, **info})).camera_info == "/cam/camera_info"


def test_ambiguous_and_unusable_point_clouds_are_errors(bag_with):
    with pytest.raises(BagError, match="choose one: --points-topic /a/points or /b/points"):
        find_topics(bag_with({"/a/points": "cloud", "/b/points": "cloud"}))
    bag = bag_with({"/p": "bare cloud", "/c": "color"})
    with pytest.raises(BagError, match=r"there is no depth topic in it.*; /p cannot be used: clo"):
        find_topics(bag)
    assert find_topics(bag, points="/p").is_cloud  # the frames report the fault
    with pytest.raises(BagError, match="/c holds no messages of type sensor_msgs/msg/PointCloud2"):
        find_topics(bag, points="/c")
    with pytest.raises(BagError, match="give one or the other"):
        find_topics(bag, color="/c", points="/p")


def test_two_equal_cameras_are_an_error_that_lists_the_options(bag_with):
    bag = bag_with(TWO_CAMERAS)
    with pytest.raises(BagError) as caught:
        find_topics(bag)
    text = str(caught.value)
    assert "--color-topic /left/color/image_raw or /right/color/image_raw" in text
    assert "--depth-topic /left/aligned_depth_to_color/image_raw or /right/" in text
    for topic in TWO_CAMERAS:  # the error lists all with their types
        assert f"{topic}  " in text
    assert "sensor_msgs/msg/CameraInfo" in text
    assert "rgb8 64x48" in text
    # One given topic decides the others.
    found = find_topics(bag, color="/right/color/image_raw")
    assert found == RgbdTopics(
        "/right/color/image_raw",
        "/right/aligned_depth_to_color/image_raw",
        "/right/color/camera_info",
    )
    assert find_topics(bag, depth="/left/aligned_depth_to_color/image_raw").color[:5] == "/left"


@pytest.mark.parametrize(
    ("topics", "missing"),
    [
        ({"/d": "depth", "/i": "info"}, "color"),
        ({"/c": "color", "/i": "info"}, "depth"),
        ({"/c": "color", "/labels": "labels", "/i": "info"}, "depth"),
        ({"/c": "color", "/d": "depth"}, "camera_info"),
        ({}, "color"),
    ],
)
def test_a_missing_topic_is_reported(bag_with, topics, missing):
    with pytest.raises(BagError, match=rf"there is no {missing} topic in it.*\. Its topics:\n  "):
        find_topics(bag_with(topics))


def test_the_error_lists_accepted_encodings(bag_with):
    with pytest.raises(
        BagError, match="one of the encodings 16UC1, mono16, 32FC1, 64FC1, or compressedD"
    ):
        find_topics(bag_with({"/c": "color", "/labels": "labels", "/i": "info"}))


def test_a_damaged_first_message_does_not_hide_a_topic(tmp_path, frame):
    with BagWriter(tmp_path / "bag") as bag:
        for topic, message in (
            ("/c", FACTORY.color(frame)),
            ("/d", FACTORY.depth(frame)),
            ("/i", FACTORY.camera_info(frame)),
        ):
            bag.write(topic, 2, message)
            bag.write(topic, 3, message)
        kind = "sensor_msgs/msg/Image"
        bag.copy(Topic("/c", kind, *described(kind)), 1, b"broken")
    with BagReader(tmp_path / "bag") as bag:
        assert find_topics(bag) == RgbdTopics("/c", "/d", "/i")
        assert image_topics(bag)["/c"].size == (64, 48)


def test_unknown_names_and_wrong_types_are_errors(bag_with):
    bag = bag_with({"/c": "color", "/d": "depth", "/i": "info"})
    with pytest.raises(BagError, match="there is no topic /x"):
        find_topics(bag, depth="/x")
    with pytest.raises(BagError, match="/i holds no messages of type sensor_msgs/msg/Image or"):
        find_topics(bag, color="/i")
    with pytest.raises(BagError, match="/c holds no messages of type sensor_msgs/msg/CameraInfo"):
        find_topics(bag, info="/c")


def test_a_topic_without_messages_is_not_chosen(tmp_path, frame):
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, message in (
            ("/c", FACTORY.color(frame)),
            ("/d", FACTORY.depth(frame)),
            ("/i", FACTORY.camera_info(frame)),
        ):
            kind = message.__msgtype__
            connection = writer.add_connection(topic, kind, typestore=typestore())
            if topic != "/d":
                writer.write(connection, 1, typestore().serialize_cdr(message, kind))
    with BagReader(tmp_path / "bag") as bag:
        with pytest.raises(BagError, match="there is no depth topic in it"):
            find_topics(bag)
        with pytest.raises(BagError, match=r"/d holds no messages(.|\n)*/d .* 0 messages"):
            find_topics(bag, depth="/d")


def test_a_topic_of_unknown_encoding_can_be_given(bag_with):
    """The frames report the fault."""
    bag = bag_with({"/c": "color", "/labels": "labels", "/i": "info"})
    assert find_topics(bag, depth="/labels").depth == "/labels"


def test_topics_are_described_with_encoding_and_size(bag_with):
    bag = bag_with({"/c": "color", "/z": "compressedDepth"})
    images = image_topics(bag)
    assert images["/c"].size == (64, 48)
    assert images["/z"].kind == "depth"
    first, second = describe_topics(bag, images, {"/c": "color"}).splitlines()
    assert " ".join(first.split()) == "/c sensor_msgs/msg/Image 1 message rgb8 64x48 <- color"
    assert second.endswith("16UC1; compressedDepth png")  # its data is not an image
