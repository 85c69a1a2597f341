"""``cvdl info`` and ``cvdl bag``."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cvdl.bags import BagError, BagReader, BagWriter, find_topics, message_type
from cvdl.bags.frames import COLOR_TOPIC, DEPTH_INFO_TOPIC, DEPTH_TOPIC
from cvdl.datasets import DatasetError, ImageFolder
from cvdl.messages.factory import MessageFactory
from cvdl.messages.images import read_color, read_depth
from cvdl.messages.reading import stamp_ns
from helpers.cli import run_command
from helpers.paths import DATA


def test_info(bag):
    lines = run_command("info", bag).splitlines()
    assert lines[0] == f"{bag}: rosbag2 (MCAP)"
    assert lines[1] == "20 messages in 0.13 s from 2023-11-14 22:13:20 UTC"
    rows = [" ".join(line.split()) for line in lines[2:6]]
    assert rows == [
        f"{DEPTH_INFO_TOPIC} sensor_msgs/msg/CameraInfo 5 messages 30.0 Hz <- camera_info of depth",
        f"{DEPTH_TOPIC} sensor_msgs/msg/Image 5 messages 30.0 Hz 16UC1 64x48 <- depth",
        "/camera/color/camera_info sensor_msgs/msg/CameraInfo 5 messages 30.0 Hz <- camera_info",
        f"{COLOR_TOPIC} sensor_msgs/msg/Image 5 messages 30.0 Hz rgb8 64x48 <- color",
    ]
    assert lines[6] == "A replay uses the marked topics."


def test_info_of_a_bag_that_cannot_be_replayed(tmp_path, frame):
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/only", 0, MessageFactory(message_type).color(frame))
    text = run_command("info", tmp_path / "bag")
    assert "/only" in text
    assert "A replay fails: " in text
    assert "there is no depth topic in it" in text
    assert not text.rstrip().endswith("Its topics:")
    assert "<-" not in text


def test_info_of_a_bag_without_images(tmp_path):
    with BagWriter(tmp_path / "bag.bag_out") as bag:
        bag.write("/tf", 0, MessageFactory(message_type).tf(0, "a", "b", np.eye(4)))
    lines = run_command("info", tmp_path / "bag.bag_out").splitlines()
    assert lines[0].endswith("bag.bag_out: rosbag2 (MCAP)")
    assert lines[-1] == "There is nothing to replay: no topic holds images."


@pytest.fixture(
    params=[
        "simulated",
        "pairs",
        pytest.param("osd", marks=pytest.mark.real("osd")),
        pytest.param("tabletop_demo", marks=pytest.mark.real("tabletop_demo")),
    ]
)
def image_folder(request, tmp_path):
    """Folders in both layouts, simulated and real."""
    if request.param in ("osd", "tabletop_demo"):
        return DATA / request.param
    run_command("simulate", tmp_path / "images", "--scenes", 2, "--format", "images")
    if request.param == "simulated":
        return tmp_path / "images"
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    for number, scene in enumerate(sorted((tmp_path / "images").glob("*/color.png"))):
        for kind in ("color", "depth"):
            scene.with_name(f"{kind}.png").rename(pairs / f"{number:06d}-{kind}.png")
    camera = json.loads((tmp_path / "images" / "camera.json").read_text())
    names = {"width": "img_width", "height": "img_height", "cx": "x_offset", "cy": "y_offset"}
    known = {names.get(key, key): value for key, value in camera.items()}
    (pairs / "camera_params.json").write_text(json.dumps(known))
    return pairs


def test_a_bag_of_an_image_folder_holds_its_frames(tmp_path, image_folder):
    folder = ImageFolder(image_folder)
    text = run_command("bag", "from-images", image_folder, tmp_path / "bag", "--fps", 10)
    assert f"{len(folder)} frames in {tmp_path / 'bag'}" in text
    with BagReader(tmp_path / "bag") as bag:
        topics = find_topics(bag)
        images = {COLOR_TOPIC: [], DEPTH_TOPIC: []}
        for topic, received_ns, data in bag.messages(images):
            message = bag.decode(topic, data)
            assert received_ns == stamp_ns(message)
            images[topic.name].append(message)
    assert (topics.color, topics.depth) == (COLOR_TOPIC, DEPTH_TOPIC)
    stamps = [stamp_ns(message) for message in images[COLOR_TOPIC]]
    assert stamps == [(i + 1) * 100_000_000 for i in range(len(folder))]
    last = folder[len(folder) - 1]
    np.testing.assert_array_equal(read_color(images[COLOR_TOPIC][-1]), last.color)
    np.testing.assert_array_equal(read_depth(images[DEPTH_TOPIC][-1]), last.depth)
    with pytest.raises(BagError, match="bag already exists; use --overwrite"):
        run_command("bag", "from-images", image_folder, tmp_path / "bag")
    run_command("bag", "from-images", image_folder, tmp_path / "bag", "--overwrite")


def test_a_folder_that_cannot_be_read_completely_leaves_no_bag(tmp_path):
    run_command("simulate", tmp_path / "images", "--scenes", 2, "--format", "images")
    (tmp_path / "images" / "scene000001" / "color.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"scene000001/color\.png"):
        run_command("bag", "from-images", tmp_path / "images", tmp_path / "bag")
    assert not (tmp_path / "bag").exists()
